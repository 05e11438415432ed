//! This project's core.

use crate::{Answer, Engine, Person};
use serin_core::{Decision, Facts, Plan, decide};

const SPEC: &str = r#"{
  "formatVersion": 1,
  "units": { "user": [ { "header": "x-user-id" } ] },
  "cohorts": { "known": { "all": [
      { "attribute": "header.plan", "exists": true }, { "attribute": "header.app", "exists": true },
      { "attribute": "header.os", "exists": true }, { "attribute": "header.language", "exists": true } ] } },
  "flags": { "checkout": {
      "variants": { "on": "on", "off": "off", "none": "none" }, "defaultVariant": "none",
      "rules": [ { "when": { "attribute": "header.country", "in": [ "CH", "AT", "DE" ] },
                   "split": { "on": 50, "off": 50 } } ] } }
}"#;

/// Serin: the plan, a decision that is used again, and each person's facts.
pub struct Serin {
    plan: Plan,
    decision: Decision,
    facts: Vec<Facts<'static>>,
}

impl Engine for Serin {
    const NAME: &'static str = "serin-core";

    fn new(people: &[Person]) -> Serin {
        let plan = Plan::from_json(SPEC.as_bytes()).expect("the spec above is good");
        let facts = people.iter().map(|person| facts(&plan, person)).collect();
        Serin { decision: Decision::new(&plan), facts, plan }
    }

    fn decide(&mut self, person: usize) -> Answer {
        decide(&self.plan, &self.facts[person], &mut self.decision);
        let Some(decided) = self.decision.flags().first() else { return Answer::Neither };
        let variant = self.plan.flag(decided.flag).and_then(|flag| flag.variant(decided.variant));
        variant.map_or(Answer::Neither, |variant| Answer::of(variant.name()))
    }
}

/// The facts of a request that carries the attributes in its fields. What they are made of is
/// leaked, a few hundred bytes a person, because facts borrow it.
fn facts(plan: &Plan, person: &Person) -> Facts<'static> {
    let id: &'static str = Box::leak(person.id.clone().into_boxed_str());
    let pairs = [(":path", "/"), ("x-user-id", id)].into_iter().chain(person.attributes);
    Facts::gather(plan, pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes())))
}
