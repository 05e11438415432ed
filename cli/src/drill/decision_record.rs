//! The part of a decision record that a drill reads. The filter writes the record for the access log.

use serde::Deserialize;
use serin_core::Share;
use std::borrow::Cow;

/// The decision about one request's rollout.
pub(super) struct RolloutDecision<'r> {
    pub(super) rollout: Cow<'r, str>,
    pub(super) arm: Cow<'r, str>,
    /// The share in force, if the unit's bucket and the share alone decided.
    pub(super) share: Option<Share>,
}

/// The fields of a record that matter here.
#[derive(Deserialize)]
struct Record<'r> {
    #[serde(borrow)]
    rollout: Rollout<'r>,
}

#[derive(Deserialize)]
struct Rollout<'r> {
    #[serde(borrow)]
    name: Cow<'r, str>,
    #[serde(borrow)]
    arm: Cow<'r, str>,
    #[serde(borrow)]
    reason: Cow<'r, str>,
    bucket: Option<u32>,
    share: Option<u32>,
}

impl RolloutDecision<'_> {
    /// Reads a decision record; `None` if the request belongs to no rollout.
    pub(super) fn read(record: &[u8]) -> Option<RolloutDecision<'_>> {
        let Record { rollout } = serde_json::from_slice(record).ok()?;
        let by_bucket = rollout.reason == "SPLIT" && rollout.bucket.is_some();
        let share = rollout.share.filter(|_| by_bucket).and_then(Share::from_millipercent);
        Some(RolloutDecision { rollout: rollout.name, arm: rollout.arm, share })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_counts_only_where_it_decided() {
        let record = br#"{"revision":1,"digest":"00","rollout":{"name":"shop","arm":"canary","reason":"SPLIT","unit":"user","bucket":123,"share":5000}}"#;
        let decided = RolloutDecision::read(record).unwrap();
        assert_eq!((&*decided.rollout, &*decided.arm), ("shop", "canary"));
        assert_eq!(decided.share.map(Share::millipercent), Some(5000));
        let ring = String::from_utf8_lossy(record).replace("SPLIT", "TARGETING_MATCH");
        assert!(RolloutDecision::read(ring.as_bytes()).unwrap().share.is_none());
        assert!(RolloutDecision::read(br#"{"revision":1}"#).is_none());
    }
}
