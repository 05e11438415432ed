//! Regular expressions as globs: literals, `.`, `.*`, `.+`, groups and alternatives. An expression that no glob
//! matches exactly is not translated.

use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::ast::{Ast, GroupKind, RepetitionKind};

/// The maximum number of globs of one expression, because alternatives multiply.
const MAX_GLOBS: usize = 64;
/// The maximum nesting of groups.
const MAX_NESTING: u32 = 32;

/// Globs that together match exactly the values that the expression matches as a whole. `None` if there are no
/// such globs.
pub(super) fn globs(regex: &str) -> Option<Vec<String>> {
    // The whole value must match, so anchors at both ends change nothing.
    let regex = regex.strip_prefix('^').unwrap_or(regex);
    let regex = match regex.strip_suffix('$') {
        Some(rest) if !rest.ends_with('\\') => rest,
        _ => regex,
    };
    let mut parser = ParserBuilder::new().nest_limit(MAX_NESTING).build();
    translate(&parser.parse(regex).ok()?)
}

/// Globs that together match exactly the values in which the expression matches anywhere.
pub(super) fn anywhere(regex: &str) -> Option<Vec<String>> {
    let (rest, from_start) = match regex.strip_prefix('^') {
        Some(rest) => (rest, true),
        None => (regex, false),
    };
    let (rest, to_end) = match rest.strip_suffix('$') {
        Some(before) if !before.ends_with('\\') => (before, true),
        _ => (rest, false),
    };
    let mut parser = ParserBuilder::new().nest_limit(MAX_NESTING).build();
    let ast = parser.parse(rest).ok()?;
    // An anchor belongs to one alternative only.
    if matches!(ast, Ast::Alternation(_)) && (from_start || to_end) {
        return None;
    }
    let widened = |glob: String| {
        let before = if from_start || glob.starts_with('*') { "" } else { "*" };
        // An escaped asterisk at the end is no wildcard.
        let after =
            if to_end || (glob.ends_with('*') && !glob.ends_with("\\*")) { "" } else { "*" };
        match (before, glob.as_str(), after) {
            ("*", "", "*") => "*".to_owned(),
            _ => format!("{before}{glob}{after}"),
        }
    };
    Some(translate(&ast)?.into_iter().map(widened).collect())
}

fn translate(ast: &Ast) -> Option<Vec<String>> {
    match ast {
        Ast::Empty(_) => Some(vec![String::new()]),
        Ast::Literal(literal) => Some(vec![escape(literal.c)]),
        Ast::Dot(_) => Some(vec!["?".to_owned()]),
        Ast::Group(group) => match group.kind {
            GroupKind::CaptureIndex(_) => translate(&group.ast),
            GroupKind::NonCapturing(ref flags) if flags.items.is_empty() => translate(&group.ast),
            _ => None,
        },
        Ast::Alternation(alternation) => {
            let all: Option<Vec<_>> = alternation.asts.iter().map(translate).collect();
            Some(all?.concat()).filter(|globs| globs.len() <= MAX_GLOBS)
        }
        Ast::Concat(concat) => concat.asts.iter().try_fold(vec![String::new()], |heads, part| {
            let tails = translate(part)?;
            if heads.len().checked_mul(tails.len())? > MAX_GLOBS {
                return None;
            }
            let join = |head: &String| {
                tails.iter().map(move |tail| format!("{head}{tail}")).collect::<Vec<_>>()
            };
            Some(heads.iter().flat_map(join).collect())
        }),
        // Whether a repetition is greedy does not matter, because the whole value must match.
        Ast::Repetition(repetition) => match (&repetition.op.kind, &*repetition.ast) {
            (RepetitionKind::ZeroOrOne, ast) => {
                let mut globs = translate(ast)?;
                globs.insert(0, String::new());
                Some(globs)
            }
            (RepetitionKind::ZeroOrMore, Ast::Dot(_)) => Some(vec!["*".to_owned()]),
            (RepetitionKind::OneOrMore, Ast::Dot(_)) => Some(vec!["?*".to_owned()]),
            _ => None,
        },
        _ => None,
    }
}

/// The character as a glob that matches it and nothing else.
fn escape(literal: char) -> String {
    match literal {
        '*' | '?' | '\\' => format!("\\{literal}"),
        literal => literal.to_string(),
    }
}

/// The only string that a glob without wildcards matches; `None` for a glob with wildcards.
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
    fn expressions_become_globs() {
        let translated = |regex: &str| globs(regex).map(|globs| globs.join(" "));
        for (regex, wanted) in [
            (".*insider.*", "*insider*"),
            ("^firefox2(.*)$", "firefox2*"),
            ("2\\.0\\.(.*)", "2.0.*"),
            ("2.0", "2?0"),
            ("a|b(c|d)?", "a b bc bd"),
            ("(?:x|y)z", "xz yz"),
            ("a\\*b.+", "a\\*b?*"),
            ("https?", "http https"),
            ("a.*?b.??", "a*b a*b?"),
            ("\\x41\\.", "A."),
            ("", ""),
        ] {
            assert_eq!(translated(regex).as_deref(), Some(wanted), "{regex}");
        }
    }

    #[test]
    fn expression_that_no_glob_matches_is_not_translated() {
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
    fn expression_that_matches_anywhere_becomes_globs() {
        let translated = |regex: &str| anywhere(regex).map(|globs| globs.join(" "));
        for (regex, wanted) in [
            ("insider", "*insider*"),
            ("^beta", "beta*"),
            ("beta$", "*beta"),
            ("^beta$", "beta"),
            (".*x.*", "*x*"),
            ("a|b", "*a* *b*"),
            ("a\\*", "*a\\**"),
            ("a\\$", "*a$*"),
            ("", "*"),
        ] {
            assert_eq!(translated(regex).as_deref(), Some(wanted), "{regex}");
        }
        for regex in ["^a|b", "a|b$", "[ab]", "a$|b"] {
            assert_eq!(translated(regex), None, "{regex}");
        }
    }

    #[test]
    fn literal_is_a_glob_without_wildcards() {
        assert_eq!(literal("a\\*b").as_deref(), Some("a*b"));
        assert_eq!(literal("a*"), None);
    }
}
