//! The status page: what is in force here, where it came from, and what this isolate has counted.

use serin_core::gate::Latches;
use serin_core::json::{self, ObjectWriter};

use crate::active::{Active, ShadowCounters};
use crate::config::Config;
use crate::counters::Counters;
use crate::head::Head;
use crate::settings::Settings;

/// What the page shows.
pub(crate) struct View<'v> {
    pub(crate) settings: &'v Settings,
    pub(crate) config: &'v Config,
    pub(crate) counters: &'v Counters,
    pub(crate) judge: &'v JudgeState,
    pub(crate) latches: &'v Latches,
    pub(crate) started: u64,
    pub(crate) now: u64,
}

/// The state of the Durable Object that judges.
pub(crate) enum JudgeState {
    /// The spec has no gates.
    Needless,
    /// The spec has gates, and the settings no object.
    Missing,
    /// The object does not answer, with a reason for people.
    Silent(String),
    /// The object answers with its status, as JSON.
    Judging(String),
}

impl JudgeState {
    /// What the object says.
    pub(crate) fn of(state: Result<String, String>) -> JudgeState {
        state.map_or_else(JudgeState::Silent, JudgeState::Judging)
    }

    const fn as_str(&self) -> &'static str {
        match self {
            JudgeState::Needless => "no rollout has gates",
            JudgeState::Missing => "nobody judges: SERIN_GATES is not bound",
            JudgeState::Silent(_) => "the object does not answer",
            JudgeState::Judging(_) => "judging",
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
    let active = view.config.active();
    json::object(|page| {
        match &active {
            Some(active) => page.object("spec", |object| write_spec(active, view.now, object)),
            None => page.raw("spec", "null"),
        }
        let problem = view.config.problem();
        if !problem.is_empty() {
            page.string("problem", &problem);
        }
        page.list("settingsProblems", |list| {
            view.settings.problems.iter().for_each(|problem| list.string(problem));
        });
        page.number("isolateAgeSeconds", view.now.saturating_sub(view.started) / 1000);
        page.object("counters", |object| write_counters(view.counters, object));
        if let Some(active) = &active {
            page.object("rollouts", |object| write_rollouts(active, view.now, object));
        }
        page.object("gates", |object| write_gates(view, object));
        view.latches.write(page);
    })
}

fn write_gates(view: &View<'_>, object: &mut ObjectWriter<'_>) {
    object.string("state", view.judge.as_str());
    match view.judge {
        JudgeState::Silent(why) => object.string("why", why),
        JudgeState::Judging(status) => object.raw("object", status),
        JudgeState::Needless | JudgeState::Missing => {}
    }
    object.number("flushed", view.counters.flushed.get());
    object.number("flushesFailed", view.counters.flushes_failed.get());
}

fn write_spec(active: &Active, now: u64, object: &mut ObjectWriter<'_>) {
    let plan = &active.plan;
    if !plan.isolated().is_empty() {
        object.list("isolated", |list| {
            plan.isolated().iter().for_each(|error| list.string(&error.to_string()));
        });
    }
    object.number("revision", plan.revision());
    object.string("digest", plan.digest());
    let deploy = plan.deploy();
    for (name, value) in [("deployId", &deploy.id), ("gitSha", &deploy.git_sha)] {
        if let Some(value) = value {
            object.string(name, value);
        }
    }
    object.string("source", active.source.as_str());
    object.number("inForceSeconds", now.saturating_sub(active.since) / 1000);
    object.number("seenAtSourceSecondsAgo", now.saturating_sub(active.seen.get()) / 1000);
}

fn write_counters(counters: &Counters, object: &mut ObjectWriter<'_>) {
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
    object.object("overrides", |object| {
        object.number("applied", counters.overrides.applied.get());
        for (why, counter) in counters.overrides.ignored() {
            object.number(why, counter.get());
        }
    });
}

fn write_rollouts(active: &Active, now: u64, object: &mut ObjectWriter<'_>) {
    for (rollout, counters) in active.plan.rollouts().iter().zip(&active.rollouts) {
        object.object(rollout.name(), |object| {
            object.object("requests", |object| {
                for (arm, counter) in rollout.arms().iter().zip(&counters.arms) {
                    object.number(arm.name(), counter.get());
                }
            });
            object.object("shadow", |object| write_shadow(&counters.shadow, now, object));
        });
    }
}

fn write_shadow(shadow: &ShadowCounters, now: u64, object: &mut ObjectWriter<'_>) {
    for (name, counter) in [
        ("sent", &shadow.sent),
        ("skipped", &shadow.skipped),
        ("failed", &shadow.failed),
        ("compared", &shadow.compared),
        ("diverged", &shadow.diverged),
    ] {
        object.number(name, counter.get());
    }
    let in_flight = shadow.in_flight.try_borrow().map_or(0, |places| places.count(now));
    object.number("inFlight", u64::try_from(in_flight).unwrap_or(u64::MAX));
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
            judge: &JudgeState::Missing,
            latches: &Latches::default(),
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
