//! The dialect of Argo Rollouts.

use super::beside::{self, Wanted};
use super::dialect::{Dialect, Reasons};
use super::draft::{Draft, Mode};
use super::node::{Kind, Node};
use super::notes::Notes;
use super::router::{self, Router};
use super::steps::{ALL, DEFAULT_HOLD_MS, Hold, Step, percent, share};
use super::{condition, duration};
use serde_json::{Value, json};

pub(super) const DIALECT: Dialect =
    Dialect { group: "argoproj.io", kind: "Rollout", read, renamed: ("", ""), reasons: REASONS };

const PODS: &str = "pods stay with Argo Rollouts";
const ROUTER: &str =
    "Serin decides in the proxy, which routes on x-serin-arm: serin export writes that";

const REASONS: Reasons = &[
    ("spec.replicas", PODS),
    ("spec.selector", PODS),
    ("spec.template", PODS),
    ("spec.workloadRef", PODS),
    ("spec.minReadySeconds", PODS),
    ("spec.revisionHistoryLimit", PODS),
    ("spec.paused", PODS),
    ("spec.progressDeadlineSeconds", PODS),
    ("spec.progressDeadlineAbort", PODS),
    ("spec.restartAt", PODS),
    ("spec.rollbackWindow", PODS),
    ("spec.analysis", "it says how many runs Argo keeps"),
    ("spec.strategy.blueGreen.scaleDownDelaySeconds", PODS),
    ("spec.strategy.blueGreen.scaleDownDelayRevisionLimit", PODS),
    ("spec.strategy.blueGreen.abortScaleDownDelaySeconds", PODS),
    ("spec.strategy.blueGreen.antiAffinity", PODS),
    ("spec.strategy.blueGreen.maxUnavailable", PODS),
    ("spec.strategy.blueGreen.activeMetadata", PODS),
    ("spec.strategy.blueGreen.previewMetadata", PODS),
    ("spec.strategy.blueGreen.previewReplicaCount", PODS),
    (
        "spec.strategy.blueGreen.prePromotionAnalysis",
        "a blueGreen switches when active is edited, so analyse before you edit it",
    ),
    (
        "spec.strategy.blueGreen.postPromotionAnalysis",
        "a blueGreen has no gates; use a canary with steps for that",
    ),
    ("spec.strategy.blueGreen.autoPromotionEnabled", "a blueGreen switches when active is edited"),
    ("spec.strategy.blueGreen.autoPromotionSeconds", "a blueGreen switches when active is edited"),
    ("spec.strategy.canary.canaryMetadata", PODS),
    ("spec.strategy.canary.stableMetadata", PODS),
    ("spec.strategy.canary.maxUnavailable", PODS),
    ("spec.strategy.canary.maxSurge", PODS),
    ("spec.strategy.canary.scaleDownDelaySeconds", PODS),
    ("spec.strategy.canary.minPodsPerReplicaSet", PODS),
    ("spec.strategy.canary.scaleDownDelayRevisionLimit", PODS),
    ("spec.strategy.canary.antiAffinity", PODS),
    ("spec.strategy.canary.abortScaleDownDelaySeconds", PODS),
    ("spec.strategy.canary.dynamicStableScale", PODS),
    ("spec.strategy.canary.pingPong", "the arms' targets do not change places"),
    ("spec.strategy.canary.steps[].setCanaryScale", PODS),
    ("spec.strategy.canary.steps[].replicaProgressThreshold", PODS),
    ("spec.strategy.canary.steps[].plugin", "a rollout runs no plugins"),
    (
        "spec.strategy.canary.steps[].experiment",
        "its pods stay with Argo Rollouts; split compares arms by users",
    ),
    ("spec.strategy.canary.trafficRouting", ROUTER),
    (
        "spec.strategy.canary.trafficRouting.managedRoutes",
        "no setHeaderRoute or setMirrorRoute has this name",
    ),
];

fn read(document: &Node, others: &[&Node], notes: &mut Notes, draft: &mut Draft) {
    let Some(strategy) = document.get("spec.strategy") else { return };
    if let Some(canary) = strategy.get("canary") {
        targets(canary, document, notes, draft);
        routes(canary, others, notes, draft);
        return self::canary(canary, notes, draft);
    }
    if let Some(node) = strategy.get("blueGreen") {
        blue_green(node, notes, draft);
        let active = [draft.targets[0].clone()];
        let wanted = beside::leading(others, &active, node);
        beside::read(&wanted, others, &active, draft, notes);
    }
}

