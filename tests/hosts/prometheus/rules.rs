//! Rules by `promtool`: valid for every spec, and they fire in the very minute in which the core's own
//! gate, shown the same sums, aborts.

use super::{export, program, run, said};
use serde_json::{Value, json};
use serin_conformance::envoy;
use serin_conformance::random::{self, Random};
use serin_core::Plan;
use serin_core::gate::{Counters, Gate, Observation, StageEvidence, Tally, Verdict};
use std::path::Path;
use std::process::Command;

/// How long is watched, and how many requests of each arm a minute brings.
const MINUTES: usize = 120;
const REQUESTS: [u64; 2] = [20, 380];
/// How often chance is asked in each scenario.
const SEEDS: u64 = 4;

/// Traffic, and what the spec says of it.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// Errors of canary and baseline, in millionths of requests.
    errors: [u32; 2],
    /// `errors` of the spec's gates.
    gate: &'static str,
    fires: bool,
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "a failing canary", errors: [60_000, 10_000], gate: "{}", fires: true },
    Scenario { name: "a healthy canary", errors: [10_000, 10_000], gate: "{}", fires: false },
    Scenario { name: "a canary without errors", errors: [0, 10_000], gate: "{}", fires: false },
    Scenario { name: "a baseline without errors", errors: [40_000, 0], gate: "{}", fires: true },
    Scenario {
        name: "twice is tolerated, and twice it is",
        errors: [20_000, 10_000],
        gate: r#"{"tolerate": 2}"#,
        fires: false,
    },
    Scenario {
        name: "twice is tolerated, and it is twenty times",
        errors: [200_000, 10_000],
        gate: r#"{"tolerate": 2}"#,
        fires: true,
    },
    Scenario {
        name: "less than the ratio that matters",
        errors: [40_000, 10_000],
        gate: r#"{"minRatio": 20}"#,
        fires: false,
    },
    Scenario {
        name: "less than the difference that matters",
        errors: [40_000, 5_000],
        gate: r#"{"minDifference": 20}"#,
        fires: false,
    },
    Scenario {
        name: "a baseline that is unwell itself, and a canary that is as unwell",
        errors: [80_000, 80_000],
        gate: "{}",
        fires: false,
    },
    Scenario {
        name: "a baseline that is unwell itself, and a canary that is worse",
        errors: [600_000, 80_000],
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

/// The sums at the end of each minute, canary and baseline; at first nothing.
fn sums(seed: u64, errors: [u32; 2]) -> Vec<Counters> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tally = |requests: u64, ppm: u32| Tally {
        exposures: requests,
        events: (0..requests).filter(|_| random.u32(0..1_000_000) < ppm).count() as u64,
    };
    let mut all = vec![Counters::default()];
    for _ in 0..MINUTES {
        let minute = Counters {
            canary: tally(REQUESTS[0], errors[0]),
            baseline: tally(REQUESTS[1], errors[1]),
        };
        let before = all.last().copied().unwrap_or_default();
        all.push(before.merge(minute));
    }
    all
}

/// The first minute in which a gate that sees the sums as one batch aborts: what one expression over
/// counters can know.
fn by_sums(gate: &Gate, sums: &[Counters]) -> Option<usize> {
    let aborts = |(minute, sum): (usize, &Counters)| {
        let mut stage = StageEvidence::default();
        let elapsed_ms = 60_000 * minute as u64;
        gate.observe(
            &mut stage,
            &Observation { elapsed_ms, requests: *sum, ..Observation::default() },
        );
        gate.judge(&stage).verdict == Verdict::Abort
    };
    sums.iter().enumerate().position(aborts)
}

/// The first minute in which the gate that looks every minute aborts: what a host does.
fn by_minutes(gate: &Gate, sums: &[Counters]) -> Option<usize> {
    let mut stage = StageEvidence::default();
    let aborts = |pair: &[Counters]| {
        let requests = pair[1].since(pair[0]);
        gate.observe(
            &mut stage,
            &Observation { elapsed_ms: 60_000, requests, ..Observation::default() },
        );
        gate.judge(&stage).verdict == Verdict::Abort
    };
    sums.windows(2).position(aborts).map(|index| index + 1)
}

pub(super) fn agrees(scenario: &Scenario) -> Result<(), String> {
    let spec = spec(scenario.gate);
    let plan = Plan::from_json(spec.to_string().as_bytes()).map_err(|errors| errors.to_string())?;
    let trial = plan.rollouts().first().and_then(|rollout| rollout.trial());
    let gate = trial.ok_or("no gate")?.gate();
    let folder = envoy::folder(&format!("rules-{}", scenario.name.replace(' ', "-")))?;
    export("prometheus", &spec, &folder, &[])?;
    let mut as_meant = 0_u64;
    for seed in 0..SEEDS {
        let sums = sums(seed, scenario.errors);
        let (fires, host) = (by_sums(gate, &sums), by_minutes(gate, &sums));
        as_meant += u64::from(fires.is_some() == scenario.fires);
        // Whether batches are looked at one by one or together moves the moment a little.
        if let (Some(fires), Some(host)) = (fires, host)
            && fires.abs_diff(host) > 2 + host / 4
        {
            return Err(format!("seed {seed}: by sums in minute {fires}, at a host in {host}"));
        }
        check(&folder, &sums, fires).map_err(|why| format!("seed {seed}: {why}"))?;
    }
    let _ = std::fs::remove_dir_all(folder);
    // One may be due to chance: alpha is above 0.
    if as_meant + 1 < SEEDS {
        return Err(format!("as meant in {as_meant} of {SEEDS} runs"));
    }
    Ok(())
}

