//! Reader of audit records.

use serin_core::Share;
use serin_core::gate::{
    ALTERNATIVES, ChangeDetector, Counters, EDGES, Edge, EdgeEvidence, GateSettings, GridLevels,
    InferenceUnit, LATENCY_COUNTS, LatencyCounts, LatencySettings, Nats, ObservationRecord, Ratio,
    StageEvidence, Tally, TrafficWindow,
};
use serin_core::json::{Members, Node};

use super::error::{ReplayError, ReplayErrorKind};

/// The gate's settings.
pub(super) fn settings(record: &Record<'_>) -> Result<GateSettings, ReplayError> {
    let unit = match record.text("unit")? {
        "bucket" => InferenceUnit::Bucket,
        "request" => InferenceUnit::Request,
        other => {
            let kind = ReplayErrorKind::InferenceUnit { given: other.into() };
            return Err(record.error("unit", kind));
        }
    };
    let ratio = |field: &str| {
        let ratio = Ratio::from_thousandths(record.small(field)?);
        ratio.ok_or_else(|| record.error(field, ReplayErrorKind::ZeroRatio))
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

fn latency_settings(record: &Record<'_>) -> Result<LatencySettings, ReplayError> {
    let tolerance = u8::try_from(record.number("tolerance")?).unwrap_or(u8::MAX);
    let numbers: [u64; EDGES] = numbers(record, "edges")?;
    let mut edges = Edge::DEFAULT;
    for (edge, number) in edges.iter_mut().zip(numbers) {
        let known = u8::try_from(number).ok().and_then(Edge::new);
        let wrong = || record.error("edges", ReplayErrorKind::Edge { given: number });
        *edge = known.ok_or_else(wrong)?;
    }
    Ok(LatencySettings { tolerance, edges })
}

/// The evidence before the observation.
pub(super) fn stage(record: &Record<'_>) -> Result<StageEvidence, ReplayError> {
    let mut stage = StageEvidence {
        elapsed_ms: record.number("elapsed")?,
        minute: window(record, "minute")?,
        since_minute: window(record, "sinceMinute")?,
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
        *slot = ChangeDetector { level, since: counters(&item, "since")? };
    }
    for (slot, node) in stage.latency.iter_mut().zip(record.list("latency")?) {
        let item = Record::open(node, "before.latency")?;
        let counters = counters(&item, "counters")?;
        *slot = EdgeEvidence { counters, levels: levels(&item, "levels")? };
    }
    Ok(stage)
}

/// The observation.
pub(super) fn observation(record: &Record<'_>) -> Result<ObservationRecord, ReplayError> {
    let mut latency = [LatencyCounts::default(), LatencyCounts::default()];
    for (slot, node) in latency.iter_mut().zip(record.list("latency")?) {
        let item = Record::open(node, "look.latency")?;
        let mut counts = [0_u32; LATENCY_COUNTS];
        for (bin, node) in item.fields {
            let slot = bin.parse().ok().and_then(|bin: usize| counts.get_mut(bin));
            let count = number(node).and_then(|count| u32::try_from(count).ok());
            let kind = ReplayErrorKind::LatencyCount { bins: LATENCY_COUNTS };
            let wrong = || item.error(bin, kind);
            let (slot, count) = slot.zip(count).ok_or_else(wrong)?;
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

fn window(record: &Record<'_>, field: &str) -> Result<TrafficWindow, ReplayError> {
    let [elapsed_ms, requests] = numbers(record, field)?;
    Ok(TrafficWindow { elapsed_ms, requests })
}

fn counters(record: &Record<'_>, field: &str) -> Result<Counters, ReplayError> {
    let [canary, canary_events, baseline, baseline_events] = numbers(record, field)?;
    Ok(Counters {
        canary: Tally { exposures: canary, events: canary_events },
        baseline: Tally { exposures: baseline, events: baseline_events },
    })
}

pub(super) fn levels(record: &Record<'_>, field: &str) -> Result<GridLevels, ReplayError> {
    let list = record.list(field)?;
    let mut levels = GridLevels::default();
    let read = list.iter().filter_map(signed).collect::<Vec<i64>>();
    if read.len() != ALTERNATIVES || list.len() != ALTERNATIVES {
        let kind = ReplayErrorKind::NotWholeNumbers { expected: ALTERNATIVES };
        return Err(record.error(field, kind));
    }
    for (level, raw) in levels.0.iter_mut().zip(read) {
        *level = Nats::from_raw(raw);
    }
    Ok(levels)
}

pub(super) fn numbers<const N: usize>(
    record: &Record<'_>,
    field: &str,
) -> Result<[u64; N], ReplayError> {
    let read: Vec<u64> = record.list(field)?.iter().filter_map(number).collect();
    let wrong = |_| record.error(field, ReplayErrorKind::NotWholeNumbers { expected: N });
    <[u64; N]>::try_from(read).map_err(wrong)
}

pub(super) fn share(millipercent: u64) -> Option<Share> {
    Share::from_millipercent(u32::try_from(millipercent).ok()?)
}

fn number(node: &Node<'_>) -> Option<u64> {
    if let Node::Number(number) = node { number.as_u64() } else { None }
}

fn signed(node: &Node<'_>) -> Option<i64> {
    if let Node::Number(number) = node { number.as_i64() } else { None }
}

/// An object of the record with its path, which is empty for the record itself.
pub(super) struct Record<'n> {
    fields: &'n Members<'n>,
    path: &'n str,
}

impl<'n> Record<'n> {
    pub(super) fn open(node: &'n Node<'n>, path: &'n str) -> Result<Record<'n>, ReplayError> {
        match node {
            Node::Object(fields) => Ok(Record { fields, path }),
            other => {
                let kind = ReplayErrorKind::Type { given: other.kind(), expected: "an object" };
                Err(ReplayError::in_object(path, kind))
            }
        }
    }

    /// A mistake in one of its fields.
    pub(super) fn error(&self, field: &str, kind: ReplayErrorKind) -> ReplayError {
        ReplayError::new(self.path, field, kind)
    }

    fn wrong_type(&self, field: &str, given: &Node<'_>, expected: &'static str) -> ReplayError {
        self.error(field, ReplayErrorKind::Type { given: given.kind(), expected })
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.get(field).is_some()
    }

    fn get(&self, field: &str) -> Result<&'n Node<'n>, ReplayError> {
        self.fields.get(field).ok_or_else(|| self.error(field, ReplayErrorKind::Missing))
    }

    pub(super) fn object(&self, field: &'n str) -> Result<Record<'n>, ReplayError> {
        Record::open(self.get(field)?, field)
    }

    pub(super) fn list(&self, field: &str) -> Result<&'n [Node<'n>], ReplayError> {
        match self.get(field)? {
            Node::List(items) => Ok(items),
            other => Err(self.wrong_type(field, other, "a list")),
        }
    }

    pub(super) fn text(&self, field: &str) -> Result<&'n str, ReplayError> {
        match self.get(field)? {
            Node::String(text) => Ok(text),
            other => Err(self.wrong_type(field, other, "a text")),
        }
    }

    pub(super) fn number(&self, field: &str) -> Result<u64, ReplayError> {
        let wrong = || self.error(field, ReplayErrorKind::NotWhole);
        number(self.get(field)?).ok_or_else(wrong)
    }

    fn small(&self, field: &str) -> Result<u32, ReplayError> {
        let given = self.number(field)?;
        let wrong = |_| self.error(field, ReplayErrorKind::TooLarge { given });
        u32::try_from(given).map_err(wrong)
    }

    pub(super) fn signed(&self, field: &str) -> Result<i64, ReplayError> {
        let wrong = || self.error(field, ReplayErrorKind::NotWhole);
        signed(self.get(field)?).ok_or_else(wrong)
    }
}
