//! The dialect of Flagger.

use super::beside::{self, Wanted};
use super::dialect::{Dialect, Reasons};
use super::draft::is_path;
use super::draft::{Draft, Mode};
use super::duration;
use super::node::{Kind, Node};
use super::notes::Notes;
use super::provider::{Matches, Provider};
use super::steps::{ALL, Hold, Step, percent, share};
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
    (
        "spec.analysis.mirrorWeight",
        "only istio copies a part of the requests, and only with mirror: true",
    ),
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

fn read(document: &Node, others: &[&Node], notes: &mut Notes, draft: &mut Draft) {
    let Some(spec) = document.get("spec") else { return };
    let service = spec.text_at("service.name").or_else(|| spec.text_at("targetRef.name"));
    let service = service.map_or_else(|| draft.name.clone(), str::to_owned);
    draft.targets = [format!("{service}-primary"), format!("{service}-canary")];
    let provider = Provider::of(spec);
    if let Some(node) = spec.get("service") {
        route(node, &provider, notes, draft);
    }
    let apex = spec.peek("service.name").or_else(|| spec.peek("targetRef.name"));
    let services = vec![apex.unwrap_or(&draft.name).to_owned()];
    let mut routes = wanted(spec, &provider);
    // With Istio and the Gateway API, Flagger writes the route itself.
    if routes.is_empty() && !provider.mirrors() && draft.hosts.is_empty() && draft.paths.is_empty()
    {
        routes = beside::leading(others, &services, spec);
    }
    beside::read(&routes, others, &services, draft, notes);
    let analysis = spec.get("analysis").or_else(|| document.get(OLD_ANALYSIS));
    let Some(analysis) = analysis else {
        draft.mode = Mode::Steps(vec![Step::new(ALL, Hold::Last)]);
        return notes.node(spec, "has no analysis: everybody gets the canary at start");
    };
    let mut steps = steps(analysis, &provider, notes);
    if let Some(matches) = analysis.get("match").filter(|node| !node.items().is_empty()) {
        steps = self::matches(matches, &provider, steps, analysis, notes, draft);
    }
    if shadow(analysis, &provider, notes, draft)
        && !has_iterations(analysis)
        && provider.has_weights()
    {
        // Flagger copies requests for one interval before it moves the first.
        steps.insert(0, Step::new(0, Hold::For(interval_ms(analysis))));
    }
    for hook in analysis.list("webhooks") {
        webhook(hook, &mut steps, notes);
    }
    draft.mode = Mode::Steps(steps);
    for metric in analysis.list("metrics") {
        self::metric(metric, notes, draft);
    }
    if let Some(affinity) = analysis.get("sessionAffinity") {
        draft.cookie = affinity.text_at("cookieName").map(str::to_owned);
    }
}

/// The manifests that say which requests there are, where Flagger does not write them itself.
fn wanted<'n>(spec: &'n Node, provider: &Provider<'_>) -> Vec<Wanted<'n>> {
    let (kind, field) = match provider.name {
        "nginx" | "skipper" => ("Ingress", "ingressRef"),
        "apisix" => ("ApisixRoute", "routeRef"),
        _ => return Vec::new(),
    };
    let Some(place) = spec.get(field) else { return Vec::new() };
    place.peek("name").map(|name| Wanted::new(kind, name, place)).into_iter().collect()
}

/// Reads `match` into rings, and returns the steps beside them.
fn matches(
    matches: &Node,
    provider: &Provider<'_>,
    steps: Vec<Step>,
    analysis: &Node,
    notes: &mut Notes,
    draft: &mut Draft,
) -> Vec<Step> {
    let by_weights = !has_iterations(analysis) && provider.has_weights();
    if provider.matches == Matches::Ignored && by_weights {
        notes.dropped(
            matches,
            &format!("provider {} routes by weights alone and reads no match", provider.name),
        );
        return steps;
    }
    if !provider.is_given {
        notes.node(matches, "is read as istio reads it, because the manifest names no provider");
    }
    if provider.matches != Matches::HeaderOrCookie && by_weights {
        notes.dropped(
            matches,
            "with weights Flagger gives a share of the matching requests the canary, and nobody else; a rollout has no such share, so everybody keeps the baseline until the last step",
        );
    } else {
        for when in provider.rings(matches, notes) {
            let name = format!("{}-match-{}", draft.name, draft.rings.len() + 1);
            draft.rings.push((name, when));
        }
    }
    if !by_weights {
        return steps;
    }
    // Whoever does not match keeps the baseline until the promotion.
    let holds = steps.iter().filter_map(|step| match step.hold {
        Hold::For(ms) => Some(ms),
        _ => None,
    });
    let total = holds.fold(0, u64::saturating_add);
    let first = match steps.iter().any(|step| step.hold == Hold::Manual) {
        true => Hold::Manual,
        false => Hold::For(total.max(MIN_INTERVAL_MS)),
    };
    notes.node(
        analysis,
        "has a match: those who do not match keep the baseline until the last step",
    );
    vec![Step::new(0, first), Step::new(ALL, Hold::Last)]
}

