//! A record of an automatic decision, decided once more.
//!
//! The record holds the gate's settings, what had been seen before the last look, and the look: the same
//! functions that made it are applied to them again, and everything they give is compared with what
//! the record says.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::audit::ObservationRecord;
use super::compiled::Gate;
use super::counters::{Counters, Tally};
use super::divergence::Divergence;
use super::latency::{EDGES, Edge, LATENCY_COUNTS, LatencyCounts};
use super::monitor::judge_silence;
use super::nats::Nats;
use super::process::{ALTERNATIVES, Detector, Levels};
use super::ratio::Ratio;
use super::settings::{GateSettings, InferenceUnit, LatencySettings};
use super::stage::{EdgeState, Pace, StageEvidence};
use super::verdict::{Cause, Evidence, Judgement, Verdict};
use crate::name_map::NameMap;
use crate::parse::node::Node;
use crate::value::share::Share;

/// What came of replaying a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The rollout.
    pub rollout: String,
    /// Its epoch.
    pub epoch: u64,
    /// The step, by position.
    pub step: u64,
    /// When, in ms since 1970.
    pub at: u64,
    /// The digest of the spec that was in force.
    pub digest: String,
    /// The gate's settings.
    pub settings: GateSettings,
    /// The verdict, decided once more.
    pub judgement: Judgement,
    /// What the record says and replaying does not, a sentence each; empty if the record holds.
    pub differences: Vec<String>,
}

/// Replays a record.
///
/// # Errors
/// What the record lacks, in a sentence.
pub fn replay(json: &str) -> Result<Replay, String> {
    let node: Node =
        serde_json::from_str(json).map_err(|error| format!("not a JSON document: {error}"))?;
    let record = Record::open(&node, "the record")?;
    if record.number("audit")? != 1 {
        return Err("audit: only records of version 1 are known".to_owned());
    }
    let settings = settings(&record.object("gate")?)?;
    let mut differences = Vec::new();
    let (judgement, group) = if record.has("look") {
        (looked(&record, &settings, &mut differences)?, record.text("cohort").ok())
    } else if record.has("shadow") {
        (shadowed(&record.object("shadow")?, &settings, &mut differences)?, None)
    } else {
        let quiet = record.object("quiet")?;
        let judgement =
            judge_silence(&settings, quiet.number("requests")?, quiet.number("elapsed")?);
        (judgement, None)
    };
    let said = judgement.to_string();
    let (verdict, cause) = said.split_once(": ").unwrap_or((said.as_str(), ""));
    let reason = match group {
        Some(cohort) => format!("cohort {cohort}: {cause}"),
        None => cause.to_owned(),
    };
    for (field, replayed) in [("verdict", verdict), ("reason", reason.as_str())] {
        let recorded = record.text(field)?;
        if recorded != replayed {
            differences.push(format!("{field}: the record says {recorded}, replaying {replayed}"));
        }
    }
    Ok(Replay {
        rollout: record.text("rollout")?.to_owned(),
        epoch: record.number("epoch")?,
        step: record.number("step")?,
        at: record.number("at")?,
        digest: record.text("digest")?.to_owned(),
        settings,
        judgement,
        differences,
    })
}

fn looked(
    record: &Record<'_>,
    settings: &GateSettings,
    differences: &mut Vec<String>,
) -> Result<Judgement, String> {
    let gate = Gate::new(settings.clone()).map_err(|mistakes| {
        let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        format!("gate: {}", mistakes.join("; "))
    })?;
    let mut stage = stage(&record.object("before")?)?;
    let batch = batch(&record.object("look")?)?;
    gate.observe(&mut stage, &batch.look());
    let evidence = gate.evidence(&stage);
    likelihoods(record, &evidence, differences)?;
    Ok(evidence.judgement)
}

/// Compares every likelihood that was recorded.
fn likelihoods(
    record: &Record<'_>,
    evidence: &Evidence,
    differences: &mut Vec<String>,
) -> Result<(), String> {
    let recorded = record.list("likelihoods")?;
    if recorded.len() != evidence.levels.len() {
        let (recorded, replayed) = (recorded.len(), evidence.levels.len());
        differences.push(format!("likelihoods: {recorded} recorded, {replayed} replayed"));
    }
    for (index, (node, level)) in recorded.iter().zip(&evidence.levels).enumerate() {
        let place = format!("likelihoods[{index}]");
        let item = Record::open(node, &place)?;
        let pairs = [("level", level.level), ("threshold", level.threshold)];
        for (field, replayed) in pairs {
            let recorded = Nats::from_raw(item.signed(field)?);
            if recorded != replayed {
                differences.push(format!(
                    "{place}.{field}: the record says {}, replaying {} ({})",
                    recorded.raw(),
                    replayed.raw(),
                    level.process,
                ));
            }
        }
    }
    Ok(())
}

