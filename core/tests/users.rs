//! Gates under traffic of users whose requests hang together: 20,000 users, a few of whom make most requests.
//!
//! Each test has one seed; `cargo xtask bench gates` measures how often gates err.

use std::collections::BTreeSet;

use serin_core::gate::{Exposure, Latch, Monitor, Outcome, Tallies};
use serin_core::plan::RolloutId;
use serin_core::{Bucket, Plan};

const USERS: usize = 20_000;
/// The shape of the Pareto distribution of the users' traffic.
const SHAPE: f64 = 1.2;
const REQUESTS_PER_SECOND: usize = 200;
const SECONDS_PER_EVALUATION: u64 = 5;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in [0, 1).
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.part() < probability
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// A user, with a trait from 0 to 1 that a service may depend on.
#[derive(Clone, Copy)]
struct User {
    bucket: Bucket,
    is_canary: bool,
    tendency: f64,
}

/// A rollout and its users.
struct Scene {
    gates: &'static str,
    /// The canary's share, in per cent.
    share: u32,
    /// How many times as many requests a user of the canary makes.
    volume: f64,
    seconds: u64,
    seed: u64,
}

/// What a gate did.
struct Seen {
    latch: Latch,
    /// The processes that have crossed in any evaluation.
    crossed: BTreeSet<String>,
    /// Whether the verdict was ever promotable.
    is_promotable: bool,
}

impl Seen {
    fn abort(&self) -> Option<&str> {
        self.latch.abort.as_ref().map(|abort| abort.reason.as_str())
    }

    fn has_crossed(&self, process: &str) -> bool {
        self.crossed.contains(process)
    }
}

impl Scene {
    fn plan(&self) -> Plan {
        let Scene { gates, share, .. } = self;
        let spec = format!(
            r#"{{ "formatVersion": 1, "units": {{ "user": [ {{ "header": "x-user" }} ] }},
              "rollouts": {{ "shop": {{
                "arms": {{ "stable": {{ "target": "v1" }}, "canary": {{ "target": "v2" }} }},
                "baseline": "stable", "canary": {{ "share": {share} }}, "gates": {gates} }} }} }}"#
        );
        Plan::from_json(spec.as_bytes()).unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// The users, each with the sum of the weights up to it.
    fn users(&self, random: &mut Random) -> Vec<(f64, User)> {
        let mut sum = 0.0;
        let user = |index| {
            let weight = (1.0 - random.part()).powf(-1.0 / SHAPE);
            let bucket = u32::try_from(random.below(100_000)).unwrap();
            let is_canary = bucket < self.share * 1000;
            let bucket = Bucket::from_number(bucket).unwrap();
            sum += if is_canary { weight * self.volume } else { weight };
            (sum, User { bucket, is_canary, tendency: Random(index).part() })
        };
        (0..USERS as u64).map(user).collect()
    }

    /// Runs the rollout with a service that answers each request of a user.
    fn run(&self, mut service: impl FnMut(User, &mut Random) -> Outcome) -> Seen {
        let plan = self.plan();
        let id = RolloutId::from_index(0);
        let rollout = plan.rollout(id).unwrap();
        let trial = rollout.trial().unwrap();
        let stage = rollout.current_stage(None, 0).unwrap().stage;
        let mut random = Random(self.seed);
        let users = self.users(&mut random);
        let all = users[USERS - 1].0;
        let (mut monitor, mut tallies) = (Monitor::default(), Tallies::new(stage, trial));
        let latch = Latch::new("shop");
        let mut seen = Seen { latch, crossed: BTreeSet::new(), is_promotable: false };
        for round in 0..self.seconds / SECONDS_PER_EVALUATION {
            for _ in 0..REQUESTS_PER_SECOND * SECONDS_PER_EVALUATION as usize {
                let place = random.part() * all;
                let index = users.partition_point(|(sum, _)| *sum <= place);
                let user = users[index.min(USERS - 1)].1;
                let exposure = Exposure {
                    rollout: id,
                    stage,
                    canary: user.is_canary,
                    bucket: user.bucket,
                    cohorts: 0,
                    kpi: true,
                    counts: true,
                };
                tallies.record(trial, &exposure, &service(user, &mut random));
            }
            let now = (round + 1) * SECONDS_PER_EVALUATION * 1000;
            monitor.evaluate(&plan, id, Some(&tallies), &mut seen.latch, now);
            let evidence = monitor.evidence(trial).next().unwrap();
            let crossed = evidence.levels.iter().filter(|level| level.crossed());
            seen.crossed.extend(crossed.map(|level| level.process.to_string()));
            seen.is_promotable |= evidence.judgement.verdict.as_str() == "promotable";
            if seen.latch.abort.is_some() {
                break;
            }
        }
        seen
    }
}

fn fails(fails: bool) -> Outcome {
    Outcome { status: if fails { 503 } else { 200 }, ..Outcome::default() }
}

const MANY: Scene = Scene { gates: "{}", share: 25, volume: 1.0, seconds: 600, seed: 1 };

#[test]
fn users_who_ask_more_often_do_not_abort_a_healthy_canary() {
    let scene = Scene { volume: 2.0, ..MANY };
    let seen = scene.run(|_, random| fails(random.chance(0.01)));
    assert_eq!(seen.abort(), None);
    // By bucket alone it would have been aborted.
    assert!(seen.has_crossed("errors by bucket"), "{:?}", seen.crossed);
    assert!(!seen.has_crossed("errors by bucket and request"));
}