fn blue_green(node: &Node, notes: &mut Notes, draft: &mut Draft) {
    draft.mode = Mode::BlueGreen;
    let service = |field, colour: &str| {
        node.text_at(field).map_or_else(|| format!("{}-{colour}", draft.name), str::to_owned)
    };
    draft.targets = [service("activeService", "blue"), service("previewService", "green")];
    if let Some(node) = node.get("autoPromotionEnabled").filter(|node| node.is_true()) {
        notes.dropped(node, "a blueGreen switches when active is edited");
    }
}

/// Sets the targets to the services that the manifest names.
fn targets(canary: &Node, document: &Node, notes: &mut Notes, draft: &mut Draft) {
    let fields = ["stableService", "canaryService"];
    if let Some(node) = canary.get("pingPong") {
        // Only with an ALB do they take precedence over the other two.
        let is_used = canary.get("trafficRouting.alb").is_some()
            || fields.iter().all(|field| canary.get(field).is_none());
        let ping = node.peek("pingService");
        if let (true, Some(ping), Some(pong)) = (is_used, ping, node.peek("pongService")) {
            let stable = document.text_at("status.canary.stablePingPong");
            draft.targets = match stable {
                Some("pong") => [pong.to_owned(), ping.to_owned()],
                _ => [ping.to_owned(), pong.to_owned()],
            };
            let since = if stable.is_some() {
                "as in its status"
            } else {
                "as after the first deployment, since the input has no status"
            };
            notes.replaced(node, &format!(
                "becomes the arms' targets, {} the stable one {since}; Argo swaps them at each promotion, so swap the targets then",
                draft.targets[0]
            ));
            for node in fields.iter().filter_map(|field| canary.get(field)) {
                notes.dropped(node, "pingPong takes precedence with an ALB");
            }
            return;
        }
    }
    for (target, field) in draft.targets.iter_mut().zip(fields) {
        match canary.text_at(field) {
            Some(service) => *target = service.to_owned(),
            None => notes.node(canary, &format!("names no {field}: the arm's target is {target}")),
        }
    }
}

/// Reads hosts, paths and subsets from the router's manifests in the input.
fn routes(canary: &Node, others: &[&Node], notes: &mut Notes, draft: &mut Draft) {
    let mut services: Vec<String> = draft.targets.to_vec();
    let roots = ["alb.rootService", "smi.rootService", "traefik.weightedTraefikServiceName"];
    let routing = canary.get("trafficRouting");
    let roots = roots.iter().filter_map(|root| routing?.peek(root)).map(str::to_owned);
    services.extend(roots);
    let rule = routing.and_then(|routing| routing.get("istio.destinationRule"));
    if let Some(rule) = rule {
        subsets(rule, others, draft);
        let host = draft.targets[0].split('/').next().unwrap_or_default().to_owned();
        services.push(host);
    }
    let mut wanted = router::wanted(canary);
    if let Some(place) =
        routing.and_then(|routing| routing.get("traefik.weightedTraefikServiceName"))
    {
        let names = beside::ingress_routes(others, &services);
        wanted.extend(names.map(|name| Wanted::new("IngressRoute", name, place)));
    }
    if wanted.is_empty() {
        wanted = beside::leading(others, &services, canary);
    }
    beside::read(&wanted, others, &services, draft, notes);
}

fn canary(node: &Node, notes: &mut Notes, draft: &mut Draft) {
    if let Some(nginx) = node.get("trafficRouting.nginx") {
        for (kind, when) in router::annotations(nginx, notes) {
            draft.rings.push((format!("{}-{kind}", draft.name), when));
        }
    }
    if let Some(analysis) = node.get("analysis") {
        draft.gate("errors");
        if let Some(start) = analysis.get("startingStep") {
            notes.dropped(start, "gates judge every step from the first one on");
        }
        dry_run(analysis, notes);
        notes.replaced(analysis, &format!("becomes gates{}", templates(analysis)));
    }
    let total = node.get("trafficRouting.maxTrafficWeight");
    let total = total.and_then(|node| node.parsed(|text| text.parse().ok())).unwrap_or(100);
    let router = Router::of(node);
    let mut reader =
        StepReader { router, total, weight: None, share: 0, steps: Vec::new(), draft, notes };
    for step in node.list("steps") {
        reader.step(step);
    }
    let steps = reader.finish(node);
    draft.mode = Mode::Steps(steps);
    managed_routes(node);
}

/// Sets the targets to subsets of one service: `host/subset`.
fn subsets(rule: &Node, others: &[&Node], draft: &mut Draft) {
    let name = rule.text_at("name").unwrap_or(&draft.name).to_owned();
    let beside = beside::find(others, "DestinationRule", &name);
    let host = match beside.and_then(|document| document.text_at("spec.host")) {
        Some(host) => host.to_owned(),
        None => name,
    };
    for (target, field) in draft.targets.iter_mut().zip(["stableSubsetName", "canarySubsetName"]) {
        if let Some(subset) = rule.text_at(field) {
            *target = format!("{host}/{subset}");
        }
    }
}

