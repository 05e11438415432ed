//! The status page: what is in force here, where it came from, and what this isolate has counted.

use serin_core::json::write_json_text;

use crate::active::{Active, RolloutCounters};
use crate::config::Config;
use crate::counters::Counters;
use crate::head::Head;
use crate::known::Document;
use crate::settings::Settings;

/// What the page shows.
pub(crate) struct View<'v> {
    pub(crate) settings: &'v Settings,
    pub(crate) config: &'v Config,
    pub(crate) counters: &'v Counters,
    pub(crate) judge: &'v Judge,
    pub(crate) latches: &'v Document,
    pub(crate) started: u64,
    pub(crate) now: u64,
}

/// Who judges.
pub(crate) enum Judge {
    /// The spec has no gates.
    Needless,
    /// The spec has gates, and the settings no object.
    Missing,
    /// The object does not answer, with a reason for people.
    Silent(String),
    /// The object's state, as JSON.
    Object(String),
}

impl Judge {
    /// What the object says.
    pub(crate) fn of(state: Result<String, String>) -> Judge {
        state.map_or_else(Judge::Silent, Judge::Object)
    }

    const fn as_str(&self) -> &'static str {
        match self {
            Judge::Needless => "no rollout has gates",
            Judge::Missing => "nobody judges: SERIN_GATES is not bound",
            Judge::Silent(_) => "the object does not answer",
            Judge::Object(_) => "judging",
        }
    }
}

/// Whether the request shows the token, as `authorization: Bearer TOKEN`.
pub(crate) fn is_authorised(head: &Head, token: &str) -> bool {
    let shown = head.text("authorization").and_then(|value| value.split_once(' '));
    let Some((_, shown)) = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
        return false;
    };
    // As long for a near miss as for a wide one.
    let differences = shown.bytes().zip(token.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b));
    !token.is_empty() && shown.len() == token.len() && differences == 0
}

/// The page, as JSON.
pub(crate) fn page(view: &View<'_>) -> String {
    let mut page = Object::new();
    let active = view.config.active();
    match &active {
        Some(active) => page.raw("spec", &spec(active, view.now)),
        None => page.raw("spec", "null"),
    }
    let problem = view.config.problem();
    if !problem.is_empty() {
        page.text("problem", &problem);
    }
    let problems: Vec<String> = view.settings.problems.iter().map(|text| quoted(text)).collect();
    page.raw("settingsProblems", &format!("[{}]", problems.join(",")));
    page.number("isolateAgeSeconds", view.now.saturating_sub(view.started) / 1000);
    page.raw("counters", &counters(view.counters));
    if let Some(active) = &active {
        let mut rollouts = Object::new();
        for (rollout, counters) in active.plan.rollouts().iter().zip(&active.rollouts) {
            let arms = rollout.arms().iter().map(|arm| arm.name());
            rollouts.raw(rollout.name(), &self::rollout(arms, counters, view.now));
        }
        page.raw("rollouts", &rollouts.close());
    }
    page.raw("gates", &gates(view));
    page.raw("latches", &view.latches.list());
    page.close()
}

fn gates(view: &View<'_>) -> String {
    let mut gates = Object::new();
    gates.text("state", view.judge.as_str());
    match view.judge {
        Judge::Silent(why) => gates.text("why", why),
        Judge::Object(state) => gates.raw("object", state),
        Judge::Needless | Judge::Missing => {}
    }
    gates.number("flushed", view.counters.flushed.get());
    gates.number("flushesFailed", view.counters.flushes_failed.get());
    gates.close()
}

fn spec(active: &Active, now: u64) -> String {
    let plan = &active.plan;
    let mut spec = Object::new();
    let isolated: Vec<String> =
        plan.isolated().iter().map(|error| quoted(&error.to_string())).collect();
    if !isolated.is_empty() {
        spec.raw("isolated", &format!("[{}]", isolated.join(",")));
    }
    spec.number("revision", plan.revision());
    spec.text("digest", plan.digest());
    let deploy = plan.deploy();
    for (name, value) in [("deployId", &deploy.id), ("gitSha", &deploy.git_sha)] {
        if let Some(value) = value {
            spec.text(name, value);
        }
    }
    spec.text("source", active.source.as_str());
    spec.number("inForceSeconds", now.saturating_sub(active.since) / 1000);
    spec.number("seenAtSourceSecondsAgo", now.saturating_sub(active.seen.get()) / 1000);
    spec.close()
}

