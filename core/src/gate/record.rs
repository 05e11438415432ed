//! The fields of an audit record: one list for its writer and its readers.
//!
//! A [`RecordPart`] passes each of its fields to [`RecordFields`]. The writer of [`Audit`](super::Audit) writes
//! them; a reader sets them.

use super::counters::{Counters, Tally};
use super::latency::{Edge, LatencyCounts};
use super::nats::Nats;
use super::process::{ChangeDetector, GridLevels};
use super::ratio::Ratio;
use super::settings::{GateSettings, InferenceUnit, KpiSettings, LatencySettings};
use super::stage::{EdgeEvidence, ErrorEvidence, FirstPassed, StageEvidence, TrafficWindow};
use crate::value::share::Share;

/// The version of the fields, which every record has as `audit`.
pub const RECORD_VERSION: u64 = 2;

/// A part of an audit record.
pub trait RecordPart {
    /// Passes each field with its name to `fields`, in the record's order.
    ///
    /// # Errors
    /// The first error of `fields`.
    fn fields<F: RecordFields>(&mut self, fields: &mut F) -> Result<(), F::Error>;
}

/// The writer of a record's fields, which leaves them as they are, or a reader, which sets them.
pub trait RecordFields {
    /// The error of a field.
    type Error;

    /// A whole number.
    ///
    /// # Errors
    /// As for all methods: a reader's, if the record has no such field, or another value.
    fn number(&mut self, name: &'static str, value: &mut u64) -> Result<(), Self::Error>;
    /// A whole number of 32 bits.
    ///
    /// # Errors
    /// See [`RecordFields::number`].
    fn small(&mut self, name: &'static str, value: &mut u32) -> Result<(), Self::Error>;
    /// A ratio, in thousandths.
    ///
    /// # Errors
    /// See [`RecordFields::number`].
    fn ratio(&mut self, name: &'static str, value: &mut Ratio) -> Result<(), Self::Error>;
    /// A share, in 0.001 %.
    ///
    /// # Errors
    /// See [`RecordFields::number`].
    fn share(&mut self, name: &'static str, value: &mut Share) -> Result<(), Self::Error>;
    /// A unit of inference, by its name.
    ///
    /// # Errors
    /// See [`RecordFields::number`].
    fn unit(&mut self, name: &'static str, value: &mut InferenceUnit) -> Result<(), Self::Error>;
    /// A level, in nats × 65,536.
    ///
    /// # Errors
    /// See [`RecordFields::number`].
    fn level(&mut self, name: &'static str, value: &mut Nats) -> Result<(), Self::Error>;
    /// The levels of a grid.
    ///
    /// # Errors
    /// See [`RecordFields::number`].
    fn levels(&mut self, name: &'static str, value: &mut GridLevels) -> Result<(), Self::Error>;
    /// A list of whole numbers.
    ///
    /// # Errors
    /// See [`RecordFields::number`].
    fn numbers<const N: usize>(
        &mut self,
        name: &'static str,
        value: &mut [u64; N],
    ) -> Result<(), Self::Error>;
    /// Latency edges, by their numbers.
    ///
    /// # Errors
    /// See [`RecordFields::number`].
    fn edges(&mut self, name: &'static str, value: &mut [Edge]) -> Result<(), Self::Error>;
    /// Histograms: an object for each, with the bins that are not 0.
    ///
    /// # Errors
    /// See [`RecordFields::number`].
    fn histograms(
        &mut self,
        name: &'static str,
        value: &mut [LatencyCounts],
    ) -> Result<(), Self::Error>;
    /// A part, as an object.
    ///
    /// # Errors
    /// See [`RecordFields::number`].
    fn part(&mut self, name: &'static str, value: &mut impl RecordPart) -> Result<(), Self::Error>;
    /// A part that may be absent.
    ///
    /// # Errors
    /// See [`RecordFields::number`].
    fn optional<T: RecordPart + Default>(
        &mut self,
        name: &'static str,
        value: &mut Option<T>,
    ) -> Result<(), Self::Error>;
    /// A list of parts: all of them, or none if none differs from the default.
    ///
    /// # Errors
    /// See [`RecordFields::number`].
    fn parts<T: RecordPart + Default + PartialEq>(
        &mut self,
        name: &'static str,
        value: &mut [T],
    ) -> Result<(), Self::Error>;

    /// Counters, as a list: the canary's exposures and events, then the baseline's.
    ///
    /// # Errors
    /// See [`RecordFields::number`].
    fn counters(&mut self, name: &'static str, value: &mut Counters) -> Result<(), Self::Error> {
        let Counters { canary, baseline } = *value;
        let mut numbers = [canary.exposures, canary.events, baseline.exposures, baseline.events];
        self.numbers(name, &mut numbers)?;
        let [exposures, events, others, other_events] = numbers;
        value.canary = Tally { exposures, events };
        value.baseline = Tally { exposures: others, events: other_events };
        Ok(())
    }

    /// A window, as a list: its length in ms and its requests.
    ///
    /// # Errors
    /// See [`RecordFields::number`].
    fn window(&mut self, name: &'static str, value: &mut TrafficWindow) -> Result<(), Self::Error> {
        let mut numbers = [value.elapsed_ms, value.requests];
        self.numbers(name, &mut numbers)?;
        let [elapsed_ms, requests] = numbers;
        *value = TrafficWindow { elapsed_ms, requests };
        Ok(())
    }
}

impl RecordPart for GateSettings {
    fn fields<F: RecordFields>(&mut self, fields: &mut F) -> Result<(), F::Error> {
        fields.unit("unit", &mut self.unit)?;
        fields.small("alpha", &mut self.alpha_ppm)?;
        fields.small("stages", &mut self.stages)?;
        fields.ratio("tolerated", &mut self.tolerated)?;
        fields.small("minDifference", &mut self.min_difference)?;
        fields.ratio("minRatio", &mut self.min_ratio)?;
        fields.number("minSamples", &mut self.min_samples)?;
        fields.number("minRate", &mut self.min_per_minute)?;
        fields.small("maxBaselineErrorRate", &mut self.max_baseline_errors)?;
        fields.number("lateFaultErrors", &mut self.late_fault_errors)?;
        fields.ratio("excluded", &mut self.excluded)?;
        fields.small("promotionAlpha", &mut self.promotion_alpha_ppm)?;
        fields.optional("kpi", &mut self.kpi)?;
        fields.optional("latency", &mut self.latency)
    }
}

impl RecordPart for KpiSettings {
    fn fields<F: RecordFields>(&mut self, fields: &mut F) -> Result<(), F::Error> {
        fields.unit("unit", &mut self.unit)?;
        fields.ratio("tolerated", &mut self.tolerated)
    }
}

impl RecordPart for LatencySettings {
    fn fields<F: RecordFields>(&mut self, fields: &mut F) -> Result<(), F::Error> {
        fields.unit("unit", &mut self.unit)?;
        let mut tolerance = self.tolerance.into();
        fields.number("tolerance", &mut tolerance)?;
        self.tolerance = u8::try_from(tolerance).unwrap_or(u8::MAX);
        fields.edges("edges", &mut self.edges)
    }
}

impl RecordPart for StageEvidence {
    fn fields<F: RecordFields>(&mut self, fields: &mut F) -> Result<(), F::Error> {
        fields.number("elapsed", &mut self.elapsed_ms)?;
        fields.window("minute", &mut self.minute)?;
        fields.window("sinceMinute", &mut self.since_minute)?;
        fields.counters("requests", &mut self.requests)?;
        fields.part("errors", &mut self.errors)?;
        fields.part("confirming", &mut self.confirming)?;
        fields.counters("recent", &mut self.recent)?;
        fields.counters("kpi", &mut self.kpi)?;
        fields.levels("kpiLevels", &mut self.kpi_levels)?;
        fields.parts("latency", &mut self.latency)
    }
}

impl RecordPart for ErrorEvidence {
    fn fields<F: RecordFields>(&mut self, fields: &mut F) -> Result<(), F::Error> {
        fields.counters("counters", &mut self.counters)?;
        fields.levels("levels", &mut self.levels)?;
        fields.parts("late", &mut self.late)?;
        fields.level("promotion", &mut self.promotion)
    }
}

impl RecordPart for ChangeDetector {
    fn fields<F: RecordFields>(&mut self, fields: &mut F) -> Result<(), F::Error> {
        fields.level("level", &mut self.level)?;
        fields.counters("since", &mut self.since)
    }
}

impl RecordPart for TrafficWindow {
    fn fields<F: RecordFields>(&mut self, fields: &mut F) -> Result<(), F::Error> {
        fields.number("requests", &mut self.requests)?;
        fields.number("elapsed", &mut self.elapsed_ms)
    }
}

impl RecordPart for EdgeEvidence {
    fn fields<F: RecordFields>(&mut self, fields: &mut F) -> Result<(), F::Error> {
        fields.counters("counters", &mut self.counters)?;
        fields.levels("levels", &mut self.levels)?;
        fields.levels("confirming", &mut self.confirming)?;
        fields.counters("recent", &mut self.recent)
    }
}

impl RecordPart for FirstPassed {
    fn fields<F: RecordFields>(&mut self, fields: &mut F) -> Result<(), F::Error> {
        fields.counters("buckets", &mut self.buckets)?;
        fields.counters("atRisk", &mut self.at_risk)
    }
}