/// Marks the names of managed routes that a step creates. The others stay unmarked.
fn managed_routes(canary: &Node) {
    let steps = canary.list("steps");
    let kinds = ["setHeaderRoute.name", "setMirrorRoute.name"];
    let made: Vec<&str> =
        steps.iter().flat_map(|step| kinds.map(|kind| step.text_at(kind))).flatten().collect();
    let routes = canary.list("trafficRouting.managedRoutes");
    for route in routes.iter().filter_map(|route| route.get("name")) {
        route.parsed(|name| made.contains(&name).then_some(()));
    }
}

/// Notes dry runs: metrics whose failure has no consequence.
fn dry_run(analysis: &Node, notes: &mut Notes) {
    if let Some(node) = analysis.get("dryRun") {
        notes.dropped(
            node,
            "a gate may abort, so take gates out of the spec if all metrics are dry runs",
        );
    }
}

/// The templates of an analysis, as the end of a note: ` of success-rate, latency`.
fn templates(analysis: &Node) -> String {
    let names = analysis.list("templates");
    let names: Vec<&str> = names.iter().filter_map(|item| item.text_at("templateName")).collect();
    let of = if names.is_empty() { String::new() } else { format!(" of {}", names.join(", ")) };
    format!(
        ": the canary's errors are compared with the baseline's; queries, limits and arguments{of} have no counterpart"
    )
}

/// Turns the steps of a canary into steps of a spec.
struct StepReader<'r, 'n> {
    router: Router,
    /// The total weight.
    total: u32,
    /// The last `setWeight`, as long as no step waits at its share.
    weight: Option<&'n Node>,
    share: u32,
    steps: Vec<Step>,
    draft: &'r mut Draft,
    notes: &'r mut Notes,
}

