//! Glob patterns with `*` and `?`.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::facts::spelling::Part;

/// The maximum length of a pattern, in bytes. It bounds the cost of a match, which is at most
/// pattern × value steps.
pub(crate) const MAX_PATTERN: usize = 256;

/// A glob pattern. `*` matches any run of characters, including none and `/`; `?` matches one
/// character; `\` escapes the next character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob {
    text: Box<str>,
    steps: Box<[GlobStep]>,
}

/// A step of a glob pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobStep {
    /// Any run of characters: `*`.
    Run,
    /// One character: `?`.
    One,
    /// This character.
    Char(char),
}

impl Glob {
    /// Reads a pattern; `None` if it is too long or ends in a single `\`.
    pub(crate) fn parse(text: &str) -> Option<Glob> {
        if text.len() > MAX_PATTERN {
            return None;
        }
        let mut steps = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let step = match c {
                '*' => GlobStep::Run,
                '?' => GlobStep::One,
                '\\' => GlobStep::Char(chars.next()?),
                c => GlobStep::Char(c),
            };
            if !(step == GlobStep::Run && steps.last() == Some(&GlobStep::Run)) {
                steps.push(step);
            }
        }
        Some(Glob { text: String::from(text).into(), steps: steps.into() })
    }

    /// The pattern with each run of literal characters spelt by `spell`, which is given the part of the value
    /// that the run is compared with.
    pub(crate) fn respelt(&self, spell: impl Fn(Part, &str) -> String) -> Glob {
        let mut steps: Vec<GlobStep> = Vec::with_capacity(self.steps.len());
        let mut rest = &*self.steps;
        while let Some((first, after)) = rest.split_first() {
            let run: String = rest.iter().map_while(GlobStep::literal).collect();
            if run.is_empty() {
                steps.push(*first);
                rest = after;
                continue;
            }
            let after = rest.get(run.chars().count()..).unwrap_or_default();
            let part = match (steps.is_empty(), after.is_empty()) {
                (true, true) => Part::Whole,
                (true, false) => Part::Start,
                (false, true) => Part::End,
                (false, false) => Part::Middle,
            };
            steps.extend(spell(part, &run).chars().map(GlobStep::Char));
            rest = after;
        }
        if *steps == *self.steps {
            return self.clone();
        }
        let mut text = String::with_capacity(self.text.len());
        for step in &steps {
            match step {
                GlobStep::Run => text.push('*'),
                GlobStep::One => text.push('?'),
                GlobStep::Char(c) => {
                    if matches!(c, '*' | '?' | '\\') {
                        text.push('\\');
                    }
                    text.push(*c);
                }
            }
        }
        Glob { text: text.into(), steps: steps.into() }
    }

    /// The steps of the pattern.
    pub(crate) fn steps(&self) -> &[GlobStep] {
        &self.steps
    }

    /// Whether the whole value matches. On a mismatch only the last `*` is extended by one
    /// character, which is sufficient: extending an earlier `*` cannot match more.
    pub(crate) fn matches(&self, value: &str) -> bool {
        let mut steps: &[GlobStep] = &self.steps;
        let mut rest = value.chars();
        let mut retry: Option<(&[GlobStep], core::str::Chars<'_>)> = None;
        loop {
            match steps.split_first() {
                Some((GlobStep::Run, after)) => {
                    retry = Some((after, rest.clone()));
                    steps = after;
                    continue;
                }
                Some((step, after)) => {
                    let mut ahead = rest.clone();
                    let fits = match (ahead.next(), step) {
                        (Some(c), GlobStep::Char(wanted)) => c == *wanted,
                        (Some(_), _) => true,
                        (None, _) => return false,
                    };
                    if fits {
                        (steps, rest) = (after, ahead);
                        continue;
                    }
                }
                None if rest.as_str().is_empty() => return true,
                // A pattern that ends in `*` matches any rest.
                None if self.steps.last() == Some(&GlobStep::Run) => return true,
                None => {}
            }
            let Some((after, mut from)) = retry.take() else {
                return false;
            };
            if from.next().is_none() {
                return false;
            }
            (steps, rest) = (after, from.clone());
            retry = Some((after, from));
        }
    }
}

impl GlobStep {
    fn literal(&self) -> Option<char> {
        match self {
            GlobStep::Char(c) => Some(*c),
            GlobStep::Run | GlobStep::One => None,
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, value: &str) -> bool {
        Glob::parse(pattern).unwrap().matches(value)
    }

    #[test]
    fn wildcards_match() {
        assert!(matches("*", ""));
        assert!(matches("*@corp.example", "ada@corp.example"));
        assert!(!matches("*@corp.example", "ada@corp.example.org"));
        assert!(matches("a*b*c", "a-b-b-c"));
        assert!(!matches("a*b*c", "a-c-b"));
        assert!(matches("?", "é"));
        assert!(!matches("?", ""));
        assert!(!matches("?", "ab"));
        assert!(matches("/api/*/users", "/api/v1/x/users"));
        assert!(matches(r"1\*2", "1*2"));
        assert!(!matches(r"1\*2", "1x2"));
        assert!(matches("", ""));
        assert!(!matches("", "a"));
        assert!(matches("a*", "a"));
        assert!(matches("**a**", "xax"));
    }

    #[test]
    fn cost_of_a_hostile_value_is_bounded() {
        let pattern = "*a".repeat(100) + "b";
        assert!(!matches(&pattern, &"a".repeat(20_000)));
    }

    #[test]
    fn malformed_pattern_is_refused() {
        assert_eq!(Glob::parse("\\"), None);
        assert_eq!(Glob::parse(&"a".repeat(257)), None);
    }
}
