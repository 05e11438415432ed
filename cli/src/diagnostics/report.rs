//! Everything that is to be said about one file.

use super::source::{Found, Source};
use crate::document::{self, Unreadable};
use serin_analysis::planner::RolloutForecast;
use serin_core::{Error, ErrorKind, Errors, Plan, Spec};
use std::ops::Range;
use std::path::Path;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Severity {
    /// The spec is refused.
    Error,
    /// Allowed, and most likely not meant.
    Warning,
    /// Good to know.
    Note,
}

/// One thing to say.
#[derive(Debug)]
pub(crate) struct Diagnostic {
    pub(crate) severity: Severity,
    /// The same for good, for tools that filter.
    pub(crate) id: &'static str,
    /// Such as `flags.new-checkout.rules[1]`; empty for the document itself.
    pub(crate) path: String,
    /// A sentence about what is at the path.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) help: Option<String>,
    /// Where it is in the text, on one line.
    pub(crate) place: Option<Range<usize>>,
    /// Another place that has to do with it, and how.
    pub(crate) other: Option<(Range<usize>, &'static str)>,
}

/// One file, checked.
pub(crate) struct Report {
    pub(crate) source: Source,
    /// In the order of the document.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// What it compiles to, if there is no error.
    pub(crate) good: Option<(Spec, Plan)>,
    /// Whether hosts take it all the same, without the flags that the errors are in.
    pub(crate) isolated: bool,
    /// What its gates will be able to show, if that was asked.
    pub(crate) prospects: Vec<RolloutForecast>,
}

impl Report {
    /// Reads and compiles a text, and notes every error.
    pub(crate) fn new(path: &Path, name: String, text: Vec<u8>) -> Report {
        let text = match String::from_utf8(text) {
            Ok(text) => text,
            Err(error) => return Report::not_utf8(name, &error),
        };
        let json = document::is_json(path, text.as_bytes());
        let source = Source::new(name, text);
        let mut report = Report::of(source, Vec::new());
        report.compile(json);
        report.in_order();
        report
    }

    fn not_utf8(name: String, error: &std::string::FromUtf8Error) -> Report {
        let at = error.utf8_error().valid_up_to();
        let source = Source::new(name, String::from_utf8_lossy(error.as_bytes()).into_owned());
        let place = Some(at..at);
        let message = format!("not UTF-8 at byte {at}");
        let diagnostics = vec![Diagnostic { place, ..Diagnostic::syntax(message) }];
        Report::of(source, diagnostics)
    }

    fn of(source: Source, diagnostics: Vec<Diagnostic>) -> Report {
        Report { source, diagnostics, good: None, isolated: false, prospects: Vec::new() }
    }

    fn compile(&mut self, json: bool) {
        for doubled in &self.source.doubled {
            self.diagnostics.push(Diagnostic {
                id: DOUBLED_KEY,
                place: Some(self.source.first_line(&doubled.again)),
                other: Some((self.source.first_line(&doubled.first), "given here first")),
                ..Diagnostic::syntax(format!("the key {:?} is given twice", doubled.key))
            });
        }
        let read = document::to_json_for_check(&self.source.text, json);
        let text = match (read, &self.source.broken) {
            (Ok(text), _) => text,
            // The parser's own words are plainer than those of what is built on it.
            (Err(_), Some(broken)) if !json => {
                let place = Some(self.pointed_at(broken.at));
                let help = broken.help.map(str::to_owned);
                let message = format!("not a YAML document: {}", broken.message);
                self.diagnostics.push(Diagnostic { place, help, ..Diagnostic::syntax(message) });
                return;
            }
            (Err(Unreadable { message, place }), _) => {
                let at = place.map(|(line, column)| self.source.offset(line, column));
                let place = at.map(|at| self.pointed_at(at));
                self.diagnostics.push(Diagnostic { place, ..Diagnostic::syntax(message) });
                return;
            }
        };
        match (Spec::from_json(&text), Plan::from_json(&text)) {
            (_, Ok(plan)) if !plan.isolated().is_empty() => {
                self.isolated = self.diagnostics.is_empty();
                self.add_errors(plan.isolated());
            }
            (Ok(spec), Ok(plan)) if self.diagnostics.is_empty() => self.good = Some((spec, plan)),
            (_, Err(errors)) => self.add_errors(&errors),
            _ => {}
        }
    }

