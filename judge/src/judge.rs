//! The judge: adds tallies up, evaluates trials and stores the latches.

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use serin_core::Plan;
use serin_core::gate::{Audit, Latch, Latches, Monitor, StageId, Tallies, Verdict};
use serin_core::json;
use serin_core::plan::{Rollout, RolloutId};

use crate::audit_log;
use crate::dropped::{self, DropReason, Dropped};
use crate::keys;
use crate::latch_document::LatchDocument;
use crate::outcome_batch::OutcomeBatch;
use crate::retention;
use crate::status::write_plan;
use crate::store::{self, Conflict, Store};

/// The owner of the evidence in a store. Several judges may share a store: each change is a
/// compare-and-swap, and of two judges that evaluate the same tallies one takes effect.
#[derive(Debug)]
pub struct Judge<S> {
    store: S,
}

/// The result of [`Judge::take_batch`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TakenBatch {
    /// The records of the automatic decisions that followed.
    pub audits: Vec<Audit>,
    /// What was not counted, and why.
    pub dropped: Vec<Dropped>,
}

impl<S: Store> Judge<S> {
    /// The delay after the latest batch until [`Judge::wake`], in ms. It exceeds
    /// [`Monitor::PATIENCE_MS`], so that the lack of traffic is judged then.
    pub const RECHECK_MS: u64 = Monitor::PATIENCE_MS.saturating_add(1_000);

    /// A judge over a store.
    pub const fn new(store: S) -> Judge<S> {
        Judge { store }
    }

    /// The store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Gives a rollout's keys a value, unless they have one. A store whose versions only guard keys that have a
    /// value, as Envoy's shared data, would otherwise let two VMs both write the first one: the counts of one would
    /// be lost.
    pub fn open(&self, rollout: &str) {
        for key in [keys::tallies(rollout), keys::monitor(rollout)] {
            if let (None, version) = self.store.get(&key) {
                // A conflict means that another VM has opened it. An empty value counts as none.
                let _ = self.store.set(&key, &[], &version);
            }
        }
    }

    /// The tallies of a rollout.
    pub fn tallies(&self, rollout: &str) -> Option<Tallies> {
        self.read_tallies(rollout).0
    }

    /// The tallies of a rollout, with the version of that state.
    pub fn read_tallies(&self, rollout: &str) -> (Option<Tallies>, S::Version) {
        let (bytes, version) = self.store.get(&keys::tallies(rollout));
        (bytes.and_then(|bytes| Tallies::from_bytes(&bytes)), version)
    }

    /// Adds tallies to the rollout's while the stage `current` is in force; tallies of another stage are
    /// dropped. Returns the sum.
    ///
    /// # Errors
    /// [`Conflict`] if other writers were first in every try; nothing is added.
    pub fn add(
        &self,
        rollout: &str,
        added: &Tallies,
        current: StageId,
    ) -> Result<Option<Tallies>, Conflict> {
        let mut sum = None;
        store::update(&self.store, &keys::tallies(rollout), |value| {
            let stored = value.and_then(|bytes| Tallies::from_bytes(&bytes));
            sum = Tallies::absorb(stored, added, current);
            sum.as_ref().map(Tallies::to_bytes)
        })?;
        Ok(sum)
    }

    /// Evaluates a trial, see [`Monitor::evaluate`], and stores its monitor. The caller stores the latch.
    ///
    /// # Errors
    /// [`Conflict`] if another judge has evaluated meanwhile: the latch then counts as unchanged.
    pub fn evaluate(
        &self,
        plan: &Plan,
        id: RolloutId,
        tallies: Option<&Tallies>,
        latch: &mut Latch,
        now: u64,
    ) -> Result<Option<Audit>, Conflict> {
        let Some(rollout) = plan.rollout(id) else { return Ok(None) };
        let key = keys::monitor(rollout.name());
        let (bytes, version) = self.store.get(&key);
        let stored = bytes.and_then(|bytes| Monitor::from_bytes(&bytes));
        let mut monitor = stored.clone().unwrap_or_default();
        let audit = monitor.evaluate(plan, id, tallies, latch, now);
        if stored.as_ref() != Some(&monitor) {
            self.store.set(&key, &monitor.to_bytes(), &version)?;
        }
        Ok(audit)
    }

