//! `serin drill` with the real filter: it detects faults, and equal seeds give equal reports.

use serde_json::Value;
use serin_analysis::replay::replay;
use serin_conformance::envoy::{self, path_from};
use serin_conformance::report::Report;
use std::path::Path;
use std::process::{Command, ExitCode};

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
            report.check("faults are aborted, a healthy rollout gets to 100 %", || drill.faults());
            report.check("an abort's record replays to the same", || drill.records());
            report
                .check("the same seed gives the same bytes, another one others", || drill.seeds());
            report.check("without gates nothing aborts, and the report says so", || drill.bare());
            report.check("a report that cannot be written is refused", || drill.unwritable());
            report
                .check("a run that ends early is not reported as held by a gate", || drill.cut());
        }
        Err(why) => report.ran("the drill is set up", Err(why)),
    }
    report.finish()
}

struct Drill {
    folder: std::path::PathBuf,
    found: Value,
}

const FAULTS: [&str; 4] =
    ["healthy", "errors=50%,onset=30s", "cohort=enterprise:errors=50%", "down"];

impl Drill {
    fn new() -> Result<Drill, String> {
        let folder = envoy::folder("drill")?;
        std::fs::write(folder.join("spec.yaml"), SPEC).map_err(|error| error.to_string())?;
        let mut drill = Drill { folder, found: Value::Null };
        let faults: Vec<&str> = FAULTS.iter().flat_map(|fault| ["--fault", fault]).collect();
        drill.found = read(&drill.run(&[&faults[..], &["--json"]].concat())?)?;
        Ok(drill)
    }

    /// A small drill's standard output.
    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(path_from("SERIN_BIN")?);
        command.arg("drill").arg(self.folder.join("spec.yaml"));
        command.arg("--filter").arg(path_from("SERIN_FILTER_WASM")?);
        command.args(["--rps", "50", "--users", "2000", "--error-rate", "2", "--runs", "1"]);
        let output = command.args(arguments).output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        String::from_utf8(output.stdout).map_err(|error| error.to_string())
    }

    fn first(&self, fault: usize) -> &Value {
        &self.found["faults"][fault]["runs"][0]
    }

    fn faults(&self) -> Result<(), String> {
        let healthy = self.first(0);
        if healthy["promoted"] != true || !healthy["abort"].is_null() {
            return Err(format!("the healthy run: {healthy}"));
        }
        for (fault, label) in FAULTS.iter().enumerate().skip(1) {
            let run = self.first(fault);
            let (detected, recovered) = (run["msToDetect"].as_u64(), run["msToRecover"].as_u64());
            let (Some(detected), Some(recovered)) = (detected, recovered) else {
                return Err(format!("{label} was not aborted: {run}"));
            };
            println!(
                "       {label}: detected after {detected} ms, the last request after {recovered} ms"
            );
            // The latch is obeyed by the very next request.
            if recovered > detected || run["falseAbort"] == true {
                return Err(format!("{label}: {run}"));
            }
        }
        // Half of a tenth of the users is a part of everybody's errors, too: either may be first.
        let reason = self.first(2)["abort"]["reason"].as_str().unwrap_or_default();
        if reason.contains("errors, ") { Ok(()) } else { Err(reason.to_owned()) }
    }

    fn records(&self) -> Result<(), String> {
        for (fault, label) in FAULTS.iter().enumerate().skip(1) {
            let replayed = replay(&self.first(fault)["abort"]["record"].to_string())
                .map_err(|error| error.to_string())?;
            if replayed.judgement.verdict.as_str() != "abort" || !replayed.differences.is_empty() {
                return Err(format!("{label}: {:?}", replayed.differences));
            }
        }
        Ok(())
    }

    fn seeds(&self) -> Result<(), String> {
        let run = |seed: &str, name: &str| {
            let file = self.folder.join(name);
            let html = file.to_string_lossy().into_owned();
            let text = self.run(&["--fault", "errors=50%", "--seed", seed, "--html", &html])?;
            Ok::<_, String>((text, page(&file)?))
        };
        let (one, again, other) = (run("7", "1.html")?, run("7", "2.html")?, run("8", "3.html")?);
        if one != again {
            return Err("the same seed gave something else".into());
        }
        if one.1 == other.1 {
            return Err("another seed gave the same".into());
        }
        let whole = one.1.ends_with("</html>\n") && one.1.contains("<svg");
        if whole && !one.1.contains("http") { Ok(()) } else { Err("the page needs others".into()) }
    }

    fn bare(&self) -> Result<(), String> {
        let file = self.folder.join("bare.html");
        let html = file.to_string_lossy().into_owned();
        let arguments = ["--rollout", "bare", "--fault", "down", "--for", "1m", "--html", &html];
        let text = self.run(&arguments)?;
        let said = "rollouts.bare has no gates, so nothing aborts it";
        if !text.contains(said) || !text.contains("down   no") {
            return Err(text);
        }
        // For as long as one likes: it ends by itself.
        let ages = ["--rollout", "bare", "--fault", "down", "--for", "99999999d"];
        if !self.run(&ages)?.contains("down   no") {
            return Err("a long run has no end".into());
        }
        // Where nothing is judged there are no likelihoods.
        let page = page(&file)?;
        if page.contains("likelihood") { Err("the page has likelihoods".into()) } else { Ok(()) }
    }

    fn unwritable(&self) -> Result<(), String> {
        let file = self.folder.join("no-such-folder/page.html");
        match self.run(&["--fault", "down", "--html", &file.to_string_lossy()]) {
            Err(why) if why.contains("page.html: the report cannot be written: ") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }

    fn cut(&self) -> Result<(), String> {
        let faults =
            ["--fault", "errors=1.1x", "--fault", "errors=5x,onset=5m", "--fault", "kpi=0x"];
        let text = self.run(&[&faults[..], &["--for", "90s"]].concat())?;
        for said in [
            "  errors=1.1x: not detected in 1m 30s\n",
            "  errors=5x,onset=5m: not detected in 1m 30s: the fault had not begun\n",
            "  note: kpi=0x: the rollout has no gates.kpi",
        ] {
            if !text.contains(said) {
                return Err(format!("{said:?} is not in\n{text}"));
            }
        }
        Ok(())
    }
}

fn page(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| error.to_string())
}

fn read(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))
}