fn shadowed(
    record: &Record<'_>,
    settings: &GateSettings,
    differences: &mut Vec<String>,
) -> Result<Judgement, String> {
    let tolerated = share(record.number("tolerated")?).ok_or("shadow.tolerated: is no share")?;
    let test = Divergence::new(tolerated, settings.alpha_ppm, settings.stages);
    let mut levels = levels(record, "before")?;
    let [exposures, events] = numbers(record, "compared")?;
    test.observe(&mut levels, Tally { exposures, events });
    let recorded = self::levels(record, "after")?;
    if recorded != levels {
        differences.push("shadow.after: the record says other likelihoods than replaying".into());
    }
    if Nats::from_raw(record.signed("threshold")?) != test.threshold() {
        differences.push("shadow.threshold: is not that of its settings".into());
    }
    Ok(match test.crossed(&levels) {
        Some(_) => Judgement { verdict: Verdict::Abort, cause: Cause::ShadowDiffers },
        None => Judgement { verdict: Verdict::Continue, cause: Cause::Collecting },
    })
}

fn settings(record: &Record<'_>) -> Result<GateSettings, String> {
    let unit = match record.text("unit")? {
        "bucket" => InferenceUnit::Bucket,
        "request" => InferenceUnit::Request,
        other => return Err(format!("gate.unit: {other} is not bucket or request")),
    };
    let ratio = |field: &str| {
        let ratio = Ratio::from_thousandths(record.small(field)?);
        ratio.ok_or_else(|| format!("gate.{field}: is 0, which is no ratio"))
    };
    let latency = match record.has("tolerance") {
        true => Some(latency_settings(record)?),
        false => None,
    };
    Ok(GateSettings {
        alpha_ppm: record.small("alpha")?,
        stages: record.small("stages")?,
        unit,
        tolerated: ratio("tolerated")?,
        latency,
        kpi: if record.has("kpi") { Some(ratio("kpi")?) } else { None },
        min_difference: record.small("minDifference")?,
        min_ratio: ratio("minRatio")?,
        min_samples: record.number("minSamples")?,
        min_per_minute: record.number("minRate")?,
        max_baseline_errors: record.small("maxBaselineErrorRate")?,
        late_fault_errors: record.number("lateFaultErrors")?,
        excluded: ratio("excluded")?,
        promotion_alpha_ppm: record.small("promotionAlpha")?,
    })
}

fn latency_settings(record: &Record<'_>) -> Result<LatencySettings, String> {
    let tolerance = u8::try_from(record.number("tolerance")?).unwrap_or(u8::MAX);
    let numbers: [u64; EDGES] = numbers(record, "edges")?;
    let mut edges = Edge::DEFAULT;
    for (edge, number) in edges.iter_mut().zip(numbers) {
        let known = u8::try_from(number).ok().and_then(Edge::new);
        *edge = known.ok_or_else(|| format!("gate.edges: {number} is no edge"))?;
    }
    Ok(LatencySettings { tolerance, edges })
}

fn stage(record: &Record<'_>) -> Result<StageEvidence, String> {
    let mut stage = StageEvidence {
        elapsed_ms: record.number("elapsed")?,
        minute: pace(record, "minute")?,
        since_minute: pace(record, "sinceMinute")?,
        requests: counters(record, "requests")?,
        errors: counters(record, "errors")?,
        kpi: counters(record, "kpi")?,
        error_levels: levels(record, "errorLevels")?,
        promotion: Nats::from_raw(record.signed("promotion")?),
        kpi_levels: levels(record, "kpiLevels")?,
        ..StageEvidence::default()
    };
    for (slot, node) in stage.late.iter_mut().zip(record.list("late")?) {
        let item = Record::open(node, "before.late")?;
        let level = Nats::from_raw(item.signed("level")?);
        *slot = Detector { level, since: counters(&item, "since")? };
    }
    for (slot, node) in stage.latency.iter_mut().zip(record.list("latency")?) {
        let item = Record::open(node, "before.latency")?;
        let counters = counters(&item, "counters")?;
        *slot = EdgeState { counters, levels: levels(&item, "levels")? };
    }
    Ok(stage)
}

