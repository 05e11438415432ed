//! Audit records: one for each change that a gate makes to a latch, with all the evidence behind it, so
//! that a replay gives the same verdict.

use alloc::format;
use alloc::string::{String, ToString};

use super::counters::{Counters, Tally};
use super::current_stage::CurrentStage;
use super::divergence::Divergence;
use super::latency::LatencyCounts;
use super::nats::Nats;
use super::process::GridLevels;
use super::settings::{GateSettings, InferenceUnit};
use super::stage::{Observation, StageEvidence, TrafficWindow};
use super::verdict::{Cause, Evidence, Judgement, Level, Process, Verdict};
use crate::json::{self, ObjectWriter};
use crate::plan::{Plan, Rollout};
use crate::value::share::Share;

/// An audit record: what a gate decided, when, and on which evidence. As JSON it is one line, see
/// [`Audit::to_json`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audit {
    /// The time of the decision, in ms since 1970-01-01T00:00:00Z.
    pub at: u64,
    /// The rollout's name.
    pub rollout: String,
    /// The rollout's epoch.
    pub epoch: u64,
    /// The position of the step, from 0.
    pub step: u32,
    /// The share in force.
    pub share: Share,
    /// The spec's revision.
    pub revision: u64,
    /// The spec's digest.
    pub digest: String,
    /// The gate's settings, as compiled.
    pub settings: GateSettings,
    /// The evaluation that led to the decision.
    pub evaluation: Evaluation,
}

/// One evaluation of a group's evidence: the judgement and everything that it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evaluation {
    /// The name of the group's cohort; `None` for all units.
    pub group: Option<String>,
    /// The verdict and its cause.
    pub judgement: Judgement,
    /// The stage's evidence before this evaluation.
    pub previous: StageEvidence,
    /// The observation that this evaluation added; `None` if there were too few requests.
    pub observation: Option<ObservationRecord>,
    /// The stage's evidence after this evaluation; `None` if there were too few requests.
    pub evidence: Option<Evidence>,
    /// The comparison of the shadow's answers, if that decided.
    pub shadow: Option<ShadowEvaluation>,
    /// The requests since the previous evaluation, if they were too few for an observation.
    pub low_traffic: Option<TrafficWindow>,
}

/// One evaluation of a shadow: how often its answers differed from those that clients received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShadowEvaluation {
    /// The share of answers that may differ.
    pub tolerated: Share,
    /// The level that aborts.
    pub threshold: Nats,
    /// The levels before this evaluation.
    pub before: GridLevels,
    /// The answers that this evaluation added (exposures), and those that differ (events).
    pub compared: Tally,
    /// The levels after this evaluation.
    pub after: GridLevels,
}

/// An owned [`Observation`], for the record of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservationRecord {
    /// The time since the previous observation, in ms.
    pub elapsed_ms: u64,
    /// Requests, and those that failed.
    pub requests: Counters,
    /// Buckets that had not failed before, and those that failed for the first time.
    pub buckets: Counters,
    /// Requests, and those with a KPI event.
    pub kpi: Counters,
    /// The latencies of the canary and of the baseline.
    pub latency: [LatencyCounts; 2],
}

impl ObservationRecord {
    /// The record as an observation, for [`Gate::observe`](super::Gate::observe).
    pub fn as_observation(&self) -> Observation<'_> {
        let ObservationRecord { elapsed_ms, requests, buckets, kpi, latency: [canary, baseline] } =
            self;
        let latency = Some([canary, baseline]);
        Observation {
            elapsed_ms: *elapsed_ms,
            requests: *requests,
            buckets: *buckets,
            latency,
            kpi: *kpi,
        }
    }
}

impl Evaluation {
    /// An evaluation that has collected no evidence.
    pub(super) fn empty() -> Evaluation {
        Evaluation {
            group: None,
            judgement: Judgement { verdict: Verdict::Continue, cause: Cause::Collecting },
            previous: StageEvidence::default(),
            observation: None,
            evidence: None,
            shadow: None,
            low_traffic: None,
        }
    }

    /// The abort of a shadow whose answers differ too often.
    pub(super) fn divergence(
        test: &Divergence,
        before: GridLevels,
        compared: Tally,
        after: GridLevels,
    ) -> Evaluation {
        let (tolerated, threshold) = (test.tolerated(), test.threshold());
        Evaluation {
            judgement: Judgement { verdict: Verdict::Abort, cause: Cause::ShadowDiffers },
            shadow: Some(ShadowEvaluation { tolerated, threshold, before, compared, after }),
            ..Evaluation::empty()
        }
    }

    /// The cause of the verdict in a sentence, with the cohort if there is one.
    pub fn reason(&self) -> String {
        match &self.group {
            Some(cohort) => format!("cohort {cohort}: {}", self.judgement.cause),
            None => self.judgement.cause.to_string(),
        }
    }
}

impl Audit {
    pub(super) fn new(
        plan: &Plan,
        rollout: &Rollout,
        current: &CurrentStage,
        at: u64,
        evaluation: Evaluation,
    ) -> Audit {
        let settings = rollout.trial().map(|trial| trial.gate().settings().clone());
        Audit {
            at,
            rollout: rollout.name().into(),
            epoch: current.stage.epoch,
            step: current.stage.step,
            share: current.share,
            revision: plan.revision(),
            digest: plan.digest().into(),
            settings: settings.unwrap_or_default(),
            evaluation,
        }
    }

    /// The record as one line of JSON with its keys in a fixed order. Counters are lists of four: the
    /// canary's exposures and events, then the baseline's. Levels are in nats × 65,536, times and
    /// durations in ms, shares in 0.001 %, ratios in thousandths, probabilities in millionths.
    pub fn to_json(&self) -> String {
        json::object(|object| self.write(object))
    }

