//! Serin as a proxy-wasm filter for Envoy and Istio.
//!
//! The plugin's configuration is the spec as JSON. On every request the filter removes Serin's own
//! header fields, decides, and sets `serin-flags`, `x-serin-rollout` and `x-serin-arm` for the router.
//! It decides nothing itself: `serin-core` does, and `serin-judge` judges trials.
//!
//! | module | concept |
//! |---|---|
//! | `root` | the plugin: spec → plan; the last good plan stays |
//! | `active` | a plan in force, with its counters |
//! | `http` | the callbacks of one request: facts → decision → actions |
//! | `facts` | Envoy as the core's `RequestHost` |
//! | `overrides` | the keys of testers' tokens |
//! | `actions` | a decision as header changes, filter state and counters |
//! | `gates` | the rollouts that can be aborted: what a request needs of them, what a tick does |
//! | `outcome` | how a request ended |
//! | `trial_counts` | what this VM has counted of a trial |
//! | `election` | the lease of the VM that judges |
//! | `shared_data` | Envoy's shared data as the judge's store |
//! | `shared_latches` | the latches that every request obeys |
//! | `latch_source`, `webhook` | latches from a URL, audit records to a URL |
//! | `http_client` | the filter's own requests |
//! | `shadow` | copies of requests whose answers are compared |
//! | `settings` | the VM's environment |
//! | `host` | the only file that calls the host |
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
mod election;
mod facts;
mod gates;
mod host;
mod http;
mod http_client;
mod latch_source;
mod outcome;
mod overrides;
mod root;
mod settings;
mod shadow;
mod shared_data;
mod shared_latches;
mod trial_counts;
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
