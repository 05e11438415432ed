//! Snapshots of `serin check --rps`: its text and JSON.

use crate::check::{folder, same};
use crate::command::{outcome, serin};
use serde_json::Value;

fn check(arguments: &[&str]) -> (i32, String, String) {
    let mut command = serin();
    command.current_dir(folder("gates")).args(["check", "--at", "2026-11-21T12:00:00Z"]);
    outcome(&command.args(arguments).output().unwrap())
}

#[test]
fn forecasts_are_unchanged() {
    let (code, out, err) = check(&["--rps", "200", "shop.yaml"]);
    assert_eq!((code, err.as_str()), (0, ""));
    same(&folder("gates").join("planner.txt"), &out);
    assert_eq!(check(&["--rps", "200", "--deny-warnings", "shop.yaml"]).0, 1);
    let allowed = ["--rps", "200", "--deny-warnings", "--allow", "decorative-gate", "shop.yaml"];
    assert_eq!(check(&allowed).0, 0);
    // With this traffic no gate is decorative.
    let (code, out, _) = check(&["--rps", "shop=50000", "--deny-warnings", "shop.yaml"]);
    assert_eq!(code, 0, "{out}");
    // Without expected traffic there are no forecasts.
    let (_, out, _) = check(&["--allow", "steerable-gate", "shop.yaml"]);
    assert_eq!(out.lines().count(), 1, "{out}");
}

#[test]
fn json_has_the_same_forecasts() {
    let (code, out, _) = check(&["--rps", "200", "--format", "json", "shop.yaml"]);
    assert_eq!(code, 0);
    let document: Value = serde_json::from_str(&out).unwrap();
    let gates = &document["files"][0]["gates"][0];
    assert_eq!(
        (&gates["path"], &gates["requestsPerMinute"]),
        (&"rollouts.shop".into(), &12_000.into())
    );
    assert_eq!(gates["steps"].as_array().unwrap().len(), 4);
    let (_, text, _) = check(&["--rps", "200", "shop.yaml"]);
    for step in gates["steps"].as_array().unwrap() {
        for gate in step["gates"].as_array().unwrap() {
            for regression in gate["regressions"].as_array().unwrap() {
                let needed = regression["canaryRequests"].as_u64().unwrap();
                let grouped = format!("{},{:03}", needed / 1000, needed % 1000);
                let shown = if needed < 1000 { needed.to_string() } else { grouped };
                assert!(text.contains(&format!(" {shown}")), "{shown}");
            }
        }
    }
    let (_, out, _) = check(&["--rps", "200", "--format", "sarif", "shop.yaml"]);
    let log: Value = serde_json::from_str(&out).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let rules: Vec<&str> = results.iter().filter_map(|result| result["ruleId"].as_str()).collect();
    let decorative = "decorative-gate";
    assert_eq!(rules, [decorative, decorative, decorative, "steerable-gate"]);
}

#[test]
fn gates_under_which_no_step_ends_are_reported() {
    let (_, out, _) = check(&["--rps", "0.5", "shop.yaml"]);
    let warning = "No step ends, and the gates can only abort: a step needs 100 requests a minute to end and gets 30. \
                   Without that obstacle:";
    assert!(out.contains(warning), "{out}");
    let (_, out, _) = check(&["--rps", "200", "--error-rate", "20", "shop.yaml"]);
    assert!(out.contains("more of the baseline's requests fail than 5 %"), "{out}");
    let (_, out, _) = check(&["--rps", "200", "shop.yaml"]);
    assert!(!out.contains("No step ends"), "{out}");
}

#[test]
fn wrong_traffic_exits_with_two() {
    for (arguments, why) in [
        (["--rps", "nothing"], "\"nothing\" is not a number"),
        (["--rps", "sho=5"], "no spec has a rollout \"sho\""),
        (["--error-rate", "0"], "0 is not between 0.0001 and 100 per cent"),
    ] {
        let (code, _, err) = check(&[arguments[0], arguments[1], "shop.yaml"]);
        assert_eq!(code, 2, "{err}");
        assert!(err.contains(why), "{err}");
    }
}
