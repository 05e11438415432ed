//! The latch: an abort stays until somebody raises the rollout's epoch.

use alloc::string::String;
use alloc::vec::Vec;

use crate::parse::progress::MAX_STEPS;

/// Why, when and in which epoch a rollout was aborted.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Abort {
    /// The epoch that was in force.
    pub epoch: u64,
    /// When, in ms since 1970-01-01T00:00:00Z.
    pub at: u64,
    /// The digest of the spec that was in force.
    pub digest: String,
    /// One sentence for people and logs.
    pub reason: String,
}

impl Abort {
    /// Whether this abort stops `epoch` at `now_ms`. An abort of the same or a later epoch does, and
    /// one of an earlier epoch until `cooldown_ms` have passed. Without a clock they have not passed.
    ///
    /// [`Rollout::abort_in_force`](crate::plan::Rollout::abort_in_force) asks this for a plan's rollout.
    pub fn stops(&self, epoch: u64, cooldown_ms: u64, now_ms: Option<u64>) -> bool {
        let cooled = |now: u64| now >= self.at.saturating_add(cooldown_ms);
        self.epoch >= epoch || (cooldown_ms > 0 && !now_ms.is_some_and(cooled))
    }
}

/// What gates have said of one rollout: its abort if there was one, and how its steps went.
///
/// Latches of one rollout form a lattice: merging them in any order, as often as one likes, gives
/// the same latch. A message that comes late or twice does no harm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latch {
    /// The rollout that it belongs to.
    pub rollout: String,
    /// The latest abort.
    pub abort: Option<Abort>,
    /// The epoch that `left` is of.
    pub epoch: u64,
    /// Steps that waited for the gate, with the moments when it let them end: in ms since 1970,
    /// sorted by step.
    pub ended_steps: Vec<(u32, u64)>,
    /// A step that the gate holds, as long as it does. Its owner's alone: no merging changes it.
    pub held_step: Option<u32>,
}

impl Latch {
    /// An open latch.
    pub fn new(rollout: &str) -> Latch {
        Latch { rollout: rollout.into(), ..Latch::default() }
    }

    /// Aborts. An abort of the same epoch that is there already stays, unless the new one is first
    /// in the order of moment, digest and reason, so that all hosts end with the same.
    pub fn abort(&mut self, abort: Abort) {
        let earlier = |there: &Abort| {
            there.epoch < abort.epoch || (there.epoch == abort.epoch && abort < *there)
        };
        if self.abort.as_ref().is_none_or(earlier) {
            self.abort = Some(abort);
        }
    }

    /// An epoch is in force: what was known of the steps of an earlier one counts no more.
    pub fn enter_epoch(&mut self, epoch: u64) {
        if epoch > self.epoch {
            self.epoch = epoch;
            self.ended_steps.clear();
            self.held_step = None;
        }
    }

    /// Lets a step end at a moment; the earliest counts. Of a step that no spec can have nothing is kept,
    /// so that what comes from outside does not grow without end.
    pub fn end_step(&mut self, step: u32, at: u64) {
        if usize::try_from(step).is_ok_and(|step| step >= MAX_STEPS) {
            return;
        }
        match self.ended_steps.binary_search_by_key(&step, |(known, _)| *known) {
            Err(place) => self.ended_steps.insert(place, (step, at)),
            Ok(place) => {
                if let Some((_, known)) = self.ended_steps.get_mut(place) {
                    *known = at.min(*known);
                }
            }
        }
    }

    /// Takes over what the rollout's judge says: merges it, and holds the step that it holds.
    pub fn adopt(&mut self, judged: &Latch) {
        self.merge(judged);
        if self.epoch == judged.epoch {
            self.held_step = judged.held_step;
        }
    }

    /// The latch as a spec with this epoch sees it: what was known of another epoch's steps does not
    /// count.
    #[must_use]
    pub fn in_epoch(&self, epoch: u64) -> Latch {
        if self.epoch == epoch {
            return self.clone();
        }
        let epoch = epoch.max(self.epoch);
        Latch { epoch, ended_steps: Vec::new(), held_step: None, ..self.clone() }
    }

    /// Adds what another host knows of the same rollout.
    pub fn merge(&mut self, other: &Latch) {
        if other.rollout != self.rollout {
            return;
        }
        if let Some(abort) = &other.abort {
            self.abort(abort.clone());
        }
        self.enter_epoch(other.epoch);
        if other.epoch == self.epoch {
            for (step, at) in &other.ended_steps {
                self.end_step(*step, *at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn abort(epoch: u64, at: u64) -> Abort {
        Abort { epoch, at, digest: "00".into(), reason: "errors".into() }
    }

    fn latch() -> impl Strategy<Value = Latch> {
        let aborts = proptest::option::of((0_u64..3, 0_u64..3));
        let left = proptest::collection::vec((0_u32..3, 0_u64..9), 0..3);
        (0_u64..3, aborts, left).prop_map(|(epoch, aborted, left)| {
            let mut latch = Latch { rollout: "shop".into(), epoch, ..Latch::default() };
            latch.abort = aborted.map(|(epoch, at)| abort(epoch, at));
            left.into_iter().for_each(|(step, at)| latch.end_step(step, at));
            latch
        })
    }

    #[test]
    fn only_a_higher_epoch_clears_and_only_after_the_cooldown() {
        let abort = abort(3, 1000);
        for epoch in 0..=3 {
            assert!(abort.stops(epoch, 0, Some(u64::MAX)), "{epoch}");
        }
        assert!(!abort.stops(4, 0, None));
        assert!(abort.stops(4, 60, None) && abort.stops(4, 60, Some(1059)));
        assert!(!abort.stops(4, 60, Some(1060)));
    }

    #[test]
    fn steps_of_an_old_epoch_do_not_reach_a_new_one() {
        let mut latch = Latch { epoch: 1, ..Latch::new("shop") };
        latch.end_step(0, 5);
        let old = latch.clone();
        latch.enter_epoch(2);
        assert!(latch.ended_steps.is_empty());
        latch.merge(&old);
        latch.merge(&Latch { epoch: 9, abort: Some(abort(9, 9)), ..Latch::new("cart") });
        assert_eq!(latch, Latch { epoch: 2, ..Latch::new("shop") });
    }

    #[test]
    fn steps_that_no_spec_has_are_not_kept() {
        let mut latch = Latch::new("shop");
        for step in [0, 99, 100, u32::MAX] {
            latch.end_step(step, 7);
        }
        assert_eq!(latch.ended_steps, [(0, 7), (99, 7)]);
    }

    proptest! {
        #[test]
        fn latches_merge_in_any_order(list in proptest::collection::vec(latch(), 1..6)) {
            let all = |latches: Vec<&Latch>| {
                let mut merged = Latch::new("shop");
                latches.into_iter().for_each(|latch| merged.merge(latch));
                merged
            };
            let merged = all(list.iter().collect());
            prop_assert_eq!(&all(list.iter().rev().collect()), &merged);
            prop_assert_eq!(&all(list.iter().chain(&list).collect()), &merged);
        }
    }
}
