//! The timeline of a run: counters that are updated as the run goes on, so that a million requests fit in
//! memory.

use super::fault::Fault;
use super::step_record::StepRecord;
use super::subject::{Step, Subject};
use super::users::User;
use serde_json::Value;
use serin_core::Share;

/// The width of a column of the plots, in ms.
pub(super) const COLUMN_MS: u64 = 10_000;

/// The likelihoods of a gate, each as a part of its threshold: from 1 on it has crossed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Likelihoods {
    /// The largest likelihood against the new version.
    pub(super) against: f64,
    /// The likelihood for promotion.
    pub(super) promotion: f64,
}

/// Requests and failures of one arm.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub(super) requests: u64,
    pub(super) failed: u64,
}

/// The counters of ten seconds: one column of the plots.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Column {
    pub(super) new: Count,
    pub(super) baseline: Count,
    /// The share in force at its end, 0 to 1.
    pub(super) share: f64,
    /// The likelihoods at its end.
    pub(super) likelihoods: Likelihoods,
}

/// An abort by a gate.
#[derive(Clone, Debug)]
pub(super) struct Aborted {
    /// In ms since the rollout began.
    pub(super) at_ms: u64,
    pub(super) reason: String,
    /// The audit record as the filter logged it.
    pub(super) record: String,
}

/// The timeline of a run. Times are in ms since the rollout began.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    pub(super) label: String,
    pub(super) start_ms: u64,
    pub(super) onset_ms: u64,
    pub(super) end_ms: u64,
    steps: Vec<Step>,
    groups: usize,
    pub(super) columns: Vec<Column>,
    pub(super) step_records: Vec<StepRecord>,
    abort: Option<Aborted>,
    /// The reasons of the pauses, in order.
    pub(super) pauses: Vec<String>,
    /// Requests of the rollout in the whole run.
    pub(super) requests: u64,
    /// Requests of the rollout since the onset.
    requests_since_onset: u64,
    /// Requests to the new version since the onset, and those that failed.
    pub(super) exposed: Count,
    /// The time of the last exposed request.
    pub(super) last_exposed_ms: Option<u64>,
    /// Requests of both arms from the onset to the last exposed one.
    pub(super) requests_until_last_exposed: u64,
    /// Requests that the filter did not let through.
    pub(super) unanswered: u64,
    /// Requests that belong to another rollout, or to none.
    pub(super) strays: u64,
    /// Each user's bits: bit 0 for any request, bit 1 for one to the new version since the onset.
    users: Vec<u8>,
    /// Users with a request in the run.
    pub(super) users_active: u64,
    /// Users with a request to the new version since the onset.
    pub(super) users_exposed: u64,
}

impl Timeline {
    /// The timeline at the beginning of a run.
    pub(super) fn new(subject: &Subject, fault: &Fault, users: usize) -> Timeline {
        Timeline {
            label: fault.label.clone(),
            start_ms: subject.start_ms,
            onset_ms: fault.onset_ms,
            end_ms: 0,
            steps: subject.steps.clone(),
            groups: subject.groups.len(),
            columns: Vec::new(),
            step_records: Vec::new(),
            abort: None,
            pauses: Vec::new(),
            requests: 0,
            requests_since_onset: 0,
            exposed: Count::default(),
            last_exposed_ms: None,
            requests_until_last_exposed: 0,
            unanswered: 0,
            strays: 0,
            users: vec![0; users],
            users_active: 0,
            users_exposed: 0,
        }
    }

