//! From other tools' rollouts to a spec.
//!
//! Every field of the input is either mapped or listed with its line: `node` marks what is read, and
//! what nobody has read is listed in the end.

mod argo;
mod condition;
mod document;
mod draft;
mod flagger;
mod node;
mod regex;
mod span;
mod steps;

use draft::Draft;
use node::{Node, unread};
use std::fmt;

/// Whose manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Argo Rollouts: `kind: Rollout`.
    Argo,
    /// Flagger: `kind: Canary`.
    Flagger,
}

/// What their manifests don't say and a spec needs.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What people call the file, for the comment at the spec's head.
    pub name: String,
    /// When the first step begins, RFC 3339; a moment far away when absent, so that nothing moves.
    pub start: Option<String>,
}

/// A spec, and what has to be said about how it came about.
#[derive(Clone, Debug)]
pub struct Import {
    /// The spec, in YAML.
    pub spec: String,
    /// By line.
    pub notes: Vec<Note>,
}

/// A sentence about a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Counted from 1; 0 speaks of the whole file.
    pub line: usize,
    /// What there is to say.
    pub text: String,
}

/// Why nothing came of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Everything that is in the way.
    pub notes: Vec<Note>,
}

impl fmt::Display for Note {
    /// `12: spec.paused has no counterpart`, for a file's name and a colon in front.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, " {}", self.text),
            line => write!(f, "{line}: {}", self.text),
        }
    }
}

/// Parts without a counterpart, and why: the longest path that fits counts. `[]` is any item.
type Reasons = &'static [(&'static str, &'static str)];

/// How to read one tool's manifests.
struct Dialect {
    /// What `apiVersion` begins with, and `kind`.
    group: &'static str,
    kind: &'static str,
    read: fn(&Node, &mut Notes, &mut Draft),
    /// A path as it was once, and as it is in the table.
    renamed: (&'static str, &'static str),
    reasons: Reasons,
}

impl Tool {
    fn dialect(self) -> &'static Dialect {
        match self {
            Tool::Argo => &argo::DIALECT,
            Tool::Flagger => &flagger::DIALECT,
        }
    }
}

/// Makes a spec of every rollout in a file; what else is in it, and what of them can't be said in a spec,
/// is in the notes.
///
/// # Errors
/// The text is no YAML, has no rollout of the tool, or its rollouts contradict each other.
pub fn import(tool: Tool, text: &str, options: &Options) -> Result<Import, Failure> {
    let dialect = tool.dialect();
    let mut notes = Notes::default();
    let mut drafts = Vec::new();
    let documents = document::read(text)?;
    for document in documents.iter().flat_map(members) {
        if !dialect.is_meant(document) {
            notes.other(document);
            continue;
        }
        let mut draft = Draft::new(document, &mut notes);
        (dialect.read)(document, &mut notes, &mut draft);
        for node in unread(document) {
            notes.lost(node, dialect.reason(node.path_below(document)));
        }
        drafts.push(draft);
    }
    if drafts.is_empty() {
        let text = format!("holds no {} of {}", dialect.kind, dialect.group);
        notes.list.push(Note { line: 0, text });
        return Err(Failure { notes: notes.sorted() });
    }
    let spec = draft::spec(drafts, options, &mut notes)?;
    Ok(Import { spec, notes: notes.sorted() })
}

/// A document, or those that a list of Kubernetes holds.
fn members(document: &Node) -> &[Node] {
    match document.get("items") {
        Some(items) if document.text_at("kind") == Some("List") => items.items(),
        _ => std::slice::from_ref(document),
    }
}

impl Dialect {
    fn is_meant(&self, document: &Node) -> bool {
        let group = document.text_at("apiVersion").and_then(|version| version.split('/').next());
        group == Some(self.group) && document.text_at("kind") == Some(self.kind)
    }
}

impl Dialect {
    /// The reason of the longest path in the table that a path begins with.
    fn reason(&self, path: &str) -> &'static str {
        const COMMON: Reasons = &[
            ("status", "it is the cluster's own report"),
            ("metadata", "it belongs to the resource, which stays in the cluster"),
        ];
        let general = general(path);
        let general = match general.strip_prefix(self.renamed.0) {
            Some(rest) => format!("{}{rest}", self.renamed.1),
            None => general,
        };
        let fits = |prefix: &str| {
            let rest = general.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let all = self.reasons.iter().chain(COMMON).filter(|(prefix, _)| fits(prefix));
        all.max_by_key(|(prefix, _)| prefix.len()).map_or("", |(_, reason)| reason)
    }
}

/// A path with `[]` in place of each index.
fn general(path: &str) -> String {
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

/// What there is to say so far.
#[derive(Default)]
struct Notes {
    list: Vec<Note>,
}

impl Notes {
    /// Says something about a part.
    fn say(&mut self, node: &Node, text: &str) {
        self.list.push(Note { line: node.line, text: format!("{} {text}", node.path) });
    }

    /// A part with all that is in it can't be said in a spec.
    fn lost(&mut self, node: &Node, reason: &str) {
        let said = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        self.say(node, &format!("has no counterpart{said}"));
        node.done();
    }

    /// A part with all that is in it became something else, and this is what is different.
    fn became(&mut self, node: &Node, text: &str) {
        self.say(node, text);
        node.done();
    }

    /// A document of another kind.
    fn other(&mut self, document: &Node) {
        let kind = document.text_at("kind").unwrap_or("document without a kind");
        let name = document.text_at("metadata.name").unwrap_or_default();
        let text = format!("the {kind} {name}").trim_end().to_owned();
        let text = format!("{text} has no counterpart: no rollout is in it");
        self.list.push(Note { line: document.line, text });
        document.done();
    }

    fn sorted(mut self) -> Vec<Note> {
        self.list.sort_by_key(|note| note.line);
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_path_has_the_reason() {
        const REASONS: Reasons = &[("spec", "a"), ("spec.steps[].plugin", "b"), ("spec.step", "c")];
        let dialect = Dialect { reasons: REASONS, renamed: ("old.", "spec."), ..argo::DIALECT };
        assert_eq!(dialect.reason("spec.steps[3].plugin.name"), "b");
        assert_eq!(dialect.reason("old.steps[3].plugin.name"), "b");
        assert_eq!(dialect.reason("spec.steps[3].plugins"), "a");
        assert_eq!(dialect.reason("kind"), "");
        assert!(dialect.reason("metadata.labels").contains("cluster"));
    }

    #[test]
    fn a_file_without_rollouts_gives_nothing() {
        let text = "apiVersion: v1\nkind: Service\nmetadata: { name: shop }\n";
        let failure = import(Tool::Argo, text, &Options::default()).expect_err("nothing");
        let said: Vec<String> = failure.notes.iter().map(Note::to_string).collect();
        assert_eq!(
            said,
            [
                " holds no Rollout of argoproj.io",
                "1: the Service shop has no counterpart: no rollout is in it",
            ]
        );
    }
}
