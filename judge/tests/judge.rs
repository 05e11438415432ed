//! The judge over a store in memory, with one owner and with several.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use serin_core::gate::{Latches, Outcome, Tallies};
use serin_core::{Decision, Facts, Plan, decide};
use serin_judge::{
    Conflict, DropReason, Dropped, Judge, LatchDocument, OutcomeBatch, Store, TallyBuffer,
};

const NOW: u64 = 1_795_250_000_000;
const DAY: u64 = 86_400_000;

/// Values by key, each with the number of its latest write.
#[derive(Default)]
struct Memory {
    values: RefCell<BTreeMap<String, (Vec<u8>, u64)>>,
    writes: Cell<u64>,
    /// The number of writes to come that conflict with another writer.
    conflicts: Cell<u32>,
}

impl Memory {
    fn keys(&self) -> Vec<String> {
        self.values.borrow().keys().cloned().collect()
    }
}

impl Store for Memory {
    type Version = u64;

    fn get(&self, key: &str) -> (Option<Vec<u8>>, u64) {
        match self.values.borrow().get(key) {
            Some((value, version)) => (Some(value.clone()), *version),
            None => (None, 0),
        }
    }

    fn set(&self, key: &str, value: &[u8], version: &u64) -> Result<(), Conflict> {
        if self.conflicts.get() > 0 {
            self.conflicts.set(self.conflicts.get() - 1);
            return Err(Conflict);
        }
        if self.get(key).1 != *version {
            return Err(Conflict);
        }
        self.writes.set(self.writes.get() + 1);
        self.values.borrow_mut().insert(key.to_owned(), (value.to_vec(), self.writes.get()));
        Ok(())
    }

    fn remove(&self, key: &str) {
        self.values.borrow_mut().remove(key);
    }
}

fn plan(rollouts: &[&str], epoch: u64) -> Plan {
    let rollout = |name: &&str| {
        format!(
            r#""{name}":{{"match":{{"hosts":["{name}.example"]}},"unit":"user","arms":{{"a":{{"target":"a"}},
            "b":{{"target":"b"}}}},"baseline":"a","canary":{{"share":50}},"epoch":{epoch},"gates":{{}}}}"#
        )
    };
    let rollouts: Vec<String> = rollouts.iter().map(rollout).collect();
    let spec = format!(
        r#"{{"formatVersion":1,"units":{{"user":[{{"header":"x-user"}}]}},"rollouts":{{{}}}}}"#,
        rollouts.join(",")
    );
    Plan::from_json(spec.as_bytes()).unwrap()
}

/// The batch of a worker after one request of each of `users` users to the rollout `web`.
fn counted(plan: &Plan, users: u32, canary_status: u16) -> OutcomeBatch {
    let mut buffer = TallyBuffer::default();
    for user in 0..users {
        let user = format!("user-{user}");
        let headers: [(&[u8], &[u8]); 3] =
            [(b":authority", b"web.example"), (b":path", b"/"), (b"x-user", user.as_bytes())];
        let facts = Facts::gather(plan, headers);
        let mut decision = Decision::new(plan);
        decide(plan, &facts, &mut decision);
        let exposure = decision.exposure(plan, &facts).unwrap();
        let trial = plan.rollout(exposure.rollout).unwrap().trial().unwrap();
        let status = if exposure.canary { canary_status } else { 200 };
        let outcome = Outcome { status, ..Outcome::default() };
        assert_eq!(buffer.record(trial, &exposure, &outcome), None);
    }
    let tallies = vec![("web".to_owned(), buffer.take().unwrap())];
    let batch = OutcomeBatch { digest: plan.digest().to_owned(), tallies };
    OutcomeBatch::from_bytes(&batch.to_bytes()).unwrap()
}

fn none() -> Latches {
    Latches::default()
}

#[test]
fn an_abort_is_stored_and_unpublished_until_it_is_published() {
    let (plan, memory) = (plan(&["web"], 3), Memory::default());
    let batch = counted(&plan, 300, 500);
    assert_eq!(
        Judge::new(&memory).take_batch(&plan, &batch, &none(), NOW).unwrap().audits.len(),
        1
    );
    let judge = Judge::new(&memory);
    let document = judge.document();
    let abort = document.latches.get("web").unwrap().abort.clone().unwrap();
    assert_eq!((abort.epoch, abort.at, document.version), (3, NOW, NOW));
    assert_eq!(judge.unpublished(), Some(document.to_json()));
    judge.set_published(&document.to_json()).unwrap();
    assert_eq!(judge.unpublished(), None);
    assert!(!judge.needs_recheck(&plan, NOW));
    assert_eq!(judge.take_batch(&plan, &batch, &none(), NOW + 1).unwrap().audits, []);
    assert_eq!(judge.unpublished(), None);
    assert!(judge.needs_recheck(&self::plan(&["web"], 4), NOW));
}

