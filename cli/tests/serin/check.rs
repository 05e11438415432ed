//! Everything that `serin check` says, as people and tools read it, byte for byte. `SERIN_BLESS=1`
//! writes the texts anew; read what has changed before you commit it.

use crate::command::serin;
use serde_json::Value;
use std::path::{Path, PathBuf};

const AT: [&str; 2] = ["--at", "2026-11-21T12:00:00Z"];

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serin").join(name)
}

/// Runs a check in one of the folders here: exit code, standard output, standard error.
fn check(folder_name: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut command = serin();
    command.current_dir(folder(folder_name)).arg("check").args(AT).args(arguments);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Compares with a file.
#[track_caller]
pub(crate) fn same(file: &Path, text: &str) {
    if std::env::var_os("SERIN_BLESS").is_some() {
        return std::fs::write(file, text).unwrap();
    }
    let wanted = std::fs::read_to_string(file).unwrap_or_default();
    assert_eq!(text, wanted, "{} differs; SERIN_BLESS=1 writes it anew", file.display());
}

#[test]
fn typical_mistakes() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder("mistakes")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension != "txt"));
    files.sort();
    assert!(files.len() >= 10, "{files:?}");
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let (code, out, err) = check("mistakes", &[name]);
        assert_eq!((code, err.as_str()), (1, ""), "{name}");
        same(&file.with_extension("txt"), &out);
    }
}

#[test]
fn warnings_leave_the_exit_code_alone_unless_they_are_denied() {
    let (code, out, err) = check("findings", &["warnings.yaml"]);
    assert_eq!((code, err.as_str()), (0, ""));
    same(&folder("findings").join("warnings.txt"), &out);
    assert_eq!(check("findings", &["--deny-warnings", "warnings.yaml"]).0, 1);
    // Each can be allowed by its name, and those of a spec without any are none.
    let names = out.lines().filter_map(|line| line.strip_prefix("warning["));
    let names: Vec<&str> = names.filter_map(|line| Some(line.split_once(']')?.0)).collect();
    assert!(names.len() > 10, "{names:?}");
    let mut arguments = vec!["--deny-warnings", "warnings.yaml"];
    names.iter().for_each(|name| arguments.extend(["--allow", name]));
    let (code, out, _) = check("findings", &arguments);
    assert_eq!(code, 0, "{out}");
    assert!(!out.contains("warning["), "{out}");
    let (code, _, err) = check("findings", &["--allow", "nothing", "warnings.yaml"]);
    assert_eq!(code, 2);
    assert!(err.contains("there is no such warning, use unreachable-rule"), "{err}");
}

#[test]
fn a_flag_that_has_expired_is_an_error_for_who_checks() {
    let text = std::fs::read_to_string(folder("findings").join("warnings.yaml")).unwrap();
    assert!(text.contains("expires: 2026-11-30"));
    let run = |time: &str| {
        let mut command = serin();
        command.current_dir(folder("findings")).args(["check", "--at", time, "warnings.yaml"]);
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, out) = run("2026-11-30T23:59:59Z");
    assert_eq!(code, 0);
    assert!(out.contains("flags.checkout.expires: expires in 1 day\n"), "{out}");
    let (code, out) = run("2026-12-01T00:00:00Z");
    assert_eq!(code, 1);
    assert!(out.contains("error[expired]: flags.checkout.expires: has expired 1 day ago"), "{out}");
    assert!(out.ends_with("failed, 1 error, 13 warnings\n"), "{out}");
    assert!(!run("2026-11-10T00:00:00Z").1.contains("expires-soon"));
}

#[test]
fn json_for_tools() {
    let (code, out, _) =
        check("mistakes", &["--format", "json", "arm_typo.yaml", "share_150.yaml"]);
    assert_eq!(code, 1);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&document["errors"], &document["warnings"]), (&2.into(), &0.into()));
    let found = &document["files"][0]["diagnostics"][0];
    assert_eq!(found["id"], "unknown-name");
    assert_eq!(found["path"], "rollouts.shop.baseline");
    assert_eq!(found["help"], "did you mean stable?");
    let region = serde_json::json!({
        "startLine": 24, "startColumn": 15, "endLine": 24, "endColumn": 21,
    });
    assert_eq!(found["region"], region);
}

