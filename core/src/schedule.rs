//! The schedule of a ramp: its share as a pure function of the time and the latch.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::gate::Latch;
use crate::spec::{Hold, Progress};
use crate::value::share::Share;
use crate::value::timestamp::Timestamp;

/// A schedule of shares. The times of a step are half-open: it lasts until the next one starts.
#[derive(Clone, Debug)]
pub(crate) enum Schedule {
    /// The same share at all times.
    Fixed(Share),
    /// No unit before `start`, then each step's share.
    Steps { start: Timestamp, steps: Box<[ScheduledStep]> },
}

/// A step of a schedule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScheduledStep {
    pub(crate) share: Share,
    /// The shortest time of the step, in ms; `None` holds it until the spec changes.
    hold: Option<u64>,
    /// Whether the step lasts until the gate ends it.
    gated: bool,
}

impl ScheduledStep {
    /// The end of the step if it started at `start`, both in ms since 1970; `None` if it is not known yet.
    fn end(self, index: usize, start: u64, latch: Option<&Latch>) -> Option<u64> {
        let hold_end = start.saturating_add(self.hold?);
        let step = u32::try_from(index).ok();
        let Some(latch) = latch else { return (!self.gated).then_some(hold_end) };
        if let Some((_, at)) = latch.ended_steps.iter().find(|(known, _)| Some(*known) == step) {
            return Some(hold_end.max(*at));
        }
        (!self.gated && latch.held_step != step).then_some(hold_end)
    }
}

/// The share and the step in force at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InForce {
    pub(crate) share: Share,
    /// The position and the start of the step; `None` before the first step and for a fixed share.
    pub(crate) step: Option<(usize, Timestamp)>,
}

impl Progress {
    /// The share at `now` if no gate holds or delays a step.
    pub fn share_at(&self, now: Timestamp) -> Share {
        Schedule::new(self).at(Some(now), None).share
    }
}

impl Schedule {
    /// Compiles a ramp's progress. Steps after a manual hold are left out: only an edit of the spec reaches
    /// them.
    pub(crate) fn new(progress: &Progress) -> Schedule {
        let (start, steps) = match progress {
            Progress::Fixed(share) => return Schedule::Fixed(*share),
            Progress::Steps { start, steps } => (*start, steps),
        };
        let mut scheduled = Vec::with_capacity(steps.len());
        for step in steps {
            let hold = match step.hold {
                Hold::For(ms) => Some(ms),
                Hold::Manual | Hold::Last => None,
            };
            scheduled.push(ScheduledStep { share: step.share, hold, gated: step.gated });
            if hold.is_none() {
                break;
            }
        }
        match scheduled.as_slice() {
            [step] if start.is_none() => Schedule::Fixed(step.share),
            _ => Schedule::Steps {
                start: start.unwrap_or(Timestamp::from_unix_ms(0)),
                steps: scheduled.into(),
            },
        }
    }

    /// The share and the step at `now`, with the latch of the rollout. Without a time no step has started:
    /// a host whose clock fails passes the latest time that it knows.
    #[inline]
    pub(crate) fn at(&self, now: Option<Timestamp>, latch: Option<&Latch>) -> InForce {
        let (start, steps) = match self {
            Schedule::Fixed(share) => return InForce { share: *share, step: None },
            Schedule::Steps { start, steps } => (*start, steps),
        };
        let before = InForce { share: Share::ZERO, step: None };
        let Some(now) = now.filter(|now| start <= *now) else { return before };
        let mut step_start = start.unix_ms();
        for (index, entry) in steps.iter().enumerate() {
            match entry.end(index, step_start, latch).filter(|end| *end <= now.unix_ms()) {
                Some(end) => step_start = end,
                None => {
                    let step = Some((index, Timestamp::from_unix_ms(step_start)));
                    return InForce { share: entry.share, step };
                }
            }
        }
        // The last step stays in force after its end.
        let last = steps.len().saturating_sub(1);
        let share = steps.get(last).map_or(Share::ZERO, |step| step.share);
        InForce { share, step: Some((last, Timestamp::from_unix_ms(step_start))) }
    }

    /// Whether the hold of a step that started at `start` is over at `now_ms`. A manual hold never is.
    pub(crate) fn is_due(&self, step: usize, start: Timestamp, now_ms: u64) -> bool {
        let Schedule::Steps { steps, .. } = self else { return false };
        let hold = steps.get(step).and_then(|step| step.hold);
        hold.is_some_and(|hold| start.unix_ms().saturating_add(hold) <= now_ms)
    }

    /// Whether a step lasts until the gate ends it.
    pub(crate) fn is_gated(&self, step: usize) -> bool {
        let Schedule::Steps { steps, .. } = self else { return false };
        steps.get(step).is_some_and(|step| step.gated)
    }

