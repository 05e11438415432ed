//! The engine of GrowthBook.

use crate::{COUNTRIES, Engine, FLAG, User, Variant};
use growthbook_rust::growthbook::GrowthBook;
use growthbook_rust::model_public::{GrowthBookAttribute, GrowthBookAttributeValue};
use serde_json::json;

/// GrowthBook with one rule: a condition and an experiment of two variations.
pub struct Growthbook {
    engine: GrowthBook,
    users: Vec<Option<Vec<GrowthBookAttribute>>>,
}

impl Engine for Growthbook {
    const NAME: &'static str = "growthbook-rust 0.4.0";

    fn new(users: &[User]) -> Growthbook {
        let features = json!({FLAG: {
            "defaultValue": "none",
            "rules": [{
                "condition": {"country": {"$in": COUNTRIES}}, "key": FLAG, "hashAttribute": "id",
                "hashVersion": 2, "variations": ["on", "off"], "weights": [0.5, 0.5], "coverage": 1.0,
            }],
        }});
        let engine = GrowthBook {
            forced_variations: None,
            features: serde_json::from_value(features).expect("the features are valid"),
            attributes: None,
            sticky_bucket_service: None,
            saved_groups: Default::default(),
        };
        Growthbook { engine, users: users.iter().map(attributes).collect() }
    }

    fn decide(&mut self, user: usize) -> Variant {
        let result = self.engine.check(FLAG, &self.users[user]);
        result.value.as_str().map_or(Variant::None, Variant::of)
    }
}

fn attributes(user: &User) -> Option<Vec<GrowthBookAttribute>> {
    let text = |value: &str| GrowthBookAttributeValue::String(value.into());
    let id = GrowthBookAttribute::new("id".into(), text(&user.id));
    let others = user.attributes.iter();
    let others = others.map(|(name, value)| GrowthBookAttribute::new((*name).into(), text(value)));
    Some([id].into_iter().chain(others).collect())
}
