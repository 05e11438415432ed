//! What `wrangler.jsonc` says, read once per isolate. A mistake in it never stops a request: it is
//! named in the log and on the status page, and the setting counts as absent.

use serin_core::OverrideKeys;
use serin_core::json::Node;

use crate::jwt;

/// Where an arm's requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `https://v2.example.com`: scheme, host and port, no path.
    Origin(String),
    /// The name of a service binding.
    Service(String),
}

/// The Worker's settings.
#[derive(Debug)]
pub(crate) struct Settings {
    targets: Vec<(String, Target)>,
    /// The target of requests that belong to no rollout.
    baseline: Option<String>,
    /// The KV key that holds the spec.
    pub(crate) kv_key: String,
    /// The KV key that holds the latches.
    pub(crate) latches_key: String,
    /// Where records of what gates did are sent.
    pub(crate) webhook: Option<String>,
    /// How old the spec may be before it is read again, in ms.
    pub(crate) refresh: u64,
    pub(crate) status: Option<Status>,
    pub(crate) ofrep: Option<serin_ofrep::Settings>,
    pub(crate) jwt: Option<jwt::Settings>,
    /// What testers' tokens are signed with.
    pub(crate) override_keys: Option<OverrideKeys>,
    /// Whether a spec with a lower revision than the one in force is taken.
    pub(crate) allow_older: bool,
    /// Whether answers are kept in the cache, for each arm apart.
    pub(crate) cache: bool,
    /// Whether every response tells its decision, as tests need it.
    pub(crate) expose_decision: bool,
    pub(crate) shadow_timeout: u32,
    pub(crate) shadow_body: u64,
    /// What is wrong with the settings, a sentence each.
    pub(crate) problems: Vec<String>,
}

/// The status page's place, and who may read it.
#[derive(Debug)]
pub(crate) struct Status {
    pub(crate) path: String,
    pub(crate) token: String,
}

const REFRESH_SECONDS: u64 = 30;
const SHADOW_TIMEOUT_MS: u64 = 5_000;
const SHADOW_BODY_BYTES: u64 = 65_536;
const STATUS_PATH: &str = "/.serin/status";
const OVERRIDE_KEYS: &str = "SERIN_OVERRIDE_KEYS";
const JWT_HEADER: &str = "authorization";

impl Settings {
    /// From variables and secrets by name.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Settings {
        let variable = |name: &str| variable(name).filter(|text| !text.trim().is_empty());
        let mut problems = Vec::new();
        let targets = match variable("SERIN_TARGETS") {
            Some(text) => targets(&text, &mut problems),
            None => Vec::new(),
        };
        let mut number = |name: &str, otherwise: u64| match variable(name) {
            None => otherwise,
            Some(text) => text.trim().parse().unwrap_or_else(|_| {
                problems.push(format!("{name}: {text} is not a whole number"));
                otherwise
            }),
        };
        let refresh = number("SERIN_REFRESH_SECONDS", REFRESH_SECONDS).saturating_mul(1000);
        let shadow_timeout = number("SERIN_SHADOW_TIMEOUT_MS", SHADOW_TIMEOUT_MS);
        let shadow_body = number("SERIN_SHADOW_BODY_BYTES", SHADOW_BODY_BYTES);
        let baseline = variable("SERIN_BASELINE");
        if let Some(name) = &baseline
            && !targets.iter().any(|(known, _)| known == name)
        {
            problems.push(format!("SERIN_BASELINE: {name} is not one of SERIN_TARGETS"));
        }
        let is_on = |name: &str| variable(name).is_some_and(|text| matches!(&*text, "1" | "true"));
        Settings {
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
            refresh,
            status: variable("SERIN_STATUS_TOKEN").map(|token| Status {
                path: variable("SERIN_STATUS_PATH").unwrap_or_else(|| STATUS_PATH.to_owned()),
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
                    problems.push("SERIN_JWKS is neither a key set nor an https URL".to_owned());
                    return None;
                }
                let header = variable("SERIN_JWT_HEADER").unwrap_or_else(|| JWT_HEADER.to_owned());
                let header = header.trim().to_ascii_lowercase();
                let (issuer, audience) =
                    (variable("SERIN_JWT_ISSUER"), variable("SERIN_JWT_AUDIENCE"));
                Some(jwt::Settings { keys, header, issuer, audience })
            }),
            override_keys: variable(OVERRIDE_KEYS).and_then(|text| {
                let keys = OverrideKeys::from_json(text.as_bytes());
                let mistakes = |errors: serin_core::Errors| {
                    problems.extend(errors.iter().map(|error| format!("{OVERRIDE_KEYS}: {error}")));
                };
                keys.map_err(mistakes).ok()
            }),
            allow_older: is_on("SERIN_ALLOW_OLDER"),
            cache: is_on("SERIN_CACHE"),
            expose_decision: is_on("SERIN_EXPOSE_DECISION"),
            shadow_timeout: u32::try_from(shadow_timeout).unwrap_or(u32::MAX),
            shadow_body,
            problems,
        }
    }

    /// Where a target is.
    pub(crate) fn target(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|(known, _)| known == name).map(|(_, target)| target)
    }

    /// Where requests go that belong to no rollout; where their own URL says, if nothing is set.
    pub(crate) fn baseline(&self) -> Option<&Target> {
        self.target(self.baseline.as_deref()?)
    }
}

