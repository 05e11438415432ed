//! Decisions, as positions in the plan: making one copies no strings.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::facts::Facts;
use crate::hash::Bucket;
use crate::pin;
use crate::plan::{Arm, ArmId, FlagId, Mode, Plan, RolloutId, UnitId, VariantId};
use crate::value::share::Share;

/// The reason of a decision: OpenFeature's resolution reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The decision does not depend on the request.
    Static,
    /// No rule and no ring applied.
    Default,
    /// A condition of a rule or a ring held, or an override or a session's pin decided.
    TargetingMatch,
    /// The unit's bucket decided.
    Split,
    /// The flag is disabled, or the rollout is aborted.
    Disabled,
    /// An input is missing or the flag could not be parsed: see the error code.
    Error,
}

impl Reason {
    /// OpenFeature's name of the reason.
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

/// The error of a decision: OpenFeature's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// None of the unit's sources is present.
    TargetingKeyMissing,
    /// The flag could not be parsed and is isolated.
    ParseError,
}

impl ErrorCode {
    /// OpenFeature's name of the code.
    pub const fn as_str(self) -> &'static str {
        match self {
            ErrorCode::TargetingKeyMissing => "TARGETING_KEY_MISSING",
            ErrorCode::ParseError => "PARSE_ERROR",
        }
    }
}

/// A unit's bucket and the share that it was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assignment {
    /// The unit.
    pub unit: UnitId,
    /// The unit's bucket.
    pub bucket: Bucket,
    /// The ramp's share, or the chosen range's weight.
    pub share: Share,
}

/// The arm that a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RolloutDecision {
    /// The rollout that the request belongs to.
    pub rollout: RolloutId,
    /// The chosen arm.
    pub arm: ArmId,
    /// The reason of the choice.
    pub reason: Reason,
    /// The error, if the reason is [`Reason::Error`].
    pub error: Option<ErrorCode>,
    /// The unit's bucket, if it decided.
    pub assignment: Option<Assignment>,
    /// The position of the step in force, if the share grows by steps.
    pub step: Option<usize>,
    /// The trial's cohorts that the request belongs to: bit n for the n-th.
    pub cohorts: u32,
    /// The arm that gets a copy of the request.
    pub shadow: Option<ArmId>,
    /// Whether the session is pinned to this arm from now on.
    pub begins_pin: bool,
}

/// The variant of a flag that a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlagDecision {
    /// The flag.
    pub flag: FlagId,
    /// The chosen variant.
    pub variant: VariantId,
    /// The reason of the choice.
    pub reason: Reason,
    /// The error, if the reason is [`Reason::Error`].
    pub error: Option<ErrorCode>,
    /// The position of the rule that served the variant.
    pub rule: Option<usize>,
    /// The position of the holdout that the unit is in.
    pub holdout: Option<usize>,
    /// The unit's bucket, if it decided.
    pub assignment: Option<Assignment>,
}

/// The decision for one request. Reuse it: [`crate::decide()`] clears it first and then does not allocate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub(crate) rollout: Option<RolloutDecision>,
    pub(crate) flags: Vec<FlagDecision>,
    /// The id of the key whose override forced something here.
    pub(crate) forced_by: Option<Arc<str>>,
}

impl Decision {
    /// An empty decision with room for the flags of any path of the plan.
    pub fn new(plan: &Plan) -> Decision {
        Decision { flags: Vec::with_capacity(plan.max_delivered), ..Decision::default() }
    }

    /// The decision for the request's rollout, if it belongs to one.
    pub fn rollout(&self) -> Option<&RolloutDecision> {
        self.rollout.as_ref()
    }

    /// The decisions for the flags that the request's path delivers, sorted by name.
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

    /// The `Set-Cookie` values of the response: new anonymous ids and a session's pin.
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

    /// The names of the rollout and the arm, if the request belongs to a rollout.
    pub fn arm<'p>(&self, plan: &'p Plan) -> Option<(&'p str, &'p str)> {
        let decided = self.rollout?;
        let rollout = plan.rollout(decided.rollout)?;
        Some((rollout.name(), rollout.arm(decided.arm)?.name()))
    }
}