#[test]
fn the_status_has_the_tallies_and_the_records() {
    let (plan, memory) = (plan(&["web"], 3), Memory::default());
    let judge = Judge::new(&memory);
    judge.take_batch(&plan, &counted(&plan, 300, 500), &none(), NOW).unwrap();
    let status: serde_json::Value = serde_json::from_str(&judge.status(Some(&plan))).unwrap();
    assert_eq!(status["latches"][0]["abort"]["epoch"], 3);
    assert_eq!(status["audits"][0]["verdict"], "abort");
    let web = &status["watched"]["web"];
    assert_eq!((&web["epoch"], &web["shadow"]["compared"]), (&3.into(), &0.into()));
    let requests = |arm: &str| web[arm]["requests"].as_u64().unwrap();
    assert_eq!(requests("canary") + requests("baseline"), 300);
    assert_eq!(web["canary"]["errors"], web["canary"]["requests"]);
}

#[test]
fn tallies_of_another_stage_add_nothing() {
    let memory = Memory::default();
    let (old, new) = (plan(&["web"], 3), plan(&["web"], 4));
    let judge = Judge::new(&memory);
    let taken = judge.take_batch(&new, &counted(&old, 300, 500), &none(), NOW).unwrap();
    assert_eq!(taken.audits, []);
    assert_eq!(reasons(&taken.dropped), [("web", DropReason::Stage, 300)]);
    assert!(!memory.keys().contains(&"tallies/web".to_owned()));
}

fn reasons(dropped: &[Dropped]) -> Vec<(&str, DropReason, u64)> {
    dropped.iter().map(|of| (of.rollout.as_str(), of.reason, of.outcomes)).collect()
}

#[test]
fn what_is_dropped_is_returned_counted_and_answered() {
    let memory = Memory::default();
    let judge = Judge::new(&memory);
    let (old, new, other) = (plan(&["web"], 3), plan(&["web"], 4), plan(&["cart"], 1));
    let batch = counted(&old, 300, 500);
    let unknown = judge.take_batch(&other, &batch, &none(), NOW).unwrap().dropped;
    assert_eq!(reasons(&unknown), [("web", DropReason::Unknown, 300)]);
    let stage = judge.take_batch(&new, &batch, &none(), NOW).unwrap().dropped;
    assert_eq!(reasons(&stage), [("web", DropReason::Stage, 300)]);
    let without = judge.drop_batch(&batch).unwrap();
    assert_eq!(reasons(&without), [("web", DropReason::NoPlan, 300)]);
    memory.conflicts.set(16);
    let conflict = judge.take_batch(&old, &batch, &none(), NOW).unwrap().dropped;
    assert_eq!(reasons(&conflict), [("web", DropReason::Conflict, 300)]);
    let taken = judge.take_batch(&old, &batch, &none(), NOW).unwrap();
    assert_eq!((taken.audits.len(), taken.dropped), (1, vec![]));

    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let expected =
        serde_json::json!({"noPlan": 300, "unknown": 300, "stage": 300, "conflict": 300});
    assert_eq!(json(&judge.status(Some(&old)))["dropped"], expected);
    let bare = json(&judge.status(None));
    assert_eq!(
        (&bare["plan"], &bare["watched"]),
        (&serde_json::json!(null), &serde_json::json!({}))
    );
    assert_eq!(bare["latches"][0]["abort"]["epoch"], 3);
    let answer = json(&judge.answer(Some(&new), &stage));
    assert_eq!(answer["plan"]["digest"], new.digest());
    let expected = serde_json::json!([{"rollout": "web", "reason": "stage", "outcomes": 300}]);
    assert_eq!(answer["dropped"], expected);
    assert_eq!(judge.answer(Some(&new), &[]), judge.document().to_json());
}

