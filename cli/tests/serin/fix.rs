//! `serin check --fix`: what it writes, and what it leaves alone.

use crate::command::{folder, outcome, serin};
use std::path::Path;

const WRONG: &str = "# ours
formatVersion: \"1\"
revisionn: 7   # seven
units: { user: [ { header: x-user-id } ] }
rollouts:
  shop:
    unit: usr
    arms: { stable: { target: a }, canary: { target: b } }
    baseline: stable
    canary: { share: 5% }
";

fn fix(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = serin();
    outcome(&command.args(["check", "--fix"]).args(args).current_dir(folder).output().unwrap())
}

#[test]
fn fixes_are_named_and_what_has_no_only_answer_is_reported() {
    let folder = folder("fix-report");
    std::fs::write(folder.join("spec.yaml"), WRONG).unwrap();
    let (code, out, err) = fix(&folder, &["spec.yaml"]);
    assert_eq!(
        err,
        "serin: spec.yaml:2:16: \"1\" → 1\n\
         serin: spec.yaml:3:1: revisionn → revision\n\
         serin: spec.yaml:10:22: 5% → 5\n\
         serin: spec.yaml: 3 changes, written\n"
    );
    assert!(code == 1 && out.contains("rollouts.shop.unit: there is no unit \"usr\""), "{out}");
    assert!(out.ends_with("spec.yaml: refused, 1 error\n"), "{out}");
    let right = WRONG.replace("\"1\"", "1").replace("revisionn", "revision").replace("5%", "5");
    assert_eq!(std::fs::read_to_string(folder.join("spec.yaml")).unwrap(), right);
    let (_, again, err) = fix(&folder, &["spec.yaml"]);
    assert_eq!((again, err.as_str()), (out, "serin: spec.yaml: nothing to fix\n"));
}

#[test]
fn a_dry_run_writes_nothing() {
    let folder = folder("fix-dry");
    std::fs::write(folder.join("spec.yaml"), WRONG).unwrap();
    let (code, out, err) = fix(&folder, &["--dry-run", "spec.yaml"]);
    assert!(code == 1 && out.ends_with("refused, 1 error\n"), "{out}");
    assert!(err.ends_with("serin: spec.yaml: 3 changes, not written\n"), "{err}");
    assert_eq!(std::fs::read_to_string(folder.join("spec.yaml")).unwrap(), WRONG);
}

#[test]
fn standard_input_cannot_be_fixed() {
    let (code, out, err) = fix(&folder("fix-stdin"), &["-"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(err, "error: --fix changes files, and standard input is none\n");
}

#[cfg(unix)]
#[test]
fn links_and_permissions_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = folder("fix-link");
    let (file, link) = (folder.join("real.yaml"), folder.join("spec.yaml"));
    std::fs::write(&file, WRONG).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real.yaml", &link).unwrap();
    assert_eq!(fix(&folder, &["spec.yaml"]).0, 1);
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert!(std::fs::read_to_string(&file).unwrap().contains("\nrevision: 7"));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
}
