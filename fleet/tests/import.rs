//! Manifests of other tools whose meaning is easily missed.

use serde_json::{Value, json};
use serin_fleet::import::{Import, Note, Options, Tool, import};

/// The only rollout of the imported spec, and the notes.
#[track_caller]
fn imported(tool: Tool, manifest: &str) -> (Value, String) {
    let Import { spec, notes, .. } = import(tool, manifest, &Options::default()).expect("a spec");
    let spec: Value = serde_saphyr::from_str(&spec).expect("YAML");
    let rollouts = spec["rollouts"].as_object().expect("rollouts");
    let notes: Vec<String> = notes.iter().map(Note::to_string).collect();
    (rollouts.values().next().expect("one").clone(), notes.join("\n"))
}

fn flagger(service: &str, analysis: &str) -> (Value, String) {
    imported(
        Tool::Flagger,
        &format!(
            "apiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {{ name: shop }}\nspec:\n  \
             targetRef: {{ name: shop }}\n  service: {{ {service} }}\n  analysis:\n    {analysis}\n"
        ),
    )
}

fn argo(canary: &str) -> (Value, String) {
    let steps = "[ { setWeight: 5 }, { pause: { duration: 1m } } ]";
    argo_steps(steps, canary)
}

fn argo_steps(steps: &str, canary: &str) -> (Value, String) {
    imported(
        Tool::Argo,
        &format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{ name: shop }}\nspec:\n  \
             strategy:\n    canary:\n      steps: {steps}\n      {canary}\n"
        ),
    )
}

fn shares(rollout: &Value) -> Vec<Value> {
    let steps = rollout["canary"]["steps"].as_array().expect("steps");
    steps.iter().map(|step| step["share"].clone()).collect()
}

#[test]
fn merge_keys_are_resolved() {
    let analysis = "<<: [ &one { interval: 30s, stepWeight: 20 }, { stepWeight: 5, maxWeight: 60 } ]\n    maxWeight: 40";
    let (rollout, notes) = flagger("port: 80", analysis);
    assert_eq!(rollout["canary"]["steps"][0], json!({"hold": "30s", "share": 20}));
    assert_eq!(shares(&rollout), [20, 40, 100]);
    assert!(!notes.contains("<<"), "{notes}");
    let (rollout, notes) = flagger("port: 80", "<<: text\n    stepWeight: 50");
    assert_eq!(shares(&rollout), [50, 100]);
    assert!(notes.contains("spec.analysis.<< has no counterpart"), "{notes}");
}

#[test]
fn booleans_of_yaml_1_1_are_booleans() {
    for (text, meant) in
        [("yes", true), ("On", true), ("TRUE", true), ("off", false), ("No", false)]
    {
        let (rollout, notes) = flagger("port: 80", &format!("mirror: {text}\n    stepWeight: 50"));
        assert_eq!(rollout["shadow"].is_object(), meant, "{text}");
        assert!(!notes.contains("mirror has no counterpart"), "{text}: {notes}");
    }
}

#[test]
fn match_for_everything_removes_the_others() {
    let hosts = r#"hosts: [ a.example.com, "*" ]"#;
    let paths = "match: [ { uri: { exact: /a } }, { uri: { prefix: / } } ]";
    let (rollout, _) = flagger(&format!("{hosts}, {paths}"), "stepWeight: 50");
    assert!(rollout["match"].is_null(), "{rollout}");
}

#[test]
fn match_that_becomes_wider_is_noted() {
    let (rollout, notes) =
        flagger("match: [ { uri: { regex: \"/p/[0-9]+\" } } ]", "stepWeight: 50");
    assert!(rollout["match"]["paths"].is_null());
    assert!(
        notes.contains("spec.service.match leaves no path, so the rollout is for all paths"),
        "{notes}"
    );
}

#[test]
fn invalid_weights_are_noted() {
    let (rollout, notes) = flagger("port: 80", "stepWeights: [ 5, 200, 20 ]\n    maxWeight: 50");
    assert_eq!(shares(&rollout), [5, 20, 100]);
    for part in ["stepWeights[1]", "maxWeight"] {
        assert!(notes.contains(&format!("spec.analysis.{part} has no counterpart")), "{notes}");
    }
    let (rollout, notes) = flagger("port: 80", "stepWeight: 60\n    maxWeight: 200");
    assert_eq!(shares(&rollout), [60, 100]);
    assert!(notes.contains("spec.analysis.maxWeight has no counterpart"), "{notes}");
}

/// With both, Flagger counts by stepWeight up to the last of stepWeights.
#[test]
fn step_weight_takes_precedence_over_step_weights() {
    let (rollout, notes) = flagger("port: 80", "stepWeight: 20\n    stepWeights: [ 1, 50 ]");
    assert_eq!(shares(&rollout), [20, 40, 50, 100]);
    assert!(notes.contains("spec.analysis.stepWeights becomes its last weight"), "{notes}");
}

#[test]
fn interval_below_flaggers_minimum_is_raised() {
    let (rollout, notes) =
        flagger("port: 80", "interval: 1s\n    iterations: 0\n    stepWeight: 50");
    assert_eq!(rollout["canary"]["steps"][0], json!({"hold": "10s", "share": 50}));
    assert!(notes.contains("spec.analysis.interval becomes 10s, Flagger's minimum"), "{notes}");
}

/// A dry run, or an analysis that starts later, becomes a gate that may abort from the first step on.
#[test]
fn gate_that_does_more_than_the_analysis_is_noted() {
    let run = "analysis: { startingStep: 2, templates: [ { templateName: t } ], dryRun: [ { metricName: m } ] }";
    let (rollout, notes) = argo(run);
    assert!(rollout["gates"].is_object());
    assert!(
        notes.contains("analysis.startingStep has no counterpart: gates judge every step"),
        "{notes}"
    );
    assert!(notes.contains("analysis.dryRun has no counterpart: a gate may abort"), "{notes}");
}

#[test]
fn pause_of_no_time_is_no_step() {
    let steps = "[ { setWeight: 5 }, { pause: { duration: 0s } }, { setWeight: 20 }, { pause: { duration: 0 } }, { pause: { duration: 1m } } ]";
    let (rollout, notes) = argo_steps(steps, "maxSurge: 1");
    assert_eq!(shares(&rollout), [20, 100]);
    for index in [1, 3] {
        assert!(
            notes.contains(&format!("steps[{index}].pause becomes no step: it lasts no time")),
            "{notes}"
        );
    }
}
