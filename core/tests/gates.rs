//! Verdicts of gates through the public API.

use proptest::prelude::*;
use serin_core::gate::{
    BucketSet, Cause, CountedBy, Counters, Edge, Gate, GateSettings, InferenceUnit, Judgement,
    KpiSettings, LatencyCounts, LatencySettings, Observation, Process, Ratio, StageEvidence, Tally,
    Verdict,
};
use serin_core::{Bucket, Share};

fn counters(canary: (u64, u64), baseline: (u64, u64)) -> Counters {
    let tally = |(exposures, events)| Tally { exposures, events };
    Counters { canary: tally(canary), baseline: tally(baseline) }
}

fn by_request() -> GateSettings {
    GateSettings { unit: InferenceUnit::Request, ..GateSettings::default() }
}

fn requests(canary: (u64, u64), baseline: (u64, u64)) -> Observation<'static> {
    Observation {
        elapsed_ms: 60_000,
        requests: counters(canary, baseline),
        ..Observation::default()
    }
}

#[track_caller]
fn judged(settings: GateSettings, observations: &[Observation<'_>]) -> Judgement {
    let gate = Gate::new(settings).expect("good settings");
    let mut stage = StageEvidence::default();
    for observation in observations {
        gate.observe(&mut stage, observation);
    }
    let judgement = gate.judge(&stage);
    assert_eq!(gate.evidence(&stage).judgement, judgement);
    judgement
}

#[track_caller]
fn says(settings: GateSettings, observations: &[Observation<'_>], text: &str) {
    assert_eq!(judged(settings, observations).to_string(), text);
}

#[test]
fn a_canary_that_fails_is_aborted_and_one_that_does_not_is_promotable() {
    says(
        by_request(),
        &[requests((500, 25), (9500, 95))],
        "abort: errors, 1.5 times: 7.17 of 6.21 nats",
    );
    says(
        by_request(),
        &[requests((5000, 25), (95_000, 475))],
        "promotable: promotion, 1 times: 7.06 of 2.99 nats",
    );
    says(by_request(), &[requests((500, 2), (9500, 40))], "continue: no likelihood has crossed");
}

#[test]
fn little_evidence_never_promotes_and_never_saves_a_canary_that_is_worse() {
    let broken = |canary| requests((canary, canary), (canary * 19, 0));
    says(by_request(), &[broken(49)], "continue: too few canary requests yet");
    says(by_request(), &[broken(50)], "abort: errors, 1.5 times: 19.03 of 6.21 nats");
    let thin =
        |observation: Observation<'static>| Observation { elapsed_ms: 601_000, ..observation };
    let alike = requests((50, 1), (950, 19));
    says(by_request(), &[thin(alike)], "pause: too few requests a minute");
    let unwell = requests((500, 26), (9500, 476));
    says(by_request(), &[unwell], "pause: the baseline itself fails too often");
    // A canary that is clearly worse is aborted nevertheless.
    says(by_request(), &[thin(broken(50))], "abort: errors, 1.5 times: 19.03 of 6.21 nats");
    let worse = judged(by_request(), &[requests((500, 400), (9500, 476))]);
    assert_eq!(worse.verdict, Verdict::Abort);
}

#[test]
fn traffic_is_judged_by_its_latest_minute() {
    let enough = requests((100, 0), (900, 0));
    let nobody =
        |minutes: u64| Observation { elapsed_ms: minutes * 60_000, ..requests((0, 0), (9, 0)) };
    let (starved, goes_on) =
        ("pause: too few requests a minute", "continue: no likelihood has crossed");
    // Neither a minute with traffic counts for the next one, nor one without.
    let mut observations = vec![enough; 1000];
    says(by_request(), &observations, goes_on);
    observations.push(nobody(1));
    says(by_request(), &observations, starved);
    observations.push(nobody(600));
    observations.push(Observation { elapsed_ms: 59_000, ..enough });
    says(by_request(), &observations, starved);
    observations.push(Observation { elapsed_ms: 1000, ..requests((0, 0), (1, 0)) });
    says(by_request(), &observations, goes_on);
    // The first minute is judged when it is over.
    let begun = Observation { elapsed_ms: 59_999, ..requests((50, 0), (1, 0)) };
    says(by_request(), &[begun], goes_on);
    says(by_request(), &[Observation { elapsed_ms: 60_000, ..begun }], starved);
}

#[test]
fn an_effect_below_the_minimum_does_not_abort() {
    let small = requests((50_000, 250), (950_000, 950));
    let guarded = GateSettings { min_difference: 500, ..by_request() };
    says(by_request(), &[small], "abort: errors, 1.5 times: 71.73 of 6.21 nats");
    says(
        guarded,
        &[small],
        "continue: errors, 1.5 times: 71.73 of 6.21 nats, but the effect is too small",
    );
    let ratio = GateSettings { min_ratio: Ratio::from_thousandths(5001).unwrap(), ..by_request() };
    assert!(matches!(judged(ratio, &[small]).cause, Cause::EffectTooSmall(_)));
}

#[test]
fn the_default_guard_does_not_hold_an_abort_back() {
    // A few clients of the baseline fail all the time, so that more of its requests fail. But far more of the
    // canary's users have had an error.
    let first_errors = (50, 40);
    let observation = Observation {
        buckets: counters((25_000, first_errors.0), (75_000, first_errors.1)),
        at_risk: counters((5000, first_errors.0), (15_000, first_errors.1)),
        ..requests((5000, 50), (15_000, 600))
    };
    let text = "abort: errors by bucket, 1.5 times: 9.67 of 6.21 nats; \
                errors by bucket and request, 1.5 times: 9.67 of 6.21 nats";
    says(GateSettings::default(), &[observation], text);
    for guarded in [
        GateSettings { min_difference: 1, ..GateSettings::default() },
        GateSettings {
            min_ratio: Ratio::from_thousandths(1001).unwrap(),
            ..GateSettings::default()
        },
    ] {
        assert!(matches!(judged(guarded, &[observation]).cause, Cause::EffectTooSmall(_)));
    }
}

#[test]
fn an_abort_and_a_promotion_by_bucket_have_to_be_confirmed_by_request() {
    let observation = |buckets: Counters, [canary, baseline]: [u64; 2]| {
        let mut at_risk = buckets;
        (at_risk.canary.exposures, at_risk.baseline.exposures) = (canary, baseline);
        Observation { buckets, at_risk, ..requests((canary, 0), (baseline, 0)) }
    };
    // Twice as many of the canary's buckets fail, because they make twice the requests.
    let more = counters((25_000, 100), (75_000, 150));
    says(
        GateSettings::default(),
        &[observation(more, [10_000, 15_000])],
        "continue: errors by bucket, 1.5 times: 11.10 of 6.21 nats, \
         but errors by bucket and request, 1.5 times: -5.03 of 6.21 nats",
    );
    let abort = judged(GateSettings::default(), &[observation(more, [5000, 15_000])]);
    assert_eq!(abort.verdict, Verdict::Abort);
    // As many of its buckets fail, because they make half of the requests.
    let alike = counters((25_000, 100), (75_000, 300));
    assert_eq!(
        judged(GateSettings::default(), &[observation(alike, [2500, 15_000])]).verdict,
        Verdict::Continue
    );
    let promotable = judged(GateSettings::default(), &[observation(alike, [5000, 15_000])]);
    assert_eq!(promotable.verdict, Verdict::Promotable);
    assert!(matches!(promotable.cause, Cause::Confirmed(..)));
}

/// A canary that never responds: its requests count when their timeout is over, after the baseline's.
#[test]
fn errors_that_are_known_late_are_compared_with_the_requests_of_their_time() {
    let arrive = |elapsed_ms, buckets: Counters, [canary, baseline]: [u64; 2]| {
        let mut at_risk = buckets;
        (at_risk.canary.exposures, at_risk.baseline.exposures) = (canary, baseline);
        let requests = requests((canary, buckets.canary.events), (baseline, 0));
        Observation { elapsed_ms, buckets, at_risk, ..requests }
    };
    let none = counters((25_000, 0), (75_000, 0));
    let silent = |after_ms| {
        let timeouts = counters((25_000, 100), (75_000, 0));
        [arrive(1000, none, [0, 300]), arrive(after_ms, timeouts, [100, 0])]
    };
    let abort = judged(GateSettings::default(), &silent(30_000));
    assert_eq!(abort.verdict, Verdict::Abort, "{abort}");
    // After a minute without requests of the baseline there is nothing to compare with.
    let alone = judged(GateSettings::default(), &silent(60_000));
    assert!(matches!(alone.cause, Cause::Unconfirmed(..)), "{alone}");
}

#[test]
fn a_canary_at_the_tolerated_ratio_is_not_aborted() {
    let twice = requests((5000, 100), (95_000, 950));
    assert_eq!(judged(by_request(), &[twice]).verdict, Verdict::Abort);
    let tolerant = GateSettings {
        tolerated: Ratio::from_thousandths(2000).unwrap(),
        excluded: Ratio::from_thousandths(4000).unwrap(),
        ..by_request()
    };
    assert_ne!(judged(tolerant, &[twice]).verdict, Verdict::Abort);
}

#[test]
fn the_change_detector_aborts_a_late_fault() {
    let mut observations = vec![requests((10_000, 100), (190_000, 1900)); 10];
    observations.extend([requests((1000, 50), (19_000, 190)); 2]);
    let judgement = judged(by_request(), &observations);
    let Cause::Crossed(level) = judgement.cause else { panic!("{judgement}") };
    assert_eq!(
        (judgement.verdict, level.process),
        (Verdict::Abort, Process::LateErrors(CountedBy::Request))
    );
    // The guard compares the requests since the detector restarted, not those of the whole stage.
    let guarded =
        GateSettings { min_ratio: Ratio::from_thousandths(4000).unwrap(), ..by_request() };
    assert_eq!(judged(guarded, &observations), judgement);
    let without = GateSettings { late_fault_errors: 0, ..by_request() };
    assert_ne!(judged(without, &observations).verdict, Verdict::Abort);
}

#[test]
fn a_bucket_that_fails_often_counts_once() {
    let share = Share::from_millipercent(5000).unwrap();
    let (before, mut after) = (BucketSet::new(), BucketSet::new());
    after.insert(Bucket::from_number(4).unwrap());
    let buckets = after.first_events(&before, share);
    let observation = Observation { buckets, ..requests((1000, 300), (19_000, 0)) };
    assert_eq!(judged(GateSettings::default(), &[observation]).verdict, Verdict::Continue);
    assert_eq!(judged(by_request(), &[observation]).verdict, Verdict::Abort);
}

#[test]
fn fewer_kpi_events_abort() {
    let observation = |canary| Observation {
        kpi: counters((10_000, canary), (190_000, 5700)),
        ..requests((10_000, 0), (190_000, 0))
    };
    let kpi = KpiSettings { unit: InferenceUnit::Request, ..KpiSettings::default() };
    let settings = || GateSettings { kpi: Some(kpi), ..by_request() };
    assert_eq!(judged(settings(), &[observation(300)]).verdict, Verdict::Continue);
    let judgement = judged(settings(), &[observation(200)]);
    assert_eq!(judgement.verdict, Verdict::Abort);
    assert_eq!(judged(by_request(), &[observation(200)]).verdict, Verdict::Continue);
}

#[test]
fn a_slow_tail_aborts_and_a_slow_middle_pauses() {
    let counts = |requests: &[(u64, u32)]| {
        let mut counts = LatencyCounts::default();
        for (ms, times) in requests {
            for _ in 0..*times {
                counts.record(ms * 1000);
            }
        }
        counts
    };
    let unit = InferenceUnit::Request;
    let latency = LatencySettings { unit, tolerance: 0, edges: Edge::DEFAULT };
    let settings = || GateSettings { latency: Some(latency), ..by_request() };
    let baseline = counts(&[(10, 300), (50, 19_000), (200, 100)]);
    let judge = |canary: &LatencyCounts| {
        let latency = Some([canary, &baseline]);
        judged(settings(), &[Observation { latency, ..requests((1000, 0), (19_400, 0)) }])
            .to_string()
    };
    assert_eq!(judge(&counts(&[(50, 995), (200, 5)])), "continue: no likelihood has crossed");
    assert_eq!(
        judge(&counts(&[(50, 950), (200, 50)])),
        "abort: latency at 64 ms, 1.5 times: 16.64 of 9.68 nats"
    );
    // An edge that most of the baseline's requests exceed is below the median.
    let mostly_slow = counts(&[(10, 11_000), (50, 17_300)]);
    let slow = counts(&[(50, 1000)]);
    let observation =
        Observation { latency: Some([&slow, &mostly_slow]), ..requests((1000, 0), (28_300, 0)) };
    assert_eq!(judged(settings(), &[observation]).verdict, Verdict::Pause);
}

fn tally() -> impl Strategy<Value = (u64, u64)> {
    (0_u64..100_000).prop_flat_map(|exposures| (Just(exposures), 0..=exposures))
}

proptest! {
    #[test]
    fn equal_observations_give_equal_evidence(
        batches in proptest::collection::vec((tally(), tally(), 0_u64..600_000), 1..20),
    ) {
        let observations: Vec<Observation<'_>> = batches
            .iter()
            .map(|(canary, baseline, elapsed_ms)| Observation {
                elapsed_ms: *elapsed_ms,
                ..requests(*canary, *baseline)
            })
            .collect();
        let gate = Gate::new(by_request()).unwrap();
        let (mut once, mut again) = (StageEvidence::default(), StageEvidence::default());
        for observation in &observations {
            gate.observe(&mut once, observation);
            // Judging does not change the evidence.
            let before = once.clone();
            gate.judge(&once);
            prop_assert_eq!(&once, &before);
        }
        for observation in &observations {
            gate.observe(&mut again, observation);
        }
        prop_assert_eq!(&once, &again);
        prop_assert_eq!(gate.evidence(&once), gate.evidence(&again));
    }

    #[test]
    fn any_counters_can_be_observed(a: u64, b: u64, c: u64, d: u64, elapsed_ms: u64) {
        let gate = Gate::new(GateSettings { kpi: Some(KpiSettings::default()), ..by_request() }).unwrap();
        let mut stage = StageEvidence::default();
        let seen = counters((a, b), (c, d));
        for _ in 0..3 {
            let observation = Observation { elapsed_ms, requests: seen, kpi: seen, ..Observation::default() };
            gate.observe(&mut stage, &observation);
            gate.judge(&stage);
        }
    }
}
