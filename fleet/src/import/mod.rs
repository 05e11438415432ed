//! Imports of other tools' rollouts as a spec.
//!
//! Every field of the input either has a counterpart in the spec or is listed in a note with its line: reading
//! a node marks it, and unmarked nodes are listed at the end.
//!
//! ```
//! use serin_fleet::import::{Options, Tool, import};
//!
//! let manifest = "
//! apiVersion: argoproj.io/v1alpha1
//! kind: Rollout
//! metadata: { name: shop }
//! spec:
//!   replicas: 5
//!   strategy:
//!     canary:
//!       stableService: shop
//!       canaryService: shop-canary
//!       steps: [ { setWeight: 5 }, { pause: { duration: 10m } } ]
//! ";
//! let import = import(Tool::Argo, manifest, &Options::default())?;
//! assert!(import.spec.contains("share: 5"));
//! let notes: Vec<String> = import.notes.iter().map(ToString::to_string).collect();
//! assert!(notes.contains(&"6: spec.replicas has no counterpart: pods stay with Argo Rollouts".into()));
//! # Ok::<(), serin_fleet::import::ImportError>(())
//! ```

mod argo;
mod beside;
mod condition;
mod dialect;
mod document;
mod draft;
mod duration;
mod flagger;
mod glob;
mod node;
mod notes;
mod provider;
mod router;
mod steps;

pub use draft::Options;
pub use notes::{ImportError, ImportErrorKind, Note};

use dialect::Dialect;
use draft::Draft;
use node::{Kind, Node, unmarked};
use notes::Notes;

/// A tool whose manifests can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tool {
    /// Argo Rollouts: `kind: Rollout`.
    Argo,
    /// Flagger: `kind: Canary`.
    Flagger,
}

/// A spec made from manifests, and notes on how it differs from them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Import {
    /// The spec, in YAML.
    pub spec: String,
    /// The notes, sorted by line.
    pub notes: Vec<Note>,
}

impl Tool {
    fn dialect(self) -> &'static Dialect {
        match self {
            Tool::Argo => &argo::DIALECT,
            Tool::Flagger => &flagger::DIALECT,
        }
    }

    /// The tool's name on the command line.
    fn name(self) -> &'static str {
        match self {
            Tool::Argo => "argo",
            Tool::Flagger => "flagger",
        }
    }
}

/// Makes one spec from all rollouts in a file. The notes list other documents in the file, and the parts of the
/// rollouts that a spec cannot express.
///
/// # Errors
/// The text is not YAML, has no rollout of the tool, or its rollouts contradict each other.
pub fn import(tool: Tool, text: &str, options: &Options) -> Result<Import, ImportError> {
    let dialect = tool.dialect();
    let mut notes = Notes::default();
    let mut drafts = Vec::new();
    let documents = document::read(text).map_err(|error| error.of_import(tool))?;
    let (rollouts, others): (Vec<&Node>, Vec<&Node>) =
        documents.iter().flat_map(members).partition(|document| dialect.is_rollout(document));
    for document in rollouts {
        if let Some(node) = placeholder(document) {
            return Err(not_rendered(node, tool));
        }
        let mut draft = Draft::new(document, &mut notes);
        (dialect.read)(document, &others, &mut notes, &mut draft);
        for node in unmarked(document) {
            notes.dropped(node, dialect.reason(node.path_below(document)));
        }
        drafts.push(draft);
    }
    for document in others {
        if !document.has_marks() {
            notes.other_document(document);
            continue;
        }
        for node in unmarked(document) {
            // The dialect's reasons for a spec are about its own manifests.
            let path = node.path_below(document);
            let is_spec = path.starts_with("spec") || dialect.reason(path).is_empty();
            notes.dropped(node, if is_spec { beside::STAYS } else { dialect.reason(path) });
        }
    }
    if drafts.is_empty() {
        notes.add(0, format!("holds no {} of {}", dialect.kind, dialect.group));
        return Err(ImportError { kind: ImportErrorKind::NoRollout, notes: notes.sorted() });
    }
    let spec = draft::spec(drafts, options, &mut notes)?;
    Ok(Import { spec, notes: notes.sorted() })
}

