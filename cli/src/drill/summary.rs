//! What the runs of a fault come to.

use super::args::DrillArgs;
use super::fault::Fault;
use super::step_record::{Mix, StepRecord};
use super::subject::Subject;
use super::timeline::Timeline;

use serin_core::Share;

/// A whole drill.
pub(super) struct Drill<'a> {
    pub(super) args: &'a DrillArgs,
    pub(super) subject: &'a Subject,
    pub(super) faults: &'a [Fault],
    /// For each fault, its runs.
    pub(super) timelines: &'a [Vec<Timeline>],
}

impl<'a> Drill<'a> {
    /// Each fault with what its runs come to.
    pub(super) fn summaries(&self) -> Vec<Summary<'a>> {
        let of = |(fault, timelines): (&'a Fault, &'a Vec<Timeline>)| Summary { fault, timelines };
        self.faults.iter().zip(self.timelines).map(of).collect()
    }

    /// Runs of healthy rollouts and of faults not yet begun in which a gate aborted, and all runs in
    /// which that could happen.
    pub(super) fn false_aborts(&self) -> (usize, usize) {
        let runs = || {
            self.summaries().into_iter().flat_map(|summary| {
                summary.timelines.iter().map(move |timeline| (summary.fault.is_healthy(), timeline))
            })
        };
        let possible = |(healthy, timeline): &(bool, &Timeline)| *healthy || timeline.onset_ms > 0;
        let wrong = runs().filter(|(healthy, timeline)| timeline.is_false_abort(*healthy)).count();
        (wrong, runs().filter(possible).count())
    }

    /// The first healthy run.
    pub(super) fn healthy(&self) -> Option<&'a Timeline> {
        let healthy = self.summaries().into_iter().find(|summary| summary.fault.is_healthy())?;
        healthy.timelines.first()
    }
}

/// One fault with its runs; figures are medians.
#[derive(Clone, Copy)]
pub(super) struct Summary<'a> {
    pub(super) fault: &'a Fault,
    pub(super) timelines: &'a [Timeline],
}

impl<'a> Summary<'a> {
    fn median(&self, of: impl Fn(&Timeline) -> Option<f64>) -> Option<f64> {
        let mut values: Vec<f64> = self.timelines.iter().filter_map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len().checked_sub(1)? / 2).copied()
    }

    /// Runs that a gate aborted.
    pub(super) fn aborted(&self) -> usize {
        self.timelines.iter().filter(|timeline| timeline.aborted().is_some()).count()
    }

    /// From the onset to the abort.
    pub(super) fn mttd_ms(&self) -> Option<f64> {
        self.median(|timeline| Some(to_f64(timeline.detected_ms()?)))
    }

    /// From the onset to the last request that met the new version.
    pub(super) fn mttr_ms(&self) -> Option<f64> {
        self.median(|timeline| Some(to_f64(timeline.recovered_ms()?)))
    }

    /// Of all users that were there, those who met the faulty version: 0 to 1.
    pub(super) fn users(&self) -> Option<f64> {
        self.median(|timeline| Some(ratio(timeline.users_exposed, timeline.users_seen)))
    }

    /// Of all requests from the onset to the last exposed one, those that met the faulty version.
    pub(super) fn requests(&self) -> Option<f64> {
        self.median(|timeline| Some(ratio(timeline.exposed.requests, timeline.requests_until_last)))
    }

    /// How many requests that is.
    pub(super) fn exposed(&self) -> Option<f64> {
        self.median(|timeline| Some(to_f64(timeline.exposed.requests)))
    }

    /// Requests of the new version that failed since the onset.
    pub(super) fn failed(&self) -> Option<f64> {
        self.median(|timeline| Some(to_f64(timeline.exposed.failed)))
    }

    /// Runs in which everybody got the new version.
    pub(super) fn promoted(&self) -> usize {
        self.timelines.iter().filter(|timeline| timeline.is_promoted()).count()
    }

    /// The largest share that any run came to.
    pub(super) fn reached(&self) -> Share {
        self.timelines.iter().filter_map(Timeline::share).max().unwrap_or_default()
    }

    /// The first run that was aborted, or the first.
    pub(super) fn typical(&self) -> Option<&'a Timeline> {
        let aborted = self.timelines.iter().find(|timeline| timeline.aborted().is_some());
        aborted.or(self.timelines.first())
    }
}

/// How alike the users of the new version and of the baseline are, in a step.
pub(super) struct Likeness {
    /// For each group of the subject: its part of the new version's users, and of the baseline's.
    pub(super) groups: Vec<[f64; 2]>,
    /// The busiest hundredth's part of the requests.
    pub(super) busiest: [f64; 2],
    pub(super) users: [u64; 2],
}

impl Likeness {
    /// `None` where nobody is left to compare with.
    pub(super) fn of(step_record: &StepRecord) -> Option<Likeness> {
        let arms = [&step_record.new, &step_record.baseline];
        if arms.iter().any(|mix| mix.users == 0) {
            return None;
        }
        let group = |place: usize| arms.map(|mix: &Mix| ratio(mix.groups[place], mix.users));
        Some(Likeness {
            groups: (0..step_record.new.groups.len()).map(group).collect(),
            busiest: arms.map(|mix| ratio(mix.busiest, mix.requests)),
            users: arms.map(|mix| mix.users),
        })
    }
}

/// A part of one; 0 of nothing.
pub(super) fn ratio(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { to_f64(part) / to_f64(all) }
}

#[allow(clippy::cast_precision_loss)]
pub(super) fn to_f64(number: u64) -> f64 {
    number as f64
}
