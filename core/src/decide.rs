//! The decision: a pure function of a plan and the facts of a request.

use crate::condition::Value;
use crate::decision::{Assignment, Decision, ErrorCode, FlagDecision, Reason, RolloutDecision};
use crate::explain::{ConditionGroup, Event, Observer, Silent};
use crate::facts::Facts;
use crate::gate::Latch;
use crate::hash::Bucket;
use crate::overrides::Forced;
use crate::pin;
use crate::plan::{
    ArmId, Bucketing, CohortId, Condition, Flag, FlagId, Mode, Plan, Ranges, Rollout, RolloutId,
    Rule, RuleAction, Shadow, Slot, Test, VariantId,
};
use crate::schedule::{InForce, Schedule};
use crate::spec::FlagState;
use crate::value::share::Share;
use crate::value::timestamp::Timestamp;

/// Decides a request: its arm, and the variant of each flag that its path delivers.
///
/// The function is total: any facts give a decision. It allocates nothing if `decision` was made by
/// [`Decision::new`] for this plan.
pub fn decide(plan: &Plan, facts: &Facts<'_>, decision: &mut Decision) {
    decide_with(plan, facts, decision, &mut Silent);
}

/// Decides as [`decide`] does, and reports each step to an observer in the order of evaluation.
pub fn decide_with(
    plan: &Plan,
    facts: &Facts<'_>,
    decision: &mut Decision,
    observer: &mut impl Observer,
) {
    let mut evaluation = Evaluation { plan, facts, observer, overridden: false };
    decision.rollout = evaluation.rollout();
    decision.flags.clear();
    plan.deliveries.walk(facts.path(), |flags| {
        for id in flags.iter().map(|id| FlagId(*id)) {
            // Each list is sorted, so the flags of the first list are appended without a search.
            if decision.flags.last().is_none_or(|last| last.flag < id) {
                decision.flags.push(undecided(id));
            } else if let Err(at) = decision.flags.binary_search_by_key(&id, |flag| flag.flag) {
                decision.flags.insert(at, undecided(id));
            }
        }
    });
    for slot in &mut decision.flags {
        *slot = evaluation.flag(slot.flag);
    }
    let by = facts.forced.as_ref().filter(|_| evaluation.overridden);
    // Counts a reference; nothing is copied.
    decision.forced_by = by.map(|by| by.key.clone());
}

/// Decides one flag, whether or not the request's path delivers it.
pub fn evaluate_flag(plan: &Plan, facts: &Facts<'_>, flag: FlagId) -> FlagDecision {
    Evaluation { plan, facts, observer: &mut Silent, overridden: false }.flag(flag)
}

/// Whether a request belongs to a cohort; `None` if the plan has no cohort of this name.
///
/// For tools that report the affected users: a decision evaluates a cohort only where a condition names it.
pub fn evaluate_cohort(plan: &Plan, facts: &Facts<'_>, name: &str) -> Option<bool> {
    let index = plan.cohorts.binary_search_by(|cohort| (*cohort.name).cmp(name)).ok()?;
    let cohort = plan.cohorts.get(index)?;
    let mut evaluation = Evaluation { plan, facts, observer: &mut Silent, overridden: false };
    Some(evaluation.holds(&cohort.condition))
}

/// A flag's decision before its evaluation.
fn undecided(flag: FlagId) -> FlagDecision {
    FlagDecision {
        flag,
        variant: VariantId(0),
        reason: Reason::Default,
        error: None,
        rule: None,
        holdout: None,
        assignment: None,
    }
}

/// A decision for an arm without a bucket.
fn assigned(rollout: RolloutId, arm: ArmId, reason: Reason) -> RolloutDecision {
    RolloutDecision {
        rollout,
        arm,
        reason,
        error: None,
        assignment: None,
        step: None,
        cohorts: 0,
        shadow: None,
        begins_pin: false,
    }
}

