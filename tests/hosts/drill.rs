//! `serin drill` with the real filter: its results, and that equal seeds give equal results.

use serde_json::Value;
use serin_analysis::replay::replay;
use serin_conformance::envoy::{self, path_from_env};
use serin_conformance::report::Report;
use serin_conformance::serin_cli;
use std::path::Path;
use std::process::ExitCode;

const SPEC: &str = r#"
formatVersion: 1
units: { user: [{ header: x-user-id }] }
cohorts:
  enterprise: { attribute: header.x-plan, in: [enterprise] }
rollouts:
  shop:
    match: { hosts: [shop.example.com] }
    unit: user
    arms: { stable: { target: shop-v1 }, canary: { target: shop-v2 } }
    baseline: stable
    canary:
      start: 2026-11-21T09:00:00Z
      steps:
        - { share: 20, hold: 1m }
        - { share: 50, hold: 1m, mode: gate }
        - { share: 100 }
    gates: { cohorts: [enterprise] }
  bare:
    match: { hosts: [bare.example.com] }
    unit: user
    arms: { blue: { target: blue }, green: { target: green } }
    baseline: blue
    blueGreen: { active: green }
"#;

fn main() -> ExitCode {
    let mut report = Report::new("serin drill");
    match Drill::new() {
        Ok(drill) => {
            report.check("faults are aborted, a healthy rollout reaches 100 %", || {
                drill.faults_abort()
            });
            report.check("the audit record of an abort replays to an abort", || {
                drill.records_replay()
            });
            report.check("equal seeds give equal bytes, other seeds do not", || {
                drill.seeds_decide_the_bytes()
            });
            report.check("without gates nothing aborts, and the output says so", || {
                drill.nothing_aborts_without_gates()
            });
            report.check("a report path that cannot be written is an error", || {
                drill.unwritable_report_is_an_error()
            });
            report.check("a run that ends early claims nothing of undetected faults", || {
                drill.early_end_is_reported()
            });
        }
        Err(why) => report.record("the drill is set up", Err(why)),
    }
    report.finish()
}

/// A drill of every fault of [`FAULTS`], and its JSON result.
struct Drill {
    folder: std::path::PathBuf,
    result: Value,
}

const FAULTS: [&str; 4] =
    ["healthy", "errors=50%,onset=30s", "cohort=enterprise:errors=50%", "down"];

impl Drill {
    fn new() -> Result<Drill, String> {
        let folder = envoy::create_folder("drill")?;
        std::fs::write(folder.join("spec.yaml"), SPEC).map_err(|error| error.to_string())?;
        let mut drill = Drill { folder, result: Value::Null };
        let faults: Vec<&str> = FAULTS.iter().flat_map(|fault| ["--fault", fault]).collect();
        let json = drill.run(&[&faults[..], &["--json"]].concat())?;
        drill.result = serde_json::from_str(&json).map_err(|error| format!("no JSON: {error}"))?;
        Ok(drill)
    }