fn counters(counters: &Counters) -> String {
    let mut object = Object::new();
    for (name, counter) in [
        ("requests", &counters.requests),
        ("withoutPlan", &counters.without_plan),
        ("unreachable", &counters.unreachable),
        ("unmapped", &counters.unmapped),
        ("fallbacks", &counters.fallbacks),
        ("cacheHits", &counters.cache_hits),
        ("cacheMisses", &counters.cache_misses),
        ("evaluations", &counters.evaluations),
        ("tokensVerified", &counters.tokens_verified),
        ("tokensRefused", &counters.tokens_refused),
        ("specsActivated", &counters.activated),
        ("specsRefused", &counters.refused),
    ] {
        object.number(name, counter.get());
    }
    let mut overrides = Object::new();
    overrides.number("applied", counters.overrides.applied.get());
    for (why, counter) in counters.overrides.ignored() {
        overrides.number(why, counter.get());
    }
    object.raw("overrides", &overrides.close());
    object.close()
}

fn rollout<'n>(
    arms: impl Iterator<Item = &'n str>,
    counters: &RolloutCounters,
    now: u64,
) -> String {
    let mut object = Object::new();
    let mut requests = Object::new();
    for (arm, counter) in arms.zip(&counters.arms) {
        requests.number(arm, counter.get());
    }
    object.raw("requests", &requests.close());
    let shadow = &counters.shadow;
    let mut copies = Object::new();
    for (name, counter) in [
        ("sent", &shadow.sent),
        ("skipped", &shadow.skipped),
        ("failed", &shadow.failed),
        ("compared", &shadow.compared),
        ("diverged", &shadow.diverged),
    ] {
        copies.number(name, counter.get());
    }
    let in_flight = shadow.in_flight.try_borrow().map_or(0, |places| places.count(now));
    copies.number("inFlight", u64::try_from(in_flight).unwrap_or(u64::MAX));
    object.raw("shadow", &copies.close());
    object.close()
}

/// A JSON object, written as it comes.
struct Object(String);

impl Object {
    fn new() -> Object {
        Object("{".to_owned())
    }

    fn raw(&mut self, name: &str, json: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&quoted(name));
        self.0.push(':');
        self.0.push_str(json);
    }

    fn text(&mut self, name: &str, value: &str) {
        self.raw(name, &quoted(value));
    }

    fn number(&mut self, name: &str, value: u64) {
        self.raw(name, &value.to_string());
    }

    fn close(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn quoted(text: &str) -> String {
    let mut json = String::new();
    write_json_text(text, &mut json);
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;

    #[test]
    fn the_page_is_json() {
        let settings = Settings::read(|_| None);
        let config = Config::default();
        let spec = r#"{"formatVersion":1,"revision":3,"deploy":{"id":"d\"1"},
            "rollouts":{"web":{"arms":{"a":{"target":"a"}},"baseline":"a"}}}"#;
        config.offer(Source::Kv, spec, 1_000);
        config.offer(Source::Kv, "{", 2_000);
        let counters = Counters::default();
        counters.requests.increment();
        let view = View {
            settings: &settings,
            config: &config,
            counters: &counters,
            judge: &Judge::Missing,
            latches: &Document::default(),
            started: 0,
            now: 9_000,
        };
        let page: serde_json::Value = serde_json::from_str(&page(&view)).unwrap();
        assert_eq!(page["spec"]["revision"], 3);
        assert_eq!(page["spec"]["deployId"], "d\"1");
        assert_eq!(page["spec"]["source"], "kv");
        assert_eq!(page["spec"]["inForceSeconds"], 8);
        assert_eq!(page["counters"]["requests"], 1);
        assert_eq!(page["rollouts"]["web"]["requests"]["a"], 0);
        assert_eq!(page["gates"]["state"], "nobody judges: SERIN_GATES is not bound");
        assert_eq!(page["latches"], serde_json::json!([]));
        assert!(page["problem"].as_str().unwrap().contains("refused"));
    }

    #[test]
    fn only_the_token_opens_it() {
        let authorised = |value: &str, token: &str| {
            is_authorised(&Head::new(format!("GET\nhttp://a/\nauthorization\n{value}")), token)
        };
        assert!(authorised("Bearer secret", "secret"));
        assert!(!authorised("Bearer secre", "secret"));
        assert!(!authorised("Basic secret", "secret"));
        assert!(!authorised("Bearer ", ""));
        assert!(!is_authorised(&Head::new("GET\nhttp://a/".into()), "secret"));
    }
}
