//! What an isolate sends to the object that judges: tallies of its rollouts, in one body.
//!
//! The first line has the plan's digest, then `ROLLOUT:LENGTH` for each rollout; their bytes follow, one
//! after the other.

use serin_core::gate::Tallies;

/// Tallies of several rollouts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The digest of the plan that they were counted under.
    pub(crate) digest: String,
    /// By rollout.
    pub(crate) tallies: Vec<(String, Tallies)>,
}

impl Batch {
    /// As bytes, for [`Batch::from_bytes`].
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut head = self.digest.clone();
        let mut bodies = Vec::new();
        for (rollout, tallies) in &self.tallies {
            let bytes = tallies.to_bytes();
            head.push_str(&format!(" {rollout}:{}", bytes.len()));
            bodies.extend(bytes);
        }
        head.push('\n');
        let mut bytes = head.into_bytes();
        bytes.extend(bodies);
        bytes
    }

    /// Reads bytes; `None` if they are none of [`Batch::to_bytes`].
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Batch> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (head, mut rest) = (bytes.get(..end)?, bytes.get(end.checked_add(1)?..)?);
        let mut words = std::str::from_utf8(head).ok()?.split(' ');
        let mut batch = Batch { digest: words.next()?.to_owned(), ..Batch::default() };
        for word in words {
            let (rollout, length) = word.split_once(':')?;
            let (body, behind) = rest.split_at_checked(length.parse().ok()?)?;
            batch.tallies.push((rollout.to_owned(), Tallies::from_bytes(body)?));
            rest = behind;
        }
        rest.is_empty().then_some(batch)
    }

    /// The tallies of a rollout.
    pub(crate) fn of(&self, rollout: &str) -> Option<&Tallies> {
        self.tallies.iter().find(|(known, _)| known == rollout).map(|(_, tallies)| tallies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_survive_the_way() {
        let mut tallies = Tallies::default();
        tallies.shadow.exposures = 300;
        let mut batch = Batch { digest: "0123456789abcdef".into(), ..Batch::default() };
        assert_eq!(Batch::from_bytes(&batch.to_bytes()), Some(batch.clone()));
        batch.tallies.push(("web".into(), tallies.clone()));
        batch.tallies.push(("shop_2".into(), Tallies::default()));
        let bytes = batch.to_bytes();
        assert_eq!(Batch::from_bytes(&bytes), Some(batch));
        for end in 0..bytes.len() {
            assert_eq!(Batch::from_bytes(bytes.get(..end).unwrap()), None, "{end}");
        }
        assert_eq!(Batch::from_bytes(&[&bytes[..], b"x"].concat()), None);
    }
}
