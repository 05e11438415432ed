//! Retention of evidence: how long it is stored after its rollout has left the spec.
//!
//! Latches are never removed: if a rollout returns to the spec, its aborted epoch stays aborted.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serin_core::Plan;

use crate::keys;
use crate::store::{self, Conflict, Store};

/// How long evidence outlives its rollout, in ms. A spec may lack a rollout by mistake, or because its
/// source was unreachable and an older spec was loaded.
pub(crate) const RETENTION_MS: u64 = 86_400_000;

/// A rollout whose evidence is stored, and the time since when no spec has had it, in ms since 1970.
type Entry = (String, Option<u64>);

/// Removes the evidence of rollouts that no plan has had gates for in a day.
pub(crate) fn sweep<S: Store>(store: &S, plan: &Plan, now: u64) -> Result<(), Conflict> {
    let mut expired = Vec::new();
    store::update(store, keys::EVIDENCE, |value| {
        let previous = read(value);
        let mut entries: Vec<Entry> = Vec::new();
        expired.clear();
        for (rollout, missing_since) in previous.iter().filter(|entry| !is_judged(plan, &entry.0)) {
            let missing_since = missing_since.unwrap_or(now);
            if now < missing_since.saturating_add(RETENTION_MS) {
                entries.push((rollout.clone(), Some(missing_since)));
            } else {
                expired.push(rollout.clone());
            }
        }
        let judged = plan.rollouts().iter().filter(|rollout| rollout.trial().is_some());
        entries.extend(judged.map(|rollout| (rollout.name().to_owned(), None)));
        (entries != previous).then(|| write(&entries).into_bytes())
    })?;
    for rollout in expired {
        store.remove(&keys::tallies(&rollout));
        store.remove(&keys::monitor(&rollout));
    }
    Ok(())
}

/// When evidence has to be removed next, in ms since 1970.
pub(crate) fn next_expiry<S: Store>(store: &S) -> Option<u64> {
    let entries = read(store.get(keys::EVIDENCE).0).into_iter();
    let missing_since = entries.filter_map(|(_, missing_since)| missing_since).min()?;
    Some(missing_since.saturating_add(RETENTION_MS))
}

/// Whether a plan has gates for a rollout.
pub(crate) fn is_judged(plan: &Plan, name: &str) -> bool {
    let rollouts = plan.rollouts();
    let index = rollouts.binary_search_by(|rollout| rollout.name().cmp(name)).ok();
    let rollout = index.and_then(|index| rollouts.get(index));
    rollout.is_some_and(|rollout| rollout.trial().is_some())
}

/// One line for each entry: the rollout, then the time if there is one.
fn write(entries: &[Entry]) -> String {
    let mut text = String::new();
    for (rollout, missing_since) in entries {
        text.push_str(rollout);
        if let Some(missing_since) = missing_since {
            text.push(' ');
            text.push_str(&missing_since.to_string());
        }
        text.push('\n');
    }
    text
}

fn read(value: Option<Vec<u8>>) -> Vec<Entry> {
    let text = value.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let entry = |line: &str| match line.split_once(' ') {
        Some((rollout, missing_since)) => (rollout.to_owned(), missing_since.parse().ok()),
        None => (line.to_owned(), None),
    };
    text.lines().map(entry).collect()
}
