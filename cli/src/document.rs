//! YAML and JSON documents, read into the JSON that hosts get.

use crate::failure::Failure;
use serin_fleet::yaml::{self, DuplicateKeys};
use std::path::Path;

/// Why a text is no document, with line and column from 1 where that is known.
pub(crate) struct Unreadable {
    pub(crate) message: String,
    pub(crate) place: Option<(usize, usize)>,
}

/// Whether a text is to be taken for JSON: by the file's name, or by being JSON.
pub(crate) fn is_json(path: &Path, text: &[u8]) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
        || serde_json::from_slice::<serde_json::Value>(text).is_ok()
}

/// JSON stays as it is, so that what is wrong with it is found by whoever reads it in earnest.
pub(crate) fn to_json(text: &[u8], json: bool) -> Result<Vec<u8>, Failure> {
    if json {
        return Ok(text.to_vec());
    }
    let text = std::str::from_utf8(text)
        .map_err(|error| Failure::spec(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    let value = yaml::read(text, DuplicateKeys::Refuse)
        .map_err(|error| Failure::spec(one_line(&error.to_string())))?;
    serde_json::to_vec(&value).map_err(|error| Failure::spec(error.to_string()))
}

/// Reads on past keys that are given twice, the last one counts: the caller reports them.
pub(crate) fn to_json_for_check(text: &str, json: bool) -> Result<Vec<u8>, Unreadable> {
    let value = if json {
        serde_json::from_str::<serde_json::Value>(text).map_err(|error| Unreadable::json(&error))
    } else {
        yaml::read(text, DuplicateKeys::LastWins).map_err(|error| Unreadable::yaml(&error))
    }?;
    let unwritable = |error: serde_json::Error| Unreadable::json(&error);
    serde_json::to_vec(&value).map_err(unwritable)
}

impl Unreadable {
    fn json(error: &serde_json::Error) -> Unreadable {
        let said = error.to_string();
        let at = format!(" at line {} column {}", error.line(), error.column());
        let message = format!("not a JSON document: {}", said.strip_suffix(&at).unwrap_or(&said));
        Unreadable { message, place: Some((error.line(), error.column())) }
    }

    fn yaml(error: &yaml::Error) -> Unreadable {
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let place = error.location().map(|at| (number(at.line()), number(at.column())));
        // What it says about the place begins a line of its own, or ends the first.
        let said = one_line(&error.without_snippet().to_string());
        let said = said.split(" at line ").next().unwrap_or(&said);
        let said = said.strip_prefix("error: ").unwrap_or(said);
        let said = if said.contains("merge keys") {
            "merge keys (<<) are not read, write the fields out or use an alias for a whole value"
        } else {
            said
        };
        Unreadable { message: format!("not a YAML document: {said}"), place }
    }
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        String::from_utf8(
            to_json(text.as_bytes(), is_json(Path::new("-"), text.as_bytes())).expect("readable"),
        )
        .expect("text")
    }

    fn refused(text: &str) -> String {
        let failure = to_json(text.as_bytes(), is_json(Path::new("-"), text.as_bytes()))
            .expect_err("refused");
        assert_eq!(failure.code, crate::failure::SPEC_ERRORS);
        failure.message
    }

    #[test]
    fn on_and_off_are_texts_and_so_are_dates() {
        assert_eq!(
            json("a: on\nb: off\noff: no\nd: 2026-11-20\ne: true\nf: 10m\ng: 0.5\nh: ~"),
            r#"{"a":"on","b":"off","d":"2026-11-20","e":true,"f":"10m","g":0.5,"h":null,"off":"no"}"#
        );
    }

    #[test]
    fn doubled_keys_are_refused() {
        let message = refused("a: 1\nb: 2\na: 3\n");
        assert!(message.contains("duplicate") && message.contains('3'), "{message}");
    }

    #[test]
    fn anchors_are_bounded() {
        assert_eq!(json("a: &x [1, 2]\nb: *x"), r#"{"a":[1,2],"b":[1,2]}"#);
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let below = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        let message = refused(&bomb);
        assert!(message.len() < 500, "{message}");
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_place() {
        let message = refused("a:\n  - b\n c: [\n");
        assert!(message.contains("line"), "{message}");
        refused("a: .nan");
        refused("a: !custom 1");
        refused("<<: {a: 1}\n");
    }

    #[test]
    fn flow_mappings_are_yaml_too() {
        assert_eq!(json("{a: on, b: 1}"), r#"{"a":"on","b":1}"#);
        assert_eq!(json("{\"a\": 1}"), "{\"a\": 1}");
    }
}
