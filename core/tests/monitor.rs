//! A monitored rollout from its first request on: verdicts become the latch, and each audit record replays to
//! the same verdict.

use serin_analysis::replay::replay;
use serin_core::gate::{Audit, Latch, Latches, Monitor, Outcome, Tallies};
use serin_core::plan::RolloutId;
use serin_core::{Decision, Facts, FixedHost, Plan, decide};

const MINUTE: u64 = 60_000;
/// 2026-11-21T09:00:00Z.
const START: u64 = 1_795_251_600_000;

/// A host with one worker: it decides, counts, evaluates once a second and stores the latches.
struct Host {
    plan: Plan,
    monitor: Monitor,
    tallies: Option<Tallies>,
    /// Outcomes that the judge does not have yet.
    local: Option<Tallies>,
    latches: Latches,
    now: u64,
    audits: Vec<Audit>,
    seed: u64,
    /// KPI events in 1,000 requests of the baseline and of the canary.
    kpi_events: Option<[u64; 2]>,
    /// Whether only requests of the cohort enterprise fail.
    only_enterprise: bool,
    /// Answers of the shadow that differ, in 1,000.
    differing: u64,
}

/// How an arm behaves: errors in 1,000,000 requests, and the duration of a request in µs.
#[derive(Clone, Copy)]
struct Arm {
    errors: u64,
    micros: u64,
}

const WELL: Arm = Arm { errors: 10_000, micros: 20_000 };

impl Host {
    fn new(gates: &str, steps: &str, more: &str) -> Host {
        let plan = Plan::from_json(spec(gates, steps, more).as_bytes());
        Host {
            plan: plan.unwrap_or_else(|errors| panic!("{errors}")),
            monitor: Monitor::default(),
            tallies: None,
            local: None,
            latches: Latches::default(),
            now: START,
            audits: Vec::new(),
            seed: 7,
            kpi_events: None,
            only_enterprise: false,
            differing: 0,
        }
    }

