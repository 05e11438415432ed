//! The exported rules in `promtool`: they are valid for every spec, and the alert fires in the same minute
//! in which the core's gate aborts on the same counters.

use super::{export, program, run, text};
use serde_json::{Value, json};
use serin_conformance::envoy;
use serin_conformance::random::{self, Random};
use serin_core::Plan;
use serin_core::gate::{Counters, Gate, Observation, StageEvidence, Tally, Verdict};
use std::path::Path;
use std::process::Command;

/// The duration of each run.
const MINUTES: usize = 120;
/// Requests of the canary and of the baseline in each minute.
const REQUESTS: [u64; 2] = [20, 380];
/// The number of random runs of each scenario.
const SEEDS: u64 = 4;

/// Error rates, and the spec's tolerance of them.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// Error rates of the canary and the baseline, in millionths of requests.
    error_ppm: [u32; 2],
    /// The `errors` of the spec's gates, as JSON.
    gate: &'static str,
    /// Whether the alert must fire.
    fires: bool,
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "a failing canary", error_ppm: [60_000, 10_000], gate: "{}", fires: true },
    Scenario { name: "a healthy canary", error_ppm: [10_000, 10_000], gate: "{}", fires: false },
    Scenario { name: "a canary without errors", error_ppm: [0, 10_000], gate: "{}", fires: false },
    Scenario { name: "a baseline without errors", error_ppm: [40_000, 0], gate: "{}", fires: true },
    Scenario {
        name: "twice the errors, which is tolerated",
        error_ppm: [20_000, 10_000],
        gate: r#"{"tolerate": 2}"#,
        fires: false,
    },
    Scenario {
        name: "twenty times the errors, where twice is tolerated",
        error_ppm: [200_000, 10_000],
        gate: r#"{"tolerate": 2}"#,
        fires: true,
    },
    Scenario {
        name: "less than minRatio",
        error_ppm: [40_000, 10_000],
        gate: r#"{"minRatio": 20}"#,
        fires: false,
    },
    Scenario {
        name: "less than minDifference",
        error_ppm: [40_000, 5_000],
        gate: r#"{"minDifference": 20}"#,
        fires: false,
    },
    Scenario {
        name: "a failing baseline and a canary that fails as often",
        error_ppm: [80_000, 80_000],
        gate: "{}",
        fires: false,
    },
    Scenario {
        name: "a failing baseline and a canary that fails more often",
        error_ppm: [600_000, 80_000],
        gate: "{}",
        fires: true,
    },
];

fn spec(gate: &str) -> Value {
    let mut errors: Value = serde_json::from_str(gate).unwrap_or_default();
    errors["unit"] = "request".into();
    json!({
        "formatVersion": 1,
        "revision": 7,
        "units": {"user": [{"header": "x-user-id"}]},
        "rollouts": {"shop": {
            "arms": {"stable": {"target": "shop-v1"}, "canary": {"target": "shop-v2"}},
            "baseline": "stable",
            "epoch": 3,
            "canary": {
                "start": "2026-11-21T09:00:00Z",
                "steps": [{"share": 5, "hold": "2h"}, {"share": 50, "hold": "1h"}, {"share": 100}],
            },
            "gates": {"errors": errors},
        }},
    })
}

/// The counters of both arms at the start and after each minute.
fn counters_by_minute(seed: u64, error_ppm: [u32; 2]) -> Vec<Counters> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tally = |requests: u64, ppm: u32| Tally {
        exposures: requests,
        events: (0..requests).filter(|_| random.u32(0..1_000_000) < ppm).count() as u64,
    };
    let mut all = vec![Counters::default()];
    for _ in 0..MINUTES {
        let minute = Counters {
            canary: tally(REQUESTS[0], error_ppm[0]),
            baseline: tally(REQUESTS[1], error_ppm[1]),
        };
        let previous = all.last().copied().unwrap_or_default();
        all.push(previous.merge(minute));
    }
    all
}

