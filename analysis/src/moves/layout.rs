//! Layouts: what each bucket gets, and the comparison of two layouts.

use std::collections::BTreeMap;

use serin_core::inspect::Path;
use serin_core::plan::{self, Allocation, Bucketing, Plan, Ranges};
use serin_core::spec::{self, Spec, Weights};
use serin_core::{NameMap, Purpose, Share, Timestamp};

use super::change::{Change, Move, Moves, unmoved};

/// A spec and its plan.
pub(super) type Both<'s> = (&'s Spec, &'s Plan);

/// The inputs of a bucket assignment. If one of them changes, every unit gets another bucket.
#[derive(Clone, PartialEq)]
pub(super) struct Drawn {
    unit: String,
    sources: Vec<spec::UnitSource>,
    salt: String,
    purpose: Purpose,
}

impl Drawn {
    pub(super) fn new(spec: &Spec, plan: &Plan, by: &Bucketing) -> Drawn {
        let unit = plan.unit(by.unit()).map(|unit| unit.name().to_string()).unwrap_or_default();
        let sources = spec.units.get(&unit).cloned().unwrap_or_default();
        Drawn { unit, sources, salt: by.salt().to_string(), purpose: by.purpose() }
    }
}

/// A layout: what each bucket gets.
#[derive(Clone)]
pub(super) struct Layout {
    /// `None` if all buckets get the same.
    drawn: Option<Drawn>,
    /// The parts in the order of buckets: the end of each, and the name of what it gets.
    parts: Vec<(u32, String)>,
}

impl Layout {
    fn everybody(what: &str) -> Layout {
        Layout { drawn: None, parts: vec![(Share::ALL.millipercent(), what.into())] }
    }

    pub(super) fn share(drawn: Drawn, share: Share, inside: &str, outside: &str) -> Layout {
        let parts = [(share, inside), (Share::ALL, outside)];
        let parts = parts.into_iter().map(|(end, what)| (end.millipercent(), what.into()));
        Layout { drawn: Some(drawn), parts: parts.collect() }
    }

    fn ranges<T: Copy>(drawn: Drawn, ranges: &Ranges<T>, name: impl Fn(T) -> String) -> Layout {
        let parts = ranges.iter().map(|(buckets, to)| (buckets.end, name(to)));
        Layout { drawn: Some(drawn), parts: parts.collect() }
    }

    pub(super) fn rule(
        (spec, plan): Both<'_>,
        flag: &plan::Flag,
        rule: &plan::Rule,
        now: Timestamp,
    ) -> Layout {
        let name =
            |id| flag.variant(id).map(|variant| variant.name().to_string()).unwrap_or_default();
        Layout::allocation((spec, plan), rule.allocation(now), name, "the next rule")
    }

    pub(super) fn layer((spec, plan): Both<'_>, rule: &plan::Rule) -> Option<Layout> {
        let layer = rule.layer()?;
        let parts = [(layer.from(), "outside"), (layer.to(), "inside"), (Share::ALL, "outside")];
        let parts = parts.into_iter().map(|(end, what)| (end.millipercent(), what.into()));
        let drawn = Some(Drawn::new(spec, plan, layer.bucketing()));
        Some(Layout { drawn, parts: parts.collect() })
    }

    pub(super) fn rollout(
        (spec, plan): Both<'_>,
        rollout: &plan::Rollout,
        now: Timestamp,
    ) -> Layout {
        let name = |id| rollout.arm(id).map(|arm| arm.name().to_string()).unwrap_or_default();
        let baseline = name(rollout.baseline());
        Layout::allocation((spec, plan), rollout.allocation(now), name, &baseline)
    }

    /// The layout of an allocation. `others` is what the buckets outside a share get.
    fn allocation<T: Copy>(
        (spec, plan): Both<'_>,
        allocation: Allocation<'_, T>,
        name: impl Fn(T) -> String,
        others: &str,
    ) -> Layout {
        match allocation {
            Allocation::Everyone(to) => Layout::everybody(&name(to)),
            Allocation::Share { to, share, bucketing } => {
                Layout::share(Drawn::new(spec, plan, bucketing), share, &name(to), others)
            }
            Allocation::Split { ranges, bucketing } => {
                Layout::ranges(Drawn::new(spec, plan, bucketing), ranges, name)
            }
        }
    }

    /// What a bucket gets.
    fn at(&self, bucket: u32) -> Option<&str> {
        self.parts.iter().find(|(end, _)| bucket < *end).map(|(_, what)| what.as_str())
    }

