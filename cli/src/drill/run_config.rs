//! Everything that one run depends on.

use super::upstream_model::UpstreamModel;
use super::users::{Random, Users};
use serin_host_sim::Module;

/// How much traffic a run has, and for how long.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) per_second: f64,
    pub(super) workers: usize,
    /// How many requests may be KPI events, 0 to 1.
    pub(super) kpi: f64,
    /// When a run is over at the latest, in ms.
    pub(super) longest_ms: u64,
}

/// Everything a run depends on.
pub(super) struct RunConfig<'a> {
    pub(super) module: &'a Module,
    pub(super) model: UpstreamModel<'a>,
    pub(super) users: &'a Users,
    pub(super) load: Load,
    pub(super) random: Random,
    /// For the guests' own randomness.
    pub(super) seed: u64,
}
