//! The dialect of Flagger.

use super::dialect::{Dialect, Reasons};
use super::draft::{Draft, Mode};
use super::node::{Kind, Node};
use super::notes::Notes;
use super::steps::{ALL, Hold, Step, percent, share};
use super::{condition, duration};
use serde_json::{Value, json};

pub(super) const DIALECT: Dialect = Dialect {
    group: "flagger.app",
    kind: "Canary",
    read,
    renamed: (OLD_ANALYSIS, "spec.analysis"),
    reasons: REASONS,
};

const PODS: &str = "pods stay with Flagger";
const ROUTER: &str =
    "Serin decides in the proxy, which routes on x-serin-arm: serin export writes that";
const HOOKS: &str = "Serin calls nobody; a person or a pipeline edits the spec";

const REASONS: Reasons = &[
    ("spec.targetRef", PODS),
    ("spec.autoscalerRef", PODS),
    ("spec.ingressRef", PODS),
    ("spec.upstreamRef", PODS),
    ("spec.routeRef", PODS),
    ("spec.progressDeadlineSeconds", PODS),
    ("spec.revertOnDeletion", PODS),
    ("spec.metricsServer", "a gate counts by itself"),
    ("spec.provider", ROUTER),
    ("spec.service", ROUTER),
    ("spec.skipAnalysis", "a spec skips by a share of 100 without steps and gates"),
    ("spec.suspend", "a rollout waits in a step with hold: manual"),
    ("spec.analysis.alerts", HOOKS),
    ("spec.analysis.webhooks", HOOKS),
    (
        "spec.analysis.threshold",
        "a gate may evaluate at any time and needs no number of failed checks",
    ),
    ("spec.analysis.maxWeight", "the last of stepWeights counts, or it is not a weight up to 100"),
    ("spec.analysis.canaryReadyThreshold", PODS),
    ("spec.analysis.primaryReadyThreshold", PODS),
    ("spec.analysis.stepWeightPromotion", "the arms' targets do not change places"),
    (
        "spec.analysis.sessionAffinity.primaryCookieName",
        "one cookie names the unit, whichever arm it is in",
    ),
    ("spec.analysis.sessionAffinity", "the unit's cookie is HttpOnly and SameSite=Lax, for a year"),
    (
        "spec.analysis.metrics",
        "a gate compares with the baseline, by errors, latency and KPI events (gates.kpi)",
    ),
];

/// The former path of `spec.analysis`.
const OLD_ANALYSIS: &str = "spec.canaryAnalysis";
/// Flagger's default interval.
const DEFAULT_INTERVAL_MS: u64 = 60_000;
/// Flagger's minimum interval.
const MIN_INTERVAL_MS: u64 = 10_000;
/// Flagger's default of `maxWeight`.
const DEFAULT_MAX_WEIGHT: u32 = 100;

fn read(document: &Node, notes: &mut Notes, draft: &mut Draft) {
    let Some(spec) = document.get("spec") else { return };
    let service = spec.text_at("service.name").or_else(|| spec.text_at("targetRef.name"));
    let service = service.map_or_else(|| draft.name.clone(), str::to_owned);
    draft.targets = [format!("{service}-primary"), format!("{service}-canary")];
    if let Some(node) = spec.get("service") {
        route(node, notes, draft);
    }
    let analysis = spec.get("analysis").or_else(|| document.get(OLD_ANALYSIS));
    let Some(analysis) = analysis else {
        draft.mode = Mode::Steps(vec![Step::new(ALL, Hold::Last)]);
        return notes.node(spec, "has no analysis: everybody gets the canary at start");
    };
    draft.mode = Mode::Steps(steps(analysis, notes));
    for item in analysis.get("match").map(Node::items).unwrap_or_default() {
        ring(item, notes, draft);
    }
    for metric in analysis.get("metrics").map(Node::items).unwrap_or_default() {
        self::metric(metric, notes, draft);
    }
    for hook in analysis.get("webhooks").map(Node::items).unwrap_or_default() {
        webhook(hook, notes);
    }
    if let Some(affinity) = analysis.get("sessionAffinity") {
        draft.cookie = affinity.text_at("cookieName").map(str::to_owned);
    }
    shadow(analysis, notes, draft);
}

/// Reads the hosts and paths of the rollout.
fn route(service: &Node, notes: &mut Notes, draft: &mut Draft) {
    let hosts = service.get("hosts").map(Node::items).unwrap_or_default();
    draft.hosts = hosts.iter().filter_map(Node::text).map(str::to_owned).collect();
    if draft.hosts.iter().any(|host| host == "*") {
        draft.hosts.clear();
    }
    let Some(matches) = service.get("match") else { return };
    let mut everything = matches.items().is_empty();
    for item in matches.items() {
        let narrower = item.entries().iter().any(|(key, _)| key != "uri" && key != "name");
        let kinds = ["prefix", "exact"];
        let path = kinds.iter().find_map(|kind| Some((*kind, item.get("uri")?.text_at(kind)?)));
        match path {
            Some(("prefix", "/")) if !narrower => everything = true,
            Some((kind, path)) if path.starts_with('/') && !narrower => {
                draft.paths.push(json!({kind: path}));
            }
            _ => notes.dropped(item, "a rollout is for hosts and for paths, exact or by prefix"),
        }
    }
    if everything {
        draft.paths.clear();
    } else if draft.paths.is_empty() {
        notes.node(matches, "leaves no path, so the rollout is for all paths: add match.paths");
    }
}