    /// Adds a worker's batch at `now` (ms since 1970) and evaluates its trials. `others` are latches from
    /// other sources, which are merged.
    ///
    /// # Errors
    /// [`Conflict`] if other writers were first in every try to store the latches or the records.
    pub fn take_batch(
        &self,
        plan: &Plan,
        batch: &OutcomeBatch,
        others: &Latches,
        now: u64,
    ) -> Result<TakenBatch, Conflict> {
        let unknown =
            batch.tallies.iter().filter(|(rollout, _)| !retention::is_judged(plan, rollout));
        let unknown =
            unknown.map(|(rollout, tallies)| Dropped::new(rollout, DropReason::Unknown, tallies));
        let mut dropped: Vec<Dropped> = unknown.collect();
        let concerns = |rollout: &Rollout| batch.get(rollout.name()).is_some();
        let audits = self.evaluate_all(plan, others, now, concerns, |rollout, latches| {
            let name = rollout.name();
            let added = batch.get(name)?;
            let mut drop = |reason| dropped.push(Dropped::new(name, reason, added));
            let Some(current) = rollout.current_stage(latches.get(name), now) else {
                drop(DropReason::Clock);
                return None;
            };
            let mismatch = mismatch(added.stage, current.stage);
            let sum = self.add(name, added, current.stage);
            let conflict = sum.is_err().then_some(DropReason::Conflict);
            if let Some(reason) = mismatch.or(conflict) {
                drop(reason);
            }
            sum.ok().flatten()
        })?;
        dropped::count(&self.store, &dropped)?;
        Ok(TakenBatch { audits, dropped })
    }

    /// Drops a batch because there is no plan. Returns what was dropped.
    ///
    /// # Errors
    /// [`Conflict`] if other writers were first in every try: the counters lack the batch.
    pub fn drop_batch(&self, batch: &OutcomeBatch) -> Result<Vec<Dropped>, Conflict> {
        let dropped = |(rollout, tallies): &(String, Tallies)| {
            Dropped::new(rollout, DropReason::NoPlan, tallies)
        };
        let dropped: Vec<Dropped> = batch.tallies.iter().map(dropped).collect();
        dropped::count(&self.store, &dropped)?;
        Ok(dropped)
    }

    /// The answer to a batch, as JSON: the latch document. If something was dropped, the members `plan` (as
    /// in [`Judge::status`]) and `dropped` (a list of [`Dropped`]) follow.
    pub fn answer(&self, plan: Option<&Plan>, dropped: &[Dropped]) -> String {
        json::object(|object| {
            self.document().write(object);
            if !dropped.is_empty() {
                write_plan(plan, object);
                object.list("dropped", |list| {
                    dropped.iter().for_each(|dropped| list.object(|object| dropped.write(object)));
                });
            }
        })
    }

    /// Evaluates all trials without a batch, which judges the lack of traffic. Returns the audit records.
    ///
    /// # Errors
    /// [`Conflict`] as for [`Judge::take_batch`].
    pub fn wake(&self, plan: &Plan, others: &Latches, now: u64) -> Result<Vec<Audit>, Conflict> {
        self.evaluate_all(plan, others, now, |_| true, |rollout, _| self.tallies(rollout.name()))
    }

    /// Whether a later [`Judge::wake`] may have an effect: a trial runs and its step is not held.
    pub fn needs_recheck(&self, plan: &Plan, now: u64) -> bool {
        let latches = self.document().latches;
        plan.rollouts().iter().any(|rollout| {
            let latch = latches.get(rollout.name());
            if rollout.abort_in_force(latch, Some(now)).is_some() {
                return false;
            }
            let current = rollout.current_stage(latch, now);
            let held = latch.and_then(|latch| latch.held_step);
            current.is_some_and(|current| held != Some(current.stage.step))
        })
    }

