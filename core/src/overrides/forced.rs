//! Forced arms and variants: an override with its names resolved, and its verification for a
//! request.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Override, OverrideError, OverrideKeys};
use crate::facts::Facts;
use crate::plan::{ArmId, FlagId, Plan, RolloutId, VariantId};
use crate::value::timestamp::Timestamp;

/// The arms and variants that an override forces, as ids in the plan.
#[derive(Clone, Debug)]
pub(crate) struct Forced {
    pub(crate) key: Arc<str>,
    arms: Vec<(RolloutId, ArmId)>,
    variants: Vec<(FlagId, VariantId)>,
    decision: bool,
}

impl Forced {
    fn of(plan: &Plan, by: &Override) -> Forced {
        let (mut arms, mut variants) = (Vec::new(), Vec::new());
        for (rollout, arm) in &by.arms {
            arms.extend(plan.arm_named(rollout, arm));
        }
        for (flag, variant) in &by.variants {
            variants.extend(plan.variant_named(flag, variant));
        }
        Forced { key: by.key.clone(), arms, variants, decision: by.decision }
    }

    pub(crate) fn arm(&self, rollout: RolloutId) -> Option<ArmId> {
        self.arms.iter().find(|(forced, _)| *forced == rollout).map(|(_, arm)| *arm)
    }

    pub(crate) fn variant(&self, flag: FlagId) -> Option<VariantId> {
        self.variants.iter().find(|(forced, _)| *forced == flag).map(|(_, variant)| *variant)
    }
}

impl Facts<'_> {
    /// Verifies the request's token for its host at the time of the decision, and forces the arms
    /// and variants that it names. `None` without a token.
    pub(crate) fn take_override(
        &mut self,
        plan: &Plan,
        keys: &OverrideKeys,
    ) -> Option<Result<(), OverrideError>> {
        let token = self.token()?;
        // Without a clock every token counts as expired.
        let now = self.now().unwrap_or(Timestamp::from_unix_ms(u64::MAX));
        let verified = keys.verify(token, self.host(), now);
        Some(verified.and_then(|by| self.force(plan, &by)))
    }

    /// Forces the arms and variants of an override that the plan has.
    ///
    /// # Errors
    /// [`OverrideError::Nothing`] if the plan has none of them.
    pub fn force(&mut self, plan: &Plan, by: &Override) -> Result<(), OverrideError> {
        let forced = Forced::of(plan, by);
        if forced.arms.is_empty() && forced.variants.is_empty() && !forced.decision {
            return Err(OverrideError::Nothing);
        }
        self.forced = Some(Box::new(forced));
        Ok(())
    }

    /// Whether an override in force asks for the decision in the response.
    pub fn wants_decision(&self) -> bool {
        self.forced.as_ref().is_some_and(|forced| forced.decision)
    }
}
