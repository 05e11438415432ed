//! What a gate says, and why.

use alloc::vec::Vec;
use core::fmt;

use super::compiled::Gate;
use super::counters::Counters;
use super::latency::Edge;
use super::nats::Nats;
use super::process::{Grid, Levels};
use super::ratio::Ratio;
use super::stage::{EdgeState, StageEvidence};

/// What should happen to the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on collecting: nothing is known against the canary, and not enough for it.
    Continue,
    /// Stay at this share: the gate can't judge, or the middle of the latencies has moved.
    Pause,
    /// Everybody back to the baseline.
    Abort,
    /// The canary has been shown not to be as bad as what is excluded.
    Promotable,
}

impl Verdict {
    /// The verdict in a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Continue => "continue",
            Verdict::Pause => "pause",
            Verdict::Abort => "abort",
            Verdict::Promotable => "promotable",
        }
    }
}

/// Which process a likelihood belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Process {
    /// More errors.
    Errors,
    /// More errors, beginning late.
    LateErrors,
    /// Fewer KPI events.
    Kpi,
    /// Slower at this edge.
    Latency(Edge),
    /// Not as many errors as what is excluded.
    Promotion,
}

impl Process {
    /// The process's name in audit records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Process::Errors => "errors",
            Process::LateErrors => "late errors",
            Process::Kpi => "kpi",
            Process::Latency(_) => "latency",
            Process::Promotion => "promotion",
        }
    }
}

/// A likelihood beside what it is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Level {
    /// Which process.
    pub process: Process,
    /// The ratio of rates that it is evidence for.
    pub alternative: Ratio,
    /// How likely that is, in nats.
    pub level: Nats,
    /// From where on it counts.
    pub threshold: Nats,
}

impl Level {
    /// Whether the likelihood has reached its threshold.
    pub fn crossed(&self) -> bool {
        self.level >= self.threshold
    }
}

/// Why a verdict is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Fewer canary requests than the gate wants.
    TooFewSamples,
    /// Fewer requests a minute than the gate wants.
    TooLittleTraffic,
    /// The baseline itself fails too often.
    BaselineUnwell,
    /// This likelihood crossed.
    Crossed(Level),
    /// This one crossed, but the effect is smaller than what the gate acts on.
    EffectTooSmall(Level),
    /// The shadow's answers differ more often than tolerated.
    ShadowDiffers,
    /// No likelihood has crossed.
    Collecting,
}

/// A verdict with its cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What should happen.
    pub verdict: Verdict,
    /// Why.
    pub cause: Cause,
}

/// Everything that a judgement rests on, for the record of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// The judgement.
    pub judgement: Judgement,
    /// How long the stage has been watched, in ms.
    pub elapsed_ms: u64,
    /// Requests, and those that failed.
    pub requests: Counters,
    /// Errors in the gate's unit.
    pub errors: Counters,
    /// Requests, and those with a KPI event.
    pub kpi: Counters,
    /// Every likelihood.
    pub levels: Vec<Level>,
}

impl Gate {
    /// The verdict on what has been seen in a stage: a pure function of both.
    pub fn judge(&self, stage: &StageEvidence) -> Judgement {
        let say = |verdict, cause| Judgement { verdict, cause };
        let (seen, settings) = (stage.requests, self.settings());
        let enough = seen.canary.exposures >= settings.min_samples;
        let (mut pause, mut small) = (None, None);
        for (level, weight) in self.against(stage).filter(|(level, _)| enough && level.crossed()) {
            match weight {
                Weight::Aborts => return say(Verdict::Abort, Cause::Crossed(level)),
                Weight::Pauses => pause = pause.or(Some(level)),
                Weight::TooSmall => small = small.or(Some(level)),
            }
        }
        // Little traffic and a baseline that fails are no reason to let users go on to a canary that is worse:
        // they hold the step and no more.
        if stage.minute.is_below(settings.min_per_minute) {
            return say(Verdict::Pause, Cause::TooLittleTraffic);
        }
        if !enough {
            return say(Verdict::Continue, Cause::TooFewSamples);
        }
        if seen.baseline.is_above(settings.max_baseline_errors) {
            return say(Verdict::Pause, Cause::BaselineUnwell);
        }
        let promotion = self.promotion_level(stage);
        match (pause, small) {
            (Some(level), _) => say(Verdict::Pause, Cause::Crossed(level)),
            (None, Some(level)) => say(Verdict::Continue, Cause::EffectTooSmall(level)),
            _ if promotion.crossed() => say(Verdict::Promotable, Cause::Crossed(promotion)),
            _ => say(Verdict::Continue, Cause::Collecting),
        }
    }

