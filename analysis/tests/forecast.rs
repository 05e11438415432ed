//! Forecasts, compared with floats, and the lint of decorative gates.

use serin_analysis::lint::{Lint, decorative};
use serin_analysis::planner::{Metric, Obstacle, Rate, RolloutForecast, Traffic, forecast};
use serin_core::gate::Ratio;
use serin_core::{Plan, Spec};

fn traffic(per_second: u64) -> Traffic {
    let rate = |ppm| Rate::from_ppm(ppm).unwrap();
    Traffic { per_minute: per_second * 60, errors: rate(1000), kpi: rate(30_000) }
}

fn of(canary: &str, gates: &str, traffic: Traffic) -> RolloutForecast {
    let text = format!(
        r#"{{ "formatVersion": 1, "units": {{ "user": [ {{ "header": "x-user" }} ] }}, "rollouts": {{
             "shop": {{ "arms": {{ "a": {{ "target": "a" }}, "b": {{ "target": "b" }} }}, "baseline": "a",
             "canary": {{ {canary} }}, "gates": {{ {gates} }} }},
             "other": {{ "match": {{ "paths": [ "/o" ] }}, "arms": {{ "a": {{ "target": "a" }} }}, "baseline": "a" }} }} }}"#
    );
    let plan = Plan::from_json(text.as_bytes()).unwrap_or_else(|errors| panic!("{errors}"));
    let spec = Spec::from_json(text.as_bytes()).unwrap();
    let mut found = forecast(&spec, &plan, |name| (name == "shop").then_some(traffic));
    assert_eq!(found.len(), 1, "of the rollout with gates alone");
    assert_eq!(forecast(&spec, &plan, |_| None), []);
    found.remove(0)
}

