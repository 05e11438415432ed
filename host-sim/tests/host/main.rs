//! The host from a guest's side: every family of calls, every phase, and guests that mean harm.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bodies;
mod calls;
mod guest;
mod headers;
mod hostile;
mod lifecycle;
mod local_replies;
mod properties;
mod shared;
mod timers;
mod wasi;
