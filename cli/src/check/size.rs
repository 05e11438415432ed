//! `serin check --target kubernetes`: specs that are too large for Kubernetes, or soon will be.

use crate::diagnostics::report::{Diagnostic, Report, Severity};
use crate::document;
use crate::sizes;
use serin_fleet::export::Source;
use serin_fleet::export::size::Stored;

/// The name of the warning. It is about a target, so no lint of `serin-analysis` finds it.
pub(crate) const TOO_LARGE: &str = "large-for-kubernetes";

/// The description of the warning.
pub(crate) const TOO_LARGE_ABOUT: &str =
    "A spec that Kubernetes refuses in an object, or will if it grows by a tenth.";

/// Adds a warning for each form in which the spec is near a limit.
pub(super) fn add(report: &mut Report, allow: &[&str]) {
    if allow.contains(&TOO_LARGE) {
        return;
    }
    let Some((spec, plan)) = &report.good else { return };
    let (name, text) = (&report.source.name, &report.source.text);
    let read = document::to_json_for_check(text, report.is_json).ok();
    let Some(json) = read.and_then(|json| String::from_utf8(json).ok()) else { return };
    let source = Source { name, json: &json, spec, plan };
    let forms = [
        ("in Istio's extension", Stored::extension_of(&source)),
        ("in a ConfigMap for Envoy", Stored::config_map_of(&source)),
    ];
    let mut found = Vec::new();
    for (form, stored) in forms {
        let Some(oversize) = stored.oversize() else { continue };
        let message = format!("{form} the spec has {}", sizes::message(oversize));
        let help = format!("{}; {}", oversize.limit.remedy(), sizes::largest(&source));
        let found_here = Diagnostic::at(Severity::Warning, TOO_LARGE, "", message, &report.source);
        found.push(Diagnostic { help: Some(help), range: None, ..found_here });
    }
    report.add(found);
}
