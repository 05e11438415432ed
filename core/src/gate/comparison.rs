//! The comparisons of a gate: the levels of each test, and what happens if one of them crosses.

use super::compiled::Gate;
use super::counters::Counters;
use super::level::{CountedBy, Level, Process};
use super::nats::Nats;
use super::process::{ALTERNATIVES, Grid, GridLevels};
use super::settings::InferenceUnit;
use super::stage::{EdgeEvidence, ErrorEvidence, StageEvidence};
use super::verdict::Cause;

/// The effect of a comparison that has crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Abort,
    Pause,
    Promote,
    /// The difference of the rates is too small to act on.
    None,
}

/// One test against the canary: the levels of its alternatives with the effect of each, and the levels that
/// have to confirm it.
pub(super) struct Comparison {
    levels: [(Level, Effect); ALTERNATIVES],
    confirming: Option<[Level; ALTERNATIVES]>,
}

/// A level that has reached its threshold.
pub(super) struct Crossing {
    pub(super) level: Level,
    pub(super) effect: Effect,
    /// The level of the confirming test that is furthest: the first that has crossed, else the highest.
    pub(super) confirming: Option<Level>,
}

impl Crossing {
    /// The cause of the verdict that follows.
    pub(super) fn cause(&self) -> Cause {
        match (self.unconfirmed(), self.confirming) {
            (Some(cause), _) => cause,
            (None, _) if self.effect == Effect::None => Cause::EffectTooSmall(self.level),
            (None, Some(confirming)) => Cause::Confirmed(self.level, confirming),
            (None, None) => Cause::Crossed(self.level),
        }
    }

    /// The cause if the confirming test does not agree.
    pub(super) fn unconfirmed(&self) -> Option<Cause> {
        let confirming = self.confirming.filter(|level| !level.crossed())?;
        Some(Cause::Unconfirmed(self.level, confirming))
    }

    /// Whether the confirming test agrees, if there is one.
    pub(super) fn is_confirmed(&self) -> bool {
        self.unconfirmed().is_none()
    }
}

impl Comparison {
    /// The levels, those of the confirming test last.
    pub(super) fn levels(&self) -> impl Iterator<Item = Level> + use<> {
        let levels = self.levels.map(|(level, _)| level);
        levels.into_iter().chain(self.confirming.into_iter().flatten())
    }

    /// The levels that have crossed, each with the confirming level. The alternatives need not be the same:
    /// users who fail often make the ratio of first errors smaller per bucket than per request.
    pub(super) fn crossings(&self) -> impl Iterator<Item = Crossing> + use<> {
        let confirming = self.confirming.map(furthest);
        self.levels
            .into_iter()
            .filter(|(level, _)| level.crossed())
            .map(move |(level, effect)| Crossing { level, effect, confirming })
    }
}

/// The first level that has crossed, else the highest.
fn furthest(levels: [Level; ALTERNATIVES]) -> Level {
    let [first, ..] = levels;
    let higher = |best: Level, level: Level| {
        if !best.crossed() && level.level > best.level { level } else { best }
    };
    levels.into_iter().fold(first, higher)
}

