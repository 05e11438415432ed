//! A share that grows over time, as a pure function of the clock.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::gate::Latch;
use crate::spec::{Hold, Progress};
use crate::value::share::Share;
use crate::value::timestamp::Timestamp;

/// Which share is in force when. Steps are half-open: each begins at its moment and lasts until the
/// next one's.
#[derive(Clone, Debug)]
pub(crate) enum Schedule {
    /// The same at all times.
    Fixed(Share),
    /// Nobody before the first moment, then each step's share.
    Steps { start: Timestamp, steps: Box<[ScheduledStep]> },
}

/// A step with the time it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScheduledStep {
    pub(crate) share: Share,
    /// In ms; `None` lasts until the spec changes.
    hold: Option<u64>,
    /// Whether it goes on until the gate lets it end.
    gated: bool,
}

impl ScheduledStep {
    /// When the step ends that began at a moment; `None` is not yet known.
    fn end(self, index: usize, from: u64, latch: Option<&Latch>) -> Option<u64> {
        let natural = from.saturating_add(self.hold?);
        let step = u32::try_from(index).ok();
        let Some(latch) = latch else { return (!self.gated).then_some(natural) };
        if let Some((_, left)) = latch.ended_steps.iter().find(|(known, _)| Some(*known) == step) {
            return Some(natural.max(*left));
        }
        (!self.gated && latch.held_step != step).then_some(natural)
    }
}

/// The share in force, and which step it is of how many that time alone reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InForce {
    pub(crate) share: Share,
    /// Position and moment of the step; `None` before the first and for a fixed share.
    pub(crate) step: Option<(usize, Timestamp)>,
}

impl Progress {
    /// The share that the clock alone gives at `now`, if no gate holds a step.
    pub fn share_at(&self, now: Timestamp) -> Share {
        Schedule::new(self).at(Some(now), None).share
    }
}

impl Schedule {
    /// Lays the steps out. Steps behind a manual hold wait for a change of the spec.
    pub(crate) fn new(progress: &Progress) -> Schedule {
        let (start, steps) = match progress {
            Progress::Fixed(share) => return Schedule::Fixed(*share),
            Progress::Steps { start, steps } => (*start, steps),
        };
        let mut laid_out = Vec::with_capacity(steps.len());
        for step in steps {
            let hold = match step.hold {
                Hold::For(ms) => Some(ms),
                Hold::Manual | Hold::Last => None,
            };
            laid_out.push(ScheduledStep { share: step.share, hold, gated: step.gated });
            if hold.is_none() {
                break;
            }
        }
        match laid_out.as_slice() {
            [step] if start.is_none() => Schedule::Fixed(step.share),
            _ => Schedule::Steps {
                start: start.unwrap_or(Timestamp::from_unix_ms(0)),
                steps: laid_out.into(),
            },
        }
    }

    /// The share at a moment, with what gates have said. Without a clock no step has begun: a host
    /// whose clock fails passes on the last moment it knew.
    #[inline]
    pub(crate) fn at(&self, now: Option<Timestamp>, latch: Option<&Latch>) -> InForce {
        let (start, steps) = match self {
            Schedule::Fixed(share) => return InForce { share: *share, step: None },
            Schedule::Steps { start, steps } => (*start, steps),
        };
        let before = InForce { share: Share::ZERO, step: None };
        let Some(now) = now.filter(|now| start <= *now) else { return before };
        let mut from = start.unix_ms();
        for (index, entry) in steps.iter().enumerate() {
            match entry.end(index, from, latch).filter(|end| *end <= now.unix_ms()) {
                Some(end) => from = end,
                None => {
                    let step = Some((index, Timestamp::from_unix_ms(from)));
                    return InForce { share: entry.share, step };
                }
            }
        }
        // The last step may have an end, of which nothing comes.
        let last = steps.len().saturating_sub(1);
        let share = steps.get(last).map_or(Share::ZERO, |step| step.share);
        InForce { share, step: Some((last, Timestamp::from_unix_ms(from))) }
    }

    /// Whether the clock and the gate allow a step to end now that has lasted since `from`: its hold is
    /// over and it waits for nothing but the gate.
    pub(crate) fn is_due(&self, step: usize, from: Timestamp, now_ms: u64) -> bool {
        let Schedule::Steps { steps, .. } = self else { return false };
        let hold = steps.get(step).and_then(|step| step.hold);
        hold.is_some_and(|hold| from.unix_ms().saturating_add(hold) <= now_ms)
    }

    /// Whether a step waits for the gate.
    pub(crate) fn is_gated(&self, step: usize) -> bool {
        let Schedule::Steps { steps, .. } = self else { return false };
        steps.get(step).is_some_and(|step| step.gated)
    }

    /// How many steps there are that evidence is gathered in.
    pub(crate) fn stages(&self) -> usize {
        let Schedule::Steps { steps, .. } = self else { return 1 };
        steps.len()
    }

    /// Whether the clock matters.
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
    fn a_manual_hold_lasts() {
        let schedule = schedule(0, &[(1, Hold::For(10)), (25, Hold::Manual), (100, Hold::Last)]);
        assert_eq!((at(&schedule, 9), at(&schedule, 10), at(&schedule, u64::MAX)), (1, 25, 25));
    }
    #[test]
    fn a_gated_step_lasts_until_the_gate_lets_it_end() {
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
        // A moment before the hold is over changes nothing.
        let mut early = Latch::new("shop");
        early.end_step(0, 3);
        assert_eq!((at(Some(&early), 9), at(Some(&early), 10)), (1, 5));
    }
}
