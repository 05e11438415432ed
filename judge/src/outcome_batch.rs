//! Batches of outcomes on their way to the judge: the tallies of several rollouts in one message.
//!
//! The first line has the plan's digest, then `ROLLOUT:LENGTH` for each rollout. The bytes of the tallies
//! follow, one after the other.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serin_core::gate::Tallies;

/// The tallies of several rollouts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutcomeBatch {
    /// The digest of the plan that they were counted under.
    pub digest: String,
    /// The tallies of each rollout, by its name.
    pub tallies: Vec<(String, Tallies)>,
}

impl OutcomeBatch {
    /// The batch as bytes, for [`OutcomeBatch::from_bytes`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut head = self.digest.clone();
        let mut bodies = Vec::new();
        for (rollout, tallies) in &self.tallies {
            let bytes = tallies.to_bytes();
            head.push(' ');
            head.push_str(rollout);
            head.push(':');
            head.push_str(&bytes.len().to_string());
            bodies.extend(bytes);
        }
        head.push('\n');
        let mut bytes = head.into_bytes();
        bytes.extend(bodies);
        bytes
    }

    /// Reads the bytes of [`OutcomeBatch::to_bytes`]; `None` for other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<OutcomeBatch> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (head, mut rest) = (bytes.get(..end)?, bytes.get(end.checked_add(1)?..)?);
        let mut words = core::str::from_utf8(head).ok()?.split(' ');
        let mut batch = OutcomeBatch { digest: words.next()?.to_owned(), tallies: Vec::new() };
        for word in words {
            let (rollout, length) = word.split_once(':')?;
            let (body, behind) = rest.split_at_checked(length.parse().ok()?)?;
            batch.tallies.push((rollout.to_owned(), Tallies::from_bytes(body)?));
            rest = behind;
        }
        rest.is_empty().then_some(batch)
    }

    /// The tallies of a rollout.
    pub fn get(&self, rollout: &str) -> Option<&Tallies> {
        self.tallies.iter().find(|(name, _)| name == rollout).map(|(_, tallies)| tallies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_batch_is_read_back_and_a_truncated_one_is_refused() {
        let mut tallies = Tallies::default();
        tallies.shadow.exposures = 300;
        let mut batch =
            OutcomeBatch { digest: "0123456789abcdef".into(), ..OutcomeBatch::default() };
        assert_eq!(OutcomeBatch::from_bytes(&batch.to_bytes()), Some(batch.clone()));
        batch.tallies.push(("web".into(), tallies.clone()));
        batch.tallies.push(("shop_2".into(), Tallies::default()));
        let bytes = batch.to_bytes();
        assert_eq!(OutcomeBatch::from_bytes(&bytes), Some(batch));
        for end in 0..bytes.len() {
            assert_eq!(OutcomeBatch::from_bytes(bytes.get(..end).unwrap()), None, "{end}");
        }
        assert_eq!(OutcomeBatch::from_bytes(&[&bytes[..], b"x"].concat()), None);
    }
}