/// The first minute in which a gate aborts that observes the counters so far as one batch. This is the
/// rule's view: an expression over counters has no history.
fn abort_by_totals(gate: &Gate, counters: &[Counters]) -> Option<usize> {
    let aborts = |(minute, total): (usize, &Counters)| {
        let mut stage = StageEvidence::default();
        let elapsed_ms = 60_000 * minute as u64;
        gate.observe(
            &mut stage,
            &Observation { elapsed_ms, requests: *total, ..Observation::default() },
        );
        gate.judge(&stage).verdict == Verdict::Abort
    };
    counters.iter().enumerate().position(aborts)
}

/// The first minute in which a gate aborts that observes each minute as a batch, as a host does.
fn abort_by_minutes(gate: &Gate, counters: &[Counters]) -> Option<usize> {
    let mut stage = StageEvidence::default();
    let aborts = |pair: &[Counters]| {
        let requests = pair[1].since(pair[0]);
        gate.observe(
            &mut stage,
            &Observation { elapsed_ms: 60_000, requests, ..Observation::default() },
        );
        gate.judge(&stage).verdict == Verdict::Abort
    };
    counters.windows(2).position(aborts).map(|index| index + 1)
}

pub(super) fn alert_agrees_with_gate(scenario: &Scenario) -> Result<(), String> {
    let spec = spec(scenario.gate);
    let plan = Plan::from_json(spec.to_string().as_bytes()).map_err(|errors| errors.to_string())?;
    let trial = plan.rollouts().first().and_then(|rollout| rollout.trial());
    let gate = trial.ok_or("no gate")?.gate();
    let folder = envoy::create_folder(&format!("rules-{}", scenario.name.replace(' ', "-")))?;
    export("prometheus", &spec, &folder, &[])?;
    let mut expected_runs = 0_u64;
    for seed in 0..SEEDS {
        let counters = counters_by_minute(seed, scenario.error_ppm);
        let rule = abort_by_totals(gate, &counters);
        let host = abort_by_minutes(gate, &counters);
        expected_runs += u64::from(rule.is_some() == scenario.fires);
        // One batch and many batches may cross the threshold in different minutes.
        if let (Some(rule), Some(host)) = (rule, host)
            && rule.abs_diff(host) > 2 + host / 4
        {
            return Err(format!("seed {seed}: the rule fires in minute {rule}, a host in {host}"));
        }
        check_alert(&folder, &counters, rule).map_err(|why| format!("seed {seed}: {why}"))?;
    }
    let _ = std::fs::remove_dir_all(folder);
    // One run may be an error by chance, because alpha is above 0.
    if expected_runs + 1 < SEEDS {
        return Err(format!("as expected in only {expected_runs} of {SEEDS} runs"));
    }
    Ok(())
}

/// Checks with promtool that the alert starts to fire in this minute, or never.
fn check_alert(folder: &Path, counters: &[Counters], fires: Option<usize>) -> Result<(), String> {
    let alerts =
        "count(ALERTS{alertname=\"SerinCanaryWorse\",alertstate=\"firing\",serin_epoch=\"3\"})";
    let quiet = fires.unwrap_or(MINUTES);
    let firing = json!([{"labels": "{}", "value": 1}]);
    let at = |minute: usize, samples: &Value| json!({"expr": alerts, "eval_time": format!("{minute}m"), "exp_samples": samples});
    let mut expected: Vec<Value> = (0..quiet).map(|minute| at(minute, &json!([]))).collect();
    expected.extend(fires.map(|minute| at(minute, &firing)));
    promtool(folder, &series(counters), expected)
}

