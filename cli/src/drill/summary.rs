//! What the runs of a fault come to.

use super::fault::Fault;
use super::stay::{Mix, Stay};
use super::story::Story;
use super::subject::Subject;
use crate::DrillArgs;
use serin_core::Share;

/// A whole drill.
pub(super) struct Drill<'a> {
    pub(super) args: &'a DrillArgs,
    pub(super) subject: &'a Subject,
    pub(super) faults: &'a [Fault],
    /// For each fault, its runs.
    pub(super) stories: &'a [Vec<Story>],
}

impl<'a> Drill<'a> {
    /// Each fault with what its runs come to.
    pub(super) fn summaries(&self) -> Vec<Summary<'a>> {
        let of = |(fault, stories): (&'a Fault, &'a Vec<Story>)| Summary { fault, stories };
        self.faults.iter().zip(self.stories).map(of).collect()
    }

    /// Runs of healthy rollouts and of faults not yet begun in which a gate aborted, and all runs in
    /// which that could happen.
    pub(super) fn false_aborts(&self) -> (usize, usize) {
        let runs = || {
            self.summaries().into_iter().flat_map(|summary| {
                summary.stories.iter().map(move |story| (summary.fault.is_healthy(), story))
            })
        };
        let possible = |(healthy, story): &(bool, &Story)| *healthy || story.onset_ms > 0;
        let wrong = runs().filter(|(healthy, story)| story.is_false_abort(*healthy)).count();
        (wrong, runs().filter(possible).count())
    }

    /// The first healthy run.
    pub(super) fn healthy(&self) -> Option<&'a Story> {
        let healthy = self.summaries().into_iter().find(|summary| summary.fault.is_healthy())?;
        healthy.stories.first()
    }
}

/// One fault with its runs; figures are medians.
#[derive(Clone, Copy)]
pub(super) struct Summary<'a> {
    pub(super) fault: &'a Fault,
    pub(super) stories: &'a [Story],
}

impl<'a> Summary<'a> {
    fn median(&self, of: impl Fn(&Story) -> Option<f64>) -> Option<f64> {
        let mut values: Vec<f64> = self.stories.iter().filter_map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len().checked_sub(1)? / 2).copied()
    }

    /// Runs that a gate aborted.
    pub(super) fn aborted(&self) -> usize {
        self.stories.iter().filter(|story| story.aborted().is_some()).count()
    }

    /// From the onset to the abort.
    pub(super) fn mttd_ms(&self) -> Option<f64> {
        self.median(|story| Some(to_f64(story.detected_ms()?)))
    }

    /// From the onset to the last request that met the new version.
    pub(super) fn mttr_ms(&self) -> Option<f64> {
        self.median(|story| Some(to_f64(story.recovered_ms()?)))
    }

    /// Of all users that were there, those who met the faulty version: 0 to 1.
    pub(super) fn users(&self) -> Option<f64> {
        self.median(|story| Some(ratio(story.users_exposed, story.users_seen)))
    }

    /// Of all requests from the onset to the last exposed one, those that met the faulty version.
    pub(super) fn requests(&self) -> Option<f64> {
        self.median(|story| Some(ratio(story.exposed.requests, story.requests_until_last)))
    }

    /// How many requests that is.
    pub(super) fn exposed(&self) -> Option<f64> {
        self.median(|story| Some(to_f64(story.exposed.requests)))
    }

    /// Requests of the new version that failed since the onset.
    pub(super) fn failed(&self) -> Option<f64> {
        self.median(|story| Some(to_f64(story.exposed.failed)))
    }

    /// Runs in which everybody got the new version.
    pub(super) fn promoted(&self) -> usize {
        self.stories.iter().filter(|story| story.is_promoted()).count()
    }

    /// The largest share that any run came to.
    pub(super) fn reached(&self) -> Share {
        self.stories.iter().filter_map(Story::share).max().unwrap_or_default()
    }

    /// The first run that was aborted, or the first.
    pub(super) fn typical(&self) -> Option<&'a Story> {
        let aborted = self.stories.iter().find(|story| story.aborted().is_some());
        aborted.or(self.stories.first())
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
    pub(super) fn of(stay: &Stay) -> Option<Likeness> {
        let arms = [&stay.new, &stay.baseline];
        if arms.iter().any(|mix| mix.users == 0) {
            return None;
        }
        let group = |place: usize| arms.map(|mix: &Mix| ratio(mix.groups[place], mix.users));
        Some(Likeness {
            groups: (0..stay.new.groups.len()).map(group).collect(),
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
