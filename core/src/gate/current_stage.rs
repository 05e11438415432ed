//! The current stage of a rollout.

use super::latch::Latch;
use super::outcome::StageId;
use crate::plan::{Mode, Rollout};
use crate::schedule::{InForce, Schedule};
use crate::value::share::Share;
use crate::value::timestamp::Timestamp;

/// The current stage of a rollout: its step and share at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CurrentStage {
    /// The identity of the stage.
    pub stage: StageId,
    /// The share of units on the canary.
    pub share: Share,
    /// The start of the step; `None` for a fixed share.
    pub since: Option<Timestamp>,
}

impl Rollout {
    /// The stage in force at `now_ms` since 1970; `None` without a trial, or before the first step.
    ///
    /// A latch of another epoch is ignored: its steps are not this epoch's.
    pub fn current_stage(&self, latch: Option<&Latch>, now_ms: u64) -> Option<CurrentStage> {
        let (trial, schedule) = (self.trial()?, self.schedule()?);
        let latch = latch.filter(|latch| latch.epoch == self.epoch());
        let InForce { share, step } = schedule.at(Some(Timestamp::from_unix_ms(now_ms)), latch);
        if step.is_none() && schedule.needs_time() {
            return None;
        }
        let number = step.and_then(|(index, _)| u32::try_from(index).ok()).unwrap_or(0);
        let (epoch, fingerprint) = (self.epoch(), trial.fingerprint());
        let stage = StageId { epoch, step: number, fingerprint };
        Some(CurrentStage { stage, share, since: step.map(|(_, since)| since) })
    }

    pub(super) fn schedule(&self) -> Option<&Schedule> {
        match &self.mode {
            Mode::Canary { schedule, .. } => Some(schedule),
            _ => None,
        }
    }
}
