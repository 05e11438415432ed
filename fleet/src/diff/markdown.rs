//! Pieces of Markdown: code spans of any string, numbers, and the names of groups.

use super::result::Group;
use std::fmt::Write as _;

/// The maximum number of rows or items of one list. GitHub accepts comments of up to 65,536 characters.
pub(super) const MAX_LIST: usize = 40;

/// The name of a group: `everybody`, or its cohorts and the attributes that select it. Several groups of the
/// same cohorts share a name.
pub(super) fn group_name(groups: &[&Group]) -> String {
    let attributes = |group: &&Group| {
        let all = group.attributes.iter();
        let all = all.map(|(name, value)| cell(&format!("{name}: {value}")));
        all.collect::<Vec<_>>().join(", ")
    };
    let attributes: Vec<String> = groups.iter().map(attributes).collect();
    let attributes = attributes.join(" or ");
    let cohorts = groups.first().map(|group| group.cohorts.as_slice()).unwrap_or_default();
    let cohorts: Vec<String> = cohorts.iter().map(|name| cell(name)).collect();
    match (attributes.is_empty(), cohorts.is_empty()) {
        (true, _) => "everybody".to_owned(),
        (false, true) => format!("with {attributes}"),
        (false, false) => format!("{} with {attributes}", cohorts.join(", ")),
    }
}

/// A number with thousands separators: `12,345`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A percentage with up to three decimals: `4.912 %`. A share above 0 is never shown as 0.
pub(super) fn percent_text(percent: f64) -> String {
    if percent > 0.0 && percent < 0.001 {
        return "below 0.001 %".to_owned();
    }
    let text = format!("{percent:.3}");
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A code span of a string.
pub(super) fn code(text: &str) -> String {
    let text = one_line(text);
    let runs = text.split(|it| it != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0) + 1);
    // Markdown strips one space from both ends of a span, and a fence must not touch a backtick.
    let padded = text.contains('`') || (text.starts_with(' ') && text.ends_with(' '));
    let pad = if padded { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A code span for a cell of a table. A bar ends the cell unless a backslash precedes it. Parsers disagree
/// about a string that has both, so that string becomes HTML.
pub(super) fn cell(text: &str) -> String {
    if !text.contains('|') {
        return code(text);
    }
    if !text.contains('\\') {
        return code(&text.replace('|', "\\|"));
    }
    let mut html = String::from("<code>");
    for symbol in one_line(text).chars() {
        if symbol.is_ascii_punctuation() {
            let _ = write!(html, "&#{};", u32::from(symbol));
        } else {
            html.push(symbol);
        }
    }
    html + "</code>"
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

    const NASTY: [&str; 14] = [
        "plain", "a|b", "a`b", "`", "``|`", " a ", "a\\|b", "a\\", "<b>&amp;", "*a*_b_", "a\nb",
        "é→", "|", "\\",
    ];

    /// The strings that a Markdown parser finds in the cells of the last row, or in the items of a list.
    fn parsed(markdown: &str, in_table: bool) -> Vec<String> {
        let mut found = Vec::new();
        for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::TableRow | Tag::List(_)) => found.clear(),
                Event::Start(Tag::TableCell) if in_table => found.push(String::new()),
                Event::Start(Tag::Item) if !in_table => found.push(String::new()),
                Event::Code(text) | Event::Text(text) => {
                    if let Some(last) = found.last_mut() {
                        last.push_str(&text);
                    }
                }
                Event::End(TagEnd::Table) => break,
                _ => {}
            }
        }
        found
    }

    #[test]
    fn numbers_have_separators_and_percentages_are_rounded() {
        assert_eq!((thousands(0), thousands(999)), ("0".into(), "999".into()));
        assert_eq!((thousands(1000), thousands(1_234_567)), ("1,000".into(), "1,234,567".into()));
        assert_eq!(percent_text(4.9), "4.9 %");
        assert_eq!(percent_text(100.0), "100 %");
        assert_eq!(percent_text(0.000_01), "below 0.001 %");
        assert_eq!(percent_text(0.0), "0 %");
    }

    #[test]
    fn any_string_survives_a_markdown_parser() {
        for text in NASTY {
            let wanted = text.replace('\n', " ");
            let table = format!("| a | b |\n|---|---|\n| {} | z |\n", cell(text));
            assert_eq!(parsed(&table, true), [&*wanted, "z"], "{table}");
            let item = format!("- {}: z\n", code(text));
            assert_eq!(parsed(&item, false), [format!("{wanted}: z")], "{item}");
        }
    }
}
