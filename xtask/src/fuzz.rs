//! `cargo xtask fuzz`: the properties of `fuzz/properties` under libFuzzer, bounded in time and memory.

use crate::shell::{self, Outcome};
use crate::tools;
use std::path::Path;

/// What a run is bounded by, unless told.
const SECONDS: u64 = 60;

/// One input's bounds: it fails that takes longer or more. Options of libFuzzer.
const BOUNDS: [&str; 3] = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=8192"];

/// Inputs that lie elsewhere in the repository already, read and never written.
const MORE: [(&str, &str); 1] = [("import", "cli/tests/serin/import")];

const USAGE: &str = "use `cargo xtask fuzz [TARGET]... [--seconds N]`";

/// Runs the named targets, or all of them, one after another.
pub(crate) fn task(arguments: &[String]) -> Outcome {
    let folder = shell::root().join("fuzz");
    let known = targets(&folder)?;
    let (mut wanted, seconds) = options(arguments)?;
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) {
        return Err(format!("there is no target {unknown}, there are {}", known.join(", ")));
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
        println!("\nfuzz: no input was found for which a property does not hold");
        return Ok(());
    }
    Err(format!(
        "failed: {}; the inputs are in fuzz/artifacts, move each into fuzz/corpus/TARGET with what mends it",
        failed.join(", ")
    ))
}

fn run(fuzzer: &Path, folder: &Path, target: &str, seconds: u64, sanitizer: &str) -> Outcome {
    // What is found on the way stays out of the corpus, which is small and kept by hand.
    let found = folder.join("found").join(target);
    std::fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    let mut command = shell::cargo_program(fuzzer, &["fuzz", "run", "--fuzz-dir"]);
    command.arg(folder).args(["--sanitizer", sanitizer, target]).arg(&found);
    command.arg(folder.join("corpus").join(target));
    let more = MORE.iter().filter(|(of, _)| *of == target);
    command.args(more.map(|(_, folder)| shell::root().join(folder)));
    command.arg("--").args(BOUNDS).arg(format!("-max_total_time={seconds}"));
    command.arg("-print_final_stats=1");
    // Instrumentation needs options of the compiler that only its nightly versions take. This lets the
    // stable one take them too, so that nothing has to be installed beside it; of this command alone, for
    // nothing that is built with it is ever shipped.
    command.env("RUSTC_BOOTSTRAP", "1");
    shell::run(&mut command)
}

/// The targets, by the names of their files.
fn targets(folder: &Path) -> Outcome<Vec<String>> {
    let folder = folder.join("targets");
    let entries = std::fs::read_dir(&folder);
    let entries = entries.map_err(|error| format!("{}: {error}", folder.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut names: Vec<String> =
        paths.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

/// Names and seconds.
fn options(arguments: &[String]) -> Outcome<(Vec<String>, u64)> {
    let (mut names, mut seconds) = (Vec::new(), SECONDS);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--seconds" {
            let given = rest.next().and_then(|given| given.parse().ok());
            let given = given.filter(|given| *given > 0);
            seconds = given.ok_or(format!("--seconds needs a whole number from 1 on, {USAGE}"))?;
        } else if argument.starts_with('-') {
            return Err(format!("there is no option {argument}, {USAGE}"));
        } else {
            names.push(argument.clone());
        }
    }
    Ok((names, seconds))
}

/// Whether the compiler comes with the address sanitizer for this machine. Without it the properties are the
/// same, and only what is unsafe in dependencies goes unseen.
fn has_sanitizer() -> Outcome<bool> {
    let libraries =
        shell::read(std::process::Command::new(tools::rustc()).args(["--print", "target-libdir"]))?;
    let entries = std::fs::read_dir(libraries.trim()).map_err(|error| error.to_string())?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.into_iter().any(|name| name.contains("_rt.asan.")))
}

#[cfg(test)]
mod tests {
    use super::{options, targets};

    fn given(arguments: &[&str]) -> Result<(Vec<String>, u64), String> {
        options(&arguments.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_names_and_seconds() {
        assert_eq!(given(&[]), Ok((vec![], 60)));
        assert_eq!(given(&["spec", "--seconds", "5"]), Ok((vec!["spec".into()], 5)));
        for wrong in [&["--seconds"][..], &["--seconds", "0"], &["--seconds", "x"], &["--jobs"]] {
            assert!(given(wrong).unwrap_err().contains("use `cargo xtask fuzz"), "{wrong:?}");
        }
    }

    #[test]
    fn targets_are_found() {
        let found = targets(&crate::shell::root().join("fuzz")).expect("they are there");
        assert!(found.contains(&"spec".to_owned()), "{found:?}");
    }
}
