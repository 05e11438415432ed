//! `serin schema`: the JSON Schema of specs.

use crate::failure::Failure;

/// The JSON Schema of specs. `tests/schema/` compares it with what the core reads.
const SCHEMA: &str = include_str!("../../docs/spec.schema.json");

pub(crate) fn run() -> Result<(), Failure> {
    print!("{SCHEMA}");
    Ok(())
}
