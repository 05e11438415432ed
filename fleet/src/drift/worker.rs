//! What a Worker's status page says.

use super::{Abort, Running, Seen};
use serde_json::Value;

/// Reads the page.
///
/// # Errors
/// Why it is no status page.
pub fn worker(page: &Value) -> Result<Seen, String> {
    let Some(spec) = page.get("spec") else {
        return Err("the answer is no status page, it has no field spec".to_owned());
    };
    let mut seen = Seen::default();
    if spec.is_object() {
        let text = |name: &str| spec.get(name).and_then(Value::as_str).map(str::to_owned);
        let revision = spec.get("revision").and_then(Value::as_u64);
        let (Some(revision), Some(digest)) = (revision, text("digest")) else {
            return Err("the answer is no status page, its spec has no revision and digest".into());
        };
        seen.specs.push(Running {
            place: text("source").unwrap_or_else(|| "spec".to_owned()),
            revision: Some(revision),
            digest: Some(digest),
            ..Running::default()
        });
        seen.problems.extend(texts(spec.get("isolated")).map(|why| format!("isolated: {why}")));
    }
    if let Some(problem) = page.get("problem").and_then(Value::as_str) {
        seen.problems.push(problem.to_owned());
    }
    seen.problems.extend(texts(page.get("settingsProblems")).map(str::to_owned));
    seen.unjudged = page.get("gates").and_then(unjudged);
    // A list, or a document that has one.
    let latches = page.get("latches");
    let latches = latches.and_then(|latches| latches.get("latches")).or(latches);
    let latches = latches.and_then(Value::as_array).into_iter().flatten();
    seen.aborts.extend(latches.filter_map(abort));
    Ok(seen)
}

fn texts(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Why nobody judges gates, in the page's own words: any state but one.
fn unjudged(gates: &Value) -> Option<String> {
    let state = gates.get("state").and_then(Value::as_str).filter(|state| *state != "judging")?;
    Some(match gates.get("why").and_then(Value::as_str) {
        Some(why) => format!("{state}: {why}"),
        None => state.to_owned(),
    })
}

fn abort(latch: &Value) -> Option<Abort> {
    let abort = latch.get("abort").filter(|abort| abort.is_object())?;
    Some(Abort {
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
    fn a_page_is_read() {
        let page = json!({
            "spec": {"revision": 3, "digest": "aa", "source": "kv", "isolated": ["flags.a: b"]},
            "problem": "the KV key spec holds nothing",
            "settingsProblems": ["SERIN_CACHE is 2"],
            "latches": [
                {"rollout": "shop", "epoch": 3, "abort": {"epoch": 3, "at": 5, "reason": "errors"}},
                {"rollout": "fine", "epoch": 1, "left": []},
            ],
        });
        let seen = worker(&page).unwrap();
        assert_eq!((seen.specs[0].place.as_str(), seen.specs[0].revision), ("kv", Some(3)));
        assert_eq!(seen.specs[0].digest.as_deref(), Some("aa"));
        assert_eq!(seen.problems.len(), 3);
        let abort = Abort {
            rollout: "shop".into(),
            epoch: Some(3),
            at: Some(5),
            reason: Some("errors".into()),
        };
        assert_eq!(seen.aborts, [abort]);
        let whole = json!({"spec": null, "latches": {"latches": page["latches"]}});
        assert_eq!(worker(&whole).unwrap().aborts.len(), 1);
    }

    #[test]
    fn every_state_of_the_gates_but_one_says_why() {
        let why = |gates: Value| worker(&json!({"spec": null, "gates": gates})).unwrap().unjudged;
        assert_eq!(why(json!({"state": "judging", "object": {}})), None);
        let silent = json!({"state": "the object does not answer", "why": "timeout"});
        assert_eq!(why(silent).as_deref(), Some("the object does not answer: timeout"));
    }

    #[test]
    fn other_pages_are_none() {
        assert!(worker(&json!({"hello": 1})).is_err());
        assert!(worker(&json!({"spec": {"revision": "1", "digest": "aa"}})).is_err());
        assert_eq!(worker(&json!({"spec": null})).unwrap(), Seen::default());
    }
}