    /// Runs a small drill; returns its standard output.
    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = serin_cli::command()?;
        command.arg("drill").arg(self.folder.join("spec.yaml"));
        command.arg("--filter").arg(path_from_env("SERIN_FILTER_WASM")?);
        command.args(["--rps", "50", "--users", "2000", "--error-rate", "2", "--runs", "1"]);
        serin_cli::stdout(command.args(arguments))
    }

    /// The first run of a fault, by its index in [`FAULTS`].
    fn first_run(&self, fault: usize) -> &Value {
        &self.result["faults"][fault]["runs"][0]
    }

    fn faults_abort(&self) -> Result<(), String> {
        let healthy = self.first_run(0);
        if healthy["promoted"] != true || !healthy["abort"].is_null() {
            return Err(format!("the healthy run: {healthy}"));
        }
        for (fault, label) in FAULTS.iter().enumerate().skip(1) {
            let run = self.first_run(fault);
            let (detected, recovered) = (run["msToDetect"].as_u64(), run["msToRecover"].as_u64());
            let (Some(detected), Some(recovered)) = (detected, recovered) else {
                return Err(format!("{label} was not aborted: {run}"));
            };
            println!(
                "       {label}: detected after {detected} ms, the last request after {recovered} ms"
            );
            // The next request obeys the latch.
            if recovered > detected || run["falseAbort"] == true {
                return Err(format!("{label}: {run}"));
            }
        }
        // The cohort's errors count for the whole rollout too, so either comparison may abort first.
        let reason = self.first_run(2)["abort"]["reason"].as_str().unwrap_or_default();
        if reason.contains("errors by bucket, ") { Ok(()) } else { Err(reason.to_owned()) }
    }

    fn records_replay(&self) -> Result<(), String> {
        for (fault, label) in FAULTS.iter().enumerate().skip(1) {
            let replayed = replay(&self.first_run(fault)["abort"]["record"].to_string())
                .map_err(|error| error.to_string())?;
            if replayed.judgement.verdict.as_str() != "abort" || !replayed.differences.is_empty() {
                return Err(format!("{label}: {:?}", replayed.differences));
            }
        }
        Ok(())
    }

    fn seeds_decide_the_bytes(&self) -> Result<(), String> {
        let run = |seed: &str, name: &str| {
            let file = self.folder.join(name);
            let html = file.to_string_lossy().into_owned();
            let text = self.run(&["--fault", "errors=50%", "--seed", seed, "--html", &html])?;
            Ok::<_, String>((text, read(&file)?))
        };
        let (first, again, other) = (run("7", "1.html")?, run("7", "2.html")?, run("8", "3.html")?);
        if first != again {
            return Err("two runs with the same seed differ".into());
        }
        let page = first.1;
        if page == other.1 {
            return Err("two runs with different seeds are equal".into());
        }
        if !page.ends_with("</html>\n") || !page.contains("<svg") {
            return Err("the page is not complete".into());
        }
        if page.contains("http") { Err("the page has external resources".into()) } else { Ok(()) }
    }

    fn nothing_aborts_without_gates(&self) -> Result<(), String> {
        let file = self.folder.join("bare.html");
        let html = file.to_string_lossy().into_owned();
        let arguments = ["--rollout", "bare", "--fault", "down", "--for", "1m", "--html", &html];
        let text = self.run(&arguments)?;
        let note = "rollouts.bare has no gates, so nothing aborts it";
        if !text.contains(note) || !text.contains("down   no") {
            return Err(text);
        }
        // A run of any length ends.
        let long = ["--rollout", "bare", "--fault", "down", "--for", "99999999d"];
        let text = self.run(&long)?;
        if !text.contains("down   no") {
            return Err(text);
        }
        // No gate, no likelihoods.
        let page = read(&file)?;
        if page.contains("likelihood") { Err("the page has likelihoods".into()) } else { Ok(()) }
    }

    fn unwritable_report_is_an_error(&self) -> Result<(), String> {
        let file = self.folder.join("no-such-folder/page.html");
        match self.run(&["--fault", "down", "--html", &file.to_string_lossy()]) {
            Err(why) if why.contains("page.html: the report cannot be written: ") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }

    fn early_end_is_reported(&self) -> Result<(), String> {
        let faults =
            ["--fault", "errors=1.1x", "--fault", "errors=5x,onset=5m", "--fault", "kpi=0x"];
        let text = self.run(&[&faults[..], &["--for", "90s"]].concat())?;
        for line in [
            "  errors=1.1x: not detected in 1m 30s\n",
            "  errors=5x,onset=5m: not detected in 1m 30s: the fault had not begun\n",
            "  note: kpi=0x: the rollout has no gates.kpi",
        ] {
            if !text.contains(line) {
                return Err(format!("{line:?} is not in\n{text}"));
            }
        }
        Ok(())
    }
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| error.to_string())
}
