//! Random specs and requests: every spec of the language compiles, decides every request, and explains
//! its decisions.

use super::totality::mutate;
use proptest::prelude::*;
use serde_json::{Map, Value};
use serin_conformance::native::{self, CaseHost};
use serin_conformance::protobuf;
use serin_conformance::random::{self, Random};
use serin_conformance::totality::{check_decision, compile};
use serin_core::{Decision, Plan, Recorder, decide, decide_with, evaluate_flag};

/// A random valid spec, and its plan.
fn valid_spec(random: &mut Random) -> (Value, Plan) {
    let spec = random::spec(random);
    let plan = Plan::from_json(spec.to_string().as_bytes());
    let plan = plan.unwrap_or_else(|errors| panic!("{errors}\n{spec}"));
    (spec, plan)
}

/// The JSON of a value with its keys in the opposite order.
fn reversed(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| {
                format!("{}: {}", Value::from(key.as_str()), reversed(value))
            };
            format!("{{ {} }}", entries.iter().rev().map(entry).collect::<Vec<_>>().join(" , "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(reversed).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// An explanation's steps of one flag.
struct ExplainedFlag {
    name: String,
    outcome: Value,
    rule: Option<String>,
    last_number: Option<Value>,
    holdout: Option<String>,
}

/// The flags of an explanation in the order in which they end, each with whether it is explained for
/// itself and not as another flag's requirement.
fn explained(steps: &[Value]) -> Vec<(bool, ExplainedFlag)> {
    let text = |step: &Value, key: &str| step[key].as_str().unwrap_or_default().to_string();
    let mut open: Vec<ExplainedFlag> = Vec::new();
    let mut done = Vec::new();
    for step in steps {
        let kind = step["step"].as_str().unwrap_or_default();
        if kind == "flag" {
            let name = text(step, "name");
            open.push(ExplainedFlag {
                name,
                outcome: Value::Null,
                rule: None,
                last_number: None,
                holdout: None,
            });
            continue;
        }
        let Some(flag) = open.last_mut() else { continue };
        match kind {
            "rule" => flag.rule = Some(text(step, "name")),
            "holdout" => flag.holdout = Some(text(step, "name")),
            "share" | "range" => flag.last_number = Some(step.clone()),
            "variant" => {
                flag.outcome = step.clone();
                let flag = open.pop().expect("it is open");
                done.push((open.is_empty(), flag));
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "a flag has no variant");
    done
}

/// Asserts that the explanation agrees with the decision about each flag and the arm.
fn check_explanation(
    plan: &Plan,
    record: &Value,
    recorder: &Recorder,
    facts: &serin_core::Facts<'_>,
) {
    let steps: Vec<Value> = serde_json::from_str(&recorder.to_json()).expect("a list");
    let text = recorder.to_text();
    assert_eq!(text.lines().count(), steps.len());
    let mut decided: Vec<&String> = Vec::new();
    let flags = record["flags"].as_object().cloned().unwrap_or_default();
    let all = explained(&steps);
    for (delivered, flag) in &all {
        let id = plan.flag_named(&flag.name).expect("the plan has the flag");
        let alone = evaluate_flag(plan, facts, id);
        let variant = plan.flags()[id.index()].variant(alone.variant).expect("it has the variant");
        assert_eq!(flag.outcome["name"], variant.name(), "{text}");
        assert_eq!(flag.outcome["value"], variant.json(), "{text}");
        let line =
            format!("→ variant {} = {} ({}", variant.name(), variant.json(), alone.reason.as_str());
        assert!(text.lines().any(|of_text| of_text.starts_with(&line)), "{line}\n{text}");
        if !delivered {
            continue;
        }
        decided.push(&flag.name);
        let recorded = &flags[&flag.name];
        assert_eq!(recorded["variant"], flag.outcome["name"], "{text}");
        check_outcome(recorded, &flag.outcome, &text);
        if let Some(rule) = recorded.get("rule") {
            assert_eq!(flag.rule.as_deref(), rule.as_str(), "{text}");
        }
        if let Some(holdout) = recorded.get("holdout") {
            assert_eq!(flag.holdout.as_deref(), holdout.as_str(), "{text}");
        }
        check_number(recorded, flag.last_number.as_ref(), &text);
    }
    assert_eq!(decided, flags.keys().collect::<Vec<_>>(), "{text}");
    check_rollout(record, &steps, &text);
}

fn check_outcome(recorded: &Value, step: &Value, text: &str) {
    assert_eq!(recorded["reason"], step["reason"], "{text}");
    assert_eq!(recorded.get("errorCode").unwrap_or(&Value::Null), &step["errorCode"], "{text}");
}

/// Asserts that the record has the bucket of the last share or range that was compared.
fn check_number(recorded: &Value, last: Option<&Value>, text: &str) {
    let Some(bucket) = recorded.get("bucket") else { return };
    let last = last.unwrap_or_else(|| panic!("no bucket is explained\n{text}"));
    assert_eq!(bucket, &last["bucket"], "{text}");
    match last["step"].as_str() {
        Some("share") => assert_eq!(recorded["share"], last["share"], "{text}"),
        _ => {
            let within = last["start"].as_u64()..last["end"].as_u64();
            assert!(within.contains(&bucket.as_u64()), "{text}");
        }
    }
}

fn check_rollout(record: &Value, steps: &[Value], text: &str) {
    let at = |kind: &str| steps.iter().position(|step| step["step"] == kind);
    let Some(rollout) = record.get("rollout") else {
        return assert!(at("noRollout") == Some(0) && at("arm").is_none(), "{text}");
    };
    let arm = at("arm").expect("an arm is explained");
    assert_eq!(steps[0]["name"], rollout["name"], "{text}");
    assert_eq!(steps[arm]["name"], rollout["arm"], "{text}");
    check_outcome(rollout, &steps[arm], text);
    let number = |steps: &[Value]| {
        steps.iter().rfind(|step| step["step"] == "share" || step["step"] == "range").cloned()
    };
    check_number(rollout, number(&steps[..arm]).as_ref(), text);
    let end = at("flag").unwrap_or(steps.len());
    let shadow = at("shadow").map(|shadow| &steps[shadow..end]);
    let copied = shadow.and_then(number).is_some_and(|step| step["holds"] == true);
    assert_eq!(rollout.get("shadow").is_some(), copied, "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 0, ..ProptestConfig::default() })]

    /// The order of keys, and the encoding as a protobuf Struct, do not change the plan.
    #[test]
    fn valid_specs_compile_in_every_form(seed in any::<u64>()) {
        let (spec, plan) = valid_spec(&mut Random::new(seed));
        let other = Plan::from_json(reversed(&spec).as_bytes()).expect("as valid_spec");
        prop_assert_eq!(plan.digest(), other.digest());
        let packed = Plan::from_json(&protobuf::encode(&spec));
        let packed = packed.unwrap_or_else(|errors| panic!("{errors}\n{spec}"));
        prop_assert_eq!(plan.digest(), packed.digest());
    }

    /// An explanation does not change the decision, and agrees with it.
    #[test]
    fn explanations_agree_with_decisions(seed in any::<u64>()) {
        let mut random = Random::new(seed);
        let (spec, plan) = valid_spec(&mut random);
        for _ in 0..10 {
            let case = random::request(&mut random);
            let fields = case.request.fields();
            let mut host = CaseHost::new(&case, |_| case.entropy());
            let facts = native::facts(&plan, &fields, &mut host);
            let (mut plain, mut explained) = (Decision::new(&plan), Decision::new(&plan));
            let mut recorder = Recorder::new();
            decide(&plan, &facts, &mut plain);
            decide_with(&plan, &facts, &mut explained, &mut recorder);
            prop_assert_eq!(&plain, &explained, "{}", spec);
            let record: Value = serde_json::from_str(&plain.record(&plan)).expect("JSON");
            check_explanation(&plan, &record, &recorder, &facts);
        }
    }

    /// Header fields of any bytes get a decision under any spec.
    #[test]
    fn decide_is_total_under_any_spec(
        seed in any::<u64>(), pairs in super::totality::pairs()
    ) {
        let (_, plan) = valid_spec(&mut Random::new(seed));
        check_decision(&plan, pairs.iter().map(|(name, value)| (&name[..], &value[..])));
    }

    /// A valid spec with any part replaced or removed, as JSON and as protobuf, with any bytes changed.
    #[test]
    fn compile_is_total_for_any_mutated_spec(
        seed in any::<u64>(),
        steps in prop::collection::vec(any::<prop::sample::Index>(), 1..9),
        new in prop::option::of(super::totality::json_value()),
        bytes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let (mut spec, _) = valid_spec(&mut Random::new(seed));
        mutate(&mut spec, &steps, &new);
        compile(spec.to_string().as_bytes());
        if !spec.is_object() {
            spec = Value::Object(Map::new());
        }
        let mut packed = protobuf::encode(&spec);
        compile(&packed);
        for (at, byte) in bytes {
            if !packed.is_empty() {
                *at.get_mut(&mut packed) = byte;
            }
            compile(&packed);
        }
    }
}
