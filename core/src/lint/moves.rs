//! Whom an edit moves: the layouts of two plans, laid over each other.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::ROOT;
use crate::error::{Path, quoted};
use crate::hash::Purpose;
use crate::plan::{self, ArmId, Bucketing, Mode, Outcome, Plan, Ranges, VariantId};
use crate::spec::{self, Spec, Weights};
use crate::value::share::Share;
use crate::value::timestamp::Timestamp;

/// How two layouts compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nobody moves for what buckets say; what is said beside it may still move somebody.
    Nobody,
    /// The same buckets mean something else: the shares are exact.
    Moved,
    /// Unit, salt or purpose have changed, so all are drawn anew: the shares are those of two draws
    /// that know nothing of each other.
    Redrawn,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
}

/// Users who get something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// What they had.
    pub from: String,
    /// What they get.
    pub to: String,
    /// How many they are, in 10⁻¹⁰ of all units: a bucket is 100,000.
    pub share: u64,
}

/// What an edit does to one thing that buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moves {
    /// Where it is in the new spec; in the old one if it is gone.
    pub path: String,
    /// How the two compare.
    pub change: Change,
    /// Who moves, in the order of names.
    pub list: Vec<Move>,
    /// For a split that moves more than it must: how many it must move, in 10⁻¹⁰ of all units, and
    /// the line of YAML that makes it so.
    pub past: Option<(u64, String)>,
    /// What else has changed there, a sentence each.
    pub also: Vec<String>,
}

impl Moves {
    /// How many move in all, in 10⁻¹⁰ of all units.
    pub fn total(&self) -> u64 {
        self.list.iter().fold(0, |sum, moved| sum.saturating_add(moved.share))
    }
}

/// A spec and what it compiles to.
type Both<'s> = (&'s Spec, &'s Plan);

/// Whom the step from an old spec to a new one moves, at one moment. What stays as it is, is left out.
pub fn moves(old: Both<'_>, new: Both<'_>, now: Timestamp) -> Vec<Moves> {
    let mut found = Vec::new();
    let section = ROOT.key("cohorts");
    for (name, condition) in &new.0.cohorts {
        if old.0.cohorts.get(name).is_some_and(|before| before != condition) {
            let also = "whom it holds for has changed, which no bucket shows";
            found.push(nobody(&section.key(name), also.into()));
        }
    }
    holdouts(old, new, &mut found);
    flags(old, new, now, &mut found);
    rollouts(old, new, now, &mut found);
    found.retain(|moves| moves.change != Change::Nobody || !moves.also.is_empty());
    found
}

fn nobody(path: &Path<'_>, also: String) -> Moves {
    let (list, also) = (Vec::new(), alloc::vec![also]);
    Moves { path: path.to_string(), change: Change::Nobody, list, past: None, also }
}

fn holdouts(old: Both<'_>, new: Both<'_>, found: &mut Vec<Moves>) {
    let layout = |(spec, plan): Both<'_>, name: &str| {
        let holdout = plan.holdouts.iter().find(|holdout| *holdout.name == *name)?;
        let drawn = Drawn::new(spec, plan, &holdout.bucketing);
        Some(Layout::share(drawn, holdout.share, "held out", "not held out"))
    };
    let section = ROOT.key("holdouts");
    for name in names(old.0.holdouts.names(), new.0.holdouts.names()) {
        found.extend(compared(&section.key(name), layout(old, name), layout(new, name)));
    }
}

fn flags(old: Both<'_>, new: Both<'_>, now: Timestamp, found: &mut Vec<Moves>) {
    let section = ROOT.key("flags");
    for name in names(old.0.flags.names(), new.0.flags.names()) {
        let path = section.key(name);
        let one = |(spec, plan): Both<'_>| {
            let at = spec.flags.position(name)?;
            Some((spec.flags.get(name)?.clone(), plan.flags.get(at)?.clone()))
        };
        let (Some((old_spec, old_flag)), Some((new_spec, new_flag))) = (one(old), one(new)) else {
            let change = if one(new).is_some() { Change::Added } else { Change::Removed };
            found.push(Moves { change, also: Vec::new(), ..nobody(&path, String::new()) });
            continue;
        };
        let also = flag_also(&old_spec, &new_spec);
        found.push(Moves { also, ..nobody(&path, String::new()) });
        let list = path.key("rules");
        let of = |flag: &plan::Flag, name: &str| flag.rules.iter().position(|r| *r.name == *name);
        for rule in
            names(old_flag.rules.iter().map(|r| &*r.name), new_flag.rules.iter().map(|r| &*r.name))
        {
            let (before, after) = (of(&old_flag, rule), of(&new_flag, rule));
            let at = list.index(after.or(before).unwrap_or_default());
            let laid = |both: Both<'_>, flag: &plan::Flag, at: Option<usize>| {
                let rule = flag.rules.get(at?)?;
                Some((Layout::rule(both, flag, rule, now), Layout::layer(both, rule)))
            };
            let (before_laid, after_laid) =
                (laid(old, &old_flag, before), laid(new, &new_flag, after));
            let layers = before_laid.as_ref().zip(after_laid.as_ref());
            let layers = layers.and_then(|((_, a), (_, b))| Some((a.clone()?, b.clone()?)));
            if let Some((a, b)) = layers {
                found.extend(compared(&at.key("layer"), Some(a), Some(b)));
            }
            let both = compared(&at, before_laid.map(|laid| laid.0), after_laid.map(|laid| laid.0));
            let Some(mut moves) = both else { continue };
            let rule_of = |flag: &spec::Flag, at: Option<usize>| flag.rules.get(at?).cloned();
            if let Some((a, b)) = rule_of(&old_spec, before).zip(rule_of(&new_spec, after)) {
                moves.also.extend(rule_also(&a, &b, before != after));
                if let (
                    spec::Outcome::Split { weights: a, .. },
                    spec::Outcome::Split { weights: b, .. },
                ) = (&a.outcome, &b.outcome)
                {
                    moves.past = better_past(&moves, a, b);
                }
            }
            found.push(moves);
        }
    }
}