    fn evaluate_all(
        &self,
        plan: &Plan,
        others: &Latches,
        now: u64,
        concerns: impl Fn(&Rollout) -> bool,
        mut tallies: impl FnMut(&Rollout, &Latches) -> Option<Tallies>,
    ) -> Result<Vec<Audit>, Conflict> {
        let mut latches = self.document().latches;
        latches.merge(others);
        let mut audits = Vec::new();
        let mut judged = Latches::default();
        for (index, rollout) in plan.rollouts().iter().enumerate() {
            if rollout.trial().is_none() || !concerns(rollout) {
                continue;
            }
            let tallies = tallies(rollout, &latches);
            let mut latch =
                latches.get(rollout.name()).cloned().unwrap_or_else(|| Latch::new(rollout.name()));
            let id = RolloutId::from_index(index);
            // On a conflict, another judge has evaluated the same tallies.
            let Ok(audit) = self.evaluate(plan, id, tallies.as_ref(), &mut latch, now) else {
                continue;
            };
            judged.update(rollout.name(), |slot| *slot = latch);
            audits.extend(audit);
        }
        let before = self.store_latches(others, &judged, now)?;
        audits.retain(|audit| !is_known(&before, audit));
        audit_log::append(&self.store, &audits)?;
        retention::sweep(&self.store, plan, now)?;
        Ok(audits)
    }

    /// The stored latches.
    pub fn document(&self) -> LatchDocument {
        document(self.store.get(keys::LATCHES).0)
    }

    /// Merges the latches of others and adopts those that this judge has changed. Returns the latches before.
    fn store_latches(
        &self,
        others: &Latches,
        judged: &Latches,
        now: u64,
    ) -> Result<Latches, Conflict> {
        let mut before = Latches::default();
        store::update(&self.store, keys::LATCHES, |value| {
            let mut document = document(value);
            let mut latches = document.latches.clone();
            before = document.latches.clone();
            latches.merge(others);
            for latch in judged.list() {
                latches.update(&latch.rollout, |stored| stored.adopt(latch));
            }
            if latches == document.latches {
                return None;
            }
            document.set(latches, now);
            Some(document.to_json().into_bytes())
        })?;
        Ok(before)
    }

    /// The latch document if it has changed since [`Judge::set_published`].
    pub fn unpublished(&self) -> Option<String> {
        let document = self.text(keys::LATCHES)?;
        (self.text(keys::PUBLISHED).as_ref() != Some(&document)).then_some(document)
    }

    /// Records that a latch document was published.
    ///
    /// # Errors
    /// [`Conflict`] if other writers were first in every try.
    pub fn set_published(&self, document: &str) -> Result<(), Conflict> {
        store::update(&self.store, keys::PUBLISHED, |_| Some(document.as_bytes().to_vec()))
    }

    /// Removes the evidence of rollouts that no plan has had gates for in a day; see
    /// [`Judge::next_expiry`].
    ///
    /// # Errors
    /// [`Conflict`] if other writers were first in every try.
    pub fn remove_expired(&self, plan: &Plan, now: u64) -> Result<(), Conflict> {
        retention::sweep(&self.store, plan, now)
    }

    /// When evidence has to be removed next, in ms since 1970.
    pub fn next_expiry(&self) -> Option<u64> {
        retention::next_expiry(&self.store)
    }

    fn text(&self, key: &str) -> Option<String> {
        String::from_utf8(self.store.get(key).0?).ok()
    }
}

/// Whether latches have the abort of a record already. A VM that stood still in the middle of its tick may decide the
/// abort again that another VM has decided meanwhile: its record is discarded.
pub fn is_known(latches: &Latches, audit: &Audit) -> bool {
    let abort = latches.get(&audit.rollout).and_then(|latch| latch.abort.as_ref());
    audit.evaluation.judgement.verdict == Verdict::Abort
        && abort.is_some_and(|abort| abort.epoch >= audit.epoch)
}

/// Why outcomes of the stage `added` are not evidence of the stage `current`; `None` if they are.
fn mismatch(added: StageId, current: StageId) -> Option<DropReason> {
    let trial = |stage: StageId| (stage.epoch, stage.fingerprint);
    match added.step.cmp(&current.step) {
        _ if trial(added) != trial(current) => Some(DropReason::Stage),
        Ordering::Less => Some(DropReason::Stage),
        Ordering::Greater => Some(DropReason::Clock),
        Ordering::Equal => None,
    }
}

fn document(value: Option<Vec<u8>>) -> LatchDocument {
    let text = value.and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| LatchDocument::from_json(&text)).unwrap_or_default()
}
