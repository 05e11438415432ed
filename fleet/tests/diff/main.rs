//! What a change does before it ships.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod beside;
mod loaded;
mod moves;