fn flag_also(old: &spec::Flag, new: &spec::Flag) -> Vec<String> {
    let mut also = Vec::new();
    if old.state != new.state {
        also.push(match new.state {
            spec::FlagState::Disabled => {
                format!("disabled: everybody gets {}", new.default_variant)
            }
            spec::FlagState::Enabled => "enabled: its rules are tried again".into(),
        });
    }
    if old.default_variant != new.default_variant {
        let (a, b) = (&old.default_variant, &new.default_variant);
        also.push(format!("whoever no rule serves moves from {a} to {b}"));
    }
    for (name, variant) in &new.variants {
        if let Some(before) = old.variants.get(name).filter(|before| *before != variant) {
            also.push(format!("the variant {name} was {} and is {}", before.json, variant.json));
        }
    }
    if old.requires != new.requires {
        also.push("requires has changed".into());
    }
    also
}

fn rule_also(old: &spec::Rule, new: &spec::Rule, moved: bool) -> Vec<String> {
    let mut also = Vec::new();
    if old.when != new.when {
        also.push("its when has changed, which no bucket shows".into());
    }
    if old.layer.is_some() != new.layer.is_some() {
        also.push(
            if new.layer.is_some() { "it is in a layer now" } else { "it has left its layer" }
                .into(),
        );
    }
    if moved {
        also.push("it has another place in the order of rules".into());
    }
    also
}

fn rollouts(old: Both<'_>, new: Both<'_>, now: Timestamp, found: &mut Vec<Moves>) {
    let section = ROOT.key("rollouts");
    let laid = |both: Both<'_>, name: &str| {
        let rollout = both.1.rollouts.get(both.0.rollouts.position(name)?)?;
        Some(Layout::rollout(both, rollout, now))
    };
    for name in names(old.0.rollouts.names(), new.0.rollouts.names()) {
        let Some(mut moves) = compared(&section.key(name), laid(old, name), laid(new, name)) else {
            continue;
        };
        if let Some((a, b)) = old.0.rollouts.get(name).zip(new.0.rollouts.get(name)) {
            moves.also.extend(rollout_also(a, b));
            if let (spec::Mode::Split(a), spec::Mode::Split(b)) = (&a.mode, &b.mode) {
                moves.past = better_past(&moves, a, b);
            }
        }
        found.push(moves);
    }
}

fn rollout_also(old: &spec::Rollout, new: &spec::Rollout) -> Vec<String> {
    let mut also = Vec::new();
    if old.matches != new.matches {
        also.push("its match has changed: other requests are its own".into());
    }
    for (name, arm) in &new.arms {
        if let Some(before) = old.arms.get(name).filter(|before| before.target != arm.target) {
            let (a, b) = (quoted(&before.target), quoted(&arm.target));
            also.push(format!("the arm {name} had the target {a} and has {b}"));
        }
    }
    let rings = |mode: &spec::Mode| match mode {
        spec::Mode::Canary { rings, .. } => rings.clone(),
        _ => Vec::new(),
    };
    if rings(&old.mode) != rings(&new.mode) {
        also.push("its rings have changed, which no bucket shows".into());
    }
    also
}

/// All names of both, each once: the new ones in order, then those that are gone.
fn names<'s>(
    old: impl Iterator<Item = &'s str>,
    new: impl Iterator<Item = &'s str>,
) -> Vec<&'s str> {
    let mut names: Vec<&str> = new.collect();
    let known: BTreeSet<&str> = names.iter().copied().collect();
    names.extend(old.filter(|name| !known.contains(name)));
    names
}

/// By what buckets are drawn. Whatever differs here, differs for everybody.
#[derive(Clone, PartialEq)]
struct Drawn {
    unit: String,
    sources: Vec<spec::UnitSource>,
    salt: String,
    purpose: Purpose,
}

