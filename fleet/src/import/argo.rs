//! Argo Rollouts' manifests.

use super::draft::{Draft, Mode};
use super::node::{Kind, Node};
use super::steps::{ALL, ASSUMED_HOLD, Hold, Step, share};
use super::{Dialect, Notes, Reasons, condition, span};
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
        "a blueGreen switches when active is edited, look before you do",
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

fn read(document: &Node, notes: &mut Notes, draft: &mut Draft) {
    let Some(strategy) = document.get("spec.strategy") else { return };
    if let Some(canary) = strategy.get("canary") {
        return self::canary(canary, notes, draft);
    }
    if let Some(node) = strategy.get("blueGreen") {
        blue_green(node, notes, draft);
    }
}

fn blue_green(node: &Node, notes: &mut Notes, draft: &mut Draft) {
    draft.mode = Mode::BlueGreen;
    let service = |field, colour: &str| {
        node.text_at(field).map_or_else(|| format!("{}-{colour}", draft.name), str::to_owned)
    };
    draft.targets = [service("activeService", "blue"), service("previewService", "green")];
    if let Some(node) = node.get("autoPromotionEnabled").filter(|node| node.is_true()) {
        notes.lost(node, "a blueGreen switches when active is edited");
    }
}

fn canary(node: &Node, notes: &mut Notes, draft: &mut Draft) {
    for (target, field) in draft.targets.iter_mut().zip(["stableService", "canaryService"]) {
        match node.text_at(field) {
            Some(service) => *target = service.to_owned(),
            None => notes.say(node, &format!("names no {field}: the arm's target is {target}")),
        }
    }
    if let Some(rule) = node.get("trafficRouting.istio.destinationRule") {
        subsets(rule, draft);
    }
    if let Some(analysis) = node.get("analysis") {
        draft.gate("errors");
        if let Some(start) = analysis.get("startingStep") {
            notes.lost(start, "gates judge every step from the first one on");
        }
        dry_run(analysis, notes);
        notes.became(analysis, &format!("becomes gates{}", templates(analysis)));
    }
    let whole = node.get("trafficRouting.maxTrafficWeight");
    let whole = whole.and_then(|node| node.parsed(|text| text.parse().ok())).unwrap_or(100);
    let mut reader = Reader { whole, weight: None, share: 0, steps: Vec::new(), draft, notes };
    for step in node.get("steps").map(Node::items).unwrap_or_default() {
        reader.step(step);
    }
    let steps = reader.finish(node);
    draft.mode = Mode::Steps(steps);
    managed_routes(node);
}

/// `host/subset` is how an arm's target names a part of a service.
fn subsets(rule: &Node, draft: &mut Draft) {
    let host = match rule.text_at("name") {
        Some(name) => name.to_owned(),
        None => draft.name.clone(),
    };
    for (target, field) in draft.targets.iter_mut().zip(["stableSubsetName", "canarySubsetName"]) {
        if let Some(subset) = rule.text_at(field) {
            *target = format!("{host}/{subset}");
        }
    }
}

/// Names of routes are accounted for where a step makes the route; the others are left.
fn managed_routes(canary: &Node) {
    let steps = canary.get("steps").map(Node::items).unwrap_or_default();
    let kinds = ["setHeaderRoute.name", "setMirrorRoute.name"];
    let made: Vec<&str> =
        steps.iter().flat_map(|step| kinds.map(|kind| step.text_at(kind))).flatten().collect();
    let routes = canary.get("trafficRouting.managedRoutes").map(Node::items).unwrap_or_default();
    for route in routes.iter().filter_map(|route| route.get("name")) {
        route.parsed(|name| made.contains(&name).then_some(()));
    }
}

/// Metrics that may fail without consequence.
fn dry_run(analysis: &Node, notes: &mut Notes) {
    if let Some(node) = analysis.get("dryRun") {
        notes.lost(
            node,
            "a gate may abort, so take gates out of the spec if all metrics are dry runs",
        );
    }
}

/// What is to be said of an analysis that became a gate.
fn templates(analysis: &Node) -> String {
    let names = analysis.get("templates").map(Node::items).unwrap_or_default();
    let names: Vec<&str> = names.iter().filter_map(|item| item.text_at("templateName")).collect();
    let of = if names.is_empty() { String::new() } else { format!(" of {}", names.join(", ")) };
    format!(
        ": the canary's errors are compared with the baseline's; queries, limits and arguments{of} have no counterpart"
    )
}

struct Reader<'r, 'n> {
    /// What all of the weight is.
    whole: u32,
    /// A setWeight that nothing has waited at yet.
    weight: Option<&'n Node>,
    share: u32,
    steps: Vec<Step>,
    draft: &'r mut Draft,
    notes: &'r mut Notes,
}

