//! A monitor gives the same result if it is stored as bytes between two evaluations. An abort stays. An
//! audit record replays to the same judgement, and a changed record does not replay.
//!
//! The bytes are the choices for a rollout with gates and for the tallies of each evaluation.

use serde_json::{Value, json};
use serin_analysis::replay::replay;
use serin_conformance::random::{Random, START};
use serin_core::gate::{
    Audit, BucketSet, GroupTally, LATENCY_COUNTS, Latch, LatencyCounts, Monitor, SlowTally,
    StageId, Tallies, Verdict,
};
use serin_core::plan::{Rollout, RolloutId, Trial};
use serin_core::{Bucket, Plan};

pub(crate) fn holds(bytes: &[u8]) {
    let mut random = Random::from_bytes(bytes);
    let guarded = guarded(&mut random);
    let (mut monitor, mut latch) = (Monitor::default(), Latch::new("shop"));
    let mut tallies = guarded.empty_tallies();
    let mut now = START;
    for _ in 0..24 {
        if !random.has_bytes() {
            return;
        }
        now += [1000, 1000, 60_000, 300_000, 0][random.below(5)];
        let Some(current) = guarded.rollout().current_stage(Some(&latch), now) else { continue };
        if tallies.stage != current.stage {
            tallies = Tallies::new(current.stage, guarded.trial());
        }
        add_outcomes(&mut random, &mut tallies);
        let (mut stored, mut stored_latch) = (
            Monitor::from_bytes(&monitor.to_bytes()).expect("a monitor reads its own bytes"),
            latch.clone(),
        );
        let previous = latch.abort.clone();
        let known = random.chance(95).then_some(&tallies);
        let audit = monitor.evaluate(&guarded.plan, guarded.id, known, &mut latch, now);
        let again = stored.evaluate(&guarded.plan, guarded.id, known, &mut stored_latch, now);
        assert_eq!((&again, &stored, &stored_latch), (&audit, &monitor, &latch));
        assert!(previous.is_none() || (previous == latch.abort && audit.is_none()));
        if let Some(audit) = audit {
            assert_eq!(
                audit.evaluation.judgement.verdict == Verdict::Abort,
                latch.abort.is_some(),
                "{audit:?}"
            );
            check_replay(&audit, &mut random);
        }
    }
}

fn check_replay(audit: &Audit, random: &mut Random) {
    let json = audit.to_json();
    let replayed = replay(&json).unwrap_or_else(|why| panic!("{why}: {json}"));
    assert_eq!(replayed.differences, Vec::<String>::new(), "{json}");
    assert_eq!(replayed.judgement, audit.evaluation.judgement, "{json}");
    let mut record: Value = serde_json::from_str(&json).expect("a record is JSON");
    if !change(&mut record, random) {
        return;
    }
    let replays = replay(&record.to_string()).is_ok_and(|replayed| replayed.differences.is_empty());
    assert!(!replays, "{record} replays, but it differs from the record {json}");
}

/// Changes a result in the record: the verdict, its reason, or a likelihood. Returns whether there was
/// one to change.
fn change(record: &mut Value, random: &mut Random) -> bool {
    match random.below(3) {
        0 => {
            let other = if record["verdict"] == "pause" { "abort" } else { "pause" };
            record["verdict"] = other.into();
        }
        1 => record["reason"] = "errors".into(),
        _ => {
            let Some(levels) = record["likelihoods"].as_array_mut() else { return false };
            if levels.is_empty() {
                return false;
            }
            let index = random.below(levels.len());
            let field = ["level", "threshold"][random.below(2)];
            let level = levels[index][field].as_i64().unwrap_or_default();
            levels[index][field] = (level ^ 1).into();
        }
    }
    true
}

/// A rollout with gates, and its plan.
pub(crate) struct Guarded {
    plan: Plan,
    id: RolloutId,
}

impl Guarded {
    fn rollout(&self) -> &Rollout {
        self.plan.rollout(self.id).expect("the plan has the rollout")
    }

    fn trial(&self) -> &Trial {
        self.rollout().trial().expect("the rollout has gates")
    }

    /// Empty tallies of the first stage.
    pub(crate) fn empty_tallies(&self) -> Tallies {
        let current = self.rollout().current_stage(None, START);
        let stage = current.map_or_else(StageId::default, |current| current.stage);
        Tallies::new(stage, self.trial())
    }
}

