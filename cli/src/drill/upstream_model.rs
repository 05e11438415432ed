//! The model of the upstreams: status, latency and KPI event of each response.

use super::fault::{Errors, Fault};
use super::subject::Subject;
use super::users::{Random, User};
use rand::RngExt;
use rand_distr::{Distribution, LogNormal};

/// The spread of the log-normal response times: ln 4 over 2.326 standard deviations makes p99 4 times p50.
const SIGMA: f64 = 0.596;
const P50_MS: f64 = 50.0;
/// Envoy's response flag for a connection that could not be made.
const NO_CONNECTION: i64 = 0x20;
/// The part of a faulty shadow's responses that differ.
const DIFFERENT: f64 = 0.2;

/// The upstreams behind the filter, and the fault of the new version.
#[derive(Clone, Copy)]
pub(super) struct UpstreamModel<'a> {
    pub(super) subject: &'a Subject,
    pub(super) fault: &'a Fault,
    /// The baseline's error rate, 0 to 1: half of the failures by chance, the other half from users whose
    /// clients always fail.
    pub(super) errors: f64,
    pub(super) start_ms: u64,
}

/// The response of an upstream.
pub(super) struct UpstreamResponse {
    pub(super) status: u16,
    pub(super) micros: u64,
    /// Envoy's response flags.
    pub(super) flags: i64,
    pub(super) kpi: bool,
}

impl UpstreamModel<'_> {
    /// Whether the fault has begun.
    pub(super) fn has_begun(&self, now_ms: u64) -> bool {
        now_ms >= self.start_ms.saturating_add(self.fault.onset_ms)
    }

    /// The response to a user's request. `new` says whether the new version gets it, `asks` whether it may
    /// be a KPI event.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(super) fn respond(
        &self,
        user: &User,
        new: bool,
        asks: bool,
        now_ms: u64,
        random: &mut Random,
    ) -> UpstreamResponse {
        let hit = new && self.has_begun(now_ms) && self.affects(user);
        let fault = self.fault;
        if hit && fault.down {
            return UpstreamResponse {
                status: 503,
                micros: 2000,
                flags: NO_CONNECTION,
                kpi: false,
            };
        }
        let chance: f64 = random.random();
        let half = self.errors / 2.0;
        let failed = match fault.errors.filter(|_| hit) {
            Some(Errors::Part(part)) => chance < part,
            Some(Errors::Times(times)) => chance < half * times || user.luck < half * times,
            None => chance < half || user.luck < half,
        };
        let slower = if hit { fault.latency } else { 1.0 };
        let ms = match LogNormal::new(P50_MS.ln(), SIGMA) {
            Ok(latencies) => latencies.sample(random) * slower,
            Err(_) => P50_MS,
        };
        let lost = random.random::<f64>() >= if hit { fault.kpi } else { 1.0 };
        let event = self.subject.kpi.as_ref().filter(|_| asks);
        let status = match event {
            _ if failed => 503,
            // A refused order is neither an error nor a KPI event.
            Some(_) if lost => 409,
            Some(event) => event.status,
            None => 200,
        };
        let kpi = event.is_some() && !failed && !lost;
        UpstreamResponse { status, micros: (ms * 1000.0) as u64, flags: 0, kpi }
    }

    fn affects(&self, user: &User) -> bool {
        let Some(cohort) = &self.fault.cohort else { return true };
        let index = self.subject.groups.iter().position(|group| group.name == *cohort);
        index.is_some_and(|bit| user.groups & 1 << bit.min(31) != 0)
    }
}

/// The status of a shadow's response. `differs` says whether the shadow is faulty.
pub(super) fn shadow_status(differs: bool, random: &mut Random) -> u16 {
    if differs && random.random::<f64>() < DIFFERENT { 500 } else { 200 }
}
