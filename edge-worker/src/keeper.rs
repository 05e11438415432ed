//! What the Durable Object does: it keeps tallies, watches and latches for all isolates, and looks.

use serin_core::Plan;
use serin_core::gate::{self, Audit, Latches, Monitor, Tallies};
use serin_core::plan::{Rollout, RolloutId};

use crate::batch::Batch;
use crate::evidence;
use crate::known::Document;

/// What outlives the object's instance: values by key.
pub(crate) trait Store {
    fn get(&self, key: &str) -> Option<Vec<u8>>;
    fn put(&self, key: &str, value: &[u8]);
    fn delete(&self, key: &str);
}

/// How many records are kept.
const RECORDS: usize = 20;
const LATCHES: &str = "latches";
const AUDITS: &str = "audits";
/// What KV has been given.
const PUBLISHED: &str = "published";

/// The object's state.
pub(crate) struct Keeper<S>(pub(crate) S);

impl<S: Store> Keeper<S> {
    /// The latches.
    pub(crate) fn document(&self) -> Document {
        self.text(LATCHES).and_then(|text| Document::read(&text)).unwrap_or_default()
    }

    /// Takes what an isolate has counted, and looks at it. Gives the records of what follows.
    pub(crate) fn flushed(
        &self,
        plan: &Plan,
        batch: &Batch,
        others: &Latches,
        now: u64,
    ) -> Vec<Audit> {
        let in_batch = |rollout: &Rollout| batch.of(rollout.name()).is_some();
        self.look(plan, others, now, in_batch, |rollout, document| {
            let latch = document.latches.get(rollout.name());
            let current = rollout.current_stage(latch, now)?.stage;
            let added = batch.of(rollout.name())?;
            let tallies = Tallies::absorb(self.tallies(rollout), added, current)?;
            self.0.put(&evidence::tallies(rollout.name()), &tallies.to_bytes());
            Some(tallies)
        })
    }

    /// Looks at all rollouts though nothing new has come: that no traffic comes is something, too.
    pub(crate) fn woken(&self, plan: &Plan, others: &Latches, now: u64) -> Vec<Audit> {
        self.look(plan, others, now, |_| true, |rollout, _| self.tallies(rollout))
    }

    /// Whether something may follow from time alone: some trial is under way and not held.
    pub(crate) fn is_watching(&self, plan: &Plan, now: u64) -> bool {
        let document = self.document();
        plan.rollouts().iter().any(|rollout| {
            let latch = document.latches.get(rollout.name());
            let stopped = rollout.abort_in_force(latch, Some(now)).is_some();
            let current = rollout.current_stage(latch, now).filter(|_| !stopped);
            current.is_some_and(|current| {
                latch.and_then(|latch| latch.held_step) != Some(current.stage.step)
            })
        })
    }

    fn look(
        &self,
        plan: &Plan,
        others: &Latches,
        now: u64,
        concerns: impl Fn(&Rollout) -> bool,
        tallies: impl Fn(&Rollout, &Document) -> Option<Tallies>,
    ) -> Vec<Audit> {
        let before = self.document();
        let mut document = before.clone();
        document.latches.merge(others);
        let mut audits = Vec::new();
        for rollout in plan.rollouts() {
            let Some(id) = id(plan, rollout) else { continue };
            if rollout.trial().is_some() && concerns(rollout) {
                let tallies = tallies(rollout, &document);
                audits.extend(self.watch(plan, id, rollout, tallies, &mut document, now));
            }
        }
        if document.latches != before.latches {
            document.version = now.max(before.version.saturating_add(1));
            self.0.put(LATCHES, document.write().as_bytes());
        }
        self.keep_audits(&audits);
        evidence::sweep(&self.0, plan, now);
        audits
    }

    fn watch(
        &self,
        plan: &Plan,
        id: RolloutId,
        rollout: &Rollout,
        tallies: Option<Tallies>,
        document: &mut Document,
        now: u64,
    ) -> Option<Audit> {
        let key = evidence::watch(rollout.name());
        let kept = self.0.get(&key).and_then(|bytes| Monitor::from_bytes(&bytes));
        let mut watch = kept.clone().unwrap_or_default();
        let audit = document
            .latches
            .update(rollout.name(), |latch| watch.evaluate(plan, id, tallies.as_ref(), latch, now));
        if kept.as_ref() != Some(&watch) {
            self.0.put(&key, &watch.to_bytes());
        }
        audit
    }

    fn tallies(&self, rollout: &Rollout) -> Option<Tallies> {
        let bytes = self.0.get(&evidence::tallies(rollout.name()))?;
        Tallies::from_bytes(&bytes)
    }