    /// Adds the members of [`Audit::to_json`] to an object.
    pub fn write(&self, object: &mut ObjectWriter<'_>) {
        let evaluation = &self.evaluation;
        object.number("audit", 1_u64);
        object.number("at", self.at);
        object.string("rollout", &self.rollout);
        object.number("epoch", self.epoch);
        object.number("step", self.step);
        object.number("share", self.share.millipercent());
        if let Some(group) = &evaluation.group {
            object.string("cohort", group);
        }
        object.string("verdict", evaluation.judgement.verdict.as_str());
        object.string("reason", &evaluation.reason());
        object.number("revision", self.revision);
        object.string("digest", &self.digest);
        object.object("gate", |object| self.settings.write(object));
        if let Some(observation) = &evaluation.observation {
            object.object("before", |object| evaluation.previous.write_json(object));
            object.object("look", |object| observation.write(object));
        }
        if let Some(evidence) = &evaluation.evidence {
            object.list("likelihoods", |list| {
                evidence.levels.iter().for_each(|level| list.object(|object| level.write(object)));
            });
        }
        if let Some(shadow) = &evaluation.shadow {
            object.object("shadow", |object| shadow.write(object));
        }
        if let Some(window) = evaluation.low_traffic {
            object.object("quiet", |object| {
                object.number("requests", window.requests);
                object.number("elapsed", window.elapsed_ms);
            });
        }
    }
}

impl ShadowEvaluation {
    fn write(&self, object: &mut ObjectWriter<'_>) {
        object.number("tolerated", self.tolerated.millipercent());
        object.signed("threshold", self.threshold.raw());
        object.numbers("compared", [self.compared.exposures, self.compared.events]);
        levels(object, "before", &self.before);
        levels(object, "after", &self.after);
    }
}

impl ObservationRecord {
    fn write(&self, object: &mut ObjectWriter<'_>) {
        object.number("elapsed", self.elapsed_ms);
        counters(object, "requests", self.requests);
        counters(object, "buckets", self.buckets);
        counters(object, "kpi", self.kpi);
        object.list("latency", |list| {
            self.latency.iter().for_each(|counts| list.object(|object| latency(object, counts)));
        });
    }
}

impl GateSettings {
    fn write(&self, object: &mut ObjectWriter<'_>) {
        let unit = match self.unit {
            InferenceUnit::Bucket => "bucket",
            InferenceUnit::Request => "request",
        };
        object.string("unit", unit);
        object.number("alpha", self.alpha_ppm);
        object.number("stages", self.stages);
        object.number("tolerated", self.tolerated.thousandths());
        object.number("minDifference", self.min_difference);
        object.number("minRatio", self.min_ratio.thousandths());
        object.number("minSamples", self.min_samples);
        object.number("minRate", self.min_per_minute);
        object.number("maxBaselineErrorRate", self.max_baseline_errors);
        object.number("lateFaultErrors", self.late_fault_errors);
        object.number("excluded", self.excluded.thousandths());
        object.number("promotionAlpha", self.promotion_alpha_ppm);
        if let Some(kpi) = self.kpi {
            object.number("kpi", kpi.thousandths());
        }
        if let Some(latency) = &self.latency {
            object.number("tolerance", latency.tolerance);
            object.numbers("edges", latency.edges.iter().map(|edge| edge.number().into()));
        }
    }
}

impl StageEvidence {
    fn write_json(&self, object: &mut ObjectWriter<'_>) {
        object.number("elapsed", self.elapsed_ms);
        for (name, window) in [("minute", self.minute), ("sinceMinute", self.since_minute)] {
            object.numbers(name, [window.elapsed_ms, window.requests]);
        }
        counters(object, "requests", self.requests);
        counters(object, "errors", self.errors);
        counters(object, "kpi", self.kpi);
        levels(object, "errorLevels", &self.error_levels);
        object.list("late", |list| {
            for detector in &self.late {
                list.object(|object| {
                    object.signed("level", detector.level.raw());
                    counters(object, "since", detector.since);
                });
            }
        });
        object.signed("promotion", self.promotion.raw());
        levels(object, "kpiLevels", &self.kpi_levels);
        object.list("latency", |list| {
            for edge in self.latency.iter().filter(|edge| edge.counters.exposures() > 0) {
                list.object(|object| {
                    levels(object, "levels", &edge.levels);
                    counters(object, "counters", edge.counters);
                });
            }
        });
    }
}

impl Level {
    fn write(&self, object: &mut ObjectWriter<'_>) {
        object.string("process", self.process.as_str());
        if let Process::Latency(edge) = self.process {
            object.number("edge", edge.number());
        }
        object.number("ratio", self.alternative.thousandths());
        object.signed("level", self.level.raw());
        object.signed("threshold", self.threshold.raw());
    }
}

/// Writes the counts that are not 0, with their positions as keys.
fn latency(object: &mut ObjectWriter<'_>, counts: &LatencyCounts) {
    for (index, count) in counts.counts().iter().enumerate().filter(|(_, count)| **count > 0) {
        object.number(&index.to_string(), *count);
    }
}

fn counters(object: &mut ObjectWriter<'_>, name: &str, counters: Counters) {
    let Counters { canary, baseline } = counters;
    object.numbers(name, [canary.exposures, canary.events, baseline.exposures, baseline.events]);
}

fn levels(object: &mut ObjectWriter<'_>, name: &str, levels: &GridLevels) {
    object.list(name, |list| levels.0.iter().for_each(|level| list.signed(level.raw())));
}
