//! Observers of a decision: they receive the steps of the code path that decides.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::attribute::Attribute;
pub use crate::condition::Value;

use crate::condition::Operator;
use crate::decision::{ErrorCode, Reason};
use crate::error::quoted;
use crate::hash::Bucket;
use crate::parse::node::{Members, Node};
use crate::value::share::Share;
use crate::value::timestamp::Timestamp;

/// An observer of a decision. It receives each step in the order of evaluation.
pub trait Observer {
    /// Receives one step.
    fn event(&mut self, event: Event<'_>);
}

/// An observer that ignores every step, at no cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    #[inline]
    fn event(&mut self, _: Event<'_>) {}
}

/// A step of a decision. [`Recorder`] renders its fields.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum Event<'e> {
    /// No rollout matches the request.
    NoRollout { host: &'e str, path: &'e str },
    /// A rollout matches; what follows chooses the arm.
    Rollout { name: &'e str, host: &'e str, path: &'e str },
    /// A ring is tried; its condition follows.
    Ring { index: usize },
    /// A rollout is aborted: all units get the baseline, and the flags that it disables their default.
    Aborted { rollout: &'e str, epoch: u64, reason: &'e str },
    /// The host does not know yet whether a rollout is aborted: all units get the baseline.
    UnknownState { rollout: &'e str },
    /// The spec disables a flag.
    StateDisabled,
    /// An override forces the arm or variant that follows.
    Override { key: &'e str },
    /// The arm that was chosen.
    Arm { name: &'e str, reason: Reason, error: Option<ErrorCode> },
    /// A shadow is considered; what follows decides.
    Shadow { name: &'e str },
    /// A flag is evaluated; what follows chooses the variant.
    Flag { name: &'e str },
    /// A rule is tried.
    Rule { name: &'e str },
    /// The variant that was chosen.
    Variant { name: &'e str, json: &'e str, reason: Reason, error: Option<ErrorCode> },
    /// A session's pin was checked.
    Pin { cookie: &'e str, value: Option<&'e str>, valid: bool },
    /// A flag that another one requires was evaluated.
    Required { met: bool },
    /// A holdout is tried.
    Holdout { name: &'e str },
    /// The step that is in force.
    Step { index: usize, since: Timestamp },
    /// A bucket was compared with a rule's range of a layer.
    Layer { salt: &'e str, bucket: Bucket, start: u32, end: u32, inside: bool },
    /// A group of conditions begins.
    Open(ConditionGroup<'e>),
    /// The group that was opened last ends.
    Close { holds: bool },
    /// An attribute was tested.
    Test { attribute: &'e Attribute, operator: &'e Operator, value: Value<'e>, holds: bool },
    /// A unit was looked up.
    Unit { name: &'e str, value: Option<&'e str> },
    /// A bucket was compared with a share.
    Share { salt: &'e str, bucket: Bucket, share: Share },
    /// A bucket chose a range.
    Range { salt: &'e str, bucket: Bucket, start: u32, end: u32 },
}

/// The kind of a group of conditions.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ConditionGroup<'e> {
    /// All conditions must hold.
    All,
    /// At least one condition must hold.
    Any,
    /// The condition must not hold.
    Not,
    /// The condition of a cohort.
    Cohort(&'e str),
}

/// An observer that records every step, as text for people and as JSON for tools.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    steps: Vec<Step>,
    depth: usize,
    open: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Step {
    depth: usize,
    text: String,
    json: Members<'static>,
}

impl Recorder {
    /// A recorder without steps.
    pub fn new() -> Recorder {
        Recorder::default()
    }

    /// The steps as text, one line each, indented by depth.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for step in &self.steps {
            for _ in 0..step.depth {
                out.push_str("  ");
            }
            out.push_str(&step.text);
            out.push('\n');
        }
        out
    }

    /// The steps as a JSON list of objects: `step`, `depth`, and the fields of the step.
    pub fn to_json(&self) -> String {
        let object = |step: &Step| {
            let mut object = step.json.clone();
            object.insert("depth".into(), Node::Number(step.depth.into()));
            Node::Object(object)
        };
        Node::List(self.steps.iter().map(object).collect()).canonical()
    }

    fn push(
        &mut self,
        depth: usize,
        kind: &str,
        line: String,
        fields: &[(&'static str, Node<'static>)],
    ) {
        let mut json = Members::default();
        json.insert("step".into(), text(kind));
        for (name, node) in fields {
            json.insert((*name).into(), node.clone());
        }
        self.steps.push(Step { depth, text: line, json });
    }

    fn close(&mut self, holds: bool) {
        self.depth = self.depth.saturating_sub(1);
        let Some(step) = self.open.pop().and_then(|index| self.steps.get_mut(index)) else {
            return;
        };
        step.text.push_str(if holds { ": yes" } else { ": no" });
        step.json.insert("holds".into(), Node::Bool(holds));
    }
}

fn text(value: &str) -> Node<'static> {
    Node::String(value.to_owned().into())
}

fn number(value: u32) -> Node<'static> {
    Node::Number(value.into())
}

fn outcome(
    reason: Reason,
    error: Option<ErrorCode>,
) -> (String, [(&'static str, Node<'static>); 2]) {
    let code = error.map(ErrorCode::as_str);
    let shown = match code {
        Some(code) => format!("{} {code}", reason.as_str()),
        None => reason.as_str().to_owned(),
    };
    let fields = [("reason", text(reason.as_str())), ("errorCode", code.map_or(Node::Null, text))];
    (shown, fields)
}

/// A number of buckets in percent: `12.345`.
fn percent(buckets: u32) -> String {
    crate::value::decimal::Decimal::from_thousandths(buckets.into()).to_string()
}

impl Observer for Recorder {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::NoRollout { host, path } => {
                let line =
                    format!("no rollout matches host {} path {}", quoted(host), quoted(path));
                self.push(0, "noRollout", line, &[("host", text(host)), ("path", text(path))]);
            }
            Event::Rollout { name, host, path } => {
                let line =
                    format!("rollout {name} matches host {} path {}", quoted(host), quoted(path));
                let fields = [("name", text(name)), ("host", text(host)), ("path", text(path))];
                self.push(0, "rollout", line, &fields);
                self.depth = 1;
            }
            Event::Ring { index } => {
                let shown = Node::Number(index.into());
                self.push(1, "ring", format!("rings[{index}]"), &[("index", shown)]);
                self.depth = 2;
            }
            Event::Override { key } => {
                let line = format!("override signed by {key}");
                self.push(1, "override", line, &[("key", text(key))]);
            }
            Event::Arm { name, reason, error } => {
                let (shown, [reason, code]) = outcome(reason, error);
                let fields = [("name", text(name)), reason, code];
                self.push(0, "arm", format!("→ arm {name} ({shown})"), &fields);
            }
            Event::Shadow { name } => {
                self.push(0, "shadow", format!("shadow {name}"), &[("name", text(name))]);
                self.depth = 1;
            }
            Event::Flag { name } => {
                self.push(0, "flag", format!("flag {name}"), &[("name", text(name))]);
                self.depth = 1;
            }
            Event::Rule { name } => {
                self.push(1, "rule", format!("rule {name}"), &[("name", text(name))]);
                self.depth = 2;
            }
            Event::Variant { name, json, reason, error } => {
                let (shown, [reason, code]) = outcome(reason, error);
                let fields = [("name", text(name)), ("value", text(json)), reason, code];
                self.push(0, "variant", format!("→ variant {name} = {json} ({shown})"), &fields);
            }
            other => self.condition_event(other),
        }
    }
}

impl Recorder {
    fn condition_event(&mut self, event: Event<'_>) {
        let depth = self.depth;
        match event {
            Event::Open(group) => {
                let (kind, line) = match group {
                    ConditionGroup::All => ("all", "all of".to_owned()),
                    ConditionGroup::Any => ("any", "any of".to_owned()),
                    ConditionGroup::Not => ("not", "not".to_owned()),
                    ConditionGroup::Cohort(name) => ("cohort", format!("cohort {name}")),
                };
                self.open.push(self.steps.len());
                let name =
                    if let ConditionGroup::Cohort(name) = group { text(name) } else { Node::Null };
                self.push(depth, kind, line, &[("name", name)]);
                self.depth = depth.saturating_add(1);
            }
            Event::Close { holds } => self.close(holds),
            Event::Test { attribute, operator, value, holds } => {
                let answer = if holds { "yes" } else { "no" };
                let (shown, json) = match value {
                    Value::Missing => ("missing".to_owned(), Node::Null),
                    Value::String(value) => (quoted(value), text(value)),
                    Value::Time(time) => (time.to_string(), text(&time.to_string())),
                };
                let mut fields = alloc::vec![
                    ("attribute", text(&attribute.to_string())),
                    ("operator", text(&operator.to_string())),
                    ("value", json),
                    ("holds", Node::Bool(holds)),
                ];
                let mut line = format!("{attribute} {operator}: {answer}, saw {shown}");
                if let Some(wanted) = operator.unmet_type(value) {
                    line.push_str(&format!(", which is not {wanted}"));
                    fields.push(("isNot", text(wanted)));
                }
                self.push(depth, "test", line, &fields);
            }
            Event::Unit { name, value } => {
                let shown = value.map_or_else(|| "missing".to_owned(), quoted);
                let fields = [("name", text(name)), ("value", value.map_or(Node::Null, text))];
                self.push(depth, "unit", format!("unit {name} = {shown}"), &fields);
            }
            Event::Share { salt, bucket, share } => {
                let holds = bucket.is_in(share);
                let line = format!(
                    "bucket {} (salt {}) {} share {}: {}",
                    percent(bucket.number()),
                    quoted(salt),
                    if holds { "<" } else { "≥" },
                    percent(share.millipercent()),
                    if holds { "in" } else { "out" },
                );
                let fields = [
                    ("salt", text(salt)),
                    ("bucket", number(bucket.number())),
                    ("share", number(share.millipercent())),
                    ("holds", Node::Bool(holds)),
                ];
                self.push(depth, "share", line, &fields);
            }
            Event::Range { salt, bucket, start, end } => {
                let line = format!(
                    "bucket {} (salt {}) in {} to {}",
                    percent(bucket.number()),
                    quoted(salt),
                    percent(start),
                    percent(end),
                );
                let fields = [
                    ("salt", text(salt)),
                    ("bucket", number(bucket.number())),
                    ("start", number(start)),
                    ("end", number(end)),
                ];
                self.push(depth, "range", line, &fields);
            }
            Event::Pin { cookie, value, valid } => {
                let shown = value.map_or_else(|| "missing".to_owned(), quoted);
                let answer = if valid { "holds" } else { "does not hold" };
                let fields = [
                    ("cookie", text(cookie)),
                    ("value", value.map_or(Node::Null, text)),
                    ("holds", Node::Bool(valid)),
                ];
                self.push(depth, "pin", format!("pin {cookie} = {shown}: {answer}"), &fields);
            }
            Event::Required { met } => {
                let answer = if met { "as required" } else { "not as required" };
                self.depth = 1;
                self.push(1, "required", answer.to_owned(), &[("holds", Node::Bool(met))]);
            }
            Event::Aborted { rollout, epoch, reason } => {
                let line = format!("rollout {rollout} is aborted in epoch {epoch}: {reason}");
                let fields = [
                    ("rollout", text(rollout)),
                    ("epoch", Node::Number(epoch.into())),
                    ("reason", text(reason)),
                ];
                self.push(1, "aborted", line, &fields);
            }
            Event::UnknownState { rollout } => {
                let line = format!("rollout {rollout}: the host does not know its aborts yet");
                self.push(1, "unknownState", line, &[("rollout", text(rollout))]);
            }
            Event::StateDisabled => {
                self.push(1, "stateDisabled", "the spec says state: disabled".to_owned(), &[]);
            }
            Event::Holdout { name } => {
                self.push(1, "holdout", format!("holdout {name}"), &[("name", text(name))]);
                self.depth = 2;
            }
            Event::Step { index, since } => {
                let since = since.to_string();
                let fields = [("index", Node::Number(index.into())), ("since", text(&since))];
                self.push(depth, "step", format!("steps[{index}] since {since}"), &fields);
            }
            Event::Layer { salt, bucket, start, end, inside } => {
                let line = format!(
                    "bucket {} (layer salt {}) in {} to {}: {}",
                    percent(bucket.number()),
                    quoted(salt),
                    percent(start),
                    percent(end),
                    if inside { "yes" } else { "no" },
                );
                let fields = [
                    ("salt", text(salt)),
                    ("bucket", number(bucket.number())),
                    ("start", number(start)),
                    ("end", number(end)),
                    ("holds", Node::Bool(inside)),
                ];
                self.push(depth, "layer", line, &fields);
            }
            _ => {}
        }
    }
}
