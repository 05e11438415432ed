//! Matches of manifests as conditions of a spec.

use super::glob;
use super::node::{Kind, Node};
use super::notes::Notes;
use serde_json::{Value, json};

/// The reason for which a whole match is left out. Without one of its parts, it would match more requests.
pub(super) const WHOLE: &str =
    "the whole match is left out, because a spec cannot express a part of it";

/// The reason for which a regular expression is left out.
pub(super) const NO_GLOB: &str =
    "conditions have no regular expressions, and no glob matches the same values";

/// A string match, by `exact`, `prefix`, `suffix` or `regex`, as a test of an attribute.
pub(super) fn string_match(attribute: &str, node: &Node, notes: &mut Notes) -> Option<Value> {
    for (key, operator) in [("exact", "equals"), ("prefix", "prefix"), ("suffix", "suffix")] {
        if let Some(operand) = node.text_at(key) {
            return Some(json!({"attribute": attribute, operator: operand}));
        }
    }
    let node = node.get("regex")?;
    let condition = node.parsed(|text| pattern(attribute, &glob::globs(text)?));
    if condition.is_none() {
        notes.dropped(node, NO_GLOB);
    }
    condition
}

/// Globs, one of which must match, as a test of an attribute.
pub(super) fn pattern(attribute: &str, globs: &[String]) -> Option<Value> {
    if let Some(condition) = cookie(attribute, globs) {
        return Some(condition);
    }
    let literals: Option<Vec<String>> = globs.iter().map(|glob| glob::literal(glob)).collect();
    Some(match (literals.as_deref(), globs) {
        (Some([text]), _) => json!({"attribute": attribute, "equals": text}),
        (Some(texts), _) => json!({"attribute": attribute, "in": texts}),
        (None, [glob]) => json!({"attribute": attribute, "glob": glob}),
        (None, globs) => json!({"attribute": attribute, "glob": globs}),
    })
}

/// The usual expression for one cookie of the whole field, `^(.*?;)?(canary=always)(;.*)?$`, as a test of that
/// cookie.
fn cookie(attribute: &str, globs: &[String]) -> Option<Value> {
    let one = globs.first().filter(|_| attribute == "header.cookie")?;
    let anywhere = [one.clone(), format!("{one};*"), format!("*;{one}"), format!("*;{one};*")];
    let found = globs == anywhere;
    let pair = glob::literal(one).filter(|_| found)?;
    let (name, value) = pair.split_once('=')?;
    Some(json!({"attribute": format!("cookie.{}", name.trim()), "equals": value}))
}

/// A map of header names and string matches as tests.
pub(super) fn headers(node: &Node, notes: &mut Notes) -> Option<Vec<Value>> {
    let header = |(name, node): &(String, Node), notes: &mut Notes| {
        let attribute = format!("header.{}", name.to_ascii_lowercase());
        // Istio reads a header without a value as one that is there.
        if matches!(&node.kind, Kind::Map(entries) if entries.is_empty()) {
            node.mark_all();
            return Some(json!({"attribute": attribute, "exists": true}));
        }
        string_match(&attribute, node, notes)
    };
    let all: Vec<_> = node.entries().iter().map(|entry| header(entry, notes)).collect();
    all.into_iter().collect()
}

/// A block of matches, all of which must hold, in the notation of Istio, Argo Rollouts and Flagger. `Ok(None)`
/// if it matches every request. `Err` if a spec cannot express a part; the notes then say which.
pub(super) fn block(node: &Node, notes: &mut Notes) -> Result<Option<Value>, ()> {
    read_block(node, false, notes)
}

/// A block in the same notation, where a prefix of a path ends at a slash, as in the Gateway API.
pub(super) fn block_by_segments(node: &Node, notes: &mut Notes) -> Result<Option<Value>, ()> {
    read_block(node, true, notes)
}

