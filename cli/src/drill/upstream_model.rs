//! The model of the upstreams: status, latency and KPI event of each response.

use super::fault::{Errors, Fault};
use super::subject::Subject;
use super::users::{Random, User};
use rand::RngExt;
use rand_distr::{Distribution, LogNormal};

/// ln of 4, the ratio of p99 and p50, in standard deviations.
const SIGMA: f64 = 0.596;
const P50_MS: f64 = 50.0;
/// Envoy's flag for a connection that could not be made.
const NO_CONNECTION: i64 = 0x20;
/// A part of the shadow's answers that differ while that is the fault.
const DIFFERENT: f64 = 0.2;

/// The upstreams behind the filter, with the fault that strikes them.
#[derive(Clone, Copy)]
pub(super) struct UpstreamModel<'a> {
    pub(super) subject: &'a Subject,
    pub(super) fault: &'a Fault,
    /// How many of the baseline's requests fail, 0 to 1: half of them by chance, the other half
    /// because their users' clients always fail.
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
    /// Whether the fault is there.
    pub(super) fn struck(&self, now_ms: u64) -> bool {
        now_ms >= self.start_ms.saturating_add(self.fault.onset_ms)
    }

    /// `new` is whether it went to the new version, `asks` whether it may be a KPI event.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(super) fn respond(
        &self,
        user: &User,
        new: bool,
        asks: bool,
        now_ms: u64,
        random: &mut Random,
    ) -> UpstreamResponse {
        let hit = new && self.struck(now_ms) && self.is_meant(user);
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
            // The order is refused: no error, and no event.
            Some(_) if lost => 409,
            Some(event) => event.status,
            None => 200,
        };
        let kpi = event.is_some() && !failed && !lost;
        UpstreamResponse { status, micros: (ms * 1000.0) as u64, flags: 0, kpi }
    }

    fn is_meant(&self, user: &User) -> bool {
        let Some(cohort) = &self.fault.cohort else { return true };
        let place = self.subject.groups.iter().position(|group| group.name == *cohort);
        place.is_some_and(|bit| user.groups & 1 << bit.min(31) != 0)
    }
}

/// The status that a shadow answers with; `differs` is whether that is the fault.
pub(super) fn shadow_status(differs: bool, random: &mut Random) -> u16 {
    if differs && random.random::<f64>() < DIFFERENT { 500 } else { 200 }
}