fn batch(record: &Record<'_>) -> Result<ObservationRecord, String> {
    let mut latency = [LatencyCounts::default(), LatencyCounts::default()];
    for (slot, node) in latency.iter_mut().zip(record.list("latency")?) {
        let item = Record::open(node, "look.latency")?;
        let mut counts = [0_u32; LATENCY_COUNTS];
        for (place, node) in item.fields {
            let slot = place.parse().ok().and_then(|place: usize| counts.get_mut(place));
            let count = number(node).and_then(|count| u32::try_from(count).ok());
            let (slot, count) = slot.zip(count).ok_or_else(|| {
                format!("look.latency.{place}: is not a count of one of {LATENCY_COUNTS} classes")
            })?;
            *slot = count;
        }
        *slot = LatencyCounts::from_counts(counts);
    }
    Ok(ObservationRecord {
        elapsed_ms: record.number("elapsed")?,
        requests: counters(record, "requests")?,
        buckets: counters(record, "buckets")?,
        kpi: counters(record, "kpi")?,
        latency,
    })
}

fn pace(record: &Record<'_>, field: &str) -> Result<Pace, String> {
    let [elapsed_ms, requests] = numbers(record, field)?;
    Ok(Pace { elapsed_ms, requests })
}

fn counters(record: &Record<'_>, field: &str) -> Result<Counters, String> {
    let [canary, failed, baseline, of_those] = numbers(record, field)?;
    Ok(Counters {
        canary: Tally { exposures: canary, events: failed },
        baseline: Tally { exposures: baseline, events: of_those },
    })
}

fn levels(record: &Record<'_>, field: &str) -> Result<Levels, String> {
    let list = record.list(field)?;
    let mut levels = Levels::default();
    let read = list.iter().filter_map(signed).collect::<Vec<i64>>();
    if read.len() != ALTERNATIVES || list.len() != ALTERNATIVES {
        return Err(format!("{}.{field}: is not {ALTERNATIVES} whole numbers", record.place));
    }
    for (level, raw) in levels.0.iter_mut().zip(read) {
        *level = Nats::from_raw(raw);
    }
    Ok(levels)
}

fn numbers<const N: usize>(record: &Record<'_>, field: &str) -> Result<[u64; N], String> {
    let read: Vec<u64> = record.list(field)?.iter().filter_map(number).collect();
    let wrong = |_| format!("{}.{field}: is not {N} whole numbers", record.place);
    <[u64; N]>::try_from(read).map_err(wrong)
}

fn share(millipercent: u64) -> Option<Share> {
    Share::from_millipercent(u32::try_from(millipercent).ok()?)
}

fn number(node: &Node) -> Option<u64> {
    if let Node::Number(number) = node { number.as_u64() } else { None }
}

fn signed(node: &Node) -> Option<i64> {
    if let Node::Number(number) = node { number.as_i64() } else { None }
}

/// An object of the record, with its place for messages.
struct Record<'n> {
    fields: &'n NameMap<Node>,
    place: &'n str,
}

impl<'n> Record<'n> {
    fn open(node: &'n Node, place: &'n str) -> Result<Record<'n>, String> {
        match node {
            Node::Object(fields) => Ok(Record { fields, place }),
            other => Err(format!("{place} is {}, must be an object", other.kind())),
        }
    }

    fn has(&self, field: &str) -> bool {
        self.fields.get(field).is_some()
    }

    fn get(&self, field: &str) -> Result<&'n Node, String> {
        self.fields.get(field).ok_or_else(|| format!("{} has no field {field}", self.place))
    }

    fn object(&self, field: &'n str) -> Result<Record<'n>, String> {
        Record::open(self.get(field)?, field)
    }

    fn list(&self, field: &str) -> Result<&'n [Node], String> {
        match self.get(field)? {
            Node::List(items) => Ok(items),
            other => Err(format!("{field} is {}, must be a list", other.kind())),
        }
    }

    fn text(&self, field: &str) -> Result<&'n str, String> {
        match self.get(field)? {
            Node::Text(text) => Ok(text),
            other => Err(format!("{field} is {}, must be a text", other.kind())),
        }
    }

    fn number(&self, field: &str) -> Result<u64, String> {
        let wrong = || format!("{}.{field}: is not a whole number", self.place);
        number(self.get(field)?).ok_or_else(wrong)
    }

    fn small(&self, field: &str) -> Result<u32, String> {
        let wrong = |_| format!("{}.{field}: is too large", self.place);
        u32::try_from(self.number(field)?).map_err(wrong)
    }

    fn signed(&self, field: &str) -> Result<i64, String> {
        let wrong = || format!("{}.{field}: is not a whole number", self.place);
        signed(self.get(field)?).ok_or_else(wrong)
    }
}
