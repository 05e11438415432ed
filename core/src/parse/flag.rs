//! The reader of flags.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::condition::condition;
use super::matches::path_matches;
use super::name;
use super::node::Node;
use super::progress::progress;
use super::reader::{self, Object, entries, keyword, list, share, wrong_type};
use super::split::{bucketing, weights_with_past};
use crate::error::{ErrorKind, Errors, Path};
use crate::name_map::NameMap;
use crate::spec::{Flag, FlagKind, FlagState, LayerRange, Rule, RuleAction, Variant};
use crate::structured_field;
use crate::value::timestamp::Timestamp;

const FLAG: [&str; 10] = [
    "kind",
    "owner",
    "purpose",
    "expires",
    "state",
    "variants",
    "defaultVariant",
    "requires",
    "rules",
    "deliver",
];
const KINDS: [(&str, FlagKind); 4] = [
    ("release", FlagKind::Release),
    ("experiment", FlagKind::Experiment),
    ("ops", FlagKind::Ops),
    ("permission", FlagKind::Permission),
];
const STATES: [(&str, FlagState); 2] =
    [("enabled", FlagState::Enabled), ("disabled", FlagState::Disabled)];
/// The maximum number of a flag's variants.
const MAX_VARIANTS: usize = 256;
/// The maximum number of a flag's rules.
const MAX_RULES: usize = 1000;

