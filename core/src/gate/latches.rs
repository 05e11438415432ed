//! The latches of all rollouts: a JSON document that hosts exchange, and an index by rollout for `decide`.

use alloc::string::String;
use alloc::vec::Vec;

use super::latch::{Abort, Latch};
use crate::json::{self, Node, ObjectWriter};
use crate::parse::progress::MAX_STEPS;
use crate::plan::{Plan, Rollout, RolloutId};

/// The latches of all rollouts. Hosts exchange them as a JSON document:
///
/// ```json
/// {"latches":[{"rollout":"shop","epoch":3,
///   "abort":{"epoch":3,"at":1795250000000,"digest":"0123456789abcdef","reason":"errors, …"},
///   "left":[[0,1795240000000]],"held":1}]}
/// ```
///
/// `left` has the steps that the gate has let end, each with its time; `held` is the step that the gate
/// holds. Times are in ms since 1970. Absent fields are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latches {
    /// Sorted by the rollout's name.
    list: Vec<Latch>,
}

impl Latches {
    /// The number of latches that are read from a document; any more are ignored.
    const MAX_LATCHES: usize = 10_000;

    /// Reads a document; `None` if it is not one.
    pub fn from_json(json: &[u8]) -> Option<Latches> {
        let Node::Object(document) = serde_json::from_slice(json).ok()? else { return None };
        let Node::List(items) = document.get("latches")? else { return None };
        let mut latches = Latches::default();
        for item in items.iter().take(Self::MAX_LATCHES) {
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

    /// All latches, sorted by the rollout's name.
    pub fn list(&self) -> &[Latch] {
        &self.list
    }

    /// A rollout's latch.
    pub fn get(&self, rollout: &str) -> Option<&Latch> {
        self.position(rollout).ok().and_then(|index| self.list.get(index))
    }

    /// Updates a rollout's latch; creates an open one if there was none.
    pub fn update<T>(&mut self, rollout: &str, change: impl FnOnce(&mut Latch) -> T) -> T {
        let position = self.position(rollout);
        let mut latch = match position {
            Ok(index) => self.list.get_mut(index).map(core::mem::take).unwrap_or_default(),
            Err(_) => Latch::new(rollout),
        };
        let result = change(&mut latch);
        match position {
            Ok(index) => {
                if let Some(slot) = self.list.get_mut(index) {
                    *slot = latch;
                }
            }
            Err(index) => self.list.insert(index, latch),
        }
        result
    }

    /// Merges another host's latches: see [`Latch::merge`].
    pub fn merge(&mut self, other: &Latches) {
        for latch in &other.list {
            self.update(&latch.rollout, |known| known.merge(latch));
        }
    }

    /// The latches of a plan's rollouts, for its decisions; `None` if no rollout has a latch.
    pub fn for_plan(&self, plan: &Plan) -> Option<ActiveLatches> {
        let active = self.active(plan, true);
        active.list.iter().any(Option::is_some).then_some(active)
    }

    /// The latches of a plan's rollouts, for a host that does not know previous aborts yet: rollouts with
    /// gates are on their baseline.
    pub fn for_plan_incomplete(&self, plan: &Plan) -> ActiveLatches {
        self.active(plan, false)
    }

    fn active(&self, plan: &Plan, is_complete: bool) -> ActiveLatches {
        let latch = |rollout: &Rollout| {
            let mut latch = self.get(rollout.name())?.in_epoch(rollout.epoch());
            // Only a judge releases a held step, and without gates there is none.
            latch.held_step = latch.held_step.filter(|_| rollout.trial().is_some());
            Some(latch)
        };
        ActiveLatches { list: plan.rollouts().iter().map(latch).collect(), is_complete }
    }

    fn position(&self, rollout: &str) -> Result<usize, usize> {
        self.list.binary_search_by(|latch| latch.rollout.as_str().cmp(rollout))
    }
}

/// The latches of one plan's rollouts, which its decisions obey: see [`crate::RequestHost::latches`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveLatches {
    /// One entry for each rollout of the plan.
    list: Vec<Option<Latch>>,
    is_complete: bool,
}

impl ActiveLatches {
    /// Whether the host knows previous aborts. Until then, rollouts with gates are on their baseline.
    pub fn is_complete(&self) -> bool {
        self.is_complete
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

/// Reads what [`Latch::write`] has written; `None` for another JSON value.
fn latch(node: &Node<'_>) -> Option<Latch> {
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

fn text<'n>(node: &'n Node<'_>) -> Option<&'n str> {
    if let Node::String(text) = node { Some(text) } else { None }
}

fn whole(node: &Node<'_>) -> Option<u64> {
    if let Node::Number(number) = node { number.as_u64() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_adds_latches_rollout_by_rollout() {
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
