//! The compiler: turns a [`Spec`] into a [`Plan`], resolves every name and reports the unknown
//! ones.

mod cohorts;
mod condition;
mod cost;
mod flags;
mod gates;
mod lookup;
mod names;
mod request_size;
mod rollouts;
mod scope;
mod topological_order;

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use crate::error::{ErrorKind, Errors, Path};
use crate::hash::Purpose;
use crate::parse::document::document;
use crate::plan::{Bucketing, Flag, Holdout, Inputs, Plan, RequestSize, Rollout, Source, Unit};
use crate::spec::{self, FlagState, Isolation, Spec, UnitSource};
use cost::Uses;
use names::Names;
use scope::Scope;

impl Plan {
    /// Reads and compiles a JSON document.
    ///
    /// # Errors
    /// Every mistake in the document, of form and of meaning.
    pub fn from_json(json: &[u8]) -> Result<Plan, Errors> {
        let mut errors = Errors::new();
        let spec = document(json, &mut errors);
        compile_isolated(spec, errors)
    }

    /// Compiles a spec.
    ///
    /// # Errors
    /// Every mistake of meaning, such as unknown names.
    pub fn new(spec: &Spec) -> Result<Plan, Errors> {
        let mut errors = Errors::new();
        let plan = compile(spec, &mut errors);
        if errors.is_empty() { Ok(plan) } else { Err(errors) }
    }
}

/// Compiles a spec that was read with `errors`. If the spec asks for isolation and every mistake is
/// in a flag, only those flags are isolated; otherwise any mistake refuses the spec.
fn compile_isolated(mut spec: Spec, mut errors: Errors) -> Result<Plan, Errors> {
    /// The maximum number of attempts: removing a flag breaks the flags that require it.
    const ROUNDS: usize = 8;
    let mut plan = compile(&spec, &mut errors);
    if errors.is_empty() {
        return Ok(plan);
    }
    let mut isolated = Errors::new();
    for _ in 0..ROUNDS {
        let broken = Some(&errors).filter(|_| spec.isolation == Isolation::Flags);
        let Some(broken) = broken.and_then(Errors::flags) else { break };
        isolated.append(core::mem::take(&mut errors));
        spec.flags.retain(|name, flag| match broken.get(name) {
            None => true,
            Some(harmless) => *harmless && isolate(flag),
        });
        plan = compile(&spec, &mut errors);
        if errors.is_empty() {
            plan.isolated = isolated;
            return Ok(plan);
        }
    }
    isolated.append(errors);
    Err(isolated)
}

/// Reduces a flag with mistakes to its default variant; `false` if it has no usable default or is
/// reduced already.
fn isolate(flag: &mut spec::Flag) -> bool {
    let known = flag.variants.position(&flag.default_variant).is_some();
    if !known || flag.state == FlagState::Broken {
        return false;
    }
    flag.state = FlagState::Broken;
    flag.requires.clear();
    flag.rules.clear();
    true
}

/// Compiles a spec. The plan must not be used if there is any error.
fn compile(spec: &Spec, errors: &mut Errors) -> Plan {
    let names = Names::new(spec);
    let cohorts = cohorts::cohorts(spec, &names, errors);
    let scope = Scope { names: &names, cohorts: &cohorts, layers: &[] };
    let layers = layers(spec, &scope, errors);
    let scope = Scope { layers: &layers, ..scope };
    let holdouts = holdouts(spec, &scope, errors);
    let (rollouts, routes) = rollouts::rollouts(spec, &scope, errors);
    let (mut flags, deliveries) = flags::flags(spec, &scope, &holdouts, errors);
    rollouts::link_disabled_flags(&rollouts, &mut flags);
    let time = scope.needs_time(spec)
        || flags.iter().any(Flag::needs_time)
        || rollouts.iter().any(Rollout::needs_time);
    let max_delivered = deliveries.max_len();
    let mut plan = Plan {
        revision: spec.revision,
        digest: format!("{:016x}", spec.digest),
        deploy: spec.deploy.clone(),
        units: units(spec, &names),
        inputs: Inputs::new(names.into_inputs(), time),
        cohorts: cohorts.into_plan(),
        holdouts: holdouts.into_iter().map(|(holdout, _)| holdout).collect(),
        flags,
        rollouts,
        routes,
        deliveries,
        max_delivered,
        request_size: RequestSize::default(),
        isolated: Errors::new(),
    };
    plan.request_size = request_size::request_size(&plan, errors);
    plan
}

/// The bucketing of each layer, by index; `None` if its unit is unknown, which is reported.
fn layers(spec: &Spec, scope: &Scope<'_>, errors: &mut Errors) -> Vec<Option<Bucketing>> {
    let section = Path::Root.key("layers");
    let mut layers = Vec::with_capacity(spec.layers.len());
    for (name, layer) in &spec.layers {
        let (path, mut uses) = (section.key(name), Uses::default());
        layers.push(scope.bucketing(layer, Purpose::Layer, name, &mut uses, &path, errors));
    }
    layers
}

fn holdouts(spec: &Spec, scope: &Scope<'_>, errors: &mut Errors) -> Vec<(Holdout, Uses)> {
    /// The maximum number of holdouts: each one costs every flag a hash.
    const MAX_HOLDOUTS: usize = 16;
    let section = Path::Root.key("holdouts");
    if spec.holdouts.len() > MAX_HOLDOUTS {
        let count = spec.holdouts.len();
        let message = format_args!("has {count} holdouts, at most {MAX_HOLDOUTS} are allowed");
        errors.add(&section, ErrorKind::Limit, &message);
    }
    let mut holdouts = Vec::with_capacity(spec.holdouts.len());
    for (name, holdout) in &spec.holdouts {
        let (path, mut uses) = (section.key(name), Uses::default());
        let bucketing = &holdout.bucketing;
        let bucketing =
            scope.bucketing(bucketing, Purpose::Holdout, name, &mut uses, &path, errors);
        let share = holdout.share;
        holdouts.extend(
            bucketing
                .map(|bucketing| (Holdout { name: name.as_str().into(), bucketing, share }, uses)),
        );
    }
    holdouts
}

fn units(spec: &Spec, names: &Names) -> Box<[Unit]> {
    let mut units = Vec::with_capacity(spec.units.len());
    for (name, sources) in &spec.units {
        let source = |source: &UnitSource| {
            let input = names.source_input(source)?;
            Some(match source {
                UnitSource::Anonymous(name) => {
                    Source::Anonymous { cookie: input, name: name.as_str().into() }
                }
                _ => Source::Input(input),
            })
        };
        let sources = sources.iter().filter_map(source).collect();
        units.push(Unit { name: name.as_str().into(), sources });
    }
    units.into()
}

impl Default for Plan {
    /// The empty plan: no rollout, no flag.
    fn default() -> Self {
        compile(&Spec::default(), &mut Errors::new())
    }
}
