//! The mark of exported files: the comment at the head and the annotations of resources.

use super::source::Source;
use serde_json::{Value, json};

/// The annotation with the spec's digest.
pub const DIGEST: &str = "serin/digest";
/// The annotation with the spec's revision.
pub const REVISION: &str = "serin/revision";

/// The annotations of every exported Kubernetes resource.
pub fn annotations(source: &Source<'_>) -> Value {
    json!({
        DIGEST: source.plan.digest(),
        REVISION: source.plan.revision().to_string(),
    })
}

/// The start of the first line of a target's files, which distinguishes them from other files.
pub fn made_by(target: &str) -> String {
    format!("Made by `serin export {target}`")
}

/// The lines at the head of a file, without comment signs.
pub fn header(source: &Source<'_>, target: &str) -> Vec<String> {
    let Source { plan, .. } = source;
    let spec = if source.name == "-" { "the spec" } else { source.name };
    vec![
        format!("{}: edit {spec} instead.", made_by(target)),
        format!("Spec: revision {}, digest {}.", plan.revision(), plan.digest()),
    ]
}
