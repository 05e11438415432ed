//! Verdicts: what a gate decides about a stage, and the cause.

use alloc::vec::Vec;
use core::fmt;

use super::compiled::Gate;
use super::counters::Counters;
use super::latency::Edge;
use super::nats::Nats;
use super::process::{Grid, GridLevels};
use super::ratio::Ratio;
use super::stage::{EdgeEvidence, StageEvidence};

/// A gate's decision about a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Collect more evidence: there is too little for the canary and too little against it.
    Continue,
    /// Hold the step: the gate cannot judge, or the middle of the latency distribution has moved.
    Pause,
    /// Send all units to the baseline.
    Abort,
    /// The canary's error rate has been shown to be below [`GateSettings::excluded`] times the baseline's.
    ///
    /// [`GateSettings::excluded`]: super::GateSettings::excluded
    Promotable,
}

impl Verdict {
    /// The verdict's name in audit records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Continue => "continue",
            Verdict::Pause => "pause",
            Verdict::Abort => "abort",
            Verdict::Promotable => "promotable",
        }
    }
}

/// The e-processes of a gate, by what each is evidence for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Process {
    /// The canary's error rate is higher.
    Errors,
    /// The canary's error rate has risen during the stage.
    LateErrors,
    /// The canary's rate of KPI events is lower.
    Kpi,
    /// More of the canary's requests are slower than this edge.
    Latency(Edge),
    /// The canary's error rate is below what promotion excludes.
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

/// The level of one e-process for one alternative, with its threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Level {
    /// The e-process.
    pub process: Process,
    /// The ratio of rates that the level is evidence for.
    pub alternative: Ratio,
    /// The logarithm of the e-process.
    pub level: Nats,
    /// The level at which the evidence is strong enough to act on.
    pub threshold: Nats,
}

impl Level {
    /// Whether the level has reached its threshold.
    pub fn crossed(&self) -> bool {
        self.level >= self.threshold
    }
}

/// The cause of a verdict. Displayed as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The canary has had fewer requests than [`GateSettings::min_samples`](super::GateSettings::min_samples).
    TooFewSamples,
    /// Requests a minute are below [`GateSettings::min_per_minute`](super::GateSettings::min_per_minute).
    TooLittleTraffic,
    /// The baseline's error rate is above
    /// [`GateSettings::max_baseline_errors`](super::GateSettings::max_baseline_errors).
    BaselineUnwell,
    /// This level has reached its threshold.
    Crossed(Level),
    /// This level has reached its threshold, but the difference of the rates is smaller than what the gate
    /// acts on.
    EffectTooSmall(Level),
    /// The shadow's answers differ more often than tolerated.
    ShadowDiffers,
    /// No level has reached its threshold.
    Collecting,
}

/// A verdict with its cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Its cause.
    pub cause: Cause,
}

/// A judgement with the evidence behind it, for audit records and reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// The judgement.
    pub judgement: Judgement,
    /// How long the stage has been observed, in ms.
    pub elapsed_ms: u64,
    /// Requests, and those that failed.
    pub requests: Counters,
    /// Errors in the gate's unit of inference: exposures and those with an error.
    pub errors: Counters,
    /// Requests, and those with a KPI event.
    pub kpi: Counters,
    /// The levels of all e-processes: errors first, promotion last.
    pub levels: Vec<Level>,
}

impl Gate {
    /// Judges a stage's evidence. A pure function of the gate and the evidence.
    pub fn judge(&self, stage: &StageEvidence) -> Judgement {
        let judgement = |verdict, cause| Judgement { verdict, cause };
        let (requests, settings) = (stage.requests, self.settings());
        let enough = requests.canary.exposures >= settings.min_samples;
        let (mut pausing, mut too_small) = (None, None);
        for (level, effect) in self.against(stage).filter(|(level, _)| enough && level.crossed()) {
            match effect {
                Effect::Abort => return judgement(Verdict::Abort, Cause::Crossed(level)),
                Effect::Pause => pausing = pausing.or(Some(level)),
                Effect::None => too_small = too_small.or(Some(level)),
            }
        }
        // Checked after the aborts: neither little traffic nor a failing baseline may keep a canary that is
        // worse from being aborted.
        if stage.minute.is_below(settings.min_per_minute) {
            return judgement(Verdict::Pause, Cause::TooLittleTraffic);
        }
        if !enough {
            return judgement(Verdict::Continue, Cause::TooFewSamples);
        }
        if requests.baseline.is_above(settings.max_baseline_errors) {
            return judgement(Verdict::Pause, Cause::BaselineUnwell);
        }
        let promotion = self.promotion_level(stage);
        match (pausing, too_small) {
            (Some(level), _) => judgement(Verdict::Pause, Cause::Crossed(level)),
            (None, Some(level)) => judgement(Verdict::Continue, Cause::EffectTooSmall(level)),
            _ if promotion.crossed() => judgement(Verdict::Promotable, Cause::Crossed(promotion)),
            _ => judgement(Verdict::Continue, Cause::Collecting),
        }
    }

    /// Judges a stage's evidence and returns it with the judgement.
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

    /// The levels of all evidence against the canary, errors first, each with the effect of a crossing.
    fn against<'a>(
        &'a self,
        stage: &'a StageEvidence,
    ) -> impl Iterator<Item = (Level, Effect)> + 'a {
        let thresholds = self.thresholds();
        let effect = self.error_effect(stage.requests);
        let errors = levels(Process::Errors, &self.rises, stage.error_levels, thresholds.errors)
            .map(move |level| (level, effect));
        let late = stage.late.iter().zip(self.rises.alternatives()).filter_map(
            move |(detector, alternative)| {
                let (process, level) = (Process::LateErrors, detector.level);
                let threshold = thresholds.late?;
                let effect = self.error_effect(detector.since);
                Some((Level { process, alternative, level, threshold }, effect))
            },
        );
        let kpi = levels(Process::Kpi, &self.falls, stage.kpi_levels, thresholds.kpi)
            .filter(|_| self.settings().kpi.is_some())
            .map(|level| (level, Effect::Abort));
        let edges = self.settings().latency.map(|latency| latency.edges);
        let edges = edges.into_iter().flatten().zip(&stage.latency);
        let latency = edges.flat_map(move |(edge, evidence)| {
            let process = Process::Latency(edge);
            levels(process, &self.slower, evidence.levels, thresholds.latency)
                .map(move |level| (level, latency_effect(evidence)))
        });
        errors.chain(late).chain(kpi).chain(latency)
    }

    /// The effect of a crossing for errors: none if the error rates differ by less than the gate acts on.
    fn error_effect(&self, requests: Counters) -> Effect {
        let settings = self.settings();
        let is_large =
            requests.differ_by(settings.min_difference, settings.min_ratio.thousandths());
        if is_large { Effect::Abort } else { Effect::None }
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

/// The effect of a level that reaches its threshold.
#[derive(Clone, Copy)]
enum Effect {
    Abort,
    Pause,
    /// The difference of the rates is too small to act on.
    None,
}

/// The effect of a crossing at an edge. More than half of the baseline's requests exceed an edge below the
/// median: a shift there pauses. An edge above the median is in the tail: a shift there aborts.
fn latency_effect(edge: &EdgeEvidence) -> Effect {
    const HALF: u32 = 50_000;
    if edge.counters.baseline.is_above(HALF) { Effect::Pause } else { Effect::Abort }
}

fn levels(
    process: Process,
    grid: &Grid,
    levels: GridLevels,
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
    /// The verdict and its cause: `continue: no likelihood has crossed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.verdict.as_str(), self.cause)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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
