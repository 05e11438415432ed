//! Mistakes in documents that YAML reads, but not as they look: the spec's own errors would be about what was read.

use super::source::Source;
use super::words::Place;
use serin_fleet::yaml;
use std::ops::Range;

/// A part of the text that is not what it looks like.
pub(super) struct Misread {
    pub(super) message: String,
    pub(super) help: String,
    pub(super) range: Range<usize>,
}

/// The most that are reported.
const MAX: usize = 20;

/// The mistakes that stand before all errors of a spec: with them, these say what is wrong.
pub(super) fn find(source: &Source) -> Vec<Misread> {
    if let Some(manifest) = manifest(source) {
        return vec![manifest];
    }
    let is_comment = |text: &str| text.starts_with("//") || text.starts_with("/*");
    let is_item = |text: &str| {
        let field = text.strip_prefix('-').unwrap_or("");
        field.starts_with(|c: char| c.is_ascii_alphabetic())
    };
    let is_misread = |text: &str| !text.is_ascii() || is_comment(text) || is_item(text);
    let words = source.words(is_misread);
    let found = words.into_iter().filter_map(|word| {
        if is_comment(word.text) {
            return Some(Misread {
                message:
                    "this is read as a part of the document, since comments of YAML begin with #"
                        .into(),
                help: "write # in its place, or quote it if you mean the text".into(),
                range: word.range,
            });
        }
        if is_item(word.text) {
            // A name may begin so, but no field does.
            let message = "no space follows the - of a list item";
            let help = format!("write - {}, with a space", word.text.trim_start_matches('-'));
            let is_item = word.place == Place::Key && source.is_first_on_line(word.range.start);
            return is_item.then(|| Misread { message: message.into(), help, range: word.range });
        }
        let error = yaml::Error::unseen(&source.text, word.range)?;
        let (message, help) = (error.message().to_owned(), error.help().to_owned());
        Some(Misread { message, help, range: error.range() })
    });
    found.take(MAX).collect()
}

/// A manifest of Kubernetes in the place of a spec.
fn manifest(source: &Source) -> Option<Misread> {
    let has = |path: &str| source.find(path).filter(|found| found.whole);
    let (kind, _) =
        has("kind").zip(has("apiVersion")).filter(|_| has("formatVersion").is_none())?;
    let name = kind.scalar.unwrap_or_default();
    let help = match name {
        "Rollout" => "make a spec of it: serin import argo FILE",
        "Canary" => "make a spec of it: serin import flagger FILE",
        _ => "give the spec itself, without the manifest around it",
    };
    let message = format!("the file is a manifest of Kubernetes (kind {name}), and not a spec");
    Some(Misread { message, help: help.into(), range: kind.value })
}

/// The marks with which templates hold a place.
const PLACEHOLDERS: [&str; 6] = ["{{", "${", "$(", "<%", "{%", "%("];

/// The help for an error about a value that a template was to replace.
pub(super) fn placeholder_help(value: &str) -> Option<String> {
    let is_placeholder = PLACEHOLDERS.iter().any(|mark| value.contains(mark));
    is_placeholder
        .then(|| "fill in the template first: this placeholder was not replaced".to_owned())
}
