//! The record of what a gate did by itself: everything that it rests on, so that replaying it gives the
//! same verdict.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};

use super::counters::{Counters, Tally};
use super::current_stage::CurrentStage;
use super::divergence::Divergence;
use super::latency::LatencyCounts;
use super::nats::Nats;
use super::process::Levels;
use super::settings::{GateSettings, InferenceUnit};
use super::stage::{Observation, StageEvidence};
use super::verdict::{Cause, Evidence, Judgement, Level, Process, Verdict};
use crate::json::{self, ObjectWriter};
use crate::plan::{Plan, Rollout};
use crate::value::share::Share;

/// One automatic decision. As JSON it is one line, see [`Audit::to_json`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audit {
    /// When, in ms since 1970.
    pub at: u64,
    /// The rollout.
    pub rollout: String,
    /// Its epoch.
    pub epoch: u64,
    /// The step, by position.
    pub step: u32,
    /// The share in force.
    pub share: Share,
    /// The spec's revision.
    pub revision: u64,
    /// The spec's digest.
    pub digest: String,
    /// The gate's settings, as compiled.
    pub settings: GateSettings,
    /// What was found.
    pub finding: Finding,
}

/// What a look found, with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The cohort; `None` for everybody.
    pub group: Option<String>,
    /// The verdict and its cause.
    pub judgement: Judgement,
    /// What had been seen before this look.
    pub before: StageEvidence,
    /// What this look added; `None` if there was too little to look at.
    pub batch: Option<ObservationRecord>,
    /// All likelihoods after it.
    pub evidence: Option<Evidence>,
    /// Answers of the shadow, if they were judged.
    pub shadow: Option<ShadowFinding>,
    /// Requests that there were instead of enough for a look, and in how many ms.
    pub quiet: Option<[u64; 2]>,
}

/// How often a shadow disagreed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShadowFinding {
    /// How often it may.
    pub tolerated: Share,
    /// From where on a likelihood counts.
    pub threshold: Nats,
    /// The likelihoods before this look.
    pub before: Levels,
    /// Answers compared since, and those that differ.
    pub compared: Tally,
    /// The likelihoods after it.
    pub after: Levels,
}

/// What one look added: a [`Observation`] of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservationRecord {
    /// How long the span was, in ms.
    pub elapsed_ms: u64,
    /// Requests, and those that failed.
    pub requests: Counters,
    /// Buckets that had not failed, and those that failed for the first time.
    pub buckets: Counters,
    /// Requests, and those with a KPI event.
    pub kpi: Counters,
    /// The latencies of the canary and of the baseline.
    pub latency: [LatencyCounts; 2],
}

impl ObservationRecord {
    /// The look.
    pub fn look(&self) -> Observation<'_> {
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

impl Finding {
    pub(super) fn nothing() -> Finding {
        Finding {
            group: None,
            judgement: Judgement { verdict: Verdict::Continue, cause: Cause::Collecting },
            before: StageEvidence::default(),
            batch: None,
            evidence: None,
            shadow: None,
            quiet: None,
        }
    }

    pub(super) fn divergence(
        test: &Divergence,
        before: Levels,
        compared: Tally,
        after: Levels,
    ) -> Finding {
        let (tolerated, threshold) = (test.tolerated(), test.threshold());
        Finding {
            judgement: Judgement { verdict: Verdict::Abort, cause: Cause::ShadowDiffers },
            shadow: Some(ShadowFinding { tolerated, threshold, before, compared, after }),
            ..Finding::nothing()
        }
    }

    /// Why, in a sentence.
    pub fn reason(&self) -> String {
        let said = self.judgement.to_string();
        let said = said.split_once(": ").map_or(said.as_str(), |(_, cause)| cause);
        match &self.group {
            Some(cohort) => format!("cohort {cohort}: {said}"),
            None => said.to_owned(),
        }
    }
}

impl Audit {
    pub(super) fn new(
        plan: &Plan,
        rollout: &Rollout,
        current: &CurrentStage,
        at: u64,
        finding: Finding,
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
            finding,
        }
    }

    /// The record as one line of JSON with its keys in a fixed order. Counters are lists of four: the
    /// canary's exposures and events, then the baseline's. Likelihoods are nats × 65,536. Moments and
    /// spans are ms, shares 0.001 %, ratios thousandths, chances millionths.
    pub fn to_json(&self) -> String {
        json::object(|object| self.write(object))
    }

    /// Adds the members of [`Audit::to_json`] to an object.
    pub fn write(&self, object: &mut ObjectWriter<'_>) {
        let finding = &self.finding;
        object.number("audit", 1_u64);
        object.number("at", self.at);
        object.string("rollout", &self.rollout);
        object.number("epoch", self.epoch);
        object.number("step", self.step);
        object.number("share", self.share.millipercent());
        if let Some(group) = &finding.group {
            object.string("cohort", group);
        }
        object.string("verdict", finding.judgement.verdict.as_str());
        object.string("reason", &finding.reason());
        object.number("revision", self.revision);
        object.string("digest", &self.digest);
        object.object("gate", |object| self.settings.write(object));
        if let Some(record) = &finding.batch {
            object.object("before", |object| finding.before.write_json(object));
            object.object("look", |object| record.write(object));
        }
        if let Some(evidence) = &finding.evidence {
            object.list("likelihoods", |list| {
                evidence.levels.iter().for_each(|level| list.object(|object| level.write(object)));
            });
        }
        if let Some(shadow) = &finding.shadow {
            object.object("shadow", |object| shadow.write(object));
        }
        if let Some([requests, elapsed]) = finding.quiet {
            object.object("quiet", |object| {
                object.number("requests", requests);
                object.number("elapsed", elapsed);
            });
        }
    }
}

impl ShadowFinding {
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
        for (name, pace) in [("minute", self.minute), ("sinceMinute", self.since_minute)] {
            object.numbers(name, [pace.elapsed_ms, pace.requests]);
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

/// Only the counts that are not 0, by their position.
fn latency(object: &mut ObjectWriter<'_>, counts: &LatencyCounts) {
    for (index, count) in counts.counts().iter().enumerate().filter(|(_, count)| **count > 0) {
        object.number(&index.to_string(), *count);
    }
}

fn counters(object: &mut ObjectWriter<'_>, name: &str, counters: Counters) {
    let Counters { canary, baseline } = counters;
    object.numbers(name, [canary.exposures, canary.events, baseline.exposures, baseline.events]);
}

fn levels(object: &mut ObjectWriter<'_>, name: &str, levels: &Levels) {
    object.list(name, |list| levels.0.iter().for_each(|level| list.signed(level.raw())));
}
