//! The compiler of a rollout's abort policy: its gates and the effects of an abort.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::cost::Uses;
use super::lookup::position;
use super::scope::Scope;
use crate::error::{ErrorKind, Errors, Path};
use crate::gate::{Divergence, Gate, GateSettings};
use crate::plan::{
    AbortPolicy, Bucketing, CohortId, Condition, FlagId, Kpi, Mode, PathIndexBuilder, Trial,
};
use crate::schedule::Schedule;
use crate::spec::{self, Progress, Spec, UnitSource};

/// The compiler of one abort policy, for a rollout whose mode is compiled.
pub(crate) struct GatesCompiler<'c> {
    pub(crate) rollout: &'c spec::Rollout,
    pub(crate) mode: &'c Mode,
    pub(crate) spec: &'c Spec,
    pub(crate) scope: &'c Scope<'c>,
}

impl GatesCompiler<'_> {
    /// Compiles the abort policy; reports unknown names and gates that cannot be judged.
    pub(crate) fn compile(
        &self,
        uses: &mut Uses,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> AbortPolicy {
        let policy = &self.rollout.abort_policy;
        let section = path.key("onAbort");
        let section = section.key("disable");
        let flag = |(index, name): (usize, &alloc::string::String)| {
            let here = section.index(index);
            position(&self.spec.flags, "flag", name, &here, errors).map(FlagId::new)
        };
        let disables = policy.disables.iter().enumerate().filter_map(flag).collect();
        let trial = match &policy.gates {
            Some(gates) => self.trial(gates, uses, path, errors),
            None => {
                reject_gated_steps(&self.rollout.mode, path, errors);
                None
            }
        };
        AbortPolicy { epoch: policy.epoch, cooldown_ms: policy.cooldown_ms, disables, trial }
    }

    fn trial(
        &self,
        gates: &spec::Gates,
        uses: &mut Uses,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Option<Trial> {
        let here = path.key("gates");
        let Mode::Canary { arm, schedule, bucketing: Some(bucketing), .. } = self.mode else {
            let message = "gates compare a canary with its baseline: they need canary with steps or a share, \
                           and at a share of 0 a unit";
            errors.add(&here, ErrorKind::Conflict, &message);
            return None;
        };
        let counts_verified_only = gates.count == spec::CountedUnits::Verified;
        if counts_verified_only {
            self.reject_unverifiable(bucketing, &here.key("count"), errors);
        }
        let compares = |shadow: &spec::Shadow| shadow.compare != spec::Compare::Nothing;
        if gates.max_divergence.is_some() && !self.rollout.shadow.as_ref().is_some_and(compares) {
            let message = "needs a shadow in the rollout with compare: status or body";
            errors.add(&here.key("shadow"), ErrorKind::Conflict, &message);
        }
        let cohorts = self.cohorts(gates, uses, &here.key("cohorts"), errors);
        let (gate, divergence) = gate_and_divergence(gates, schedule, &here, errors)?;
        Some(Trial {
            canary: *arm,
            gate,
            errors: gates.errors.clone(),
            counts_verified_only,
            timeout_ms: gates.timeout_ms,
            kpi: gates.kpi.as_ref().map(kpi),
            divergence,
            cohorts,
            fingerprint: self.rollout.digest,
        })
    }

    /// Refuses to count verified units only where no unit can be verified: the gate would see nothing.
    fn reject_unverifiable(&self, bucketing: &Bucketing, path: &Path<'_>, errors: &mut Errors) {
        let Some((name, sources)) = self.spec.units.iter().nth(bucketing.unit.index()) else {
            return;
        };
        let is_verifiable =
            |source: &UnitSource| matches!(source, UnitSource::Jwt(_) | UnitSource::Anonymous(_));
        if !sources.iter().any(is_verifiable) {
            let message = format_args!(
                "is verified, but unit {} has no source that can be verified: add jwt or anonymous to its sources",
                crate::error::quoted(name)
            );
            errors.add(path, ErrorKind::Conflict, &message);
        }
    }

    fn cohorts(
        &self,
        gates: &spec::Gates,
        uses: &mut Uses,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Box<[(Box<str>, CohortId)]> {
        let mut list: Vec<(Box<str>, CohortId)> = Vec::with_capacity(gates.cohorts.len());
        for (index, name) in gates.cohorts.iter().enumerate() {
            let here = path.index(index);
            if position(&self.spec.cohorts, "cohort", name, &here, errors).is_none() {
                continue;
            }
            if list.iter().any(|(known, _)| **known == **name) {
                let message = format!("{} is listed twice", crate::error::quoted(name));
                errors.add(&here, ErrorKind::Conflict, &message);
            }
            let condition = spec::Condition::Cohort(name.clone());
            let condition = self.scope.condition(&condition, uses, &here, errors);
            if let Condition::Cohort(id) = condition {
                list.push((name.as_str().into(), id));
            }
        }
        list.into()
    }
}

/// Refuses steps that wait for a gate in a rollout without gates: they would never end.
fn reject_gated_steps(mode: &spec::Mode, path: &Path<'_>, errors: &mut Errors) {
    let spec::Mode::Canary { progress: Progress::Steps { steps, .. }, .. } = mode else { return };
    let section = path.key("canary");
    let section = section.key("steps");
    for (index, step) in steps.iter().enumerate() {
        if step.gated {
            let message = "the step waits for a gate, but the rollout has no gates";
            errors.add(&section.index(index).key("mode"), ErrorKind::Conflict, &message);
        }
    }
}

/// The compiled tests, with α divided equally among the groups that are judged and the shadow.
fn gate_and_divergence(
    gates: &spec::Gates,
    schedule: &Schedule,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<(Gate, Option<Divergence>)> {
    let number = |stages: usize| u32::try_from(stages).unwrap_or(u32::MAX);
    let stages = number(schedule.compared_stages());
    let parts = gates.cohorts.len().saturating_add(1);
    let parts = parts.saturating_add(usize::from(gates.max_divergence.is_some()));
    let parts = u32::try_from(parts).unwrap_or(u32::MAX);
    let alpha_ppm = gates.settings.alpha_ppm.checked_div(parts).unwrap_or(0).max(1);
    let settings = GateSettings { alpha_ppm, stages, ..gates.settings.clone() };
    let divergence = gates.max_divergence;
    // A shadow is compared in every stage: it needs no canary and no baseline.
    let stages = number(schedule.stages());
    let divergence = divergence.map(|share| Divergence::new(share, alpha_ppm, stages));
    match Gate::new(settings) {
        Ok(gate) => Some((gate, divergence)),
        Err(mistakes) => {
            for mistake in mistakes {
                errors.add(path, ErrorKind::Value, &mistake);
            }
            None
        }
    }
}

fn kpi(event: &spec::KpiEvent) -> Kpi {
    let mut paths = PathIndexBuilder::default();
    for path in &event.paths {
        paths.add(path, 0);
    }
    Kpi {
        methods: event.methods.iter().map(|method| method.as_str().into()).collect(),
        paths: (!event.paths.is_empty()).then(|| paths.finish()),
        status: event.status.clone(),
        header: event.header.as_deref().map(Box::from),
    }
}