impl Drawn {
    fn new(spec: &Spec, plan: &Plan, by: &Bucketing) -> Drawn {
        let unit = plan.unit(by.unit).map(|unit| unit.name().to_string()).unwrap_or_default();
        let sources = spec.units.get(&unit).cloned().unwrap_or_default();
        Drawn { unit, sources, salt: by.salt.to_string(), purpose: by.purpose }
    }
}

/// What each bucket gets.
#[derive(Clone)]
struct Layout {
    /// `None` where everybody gets the same.
    drawn: Option<Drawn>,
    /// All buckets in order: where each part ends, and what it gets.
    parts: Vec<(u32, String)>,
}

impl Layout {
    fn everybody(what: &str) -> Layout {
        Layout { drawn: None, parts: alloc::vec![(Share::ALL.millipercent(), what.into())] }
    }

    fn share(drawn: Drawn, share: Share, inside: &str, outside: &str) -> Layout {
        let parts = [(share, inside), (Share::ALL, outside)];
        let parts = parts.into_iter().map(|(end, what)| (end.millipercent(), what.into()));
        Layout { drawn: Some(drawn), parts: parts.collect() }
    }

    fn ranges<T: Copy>(drawn: Drawn, ranges: &Ranges<T>, name: impl Fn(T) -> String) -> Layout {
        let parts = ranges.list.iter().map(|range| (range.end, name(range.to)));
        Layout { drawn: Some(drawn), parts: parts.collect() }
    }

    fn rule(
        (spec, plan): Both<'_>,
        flag: &plan::Flag,
        rule: &plan::Rule,
        now: Timestamp,
    ) -> Layout {
        let name = |id: VariantId| {
            flag.variant(id).map(|variant| variant.name().to_string()).unwrap_or_default()
        };
        match &rule.outcome {
            Outcome::Serve(variant) => Layout::everybody(&name(*variant)),
            Outcome::Ramp { variant, schedule, bucketing } => {
                let share = schedule.at(Some(now)).share;
                Layout::share(
                    Drawn::new(spec, plan, bucketing),
                    share,
                    &name(*variant),
                    "the next rule",
                )
            }
            Outcome::Split { ranges, bucketing } => {
                Layout::ranges(Drawn::new(spec, plan, bucketing), ranges, name)
            }
        }
    }

    fn layer((spec, plan): Both<'_>, rule: &plan::Rule) -> Option<Layout> {
        let layer = rule.layer.as_ref()?;
        let parts = [(layer.from, "outside"), (layer.to, "inside"), (Share::ALL, "outside")];
        let parts = parts.into_iter().map(|(end, what)| (end.millipercent(), what.into()));
        let drawn = Some(Drawn::new(spec, plan, &layer.bucketing));
        Some(Layout { drawn, parts: parts.collect() })
    }

    fn rollout((spec, plan): Both<'_>, rollout: &plan::Rollout, now: Timestamp) -> Layout {
        let name =
            |id: ArmId| rollout.arm(id).map(|arm| arm.name().to_string()).unwrap_or_default();
        let baseline = name(rollout.baseline);
        match &rollout.mode {
            Mode::Fixed(arm) | Mode::Pinned { active: arm, .. } => Layout::everybody(&name(*arm)),
            Mode::Canary { bucketing: None, .. } => Layout::everybody(&baseline),
            Mode::Canary { arm, schedule, bucketing: Some(by), .. } => {
                let share = schedule.at(Some(now)).share;
                Layout::share(Drawn::new(spec, plan, by), share, &name(*arm), &baseline)
            }
            Mode::Split { ranges, bucketing } => {
                Layout::ranges(Drawn::new(spec, plan, bucketing), ranges, name)
            }
        }
    }

    /// What a bucket gets.
    fn at(&self, bucket: u32) -> Option<&str> {
        self.parts.iter().find(|(end, _)| bucket < *end).map(|(_, what)| what.as_str())
    }

    /// How many buckets get what.
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

/// A bucket, in 10⁻¹⁰ of all units.
const BUCKET: u64 = 100_000;

fn compared(path: &Path<'_>, old: Option<Layout>, new: Option<Layout>) -> Option<Moves> {
    let with =
        |change, list| Moves { change, list, also: Vec::new(), ..nobody(path, String::new()) };
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

/// Each of the 100,000 buckets, before and after.
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

/// Two draws that know nothing of each other: shares multiply.
fn independent(old: &Layout, new: &Layout) -> Pairs {
    let mut pairs = Pairs::new();
    for (from, before) in old.sizes() {
        for (to, after) in new.sizes() {
            pairs.insert((from.into(), to.into()), before.saturating_mul(after));
        }
    }
    pairs
}

/// The `past` that lets an edit of a split move only whom it must, if it moves more now.
fn better_past(moves: &Moves, old: &Weights, new: &Weights) -> Option<(u64, String)> {
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

/// `{ a: 50, b: 25 }`, names quoted where YAML might read something else.
fn weights_text(weights: &crate::named::Named<Share>) -> String {
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