/// A random rollout with gates.
pub(crate) fn guarded(random: &mut Random) -> Guarded {
    let gates = [
        json!({}),
        json!({"cohorts": ["beta"], "latency": {"tolerate": 19}, "minSamples": 1, "minRate": 0}),
        json!({"errors": {"unit": "request", "lateFaultErrors": 0}, "kpi": {"methods": ["GET"]}}),
        json!({"kpi": {"unit": "request", "methods": ["GET"]}, "latency": {"unit": "request"}}),
        json!({"shadow": {"maxDivergence": 2}, "promotion": {"exclude": 1.5, "alpha": 50}}),
        json!({"alpha": 50, "errors": {"minDifference": 100, "minRatio": 100, "tolerate": 100}}),
    ];
    let progress = [
        json!({"share": 20}),
        json!({"share": 100}),
        json!({"start": "2026-11-21T09:00:00Z", "steps": [
            {"share": 0.001, "hold": "1m", "mode": "gate"},
            {"share": 50, "hold": "5m"},
            {"share": 100, "hold": "manual"},
        ]}),
    ];
    let plan = crate::plan(&json!({
        "formatVersion": 1,
        "units": {"user": [{"header": "u"}]},
        "cohorts": {"beta": {"attribute": "header.x-beta", "exists": true}},
        "rollouts": {"shop": {
            "arms": {"stable": {"target": "v1"}, "canary": {"target": "v2"}},
            "baseline": "stable",
            "canary": random.pick(&progress),
            "shadow": {"arm": "canary", "percent": 10, "compare": "status"},
            "gates": random.pick(&gates),
            "epoch": random.below(3),
        }},
    }));
    let (id, _) = plan.arm_named("shop", "canary").expect("the plan has the arm");
    Guarded { plan, id }
}

/// Adds random outcomes to the tallies, in numbers of any size.
pub(crate) fn add_outcomes(random: &mut Random, tallies: &mut Tallies) {
    let add = |random: &mut Random, to: &mut u64| *to = to.saturating_add(number(random));
    for group in &mut tallies.groups {
        let GroupTally { requests, kpi, converted, latency, slow, errors, at_risk } = group;
        for tally in [&mut requests.canary, &mut requests.baseline] {
            add(random, &mut tally.exposures);
            add(random, &mut tally.events);
        }
        kpi.iter_mut().chain(at_risk).for_each(|count| add(random, count));
        for counts in latency {
            let mut more = [0_u32; LATENCY_COUNTS];
            for _ in 0..random.below(3) {
                more[random.below(LATENCY_COUNTS)] =
                    u32::try_from(number(random)).unwrap_or(u32::MAX);
            }
            counts.merge(&LatencyCounts::from_counts(more));
        }
        add_failed_buckets(random, errors);
        converted.iter_mut().for_each(|converted| add_failed_buckets(random, converted));
        slow.iter_mut().for_each(|slow| add_slow_buckets(random, slow));
    }
    add(random, &mut tallies.shadow.exposures);
    add(random, &mut tallies.shadow.events);
}

/// Adds a range of buckets that have passed some edges, and requests at risk of passing them.
fn add_slow_buckets(random: &mut Random, slow: &mut SlowTally) {
    let (first, count) = (random.below(100_000), [0, 1, 50][random.below(3)]);
    let passed = u8::try_from(random.below(17)).unwrap_or_default();
    for number in first..first + count {
        if let Some(bucket) = u32::try_from(number).ok().and_then(Bucket::from_number) {
            slow.edges.record(bucket, passed);
        }
    }
    let counts = slow.requests.iter_mut().flatten();
    counts.for_each(|count| *count = count.saturating_add(number(random)));
}

/// Adds a range of buckets with events.
fn add_failed_buckets(random: &mut Random, errors: &mut BucketSet) {
    let (first, count) = (random.below(100_000), [0, 1, 50, 3000][random.below(4)]);
    for number in first..first + count {
        if let Some(bucket) = u32::try_from(number).ok().and_then(Bucket::from_number) {
            errors.insert(bucket);
        }
    }
}

/// A count: mostly that of a second of traffic, sometimes one that no traffic reaches.
fn number(random: &mut Random) -> u64 {
    match random.below(8) {
        0 => 0,
        1..=4 => random.below(256) as u64,
        5 => random.below(65_536) as u64,
        6 => 1 << random.below(64),
        _ => u64::MAX - random.below(256) as u64,
    }
}
