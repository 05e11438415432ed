//! `serin replay-audit` with records of the core's monitor.

use crate::check::folder;
use crate::command::{outcome, serin};
use serin_core::gate::{Exposure, Latch, Monitor, Outcome, Tallies};
use serin_core::{Bucket, Plan};
use std::io::Write;
use std::process::Stdio;

/// The start of the rollout, 2026-11-21T09:00:00Z.
const START: u64 = 1_795_251_600_000;

fn shop() -> Plan {
    let value = std::fs::read_to_string(folder("gates").join("shop.json")).unwrap();
    Plan::from_json(value.as_bytes()).unwrap()
}

/// The records of a pause without traffic, and of a failing canary.
fn records() -> [String; 2] {
    let plan = shop();
    let (id, _) = plan.arm_named("shop", "canary").unwrap();
    let rollout = plan.rollout(id).unwrap();
    let trial = rollout.trial().unwrap();
    let mut latch = Latch::new("shop");
    let mut monitor = Monitor::default();
    assert_eq!(monitor.evaluate(&plan, id, None, &mut latch, START), None);
    let quiet = monitor.evaluate(&plan, id, None, &mut latch, START + 60_000).unwrap();
    let current = rollout.current_stage(Some(&latch), START + 61_000).unwrap();
    let mut tallies = Tallies::new(current.stage, trial);
    for number in 0..2000 {
        let bucket = Bucket::from_number(number * 5).unwrap();
        let canary = bucket.number() < 1000;
        let (rollout, stage) = (id, current.stage);
        let exposure =
            Exposure { rollout, stage, canary, bucket, cohorts: 0, kpi: false, counts: true };
        let status = if canary { 503 } else { 200 };
        tallies.record(trial, &exposure, &Outcome { status, ..Outcome::default() });
    }
    let abort = monitor.evaluate(&plan, id, Some(&tallies), &mut latch, START + 90_000).unwrap();
    [quiet.to_json(), abort.to_json()]
}

fn replay(arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut command = serin();
    command.current_dir(folder("gates")).arg("replay-audit").args(arguments).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    outcome(&child.wait_with_output().unwrap())
}

/// 200·(ln 1.5 − ln 1.005) of ln(5·3·3/0.005): five alternatives, three steps with both arms, three kinds of evidence, α
/// halved for the cohort. Of 2,000 requests at risk, 200 are the canary's: 200·(ln 1.5 − ln 1.05).
const REASON: &str = "errors by bucket, 1.5 times: 80.09 of 9.10 nats; \
                      errors by bucket and request, 1.5 times: 71.33 of 9.10 nats";

#[test]
fn records_agree_with_their_replay() {
    let [quiet, abort] = records();
    let log = format!(
        "[2026-11-21 09:01:00.000][12][info][wasm] [source/x.cc:1] wasm log serin: {quiet}\n\
         [2026-11-21 09:01:01.000][12][info][main] nothing to see\n{abort} \"more\" {{\n"
    );
    let (code, out, err) = replay(&[], &log);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert_eq!(
        out,
        format!(
            "   1: 2026-11-21T09:01:00Z shop, epoch 0, step 0: pause: too few requests a minute\n   \
             3: 2026-11-21T09:01:30Z shop, epoch 0, step 0: abort: {REASON}\n\
             2 records: same verdict and likelihoods\n"
        )
    );
    // The records were made with this spec, in YAML or JSON, and not with another one.
    for spec in ["shop.yaml", "shop.json"] {
        let (code, out, _) = replay(&["--spec", spec, "-"], &log);
        assert_eq!(code, 0, "{out}");
    }
    let (code, out, _) = replay(&["--spec", "../findings/new.yaml"], &log);
    assert_eq!(code, 1);
    assert!(out.contains("differs: digest: the record was made with "), "{out}");
}

