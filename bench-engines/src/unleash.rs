//! Unleash's engine.

use crate::{Answer, COUNTRIES, Engine, FLAG, Person};
use serde_json::json;
use unleash_yggdrasil::state::EnrichedContext;
use unleash_yggdrasil::{Context, EngineState, UpdateMessage};

/// Yggdrasil with one strategy: a constraint and two variants.
pub struct Unleash {
    engine: EngineState,
    contexts: Vec<EnrichedContext<'static>>,
}

impl Engine for Unleash {
    const NAME: &'static str = "unleash-yggdrasil 0.21.7";

    fn new(people: &[Person]) -> Unleash {
        let engine = EngineState::default();
        let variant = |name| json!({"name": name, "weight": 500, "stickiness": "userId"});
        let features = json!({"version": 2, "features": [{
            "name": FLAG, "enabled": true,
            "strategies": [{
                "name": "flexibleRollout",
                "parameters": {"rollout": "100", "stickiness": "userId", "groupId": FLAG},
                "constraints": [{"contextName": "country", "operator": "IN", "values": COUNTRIES}],
                "variants": [variant("on"), variant("off")],
            }],
        }]});
        let features = serde_json::from_value(features).expect("a response as Unleash gives it");
        let warnings = engine.take_state(UpdateMessage::FullResponse(features));
        assert!(warnings.is_none(), "Yggdrasil warns");
        Unleash { engine, contexts: people.iter().map(context).collect() }
    }

    fn decide(&mut self, person: usize) -> Answer {
        match self.engine.check_variant(&self.contexts[person]) {
            Some(variant) if variant.enabled => Answer::of(&variant.name),
            _ => Answer::Neither,
        }
    }
}

/// A context in its cheapest form, which borrows; what it borrows is leaked.
fn context(person: &Person) -> EnrichedContext<'static> {
    let properties =
        person.attributes.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let context = Context {
        user_id: Some(person.id.clone()),
        session_id: None,
        environment: None,
        app_name: None,
        current_time: None,
        remote_address: None,
        properties: Some(properties.collect()),
    };
    EnrichedContext::from(Box::leak(Box::new(context)), FLAG, None)
}
