//! Regular expressions as globs, where a glob can say the same: literals, `.`, `.*`, `.+`, groups and
//! alternatives. Everything else is not translated rather than translated nearly.

/// The most globs that alternatives may multiply to.
const MAX_GLOBS: usize = 64;

/// Globs of which one fits whenever the whole value fits the expression, and never otherwise.
pub(super) fn globs(regex: &str) -> Option<Vec<String>> {
    let regex = regex.strip_prefix('^').unwrap_or(regex);
    let regex = match regex.strip_suffix('$') {
        Some(cut) if !cut.ends_with('\\') => cut,
        _ => regex,
    };
    let mut parser = Parser { rest: regex, depth: 0 };
    let globs = parser.alternatives()?;
    parser.rest.is_empty().then_some(globs)
}

struct Parser<'r> {
    rest: &'r str,
    depth: usize,
}

impl Parser<'_> {
    /// `a|b`, up to a closing parenthesis or the end.
    fn alternatives(&mut self) -> Option<Vec<String>> {
        let mut all = self.sequence()?;
        while self.take("|") {
            all.extend(self.sequence()?);
        }
        (all.len() <= MAX_GLOBS).then_some(all)
    }

    fn sequence(&mut self) -> Option<Vec<String>> {
        let mut all = vec![String::new()];
        while let Some(next) = self.rest.chars().next().filter(|c| !matches!(c, '|' | ')')) {
            let atoms = self.atom(next)?;
            if all.len().checked_mul(atoms.len())? > MAX_GLOBS {
                return None;
            }
            let join = |head: &String| {
                atoms.iter().map(move |atom| format!("{head}{atom}")).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(join).collect();
        }
        Some(all)
    }

    /// One piece with what repeats it.
    fn atom(&mut self, next: char) -> Option<Vec<String>> {
        if self.take("(") {
            return self.group();
        }
        let atom = match next {
            '.' => {
                self.take(".");
                let run = if self.take("*") {
                    "*"
                } else if self.take("+") {
                    "?*"
                } else {
                    "?"
                };
                // Laziness says nothing about whether the whole fits.
                let _ = run != "?" && self.take("?");
                run.to_owned()
            }
            '\\' => {
                self.take("\\");
                let literal = self.rest.chars().next().filter(char::is_ascii_punctuation)?;
                self.rest = self.rest.get(literal.len_utf8()..)?;
                escaped(literal)
            }
            '*' | '+' | '?' | '[' | ']' | '{' | '}' | '^' | '$' => return None,
            literal => {
                self.rest = self.rest.get(literal.len_utf8()..)?;
                escaped(literal)
            }
        };
        if self.rest.starts_with(['*', '+', '{']) {
            return None;
        }
        let optional = self.take("?");
        Some(if optional { vec![String::new(), atom] } else { vec![atom] })
    }

    fn group(&mut self) -> Option<Vec<String>> {
        const DEEPEST: usize = 16;
        if self.depth >= DEEPEST || (self.rest.starts_with('?') && !self.take("?:")) {
            return None;
        }
        self.depth += 1;
        let mut all = self.alternatives()?;
        self.depth -= 1;
        if !self.take(")") || self.rest.starts_with(['*', '+', '{']) {
            return None;
        }
        if self.take("?") {
            all.insert(0, String::new());
        }
        Some(all)
    }

    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

/// A character that stands for itself.
pub(super) fn escaped(literal: char) -> String {
    match literal {
        '*' | '?' | '\\' => format!("\\{literal}"),
        literal => literal.to_string(),
    }
}

/// The text that a glob without wildcards fits.
pub(super) fn literal(glob: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = glob.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' | '?' => return None,
            '\\' => text.push(chars.next()?),
            c => text.push(c),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_glob_can_say() {
        let said = |regex: &str| globs(regex).map(|globs| globs.join(" "));
        for (regex, wanted) in [
            (".*insider.*", "*insider*"),
            ("^firefox2(.*)$", "firefox2*"),
            ("2\\.0\\.(.*)", "2.0.*"),
            ("2.0", "2?0"),
            ("a|b(c|d)?", "a b bc bd"),
            ("(?:x|y)z", "xz yz"),
            ("a\\*b.+", "a\\*b?*"),
            ("https?", "http https"),
            ("", ""),
        ] {
            assert_eq!(said(regex).as_deref(), Some(wanted), "{regex}");
        }
    }

    #[test]
    fn what_it_cannot_say() {
        for regex in [
            "[ab]",
            "a+",
            "(a)*",
            "a{2}",
            "(?i)a",
            "\\d",
            "a\\",
            "(a",
            "a)",
            "*",
            "a^b",
            "(?P<x>a)",
            "(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)",
            "a$|b",
        ] {
            assert_eq!(globs(regex), None, "{regex}");
        }
    }

    #[test]
    fn literals_are_told_from_patterns() {
        assert_eq!(literal("a\\*b").as_deref(), Some("a*b"));
        assert_eq!(literal("a*"), None);
    }
}
