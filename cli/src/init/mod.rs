//! `serin init`: a first spec, from flags or from a few questions.

mod answers;
mod questions;
mod template;

use crate::diagnostics;
use crate::failure::Failure;
use crate::output_file;
use crate::style::{self, Tone};
use answers::Answers;
use clap::Args;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// What `serin init --help` ends with.
const HELP: &str = "\
Without flags, on a terminal, serin init asks for each part and shows its default. With a flag, or without
a terminal, it asks nothing, and every part without a flag has its default.

Exit codes: 0 written; 1 the spec would have errors; 2 wrong usage, or a file that exists or cannot be
written.

Examples:
  serin init
  serin init --host shop.example.com --cohort 'internal=header.x-email suffix @corp.example'
  serin init --arms blue=shop-blue,green=shop-green --unit cookie.uid --share 5 shop.yaml
  serin init --host shop.example.com - | serin check -";

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct InitArgs {
    /// The file to write; - is standard output
    #[arg(value_name = "SPEC", default_value = "spec.yaml")]
    file: PathBuf,
    /// A host of the service, such as shop.example.com; may be repeated [default: every host]
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// The name of the rollout [default: the first label of the first host, else app]
    #[arg(long, value_name = "NAME")]
    rollout: Option<String>,
    /// The arm that everybody has today and the new one, each with its target: the upstream's name that
    /// the router knows [default: stable=ROLLOUT-v1,canary=ROLLOUT-v2]
    #[arg(long, value_name = "BASELINE=TARGET,CANARY=TARGET")]
    arms: Option<String>,
    /// What names a user: header.NAME, cookie.NAME, query.NAME, jwt.CLAIM or anonymous, which makes an id
    /// and keeps it in a cookie; may be repeated, the first that a request has counts [default: anonymous]
    #[arg(long, value_name = "SOURCE")]
    unit: Vec<String>,
    /// Who gets the new arm first, such as 'internal=header.x-email suffix @corp.example' [default: nobody]
    #[arg(long, value_name = "NAME=ATTRIBUTE OPERATOR VALUE")]
    cohort: Option<String>,
    /// The share of all others that get the new arm, in percent [default: 1]
    #[arg(long, value_name = "PERCENT")]
    share: Option<String>,
    /// Replace a file that exists
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &InitArgs) -> Result<(), Failure> {
    let to_stdout = args.file == Path::new("-");
    if !to_stdout && !args.force && args.file.exists() {
        return Err(Failure::trouble(format!(
            "{}: exists already, give another name or --force",
            args.file.display()
        )));
    }
    let asks = !args.gives_an_answer()
        && std::io::stdin().is_terminal()
        && std::io::stderr().is_terminal();
    let answers =
        if asks { questions::ask()? } else { args.answers().map_err(Failure::trouble)? };
    let spec = template::spec(&answers);
    let errors = diagnostics::errors(Path::new("the new spec"), spec.as_bytes());
    if !errors.is_empty() {
        return Err(Failure::spec(format!(
            "the spec would have errors, nothing is written\n\n{errors}"
        )));
    }
    if to_stdout {
        let written = std::io::stdout().write_all(spec.as_bytes());
        return written.map_err(|error| {
            Failure::trouble(format!("standard output cannot be written: {error}"))
        });
    }
    output_file::replace(&args.file, spec.as_bytes()).map_err(|error| {
        Failure::trouble(format!("{}: cannot be written: {error}", args.file.display()))
    })?;
    println!("{}: {}", args.file.display(), style::out(Tone::Good, "written"));
    print!("{}", template::next_steps(&answers, &args.file.display().to_string()));
    Ok(())
}

impl InitArgs {
    /// Whether a flag answers one of the questions.
    fn gives_an_answer(&self) -> bool {
        let given = [&self.rollout, &self.arms, &self.cohort, &self.share];
        !self.host.is_empty() || !self.unit.is_empty() || given.iter().any(|flag| flag.is_some())
    }

    fn answers(&self) -> Result<Answers, String> {
        let mut answers = Answers { hosts: self.host.clone(), ..Answers::default() };
        answers.rollout.clone_from(&self.rollout);
        if !self.unit.is_empty() {
            answers.set_unit(&self.unit.join(","))?;
        }
        if let Some(arms) = &self.arms {
            answers.set_arms(arms)?;
        }
        if let Some(cohort) = &self.cohort {
            answers.set_cohort(cohort)?;
        }
        if let Some(share) = &self.share {
            answers.set_share(share)?;
        }
        Ok(answers)
    }
}
