//! Where the object keeps what it has seen of each rollout, and for how long once no spec has it.
//!
//! Only evidence goes. A latch stays: who brings a rollout back must not bring an aborted epoch back.

use serin_core::Plan;

use crate::keeper::Store;

/// How long evidence outlives its rollout, in ms. A spec may lack a rollout by mistake, or because KV
/// was out of reach and an older text had to do.
const KEPT_MS: u64 = 86_400_000;
/// Whose evidence is kept, a line each: the rollout, and when it was first missed, in ms since 1970.
const INDEX: &str = "evidence";

/// The key of a rollout's tallies.
pub(crate) fn tallies(rollout: &str) -> String {
    format!("tallies/{rollout}")
}

/// The key of a rollout's watch.
pub(crate) fn watch(rollout: &str) -> String {
    format!("watch/{rollout}")
}

/// A rollout whose evidence is kept, and when it was first missed.
type Kept = (String, Option<u64>);

/// Removes the evidence of rollouts that no plan has had gates for in a long while.
pub(crate) fn sweep(store: &impl Store, plan: &Plan, now: u64) {
    let before = index(store);
    let mut after: Vec<Kept> = Vec::new();
    for (rollout, missed) in before.iter().filter(|(rollout, _)| !is_judged(plan, rollout)) {
        let missed = missed.unwrap_or(now);
        if now < missed.saturating_add(KEPT_MS) {
            after.push((rollout.clone(), Some(missed)));
            continue;
        }
        store.delete(&tallies(rollout));
        store.delete(&watch(rollout));
    }
    let judged = plan.rollouts().iter().filter(|rollout| rollout.trial().is_some());
    after.extend(judged.map(|rollout| (rollout.name().to_owned(), None)));
    if after != before {
        store.put(INDEX, text(&after).as_bytes());
    }
}

/// When evidence is to be removed next, in ms since 1970.
pub(crate) fn due(store: &impl Store) -> Option<u64> {
    let missed = index(store).into_iter().filter_map(|(_, missed)| missed).min()?;
    Some(missed.saturating_add(KEPT_MS))
}

fn is_judged(plan: &Plan, name: &str) -> bool {
    let rollouts = plan.rollouts();
    let place = rollouts.binary_search_by(|rollout| rollout.name().cmp(name)).ok();
    let rollout = place.and_then(|place| rollouts.get(place));
    rollout.is_some_and(|rollout| rollout.trial().is_some())
}

fn text(kept: &[Kept]) -> String {
    let mut text = String::new();
    for (rollout, missed) in kept {
        text.push_str(rollout);
        if let Some(missed) = missed {
            text.push(' ');
            text.push_str(&missed.to_string());
        }
        text.push('\n');
    }
    text
}

fn index(store: &impl Store) -> Vec<Kept> {
    let text = store.get(INDEX).and_then(|bytes| String::from_utf8(bytes).ok());
    let read = |line: &str| match line.split_once(' ') {
        Some((rollout, missed)) => (rollout.to_owned(), missed.parse().ok()),
        None => (line.to_owned(), None),
    };
    text.unwrap_or_default().lines().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::tests::{Memory, NOW};

    fn plan(rollouts: &[&str]) -> Plan {
        let one = |name: &&str| {
            format!(
                r#""{name}":{{"match":{{"hosts":["{name}.example"]}},"unit":"user","arms":{{"a":{{"target":"a"}},
                "b":{{"target":"b"}}}},"baseline":"a","canary":{{"share":50}},"gates":{{}}}}"#
            )
        };
        let rollouts: Vec<String> = rollouts.iter().map(one).collect();
        let spec = format!(
            r#"{{"formatVersion":1,"units":{{"user":[{{"header":"x-user"}}]}},"rollouts":{{{}}}}}"#,
            rollouts.join(",")
        );
        Plan::from_json(spec.as_bytes()).unwrap()
    }

    /// Which of the keys are there.
    fn kept(memory: &Memory) -> Vec<String> {
        memory.keys().into_iter().filter(|key| key != INDEX).collect()
    }

    fn full(rollouts: &[&str]) -> Memory {
        let memory = Memory::default();
        for rollout in rollouts {
            (&memory).put(&tallies(rollout), b"1");
            (&memory).put(&watch(rollout), b"1");
        }
        (&memory).put("latches", b"1");
        sweep(&&memory, &plan(rollouts), NOW);
        memory
    }

    #[test]
    fn evidence_goes_a_day_after_its_rollout_and_latches_stay() {
        let memory = full(&["old", "web"]);
        assert_eq!(due(&&memory), None);
        let plan = plan(&["web"]);
        sweep(&&memory, &plan, NOW + 5);
        assert_eq!(due(&&memory), Some(NOW + 5 + KEPT_MS));
        sweep(&&memory, &plan, NOW + 4 + KEPT_MS);
        assert_eq!(kept(&memory).len(), 5);
        sweep(&&memory, &plan, NOW + 5 + KEPT_MS);
        assert_eq!(kept(&memory), ["latches", "tallies/web", "watch/web"]);
        assert_eq!(due(&&memory), None);
    }

    #[test]
    fn a_rollout_that_comes_back_in_time_keeps_its_evidence() {
        let memory = full(&["old", "web"]);
        let (without, with) = (plan(&["web"]), plan(&["old", "web"]));
        for round in 0..5 {
            sweep(&&memory, &without, NOW + round * KEPT_MS);
            sweep(&&memory, &with, NOW + round * KEPT_MS + KEPT_MS / 2);
        }
        assert_eq!((kept(&memory).len(), due(&&memory)), (5, None));
    }
}
