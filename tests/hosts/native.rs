//! The runner of native Rust: every vector through `serin-core` in this process.

use serin_conformance::report::Report;
use serin_conformance::{native, outcome, vector};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut report = Report::new("native");
    match vector::load() {
        Ok(suites) => suites.iter().for_each(|suite| run(suite, &mut report)),
        Err(why) => report.record("the vector files", Err(why)),
    }
    report.finish()
}

fn run(suite: &vector::Suite, report: &mut Report) {
    let plan = match native::plan(suite) {
        Ok(plan) => plan,
        Err(why) => return report.record(&suite.name, Err(why)),
    };
    for case in &suite.cases {
        let name = format!("{} / {}", suite.name, case.name);
        if !report.selects(&name) {
            continue;
        }
        if let Some(reason) = case.skip.get("native") {
            report.skip(&name, reason);
            continue;
        }
        let expected = outcome::expected(case, native::revision(suite), plan.digest());
        let actual = native::decide_case(&plan, case, case.entropy());
        report.record(&name, outcome::differences(&expected, &actual));
    }
}
