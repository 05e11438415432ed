//! The engine of Unleash.

use crate::{COUNTRIES, Engine, FLAG, User, Variant};
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

    fn new(users: &[User]) -> Unleash {
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
        let features = serde_json::from_value(features).expect("the response is valid");
        let warnings = engine.take_state(UpdateMessage::FullResponse(features));
        assert!(warnings.is_none(), "Yggdrasil warns");
        Unleash { engine, contexts: users.iter().map(context).collect() }
    }

    fn decide(&mut self, user: usize) -> Variant {
        match self.engine.check_variant(&self.contexts[user]) {
            Some(variant) if variant.enabled => Variant::of(&variant.name),
            _ => Variant::None,
        }
    }
}

/// The cheapest form of a context. It borrows the plain context, so that is leaked.
fn context(user: &User) -> EnrichedContext<'static> {
    let properties =
        user.attributes.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let context = Context {
        user_id: Some(user.id.clone()),
        session_id: None,
        environment: None,
        app_name: None,
        current_time: None,
        remote_address: None,
        properties: Some(properties.collect()),
    };
    EnrichedContext::from(Box::leak(Box::new(context)), FLAG, None)
}
