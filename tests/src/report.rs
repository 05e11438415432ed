//! Counting and printing. Every runner ends in one line that `cargo xtask test` adds up, and a
//! skipped case is always printed with its reason.

use std::collections::BTreeMap;
use std::process::ExitCode;

/// What became of a host's cases.
pub struct Report {
    host: &'static str,
    only: Option<String>,
    passed: usize,
    failed: usize,
    filtered: usize,
    skipped: BTreeMap<String, Vec<String>>,
}

impl Report {
    /// An empty report. The first argument that is no option picks cases by a part of their name.
    pub fn new(host: &'static str) -> Self {
        let only = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
        Report { host, only, passed: 0, failed: 0, filtered: 0, skipped: BTreeMap::new() }
    }

    /// Whether the case is to run; one that is not asked for is only counted.
    pub fn wants(&mut self, name: &str) -> bool {
        let wanted = self.only.as_ref().is_none_or(|part| name.contains(part.as_str()));
        self.filtered += usize::from(!wanted);
        wanted
    }

    /// Counts a case that the host cannot run.
    pub fn skip(&mut self, name: &str, reason: &str) {
        self.skipped.entry(reason.into()).or_default().push(name.into());
    }

    /// Counts a case that ran, and prints what was wrong.
    pub fn ran(&mut self, name: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(why) => {
                self.failed += 1;
                let why = why.replace('\n', "\n    ");
                println!("FAILED {}: {name}\n    {why}", self.host);
            }
        }
    }

    /// Runs one check by name and counts it.
    pub fn check(&mut self, name: &str, check: impl FnOnce() -> Result<(), String>) {
        if self.wants(name) {
            let outcome = check();
            if outcome.is_ok() {
                println!("ok     {}: {name}", self.host);
            }
            self.ran(name, outcome);
        }
    }

    /// Whether anything has failed so far.
    pub fn any_failed(&self) -> bool {
        self.failed > 0
    }

    /// Prints what was skipped and why, then the summary.
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
