//! The reader of a ramp: a fixed share, or a share that grows by steps.

use alloc::format;
use alloc::vec::Vec;

use super::node::{Node, canonical_number};
use super::reader::{Object, keyword, list, share, string, timestamp};
use crate::error::{ErrorKind, Errors, Path, Suggestion, quoted};
use crate::spec::{Hold, Progress, Step};
use crate::value::duration;

/// The modes in which a step ends, each with whether the step waits for its gate.
const MODES: [(&str, bool); 2] = [("auto", false), ("gate", true)];
/// The maximum number of steps.
pub(crate) const MAX_STEPS: usize = 100;

/// Reads `share`, or `start` and `steps`, of the object at `path`; `None` if it has neither.
pub(crate) fn progress(
    object: &Object<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<Progress> {
    let start = object.get("start").and_then(|node| timestamp(node, &path.key("start"), errors));
    match (object.get("share"), object.get("steps")) {
        (Some(_), Some(_)) => {
            let message = "has both share and steps, exactly one is allowed";
            errors.add(path, ErrorKind::Conflict, &message);
            None
        }
        (None, None) => None,
        (Some(node), None) => {
            if object.get("start").is_some() {
                errors.add(
                    &path.key("start"),
                    ErrorKind::Conflict,
                    &"is allowed with steps only, not with share",
                );
            }
            share(node, &path.key("share"), errors).map(Progress::Fixed)
        }
        (None, Some(node)) => {
            let steps = steps(node, &path.key("steps"), errors);
            let timed = steps.iter().any(|step| matches!(step.hold, Hold::For(_)));
            if timed && object.get("start").is_none() && !object.is_misspelt("start") {
                let message = "needs start, the time when the first step begins";
                errors.add(path, ErrorKind::Missing, &message);
            }
            Some(Progress::Steps { start, steps })
        }
    }
}

fn steps(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Vec<Step> {
    let Some(items) = list(node, path, errors) else { return Vec::new() };
    if items.is_empty() || items.len() > MAX_STEPS {
        let count = items.len();
        let message = format_args!("has {count} steps, allowed are 1 to {MAX_STEPS}");
        errors.add(path, ErrorKind::Limit, &message);
    }
    let last = items.len().saturating_sub(1);
    let read = |(index, item)| step(item, index == last, &path.index(index), errors);
    items.iter().enumerate().filter_map(read).collect()
}

fn step(node: &Node<'_>, is_last: bool, path: &Path<'_>, errors: &mut Errors) -> Option<Step> {
    let object = Object::open(node, path, &["share", "hold", "mode"], errors)?;
    let given = object.required("share", errors);
    let share = given.and_then(|node| share(node, &path.key("share"), errors));
    let hold = match object.get("hold") {
        Some(node) => hold(node, &path.key("hold"), errors),
        None if is_last => Some(Hold::Last),
        None if object.is_misspelt("hold") => None,
        None => {
            let message = "needs hold, which is a duration such as 10m or 1h30m, or manual";
            errors.add(path, ErrorKind::Missing, &message);
            None
        }
    };
    let mode = object.get("mode");
    let mode = mode.and_then(|node| keyword(node, &MODES, &path.key("mode"), errors));
    let gated = mode.unwrap_or_default();
    if gated && !matches!(hold, Some(Hold::For(_)) | None) {
        let message = "gate needs a hold that is a duration, such as hold: 10m";
        errors.add(&path.key("mode"), ErrorKind::Conflict, &message);
    }
    Some(Step { share: share?, hold: hold?, gated })
}

fn hold(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Hold> {
    match node {
        Node::String(given) if given == "manual" => Some(Hold::Manual),
        _ => duration(node, path, errors).map(Hold::For),
    }
}

/// Reads a duration as milliseconds.
pub(crate) fn duration(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<u64> {
    if let Node::Number(number) = node {
        let number = canonical_number(number);
        let message =
            format_args!("is a number, must be a duration with its unit, such as {number}s");
        errors.add(path, ErrorKind::Type, &message);
        return None;
    }
    let given = string(node, path, errors)?;
    let ms = duration::parse(given);
    if ms.is_none() {
        let meant = duration::meant(given);
        let suggestion = meant.as_deref().map(|name| Suggestion { name, is_only: true });
        let message = match (&suggestion, given) {
            (Some(_), _) => format!("{} is not a duration", quoted(given)),
            (None, "") => "is empty, write a duration such as 10m".into(),
            _ if is_zero(given) => {
                format!("{} is no time at all, at least 1ms is needed", quoted(given))
            }
            (None, _) => format!("{} is not a duration, write 10m, 1h30m or 2d", quoted(given)),
        };
        errors.add_name(path, ErrorKind::Value, &message, given, suggestion);
    }
    ms
}

/// Whether a text is a zero with a unit.
fn is_zero(text: &str) -> bool {
    text.starts_with('0') && text.chars().all(|c| c == '0' || c == '.' || c.is_ascii_alphabetic())
}
