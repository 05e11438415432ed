//! Tests that the core does not have yet, in floats: what each would bring, and what it would cost.

pub(crate) mod arrivals;
mod levels;
pub(crate) mod mixture;
pub(crate) mod shared_alpha;
pub(crate) mod windows;

pub(crate) use levels::Levels;
