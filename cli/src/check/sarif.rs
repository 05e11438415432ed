//! The SARIF 2.1.0 report of a check, for code scanning.

use super::json::{region, severity_name};
use super::{lints, size, words};
use crate::diagnostics::report::{Diagnostic, ERRORS, Report};
use crate::diagnostics::source::Source;
use serde_json::{Value, json};
use serin_analysis::lint::Lint;

/// The log, with one run. `complete` says whether every file could be read.
pub(crate) fn document(reports: &[Report], complete: bool) -> Value {
    let rules = rules();
    let results: Vec<Value> = reports
        .iter()
        .flat_map(|report| {
            report.diagnostics.iter().map(|found| result(found, &report.source, &rules))
        })
        .collect();
    let described: Vec<Value> = rules
        .iter()
        .map(|(id, about, level)| {
            json!({
                "id": id,
                "shortDescription": { "text": about },
                "defaultConfiguration": { "level": level },
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "serin",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": described,
            } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{ "executionSuccessful": complete }],
            "results": results,
        }],
    })
}

/// A rule: its name, description and level.
type Rule = (&'static str, &'static str, &'static str);

/// The rules of all errors, lints and notes.
fn rules() -> Vec<Rule> {
    let errors = ERRORS.iter().map(|(id, about)| (*id, *about, "error"));
    let found = Lint::ALL
        .iter()
        .map(|lint| (lint.id(), lint.about(), severity_name(lints::severity(*lint))));
    let notes = words::NOTES.iter().map(|(id, about)| (*id, *about, "note"));
    let size = (size::TOO_LARGE, size::TOO_LARGE_ABOUT, "warning");
    errors.chain(found).chain(notes).chain([size]).collect()
}

fn result(diagnostic: &Diagnostic, source: &Source, rules: &[Rule]) -> Value {
    let message = match (diagnostic.path.as_str(), &diagnostic.help) {
        ("", None) => diagnostic.message.clone(),
        ("", Some(help)) => format!("{} ({help})", diagnostic.message),
        (path, None) => format!("{path}: {}", diagnostic.message),
        (path, Some(help)) => format!("{path}: {} ({help})", diagnostic.message),
    };
    let mut physical = json!({ "artifactLocation": { "uri": uri(&source.name) } });
    // Viewers show only results with a region, so a result without a range is at the first line.
    physical["region"] = match &diagnostic.range {
        Some(range) => region(range, source),
        None => json!({ "startLine": 1 }),
    };
    let mut location = json!({ "physicalLocation": physical });
    if !diagnostic.path.is_empty() {
        location["logicalLocations"] = json!([{ "fullyQualifiedName": diagnostic.path }]);
    }
    let mut result = json!({
        "ruleId": diagnostic.id,
        "level": severity_name(diagnostic.severity),
        "message": { "text": message },
        "locations": [location],
    });
    if let Some(index) = rules.iter().position(|(id, ..)| *id == diagnostic.id) {
        result["ruleIndex"] = index.into();
    }
    result
}

/// A file's name as a URI reference (RFC 3986); a relative name stays relative.
fn uri(name: &str) -> String {
    let mut uri = String::from(if name.starts_with('/') { "file://" } else { "" });
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_of_names_are_encoded() {
        assert_eq!(uri("specs/a b.yaml"), "specs/a%20b.yaml");
        assert_eq!(uri("/x/ä.yaml"), "file:///x/%C3%A4.yaml");
    }

    #[test]
    fn no_two_rules_have_the_same_name() {
        let mut ids: Vec<&str> = rules().iter().map(|(id, ..)| *id).collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }
}
