//! The report about one spec file: its diagnostics, and what it compiles to.

use super::cure;
use super::misread::{self, Misread};
use super::source::{Found, Source};
use crate::document::{self, SyntaxError};
use serin_analysis::planner::RolloutForecast;
use serin_core::{Error, ErrorKind, Errors, Plan, Spec};
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::ops::Range;
use std::path::Path;

/// The severity of a diagnostic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Severity {
    /// The spec is refused.
    Error,
    /// The spec is allowed, but most likely wrong.
    Warning,
    /// The spec is right, but other tools may read it differently.
    Note,
}

/// An error, a warning or a note.
#[derive(Debug)]
pub(crate) struct Diagnostic {
    pub(crate) severity: Severity,
    /// The stable name, for tools that filter.
    pub(crate) id: &'static str,
    /// The path in the spec, such as `flags.new-checkout.rules[1]`; empty for the document itself.
    pub(crate) path: String,
    /// A sentence about the value at the path.
    pub(crate) message: String,
    /// How to fix it.
    pub(crate) help: Option<String>,
    /// The word of the format that must be meant in place of the text at the range.
    pub(crate) correction: Option<String>,
    /// The byte range in the text, on one line.
    pub(crate) range: Option<Range<usize>>,
    /// A related range, and its label.
    pub(crate) other: Option<(Range<usize>, &'static str)>,
}

/// The report about one file.
pub(crate) struct Report {
    pub(crate) source: Source,
    /// Whether the text is JSON.
    pub(crate) is_json: bool,
    /// The diagnostics in the order of the document.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The spec and its plan, if there is no error.
    pub(crate) good: Option<(Spec, Plan)>,
    /// Whether hosts accept the spec without the flags that have errors.
    pub(crate) isolated: bool,
    /// The forecasts of its gates, if traffic was given.
    pub(crate) forecasts: Vec<RolloutForecast>,
}

impl Report {
    /// Reads and compiles a text, and collects every error.
    pub(crate) fn new(path: &Path, name: String, text: Vec<u8>) -> Report {
        if let Err(error) = document::text(&text) {
            return Report::not_utf8(name, &text, error);
        }
        let text = String::from_utf8(text).unwrap_or_default();
        let json = document::is_json(path, text.as_bytes());
        let source = Source::new(name, text);
        let mut report = Report::of(source, Vec::new());
        report.is_json = json;
        report.compile(json);
        report.sort();
        report
    }

    fn not_utf8(name: String, bytes: &[u8], error: SyntaxError) -> Report {
        let source = Source::new(name, String::from_utf8_lossy(bytes).into_owned());
        // The first line of UTF-16 shows nothing of what is wrong.
        let range = Some(error.range.clone()).filter(|at| at.start > 0);
        let diagnostic = Diagnostic { range, ..Diagnostic::of_syntax(error) };
        Report::of(source, vec![diagnostic])
    }

    fn of(source: Source, diagnostics: Vec<Diagnostic>) -> Report {
        Report {
            source,
            is_json: false,
            diagnostics,
            good: None,
            isolated: false,
            forecasts: Vec::new(),
        }
    }

    fn compile(&mut self, json: bool) {
        for doubled in &self.source.doubled {
            self.diagnostics.push(Diagnostic {
                id: DOUBLED_KEY,
                range: Some(self.source.first_line(&doubled.again)),
                other: Some((self.source.first_line(&doubled.first), "given here first")),
                ..Diagnostic::syntax(format!("the key {:?} is given twice", doubled.key))
            });
        }
        let text = match document::to_json_for_check(&self.source.text, json) {
            Ok(text) => text,
            Err(error) => {
                // What is broken has no other mistakes to report.
                self.diagnostics = vec![Diagnostic::of_syntax(error)];
                return;
            }
        };
        let plan = Plan::from_json(&text);
        let has_errors = plan.as_ref().map_or(true, |plan| !plan.isolated().is_empty());
        let misread = if has_errors { misread::find(&self.source) } else { Vec::new() };
        if !misread.is_empty() {
            self.isolated = plan.is_ok() && self.diagnostics.is_empty();
            self.diagnostics.extend(misread.into_iter().map(Diagnostic::of_misread));
            return;
        }
        match (Spec::from_json(&text), plan) {
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
        // What nothing defines is one mistake, however often it is named.
        let mut found: Vec<Diagnostic> = Vec::new();
        let mut named: HashMap<(&str, &str), (usize, usize)> = HashMap::new();
        for error in errors.iter() {
            let is_name = error.kind() == ErrorKind::Reference;
            let slot = is_name.then(|| named.entry((scope_of(error), error.message())));
            match slot {
                Some(Slot::Occupied(mut slot)) => slot.get_mut().1 += 1,
                Some(Slot::Vacant(slot)) => {
                    slot.insert((found.len(), 0));
                    found.push(Diagnostic::of(error, &self.source));
                }
                None => found.push(Diagnostic::of(error, &self.source)),
            }
        }
        for (index, more) in named.into_values().filter(|(_, more)| *more > 0) {
            let places = if more == 1 { "one more place" } else { "{more} more places" };
            let places = places.replace("{more}", &more.to_string());
            found[index].message.push_str(&format!(" (named in {places})"));
        }
        self.diagnostics.extend(found);
        self.add_omitted(errors);
    }

    /// Adds the number of errors that the core only counts.
    fn add_omitted(&mut self, errors: &Errors) {
        let more = errors.len().saturating_sub(errors.iter().count());
        if more > 0 {
            self.diagnostics.push(Diagnostic {
                id: kind_id(ErrorKind::Limit),
                ..Diagnostic::syntax(format!("and {more} more errors"))
            });
        }
    }

    /// Adds diagnostics in the order of the document.
    pub(crate) fn add(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        self.diagnostics.extend(diagnostics);
        self.sort();
    }

    fn sort(&mut self) {
        // A diagnostic without a range is about the whole document and comes last.
        let start = |diagnostic: &Diagnostic| {
            diagnostic.range.as_ref().map_or(usize::MAX, |range| range.start)
        };
        self.diagnostics.sort_by_key(start);
    }

    /// The number of diagnostics of a severity.
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
            correction: None,
            range: None,
            other: None,
        }
    }

