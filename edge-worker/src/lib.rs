//! Serin as a Cloudflare Worker.
//!
//! On every request the Worker removes Serin's own header fields, decides, sets `serin-flags`,
//! `x-serin-rollout` and `x-serin-arm`, and sends the request to the arm's target: an origin or
//! another Worker. It decides nothing itself: that is `serin-core`.
//!
//! ```text
//! entry     the fetch event: one request from its head to its answer
//! settings  what wrangler.jsonc says: targets, paths, limits
//! config    which spec is in force: KV, var, bundled; the last good one stays
//! isolate   what outlives a request; reading the spec, at the first request and then in the background
//! head      the request's header block
//! facts     what the plan needs and only the host knows: the core's `RequestHost`
//! jwt       which tokens count, and their claims
//! claims    asking the host whether a token is good
//! overrides what became of testers' tokens
//! actions   a decision as header changes
//! proxy     to the arm's target and back, with the fallback
//! shadow    copies of requests, and whether their answers agree
//! outcome_counts  outcomes, counted until they are sent to the judge
//! gates     sending them, and learning the latches that come back
//! durable_object  the events of the Durable Object that judges, with `serin-judge`
//! latch_cache  the latches that this isolate knows
//! cache     which answers may be kept for an arm
//! endpoints the paths the Worker answers by itself: status, flag evaluation
//! status    the status page's text
//! host      the only file that calls the host, with host.js
//! ```
//!
//! Everything but `claims`, `durable_object`, `endpoints`, `entry`, `gates`, `host`, `isolate` and `proxy` is also built
//! natively, for its tests.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]
// Natively only the tests use what the Worker does.
#![cfg_attr(not(target_family = "wasm"), allow(dead_code))]

mod actions;
mod active;
mod cache;
mod config;
mod counters;
mod facts;
mod head;
mod jwt;
mod latch_cache;
mod outcome_counts;
mod overrides;
mod settings;
mod shadow;
mod status;

#[cfg(target_family = "wasm")]
mod claims;
#[cfg(target_family = "wasm")]
mod durable_object;
#[cfg(target_family = "wasm")]
mod endpoints;
#[cfg(target_family = "wasm")]
mod entry;
#[cfg(target_family = "wasm")]
mod gates;
#[cfg(target_family = "wasm")]
mod host;
#[cfg(target_family = "wasm")]
mod isolate;
#[cfg(target_family = "wasm")]
mod proxy;
