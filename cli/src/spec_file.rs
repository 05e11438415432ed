//! Specs as files: YAML or JSON, read into the JSON that hosts get and the plan it compiles to.

use crate::diagnostics;
use crate::document;
use crate::failure::Failure;
use crate::input;
use crate::number_format::counted;
use crate::style::{self, Tone};
use serin_core::Plan;
use std::path::Path;

/// A spec that can be used.
pub(crate) struct SpecFile {
    /// What the filter is configured with.
    pub(crate) json: Vec<u8>,
    /// What it compiles to.
    pub(crate) plan: Plan,
}

/// Reads a spec; `-` is standard input.
pub(crate) fn load(path: &Path) -> Result<SpecFile, Failure> {
    parse(path, &input::read(path)?)
}

/// Compiles the text of a spec; a file called `.json` is never taken for YAML. The failure's message
/// shows every error at its place.
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

/// One line about a plan.
pub(crate) fn summary(plan: &Plan) -> String {
    let rollouts = counted(plan.rollouts().len(), "rollout");
    let flags = counted(plan.flags().len(), "flag");
    let ok = style::out(Tone::Good, "ok");
    format!("{ok}, revision {} ({}), {rollouts}, {flags}", plan.revision(), plan.digest())
}