impl<'n> Reader<'_, 'n> {
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
        let whole = self.whole;
        let Some(share) = node.parsed(|text| share(text.parse().ok()?, whole)) else {
            return self.notes.lost(node, "it is no share of the traffic");
        };
        self.passed();
        (self.weight, self.share) = (Some(node), share);
    }

    /// A weight that the rollout only passes through is none of the spec's steps.
    fn passed(&mut self) {
        if let Some(node) = self.weight.take() {
            self.notes.say(node, "becomes no step: nothing waits there, so it would last no time");
        }
    }

    fn pause(&mut self, node: &'n Node) {
        let hold = match node.get("duration") {
            None => Hold::Manual,
            Some(duration) => match duration.parsed(span::parse) {
                Some(0) => return self.notes.became(node, "becomes no step: it lasts no time"),
                Some(ms) => Hold::For(ms),
                None => {
                    self.notes
                        .lost(duration, "it is no span of time, so the step waits for a person");
                    Hold::Manual
                }
            },
        };
        if let Kind::Scalar(text) = &node.kind
            && !matches!(text.as_str(), "" | "~" | "null")
        {
            self.notes.say(node, "is no span of time, so the step waits for a person");
        }
        if node.entries().is_empty() {
            node.done();
        }
        let fresh = self.weight.take().is_some() || self.steps.is_empty();
        match (self.steps.last_mut(), hold) {
            // Two pauses in a row are one.
            (Some(Step { hold: Hold::For(sum), .. }), Hold::For(ms)) if !fresh => {
                *sum = sum.saturating_add(ms);
            }
            (Some(Step { hold: Hold::Manual, .. }), _) if !fresh => {
                self.notes
                    .became(node, "becomes no step: the one before waits for a person already");
            }
            _ => self.steps.push(Step::new(self.share, hold)),
        }
    }

    fn analysis(&mut self, node: &'n Node) {
        self.draft.gate("errors");
        dry_run(node, self.notes);
        let said = templates(node);
        if self.weight.take().is_some() || self.steps.is_empty() {
            self.steps.push(Step::new(self.share, Hold::For(ASSUMED_HOLD)));
            let hold = span::written(ASSUMED_HOLD);
            self.notes
                .became(node, &format!("becomes a step of {hold} at least with mode: gate{said}"));
        } else if self.waits_for_a_person() {
            let what = "becomes gates, which may abort; the step itself waits for a person already";
            self.notes.became(node, &format!("{what}{said}"));
        } else {
            self.notes.became(node, &format!("becomes the step's mode: gate{said}"));
        }
        if !self.waits_for_a_person()
            && let Some(step) = self.steps.last_mut()
        {
            step.gated = true;
        }
    }

    /// A step that ends by hand needs no gate to end.
    fn waits_for_a_person(&self) -> bool {
        self.steps.last().is_some_and(|step| step.hold == Hold::Manual)
    }

    fn header_route(&mut self, node: &'n Node) {
        let name = node.text_at("name").unwrap_or("header-route");
        let Some(matches) = node.get("match") else {
            return self.notes.became(node, "removes a route; a ring stays until the spec changes");
        };
        let mut conditions = Vec::new();
        for item in matches.items() {
            match header(item, self.notes) {
                Some(condition) => conditions.push(condition),
                None => self.notes.lost(item, "this match can't be said in a spec"),
            }
        }
        let Some(when) = condition::any_of(conditions) else { return };
        if !self.steps.is_empty() || self.weight.is_some() {
            self.notes.say(node, "becomes a ring, which holds from the first step on");
        }
        self.draft.rings.push((name.to_owned(), when));
    }

    fn mirror_route(&mut self, node: &'n Node) {
        let _ = node.text_at("name");
        let Some(matches) = node.get("match") else {
            return self
                .notes
                .became(node, "removes a route; a shadow stays until the spec changes");
        };
        if self.draft.shadow.is_some() {
            return self.notes.lost(node, "a rollout has one shadow, and it has one already");
        }
        let percent = node.get("percentage");
        let share = percent.map(|node| node.parsed(|text| share(text.parse().ok()?, 100)));
        let Some(share) = share.unwrap_or(Some(ALL)) else { return };
        self.notes.say(
            node,
            "becomes the rollout's shadow, which lasts from the beginning until the spec changes",
        );
        let Some(when) = blocks(matches, self.notes) else { return };
        let mut shadow = json!({"arm": "canary", "percent": super::steps::percent(share)});
        match methods(matches) {
            Some(methods) => shadow["methods"] = methods,
            None => self.notes.say(node, "copies GET and HEAD alone; add others to shadow.methods where a second request does no harm"),
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
        self.passed();
        if self.steps.is_empty() {
            self.notes.say(canary, "has no step that waits: everybody gets the canary at start");
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

/// A header field and its match.
fn header(item: &Node, notes: &mut Notes) -> Option<Value> {
    let name = item.text_at("headerName")?.to_ascii_lowercase();
    condition::text(&format!("header.{name}"), item.get("headerValue")?, notes)
}

/// Blocks of which one must hold; the outer `None` if none of them can be said, the inner one if they
/// are for every request.
fn blocks(matches: &Node, notes: &mut Notes) -> Option<Option<Value>> {
    let said: Vec<_> =
        matches.items().iter().filter_map(|item| condition::block(item, notes).ok()).collect();
    if said.is_empty() && !matches.items().is_empty() {
        return None;
    }
    let all: Option<Vec<Value>> = said.into_iter().collect();
    Some(all.and_then(condition::any_of))
}

/// The methods that the blocks name, if each of them names one.
fn methods(matches: &Node) -> Option<Value> {
    let method = |item: &Node| item.text_at("method.exact").map(str::to_ascii_uppercase);
    let mut methods = matches.items().iter().map(method).collect::<Option<Vec<String>>>()?;
    methods.sort();
    methods.dedup();
    (!methods.is_empty()).then(|| methods.into())
}
