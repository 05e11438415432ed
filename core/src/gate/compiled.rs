//! A gate ready for use: tests and thresholds.

use alloc::vec::Vec;

use super::counters::Counters;
use super::latency::exceedances;
use super::ln::ln;
use super::nats::Nats;
use super::process::{ALTERNATIVES, Grid, Test};
use super::ratio::Ratio;
use super::settings::{GateSettings, GateSettingsError, InferenceUnit, LatencySettings};
use super::stage::{Observation, StageEvidence};

const MILLION: u128 = 1_000_000;

/// Likelihoods from these on count as crossed, in nats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Thresholds {
    /// For errors: ln(K·S·m/α), for K alternatives, S stages and m kinds of evidence.
    pub errors: Nats,
    /// For errors that begin late: ln of how many errors pass between two false alarms.
    pub late: Option<Nats>,
    /// For KPI events, as for errors.
    pub kpi: Nats,
    /// For latency: as for errors, with K alternatives at each of 16 edges.
    pub latency: Nats,
    /// For promotion: ln(1/α).
    pub promotion: Nats,
}

/// A compiled gate. It is a constant: what has been seen is in a [`StageEvidence`].
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
    /// Compiles a gate, or says everything that is wrong with its settings.
    ///
    /// # Errors
    /// Every setting outside its range.
    pub fn new(settings: GateSettings) -> Result<Gate, Vec<GateSettingsError>> {
        let mistakes: Vec<GateSettingsError> = settings.mistakes().collect();
        if !mistakes.is_empty() {
            return Err(mistakes);
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
            falls: Grid::falls(settings.kpi.unwrap_or(Ratio::ONE)),
            slower: Grid::rises(Ratio::ONE),
            promotion: Test::new(Ratio::ONE, settings.excluded),
            settings,
        })
    }

    /// The settings it was made of.
    pub fn settings(&self) -> &GateSettings {
        &self.settings
    }

    /// The thresholds.
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    /// Adds a look to what has been seen in a stage.
    pub fn observe(&self, stage: &mut StageEvidence, look: &Observation<'_>) {
        stage.count_pace(look.elapsed_ms, look.requests.exposures());
        stage.requests = stage.requests.merge(look.requests);
        self.observe_errors(stage, look);
        if self.settings.kpi.is_some() {
            stage.kpi = stage.kpi.merge(look.kpi);
            stage.kpi_levels.add(self.falls.increments(look.kpi));
        }
        if let (Some(settings), Some(counts)) = (&self.settings.latency, look.latency) {
            self.observe_latency(stage, settings, counts);
        }
    }

    fn observe_errors(&self, stage: &mut StageEvidence, look: &Observation<'_>) {
        let batch = match self.settings.unit {
            InferenceUnit::Bucket => look.buckets,
            InferenceUnit::Request => look.requests,
        };
        let mut errors = stage.errors.merge(batch);
        if self.settings.unit == InferenceUnit::Bucket {
            errors.canary.exposures = batch.canary.exposures;
            errors.baseline.exposures = batch.baseline.exposures;
        }
        stage.errors = errors;
        let increments: [Nats; ALTERNATIVES] = self.rises.increments(batch);
        stage.error_levels.add(increments);
        for (detector, increment) in stage.late.iter_mut().zip(increments) {
            detector.add(increment, look.requests);
        }
        stage.promotion = stage.promotion.plus(self.promotion.increment(batch));
    }

    fn observe_latency(
        &self,
        stage: &mut StageEvidence,
        settings: &LatencySettings,
        [canary, baseline]: [&super::LatencyCounts; 2],
    ) {
        let mut weighed = None;
        for (state, edge) in stage.latency.iter_mut().zip(settings.edges) {
            let seen: Counters = exceedances(canary, baseline, edge, settings.tolerance);
            // Exposures are the same at all edges, so one weighing serves all.
            let weighed = weighed.get_or_insert_with(|| self.slower.weigh(seen));
            state.counters = state.counters.merge(seen);
            state.levels.add(weighed.map(|test| test.increment(seen)));
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
    fn thresholds_are_shared_out() {
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
    fn every_mistake_is_named() {
        let settings = GateSettings {
            alpha_ppm: 0,
            stages: 101,
            excluded: Ratio::ONE,
            late_fault_errors: 5,
            ..GateSettings::default()
        };
        let mistakes = Gate::new(settings).unwrap_err();
        let text: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "alpha_ppm: 0 is not a whole number of millionths from 1 to 500000",
                "stages: 101 is not from 1 to 100",
                "late_fault_errors: 5 is not 0 or at least 1000",
                "excluded: 1000 is not above what is tolerated",
            ]
        );
    }
}
