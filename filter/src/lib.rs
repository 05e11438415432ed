//! Serin as a proxy-wasm filter for Envoy and Istio.
//!
//! The plugin's configuration is the spec as JSON. On every request the filter removes the header fields that
//! are reserved for Serin, decides, and sets `serin-flags`, `x-serin-rollout` and `x-serin-arm` for the router.
//! It decides nothing itself: `serin-core` does, and `serin-judge` judges trials.
//!
//! | module | concept |
//! |---|---|
//! | `root` | the plugin: compiles the spec; the last good plan stays |
//! | `active_plan` | the plan in force, with its counters |
//! | `request` | the callbacks of one request: facts → decision → actions |
//! | `facts` | Envoy as the core's `RequestHost` |
//! | `overrides` | the keys of override tokens, and the counters of the tokens' outcomes |
//! | `actions` | the changes that a decision makes: header fields, filter state, counters |
//! | `gates` | the rollouts that can be aborted: latches, counts, and the judging at each tick |
//! | `in_flight` | the requests of trials whose outcome is to come |
//! | `outcome` | the outcome of a request |
//! | `trial_counts` | the outcomes of a trial that this VM has counted |
//! | `shared_data` | Envoy's shared data as the judge's store |
//! | `shared_latches` | the latches that every request obeys |
//! | `latch_source` | the URL that latches are read from |
//! | `webhook` | the URL that audit records are sent to |
//! | `http_client` | the filter's own HTTP requests |
//! | `shadow` | copies of requests whose responses are compared with the arm's |
//! | `decision_clock` | the clock of decisions and gates |
//! | `vm` | the state of the VM that outlives its configs: settings, ticks, who judges |
//! | `settings` | the settings, from the VM's environment |
//! | `host` | the only file that calls the host |
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)]
#![deny(clippy::indexing_slicing, clippy::string_slice, clippy::arithmetic_side_effects)]

mod actions;
mod active_plan;
mod decision_clock;
mod facts;
mod gates;
mod host;
mod http_client;
mod id_keys;
mod in_flight;
mod latch_source;
mod outcome;
mod overrides;
mod request;
mod root;
mod settings;
mod shadow;
mod shared_data;
mod shared_latches;
mod trial_counts;
mod vm;
mod webhook;

use root::Root;

/// Called once by the host when a VM starts.
#[unsafe(no_mangle)]
#[allow(unsafe_code)]
pub extern "C" fn _initialize() {
    #[cfg(target_os = "wasi")]
    host::run_constructors();
    proxy_wasm::set_root_context(|context| Box::new(Root::new(context)));
}
