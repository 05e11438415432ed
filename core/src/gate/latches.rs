//! The latches of all rollouts: as a document between hosts, and by position for `decide`.

use alloc::string::String;
use alloc::vec::Vec;

use super::latch::{Abort, Latch};
use crate::json::{self, Node, ObjectWriter};
use crate::parse::progress::MAX_STEPS;
use crate::plan::{Plan, Rollout, RolloutId};

/// What hosts tell each other of aborts, as JSON:
///
/// ```json
/// {"latches":[{"rollout":"shop","epoch":3,
///   "abort":{"epoch":3,"at":1795250000000,"digest":"0123456789abcdef","reason":"errors, …"},
///   "left":[[0,1795240000000]],"held":1}]}
/// ```
///
/// Moments are ms since 1970. Absent fields are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latches {
    /// Sorted by rollout.
    list: Vec<Latch>,
}

impl Latches {
    /// The most rollouts that a document may speak of.
    const MOST: usize = 10_000;

    /// Reads a document; `None` if it is none.
    pub fn from_json(json: &[u8]) -> Option<Latches> {
        let Node::Object(document) = serde_json::from_slice(json).ok()? else { return None };
        let Node::List(items) = document.get("latches")? else { return None };
        let mut latches = Latches::default();
        for item in items.iter().take(Self::MOST) {
            let latch = latch(item)?;
            latches.update(&latch.rollout, |known| known.adopt(&latch));
        }
        Some(latches)
    }

    /// The document as JSON.
    pub fn to_json(&self) -> String {
        json::object(|object| self.write(object))
    }

    /// Adds the member `latches` of [`Latches::to_json`] to an object.
    pub fn write(&self, object: &mut ObjectWriter<'_>) {
        object.list("latches", |list| {
            self.list.iter().for_each(|latch| list.object(|object| latch.write(object)));
        });
    }

    /// All latches, by rollout.
    pub fn list(&self) -> &[Latch] {
        &self.list
    }

    /// A rollout's latch.
    pub fn get(&self, rollout: &str) -> Option<&Latch> {
        self.place(rollout).ok().and_then(|place| self.list.get(place))
    }

    /// Updates a rollout's latch; creates an open one if there was none.
    pub fn update<T>(&mut self, rollout: &str, change: impl FnOnce(&mut Latch) -> T) -> T {
        let place = self.place(rollout);
        let mut latch = match place {
            Ok(place) => self.list.get_mut(place).map(core::mem::take).unwrap_or_default(),
            Err(_) => Latch::new(rollout),
        };
        let result = change(&mut latch);
        match place {
            Ok(place) => {
                if let Some(slot) = self.list.get_mut(place) {
                    *slot = latch;
                }
            }
            Err(place) => self.list.insert(place, latch),
        }
        result
    }

    /// Adds what another host knows.
    pub fn merge(&mut self, other: &Latches) {
        for latch in &other.list {
            self.update(&latch.rollout, |known| known.merge(latch));
        }
    }

    /// The latches by the positions of a plan, for its decisions. `None` if nothing is known of any
    /// rollout.
    pub fn for_plan(&self, plan: &Plan) -> Option<ActiveLatches> {
        let active = self.active(plan, false);
        active.list.iter().any(Option::is_some).then_some(active)
    }

    /// As [`Latches::for_plan`], for a host that has not yet learned of earlier aborts: rollouts with
    /// gates wait on their baseline.
    pub fn while_waiting(&self, plan: &Plan) -> ActiveLatches {
        self.active(plan, true)
    }

    fn active(&self, plan: &Plan, is_waiting: bool) -> ActiveLatches {
        let latch = |rollout: &Rollout| Some(self.get(rollout.name())?.in_epoch(rollout.epoch()));
        ActiveLatches { list: plan.rollouts().iter().map(latch).collect(), is_waiting }
    }

    fn place(&self, rollout: &str) -> Result<usize, usize> {
        self.list.binary_search_by(|latch| latch.rollout.as_str().cmp(rollout))
    }
}

/// The latches of a plan's rollouts. Every decision obeys them: see [`crate::RequestHost::latches`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveLatches {
    /// By position of the rollout.
    list: Vec<Option<Latch>>,
    is_waiting: bool,
}

impl ActiveLatches {
    /// Whether earlier aborts are still unknown: rollouts with gates are on their baseline until they are.
    pub fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// A rollout's latch.
    pub fn get(&self, rollout: RolloutId) -> Option<&Latch> {
        self.list.get(rollout.index())?.as_ref()
    }
}

impl Latch {
    fn write(&self, object: &mut ObjectWriter<'_>) {
        object.string("rollout", &self.rollout);
        object.number("epoch", self.epoch);
        if let Some(abort) = &self.abort {
            object.object("abort", |object| {
                object.number("epoch", abort.epoch);
                object.number("at", abort.at);
                object.string("digest", &abort.digest);
                object.string("reason", &abort.reason);
            });
        }
        if !self.ended_steps.is_empty() {
            object.list("left", |list| {
                for (step, at) in &self.ended_steps {
                    list.list(|pair| {
                        [u64::from(*step), *at].into_iter().for_each(|n| pair.number(n))
                    });
                }
            });
        }
        if let Some(held) = self.held_step {
            object.number("held", held);
        }
    }
}

/// The reader of what [`Latch::write`] writes.
fn latch(node: &Node) -> Option<Latch> {
    let Node::Object(fields) = node else { return None };
    let abort = fields.get("abort").and_then(|abort| {
        let Node::Object(fields) = abort else { return None };
        Some(Abort {
            epoch: whole(fields.get("epoch")?)?,
            at: whole(fields.get("at")?)?,
            digest: text(fields.get("digest")?)?.into(),
            reason: text(fields.get("reason")?)?.into(),
        })
    });
    let mut latch = Latch::new(text(fields.get("rollout")?)?);
    latch.epoch = fields.get("epoch").and_then(whole).unwrap_or_default();
    latch.abort = abort;
    latch.held_step = fields.get("held").and_then(whole).and_then(|step| u32::try_from(step).ok());
    if let Some(Node::List(items)) = fields.get("left") {
        for item in items.iter().take(MAX_STEPS) {
            let Node::List(pair) = item else { return None };
            let [step, at] = pair.as_slice() else { return None };
            latch.end_step(u32::try_from(whole(step)?).ok()?, whole(at)?);
        }
    }
    Some(latch)
}

fn text(node: &Node) -> Option<&str> {
    if let Node::String(text) = node { Some(text) } else { None }
}

fn whole(node: &Node) -> Option<u64> {
    if let Node::Number(number) = node { number.as_u64() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_know_is_added_rollout_by_rollout() {
        let abort = |epoch| Abort { epoch, at: 5, digest: "00".into(), reason: "errors".into() };
        let mut known = Latches::default();
        known.update("shop", |latch| latch.abort(abort(1)));
        let mut others = Latches::default();
        others.update("shop", |latch| latch.abort(abort(2)));
        others.update("cart", |latch| latch.end_step(0, 7));
        known.merge(&others);
        let list: Vec<_> = known
            .list()
            .iter()
            .map(|latch| (latch.rollout.as_str(), latch.abort.as_ref().map(|abort| abort.epoch)))
            .collect();
        assert_eq!(list, [("cart", None), ("shop", Some(2))]);
        assert_eq!(
            known.get("cart").map(|latch| latch.ended_steps.as_slice()),
            Some(&[(0, 7)][..])
        );
    }
}
