//! A rollout as it is read from a manifest, and the spec that rollouts make together.

use super::node::Node;
use super::steps::Step;
use super::{Failure, Note, Notes, Options};
use crate::yaml;
use serde_json::{Map, Value, json};
use serin_core::Plan;

/// So far away that nothing moves by itself.
const FAR: &str = "2100-01-01T00:00:00Z";
/// The unit of rollouts whose manifests say nothing of sessions: a browser, by a cookie.
const UNIT: &str = "user";
const COOKIE: &str = "serin_id";

/// A rollout to be.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) line: usize,
    /// Upstream of the version that is there, and of the one that comes.
    pub(super) targets: [String; 2],
    pub(super) hosts: Vec<String>,
    pub(super) paths: Vec<Value>,
    pub(super) mode: Mode,
    pub(super) shadow: Option<Value>,
    pub(super) gates: Map<String, Value>,
    /// Conditions whose requests get the new version in any case, by name.
    pub(super) rings: Vec<(String, Value)>,
    /// A cookie that keeps sessions together.
    pub(super) cookie: Option<String>,
}

/// How traffic gets to the new version.
pub(super) enum Mode {
    /// By steps.
    Steps(Vec<Step>),
    /// All at once, when somebody says so.
    BlueGreen,
}

impl Draft {
    pub(super) fn new(document: &Node, notes: &mut Notes) -> Draft {
        let given = document.text_at("metadata.name").unwrap_or("rollout");
        let name = plain(given);
        if name != given {
            let text = format!("metadata.name becomes {name}: names are letters, digits, - and _");
            notes.list.push(Note { line: document.line, text });
        }
        Draft {
            targets: [format!("{name}-stable"), format!("{name}-canary")],
            name,
            line: document.line,
            hosts: Vec::new(),
            paths: Vec::new(),
            mode: Mode::Steps(Vec::new()),
            shadow: None,
            gates: Map::new(),
            rings: Vec::new(),
            cookie: None,
        }
    }

    /// Their gates compare with fixed numbers or with whatever a query says, Serin's with the baseline.
    pub(super) fn gate(&mut self, kind: &str) {
        self.gates.entry(kind).or_insert_with(|| json!({}));
    }

    fn unit(&self) -> String {
        match &self.cookie {
            Some(_) => plain(&format!("{}-session", self.name)),
            None => UNIT.to_owned(),
        }
    }

    fn value(&self, cohorts: &[String], start: &str) -> Value {
        let [stable, canary] = &self.targets;
        let (old, new) = match self.mode {
            Mode::Steps(_) => ("stable", "canary"),
            Mode::BlueGreen => ("blue", "green"),
        };
        let mut value = json!({
            "arms": {old: {"target": stable}, new: {"target": canary}},
            "baseline": old,
            "unit": self.unit(),
        });
        let mut matches = Map::new();
        if !self.hosts.is_empty() {
            matches.insert("hosts".into(), self.hosts.clone().into());
        }
        if !self.paths.is_empty() {
            matches.insert("paths".into(), self.paths.clone().into());
        }
        if !matches.is_empty() {
            value["match"] = matches.into();
        }
        match &self.mode {
            Mode::BlueGreen => value["blueGreen"] = json!({"active": old}),
            Mode::Steps(steps) => {
                let steps: Vec<Value> = steps.iter().map(|step| step.value()).collect();
                value["canary"] = json!({"start": start, "steps": steps});
                if !cohorts.is_empty() {
                    let ring = |name: &String| json!({"cohort": name});
                    value["canary"]["rings"] = cohorts.iter().map(ring).collect();
                }
            }
        }
        if let Some(shadow) = &self.shadow {
            value["shadow"] = shadow.clone();
        }
        if !self.gates.is_empty() {
            value["gates"] = Value::Object(self.gates.clone());
        }
        value
    }
}

/// A name that a spec may give.
pub(super) fn plain(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name: String = text.chars().map(|c| if fits(c) { c } else { '-' }).take(64).collect();
    if name.is_empty() { "rollout".to_owned() } else { name }
}

/// The spec of all rollouts of a file, held against the reader of specs.
pub(super) fn spec(
    mut drafts: Vec<Draft>,
    options: &Options,
    notes: &mut Notes,
) -> Result<String, Failure> {
    tell_apart(&mut drafts, notes);
    let start = options.start.as_deref().unwrap_or(FAR);
    let (mut units, mut cohorts, mut rollouts) = (Map::new(), Map::new(), Map::new());
    for draft in &drafts {
        if rollouts.contains_key(&draft.name) {
            let text = format!("a second rollout of the name {}", draft.name);
            return Err(Failure { notes: vec![Note { line: draft.line, text }] });
        }
        let cookie = draft.cookie.as_deref().unwrap_or(COOKIE);
        units.insert(draft.unit(), json!([{"anonymous": cookie}]));
        let names: Vec<String> = draft
            .rings
            .iter()
            .map(|(name, when)| cohort(&mut cohorts, draft, name, when))
            .collect();
        rollouts.insert(draft.name.clone(), draft.value(&names, start));
    }
    common(&drafts, options, notes);
    let mut value =
        json!({"formatVersion": 1, "revision": 1, "units": units, "rollouts": rollouts});
    if !cohorts.is_empty() {
        value["cohorts"] = cohorts.into();
    }
    let json = value.to_string();
    Plan::from_json(json.as_bytes()).map_err(|errors| {
        let note = |line: &str| Note { line: 0, text: format!("the spec would not hold: {line}") };
        Failure { notes: errors.to_string().lines().map(note).collect() }
    })?;
    let head = format!("Made by `serin import` from {}; yours to edit from here on.", options.name);
    Ok(format!("{}{}", yaml::comment(&[head]), yaml::document(&value)))
}

/// Rollouts that match everything can't stand beside each other.
fn tell_apart(drafts: &mut [Draft], notes: &mut Notes) {
    if drafts.len() < 2 {
        return;
    }
    for draft in drafts.iter_mut().filter(|draft| draft.hosts.is_empty()) {
        let host = draft.name.to_ascii_lowercase();
        let text = format!(
            "rollouts.{}.match.hosts is {host}: the manifest names no host, and several rollouts need to be told apart",
            draft.name
        );
        notes.list.push(Note { line: draft.line, text });
        draft.hosts.push(host);
    }
}

/// Adds a cohort; one of the same name and another meaning has the rollout's name in front.
fn cohort(cohorts: &mut Map<String, Value>, draft: &Draft, name: &str, when: &Value) -> String {
    let mut chosen = plain(name);
    while cohorts.get(&chosen).is_some_and(|known| known != when) {
        chosen = plain(&format!("{}-{chosen}", draft.name));
        if chosen.len() == 64 {
            chosen = format!("cohort-{}", cohorts.len());
        }
    }
    cohorts.insert(chosen.clone(), when.clone());
    chosen
}

/// What is to be said of every import.
fn common(drafts: &[Draft], options: &Options, notes: &mut Notes) {
    let mut say = |text: String| notes.list.push(Note { line: 0, text });
    if drafts.iter().any(|draft| draft.cookie.is_none()) {
        say(format!(
            "units.{UNIT} is a cookie of Serin's own; put the header or claim that names your users before it"
        ));
    }
    if options.start.is_none() && drafts.iter().any(|draft| matches!(draft.mode, Mode::Steps(_))) {
        say(format!(
            "start is {FAR}: theirs begin with a new image, a spec's at a moment; edit it, or give --start"
        ));
    }
}
