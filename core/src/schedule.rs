//! A share that grows over time, as a pure function of the clock.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::spec::{Hold, Progress};
use crate::value::share::Share;
use crate::value::timestamp::Timestamp;

/// Which share is in force when. Steps are half-open: each begins at its moment and lasts until the
/// next one's.
#[derive(Clone, Debug)]
pub(crate) enum Schedule {
    /// The same at all times.
    Fixed(Share),
    /// Nobody before the first moment, then each step's share. Sorted by moment.
    Steps(Box<[(Timestamp, Share)]>),
}

/// The share in force, and which step it is of how many that time alone reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InForce {
    pub(crate) share: Share,
    /// Position and moment of the step; `None` before the first and for a fixed share.
    pub(crate) step: Option<(usize, Timestamp)>,
}

impl Schedule {
    /// Lays the steps out in time. Steps behind a manual hold wait for a change of the spec.
    pub(crate) fn new(progress: &Progress) -> Schedule {
        let (start, steps) = match progress {
            Progress::Fixed(share) => return Schedule::Fixed(*share),
            Progress::Steps { start, steps } => (*start, steps),
        };
        let mut moments = Vec::with_capacity(steps.len());
        let mut from = start.unwrap_or(Timestamp::from_unix_ms(0)).unix_ms();
        for step in steps {
            moments.push((Timestamp::from_unix_ms(from), step.share));
            match step.hold {
                Hold::For(ms) => from = from.saturating_add(ms),
                Hold::Manual | Hold::Last => break,
            }
        }
        match moments.as_slice() {
            [(_, share)] if start.is_none() => Schedule::Fixed(*share),
            _ => Schedule::Steps(moments.into()),
        }
    }

    /// The share at a moment. Without a clock no step has begun: a host whose clock fails passes
    /// on the last moment it knew.
    #[inline]
    pub(crate) fn at(&self, now: Option<Timestamp>) -> InForce {
        let steps = match self {
            Schedule::Fixed(share) => return InForce { share: *share, step: None },
            Schedule::Steps(steps) => steps,
        };
        let before = InForce { share: Share::ZERO, step: None };
        let Some(now) = now else { return before };
        let begun = steps.iter().enumerate().take_while(|(_, (from, _))| *from <= now).last();
        begun.map_or(before, |(index, (from, share))| InForce {
            share: *share,
            step: Some((index, *from)),
        })
    }

    /// Whether the clock matters.
    pub(crate) fn needs_time(&self) -> bool {
        matches!(self, Schedule::Steps(_))
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
        let steps =
            steps.iter().map(|(percent, hold)| Step { share: share(*percent), hold: *hold });
        Schedule::new(&Progress::Steps {
            start: Some(Timestamp::from_unix_ms(start)),
            steps: steps.collect(),
        })
    }

    fn at(schedule: &Schedule, ms: u64) -> u32 {
        schedule.at(Some(Timestamp::from_unix_ms(ms))).share.millipercent() / 1000
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
        assert_eq!(schedule.at(None).share, Share::ZERO);
    }

    #[test]
    fn a_manual_hold_lasts() {
        let schedule = schedule(0, &[(1, Hold::For(10)), (25, Hold::Manual), (100, Hold::Last)]);
        assert_eq!((at(&schedule, 9), at(&schedule, 10), at(&schedule, u64::MAX)), (1, 25, 25));
    }
}
