//! The configuration of one run.

use super::upstream_model::UpstreamModel;
use super::users::{Random, Users};
use serin_host_sim::Module;

/// The traffic of a run.
#[derive(Clone, Copy)]
pub(super) struct Load {
    /// Requests a second.
    pub(super) per_second: f64,
    pub(super) workers: usize,
    /// The part of the requests that may be KPI events, 0 to 1.
    pub(super) kpi: f64,
    /// The longest duration of the run, in ms.
    pub(super) max_ms: u64,
}

/// The configuration of one run: equal ones give equal runs.
pub(super) struct RunConfig<'a> {
    pub(super) module: &'a Module,
    pub(super) model: UpstreamModel<'a>,
    pub(super) users: &'a Users,
    pub(super) load: Load,
    pub(super) random: Random,
    /// The seed of the filter's own randomness.
    pub(super) seed: u64,
}
