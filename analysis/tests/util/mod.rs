//! Specs for tests.

use serin_core::{Plan, Spec, Timestamp};

/// 2026-11-21T12:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_ms(1_795_262_400_000);

/// A spec and what it compiles to.
pub(crate) fn read(text: &str) -> (Spec, Plan) {
    let plan = Plan::from_json(text.as_bytes()).unwrap_or_else(|errors| panic!("{errors}"));
    (Spec::from_json(text.as_bytes()).unwrap(), plan)
}

/// A spec around a fragment, with two units.
pub(crate) fn with(fragment: &str) -> String {
    format!(
        r#"{{ "formatVersion": 1, "units": {{
             "user": [ {{ "header": "x-user" }}, {{ "anonymous": "id" }} ], "tenant": [ {{ "header": "x-tenant" }} ] }},
             {fragment} }}"#
    )
}
