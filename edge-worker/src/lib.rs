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
//! refresh   reading it, at the first request and then in the background
//! head      the request's header block
//! facts     what the plan needs and only the host knows: the core's `RequestHost`
//! jwt       which tokens count, and their claims
//! claims    asking the host whether a token is good
//! overrides what became of testers' tokens
//! actions   a decision as header changes
//! proxy     to the arm's target and back, with the fallback
//! shadow    copies of requests, and whether their answers agree
//! tally     what gates are told of outcomes, counted until it is handed on
//! batch     what is handed on
//! gates     handing it on, and learning what follows
//! keeper    what the Durable Object does with it: it looks, and keeps the latches
//! object    the Durable Object's events
//! known     what this isolate knows of latches
//! cache     which answers may be kept for an arm
//! own       the paths the Worker answers by itself: status, flag evaluation
//! status    the status page's text
//! host      the only file that calls the host, with host.js
//! ```
//!
//! Everything but `claims`, `entry`, `gates`, `object`, `proxy`, `own`, `refresh` and `host` is also built natively, for its tests.
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
mod batch;
mod cache;
mod config;
mod counters;
mod evidence;
mod facts;
mod head;
mod jwt;
mod keeper;
mod known;
mod overrides;
mod settings;
mod shadow;
mod status;
mod tally;

#[cfg(target_family = "wasm")]
mod claims;
#[cfg(target_family = "wasm")]
mod entry;
#[cfg(target_family = "wasm")]
mod gates;
#[cfg(target_family = "wasm")]
mod host;
#[cfg(target_family = "wasm")]
mod object;
#[cfg(target_family = "wasm")]
mod own;
#[cfg(target_family = "wasm")]
mod proxy;
#[cfg(target_family = "wasm")]
mod refresh;
