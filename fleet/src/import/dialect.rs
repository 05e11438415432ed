//! A dialect: the manifests of one tool, and the reasons for which parts of them have no counterpart.

use super::draft::Draft;
use super::node::Node;
use super::notes::Notes;

/// Paths without a counterpart, each with the reason. The longest path that a path starts with applies. `[]` is
/// any item of a list.
pub(super) type Reasons = &'static [(&'static str, &'static str)];

/// The manifests of one tool.
pub(super) struct Dialect {
    /// The API group, the part of `apiVersion` before the slash.
    pub(super) group: &'static str,
    /// The `kind` of a rollout.
    pub(super) kind: &'static str,
    /// Reads a manifest into a draft, with the other documents of the input.
    pub(super) read: fn(&Node, &[&Node], &mut Notes, &mut Draft),
    /// The former name of a path, and its name in `reasons`.
    pub(super) renamed: (&'static str, &'static str),
    pub(super) reasons: Reasons,
}

impl Dialect {
    /// Whether a document is a rollout of this tool.
    pub(super) fn is_rollout(&self, document: &Node) -> bool {
        let group = document.peek("apiVersion").and_then(|version| version.split('/').next());
        group == Some(self.group) && document.peek("kind") == Some(self.kind)
    }

    /// The reason for which a path has no counterpart; empty if none is listed.
    pub(super) fn reason(&self, path: &str) -> &'static str {
        const COMMON: Reasons = &[
            ("status", "it is the cluster's own report"),
            ("metadata", "it belongs to the resource, which stays in the cluster"),
        ];
        let path = without_indices(path);
        let path = match path.strip_prefix(self.renamed.0) {
            Some(rest) => format!("{}{rest}", self.renamed.1),
            None => path,
        };
        let applies = |prefix: &str| {
            let rest = path.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let all = self.reasons.iter().chain(COMMON).filter(|(prefix, _)| applies(prefix));
        all.max_by_key(|(prefix, _)| prefix.len()).map_or("", |(_, reason)| reason)
    }
}

/// The path with `[]` in place of each index.
fn without_indices(path: &str) -> String {
    let mut general = String::new();
    let mut inside = false;
    for c in path.chars() {
        inside = (inside || c == '[') && c != ']';
        if c == ']' || !inside || c == '[' {
            general.push(c);
        }
    }
    general
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_path_gives_the_reason() {
        const REASONS: Reasons = &[("spec", "a"), ("spec.steps[].plugin", "b"), ("spec.step", "c")];
        let dialect = Dialect {
            group: "g",
            kind: "K",
            read: |_, _, _, _| (),
            renamed: ("old.", "spec."),
            reasons: REASONS,
        };
        assert_eq!(dialect.reason("spec.steps[3].plugin.name"), "b");
        assert_eq!(dialect.reason("old.steps[3].plugin.name"), "b");
        assert_eq!(dialect.reason("spec.steps[3].plugins"), "a");
        assert_eq!(dialect.reason("kind"), "");
        assert!(dialect.reason("metadata.labels").contains("cluster"));
    }
}
