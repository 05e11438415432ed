//! The core of this project.

use crate::{Engine, User, Variant};
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

/// Serin with a plan, a decision that is reused, and the facts of each user.
pub struct Serin {
    plan: Plan,
    decision: Decision,
    facts: Vec<Facts<'static>>,
}

impl Engine for Serin {
    const NAME: &'static str = "serin-core";

    fn new(users: &[User]) -> Serin {
        let plan = Plan::from_json(SPEC.as_bytes()).expect("the spec is valid");
        let facts = users.iter().map(|user| facts(&plan, user)).collect();
        Serin { decision: Decision::new(&plan), facts, plan }
    }

    fn decide(&mut self, user: usize) -> Variant {
        decide(&self.plan, &self.facts[user], &mut self.decision);
        let Some(decided) = self.decision.flags().first() else { return Variant::None };
        let variant = self.plan.flag(decided.flag).and_then(|flag| flag.variant(decided.variant));
        variant.map_or(Variant::None, |variant| Variant::of(variant.name()))
    }
}

/// The facts of a request that carries the attributes in its fields. Facts borrow the id, so it is
/// leaked.
fn facts(plan: &Plan, user: &User) -> Facts<'static> {
    let id: &'static str = Box::leak(user.id.clone().into_boxed_str());
    let pairs = [(":path", "/"), ("x-user-id", id)].into_iter().chain(user.attributes);
    Facts::gather(plan, pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes())))
}
