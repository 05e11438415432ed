//! A drill for tools.

use super::story::Story;
use super::summary::{Drill, Likeness, ratio};
use super::text::notes;
use serde_json::{Value, json};

/// Everything, each run by itself. Times are ms since the rollout began, parts are of one.
pub(super) fn document(drill: &Drill<'_>) -> Value {
    let (args, subject) = (drill.args, drill.subject);
    let (wrong, possible) = drill.false_aborts();
    let faults = drill.summaries().into_iter().map(|summary| {
        let healthy = summary.fault.is_healthy();
        json!({
            "fault": summary.fault.label,
            "onsetMs": summary.fault.onset_ms,
            "aborted": summary.aborted(),
            "promoted": summary.promoted(),
            "medianMsToDetect": summary.mttd_ms(),
            "medianMsToRecover": summary.mttr_ms(),
            "runs": summary.stories.iter().map(|story| run(drill, story, healthy)).collect::<Vec<_>>(),
        })
    });
    json!({
        "rollout": subject.rollout,
        "arm": subject.arm,
        "hasGates": subject.has_gates(),
        "revision": subject.plan.revision(),
        "digest": subject.plan.digest(),
        "requestsPerSecond": args.rps,
        "users": args.users,
        "seed": args.seed,
        "falseAborts": { "runs": wrong, "of": possible },
        "faults": faults.collect::<Vec<_>>(),
        "notes": notes(drill),
    })
}

fn run(drill: &Drill<'_>, story: &Story, healthy: bool) -> Value {
    let abort = story.aborted().map(|abort| {
        let record: Value = serde_json::from_str(&abort.record).unwrap_or_default();
        json!({ "atMs": abort.at_ms, "reason": abort.reason, "record": record })
    });
    let stays = story.stays.iter().map(|stay| {
        let like = Likeness::of(stay).map(|like| {
            let groups = drill.subject.groups.iter().zip(&like.groups);
            let groups = groups.map(|(group, parts)| (group.name.clone(), json!(parts)));
            json!({
                "users": like.users,
                "groups": groups.collect::<serde_json::Map<String, Value>>(),
                "busiestUsersRequests": like.busiest,
            })
        });
        json!({
            "step": stay.step,
            "sharePercent": f64::from(stay.share.millipercent()) / 1e3,
            "fromMs": stay.from_ms,
            "newAndBaseline": like,
        })
    });
    json!({
        "abort": abort,
        "falseAbort": story.is_false_abort(healthy),
        "msToDetect": story.detected_ms(),
        "msToRecover": story.recovered_ms(),
        "usersExposed": { "users": story.users_exposed, "part": ratio(story.users_exposed, story.users_seen) },
        "requestsExposed": {
            "requests": story.exposed.requests,
            "failed": story.exposed.failed,
            "part": ratio(story.exposed.requests, story.requests_until_last),
        },
        "requests": story.requests,
        "promoted": story.is_promoted(),
        "endMs": story.end_ms,
        "pauses": story.pauses.len(),
        "steps": stays.collect::<Vec<_>>(),
    })
}
