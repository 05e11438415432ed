//! The scope in which rules and rollouts are compiled: the names that they can refer to.

use alloc::format;

use super::condition::resolve;
use super::cost::{Cohorts, Uses};
use super::lookup::unit;
use super::names::{Names, each_condition};
use crate::attribute::Attribute;
use crate::error::{ErrorKind, Errors, Path, one_of};
use crate::hash::Purpose;
use crate::plan::{Bucketing, Condition, InputId, Needs, UnitId};
use crate::spec;

/// The names, cohorts and layers that rules and rollouts can refer to.
pub(crate) struct Scope<'c> {
    pub(crate) names: &'c Names,
    pub(crate) cohorts: &'c Cohorts,
    /// The bucketing of each layer, by index.
    pub(crate) layers: &'c [Option<Bucketing>],
}

impl Scope<'_> {
    pub(crate) fn condition(
        &self,
        condition: &spec::Condition,
        uses: &mut Uses,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Condition {
        let resolved = resolve(condition, self.names, self.cohorts, path, errors);
        uses.add(&resolved.uses);
        resolved.condition
    }

    /// Compiles a bucketing; `None` without a known unit, which is reported.
    pub(crate) fn bucketing(
        &self,
        bucketing: &spec::Bucketing,
        purpose: Purpose,
        default_salt: &str,
        uses: &mut Uses,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Option<Bucketing> {
        let unit = match &bucketing.unit {
            Some(name) => unit(name, self.names, &path.key("unit"), errors),
            None => self.default_unit(path, errors),
        }?;
        uses.add_unit(unit);
        let salt = bucketing.salt.as_deref().unwrap_or(default_salt).into();
        Some(Bucketing { unit, purpose, salt })
    }

    fn default_unit(&self, path: &Path<'_>, errors: &mut Errors) -> Option<UnitId> {
        let only = self.names.only_unit();
        if only.is_none() && !errors.has_section("units") {
            let message = match self.names.unit_names().as_slice() {
                [] => "needs a unit, and the spec defines none under units".into(),
                names => format!("needs a unit: {}", one_of(names.iter().copied())),
            };
            errors.add(path, ErrorKind::Missing, &message);
        }
        only
    }

    /// The facts that a host must fetch for what is used, including the sources of units.
    pub(crate) fn needs(&self, spec: &spec::Spec, uses: &Uses) -> Needs {
        let mut needs = Needs::default();
        let mut add_input = |id: InputId| {
            if self.names.is_from_host(id) {
                needs.host_inputs.insert(id.0);
            }
        };
        uses.inputs.iter().map(InputId).for_each(&mut add_input);
        for (sources, id) in spec.units.values().zip((0..).map(UnitId::new)) {
            if !uses.units.contains(id.0) {
                continue;
            }
            let ids = sources.iter().filter_map(|source| self.names.source_input(source));
            ids.for_each(&mut add_input);
            if matches!(sources.last(), Some(spec::UnitSource::Anonymous(_))) {
                needs.anonymous.insert(id.0);
            }
        }
        needs
    }

    /// Whether any condition tests the time.
    pub(crate) fn needs_time(&self, spec: &spec::Spec) -> bool {
        let mut found = false;
        each_condition(spec, &mut |condition| {
            let of_time =
                matches!(condition, spec::Condition::Test { attribute: Attribute::Time, .. });
            found |= of_time;
        });
        found
    }
}