#[test]
fn users_who_ask_more_often_do_not_hide_a_canary_that_fails() {
    let scene = Scene { volume: 2.0, ..MANY };
    let seen =
        scene.run(|user, random| fails(random.chance(if user.is_canary { 0.03 } else { 0.01 })));
    let reason = seen.abort().expect("aborted");
    assert!(reason.contains("; errors by bucket and request, "), "{reason}");
}

#[test]
fn a_canary_that_fails_twice_as_often_is_not_promotable_because_its_heavy_users_have_failed() {
    let scene = Scene { share: 1, seed: 18, seconds: 1800, ..MANY };
    let seen =
        scene.run(|user, random| fails(random.chance(if user.is_canary { 0.02 } else { 0.01 })));
    assert!(seen.has_crossed("promotion by bucket"), "{:?}", seen.crossed);
    assert!(!seen.is_promotable);
}

/// A latency of 10 ms to 1.3 s, which a user's tendency decides more than chance does.
fn latency(user: User, slower: f64, random: &mut Random) -> Outcome {
    let part = 0.9 * user.tendency + 0.1 * random.part();
    let micros = Some((10_000.0 * slower * (part * 7.0).exp2()) as u64);
    Outcome { status: 200, micros, ..Outcome::default() }
}

#[test]
fn users_whose_requests_are_all_slow_do_not_abort_a_healthy_canary() {
    let scene = Scene { gates: r#"{"latency": {}}"#, ..MANY };
    let seen = scene.run(|user, random| latency(user, 1.0, random));
    assert_eq!(seen.abort(), None);
    let by_bucket =
        |process: &&String| process.starts_with("latency") && process.ends_with(" by bucket");
    assert_eq!(seen.crossed.iter().find(by_bucket), None);
    // By request it is aborted.
    let scene = Scene { gates: r#"{"latency": {"unit": "request"}}"#, ..MANY };
    let seen = scene.run(|user, random| latency(user, 1.0, random));
    assert!(
        seen.abort().is_some_and(|reason| reason.starts_with("latency at ")),
        "{:?}",
        seen.crossed
    );
}

#[test]
fn users_who_ask_more_often_do_not_make_a_canary_slow() {
    // Each request may be slow, whoever asks.
    let scene = Scene { gates: r#"{"latency": {}}"#, volume: 3.0, ..MANY };
    let any = |user: User, random: &mut Random| {
        let tendency = random.part();
        latency(User { tendency, ..user }, 1.0, random)
    };
    let seen = scene.run(any);
    assert_eq!(seen.abort(), None);
    assert!(
        seen.crossed.iter().any(|process| process.starts_with("latency at ")),
        "{:?}",
        seen.crossed
    );
}

#[test]
fn a_slower_canary_is_aborted_whether_latencies_hang_together_or_not() {
    let scene = Scene { gates: r#"{"latency": {}}"#, share: 5, ..MANY };
    let slower = |user: User| if user.is_canary { 2.0 } else { 1.0 };
    let sticky = scene.run(|user, random| latency(user, slower(user), random));
    let independent = scene.run(|user, random| {
        let tendency = random.part();
        latency(User { tendency, ..user }, slower(user), random)
    });
    for seen in [sticky, independent] {
        let reason = seen.abort().expect("aborted");
        assert!(reason.contains(" by bucket and request, "), "{reason}");
    }
}

const ORDERS: &str = r#"{"kpi": {"status": [201]}, "errors": {"lateFaultErrors": 0}}"#;
const ORDERS_BY_REQUEST: &str =
    r#"{"kpi": {"unit": "request", "status": [201]}, "errors": {"lateFaultErrors": 0}}"#;

fn orders(order: bool) -> Outcome {
    Outcome { status: if order { 201 } else { 200 }, ..Outcome::default() }
}

#[test]
fn users_who_poll_more_often_and_order_as_much_do_not_abort_a_healthy_canary() {
    let order = |user: User, random: &mut Random| {
        let rate = if user.is_canary { 0.03 / 1.5 } else { 0.03 };
        orders(random.chance(rate))
    };
    let scene = Scene { gates: ORDERS, volume: 1.5, ..MANY };
    assert_eq!(scene.run(order).abort(), None);
    // By request it is aborted.
    let scene = Scene { gates: ORDERS_BY_REQUEST, ..scene };
    let seen = scene.run(order);
    assert!(
        seen.abort().is_some_and(|reason| reason.starts_with("KPI events, ")),
        "{:?}",
        seen.crossed
    );
}

#[test]
fn users_who_order_in_every_request_do_not_abort_a_healthy_canary() {
    let order = |user: User, random: &mut Random| orders(random.chance(user.tendency.powi(8)));
    assert_eq!(Scene { gates: ORDERS, seed: 5, ..MANY }.run(order).abort(), None);
    let seen = Scene { gates: ORDERS_BY_REQUEST, seed: 5, ..MANY }.run(order);
    assert!(
        seen.abort().is_some_and(|reason| reason.starts_with("KPI events, ")),
        "{:?}",
        seen.crossed
    );
}

#[test]
fn a_canary_with_half_of_the_orders_is_aborted() {
    let seen = Scene { gates: ORDERS, share: 5, ..MANY }.run(|user, random| {
        let rate = if user.is_canary { 0.015 } else { 0.03 };
        orders(random.chance(rate))
    });
    let reason = seen.abort().expect("aborted");
    assert!(reason.starts_with("KPI events by bucket, "), "{reason}");
}