    fn since_start(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.start_ms)
    }

    fn column(&mut self, now_ms: u64) -> Option<&mut Column> {
        let index = usize::try_from(self.since_start(now_ms) / COLUMN_MS).ok()?;
        let share = self.share().map_or(0.0, part);
        while self.columns.len() <= index {
            let last = self.columns.last();
            let likelihoods = last.map_or(Likelihoods::default(), |column| column.likelihoods);
            self.columns.push(Column { share, likelihoods, ..Column::default() });
        }
        self.columns.get_mut(index)
    }

    /// The share in force.
    pub(super) fn share(&self) -> Option<Share> {
        self.step_records.last().map(|step_record| step_record.share)
    }

    /// The abort, if a gate aborted.
    pub(super) fn aborted(&self) -> Option<&Aborted> {
        self.abort.as_ref()
    }

    /// Counts a decided request.
    pub(super) fn request(
        &mut self,
        now_ms: u64,
        index: usize,
        user: &User,
        new: bool,
        by_share: bool,
    ) {
        let at = self.since_start(now_ms);
        self.requests += 1;
        self.users[index] |= 1;
        if at >= self.onset_ms {
            self.requests_since_onset += 1;
            if new {
                self.users[index] |= 2;
                self.exposed.requests += 1;
                self.last_exposed_ms = Some(at);
                self.requests_until_last_exposed = self.requests_since_onset;
            }
        }
        if let Some(step_record) = self.step_records.last_mut().filter(|_| by_share) {
            step_record.count(index, user, new);
        }
    }

    /// Counts a response.
    pub(super) fn answer(&mut self, now_ms: u64, new: bool, failed: bool) {
        let at = self.since_start(now_ms);
        if new && at >= self.onset_ms {
            self.exposed.failed += u64::from(failed);
        }
        if let Some(column) = self.column(now_ms) {
            let count = if new { &mut column.new } else { &mut column.baseline };
            count.requests += 1;
            count.failed += u64::from(failed);
        }
    }

    /// Begins the step that a new share belongs to, and returns its index.
    pub(super) fn begin_step(&mut self, share: Share, now_ms: u64) -> usize {
        let from = self.step_records.last().map_or(0, |step_record| step_record.step + 1);
        let later = self.steps.iter().enumerate().skip(from);
        let found = later.into_iter().find(|(_, step)| step.share == share);
        let step = found.map_or(from.min(self.steps.len().saturating_sub(1)), |(index, _)| index);
        let from_ms = self.since_start(now_ms);
        self.step_records.push(StepRecord::new(
            step,
            share,
            from_ms,
            self.groups,
            self.users.len(),
        ));
        step
    }

    /// Takes an audit record, and returns whether it aborts the rollout.
    pub(super) fn audit(&mut self, record: String, rollout: &str) -> bool {
        let read: Value = serde_json::from_str(&record).unwrap_or_default();
        if read["rollout"] != rollout {
            return false;
        }
        let reason = read["reason"].as_str().unwrap_or("no reason").to_owned();
        match read["verdict"].as_str() {
            Some("abort") if self.abort.is_none() => {
                let at = read["at"].as_u64().unwrap_or(self.start_ms);
                let at_ms = self.since_start(at);
                let against = largest_likelihood(&read);
                if let Some(column) = self.column(at) {
                    column.likelihoods.against = against;
                }
                self.abort = Some(Aborted { at_ms, reason, record });
                true
            }
            Some("pause") => {
                self.pauses.push(reason);
                false
            }
            _ => false,
        }
    }

    /// Records the share and the likelihoods; called once a second.
    pub(super) fn second(&mut self, now_ms: u64, likelihoods: Likelihoods) {
        let stopped = self.abort.is_some();
        let share = if stopped { 0.0 } else { self.share().map_or(0.0, part) };
        if let Some(column) = self.column(now_ms) {
            column.share = share;
            if !stopped {
                column.likelihoods = likelihoods;
            }
        }
    }

    /// Ends the run.
    pub(super) fn close(&mut self, now_ms: u64, users: &[User]) {
        self.end_ms = self.since_start(now_ms);
        let count = |bit: u8| self.users.iter().filter(|user| **user & bit != 0).count() as u64;
        (self.users_active, self.users_exposed) = (count(1), count(2));
        for step_record in &mut self.step_records {
            step_record.close(users);
        }
        self.users = Vec::new();
    }

    /// Whether every user has the new version at the end.
    pub(super) fn is_promoted(&self) -> bool {
        self.abort.is_none() && self.share() == Some(Share::ALL)
    }

    /// Whether the run ended before the rollout's last step, without an abort.
    pub(super) fn was_cut(&self, subject: &Subject) -> bool {
        let Some(step_record) = self.step_records.last() else { return self.abort.is_none() };
        let open = subject.steps.get(step_record.step).is_some_and(|step| step.hold_ms.is_none());
        self.abort.is_none() && subject.fixed.is_none() && !open && !self.is_promoted()
    }

    /// The time from the onset to the abort, in ms.
    pub(super) fn detected_ms(&self) -> Option<u64> {
        self.abort.as_ref()?.at_ms.checked_sub(self.onset_ms)
    }

    /// The time from the onset to the last request to the new version, in ms; `None` without an abort.
    pub(super) fn recovered_ms(&self) -> Option<u64> {
        self.detected_ms()?;
        Some(self.last_exposed_ms.unwrap_or(self.onset_ms).saturating_sub(self.onset_ms))
    }

    /// Whether a gate aborted without a fault: in a healthy run, or before the onset.
    pub(super) fn is_false_abort(&self, healthy: bool) -> bool {
        let before_onset = |abort: &Aborted| abort.at_ms < self.onset_ms;
        self.abort.as_ref().is_some_and(|abort| healthy || before_onset(abort))
    }
}

/// The largest likelihood against the new version in an audit record, as a part of its threshold.
fn largest_likelihood(record: &Value) -> f64 {
    let levels = record["likelihoods"].as_array().into_iter().flatten();
    let against = levels.filter(|level| level["process"] != "promotion");
    let part = |level: &Value| Some(level["level"].as_f64()? / level["threshold"].as_f64()?);
    against.filter_map(part).fold(1.0, f64::max)
}

/// A share as a part of one.
pub(super) fn part(share: Share) -> f64 {
    f64::from(share.millipercent()) / 1e5
}