    /// The judgement with everything it rests on.
    pub fn evidence(&self, stage: &StageEvidence) -> Evidence {
        let against = self.against(stage).map(|(level, _)| level);
        Evidence {
            judgement: self.judge(stage),
            elapsed_ms: stage.elapsed_ms,
            requests: stage.requests,
            errors: stage.errors,
            kpi: stage.kpi,
            levels: against.chain([self.promotion_level(stage)]).collect(),
        }
    }

    /// Every likelihood that speaks against the canary, errors first, and what a crossing would mean.
    fn against<'a>(
        &'a self,
        stage: &'a StageEvidence,
    ) -> impl Iterator<Item = (Level, Weight)> + 'a {
        let thresholds = self.thresholds();
        let weight = if self.is_large(stage.requests) { Weight::Aborts } else { Weight::TooSmall };
        let errors = levels(Process::Errors, &self.rises, stage.error_levels, thresholds.errors)
            .map(move |level| (level, weight));
        let late = stage.late.iter().zip(self.rises.alternatives()).filter_map(
            move |(detector, alternative)| {
                let (process, level) = (Process::LateErrors, detector.level);
                let threshold = thresholds.late?;
                let large = self.is_large(detector.since);
                let weight = if large { Weight::Aborts } else { Weight::TooSmall };
                Some((Level { process, alternative, level, threshold }, weight))
            },
        );
        let kpi = levels(Process::Kpi, &self.falls, stage.kpi_levels, thresholds.kpi)
            .filter(|_| self.settings().kpi.is_some())
            .map(|level| (level, Weight::Aborts));
        let edges = self.settings().latency.map(|latency| latency.edges);
        let edges = edges.into_iter().flatten().zip(&stage.latency);
        let latency = edges.flat_map(move |(edge, state)| {
            let process = Process::Latency(edge);
            levels(process, &self.slower, state.levels, thresholds.latency)
                .map(move |level| (level, moved(state)))
        });
        errors.chain(late).chain(kpi).chain(latency)
    }

    fn is_large(&self, seen: Counters) -> bool {
        let settings = self.settings();
        seen.differ_by(settings.min_difference, settings.min_ratio.thousandths())
    }

    fn promotion_level(&self, stage: &StageEvidence) -> Level {
        Level {
            process: Process::Promotion,
            alternative: self.promotion.alternative(),
            level: stage.promotion,
            threshold: self.thresholds().promotion,
        }
    }
}

/// What a crossing means.
#[derive(Clone, Copy)]
enum Weight {
    Aborts,
    Pauses,
    TooSmall,
}

/// An edge that every other request of the baseline exceeds tells of the middle, which pauses; the
/// edges above it tell of the tail, which aborts.
fn moved(state: &EdgeState) -> Weight {
    const HALF: u32 = 50_000;
    if state.counters.baseline.is_above(HALF) { Weight::Pauses } else { Weight::Aborts }
}

fn levels(
    process: Process,
    grid: &Grid,
    levels: Levels,
    threshold: Nats,
) -> impl Iterator<Item = Level> + use<> {
    let pairs = grid.alternatives().into_iter().zip(levels.0);
    pairs.map(move |(alternative, level)| Level { process, alternative, level, threshold })
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Process::Errors => f.write_str("errors"),
            Process::LateErrors => f.write_str("late errors"),
            Process::Kpi => f.write_str("KPI events"),
            Process::Latency(edge) => {
                let ms = edge.micros().checked_div(1000).unwrap_or(0);
                write!(f, "latency at {ms} ms")
            }
            Process::Promotion => f.write_str("promotion"),
        }
    }
}

impl fmt::Display for Level {
    /// `errors, 2 times: 6.40 of 6.21 nats`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Level { process, alternative, level, threshold } = self;
        write!(f, "{process}, {alternative} times: {level} of {threshold} nats")
    }
}

impl fmt::Display for Judgement {
    /// One line: the verdict and why.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.verdict.as_str())?;
        match self.cause {
            Cause::TooFewSamples => f.write_str("too few canary requests yet"),
            Cause::TooLittleTraffic => f.write_str("too few requests a minute"),
            Cause::BaselineUnwell => f.write_str("the baseline itself fails too often"),
            Cause::Crossed(level) => write!(f, "{level}"),
            Cause::EffectTooSmall(level) => write!(f, "{level}, but the effect is too small"),
            Cause::ShadowDiffers => f.write_str("the shadow differs more often than tolerated"),
            Cause::Collecting => f.write_str("no likelihood has crossed"),
        }
    }
}