#[test]
fn a_step_ahead_of_the_judge_is_dropped_for_its_clock_and_an_ended_one_for_its_stage() {
    let spec = r#"{"formatVersion":1,"units":{"user":[{"header":"x-user"}]},"rollouts":{"web":{
        "match":{"hosts":["web.example"]},"unit":"user","arms":{"a":{"target":"a"},"b":{"target":"b"}},
        "baseline":"a","gates":{},"canary":{"start":"2026-11-21T09:00:00Z",
        "steps":[{"share":20,"hold":"1h"},{"share":50}]}}}}"#;
    let plan = Plan::from_json(spec.as_bytes()).unwrap();
    let start = 1_795_251_600_000;
    let second = start + 3_600_000;
    let rollout = &plan.rollouts()[0];
    let batch = |at: u64| {
        let stage = rollout.current_stage(None, at).unwrap().stage;
        let mut tallies = Tallies::new(stage, rollout.trial().unwrap());
        tallies.shadow.exposures = 7;
        OutcomeBatch { tallies: vec![("web".to_owned(), tallies)], ..OutcomeBatch::default() }
    };
    let dropped = |at: u64, judged_at: u64| {
        let memory = Memory::default();
        let taken = Judge::new(&memory).take_batch(&plan, &batch(at), &none(), judged_at).unwrap();
        taken.dropped.first().map(|of| (of.reason, of.outcomes))
    };
    assert_eq!(dropped(second, second), None);
    assert_eq!(dropped(second, second - 1), Some((DropReason::Clock, 7)));
    assert_eq!(dropped(start, start - 1), Some((DropReason::Clock, 7)));
    assert_eq!(dropped(start, second), Some((DropReason::Stage, 7)));
}

#[test]
fn an_old_plan_brings_no_evidence_back_and_no_abort_is_lost() {
    let (old, memory) = (plan(&["web"], 3), Memory::default());
    let batch = counted(&old, 300, 500);
    let judge = Judge::new(&memory);
    assert_eq!(judge.take_batch(&old, &batch, &none(), NOW).unwrap().audits.len(), 1);
    let without = plan(&[], 0);
    let late = NOW + 100 * DAY;
    for now in [NOW + 1, late, late + 1] {
        assert_eq!(judge.take_batch(&without, &batch, &none(), now).unwrap().audits, []);
    }
    assert!(!memory.keys().iter().any(|key| key.contains('/')), "{:?}", memory.keys());
    assert_eq!(judge.take_batch(&old, &batch, &none(), late + 2).unwrap().audits, []);
    let latches = judge.document().latches;
    let rollout = &old.rollouts()[0];
    assert!(rollout.abort_in_force(latches.get("web"), Some(late + 2)).is_some());
}

#[test]
fn aborts_from_other_sources_are_stored() {
    let (plan, memory) = (plan(&["web"], 3), Memory::default());
    let text = r#"{"latches":[{"rollout":"web","abort":{"epoch":3,"at":1,"digest":"d","reason":"by hand"}}]}"#;
    let others = LatchDocument::from_json(text).unwrap().latches;
    let judge = Judge::new(&memory);
    judge.take_batch(&plan, &counted(&plan, 300, 200), &others, NOW).unwrap();
    let latches = judge.document().latches;
    assert_eq!(latches.get("web").unwrap().abort.as_ref().unwrap().reason, "by hand");
}

#[test]
fn a_lack_of_traffic_is_recorded_once_and_the_log_is_bounded() {
    let (plan, memory) = (plan(&["web"], 3), Memory::default());
    let judge = Judge::new(&memory);
    let silent = NOW + Judge::<&Memory>::RECHECK_MS;
    assert_eq!(
        judge.take_batch(&plan, &counted(&plan, 300, 200), &none(), NOW).unwrap().audits,
        []
    );
    assert!(judge.needs_recheck(&plan, NOW));
    assert_eq!(judge.wake(&plan, &none(), NOW + 30_000).unwrap(), []);
    assert_eq!(judge.wake(&plan, &none(), silent).unwrap().len(), 1);
    assert!(!judge.needs_recheck(&plan, silent));
    assert_eq!(judge.wake(&plan, &none(), silent + 200_000).unwrap(), []);
    // Each epoch pauses once more.
    for epoch in 4..40 {
        let plan = self::plan(&["web"], epoch);
        judge.wake(&plan, &none(), silent + epoch * 1_000_000).unwrap();
        judge.wake(&plan, &none(), silent + epoch * 1_000_000 + 70_000).unwrap();
    }
    let status: serde_json::Value = serde_json::from_str(&judge.status(Some(&plan))).unwrap();
    assert_eq!(status["audits"].as_array().unwrap().len(), 20);
    assert_eq!(status["audits"][19]["epoch"], 39);
}

