//! The Worker's settings: variables and secrets, read once per isolate. An invalid setting never stops a request:
//! it counts as absent, and the log and the status page name the problem.

use std::borrow::Cow;

use serin_core::json::Node;
use serin_core::{IdKeys, OverrideKeys, makes_private};

use crate::jwt::JwtSettings;

/// The address of an arm's target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// An origin without a path, such as `https://v2.example.com`.
    Origin(String),
    /// The name of a service binding.
    Service(String),
}

/// The Worker's settings.
#[derive(Debug)]
pub(crate) struct WorkerSettings {
    targets: Vec<(String, Target)>,
    /// The target of requests that belong to no rollout.
    baseline: Option<String>,
    /// The KV key that holds the spec.
    pub(crate) kv_key: String,
    /// The KV key that holds the latches.
    pub(crate) latches_key: String,
    /// The URL that audit records are sent to.
    pub(crate) webhook: Option<String>,
    /// The time between two reads of the spec, in ms.
    pub(crate) refresh_ms: u64,
    pub(crate) status: Option<StatusSettings>,
    pub(crate) ofrep: Option<serin_ofrep::Settings>,
    pub(crate) jwt: Option<JwtSettings>,
    /// The keys that override tokens are signed with.
    pub(crate) override_keys: Option<OverrideKeys>,
    /// The keys that anonymous ids are signed with.
    pub(crate) id_keys: Option<IdKeys>,
    /// Whether a spec may have a lower revision than the one in force.
    pub(crate) allow_lower_revision: bool,
    /// Whether responses are cached, separately for each arm.
    pub(crate) caches_responses: bool,
    /// Whether a response that sets a cookie is kept out of shared caches.
    pub(crate) makes_private: bool,
    /// Whether every response has its decision record, for tests.
    pub(crate) expose_decision: bool,
    /// The time limit of a copy to a shadow, in ms.
    pub(crate) shadow_timeout_ms: u32,
    /// The largest body that is copied to a shadow, in bytes.
    pub(crate) max_shadow_body: u64,
    /// The problems with the settings, a sentence each.
    pub(crate) problems: Vec<String>,
}

/// The settings of the status page.
#[derive(Debug)]
pub(crate) struct StatusSettings {
    pub(crate) path: String,
    /// The token that a reader needs.
    pub(crate) token: String,
}

const DEFAULT_REFRESH_SECONDS: u64 = 30;
const DEFAULT_SHADOW_TIMEOUT_MS: u64 = 5_000;
const DEFAULT_SHADOW_BODY_BYTES: u64 = 65_536;
const DEFAULT_STATUS_PATH: &str = "/.serin/status";
const OVERRIDE_KEYS: &str = "SERIN_OVERRIDE_KEYS";
const ID_KEY: &str = "SERIN_ID_KEY";
const CACHE_CONTROL: &str = "SERIN_CACHE_CONTROL";
const DEFAULT_JWT_HEADER: &str = "authorization";

