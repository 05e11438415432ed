//! Any text that is taken for another tool's manifests is refused with reasons, or it becomes a spec that
//! passes as one, and nothing of it is left out in silence.

use serin_core::Plan;
use serin_fleet::import::{Options, Tool, import};
use serin_fleet::yaml::{self, DuplicateKeys};

pub(crate) fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let options = Options { name: "rollout.yaml".into(), start: None };
    for tool in [Tool::Argo, Tool::Flagger] {
        let made = match import(tool, text, &options) {
            Ok(made) => made,
            Err(error) => {
                assert!(!error.notes.is_empty());
                assert!(error.notes.iter().all(|note| !note.text.trim().is_empty()));
                continue;
            }
        };
        let spec = &made.spec;
        let value = yaml::read(spec, DuplicateKeys::Refuse);
        let value = value.unwrap_or_else(|why| panic!("{why}\n{spec}"));
        let plan = Plan::from_json(value.to_string().as_bytes());
        let plan = plan.unwrap_or_else(|errors| panic!("{errors}\n{spec}"));
        assert!(!plan.rollouts().is_empty(), "{spec}");
        let lines = text.lines().count() + 1;
        assert!(made.notes.iter().all(|note| note.line <= lines), "{:?}", made.notes);
    }
}
