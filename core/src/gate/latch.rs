//! The latch: the stored effect of a rollout's gates. Only a higher epoch clears an abort.

use alloc::string::String;
use alloc::vec::Vec;

use crate::parse::progress::MAX_STEPS;

/// An abort of a rollout. The order of the fields is the order in which aborts of one epoch are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Abort {
    /// The epoch that was in force.
    pub epoch: u64,
    /// The time of the abort, in ms since 1970-01-01T00:00:00Z.
    pub at: u64,
    /// The digest of the spec that was in force.
    pub digest: String,
    /// The reason, a sentence for people and logs.
    pub reason: String,
}

impl Abort {
    /// Whether this abort stops `epoch` at `now_ms`. An abort of the same or a later epoch does. An abort
    /// of an earlier epoch does until `cooldown_ms` have passed; without a clock they have not.
    ///
    /// [`Rollout::abort_in_force`](crate::plan::Rollout::abort_in_force) applies this to a plan's rollout.
    pub fn stops(&self, epoch: u64, cooldown_ms: u64, now_ms: Option<u64>) -> bool {
        let cooled = |now: u64| now >= self.at.saturating_add(cooldown_ms);
        self.epoch >= epoch || (cooldown_ms > 0 && !now_ms.is_some_and(cooled))
    }
}

/// The latch of one rollout: its abort, and the steps that its gate has ended or holds.
///
/// Latches of one rollout form a join-semilattice: merging is commutative, associative and idempotent, so
/// late and repeated messages are harmless.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latch {
    /// The name of the rollout.
    pub rollout: String,
    /// The abort of the highest epoch.
    pub abort: Option<Abort>,
    /// The epoch of `ended_steps` and `held_step`.
    pub epoch: u64,
    /// The steps that the gate has let end, each with its time in ms since 1970; sorted by step.
    pub ended_steps: Vec<(u32, u64)>,
    /// The step that the gate holds. Only the rollout's judge changes it: [`Latch::merge`] does not.
    pub held_step: Option<u32>,
}

impl Latch {
    /// An open latch: no abort, no ended and no held step.
    pub fn new(rollout: &str) -> Latch {
        Latch { rollout: rollout.into(), ..Latch::default() }
    }

    /// Records an abort. It replaces an abort of a lower epoch, and one of the same epoch if it is less in
    /// the order of time, digest and reason: all hosts store the same abort.
    pub fn abort(&mut self, abort: Abort) {
        let is_replaced = |stored: &Abort| {
            stored.epoch < abort.epoch || (stored.epoch == abort.epoch && abort < *stored)
        };
        if self.abort.as_ref().is_none_or(is_replaced) {
            self.abort = Some(abort);
        }
    }

    /// Raises the latch to an epoch and clears the steps of a lower one. A lower epoch changes nothing.
    pub fn raise_epoch(&mut self, epoch: u64) {
        if epoch > self.epoch {
            self.epoch = epoch;
            self.ended_steps.clear();
            self.held_step = None;
        }
    }

    /// Ends a step at a time, in ms since 1970; the earliest time counts. A step that no spec can have is
    /// ignored, which bounds the size of a latch from outside.
    pub fn end_step(&mut self, step: u32, at: u64) {
        if usize::try_from(step).is_ok_and(|step| step >= MAX_STEPS) {
            return;
        }
        match self.ended_steps.binary_search_by_key(&step, |(known, _)| *known) {
            Err(index) => self.ended_steps.insert(index, (step, at)),
            Ok(index) => {
                if let Some((_, known)) = self.ended_steps.get_mut(index) {
                    *known = at.min(*known);
                }
            }
        }
    }

    /// Merges the latch of the rollout's judge and takes over the step that it holds.
    pub fn adopt(&mut self, judged: &Latch) {
        self.merge(judged);
        if self.epoch == judged.epoch {
            self.held_step = judged.held_step;
        }
    }

    /// The latch as it applies to a spec with this epoch: without the steps of another epoch.
    #[must_use]
    pub fn in_epoch(&self, epoch: u64) -> Latch {
        if self.epoch == epoch {
            return self.clone();
        }
        let epoch = epoch.max(self.epoch);
        Latch { epoch, ended_steps: Vec::new(), held_step: None, ..self.clone() }
    }

    /// Merges another host's latch of the same rollout. A latch of another rollout changes nothing.
    pub fn merge(&mut self, other: &Latch) {
        if other.rollout != self.rollout {
            return;
        }
        if let Some(abort) = &other.abort {
            self.abort(abort.clone());
        }
        self.raise_epoch(other.epoch);
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
        let ended = proptest::collection::vec((0_u32..3, 0_u64..9), 0..3);
        (0_u64..3, aborts, ended).prop_map(|(epoch, aborted, ended)| {
            let mut latch = Latch { rollout: "shop".into(), epoch, ..Latch::default() };
            latch.abort = aborted.map(|(epoch, at)| abort(epoch, at));
            ended.into_iter().for_each(|(step, at)| latch.end_step(step, at));
            latch
        })
    }

    #[test]
    fn only_a_higher_epoch_clears_an_abort_and_only_after_the_cooldown() {
        let abort = abort(3, 1000);
        for epoch in 0..=3 {
            assert!(abort.stops(epoch, 0, Some(u64::MAX)), "{epoch}");
        }
        assert!(!abort.stops(4, 0, None));
        assert!(abort.stops(4, 60, None) && abort.stops(4, 60, Some(1059)));
        assert!(!abort.stops(4, 60, Some(1060)));
    }

    #[test]
    fn merging_ignores_steps_of_a_lower_epoch() {
        let mut latch = Latch { epoch: 1, ..Latch::new("shop") };
        latch.end_step(0, 5);
        let old = latch.clone();
        latch.raise_epoch(2);
        assert!(latch.ended_steps.is_empty());
        latch.merge(&old);
        latch.merge(&Latch { epoch: 9, abort: Some(abort(9, 9)), ..Latch::new("cart") });
        assert_eq!(latch, Latch { epoch: 2, ..Latch::new("shop") });
    }

    #[test]
    fn steps_that_no_spec_can_have_are_ignored() {
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
