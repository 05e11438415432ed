//! `serin check --fix`: applies the edits that are the only right answer to a diagnostic.

mod candidates;

use super::args::CheckArgs;
use super::file;
use crate::diagnostics::report::{Diagnostic, Report, Severity};
use crate::failure::Failure;
use crate::input;
use crate::number_format::counted;
use crate::output_file;
use crate::style;
use candidates::{Edit, bare_words, candidates, correction};
use serin_core::Timestamp;
use std::ops::Range;
use std::path::Path;

/// The most rounds of a file. An edit can reveal further mistakes, which the next round fixes.
const MAX_ROUNDS: usize = 8;
/// The most diagnostics of a round. Each candidate is tried by compiling the whole spec.
const MAX_TRIED: usize = 100;

/// One fix, for people.
struct Fix {
    /// Its place in the text before its round: `FILE:LINE:COLUMN`.
    place: String,
    before: String,
    after: String,
}

/// Fixes a file, and names each fix on standard error. With `--dry-run` the file stays as it is.
/// Returns its new text.
pub(super) fn run(path: &Path, args: &CheckArgs, at: Timestamp) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        return Err(Failure::trouble("--fix changes files, and standard input is none"));
    }
    let text = input::read_spec(path)?;
    let (fixed, fixes) = fixed(path, text.clone(), at, &args.allow);
    for Fix { place, before, after } in &fixes {
        style::note(&format!("{place}: {before} → {after}"));
    }
    let name = input::name(path);
    let count = counted(fixes.len(), "change");
    if args.dry_run {
        style::note(&format!("{name}: {count}, not written"));
    } else if fixed != text {
        output_file::replace(path, &fixed)
            .map_err(|error| Failure::trouble(format!("{name}: cannot be written: {error}")))?;
        style::note(&format!("{name}: {count}, written"));
    } else {
        style::note(&format!("{name}: nothing to fix"));
    }
    Ok(fixed)
}

/// The text after every fix, and the fixes.
fn fixed(path: &Path, mut text: Vec<u8>, at: Timestamp, allow: &[&str]) -> (Vec<u8>, Vec<Fix>) {
    let mut fixes = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let report = file::report(path, text, at, allow);
        let edits = edits(path, &report, allow);
        if edits.is_empty() {
            text = report.source.text.into_bytes();
            break;
        }
        fixes.extend(edits.iter().map(|edit| Fix::of(edit, &report)));
        text = applied(&report.source.text, &edits).into_bytes();
    }
    (text, fixes)
}

/// The edits of a round, in the order of the text; no two overlap.
fn edits(path: &Path, report: &Report, allow: &[&str]) -> Vec<Edit> {
    // Bare words are tried last: they are no mistake, and an error may be about one of them.
    let errors = report.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    let answers = errors.take(MAX_TRIED).filter_map(|error| only_answer(path, report, error));
    let warnings = report.diagnostics.iter().filter(|found| found.severity == Severity::Warning);
    let found = answers.chain(warnings.filter_map(|warning| correction(report, warning)));
    let mut edits: Vec<Edit> = Vec::new();
    for edit in found.chain(bare_words(report, allow)) {
        if !edits.iter().any(|other| overlap(&other.range, &edit.range)) {
            edits.push(edit);
        }
    }
    edits.sort_by_key(|edit| edit.range.start);
    edits
}

/// The edit that removes an error, if exactly one candidate does.
fn only_answer(path: &Path, report: &Report, error: &Diagnostic) -> Option<Edit> {
    let tried = candidates(report, error).into_iter().filter(|edit| {
        let text = applied(&report.source.text, std::slice::from_ref(edit));
        let after = Report::new(path, report.source.name.clone(), text.into_bytes());
        is_answer(report, error, &after)
    });
    let mut answers: Vec<Edit> = tried.collect();
    answers.dedup();
    if answers.len() == 1 { answers.pop() } else { None }
}

/// Whether an error is gone and its place has no new one. Other places may have new errors: a text that
/// can be read further shows more of them.
fn is_answer(before: &Report, error: &Diagnostic, after: &Report) -> bool {
    let is_here = |path: &str| match path.strip_prefix(&*error.path) {
        Some(rest) => rest.is_empty() || error.path.is_empty() || rest.starts_with(['.', '[']),
        None => false,
    };
    let is_known = |found: &Diagnostic| {
        before.diagnostics.iter().any(|known| {
            known.path == found.path && known.message == found.message && !is_same(known, error)
        })
    };
    after.diagnostics.iter().all(|found| !is_here(&found.path) || is_known(found))
}

