//! Snapshots of `serin check`: its text, JSON and SARIF. `SERIN_BLESS=1` rewrites them; read the changes before
//! you commit them.

use crate::command::serin;
use serde_json::Value;
use std::path::{Path, PathBuf};

const AT: [&str; 2] = ["--at", "2026-11-21T12:00:00Z"];

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serin").join(name)
}

/// Runs a check in a folder of fixtures. Returns the exit code, standard output and standard error.
fn check(folder_name: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut command = serin();
    command.current_dir(folder(folder_name)).arg("check").args(AT).args(arguments);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Compares a text with a snapshot.
#[track_caller]
pub(crate) fn same(file: &Path, text: &str) {
    if std::env::var_os("SERIN_BLESS").is_some() {
        return std::fs::write(file, text).unwrap();
    }
    let wanted = std::fs::read_to_string(file).unwrap_or_default();
    assert_eq!(text, wanted, "{} differs; SERIN_BLESS=1 rewrites it", file.display());
}

#[test]
fn reports_of_typical_mistakes_are_unchanged() {
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
fn warnings_change_the_exit_code_only_if_they_are_denied() {
    let (code, out, err) = check("findings", &["warnings.yaml"]);
    assert_eq!((code, err.as_str()), (0, ""));
    same(&folder("findings").join("warnings.txt"), &out);
    assert_eq!(check("findings", &["--deny-warnings", "warnings.yaml"]).0, 1);
    // Each warning can be allowed by its name.
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
    assert!(err.contains("there is no warning nothing, use unreachable-rule"), "{err}");
}

#[test]
fn an_expired_flag_is_an_error() {
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
fn json_has_ids_paths_and_regions() {
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

/// Checks the demands of SARIF 2.1.0 on the parts that the report uses.
#[test]
fn sarif_has_what_the_standard_demands() {
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
fn flag_debt_lists_every_flag() {
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
fn an_edit_reports_what_it_moves() {
    let (code, out, _) = check("findings", &["--against", "old.yaml", "new.yaml"]);
    assert_eq!(code, 0);
    same(&folder("findings").join("against.txt"), &out);
    let (_, out, _) = check("findings", &["--against", "old.yaml", "--format", "json", "new.yaml"]);
    same(&folder("findings").join("against.json"), &out);
    let (code, out, _) = check("findings", &["--against", "new.yaml", "new.yaml"]);
    assert_eq!(code, 0);
    assert!(out.ends_with("No unit moves.\n"), "{out}");
    assert_eq!(check("findings", &["--against", "../mistakes/arm_typo.yaml", "new.yaml"]).0, 1);
    assert_eq!(check("findings", &["--against", "none.yaml", "new.yaml"]).0, 2);
}

#[test]
fn the_suggested_past_moves_fewer_units() {
    let folder = folder("findings");
    let (_, out, _) = check("findings", &["--against", "old.yaml", "new.yaml"]);
    let past = out.lines().find_map(|line| line.trim().strip_prefix("past: ")).unwrap();
    let text = std::fs::read_to_string(folder.join("new.yaml")).unwrap();
    let split = "split: { a: 40, b: 25, c: 35 }";
    assert!(text.contains(split));
    let fixed = crate::command::folder("fixed").join("new.yaml");
    std::fs::write(&fixed, text.replace(split, &format!("{split}, past: {past}"))).unwrap();
    let (_, out, _) = check("findings", &["--against", "old.yaml", fixed.to_str().unwrap()]);
    assert!(out.contains("flags.order.rules[0]: 10 % move\n         10 %  a → c\n"), "{out}");
    assert!(!out.contains("past:"), "{out}");
}
