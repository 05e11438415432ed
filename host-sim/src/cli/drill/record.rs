//! What the filter decided, from the record that it leaves for the access log.

use serde_json::Value;
use serin_core::{Bucket, Share};

/// One request's decision.
pub(super) struct Decided {
    pub(super) rollout: String,
    pub(super) arm: String,
    /// The unit's bucket and the share in force, if the share alone decided.
    pub(super) by_share: Option<(Bucket, Share)>,
}

impl Decided {
    /// Reads a decision record; `None` if the request belongs to no rollout.
    pub(super) fn read(record: &[u8]) -> Option<Decided> {
        let record: Value = serde_json::from_slice(record).ok()?;
        let decided = &record["rollout"];
        let text = |name: &str| Some(decided[name].as_str()?.to_owned());
        let number = |name: &str| u32::try_from(decided[name].as_u64()?).ok();
        let by_share = || {
            let bucket = Bucket::from_number(number("bucket")?)?;
            Some((bucket, Share::from_millipercent(number("share")?)?))
        };
        Some(Decided {
            rollout: text("name")?,
            arm: text("arm")?,
            by_share: by_share().filter(|_| decided["reason"] == "SPLIT"),
        })
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
