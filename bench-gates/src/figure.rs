//! Figures: measured numbers with the intervals that they must lie in.

use std::fmt;

/// The origin of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A bound of at most α by Ville's inequality.
    Bound,
    /// A figure of the independent simulation by which the method was chosen, which uses floats and a
    /// known share. The interval is plus or minus three standard errors of both and 5 % for the model.
    Design,
    /// The same for a population that is known only in part: the order of magnitude.
    Magnitude,
    /// A formula.
    Formula,
    /// A figure of this bench before a change that may only improve it.
    Before,
}

/// An interval; both ends are inclusive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lowest expected value.
    pub low: f64,
    /// The highest expected value.
    pub high: f64,
    /// The origin of the interval.
    pub source: Source,
}

/// A measured number, with the interval that it must lie in.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The description of what was measured.
    pub what: String,
    /// The number.
    pub value: f64,
    /// The standard error; 0 if nothing is random.
    pub error: f64,
    /// The 95th percentile of the runs, where it is of interest.
    pub p95: Option<f64>,
    /// The number of runs.
    pub runs: u64,
    /// Whether the number is printed in per cent.
    pub percent: bool,
    /// The expected interval; without one the figure is for comparison only.
    pub expected: Option<Interval>,
}

/// The number of runs behind the design's figures.
const DESIGN_RUNS: f64 = 3000.0;

/// The tolerated relative difference of a mean from the design's, apart from chance.
const MODEL_TOLERANCE: f64 = 0.05;

impl Figure {
    /// The mean of runs.
    pub(crate) fn mean(what: impl Into<String>, values: &[f64]) -> Figure {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let p95 = sorted.get(sorted.len() * 95 / 100).copied();
        Figure {
            what: what.into(),
            value: mean,
            error: (variance / count).sqrt(),
            p95,
            runs: values.len() as u64,
            percent: false,
            expected: None,
        }
    }

    /// The share of runs in which an event happened.
    pub(crate) fn share(what: impl Into<String>, happened: &[bool]) -> Figure {
        let values: Vec<f64> = happened.iter().map(|yes| f64::from(u8::from(*yes))).collect();
        Figure { percent: true, p95: None, ..Figure::mean(what, &values) }
    }

    /// A number that is not random.
    pub(crate) fn exact(what: impl Into<String>, value: f64) -> Figure {
        let what = what.into();
        Figure { what, value, error: 0.0, p95: None, runs: 1, percent: false, expected: None }
    }

    /// Expects a mean near the design's.
    pub(crate) fn about(self, design: f64) -> Figure {
        let design_error = self.error * (self.runs as f64 / DESIGN_RUNS).sqrt();
        // The design's small figures are rounded to whole numbers.
        let slack = 3.0 * (self.error + design_error) + MODEL_TOLERANCE * design + 0.5;
        self.within(design - slack, design + slack, Source::Design)
    }

    /// Expects a share near the design's.
    pub(crate) fn about_share(self, design: f64) -> Figure {
        let p = design.clamp(1e-3, 1.0 - 1e-3);
        let variance = p * (1.0 - p) * (1.0 / self.runs as f64 + 1.0 / DESIGN_RUNS);
        let slack = 3.0 * variance.sqrt() + 0.001;
        self.within(design - slack, design + slack, Source::Design)
    }

    /// Expects a share of at most `bound`, plus three standard errors.
    pub(crate) fn at_most(self, bound: f64) -> Figure {
        let chance = 3.0 * (bound * (1.0 - bound) / self.runs as f64).sqrt();
        self.within(0.0, bound + chance, Source::Bound)
    }

    /// Expects a mean that is not above an earlier one with its standard error, by three standard errors of
    /// both.
    pub(crate) fn not_above(self, (before, error): (f64, f64)) -> Figure {
        let slack = 3.0 * self.error.hypot(error);
        self.within(0.0, before + slack, Source::Before)
    }

    /// Expects a number within an interval.
    pub(crate) fn within(self, low: f64, high: f64, source: Source) -> Figure {
        let low = low.max(0.0);
        let high = if self.percent { high.min(1.0) } else { high };
        Figure { expected: Some(Interval { low, high, source }), ..self }
    }

    /// Whether the number lies in the expected interval.
    pub fn is_expected(&self) -> bool {
        self.expected.is_none_or(|Interval { low, high, .. }| (low..=high).contains(&self.value))
    }

    fn format_value(&self, value: f64) -> String {
        match self.percent {
            true => format!("{:.2} %", value * 100.0),
            false if value.abs() >= 1e7 => format!("{value:.2e}"),
            false if value.abs() < 10.0 => format!("{value:.2}"),
            false => format!("{value:.0}"),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match (&self.expected, self.is_expected()) {
            (None, _) => "   ",
            (_, true) => "ok ",
            (_, false) => "OUT",
        };
        write!(f, "{mark} {:<44} {:>9}", self.what, self.format_value(self.value))?;
        if self.error > 0.0 {
            write!(f, " ± {}", self.format_value(self.error))?;
        }
        if let Some(p95) = self.p95 {
            write!(f, " (p95 {})", self.format_value(p95))?;
        }
        if self.runs > 1 {
            write!(f, ", {} runs", self.runs)?;
        }
        match &self.expected {
            Some(Interval { low, high, source }) => {
                write!(f, "; {} to {}: {source}", self.format_value(*low), self.format_value(*high))
            }
            None => write!(f, "; for comparison"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Bound => "bound",
            Source::Design => "design",
            Source::Magnitude => "magnitude",
            Source::Formula => "formula",
            Source::Before => "before",
        })
    }
}
