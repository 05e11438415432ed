//! Outcomes that several workers count give the same first events as if one worker had counted them.

use fastrand::Rng;
use serin_core::gate::{Exposure, Outcome, StageId, Tallies};
use serin_core::plan::{RolloutId, Trial};
use serin_core::{Bucket, Plan};
use serin_judge::TallyBuffer;

const SPEC: &[u8] = br#"{ "formatVersion": 1, "units": { "user": [ { "header": "x-user" } ] },
    "cohorts": { "beta": { "attribute": "header.x-beta", "exists": true } },
    "rollouts": { "shop": {
      "arms": { "stable": { "target": "v1" }, "canary": { "target": "v2" } },
      "baseline": "stable", "canary": { "share": 50 },
      "gates": { "latency": { "tolerate": 19 }, "kpi": { "status": [201] }, "cohorts": ["beta"] } } } }"#;

/// A request of one of 20 buckets, and how it ended.
fn request(random: &mut Rng) -> (Exposure, Outcome) {
    let number = random.u32(0..20) * 5000;
    let exposure = Exposure {
        rollout: RolloutId::from_index(0),
        stage: StageId::default(),
        canary: number < 50_000,
        bucket: Bucket::from_number(number).expect("below 100,000"),
        cohorts: random.u32(0..2),
        kpi: true,
        counts: true,
    };
    let status = [200, 200, 200, 201, 503][random.usize(0..5)];
    let micros = Some(1 << random.u32(10..22));
    (exposure, Outcome { status, micros, ..Outcome::default() })
}

/// Adds a worker's tallies to the sum, as a judge does. A host that knows the sum tells it its worker.
fn flush(buffer: &mut TallyBuffer, sum: &mut Option<Tallies>, is_told: bool) {
    let Some(taken) = buffer.take() else { return };
    let taken = Tallies::from_bytes(&taken.to_bytes()).expect("its own bytes");
    *sum = Tallies::absorb(sum.take(), &taken, taken.stage);
    if let Some(sum) = sum.as_ref().filter(|_| is_told) {
        buffer.set_known(sum.clone());
    }
}

/// The sum of what `workers` have counted, each of which is flushed after about `every` requests.
fn counted(trial: &Trial, seed: u64, workers: usize, every: usize, is_told: bool) -> Tallies {
    let mut random = Rng::with_seed(seed);
    let mut places = Rng::with_seed(seed + 1);
    let mut buffers = vec![TallyBuffer::default(); workers];
    let mut sum = None;
    for _ in 0..100 {
        let (exposure, outcome) = request(&mut random);
        let buffer = &mut buffers[places.usize(0..workers)];
        assert_eq!(buffer.record(trial, &exposure, &outcome), None);
        if places.usize(0..every) == 0 {
            flush(buffer, &mut sum, is_told);
        }
    }
    buffers.iter_mut().for_each(|buffer| flush(buffer, &mut sum, is_told));
    sum.expect("outcomes")
}

#[test]
fn first_events_do_not_depend_on_the_workers_that_count_them() {
    let plan = Plan::from_json(SPEC).expect("a good spec");
    let trial = plan.rollouts()[0].trial().expect("gates");
    for seed in 0..6 {
        let one = counted(trial, seed, 1, 1000, false);
        // One worker knows what it has counted, however often it is flushed.
        assert_eq!(counted(trial, seed, 1, 7, false), one, "{seed}");
        for (workers, every, is_told) in [(3, 1, true), (3, 20, true), (3, 20, false)] {
            let several = counted(trial, seed, workers, every, is_told);
            for (group, alone) in several.groups.iter().zip(&one.groups) {
                assert_eq!((&group.errors, &group.converted), (&alone.errors, &alone.converted));
                assert_eq!((group.requests, &group.latency), (alone.requests, &alone.latency));
                let [slow, alone_slow] =
                    [group, alone].map(|group| group.slow.as_ref().expect("by bucket"));
                assert_eq!(slow.edges, alone_slow.edges);
                // What a worker does not know yet it counts as still at risk.
                let requests = [group.requests.canary.exposures, group.requests.baseline.exposures];
                let counts = group.at_risk.iter().zip(alone.at_risk).zip(&slow.requests);
                for (((at_risk, least), by_edges), requests) in counts.zip(requests) {
                    assert!((least..=requests).contains(at_risk), "{seed}: {group:?}");
                    assert_eq!(by_edges.iter().sum::<u64>(), requests);
                }
            }
        }
    }
}