fn steps(list: &str) -> String {
    format!(r#""start": "2026-11-21", "steps": [ {list} ]"#)
}

fn ratio(thousandths: u32) -> Ratio {
    Ratio::from_thousandths(thousandths).unwrap()
}

fn warnings(found: &RolloutForecast) -> Vec<String> {
    let findings = decorative(std::slice::from_ref(found));
    assert!(findings.iter().all(|finding| finding.lint == Lint::DecorativeGate));
    findings.into_iter().map(|finding| format!("{}: {}", finding.path, finding.message)).collect()
}

/// The formula of `docs/gates-method.md` in floats, against a tolerated ratio.
fn exact(w: f64, p: f64, theta: f64, tolerated: f64, tests: f64) -> f64 {
    let sum = |theta: f64| 1.0 - w + w * theta;
    let gained = w * theta * (theta / tolerated).ln();
    let lost = sum(theta) * (sum(theta) / sum(tolerated)).ln();
    w * (tests / 0.01).ln() / (p * (gained - lost))
}

#[track_caller]
fn near(given: Option<u64>, truth: f64) {
    let given = given.unwrap() as f64;
    assert!((given - truth).abs() <= 1.0 + truth * 2e-3, "{given} for {truth}");
}

#[test]
fn requests_agree_with_floats() {
    let list = r#"{ "share": 5, "hold": "10m" }, { "share": 25, "hold": "1h" }, { "share": 100 }"#;
    let gates = r#""errors": { "tolerate": 1.2 }, "latency": { "tolerate": 0 }, "kpi": { "methods": [ "POST" ], "tolerate": 0.95 }"#;
    let found = of(&steps(list), gates, traffic(200));
    // Two steps with both arms, three kinds of metric.
    let shares = 6.0;
    for (step, w) in found.steps.iter().zip([0.05, 0.25]) {
        let needed = |metric, thousandths| {
            let gate = step.gates.iter().find(|gate| gate.metric == metric).unwrap();
            gate.needed(ratio(thousandths))
        };
        near(needed(Metric::Errors, 2000), exact(w, 0.001, 2.0, 1.2, 5.0 * shares));
        near(needed(Metric::Errors, 5000), exact(w, 0.001, 5.0, 1.2, 5.0 * shares));
        near(needed(Metric::SlowTail, 2000), exact(w, 0.05, 2.0, 1.0, 80.0 * shares));
        near(needed(Metric::SlowestTail, 2000), exact(w, 0.01, 2.0, 1.0, 80.0 * shares));
        near(needed(Metric::Kpi, 500), exact(w, 0.03, 0.5, 0.95, 5.0 * shares));
        assert_eq!(step.expected, Some((200.0 * w) as u64 * step.hold_ms.unwrap() / 1000));
    }
    assert_eq!(found.steps[2].gates, [], "nobody is left to compare with");
    assert_eq!(found.slight_drop, None, "a drop of 0.3 % is tolerated");
}

#[test]
fn a_slight_drop_needs_as_many_requests_as_the_formula_says() {
    // As in docs/gates-method.md: 2.35·10⁹ requests at w = 2 %, where the KPI is the second kind of
    // metric.
    let found = of(r#""share": 2"#, r#""kpi": { "methods": [ "POST" ] }"#, traffic(200));
    near(found.slight_drop, exact(0.02, 0.03, 0.997, 1.0, 10.0) / 0.02);
    assert!(found.slight_drop.unwrap() > 2_350_000_000);
}

#[test]
fn a_gate_with_too_short_a_hold_is_decorative() {
    let list = r#"{ "share": 1, "hold": "10m" }, { "share": 25, "hold": "2h" }, { "share": 100 }"#;
    let found = of(&steps(list), "", traffic(200));
    let needed = found.steps[0].gates[0].needed(ratio(2000)).unwrap();
    assert_eq!(
        warnings(&found),
        [format!(
            "rollouts.shop.canary.steps[0]: this gate is decorative: to see 2 times the errors it needs \
             {},{:03} requests of the canary and will see 1,200",
            needed / 1000,
            needed % 1000
        )]
    );
    // What the hold can just show takes what it brings.
    let smallest = found.steps[0].gates[0].smallest.unwrap();
    assert!((6000..8000).contains(&smallest.thousandths()), "{smallest}");
    let seen = found.detections.iter().find(|detection| detection.ratio == ratio(2000)).unwrap();
    assert_eq!((seen.seen_in, seen.share.millipercent()), (Some(1), 25_000));
    assert!(seen.requests > 1200 && seen.after_ms > 600_000, "{seen:?}");
    // A step without an end, or one that waits for the gate, sees it in time.
    for patient in [r#""hold": "manual" }"#, r#""hold": "10m", "mode": "gate" }"#] {
        let list = list.replacen(r#""hold": "10m" }"#, patient, 1);
        assert_eq!(warnings(&of(&steps(&list), "", traffic(200))), [""; 0], "{patient}");
    }
}

#[test]
fn a_regression_below_the_minimum_difference_is_never_detected() {
    let list = r#"{ "share": 1, "hold": "1m" }, { "share": 100 }"#;
    let found = of(&steps(list), "", traffic(10));
    assert!(found.detections.iter().all(|detection| detection.seen_in.is_none()));
    // The guards keep the gate from acting on what is small.
    let guarded = r#""errors": { "minDifference": 0.2 }"#;
    let found = of(r#""share": 5"#, guarded, traffic(200));
    let errors = &found.steps[0].gates[0];
    assert_eq!(errors.needed(ratio(2000)), None, "0.1 % more is less than 0.2 %");
    assert!(errors.needed(ratio(5000)).is_some());
}

#[test]
fn obstacles_to_all_gates_are_reported() {
    let list = r#"{ "share": 5, "hold": "100d" }, { "share": 100 }"#;
    let found = of(&steps(list), "", traffic(1));
    assert_eq!(found.obstacle, Some(Obstacle::TooLittleTraffic { wanted: 100 }));
    let why = "no step will end: the gate needs 100 requests a minute for that and will see 60";
    assert_eq!(warnings(&found), [format!("rollouts.shop.gates: {why}")]);
    let unwell = Traffic { errors: Rate::from_ppm(60_000).unwrap(), ..traffic(200) };
    let found = of(&steps(list), "", unwell);
    assert!(matches!(found.obstacle, Some(Obstacle::BaselineUnwell { .. })));
    let why = "no step will end while more than 5 % of the baseline's requests fail";
    assert_eq!(warnings(&found), [format!("rollouts.shop.gates: {why}")]);
    let found = of(r#""share": 100"#, "", traffic(200));
    assert_eq!(found.obstacle, Some(Obstacle::NobodyToCompareWith));
}
