//! `serin check` on standard input, and wrong arguments of several commands.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

pub(crate) fn serin() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serin"));
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// The empty folder of one test.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The exit code, standard output and standard error of a command.
pub(crate) fn outcome(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn check(input: &str) -> (i32, String, String) {
    let mut command = serin();
    command.args(["check", "-"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    outcome(&child.wait_with_output().unwrap())
}

pub(crate) const SPEC: &str = "
formatVersion: 1
revision: 1
units: { user: [{ header: x-user-id }] }
rollouts:
  shop:
    match: { paths: [/shop] }
    unit: user
    arms: { stable: { target: shop-v1 }, canary: { target: shop-v2 } }
    baseline: stable
    canary: { share: 0.5 }
  other:
    match: { paths: [/other] }
    unit: user
    arms: { only: { target: o } }
    baseline: only
";

#[test]
fn a_broken_pipe_ends_without_a_message() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = serin();
    command.args(["schema"]).stdout(writer).stderr(Stdio::piped());
    let (code, _, err) = outcome(&command.spawn().unwrap().wait_with_output().unwrap());
    assert_eq!((code, err.as_str()), (141, ""));
}

#[test]
fn a_spec_without_errors_gives_one_line() {
    let (code, out, err) = check(SPEC);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("standard input: ok, revision 1 ("), "{out}");
    assert!(out.ends_with("), 2 rollouts, 0 flags\n"), "{out}");
}

#[test]
fn every_error_has_its_path() {
    let (code, out, _) = check(
        &SPEC
            .replace("baseline: stable", "baseline: main")
            .replace("revision: 1", "revision: -4\nflagz: {}"),
    );
    assert_eq!(code, 1);
    let places = [
        "]: revision: -4 is not",
        "--> standard input:3:11\n",
        "]: flagz: unknown field\n",
        "help: did you mean flags?\n",
        "]: rollouts.shop.baseline: there is no arm \"main\"",
    ];
    let mut rest = out.as_str();
    for place in places {
        let at = rest.find(place).unwrap_or_else(|| panic!("{place} in its order in {out}"));
        rest = &rest[at..];
    }
    assert!(out.ends_with("refused, 3 errors\n"), "{out}");
}

#[test]
fn wrong_yaml_is_an_error_of_the_spec() {
    let (code, out, _) = check("a: 1\na: 2\n");
    assert_eq!(code, 1);
    assert!(out.contains("error[doubled-key]: the key \"a\" is given twice"), "{out}");
    // A bare `on` is a string, so it can be the name of a variant.
    let flag = "formatVersion: 1\nflags:\n  f:\n    kind: ops\n    owner: o@x\n    purpose: p\n    \
                state: enabled\n    variants: { on: true, off: false }\n    defaultVariant: off\n";
    assert_eq!(check(flag).0, 0, "{}", check(flag).1);
}

#[test]
fn the_worst_of_several_files_decides_the_exit_code() {
    let folder = folder("several");
    let good = folder.join("good.yaml");
    let bad = folder.join("bad.json");
    std::fs::write(&good, SPEC).unwrap();
    std::fs::write(&bad, "{\"formatVersion\": 1, }").unwrap();
    let run = |files: &[&PathBuf]| outcome(&serin().arg("check").args(files).output().unwrap());
    assert_eq!(run(&[&good]).0, 0);
    assert_eq!(run(&[&good, &bad]).0, 1);
    let (code, out, err) = run(&[&bad, &folder.join("none.yaml"), &good]);
    assert_eq!(code, 2);
    assert!(out.contains("good.yaml: ok"), "{out}");
    assert!(err.contains("none.yaml: cannot be read"), "{err}");
}

#[test]
fn the_schema_is_the_one_in_docs() {
    let output = serin().arg("schema").output().unwrap();
    assert_eq!(outcome(&output).1, include_str!("../../../docs/spec.schema.json"));
}

#[test]
fn wrong_usage_exits_with_two() {
    assert_eq!(outcome(&serin().output().unwrap()).0, 2);
    assert_eq!(outcome(&serin().args(["check"]).output().unwrap()).0, 2);
    let (code, _, err) = outcome(&serin().args(["serve", "x", "--arm", "y"]).output().unwrap());
    assert_eq!(code, 2);
    assert!(err.contains("NAME=URL"), "{err}");
}

#[test]
fn every_arm_without_an_upstream_is_named() {
    let spec = folder("unmapped").join("spec.yaml");
    std::fs::write(&spec, SPEC).unwrap();
    let output =
        serin().arg("serve").arg(&spec).args(["--arm", "canary=http://127.0.0.1:1"]).output();
    let (code, _, err) = outcome(&output.unwrap());
    assert_eq!(code, 2);
    assert_eq!(
        err,
        "error: other.only (target o), shop.stable (target shop-v1) have no upstream: give one \
         with --arm NAME=URL\n"
    );
}

#[test]
fn only_drift_exits_with_one() {
    let folder = folder("drift");
    let (good, bad) = (folder.join("good.yaml"), folder.join("bad.yaml"));
    std::fs::write(&good, SPEC).unwrap();
    std::fs::write(&bad, SPEC.replace("baseline: stable", "baseline: main")).unwrap();
    let run = |arguments: &[&str]| outcome(&serin().arg("drift").args(arguments).output().unwrap());
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    let (code, _, err) = run(&[bad, "--envoy", "http://127.0.0.1:1"]);
    assert_eq!(code, 2);
    assert!(err.contains("bad.yaml has errors") && err.contains("there is no arm"), "{err}");
    let (code, out, _) = run(&[good, "--envoy", "http://127.0.0.1:1"]);
    assert_eq!(code, 2);
    assert!(out.contains("envoy http://127.0.0.1:1/: not asked\n"), "{out}");
    for (arguments, why) in [
        (&[good][..], "--envoy"),
        (&[good, "--envoy", "http://user:secret@127.0.0.1"], "no user and no password"),
        (&[good, "--worker", "shop.example.com"], "is not a URL"),
    ] {
        let (code, _, err) = run(arguments);
        assert_eq!(code, 2);
        assert!(err.contains(why), "{err}");
    }
}
