//! Moves: the users that an edit of a spec moves to another variant or arm.

mod change;
mod layout;

use std::collections::BTreeSet;

use serin_core::Timestamp;
use serin_core::inspect::{Path, quoted};
use serin_core::plan::{self, Plan};
use serin_core::spec::{self, RuleAction, Spec};

use change::unmoved;
pub use change::{Change, Move, Moves};
use layout::{Both, Drawn, Layout, better_past, compared};

/// The moves by an edit from the spec `old` to the spec `new`, at `now`. Each spec comes with its plan.
/// Parts without a change are left out.
pub fn moves(old: (&Spec, &Plan), new: (&Spec, &Plan), now: Timestamp) -> Vec<Moves> {
    let mut found = Vec::new();
    let section = Path::Root.key("cohorts");
    for (name, condition) in &new.0.cohorts {
        if old.0.cohorts.get(name).is_some_and(|before| before != condition) {
            let notes = vec!["its condition has changed: other users may belong to it".into()];
            found.push(Moves { notes, ..unmoved(&section.key(name), Change::Nobody) });
        }
    }
    holdouts(old, new, &mut found);
    flags(old, new, now, &mut found);
    rollouts(old, new, now, &mut found);
    found.retain(|moves| moves.change != Change::Nobody || !moves.notes.is_empty());
    found
}

fn holdouts(old: Both<'_>, new: Both<'_>, found: &mut Vec<Moves>) {
    let layout = |(spec, plan): Both<'_>, name: &str| {
        let holdout = plan.holdouts().iter().find(|holdout| holdout.name() == name)?;
        let drawn = Drawn::new(spec, plan, holdout.bucketing());
        Some(Layout::share(drawn, holdout.share(), "held out", "not held out"))
    };
    let section = Path::Root.key("holdouts");
    for name in names(old.0.holdouts.names(), new.0.holdouts.names()) {
        found.extend(compared(&section.key(name), layout(old, name), layout(new, name)));
    }
}

fn flags(old: Both<'_>, new: Both<'_>, now: Timestamp, found: &mut Vec<Moves>) {
    let section = Path::Root.key("flags");
    for name in names(old.0.flags.names(), new.0.flags.names()) {
        let path = section.key(name);
        match (OneFlag::of(old, name), OneFlag::of(new, name)) {
            (Some(old), Some(new)) => {
                let notes = flag_notes(old.written, new.written);
                found.push(Moves { notes, ..unmoved(&path, Change::Nobody) });
                let rules = path.key("rules");
                for (before, after) in pairs(old.flag.rules(), new.flag.rules()) {
                    let at = rules.index(after.or(before).unwrap_or_default());
                    rule(&at, old.rule(before), new.rule(after), now, found);
                }
            }
            (None, Some(_)) => found.push(unmoved(&path, Change::Added)),
            _ => found.push(unmoved(&path, Change::Removed)),
        }
    }
}

/// A flag in its spec and in its plan.
#[derive(Clone, Copy)]
struct OneFlag<'s> {
    of: Both<'s>,
    written: &'s spec::Flag,
    flag: &'s plan::Flag,
}

/// A rule with its flag and its position, in its spec and in its plan.
type OneRule<'s> = (OneFlag<'s>, usize, &'s spec::Rule, &'s plan::Rule);

impl<'s> OneFlag<'s> {
    fn of(of: Both<'s>, name: &str) -> Option<OneFlag<'s>> {
        let flag = of.1.flags().get(of.0.flags.position(name)?)?;
        Some(OneFlag { of, written: of.0.flags.get(name)?, flag })
    }

    fn rule(self, at: Option<usize>) -> Option<OneRule<'s>> {
        let at = at?;
        Some((self, at, self.written.rules.get(at)?, self.flag.rules().get(at)?))
    }
}

/// Pairs the rules of two versions of a flag: by name, rules of one name by their order.
fn pairs(old: &[plan::Rule], new: &[plan::Rule]) -> Vec<(Option<usize>, Option<usize>)> {
    let named = |rules: &[plan::Rule], name: &str| -> Vec<usize> {
        let with = rules.iter().enumerate().filter(|(_, rule)| rule.name() == name);
        with.map(|(at, _)| at).collect()
    };
    let mut pairs = Vec::with_capacity(new.len());
    for (at, rule) in new.iter().enumerate() {
        let nth = named(new, rule.name()).iter().position(|same| *same == at).unwrap_or_default();
        pairs.push((named(old, rule.name()).get(nth).copied(), Some(at)));
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
        moves.notes.extend(rule_notes(a, b, before != after));
        if let (RuleAction::Split { weights: a, .. }, RuleAction::Split { weights: b, .. }) =
            (&a.action, &b.action)
        {
            moves.past = better_past(&moves, a, b);
        }
    }
    found.push(moves);
}