    fn of_syntax(error: SyntaxError) -> Diagnostic {
        let SyntaxError { message, help, range } = error;
        Diagnostic { range: Some(range), help: Some(help), ..Diagnostic::syntax(message) }
    }

    fn of_misread(misread: Misread) -> Diagnostic {
        let Misread { message, help, range } = misread;
        Diagnostic { range: Some(range), help: Some(help), ..Diagnostic::syntax(message) }
    }

    /// An error of the core, with its range.
    fn of(error: &Error, source: &Source) -> Diagnostic {
        let found = source.find(error.path());
        let range = found.as_ref().map(|found| range_of(error, found, source));
        let help = found.as_ref().and_then(|found| cure::help(error, found));
        Diagnostic {
            id: kind_id(error.kind()),
            path: error.path().to_owned(),
            help,
            correction: error.correction().map(str::to_owned),
            range,
            ..Diagnostic::syntax(error.message().to_owned())
        }
    }

    /// A diagnostic about the value at a path.
    pub(crate) fn at(
        severity: Severity,
        id: &'static str,
        path: &str,
        message: String,
        source: &Source,
    ) -> Diagnostic {
        let range = source.find(path).map(|found| value_or_key(&found, source));
        Diagnostic { severity, id, path: path.to_owned(), range, ..Diagnostic::syntax(message) }
    }
}

/// The part of the spec that defines the name of an error: arms and variants have names of their own in each
/// rollout and flag.
fn scope_of(error: &Error) -> &str {
    let is_own = ["there is no arm", "there is no variant"];
    if !is_own.iter().any(|start| error.message().starts_with(start)) {
        return "";
    }
    let second = error.path().match_indices(['.', '[']).nth(1);
    second.map_or(error.path(), |(at, _)| &error.path()[..at])
}

/// The range that an error is about: of a key, or of a value.
fn range_of(error: &Error, found: &Found<'_>, source: &Source) -> Range<usize> {
    let Some((key, at)) = found.key.as_ref().filter(|_| found.whole) else {
        return value_or_key(found, source);
    };
    let about_key = error.name() == Some(*key)
        || (error.kind() == ErrorKind::Reference && found.scalar != error.name());
    if about_key {
        return source.first_line(at);
    }
    value_or_key(found, source)
}

/// The range of a value that is on one line, else of its key.
fn value_or_key(found: &Found<'_>, source: &Source) -> Range<usize> {
    let key = found.key.as_ref().map(|(_, at)| source.first_line(at));
    match key {
        Some(key) if !source.is_on_one_line(&found.value) || found.value.is_empty() => key,
        _ => source.first_line(&found.value),
    }
}

/// The stable names of the kinds of errors, each with its description.
pub(crate) const ERRORS: [(&str, &str); 9] = [
    ("syntax", "The text is not a YAML or JSON document."),
    ("unknown-field", "The spec format has no such field or operator."),
    ("missing", "A required field is missing."),
    ("wrong-type", "A value has the wrong type."),
    ("wrong-value", "A value is not allowed."),
    ("unknown-name", "A name is not defined in the spec."),
    ("conflict", "Two parts of the spec contradict each other."),
    ("limit", "A limit of the spec format is exceeded."),
    (DOUBLED_KEY, "An object has a key twice."),
];
const DOUBLED_KEY: &str = "doubled-key";

/// The stable name of a kind of errors.
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
