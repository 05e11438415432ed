//! The compiler of flags and of the paths to which they are delivered.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::cost::Uses;
use super::lookup::position;
use super::scope::Scope;
use super::topological_order;
use crate::error::{ErrorKind, Errors, Path};
use crate::hash::Purpose;
use crate::plan::{Flag, PathIndex, Rule, RuleAction, Variant, VariantId};
use crate::plan::{FlagId, Holdout, LayerRange, Needs, PathIndexBuilder};
use crate::schedule::Schedule;
use crate::spec::{self, FlagKind, PathMatch, Progress, Spec};
use crate::split;

pub(crate) fn flags(
    spec: &Spec,
    scope: &Scope<'_>,
    holdouts: &[(Holdout, Uses)],
    errors: &mut Errors,
) -> (Box<[Flag]>, PathIndex) {
    let section = Path::Root.key("flags");
    let everywhere = [PathMatch::Prefix("/".into())];
    let mut deliveries = PathIndexBuilder::default();
    let mut flags = Vec::with_capacity(spec.flags.len());
    let mut uses = Vec::with_capacity(spec.flags.len());
    for ((name, flag), number) in spec.flags.iter().zip(0_u32..) {
        for path in flag.deliver.as_deref().unwrap_or(&everywhere) {
            deliveries.add(path, number);
        }
        let path = section.key(name);
        let compiler = FlagCompiler { name, flag, scope };
        let (flag, mut used) = compiler.compile(spec, &path, errors);
        if flag.held_out {
            holdouts.iter().for_each(|(_, of_holdout)| used.add(of_holdout));
        }
        flags.push(flag);
        uses.push(used);
    }
    check_prerequisites(spec, &mut flags, &mut uses, errors);
    for (flag, used) in flags.iter_mut().zip(&uses) {
        flag.needs = scope.needs(spec, used);
    }
    (flags.into(), deliveries.finish())
}

/// Refuses cycles and too long chains of flags that require each other, and adds the facts that a
/// required flag uses to those of the flag that requires it.
fn check_prerequisites(spec: &Spec, flags: &mut [Flag], uses: &mut [Uses], errors: &mut Errors) {
    /// The maximum number of flags that are evaluated for one.
    const MAX_FLAGS: usize = 1000;
    /// The maximum length of a chain of flags, each of which requires the next.
    const MAX_CHAIN: usize = 32;
    let section = Path::Root.key("flags");
    let required = |at: usize| -> Vec<usize> {
        let requires = flags.get(at).map(|flag| &*flag.requires).unwrap_or_default();
        requires.iter().map(|(flag, _)| flag.index()).collect()
    };
    let (order, cycles) = topological_order::sort(flags.len(), required);
    let name = |at: usize| spec.flags.iter().nth(at).map(|(name, _)| name.as_str());
    for cycle in &cycles {
        let first = cycle.first().and_then(|at| name(*at)).unwrap_or("");
        let chain = topological_order::cycle_text(cycle, name);
        let message = format_args!("the flag requires itself: {chain}");
        errors.add(&section.key(first).key("requires"), ErrorKind::Conflict, &message);
    }
    // For each flag: the number of flags that are evaluated, and the length of the longest chain.
    let mut costs: Vec<(usize, usize)> = flags.iter().map(|_| (1, 1)).collect();
    for at in order {
        let (mut count, mut chain, mut used) = (1_usize, 0_usize, Uses::default());
        for other in required(at) {
            let (of_other, deep) = costs.get(other).copied().unwrap_or_default();
            count = count.saturating_add(of_other);
            chain = chain.max(deep);
            if let Some(of_other) = uses.get(other) {
                used.add(of_other);
            }
        }
        chain = chain.saturating_add(1);
        if count > MAX_FLAGS || chain > MAX_CHAIN {
            let first = name(at).unwrap_or("");
            let message = format_args!(
                "requires {count} evaluations in a chain of {chain} flags, \
                 allowed are {MAX_FLAGS} evaluations and {MAX_CHAIN} flags"
            );
            errors.add(&section.key(first).key("requires"), ErrorKind::Limit, &message);
        }
        if let Some(cost) = costs.get_mut(at) {
            *cost = (count, chain);
        }
        if let Some(own) = uses.get_mut(at) {
            own.add(&used);
        }
    }
}

struct FlagCompiler<'c> {
    name: &'c str,
    flag: &'c spec::Flag,
    scope: &'c Scope<'c>,
}

