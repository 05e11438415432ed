//! Simulations of the gates: how often healthy canaries are aborted, how many requests it takes to abort
//! broken ones, and what gates in common use do with the same traffic.
//!
//! A figure has an interval that it must lie in, and the origin of that interval. Equal seeds give equal
//! figures, on any number of threads.

mod alone;
mod bench;
mod chosen;
mod cohorts;
mod detection;
mod epochs;
mod errors;
mod figure;
mod fleet;
mod kpi;
mod late;
mod latency;
mod naive;
mod network;
mod nulls;
mod plan;
mod proposals;
mod shadow;
mod sticky;
mod tenant;
mod traffic;
mod users;
mod wrong_promotion;

pub use bench::Bench;
pub use figure::{Figure, Interval, Source};

/// A table of figures.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// The name that `--table` takes.
    pub name: &'static str,
    /// The title.
    pub title: &'static str,
    /// Measures the figures.
    pub measure: fn(&Bench) -> Vec<Figure>,
}

impl Table {
    const fn new(
        name: &'static str,
        title: &'static str,
        measure: fn(&Bench) -> Vec<Figure>,
    ) -> Table {
        Table { name, title, measure }
    }

    /// The table with a name.
    pub fn named(name: &str) -> Option<&'static Table> {
        TABLES.iter().find(|table| table.name == name)
    }
}

/// Every table, in the order of `docs/gates-method.md`.
pub const TABLES: &[Table] = &[
    Table::new("healthy", "healthy canaries, 200,000 errors, α = 1 %", errors::false_aborts),
    Table::new("errors", "canary requests until abort, w = 5 %", errors::detection),
    Table::new("promotion", "promotion, w = 5 %, excluding 2×", errors::promotion),
    Table::new(
        "other-gates",
        "the same traffic, other gates (10 canary requests/s, w = 5 %)",
        naive::table,
    ),
    Table::new("tenant", "one tenant with 3 % of all requests, w = 5 %", tenant::table),
    Table::new("sticky", "users that fail together (20,000 users, Pareto traffic)", sticky::table),
    Table::new(
        "late",
        "a fault that begins late (5×, after 17,000 healthy errors at 0.1 %)",
        late::table,
    ),
    Table::new("latency", "latency, lognormal, p50 50 ms, p99 200 ms, w = 5 %", latency::table),
    Table::new("kpi", "KPI events, 3 % conversion, w = 2 %", kpi::table),
    Table::new("fleet", "20 proxies, 1 % baseline errors, w = 5 %", fleet::table),
    Table::new("chosen-ids", "ids that clients choose, α = 1 %, one error each", chosen::table),
    Table::new("networks", "a limit of 5 % for each network, w = 5 %", network::table),
    Table::new("null-errors", "healthy users, errors (α = 1 %)", nulls::errors),
    Table::new("null-latency", "healthy users, latency (α = 1 %)", nulls::latency),
    Table::new("null-kpi", "healthy users, KPI events (α = 1 %)", nulls::kpi),
    Table::new("null-kinds", "healthy users, all kinds of evidence (α = 1 %)", nulls::all_kinds),
    Table::new("null-volume", "canary users who only ask more often (α = 1 %)", nulls::volume),
    Table::new("null-cohorts", "cohorts by request, w = 5 %, errors 1 %", cohorts::table),
    Table::new("null-epochs", "an epoch that is raised after a false abort", epochs::table),
    Table::new("null-fleet", "healthy proxies that judge alone (1 % errors)", alone::table),
    Table::new("null-shadow", "a shadow whose answers depend on users", shadow::table),
    Table::new("wrong-promotion", "canaries that must not be promoted", wrong_promotion::table),
    Table::new("detection", "canary requests until abort, by users", detection::table),
    Table::new("ramp", "cumulative canary requests until abort: 1, 5, 25 %", detection::ramp),
    Table::new("lossy", "a canary that loses traffic, w = 5 %, errors 0.1 %", detection::lossy),
    Table::new("chronic", "users who always fail, and a canary at 5×", detection::chronic),
    Table::new("long-stages", "faults that begin after hours, w = 5 %", detection::long_stages),
    Table::new(
        "proposal-mixture",
        "proposal: the mean over alternatives, by request, w = 1 %",
        proposals::mixture::table,
    ),
    Table::new(
        "proposal-windows",
        "proposal: fresh sets of buckets, w = 5 %, errors 1 %",
        proposals::windows::table,
    ),
    Table::new(
        "proposal-fleet",
        "proposal: α shared by a fleet and its proxies, w = 5 %, errors 1 %",
        proposals::shared_alpha::table,
    ),
    Table::new(
        "proposal-arrivals",
        "proposal: a canary whose users arrive less often (α = 1 %)",
        proposals::arrivals::table,
    ),
    Table::new("planner", "the planner: canary requests needed, w = 5 %", |_| plan::table()),
];