/// What SARIF 2.1.0 demands of the parts that are used here.
#[test]
fn sarif_for_code_scanning() {
    let arguments = ["--format", "sarif", "../mistakes/arm_typo.yaml", "warnings.yaml"];
    let (code, out, _) = check("findings", &arguments);
    assert_eq!(code, 1);
    let log: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "serin");
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        assert!(!rule["id"].as_str().unwrap().is_empty());
        assert!(rule["shortDescription"]["text"].as_str().unwrap().ends_with('.'));
    }
    let results = run["results"].as_array().unwrap();
    assert!(results.len() > 10);
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["artifactLocation"]["uri"].as_str().unwrap().ends_with(".yaml"));
        let number = |name: &str| place["region"][name].as_u64().unwrap();
        assert!(number("startLine") >= 1 && number("startColumn") >= 1);
        assert_eq!(number("startLine"), number("endLine"));
        assert!(number("endColumn") >= number("startColumn"));
    }
    let (code, out, err) = check("findings", &["--format", "sarif", "none.yaml"]);
    assert_eq!(code, 2);
    assert!(err.contains("none.yaml: cannot be read"), "{err}");
    let log: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(log["runs"][0]["invocations"][0]["executionSuccessful"], false);
}

#[test]
fn flags_that_should_be_gone() {
    let (code, out, _) = check("findings", &["--debt", "warnings.yaml"]);
    assert_eq!(code, 0);
    same(&folder("findings").join("debt.txt"), &out);
    let (code, out, _) = check("findings", &["--debt", "--format", "json", "warnings.yaml"]);
    assert_eq!(code, 0);
    same(&folder("findings").join("debt.json"), &out);
    assert_eq!(check("findings", &["--debt", "../mistakes/arm_typo.yaml"]).0, 1);
    assert_eq!(check("findings", &["--debt", "--format", "sarif", "warnings.yaml"]).0, 2);
}

#[test]
fn whom_an_edit_moves() {
    let (code, out, _) = check("findings", &["--against", "old.yaml", "new.yaml"]);
    assert_eq!(code, 0);
    same(&folder("findings").join("against.txt"), &out);
    let (_, out, _) = check("findings", &["--against", "old.yaml", "--format", "json", "new.yaml"]);
    same(&folder("findings").join("against.json"), &out);
    let (code, out, _) = check("findings", &["--against", "new.yaml", "new.yaml"]);
    assert_eq!(code, 0);
    assert!(out.ends_with("Nobody moves.\n"), "{out}");
    assert_eq!(check("findings", &["--against", "../mistakes/arm_typo.yaml", "new.yaml"]).0, 1);
    assert_eq!(check("findings", &["--against", "none.yaml", "new.yaml"]).0, 2);
}

/// The line that is offered does what it promises.
#[test]
fn the_offered_past_moves_the_least() {
    let folder = folder("findings");
    let (_, out, _) = check("findings", &["--against", "old.yaml", "new.yaml"]);
    let past = out.lines().find_map(|line| line.trim().strip_prefix("past: ")).unwrap();
    let text = std::fs::read_to_string(folder.join("new.yaml")).unwrap();
    let split = "split: { a: 40, b: 25, c: 35 }";
    assert!(text.contains(split));
    let mended = crate::command::folder("mended").join("new.yaml");
    std::fs::write(&mended, text.replace(split, &format!("{split}, past: {past}"))).unwrap();
    let (_, out, _) = check("findings", &["--against", "old.yaml", mended.to_str().unwrap()]);
    assert!(out.contains("flags.order.rules[0]: 10 % move\n         10 %  a → c\n"), "{out}");
    assert!(!out.contains("past:"), "{out}");
}
