//! Verdicts: what a gate decides about a stage, and the cause.

use alloc::vec::Vec;
use core::fmt;

use super::comparison::Effect;
use super::compiled::Gate;
use super::counters::Counters;
use super::level::Level;
use super::stage::StageEvidence;

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
    /// Both levels have reached their thresholds: that of a test, and that of the test which confirms it.
    Confirmed(Level, Level),
    /// The first level has reached its threshold. The test which has to confirm it has not: the second is the
    /// highest of its levels.
    Unconfirmed(Level, Level),
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
    /// KPI events in the gate's unit of inference: exposures and those with an event.
    pub kpi: Counters,
    /// The levels of all e-processes: errors first, promotion last.
    pub levels: Vec<Level>,
}

/// The causes of what a gate's comparisons ask for.
#[derive(Default)]
struct Findings {
    abort: Option<Cause>,
    pause: Option<Cause>,
    too_small: Option<Cause>,
    unconfirmed: Option<Cause>,
}

impl Gate {
    /// Judges a stage's evidence. A pure function of the gate and the evidence.
    pub fn judge(&self, stage: &StageEvidence) -> Judgement {
        let judgement = |verdict, cause| Judgement { verdict, cause };
        let (requests, settings) = (stage.requests, self.settings());
        let enough = requests.canary.exposures >= settings.min_samples;
        let found = if enough { self.findings(stage) } else { Findings::default() };
        if let Some(cause) = found.abort {
            return judgement(Verdict::Abort, cause);
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
        if let Some(cause) = found.pause {
            return judgement(Verdict::Pause, cause);
        }
        let promotion = self.promotion(stage);
        let confirmed = promotion.as_ref().filter(|promotion| promotion.is_confirmed());
        match (found.too_small, confirmed) {
            (Some(cause), _) => judgement(Verdict::Continue, cause),
            (None, Some(promotion)) => judgement(Verdict::Promotable, promotion.cause()),
            // What is not confirmed is no evidence. It is only told.
            (None, None) => {
                let unconfirmed = promotion.and_then(|promotion| promotion.unconfirmed());
                let cause = found.unconfirmed.or(unconfirmed).unwrap_or(Cause::Collecting);
                judgement(Verdict::Continue, cause)
            }
        }
    }

    /// The first crossing with each effect.
    fn findings(&self, stage: &StageEvidence) -> Findings {
        let mut found = Findings::default();
        for crossing in self.comparisons(stage).flat_map(|test| test.crossings()) {
            let slot = match crossing.effect {
                _ if !crossing.is_confirmed() => &mut found.unconfirmed,
                Effect::Abort => &mut found.abort,
                Effect::Pause => &mut found.pause,
                Effect::Promote | Effect::None => &mut found.too_small,
            };
            *slot = slot.or_else(|| Some(crossing.cause()));
        }
        found
    }

    /// Judges a stage's evidence and returns it with the judgement.
    pub fn evidence(&self, stage: &StageEvidence) -> Evidence {
        let against = self.comparisons(stage).flat_map(|test| test.levels());
        let (promotion, confirming) = self.promotion_levels(stage);
        Evidence {
            judgement: self.judge(stage),
            elapsed_ms: stage.elapsed_ms,
            requests: stage.requests,
            errors: stage.errors.counters,
            kpi: stage.kpi,
            levels: against.chain([promotion]).chain(confirming).collect(),
        }
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
            Cause::Confirmed(level, confirming) => write!(f, "{level}; {confirming}"),
            Cause::Unconfirmed(level, highest) => write!(f, "{level}, but {highest}"),
            Cause::EffectTooSmall(level) => write!(f, "{level}, but the effect is too small"),
            Cause::ShadowDiffers => f.write_str("the shadow differs more often than tolerated"),
            Cause::Collecting => f.write_str("no likelihood has crossed"),
        }
    }
}
