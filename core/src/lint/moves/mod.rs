//! Whom an edit moves: the layouts of two plans, laid over each other.

mod layout;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::ROOT;
use crate::error::{Path, quoted};
use crate::plan::{self, Plan};
use crate::spec::{self, RuleAction, Spec};
use crate::value::timestamp::Timestamp;
use layout::{Drawn, Layout, better_past, compared};

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
            let also = alloc::vec!["whom it holds for has changed, which no bucket shows".into()];
            found.push(Moves { also, ..unmoved(&section.key(name), Change::Nobody) });
        }
    }
    holdouts(old, new, &mut found);
    flags(old, new, now, &mut found);
    rollouts(old, new, now, &mut found);
    found.retain(|moves| moves.change != Change::Nobody || !moves.also.is_empty());
    found
}

fn unmoved(path: &Path<'_>, change: Change) -> Moves {
    Moves { path: path.to_string(), change, list: Vec::new(), past: None, also: Vec::new() }
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
        match (OneFlag::of(old, name), OneFlag::of(new, name)) {
            (Some(old), Some(new)) => {
                let also = flag_also(old.written, new.written);
                found.push(Moves { also, ..unmoved(&path, Change::Nobody) });
                let rules = path.key("rules");
                for (before, after) in pairs(&old.flag.rules, &new.flag.rules) {
                    let at = rules.index(after.or(before).unwrap_or_default());
                    rule(&at, old.rule(before), new.rule(after), now, found);
                }
            }
            (None, Some(_)) => found.push(unmoved(&path, Change::Added)),
            _ => found.push(unmoved(&path, Change::Removed)),
        }
    }
}

/// A flag as it is written and as it is compiled.
#[derive(Clone, Copy)]
struct OneFlag<'s> {
    of: Both<'s>,
    written: &'s spec::Flag,
    flag: &'s plan::Flag,
}

/// A rule of a flag, likewise, with its place.
type OneRule<'s> = (OneFlag<'s>, usize, &'s spec::Rule, &'s plan::Rule);

impl<'s> OneFlag<'s> {
    fn of(of: Both<'s>, name: &str) -> Option<OneFlag<'s>> {
        let flag = of.1.flags.get(of.0.flags.position(name)?)?;
        Some(OneFlag { of, written: of.0.flags.get(name)?, flag })
    }

    fn rule(self, at: Option<usize>) -> Option<OneRule<'s>> {
        let at = at?;
        Some((self, at, self.written.rules.get(at)?, self.flag.rules.get(at)?))
    }
}

/// Which rules are the same: by name, those of one name by their order.
fn pairs(old: &[plan::Rule], new: &[plan::Rule]) -> Vec<(Option<usize>, Option<usize>)> {
    let named = |rules: &[plan::Rule], name: &str| -> Vec<usize> {
        let with = rules.iter().enumerate().filter(|(_, rule)| *rule.name == *name);
        with.map(|(at, _)| at).collect()
    };
    let mut pairs = Vec::with_capacity(new.len());
    for (at, rule) in new.iter().enumerate() {
        let nth = named(new, &rule.name).iter().position(|same| *same == at).unwrap_or_default();
        pairs.push((named(old, &rule.name).get(nth).copied(), Some(at)));
    }
    let gone = |at: &usize| !pairs.iter().any(|(before, _)| *before == Some(*at));
    let gone: Vec<usize> = (0..old.len()).filter(gone).collect();
    pairs.extend(gone.into_iter().map(|at| (Some(at), None)));
    pairs
}

fn rule(
    path: &Path<'_>,
    old: Option<OneRule<'_>>,
    new: Option<OneRule<'_>>,
    now: Timestamp,
    found: &mut Vec<Moves>,
) {
    let layer = |rule: OneRule<'_>| Layout::layer(rule.0.of, rule.3);
    if let Some((a, b)) = old.and_then(layer).zip(new.and_then(layer)) {
        found.extend(compared(&path.key("layer"), Some(a), Some(b)));
    }
    let laid = |rule: OneRule<'_>| Layout::rule(rule.0.of, rule.0.flag, rule.3, now);
    let Some(mut moves) = compared(path, old.map(laid), new.map(laid)) else { return };
    if let Some(((_, before, a, _), (_, after, b, _))) = old.zip(new) {
        moves.also.extend(rule_also(a, b, before != after));
        if let (RuleAction::Split { weights: a, .. }, RuleAction::Split { weights: b, .. }) =
            (&a.action, &b.action)
        {
            moves.past = better_past(&moves, a, b);
        }
    }
    found.push(moves);
}

fn flag_also(old: &spec::Flag, new: &spec::Flag) -> Vec<String> {
    let mut also = Vec::new();
    if old.state != new.state {
        also.push(match new.state {
            spec::FlagState::Disabled => {
                format!("disabled: everybody gets {}", new.default_variant)
            }
            spec::FlagState::Enabled => "enabled: its rules are tried again".into(),
            spec::FlagState::Broken => "isolated: everybody gets the default".into(),
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
    let held_out = |flag: &spec::Flag| {
        !matches!(flag.kind, Some(spec::FlagKind::Ops | spec::FlagKind::Permission))
    };
    match (held_out(old), held_out(new)) {
        (true, false) => also.push("by its kind, holdouts leave it alone now".into()),
        (false, true) => also.push("by its kind, holdouts hold users out of it now".into()),
        _ => {}
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
