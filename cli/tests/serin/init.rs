//! `serin init`: the spec that it writes has no finding, and nothing is lost.

use crate::command::{folder, outcome, serin};
use std::path::Path;

fn init(args: &[&str], folder: &Path) -> (i32, String, String) {
    outcome(&serin().arg("init").args(args).current_dir(folder).output().unwrap())
}

#[test]
fn a_spec_from_flags_has_no_finding() {
    let folder = folder("init-flags");
    let runs: [&[&str]; 6] = [
        &[],
        &["--host", "shop.example.com"],
        &["--host", "*.example.com", "--host", "example.com", "--rollout", "all-of-it"],
        &["--arms", "on=off,1e3=yes", "--share", "0.5 %"],
        &["--unit", "jwt.sub", "--unit", "header.x-user-id", "--unit", "anonymous.my_id"],
        &["--share", "0", "--cohort", "internal=header.x-email suffix @a.example,@b.example"],
    ];
    for (index, args) in runs.iter().enumerate() {
        let file = format!("{index}/spec.yaml");
        let (code, out, err) = init(&[args, &[file.as_str()][..]].concat(), &folder);
        assert_eq!((code, err.as_str()), (0, ""), "{args:?}");
        assert!(
            out.starts_with(&format!("{file}: written\n\nNext:\n  serin check {file}\n")),
            "{out}"
        );
        let mut check = serin();
        check.args(["check", "--deny-warnings", &file]).current_dir(&folder);
        let (code, out, _) = outcome(&check.output().unwrap());
        assert!(code == 0 && out.lines().count() == 1, "{args:?}: {out}");
    }
}

#[test]
fn the_operand_has_the_type_that_its_operator_takes() {
    let folder = folder("init-cohorts");
    let cohorts = [
        ("a=header.age gt 18", "gt: 18\n"),
        ("a=header.x exists true", "exists: true\n"),
        ("a=header.x equals true", "equals: \"true\"\n"),
        ("a=country in DE,AT", "in:\n      - DE\n      - AT\n"),
        ("a=header.x-app-version semver >=2.0.0 <3.0.0", "semver: \">=2.0.0 <3.0.0\"\n"),
    ];
    for (cohort, text) in cohorts {
        let (code, out, err) = init(&["--cohort", cohort, "-"], &folder);
        assert_eq!((code, err.as_str()), (0, ""), "{cohort}");
        assert!(out.contains(text), "{cohort}: {out}");
    }
}

#[test]
fn a_file_that_exists_is_kept() {
    let folder = folder("init-exists");
    std::fs::write(folder.join("spec.yaml"), "mine").unwrap();
    let (code, _, err) = init(&[], &folder);
    let message = "error: spec.yaml: exists already, give another name or --force\n";
    assert_eq!((code, err.as_str()), (2, message));
    assert_eq!(std::fs::read_to_string(folder.join("spec.yaml")).unwrap(), "mine");
    assert_eq!(init(&["--force"], &folder).0, 0);
    assert!(std::fs::read_to_string(folder.join("spec.yaml")).unwrap().starts_with("# Who gets"));
}

#[test]
fn a_wrong_flag_writes_nothing() {
    let folder = folder("init-wrong");
    let wrong: [(&[&str], i32, &str); 8] = [
        (&["--arms", "stable"], 2, "write BASELINE=TARGET,CANARY=TARGET"),
        (&["--arms", "a=x,b=y,c=z"], 2, "write BASELINE=TARGET,CANARY=TARGET"),
        (
            &["--unit", "user"],
            2,
            "write header.NAME, cookie.NAME, query.NAME, jwt.CLAIM or anonymous",
        ),
        (&["--unit", "anonymous", "--unit", "header.x"], 1, "units.user"),
        (&["--cohort", "internal=header.x"], 2, "write NAME=ATTRIBUTE OPERATOR VALUE"),
        (&["--cohort", "internal=header.x ends y"], 1, "ends"),
        (&["--share", "many"], 2, "write a number from 0 to 100"),
        (&["--host", "https://shop.example.com/"], 1, "is not a host"),
    ];
    for (args, expected, message) in wrong {
        let (code, out, err) = init(args, &folder);
        assert_eq!((code, out.as_str()), (expected, ""), "{args:?}: {err}");
        assert!(err.contains(message), "{args:?}: {err}");
        assert!(!folder.join("spec.yaml").exists(), "{args:?}");
    }
}