/// The rules fire from this minute on and not before it.
fn check(folder: &Path, sums: &[Counters], fires: Option<usize>) -> Result<(), String> {
    let alerts =
        "count(ALERTS{alertname=\"SerinCanaryWorse\",alertstate=\"firing\",serin_epoch=\"3\"})";
    let quiet = fires.unwrap_or(MINUTES);
    let firing = json!([{"labels": "{}", "value": 1}]);
    let at = |minute: usize, samples: &Value| json!({"expr": alerts, "eval_time": format!("{minute}m"), "exp_samples": samples});
    let mut expected: Vec<Value> = (0..quiet).map(|minute| at(minute, &json!([]))).collect();
    expected.extend(fires.map(|minute| at(minute, &firing)));
    promtool(folder, &series(sums), expected)
}

/// Two hosts that share the traffic, and an epoch that is over.
fn series(sums: &[Counters]) -> Vec<Value> {
    let mut series = Vec::new();
    type Read = fn(&Counters) -> u64;
    let counters: [(&str, &str, Read); 4] = [
        ("canary", "requests", |sum| sum.canary.exposures),
        ("canary", "errors", |sum| sum.canary.events),
        ("stable", "requests", |sum| sum.baseline.exposures),
        ("stable", "errors", |sum| sum.baseline.events),
    ];
    for (arm, what, read) in counters {
        for (instance, part) in [("a", 0), ("b", 1)] {
            let labels = format!(
                "serin_rollout=\"shop\",serin_epoch=\"3\",serin_step=\"0\",serin_arm=\"{arm}\",instance=\"{instance}\""
            );
            // Odd ones are the second host's; a counter that was never raised is not there.
            let of = |sum: &Counters| (read(sum) + part) / 2;
            let value = |sum: &Counters| match of(sum) {
                0 => "_".to_owned(),
                value => value.to_string(),
            };
            let values: Vec<String> = sums.iter().map(value).collect();
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

/// `promtool test rules` on one test; JSON is YAML.
fn promtool(folder: &Path, series: &[Value], expected: Vec<Value>) -> Result<(), String> {
    let test = json!({
        "rule_files": ["serin.rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": expected}],
    });
    let file = folder.join("test.json");
    envoy::write(&file, &test.to_string())?;
    let output = run(Command::new(program("promtool")?).args(["test", "rules"]).arg(file))?;
    if output.status.success() { Ok(()) } else { Err(said(&output)) }
}

/// Told the wrong minute, `promtool` has to complain.
pub(super) fn can_fail() -> Result<(), String> {
    let folder = envoy::folder("rules-can-fail")?;
    export("prometheus", &spec("{}"), &folder, &[])?;
    let sums = sums(0, [60_000, 10_000]);
    let (early, never) = (check(&folder, &sums, Some(1)), check(&folder, &sums, None));
    let _ = std::fs::remove_dir_all(folder);
    match (early, never) {
        (Err(_), Err(_)) => Ok(()),
        _ => Err("promtool agrees with everything".into()),
    }
}

pub(super) fn hosts() -> Result<(), String> {
    let folder = envoy::folder("rules-hosts")?;
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
    let outcome = promtool(&folder, &series, expected);
    let _ = std::fs::remove_dir_all(folder);
    outcome
}

/// `promtool check rules` on a spec with everything, on one with several gates, and on some by chance.
pub(super) fn valid() -> Result<(), String> {
    let mut specs = vec![spec(r#"{"tolerate": 1.5, "minRatio": 2.5, "minDifference": 0.001}"#)];
    for file in ["tests/schema/whole_spec.yaml", "cli/tests/serin/guarded/spec.yaml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        specs.push(serde_saphyr::from_str(&text).map_err(|error| error.to_string())?);
    }
    let by_chance = (0..200).map(|seed| random::spec(&mut Random::new(seed)));
    specs.extend(by_chance.filter(|spec| spec["rollouts"].is_object()).take(20));
    for spec in specs {
        let folder = envoy::folder("rules-valid")?;
        export("prometheus", &spec, &folder, &["--interval", "15s"])?;
        let file = folder.join("serin.rules.yaml");
        let check = ["check", "rules", "--lint-fatal"];
        let output = run(Command::new(program("promtool")?).args(check).arg(&file))?;
        if !output.status.success() {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            return Err(format!("{}\n{text}", said(&output)));
        }
        let _ = std::fs::remove_dir_all(folder);
    }
    Ok(())
}
