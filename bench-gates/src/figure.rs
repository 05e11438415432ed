//! A measured number, and what it has to be.

use std::fmt;

/// Where an interval comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Ville's inequality: at most α.
    Bound,
    /// The figure that the method was chosen by, from a simulation of its own, in floats and with a
    /// known share; plus or minus three standard errors of both, and 5 % for what differs.
    Design,
    /// As `Design`, but of a population that is described only in part: the order of magnitude.
    Magnitude,
    /// A formula.
    Formula,
}

/// From, to, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lowest value that is as it should be.
    pub low: f64,
    /// The highest.
    pub high: f64,
    /// Why.
    pub source: Source,
}

/// A measured number, and what it has to be.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The number.
    pub value: f64,
    /// Its standard error; 0 where nothing is random.
    pub error: f64,
    /// What 95 of 100 runs stay below, where that is of interest.
    pub p95: Option<f64>,
    /// Runs.
    pub runs: u64,
    /// Printed in per cent.
    pub percent: bool,
    /// Where it has to lie; without one it is for comparison only.
    pub expected: Option<Interval>,
}

/// How many runs the design's figures rest on.
const DESIGN_RUNS: f64 = 3000.0;

/// How far a mean of ours may be off for reasons other than chance.
const MODEL: f64 = 0.05;

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

    /// The share of runs in which something happened.
    pub(crate) fn share(what: impl Into<String>, happened: &[bool]) -> Figure {
        let values: Vec<f64> = happened.iter().map(|yes| f64::from(u8::from(*yes))).collect();
        Figure { percent: true, p95: None, ..Figure::mean(what, &values) }
    }

    /// A number that is not random.
    pub(crate) fn exact(what: impl Into<String>, value: f64) -> Figure {
        let what = what.into();
        Figure { what, value, error: 0.0, p95: None, runs: 1, percent: false, expected: None }
    }

    /// Has to be about a mean of the design's.
    pub(crate) fn about(self, design: f64) -> Figure {
        let theirs = self.error * (self.runs as f64 / DESIGN_RUNS).sqrt();
        // The smaller figures are printed as whole numbers.
        let slack = 3.0 * (self.error + theirs) + MODEL * design + 0.5;
        self.within(design - slack, design + slack, Source::Design)
    }

    /// Has to be about a share of the design's.
    pub(crate) fn about_share(self, design: f64) -> Figure {
        let p = design.clamp(1e-3, 1.0 - 1e-3);
        let variance = p * (1.0 - p) * (1.0 / self.runs as f64 + 1.0 / DESIGN_RUNS);
        let slack = 3.0 * variance.sqrt() + 0.001;
        self.within(design - slack, design + slack, Source::Design)
    }

    /// Has to be at most so large, but for chance.
    pub(crate) fn at_most(self, bound: f64) -> Figure {
        let chance = 3.0 * (bound * (1.0 - bound) / self.runs as f64).sqrt();
        self.within(0.0, bound + chance, Source::Bound)
    }

    pub(crate) fn within(self, low: f64, high: f64, source: Source) -> Figure {
        let low = low.max(0.0);
        let high = if self.percent { high.min(1.0) } else { high };
        Figure { expected: Some(Interval { low, high, source }), ..self }
    }

    /// Whether it lies where it has to.
    pub fn is_good(&self) -> bool {
        self.expected.is_none_or(|Interval { low, high, .. }| (low..=high).contains(&self.value))
    }

    fn shown(&self, value: f64) -> String {
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
        let mark = match (&self.expected, self.is_good()) {
            (None, _) => "   ",
            (_, true) => "ok ",
            (_, false) => "OUT",
        };
        write!(f, "{mark} {:<44} {:>9}", self.what, self.shown(self.value))?;
        if self.error > 0.0 {
            write!(f, " ± {}", self.shown(self.error))?;
        }
        if let Some(p95) = self.p95 {
            write!(f, " (p95 {})", self.shown(p95))?;
        }
        if self.runs > 1 {
            write!(f, ", {} runs", self.runs)?;
        }
        match &self.expected {
            Some(Interval { low, high, source }) => {
                write!(f, "; {} to {}: {source}", self.shown(*low), self.shown(*high))
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
        })
    }
}
