//! A string is refused as another tool's manifests, with reasons, or it becomes a spec that compiles. Notes
//! point to lines of the input.

use serin_core::Plan;
use serin_fleet::import::{Options, Tool, import};
use serin_fleet::lines::Lines;
use serin_fleet::yaml::{self, DuplicateKeys};

pub(crate) fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let options = Options { name: "rollout.yaml".into(), start: None };
    for tool in [Tool::Argo, Tool::Flagger] {
        let imported = match import(tool, text, &options) {
            Ok(imported) => imported,
            Err(failure) => {
                assert!(!failure.notes.is_empty());
                assert!(failure.notes.iter().all(|note| !note.text.trim().is_empty()));
                let lines = Lines::of(text).count();
                assert!(failure.notes.iter().all(|note| note.line <= lines), "{:?}", failure.notes);
                continue;
            }
        };
        let spec = &imported.spec;
        let value = yaml::read(spec, DuplicateKeys::Refuse);
        let value = value.unwrap_or_else(|why| panic!("{why}\n{spec}"));
        let plan = Plan::from_json(value.to_string().as_bytes());
        let plan = plan.unwrap_or_else(|errors| panic!("{errors}\n{spec}"));
        assert!(!plan.rollouts().is_empty(), "{spec}");
        let lines = Lines::of(text).count();
        assert!(imported.notes.iter().all(|note| note.line <= lines), "{:?}", imported.notes);
    }
}
