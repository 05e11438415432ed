//! The decision record that the filter leaves for the access log, as far as a drill reads it.

use serde::Deserialize;
use serin_core::{Bucket, Share};
use std::borrow::Cow;

/// One request's decision.
pub(super) struct Decided<'r> {
    pub(super) rollout: Cow<'r, str>,
    pub(super) arm: Cow<'r, str>,
    /// The unit's bucket and the share in force, if the share alone decided.
    pub(super) by_share: Option<(Bucket, Share)>,
}

/// What of a record matters here.
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

impl Decided<'_> {
    /// Reads a decision record; `None` if the request belongs to no rollout.
    pub(super) fn read(record: &[u8]) -> Option<Decided<'_>> {
        let Record { rollout } = serde_json::from_slice(record).ok()?;
        let by_share = || {
            let bucket = Bucket::from_number(rollout.bucket?)?;
            Some((bucket, Share::from_millipercent(rollout.share?)?))
        };
        let by_share = by_share().filter(|_| rollout.reason == "SPLIT");
        Some(Decided { rollout: rollout.name, arm: rollout.arm, by_share })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read() {
        let record = br#"{"revision":1,"digest":"00","rollout":{"name":"shop","arm":"canary","reason":"SPLIT","unit":"user","bucket":123,"share":5000}}"#;
        let decided = Decided::read(record).unwrap();
        assert_eq!((&*decided.rollout, &*decided.arm), ("shop", "canary"));
        let (bucket, share) = decided.by_share.unwrap();
        assert_eq!((bucket.number(), share.millipercent()), (123, 5000));
        let ring = String::from_utf8_lossy(record).replace("SPLIT", "TARGETING_MATCH");
        assert!(Decided::read(ring.as_bytes()).unwrap().by_share.is_none());
        assert!(Decided::read(br#"{"revision":1}"#).is_none());
    }
}
