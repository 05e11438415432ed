//! `serin diff` with its options.

use crate::command::{folder, outcome, serin};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const AT: [&str; 2] = ["--at", "2026-11-21T12:00:00Z"];

fn findings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serin/findings")
}

fn diff(arguments: &[&str]) -> (i32, String, String) {
    let mut command = serin();
    command.current_dir(findings()).arg("diff").args(AT).args(arguments);
    outcome(&command.output().unwrap())
}

#[track_caller]
fn same(name: &str, text: &str) {
    let file = findings().join(name);
    if std::env::var_os("SERIN_BLESS").is_some() {
        return std::fs::write(file, text).unwrap();
    }
    let wanted = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, wanted, "{} differs; SERIN_BLESS=1 writes it anew", file.display());
}

#[test]
fn markdown_is_unchanged() {
    let arguments = ["old.yaml", "new.yaml", "--units", "5000", "--max-moved", "20"];
    let (code, out, err) = diff(&arguments);
    assert_eq!((code, err.as_str()), (1, ""));
    same("diff.md", &out);
    let (code, out, _) = diff(&["new.yaml", "new.yaml", "--units", "10", "--max-moved", "0"]);
    assert_eq!(code, 0);
    assert!(
        out.starts_with("### Serin: none of 10 units moves, revision 5 says the same\n"),
        "{out}"
    );
}

#[test]
fn json_has_every_number() {
    let arguments = ["old.yaml", "new.yaml", "--units", "1000", "--max-moved", "100", "--json"];
    let (code, out, err) = diff(&arguments);
    assert_eq!((code, err.as_str()), (0, ""));
    let found: Value = serde_json::from_str(&out).unwrap();
    let parts = found["groups"][0]["parts"].as_array().unwrap();
    let feed = parts.iter().find(|part| part["path"] == "rollouts.feed").unwrap();
    assert_eq!(feed["of"], 1000);
    let sum: u64 =
        feed["moves"].as_array().unwrap().iter().filter_map(|it| it["count"].as_u64()).sum();
    assert_eq!(feed["moved"], sum);
    assert!(sum > 400, "{feed}");
    // A bound changes only the exit code.
    let (code, again, _) = diff(&["old.yaml", "new.yaml", "--units", "1000", "--json"]);
    assert_eq!(code, 0);
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["groups"], found["groups"]);
}

#[test]
fn units_come_from_lists_and_access_logs() {
    let folder = folder("diff");
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let list = write("ids", "ada\n\nbo\n");
    let (code, out, _) = diff(&["old.yaml", "new.yaml", "--list", &list]);
    assert_eq!(code, 0);
    assert!(out.contains(" of 2 units move"), "{out}");
    let log = write("log", "{\"url\":\"http://a/feed\",\"headers\":{\"x-user-id\":\"ada\"}}\n");
    let (code, out, _) = diff(&["old.yaml", "new.yaml", "--access-log", &log]);
    assert_eq!(code, 0);
    assert!(out.contains("of 1 recorded requests"), "{out}");
    let bad = write("bad", "\n{\"url\":\"http://a/\"}\n{}\n");
    let (code, _, err) = diff(&["old.yaml", "new.yaml", "--access-log", &bad]);
    assert_eq!((code, err), (2, format!("error: {bad}:3: url is missing\n")));
    let bad = write("bad", &format!("{}{}", "{}\n".repeat(11), "{\"url\":\"http://a/\"}\nx"));
    let (code, _, err) = diff(&["old.yaml", "new.yaml", "--access-log", &bad]);
    assert_eq!((code, err.lines().count()), (2, 11));
    assert!(err.ends_with("\nand 2 more lines that are not requests\n"), "{err}");
    let empty = write("empty", "\n");
    for (option, what) in [("--list", "ids"), ("--access-log", "requests")] {
        let (code, _, err) = diff(&["old.yaml", "new.yaml", option, &empty]);
        assert_eq!((code, err), (2, format!("error: {empty}: the file has no {what}\n")));
    }
    // An id on two lines is one unit, and a byte order mark is not part of an id.
    let list = write("ids", "\u{feff}ada\r\nbo\r\nada\r\n");
    let arguments = ["old.yaml", "new.yaml", "--list", &list];
    let marked = diff(&arguments);
    write("ids", "ada\nbo\n");
    assert_eq!(marked, diff(&arguments));
    let (code, _, err) = {
        std::fs::write(&list, b"ada\nb\xff\n").unwrap();
        diff(&arguments)
    };
    assert_eq!((code, err), (2, format!("error: {list}:2: not UTF-8 at byte 1\n")));
    write("ids", &"a".repeat((1 << 20) + 1));
    assert!(diff(&arguments).2.contains(":1: the line has more than 1048576 bytes"));
}

