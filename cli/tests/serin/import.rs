//! Snapshots of `serin import` for manifests as Argo Rollouts and Flagger document them: the spec and the
//! notes. `SERIN_BLESS=1` rewrites them.

use crate::check::{folder, same};
use crate::command::{outcome, serin};
use std::path::PathBuf;

fn manifests() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder("import")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| !matches!(path.extension().and_then(|e| e.to_str()), Some("txt" | "spec")));
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    files
}

fn name(path: &std::path::Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

fn import(arguments: &[&str]) -> (i32, String, String) {
    let mut command = serin();
    outcome(&command.current_dir(folder("import")).arg("import").args(arguments).output().unwrap())
}

#[test]
fn documented_manifests_become_specs() {
    for file in manifests() {
        let name = name(&file);
        let tool = name.split('_').next().unwrap();
        let (code, spec, notes) = import(&[tool, name]);
        assert_eq!(code, 0, "{name}: {notes}");
        same(&file.with_extension("spec"), &spec);
        same(&file.with_extension("txt"), &notes);
        for line in notes.lines() {
            assert!(line.starts_with(&format!("{name}:")), "{line}");
        }
    }
}

#[test]
fn every_import_passes_check() {
    for file in manifests() {
        let name = name(&file);
        let (_, spec, _) = import(&[name.split('_').next().unwrap(), name]);
        let path = crate::command::folder(&format!("import-check-{name}")).join("spec.yaml");
        std::fs::write(&path, spec).unwrap();
        let mut command = serin();
        command.args(["check", "--at", "2026-11-21T12:00:00Z", "--deny-warnings"]);
        // Expected: the inactive arm of a blueGreen, and a start that only rings obey.
        command.args(["--allow", "unreachable-arm", "--allow", "step-without-growth"]);
        let (code, out, err) = outcome(&command.arg(path).output().unwrap());
        assert_eq!((code, err.as_str()), (0, ""), "{name}: {out}");
    }
}

/// Every line of a manifest has an effect: without it, the spec or a note about the line or its parent changes.
#[test]
fn every_line_is_imported_or_noted() {
    for file in manifests().iter().filter(|file| name(file).ends_with(".yaml")) {
        let tool = name(file).split('_').next().unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        let whole = import(&[tool, name(file)]);
        let said = |text: &str| text.lines().map(without_line).collect::<Vec<_>>();
        for (index, line) in text.lines().enumerate() {
            let scalar =
                line.split_once(": ").is_some_and(|(_, value)| !value.starts_with(['&', '#']));
            if !scalar || line.trim_start().starts_with('#') {
                continue;
            }
            let number = index + 1;
            let spoken = whole.2.lines().any(|note| covers(note, number, &text));
            if spoken {
                continue;
            }
            let mut lines: Vec<&str> = text.lines().collect();
            let (key, _) = line.split_once(": ").unwrap();
            let changed = format!("{key}: 7changed");
            lines[index] = &changed;
            let other = crate::command::folder(&format!("import-{tool}-{number}"));
            let path = other.join(name(file));
            std::fs::write(&path, lines.join("\n")).unwrap();
            let (code, spec, notes) = import(&[tool, path.to_str().unwrap()]);
            let same = code == 0
                && spec.lines().skip(1).eq(whole.1.lines().skip(1))
                && said(&notes) == said(&whole.2);
            assert!(!same, "{}:{number}: {line}", file.display());
        }
    }
}

/// The text of a note, without the file and the line.
fn without_line(note: &str) -> String {
    note.split_once(": ").map_or(note, |(_, said)| said).to_owned()
}

/// Whether a note is about a line or one of its parents.
fn covers(note: &str, line: usize, text: &str) -> bool {
    let Some(at) = note.split(':').nth(1).and_then(|at| at.parse::<usize>().ok()) else {
        return false;
    };
    let lines: Vec<&str> = text.lines().collect();
    if note.ends_with("no rollout is in it") && at <= line {
        return !lines[at - 1..line].contains(&"---");
    }
    let dash = |number: usize| lines[number - 1].find(|c| c != ' ').unwrap_or_default();
    let indent =
        |number: usize| lines[number - 1].find(|c| c != ' ' && c != '-').unwrap_or(dash(number));
    // A note about a list item is about every line that is indented below its dash.
    let item = without_line(note).split(' ').next().is_some_and(|path| path.ends_with(']'));
    let from = if item { dash(at) } else { indent(at) };
    let whole = note.contains(" has no counterpart")
        || note.contains(" becomes ")
        || note.contains("removes");
    at == line || (at < line && whole && (at + 1..=line).all(|number| indent(number) > from))
}

#[test]
fn wrong_manifests_are_refused() {
    let path = crate::command::folder("import-bad").join("service.yaml");
    let file = path.to_str().unwrap();
    std::fs::write(&path, "apiVersion: v1\nkind: Service\nmetadata: { name: shop }\n").unwrap();
    let (code, out, err) = import(&["argo", file]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("holds no Rollout of argoproj.io"), "{err}");
    assert!(err.contains("service.yaml:1: the Service shop has no counterpart"), "{err}");
    std::fs::write(&path, "a: [\n").unwrap();
    assert_eq!(import(&["flagger", file]).0, 1);
    assert_eq!(import(&["argo", "missing.yaml"]).0, 2);
    assert_eq!(import(&["argo", "argo_canary.yaml", "--start", "soon"]).0, 2);
}

#[test]
fn start_and_out_are_obeyed() {
    let out = crate::command::folder("import-out").join("spec.yaml");
    let start = "2026-11-21T09:00:00Z";
    let arguments = ["argo", "argo_canary.yaml", "--start", start, "--out", out.to_str().unwrap()];
    let (code, printed, notes) = import(&arguments);
    assert_eq!((code, printed.as_str()), (0, ""));
    assert!(!notes.contains("give --start"), "{notes}");
    let spec = std::fs::read_to_string(out).unwrap();
    assert!(spec.contains(start), "{spec}");
}
