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
    is_end: Vec<bool>,
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
        let mut language = Language { next: table, is_end };
        language.remove_dead_ends();
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
            states = match step {
                GlobStep::Char(c) => self.step(&states, *c),
                GlobStep::One => self.step_by_any(&states),
                GlobStep::Run => self.closure(states),
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
        let symbol =
            usize::try_from(u32::from(c)).unwrap_or(SYMBOLS).min(SYMBOLS.saturating_sub(1));
        self.moved(states, |row| row.get(symbol).copied().flatten().into_iter())
    }

    fn step_by_any(&self, states: &States) -> States {
        self.moved(states, |row| row.iter().flatten().copied())
    }

    fn closure(&self, mut states: States) -> States {
        loop {
            let next = self.step_by_any(&states);
            let more: States =
                states.iter().zip(&next).map(|(one, other)| *one || *other).collect();
            if more == states {
                return states;
            }
            states = more;
        }
    }

    fn moved<'l, I: Iterator<Item = usize>>(
        &'l self,
        states: &States,
        to: impl Fn(&'l [Option<usize>; SYMBOLS]) -> I,
    ) -> States {
        let mut moved = vec![false; self.next.len()];
        let rows = self.next.iter().zip(states).filter(|(_, is_in)| **is_in);
        for state in rows.flat_map(|(row, _)| to(row)) {
            if let Some(slot) = moved.get_mut(state) {
                *slot = true;
            }
        }
        moved
    }
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
