//! The likelihoods over time, for the report: the core's own tests on the outcomes that the filter
//! has been given. The filter judges by itself.

use super::subject::Subject;
use serin_core::gate::{
    Exposure, Gate, LatencyCounts, Monitor, Observation, Outcome, Process, StageEvidence, StageId,
    Tallies,
};
use serin_core::plan::{RolloutId, Trial};
use serin_core::{Bucket, Share};

/// What the gate of a rollout comes to, step by step.
pub(super) struct Observer<'s> {
    trial: &'s Trial,
    rollout: RolloutId,
    step: u32,
    share: Share,
    tallies: Tallies,
    seen: Tallies,
    stages: Vec<StageEvidence>,
    looked_ms: u64,
    /// The largest likelihood against the new version, as a part of its threshold; and for promotion.
    pub(super) against: f64,
    pub(super) promotion: f64,
}

/// A request whose outcome is known.
pub(super) struct Seen {
    pub(super) canary: bool,
    pub(super) bucket: Bucket,
    pub(super) cohorts: u32,
    pub(super) kpi: bool,
    pub(super) outcome: Outcome,
}

impl<'s> Observer<'s> {
    /// `None` if nothing judges the rollout.
    pub(super) fn new(subject: &'s Subject) -> Option<Observer<'s>> {
        let trial = subject.trial()?;
        let tallies = Tallies::new(StageId::default(), trial);
        let mut observer = Observer {
            trial,
            rollout: subject.id,
            step: 0,
            share: Share::ZERO,
            seen: tallies.clone(),
            tallies,
            stages: Vec::new(),
            looked_ms: 0,
            against: 0.0,
            promotion: 0.0,
        };
        observer.enter(0, Share::ZERO, 0);
        Some(observer)
    }

    /// A step begins: what was known says nothing of it.
    pub(super) fn enter(&mut self, step: u32, share: Share, now_ms: u64) {
        (self.step, self.share, self.looked_ms) = (step, share, now_ms);
        self.tallies = Tallies::new(self.stage(), self.trial);
        self.seen = self.tallies.clone();
        self.stages = vec![StageEvidence::default(); self.trial.groups()];
        (self.against, self.promotion) = (0.0, 0.0);
    }

    fn stage(&self) -> StageId {
        StageId { step: self.step, ..StageId::default() }
    }

    pub(super) fn record(&mut self, seen: &Seen) {
        let Seen { canary, bucket, cohorts, kpi, outcome } = *seen;
        let (rollout, stage) = (self.rollout, self.stage());
        let exposure = Exposure { rollout, stage, canary, bucket, cohorts, kpi };
        self.tallies.record(self.trial, &exposure, &outcome);
    }

    /// Looks, if there is enough to look at.
    pub(super) fn look(&mut self, now_ms: u64) {
        let of = |tallies: &Tallies| tallies.groups[0].requests.exposures();
        if of(&self.tallies) - of(&self.seen) < Monitor::MIN_REQUESTS {
            return;
        }
        let gate = self.trial.gate();
        (self.against, self.promotion) = (0.0, 0.0);
        let groups = self.tallies.groups.iter().zip(&self.seen.groups);
        for (index, ((now, before), stage)) in groups.zip(&mut self.stages).enumerate() {
            let latency: [LatencyCounts; 2] =
                std::array::from_fn(|arm| now.latency[arm].since(&before.latency[arm]));
            let [canary, baseline] = &latency;
            let mut kpi = now.requests.since(before.requests);
            kpi.canary.events = now.kpi[0] - before.kpi[0];
            kpi.baseline.events = now.kpi[1] - before.kpi[1];
            let look = Observation {
                elapsed_ms: now_ms - self.looked_ms,
                requests: now.requests.since(before.requests),
                buckets: now.errors.first_errors(&before.errors, self.share),
                latency: Some([canary, baseline]),
                kpi,
            };
            gate.observe(stage, &look);
            let (against, promotion) = parts(gate, stage);
            self.against = self.against.max(against);
            if index == 0 {
                self.promotion = promotion;
            }
        }
        self.looked_ms = now_ms;
        self.seen = self.tallies.clone();
    }
}

/// The largest likelihood against the new version as a part of its threshold, and the one for it.
#[allow(clippy::cast_precision_loss)]
fn parts(gate: &Gate, stage: &StageEvidence) -> (f64, f64) {
    let (mut against, mut promotion) = (0.0_f64, 0.0);
    for level in gate.evidence(stage).levels {
        let part = level.level.raw() as f64 / level.threshold.raw().max(1) as f64;
        match level.process {
            Process::Promotion => promotion = part.max(0.0),
            _ => against = against.max(part),
        }
    }
    (against, promotion)
}