    fn keep_audits(&self, audits: &[Audit]) {
        if audits.is_empty() {
            return;
        }
        let kept = self.text(AUDITS).unwrap_or_default();
        let mut lines: Vec<String> = kept.lines().map(str::to_owned).collect();
        lines.extend(audits.iter().map(Audit::to_json));
        let first = lines.len().saturating_sub(RECORDS);
        self.0.put(AUDITS, lines.get(first..).unwrap_or_default().join("\n").as_bytes());
    }

    /// What KV is still to be given.
    pub(crate) fn unpublished(&self) -> Option<String> {
        let text = self.text(LATCHES)?;
        (self.text(PUBLISHED).as_ref() != Some(&text)).then_some(text)
    }

    /// KV has been given a text.
    pub(crate) fn set_published(&self, text: &str) {
        self.0.put(PUBLISHED, text.as_bytes());
    }

    /// The state as JSON: what is being watched, and the latest records, the oldest first.
    pub(crate) fn state(&self, plan: &Plan) -> String {
        let mut watched = Vec::new();
        for rollout in plan.rollouts() {
            let Some(Tallies { stage, groups, shadow }) = self.tallies(rollout) else { continue };
            let requests = groups.first().map(|group| group.requests).unwrap_or_default();
            let arm = |tally: gate::Tally| {
                format!("{{\"requests\":{},\"errors\":{}}}", tally.exposures, tally.events)
            };
            watched.push(format!(
                "\"{}\":{{\"epoch\":{},\"step\":{},\"canary\":{},\"baseline\":{},\
                 \"shadow\":{{\"compared\":{},\"diverged\":{}}}}}",
                rollout.name(),
                stage.epoch,
                stage.step,
                arm(requests.canary),
                arm(requests.baseline),
                shadow.exposures,
                shadow.events
            ));
        }
        let audits = self.text(AUDITS).unwrap_or_default().replace('\n', ",");
        let document = self.document().write();
        let document = document.strip_suffix('}').unwrap_or(&document);
        format!("{document},\"watched\":{{{}}},\"audits\":[{audits}]}}", watched.join(","))
    }

    fn text(&self, key: &str) -> Option<String> {
        String::from_utf8(self.0.get(key)?).ok()
    }
}

