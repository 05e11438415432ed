//! A counter of assignments under the old plan and under the new one.

use super::affected_flags::affected_flags;
use super::assignment::Assignment;
use super::probe_points::FlagIds;
use super::result::{Group, Move, Part, PreviousOwner};
use super::shadow_copies::CopyCounter;
use super::spec_pair::{Pair, merge_names, position};
use crate::compare::child_path;
use serin_core::{Facts, FlagDecision, RolloutDecision, evaluate_cohort, evaluate_flag};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Rollout,
    Flag,
    Cohort,
}

/// The key of a part: its kind, its position in the sorted names of both specs, and the previous owner.
type Key = (Kind, usize, PreviousOwner<usize>);

#[derive(Default)]
struct Count {
    of: u64,
    moves: BTreeMap<(Assignment, Assignment), u64>,
}

/// Counts the moves of one group.
pub(super) struct MoveCounter<'a> {
    pair: &'a Pair<'a>,
    /// The flags of both specs, sorted.
    flags: Vec<String>,
    /// Whether the change can affect each flag.
    affected: Vec<bool>,
    /// The cohorts of both specs, sorted.
    cohorts: Vec<String>,
    /// The rollouts of both specs, sorted.
    rollouts: Vec<String>,
    counts: BTreeMap<Key, Count>,
    copies: CopyCounter,
    /// Whether each cohort has had a member, under either spec.
    has_members: Vec<bool>,
    size: u64,
    moved: u64,
    /// Whether the current unit or request moves.
    moves: bool,
}

impl<'a> MoveCounter<'a> {
    /// `switched` are the flags that an abort disables under one of the specs only.
    pub(super) fn new(pair: &'a Pair<'a>, switched: &BTreeSet<String>) -> Self {
        let (a, b) = (pair.old.spec, pair.new.spec);
        let cohorts = merge_names(a.cohorts.names().chain(b.cohorts.names()));
        let flags = merge_names(a.flags.names().chain(b.flags.names()));
        MoveCounter {
            pair,
            affected: affected_flags(pair, &flags, switched),
            flags,
            has_members: vec![false; cohorts.len()],
            cohorts,
            rollouts: merge_names(a.rollouts.names().chain(b.rollouts.names())),
            counts: BTreeMap::new(),
            copies: CopyCounter::new(pair),
            size: 0,
            moved: 0,
            moves: false,
        }
    }

    /// Whether the current unit or request is the first.
    pub(super) fn is_first(&self) -> bool {
        self.size == 1
    }

    /// Whether the change can affect a flag.
    pub(super) fn is_flag_affected(&self, key: usize) -> bool {
        self.affected.get(key) != Some(&false)
    }

    /// Whether the change can affect membership of cohorts.
    pub(super) fn affects_cohorts(&self) -> bool {
        let (a, b) = (self.pair.old.spec, self.pair.new.spec);
        a.cohorts != b.cohorts || a.units != b.units
    }

    /// Extends the results of unaffected flags and cohorts, which only the first unit was evaluated for, to
    /// all units.
    pub(super) fn extend_unaffected(&mut self) {
        let cohorts = self.affects_cohorts();
        for ((kind, position, _), count) in &mut self.counts {
            let is_affected = match kind {
                Kind::Rollout => true,
                Kind::Flag => self.affected.get(*position) != Some(&false),
                Kind::Cohort => cohorts,
            };
            if !is_affected {
                count.of = self.size;
            }
        }
    }

    /// Starts the next unit or request.
    pub(super) fn begin(&mut self) {
        self.size += 1;
        self.moves = false;
    }

    /// Ends the current unit or request.
    pub(super) fn end(&mut self) {
        self.moved += u64::from(self.moves);
    }

    fn add(&mut self, key: Key, old: Assignment, new: Assignment) {
        let count = self.counts.entry(key).or_default();
        count.of += 1;
        if self.pair.is_move(old, new) {
            *count.moves.entry((old, new)).or_default() += 1;
            // Joining a cohort is no move by itself; what the cohort decides may be one.
            self.moves |= key.0 != Kind::Cohort;
        }
    }

