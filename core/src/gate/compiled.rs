//! A compiled gate: its tests and thresholds.

use alloc::vec::Vec;

use super::counters::Counters;
use super::latency::{edges_passed, exceedances};
use super::ln::ln;
use super::nats::Nats;
use super::process::{ALTERNATIVES, Grid, Test};
use super::ratio::Ratio;
use super::settings::{
    GateSettings, GateSettingsError, InferenceUnit, KpiSettings, LatencySettings,
};
use super::stage::{ErrorEvidence, FirstPassed, Observation, StageEvidence, among_recent};

const MILLION: u128 = 1_000_000;

/// The thresholds of a gate's e-processes, in nats. A level at or above its threshold has crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Thresholds {
    /// Errors: ln(K·S·m/α), for K alternatives, S stages and m kinds of evidence.
    pub errors: Nats,
    /// Late errors: the logarithm of the mean number of errors between two false alarms; `None` if the
    /// detector is off.
    pub late: Option<Nats>,
    /// KPI events: as for errors.
    pub kpi: Nats,
    /// Latency: as for errors, with K alternatives at each of 16 edges.
    pub latency: Nats,
    /// Promotion: ln(1/α).
    pub promotion: Nats,
}

/// A compiled gate. It is immutable; the evidence is in a [`StageEvidence`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    pub(super) settings: GateSettings,
    pub(super) thresholds: Thresholds,
    pub(super) rises: Grid,
    pub(super) falls: Grid,
    pub(super) slower: Grid,
    pub(super) promotion: Test,
}

impl Gate {
    /// Compiles a gate.
    ///
    /// # Errors
    /// One for each setting outside its range.
    pub fn new(settings: GateSettings) -> Result<Gate, Vec<GateSettingsError>> {
        let errors: Vec<GateSettingsError> = settings.errors().collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let kinds = 1_u128
            .saturating_add(settings.latency.is_some().into())
            .saturating_add(settings.kpi.is_some().into());
        let shares = kinds.saturating_mul(settings.stages.into());
        let grid = 5_u128;
        let errors = threshold(grid.saturating_mul(shares), settings.alpha_ppm);
        let late = settings.late_fault_errors;
        let thresholds = Thresholds {
            errors,
            late: (late > 0).then(|| Nats::ceil(ln(late.into()).high)),
            kpi: errors,
            latency: threshold(grid.saturating_mul(16).saturating_mul(shares), settings.alpha_ppm),
            promotion: threshold(1, settings.promotion_alpha_ppm),
        };
        Ok(Gate {
            thresholds,
            rises: Grid::rises(settings.tolerated),
            falls: Grid::falls(settings.kpi.unwrap_or_default().tolerated),
            slower: Grid::rises(Ratio::ONE),
            promotion: Test::new(Ratio::ONE, settings.excluded),
            settings,
        })
    }

    /// The settings that the gate was compiled from.
    pub fn settings(&self) -> &GateSettings {
        &self.settings
    }

    /// The thresholds.
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    /// Adds an observation to a stage's evidence.
    pub fn observe(&self, stage: &mut StageEvidence, observation: &Observation<'_>) {
        stage.count_traffic(observation.elapsed_ms, observation.requests.exposures());
        stage.requests = stage.requests.merge(observation.requests);
        self.observe_errors(stage, observation);
        if let Some(settings) = &self.settings.kpi {
            self.observe_kpi(stage, settings, observation);
        }
        if let Some(settings) = &self.settings.latency {
            self.observe_latency(stage, settings, observation);
        }
    }

    /// The number of edges that a request of an arm has passed if it took `micros` µs: the canary's edges are
    /// raised by the tolerance. 0 if the gate does not compare latency.
    pub fn edges_passed(&self, is_canary: bool, micros: u64) -> u8 {
        let Some(latency) = &self.settings.latency else { return 0 };
        edges_passed(&latency.edges, if is_canary { latency.tolerance } else { 0 }, micros)
    }

    fn observe_kpi(
        &self,
        stage: &mut StageEvidence,
        settings: &KpiSettings,
        observation: &Observation<'_>,
    ) {
        let added = match settings.unit {
            InferenceUnit::Request => observation.kpi,
            InferenceUnit::Bucket => observation.conversions,
        };
        stage.kpi = stage.kpi.merge(added);
        if settings.unit == InferenceUnit::Bucket {
            stage.kpi.set_exposures(added);
        }
        stage.kpi_levels.add(self.falls.increments(added));
    }