#[test]
fn a_lack_of_traffic_is_seen_after_a_clock_that_was_set_back() {
    let (plan, memory) = (plan(&["web"], 3), Memory::default());
    let judge = Judge::new(&memory);
    judge.take_batch(&plan, &counted(&plan, 300, 200), &none(), NOW).unwrap();
    let back = NOW - DAY / 24;
    assert_eq!(judge.wake(&plan, &none(), back).unwrap(), []);
    assert_eq!(judge.wake(&plan, &none(), back + Judge::<&Memory>::RECHECK_MS).unwrap().len(), 1);
}

#[test]
fn a_conflict_is_retried_and_reported_if_it_lasts() {
    let (plan, memory) = (plan(&["web"], 3), Memory::default());
    let (judge, batch) = (Judge::new(&memory), counted(&plan, 300, 500));
    memory.conflicts.set(1000);
    assert_eq!(judge.take_batch(&plan, &batch, &none(), NOW), Err(Conflict));
    assert_eq!(memory.keys(), [""; 0]);
    memory.conflicts.set(5);
    assert_eq!(judge.take_batch(&plan, &batch, &none(), NOW).unwrap().audits.len(), 1);
}

#[test]
fn one_of_two_judges_of_the_same_tallies_takes_effect() {
    let (plan, memory) = (plan(&["web"], 3), Memory::default());
    let judge = Judge::new(&memory);
    let (id, _) = plan.arm_named("web", "a").unwrap();
    let rollout = plan.rollout(id).unwrap();
    let current = rollout.current_stage(None, NOW).unwrap().stage;
    let batch = counted(&plan, 300, 500);
    let sum = judge.add("web", batch.get("web").unwrap(), current).unwrap();
    let mut latch = serin_core::gate::Latch::new("web");
    let mut late = latch.clone();
    memory.conflicts.set(1);
    let lost = judge.evaluate(&plan, id, sum.as_ref(), &mut late, NOW);
    assert_eq!(lost, Err(Conflict));
    assert!(judge.evaluate(&plan, id, sum.as_ref(), &mut latch, NOW).unwrap().is_some());
    assert!(latch.abort.is_some());
}

/// The keys of evidence.
fn evidence(memory: &Memory) -> Vec<String> {
    memory.keys().into_iter().filter(|key| key.contains('/')).collect()
}

fn with_evidence(rollouts: &[&str]) -> Memory {
    let memory = Memory::default();
    for rollout in rollouts {
        memory.set(&format!("tallies/{rollout}"), b"1", &0).unwrap();
        memory.set(&format!("watch/{rollout}"), b"1", &0).unwrap();
    }
    memory.set("latches", b"1", &0).unwrap();
    Judge::new(&memory).remove_expired(&plan(rollouts, 0), NOW).unwrap();
    memory
}

#[test]
fn evidence_is_removed_a_day_after_its_rollout_and_latches_stay() {
    let memory = with_evidence(&["old", "web"]);
    let judge = Judge::new(&memory);
    assert_eq!(judge.next_expiry(), None);
    let plan = plan(&["web"], 0);
    judge.remove_expired(&plan, NOW + 5).unwrap();
    assert_eq!(judge.next_expiry(), Some(NOW + 5 + DAY));
    judge.remove_expired(&plan, NOW + 4 + DAY).unwrap();
    assert_eq!(evidence(&memory).len(), 4);
    judge.remove_expired(&plan, NOW + 5 + DAY).unwrap();
    assert_eq!(evidence(&memory), ["tallies/web", "watch/web"]);
    assert!(memory.keys().contains(&"latches".to_owned()));
    assert_eq!(judge.next_expiry(), None);
}

#[test]
fn a_rollout_that_comes_back_in_time_keeps_its_evidence() {
    let memory = with_evidence(&["old", "web"]);
    let judge = Judge::new(&memory);
    let (without, with) = (plan(&["web"], 0), plan(&["old", "web"], 0));
    for round in 0..5 {
        judge.remove_expired(&without, NOW + round * DAY).unwrap();
        judge.remove_expired(&with, NOW + round * DAY + DAY / 2).unwrap();
    }
    assert_eq!((evidence(&memory).len(), judge.next_expiry()), (4, None));
}
