//! The status page: the plan in force and its source, and the counters of this isolate.

use serin_core::gate::Latches;
use serin_core::json::{self, ObjectWriter};
use serin_core::plan::Trial;

use crate::active_plan::{ActivePlan, ShadowCounters};
use crate::config::Config;
use crate::counters::Counters;
use crate::request_head::RequestHead;
use crate::settings::WorkerSettings;

/// The data of the page.
pub(crate) struct StatusView<'v> {
    pub(crate) settings: &'v WorkerSettings,
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
    NotNeeded,
    /// The spec has gates, but no object is bound.
    NotBound,
    /// The object does not respond, with a reason for people.
    Unreachable(String),
    /// The object has no valid spec; its status, as JSON.
    WithoutPlan(String),
    /// The object responds with its status, as JSON.
    Judging(String),
}

impl JudgeState {
    /// From the object's status, or from why there is none.
    pub(crate) fn new(status: Result<String, String>) -> JudgeState {
        match status {
            // A quote inside a string is escaped.
            Ok(status) if status.contains("\"plan\":null") => JudgeState::WithoutPlan(status),
            Ok(status) => JudgeState::Judging(status),
            Err(why) => JudgeState::Unreachable(why),
        }
    }

    /// The page's string for it. Tools read it.
    const fn as_str(&self) -> &'static str {
        match self {
            JudgeState::NotNeeded => "no rollout has gates",
            JudgeState::NotBound => "nobody judges: SERIN_GATES is not bound",
            JudgeState::Unreachable(_) => "the object does not answer",
            JudgeState::WithoutPlan(_) => "nobody judges: the object has no valid spec",
            JudgeState::Judging(_) => "judging",
        }
    }
}

/// Whether the request has the token, as `authorization: Bearer TOKEN`.
pub(crate) fn is_authorised(head: &RequestHead, token: &str) -> bool {
    let presented = head.text("authorization").and_then(|value| value.split_once(' '));
    let Some((_, presented)) =
        presented.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
    else {
        return false;
    };
    // All bytes are compared, so the time does not tell how many are right.
    let differences = presented.bytes().zip(token.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    !token.is_empty() && presented.len() == token.len() && differences == 0
}

/// The page, as JSON.
pub(crate) fn page(view: &StatusView<'_>) -> String {
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

fn write_gates(view: &StatusView<'_>, object: &mut ObjectWriter<'_>) {
    object.string("state", view.judge.as_str());
    match view.judge {
        JudgeState::Unreachable(reason) => object.string("why", reason),
        JudgeState::WithoutPlan(status) | JudgeState::Judging(status) => {
            object.raw("object", status);
        }
        JudgeState::NotNeeded | JudgeState::NotBound => {}
    }
    object.number("flushed", view.counters.flushed.get());
    object.number("flushesFailed", view.counters.flushes_failed.get());
    object.number("kept", view.counters.kept.get());
    object.object("dropped", |object| {
        for (reason, counter) in view.counters.dropped.iter() {
            object.number(reason.as_str(), counter.get());
        }
    });
}

fn write_spec(active: &ActivePlan, now: u64, object: &mut ObjectWriter<'_>) {
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
    object.number("seenAtSourceSecondsAgo", now.saturating_sub(active.last_confirmed.get()) / 1000);
}

fn write_counters(counters: &Counters, object: &mut ObjectWriter<'_>) {
    for (name, counter) in [
        ("requests", &counters.requests),
        ("withoutPlan", &counters.without_plan),
        ("unreachable", &counters.unreachable),
        ("uploadsBroken", &counters.uploads_broken),
        ("timeouts", &counters.timeouts),
        ("bodiesBroken", &counters.bodies_broken),
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
        for (reason, counter) in counters.overrides.ignored() {
            object.number(reason, counter.get());
        }
    });
}

fn write_rollouts(active: &ActivePlan, now: u64, object: &mut ObjectWriter<'_>) {
    for (rollout, counters) in active.plan.rollouts().iter().zip(&active.rollouts) {
        object.object(rollout.name(), |object| {
            object.object("requests", |object| {
                for (arm, counter) in rollout.arms().iter().zip(&counters.arms) {
                    object.number(arm.name(), counter.get());
                }
            });
            object.object("shadow", |object| write_shadow(&counters.shadow, now, object));
            if rollout.trial().is_some_and(Trial::counts_verified_only) {
                object.object("dropped", |object| {
                    object.number("unverified", counters.unverified.get());
                });
            }
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
    let in_flight = shadow.in_flight.try_borrow().map_or(0, |in_flight| in_flight.count(now));
    object.number("inFlight", u64::try_from(in_flight).unwrap_or(u64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec_source::SpecSource;

    #[test]
    fn the_page_is_json() {
        let settings = WorkerSettings::read(|_| None);
        let config = Config::default();
        let spec = r#"{"formatVersion":1,"revision":3,"deploy":{"id":"d\"1"},
            "rollouts":{"web":{"arms":{"a":{"target":"a"}},"baseline":"a"}}}"#;
        config.offer(SpecSource::Kv, spec, 1_000);
        config.offer(SpecSource::Kv, "{", 2_000);
        let counters = Counters::default();
        counters.requests.increment();
        let tallies = serin_core::gate::Tallies::default();
        let mut dropped =
            serin_judge::Dropped::new("web", serin_judge::DropReason::Stage, &tallies);
        dropped.outcomes = 7;
        counters.dropped.count(&dropped);
        let view = StatusView {
            settings: &settings,
            config: &config,
            counters: &counters,
            judge: &JudgeState::NotBound,
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
        let expected = serde_json::json!({"noPlan": 0, "unknown": 0, "stage": 7, "clock": 0, "conflict": 0,
            "unanswered": 0});
        assert_eq!(page["gates"]["dropped"], expected);
        assert_eq!(page["latches"], serde_json::json!([]));
        assert!(page["problem"].as_str().unwrap().contains("refused"));
    }

    #[test]
    fn only_the_whole_token_is_authorised() {
        let authorised = |value: &str, token: &str| {
            is_authorised(
                &RequestHead::new(format!("GET\nhttp://a/\nauthorization\n{value}")),
                token,
            )
        };
        assert!(authorised("Bearer secret", "secret"));
        assert!(!authorised("Bearer secre", "secret"));
        assert!(!authorised("Basic secret", "secret"));
        assert!(!authorised("Bearer ", ""));
        assert!(!is_authorised(&RequestHead::new("GET\nhttp://a/".into()), "secret"));
    }
}
