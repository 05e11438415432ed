//! A spec in all the forms that a comparison takes.

use serde_json::Value;
use serin_core::{Plan, Spec};
use serin_fleet::diff::Side;

/// A document that must be a valid spec, with its typed form and its plan.
pub(crate) struct Loaded {
    document: Value,
    spec: Spec,
    plan: Plan,
}

pub(crate) fn load(document: &Value) -> Loaded {
    let text = document.to_string();
    let (spec, plan) = (Spec::from_json(text.as_bytes()), Plan::from_json(text.as_bytes()));
    Loaded { document: document.clone(), spec: spec.unwrap(), plan: plan.unwrap() }
}

impl Loaded {
    pub(crate) fn side(&self) -> Side<'_> {
        Side { document: &self.document, spec: &self.spec, plan: &self.plan }
    }
}