/// The input series: two hosts that share the traffic, and counters of the previous epoch.
fn series(counters: &[Counters]) -> Vec<Value> {
    let mut series = Vec::new();
    type Read = fn(&Counters) -> u64;
    let metrics: [(&str, &str, Read); 4] = [
        ("canary", "requests", |total| total.canary.exposures),
        ("canary", "errors", |total| total.canary.events),
        ("stable", "requests", |total| total.baseline.exposures),
        ("stable", "errors", |total| total.baseline.events),
    ];
    for (arm, what, read) in metrics {
        for (instance, part) in [("a", 0), ("b", 1)] {
            let labels = format!(
                "serin_rollout=\"shop\",serin_epoch=\"3\",serin_step=\"0\",serin_arm=\"{arm}\",instance=\"{instance}\""
            );
            // Each host counts half. A counter that was never incremented does not exist.
            let value = |total: &Counters| match (read(total) + part) / 2 {
                0 => "_".to_owned(),
                value => value.to_string(),
            };
            let values: Vec<String> = counters.iter().map(value).collect();
            let name = format!("serin_gate_epoch_step_arm_{what}");
            series
                .push(json!({"series": format!("{name}{{{labels}}}"), "values": values.join(" ")}));
        }
        let old = "serin_rollout=\"shop\",serin_epoch=\"2\",serin_step=\"0\"";
        let value = if arm == "canary" { 1000 } else { 1 + 999 * u64::from(what == "requests") };
        let name = format!("serin_gate_epoch_step_arm_{what}{{{old},serin_arm=\"{arm}\"}}");
        series.push(json!({"series": name, "values": format!("{value}x{MINUTES}")}));
    }
    series
}

/// Runs `promtool test rules` with one test; JSON is valid YAML.
fn promtool(folder: &Path, series: &[Value], expected: Vec<Value>) -> Result<(), String> {
    let test = json!({
        "rule_files": ["serin.rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": expected}],
    });
    let file = folder.join("test.json");
    envoy::write_file(&file, &test.to_string())?;
    let output = run(Command::new(program("promtool")?).args(["test", "rules"]).arg(file))?;
    if output.status.success() { Ok(()) } else { Err(text(&output)) }
}

/// `promtool` must fail for a wrong minute.
pub(super) fn promtool_can_fail() -> Result<(), String> {
    let folder = envoy::create_folder("rules-can-fail")?;
    export("prometheus", &spec("{}"), &folder, &[])?;
    let counters = counters_by_minute(0, [60_000, 10_000]);
    let early = check_alert(&folder, &counters, Some(1));
    let never = check_alert(&folder, &counters, None);
    let _ = std::fs::remove_dir_all(folder);
    match (early, never) {
        (Err(_), Err(_)) => Ok(()),
        _ => Err("promtool accepts a wrong expectation".into()),
    }
}

/// Requests reach the canary, and their outcomes are counted, are not, or are dropped.
pub(super) fn blind_gate() -> Result<(), String> {
    let folder = envoy::create_folder("rules-blind")?;
    let rings = json!([{"attribute": "header.x-staff", "equals": "yes"}]);
    let mut with_rings = spec("{}");
    with_rings["rollouts"]["shop"]["canary"]["rings"] = rings;
    const COUNTED: &str = "0+400x60";
    const NONE: &str = "_x60";
    // Outcomes, dropped outcomes, and whether the alert fires after half an hour and after an hour.
    let cases = [
        ("all outcomes are evidence", &spec("{}"), COUNTED, "0x60", [0, 0]),
        ("the outcomes stop", &spec("{}"), "0+400x20 8000x40", "0x60", [0, 1]),
        ("there never was an outcome", &spec("{}"), NONE, NONE, [1, 1]),
        ("the outcomes are of another stage", &spec("{}"), COUNTED, COUNTED, [1, 1]),
        ("a tenth is of another stage", &spec("{}"), COUNTED, "0+40x60", [0, 0]),
        ("only rings have begun", &with_rings, NONE, NONE, [0, 0]),
        ("the outcomes stop, with rings", &with_rings, "0+400x20 8000x40", NONE, [0, 1]),
    ];
    for (name, spec, outcomes, dropped, fires) in cases {
        export("prometheus", spec, &folder, &[])?;
        let step = "serin_rollout=\"shop\",serin_epoch=\"3\",serin_step=\"0\",serin_arm=\"stable\"";
        let series = [
            json!({"series": "serin_rollout_arm_requests{serin_rollout=\"shop\",serin_arm=\"canary\"}", "values": "0+20x60"}),
            json!({"series": format!("serin_gate_epoch_step_arm_requests{{{step}}}"), "values": outcomes}),
            json!({"series": "serin_gate_dropped{serin_rollout=\"shop\",serin_reason=\"stage\"}", "values": dropped}),
        ];
        let expected = [28, 59].into_iter().zip(fires).map(|(minute, count): (u32, u32)| {
            let samples =
                if count == 0 { json!([]) } else { json!([{"labels": "{}", "value": count}]) };
            json!({
                "expr": "count(ALERTS{alertname=\"SerinGateBlind\",alertstate=\"firing\"})",
                "eval_time": format!("{minute}m"),
                "exp_samples": samples,
            })
        });
        promtool(&folder, &series, expected.collect()).map_err(|why| format!("{name}: {why}"))?;
    }
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}

