//! The reader of rollouts.

use alloc::string::String;
use alloc::vec::Vec;

use super::condition::condition;
use super::gates::abort_policy;
use super::matches::{host_matches, methods, path_matches};
use super::name;
use super::node::Node;
use super::progress::{duration, progress};
use super::reader::{Object, entries, keyword, list, share, whole};
use super::split::{bucketing, weights_with_past};
use crate::error::{ErrorKind, Errors, Path};
use crate::hash::digest;
use crate::name_map::NameMap;
use crate::spec::{Arm, Compare, Mode, Rollout, RouteMatch, Shadow};

const ROLLOUT: [&str; 15] = [
    "match",
    "unit",
    "salt",
    "arms",
    "baseline",
    "canary",
    "blueGreen",
    "split",
    "past",
    "shadow",
    "fallback",
    "epoch",
    "cooldown",
    "gates",
    "onAbort",
];
/// The fields of which a rollout has at most one.
const MODES: [&str; 3] = ["canary", "blueGreen", "split"];

pub(crate) fn rollout(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Rollout {
    let Some(object) = Object::open(node, path, &ROLLOUT, errors) else {
        return Rollout::default();
    };
    Rollout {
        matches: object
            .get("match")
            .map(|node| route_match(node, &path.key("match"), errors))
            .unwrap_or_default(),
        bucketing: bucketing(&object, errors),
        arms: object
            .required("arms", errors)
            .map(|node| arms(node, &path.key("arms"), errors))
            .unwrap_or_default(),
        baseline: object.required_name("baseline", errors).unwrap_or_default(),
        mode: mode(&object, path, errors),
        shadow: object.get("shadow").and_then(|node| shadow(node, &path.key("shadow"), errors)),
        falls_back: object
            .get("fallback")
            .and_then(|node| keyword(node, &[("baseline", true)], &path.key("fallback"), errors))
            .unwrap_or_default(),
        abort_policy: abort_policy(&object, path, errors),
        digest: digest(node.canonical().as_bytes()),
    }
}

const COMPARE: [(&str, Compare); 3] =
    [("none", Compare::Nothing), ("status", Compare::Status), ("body", Compare::Body)];
/// The default number of shadow copies that may be in flight at once.
const DEFAULT_IN_FLIGHT: u32 = 16;
/// The maximum of that number.
const MAX_IN_FLIGHT: u64 = 1000;

fn shadow(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Shadow> {
    let known = ["arm", "percent", "when", "methods", "compare", "maxInFlight"];
    let object = Object::open(node, path, &known, errors)?;
    let arm = object.required_name("arm", errors);
    let given = object.required("percent", errors);
    let percent = given.and_then(|node| share(node, &path.key("percent"), errors));
    let when = object.get("when").map(|node| condition(node, &path.key("when"), errors));
    let methods = object.get("methods").map(|node| methods(node, &path.key("methods"), errors));
    let compare = object
        .get("compare")
        .and_then(|node| keyword(node, &COMPARE, &path.key("compare"), errors))
        .unwrap_or_default();
    let in_flight =
        object.get("maxInFlight").map(|node| in_flight(node, &path.key("maxInFlight"), errors));
    Some(Shadow {
        arm: arm?,
        share: percent?,
        when,
        methods: methods.unwrap_or_else(|| ["GET", "HEAD"].map(String::from).into()),
        compare,
        max_in_flight: in_flight.unwrap_or(DEFAULT_IN_FLIGHT),
    })
}

fn in_flight(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> u32 {
    let Some(given) = whole(node, path, errors) else { return DEFAULT_IN_FLIGHT };
    if given == 0 || given > MAX_IN_FLIGHT {
        errors.add(
            path,
            ErrorKind::Value,
            &format_args!("is {given}, allowed are 1 to {MAX_IN_FLIGHT}"),
        );
    }
    u32::try_from(given).unwrap_or(DEFAULT_IN_FLIGHT)
}

fn arms(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> NameMap<Arm> {
    let Some(members) = entries(node, path, errors) else {
        return NameMap::new();
    };
    if members.is_empty() {
        errors.add(path, ErrorKind::Value, &"is empty, at least the baseline's arm is needed");
    }
    let mut arms = NameMap::new();
    for (arm_name, value) in members {
        let here = path.key(arm_name);
        name::check(arm_name, &here, errors);
        let known = ["target", "schemaEpoch", "needsSchemaEpoch"];
        let Some(object) = Object::open(value, &here, &known, errors) else {
            arms.insert(arm_name.as_ref().into(), Arm::default());
            continue;
        };
        let target = object.required_string("target", errors);
        let mut epoch =
            |field| object.get(field).and_then(|node| whole(node, &here.key(field), errors));
        let (schema_epoch, needs_schema_epoch) = (epoch("schemaEpoch"), epoch("needsSchemaEpoch"));
        if let Some(target) = &target {
            check_target(target, &here.key("target"), errors);
        }
        let target = target.unwrap_or_default();
        arms.insert(arm_name.as_ref().into(), Arm { target, schema_epoch, needs_schema_epoch });
    }
    arms
}

/// Checks the name of an upstream, which is the value of a header field where the arm is a shadow.
fn check_target(target: &str, path: &Path<'_>, errors: &mut Errors) {
    const MAX_BYTES: usize = 1024;
    if target.is_empty() {
        errors.add(path, ErrorKind::Value, &"is empty, name an upstream");
    } else if target.len() > MAX_BYTES {
        let given = target.len();
        let message = format_args!("is {given} bytes long, at most {MAX_BYTES} are allowed");
        errors.add(path, ErrorKind::Limit, &message);
    } else if target.chars().any(char::is_control) {
        errors.add(
            path,
            ErrorKind::Value,
            &"has a control character, name an upstream without one",
        );
    }
}

fn mode(object: &Object<'_>, path: &Path<'_>, errors: &mut Errors) -> Mode {
    if object.get("past").is_some() && object.get("split").is_none() {
        let message = "needs split: it lists the split's previous weights";
        errors.add(&path.key("past"), ErrorKind::Conflict, &message);
    }
    if MODES.iter().all(|mode| object.get(mode).is_none()) {
        return Mode::Baseline;
    }
    let Some((kind, node)) = object.only(&MODES, errors) else {
        return Mode::Baseline;
    };
    let here = path.key(kind);
    let mode = match kind {
        "canary" => canary(node, &here, errors),
        "blueGreen" => blue_green(node, &here, errors),
        _ => Some(Mode::Split(weights_with_past(node, object, path, errors))),
    };
    mode.unwrap_or_default()
}

fn canary(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Mode> {
    let known = ["arm", "rings", "share", "start", "steps"];
    let object = Object::open(node, path, &known, errors)?;
    let arm = object.name("arm", errors);
    let given = object.get("share").or(object.get("steps"));
    let progress = progress(&object, path, errors);
    let mut rings = Vec::new();
    if let Some(node) = object.get("rings") {
        let here = path.key("rings");
        for (index, item) in list(node, &here, errors)?.iter().enumerate() {
            rings.push(condition(item, &here.index(index), errors));
        }
    }
    if given.is_none() && rings.is_empty() && !object.has_unknown() {
        errors.add(path, ErrorKind::Missing, &"needs a share, steps or rings");
    }
    Some(Mode::Canary { arm, rings, progress: progress.unwrap_or_default() })
}

fn blue_green(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Mode> {
    let object = Object::open(node, path, &["active", "pinSessions"], errors)?;
    let pin = object.get("pinSessions");
    let pin_ms = pin.and_then(|node| duration(node, &path.key("pinSessions"), errors));
    let active = object.required_name("active", errors)?;
    Some(Mode::BlueGreen { active, pin_ms: pin_ms.unwrap_or_default() })
}

fn route_match(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> RouteMatch {
    let Some(object) = Object::open(node, path, &["hosts", "paths"], errors) else {
        return RouteMatch::default();
    };
    let paths = object.get("paths").map(|node| path_matches(node, &path.key("paths"), errors));
    let hosts = object.get("hosts").map(|node| host_matches(node, &path.key("hosts"), errors));
    for (field, empty) in [
        ("hosts", hosts.as_ref().is_some_and(Vec::is_empty)),
        ("paths", paths.as_ref().is_some_and(Vec::is_empty)),
    ] {
        if empty && matches!(object.get(field), Some(Node::List(items)) if items.is_empty()) {
            errors.add(
                &path.key(field),
                ErrorKind::Value,
                &format_args!(
                    "is an empty list, which matches nothing: leave {field} out to match all"
                ),
            );
        }
    }
    RouteMatch { hosts: hosts.unwrap_or_default(), paths: paths.unwrap_or_default() }
}
