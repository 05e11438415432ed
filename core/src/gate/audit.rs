//! Audit records: one for each change that a gate makes to a latch, with all the evidence behind it, so
//! that a replay gives the same verdict.

use alloc::format;
use alloc::string::{String, ToString};

use super::counters::{Counters, Tally};
use super::current_stage::CurrentStage;
use super::divergence::Divergence;
use super::latency::{EDGES, LatencyCounts};
use super::level::{Level, Process};
use super::nats::Nats;
use super::process::GridLevels;
use super::record::{RECORD_VERSION, RecordFields, RecordPart};
use super::record_writer::write_part;
use super::settings::GateSettings;
use super::stage::{FirstPassed, Observation, StageEvidence, TrafficWindow};
use super::verdict::{Cause, Evidence, Judgement, Verdict};
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShadowEvaluation {
    /// The share of answers that may differ.
    pub tolerated: Share,
    /// The number of stages that α is divided among.
    pub stages: u32,
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
    /// Requests of buckets that had not failed before, and their first failing requests.
    pub at_risk: Counters,
    /// Requests, and those with a KPI event.
    pub kpi: Counters,
    /// Buckets without a KPI event before, and those that had their first one.
    pub conversions: Counters,
    /// The latencies of the canary and of the baseline.
    pub latency: [LatencyCounts; 2],
    /// The first passages of each latency edge.
    pub passed: [FirstPassed; EDGES],
}

impl ObservationRecord {
    /// The record as an observation, for [`Gate::observe`](super::Gate::observe).
    pub fn as_observation(&self) -> Observation<'_> {
        let [canary, baseline] = &self.latency;
        Observation {
            elapsed_ms: self.elapsed_ms,
            requests: self.requests,
            buckets: self.buckets,
            at_risk: self.at_risk,
            latency: Some([canary, baseline]),
            passed: Some(&self.passed),
            kpi: self.kpi,
            conversions: self.conversions,
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
        let (tolerated, stages, threshold) = (test.tolerated(), test.stages(), test.threshold());
        Evaluation {
            judgement: Judgement { verdict: Verdict::Abort, cause: Cause::ShadowDiffers },
            shadow: Some(ShadowEvaluation {
                tolerated,
                stages,
                threshold,
                before,
                compared,
                after,
            }),
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
        object.number("audit", RECORD_VERSION);
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
        object.object("gate", |object| write_part(&self.settings, object));
        if let Some(observation) = &evaluation.observation {
            object.object("before", |object| write_part(&evaluation.previous, object));
            object.object("look", |object| write_part(observation, object));
        }
        if let Some(evidence) = &evaluation.evidence {
            object.list("likelihoods", |list| {
                evidence
                    .recorded_levels()
                    .for_each(|level| list.object(|object| level.write(object)));
            });
        }
        if let Some(shadow) = &evaluation.shadow {
            object.object("shadow", |object| write_part(shadow, object));
        }
        if let Some(window) = evaluation.low_traffic {
            object.object("quiet", |object| write_part(&window, object));
        }
    }
}

impl RecordPart for ShadowEvaluation {
    fn fields<F: RecordFields>(&mut self, fields: &mut F) -> Result<(), F::Error> {
        fields.share("tolerated", &mut self.tolerated)?;
        fields.small("stages", &mut self.stages)?;
        fields.level("threshold", &mut self.threshold)?;
        let mut compared = [self.compared.exposures, self.compared.events];
        fields.numbers("compared", &mut compared)?;
        let [exposures, events] = compared;
        self.compared = Tally { exposures, events };
        fields.levels("before", &mut self.before)?;
        fields.levels("after", &mut self.after)
    }
}

impl RecordPart for ObservationRecord {
    fn fields<F: RecordFields>(&mut self, fields: &mut F) -> Result<(), F::Error> {
        fields.number("elapsed", &mut self.elapsed_ms)?;
        fields.counters("requests", &mut self.requests)?;
        fields.counters("buckets", &mut self.buckets)?;
        fields.counters("atRisk", &mut self.at_risk)?;
        fields.counters("kpi", &mut self.kpi)?;
        fields.counters("conversions", &mut self.conversions)?;
        fields.histograms("latency", &mut self.latency)?;
        fields.parts("passed", &mut self.passed)
    }
}

impl Evidence {
    /// The levels that a record has: of the alternatives at a latency edge only the first of the highest. A
    /// replay gives the others, and hosts and collectors cut lines of 16 KiB.
    pub fn recorded_levels(&self) -> impl Iterator<Item = &Level> {
        self.levels.iter().filter(|level| self.is_recorded(level))
    }

    fn is_recorded(&self, level: &Level) -> bool {
        if !matches!(level.process, Process::Latency(..)) {
            return true;
        }
        let same = || self.levels.iter().filter(|other| other.process == level.process);
        let highest = same().map(|other| other.level).max();
        let first = same().find(|other| Some(other.level) == highest);
        first == Some(level)
    }
}

impl Level {
    fn write(&self, object: &mut ObjectWriter<'_>) {
        object.string("process", self.process.as_str());
        object.string("by", self.process.counted_by().as_str());
        if let Process::Latency(edge, _) = self.process {
            object.number("edge", edge.number());
        }
        object.number("ratio", self.alternative.thousandths());
        object.signed("level", self.level.raw());
        object.signed("threshold", self.threshold.raw());
    }
}
