//! The timeline of a run: counters that are updated as it goes, so that a run of a million requests fits.

use super::fault::Fault;
use super::step_record::StepRecord;
use super::subject::{Step, Subject};
use super::users::User;
use serde_json::Value;
use serin_core::Share;

/// The width of a column of the plots, in ms.
pub(super) const COLUMN_MS: u64 = 10_000;

/// The likelihoods, evaluated once a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tick {
    /// The largest likelihood against the new version, as a part of its threshold.
    pub(super) against: f64,
    /// The likelihood for promotion, as a part of its threshold.
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
    pub(super) tick: Tick,
}

/// An abort by a gate.
#[derive(Clone, Debug)]
pub(super) struct Aborted {
    /// In ms since the rollout began.
    pub(super) at_ms: u64,
    pub(super) reason: String,
    /// The record, as it was logged.
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
    /// How often a gate held a step, and why the first time.
    pub(super) pauses: Vec<String>,
    pub(super) records: u64,
    /// Requests of the rollout, all and since the onset.
    pub(super) requests: u64,
    pub(super) requests_since: u64,
    /// Requests to the new version since the onset, and those that failed.
    pub(super) exposed: Count,
    /// The last of them.
    pub(super) last_exposed_ms: Option<u64>,
    /// All requests between the onset and the last of them.
    pub(super) requests_until_last: u64,
    /// Requests that the filter did not let through.
    pub(super) unanswered: u64,
    /// Requests that belong to another rollout, or to none.
    pub(super) strays: u64,
    /// Users: bit 0 has been there, bit 1 met the new version since the onset.
    users: Vec<u8>,
    pub(super) users_seen: u64,
    pub(super) users_exposed: u64,
}

impl Timeline {
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
            records: 0,
            requests: 0,
            requests_since: 0,
            exposed: Count::default(),
            last_exposed_ms: None,
            requests_until_last: 0,
            unanswered: 0,
            strays: 0,
            users: vec![0; users],
            users_seen: 0,
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
            let last = self.columns.last().map_or(Tick::default(), |column| column.tick);
            self.columns.push(Column { share, tick: last, ..Column::default() });
        }
        self.columns.get_mut(index)
    }

    /// The share in force.
    pub(super) fn share(&self) -> Option<Share> {
        self.step_records.last().map(|step_record| step_record.share)
    }

    pub(super) fn aborted(&self) -> Option<&Aborted> {
        self.abort.as_ref()
    }

    /// A request has been decided.
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
            self.requests_since += 1;
            if new {
                self.users[index] |= 2;
                self.exposed.requests += 1;
                self.last_exposed_ms = Some(at);
                self.requests_until_last = self.requests_since;
            }
        }
        if let Some(step_record) = self.step_records.last_mut().filter(|_| by_share) {
            step_record.count(index, user, new);
        }
    }

    /// A request has been answered.
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

    /// Another share is in force; the step that it belongs to.
    pub(super) fn enter(&mut self, share: Share, now_ms: u64) -> usize {
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

    /// A gate has decided something by itself; whether that ends the rollout.
    pub(super) fn audit(&mut self, record: String, rollout: &str) -> bool {
        let read: Value = serde_json::from_str(&record).unwrap_or_default();
        if read["rollout"] != rollout {
            return false;
        }
        self.records += 1;
        let reason = read["reason"].as_str().unwrap_or("no reason").to_owned();
        match read["verdict"].as_str() {
            Some("abort") if self.abort.is_none() => {
                let at = read["at"].as_u64().unwrap_or(self.start_ms);
                let at_ms = self.since_start(at);
                let against = largest(&read);
                if let Some(column) = self.column(at) {
                    column.tick.against = against;
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

    pub(super) fn tick(&mut self, now_ms: u64, tick: Tick) {
        let stopped = self.abort.is_some();
        let share = if stopped { 0.0 } else { self.share().map_or(0.0, part) };
        if let Some(column) = self.column(now_ms) {
            column.share = share;
            if !stopped {
                column.tick = tick;
            }
        }
    }

    /// The run is over.
    pub(super) fn close(&mut self, now_ms: u64, users: &[User]) {
        self.end_ms = self.since_start(now_ms);
        let count = |bit: u8| self.users.iter().filter(|user| **user & bit != 0).count() as u64;
        (self.users_seen, self.users_exposed) = (count(1), count(2));
        for step_record in &mut self.step_records {
            step_record.close(users);
        }
        self.users = Vec::new();
    }

    /// Whether everybody has the new version in the end.
    pub(super) fn is_promoted(&self) -> bool {
        self.abort.is_none() && self.share() == Some(Share::ALL)
    }

    /// Whether the run ended while the rollout had more steps to come, with nothing that stopped it.
    pub(super) fn was_cut(&self, subject: &Subject) -> bool {
        let Some(step_record) = self.step_records.last() else { return self.abort.is_none() };
        let open = subject.steps.get(step_record.step).is_some_and(|step| step.hold_ms.is_none());
        self.abort.is_none() && subject.fixed.is_none() && !open && !self.is_promoted()
    }

    /// From the onset to the abort.
    pub(super) fn detected_ms(&self) -> Option<u64> {
        self.abort.as_ref()?.at_ms.checked_sub(self.onset_ms)
    }

    /// From the onset to the last request that met the new version; with an abort alone.
    pub(super) fn recovered_ms(&self) -> Option<u64> {
        self.detected_ms()?;
        Some(self.last_exposed_ms.unwrap_or(self.onset_ms).saturating_sub(self.onset_ms))
    }

    /// Whether a gate aborted though nothing was wrong.
    pub(super) fn is_false_abort(&self, healthy: bool) -> bool {
        let early = |abort: &Aborted| abort.at_ms < self.onset_ms;
        self.abort.as_ref().is_some_and(|abort| healthy || early(abort))
    }
}

/// The largest likelihood against the new version in a record, as a part of its threshold.
fn largest(record: &Value) -> f64 {
    let levels = record["likelihoods"].as_array().into_iter().flatten();
    let against = levels.filter(|level| level["process"] != "promotion");
    let part = |level: &Value| Some(level["level"].as_f64()? / level["threshold"].as_f64()?);
    against.filter_map(part).fold(1.0, f64::max)
}

/// A share as a part of one.
pub(super) fn part(share: Share) -> f64 {
    f64::from(share.millipercent()) / 1e5
}
