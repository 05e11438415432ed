//! Counts the cases of a runner and prints failures, skips and the summary line that
//! `cargo xtask test` adds up.

use std::collections::BTreeMap;
use std::process::ExitCode;

/// The results of one host's cases.
pub struct Report {
    host: &'static str,
    filter: Option<String>,
    passed: usize,
    failed: usize,
    filtered: usize,
    /// Names of skipped cases by reason.
    skipped: BTreeMap<String, Vec<String>>,
}

impl Report {
    /// An empty report. The first command-line argument that is not an option selects cases: those
    /// whose name contains it.
    pub fn new(host: &'static str) -> Self {
        let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
        Report { host, filter, passed: 0, failed: 0, filtered: 0, skipped: BTreeMap::new() }
    }

    /// Whether the filter selects the case; one that it does not select is counted as filtered out.
    pub fn selects(&mut self, name: &str) -> bool {
        let selected = self.filter.as_ref().is_none_or(|part| name.contains(part.as_str()));
        self.filtered += usize::from(!selected);
        selected
    }

    /// Counts a case that the host cannot run.
    pub fn skip(&mut self, name: &str, reason: &str) {
        self.skipped.entry(reason.into()).or_default().push(name.into());
    }

    /// Counts a case that ran, and prints its failure.
    pub fn record(&mut self, name: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(why) => {
                self.failed += 1;
                let why = why.replace('\n', "\n    ");
                println!("FAILED {}: {name}\n    {why}", self.host);
            }
        }
    }

    /// Runs a check if the filter selects it, counts it and prints its result.
    pub fn check(&mut self, name: &str, check: impl FnOnce() -> Result<(), String>) {
        if self.selects(name) {
            let outcome = check();
            if outcome.is_ok() {
                println!("ok     {}: {name}", self.host);
            }
            self.record(name, outcome);
        }
    }

    /// Whether a case has failed so far.
    pub fn has_failures(&self) -> bool {
        self.failed > 0
    }

    /// Prints the skipped cases with their reasons, then the summary.
    pub fn finish(self) -> ExitCode {
        let mut skipped = 0;
        for (reason, names) in &self.skipped {
            skipped += names.len();
            println!("skipped on {}: {} cases, because {reason}", self.host, names.len());
            for name in names {
                println!("    {name}");
            }
        }
        let Report { host, passed, failed, filtered, .. } = self;
        let word = if failed == 0 { "ok" } else { "FAILED" };
        println!(
            "test result: {word}. {passed} passed; {failed} failed; {skipped} ignored; {filtered} filtered out ({host})"
        );
        ExitCode::from(u8::from(failed > 0))
    }
}
