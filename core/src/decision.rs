//! What was decided, as positions in the plan: nothing is copied and nothing allocated.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::facts::Facts;
use crate::hash::Bucket;
use crate::pin;
use crate::plan::{Arm, ArmId, FlagId, Mode, Plan, RolloutId, UnitId, VariantId};
use crate::value::share::Share;

/// Why a decision came out as it did: OpenFeature's resolution reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing depends on the request.
    Static,
    /// No rule served anything.
    Default,
    /// A condition held, a rule's or a ring's; or an override forced it.
    TargetingMatch,
    /// The unit's bucket decided.
    Split,
    /// The flag's kill switch.
    Disabled,
    /// Something was missing, see the error code.
    Error,
}

impl Reason {
    /// OpenFeature's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Static => "STATIC",
            Reason::Default => "DEFAULT",
            Reason::TargetingMatch => "TARGETING_MATCH",
            Reason::Split => "SPLIT",
            Reason::Disabled => "DISABLED",
            Reason::Error => "ERROR",
        }
    }
}

/// What was missing: OpenFeature's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// None of the unit's sources is present.
    TargetingKeyMissing,
    /// The flag could not be read and is isolated.
    ParseError,
}

impl ErrorCode {
    /// OpenFeature's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            ErrorCode::TargetingKeyMissing => "TARGETING_KEY_MISSING",
            ErrorCode::ParseError => "PARSE_ERROR",
        }
    }
}

/// A unit's bucket against the share that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assignment {
    /// Who was bucketed.
    pub unit: UnitId,
    /// Into which bucket.
    pub bucket: Bucket,
    /// The ramp's share, or the chosen range's weight.
    pub share: Share,
}

/// Which arm a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RolloutDecision {
    /// The rollout that the request belongs to.
    pub rollout: RolloutId,
    /// The arm chosen.
    pub arm: ArmId,
    /// Why.
    pub reason: Reason,
    /// What was missing.
    pub error: Option<ErrorCode>,
    /// The bucket, if one decided.
    pub assignment: Option<Assignment>,
    /// The step in force, by position, where the share grows by steps.
    pub step: Option<usize>,
    /// Which of the gates' cohorts the request is in: bit n for the n-th.
    pub cohorts: u32,
    /// The arm that gets a copy of the request.
    pub shadow: Option<ArmId>,
    /// Whether the session is to keep this arm from now on.
    pub begins_pin: bool,
}

/// Which variant of a flag a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlagDecision {
    /// The flag.
    pub flag: FlagId,
    /// The variant chosen.
    pub variant: VariantId,
    /// Why.
    pub reason: Reason,
    /// What was missing.
    pub error: Option<ErrorCode>,
    /// The rule that served, by position.
    pub rule: Option<usize>,
    /// The holdout that the unit is in, by position.
    pub holdout: Option<usize>,
    /// The bucket, if one decided.
    pub assignment: Option<Assignment>,
}

/// One request's decision. Reuse it: [`crate::decide()`] clears it first and then does not allocate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub(crate) rollout: Option<RolloutDecision>,
    pub(crate) flags: Vec<FlagDecision>,
    /// The id of the key whose override forced something here.
    pub(crate) forced_by: Option<Arc<str>>,
}

impl Decision {
    /// With room for every flag that any path of the plan delivers.
    pub fn new(plan: &Plan) -> Decision {
        Decision { flags: Vec::with_capacity(plan.max_delivered), ..Decision::default() }
    }

    /// The arm, if the request belongs to a rollout.
    pub fn rollout(&self) -> Option<&RolloutDecision> {
        self.rollout.as_ref()
    }

    /// The flags that the request's path delivers, in the order of names.
    pub fn flags(&self) -> &[FlagDecision] {
        &self.flags
    }

    /// The id of the key whose override forced the arm or a variant.
    pub fn forced_by(&self) -> Option<&str> {
        self.forced_by.as_deref()
    }

    /// The arm that gets a copy of the request.
    pub fn shadow<'p>(&self, plan: &'p Plan) -> Option<&'p Arm> {
        let decided = self.rollout?;
        plan.rollout(decided.rollout)?.arm(decided.shadow?)
    }

    /// The `Set-Cookie` values that go with this decision: ids that were minted, a session's pin.
    pub fn set_cookies(&self, plan: &Plan, facts: &Facts<'_>) -> Vec<String> {
        let mut cookies: Vec<String> = facts.set_cookies(plan).collect();
        cookies.extend(self.pin_cookie(plan, facts));
        cookies
    }

    fn pin_cookie(&self, plan: &Plan, facts: &Facts<'_>) -> Option<String> {
        let decided = self.rollout.filter(|decided| decided.begins_pin)?;
        let rollout = plan.rollout(decided.rollout)?;
        let Mode::Pinned { pin, .. } = &rollout.mode else { return None };
        let arm = rollout.arm(decided.arm)?.name();
        Some(pin::set_cookie(pin, arm, facts.now()?, facts.is_secure()))
    }

    /// Names of the rollout and the arm, if the request belongs to one.
    pub fn arm<'p>(&self, plan: &'p Plan) -> Option<(&'p str, &'p str)> {
        let decided = self.rollout?;
        let rollout = plan.rollout(decided.rollout)?;
        Some((rollout.name(), rollout.arm(decided.arm)?.name()))
    }
}
