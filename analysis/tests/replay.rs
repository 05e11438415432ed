//! Errors of records that cannot be replayed: path, kind and message. `core/tests/monitor.rs` replays the
//! records of a monitor.

use serde_json::{Value, json};
use serin_analysis::replay::{ReplayError, ReplayErrorKind, replay};
use serin_core::gate::Verdict;

/// The record of a rollout without traffic.
fn low_traffic() -> Value {
    json!({
        "audit": 2, "at": 60_000, "rollout": "shop", "epoch": 0, "step": 1, "digest": "0011223344556677",
        "verdict": "pause", "reason": "0 requests in 60000 ms",
        "gate": {
            "unit": "bucket", "alpha": 10_000, "stages": 2, "tolerated": 1000, "minDifference": 0,
            "minRatio": 1000, "minSamples": 50, "minRate": 100, "maxBaselineErrorRate": 5000,
            "lateFaultErrors": 1_000_000, "excluded": 2000, "promotionAlpha": 50_000,
        },
        "quiet": { "requests": 0, "elapsed": 60_000 },
    })
}

/// The record of an observation without requests.
fn observation() -> Value {
    let mut record = low_traffic();
    let (none, zero) = ([0; 4], [0; 5]);
    let late = vec![json!({ "level": 0, "since": none }); 5];
    let errors = json!({ "counters": none, "levels": zero, "late": late, "promotion": 0 });
    record["quiet"].take();
    record["before"] = json!({
        "elapsed": 0, "minute": [0, 0], "sinceMinute": [0, 0], "requests": none,
        "errors": errors, "confirming": errors, "recent": none, "kpi": none, "kpiLevels": zero, "latency": [],
    });
    record["look"] = json!({
        "elapsed": 1000, "requests": none, "buckets": none, "atRisk": none, "kpi": none,
        "conversions": none, "latency": [{}, {}], "passed": [],
    });
    record["likelihoods"] = json!([]);
    record
}

/// The record of a shadow whose answers were compared.
fn shadow() -> Value {
    let mut record = low_traffic();
    let zero = [0; 5];
    record["shadow"] = json!({
        "tolerated": 1000, "stages": 2, "threshold": 0, "compared": [10, 1], "before": zero, "after": zero,
    });
    record
}

/// The error of a record with another value at a JSON pointer; `None` removes the value.
fn refused(mut record: Value, pointer: &str, value: Option<Value>) -> ReplayError {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = record.pointer_mut(parent).expect("is there");
    match value {
        Some(value) => parent[key] = value,
        None => drop(parent.as_object_mut().expect("an object").remove(key)),
    }
    replay(&record.to_string()).expect_err("refused")
}

