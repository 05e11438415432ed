//! What somebody got, as positions in the plan it came from, and what is a move from one to another.

use super::Side;
use serin_core::{FlagDecision, RolloutDecision};

/// Two specs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    pub(super) old: Side<'a>,
    pub(super) new: Side<'a>,
}

/// An arm, a variant or a place in a cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Got {
    /// There is no such rollout, flag or cohort, or the flag is not delivered here.
    Nothing,
    Arm(usize, usize),
    Variant(usize, usize),
    Member(bool),
}

impl Got {
    pub(super) fn arm(decision: Option<&RolloutDecision>) -> Got {
        decision.map_or(Got::Nothing, |it| Got::Arm(it.rollout.index(), it.arm.index()))
    }

    pub(super) fn variant(decision: Option<&FlagDecision>) -> Got {
        decision.map_or(Got::Nothing, |it| Got::Variant(it.flag.index(), it.variant.index()))
    }
}

impl Pair<'_> {
    /// Whether these are different things to get. What is new counts as if everybody had had its
    /// baseline or default before, what is gone as if everybody had it now.
    pub(super) fn is_move(&self, old: Got, new: Got) -> bool {
        let (a, b) = (&self.old, &self.new);
        match (old, new) {
            (Got::Arm(rollout, arm), Got::Arm(other, to)) => {
                a.arm(rollout, arm) != b.arm(other, to)
            }
            (Got::Variant(flag, variant), Got::Variant(other, to)) => {
                a.variant(flag, variant) != b.variant(other, to)
            }
            (Got::Arm(rollout, arm), Got::Nothing) => !a.is_baseline(rollout, arm),
            (Got::Nothing, Got::Arm(rollout, arm)) => !b.is_baseline(rollout, arm),
            (Got::Variant(flag, variant), Got::Nothing) => !a.is_default(flag, variant),
            (Got::Nothing, Got::Variant(flag, variant)) => !b.is_default(flag, variant),
            (Got::Nothing, Got::Member(inside)) | (Got::Member(inside), Got::Nothing) => inside,
            (old, new) => old != new,
        }
    }

    /// Both in words, as long as it takes to tell them apart.
    pub(super) fn words(&self, old: Got, new: Got) -> (String, String) {
        let (a, b) = (&self.old, &self.new);
        match (old, new) {
            (Got::Arm(rollout, arm), Got::Arm(other, to)) => {
                let ((was, from, old), (is, to, new)) = (a.arm(rollout, arm), b.arm(other, to));
                if was != is {
                    (format!("{was}/{from}"), format!("{is}/{to}"))
                } else if from == to {
                    (format!("{from} ({old})"), format!("{to} ({new})"))
                } else {
                    (from.to_owned(), to.to_owned())
                }
            }
            (Got::Variant(flag, variant), Got::Variant(other, to)) => {
                let ((from, old), (to, new)) = (a.variant(flag, variant), b.variant(other, to));
                if from == to {
                    (format!("{from} = {old}"), format!("{to} = {new}"))
                } else {
                    (from.to_owned(), to.to_owned())
                }
            }
            (old, new) => (a.word(old), b.word(new)),
        }
    }
}

impl Side<'_> {
    /// Names of the rollout and the arm, and the arm's target.
    fn arm(&self, rollout: usize, arm: usize) -> (&str, &str, &str) {
        let rollout = self.plan.rollouts().get(rollout);
        let arm = rollout.and_then(|it| Some((it.name(), it.arms().get(arm)?)));
        arm.map_or(("", "", ""), |(rollout, arm)| (rollout, arm.name(), arm.target()))
    }

    /// Name and JSON of a variant.
    fn variant(&self, flag: usize, variant: usize) -> (&str, &str) {
        let variant = self.plan.flags().get(flag).and_then(|flag| flag.variants().get(variant));
        variant.map_or(("", ""), |variant| (variant.name(), variant.json()))
    }

    fn is_baseline(&self, rollout: usize, arm: usize) -> bool {
        self.plan.rollouts().get(rollout).is_some_and(|it| it.baseline().index() == arm)
    }

    fn is_default(&self, flag: usize, variant: usize) -> bool {
        let name = self.plan.flags().get(flag).map_or("", |flag| flag.name());
        let written = self.spec.flags.get(name);
        written.is_some_and(|it| it.default_variant == self.variant(flag, variant).0)
    }

    fn word(&self, got: Got) -> String {
        match got {
            Got::Nothing => "nothing".to_owned(),
            Got::Arm(rollout, arm) => self.arm(rollout, arm).1.to_owned(),
            Got::Variant(flag, variant) => self.variant(flag, variant).0.to_owned(),
            Got::Member(true) => "inside".to_owned(),
            Got::Member(false) => "outside".to_owned(),
        }
    }
}