#[test]
fn records_are_found_in_any_order_and_number() {
    let [quiet, abort] = records();
    let sorted: serde_json::Value = serde_json::from_str(&abort).unwrap();
    let sorted = sorted.to_string();
    assert!(!sorted.contains("{\"audit\":"), "{sorted}");
    // A line of JSON without a record, a line with two, and a record in another key order.
    let other = "{\"some\":[{\"n\":1,\"audit\":2}],\"digest\":\"\"}";
    let log = format!("{other}\n{quiet}{abort}\nlog: {sorted}\n");
    let (code, out, err) = replay(&[], &log);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.ends_with("3 records: same verdict and likelihoods\n"), "{out}");
    let (code, _, err) = replay(&[], &sorted[..sorted.len() / 2]);
    assert_eq!((code, err.as_str()), (2, "error: line 1: the record is truncated\n"));
}

#[test]
fn control_characters_of_records_are_escaped() {
    let [_, abort] = records();
    let hostile = abort.replacen("\"shop\"", "\"\\u001b[2Jshop\\n  9: all is well\"", 1);
    assert!(hostile != abort);
    let (_, out, err) = replay(&[], &hostile);
    assert!(!out.contains('\u{1b}') && !err.contains('\u{1b}'), "{out}{err}");
    assert!(out.contains("\\u{1b}[2Jshop\\n  9"), "{out}");
}

#[test]
fn every_change_of_a_record_is_a_difference() {
    let [_, abort] = records();
    for (from, to, why) in [
        ("\"abort\"", "\"continue\"", "verdict: the record says continue, replaying abort"),
        ("80.09", "80.10", "reason: the record says errors by bucket, 1.5 times: 80.10 of"),
        ("\"threshold\":59", "\"threshold\":58", "likelihoods[0].threshold: the record says 5"),
        ("\"buckets\":[1000,200,", "\"buckets\":[1000,20,", "likelihoods[0].level: the record"),
    ] {
        let changed = abort.replacen(from, to, 1);
        assert!(changed != abort, "{from}");
        let (code, out, _) = replay(&[], &changed);
        assert_eq!(code, 1, "{from}: {out}");
        assert!(out.contains(why), "{out}");
    }
    // Differences that only the spec reveals.
    for (from, to, why) in [
        ("\"share\":1000", "\"share\":2000", "share: the record says 2000, the spec 1000"),
        ("\"revision\":7", "\"revision\":8", "revision: the record says 8, the spec 7"),
        ("\"epoch\":0", "\"epoch\":1", "epoch: the record says 1, the spec 0"),
        ("\"minRate\":100", "\"minRate\":10", "gate: the record's settings are not the spec's"),
    ] {
        let changed = abort.replacen(from, to, 1);
        assert!(changed != abort, "{from}");
        assert_eq!(replay(&[], &changed).0, 0, "{from}");
        let (code, out, _) = replay(&["--spec", "shop.yaml"], &changed);
        assert_eq!(code, 1);
        assert!(out.contains(why), "{out}");
    }
}

#[test]
fn unreadable_records_exit_with_two() {
    let [_, abort] = records();
    let (code, out, err) = replay(&[], &format!("{}\n{abort}", &abort[..abort.len() / 2]));
    assert_eq!((code, err.as_str()), (2, "error: line 1: the record is truncated\n"), "{out}");
    assert!(out.ends_with("2 records: 1 the same, 0 different, 1 unreadable\n"), "{out}");
    let (code, _, err) = replay(&[], "{\"audit\":2}");
    assert_eq!(code, 2);
    assert!(err.contains("line 1: the record has no field gate"), "{err}");
    let (code, _, err) = replay(&["shop.yaml"], "");
    assert_eq!((code, err.as_str()), (2, "error: shop.yaml: the file has no audit records\n"));
    let (_, _, err) = replay(&[], "");
    assert_eq!(err, "error: standard input: the file has no audit records\n");
    assert_eq!(replay(&["none.jsonl"], "").0, 2);
}
