//! How a request ended, and which stage of which trial that says something of.

use crate::decision::{Decision, Reason};
use crate::facts::Facts;
use crate::hash::Bucket;
use crate::plan::{Plan, RolloutId, Trial};

/// How a request ended, as the host saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The status of the answer; 0 is none.
    pub status: u16,
    /// The host gave up: the upstream reset, timed out or could not be reached.
    pub failed: bool,
    /// How long it took, in µs; `None` is not known. If the client went away, how long it waited: the
    /// least that the answer would have taken.
    pub micros: Option<u64>,
    /// The answer has the header field that a KPI event needs.
    pub kpi_header: bool,
}

/// A stage of a trial. Evidence belongs to one and is not carried over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageId {
    /// The epoch.
    pub epoch: u64,
    /// The step, by position; 0 for a fixed share.
    pub step: u32,
    /// The rollout as it was written, see [`Trial::fingerprint`].
    pub fingerprint: u64,
}

/// What has to be kept of a decision until its outcome is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The rollout.
    pub rollout: RolloutId,
    /// The stage.
    pub stage: StageId,
    /// Whether the request went to the canary.
    pub canary: bool,
    /// The unit's bucket.
    pub bucket: Bucket,
    /// Which of the trial's cohorts the request is in: bit n for the n-th.
    pub cohorts: u32,
    /// Whether the request may be a KPI event.
    pub kpi: bool,
}

impl Decision {
    /// What to keep until the outcome is known; `None` if it says nothing of a trial. Only units that
    /// the share alone sent to their arm count: who is chosen by a ring, an override or a pin can't be
    /// compared with who is not.
    pub fn probe(&self, plan: &Plan, facts: &Facts<'_>) -> Option<Probe> {
        let decided = self.rollout()?;
        let rollout = plan.rollout(decided.rollout)?;
        let trial = rollout.trial()?;
        let assignment = decided.assignment.filter(|_| decided.reason == Reason::Split)?;
        Some(Probe {
            rollout: decided.rollout,
            stage: StageId {
                epoch: rollout.epoch(),
                step: decided.step.and_then(|step| u32::try_from(step).ok()).unwrap_or(0),
                fingerprint: trial.fingerprint(),
            },
            canary: decided.arm == trial.canary(),
            bucket: assignment.bucket,
            cohorts: decided.cohorts,
            kpi: trial.may_be_kpi(facts.method(), facts.path()),
        })
    }
}

impl Trial {
    /// Whether an outcome is an error. A client that went away before there was an answer is none.
    pub fn is_error(&self, outcome: &Outcome) -> bool {
        outcome.failed || self.errors.contains(outcome.status)
    }

    /// Whether an outcome is a KPI event.
    pub fn is_kpi(&self, probe: &Probe, outcome: &Outcome) -> bool {
        let Some(kpi) = self.kpi.as_ref().filter(|_| probe.kpi) else { return false };
        kpi.status.contains(outcome.status) && (kpi.header.is_none() || outcome.kpi_header)
    }
}
