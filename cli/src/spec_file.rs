//! Spec files, in YAML or JSON: read into JSON, which the hosts take, and compiled to a plan.

use crate::diagnostics;
use crate::document;
use crate::failure::Failure;
use crate::input;
use crate::number_format::counted;
use crate::style::{self, Tone};
use serin_core::Plan;
use std::path::Path;

/// A spec without errors.
pub(crate) struct SpecFile {
    /// The spec as the filter's configuration.
    pub(crate) json: Vec<u8>,
    /// The compiled spec.
    pub(crate) plan: Plan,
}

/// Reads and compiles a spec; `-` is standard input. The failure's message names the file.
pub(crate) fn load(path: &Path) -> Result<SpecFile, Failure> {
    let text = input::read_spec(path)?;
    parse(path, &text).map_err(|failure| has_errors(path, &failure.message))
}

/// The failure of a command whose spec has errors.
pub(crate) fn has_errors(path: &Path, errors: &str) -> Failure {
    Failure::spec(format!("{} has errors\n\n{errors}", input::name(path)))
}

/// Compiles the text of a spec; a file called `.json` is never read as YAML. The failure's message shows
/// every error with its line.
pub(crate) fn parse(path: &Path, text: &[u8]) -> Result<SpecFile, Failure> {
    let compiled = document::to_json(text, document::is_json(path, text)).and_then(|json| {
        let plan = Plan::from_json(&json).map_err(|errors| Failure::spec(errors.to_string()))?;
        Ok(SpecFile { json, plan })
    });
    compiled.map_err(|failure| match diagnostics::errors(path, text) {
        shown if shown.is_empty() => failure,
        shown => Failure::spec(shown),
    })
}

/// The summary of a plan in one line.
pub(crate) fn summary(plan: &Plan) -> String {
    let rollouts = counted(plan.rollouts().len(), "rollout");
    let flags = counted(plan.flags().len(), "flag");
    let ok = style::out(Tone::Good, "ok");
    format!("{ok}, revision {} ({}), {rollouts}, {flags}", plan.revision(), plan.digest())
}
