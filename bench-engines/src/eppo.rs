//! The engine of Eppo.

use crate::{COUNTRIES, Engine, FLAG, User, Variant};
use chrono::{DateTime, Utc};
use eppo_core::eval::get_assignment;
use eppo_core::ufc::{UniversalFlagConfig, VariationType};
use eppo_core::{Attributes, Configuration, SdkMetadata, Str};
use serde_json::json;
use std::sync::Arc;

/// Eppo with one allocation: a rule and two splits, without logging.
pub struct Eppo {
    configuration: Configuration,
    users: Vec<(Str, Arc<Attributes>)>,
    now: DateTime<Utc>,
}

impl Engine for Eppo {
    const NAME: &'static str = "eppo_core 10.0.0";

    fn new(users: &[User]) -> Eppo {
        let half = |name, start, end| {
            json!({"variationKey": name, "shards": [
                {"salt": "s", "ranges": [{"start": start, "end": end}]}]})
        };
        let wire = json!({
            "createdAt": "2026-11-20T00:00:00Z", "format": "SERVER", "environment": {"name": "Test"},
            "flags": {FLAG: {
                "key": FLAG, "enabled": true, "variationType": "STRING", "totalShards": 10_000,
                "variations": {
                    "on": {"key": "on", "value": "on"}, "off": {"key": "off", "value": "off"}},
                "allocations": [{
                    "key": "a", "doLog": false,
                    "rules": [{"conditions": [
                        {"attribute": "country", "operator": "ONE_OF", "value": COUNTRIES}]}],
                    "splits": [half("on", 0, 5000), half("off", 5000, 10_000)],
                }],
            }},
        });
        let sdk = SdkMetadata { name: "bench", version: "1" };
        let wire = serde_json::to_vec(&wire).expect("JSON");
        let flags = UniversalFlagConfig::from_json(sdk, wire).expect("the configuration is valid");
        let configuration = Configuration::from_server_response(flags, None);
        let known = |user: &User| {
            let pairs = user.attributes.iter();
            let attributes =
                pairs.map(|(name, value)| (Str::from(*name), Str::from(*value).into()));
            (Str::from(user.id.as_str()), Arc::new(attributes.collect()))
        };
        Eppo { configuration, users: users.iter().map(known).collect(), now: Utc::now() }
    }

    fn decide(&mut self, user: usize) -> Variant {
        let (key, attributes) = &self.users[user];
        let wanted = Some(VariationType::String);
        let found =
            get_assignment(Some(&self.configuration), FLAG, key, attributes, wanted, self.now);
        match found {
            Ok(Some(assignment)) => assignment.value.as_str().map_or(Variant::None, Variant::of),
            _ => Variant::None,
        }
    }
}