    fn random(&mut self) -> u64 {
        // SplitMix64.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Sends one request of a random user; returns its arm.
    fn request(&mut self, stable: Arm, canary: Arm) -> String {
        let user = format!("user-{}", self.random() % 50_000);
        let plan_header = if self.random().is_multiple_of(10) { "enterprise" } else { "free" };
        let chance = self.random() % 1_000_000;
        let (luck, difference) = (self.random() % 1000, self.random() % 1000);
        let active_latches = self.latches.for_plan(&self.plan);
        let headers: [(&[u8], &[u8]); 5] = [
            (b":method", b"GET"),
            (b":path", b"/"),
            (b":authority", b"shop.example.com"),
            (b"x-user-id", user.as_bytes()),
            (b"x-plan", plan_header.as_bytes()),
        ];
        let mut host = FixedHost { latches: active_latches.as_ref(), ..FixedHost::at(self.now) };
        let facts = Facts::of_request(&self.plan, headers, &mut host);
        let mut decision = Decision::new(&self.plan);
        decide(&self.plan, &facts, &mut decision);
        let (_, arm) = decision.arm(&self.plan).expect("the rollout's");
        let arm = arm.to_owned();
        let behaves = if arm == "canary" { canary } else { stable };
        if let Some(exposure) = decision.exposure(&self.plan, &facts) {
            let trial = self.plan.rollouts()[0].trial().expect("gates");
            let spared = self.only_enterprise && exposure.canary && plan_header == "free";
            let errors = if spared { stable.errors } else { behaves.errors };
            let rate = self.kpi_events.unwrap_or_default()[usize::from(exposure.canary)];
            let kpi_header = luck < rate;
            let well = if kpi_header { 201 } else { 200 };
            let status = if chance < errors { 503 } else { well };
            let micros = Some(behaves.micros);
            let outcome = Outcome { status, micros, kpi_header, ..Outcome::default() };
            let local = self.local.take().filter(|local| local.stage == exposure.stage);
            let mut local = local.unwrap_or_else(|| Tallies::new(exposure.stage, trial));
            local.record(trial, &exposure, &outcome);
            if decision.shadow(&self.plan).is_some() {
                local.shadow.exposures += 1;
                local.shadow.events += u64::from(difference < self.differing);
            }
            self.local = Some(local);
        }
        arm
    }

    /// Runs for `ms` with `per_second` requests; returns how many of them the canary got.
    fn run(&mut self, ms: u64, per_second: u64, stable: Arm, canary: Arm) -> u64 {
        let mut exposed = 0;
        for _ in 0..ms / 1000 {
            for _ in 0..per_second {
                exposed += u64::from(self.request(stable, canary) == "canary");
            }
            self.now += 1000;
            self.evaluate();
        }
        exposed
    }

    fn evaluate(&mut self) {
        if let Some(local) = self.local.take() {
            // Hosts exchange tallies as bytes.
            let local = Tallies::from_bytes(&local.to_bytes()).expect("readable");
            self.tallies = Tallies::absorb(self.tallies.take(), &local, local.stage);
        }
        let (plan, tallies, now) = (&self.plan, self.tallies.as_ref(), self.now);
        let id = rollout(plan);
        let mut other = Monitor::from_bytes(&self.monitor.to_bytes()).expect("readable");
        let mut copy = self.latch();
        let monitor = &mut self.monitor;
        let audit =
            self.latches.update("shop", |latch| monitor.evaluate(plan, id, tallies, latch, now));
        // Another worker that continues from the stored bytes reaches the same verdict.
        assert_eq!(other.evaluate(plan, id, tallies, &mut copy, now), audit);
        assert_eq!((&other, &copy), (&self.monitor, &self.latch()));
        let json = self.latches.to_json();
        assert_eq!(Latches::from_json(json.as_bytes()).as_ref(), Some(&self.latches), "{json}");
        self.audits.extend(audit);
    }

    fn latch(&self) -> Latch {
        self.latches.get("shop").cloned().unwrap_or_else(|| Latch::new("shop"))
    }

    /// The audit records, a line each.
    fn records(&self) -> Vec<String> {
        let line = |audit: &Audit| {
            let verdict = audit.evaluation.judgement.verdict.as_str();
            format!("steps[{}] {verdict}: {}", audit.step, audit.evaluation.reason())
        };
        self.audits.iter().map(line).collect()
    }

    fn assert_records_replay(&self) {
        assert!(!self.audits.is_empty());
        for audit in &self.audits {
            let json = audit.to_json();
            let replay = replay(&json).unwrap_or_else(|why| panic!("{why}: {json}"));
            assert_eq!(replay.differences, Vec::<String>::new(), "{json}");
            assert_eq!(replay.judgement, audit.evaluation.judgement);
        }
    }
}

fn rollout(plan: &Plan) -> RolloutId {
    plan.arm_named("shop", "canary").expect("the rollout").0
}

fn spec(gates: &str, steps: &str, more: &str) -> String {
    format!(
        r#"{{ "formatVersion": 1, "revision": 7,
          "units": {{ "user": [ {{ "header": "x-user-id" }} ] }},
          "cohorts": {{ "enterprise": {{ "attribute": "header.x-plan", "equals": "enterprise" }} }},
          "flags": {{ "cart": {{ "kind": "ops", "variants": {{ "on": true, "off": false }},
            "defaultVariant": "off", "rules": [ {{ "serve": "on" }} ] }} }},
          "rollouts": {{ "shop": {{
            "arms": {{ "stable": {{ "target": "v1" }}, "canary": {{ "target": "v2" }} }},
            "baseline": "stable",
            "canary": {{ "start": "2026-11-21T09:00:00Z", "steps": {steps} }},
            "gates": {gates}, "onAbort": {{ "disable": ["cart"] }} {more} }} }} }}"#
    )
}

const STEPS: &str = r#"[{"share": 20, "hold": "5m"}, {"share": 50, "hold": "5m"}, {"share": 100}]"#;
const GATED: &str =
    r#"[{"share": 20, "hold": "2m", "mode": "gate"}, {"share": 50, "hold": "5m"}, {"share": 100}]"#;

