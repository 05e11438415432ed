//! Snapshots of `serin export` for tools that observe or own a rollout; `SERIN_BLESS=1` rewrites them.

use crate::check::folder;
use crate::command::{outcome, serin};

const TARGETS: [(&str, &[&str]); 4] = [
    ("argo", &["--namespace", "shop"]),
    ("flagger", &["--port", "8080"]),
    ("prometheus", &["--interval", "15s"]),
    ("grafana", &[]),
];

fn export(target: &str, options: &[&str]) -> (i32, String, String) {
    let mut command = serin();
    command.current_dir(folder("guarded")).args(["export", target]).args(options);
    outcome(&command.output().unwrap())
}

#[test]
fn exports_of_two_guarded_canaries_are_unchanged() {
    let bless = std::env::var_os("SERIN_BLESS").is_some();
    for (target, options) in TARGETS {
        let given = ["spec.yaml", "--out", target];
        let check: &[&str] = if bless { &[] } else { &["--check"] };
        let (code, out, err) = export(target, &[&given, options, check].concat());
        assert_eq!(code, 0, "{target}: {out}{err}");
    }
}

#[test]
fn problems_of_an_export_have_their_path() {
    let other = crate::command::folder("guarded-other").join("spec.yaml");
    let spec = std::fs::read_to_string(folder("guarded").join("spec.yaml")).unwrap();
    let file = other.to_str().unwrap();
    std::fs::write(&other, spec.replace("feed-primary", "feed/v1")).unwrap();
    let (code, out, err) = export("flagger", &[file]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("rollouts.Feed_v2.arms: Flagger calls its services"), "{err}");
    let (code, _, err) = export("argo", &[file]);
    assert_eq!(code, 1);
    assert!(err.contains("rollouts.Feed_v2.arms: Argo moves pods between two services"), "{err}");
    let plain = "formatVersion: 1\nrevision: 1\n";
    std::fs::write(&other, plain).unwrap();
    assert!(export("argo", &[file]).2.contains("none of them is a canary"));
    // Rules for a spec without gates still report hosts with an old spec.
    assert!(export("prometheus", &[file]).1.contains("SerinRevisionBehind"));
    for bad in [&["--prometheus", "ftp://x"][..], &["--prometheus", "http://user:pass@x"]] {
        assert_eq!(export("argo", &[&[file], bad].concat()).0, 2);
    }
}