    /// The number of buckets for each name.
    fn sizes(&self) -> BTreeMap<&str, u64> {
        let (mut sizes, mut start) = (BTreeMap::new(), 0_u32);
        for (end, what) in &self.parts {
            let size = u64::from(end.saturating_sub(start));
            let sum: &mut u64 = sizes.entry(what.as_str()).or_default();
            *sum = sum.saturating_add(size);
            start = start.max(*end);
        }
        sizes
    }
}

/// The size of a bucket, in 10⁻¹⁰ of all units.
const BUCKET: u64 = 100_000;

pub(super) fn compared(path: &Path<'_>, old: Option<Layout>, new: Option<Layout>) -> Option<Moves> {
    let with = |change, list| Moves { list, ..unmoved(path, change) };
    let (old, new) = match (old, new) {
        (None, None) => return None,
        (None, Some(_)) => return Some(with(Change::Added, Vec::new())),
        (Some(_), None) => return Some(with(Change::Removed, Vec::new())),
        (Some(old), Some(new)) => (old, new),
    };
    let one_draw = old.drawn.is_none() || new.drawn.is_none() || old.drawn == new.drawn;
    let pairs = if one_draw { overlaid(&old, &new) } else { independent(&old, &new) };
    let moving = pairs.into_iter().filter(|((from, to), share)| from != to && *share > 0);
    let list = moving.map(|((from, to), share)| Move { from, to, share }).collect();
    let change = match (one_draw, &list) {
        (false, _) => Change::Redrawn,
        (true, list) if Vec::is_empty(list) => Change::Nobody,
        (true, _) => Change::Moved,
    };
    Some(with(change, list))
}

type Pairs = BTreeMap<(String, String), u64>;

/// The sizes of all pairs of before and after, if both layouts use the same buckets.
fn overlaid(old: &Layout, new: &Layout) -> Pairs {
    let mut pairs = Pairs::new();
    let mut start = 0_u32;
    let mut ends: Vec<u32> = old.parts.iter().chain(&new.parts).map(|(end, _)| *end).collect();
    ends.sort_unstable();
    for end in ends {
        let size = u64::from(end.saturating_sub(start)).saturating_mul(BUCKET);
        if let Some((from, to)) = old.at(start).zip(new.at(start)).filter(|_| size > 0) {
            let sum = pairs.entry((from.into(), to.into())).or_default();
            *sum = sum.saturating_add(size);
        }
        start = start.max(end);
    }
    pairs
}

/// The sizes of all pairs of before and after, if the buckets are independent: shares multiply.
fn independent(old: &Layout, new: &Layout) -> Pairs {
    let mut pairs = Pairs::new();
    for (from, before) in old.sizes() {
        for (to, after) in new.sizes() {
            pairs.insert((from.into(), to.into()), before.saturating_mul(after));
        }
    }
    pairs
}

/// The `past` with which an edit of a split moves no more units than necessary; `None` if it moves no more already.
pub(super) fn better_past(moves: &Moves, old: &Weights, new: &Weights) -> Option<(u64, String)> {
    if moves.change != Change::Moved {
        return None;
    }
    let grown = new.now.iter().map(|(name, weight)| {
        let before = old.now.get(name).copied().unwrap_or_default();
        u64::from(weight.millipercent().saturating_sub(before.millipercent()))
    });
    let least = grown.fold(0_u64, u64::saturating_add).saturating_mul(BUCKET);
    if moves.total() <= least {
        return None;
    }
    let mut past = old.past.clone();
    past.push(old.now.clone());
    let entries: Vec<String> = past.iter().map(weights_text).collect();
    let line = format!("past: [ {} ]", entries.join(", "));
    Some((least, line))
}

/// Weights as YAML: `{ a: 50, b: 25 }`. Names that YAML might read as another type are quoted.
fn weights_text(weights: &NameMap<Share>) -> String {
    let words = ["on", "off", "yes", "no", "true", "false", "null", "y", "n"];
    let entry = |(name, weight): &(String, Share)| {
        let letter = name.starts_with(|c: char| c.is_ascii_alphabetic());
        let plain = letter && !words.contains(&name.to_ascii_lowercase().as_str());
        let share = weight.to_string();
        let share = share.trim_end_matches(" %");
        if plain { format!("{name}: {share}") } else { format!("\"{name}\": {share}") }
    };
    let entries: Vec<String> = weights.iter().map(entry).collect();
    format!("{{ {} }}", entries.join(", "))
}