fn read_block(node: &Node, by_segments: bool, notes: &mut Notes) -> Result<Option<Value>, ()> {
    let mut all = Vec::new();
    for (key, part) in node.entries() {
        let tests = match key.as_str() {
            "uri" | "path" if part.text_at("prefix") == Some("/") => Some(Vec::new()),
            "uri" | "path" if by_segments && part.peek("prefix").is_some() => {
                let prefix = part.text_at("prefix").unwrap_or_default().trim_end_matches('/');
                Some(vec![json!({"any": [
                    {"attribute": "path", "equals": prefix},
                    {"attribute": "path", "prefix": format!("{prefix}/")},
                ]})])
            }
            "uri" | "path" => string_match("path", part, notes).map(|one| vec![one]),
            "method" => string_match("method", part, notes).map(|one| vec![one]),
            "authority" => string_match("host", part, notes).map(|one| vec![one]),
            "headers" => headers(part, notes),
            "withoutHeaders" => headers(part, notes)
                .map(|all| all.into_iter().map(|one| json!({"not": one})).collect()),
            "queryParams" => part
                .entries()
                .iter()
                .map(|(name, part)| string_match(&format!("query.{name}"), part, notes))
                .collect(),
            _ => None,
        };
        match tests {
            Some(tests) => all.extend(tests),
            None => {
                notes.dropped(node, &format!("{WHOLE} ({key})"));
                return Err(());
            }
        }
    }
    if node.entries().is_empty() {
        node.mark_all();
    }
    Ok(all_of(all))
}

/// The conjunction of conditions; `None` if there are none.
pub(super) fn all_of(mut conditions: Vec<Value>) -> Option<Value> {
    match conditions.len() {
        0 => None,
        1 => conditions.pop(),
        _ => Some(json!({"all": conditions})),
    }
}

/// The disjunction of conditions; `None` if there are none.
pub(super) fn any_of(mut conditions: Vec<Value>) -> Option<Value> {
    match conditions.len() {
        0 => None,
        1 => conditions.pop(),
        _ => Some(json!({"any": conditions})),
    }
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::*;

    fn translated(text: &str) -> (Result<Option<Value>, ()>, Vec<String>) {
        let documents = document::read(text).expect("a document");
        let mut notes = Notes::default();
        let condition = block(&documents[0], &mut notes);
        (condition, notes.sorted().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn block_is_a_conjunction() {
        let (condition, notes) = translated(
            "headers: { X-Canary: { exact: on }, cookie: { regex: '^(.*?;)?(canary=always)(;.*)?$' } }\nuri: { prefix: / }\n",
        );
        let wanted = json!({"all": [
            {"attribute": "header.x-canary", "equals": "on"},
            {"attribute": "cookie.canary", "equals": "always"},
        ]});
        assert_eq!((condition, notes), (Ok(Some(wanted)), vec![]));
        let (condition, _) = translated(
            "withoutHeaders: { a: { regex: 'x|y' } }\nqueryParams: { q: { regex: 'x.*' } }\n",
        );
        let wanted = json!({"all": [
            {"not": {"attribute": "header.a", "in": ["x", "y"]}},
            {"attribute": "query.q", "glob": "x*"},
        ]});
        assert_eq!(condition, Ok(Some(wanted)));
        let (condition, _) = translated("headers: { X-Debug: {} }\n");
        assert_eq!(condition, Ok(Some(json!({"attribute": "header.x-debug", "exists": true}))));
        assert_eq!(translated("{}").0, Ok(None));
    }

    #[test]
    fn block_with_an_unsupported_part_is_left_out_whole() {
        let (condition, notes) =
            translated("headers: { a: { exact: b } }\nsourceLabels: { app: shop }\n");
        assert_eq!(condition, Err(()));
        assert!(notes[0].contains("(sourceLabels)"), "{notes:?}");
        let (condition, notes) = translated("headers: { a: { regex: '[0-9]+' } }\n");
        assert_eq!(condition, Err(()));
        assert!(
            notes[0].contains("headers.a.regex has no counterpart: conditions have no"),
            "{notes:?}"
        );
    }
}