impl FlagCompiler<'_> {
    fn compile(&self, spec: &Spec, path: &Path<'_>, errors: &mut Errors) -> (Flag, Uses) {
        let mut uses = Uses::default();
        let default_path = path.key("defaultVariant");
        let default_variant = self.variant(&self.flag.default_variant, &default_path, errors);
        let section = path.key("rules");
        let mut rules = Vec::with_capacity(self.flag.rules.len());
        for (index, rule) in self.flag.rules.iter().enumerate() {
            rules.extend(self.rule(rule, index, spec, &mut uses, &section.index(index), errors));
        }
        let flag = Flag {
            name: self.name.into(),
            state: self.flag.state,
            variants: self
                .flag
                .variants
                .iter()
                .map(|(name, v)| self.plan_variant(name, v))
                .collect(),
            default_variant: default_variant.unwrap_or(VariantId(0)),
            requires: self.requires(spec, &path.key("requires"), errors),
            held_out: !matches!(self.flag.kind, Some(FlagKind::Ops | FlagKind::Permission)),
            rules: rules.into(),
            disabled_by: Box::default(),
            needs: Needs::default(),
        };
        (flag, uses)
    }

    fn requires(
        &self,
        spec: &Spec,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Box<[(FlagId, VariantId)]> {
        let mut required = Vec::with_capacity(self.flag.requires.len());
        for (index, (flag, variant)) in self.flag.requires.iter().enumerate() {
            let here = path.index(index);
            let at = position(&spec.flags, "flag", flag, &here.key("flag"), errors);
            let Some((at, of)) = at.zip(spec.flags.get(flag)) else { continue };
            let variant = position(&of.variants, "variant", variant, &here.key("variant"), errors);
            required.extend(variant.map(|variant| (FlagId::new(at), VariantId::new(variant))));
        }
        required.into()
    }

    fn layer(
        &self,
        layer: &spec::LayerRange,
        spec: &Spec,
        uses: &mut Uses,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Option<LayerRange> {
        let at = position(&spec.layers, "layer", &layer.name, &path.key("name"), errors)?;
        let bucketing = self.scope.layers.get(at).cloned().flatten()?;
        uses.add_unit(bucketing.unit);
        Some(LayerRange { bucketing, from: layer.from, to: layer.to })
    }

    fn plan_variant(&self, name: &str, variant: &spec::Variant) -> Variant {
        let flag = self.name;
        let member = match &variant.item {
            Some(item) => format!("{flag}={item}"),
            None => format!("{flag}=\"{name}\""),
        };
        Variant { name: name.into(), json: variant.json.as_str().into(), member: member.into() }
    }

    fn rule(
        &self,
        rule: &spec::Rule,
        index: usize,
        spec: &Spec,
        uses: &mut Uses,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Option<Rule> {
        let when = rule.when.as_ref();
        let when = when.map(|when| self.scope.condition(when, uses, &path.key("when"), errors));
        let action = self.action(&rule.action, uses, path, errors)?;
        let name = match &rule.name {
            Some(name) => name.as_str().into(),
            None => format!("rules[{index}]").into(),
        };
        let layer = match &rule.layer {
            Some(layer) => Some(self.layer(layer, spec, uses, &path.key("layer"), errors)?),
            None => None,
        };
        Some(Rule { name, when, layer, action })
    }

    fn action(
        &self,
        action: &spec::RuleAction,
        uses: &mut Uses,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Option<RuleAction> {
        match action {
            spec::RuleAction::Serve(name) => {
                self.variant(name, &path.key("serve"), errors).map(RuleAction::Serve)
            }
            spec::RuleAction::Ramp { variant, progress, bucketing } => {
                let here = path.key("ramp");
                let variant = self.variant(variant, &here.key("variant"), errors);
                let salt = self.name;
                let bucketing =
                    self.scope.bucketing(bucketing, Purpose::Ramp, salt, uses, &here, errors);
                reject_gated_steps(progress, &here, errors);
                let schedule = Schedule::new(progress);
                Some(RuleAction::Ramp { variant: variant?, schedule, bucketing: bucketing? })
            }
            spec::RuleAction::Split { weights, bucketing } => {
                let here = path.key("split");
                let salt = self.name;
                let bucketing =
                    self.scope.bucketing(bucketing, Purpose::Split, salt, uses, path, errors);
                let find = |name: &str| self.variant(name, &here.key(name), errors);
                let ranges = split::lay_out(weights, find);
                Some(RuleAction::Split { ranges, bucketing: bucketing? })
            }
        }
    }

    /// Finds a variant; reports an unknown name. An empty name could not be read and is already
    /// reported.
    fn variant(&self, name: &str, path: &Path<'_>, errors: &mut Errors) -> Option<VariantId> {
        position(&self.flag.variants, "variant", name, path, errors).map(VariantId::new)
    }
}

/// Refuses steps that wait for a gate: gates compare arms, so only a rollout has them.
fn reject_gated_steps(progress: &Progress, path: &Path<'_>, errors: &mut Errors) {
    let Progress::Steps { steps, .. } = progress else { return };
    let section = path.key("steps");
    for (index, _) in steps.iter().enumerate().filter(|(_, step)| step.gated) {
        let here = section.index(index);
        errors.add(
            &here.key("mode"),
            ErrorKind::Conflict,
            &"gate is allowed in a rollout's canary only",
        );
    }
}