fn id(plan: &Plan, rollout: &Rollout) -> Option<RolloutId> {
    let baseline = rollout.arm(rollout.baseline())?;
    plan.arm_named(rollout.name(), baseline.name()).map(|(id, _)| id)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::active::Active;
    use crate::config::Source;
    use serin_core::gate::Outcome;
    use serin_core::{Decision, Facts, decide};
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    #[derive(Default)]
    pub(crate) struct Memory(RefCell<BTreeMap<String, Vec<u8>>>);

    impl Memory {
        pub(crate) fn keys(&self) -> Vec<String> {
            self.0.borrow().keys().cloned().collect()
        }
    }

    impl Store for &Memory {
        fn get(&self, key: &str) -> Option<Vec<u8>> {
            self.0.borrow().get(key).cloned()
        }

        fn put(&self, key: &str, value: &[u8]) {
            self.0.borrow_mut().insert(key.to_owned(), value.to_vec());
        }

        fn delete(&self, key: &str) {
            self.0.borrow_mut().remove(key);
        }
    }

    pub(crate) const NOW: u64 = 1_795_250_000_000;

    fn active(epoch: u64) -> Active {
        let spec = format!(
            r#"{{"formatVersion":1,"units":{{"user":[{{"header":"x-user"}}]}},"rollouts":{{"web":{{
            "unit":"user","arms":{{"a":{{"target":"a"}},"b":{{"target":"b"}}}},"baseline":"a",
            "canary":{{"share":50}},"epoch":{epoch},"gates":{{}}}}}}}}"#
        );
        Active::new(Plan::from_json(spec.as_bytes()).unwrap(), Source::Kv, NOW)
    }

    /// What an isolate hands on after requests of so many users.
    fn counted(active: &Active, users: u32, canary_status: u16) -> Batch {
        for user in 0..users {
            let user = format!("user-{user}");
            let pairs = [(b":path".as_slice(), b"/".as_slice()), (b"x-user", user.as_bytes())];
            let facts = Facts::gather(&active.plan, pairs);
            let mut decision = Decision::new(&active.plan);
            decide(&active.plan, &facts, &mut decision);
            let probe = decision.probe(&active.plan, &facts).unwrap();
            let status = if probe.canary { canary_status } else { 200 };
            active.record(&probe, &Outcome { status, ..Outcome::default() });
        }
        Batch::from_bytes(&active.take_batch().to_bytes()).unwrap()
    }

    #[test]
    fn an_abort_outlives_the_object_and_waits_for_kv() {
        let (active, memory) = (active(3), Memory::default());
        let batch = counted(&active, 300, 500);
        let none = Latches::default();
        let audits = Keeper(&memory).flushed(&active.plan, &batch, &none, NOW);
        assert_eq!(audits.len(), 1);
        let keeper = Keeper(&memory);
        let document = keeper.document();
        let abort = document.latches.get("web").unwrap().abort.clone().unwrap();
        assert_eq!((abort.epoch, abort.at, document.version), (3, NOW, NOW));
        assert_eq!(keeper.unpublished(), Some(document.write()));
        keeper.set_published(&document.write());
        assert_eq!(keeper.unpublished(), None);
        assert!(!keeper.is_watching(&active.plan, NOW));
        assert_eq!(keeper.flushed(&active.plan, &batch, &none, NOW + 1), []);
        assert_eq!(keeper.unpublished(), None);
        let state: serde_json::Value = serde_json::from_str(&keeper.state(&active.plan)).unwrap();
        assert_eq!(state["audits"][0]["verdict"], "abort");
        assert_eq!(state["watched"]["web"]["epoch"], 3);
        assert!(keeper.is_watching(&self::active(4).plan, NOW));
    }

    #[test]
    fn a_stage_that_is_over_adds_nothing() {
        let (old, new, memory) = (active(3), active(4), Memory::default());
        let batch = counted(&old, 300, 500);
        let audits = Keeper(&memory).flushed(&new.plan, &batch, &Latches::default(), NOW);
        assert_eq!((audits, memory.0.borrow().contains_key("tallies/web")), (Vec::new(), false));
    }

    #[test]
    fn an_isolate_with_an_old_plan_brings_no_evidence_back_and_no_abort_is_lost() {
        let (old, memory) = (active(3), Memory::default());
        let none = Latches::default();
        let batch = counted(&old, 300, 500);
        let keeper = Keeper(&memory);
        assert_eq!(keeper.flushed(&old.plan, &batch, &none, NOW).len(), 1);
        let without = r#"{"formatVersion":1}"#;
        let without = Plan::from_json(without.as_bytes()).unwrap();
        let late = NOW + 100 * 86_400_000;
        for now in [NOW + 1, late, late + 1] {
            assert_eq!(keeper.flushed(&without, &batch, &none, now), []);
        }
        assert!(!memory.keys().iter().any(|key| key.contains('/')), "{:?}", memory.keys());
        assert_eq!(keeper.flushed(&old.plan, &batch, &none, late + 2), []);
        let latches = keeper.document().latches;
        assert!(latches.get("web").unwrap().abort.as_ref().unwrap().stops(3, 0, Some(late + 2)));
    }

    #[test]
    fn what_others_have_aborted_is_taken_over_and_passed_on() {
        let (active, memory) = (active(3), Memory::default());
        let text = r#"{"latches":[{"rollout":"web","abort":{"epoch":3,"at":1,"digest":"d","reason":"by hand"}}]}"#;
        let others = Document::read(text).unwrap().latches;
        let batch = counted(&active, 300, 200);
        Keeper(&memory).flushed(&active.plan, &batch, &others, NOW);
        let document = Keeper(&memory).document();
        assert_eq!(document.latches.get("web").unwrap().abort.as_ref().unwrap().reason, "by hand");
    }

    #[test]
    fn silence_is_noticed_once_and_records_are_bounded() {
        let (active, memory) = (active(3), Memory::default());
        let keeper = Keeper(&memory);
        let none = Latches::default();
        let batch = counted(&active, 300, 200);
        assert_eq!(keeper.flushed(&active.plan, &batch, &none, NOW), []);
        assert!(keeper.is_watching(&active.plan, NOW));
        assert_eq!(keeper.woken(&active.plan, &none, NOW + 30_000), []);
        let audits = keeper.woken(&active.plan, &none, NOW + 61_000);
        assert_eq!(audits.len(), 1);
        assert!(!keeper.is_watching(&active.plan, NOW + 61_000));
        assert_eq!(keeper.woken(&active.plan, &none, NOW + 200_000), []);
        for _ in 0..30 {
            keeper.keep_audits(&audits);
        }
        assert_eq!(keeper.text(AUDITS).unwrap().lines().count(), RECORDS);
    }
}
