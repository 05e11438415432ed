//! [`Spec`] → [`Plan`]: resolves every name and reports every one that leads nowhere.

mod cohorts;
mod flags;
mod names;
mod rollouts;
mod scope;

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use crate::error::{Errors, Path};
use crate::plan::{Inputs, Plan, Source, Unit};
use crate::spec::{Spec, UnitSource};
use names::Names;
use scope::Scope;

/// Compiles what was read. With any error the plan is not to be used; callers drop it.
pub(crate) fn compile(spec: &Spec, errors: &mut Errors) -> Plan {
    let names = Names::new(spec);
    let cohorts = cohorts::cohorts(spec, &names, errors);
    let scope = Scope { names: &names, cohorts: &cohorts };
    let (rollouts, routes) = rollouts::rollouts(spec, &scope, errors);
    let (flags, deliveries) = flags::flags(spec, &scope, errors);
    let time = scope.looks_at_time(spec);
    let most_delivered = deliveries.most();
    Plan {
        revision: spec.revision,
        digest: format!("{:016x}", spec.digest),
        deploy: spec.deploy.clone(),
        units: units(spec, &names),
        inputs: Inputs::new(names.into_inputs(), time),
        cohorts: cohorts.into_plan(),
        flags,
        rollouts,
        routes,
        deliveries,
        most_delivered,
    }
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

/// The document's root, for paths.
const ROOT: Path<'static> = Path::Root;