/// The evaluation of one request.
struct Evaluation<'e, O> {
    plan: &'e Plan,
    facts: &'e Facts<'e>,
    observer: &'e mut O,
    /// Whether an override has forced an arm or a variant.
    overridden: bool,
}

impl<'e, O: Observer> Evaluation<'e, O> {
    fn rollout(&mut self) -> Option<RolloutDecision> {
        let (host, path) = (self.facts.host(), self.facts.path());
        let id = self.plan.routes.find(host, path);
        let Some((id, rollout)) = id.and_then(|id| Some((id, self.plan.rollout(id)?))) else {
            self.observer.event(Event::NoRollout { host, path });
            return None;
        };
        self.observer.event(Event::Rollout { name: rollout.name(), host, path });
        if self.is_aborted(id, rollout) {
            let decision = assigned(id, rollout.baseline, Reason::Disabled);
            self.arm_event(rollout, &decision);
            return Some(decision);
        }
        let mut decision = self.arm(id, rollout);
        decision.cohorts = self.cohorts(rollout, &decision);
        self.arm_event(rollout, &decision);
        let shadow = rollout.shadow().filter(|shadow| shadow.arm != decision.arm);
        decision.shadow = shadow.and_then(|shadow| self.shadow(rollout, shadow));
        Some(decision)
    }

    fn arm_event(&mut self, rollout: &Rollout, decision: &RolloutDecision) {
        if let Some(arm) = rollout.arm(decision.arm) {
            let (reason, error) = (decision.reason, decision.error);
            self.observer.event(Event::Arm { name: arm.name(), reason, error });
        }
    }

    /// Whether an abort sends all units to the baseline.
    fn is_aborted(&mut self, id: RolloutId, rollout: &Rollout) -> bool {
        let Some(latches) = self.facts.latches() else { return false };
        if !latches.is_complete() && rollout.trial().is_some() {
            self.observer.event(Event::UnknownState { rollout: rollout.name() });
            return true;
        }
        let now = self.facts.now().map(Timestamp::unix_ms);
        let Some(abort) = rollout.abort_in_force(latches.get(id), now) else { return false };
        let (epoch, reason) = (abort.epoch, abort.reason.as_str());
        self.observer.event(Event::Aborted { rollout: rollout.name(), epoch, reason });
        true
    }