#[test]
fn decisions_obey_the_given_latches() {
    let (aborted, latches) = ("aborted.yaml", ["--latches", "latches.json", "--units", "5000"]);
    let (code, out, err) = diff(&[&[aborted, "raised.yaml"], &latches[..]].concat());
    assert_eq!(
        (code, err.as_str()),
        (0, "serin: latches.json: neither spec has a rollout \"cart\"\n")
    );
    same("diff_latches.md", &out);
    let (_, json, _) = diff(&[&[aborted, "raised.yaml", "--json"], &latches[..]].concat());
    let found: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(found["latches"], true);
    let shop = &found["rollouts"][0];
    assert_eq!(
        (&shop["path"], &shop["old"]["abort"]["epoch"]),
        (&"rollouts.shop".into(), &3.into())
    );
    assert_eq!((&shop["new"]["abort"], &shop["new"]["stage"]["epoch"]), (&Value::Null, &4.into()));
    assert!(found["groups"][0]["copies"][0]["new"]["count"].as_u64() > Some(0), "{found}");
    let (_, out, _) = diff(&[&[aborted, aborted], &latches[..]].concat());
    assert!(out.contains("- rollout `shop`: the abort of epoch 3 stays in force (since "), "{out}");
    // A host would ignore an abort that lacks a field.
    let folder = folder("diff-latches");
    let half = folder.join("half.json");
    std::fs::write(&half, r#"{"latches":[{"rollout":"shop","abort":{"epoch":3}}]}"#).unwrap();
    for (text, why) in [
        (
            r#"{"latches":[{"rollout":"shop","abort":{"epoch":3}}]}"#,
            "the abort of \"shop\" lacks a field",
        ),
        ("{}", "not a latch document"),
    ] {
        std::fs::write(&half, text).unwrap();
        let (code, _, err) = diff(&[aborted, aborted, "--latches", half.to_str().unwrap()]);
        assert_eq!(code, 2);
        assert!(err.contains(why) && err.contains(", write {"), "{err}");
    }
}

#[test]
fn specs_with_errors_are_not_compared() {
    let (code, _, err) = diff(&["../mistakes/arm_typo.yaml", "new.yaml"]);
    assert_eq!(code, 1);
    assert!(
        err.contains("arm_typo.yaml has errors") && err.contains("did you mean stable?"),
        "{err}"
    );
    assert_eq!(diff(&["none.yaml", "new.yaml"]).0, 2);
    assert_eq!(diff(&["-", "-"]).0, 2);
    assert_eq!(diff(&["old.yaml", "new.yaml", "--max-moved", "101"]).0, 2);
    let old = std::fs::read(findings().join("old.yaml")).unwrap();
    let mut command = serin();
    command.current_dir(findings()).args(["diff", "-", "old.yaml", "--units", "10"]).args(AT);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&old).unwrap();
    let (code, out, _) = outcome(&child.wait_with_output().unwrap());
    assert_eq!(code, 0);
    assert!(out.contains("says the same"), "{out}");
}
