//! The export to Cloudflare: the Worker's `wrangler.jsonc`, and the spec for the deployment or for KV.

use super::artifact::{Artifact, Problem};
use super::routing::{self, default_target, targets};
use super::source::Source;
use super::{document, mark};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The options of the export to Cloudflare.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name of the Worker.
    pub name: String,
    /// The path of the Worker's code, `dist/edge-worker/worker.js` of a build, relative to `wrangler.jsonc`.
    pub main: String,
    /// The compatibility date for workerd.
    pub compatibility_date: String,
    /// The upstream of each target.
    pub targets: Vec<(String, Place)>,
    /// The target of requests that belong to no rollout.
    pub default: Option<String>,
    /// The id of the KV namespace with the spec. Without it, the spec is deployed with the Worker.
    pub kv: Option<String>,
    /// The custom domains of the Worker.
    pub domains: Vec<String>,
    /// Further variables of the Worker, by name.
    pub vars: Vec<(String, String)>,
}

/// The upstream of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An origin: scheme, host and port.
    Origin(String),
    /// Another Worker, by its name.
    Service(String),
}

/// The variables that are secrets, which no file may contain. The URL of a webhook may contain a token.
pub const SECRETS: [&str; 5] = [
    "SERIN_ID_KEY",
    "SERIN_OFREP_TOKEN",
    "SERIN_OVERRIDE_KEYS",
    "SERIN_STATUS_TOKEN",
    "SERIN_WEBHOOK_URL",
];

/// The variables that the export sets itself.
const OWN: [&str; 3] = ["SERIN_BASELINE", "SERIN_SPEC", "SERIN_TARGETS"];

/// The files for Cloudflare, or the problems of the spec and the options.
pub fn artifacts(source: &Source<'_>, options: &Options) -> Result<Vec<Artifact>, Vec<Problem>> {
    let default = default_target(source.spec, options.default.as_deref());
    let problems = problems(source, options, default);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut comment = mark::header(source, "worker");
    comment.push(match options.kv {
        Some(_) => "The spec is in KV: npx wrangler kv key put --binding SERIN_KV --remote spec --path spec.json".to_owned(),
        None => format!("The spec is deployed with the Worker: {}.", spec_path(options)),
    });
    comment.push(format!(
        "Secrets are put, not written: npx wrangler secret put NAME, for {}.",
        SECRETS.join(", ")
    ));
    let comment: String = comment.iter().map(|line| format!("// {line}\n")).collect();
    let config = serde_json::to_string_pretty(&config(options, default)).unwrap_or_default();
    Ok(vec![
        Artifact::new(spec_path(options), document::compact(source)),
        Artifact::new("wrangler.jsonc", format!("{comment}{config}\n")),
    ])
}

/// The path of the spec: next to the code, which reads it there; for KV, next to the configuration.
fn spec_path(options: &Options) -> String {
    match (&options.kv, options.main.rsplit_once('/')) {
        (None, Some((folder, _))) => format!("{folder}/spec.json"),
        _ => "spec.json".to_owned(),
    }
}

fn config(options: &Options, default: Option<&str>) -> Value {
    let places: BTreeMap<&str, &Place> =
        options.targets.iter().map(|(target, place)| (target.as_str(), place)).collect();
    let mut services = Vec::new();
    let mut map = Map::new();
    for (target, place) in places {
        let value = match place {
            Place::Origin(url) => json!(url),
            Place::Service(service) => {
                let binding = binding(target);
                services.push(json!({"binding": binding, "service": service}));
                json!({ "service": binding })
            }
        };
        map.insert(target.to_owned(), value);
    }
    let mut vars: Map<String, Value> =
        options.vars.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    vars.insert("SERIN_TARGETS".into(), map.into());
    if let Some(target) = default {
        vars.insert("SERIN_BASELINE".into(), target.into());
    }
    let mut config = Map::new();
    config.insert("name".into(), options.name.as_str().into());
    config.insert("main".into(), options.main.as_str().into());
    config.insert("compatibility_date".into(), options.compatibility_date.as_str().into());
    // Lets gates tell a target that breaks a body off from a client that leaves.
    config.insert("compatibility_flags".into(), json!(["enable_request_signal"]));
    config.insert("vars".into(), vars.into());
    if !services.is_empty() {
        config.insert("services".into(), services.into());
    }
    if let Some(id) = &options.kv {
        config.insert("kv_namespaces".into(), json!([{"binding": "SERIN_KV", "id": id}]));
    }
    // Always bound, because a later spec in KV may have gates.
    let judge = json!({"bindings": [{"name": "SERIN_GATES", "class_name": "SerinGates"}]});
    config.insert("durable_objects".into(), judge);
    let class = json!([{"tag": "serin-gates", "new_sqlite_classes": ["SerinGates"]}]);
    config.insert("migrations".into(), class);
    if !options.domains.is_empty() {
        let route = |host: &String| json!({"pattern": host, "custom_domain": true});
        config.insert("routes".into(), options.domains.iter().map(route).collect());
    }
    config.into()
}

/// The name of a target's binding, an identifier of JavaScript.
fn binding(target: &str) -> String {
    let sign =
        |sign: char| if sign.is_ascii_alphanumeric() { sign.to_ascii_uppercase() } else { '_' };
    let name: String = target.chars().map(sign).collect();
    // Names with the prefix SERIN_ are reserved for the Worker.
    format!("TARGET_{name}")
}

fn problems(source: &Source<'_>, options: &Options, default: Option<&str>) -> Vec<Problem> {
    let wanted = targets(source.spec, default);
    let mut problems = Vec::new();
    for target in &wanted {
        if !options.targets.iter().any(|(known, _)| known == target) {
            problems.push(Problem::new(routing::place_of(source.spec, target), format!("{target} is nowhere yet, say where with --origin {target}=https://HOST or --service \
                 {target}=WORKER")));
        }
    }
    let mut bindings: BTreeMap<String, &str> = BTreeMap::new();
    for (index, (target, place)) in options.targets.iter().enumerate() {
        let previous = options.targets.get(..index).unwrap_or_default();
        if previous.iter().any(|(other, _)| other == target) {
            problems.push(Problem::in_options(
                "--origin, --service",
                format!("{target} is given twice"),
            ));
            continue;
        }
        if !wanted.contains(target.as_str()) {
            let known: Vec<&str> = wanted.iter().copied().collect();
            let known = known.join(", ");
            problems.push(Problem::in_options(
                "--origin, --service",
                format!("there is no target {target}, use {known}"),
            ));
        }
        if matches!(place, Place::Service(_))
            && let Some(other) = bindings.insert(binding(target), target)
        {
            let name = binding(target);
            problems.push(Problem::in_options(
                "--service",
                format!("{other} and {target} would both be bound as {name}"),
            ));
        }
    }
    for (name, _) in &options.vars {
        if SECRETS.contains(&name.as_str()) {
            problems.push(Problem::in_options(
                "--var",
                format!(
                    "{name} is a secret and stands in no file, use npx wrangler secret put {name}"
                ),
            ));
        } else if OWN.contains(&name.as_str()) {
            problems.push(Problem::in_options(
                "--var",
                format!("{name} comes of the spec and the other options"),
            ));
        }
    }
    problems
}
