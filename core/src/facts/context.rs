//! Facts from an OpenFeature evaluation context, for callers that evaluate flags without a request.

use alloc::borrow::{Cow, ToOwned as _};

use super::{Facts, path, request};
use crate::anonymous;
use crate::attribute::Attribute;
use crate::gate::ActiveLatches;
use crate::plan::{Input, Plan};
use crate::value::timestamp::Timestamp;

/// OpenFeature's key for the subject of an evaluation.
const TARGETING_KEY: &str = "targetingKey";

impl<'a> Facts<'a> {
    /// The facts of an OpenFeature evaluation context: pairs of key and value. A key is an attribute as a
    /// spec names it (`header.x-plan`, `country`, `unit.tenant`, …) or `targetingKey`.
    ///
    /// `unit.NAME` overrides the unit's sources. `targetingKey` is the value of every unit that has no
    /// other. Other keys, and attributes that the plan does not use, are ignored.
    ///
    /// `now` is the time of the decision in ms since 1970-01-01T00:00:00Z, `latches` are the latches in
    /// force; `None` if the caller knows none.
    pub fn from_context(
        plan: &Plan,
        context: impl IntoIterator<Item = (&'a str, Cow<'a, str>)>,
        now: Option<u64>,
        latches: Option<&'a ActiveLatches>,
    ) -> Facts<'a> {
        let now = now.map(Timestamp::from_unix_ms);
        let mut facts = Facts { now, latches, ..Facts::default() };
        for (key, value) in context {
            if key == TARGETING_KEY {
                facts.targeting_key = Some(value);
                continue;
            }
            match Attribute::parse(key) {
                Some(Attribute::Path) => {
                    facts.path = Cow::Owned(path::normalise(value.as_bytes()).into_owned());
                }
                Some(Attribute::Host) => {
                    facts.host = Cow::Owned(request::host(value.as_bytes()).into_owned());
                }
                Some(Attribute::Method) => facts.method = value,
                Some(Attribute::Unit(name)) => {
                    if let Some(unit) = plan.unit_named(&name) {
                        facts.explicit_units.push((unit, value));
                    }
                }
                Some(attribute) => facts.set_attribute(plan, &attribute, value),
                None => {}
            }
        }
        facts
    }

    fn set_attribute(&mut self, plan: &Plan, attribute: &Attribute, value: Cow<'a, str>) {
        let id = Input::of(attribute).and_then(|input| plan.inputs.id(&input));
        if let Some(input) = id.and_then(|id| plan.inputs.host_input(id)) {
            let value = match anonymous::split(&value).filter(|_| plan.mints(input.id)) {
                Some((id, _)) => Cow::Owned(id.to_owned()),
                None => value,
            };
            self.set(input, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_units_value_is_that_of_its_most_explicit_key() {
        let spec = br#"{"formatVersion":1,"units":{
            "tenant":[{"header":"x-tenant"}],"user":[{"header":"x-user"},{"cookie":"uid"}]}}"#;
        let plan = Plan::from_json(spec).unwrap();
        let value = |context: &[(&'static str, &'static str)], unit| {
            let pairs = context.iter().map(|(key, value)| (*key, Cow::Borrowed(*value)));
            let facts = Facts::from_context(&plan, pairs, None, None);
            facts.unit(&plan, plan.unit_named(unit).unwrap()).map(alloc::string::String::from)
        };
        let all = [("targetingKey", "k"), ("header.X-User", "h"), ("unit.user", "u")];
        assert_eq!(value(&all, "user").as_deref(), Some("u"));
        assert_eq!(value(&all[..2], "user").as_deref(), Some("h"));
        assert_eq!(value(&all[..1], "user").as_deref(), Some("k"));
        assert_eq!(value(&all, "tenant").as_deref(), Some("k"));
        assert_eq!(value(&[], "tenant"), None);
    }
}