fn has_iterations(analysis: &Node) -> bool {
    analysis.peek("iterations").and_then(|text| text.parse::<u32>().ok()).is_some_and(|n| n > 0)
}

/// Reads the hosts and paths of the rollout.
fn route(service: &Node, provider: &Provider<'_>, notes: &mut Notes, draft: &mut Draft) {
    if !provider.reads_hosts() {
        let parts = ["hosts", "gateways", "gatewayRefs", "match"];
        for node in parts.iter().filter_map(|part| service.get(part)) {
            // Contour takes the first prefix from it.
            if provider.name == "contour" && node.path.ends_with(".match") {
                continue;
            }
            notes.dropped(
                node,
                &format!(
                    "provider {} does not read it: its own route says which requests there are",
                    provider.name
                ),
            );
        }
    }
    let hosts = service.get("hosts").filter(|_| provider.reads_hosts());
    let hosts = hosts.map(Node::items).unwrap_or_default();
    draft.hosts(hosts, notes);
    let is_read = provider.reads_hosts() || provider.name == "contour";
    let Some(matches) = service.get("match").filter(|_| is_read) else { return };
    let mut everything = matches.items().is_empty();
    for (index, item) in matches.items().iter().enumerate() {
        if provider.name == "contour" && index > 0 {
            notes.dropped(item, "provider contour reads the first prefix alone");
            continue;
        }
        let narrower = item.entries().iter().any(|(key, _)| key != "uri" && key != "name");
        let kinds = ["prefix", "exact"];
        let path = kinds.iter().find_map(|kind| Some((*kind, item.get("uri")?.text_at(kind)?)));
        match path {
            Some(("prefix", "/")) if !narrower => everything = true,
            Some((kind, path)) if is_path(path) && !narrower => {
                if kind == "prefix" && provider.has_string_prefixes() {
                    notes.string_prefix(item, path);
                }
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
fn steps(analysis: &Node, provider: &Provider<'_>, notes: &mut Notes) -> Vec<Step> {
    const WEIGHTS: [&str; 3] = ["stepWeight", "stepWeights", "maxWeight"];
    let interval = interval(analysis, notes);
    let number = |field: &str| analysis.get(field)?.parsed(|text| text.parse::<u32>().ok());
    let weight =
        |node: &Node| node.parsed(|text| text.parse().ok().filter(|weight| *weight <= 100));
    let all = Step::new(ALL, Hold::Last);
    let mut iterations = number("iterations").filter(|iterations| *iterations > 0);
    let mut reason = "iterations count, and weights do not";
    if iterations.is_none() && !provider.has_weights() {
        reason = "provider kubernetes moves no traffic by weights, and Flagger takes 10 iterations instead";
        notes.node(analysis, "becomes a step at 0 for 10 iterations: provider kubernetes moves no traffic before the promotion");
        iterations = Some(10);
    }
    if let Some(iterations) = iterations {
        let hold = interval.saturating_mul(iterations.into());
        for node in WEIGHTS.iter().filter_map(|key| analysis.get(key)) {
            notes.dropped(node, reason);
        }
        return vec![Step::new(0, Hold::For(hold)), all];
    }
    let list = analysis.get("stepWeights");
    let weights: Vec<u32> = list.map_or(&[][..], Node::items).iter().filter_map(weight).collect();
    let step = number("stepWeight").filter(|step| *step > 0);
    if step.is_none() && weights.is_empty() {
        let waits = "so Flagger moves no traffic, and the rollout waits at 0 for a person";
        notes.node(
            analysis,
            &format!("has no stepWeight, no stepWeights and no iterations, {waits}"),
        );
        for node in WEIGHTS.iter().filter_map(|key| analysis.get(key)) {
            notes
                .dropped(node, "without stepWeight, stepWeights or iterations it moves no traffic");
        }
        return vec![Step::new(0, Hold::Manual), all];
    }
    if let (Some(_), Some(_), Some(list)) = (step, weights.last(), list) {
        notes.node(list, "becomes its last weight, because stepWeight takes precedence");
    }
    let max = match weights.last() {
        Some(last) => *last,
        None => {
            let given = analysis.get("maxWeight").and_then(weight);
            given.filter(|max| *max > 0).unwrap_or(DEFAULT_MAX_WEIGHT)
        }
    };
    let (weights, ends) = walk(step, &weights, max);
    if let (Some(last), Some(node)) =
        (weights.last(), analysis.get("maxWeight").filter(|_| step.is_some()))
        && *last > max
        && max > 0
    {
        notes.node(
            node,
            &format!("becomes {last}: Flagger adds stepWeight until it reaches maxWeight"),
        );
    }
    let step = |weight: u32| Some(Step::new(share(weight, 100)?, Hold::For(interval)));
    let mut steps: Vec<Step> = weights.into_iter().filter_map(step).collect();
    if !ends && let (Some(last), Some(list)) = (steps.last_mut(), list) {
        notes.node(list, "repeats a weight or begins with 0: Flagger stays there, so the step waits for a person");
        last.hold = Hold::Manual;
    }
    steps.retain(|step| step.share < ALL);
    steps.push(all);
    steps
}

/// The weights that Flagger goes through: it adds until it reaches `max`. The flag says whether it gets there.
fn walk(step: Option<u32>, list: &[u32], max: u32) -> (Vec<u32>, bool) {
    const MAX_STEPS: usize = 100;
    let mut weights: Vec<u32> = Vec::new();
    let mut weight = 0_u32;
    while weight < max && weights.len() < MAX_STEPS {
        let next = match step {
            Some(step) => weight.saturating_add(step),
            None if weights.is_empty() => list.first().copied().unwrap_or(100),
            None => {
                // The last weight has no successor: everything that is left.
                let pairs = list.windows(2).find(|pair| pair.first() == Some(&weight));
                pairs.and_then(|pair| pair.last()).copied().unwrap_or(100)
            }
        };
        let next = next.min(100);
        if weights.last() == Some(&next) || next == 0 {
            if weights.is_empty() {
                weights.push(0);
            }
            return (weights, false);
        }
        weight = next;
        weights.push(weight);
    }
    (weights, weight >= max)
}

/// The duration of a step, in ms, without a note.
fn interval_ms(analysis: &Node) -> u64 {
    let given = analysis.peek("interval").and_then(duration::parse);
    given.unwrap_or(DEFAULT_INTERVAL_MS).max(MIN_INTERVAL_MS)
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

/// Reads a webhook. Those that confirm hold the traffic until they agree, so a person does that in a spec.
fn webhook(hook: &Node, steps: &mut Vec<Step>, notes: &mut Notes) {
    let before_last = steps.len().saturating_sub(1);
    let waits = match hook.peek("type") {
        Some("confirm-rollout") => {
            if steps.first().is_some_and(|step| step.share == 0) {
                steps.iter_mut().take(1).for_each(|step| step.hold = Hold::Manual);
            } else {
                steps.insert(0, Step::new(0, Hold::Manual));
            }
            "the first step waits at 0 for a person"
        }
        Some("confirm-traffic-increase") => {
            steps.iter_mut().take(before_last).for_each(|step| step.hold = Hold::Manual);
            "each step waits for a person"
        }
        Some("confirm-promotion") => {
            let last = steps.iter_mut().take(before_last).next_back();
            last.into_iter().for_each(|step| step.hold = Hold::Manual);
            "the last step before 100 waits for a person"
        }
        _ => "",
    };
    if !waits.is_empty() {
        return notes.replaced(
            hook,
            &format!("becomes hold: manual: {waits}; mode: gate would wait for the evidence"),
        );
    }
    let reason = match hook.get("type").and_then(Node::text) {
        Some("rollback") => {
            "the gate aborts by itself; a person does it with hold: manual at a share of 0"
        }
        Some("event") => "hosts log every decision and count by arm",
        _ => HOOKS,
    };
    notes.dropped(hook, reason);
}

/// Reads `mirror`, and returns whether it became a shadow.
fn shadow(analysis: &Node, provider: &Provider<'_>, notes: &mut Notes, draft: &mut Draft) -> bool {
    let Some(node) = analysis.get("mirror") else { return false };
    if !node.is_true() {
        return false;
    }
    if !provider.mirrors() {
        notes.dropped(node, &format!("provider {} copies no requests", provider.name));
        return false;
    }
    // The Gateway API copies all requests.
    let weight = analysis.get("mirrorWeight").filter(|_| provider.name == "istio");
    let share = weight.and_then(|node| node.parsed(|text| share(text.parse().ok()?, 100)));
    let percent: Value = percent(share.unwrap_or(ALL));
    draft.shadow = Some(json!({"arm": "canary", "percent": percent}));
    notes.node(node, "becomes the rollout's shadow, which lasts until the spec changes and copies GET and HEAD alone");
    true
}
