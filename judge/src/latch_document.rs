//! The latch document: a judge's latches with a version, by which readers recognise an old document.

use alloc::string::String;

use serin_core::gate::Latches;
use serin_core::json::{self, Node};

/// Latches with a version.
///
/// Aborts and ended steps only grow, so they merge in any order. A held step is different: its judge
/// releases it again, and a cache may return an old document after a new one. The document with the higher
/// version says which step is held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatchDocument {
    /// The time of the judge's latest change, in ms since 1970, or the previous version plus one if that is
    /// greater; 0 if a person wrote the document.
    pub version: u64,
    /// The latches.
    pub latches: Latches,
}

impl LatchDocument {
    /// Reads `{"version":1795250000000,"latches":[…]}`; a missing version is 0. `None` for other JSON.
    pub fn from_json(text: &str) -> Option<LatchDocument> {
        let latches = Latches::from_json(text.as_bytes())?;
        let version = match json::parse(text.as_bytes())? {
            Node::Object(fields) => match fields.get("version") {
                Some(Node::Number(number)) => number.as_u64()?,
                _ => 0,
            },
            _ => return None,
        };
        Some(LatchDocument { version, latches })
    }

    /// The document as JSON.
    pub fn to_json(&self) -> String {
        json::object(|object| self.write(object))
    }

    /// Adds the members of [`LatchDocument::to_json`] to an object.
    pub fn write(&self, object: &mut json::ObjectWriter<'_>) {
        object.number("version", self.version);
        self.latches.write(object);
    }

    /// Merges another document. Its held steps are taken over unless it is older.
    pub fn merge(&mut self, other: &LatchDocument) {
        let is_current = other.version >= self.version;
        for latch in other.latches.list() {
            self.latches.update(&latch.rollout, |known| {
                if is_current { known.adopt(latch) } else { known.merge(latch) }
            });
        }
        self.version = self.version.max(other.version);
    }

    /// Sets latches that have changed at `now` (ms since 1970), and raises the version.
    pub(crate) fn set(&mut self, latches: Latches, now: u64) {
        self.version = now.max(self.version.saturating_add(1));
        self.latches = latches;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABORTED: &str = r#"{"version":7,"latches":[{"rollout":"web","epoch":2,"abort":{"epoch":2,"at":5,"digest":"d","reason":"r"},"held":1}]}"#;

    fn read(text: &str) -> LatchDocument {
        LatchDocument::from_json(text).unwrap()
    }

    #[test]
    fn a_written_document_is_read_back() {
        assert_eq!(read(ABORTED).to_json(), ABORTED);
        assert_eq!(read(r#"{"latches":[]}"#).version, 0);
        for bad in ["", "{}", "[]", r#"{"latches":[],"version":-1}"#] {
            assert_eq!(LatchDocument::from_json(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_a_document_that_is_not_older_releases_a_held_step() {
        let held = |document: &LatchDocument| document.latches.get("web").unwrap().held_step;
        let mut document = read(ABORTED);
        document.merge(&read(r#"{"version":6,"latches":[{"rollout":"web","epoch":2}]}"#));
        assert_eq!(document, read(ABORTED));
        document.merge(&read(r#"{"version":8,"latches":[{"rollout":"web","epoch":2}]}"#));
        assert_eq!((held(&document), document.version), (None, 8));
        assert!(document.latches.get("web").unwrap().abort.is_some());
    }
}
