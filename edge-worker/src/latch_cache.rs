//! The latches that this isolate knows, from KV and from the Durable Object that judges.

use std::cell::RefCell;

use serin_core::gate::Latches;
use serin_judge::LatchDocument;

/// The merged latch document of an isolate.
#[derive(Debug, Default)]
pub(crate) struct LatchCache {
    document: RefCell<LatchDocument>,
    /// The document that was merged last, as JSON. Most batches return the same one.
    last_merged: RefCell<String>,
}

/// The result of [`LatchCache::merge`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Merged {
    Unchanged,
    Changed,
    /// The JSON is not a latch document.
    Refused,
}

impl LatchCache {
    /// Merges a document, given as JSON.
    pub(crate) fn merge(&self, json: &str) -> Merged {
        if *self.last_merged.borrow() == json {
            return Merged::Unchanged;
        }
        self.last_merged.replace(json.to_owned());
        let Some(document) = LatchDocument::from_json(json) else { return Merged::Refused };
        let mut cached = self.document.borrow_mut();
        let previous = cached.latches.clone();
        cached.merge(&document);
        if cached.latches == previous { Merged::Unchanged } else { Merged::Changed }
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
    fn an_older_document_changes_nothing() {
        let cache = LatchCache::default();
        assert_eq!(cache.merge(ABORTED), Merged::Changed);
        assert_eq!(cache.merge(ABORTED), Merged::Unchanged);
        let old = r#"{"version":6,"latches":[{"rollout":"web","epoch":2}]}"#;
        assert_eq!(cache.merge(old), Merged::Unchanged);
        assert_eq!(cache.merge("nonsense"), Merged::Refused);
        assert_eq!(cache.latches(), LatchDocument::from_json(ABORTED).unwrap().latches);
        let new = r#"{"version":8,"latches":[{"rollout":"web","epoch":2}]}"#;
        assert_eq!(cache.merge(new), Merged::Changed);
        let latch = cache.latches().get("web").cloned().unwrap();
        assert!(latch.abort.is_some() && latch.held_step.is_none());
    }
}
