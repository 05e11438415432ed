//! The effects of a change, as `serin diff` reports them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod loaded;
mod moves;
mod rollout_effects;
