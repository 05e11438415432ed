//! `cargo xtask fuzz`: the properties of `fuzz/properties` under libFuzzer, bounded in time and memory.

use crate::process::{self, TaskResult};
use crate::{files, tools};
use std::path::Path;

/// A target's seconds without `--seconds`.
const DEFAULT_SECONDS: u64 = 60;

/// Options of libFuzzer that bound one input: an input that takes more seconds or memory fails.
const LIMITS: [&str; 3] = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=8192"];

/// Targets with a second folder of inputs, which is read and never written.
const MORE_INPUTS: [(&str, &str); 1] = [("import", "cli/tests/serin/import")];

const USAGE: &str = "use `cargo xtask fuzz [TARGET]... [--seconds N]`";

/// Runs the named targets, or all of them, one after another.
pub(crate) fn task(arguments: &[String]) -> TaskResult {
    let folder = process::root().join("fuzz");
    let known = targets(&folder)?;
    let (mut wanted, seconds) = options(arguments)?;
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) {
        return Err(format!("there is no target {unknown}; the targets are {}", known.join(", ")));
    }
    if wanted.is_empty() {
        wanted = known;
    }
    let fuzzer = tools::cargo_fuzz()?;
    let sanitizer = if has_sanitizer()? { "address" } else { "none" };
    let mut failed = Vec::new();
    for target in &wanted {
        println!("\n== {target}, {seconds} s");
        if let Err(why) = run(&fuzzer, &folder, target, seconds, sanitizer) {
            println!("== {target}: {why}");
            failed.push(target.as_str());
        }
    }
    if failed.is_empty() {
        println!("\nfuzz: every property held for every input");
        return Ok(());
    }
    Err(format!(
        "failed: {}; the inputs are in fuzz/artifacts; commit each to fuzz/corpus/TARGET together with the fix",
        failed.join(", ")
    ))
}

fn run(fuzzer: &Path, folder: &Path, target: &str, seconds: u64, sanitizer: &str) -> TaskResult {
    // New inputs go to a folder of their own: the corpus is small and chosen by hand.
    let found = folder.join("found").join(target);
    files::make_folder(&found)?;
    let mut command = process::cargo_program(fuzzer, &["fuzz", "run", "--fuzz-dir"]);
    command.arg(folder).args(["--sanitizer", sanitizer, target]).arg(&found);
    command.arg(folder.join("corpus").join(target));
    let more = MORE_INPUTS.iter().filter(|(name, _)| *name == target);
    command.args(more.map(|(_, folder)| process::root().join(folder)));
    command.arg("--").args(LIMITS).arg(format!("-max_total_time={seconds}"));
    command.arg("-print_final_stats=1");
    // Instrumentation needs unstable options of the compiler. This lets the stable compiler take them, so
    // that no second toolchain has to be installed. Nothing that is built here is deployed.
    command.env("RUSTC_BOOTSTRAP", "1");
    process::run(&mut command)
}

/// The targets' names, from their files.
fn targets(folder: &Path) -> TaskResult<Vec<String>> {
    let folder = folder.join("targets");
    let entries = std::fs::read_dir(&folder);
    let entries = entries.map_err(|error| format!("{}: {error}", folder.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut names: Vec<String> =
        paths.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

/// The names of targets and the seconds that the arguments give.
fn options(arguments: &[String]) -> TaskResult<(Vec<String>, u64)> {
    let (mut names, mut seconds) = (Vec::new(), DEFAULT_SECONDS);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--seconds" {
            let number = rest.next().and_then(|number| number.parse().ok());
            let number = number.filter(|number| *number > 0);
            seconds = number.ok_or(format!("--seconds takes a whole number from 1, {USAGE}"))?;
        } else if argument.starts_with('-') {
            return Err(format!("there is no option {argument}, {USAGE}"));
        } else {
            names.push(argument.clone());
        }
    }
    Ok((names, seconds))
}

/// Whether the toolchain includes the address sanitizer for this machine. Without it the same properties are
/// checked, but memory errors in dependencies go unnoticed.
fn has_sanitizer() -> TaskResult<bool> {
    let libraries = process::output(
        std::process::Command::new(tools::rustc()).args(["--print", "target-libdir"]),
    )?;
    let entries = std::fs::read_dir(libraries.trim()).map_err(|error| error.to_string())?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.into_iter().any(|name| name.contains("_rt.asan.")))
}

#[cfg(test)]
mod tests {
    use super::{options, targets};

    fn parse(arguments: &[&str]) -> Result<(Vec<String>, u64), String> {
        options(&arguments.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_target_names_and_seconds() {
        assert_eq!(parse(&[]), Ok((vec![], 60)));
        assert_eq!(parse(&["spec", "--seconds", "5"]), Ok((vec!["spec".into()], 5)));
        for wrong in [&["--seconds"][..], &["--seconds", "0"], &["--seconds", "x"], &["--jobs"]] {
            assert!(parse(wrong).unwrap_err().contains("use `cargo xtask fuzz"), "{wrong:?}");
        }
    }

    #[test]
    fn targets_have_the_names_of_their_files() {
        let found = targets(&crate::process::root().join("fuzz")).expect("the folder can be read");
        assert!(found.contains(&"spec".to_owned()), "{found:?}");
    }
}
