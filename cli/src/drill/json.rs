//! The JSON report of a drill.

use super::summary::{Composition, Drill, ratio};
use super::text::notes;
use super::timeline::Timeline;
use serde_json::{Value, json};

/// The report with every run. Times are in ms since the start of the rollout, parts are from 0 to 1.
pub(super) fn document(drill: &Drill<'_>) -> Value {
    let (args, subject) = (drill.args, drill.subject);
    let (aborted, possible) = drill.false_aborts();
    let faults = drill.summaries().into_iter().map(|summary| {
        let healthy = summary.fault.is_healthy();
        json!({
            "fault": summary.fault.label,
            "onsetMs": summary.fault.onset_ms,
            "aborted": summary.aborted(),
            "promoted": summary.promoted(),
            "medianMsToDetect": summary.mttd_ms(),
            "medianMsToRecover": summary.mttr_ms(),
            "runs": summary.timelines.iter().map(|timeline| run(drill, timeline, healthy)).collect::<Vec<_>>(),
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
        "falseAborts": { "runs": aborted, "of": possible },
        "faults": faults.collect::<Vec<_>>(),
        "notes": notes(drill),
    })
}

fn run(drill: &Drill<'_>, timeline: &Timeline, healthy: bool) -> Value {
    let abort = timeline.aborted().map(|abort| {
        let record: Value = serde_json::from_str(&abort.record).unwrap_or_default();
        json!({ "atMs": abort.at_ms, "reason": abort.reason, "record": record })
    });
    let step_records = timeline.step_records.iter().map(|step_record| {
        let composition = Composition::of(step_record).map(|composition| {
            let groups = drill.subject.groups.iter().zip(&composition.groups);
            let groups = groups.map(|(group, parts)| (group.name.clone(), json!(parts)));
            json!({
                "users": composition.users,
                "groups": groups.collect::<serde_json::Map<String, Value>>(),
                "busiestUsersRequests": composition.busiest,
            })
        });
        json!({
            "step": step_record.step,
            "sharePercent": f64::from(step_record.share.millipercent()) / 1e3,
            "fromMs": step_record.from_ms,
            "newAndBaseline": composition,
        })
    });
    json!({
        "abort": abort,
        "falseAbort": timeline.is_false_abort(healthy),
        "msToDetect": timeline.detected_ms(),
        "msToRecover": timeline.recovered_ms(),
        "usersExposed": { "users": timeline.users_exposed, "part": ratio(timeline.users_exposed, timeline.users_active) },
        "requestsExposed": {
            "requests": timeline.exposed.requests,
            "failed": timeline.exposed.failed,
            "part": ratio(timeline.exposed.requests, timeline.requests_until_last_exposed),
        },
        "requests": timeline.requests,
        "promoted": timeline.is_promoted(),
        "endMs": timeline.end_ms,
        "pauses": timeline.pauses.len(),
        "steps": step_records.collect::<Vec<_>>(),
    })
}
