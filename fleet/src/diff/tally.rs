//! Counting who gets what under the old plan and under the new one.

use super::Group;
use super::copies::Counting;
use super::outcome::{Got, Pair};
use super::places::FlagOfBoth;
use super::touched::touched;
use crate::compare::under;
use serin_core::{Facts, FlagDecision, RolloutDecision, evaluate_cohort, evaluate_flag};
use std::collections::{BTreeMap, BTreeSet};

/// A rollout, a flag or a cohort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// `rollout`, `flag` or `cohort`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Where it is in the spec: `rollouts.shop`.
    pub path: String,
    /// What the same requests belonged to; another rollout by its path, `rollouts.feed`.
    pub was: Was<String>,
    /// Of how many it could be said.
    pub of: u64,
    /// Who moves, the most first.
    pub moves: Vec<Move>,
}

/// What requests belonged to under the old spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Was<T> {
    /// The same.
    Same,
    /// To no rollout.
    Nothing,
    /// To this rollout, and now they belong to none.
    Gone,
    /// To another rollout.
    Other(T),
}

impl<T> Was<T> {
    /// The other rollout.
    pub fn other(&self) -> Option<&T> {
        if let Was::Other(rollout) = self { Some(rollout) } else { None }
    }
}

/// Units or requests that get something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// What they had.
    pub from: String,
    /// What they get.
    pub to: String,
    /// How many they are.
    pub count: u64,
}

impl Part {
    /// How many move.
    pub fn moved(&self) -> u64 {
        self.moves.iter().map(|moved| moved.count).sum()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Rollout,
    Flag,
    Cohort,
}

/// A part, by its kind, its place among the names of both specs, and what had it.
type Key = (Kind, usize, Was<usize>);

#[derive(Default)]
struct Count {
    of: u64,
    moves: BTreeMap<(Got, Got), u64>,
}

pub(super) struct Tally<'a> {
    pair: &'a Pair<'a>,
    /// All flags and cohorts of both specs.
    flags: Vec<String>,
    /// Which of the flags anything has changed for.
    touched: Vec<bool>,
    cohorts: Vec<String>,
    rollouts: Vec<String>,
    counts: BTreeMap<Key, Count>,
    copies: Counting,
    /// Which cohorts anybody was in, in either spec.
    inhabited: Vec<bool>,
    size: u64,
    moved: u64,
    /// Whether the one at hand moves.
    moves: bool,
}

impl<'a> Tally<'a> {
    /// `turned` are the flags that an abort turns off in one of the specs alone.
    pub(super) fn new(pair: &'a Pair<'a>, turned: &BTreeSet<String>) -> Self {
        let (a, b) = (pair.old.spec, pair.new.spec);
        let cohorts = joined(a.cohorts.names().chain(b.cohorts.names()));
        let flags = joined(a.flags.names().chain(b.flags.names()));
        Tally {
            pair,
            touched: touched(pair, &flags, turned),
            flags,
            inhabited: vec![false; cohorts.len()],
            cohorts,
            rollouts: joined(a.rollouts.names().chain(b.rollouts.names())),
            counts: BTreeMap::new(),
            copies: Counting::new(pair),
            size: 0,
            moved: 0,
            moves: false,
        }
    }

    /// Whether nobody came before the one at hand.
    pub(super) fn is_at_the_first(&self) -> bool {
        self.size == 1
    }

    /// Whether what a flag gives may have changed.
    pub(super) fn is_touched(&self, key: usize) -> bool {
        self.touched.get(key) != Some(&false)
    }

    /// Whether what cohorts hold for may have changed.
    pub(super) fn touches_cohorts(&self) -> bool {
        let (a, b) = (self.pair.old.spec, self.pair.new.spec);
        a.cohorts != b.cohorts || a.units != b.units
    }

    /// What could not have moved was asked of the first one alone, and holds for all.
    pub(super) fn fill_up(&mut self) {
        let cohorts = self.touches_cohorts();
        for ((kind, at, _), count) in &mut self.counts {
            let touched = match kind {
                Kind::Rollout => true,
                Kind::Flag => self.touched.get(*at) != Some(&false),
                Kind::Cohort => cohorts,
            };
            if !touched {
                count.of = self.size;
            }
        }
    }

    /// One more unit or request.
    pub(super) fn begin(&mut self) {
        self.size += 1;
        self.moves = false;
    }

    pub(super) fn end(&mut self) {
        self.moved += u64::from(self.moves);
    }

    fn add(&mut self, key: Key, old: Got, new: Got) {
        let count = self.counts.entry(key).or_default();
        count.of += 1;
        if self.pair.is_move(old, new) {
            *count.moves.entry((old, new)).or_default() += 1;
            // A cohort is a name; that somebody joins it is felt by what it decides.
            self.moves |= key.0 != Kind::Cohort;
        }
    }

