//! The engine of LaunchDarkly.

use crate::{COUNTRIES, Engine, FLAG, User, Variant};
use launchdarkly_server_sdk_evaluation::{
    Context, ContextBuilder, Flag, FlagValue, Segment, Store, evaluate,
};
use serde_json::json;

/// LaunchDarkly with one rule: a clause and a rollout of two variations.
pub struct LaunchDarkly {
    flag: Flag,
    contexts: Vec<Context>,
}

/// An empty store: the flag has no prerequisites and no segments.
struct EmptyStore;

impl Store for EmptyStore {
    fn flag(&self, _: &str) -> Option<Flag> {
        None
    }

    fn segment(&self, _: &str) -> Option<Segment> {
        None
    }
}

impl Engine for LaunchDarkly {
    const NAME: &'static str = "launchdarkly-server-sdk-evaluation 2.2.1";

    fn new(users: &[User]) -> LaunchDarkly {
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
        let flag = serde_json::from_value(flag).expect("the flag is valid");
        LaunchDarkly { flag, contexts: users.iter().map(context).collect() }
    }

    fn decide(&mut self, user: usize) -> Variant {
        match evaluate(&EmptyStore, &self.flag, &self.contexts[user], None).value {
            Some(FlagValue::Str(variant)) => Variant::of(variant),
            _ => Variant::None,
        }
    }
}

fn context(user: &User) -> Context {
    let mut builder = ContextBuilder::new(user.id.as_str());
    for (name, value) in user.attributes {
        builder.set_string(name, value);
    }
    builder.build().expect("the context has a key")
}