    fn add_errors(&mut self, errors: &Errors) {
        let found = errors.iter().map(|error| Diagnostic::of(error, &self.source));
        let found: Vec<Diagnostic> = found.collect();
        self.diagnostics.extend(found);
        self.cut(errors.len());
    }

    /// Says how many errors beyond those that are kept there are.
    fn cut(&mut self, count: usize) {
        let more = count.saturating_sub(self.diagnostics.len());
        if more > 0 {
            self.diagnostics.push(Diagnostic {
                id: kind_id(ErrorKind::Limit),
                ..Diagnostic::syntax(format!("and {more} more errors"))
            });
        }
    }

    /// One character, or the end of a line, moved back onto the last line that has something.
    fn pointed_at(&self, at: usize) -> Range<usize> {
        let text = &self.source.text;
        let at =
            if at >= text.len() { text.trim_end().len() } else { text.floor_char_boundary(at) };
        let next = text[at..].chars().next().filter(|c| !c.is_control() || *c == '\t');
        at..at + next.map_or(0, char::len_utf8)
    }

    /// Adds to what is there, and keeps the document's order.
    pub(crate) fn add(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        self.diagnostics.extend(diagnostics);
        self.in_order();
    }

    fn in_order(&mut self) {
        // What has no place is about the whole document and comes last.
        let place = |diagnostic: &Diagnostic| {
            diagnostic.place.as_ref().map_or(usize::MAX, |place| place.start)
        };
        self.diagnostics.sort_by_key(place);
    }

    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|found| found.severity == severity).count()
    }
}

impl Diagnostic {
    fn syntax(message: String) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            id: kind_id(ErrorKind::Syntax),
            path: String::new(),
            message,
            help: None,
            place: None,
            other: None,
        }
    }

    /// One of the core's errors, at its place.
    fn of(error: &Error, source: &Source) -> Diagnostic {
        let place = source.find(error.path()).map(|found| place_of(error, &found, source));
        Diagnostic {
            id: kind_id(error.kind()),
            path: error.path().to_owned(),
            help: error.suggestion().map(|name| format!("did you mean {name}?")),
            place,
            ..Diagnostic::syntax(error.message().to_owned())
        }
    }

    /// Something about what is at a path.
    pub(crate) fn at(
        severity: Severity,
        id: &'static str,
        path: &str,
        message: String,
        source: &Source,
    ) -> Diagnostic {
        let place = source.find(path).map(|found| shown(&found, source));
        Diagnostic { severity, id, path: path.to_owned(), place, ..Diagnostic::syntax(message) }
    }
}

/// What an error is about: a key, or a value.
fn place_of(error: &Error, found: &Found<'_>, source: &Source) -> Range<usize> {
    let Some((key, at)) = found.key.as_ref().filter(|_| found.whole) else {
        return shown(found, source);
    };
    let about_key = error.name() == Some(*key)
        || (error.kind() == ErrorKind::Reference && found.scalar != error.name());
    if about_key {
        return source.first_line(at);
    }
    shown(found, source)
}

/// The value itself where it is short, else the key that leads to it.
fn shown(found: &Found<'_>, source: &Source) -> Range<usize> {
    let key = found.key.as_ref().map(|(_, at)| source.first_line(at));
    match key {
        Some(key) if !source.is_on_one_line(&found.value) || found.value.is_empty() => key,
        _ => source.first_line(&found.value),
    }
}

/// Stable names for kinds of errors, and what each is, in a sentence.
pub(crate) const ERRORS: [(&str, &str); 9] = [
    ("syntax", "The text is no YAML or JSON document."),
    ("unknown-field", "A field or operator that the format does not have."),
    ("missing", "A required field is absent."),
    ("wrong-type", "A value of another type than the format has there."),
    ("wrong-value", "A value that is not allowed."),
    ("unknown-name", "A name that nothing in the spec defines."),
    ("conflict", "Two parts of the spec contradict each other."),
    ("limit", "A bound of the format is exceeded."),
    (DOUBLED_KEY, "An object gives a key twice."),
];
const DOUBLED_KEY: &str = "doubled-key";

pub(crate) fn kind_id(kind: ErrorKind) -> &'static str {
    let index = match kind {
        ErrorKind::UnknownField => 1,
        ErrorKind::Missing => 2,
        ErrorKind::Type => 3,
        ErrorKind::Value => 4,
        ErrorKind::Reference => 5,
        ErrorKind::Conflict => 6,
        ErrorKind::Limit => 7,
        _ => 0,
    };
    ERRORS[index].0
}
