//! Serin as a Cloudflare Worker.
//!
//! On every request the Worker removes the header fields that are reserved for Serin, decides, sets `serin-flags`,
//! `x-serin-rollout` and `x-serin-arm`, and sends the request to the arm's target: an origin or another Worker.
//! It decides nothing itself: `serin-core` does, and `serin-judge` judges trials.
//!
//! | module | concept |
//! |---|---|
//! | `entry` | the fetch event: the handling of one request |
//! | `settings` | variables and secrets: targets, paths, limits |
//! | `config` | the plan in force; the last good plan stays |
//! | `spec_source` | the sources of specs |
//! | `active_plan` | a plan in force, with its counters |
//! | `isolate` | the state that outlives a request; reads the spec and the latches |
//! | `request_head` | method, URL and header fields of a request |
//! | `facts` | Cloudflare as the core's `RequestHost` |
//! | `jwt` | JSON Web Tokens: validation, claims |
//! | `claims` | the claims of a request's token, verified with the host |
//! | `actions` | the changes that a decision makes to a request |
//! | `proxy` | a request's way to its target, with the fallback |
//! | `interval` | an interval by a clock that may be set |
//! | `shadow` | copies of requests whose responses are compared with the arm's |
//! | `cache` | cache keys, and which responses may be stored |
//! | `outcome_counts` | the outcomes since the last batch |
//! | `judge_client`, `judge_answer` | sends batches, receives latches and what was not counted |
//! | `durable_object` | the events of the Durable Object that judges |
//! | `latch_cache` | the latches that this isolate knows |
//! | `endpoints` | the Worker's own endpoints: status page, flag evaluation |
//! | `status` | the status page |
//! | `counter`, `counters`, `override_counters`, `dropped_counters` | the counters of an isolate |
//! | `host` | the only file that calls the host, with `host.js` and `jwt.js` |
//!
//! Everything but `claims`, `durable_object`, `endpoints`, `entry`, `host`, `isolate`, `judge_client` and `proxy` is
//! also built natively, for tests.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)]
#![deny(clippy::indexing_slicing, clippy::string_slice, clippy::arithmetic_side_effects)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]
// In a native build only the tests use most items.
#![cfg_attr(not(target_family = "wasm"), allow(dead_code))]

mod actions;
mod active_plan;
mod cache;
mod config;
mod counter;
mod counters;
mod dropped_counters;
mod facts;
mod interval;
mod judge_answer;
mod jwt;
mod latch_cache;
mod outcome_counts;
mod override_counters;
mod request_head;
mod settings;
mod shadow;
mod spec_source;
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
mod host;
#[cfg(target_family = "wasm")]
mod isolate;
#[cfg(target_family = "wasm")]
mod judge_client;
#[cfg(target_family = "wasm")]
mod proxy;
