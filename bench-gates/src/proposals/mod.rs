//! Tests that the core does not have yet, in floats: what each would bring, and what it would cost.

mod levels;
pub(crate) mod mixture;

pub(crate) use levels::Levels;