    pub(super) fn rollout(&mut self, old: Option<&RolloutDecision>, new: Option<&RolloutDecision>) {
        let name = |plan: &'a serin_core::Plan, it: Option<&RolloutDecision>| {
            position(&self.rollouts, plan.rollout(it?.rollout)?.name())
        };
        let (was, is) = (name(self.pair.old.plan, old), name(self.pair.new.plan, new));
        let Some(key) = is.or(was) else { return };
        let was = match (was, is) {
            (None, _) => Was::Nothing,
            (_, None) => Was::Gone,
            (Some(was), Some(is)) if was == is => Was::Same,
            (Some(was), _) => Was::Other(was),
        };
        self.add((Kind::Rollout, key, was), Got::arm(old), Got::arm(new));
    }

    pub(super) fn copies(&mut self, old: Option<&RolloutDecision>, new: Option<&RolloutDecision>) {
        self.copies.add(self.size, old, new);
    }

    /// Flags that are asked about wherever they are delivered.
    pub(super) fn flags(&mut self, old: &Facts<'_>, new: &Facts<'_>, flags: &[FlagOfBoth]) {
        let (a, b) = (self.pair.old.plan, self.pair.new.plan);
        for flag in flags {
            let old = flag.old.map(|id| evaluate_flag(a, old, id));
            let new = flag.new.map(|id| evaluate_flag(b, new, id));
            let (old, new) = (Got::variant(old.as_ref()), Got::variant(new.as_ref()));
            self.add((Kind::Flag, flag.key, Was::Same), old, new);
        }
    }

    /// Flags that the request's path delivers.
    pub(super) fn delivered(&mut self, old: &[FlagDecision], new: &[FlagDecision]) {
        let mut got: BTreeMap<usize, (Got, Got)> = BTreeMap::new();
        for (plan, list, is_new) in
            [(self.pair.old.plan, old, false), (self.pair.new.plan, new, true)]
        {
            for decision in list {
                let name = plan.flag(decision.flag).map_or("", |flag| flag.name());
                let Some(key) = position(&self.flags, name) else { continue };
                let both = got.entry(key).or_insert((Got::Nothing, Got::Nothing));
                *(if is_new { &mut both.1 } else { &mut both.0 }) = Got::variant(Some(decision));
            }
        }
        for (key, (old, new)) in got {
            self.add((Kind::Flag, key, Was::Same), old, new);
        }
    }

    pub(super) fn cohorts(&mut self, old: &Facts<'_>, new: &Facts<'_>) {
        for key in 0..self.cohorts.len() {
            let Some(name) = self.cohorts.get(key) else { continue };
            let got = |plan: &serin_core::Plan, facts: &Facts<'_>| {
                evaluate_cohort(plan, facts, name).map_or(Got::Nothing, Got::Member)
            };
            let (old, new) = (got(self.pair.old.plan, old), got(self.pair.new.plan, new));
            if let Some(inhabited) = self.inhabited.get_mut(key) {
                *inhabited |= [old, new].contains(&Got::Member(true));
            }
            self.add((Kind::Cohort, key, Was::Same), old, new);
        }
    }

    /// What was counted.
    pub(super) fn group(self, attributes: Vec<(String, String)>) -> Group {
        let parts = self.counts.iter().filter_map(|((kind, at, was), count)| {
            let (kind, section, names) = match kind {
                Kind::Rollout => ("rollout", "rollouts", &self.rollouts),
                Kind::Flag => ("flag", "flags", &self.flags),
                Kind::Cohort => ("cohort", "cohorts", &self.cohorts),
            };
            let name = names.get(*at)?.clone();
            let path = under(section, &name);
            let was = match was {
                Was::Same => Was::Same,
                Was::Nothing => Was::Nothing,
                Was::Gone => Was::Gone,
                Was::Other(at) => Was::Other(under(section, names.get(*at)?)),
            };
            Some(Part { kind, name, path, was, of: count.of, moves: self.moves_of(count) })
        });
        let inhabited = self.cohorts.iter().zip(&self.inhabited).filter(|(_, is)| **is);
        Group {
            parts: parts.collect(),
            copies: self.copies.copies(self.pair),
            cohorts: inhabited.map(|(name, _)| name.clone()).collect(),
            attributes,
            named: false,
            size: self.size,
            moved: self.moved,
        }
    }

    fn moves_of(&self, count: &Count) -> Vec<Move> {
        let mut moves: BTreeMap<(String, String), u64> = BTreeMap::new();
        for ((old, new), count) in &count.moves {
            *moves.entry(self.pair.words(*old, *new)).or_default() += count;
        }
        let moves = moves.into_iter().map(|((from, to), count)| Move { from, to, count });
        let mut moves: Vec<Move> = moves.collect();
        moves.sort_by_key(|moved| std::cmp::Reverse(moved.count));
        moves
    }
}

pub(super) fn position(names: &[String], name: &str) -> Option<usize> {
    names.binary_search_by(|known| known.as_str().cmp(name)).ok()
}

/// Names of both specs, sorted, each once.
pub(super) fn joined<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}
