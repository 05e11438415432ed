//! What this isolate knows of latches: from KV, and from the object that judges.

use std::cell::RefCell;

use serin_core::gate::Latches;
use serin_core::json::Node;

/// Latches as they travel, with a number that grows with each change, so that of two documents it is
/// known which is the newer one: KV may hand out an old one for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Document {
    /// When the object changed it last, in ms since 1970, or one more than before; 0 if people wrote it.
    pub(crate) version: u64,
    pub(crate) latches: Latches,
}

impl Document {
    /// Reads `{"version":1795250000000,"latches":[…]}`; the version may be missing.
    pub(crate) fn read(text: &str) -> Option<Document> {
        let latches = Latches::from_json(text.as_bytes())?;
        let Ok(Node::Object(fields)) = serde_json::from_str(text) else { return None };
        let version = match fields.get("version") {
            Some(Node::Number(number)) => number.as_u64()?,
            _ => 0,
        };
        Some(Document { version, latches })
    }

    pub(crate) fn write(&self) -> String {
        let latches = self.latches.to_json();
        let rest = latches.strip_prefix('{').unwrap_or(&latches);
        format!("{{\"version\":{},{rest}", self.version)
    }

    /// The list alone, as JSON.
    pub(crate) fn list(&self) -> String {
        let json = self.latches.to_json();
        let list = json.strip_prefix("{\"latches\":").and_then(|rest| rest.strip_suffix('}'));
        list.unwrap_or("[]").to_owned()
    }

    /// Adds what another one says. Only a newer one says which step is held.
    pub(crate) fn learn(&mut self, other: &Document) {
        let newer = other.version >= self.version;
        for latch in other.latches.list() {
            self.latches.update(&latch.rollout, |known| {
                known.merge(latch);
                if newer && known.epoch == latch.epoch {
                    known.held_step = latch.held_step;
                }
            });
        }
        self.version = self.version.max(other.version);
    }
}

/// What an isolate knows.
#[derive(Debug, Default)]
pub(crate) struct Known {
    document: RefCell<Document>,
    /// The text that was learned last.
    last: RefCell<String>,
}

/// What a text has changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Learned {
    Nothing,
    Something,
    /// It is no document.
    Refused,
}

impl Known {
    pub(crate) fn learn(&self, text: &str) -> Learned {
        if *self.last.borrow() == text {
            return Learned::Nothing;
        }
        self.last.replace(text.to_owned());
        let Some(document) = Document::read(text) else { return Learned::Refused };
        let mut known = self.document.borrow_mut();
        let before = known.latches.clone();
        known.learn(&document);
        if known.latches == before { Learned::Nothing } else { Learned::Something }
    }

    pub(crate) fn document(&self) -> Document {
        self.document.borrow().clone()
    }

    pub(crate) fn latches(&self) -> Latches {
        self.document.borrow().latches.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABORTED: &str = r#"{"version":7,"latches":[{"rollout":"web","epoch":2,"abort":{"epoch":2,"at":5,"digest":"d","reason":"r"},"held":1}]}"#;

    #[test]
    fn a_document_survives_the_way() {
        let document = Document::read(ABORTED).unwrap();
        assert_eq!(document.write(), ABORTED);
        assert!(document.list().starts_with("[{\"rollout\":\"web\""), "{}", document.list());
        assert_eq!(Document::read(r#"{"latches":[]}"#).unwrap().version, 0);
        for bad in ["", "{}", "[]", r#"{"latches":[],"version":-1}"#] {
            assert_eq!(Document::read(bad), None, "{bad}");
        }
        assert_eq!(Document::default().list(), "[]");
    }

    #[test]
    fn an_older_text_takes_nothing_back() {
        let known = Known::default();
        assert_eq!(known.learn(ABORTED), Learned::Something);
        assert_eq!(known.learn(ABORTED), Learned::Nothing);
        let old = r#"{"version":6,"latches":[{"rollout":"web","epoch":2}]}"#;
        assert_eq!(known.learn(old), Learned::Nothing);
        assert_eq!(known.learn("nonsense"), Learned::Refused);
        assert_eq!(known.document(), Document::read(ABORTED).unwrap());
        let new = r#"{"version":8,"latches":[{"rollout":"web","epoch":2}]}"#;
        assert_eq!(known.learn(new), Learned::Something);
        let latch = known.latches().get("web").cloned().unwrap();
        assert!(latch.abort.is_some() && latch.held_step.is_none());
    }
}