/// The first value of a rollout that Helm or the like was to replace, except in its pods: what they do with templates
/// is their own matter.
fn placeholder(document: &Node) -> Option<&Node> {
    let spec = document.get("spec").map(Node::entries).unwrap_or_default();
    let own = spec.iter().filter(|(key, _)| !matches!(key.as_str(), "template" | "selector"));
    document.get("metadata.name").into_iter().chain(own.map(|(_, node)| node)).find_map(within)
}

fn within(node: &Node) -> Option<&Node> {
    match &node.kind {
        Kind::Scalar(text) => is_placeholder(text).then_some(node),
        Kind::List(items) => items.iter().find_map(within),
        Kind::Map(entries) => entries.iter().find_map(|(_, node)| within(node)),
    }
}

/// Whether a value has a placeholder of Helm or of envsubst. Arguments of Argo and Flagger, such as `{{args.name}}`
/// and `{{ target }}`, are none.
fn is_placeholder(text: &str) -> bool {
    let words = [".", "$", "include ", "template ", "tpl ", "if ", "with ", "range ", "end"];
    let starts = |mark: &str, is_start: &dyn Fn(&str) -> bool| {
        text.match_indices(mark).any(|(at, _)| text.get(at + mark.len()..).is_some_and(is_start))
    };
    let helm = |rest: &str| {
        let rest = rest.trim_start_matches('-').trim_start();
        words.iter().any(|word| rest.starts_with(word))
    };
    let variable = |rest: &str| rest.starts_with(|c: char| c.is_ascii_uppercase() || c == '_');
    starts("{{", &helm) || starts("${", &variable)
}

fn not_rendered(node: &Node, tool: Tool) -> ImportError {
    let (path, name) = (&node.path, tool.name());
    let text = format!(
        "{path} is a placeholder of a template: render it first, with Helm: \
         helm template CHART | serin import {name} -"
    );
    ImportError::at(node.line, ImportErrorKind::Unreadable, text)
}

/// The items of a Kubernetes `List`, or the document itself.
fn members(document: &Node) -> &[Node] {
    match document.get("items") {
        Some(items) if document.text_at("kind") == Some("List") => items.items(),
        _ => std::slice::from_ref(document),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_refused_and_arguments_are_not() {
        let import = |name: &str, pod: &str| {
            let text = format!(
                "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata:\n  name: \"{name}\"\nspec:\n  \
                 template: {{ metadata: {{ annotations: {{ a: \"{pod}\" }} }} }}\n  \
                 strategy: {{ canary: {{ stableService: a, canaryService: b, steps: [ {{ setWeight: 5 }} ] }} }}\n"
            );
            import(Tool::Argo, &text, &Options::default()).map_err(|error| error.to_string())
        };
        for name in ["{{ .Values.name }}", "{{- include 'n' . }}", "{{ $name }}", "${NAME}"] {
            assert_eq!(
                import(name, "x").expect_err("a placeholder"),
                "4: metadata.name is a placeholder of a template: render it first, with Helm: \
                 helm template CHART | serin import argo -"
            );
        }
        assert!(import("shop", "{{ .Data.data.key }}").is_ok());
        assert!(!is_placeholder("{{args.service}}") && !is_placeholder("{{ target }}.$(ns)"));
    }

    #[test]
    fn file_without_rollouts_is_refused() {
        let text = "apiVersion: v1\nkind: Service\nmetadata: { name: shop }\n";
        let error = import(Tool::Argo, text, &Options::default()).expect_err("no rollout");
        assert_eq!(error.kind, ImportErrorKind::NoRollout);
        let notes: Vec<String> = error.notes.iter().map(Note::to_string).collect();
        assert_eq!(
            notes,
            [
                " holds no Rollout of argoproj.io",
                "1: the Service shop has no counterpart: no rollout is in it",
            ]
        );
    }
}
