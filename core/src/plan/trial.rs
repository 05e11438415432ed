//! The trial of a plan's rollout: the comparison that its gates judge.

use alloc::boxed::Box;

use super::{ArmId, CohortId, FlagId, PathIndex};
use crate::gate::{Divergence, Gate};
use crate::spec::Statuses;

/// The gates of a rollout and the effects of an abort. [`Rollout`](super::Rollout) has the
/// accessors.
#[derive(Clone, Debug)]
pub(crate) struct AbortPolicy {
    pub(crate) epoch: u64,
    pub(crate) cooldown_ms: u64,
    pub(crate) disables: Box<[FlagId]>,
    pub(crate) trial: Option<Trial>,
}

/// The trial of a canary: the comparison with its baseline that the gates judge.
#[derive(Clone, Debug)]
pub struct Trial {
    pub(crate) canary: ArmId,
    pub(crate) gate: Gate,
    pub(crate) errors: Statuses,
    pub(crate) timeout_ms: u64,
    pub(crate) counts_verified_only: bool,
    pub(crate) kpi: Option<Kpi>,
    pub(crate) divergence: Option<Divergence>,
    pub(crate) cohorts: Box<[(Box<str>, CohortId)]>,
    pub(crate) fingerprint: u64,
}

/// The definition of a KPI event.
#[derive(Clone, Debug)]
pub(crate) struct Kpi {
    pub(crate) methods: Box<[Box<str>]>,
    /// The paths; `None` for every path.
    pub(crate) paths: Option<PathIndex>,
    pub(crate) status: Statuses,
    pub(crate) header: Option<Box<str>>,
}

impl Trial {
    /// The arm that is compared with the baseline.
    pub fn canary(&self) -> ArmId {
        self.canary
    }

    /// The statistical tests.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The test of how often the shadow's responses differ, if that is judged.
    pub fn divergence(&self) -> Option<&Divergence> {
        self.divergence.as_ref()
    }

    /// Whether only the outcomes of verified units count.
    pub fn counts_verified_only(&self) -> bool {
        self.counts_verified_only
    }

    /// The number of groups that are judged: everybody, and each cohort of the gates.
    pub fn groups(&self) -> usize {
        self.cohorts.len().saturating_add(1)
    }

    /// The cohort of a group; `None` for group 0, which is everybody.
    pub fn group(&self, index: usize) -> Option<&str> {
        self.cohorts.get(index.checked_sub(1)?).map(|(name, _)| &**name)
    }

    /// The time without a response header after which a request counts as failed, in ms. The request itself
    /// goes on.
    pub fn timeout_ms(&self) -> u64 {
        self.timeout_ms
    }

    /// The response header field that a KPI event requires, if it requires one.
    pub fn kpi_header(&self) -> Option<&str> {
        self.kpi.as_ref()?.header.as_deref()
    }

    /// A fingerprint of the rollout, which changes with every edit: evidence from before an edit
    /// does not count after it.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether a request can be a KPI event, judging by its method and path.
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