/// The steps of the rollout: of a canary by weights, of a blue/green or an A/B test by iterations.
fn steps(analysis: &Node, notes: &mut Notes) -> Vec<Step> {
    let interval = interval(analysis, notes);
    let number = |field: &str| analysis.get(field)?.parsed(|text| text.parse::<u32>().ok());
    let weight =
        |node: &Node| node.parsed(|text| text.parse().ok().filter(|weight| *weight <= 100));
    let all = Step::new(ALL, Hold::Last);
    if let Some(iterations) = number("iterations").filter(|iterations| *iterations > 0) {
        let hold = interval.saturating_mul(iterations.into());
        for node in
            ["stepWeight", "stepWeights", "maxWeight"].iter().filter_map(|key| analysis.get(key))
        {
            notes.dropped(node, "iterations count, and weights do not");
        }
        return vec![Step::new(0, Hold::For(hold)), all];
    }
    let list = analysis.get("stepWeights");
    let weights: Vec<u32> = list.map_or(&[][..], Node::items).iter().filter_map(weight).collect();
    let step = number("stepWeight").filter(|step| *step > 0);
    let weights = match (step, weights.last()) {
        (None, Some(_)) => weights,
        (Some(step), Some(last)) => {
            if let Some(list) = list {
                notes.node(list, "becomes its last weight, because stepWeight takes precedence");
            }
            multiples(step, *last)
        }
        (step, None) => {
            let max = analysis.get("maxWeight").and_then(weight).unwrap_or(DEFAULT_MAX_WEIGHT);
            multiples(step.unwrap_or(max), max)
        }
    };
    let step = |weight: u32| Some(Step::new(share(weight, 100)?, Hold::For(interval)));
    let mut steps: Vec<Step> = weights.into_iter().filter_map(step).collect();
    steps.retain(|step| step.share < ALL);
    steps.push(all);
    steps
}

/// The multiples of `step` below `max`, then `max`.
fn multiples(step: u32, max: u32) -> Vec<u32> {
    let weights = (1..).map(|times| step.max(1).saturating_mul(times));
    weights.take_while(|weight| *weight < max).chain([max]).collect()
}

/// The duration of a step, in ms.
fn interval(analysis: &Node, notes: &mut Notes) -> u64 {
    let Some(node) = analysis.get("interval") else { return DEFAULT_INTERVAL_MS };
    let Some(ms) = node.parsed(duration::parse) else { return DEFAULT_INTERVAL_MS };
    if ms < MIN_INTERVAL_MS {
        notes.node(node, "becomes 10s, Flagger's minimum");
    }
    ms.max(MIN_INTERVAL_MS)
}

/// Reads a block of `match` as a ring: requests that always get the canary.
fn ring(item: &Node, notes: &mut Notes, draft: &mut Draft) {
    match condition::block(item, notes) {
        Ok(Some(when)) => {
            let name = format!("{}-match-{}", draft.name, draft.rings.len() + 1);
            draft.rings.push((name, when));
        }
        Ok(None) => notes.node(item, "matches every request, and becomes no ring"),
        Err(()) => {}
    }
}

fn metric(metric: &Node, notes: &mut Notes, draft: &mut Draft) {
    let (kind, what) = match metric.get("name").map(|name| &name.kind) {
        Some(Kind::Scalar(name)) if name == "request-success-rate" => ("errors", "errors are"),
        Some(Kind::Scalar(name)) if name == "request-duration" => ("latency", "latency is"),
        _ => return,
    };
    draft.gate(kind);
    notes.replaced(metric, &format!(
        "becomes gates.{kind}: the canary's {what} compared with the baseline's at all times, not with a fixed number"
    ));
}

fn webhook(hook: &Node, notes: &mut Notes) {
    let kind = hook.get("type");
    let reason = match kind.and_then(Node::text) {
        Some("confirm-rollout" | "confirm-traffic-increase" | "confirm-promotion") => {
            "a step with hold: manual waits for a person, one with mode: gate for the evidence"
        }
        Some("rollback") => {
            "the gate aborts by itself; a person does it with hold: manual at a share of 0"
        }
        Some("event") => "hosts log every decision and count by arm",
        _ => HOOKS,
    };
    notes.dropped(hook, reason);
}

fn shadow(analysis: &Node, notes: &mut Notes, draft: &mut Draft) {
    let weight = analysis.get("mirrorWeight");
    let Some(node) = analysis.get("mirror") else { return };
    if !node.is_true() {
        return;
    }
    let share = weight.and_then(|node| node.parsed(|text| share(text.parse().ok()?, 100)));
    let percent: Value = percent(share.unwrap_or(ALL));
    draft.shadow = Some(json!({"arm": "canary", "percent": percent}));
    notes.node(node, "becomes the rollout's shadow, which lasts until the spec changes and copies GET and HEAD alone");
}
