//! The latch: an abort stays until somebody raises the rollout's epoch.

use alloc::string::String;

/// Why and under which document a rollout was aborted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Abort {
    /// The digest of the document that was in force.
    pub digest: u64,
    /// One sentence for people and logs.
    pub reason: String,
}

/// The state of one rollout: its epoch, and the abort in it if there is one.
///
/// Latches of one rollout form a lattice: merging them in any order, as often as one likes, gives
/// the same latch. A message that comes late or twice does no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latch {
    rollout: String,
    epoch: u64,
    abort: Option<Abort>,
}

impl Latch {
    /// An open latch.
    pub fn new(rollout: &str, epoch: u64) -> Latch {
        Latch { rollout: rollout.into(), epoch, abort: None }
    }

    /// The rollout that it belongs to.
    pub fn rollout(&self) -> &str {
        &self.rollout
    }

    /// The highest epoch seen.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The abort in force; while there is one, everybody gets the baseline.
    pub fn abort(&self) -> Option<&Abort> {
        self.abort.as_ref()
    }

    /// Aborts the epoch that is in force. An abort that is there already stays, unless the new one
    /// is first in the order of digest and reason, so that all hosts end with the same.
    #[must_use]
    pub fn aborted(self, abort: Abort) -> Latch {
        let abort = match self.abort {
            Some(there) => there.min(abort),
            None => abort,
        };
        Latch { abort: Some(abort), ..self }
    }

    /// A document with this epoch is in force. A higher epoch clears the abort, any other changes
    /// nothing.
    #[must_use]
    pub fn at_epoch(self, epoch: u64) -> Latch {
        if epoch > self.epoch { Latch { epoch, abort: None, ..self } } else { self }
    }

    /// What two hosts know together. Another rollout's latch changes nothing.
    #[must_use]
    pub fn merge(self, other: &Latch) -> Latch {
        if other.rollout != self.rollout || other.epoch < self.epoch {
            return self;
        }
        let latch = self.at_epoch(other.epoch);
        match &other.abort {
            Some(abort) => latch.aborted(abort.clone()),
            None => latch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn abort(digest: u64) -> Abort {
        Abort { digest, reason: "errors".into() }
    }

    fn latch() -> impl Strategy<Value = Latch> {
        (0_u64..4, proptest::option::of(0_u64..3)).prop_map(|(epoch, digest)| Latch {
            rollout: "shop".into(),
            epoch,
            abort: digest.map(abort),
        })
    }

    #[test]
    fn only_a_higher_epoch_clears() {
        let latch = Latch::new("shop", 3).aborted(abort(7));
        for epoch in 0..=3 {
            assert_eq!(latch.clone().at_epoch(epoch), latch);
        }
        assert_eq!(latch.at_epoch(4), Latch::new("shop", 4));
    }

    #[test]
    fn an_old_abort_does_not_reach_a_new_epoch() {
        let old = Latch::new("shop", 3).aborted(abort(7));
        let new = Latch::new("shop", 4);
        assert_eq!(new.clone().merge(&old), new);
        assert_eq!(old.merge(&new), new);
        assert_eq!(new.clone().merge(&Latch::new("cart", 9).aborted(abort(1))), new);
    }

    proptest! {
        #[test]
        fn latches_merge_in_any_order(list in proptest::collection::vec(latch(), 1..6)) {
            let all = |latches: Vec<&Latch>| {
                latches.into_iter().fold(Latch::new("shop", 0), Latch::merge)
            };
            let merged = all(list.iter().collect());
            prop_assert_eq!(&all(list.iter().rev().collect()), &merged);
            prop_assert_eq!(&all(list.iter().chain(&list).collect()), &merged);
        }
    }
}