#[test]
fn an_abort_sends_all_units_to_the_baseline_and_disables_the_flag() {
    let mut host = Host::new("{}", STEPS, "");
    host.run(MINUTE, 50, WELL, WELL);
    assert!(host.audits.is_empty(), "{:?}", host.records());
    host.run(MINUTE, 50, WELL, Arm { errors: 500_000, ..WELL });
    assert_eq!(host.latch().abort.expect("aborted").epoch, 0);
    assert_eq!(host.run(MINUTE, 50, WELL, WELL), 0, "nobody gets the canary");
    let [only] = host.records().try_into().expect("one record");
    assert!(only.starts_with("steps[0] abort: ") && only.contains("errors by bucket, "), "{only}");
    host.assert_records_replay();

    let active_latches = host.latches.for_plan(&host.plan).expect("known");
    let facts = Facts::from_context(&host.plan, [], None, Some(&active_latches));
    let cart = host.plan.flag_named("cart").expect("there");
    let decided = serin_core::evaluate_flag(&host.plan, &facts, cart);
    assert_eq!(decided.reason.as_str(), "DISABLED");

    // A higher epoch clears the abort.
    host.plan = Plan::from_json(spec("{}", STEPS, r#", "epoch": 1"#).as_bytes()).expect("good");
    assert!(host.run(MINUTE, 50, WELL, WELL) > 0);
    assert_eq!(host.audits.len(), 1, "{:?}", host.records());
}

#[test]
fn a_healthy_canary_reaches_its_last_step() {
    let mut host = Host::new("{}", STEPS, "");
    host.run(11 * MINUTE, 50, WELL, WELL);
    assert_eq!(host.records(), Vec::<String>::new());
    assert_eq!(host.request(WELL, WELL), "canary");
}

#[test]
fn a_gated_step_ends_by_evidence_and_not_by_the_clock() {
    let mut host = Host::new("{}", GATED, "");
    // Without traffic the step does not end, and the gate records why.
    host.run(10 * MINUTE, 0, WELL, WELL);
    assert_eq!(host.records(), ["steps[0] pause: too few requests a minute"]);
    host.run(20 * MINUTE, 50, WELL, WELL);
    let records = host.records();
    assert_eq!(
        records.iter().filter(|line| line.contains("steps[0] promotable: ")).count(),
        1,
        "{records:?}"
    );
    assert_eq!(host.request(WELL, WELL), "canary", "{records:?}");
    host.assert_records_replay();
}

#[test]
fn early_evidence_does_not_shorten_a_gated_step() {
    let mut host = Host::new("{}", GATED, "");
    host.run(110_000, 200, WELL, WELL);
    assert_eq!(
        (host.records(), host.latch().ended_steps),
        (vec![], vec![]),
        "its two minutes are not over"
    );
    host.run(20_000, 200, WELL, WELL);
    let [(step, at)] = host.latch().ended_steps.try_into().expect("one step has ended");
    assert_eq!((step, at), (0, START + 2 * MINUTE));
    let [only] = host.records().try_into().expect("one record");
    assert!(only.starts_with("steps[0] promotable: "), "{only}");
    host.assert_records_replay();
}

#[test]
fn a_step_held_for_lack_of_traffic_ends_without_evidence_unless_it_is_gated() {
    // Nothing fails, so there is never evidence for promotion.
    let faultless = Arm { errors: 0, ..WELL };
    for (steps, ends) in [(STEPS, true), (GATED, false)] {
        let mut host = Host::new("{}", steps, "");
        host.run(6 * MINUTE, 0, WELL, WELL);
        assert_eq!(host.latch().held_step, Some(0));
        host.run(20_000, 50, faultless, faultless);
        assert_eq!(host.latch().held_step, Some(0), "a minute of traffic has to be seen first");
        host.run(2 * MINUTE, 50, faultless, faultless);
        assert_eq!(
            (host.latch().held_step, host.latch().ended_steps.len()),
            (None, usize::from(ends)),
            "{steps}"
        );
        let [pause, after] = host.records().try_into().expect("two records");
        assert_eq!(pause, "steps[0] pause: too few requests a minute");
        assert!(after.starts_with("steps[0] continue: "), "{after}");
        host.assert_records_replay();
    }
}

#[test]
fn a_cohort_with_little_traffic_does_not_hold_the_step() {
    let gates = r#"{"cohorts": ["enterprise"], "minRate": 2000}"#;
    let mut host = Host::new(gates, STEPS, "");
    // 3,000 requests a minute, 300 of them the cohort's.
    host.run(6 * MINUTE, 50, WELL, WELL);
    assert_eq!(host.records(), Vec::<String>::new());
}

#[test]
fn alpha_is_divided_among_the_steps() {
    let one = r#"[{"share": 20, "hold": "5m"}, {"share": 100}]"#;
    let bars: Vec<String> = [one, STEPS]
        .into_iter()
        .map(|steps| {
            let mut host = Host::new("{}", steps, "");
            host.run(MINUTE, 50, WELL, Arm { errors: 500_000, ..WELL });
            let [only] = host.records().try_into().expect("one record");
            only.rsplit_once(" of ").expect("a threshold").1.to_owned()
        })
        .collect();
    // ln(5·S/0.01), rounded down. At 100 % there is no baseline, so that step takes no part.
    assert_eq!(bars, ["6.21 nats", "6.90 nats"]);
}

#[test]
fn a_step_without_a_baseline_or_without_a_canary_never_aborts() {
    let steps = r#"[{"share": 0, "hold": "5m"}, {"share": 100}]"#;
    let mut host = Host::new(r#"{"minSamples": 1}"#, steps, r#", "unit": "user""#);
    for (errors, canary) in [(500_000, 0), (10_000, 500_000)] {
        host.run(5 * MINUTE, 20, Arm { errors, ..WELL }, Arm { errors: canary, ..WELL });
        let trial = host.plan.rollouts()[0].trial().expect("gates");
        let evidence = host.monitor.evidence(trial).next().expect("everybody");
        let zero = serin_core::gate::Nats::ZERO;
        assert!(evidence.levels.iter().all(|level| level.level <= zero), "{evidence:?}");
    }
    assert_eq!(host.latch().abort, None);
}

#[test]
fn a_late_fault_a_slow_canary_and_a_failing_cohort_abort() {
    let late = r#"[{"share": 20, "hold": "10h"}, {"share": 100}]"#;
    let mut host = Host::new("{}", late, "");
    host.run(30 * MINUTE, 50, WELL, WELL);
    host.run(5 * MINUTE, 50, WELL, Arm { errors: 60_000, ..WELL });
    let records = host.records();
    assert!(
        records.iter().any(|line| line.contains("abort: late errors by bucket, ")),
        "{records:?}"
    );

    let mut slow = Host::new(r#"{"latency": {"tolerate": 19}}"#, late, "");
    slow.run(2 * MINUTE, 50, WELL, Arm { micros: 40_000, ..WELL });
    let records = slow.records();
    assert!(records[0].contains("abort: latency at 22 ms"), "{records:?}");

    let mut cohort = Host::new(r#"{"cohorts": ["enterprise"]}"#, late, "");
    cohort.run(2 * MINUTE, 50, WELL, Arm { errors: 300_000, ..WELL });
    let abort = cohort.latch().abort.expect("aborted");
    assert!(abort.reason.contains("errors"), "{abort:?}");
    for host in [host, slow, cohort] {
        host.assert_records_replay();
    }
}

#[test]
fn a_changed_record_does_not_replay() {
    let mut host = Host::new("{}", STEPS, "");
    host.run(MINUTE, 50, WELL, Arm { errors: 500_000, ..WELL });
    let json = host.audits[0].to_json();
    let changed = json.replacen("\"verdict\":\"abort\"", "\"verdict\":\"continue\"", 1);
    let replayed = replay(&changed).expect("readable");
    assert_eq!(replayed.differences.len(), 1, "{:?}", replayed.differences);
    let tampered = json.replacen("\"alpha\":10000", "\"alpha\":1", 1);
    assert_ne!(tampered, json);
    assert!(!replay(&tampered).expect("readable").differences.is_empty());
    for broken in
        ["", "{}", "[1]", &json[..json.len() - 1], &json.replace("\"before\"", "\"after\"")]
    {
        assert!(replay(broken).is_err(), "{broken}");
    }
}

#[test]
fn every_error_in_gates_is_reported_with_its_path() {
    let gates = r#"{"alpha": 60, "minRate": -1, "errors": {"status": ["6xx", 99], "tolerate": 0.5, "lateFaultErrors": 5},
        "latency": {"tolerate": 400}, "kpi": {}, "promotion": {"exclude": 1}, "shadow": {"maxDivergence": 0}, "cohorts": ["nobody"], "gates": 1}"#;
    let more = r#", "cooldown": "soon", "epoch": 1.5"#;
    let text = spec(gates, GATED, more).replace("[\"cart\"]", "[\"card\"]");
    let errors = Plan::from_json(text.as_bytes()).expect_err("refused").to_string();
    for said in [
        "rollouts.shop.epoch: 1.5 is not a whole number",
        "rollouts.shop.cooldown: \"soon\" is not a duration",
        "rollouts.shop.gates.gates: unknown field",
        "rollouts.shop.gates.alpha: is 60 %, allowed are 0.001 to 50 per cent",
        "rollouts.shop.gates.minRate: -1 is not a whole number",
        "rollouts.shop.gates.errors.status[0]: \"6xx\" is not a class",
        "rollouts.shop.gates.errors.status[1]: 99 is not a status",
        "rollouts.shop.gates.errors.tolerate: is 0.5, allowed are 1 to 100",
        "rollouts.shop.gates.errors.lateFaultErrors: is 5",
        "rollouts.shop.gates.latency.tolerate: is 400, allowed are 0 to 300 per cent",
        "rollouts.shop.gates.kpi: needs methods, paths, status or header",
        "rollouts.shop.gates.promotion.exclude: is 1, allowed are 1.001 to 200",
        "rollouts.shop.gates.shadow.maxDivergence: is 0 %",
        "rollouts.shop.gates.cohorts[0]: there is no cohort \"nobody\"",
        "rollouts.shop.onAbort.disable[0]: there is no flag \"card\", did you mean cart?",
    ] {
        assert!(errors.contains(said), "{said}\n---\n{errors}");
    }
    let ungated = spec("{}", GATED, "").replace("\"gates\": {},", "");
    let errors = Plan::from_json(ungated.as_bytes()).expect_err("refused").to_string();
    assert_eq!(
        errors,
        "rollouts.shop.canary.steps[0].mode: the step waits for a gate, but the rollout has no gates"
    );
}

/// A rollout with half of the units on the canary, whose arms behave alike unless a test changes that.
fn half(gates: &str, more: &str) -> Host {
    Host::new(gates, r#"[{"share": 50, "hold": "10h"}, {"share": 100}]"#, more)
}

#[test]
fn a_canary_with_fewer_kpi_events_is_aborted() {
    let gates = r#"{"kpi": {"methods": ["GET"], "paths": [{"exact": "/"}], "status": [201], "header": "x-order"}}"#;
    let mut host = half(gates, "");
    host.kpi_events = Some([300, 300]);
    host.run(5 * MINUTE, 50, WELL, WELL);
    assert_eq!(host.records(), Vec::<String>::new());
    host.kpi_events = Some([300, 150]);
    host.run(10 * MINUTE, 50, WELL, WELL);
    let records = host.records();
    assert!(
        records.iter().any(|line| line.contains("abort: KPI events by bucket, ")),
        "{records:?}"
    );
    host.assert_records_replay();
}

#[test]
fn one_failing_cohort_aborts() {
    let gates = r#"{"cohorts": ["enterprise"], "errors": {"minDifference": 3}}"#;
    let mut host = half(gates, "");
    host.run(3 * MINUTE, 50, WELL, WELL);
    assert_eq!(host.records(), Vec::<String>::new());
    // One in ten requests is the cohort's, so for everybody the difference is below 3 %.
    host.only_enterprise = true;
    host.run(10 * MINUTE, 50, WELL, Arm { errors: 250_000, ..WELL });
    let abort = host.latch().abort.expect("aborted");
    assert!(abort.reason.starts_with("cohort enterprise: "), "{abort:?}");
    host.assert_records_replay();
}

#[test]
fn a_shadow_that_differs_too_often_is_aborted() {
    let shadow = r#", "shadow": {"arm": "canary", "percent": 10, "compare": "status"}"#;
    let mut host = half(r#"{"shadow": {"maxDivergence": 2}}"#, shadow);
    host.differing = 15;
    host.run(5 * MINUTE, 50, WELL, WELL);
    assert_eq!(host.records(), Vec::<String>::new(), "below what is tolerated");
    host.differing = 60;
    host.run(5 * MINUTE, 50, WELL, WELL);
    let records = host.records();
    assert_eq!(records, ["steps[0] abort: the shadow differs more often than tolerated"]);
    host.assert_records_replay();
}