    fn latch(&self, id: RolloutId) -> Option<&'e Latch> {
        let facts: &'e Facts<'e> = self.facts;
        facts.latches()?.get(id)
    }

    /// The trial's cohorts that the request belongs to, as bits; 0 if its bucket did not decide the arm.
    fn cohorts(&mut self, rollout: &Rollout, decision: &RolloutDecision) -> u32 {
        let Some(trial) = rollout.trial() else { return 0 };
        if decision.assignment.is_none() {
            return 0;
        }
        let mut cohorts = 0;
        for (index, (_, id)) in trial.cohorts.iter().enumerate() {
            if self.in_cohort(*id) {
                cohorts |= 1 << index;
            }
        }
        cohorts
    }

    /// The arm that gets a copy of the request.
    fn shadow(&mut self, rollout: &Rollout, shadow: &Shadow) -> Option<ArmId> {
        let method = self.facts.method();
        if !shadow.methods.iter().any(|known| **known == *method) {
            return None;
        }
        let name = rollout.arm(shadow.arm)?.name();
        self.observer.event(Event::Shadow { name });
        if !shadow.when.as_ref().is_none_or(|when| self.holds(when)) {
            return None;
        }
        let assignment = self.share(&shadow.bucketing, shadow.share)?;
        assignment.bucket.is_in(shadow.share).then_some(shadow.arm)
    }

    /// The decision for an arm of a rollout that is not aborted.
    fn arm(&mut self, id: RolloutId, rollout: &Rollout) -> RolloutDecision {
        let baseline = rollout.baseline;
        let to = |arm, reason| assigned(id, arm, reason);
        let unit_missing = RolloutDecision {
            error: Some(ErrorCode::TargetingKeyMissing),
            ..to(baseline, Reason::Error)
        };
        if let Some(arm) = self.forced(|by| by.arm(id)) {
            return to(arm, Reason::TargetingMatch);
        }
        match &rollout.mode {
            Mode::Fixed(arm) => to(*arm, Reason::Static),
            Mode::Pinned { active, pin } => {
                let value = self.facts.get(pin.input);
                let now = self.facts.now();
                let arm = value.and_then(|value| pin::pinned(value, rollout, pin, now));
                self.observer.event(Event::Pin {
                    cookie: &pin.cookie,
                    value,
                    valid: arm.is_some(),
                });
                match arm {
                    Some(arm) => to(arm, Reason::TargetingMatch),
                    None => RolloutDecision { begins_pin: true, ..to(*active, Reason::Static) },
                }
            }
            Mode::Canary { arm, rings, schedule, bucketing } => {
                for (index, ring) in rings.iter().enumerate() {
                    self.observer.event(Event::Ring { index });
                    if self.holds(ring) {
                        return to(*arm, Reason::TargetingMatch);
                    }
                }
                let Some(bucketing) = bucketing else {
                    return to(baseline, Reason::Default);
                };
                let in_force = self.in_force(schedule, self.latch(id));
                let Some(assignment) = self.share(bucketing, in_force.share) else {
                    return unit_missing;
                };
                let inside = assignment.bucket.is_in(assignment.share);
                let arm = if inside { *arm } else { baseline };
                let (assignment, step) = (Some(assignment), in_force.step.map(|(index, _)| index));
                RolloutDecision { assignment, step, ..to(arm, Reason::Split) }
            }
            Mode::Split { ranges, bucketing } => match self.split(bucketing, ranges) {
                Some((arm, assignment)) => {
                    RolloutDecision { assignment: Some(assignment), ..to(arm, Reason::Split) }
                }
                None => unit_missing,
            },
        }
    }

    fn flag(&mut self, id: FlagId) -> FlagDecision {
        let Some(flag) = self.plan.flag(id) else {
            return undecided(id);
        };
        self.observer.event(Event::Flag { name: flag.name() });
        let decision = self.variant(id, flag);
        if let Some(variant) = flag.variant(decision.variant) {
            self.observer.event(Event::Variant {
                name: variant.name(),
                json: variant.json(),
                reason: decision.reason,
                error: decision.error,
            });
        }
        decision
    }

    fn variant(&mut self, id: FlagId, flag: &Flag) -> FlagDecision {
        let default = FlagDecision { variant: flag.default_variant, ..undecided(id) };
        // An abort goes before everything, overrides included.
        if flag.disabled_by.iter().any(|by| self.turned_off_by(*by)) {
            return FlagDecision { reason: Reason::Disabled, ..default };
        }
        if let Some(variant) = self.forced(|by| by.variant(id)) {
            return FlagDecision { variant, reason: Reason::TargetingMatch, ..default };
        }
        if flag.state == FlagState::Disabled {
            self.observer.event(Event::StateDisabled);
            return FlagDecision { reason: Reason::Disabled, ..default };
        }
        if flag.state == FlagState::Broken {
            let error = Some(ErrorCode::ParseError);
            return FlagDecision { reason: Reason::Error, error, ..default };
        }
        for (required, wanted) in &flag.requires {
            let required = self.flag(*required);
            // A flag that could not be parsed has a default variant, but does not meet a requirement.
            let met = required.variant == *wanted && required.error != Some(ErrorCode::ParseError);
            self.observer.event(Event::Required { met });
            if !met {
                return default;
            }
        }
        if let Some((holdout, assignment)) = self.holdout(flag) {
            let (holdout, assignment) = (Some(holdout), Some(assignment));
            return FlagDecision { reason: Reason::Split, holdout, assignment, ..default };
        }
        if flag.rules.is_empty() {
            return FlagDecision { reason: Reason::Static, ..default };
        }
        let mut unit_missing = false;
        for (index, rule) in flag.rules.iter().enumerate() {
            match self.rule(rule) {
                Served::No => {}
                Served::UnitMissing => unit_missing = true,
                Served::Variant { variant, reason, assignment } => {
                    let rule = Some(index);
                    return FlagDecision { variant, reason, rule, assignment, ..default };
                }
            }
        }
        if unit_missing {
            let error = Some(ErrorCode::TargetingKeyMissing);
            return FlagDecision { reason: Reason::Error, error, ..default };
        }
        default
    }

    fn turned_off_by(&mut self, id: RolloutId) -> bool {
        self.plan.rollout(id).is_some_and(|rollout| self.is_aborted(id, rollout))
    }

    /// The arm or variant that an override forces, if one does.
    fn forced<T>(&mut self, select: impl FnOnce(&Forced) -> Option<T>) -> Option<T> {
        let by = self.facts.forced.as_deref()?;
        let forced = select(by)?;
        self.overridden = true;
        self.observer.event(Event::Override { key: &by.key });
        Some(forced)
    }

    /// The first holdout that the request's unit is in.
    fn holdout(&mut self, flag: &Flag) -> Option<(usize, Assignment)> {
        if !flag.held_out {
            return None;
        }
        let plan = self.plan;
        for (index, holdout) in plan.holdouts.iter().enumerate() {
            self.observer.event(Event::Holdout { name: &holdout.name });
            let assignment = self.share(&holdout.bucketing, holdout.share);
            if let Some(assignment) = assignment.filter(|found| found.bucket.is_in(found.share)) {
                return Some((index, assignment));
            }
        }
        None
    }

    fn rule(&mut self, rule: &Rule) -> Served {
        self.observer.event(Event::Rule { name: &rule.name });
        if !rule.when.as_ref().is_none_or(|when| self.holds(when)) {
            return Served::No;
        }
        if let Some(layer) = &rule.layer {
            let Some(bucket) = self.bucket(&layer.bucketing) else { return Served::UnitMissing };
            let (start, end) = (layer.from.millipercent(), layer.to.millipercent());
            let inside = (start..end).contains(&bucket.number());
            let salt = &layer.bucketing.salt;
            self.observer.event(Event::Layer { salt, bucket, start, end, inside });
            if !inside {
                return Served::No;
            }
        }
        match &rule.action {
            RuleAction::Serve(variant) => {
                let reason = Reason::TargetingMatch;
                Served::Variant { variant: *variant, reason, assignment: None }
            }
            RuleAction::Ramp { variant, schedule, bucketing } => {
                match self.ramp(bucketing, schedule) {
                    Some(assignment) if assignment.bucket.is_in(assignment.share) => {
                        Served::by_bucket(*variant, assignment)
                    }
                    Some(_) => Served::No,
                    None => Served::UnitMissing,
                }
            }
            RuleAction::Split { ranges, bucketing } => match self.split(bucketing, ranges) {
                Some((variant, assignment)) => Served::by_bucket(variant, assignment),
                None => Served::UnitMissing,
            },
        }
    }

    /// The unit's bucket and the share of a ramp's step in force; `None` without a unit.
    fn ramp(&mut self, bucketing: &Bucketing, schedule: &Schedule) -> Option<Assignment> {
        let in_force = self.in_force(schedule, None);
        self.share(bucketing, in_force.share)
    }

    /// The share and step that the clock and the gate have reached.
    fn in_force(&mut self, schedule: &Schedule, latch: Option<&Latch>) -> InForce {
        let in_force = schedule.at(self.facts.now(), latch);
        if let Some((index, since)) = in_force.step {
            self.observer.event(Event::Step { index, since });
        }
        in_force
    }

    /// The unit's bucket and a share; `None` without a unit.
    fn share(&mut self, bucketing: &Bucketing, share: Share) -> Option<Assignment> {
        let bucket = self.bucket(bucketing)?;
        self.observer.event(Event::Share { salt: &bucketing.salt, bucket, share });
        Some(Assignment { unit: bucketing.unit, bucket, share })
    }

    /// The arm or variant whose range has the unit's bucket; `None` without a unit.
    fn split<T: Copy>(
        &mut self,
        bucketing: &Bucketing,
        ranges: &Ranges<T>,
    ) -> Option<(T, Assignment)> {
        let bucket = self.bucket(bucketing)?;
        let range = ranges.find(bucket)?;
        let (start, end) = (range.start, range.end);
        self.observer.event(Event::Range { salt: &bucketing.salt, bucket, start, end });
        Some((range.to, Assignment { unit: bucketing.unit, bucket, share: range.weight }))
    }

    fn bucket(&mut self, bucketing: &Bucketing) -> Option<Bucket> {
        let value = self.facts.unit(self.plan, bucketing.unit);
        let name = self.plan.unit(bucketing.unit)?.name();
        self.observer.event(Event::Unit { name, value });
        Some(Bucket::of(bucketing.purpose, &bucketing.salt, value?))
    }

    /// Whether a condition holds. `compile` bounds its depth and cost.
    fn holds(&mut self, condition: &Condition) -> bool {
        let group = match condition {
            Condition::Test(test) => return self.test(test),
            Condition::All(_) => ConditionGroup::All,
            Condition::Any(_) => ConditionGroup::Any,
            Condition::Not(_) => ConditionGroup::Not,
            Condition::Cohort(id) => return self.in_cohort(*id),
        };
        self.observer.event(Event::Open(group));
        let holds = match condition {
            Condition::All(parts) => parts.iter().all(|part| self.holds(part)),
            Condition::Any(parts) => parts.iter().any(|part| self.holds(part)),
            Condition::Not(part) => !self.holds(part),
            Condition::Cohort(_) | Condition::Test(_) => false,
        };
        self.observer.event(Event::Close { holds });
        holds
    }

    fn in_cohort(&mut self, id: CohortId) -> bool {
        let Some(cohort) = self.plan.cohort(id) else { return false };
        self.observer.event(Event::Open(ConditionGroup::Cohort(&cohort.name)));
        let holds = self.holds(&cohort.condition);
        self.observer.event(Event::Close { holds });
        holds
    }

    fn test(&mut self, test: &Test) -> bool {
        let value = self.value(test.slot);
        test.operators.iter().all(|operator| {
            let holds = operator.holds(value);
            let attribute = &test.attribute;
            self.observer.event(Event::Test { attribute, operator, value, holds });
            holds
        })
    }

    fn value(&self, slot: Slot) -> Value<'e> {
        let facts: &'e Facts<'e> = self.facts;
        let text = match slot {
            Slot::Time => return facts.now().map_or(Value::Missing, Value::Time),
            Slot::Input(input) => facts.get(input),
            Slot::Unit(unit) => facts.unit(self.plan, unit),
            Slot::Path => Some(facts.path()).filter(|text| !text.is_empty()),
            Slot::Host => Some(facts.host()).filter(|text| !text.is_empty()),
            Slot::Method => Some(facts.method()).filter(|text| !text.is_empty()),
        };
        text.map_or(Value::Missing, Value::String)
    }
}

/// The result of a rule.
enum Served {
    /// The rule does not apply: the next one is tried.
    No,
    /// The rule needs a unit that the request does not have.
    UnitMissing,
    Variant {
        variant: VariantId,
        reason: Reason,
        assignment: Option<Assignment>,
    },
}

impl Served {
    fn by_bucket(variant: VariantId, assignment: Assignment) -> Served {
        Served::Variant { variant, reason: Reason::Split, assignment: Some(assignment) }
    }
}