impl Gate {
    /// All comparisons that may speak against the canary, errors first.
    pub(super) fn comparisons<'a>(
        &'a self,
        stage: &'a StageEvidence,
    ) -> impl Iterator<Item = Comparison> + 'a {
        let errors = [self.error_comparison(stage)].into_iter().chain(self.late_comparison(stage));
        errors.chain(self.kpi_comparison(stage)).chain(self.latency_comparisons(stage))
    }

    /// The crossing of the test for promotion, if it has crossed.
    pub(super) fn promotion(&self, stage: &StageEvidence) -> Option<Crossing> {
        let (level, confirming) = self.promotion_levels(stage);
        level.crossed().then_some(Crossing { level, effect: Effect::Promote, confirming })
    }

    /// The levels of the test for promotion and of the one that confirms it.
    pub(super) fn promotion_levels(&self, stage: &StageEvidence) -> (Level, Option<Level>) {
        self.by_unit(stage, |by, evidence| Level {
            process: Process::Promotion(by),
            alternative: self.promotion.alternative(),
            level: evidence.promotion,
            threshold: self.thresholds.promotion,
        })
    }

    fn error_comparison(&self, stage: &StageEvidence) -> Comparison {
        let effect = self.error_effect(stage.requests);
        let (levels, confirming) = self.by_unit(stage, |by, evidence| {
            grid(Process::Errors(by), &self.rises, evidence.levels, self.thresholds.errors)
        });
        Comparison { levels: levels.map(|level| (level, effect)), confirming }
    }

    fn late_comparison(&self, stage: &StageEvidence) -> Option<Comparison> {
        let threshold = self.thresholds.late?;
        let (levels, confirming) = self.by_unit(stage, |by, evidence| {
            let levels = GridLevels(evidence.late.map(|detector| detector.level));
            grid(Process::LateErrors(by), &self.rises, levels, threshold)
        });
        // The guards of the spec look at the requests since the excursion began.
        let mut since = stage.errors.late.iter().map(|detector| detector.since);
        let levels = levels.map(|level| {
            let since = since.next().unwrap_or_default();
            (level, self.error_effect(since))
        });
        Some(Comparison { levels, confirming })
    }

    fn kpi_comparison(&self, stage: &StageEvidence) -> Option<Comparison> {
        let process = Process::Kpi(match self.settings.kpi?.unit {
            InferenceUnit::Request => CountedBy::Request,
            InferenceUnit::Bucket => CountedBy::Bucket,
        });
        let levels = grid(process, &self.falls, stage.kpi_levels, self.thresholds.kpi);
        Some(Comparison { levels: levels.map(|level| (level, Effect::Abort)), confirming: None })
    }

    fn latency_comparisons<'a>(
        &'a self,
        stage: &'a StageEvidence,
    ) -> impl Iterator<Item = Comparison> + 'a {
        let settings = self.settings.latency;
        let is_confirmed = settings.is_some_and(|latency| latency.unit == InferenceUnit::Bucket);
        let edges = settings.map(|latency| latency.edges);
        let edges = edges.into_iter().flatten().zip(&stage.latency);
        edges.map(move |(edge, evidence)| {
            let levels = |by, levels| {
                grid(Process::Latency(edge, by), &self.slower, levels, self.thresholds.latency)
            };
            let by = if is_confirmed { CountedBy::Bucket } else { CountedBy::Request };
            let effect = latency_effect(evidence);
            Comparison {
                levels: levels(by, evidence.levels).map(|level| (level, effect)),
                confirming: is_confirmed
                    .then(|| levels(CountedBy::BucketAndRequest, evidence.confirming)),
            }
        })
    }

    /// A value for each of the stage's comparisons of error rates: in the gate's unit of inference, and the
    /// confirming one if that is the bucket.
    fn by_unit<T>(
        &self,
        stage: &StageEvidence,
        value: impl Fn(CountedBy, &ErrorEvidence) -> T,
    ) -> (T, Option<T>) {
        match self.settings.unit {
            InferenceUnit::Request => (value(CountedBy::Request, &stage.errors), None),
            InferenceUnit::Bucket => (
                value(CountedBy::Bucket, &stage.errors),
                Some(value(CountedBy::BucketAndRequest, &stage.confirming)),
            ),
        }
    }

    /// The effect of a crossing for errors: none if the error rates differ by less than the spec asks for. The
    /// defaults ask for nothing.
    fn error_effect(&self, requests: Counters) -> Effect {
        let (difference, ratio) = self.settings.smallest_effect();
        let is_large = difference == 0 && ratio <= 1000 || requests.differ_by(difference, ratio);
        if is_large { Effect::Abort } else { Effect::None }
    }
}

/// The effect of a crossing at an edge. More than half of the baseline's requests exceed an edge below the
/// median: a shift there pauses. An edge above the median is in the tail: a shift there aborts.
fn latency_effect(edge: &EdgeEvidence) -> Effect {
    const HALF: u32 = 50_000;
    if edge.counters.baseline.is_above(HALF) { Effect::Pause } else { Effect::Abort }
}

/// The levels of a grid's alternatives.
fn grid(
    process: Process,
    grid: &Grid,
    levels: GridLevels,
    threshold: Nats,
) -> [Level; ALTERNATIVES] {
    let mut levels = levels.0.into_iter();
    grid.alternatives().map(|alternative| {
        let level = levels.next().unwrap_or_default();
        Level { process, alternative, level, threshold }
    })
}