    /// Adds the rollout and arm under both plans.
    pub(super) fn rollout(&mut self, old: Option<&RolloutDecision>, new: Option<&RolloutDecision>) {
        let name = |plan: &'a serin_core::Plan, it: Option<&RolloutDecision>| {
            position(&self.rollouts, plan.rollout(it?.rollout)?.name())
        };
        let (old_name, new_name) = (name(self.pair.old.plan, old), name(self.pair.new.plan, new));
        let Some(key) = new_name.or(old_name) else { return };
        let previous = match (old_name, new_name) {
            (None, _) => PreviousOwner::Nothing,
            (_, None) => PreviousOwner::Gone,
            (Some(old), Some(new)) if old == new => PreviousOwner::Same,
            (Some(old), _) => PreviousOwner::Other(old),
        };
        self.add((Kind::Rollout, key, previous), Assignment::arm(old), Assignment::arm(new));
    }

    /// Adds the copies to shadows under both plans.
    pub(super) fn copies(&mut self, old: Option<&RolloutDecision>, new: Option<&RolloutDecision>) {
        self.copies.add(self.size, old, new);
    }

    /// Adds flags that are evaluated without regard to the paths that deliver them.
    pub(super) fn flags(&mut self, old: &Facts<'_>, new: &Facts<'_>, flags: &[FlagIds]) {
        let (a, b) = (self.pair.old.plan, self.pair.new.plan);
        for flag in flags {
            let old = flag.old.map(|id| evaluate_flag(a, old, id));
            let new = flag.new.map(|id| evaluate_flag(b, new, id));
            let (old, new) = (Assignment::variant(old.as_ref()), Assignment::variant(new.as_ref()));
            self.add((Kind::Flag, flag.key, PreviousOwner::Same), old, new);
        }
    }

    /// Adds the flags that the path of a request delivers.
    pub(super) fn delivered(&mut self, old: &[FlagDecision], new: &[FlagDecision]) {
        let mut assigned: BTreeMap<usize, (Assignment, Assignment)> = BTreeMap::new();
        for (plan, list, is_new) in
            [(self.pair.old.plan, old, false), (self.pair.new.plan, new, true)]
        {
            for decision in list {
                let name = plan.flag(decision.flag).map_or("", |flag| flag.name());
                let Some(key) = position(&self.flags, name) else { continue };
                let both =
                    assigned.entry(key).or_insert((Assignment::Nothing, Assignment::Nothing));
                *(if is_new { &mut both.1 } else { &mut both.0 }) =
                    Assignment::variant(Some(decision));
            }
        }
        for (key, (old, new)) in assigned {
            self.add((Kind::Flag, key, PreviousOwner::Same), old, new);
        }
    }

    /// Adds membership of every cohort under both plans.
    pub(super) fn cohorts(&mut self, old: &Facts<'_>, new: &Facts<'_>) {
        for key in 0..self.cohorts.len() {
            let Some(name) = self.cohorts.get(key) else { continue };
            let membership = |plan: &serin_core::Plan, facts: &Facts<'_>| {
                evaluate_cohort(plan, facts, name).map_or(Assignment::Nothing, Assignment::Member)
            };
            let (old, new) =
                (membership(self.pair.old.plan, old), membership(self.pair.new.plan, new));
            if let Some(has_members) = self.has_members.get_mut(key) {
                *has_members |= [old, new].contains(&Assignment::Member(true));
            }
            self.add((Kind::Cohort, key, PreviousOwner::Same), old, new);
        }
    }

    /// The counts as the result of one group.
    pub(super) fn group(self, attributes: Vec<(String, String)>) -> Group {
        let parts = self.counts.iter().filter_map(|((kind, position, previous), count)| {
            let (kind, section, names) = match kind {
                Kind::Rollout => ("rollout", "rollouts", &self.rollouts),
                Kind::Flag => ("flag", "flags", &self.flags),
                Kind::Cohort => ("cohort", "cohorts", &self.cohorts),
            };
            let name = names.get(*position)?.clone();
            let path = child_path(section, &name);
            let previous = match previous {
                PreviousOwner::Same => PreviousOwner::Same,
                PreviousOwner::Nothing => PreviousOwner::Nothing,
                PreviousOwner::Gone => PreviousOwner::Gone,
                PreviousOwner::Other(other) => {
                    PreviousOwner::Other(child_path(section, names.get(*other)?))
                }
            };
            Some(Part { kind, name, path, previous, of: count.of, moves: self.moves_of(count) })
        });
        let inhabited = self.cohorts.iter().zip(&self.has_members).filter(|(_, is)| **is);
        Group {
            parts: parts.collect(),
            copies: self.copies.finish(self.pair),
            cohorts: inhabited.map(|(name, _)| name.clone()).collect(),
            attributes,
            is_named_unit: false,
            size: self.size,
            moved: self.moved,
        }
    }

    fn moves_of(&self, count: &Count) -> Vec<Move> {
        let mut moves: BTreeMap<(String, String), u64> = BTreeMap::new();
        for ((old, new), count) in &count.moves {
            *moves.entry(self.pair.labels(*old, *new)).or_default() += count;
        }
        let moves = moves.into_iter().map(|((from, to), count)| Move { from, to, count });
        let mut moves: Vec<Move> = moves.collect();
        moves.sort_by_key(|moved| std::cmp::Reverse(moved.count));
        moves
    }
}
