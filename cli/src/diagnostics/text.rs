//! Diagnostics as text, in the style of rustc.

use super::report::{Diagnostic, Report, Severity};
use super::source::Source;
use crate::style;
use annotate_snippets::{AnnotationKind, Element, Level, Origin, Renderer, Snippet};
use serin_fleet::lines::with_line_feeds;
use std::ops::Range;

/// Every diagnostic of a file, each with its line.
pub(crate) fn rendered(report: &Report) -> String {
    with(report, &if style::is_coloured() { Renderer::styled() } else { Renderer::plain() })
}

/// Every diagnostic of a file, without colours.
pub(crate) fn plain(report: &Report) -> String {
    with(report, &Renderer::plain())
}

fn with(report: &Report, renderer: &Renderer) -> String {
    let mut text = String::new();
    for diagnostic in &report.diagnostics {
        text.push_str(&one(diagnostic, &report.source, renderer));
        text.push_str("\n\n");
    }
    text
}

fn one(diagnostic: &Diagnostic, source: &Source, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = match diagnostic.path.as_str() {
        "" => diagnostic.message.clone(),
        path => format!("{path}: {}", diagnostic.message),
    };
    let title = level.primary_title(title).id(diagnostic.id);
    let mut group = title.element(snippet(diagnostic, source));
    if let Some(help) = &diagnostic.help {
        group =
            group.element(Level::HELP.message(annotate_snippets::normalize_untrusted_str(help)));
    }
    renderer.render(&[group])
}

/// The lines of a diagnostic, or the file's name if it has none.
fn snippet<'s>(diagnostic: &Diagnostic, source: &'s Source) -> Element<'s> {
    let Some(range) = &diagnostic.range else {
        return Origin::path(source.name.as_str()).into();
    };
    // Only the lines to show: the renderer would split a large document into lines for each diagnostic.
    let mut first = source.line_of(range.start);
    let mut last = first;
    if let Some((other, _)) = &diagnostic.other {
        first = first.min(source.line_of(other.start));
        last = last.max(source.line_of(other.start));
    }
    let (start, end) = (source.line(first).start, source.line(last).end);
    let within = |range: &Range<usize>| {
        let first = range.start.min(end);
        first - start..range.end.clamp(first, end) - start
    };
    let lines = with_line_feeds(source.text.get(start..end).unwrap_or(""));
    let snippet = Snippet::source(lines);
    let mut snippet = snippet.path(source.name.as_str()).line_start(first + 1);
    snippet = snippet.annotation(AnnotationKind::Primary.span(within(range)));
    if let Some((other, label)) = &diagnostic.other {
        snippet = snippet.annotation(AnnotationKind::Context.span(within(other)).label(*label));
    }
    snippet.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn any_text_has_a_report_that_can_be_printed() {
        let good = include_str!("../../tests/serin/findings/warnings.yaml");
        let typed = [
            "", "\t", "\r\n", "\"", "{", "]", "ä\u{1b}", "\0", ": ", "- ", "<<: *a\n", "&a ",
            "*a ", "---\n", "!x ",
        ];
        let mut refused = 0;
        for (at, insert) in (0..good.len()).step_by(5).zip(typed.iter().cycle()) {
            for removed in [0, 1, 40] {
                let end = (at + removed).min(good.len());
                let text = format!("{}{insert}{}", &good[..at], &good[end..]);
                let report = Report::new(Path::new("-"), "-".into(), text.into_bytes());
                let printed = plain(&report);
                assert_eq!(report.good.is_none(), printed.starts_with("error"), "{printed}");
                refused += usize::from(report.good.is_none());
                for diagnostic in report.diagnostics {
                    let range = diagnostic.range.unwrap_or_default();
                    assert!(report.source.text.get(range.clone()).is_some(), "{range:?}");
                }
            }
        }
        assert!(refused > 500, "{refused}");
    }
}
