//! Names and values in Markdown, whatever they are made of.

use std::fmt::Write as _;

/// A code span.
pub(super) fn code(text: &str) -> String {
    let text = one_line(text);
    let runs = text.split(|it| it != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0) + 1);
    // A span loses one space at each end if it has both, and its fence may not touch a backtick.
    let padded = text.contains('`') || (text.starts_with(' ') && text.ends_with(' '));
    let pad = if padded { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A code span in a cell of a table, where a bar ends the cell unless a backslash stands before it. Where
/// both are in the text, Markdown's readers differ, and HTML says it.
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

    /// What a reader sees of a text in each cell of the last row, or of each item.
    fn seen(markdown: &str, in_table: bool) -> Vec<String> {
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
    fn readers_see_what_was_meant() {
        for text in NASTY {
            let wanted = text.replace('\n', " ");
            let table = format!("| a | b |\n|---|---|\n| {} | z |\n", cell(text));
            assert_eq!(seen(&table, true), [&*wanted, "z"], "{table}");
            let item = format!("- {}: z\n", code(text));
            assert_eq!(seen(&item, false), [format!("{wanted}: z")], "{item}");
        }
    }
}