/// Keys travel unread through the network only where nobody can change them.
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
    let read = |(name, value): &(String, Node)| match target(value) {
        Ok(target) => Some((name.clone(), target)),
        Err(why) => {
            problems.push(format!("SERIN_TARGETS.{name} {why}"));
            None
        }
    };
    entries.iter().filter_map(read).collect()
}

fn target(value: &Node) -> Result<Target, &'static str> {
    match value {
        Node::String(url) => origin(url).map(Target::Origin),
        Node::Object(object) => match object.get("service") {
            Some(Node::String(binding)) if object.len() == 1 => {
                Ok(Target::Service(binding.clone()))
            }
            _ => Err("is neither a URL nor {\"service\": BINDING}"),
        },
        _ => Err("is neither a URL nor {\"service\": BINDING}"),
    }
}

fn origin(url: &str) -> Result<String, &'static str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.ok_or("does not begin with https:// or http://")?;
    let host = host.strip_suffix('/').unwrap_or(host);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_plain) {
        return Err("is not an origin: scheme, host and port, nothing else");
    }
    Ok(url.strip_suffix('/').unwrap_or(url).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Settings {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        Settings::read(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn nothing_is_needed() {
        let settings = read(&[]);
        assert_eq!(settings.problems, Vec::<String>::new());
        assert_eq!(settings.baseline(), None);
        assert_eq!((settings.refresh, settings.kv_key.as_str()), (30_000, "spec"));
        assert!(settings.status.is_none() && settings.ofrep.is_none() && !settings.cache);
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
    fn every_mistake_is_named() {
        let targets =
            r#"{"a":"a.example","b":{"service":1},"c":"https://c/path","d":7,"e":"https://e"}"#;
        let settings = read(&[
            ("SERIN_TARGETS", targets),
            ("SERIN_BASELINE", "nowhere"),
            ("SERIN_REFRESH_SECONDS", "soon"),
            ("SERIN_WEBHOOK_URL", "hooks.example"),
            ("SERIN_JWKS", "http://id.example/keys"),
            ("SERIN_OVERRIDE_KEYS", "[]"),
        ]);
        let wanted = [
            "SERIN_TARGETS.a does not begin with https:// or http://",
            "SERIN_TARGETS.b is neither a URL nor {\"service\": BINDING}",
            "SERIN_TARGETS.c is not an origin: scheme, host and port, nothing else",
            "SERIN_TARGETS.d is neither a URL nor {\"service\": BINDING}",
            "SERIN_REFRESH_SECONDS: soon is not a whole number",
            "SERIN_BASELINE: nowhere is not one of SERIN_TARGETS",
            "SERIN_WEBHOOK_URL does not begin with https:// or http://",
            "SERIN_JWKS is neither a key set nor an https URL",
            "SERIN_OVERRIDE_KEYS: is a list, must be an object",
        ];
        assert_eq!(settings.problems, wanted);
        assert!(settings.target("e").is_some());
        assert_eq!(
            read(&[("SERIN_TARGETS", "[")]).problems,
            ["SERIN_TARGETS is not a JSON object"]
        );
    }
}