pub(crate) fn flag(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Flag {
    let Some(object) = Object::open(node, path, &FLAG, errors) else {
        return Flag::default();
    };
    let flag = Flag {
        kind: object.get("kind").and_then(|node| keyword(node, &KINDS, &path.key("kind"), errors)),
        owner: object.string("owner", errors),
        purpose: object.string("purpose", errors),
        expires: object.string("expires", errors),
        state: object
            .get("state")
            .and_then(|node| keyword(node, &STATES, &path.key("state"), errors))
            .unwrap_or_default(),
        variants: object
            .required("variants", errors)
            .map(|node| variants(node, &path.key("variants"), errors))
            .unwrap_or_default(),
        default_variant: object.required_name("defaultVariant", errors).unwrap_or_default(),
        requires: object
            .get("requires")
            .map(|node| requires(node, &path.key("requires"), errors))
            .unwrap_or_default(),
        rules: object
            .get("rules")
            .map(|node| rules(node, &path.key("rules"), errors))
            .unwrap_or_default(),
        deliver: object.get("deliver").map(|node| deliver(node, &path.key("deliver"), errors)),
    };
    check_lifecycle(&flag, &object, path, errors);
    flag
}

/// Checks the expiry date, and that a flag of a temporary kind has an owner and an expiry date.
fn check_lifecycle(flag: &Flag, object: &Object<'_>, path: &Path<'_>, errors: &mut Errors) {
    if let Some(expires) = flag.expires.as_deref().filter(|text| Timestamp::parse(text).is_none()) {
        errors.add(
            &path.key("expires"),
            ErrorKind::Value,
            &format_args!("{} is not a date, write 2026-12-31", crate::error::quoted(expires)),
        );
    }
    let kind = match flag.kind {
        Some(FlagKind::Release) => "release",
        Some(FlagKind::Experiment) => "experiment",
        _ => return,
    };
    for (field, given) in [("owner", &flag.owner), ("expires", &flag.expires)] {
        // A value of the wrong type is reported.
        let is_absent = object.get(field).is_none() && !object.is_misspelt(field);
        if given.is_none() && is_absent {
            errors.add(
                path,
                ErrorKind::Missing,
                &format_args!("the field {field} is missing, a flag of kind {kind} needs it"),
            );
        }
    }
}

fn variants(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> NameMap<Variant> {
    let Some(members) = entries(node, path, errors) else {
        return NameMap::new();
    };
    if members.is_empty() || members.len() > MAX_VARIANTS {
        errors.add(
            path,
            ErrorKind::Limit,
            &format_args!("has {} variants, allowed are 1 to {MAX_VARIANTS}", members.len()),
        );
    }
    let mut first: Option<(&str, &'static str)> = None;
    let mut variants = NameMap::new();
    for (name, value) in members {
        let here = path.key(name);
        name::check(name, &here, errors);
        let (other, kind) = *first.get_or_insert((name, value.kind()));
        if *value == Node::Null {
            wrong_type::<()>(value, "a value", &here, errors);
        } else if kind != value.kind() {
            errors.add(
                &here,
                ErrorKind::Type,
                &format_args!(
                    "is {}, but {other} is {kind}: all variants of a flag have the same type",
                    value.kind()
                ),
            );
        }
        let variant = Variant { json: value.canonical(), item: structured_field::bare_item(value) };
        variants.insert(name.as_ref().into(), variant);
    }
    variants
}

fn deliver(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Vec<crate::spec::PathMatch> {
    let Some(object) = Object::open(node, path, &["paths"], errors) else {
        return Vec::new();
    };
    let Some(paths) = object.required("paths", errors) else {
        return Vec::new();
    };
    path_matches(paths, &path.key("paths"), errors)
}

fn rules(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Vec<Rule> {
    let Some(items) = list(node, path, errors) else {
        return Vec::new();
    };
    if items.len() > MAX_RULES {
        errors.add(
            path,
            ErrorKind::Limit,
            &format_args!("has {} rules, at most {MAX_RULES} are allowed", items.len()),
        );
    }
    // A rule that cannot be read keeps its index, so that the paths of later rules are right.
    let unreadable =
        || Rule { name: None, when: None, layer: None, action: RuleAction::Serve(String::new()) };
    let read = |(index, item)| rule(item, &path.index(index), errors).unwrap_or_else(unreadable);
    items.iter().enumerate().map(read).collect()
}

fn rule(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Rule> {
    let known = ["name", "when", "layer", "serve", "split", "past", "ramp", "unit", "salt"];
    let object = Object::open(node, path, &known, errors)?;
    let name = object.string("name", errors);
    if let Some(name) = &name {
        name::check(name, &path.key("name"), errors);
    }
    let when = object.get("when").map(|node| condition(node, &path.key("when"), errors));
    let (kind, value) = object.only(&["serve", "split", "ramp"], errors)?;
    let here = path.key(kind);
    if kind != "split" {
        for field in ["unit", "salt", "past"].iter().filter(|field| object.get(field).is_some()) {
            let message = match kind {
                _ if *field == "past" => {
                    "needs split: it lists the split's previous weights".into()
                }
                "ramp" => format!("must be inside ramp, write ramp: {{ {field}: … }}"),
                _ => format!("has no effect with serve, which does not bucket: remove {field}"),
            };
            errors.add(&path.key(field), ErrorKind::Conflict, &message);
        }
    }
    let action = match kind {
        "serve" => RuleAction::Serve(reader::name(value, &here, errors)?.into()),
        "split" => RuleAction::Split {
            weights: weights_with_past(value, &object, path, errors),
            bucketing: bucketing(&object, errors),
        },
        _ => ramp(value, &here, errors)?,
    };
    let layer = object.get("layer").and_then(|node| layer(node, &path.key("layer"), errors));
    Some(Rule { name, when, layer, action })
}

fn ramp(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<RuleAction> {
    let known = ["variant", "share", "start", "steps", "unit", "salt"];
    let object = Object::open(node, path, &known, errors)?;
    let variant = object.required_name("variant", errors);
    let is_absent = object.get("share").is_none() && object.get("steps").is_none();
    if is_absent && !object.has_unknown() {
        errors.add(path, ErrorKind::Missing, &"needs share, or start and steps");
    }
    let progress = progress(&object, path, errors);
    let bucketing = bucketing(&object, errors);
    Some(RuleAction::Ramp { variant: variant?, progress: progress?, bucketing })
}

fn layer(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<LayerRange> {
    let object = Object::open(node, path, &["name", "range"], errors)?;
    let name = object.required_name("name", errors);
    let range = object.required("range", errors)?;
    let here = path.key("range");
    let bounds = list(range, &here, errors)?;
    let [from, to] = bounds else {
        errors.add(&here, ErrorKind::Value, &"is not a range, write two shares such as [0, 50]");
        return None;
    };
    let from = share(from, &here.index(0), errors)?;
    let to = share(to, &here.index(1), errors)?;
    if from >= to {
        errors.add(&here, ErrorKind::Value, &"is empty: the end must be greater than the start");
    }
    Some(LayerRange { name: name?, from, to })
}

fn requires(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Vec<(String, String)> {
    let Some(items) = list(node, path, errors) else { return Vec::new() };
    let mut required = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let here = path.index(index);
        let Some(object) = Object::open(item, &here, &["flag", "variant"], errors) else {
            continue;
        };
        let flag = object.required_name("flag", errors);
        let variant = object.required_name("variant", errors);
        required.extend(flag.zip(variant));
    }
    required
}
