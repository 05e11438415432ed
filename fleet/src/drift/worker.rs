//! The status of a Worker, from its status page.

use super::status::{AbortStatus, DeployedSpec, HostStatus, PageError};
use serde_json::Value;

/// Reads the status of a Worker from its status page.
///
/// # Errors
/// The page lacks a field that every status page has.
pub fn worker(page: &Value) -> Result<HostStatus, PageError> {
    let Some(spec) = page.get("spec") else {
        return Err(PageError::NotWorker { missing: "spec" });
    };
    let mut status = HostStatus::default();
    if spec.is_object() {
        let text = |name: &str| spec.get(name).and_then(Value::as_str).map(str::to_owned);
        let revision = spec.get("revision").and_then(Value::as_u64);
        let (Some(revision), Some(digest)) = (revision, text("digest")) else {
            return Err(PageError::NotWorker { missing: "spec.revision or spec.digest" });
        };
        status.specs.push(DeployedSpec {
            location: text("source").unwrap_or_else(|| "spec".to_owned()),
            revision: Some(revision),
            digest: Some(digest),
            ..DeployedSpec::default()
        });
        status.problems.extend(strings(spec.get("isolated")).map(|why| format!("isolated: {why}")));
    }
    if let Some(problem) = page.get("problem").and_then(Value::as_str) {
        status.problems.push(problem.to_owned());
    }
    status.problems.extend(strings(page.get("settingsProblems")).map(str::to_owned));
    status.unjudged = page.get("gates").and_then(unjudged);
    // The latches are a list, or a document with a list.
    let latches = page.get("latches");
    let latches = latches.and_then(|latches| latches.get("latches")).or(latches);
    let latches = latches.and_then(Value::as_array).into_iter().flatten();
    status.aborts.extend(latches.filter_map(abort));
    Ok(status)
}

fn strings(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The reason that nobody judges the gates, in the words of the page. Only the state `judging` has none.
fn unjudged(gates: &Value) -> Option<String> {
    let state = gates.get("state").and_then(Value::as_str).filter(|state| *state != "judging")?;
    Some(match gates.get("why").and_then(Value::as_str) {
        Some(why) => format!("{state}: {why}"),
        None => state.to_owned(),
    })
}

fn abort(latch: &Value) -> Option<AbortStatus> {
    let abort = latch.get("abort").filter(|abort| abort.is_object())?;
    Some(AbortStatus {
        rollout: latch.get("rollout")?.as_str()?.to_owned(),
        epoch: abort.get("epoch").and_then(Value::as_u64),
        at: abort.get("at").and_then(Value::as_u64),
        reason: abort.get("reason").and_then(Value::as_str).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn status_page_gives_spec_problems_and_aborts() {
        let page = json!({
            "spec": {"revision": 3, "digest": "aa", "source": "kv", "isolated": ["flags.a: b"]},
            "problem": "the KV key spec holds nothing",
            "settingsProblems": ["SERIN_CACHE is 2"],
            "latches": [
                {"rollout": "shop", "epoch": 3, "abort": {"epoch": 3, "at": 5, "reason": "errors"}},
                {"rollout": "fine", "epoch": 1, "left": []},
            ],
        });
        let status = worker(&page).unwrap();
        assert_eq!((status.specs[0].location.as_str(), status.specs[0].revision), ("kv", Some(3)));
        assert_eq!(status.specs[0].digest.as_deref(), Some("aa"));
        assert_eq!(status.problems.len(), 3);
        let abort = AbortStatus {
            rollout: "shop".into(),
            epoch: Some(3),
            at: Some(5),
            reason: Some("errors".into()),
        };
        assert_eq!(status.aborts, [abort]);
        let whole = json!({"spec": null, "latches": {"latches": page["latches"]}});
        assert_eq!(worker(&whole).unwrap().aborts.len(), 1);
    }

    #[test]
    fn every_state_but_judging_gives_a_reason() {
        let why = |gates: Value| worker(&json!({"spec": null, "gates": gates})).unwrap().unjudged;
        assert_eq!(why(json!({"state": "judging", "object": {}})), None);
        let silent = json!({"state": "the object does not answer", "why": "timeout"});
        assert_eq!(why(silent).as_deref(), Some("the object does not answer: timeout"));
    }

    #[test]
    fn page_without_a_spec_is_refused() {
        assert!(worker(&json!({"hello": 1})).is_err());
        assert!(worker(&json!({"spec": {"revision": "1", "digest": "aa"}})).is_err());
        assert_eq!(worker(&json!({"spec": null})).unwrap(), HostStatus::default());
    }
}
