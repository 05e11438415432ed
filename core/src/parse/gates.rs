//! The reader of a rollout's abort policy: `epoch`, `cooldown`, `gates` and `onAbort`.

use alloc::string::String;
use alloc::vec::Vec;

use super::matches::{self, path_matches};
use super::node::{Node, canonical_number};
use super::progress::duration;
use super::reader::{Object, decimal, keyword, list, share, string, strings, whole};
use crate::error::{ErrorKind, Errors, Path, quoted};
use crate::gate::{Edge, GateSettings, InferenceUnit, KpiSettings, LatencySettings, Ratio};
use crate::spec::{AbortPolicy, CountedUnits, Gates, KpiEvent, Statuses};
use crate::value::share::Share;

/// The maximum number of cohorts that are judged separately: each one costs α and memory.
pub(crate) const MAX_COHORTS: usize = 16;

/// Reads the abort policy of the rollout that is opened as `object`.
pub(crate) fn abort_policy(
    object: &Object<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> AbortPolicy {
    let epoch = object.get("epoch").and_then(|node| whole(node, &path.key("epoch"), errors));
    let cooldown = object.get("cooldown");
    let cooldown = cooldown.and_then(|node| duration(node, &path.key("cooldown"), errors));
    let gates = object.get("gates").and_then(|node| gates(node, &path.key("gates"), errors));
    let disables = object.get("onAbort").map(|node| on_abort(node, &path.key("onAbort"), errors));
    AbortPolicy {
        epoch: epoch.unwrap_or_default(),
        cooldown_ms: cooldown.unwrap_or_default(),
        gates,
        disables: disables.unwrap_or_default(),
    }
}

fn on_abort(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Vec<String> {
    let Some(object) = Object::open(node, path, &["disable"], errors) else { return Vec::new() };
    let Some(flags) = object.required("disable", errors) else { return Vec::new() };
    let here = path.key("disable");
    let names = strings(flags, &here, errors);
    reject_empty(&names, &here, errors);
    names.into_iter().map(String::from).collect()
}

const GATES: [&str; 11] = [
    "alpha",
    "count",
    "minSamples",
    "minRate",
    "maxBaselineErrorRate",
    "errors",
    "latency",
    "kpi",
    "promotion",
    "shadow",
    "cohorts",
];

const COUNTS: [(&str, CountedUnits); 2] =
    [("all", CountedUnits::All), ("verified", CountedUnits::Verified)];

fn gates(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Gates> {
    let object = Object::open(node, path, &GATES, errors)?;
    let reader = Reader { object: &object, path };
    let mut settings = GateSettings::default();
    reader.ppm("alpha", &mut settings.alpha_ppm, errors);
    let count =
        object.get("count").and_then(|node| keyword(node, &COUNTS, &path.key("count"), errors));
    reader.count("minSamples", &mut settings.min_samples, errors);
    reader.count("minRate", &mut settings.min_per_minute, errors);
    reader.share("maxBaselineErrorRate", &mut settings.max_baseline_errors, errors);
    let (statuses, timeout_ms) = error_gate(&object, path, &mut settings, errors);
    if let Some(node) = object.get("latency") {
        settings.latency = latency(node, &path.key("latency"), errors);
    }
    let kpi = object.get("kpi").and_then(|node| {
        let (event, compared) = kpi(node, &path.key("kpi"), errors)?;
        settings.kpi = Some(compared);
        Some(event)
    });
    if let Some(node) = object.get("promotion") {
        promotion(node, &path.key("promotion"), &mut settings, errors);
    }
    if settings.excluded <= settings.tolerated {
        let message = "promotion.exclude must be greater than errors.tolerate";
        errors.add(path, ErrorKind::Conflict, &message);
    }
    let max_divergence = object.get("shadow").and_then(|node| {
        let here = path.key("shadow");
        let object = Object::open(node, &here, &["maxDivergence"], errors)?;
        let node = object.required("maxDivergence", errors)?;
        divergence(node, &here.key("maxDivergence"), errors)
    });
    let cohorts = object.get("cohorts").map(|node| cohorts(node, &path.key("cohorts"), errors));
    Some(Gates {
        settings,
        errors: statuses,
        count: count.unwrap_or_default(),
        kpi,
        max_divergence,
        timeout_ms,
        cohorts: cohorts.unwrap_or_default(),
    })
}

/// The default of `errors.timeout`, in ms. A proxy's own time limit is mostly shorter (Envoy's: 15 s), so that it
/// matters where that limit is off.
const DEFAULT_TIMEOUT_MS: u64 = 30_000;
/// The allowed values of `errors.timeout`, in ms.
const TIMEOUT_MS: core::ops::RangeInclusive<u64> = 1_000..=600_000;

/// Reads `errors`: which responses are errors, after which time a missing one is, in ms, and how their rates are
/// compared.
fn error_gate(
    gates: &Object<'_>,
    path: &Path<'_>,
    settings: &mut GateSettings,
    errors: &mut Errors,
) -> (Statuses, u64) {
    const FIELDS: [&str; 7] =
        ["unit", "status", "timeout", "tolerate", "minDifference", "minRatio", "lateFaultErrors"];
    let default = (Statuses::SERVER_ERRORS, DEFAULT_TIMEOUT_MS);
    let Some(node) = gates.get("errors") else { return default };
    let here = path.key("errors");
    let Some(object) = Object::open(node, &here, &FIELDS, errors) else { return default };
    let timeout_ms = timeout(&object, &here, errors).unwrap_or(DEFAULT_TIMEOUT_MS);
    let reader = Reader { object: &object, path: &here };
    settings.unit = unit(&object, &here, errors);
    reader.ratio("tolerate", (1000, 100_000), &mut settings.tolerated, errors);
    reader.ratio("minRatio", (1000, 100_000), &mut settings.min_ratio, errors);
    reader.share("minDifference", &mut settings.min_difference, errors);
    reader.count("lateFaultErrors", &mut settings.late_fault_errors, errors);
    if (1..1000).contains(&settings.late_fault_errors) {
        let message = format_args!("is {}, allowed are 0 (off) and 1000 or more", {
            settings.late_fault_errors
        });
        errors.add(&here.key("lateFaultErrors"), ErrorKind::Value, &message);
        settings.late_fault_errors = 0;
    }
    // Promotion excludes a rate above the tolerated one.
    settings.excluded = settings.excluded.max(settings.tolerated.times(2000));
    (statuses(&object, &here, Statuses::SERVER_ERRORS, errors), timeout_ms)
}

/// Reads `unit`, which is the bucket if it is left out.
fn unit(object: &Object<'_>, path: &Path<'_>, errors: &mut Errors) -> InferenceUnit {
    const UNITS: [(&str, InferenceUnit); 2] =
        [("bucket", InferenceUnit::Bucket), ("request", InferenceUnit::Request)];
    let node = object.get("unit");
    let unit = node.and_then(|node| keyword(node, &UNITS, &path.key("unit"), errors));
    unit.unwrap_or(InferenceUnit::Bucket)
}

/// Reads `timeout`, in ms.
fn timeout(object: &Object<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<u64> {
    let node = object.get("timeout")?;
    let here = path.key("timeout");
    let ms = duration(node, &here, errors)?;
    if TIMEOUT_MS.contains(&ms) {
        return Some(ms);
    }
    let given = string(node, &here, errors)?;
    let message = format_args!("is {}, allowed are 1s to 10m", quoted(given));
    errors.add(&here, ErrorKind::Value, &message);
    None
}

fn promotion(node: &Node<'_>, path: &Path<'_>, settings: &mut GateSettings, errors: &mut Errors) {
    let Some(object) = Object::open(node, path, &["exclude", "alpha"], errors) else { return };
    let reader = Reader { object: &object, path };
    reader.ratio("exclude", (1001, 200_000), &mut settings.excluded, errors);
    reader.ppm("alpha", &mut settings.promotion_alpha_ppm, errors);
}

/// Reads `latency`: the tolerated slowdown in per cent, rounded down to whole steps of 2^(1/8).
fn latency(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<LatencySettings> {
    let object = Object::open(node, path, &["unit", "tolerate"], errors)?;
    let unit = unit(&object, path, errors);
    let mut tolerance = 0;
    if let Some(node) = object.get("tolerate") {
        let here = path.key("tolerate");
        let given = decimal(node, &here, errors)?;
        let counts = given.thousandths().and_then(|thousandths| {
            // In units of 0.001 %: 19 % slower is a ratio of 1.19, or 119,000.
            let ratio = u32::try_from(thousandths).ok()?.checked_add(100_000)?;
            (ratio <= 400_000).then(|| counts_within(ratio))
        });
        let Some(counts) = counts else {
            let message =
                format_args!("is {given}, allowed are 0 to 300 per cent in steps of 0.001");
            errors.add(&here, ErrorKind::Value, &message);
            return None;
        };
        tolerance = counts;
    }
    Some(LatencySettings { unit, tolerance, edges: Edge::DEFAULT })
}

/// The largest n with 2^(n/8) at most `ratio`, which is in units of 0.001 %; at most 16.
fn counts_within(ratio: u32) -> u8 {
    let covers = |n: &u8| Edge::new(*n).is_some_and(|edge| edge.micros() <= u64::from(ratio) / 100);
    // Edge n is at 2^(n/8) ms, which is 1,000 µs times the ratio.
    (1..=16).take_while(covers).last().unwrap_or(0)
}

fn kpi(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<(KpiEvent, KpiSettings)> {
    let known = ["unit", "methods", "paths", "status", "header", "tolerate"];
    let object = Object::open(node, path, &known, errors)?;
    let methods = object.get("methods");
    let methods = methods.map(|node| matches::methods(node, &path.key("methods"), errors));
    let paths = object.get("paths").map(|node| path_matches(node, &path.key("paths"), errors));
    if matches!(object.get("paths"), Some(Node::List(items)) if items.is_empty()) {
        let message = "is an empty list, which matches nothing: leave paths out to match all";
        errors.add(&path.key("paths"), ErrorKind::Value, &message);
    }
    let header = object.string("header", errors).map(|name| name.to_ascii_lowercase());
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if let Some(name) = header.as_deref().filter(|name| name.is_empty() || !name.bytes().all(token))
    {
        let message =
            format_args!("{} is not the name of a header field, write x-order", quoted(name));
        errors.add(&path.key("header"), ErrorKind::Value, &message);
    }
    if methods.is_none()
        && paths.is_none()
        && header.is_none()
        && object.get("status").is_none()
        && !object.has_unknown()
    {
        let message = "needs methods, paths, status or header, which define the KPI event";
        errors.add(path, ErrorKind::Missing, &message);
    }
    let unit = unit(&object, path, errors);
    let mut tolerated = Ratio::ONE;
    Reader { object: &object, path }.ratio("tolerate", (51, 1000), &mut tolerated, errors);
    let status = statuses(&object, path, Statuses::SUCCESSES, errors);
    let (methods, paths) = (methods.unwrap_or_default(), paths.unwrap_or_default());
    Some((KpiEvent { methods, paths, status, header }, KpiSettings { unit, tolerated }))
}

/// Reads the share of responses that may differ. 0 and 100 % are refused: no rate of them can be
/// judged.
fn divergence(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Share> {
    let given = share(node, path, errors)?;
    let judged = 1..=50_000;
    if !judged.contains(&given.millipercent()) {
        let message = format_args!("is {given}, allowed are 0.001 to 50 per cent");
        errors.add(path, ErrorKind::Value, &message);
        return None;
    }
    Some(given)
}

fn cohorts(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Vec<String> {
    let names = strings(node, path, errors);
    if names.len() > MAX_COHORTS {
        let count = names.len();
        let message = format_args!("has {count} cohorts, at most {MAX_COHORTS} are allowed");
        errors.add(path, ErrorKind::Limit, &message);
    }
    reject_empty(&names, path, errors);
    names.into_iter().map(String::from).collect()
}

fn reject_empty(names: &[&str], path: &Path<'_>, errors: &mut Errors) {
    for (index, _) in names.iter().enumerate().filter(|(_, name)| name.is_empty()) {
        errors.add(&path.index(index), ErrorKind::Value, &"is empty, write a name");
    }
}

/// Reads `status`: a list of classes such as `5xx` and of single statuses such as `429`.
fn statuses(
    object: &Object<'_>,
    path: &Path<'_>,
    default: Statuses,
    errors: &mut Errors,
) -> Statuses {
    let Some(node) = object.get("status") else { return default };
    let here = path.key("status");
    let mut found = Statuses { classes: 0, codes: Vec::new() };
    for (index, item) in list(node, &here, errors).unwrap_or_default().iter().enumerate() {
        let here = here.index(index);
        if let Node::Number(number) = item {
            let code = whole(item, &here, errors).and_then(|code| u16::try_from(code).ok());
            match code.filter(|code| (100..=599).contains(code)) {
                Some(code) => found.codes.push(code),
                None => {
                    let given = canonical_number(number);
                    let message = format_args!("{given} is not a status, allowed are 100 to 599");
                    errors.add(&here, ErrorKind::Value, &message);
                }
            }
            continue;
        }
        let Some(given) = string(item, &here, errors) else { continue };
        match given.as_bytes() {
            [class @ b'1'..=b'5', b'x', b'x'] => found.classes |= 1 << class.saturating_sub(b'0'),
            _ => {
                let message =
                    format_args!("{} is not a class of statuses, write 5xx or 429", quoted(given));
                errors.add(&here, ErrorKind::Value, &message);
            }
        }
    }
    if matches!(node, Node::List(items) if items.is_empty()) {
        errors.add(
            &here,
            ErrorKind::Value,
            &"is an empty list, name a class such as 5xx or a status such as 429",
        );
    }
    found
}

/// A reader of optional numbers, each of which replaces a default.
struct Reader<'r> {
    object: &'r Object<'r>,
    path: &'r Path<'r>,
}

impl Reader<'_> {
    fn count(&self, field: &str, into: &mut u64, errors: &mut Errors) {
        let given = self.object.get(field);
        let given = given.and_then(|node| whole(node, &self.path.key(field), errors));
        *into = given.unwrap_or(*into);
    }

    fn share(&self, field: &str, into: &mut u32, errors: &mut Errors) {
        let given = self.object.get(field);
        let given = given.and_then(|node| share(node, &self.path.key(field), errors));
        *into = given.map_or(*into, Share::millipercent);
    }

    /// Reads a probability in per cent as parts per million.
    fn ppm(&self, field: &str, into: &mut u32, errors: &mut Errors) {
        let Some(node) = self.object.get(field) else { return };
        let here = self.path.key(field);
        let Some(given) = share(node, &here, errors) else { return };
        let ppm = given.millipercent().saturating_mul(10);
        if (1..=500_000).contains(&ppm) {
            *into = ppm;
        } else {
            let message = format_args!("is {given}, allowed are 0.001 to 50 per cent");
            errors.add(&here, ErrorKind::Value, &message);
        }
    }

    /// Reads a ratio; the bounds are in thousandths.
    fn ratio(&self, field: &str, (min, max): (u32, u32), into: &mut Ratio, errors: &mut Errors) {
        let Some(node) = self.object.get(field) else { return };
        let here = self.path.key(field);
        let Some(given) = decimal(node, &here, errors) else { return };
        let thousandths = given.thousandths().and_then(|number| u32::try_from(number).ok());
        let within = thousandths.filter(|number| (min..=max).contains(number));
        match within.and_then(Ratio::from_thousandths) {
            Some(ratio) => *into = ratio,
            None => {
                let bound = |number| Ratio::from_thousandths(number).unwrap_or(Ratio::ONE);
                let (min, max) = (bound(min), bound(max));
                let message =
                    format_args!("is {given}, allowed are {min} to {max} in steps of 0.001");
                errors.add(&here, ErrorKind::Value, &message);
            }
        }
    }
}