fn is_same(a: &Diagnostic, b: &Diagnostic) -> bool {
    a.path == b.path && a.message == b.message && a.range == b.range
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

/// The text with edits that are in its order.
fn applied(text: &str, edits: &[Edit]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for edit in edits {
        out.push_str(&text[copied..edit.range.start]);
        out.push_str(&edit.text);
        copied = edit.range.end;
    }
    out.push_str(&text[copied..]);
    out
}

impl Fix {
    fn of(edit: &Edit, report: &Report) -> Fix {
        let at = report.source.position(edit.range.start);
        Fix {
            place: format!("{}:{}:{}", report.source.name, at.line, at.column),
            before: report.source.text[edit.range.clone()].to_owned(),
            after: edit.text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fix(text: &str) -> String {
        let at = Timestamp::parse("2026-11-21T12:00:00Z").unwrap();
        let (fixed, _) = fixed(Path::new("spec.yaml"), text.into(), at, &[]);
        let (again, fixes) = super::fixed(Path::new("spec.yaml"), fixed.clone(), at, &[]);
        assert!(again == fixed && fixes.is_empty(), "fixing twice differs");
        String::from_utf8(fixed).unwrap()
    }

    /// A spec with comments and one mistake.
    fn spec(line: &str) -> String {
        format!(
            "# ours\nformatVersion: 1\r\nunits: {{ user: [ {{ header: x-user-id }} ] }}\n\
             cohorts:\n  internal: {{ attribute: country, equals: DE }}\n\
             rollouts:\n  shop:   # the shop\n    unit: user\n    \
             arms: {{ stable: {{ target: a }}, canary: {{ target: b }} }}\n    baseline: stable\n    {line}\n"
        )
    }

    #[track_caller]
    fn answers(wrong: &str, right: &str) {
        assert_eq!(fix(&spec(wrong)), spec(right), "{wrong}");
        let report = Report::new(Path::new("spec.yaml"), "spec.yaml".into(), spec(right).into());
        assert!(report.good.is_some(), "{right} has errors");
    }

    #[track_caller]
    fn has_no_answer(wrong: &str) {
        assert_eq!(fix(&spec(wrong)), spec(wrong));
    }

    #[test]
    fn what_has_one_right_answer_is_fixed() {
        answers("canary: { share: \"5\" }", "canary: { share: 5 }");
        answers("canary: { share: '0.5' }  # low", "canary: { share: 0.5 }  # low");
        answers("canary: { share: 5% }", "canary: { share: 5 }");
        answers("canary:\n      share: 0,5", "canary:\n      share: 0.5");
        answers(
            "canary: { rings: [ { attribute: header.x, exists: yes } ], share: 1 }",
            "canary: { rings: [ { attribute: header.x, exists: true } ], share: 1 }",
        );
        answers("canary: { shares: 5 }", "canary: { share: 5 }");
        answers("canary: { \"shares\": 5 }", "canary: { \"share\": 5 }");
        answers("match: { hosts: a.example }", "match: { hosts: [a.example] }");
        answers("match: { hosts: [ https://a.example/ ] }", "match: { hosts: [ a.example ] }");
        answers("match: { hosts: [ 10 ] }", "match: { hosts: [ \"10\" ] }");
        answers(
            "canary: { rings: [ internal ], share: 1 }",
            "canary: { rings: [ { cohort: internal } ], share: 1 }",
        );
        answers(
            "canary: { start: 2026-11-21 09:00:00Z, steps: [ { share: 1, hold: 1.5h }, { share: 100 } ] }",
            "canary: { start: 2026-11-21T09:00:00Z, steps: [ { share: 1, hold: 1h30m }, { share: 100 } ] }",
        );
        answers(
            "canary: { start: 2026-11-21, steps: [ { share: 1, hold: \"10m \" }, { share: 100 } ] }",
            "canary: { start: 2026-11-21, steps: [ { share: 1, hold: \"10m\" }, { share: 100 } ] }",
        );
        answers(
            "canary: { start: 2026-11-21T09:00:00Z, steps: [ { share: 1, hold: 10 m, mode: Gate }, { share: 100 } ]}\n    gates: {}",
            "canary: { start: 2026-11-21T09:00:00Z, steps: [ { share: 1, hold: 10m, mode: gate }, { share: 100 } ]}\n    gates: {}",
        );
    }

    #[test]
    fn an_edit_that_reveals_a_mistake_is_followed_by_the_next() {
        answers("canaryy: { shares: \"5\" }", "canary: { share: 5 }");
    }

    #[test]
    fn operands_that_never_hold_are_fixed_where_one_can_be_meant() {
        let with =
            |condition: &str| format!("canary: {{ rings: [ {{ {condition} }} ], share: 1 }}");
        for (wrong, right) in [
            ("attribute: method, in: [ get, Post ]", "attribute: method, in: [ GET, POST ]"),
            ("attribute: path, prefix: admin", "attribute: path, prefix: /admin"),
            ("attribute: host, equals: 'a.example:8080'", "attribute: host, equals: \"a.example\""),
            (
                "attribute: host, equals: münchen.example",
                "attribute: host, equals: xn--mnchen-3ya.example",
            ),
            ("attribute: country, equals: de", "attribute: country, equals: DE"),
            ("attribute: header.x, equals: \" a \"", "attribute: header.x, equals: \"a\""),
        ] {
            answers(&with(wrong), &with(right));
        }
        has_no_answer(&with("attribute: path, equals: \"/a?x=1\""));
        has_no_answer(&with("attribute: country, equals: germany"));
    }

    #[test]
    fn bare_words_are_quoted() {
        answers(
            "canary: { rings: [ { attribute: header.x, in: [ on, No ] } ], share: 1 }",
            "canary: { rings: [ { attribute: header.x, in: [ \"on\", \"No\" ] } ], share: 1 }",
        );
    }

    #[test]
    fn what_has_several_answers_or_none_stays() {
        has_no_answer("canary: { share: 150 }");
        has_no_answer("canary: { share: many }");
        has_no_answer("canary: { rings: [ nobody ], share: 1 }");
        has_no_answer("canary: { rings: [ { attribute: header.x, le: 5 } ], share: 1 }");
        has_no_answer("match: { hosts: [ https://a.example/shop ] }");
        has_no_answer("canary: { share: 5 }\n    baseline: canary");
        has_no_answer("canary: { share: 5, share: 6 }");
        has_no_answer("canary: [");
    }

    #[test]
    fn json_is_fixed_too() {
        let spec =
            |share: &str| format!("{{\n\t\"formatVersion\": {share},\n\t\"revision\": 3\n}}\n");
        assert_eq!(fix(&spec("\"1\"")), spec("1"));
    }
}
