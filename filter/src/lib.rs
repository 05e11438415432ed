//! Serin as a proxy-wasm filter for Envoy and Istio.
//!
//! The plugin's configuration is the spec as JSON. On every request the filter removes Serin's own
//! header fields, decides, and sets `serin-flags`, `x-serin-rollout` and `x-serin-arm` for the router.
//! It decides nothing itself: that is `serin-core`.
//!
//! ```text
//! root   configure: spec → plan, keep the last good one
//! http   a request's callbacks: facts → decide → actions
//! facts  what the plan needs and only the host knows: the core's `RequestHost`
//! overrides  the keys for testers' tokens
//! actions  a decision as header changes, filter state and counters
//! gates  guarded rollouts: outcome → tallies → watch → latches, which the next request obeys
//! shadow  copies that are compared
//! state, webhook  latches from a URL, records to one, by calls
//! settings  the environment
//! host   the only file that calls the host
//! ```
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects
)]

mod actions;
mod active;
mod calls;
mod facts;
mod gates;
mod host;
mod http;
mod latches;
mod outcome;
mod overrides;
mod root;
mod settings;
mod shadow;
mod state;
mod tallies;
mod watch;
mod webhook;

use root::Root;

/// Called once by the host when a VM starts.
#[unsafe(no_mangle)]
#[allow(unsafe_code)]
pub extern "C" fn _initialize() {
    #[cfg(target_os = "wasi")]
    host::run_constructors();
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}
