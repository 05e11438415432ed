//! Outcomes: how a request ended, and to which stage of which trial it was exposed.

use super::wire::wire;
use crate::decision::{Decision, Reason};
use crate::facts::Facts;
use crate::hash::Bucket;
use crate::plan::{Plan, RolloutId, Trial};

/// The outcome of a request, as the host observed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The status of the response; 0 if there was none.
    pub status: u16,
    /// Whether the upstream reset the request, timed out or could not be reached.
    pub failed: bool,
    /// The duration of the request in µs; `None` if unknown. If the client disconnected, the time until
    /// then: a lower bound.
    pub micros: Option<u64>,
    /// Whether the response has the header field that a KPI event needs.
    pub kpi_header: bool,
}

/// The identity of a stage of a trial. Evidence of one stage does not count in another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageId {
    /// The rollout's epoch.
    pub epoch: u64,
    /// The position of the step, from 0; 0 for a fixed share.
    pub step: u32,
    /// The fingerprint of the rollout's text, see [`Trial::fingerprint`].
    pub fingerprint: u64,
}

wire!(StageId { epoch, step, fingerprint });

impl StageId {
    /// Whether this is a later step of the same trial.
    pub fn is_later_step_than(self, other: StageId) -> bool {
        (self.epoch, self.fingerprint) == (other.epoch, other.fingerprint) && self.step > other.step
    }
}

/// One request's exposure to an arm of a trial: what a host stores until the outcome is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The rollout.
    pub rollout: RolloutId,
    /// The stage in force at the decision.
    pub stage: StageId,
    /// Whether the request went to the canary.
    pub canary: bool,
    /// The unit's bucket.
    pub bucket: Bucket,
    /// The trial's cohorts that the request belongs to: bit n for the n-th.
    pub cohorts: u32,
    /// Whether the request's method and path allow a KPI event.
    pub kpi: bool,
    /// Whether the outcome counts: not if the trial counts verified units only, and this one is not.
    pub counts: bool,
}

impl Decision {
    /// The request's exposure to a trial; `None` if its outcome is no evidence. Only units whose bucket
    /// alone decided their arm count: those that a ring, an override or a pin selects cannot be compared
    /// with the rest.
    pub fn exposure(&self, plan: &Plan, facts: &Facts<'_>) -> Option<Exposure> {
        let decided = self.rollout()?;
        let rollout = plan.rollout(decided.rollout)?;
        let trial = rollout.trial()?;
        let assignment = decided.assignment.filter(|_| decided.reason == Reason::Split)?;
        Some(Exposure {
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
            counts: !trial.counts_verified_only || facts.is_verified(plan, assignment.unit),
        })
    }
}

impl Trial {
    /// Whether an outcome is an error. A client that disconnected before the response is not one.
    pub fn is_error(&self, outcome: &Outcome) -> bool {
        outcome.failed || self.errors.contains(outcome.status)
    }

    /// Whether an outcome is a KPI event.
    pub fn is_kpi(&self, exposure: &Exposure, outcome: &Outcome) -> bool {
        let Some(kpi) = self.kpi.as_ref().filter(|_| exposure.kpi) else { return false };
        kpi.status.contains(outcome.status) && (kpi.header.is_none() || outcome.kpi_header)
    }
}
