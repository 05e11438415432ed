//! Regular languages: sets of strings, as deterministic automata over characters.

use std::collections::BTreeMap;

use serin_core::inspect::GlobStep;

/// The ASCII characters, and one for all others: no language tells those apart.
const SYMBOLS: usize = 129;
const OTHER: char = 'é';

/// A regular language. Every state can be reached and can reach an end.
pub(super) struct Language {
    /// For each state, the next one by symbol. The first state is the start.
    next: Vec<[Option<usize>; SYMBOLS]>,
    is_end: States,
    /// For each state, those that one character leads to, and those that any number of them leads to.
    by_one: Vec<States>,
    by_any: Vec<States>,
}

/// A set of states, by state.
type States = Vec<bool>;

impl Language {
    /// The language of an automaton that is given by its transitions.
    pub(super) fn new<S: Clone + Ord>(
        start: S,
        next: impl Fn(&S, char) -> Option<S>,
        is_end: impl Fn(&S) -> bool,
    ) -> Language {
        let mut ids = BTreeMap::from([(start.clone(), 0)]);
        let mut states = vec![start];
        let mut table = Vec::new();
        while let Some(state) = states.get(table.len()).cloned() {
            let mut row = [None; SYMBOLS];
            for (symbol, cell) in row.iter_mut().enumerate() {
                *cell = next(&state, representative(symbol)).map(|to| {
                    *ids.entry(to).or_insert_with_key(|to| {
                        states.push(to.clone());
                        states.len().saturating_sub(1)
                    })
                });
            }
            table.push(row);
        }
        let is_end = states.iter().map(is_end).collect();
        let mut language = Language { next: table, is_end, by_one: Vec::new(), by_any: Vec::new() };
        language.remove_dead_ends();
        language.find_reachable();
        language
    }

    fn remove_dead_ends(&mut self) {
        let mut alive = self.is_end.clone();
        loop {
            let reaches = |row: &[Option<usize>; SYMBOLS]| {
                row.iter().flatten().any(|to| alive.get(*to) == Some(&true))
            };
            let more: States =
                self.next.iter().zip(&alive).map(|(row, known)| *known || reaches(row)).collect();
            if more == alive {
                break;
            }
            alive = more;
        }
        for cell in self.next.iter_mut().flatten() {
            *cell = cell.filter(|to| alive.get(*to) == Some(&true));
        }
    }

    fn find_reachable(&mut self) {
        let count = self.next.len();
        self.by_one = self
            .next
            .iter()
            .map(|row| {
                let mut states = vec![false; count];
                for to in row.iter().flatten() {
                    insert(&mut states, *to);
                }
                states
            })
            .collect();
        self.by_any = (0..count)
            .map(|state| {
                let mut states = vec![false; count];
                let mut pending = vec![state];
                while let Some(state) = pending.pop() {
                    if insert(&mut states, state) {
                        pending.extend(self.next.get(state).into_iter().flatten().flatten());
                    }
                }
                states
            })
            .collect();
    }

    /// Whether a string is in the language.
    pub(super) fn has(&self, text: &str) -> bool {
        self.ends_in(&self.run(self.start(), text))
    }

    /// Whether a string in the language begins with this one.
    pub(super) fn has_start(&self, text: &str) -> bool {
        self.run(self.start(), text).contains(&true)
    }

    /// Whether a string in the language contains this one.
    pub(super) fn has_middle(&self, text: &str) -> bool {
        self.run(self.all(), text).contains(&true)
    }

    /// Whether a string in the language ends with this one.
    pub(super) fn has_end(&self, text: &str) -> bool {
        self.ends_in(&self.run(self.all(), text))
    }

    /// Whether a string in the language matches the pattern.
    pub(super) fn has_match(&self, pattern: &[GlobStep]) -> bool {
        let mut states = self.start();
        for step in pattern {
            if !states.contains(&true) {
                return false;
            }
            states = match step {
                GlobStep::Char(c) => self.step(&states, *c),
                GlobStep::One => union(&self.by_one, &states),
                GlobStep::Run => union(&self.by_any, &states),
            };
        }
        self.ends_in(&states)
    }

    fn start(&self) -> States {
        (0..self.next.len()).map(|state| state == 0).collect()
    }

    fn all(&self) -> States {
        vec![true; self.next.len()]
    }

    fn ends_in(&self, states: &States) -> bool {
        states.iter().zip(&self.is_end).any(|(is_in, is_end)| *is_in && *is_end)
    }

    fn run(&self, states: States, text: &str) -> States {
        text.chars().fold(states, |states, c| self.step(&states, c))
    }

    fn step(&self, states: &States, c: char) -> States {
        let other = SYMBOLS.saturating_sub(1);
        let symbol = usize::try_from(u32::from(c)).unwrap_or(other).min(other);
        let mut next = vec![false; self.next.len()];
        for (row, _) in self.next.iter().zip(states).filter(|(_, is_in)| **is_in) {
            if let Some(to) = row.get(symbol).copied().flatten() {
                insert(&mut next, to);
            }
        }
        next
    }
}

/// The states that a map leads to from some of these.
fn union(map: &[States], states: &States) -> States {
    let mut all = vec![false; states.len()];
    for (more, _) in map.iter().zip(states).filter(|(_, is_in)| **is_in) {
        for (slot, is_in) in all.iter_mut().zip(more) {
            *slot |= *is_in;
        }
    }
    all
}

/// Adds a state. Returns whether it is new.
fn insert(states: &mut States, state: usize) -> bool {
    states.get_mut(state).is_some_and(|slot| !std::mem::replace(slot, true))
}

fn representative(symbol: usize) -> char {
    u8::try_from(symbol).ok().filter(u8::is_ascii).map_or(OTHER, char::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_automaton_knows_its_strings_and_their_parts() {
        // `ab*c`, and `x`, from which no string ends.
        let next = |state: &u8, c| match (state, c) {
            (0, 'a') | (1, 'b') => Some(1),
            (1, 'c') => Some(2),
            (0, 'x') => Some(9),
            _ => None,
        };
        let language = Language::new(0, next, |state| *state == 2);
        assert!(language.has("ac") && language.has("abbc"));
        assert!(!language.has("ab") && !language.has("") && !language.has("é"));
        assert!(language.has_start("abb") && language.has_start(""));
        assert!(!language.has_start("x") && !language.has_start("b"));
        assert!(language.has_middle("bb") && !language.has_middle("cb"));
        assert!(language.has_end("bc") && !language.has_end("b") && !language.has_end("x"));
        let matches = |pattern: &[GlobStep]| language.has_match(pattern);
        let (run, one, c) = (GlobStep::Run, GlobStep::One, GlobStep::Char('c'));
        assert!(matches(&[run]) && matches(&[one, one]) && matches(&[run, c]));
        assert!(!matches(&[one]) && !matches(&[c, run]) && !matches(&[]));
    }
}