#[track_caller]
fn says(error: &ReplayError, path: &str, kind: &ReplayErrorKind, message: &str) {
    assert_eq!((error.path().as_str(), error.kind()), (path, kind));
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_record_is_replayed() {
    let replayed = replay(&low_traffic().to_string()).expect("readable");
    assert_eq!(replayed.judgement.verdict, Verdict::Pause);
    assert_eq!((replayed.rollout.as_str(), replayed.step, replayed.at), ("shop", 1, 60_000));
    assert_eq!(replayed.settings.stages, 2);
    let replayed = replay(&observation().to_string()).expect("readable");
    assert!(!replayed.differences.is_empty(), "it says pause and has no likelihoods");
    assert!(replay(&shadow().to_string()).is_ok());
}

#[test]
fn an_error_names_the_object_and_the_field() {
    use ReplayErrorKind::{Missing, NotWhole, NotWholeNumbers, TooLarge, Type};
    let at = |pointer, value| refused(observation(), pointer, value);
    says(&at("/look/elapsed", None), "look.elapsed", &Missing, "look has no field elapsed");
    says(&at("/digest", None), "digest", &Missing, "the record has no field digest");
    let error = at("/epoch", Some(json!(-1)));
    says(&error, "epoch", &NotWhole, "the record.epoch: is not a whole number");
    let error = at("/before/elapsed", Some(json!(0.5)));
    says(&error, "before.elapsed", &NotWhole, "before.elapsed: is not a whole number");
    let error = at("/gate/alpha", Some(json!(1_u64 << 32)));
    says(&error, "gate.alpha", &TooLarge { given: 1 << 32 }, "gate.alpha: is too large");
    let kind = NotWholeNumbers { expected: 4 };
    let error = at("/look/kpi", Some(json!([1, 2, 3])));
    says(&error, "look.kpi", &kind, "look.kpi: is not 4 whole numbers");
    let kind = NotWholeNumbers { expected: 5 };
    let error = at("/before/errors/levels", Some(json!([0, 0, 0, 0, "0"])));
    says(&error, "before.errors.levels", &kind, "before.errors.levels: is not 5 whole numbers");
    let kind = Type { given: "a number", expected: "an object" };
    says(&at("/gate", Some(json!(7))), "gate", &kind, "gate is a number, must be an object");
    let error = at("/likelihoods", Some(json!([7])));
    says(&error, "likelihoods[0]", &kind, "likelihoods[0] is a number, must be an object");
    let kind = Type { given: "null", expected: "a list" };
    let error = at("/before/errors/late", Some(Value::Null));
    says(&error, "before.errors.late", &kind, "late is null, must be a list");
    let kind = Type { given: "a list", expected: "a text" };
    let error = at("/rollout", Some(json!([])));
    says(&error, "rollout", &kind, "rollout is a list, must be a text");
}

#[test]
fn an_error_names_the_value() {
    use ReplayErrorKind::{
        Edge, InferenceUnit, LatencyCount, Length, Settings, Share, Syntax, Type, Version,
        ZeroRatio,
    };
    let at = |pointer, value| refused(observation(), pointer, Some(value));
    let error = at("/audit", json!(1));
    let message = "audit: an audit record of version 1, written by an earlier Serin; this one reads version 2";
    says(&error, "audit", &Version { given: 1 }, message);
    let error = at("/audit", json!(3));
    let message =
        "audit: an audit record of version 3, written by another Serin; this one reads version 2";
    says(&error, "audit", &Version { given: 3 }, message);
    let kind = InferenceUnit { given: "user".into() };
    let message = "gate.unit: user is not bucket or request";
    says(&at("/gate/unit", json!("user")), "gate.unit", &kind, message);
    let message = "gate.excluded: is 0, a ratio must be above 0";
    says(&at("/gate/excluded", json!(0)), "gate.excluded", &ZeroRatio, message);
    let mut record = observation();
    record["gate"]["latency"] = json!({ "unit": "bucket", "tolerance": 0 });
    let edges = |edges: Value| refused(record.clone(), "/gate/latency/edges", Some(edges));
    let error = edges(json!(vec![255; serin_core::gate::EDGES]));
    says(
        &error,
        "gate.latency.edges",
        &Edge { given: 255 },
        "gate.latency.edges: 255 is not the number of an edge",
    );
    let error = edges(json!([24]));
    let kind = Length { given: 1, expected: serin_core::gate::EDGES };
    says(&error, "gate.latency.edges", &kind, "gate.latency.edges: has 1 items, must have 16");
    let bins = serin_core::gate::LATENCY_COUNTS;
    let error = at("/look/latency", json!([{ "x": 1 }, {}]));
    let message = format!("look.latency.x: is not a count of one of {bins} bins");
    says(&error, "look.latency.x", &LatencyCount { bins }, &message);
    let error = at("/gate/stages", json!(0));
    let Settings(mistakes) = error.kind() else { panic!("{error:?}") };
    let [mistake] = mistakes.as_slice() else { panic!("{error:?}") };
    assert_eq!((error.path(), error.to_string()), ("gate".into(), format!("gate: {mistake}")));
    let error = refused(shadow(), "/shadow/tolerated", Some(json!(100_001)));
    let message = "shadow.tolerated: 100001 is not a share: at most 100000 (100 %)";
    says(&error, "shadow.tolerated", &Share { given: 100_001 }, message);
    let kind = Type { given: "a list", expected: "an object" };
    let error = replay("[1]").expect_err("refused");
    says(&error, "", &kind, "the record is a list, must be an object");
    let error = replay("{").expect_err("refused");
    let Syntax { message } = error.kind() else { panic!("{error:?}") };
    assert_eq!(
        (error.path(), error.to_string()),
        ("".into(), format!("not a JSON document: {message}"))
    );
}
