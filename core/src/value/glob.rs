//! Patterns with `*` and `?`.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The longest pattern, in bytes. Matching costs at most pattern × value steps.
pub(crate) const MAX_PATTERN: usize = 256;

/// A pattern: `*` is any run of characters, also none and also `/`; `?` is exactly one character;
/// `\` takes the next character as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob {
    text: Box<str>,
    steps: Box<[Step]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Run,
    One,
    Char(char),
}

impl Glob {
    /// Reads a pattern; `None` when it is too long or ends in a lone `\`.
    pub(crate) fn parse(text: &str) -> Option<Glob> {
        if text.len() > MAX_PATTERN {
            return None;
        }
        let mut steps = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let step = match c {
                '*' => Step::Run,
                '?' => Step::One,
                '\\' => Step::Char(chars.next()?),
                c => Step::Char(c),
            };
            if !(step == Step::Run && steps.last() == Some(&Step::Run)) {
                steps.push(step);
            }
        }
        Some(Glob { text: String::from(text).into(), steps: steps.into() })
    }

    /// Whether the whole value fits. On a mismatch only the latest `*` takes one character more,
    /// which is enough: an earlier one could never do better.
    pub(crate) fn matches(&self, value: &str) -> bool {
        let mut steps: &[Step] = &self.steps;
        let mut rest = value.chars();
        let mut retry: Option<(&[Step], core::str::Chars<'_>)> = None;
        loop {
            match steps.split_first() {
                Some((Step::Run, after)) => {
                    retry = Some((after, rest.clone()));
                    steps = after;
                    continue;
                }
                Some((step, after)) => {
                    let mut ahead = rest.clone();
                    let fits = match (ahead.next(), step) {
                        (Some(c), Step::Char(wanted)) => c == *wanted,
                        (Some(_), _) => true,
                        (None, _) => return false,
                    };
                    if fits {
                        (steps, rest) = (after, ahead);
                        continue;
                    }
                }
                None if rest.as_str().is_empty() => return true,
                // A pattern that ends in `*` takes whatever is left.
                None if self.steps.last() == Some(&Step::Run) => return true,
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

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, value: &str) -> bool {
        Glob::parse(pattern).unwrap().matches(value)
    }

    #[test]
    fn stars_and_question_marks() {
        assert!(fits("*", ""));
        assert!(fits("*@corp.example", "ada@corp.example"));
        assert!(!fits("*@corp.example", "ada@corp.example.org"));
        assert!(fits("a*b*c", "a-b-b-c"));
        assert!(!fits("a*b*c", "a-c-b"));
        assert!(fits("?", "é"));
        assert!(!fits("?", ""));
        assert!(!fits("?", "ab"));
        assert!(fits("/api/*/users", "/api/v1/x/users"));
        assert!(fits(r"1\*2", "1*2"));
        assert!(!fits(r"1\*2", "1x2"));
        assert!(fits("", ""));
        assert!(!fits("", "a"));
        assert!(fits("a*", "a"));
        assert!(fits("**a**", "xax"));
    }

    #[test]
    fn a_hostile_value_costs_a_product_at_most() {
        let pattern = "*a".repeat(100) + "b";
        assert!(!fits(&pattern, &"a".repeat(20_000)));
    }

    #[test]
    fn refuses_what_cannot_be_meant() {
        assert_eq!(Glob::parse("\\"), None);
        assert_eq!(Glob::parse(&"a".repeat(257)), None);
    }
}