    fn observe_errors(&self, stage: &mut StageEvidence, observation: &Observation<'_>) {
        let requests = observation.requests;
        if self.settings.unit == InferenceUnit::Request {
            stage.errors.counters = stage.errors.counters.merge(requests);
            return self.compare_errors(&mut stage.errors, requests, requests);
        }
        stage.errors.counters = stage.errors.counters.merge(observation.buckets);
        stage.errors.counters.set_exposures(observation.buckets);
        self.compare_errors(&mut stage.errors, observation.buckets, requests);
        stage.confirming.counters = stage.confirming.counters.merge(observation.at_risk);
        let (recent, elapsed_ms) = (&mut stage.recent, observation.elapsed_ms);
        let compared = among_recent(recent, elapsed_ms, observation.at_risk);
        self.compare_errors(&mut stage.confirming, compared, requests);
    }

    /// Adds exposures and errors to the levels of one comparison.
    fn compare_errors(&self, evidence: &mut ErrorEvidence, added: Counters, requests: Counters) {
        let increments: [Nats; ALTERNATIVES] = self.rises.increments(added);
        evidence.levels.add(increments);
        for (detector, increment) in evidence.late.iter_mut().zip(increments) {
            detector.add(increment, requests);
        }
        evidence.promotion = evidence.promotion.plus(self.promotion.increment(added));
    }

    fn observe_latency(
        &self,
        stage: &mut StageEvidence,
        settings: &LatencySettings,
        observation: &Observation<'_>,
    ) {
        let by_request = settings.unit == InferenceUnit::Request;
        if let Some([canary, baseline]) = observation.latency {
            let mut tests = None;
            for (evidence, edge) in stage.latency.iter_mut().zip(settings.edges) {
                let exceeding: Counters = exceedances(canary, baseline, edge, settings.tolerance);
                evidence.counters = evidence.counters.merge(exceeding);
                if by_request {
                    // The exposures are the same at all edges, so their logarithms are computed once.
                    let tests = tests.get_or_insert_with(|| self.slower.at_exposures(exceeding));
                    evidence.levels.add(tests.map(|test| test.increment(exceeding)));
                }
            }
        }
        let passed = observation.passed.filter(|_| !by_request);
        for (evidence, passed) in stage.latency.iter_mut().zip(passed.into_iter().flatten()) {
            let FirstPassed { buckets, at_risk } = *passed;
            let elapsed_ms = observation.elapsed_ms;
            let compared = among_recent(&mut evidence.recent, elapsed_ms, at_risk);
            // Without events nothing is added, and logarithms are dear.
            if buckets.canary.events > 0 || buckets.baseline.events > 0 {
                evidence.levels.add(self.slower.increments(buckets));
                evidence.confirming.add(self.slower.increments(compared));
            }
        }
    }
}

/// ln(tests / α), rounded up.
pub(super) fn threshold(tests: u128, alpha_ppm: u32) -> Nats {
    let high = ln(tests.saturating_mul(MILLION)).high;
    Nats::ceil(high.saturating_sub(ln(alpha_ppm.into()).low))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn alpha_is_divided_among_stages_and_tests() {
        let gate = Gate::new(GateSettings::default()).unwrap();
        let thresholds = gate.thresholds();
        assert_eq!(thresholds.errors.to_string(), "6.21");
        assert_eq!(thresholds.late.unwrap().to_string(), "13.81");
        assert_eq!(thresholds.promotion.to_string(), "2.99");
        assert_eq!(thresholds.latency.to_string(), "8.98");
        let staged = Gate::new(GateSettings { stages: 4, ..GateSettings::default() }).unwrap();
        // ln 4 more.
        assert_eq!(staged.thresholds().errors.to_string(), "7.60");
    }

    #[test]
    fn every_setting_outside_its_range_is_an_error() {
        let settings = GateSettings {
            alpha_ppm: 0,
            stages: 101,
            excluded: Ratio::ONE,
            late_fault_errors: 5,
            ..GateSettings::default()
        };
        let errors = Gate::new(settings).unwrap_err();
        let text: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "alpha_ppm: 0 is not from 1 to 500000 (in millionths)",
                "stages: 101 is not from 1 to 100",
                "late_fault_errors: 5 is not 0 or at least 1000",
                "excluded: 1000 is not above tolerated",
            ]
        );
    }
}
