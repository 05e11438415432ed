//! LaunchDarkly's engine.

use crate::{Answer, COUNTRIES, Engine, FLAG, Person};
use launchdarkly_server_sdk_evaluation::{
    Context, ContextBuilder, Flag, FlagValue, Segment, Store, evaluate,
};
use serde_json::json;

/// LaunchDarkly with one rule: a clause and a rollout of two variations.
pub struct LaunchDarkly {
    flag: Flag,
    contexts: Vec<Context>,
}

/// The flag has no prerequisites and no segments, so nothing is ever looked up.
struct Empty;

impl Store for Empty {
    fn flag(&self, _: &str) -> Option<Flag> {
        None
    }

    fn segment(&self, _: &str) -> Option<Segment> {
        None
    }
}

impl Engine for LaunchDarkly {
    const NAME: &'static str = "launchdarkly-server-sdk-evaluation 2.2.1";

    fn new(people: &[Person]) -> LaunchDarkly {
        let flag = json!({
            "key": FLAG, "version": 1, "on": true, "targets": [], "prerequisites": [], "salt": "s",
            "rules": [{
                "id": "r", "trackEvents": false,
                "clauses": [{"contextKind": "user", "attribute": "country", "op": "in",
                             "values": COUNTRIES, "negate": false}],
                "rollout": {"kind": "rollout", "contextKind": "user", "variations": [
                    {"variation": 0, "weight": 50_000}, {"variation": 1, "weight": 50_000}]},
            }],
            "fallthrough": {"variation": 2}, "offVariation": 2, "variations": ["on", "off", "none"],
            "clientSide": false,
        });
        let flag = serde_json::from_value(flag).expect("a flag as LaunchDarkly gives it");
        LaunchDarkly { flag, contexts: people.iter().map(context).collect() }
    }

    fn decide(&mut self, person: usize) -> Answer {
        match evaluate(&Empty, &self.flag, &self.contexts[person], None).value {
            Some(FlagValue::Str(variant)) => Answer::of(variant),
            _ => Answer::Neither,
        }
    }
}

fn context(person: &Person) -> Context {
    let mut builder = ContextBuilder::new(person.id.as_str());
    for (name, value) in person.attributes {
        builder.set_string(name, value);
    }
    builder.build().expect("a context with a key")
}
