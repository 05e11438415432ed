//! The record of what a gate did by itself: everything that it rests on, so that replaying it gives the
//! same verdict.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::{self, Write};

use super::counters::{Counters, Tally};
use super::current_stage::CurrentStage;
use super::divergence::Divergence;
use super::latency::LatencyCounts;
use super::nats::Nats;
use super::process::Levels;
use super::settings::{GateSettings, InferenceUnit};
use super::stage::{Observation, StageEvidence};
use super::verdict::{Cause, Evidence, Judgement, Process, Verdict};
use crate::parse::node::write_json_text;
use crate::plan::{Plan, Rollout};
use crate::value::share::Share;

/// One automatic decision. As JSON it is one line, see [`Audit::to_json`].
#[derive(Clone, Debug, PartialEq, Eq)]
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
        let mut out = String::with_capacity(2048);
        // Writing to a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let finding = &self.finding;
        write!(out, "{{\"audit\":1,\"at\":{},\"rollout\":\"{}\"", self.at, self.rollout)?;
        write!(out, ",\"epoch\":{},\"step\":{}", self.epoch, self.step)?;
        write!(out, ",\"share\":{}", self.share.millipercent())?;
        if let Some(group) = &finding.group {
            out.push_str(",\"cohort\":");
            write_json_text(group, out);
        }
        write!(out, ",\"verdict\":\"{}\",\"reason\":", finding.judgement.verdict.as_str())?;
        write_json_text(&finding.reason(), out);
        write!(out, ",\"revision\":{},\"digest\":\"{}\"", self.revision, self.digest)?;
        settings(&self.settings, out)?;
        if let Some(batch) = &finding.batch {
            stage(&finding.before, out)?;
            batch.write(out)?;
        }
        if let Some(evidence) = &finding.evidence {
            likelihoods(evidence, out)?;
        }
        if let Some(shadow) = &finding.shadow {
            shadow.write(out)?;
        }
        if let Some([requests, elapsed]) = finding.quiet {
            write!(out, ",\"quiet\":{{\"requests\":{requests},\"elapsed\":{elapsed}}}")?;
        }
        out.push('}');
        Ok(())
    }
}

impl ShadowFinding {
    fn write(&self, out: &mut String) -> fmt::Result {
        let (tolerated, Tally { exposures, events }) = (self.tolerated, self.compared);
        write!(out, ",\"shadow\":{{\"tolerated\":{}", tolerated.millipercent())?;
        write!(out, ",\"threshold\":{}", self.threshold.raw())?;
        write!(out, ",\"compared\":[{exposures},{events}]")?;
        levels("before", &self.before, out)?;
        levels("after", &self.after, out)?;
        out.push('}');
        Ok(())
    }
}

impl ObservationRecord {
    fn write(&self, out: &mut String) -> fmt::Result {
        write!(out, ",\"look\":{{\"elapsed\":{}", self.elapsed_ms)?;
        counters("requests", self.requests, out)?;
        counters("buckets", self.buckets, out)?;
        counters("kpi", self.kpi, out)?;
        out.push_str(",\"latency\":[");
        for (arm, counts) in self.latency.iter().enumerate() {
            out.push_str(if arm == 0 { "{" } else { ",{" });
            let there = counts.counts().iter().enumerate().filter(|(_, count)| **count > 0);
            for (place, (number, count)) in there.enumerate() {
                let comma = if place == 0 { "" } else { "," };
                write!(out, "{comma}\"{number}\":{count}")?;
            }
            out.push('}');
        }
        out.push_str("]}");
        Ok(())
    }
}