fn flag_notes(old: &spec::Flag, new: &spec::Flag) -> Vec<String> {
    let mut notes = Vec::new();
    if old.state != new.state {
        notes.push(match new.state {
            spec::FlagState::Disabled => {
                format!("disabled: everybody gets {}", new.default_variant)
            }
            spec::FlagState::Enabled => "enabled: its rules are tried again".into(),
            spec::FlagState::Broken => {
                "isolated because of an error: everybody gets the default".into()
            }
        });
    }
    if old.default_variant != new.default_variant {
        let (a, b) = (&old.default_variant, &new.default_variant);
        notes.push(format!("users that no rule serves move from {a} to {b}"));
    }
    for (name, variant) in &new.variants {
        if let Some(before) = old.variants.get(name).filter(|before| *before != variant) {
            notes.push(format!(
                "the value of the variant {name} has changed from {} to {}",
                before.json, variant.json
            ));
        }
    }
    let held_out = |flag: &spec::Flag| {
        !matches!(flag.kind, Some(spec::FlagKind::Ops | spec::FlagKind::Permission))
    };
    match (held_out(old), held_out(new)) {
        (true, false) => notes.push("its kind has changed: holdouts no longer apply to it".into()),
        (false, true) => notes.push("its kind has changed: holdouts apply to it now".into()),
        _ => {}
    }
    if old.requires != new.requires {
        notes.push("requires has changed".into());
    }
    notes
}

fn rule_notes(old: &spec::Rule, new: &spec::Rule, moved: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if old.when != new.when {
        notes.push("its when has changed: it may apply to other users".into());
    }
    if old.layer.is_some() != new.layer.is_some() {
        notes.push(
            if new.layer.is_some() { "it is in a layer now" } else { "it is no longer in a layer" }
                .into(),
        );
    }
    if moved {
        notes.push("its position in the list of rules has changed".into());
    }
    notes
}

fn rollouts(old: Both<'_>, new: Both<'_>, now: Timestamp, found: &mut Vec<Moves>) {
    let section = Path::Root.key("rollouts");
    let laid = |both: Both<'_>, name: &str| {
        let rollout = both.1.rollouts().get(both.0.rollouts.position(name)?)?;
        Some(Layout::rollout(both, rollout, now))
    };
    for name in names(old.0.rollouts.names(), new.0.rollouts.names()) {
        let Some(mut moves) = compared(&section.key(name), laid(old, name), laid(new, name)) else {
            continue;
        };
        if let Some((a, b)) = old.0.rollouts.get(name).zip(new.0.rollouts.get(name)) {
            moves.notes.extend(rollout_notes(a, b));
            if let (spec::Mode::Split(a), spec::Mode::Split(b)) = (&a.mode, &b.mode) {
                moves.past = better_past(&moves, a, b);
            }
        }
        found.push(moves);
    }
}

fn rollout_notes(old: &spec::Rollout, new: &spec::Rollout) -> Vec<String> {
    let mut notes = Vec::new();
    if old.matches != new.matches {
        notes.push("its match has changed: it applies to other requests".into());
    }
    for (name, arm) in &new.arms {
        if let Some(before) = old.arms.get(name).filter(|before| before.target != arm.target) {
            let (a, b) = (quoted(&before.target), quoted(&arm.target));
            notes.push(format!("the target of the arm {name} has changed from {a} to {b}"));
        }
    }
    let rings = |mode: &spec::Mode| match mode {
        spec::Mode::Canary { rings, .. } => rings.clone(),
        _ => Vec::new(),
    };
    if rings(&old.mode) != rings(&new.mode) {
        notes.push("its rings have changed: other users may get the canary by a ring".into());
    }
    notes
}

/// The names of both specs, each once: those of the new spec in order, then the removed ones.
fn names<'s>(
    old: impl Iterator<Item = &'s str>,
    new: impl Iterator<Item = &'s str>,
) -> Vec<&'s str> {
    let mut names: Vec<&str> = new.collect();
    let known: BTreeSet<&str> = names.iter().copied().collect();
    names.extend(old.filter(|name| !known.contains(name)));
    names
}
