//! `serin replay-audit`: replays the verdicts of gates from their audit records.

use crate::failure::{Failure, SPEC_ERRORS, TROUBLE};
use crate::number_format::counted;
use crate::style::{self, Tone};
use crate::{input, spec_file};
use clap::Args;
use serde_json::Value;
use serin_analysis::replay::{Replay, replay};
use serin_core::spec::{Mode, Progress};
use serin_core::{Share, Spec, Timestamp};
use std::path::PathBuf;

/// What `serin replay-audit --help` ends with.
const HELP: &str = "\
A record is a JSON object on one line, alone or within a log line. Its keys may have any order.

Exit codes: 0 every record agrees with its replay; 1 a record differs, or was not made with --spec; 2 wrong
usage, a file that cannot be read, a truncated record, or no record at all.

Examples:
  serin replay-audit audit.jsonl
  serin drill spec.yaml --json | jq -c '.faults[].runs[].abort.record // empty' | serin replay-audit
  kubectl logs deploy/gateway | serin replay-audit --spec spec.yaml";

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct ReplayAuditArgs {
    /// A file with audit records, one a line, or a log that contains some; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// The spec that was in force: checks that the records were made with its settings
    #[arg(long, value_name = "SPEC")]
    spec: Option<PathBuf>,
}

/// The beginning of a record as hosts write it.
const BEGIN: &str = "{\"audit\":";
/// Keys of a record that another tool has rewritten in another order.
const KEYS: [&str; 2] = ["\"audit\":", "\"digest\":"];

/// Replays and reports every record of a file. The worst result decides the exit code.
pub(crate) fn run(args: &ReplayAuditArgs) -> Result<(), Failure> {
    let read = |path| {
        let spec = spec_file::load(path)?;
        let typed = Spec::from_json(&spec.json);
        Ok((typed.map_err(|errors| Failure::spec(errors.to_string()))?, spec))
    };
    let spec = args.spec.as_deref().map(read).transpose()?;
    let text = input::read(&args.file)?;
    let text = String::from_utf8_lossy(&text);
    let (mut same, mut differ, mut unreadable) = (0, 0, 0);
    for (number, line) in (1_usize..).zip(text.lines()) {
        for found in (Records { rest: line }) {
            match found {
                Ok((record, replayed)) => {
                    let mut differences = replayed.differences.clone();
                    if let Some((typed, spec)) = &spec {
                        differences.extend(against(&record, &replayed, typed, &spec.plan));
                    }
                    print(number, &replayed, &differences);
                    if differences.is_empty() { same += 1 } else { differ += 1 }
                }
                Err(why) => {
                    unreadable += 1;
                    style::error(&format!("line {number}: {}", plain(&why)));
                }
            }
        }
    }
    let all = same + differ + unreadable;
    if all == 0 {
        let name = input::name(&args.file);
        return Err(Failure::trouble(format!("{name}: the file has no audit records")));
    }
    let records = counted(all, "record");
    if differ + unreadable == 0 {
        println!("{records}: {}", style::out(Tone::Good, "same verdict and likelihoods"));
        return Ok(());
    }
    let counts = format!("{same} the same, {differ} different, {unreadable} unreadable");
    println!("{records}: {}", style::out(Tone::Bad, &counts));
    let code = if unreadable > 0 { TROUBLE } else { SPEC_ERRORS };
    Err(Failure::silent(code))
}

/// The records in a line, and in whatever text surrounds them.
struct Records<'l> {
    rest: &'l str,
}

impl Records<'_> {
    /// The byte at which the next possible record begins.
    fn begin(&self) -> Option<usize> {
        self.rest.find(BEGIN).or_else(|| {
            let at = self.rest.find('{')?;
            KEYS.iter().all(|key| self.rest.contains(key)).then_some(at)
        })
    }
}

impl Iterator for Records<'_> {
    type Item = Result<(Value, Replay), String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let text = self.rest.get(self.begin()?..)?;
            self.rest = "";
            let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
            let value = match values.next()? {
                Ok(value) => value,
                Err(error) if error.is_eof() => {
                    return Some(Err("the record is truncated".to_owned()));
                }
                Err(error) => return Some(Err(format!("the record is not JSON: {error}"))),
            };
            let (own, rest) = text.split_at(values.byte_offset());
            self.rest = rest;
            if value.get("audit").is_some() {
                return Some(match replay(own) {
                    Ok(replayed) => Ok((value, replayed)),
                    Err(error) => Err(error.to_string()),
                });
            }
        }
    }
}

/// A string of a record with its control characters escaped, for a terminal.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_control() {
            true => plain.extend(letter.escape_default()),
            false => plain.push(letter),
        }
    }
    plain
}

fn print(number: usize, replayed: &Replay, differences: &[String]) {
    let Replay { rollout, epoch, step, at, judgement, .. } = replayed;
    let at = Timestamp::from_unix_ms(*at);
    let place = plain(&format!("{at} {rollout}, epoch {epoch}, step {step}"));
    let judgement = plain(&judgement.to_string());
    println!("{number:>4}: {}: {judgement}", style::out(Tone::Strong, &place));
    for difference in differences {
        let difference = plain(difference);
        println!("      {} {difference}", style::out(Tone::Bad, "differs:"));
    }
}

/// The differences between a record and the spec.
fn against(record: &Value, replayed: &Replay, spec: &Spec, plan: &serin_core::Plan) -> Vec<String> {
    if plan.digest() != replayed.digest {
        let (ours, theirs) = (plan.digest(), &replayed.digest);
        return vec![format!("digest: the record was made with {theirs}, but --spec is {ours}")];
    }
    let compiled = plan.rollouts().iter().find(|known| known.name() == replayed.rollout);
    let found = compiled.and_then(|rollout| Some((rollout, rollout.trial()?)));
    let Some((rollout, trial)) = found else {
        return vec![format!("rollout: the spec has no gates for {}", replayed.rollout)];
    };
    let mut differences = Vec::new();
    let mut compare = |field: &str, recorded: Value, given: Value| {
        if recorded != given {
            differences.push(format!("{field}: the record says {recorded}, the spec {given}"));
        }
    };
    compare("epoch", replayed.epoch.into(), rollout.epoch().into());
    compare("revision", record["revision"].clone(), plan.revision().into());
    let share = share(spec, &replayed.rollout, replayed.step).map(Share::millipercent);
    compare("share", record["share"].clone(), share.into());
    if let Some(tolerated) = record["shadow"].get("tolerated") {
        let given = trial.divergence().map(|divergence| divergence.tolerated().millipercent());
        compare("shadow.tolerated", tolerated.clone(), given.into());
    }
    if let Some(cohort) = record["cohort"].as_str() {
        let known = (1..trial.groups()).any(|index| trial.group(index) == Some(cohort));
        compare("cohort", cohort.into(), if known { cohort.into() } else { Value::Null });
    }
    if replayed.settings != *trial.gate().settings() {
        differences.push("gate: the record's settings are not the spec's".to_owned());
    }
    differences
}

/// The share of a step.
fn share(spec: &Spec, rollout: &str, step: u64) -> Option<Share> {
    let Mode::Canary { progress, .. } = &spec.rollouts.get(rollout)?.mode else { return None };
    match progress {
        Progress::Fixed(share) => Some(*share),
        Progress::Steps { steps, .. } => Some(steps.get(usize::try_from(step).ok()?)?.share),
    }
}