impl WorkerSettings {
    /// Reads the settings. `variable` returns a variable or secret by its name.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> WorkerSettings {
        let variable = |name: &str| variable(name).filter(|text| !text.trim().is_empty());
        let mut problems = Vec::new();
        let targets = match variable("SERIN_TARGETS") {
            Some(text) => targets(&text, &mut problems),
            None => Vec::new(),
        };
        let mut number = |name: &str, default: u64| match variable(name) {
            None => default,
            Some(text) => text.trim().parse().unwrap_or_else(|_| {
                problems.push(format!("{name}: {text} is not a whole number"));
                default
            }),
        };
        let refresh_ms =
            number("SERIN_REFRESH_SECONDS", DEFAULT_REFRESH_SECONDS).saturating_mul(1000);
        let shadow_timeout_ms = number("SERIN_SHADOW_TIMEOUT_MS", DEFAULT_SHADOW_TIMEOUT_MS);
        let max_shadow_body = number("SERIN_SHADOW_BODY_BYTES", DEFAULT_SHADOW_BODY_BYTES);
        let baseline = variable("SERIN_BASELINE");
        if let Some(name) = &baseline
            && !targets.iter().any(|(target, _)| target == name)
        {
            problems.push(format!("SERIN_BASELINE: {name} is not a target of SERIN_TARGETS"));
        }
        let cache_control = variable(CACHE_CONTROL);
        let makes_private = makes_private(cache_control.as_deref()).unwrap_or_else(|problem| {
            problems.push(format!("{CACHE_CONTROL} {problem}"));
            true
        });
        let is_on = |name: &str| variable(name).is_some_and(|text| matches!(&*text, "1" | "true"));
        WorkerSettings {
            targets,
            baseline,
            kv_key: variable("SERIN_KV_KEY").unwrap_or_else(|| "spec".to_owned()),
            latches_key: variable("SERIN_KV_LATCHES").unwrap_or_else(|| "latches".to_owned()),
            webhook: variable("SERIN_WEBHOOK_URL").and_then(|url| {
                let url = url.trim().to_owned();
                if !url.starts_with("https://") && !url.starts_with("http://") {
                    let problem = "SERIN_WEBHOOK_URL does not begin with https:// or http://";
                    problems.push(problem.to_owned());
                    return None;
                }
                Some(url)
            }),
            refresh_ms,
            status: variable("SERIN_STATUS_TOKEN").map(|token| StatusSettings {
                path: variable("SERIN_STATUS_PATH")
                    .unwrap_or_else(|| DEFAULT_STATUS_PATH.to_owned()),
                token,
            }),
            ofrep: variable("SERIN_OFREP_PREFIX").map(|prefix| serin_ofrep::Settings {
                prefix,
                origins: variable("SERIN_OFREP_ORIGINS"),
                token: variable("SERIN_OFREP_TOKEN"),
            }),
            jwt: variable("SERIN_JWKS").and_then(|keys| {
                let keys = keys.trim().to_owned();
                if !is_key_set(&keys) {
                    problems.push(
                        "SERIN_JWKS is neither a JSON Web Key Set nor an https:// URL".to_owned(),
                    );
                    return None;
                }
                let header =
                    variable("SERIN_JWT_HEADER").unwrap_or_else(|| DEFAULT_JWT_HEADER.to_owned());
                let header = header.trim().to_ascii_lowercase();
                let (issuer, audience) =
                    (variable("SERIN_JWT_ISSUER"), variable("SERIN_JWT_AUDIENCE"));
                Some(JwtSettings { keys, header, issuer, audience })
            }),
            override_keys: variable(OVERRIDE_KEYS).and_then(|text| {
                let keys = OverrideKeys::from_json(text.as_bytes());
                let record = |errors: serin_core::Errors| {
                    problems.extend(errors.iter().map(|error| format!("{OVERRIDE_KEYS}: {error}")));
                };
                keys.map_err(record).ok()
            }),
            id_keys: variable(ID_KEY).and_then(|text| {
                let record = |errors: serin_core::Errors| {
                    problems.extend(errors.iter().map(|error| format!("{ID_KEY}: {error}")));
                };
                IdKeys::from_text(&text).map_err(record).ok()
            }),
            allow_lower_revision: is_on("SERIN_ALLOW_OLDER"),
            caches_responses: is_on("SERIN_CACHE"),
            makes_private,
            expose_decision: is_on("SERIN_EXPOSE_DECISION"),
            shadow_timeout_ms: u32::try_from(shadow_timeout_ms).unwrap_or(u32::MAX),
            max_shadow_body,
            problems,
        }
    }

    /// The address of a target.
    pub(crate) fn target(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|(target, _)| target == name).map(|(_, target)| target)
    }

    /// The target of requests that belong to no rollout. `None` lets them keep their URL.
    pub(crate) fn baseline(&self) -> Option<&Target> {
        self.target(self.baseline.as_deref()?)
    }
}

/// Whether `SERIN_JWKS` is valid: a key set, or a URL of one. A URL needs HTTPS, so that nobody can change the keys
/// on their way; a local one does not.
fn is_key_set(text: &str) -> bool {
    let is_local = text.starts_with("http://127.0.0.1:") || text.starts_with("http://localhost:");
    is_local
        || text.starts_with("https://")
        || matches!(serde_json::from_str(text), Ok(Node::Object(set)) if set.get("keys").is_some())
}

