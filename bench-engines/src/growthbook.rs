//! GrowthBook's engine.

use crate::{Answer, COUNTRIES, Engine, FLAG, Person};
use growthbook_rust::growthbook::GrowthBook;
use growthbook_rust::model_public::{GrowthBookAttribute, GrowthBookAttributeValue};
use serde_json::json;

/// GrowthBook with one rule: a condition and an experiment of two variations.
pub struct Growthbook {
    engine: GrowthBook,
    people: Vec<Option<Vec<GrowthBookAttribute>>>,
}

impl Engine for Growthbook {
    const NAME: &'static str = "growthbook-rust 0.4.0";

    fn new(people: &[Person]) -> Growthbook {
        let features = json!({FLAG: {
            "defaultValue": "none",
            "rules": [{
                "condition": {"country": {"$in": COUNTRIES}}, "key": FLAG, "hashAttribute": "id",
                "hashVersion": 2, "variations": ["on", "off"], "weights": [0.5, 0.5], "coverage": 1.0,
            }],
        }});
        let engine = GrowthBook {
            forced_variations: None,
            features: serde_json::from_value(features).expect("features as GrowthBook gives them"),
            attributes: None,
            sticky_bucket_service: None,
            saved_groups: Default::default(),
        };
        Growthbook { engine, people: people.iter().map(attributes).collect() }
    }

    fn decide(&mut self, person: usize) -> Answer {
        let result = self.engine.check(FLAG, &self.people[person]);
        result.value.as_str().map_or(Answer::Neither, Answer::of)
    }
}

fn attributes(person: &Person) -> Option<Vec<GrowthBookAttribute>> {
    let text = |value: &str| GrowthBookAttributeValue::String(value.into());
    let id = GrowthBookAttribute::new("id".into(), text(&person.id));
    let others = person.attributes.iter();
    let others = others.map(|(name, value)| GrowthBookAttribute::new((*name).into(), text(value)));
    Some([id].into_iter().chain(others).collect())
}