pub(super) fn host_alerts() -> Result<(), String> {
    let folder = envoy::create_folder("rules-hosts")?;
    export("prometheus", &spec("{}"), &folder, &[])?;
    let series = [
        json!({"series": "serin_latch_aborted{serin_rollout=\"shop\",instance=\"a\"}", "values": "0x9 1x60"}),
        json!({"series": "serin_latch_aborted{serin_rollout=\"shop\",instance=\"b\"}", "values": "0x69"}),
        json!({"series": "serin_revision{instance=\"a\"}", "values": "7x69"}),
        json!({"series": "serin_revision{instance=\"b\"}", "values": "6x69"}),
    ];
    let firing = |name: &str, minute: u32, count: u32| {
        let samples =
            if count == 0 { json!([]) } else { json!([{"labels": "{}", "value": count}]) };
        json!({
            "expr": format!("count(ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}})"),
            "eval_time": format!("{minute}m"),
            "exp_samples": samples,
        })
    };
    let expected = vec![
        firing("SerinRolloutAborted", 9, 0),
        firing("SerinRolloutAborted", 10, 1),
        firing("SerinAbortNotEverywhere", 24, 0),
        firing("SerinAbortNotEverywhere", 25, 1),
        firing("SerinRevisionBehind", 14, 0),
        firing("SerinRevisionBehind", 15, 1),
        firing("SerinCanaryWorse", 60, 0),
    ];
    let result = promtool(&folder, &series, expected);
    let _ = std::fs::remove_dir_all(folder);
    result
}

/// Runs `promtool check rules` for a spec with every field, one with several gates, and random ones.
pub(super) fn rules_are_valid() -> Result<(), String> {
    let mut specs = vec![spec(r#"{"tolerate": 1.5, "minRatio": 2.5, "minDifference": 0.001}"#)];
    for file in ["tests/schema/whole_spec.yaml", "cli/tests/serin/guarded/spec.yaml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        specs.push(serde_saphyr::from_str(&text).map_err(|error| error.to_string())?);
    }
    let random_specs = (0..200).map(|seed| random::spec(&mut Random::new(seed)));
    specs.extend(random_specs.filter(|spec| spec["rollouts"].is_object()).take(20));
    for spec in specs {
        let folder = envoy::create_folder("rules-valid")?;
        export("prometheus", &spec, &folder, &["--interval", "15s"])?;
        let file = folder.join("serin.rules.yaml");
        let check = ["check", "rules", "--lint-fatal"];
        let output = run(Command::new(program("promtool")?).args(check).arg(&file))?;
        if !output.status.success() {
            let rules = std::fs::read_to_string(&file).unwrap_or_default();
            return Err(format!("{}\n{rules}", text(&output)));
        }
        let _ = std::fs::remove_dir_all(folder);
    }
    Ok(())
}
