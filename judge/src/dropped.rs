//! What a judge does not count of a batch, and why.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serin_core::gate::Tallies;
use serin_core::json::ObjectWriter;

use crate::keys;
use crate::store::{self, Conflict, Store};

/// The reason that outcomes are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DropReason {
    /// The judge has no plan.
    NoPlan,
    /// The judge's plan has no such trial.
    Unknown,
    /// The outcomes are of another epoch, of another edit of the rollout, or of a step that has ended.
    Stage,
    /// The outcomes are of a step that has not begun by the judge's clock.
    Clock,
    /// Other writers were first in every try.
    Conflict,
    /// The judge did not answer, and may have counted the outcomes.
    Unanswered,
}

impl DropReason {
    /// All reasons.
    pub const ALL: [DropReason; 6] = [
        DropReason::NoPlan,
        DropReason::Unknown,
        DropReason::Stage,
        DropReason::Clock,
        DropReason::Conflict,
        DropReason::Unanswered,
    ];

    /// The reason's name, which stores and status pages have. It never changes.
    pub const fn as_str(self) -> &'static str {
        match self {
            DropReason::NoPlan => "noPlan",
            DropReason::Unknown => "unknown",
            DropReason::Stage => "stage",
            DropReason::Clock => "clock",
            DropReason::Conflict => "conflict",
            DropReason::Unanswered => "unanswered",
        }
    }

    /// The reason with this name.
    pub fn from_name(name: &str) -> Option<DropReason> {
        DropReason::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// The outcomes of one rollout that are not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The rollout.
    pub rollout: String,
    /// The reason.
    pub reason: DropReason,
    /// The number of requests and of compared shadow responses.
    pub outcomes: u64,
}

impl Dropped {
    /// The tallies of a rollout as dropped.
    pub fn new(rollout: &str, reason: DropReason, tallies: &Tallies) -> Dropped {
        Dropped { rollout: rollout.to_owned(), reason, outcomes: outcomes(tallies) }
    }

    /// Adds the members `rollout`, `reason` and `outcomes` to an object.
    pub fn write(&self, object: &mut ObjectWriter<'_>) {
        object.string("rollout", &self.rollout);
        object.string("reason", self.reason.as_str());
        object.number("outcomes", self.outcomes);
    }
}

/// The number of outcomes in tallies: requests, and compared shadow responses.
fn outcomes(tallies: &Tallies) -> u64 {
    let requests = tallies.groups.first().map_or(0, |everybody| everybody.requests.exposures());
    requests.saturating_add(tallies.shadow.exposures)
}

/// Adds dropped outcomes to the counters in a store.
pub(crate) fn count<S: Store>(store: &S, dropped: &[Dropped]) -> Result<(), Conflict> {
    if dropped.iter().all(|dropped| dropped.outcomes == 0) {
        return Ok(());
    }
    store::update(store, keys::DROPPED, |value| {
        let mut counters = parse(value);
        for Dropped { reason, outcomes, .. } in dropped {
            if let Some((_, count)) = counters.iter_mut().find(|(known, _)| known == reason) {
                *count = count.saturating_add(*outcomes);
            } else {
                counters.push((*reason, *outcomes));
            }
        }
        counters.sort_unstable();
        let line = |(reason, count): &(DropReason, u64)| format!("{} {count}\n", reason.as_str());
        Some(counters.iter().map(line).collect::<String>().into_bytes())
    })
}

/// The counters in a store: the number of dropped outcomes for each reason that has occurred.
pub(crate) fn read<S: Store>(store: &S) -> Vec<(DropReason, u64)> {
    parse(store.get(keys::DROPPED).0)
}

fn parse(value: Option<Vec<u8>>) -> Vec<(DropReason, u64)> {
    let text = value.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let counter = |line: &str| {
        let (reason, count) = line.split_once(' ')?;
        Some((DropReason::from_name(reason)?, count.parse().ok()?))
    };
    text.lines().filter_map(counter).collect()
}