fn settings(settings: &GateSettings, out: &mut String) -> fmt::Result {
    let unit = match settings.unit {
        InferenceUnit::Bucket => "bucket",
        InferenceUnit::Request => "request",
    };
    write!(out, ",\"gate\":{{\"unit\":\"{unit}\"")?;
    let numbers: [(&str, u64); 11] = [
        ("alpha", settings.alpha_ppm.into()),
        ("stages", settings.stages.into()),
        ("tolerated", settings.tolerated.thousandths().into()),
        ("minDifference", settings.min_difference.into()),
        ("minRatio", settings.min_ratio.thousandths().into()),
        ("minSamples", settings.min_samples),
        ("minRate", settings.min_per_minute),
        ("maxBaselineErrorRate", settings.max_baseline_errors.into()),
        ("lateFaultErrors", settings.late_fault_errors),
        ("excluded", settings.excluded.thousandths().into()),
        ("promotionAlpha", settings.promotion_alpha_ppm.into()),
    ];
    for (name, number) in numbers {
        write!(out, ",\"{name}\":{number}")?;
    }
    if let Some(kpi) = settings.kpi {
        write!(out, ",\"kpi\":{}", kpi.thousandths())?;
    }
    if let Some(latency) = &settings.latency {
        write!(out, ",\"tolerance\":{},\"edges\":[", latency.tolerance)?;
        for (index, edge) in latency.edges.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma}{}", edge.number())?;
        }
        out.push(']');
    }
    out.push('}');
    Ok(())
}

fn stage(stage: &StageEvidence, out: &mut String) -> fmt::Result {
    write!(out, ",\"before\":{{\"elapsed\":{}", stage.elapsed_ms)?;
    for (name, pace) in [("minute", stage.minute), ("sinceMinute", stage.since_minute)] {
        write!(out, ",\"{name}\":[{},{}]", pace.elapsed_ms, pace.requests)?;
    }
    counters("requests", stage.requests, out)?;
    counters("errors", stage.errors, out)?;
    counters("kpi", stage.kpi, out)?;
    levels("errorLevels", &stage.error_levels, out)?;
    out.push_str(",\"late\":[");
    for (index, detector) in stage.late.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(out, "{comma}{{\"level\":{}", detector.level.raw())?;
        counters("since", detector.since, out)?;
        out.push('}');
    }
    write!(out, "],\"promotion\":{}", stage.promotion.raw())?;
    levels("kpiLevels", &stage.kpi_levels, out)?;
    out.push_str(",\"latency\":[");
    let seen = stage.latency.iter().filter(|edge| edge.counters.exposures() > 0);
    for (index, edge) in seen.enumerate() {
        let comma = if index == 0 { "{" } else { ",{" };
        out.push_str(comma);
        levels("levels", &edge.levels, out)?;
        counters("counters", edge.counters, out)?;
        out.push('}');
    }
    out.push_str("]}");
    Ok(())
}

/// What every process has come to, beside its threshold.
fn likelihoods(evidence: &Evidence, out: &mut String) -> fmt::Result {
    out.push_str(",\"likelihoods\":[");
    for (index, level) in evidence.levels.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let (process, edge) = match level.process {
            Process::Errors => ("errors", None),
            Process::LateErrors => ("late errors", None),
            Process::Kpi => ("kpi", None),
            Process::Latency(edge) => ("latency", Some(edge.number())),
            Process::Promotion => ("promotion", None),
        };
        write!(out, "{comma}{{\"process\":\"{process}\"")?;
        if let Some(edge) = edge {
            write!(out, ",\"edge\":{edge}")?;
        }
        let (ratio, raw) = (level.alternative.thousandths(), level.level.raw());
        write!(
            out,
            ",\"ratio\":{ratio},\"level\":{raw},\"threshold\":{}}}",
            level.threshold.raw()
        )?;
    }
    out.push(']');
    Ok(())
}

fn counters(name: &str, counters: Counters, out: &mut String) -> fmt::Result {
    separator(out);
    let Counters { canary, baseline } = counters;
    write!(out, "\"{name}\":[{},{}", canary.exposures, canary.events)?;
    write!(out, ",{},{}]", baseline.exposures, baseline.events)
}

fn levels(name: &str, levels: &Levels, out: &mut String) -> fmt::Result {
    separator(out);
    write!(out, "\"{name}\":[")?;
    for (index, level) in levels.0.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(out, "{comma}{}", level.raw())?;
    }
    out.push(']');
    Ok(())
}

fn separator(out: &mut String) {
    if !out.ends_with('{') {
        out.push(',');
    }
}
