//! Simulations of the gates: how often healthy canaries are aborted, how many requests it takes to abort
//! broken ones, and what gates in common use do with the same traffic.
//!
//! A figure has an interval that it must lie in, and the origin of that interval. Equal seeds give equal
//! figures, on any number of threads.

mod bench;
mod chosen;
mod errors;
mod figure;
mod fleet;
mod kpi;
mod late;
mod latency;
mod naive;
mod network;
mod plan;
mod sticky;
mod tenant;
mod traffic;

pub use bench::Bench;
pub use figure::{Figure, Interval, Source};

/// A table of figures: its title, and the function that measures them.
pub type Table = (&'static str, fn(&Bench) -> Vec<Figure>);

/// Every table, in the order of `docs/gates-method.md`.
pub const TABLES: [Table; 12] = [
    ("healthy canaries, 200,000 errors, α = 1 %", errors::false_aborts),
    ("canary requests until abort, w = 5 %", errors::detection),
    ("promotion, w = 5 %, excluding 2×", errors::promotion),
    ("the same traffic, other gates (10 canary requests/s, w = 5 %)", naive::table),
    ("one tenant with 3 % of all requests, w = 5 %", tenant::table),
    ("users that fail together (20,000 users, Pareto traffic)", sticky::table),
    ("a fault that begins late (5×, after 17,000 healthy errors at 0.1 %)", late::table),
    ("latency, lognormal, p50 50 ms, p99 200 ms, w = 5 %", latency::table),
    ("KPI events, 3 % conversion, w = 2 %", kpi::table),
    ("20 proxies, 1 % baseline errors, w = 5 %", fleet::table),
    ("ids that clients choose, α = 1 %, one error each", chosen::table),
    ("a limit of 5 % for each network, w = 5 %", network::table),
];

/// The planner's figures, which are computed and not simulated.
pub use plan::table as planner;