fn targets(text: &str, problems: &mut Vec<String>) -> Vec<(String, Target)> {
    let Ok(Node::Object(entries)) = serde_json::from_str(text) else {
        problems.push("SERIN_TARGETS is not a JSON object".to_owned());
        return Vec::new();
    };
    let read = |(name, value): &(Cow<'_, str>, Node<'_>)| match target(value) {
        Ok(target) => Some((name.to_string(), target)),
        Err(problem) => {
            problems.push(format!("SERIN_TARGETS.{name} {problem}"));
            None
        }
    };
    entries.iter().filter_map(read).collect()
}

/// The address of a target, or what is wrong with it.
fn target(value: &Node<'_>) -> Result<Target, &'static str> {
    match value {
        Node::String(url) => origin(url).map(Target::Origin),
        Node::Object(object) => match object.get("service") {
            Some(Node::String(binding)) if object.len() == 1 => {
                Ok(Target::Service(binding.to_string()))
            }
            _ => Err("is neither a URL nor {\"service\": BINDING}"),
        },
        _ => Err("is neither a URL nor {\"service\": BINDING}"),
    }
}

/// An origin without its trailing slash, or what is wrong with it.
fn origin(url: &str) -> Result<String, &'static str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.ok_or("does not begin with https:// or http://")?;
    let host = host.strip_suffix('/').unwrap_or(host);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_plain) {
        return Err("is not an origin: it may have a scheme, a host and a port, nothing else");
    }
    Ok(url.strip_suffix('/').unwrap_or(url).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> WorkerSettings {
        let find = |name: &str| variables.iter().find(|(variable, _)| *variable == name);
        WorkerSettings::read(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn defaults_need_no_variable() {
        let settings = read(&[]);
        assert_eq!(settings.problems, Vec::<String>::new());
        assert_eq!(settings.baseline(), None);
        assert_eq!((settings.refresh_ms, settings.kv_key.as_str()), (30_000, "spec"));
        assert!(
            settings.status.is_none() && settings.ofrep.is_none() && !settings.caches_responses
        );
    }

    #[test]
    fn targets_are_origins_or_services() {
        let targets = r#"{"a":"https://a.example/","b":{"service":"B"},"c":"http://127.0.0.1:80"}"#;
        let settings = read(&[("SERIN_TARGETS", targets), ("SERIN_BASELINE", "b")]);
        assert_eq!(settings.target("a"), Some(&Target::Origin("https://a.example".into())));
        assert_eq!(settings.target("c"), Some(&Target::Origin("http://127.0.0.1:80".into())));
        assert_eq!(settings.baseline(), Some(&Target::Service("B".into())));
        assert!(settings.problems.is_empty());
    }

    #[test]
    fn every_problem_is_named() {
        let targets =
            r#"{"a":"a.example","b":{"service":1},"c":"https://c/path","d":7,"e":"https://e"}"#;
        let settings = read(&[
            ("SERIN_TARGETS", targets),
            ("SERIN_BASELINE", "nowhere"),
            ("SERIN_REFRESH_SECONDS", "soon"),
            ("SERIN_WEBHOOK_URL", "hooks.example"),
            ("SERIN_JWKS", "http://id.example/keys"),
            ("SERIN_OVERRIDE_KEYS", "[]"),
            ("SERIN_ID_KEY", "c2hvcnQ"),
            ("SERIN_CACHE_CONTROL", "public"),
        ]);
        let expected = [
            "SERIN_TARGETS.a does not begin with https:// or http://",
            "SERIN_TARGETS.b is neither a URL nor {\"service\": BINDING}",
            "SERIN_TARGETS.c is not an origin: it may have a scheme, a host and a port, nothing else",
            "SERIN_TARGETS.d is neither a URL nor {\"service\": BINDING}",
            "SERIN_REFRESH_SECONDS: soon is not a whole number",
            "SERIN_BASELINE: nowhere is not a target of SERIN_TARGETS",
            "SERIN_CACHE_CONTROL is neither private nor keep",
            "SERIN_WEBHOOK_URL does not begin with https:// or http://",
            "SERIN_JWKS is neither a JSON Web Key Set nor an https:// URL",
            "SERIN_OVERRIDE_KEYS: the document is a list, must be an object",
            "SERIN_ID_KEY: [0]: is a secret of 5 bytes, at least 32 are needed",
        ];
        assert_eq!(settings.problems, expected);
        assert!(settings.target("e").is_some());
        assert_eq!(
            read(&[("SERIN_TARGETS", "[")]).problems,
            ["SERIN_TARGETS is not a JSON object"]
        );
    }
}
