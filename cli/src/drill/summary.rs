//! The summaries of a drill: one for each fault, over its runs.

use super::args::DrillArgs;
use super::fault::Fault;
use super::step_record::{Mix, StepRecord};
use super::subject::Subject;
use super::timeline::Timeline;
use serin_core::Share;

/// A finished drill.
pub(super) struct Drill<'a> {
    pub(super) args: &'a DrillArgs,
    pub(super) subject: &'a Subject,
    pub(super) faults: &'a [Fault],
    /// The runs of each fault.
    pub(super) timelines: &'a [Vec<Timeline>],
}

impl<'a> Drill<'a> {
    /// The summary of each fault.
    pub(super) fn summaries(&self) -> Vec<Summary<'a>> {
        let of = |(fault, timelines): (&'a Fault, &'a Vec<Timeline>)| Summary { fault, timelines };
        self.faults.iter().zip(self.timelines).map(of).collect()
    }

    /// The number of runs with a false abort, and of all runs that could have one: healthy runs, and
    /// runs whose fault begins after the rollout.
    pub(super) fn false_aborts(&self) -> (usize, usize) {
        let runs = || {
            self.summaries().into_iter().flat_map(|summary| {
                summary.timelines.iter().map(move |timeline| (summary.fault.is_healthy(), timeline))
            })
        };
        let possible = |(healthy, timeline): &(bool, &Timeline)| *healthy || timeline.onset_ms > 0;
        let aborted =
            runs().filter(|(healthy, timeline)| timeline.is_false_abort(*healthy)).count();
        (aborted, runs().filter(possible).count())
    }

    /// The first healthy run.
    pub(super) fn healthy(&self) -> Option<&'a Timeline> {
        let healthy = self.summaries().into_iter().find(|summary| summary.fault.is_healthy())?;
        healthy.timelines.first()
    }
}

/// A fault with its runs. Its figures are medians; `None` if no run has the figure.
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

    /// The number of runs that a gate aborted.
    pub(super) fn aborted(&self) -> usize {
        self.timelines.iter().filter(|timeline| timeline.aborted().is_some()).count()
    }

    /// The time to detect (MTTD): from the onset to the abort, in ms.
    pub(super) fn mttd_ms(&self) -> Option<f64> {
        self.median(|timeline| Some(to_f64(timeline.detected_ms()?)))
    }

    /// The time to recover (MTTR): from the onset to the last request to the new version, in ms.
    pub(super) fn mttr_ms(&self) -> Option<f64> {
        self.median(|timeline| Some(to_f64(timeline.recovered_ms()?)))
    }

    /// The part of the active users with a request to the faulty version, 0 to 1.
    pub(super) fn exposed_users(&self) -> Option<f64> {
        self.median(|timeline| Some(ratio(timeline.users_exposed, timeline.users_active)))
    }

    /// The part of the requests to the faulty version, from the onset to the last exposed request, 0 to 1.
    pub(super) fn exposed_part(&self) -> Option<f64> {
        self.median(|timeline| {
            Some(ratio(timeline.exposed.requests, timeline.requests_until_last_exposed))
        })
    }

    /// The number of requests to the faulty version.
    pub(super) fn exposed_requests(&self) -> Option<f64> {
        self.median(|timeline| Some(to_f64(timeline.exposed.requests)))
    }

    /// The number of requests to the faulty version that failed.
    pub(super) fn failed_requests(&self) -> Option<f64> {
        self.median(|timeline| Some(to_f64(timeline.exposed.failed)))
    }

    /// The number of runs in which every user got the new version.
    pub(super) fn promoted(&self) -> usize {
        self.timelines.iter().filter(|timeline| timeline.is_promoted()).count()
    }

    /// The largest share of all runs.
    pub(super) fn max_share(&self) -> Share {
        self.timelines.iter().filter_map(Timeline::share).max().unwrap_or_default()
    }

    /// The run to show: the first with an abort, else the first.
    pub(super) fn typical(&self) -> Option<&'a Timeline> {
        let aborted = self.timelines.iter().find(|timeline| timeline.aborted().is_some());
        aborted.or(self.timelines.first())
    }
}

/// The composition of both arms in a step: the new version's, then the baseline's.
pub(super) struct Composition {
    /// The number of users.
    pub(super) users: [u64; 2],
    /// The part of the users in each group of the subject, 0 to 1.
    pub(super) groups: Vec<[f64; 2]>,
    /// The busiest users' part of the requests, 0 to 1.
    pub(super) busiest: [f64; 2],
}

impl Composition {
    /// The composition of a step; `None` if an arm has no users.
    pub(super) fn of(step_record: &StepRecord) -> Option<Composition> {
        let arms = [&step_record.new, &step_record.baseline];
        if arms.iter().any(|mix| mix.users == 0) {
            return None;
        }
        let group = |index: usize| arms.map(|mix: &Mix| ratio(mix.groups[index], mix.users));
        Some(Composition {
            users: arms.map(|mix| mix.users),
            groups: (0..step_record.new.groups.len()).map(group).collect(),
            busiest: arms.map(|mix| ratio(mix.busiest, mix.requests)),
        })
    }
}

/// A part of a whole, 0 to 1; 0 if the whole is 0.
pub(super) fn ratio(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { to_f64(part) / to_f64(all) }
}

#[allow(clippy::cast_precision_loss)]
pub(super) fn to_f64(number: u64) -> f64 {
    number as f64
}
