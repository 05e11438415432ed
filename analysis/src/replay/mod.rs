//! Audit replay: computes the verdict of an audit record again and compares the two.
//!
//! A record has the gate's settings, the evidence before the latest observation, and the observation. The
//! functions that made the record are applied to these again.

mod error;
mod record;

use serin_core::gate::{
    Cause, Divergence, Evidence, Gate, GateSettings, Judgement, Nats, ObservationRecord,
    RECORD_VERSION, ShadowEvaluation, StageEvidence, TrafficWindow, Verdict,
};
use serin_core::json::Node;

pub use error::{ReplayError, ReplayErrorKind};
use record::Record;

/// The result of replaying an audit record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replay {
    /// The rollout's name.
    pub rollout: String,
    /// The rollout's epoch.
    pub epoch: u64,
    /// The position of the step, from 0.
    pub step: u64,
    /// The time of the decision, in ms since 1970.
    pub at: u64,
    /// The digest of the spec that was in force.
    pub digest: String,
    /// The gate's settings.
    pub settings: GateSettings,
    /// The judgement of the replay.
    pub judgement: Judgement,
    /// The differences between the record and the replay, a sentence each; empty if they agree.
    pub differences: Vec<String>,
}

/// Replays an audit record: judges its evidence again and compares the results.
///
/// # Errors
/// The first field of the record that is missing or invalid.
pub fn replay(json: &str) -> Result<Replay, ReplayError> {
    let node: Node<'_> = serde_json::from_str(json).map_err(|error| {
        let message = error.to_string();
        ReplayError::in_object("", ReplayErrorKind::Syntax { message })
    })?;
    let record = Record::open(&node, "")?;
    let version = record.whole("audit")?;
    if version != RECORD_VERSION {
        return Err(record.error("audit", ReplayErrorKind::Version { given: version }));
    }
    let settings: GateSettings = record.read("gate")?;
    let mut differences = Vec::new();
    let (judgement, group) = if record.has("look") {
        (observed(&record, &settings, &mut differences)?, record.text("cohort").ok())
    } else if record.has("shadow") {
        let judgement = shadowed(&record.read("shadow")?, &settings, &mut differences);
        (judgement, None)
    } else {
        let window: TrafficWindow = record.read("quiet")?;
        (settings.judge_low_traffic(window), None)
    };
    let verdict = judgement.verdict.as_str();
    let reason = match group {
        Some(cohort) => format!("cohort {cohort}: {}", judgement.cause),
        None => judgement.cause.to_string(),
    };
    for (field, replayed) in [("verdict", verdict), ("reason", reason.as_str())] {
        let recorded = record.text(field)?;
        if recorded != replayed {
            differences.push(format!("{field}: the record says {recorded}, replaying {replayed}"));
        }
    }
    Ok(Replay {
        rollout: record.text("rollout")?.to_owned(),
        epoch: record.whole("epoch")?,
        step: record.whole("step")?,
        at: record.whole("at")?,
        digest: record.text("digest")?.to_owned(),
        settings,
        judgement,
        differences,
    })
}

fn observed(
    record: &Record<'_>,
    settings: &GateSettings,
    differences: &mut Vec<String>,
) -> Result<Judgement, ReplayError> {
    let gate = Gate::new(settings.clone())
        .map_err(|mistakes| ReplayError::in_object("gate", ReplayErrorKind::Settings(mistakes)))?;
    let mut stage: StageEvidence = record.read("before")?;
    let observation: ObservationRecord = record.read("look")?;
    gate.observe(&mut stage, &observation.as_observation());
    let evidence = gate.evidence(&stage);
    likelihoods(record, &evidence, differences)?;
    Ok(evidence.judgement)
}

/// Compares the recorded levels with those of the replay.
fn likelihoods(
    record: &Record<'_>,
    evidence: &Evidence,
    differences: &mut Vec<String>,
) -> Result<(), ReplayError> {
    let recorded = record.list("likelihoods")?;
    let levels = evidence.recorded_levels().count();
    if recorded.len() != levels {
        let (recorded, replayed) = (recorded.len(), levels);
        differences.push(format!("likelihoods: {recorded} recorded, {replayed} replayed"));
    }
    for (index, (node, level)) in recorded.iter().zip(evidence.recorded_levels()).enumerate() {
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
    record: &ShadowEvaluation,
    settings: &GateSettings,
    differences: &mut Vec<String>,
) -> Judgement {
    let test = Divergence::new(record.tolerated, settings.alpha_ppm, record.stages);
    let mut levels = record.before;
    test.observe(&mut levels, record.compared);
    if record.after != levels {
        differences.push("shadow.after: the record says other likelihoods than replaying".into());
    }
    if record.threshold != test.threshold() {
        differences.push("shadow.threshold: is not that of its settings".into());
    }
    match test.crossed(&levels) {
        Some(_) => Judgement { verdict: Verdict::Abort, cause: Cause::ShadowDiffers },
        None => Judgement { verdict: Verdict::Continue, cause: Cause::Collecting },
    }
}
