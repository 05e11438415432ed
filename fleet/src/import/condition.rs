//! What their matches say, as conditions.

use super::Notes;
use super::node::Node;
use super::regex;
use serde_json::{Value, json};

/// Why a match that can't be said whole is left out whole: without one of its parts it would be for more
/// requests than before.
const WHOLE: &str = "the whole match is left out, for a part of it can't be said in a spec";

/// A text matched by `exact`, `prefix`, `suffix` or `regex`: a test of an attribute.
pub(super) fn text(attribute: &str, node: &Node, notes: &mut Notes) -> Option<Value> {
    for (key, operator) in [("exact", "equals"), ("prefix", "prefix"), ("suffix", "suffix")] {
        if let Some(operand) = node.text_at(key) {
            return Some(json!({"attribute": attribute, operator: operand}));
        }
    }
    let node = node.get("regex")?;
    let condition = node.parsed(|text| pattern(attribute, text));
    if condition.is_none() {
        notes.lost(node, "conditions have no regular expressions, and no glob says the same");
    }
    condition
}

fn pattern(attribute: &str, text: &str) -> Option<Value> {
    let globs = regex::globs(text)?;
    if let Some(condition) = cookie(attribute, &globs) {
        return Some(condition);
    }
    let literals: Option<Vec<String>> = globs.iter().map(|glob| regex::literal(glob)).collect();
    Some(match (literals.as_deref(), globs.as_slice()) {
        (Some([text]), _) => json!({"attribute": attribute, "equals": text}),
        (Some(texts), _) => json!({"attribute": attribute, "in": texts}),
        (None, [glob]) => json!({"attribute": attribute, "glob": glob}),
        (None, globs) => json!({"attribute": attribute, "glob": globs}),
    })
}

/// The usual way to find one cookie in the whole field, `^(.*?;)?(canary=always)(;.*)?$`.
fn cookie(attribute: &str, globs: &[String]) -> Option<Value> {
    let one = globs.first().filter(|_| attribute == "header.cookie")?;
    let anywhere = [one.clone(), format!("{one};*"), format!("*;{one}"), format!("*;{one};*")];
    let found = globs == anywhere;
    let pair = regex::literal(one).filter(|_| found)?;
    let (name, value) = pair.split_once('=')?;
    Some(json!({"attribute": format!("cookie.{}", name.trim()), "equals": value}))
}

/// Header fields by name, each with its match.
pub(super) fn headers(node: &Node, notes: &mut Notes) -> Option<Vec<Value>> {
    let header = |(name, node): &(String, Node), notes: &mut Notes| {
        text(&format!("header.{}", name.to_ascii_lowercase()), node, notes)
    };
    let all: Vec<_> = node.entries().iter().map(|entry| header(entry, notes)).collect();
    all.into_iter().collect()
}

/// A block of matches of which all must hold, as Istio, Argo and Flagger have them. `Err` if a part can't
/// be said, which is in the notes then; `Ok(None)` if it is for every request.
pub(super) fn block(node: &Node, notes: &mut Notes) -> Result<Option<Value>, ()> {
    let mut all = Vec::new();
    for (key, part) in node.entries() {
        let said = match key.as_str() {
            "uri" | "path" if part.text_at("prefix") == Some("/") => Some(Vec::new()),
            "uri" | "path" => text("path", part, notes).map(|one| vec![one]),
            "method" => text("method", part, notes).map(|one| vec![one]),
            "authority" => text("host", part, notes).map(|one| vec![one]),
            "headers" => headers(part, notes),
            "withoutHeaders" => headers(part, notes)
                .map(|all| all.into_iter().map(|one| json!({"not": one})).collect()),
            "queryParams" => part
                .entries()
                .iter()
                .map(|(name, part)| text(&format!("query.{name}"), part, notes))
                .collect(),
            _ => None,
        };
        match said {
            Some(said) => all.extend(said),
            None => {
                notes.lost(node, &format!("{WHOLE} ({key})"));
                return Err(());
            }
        }
    }
    if node.entries().is_empty() {
        node.done();
    }
    Ok(all_of(all))
}

/// All of some conditions; `None` of none.
pub(super) fn all_of(mut conditions: Vec<Value>) -> Option<Value> {
    match conditions.len() {
        0 => None,
        1 => conditions.pop(),
        _ => Some(json!({"all": conditions})),
    }
}

/// One of some conditions; `None` of none.
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

    fn said(text: &str) -> (Result<Option<Value>, ()>, Vec<String>) {
        let documents = document::read(text).expect("a document");
        let mut notes = Notes::default();
        let condition = block(&documents[0], &mut notes);
        (condition, notes.sorted().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn blocks_are_conjunctions() {
        let (condition, notes) = said(
            "headers: { X-Canary: { exact: on }, cookie: { regex: '^(.*?;)?(canary=always)(;.*)?$' } }\nuri: { prefix: / }\n",
        );
        let wanted = json!({"all": [
            {"attribute": "header.x-canary", "equals": "on"},
            {"attribute": "cookie.canary", "equals": "always"},
        ]});
        assert_eq!((condition, notes), (Ok(Some(wanted)), vec![]));
        let (condition, _) =
            said("withoutHeaders: { a: { regex: 'x|y' } }\nqueryParams: { q: { regex: 'x.*' } }\n");
        let wanted = json!({"all": [
            {"not": {"attribute": "header.a", "in": ["x", "y"]}},
            {"attribute": "query.q", "glob": "x*"},
        ]});
        assert_eq!(condition, Ok(Some(wanted)));
        assert_eq!(said("{}").0, Ok(None));
    }

    #[test]
    fn a_block_that_cannot_be_said_is_left_out_whole() {
        let (condition, notes) =
            said("headers: { a: { exact: b } }\nsourceLabels: { app: shop }\n");
        assert_eq!(condition, Err(()));
        assert!(notes[0].contains("(sourceLabels)"), "{notes:?}");
        let (condition, notes) = said("headers: { a: { regex: '[0-9]+' } }\n");
        assert_eq!(condition, Err(()));
        assert!(
            notes[0].contains("headers.a.regex has no counterpart: conditions have no"),
            "{notes:?}"
        );
    }
}