    /// The number of stages: one for each step that time can reach, one for a fixed share.
    pub(crate) fn stages(&self) -> usize {
        let Schedule::Steps { steps, .. } = self else { return 1 };
        steps.len()
    }

    /// The number of stages that have both a canary and a baseline, at least 1. In the others no test can
    /// cross: all exposures are of one arm, so no event speaks for a ratio.
    pub(crate) fn compared_stages(&self) -> usize {
        let Schedule::Steps { steps, .. } = self else { return 1 };
        let is_compared =
            |step: &&ScheduledStep| step.share > Share::ZERO && step.share < Share::ALL;
        steps.iter().filter(is_compared).count().max(1)
    }

    /// Whether the share depends on the time.
    pub(crate) fn needs_time(&self) -> bool {
        matches!(self, Schedule::Steps { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Step;

    fn share(percent: u32) -> Share {
        Share::from_millipercent(percent * 1000).unwrap()
    }

    fn schedule(start: u64, steps: &[(u32, Hold)]) -> Schedule {
        let steps = steps.iter().map(|(percent, hold)| Step {
            share: share(*percent),
            hold: *hold,
            gated: false,
        });
        Schedule::new(&Progress::Steps {
            start: Some(Timestamp::from_unix_ms(start)),
            steps: steps.collect(),
        })
    }

    fn at(schedule: &Schedule, ms: u64) -> u32 {
        schedule.at(Some(Timestamp::from_unix_ms(ms)), None).share.millipercent() / 1000
    }

    #[test]
    fn steps_are_half_open() {
        let steps = [(1, Hold::For(10)), (5, Hold::For(20)), (100, Hold::Last)];
        let schedule = schedule(1000, &steps);
        for (ms, percent) in [
            (0, 0),
            (999, 0),
            (1000, 1),
            (1009, 1),
            (1010, 5),
            (1029, 5),
            (1030, 100),
            (u64::MAX, 100),
        ] {
            assert_eq!(at(&schedule, ms), percent, "at {ms}");
        }
        assert_eq!(schedule.at(None, None).share, Share::ZERO);
    }

    #[test]
    fn only_steps_with_both_arms_are_compared() {
        let count = |steps: &[(u32, Hold)]| {
            let schedule = schedule(0, steps);
            (schedule.stages(), schedule.compared_stages())
        };
        let hold = Hold::For(10);
        assert_eq!(count(&[(0, hold), (1, hold), (25, hold), (100, Hold::Last)]), (4, 2));
        assert_eq!(count(&[(0, hold), (100, Hold::Last)]), (2, 1));
        // Time does not reach what follows a manual hold.
        assert_eq!(count(&[(1, Hold::Manual), (25, hold), (100, Hold::Last)]), (1, 1));
        assert_eq!(Schedule::Fixed(Share::ALL).compared_stages(), 1);
    }

    #[test]
    fn a_manual_hold_has_no_end() {
        let schedule = schedule(0, &[(1, Hold::For(10)), (25, Hold::Manual), (100, Hold::Last)]);
        assert_eq!((at(&schedule, 9), at(&schedule, 10), at(&schedule, u64::MAX)), (1, 25, 25));
    }

    #[test]
    fn a_gated_step_lasts_until_the_gate_ends_it() {
        let steps = [(1, Hold::For(10), true), (5, Hold::For(20), false), (100, Hold::Last, false)];
        let step = |(percent, hold, gated)| Step { share: share(percent), hold, gated };
        let (start, steps) = (Some(Timestamp::from_unix_ms(0)), steps.map(step).into());
        let schedule = Schedule::new(&Progress::Steps { start, steps });
        let at = |latch: Option<&Latch>, ms| {
            schedule.at(Some(Timestamp::from_unix_ms(ms)), latch).share.millipercent() / 1000
        };
        let mut latch = Latch::new("shop");
        assert_eq!((at(None, u64::MAX), at(Some(&latch), u64::MAX)), (1, 1));
        latch.end_step(0, 50);
        assert_eq!((at(Some(&latch), 49), at(Some(&latch), 50), at(Some(&latch), 69)), (1, 5, 5));
        assert_eq!(at(Some(&latch), 70), 100);
        // A step that the gate holds does not end by the clock.
        latch.held_step = Some(1);
        assert_eq!(at(Some(&latch), 700), 5);
        latch.end_step(1, 800);
        assert_eq!((at(Some(&latch), 799), at(Some(&latch), 800)), (5, 100));
        // An end before the hold is over does not shorten the step.
        let mut early = Latch::new("shop");
        early.end_step(0, 3);
        assert_eq!((at(Some(&early), 9), at(Some(&early), 10)), (1, 5));
    }
}
