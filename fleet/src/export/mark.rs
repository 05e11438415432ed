//! Where a file comes from: the comment at its head and the annotations of its resources.

use super::Source;
use serde_json::{Value, json};

/// The annotation with the spec's digest.
pub const DIGEST: &str = "serin/digest";
/// The annotation with the spec's revision.
pub const REVISION: &str = "serin/revision";

/// The annotations of every Kubernetes resource that comes of a spec.
pub fn annotations(source: &Source<'_>) -> Value {
    json!({
        DIGEST: source.plan.digest(),
        REVISION: source.plan.revision().to_string(),
    })
}

/// How the first line of a target's files begins, which is how they are told from files of yours.
pub fn made_by(target: &str) -> String {
    format!("Made by `serin export {target}`")
}

/// The lines at the head of a file, without the sign that makes them comments.
pub fn header(source: &Source<'_>, target: &str) -> Vec<String> {
    let Source { plan, .. } = source;
    let spec = if source.name == "-" { "the spec" } else { source.name };
    vec![
        format!("{}: edit {spec} instead.", made_by(target)),
        format!("Spec: revision {}, digest {}.", plan.revision(), plan.digest()),
    ]
}