impl<'n> StepReader<'_, 'n> {
    fn step(&mut self, step: &'n Node) {
        if let Some(node) = step.get("setWeight") {
            return self.weight(node);
        }
        if let Some(node) = step.get("pause") {
            return self.pause(node);
        }
        if let Some(node) = step.get("analysis") {
            return self.analysis(node);
        }
        if let Some(node) = step.get("setHeaderRoute") {
            return self.header_route(node);
        }
        if let Some(node) = step.get("setMirrorRoute") {
            self.mirror_route(node);
        }
    }

    fn weight(&mut self, node: &'n Node) {
        let total = self.total;
        let Some(share) = node.parsed(|text| share(text.parse().ok()?, total)) else {
            return self.notes.dropped(node, "it is not a share of the traffic");
        };
        self.skip_weight();
        (self.weight, self.share) = (Some(node), share);
    }

    /// Notes a weight at which no step waits. It becomes no step of the spec.
    fn skip_weight(&mut self) {
        if let Some(node) = self.weight.take() {
            self.notes.node(node, "becomes no step: nothing waits there, so it would last no time");
        }
    }

    fn pause(&mut self, node: &'n Node) {
        let hold = match node.get("duration") {
            None => Hold::Manual,
            Some(duration) => match duration.parsed(duration::parse) {
                Some(0) => return self.notes.replaced(node, "becomes no step: it lasts no time"),
                Some(ms) => Hold::For(ms),
                None => {
                    self.notes
                        .dropped(duration, "it is not a duration, so the step waits for a person");
                    Hold::Manual
                }
            },
        };
        if let Kind::Scalar(text) = &node.kind
            && !matches!(text.as_str(), "" | "~" | "null")
        {
            self.notes.node(node, "is not a duration, so the step waits for a person");
        }
        if node.entries().is_empty() {
            node.mark_all();
        }
        let is_first_at_share = self.weight.take().is_some() || self.steps.is_empty();
        match (self.steps.last_mut(), hold) {
            // Two pauses in a row are one step.
            (Some(Step { hold: Hold::For(sum), .. }), Hold::For(ms)) if !is_first_at_share => {
                *sum = sum.saturating_add(ms);
            }
            (Some(Step { hold: Hold::Manual, .. }), _) if !is_first_at_share => {
                self.notes
                    .replaced(node, "becomes no step: the previous one already waits for a person");
            }
            _ => self.steps.push(Step::new(self.share, hold)),
        }
    }

    fn analysis(&mut self, node: &'n Node) {
        self.draft.gate("errors");
        dry_run(node, self.notes);
        let templates = templates(node);
        let is_first_at_share = self.weight.take().is_some() || self.steps.is_empty();
        // A gate compares the arms, so it needs users in both.
        if self.share == 0 {
            if is_first_at_share {
                self.steps.push(Step::new(0, Hold::Manual));
            } else if let Some(step) = self.steps.last_mut() {
                step.hold = Hold::Manual;
            }
            return self.notes.replaced(node, &format!(
                "becomes a step at 0 with hold: manual: no users are on the canary, so nothing can be judged; go on when your own tests pass{templates}"
            ));
        }
        if self.share == ALL {
            if is_first_at_share {
                self.steps.push(Step::new(ALL, Hold::For(DEFAULT_HOLD_MS)));
            }
            return self.notes.replaced(node, &format!(
                "becomes no mode: gate: at 100 nobody is on the baseline to compare with{templates}"
            ));
        }
        if is_first_at_share {
            self.steps.push(Step::new(self.share, Hold::For(DEFAULT_HOLD_MS)));
            let hold = duration::format(DEFAULT_HOLD_MS);
            self.notes.replaced(
                node,
                &format!("becomes a step of {hold} at least with mode: gate{templates}"),
            );
        } else if self.waits_for_a_person() {
            let what = "becomes gates, which may abort; the step itself already waits for a person";
            self.notes.replaced(node, &format!("{what}{templates}"));
        } else {
            self.notes.replaced(node, &format!("becomes the step's mode: gate{templates}"));
        }
        if !self.waits_for_a_person()
            && let Some(step) = self.steps.last_mut()
        {
            step.gated = true;
        }
    }

    /// Whether the last step waits for a person, so that no gate needs to end it.
    fn waits_for_a_person(&self) -> bool {
        self.steps.last().is_some_and(|step| step.hold == Hold::Manual)
    }

    fn header_route(&mut self, node: &'n Node) {
        let name = node.text_at("name").unwrap_or("header-route");
        let Some(matches) = node.get("match") else {
            return self
                .notes
                .replaced(node, "removes a route; a ring stays until the spec changes");
        };
        let Some(when) = self.router.header_route(matches, self.notes) else { return };
        if !self.steps.is_empty() || self.weight.is_some() {
            self.notes.node(node, "becomes a ring, which holds from the first step on");
        }
        self.draft.rings.push((name.to_owned(), when));
    }

    fn mirror_route(&mut self, node: &'n Node) {
        let _ = node.text_at("name");
        let Some(matches) = node.get("match") else {
            return self
                .notes
                .replaced(node, "removes a route; a shadow stays until the spec changes");
        };
        if !self.router.mirrors() {
            return self.notes.dropped(node, "Argo copies requests with istio alone");
        }
        if self.draft.shadow.is_some() {
            return self.notes.dropped(node, "a rollout has one shadow, and it already has one");
        }
        let percentage = node.get("percentage");
        let share = percentage.map(|node| node.parsed(|text| share(text.parse().ok()?, 100)));
        let Some(share) = share.unwrap_or(Some(ALL)) else { return };
        self.notes.node(
            node,
            "becomes the rollout's shadow, which lasts from the beginning until the spec changes",
        );
        let Some(when) = blocks(matches, self.notes) else { return };
        let mut shadow = json!({"arm": "canary", "percent": percent(share)});
        match methods(matches) {
            Some(methods) => shadow["methods"] = methods,
            None => self.notes.node(node, "copies GET and HEAD alone; add others to shadow.methods where a second request does no harm"),
        }
        if let Some(when) = when {
            shadow["when"] = when;
        }
        self.draft.shadow = Some(shadow);
    }

    fn finish(mut self, canary: &Node) -> Vec<Step> {
        if self.share == ALL && self.weight.is_some() {
            self.weight = None;
        }
        self.skip_weight();
        if self.steps.is_empty() {
            self.notes.node(canary, "has no step that waits: everybody gets the canary at start");
        }
        let all = Step::new(ALL, Hold::Last);
        match self.steps.last_mut() {
            Some(last) if last.share == ALL && last.hold == Hold::Manual => *last = all,
            Some(last) if last.share == ALL => {}
            _ => self.steps.push(all),
        }
        self.steps
    }
}

/// Blocks of matches, one of which must hold. The outer `None` if a spec can express none of them, the inner
/// `None` if they match every request.
fn blocks(matches: &Node, notes: &mut Notes) -> Option<Option<Value>> {
    let conditions: Vec<_> =
        matches.items().iter().filter_map(|item| condition::block(item, notes).ok()).collect();
    if conditions.is_empty() && !matches.items().is_empty() {
        return None;
    }
    let all: Option<Vec<Value>> = conditions.into_iter().collect();
    Some(all.and_then(condition::any_of))
}

/// The methods of the blocks, if each block names one.
fn methods(matches: &Node) -> Option<Value> {
    let method = |item: &Node| item.text_at("method.exact").map(str::to_ascii_uppercase);
    let mut methods = matches.items().iter().map(method).collect::<Option<Vec<String>>>()?;
    methods.sort();
    methods.dedup();
    (!methods.is_empty()).then(|| methods.into())
}
