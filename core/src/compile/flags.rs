//! Compiles flags and where they are delivered.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::ROOT;
use super::scope::{Scope, Uses, unknown};
use crate::error::{Errors, Path};
use crate::hash::Purpose;
use crate::named::Named;
use crate::plan::PathIndexBuilder;
use crate::plan::{Flag, Outcome, PathIndex, Rule, Variant, VariantId};
use crate::spec::{self, PathMatch, Spec};
use crate::split;

pub(crate) fn flags(
    spec: &Spec,
    scope: &Scope<'_>,
    errors: &mut Errors,
) -> (Box<[Flag]>, PathIndex) {
    let section = ROOT.key("flags");
    let everywhere = [PathMatch::Prefix("/".into())];
    let mut deliveries = PathIndexBuilder::default();
    let mut flags = Vec::with_capacity(spec.flags.len());
    for ((name, flag), number) in spec.flags.iter().zip(0_u32..) {
        for path in flag.deliver.as_deref().unwrap_or(&everywhere) {
            deliveries.add(path, number);
        }
        let path = section.key(name);
        let compiler = FlagCompiler { name, flag, scope };
        flags.push(compiler.compile(spec, &path, errors));
    }
    (flags.into(), deliveries.finish())
}

struct FlagCompiler<'c> {
    name: &'c str,
    flag: &'c spec::Flag,
    scope: &'c Scope<'c>,
}

impl FlagCompiler<'_> {
    fn compile(&self, spec: &Spec, path: &Path<'_>, errors: &mut Errors) -> Flag {
        let mut uses = Uses::default();
        let default_path = path.key("defaultVariant");
        let default_variant = self.variant(&self.flag.default_variant, &default_path, errors);
        let section = path.key("rules");
        let mut rules = Vec::with_capacity(self.flag.rules.len());
        for (index, rule) in self.flag.rules.iter().enumerate() {
            rules.extend(self.rule(rule, index, &mut uses, &section.index(index), errors));
        }
        Flag {
            name: self.name.into(),
            state: self.flag.state,
            variants: self
                .flag
                .variants
                .iter()
                .map(|(name, v)| self.plan_variant(name, v))
                .collect(),
            default_variant: default_variant.unwrap_or(VariantId(0)),
            rules: rules.into(),
            needs: self.scope.needs(spec, &uses),
        }
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
        uses: &mut Uses,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Option<Rule> {
        let when = rule.when.as_ref();
        let when = when.map(|when| self.scope.condition(when, uses, &path.key("when"), errors));
        let outcome = self.outcome(&rule.outcome, uses, path, errors)?;
        let name = match &rule.name {
            Some(name) => name.as_str().into(),
            None => format!("rules[{index}]").into(),
        };
        Some(Rule { name, when, outcome })
    }

    fn outcome(
        &self,
        outcome: &spec::Outcome,
        uses: &mut Uses,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Option<Outcome> {
        match outcome {
            spec::Outcome::Serve(name) => {
                self.variant(name, &path.key("serve"), errors).map(Outcome::Serve)
            }
            spec::Outcome::Ramp { variant, share, bucketing } => {
                let here = path.key("ramp");
                let variant = self.variant(variant, &here.key("variant"), errors);
                let salt = self.name;
                let bucketing =
                    self.scope.bucketing(bucketing, Purpose::Ramp, salt, uses, &here, errors);
                Some(Outcome::Ramp { variant: variant?, share: *share, bucketing: bucketing? })
            }
            spec::Outcome::Split { weights, bucketing } => {
                let here = path.key("split");
                let salt = self.name;
                let bucketing =
                    self.scope.bucketing(bucketing, Purpose::Split, salt, uses, path, errors);
                let find = |name: &str| self.variant(name, &here.key(name), errors);
                let ranges = split::lay_out(weights, find);
                Some(Outcome::Split { ranges, bucketing: bucketing? })
            }
        }
    }

    /// Finds a variant. An empty name stands for one that could not be read and is reported already.
    fn variant(&self, name: &str, path: &Path<'_>, errors: &mut Errors) -> Option<VariantId> {
        position(&self.flag.variants, "variant", name, path, errors).map(VariantId::new)
    }
}

/// A name's position in a sorted map; reports an unknown one.
pub(crate) fn position<T>(
    map: &Named<T>,
    what: &str,
    name: &str,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<usize> {
    let found = map.position(name);
    if found.is_none() && !name.is_empty() {
        let known: Vec<&str> = map.names().collect();
        unknown(what, name, &known, path, errors);
    }
    found
}
