//! The gates of a rollout, resolved.

use alloc::boxed::Box;

use super::{ArmId, CohortId, FlagId, PathIndex};
use crate::gate::{Divergence, Gate};
use crate::spec::Statuses;

/// The gates of a rollout, and what an abort does. [`Rollout`](super::Rollout) has the accessors.
#[derive(Clone, Debug)]
pub(crate) struct AbortPolicy {
    pub(crate) epoch: u64,
    pub(crate) cooldown_ms: u64,
    pub(crate) disables: Box<[FlagId]>,
    pub(crate) trial: Option<Trial>,
}

/// A canary on trial: what is compared with its baseline.
#[derive(Clone, Debug)]
pub struct Trial {
    pub(crate) canary: ArmId,
    pub(crate) gate: Gate,
    pub(crate) errors: Statuses,
    pub(crate) kpi: Option<Kpi>,
    pub(crate) divergence: Option<Divergence>,
    pub(crate) cohorts: Box<[(Box<str>, CohortId)]>,
    pub(crate) fingerprint: u64,
}

/// What a KPI event is.
#[derive(Clone, Debug)]
pub(crate) struct Kpi {
    pub(crate) methods: Box<[Box<str>]>,
    /// Paths; every path when absent.
    pub(crate) paths: Option<PathIndex>,
    pub(crate) status: Statuses,
    pub(crate) header: Option<Box<str>>,
}

impl Trial {
    /// The arm on trial.
    pub fn canary(&self) -> ArmId {
        self.canary
    }

    /// The statistics.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// How often the shadow may disagree, if that is judged.
    pub fn divergence(&self) -> Option<&Divergence> {
        self.divergence.as_ref()
    }

    /// How many groups are judged: everybody, and each of the cohorts.
    pub fn groups(&self) -> usize {
        self.cohorts.len().saturating_add(1)
    }

    /// A group's name: its cohort's, or `None` for everybody.
    pub fn group(&self, index: usize) -> Option<&str> {
        self.cohorts.get(index.checked_sub(1)?).map(|(name, _)| &**name)
    }

    /// The header field of the response that a KPI event needs, if it needs one.
    pub fn kpi_header(&self) -> Option<&str> {
        self.kpi.as_ref()?.header.as_deref()
    }

    /// Changes with every edit of the rollout: evidence from before one says nothing of what came after.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether a request may be a KPI event, as far as the request tells.
    pub(crate) fn may_be_kpi(&self, method: &str, path: &str) -> bool {
        let Some(kpi) = &self.kpi else { return false };
        let method = kpi.methods.is_empty() || kpi.methods.iter().any(|known| **known == *method);
        method
            && kpi.paths.as_ref().is_none_or(|paths| {
                let mut found = false;
                paths.walk(path, |list| found |= !list.is_empty());
                found
            })
    }
}
