//! Drafts: rollouts as read from manifests, and the spec that they form together.

use super::node::Node;
use super::notes::{ImportError, ImportErrorKind, Note, Notes};
use super::steps::Step;
use crate::yaml;
use serde_json::{Map, Value, json};
use serin_core::Plan;

/// The default start of the first step, so late that nothing moves by itself.
const DEFAULT_START: &str = "2100-01-01T00:00:00Z";
/// The unit of a rollout without session affinity: a browser, by a cookie.
const UNIT: &str = "user";
/// The cookie of that unit.
const COOKIE: &str = "serin_id";

/// What a spec needs and manifests do not contain.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The name of the input file, for the comment at the head of the spec.
    pub name: String,
    /// The start of the first step, RFC 3339. Without it, the start is in 2100, so that nothing moves.
    pub start: Option<String>,
}

/// A rollout as read from a manifest.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) line: usize,
    /// The targets of the stable version and of the new version.
    pub(super) targets: [String; 2],
    pub(super) hosts: Vec<String>,
    pub(super) paths: Vec<Value>,
    pub(super) mode: Mode,
    pub(super) shadow: Option<Value>,
    pub(super) gates: Map<String, Value>,
    /// The rings, by name: conditions whose requests always get the new version.
    pub(super) rings: Vec<(String, Value)>,
    /// The cookie of session affinity.
    pub(super) cookie: Option<String>,
}

/// The way in which traffic moves to the new version.
pub(super) enum Mode {
    /// Step by step.
    Steps(Vec<Step>),
    /// All at once, by an edit of the spec.
    BlueGreen,
}

impl Draft {
    pub(super) fn new(document: &Node, notes: &mut Notes) -> Draft {
        for path in ["apiVersion", "kind"] {
            let _ = document.text_at(path);
        }
        let original = document.text_at("metadata.name").unwrap_or("rollout");
        let name = valid_name(original);
        if name != original {
            let text = format!("metadata.name becomes {name}: names are letters, digits, - and _");
            notes.add(document.line, text);
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

    /// Adds a gate. It has no settings, because it compares with the baseline, where the gates of other tools
    /// compare with fixed numbers.
    pub(super) fn gate(&mut self, kind: &str) {
        self.gates.entry(kind).or_insert_with(|| json!({}));
    }

    /// Sets the hosts. `*` is every host.
    pub(super) fn hosts(&mut self, nodes: &[Node], notes: &mut Notes) {
        let is_given =
            |node: &&Node| node.peek_text().is_some_and(|host| host == "*" || is_host(host));
        for node in nodes.iter().filter(|node| !is_given(node)) {
            notes.dropped(node, "it is not a host name");
        }
        let hosts = nodes.iter().filter(is_given).filter_map(Node::text).map(str::to_owned);
        self.hosts = hosts.collect();
        if self.hosts.iter().any(|host| host == "*") {
            self.hosts.clear();
        }
    }

    fn unit(&self) -> String {
        match &self.cookie {
            Some(_) => valid_name(&format!("{}-session", self.name)),
            None => UNIT.to_owned(),
        }
    }

    /// The rollout in the notation of a spec.
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

/// Whether a spec takes a string as a path of `match`.
pub(super) fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.contains(['?', '#', '*']) && text.len() <= 2048
}

/// Whether a spec takes a string as a host of `match`.
pub(super) fn is_host(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !name.is_empty() && name.chars().all(is_plain)
}

/// The name with `-` in place of characters that a spec does not allow, cut after 64 characters.
fn valid_name(text: &str) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name: String = text.chars().map(|c| if is_allowed(c) { c } else { '-' }).take(64).collect();
    if name.is_empty() { "rollout".to_owned() } else { name }
}

/// The spec of all rollouts of a file, in YAML.
///
/// # Errors
/// Two rollouts have the same name, or the spec does not compile.
pub(super) fn spec(
    mut drafts: Vec<Draft>,
    options: &Options,
    notes: &mut Notes,
) -> Result<String, ImportError> {
    add_missing_hosts(&mut drafts, notes);
    let start = options.start.as_deref().unwrap_or(DEFAULT_START);
    let (mut units, mut cohorts, mut rollouts) = (Map::new(), Map::new(), Map::new());
    for draft in &drafts {
        if rollouts.contains_key(&draft.name) {
            let text = format!("a second rollout of the name {}", draft.name);
            return Err(ImportError::at(draft.line, ImportErrorKind::DuplicateRollout, text));
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
    general_notes(&drafts, options, notes);
    let mut value =
        json!({"formatVersion": 1, "revision": 1, "units": units, "rollouts": rollouts});
    if !cohorts.is_empty() {
        value["cohorts"] = cohorts.into();
    }
    let json = value.to_string();
    Plan::from_json(json.as_bytes()).map_err(|errors| {
        let note = |line: &str| Note::new(0, format!("the spec is not valid: {line}"));
        let kind = ImportErrorKind::InvalidSpec;
        ImportError { kind, notes: errors.to_string().lines().map(note).collect() }
    })?;
    let head = format!("Made by `serin import` from {}; yours to edit from here on.", options.name);
    Ok(format!("{}{}", yaml::comment(&[head]), yaml::document(&value)))
}

/// Gives each rollout without hosts a host of its own if there are several rollouts, because a spec refuses
/// two rollouts that match the same requests.
fn add_missing_hosts(drafts: &mut [Draft], notes: &mut Notes) {
    if drafts.len() < 2 {
        return;
    }
    for draft in drafts.iter_mut().filter(|draft| draft.hosts.is_empty()) {
        let host = draft.name.to_ascii_lowercase();
        let text = format!(
            "rollouts.{}.match.hosts is {host}: the manifest names no host, and several rollouts need different hosts",
            draft.name
        );
        notes.add(draft.line, text);
        draft.hosts.push(host);
    }
}

/// Adds a cohort and returns its name. If another condition has the name already, the name of the rollout
/// becomes its prefix.
fn cohort(cohorts: &mut Map<String, Value>, draft: &Draft, name: &str, when: &Value) -> String {
    let mut chosen = valid_name(name);
    while cohorts.get(&chosen).is_some_and(|known| known != when) {
        chosen = valid_name(&format!("{}-{chosen}", draft.name));
        if chosen.len() == 64 {
            chosen = format!("cohort-{}", cohorts.len());
        }
    }
    cohorts.insert(chosen.clone(), when.clone());
    chosen
}

/// Adds the notes that do not belong to a line.
fn general_notes(drafts: &[Draft], options: &Options, notes: &mut Notes) {
    if drafts.iter().any(|draft| draft.cookie.is_none()) {
        notes.add(0, format!(
            "units.{UNIT} is a cookie of Serin's own; put the header or claim that names your users before it"
        ));
    }
    if options.start.is_none() && drafts.iter().any(|draft| matches!(draft.mode, Mode::Steps(_))) {
        notes.add(0, format!(
            "start is {DEFAULT_START}: a manifest starts with a new image, a spec at a time; edit it, or give --start"
        ));
    }
}
