//! The settings, from the VM's environment.

use serin_core::makes_private;

use crate::host::{self, Level};

/// The name of the setting of [`makes_private`].
const CACHE_CONTROL: &str = "SERIN_CACHE_CONTROL";

/// A URL that the filter calls.
pub(crate) struct Endpoint {
    /// The host's name of the upstream.
    pub(crate) cluster: String,
    pub(crate) scheme: &'static str,
    pub(crate) authority: String,
    pub(crate) path: String,
}

/// The filter's settings. They are read once per VM.
pub(crate) struct FilterSettings {
    /// The time between two ticks, in ms.
    pub(crate) tick_ms: u32,
    /// The URL that has the latches of previous processes and of other hosts.
    pub(crate) latch_source: Option<Endpoint>,
    /// The time between two reads of the latch source, in ms.
    pub(crate) latch_source_ms: u64,
    /// Whether rollouts with gates stay on the baseline until the latch source has been read.
    pub(crate) waits_for_latches: bool,
    /// The URL that audit records are sent to.
    pub(crate) webhook: Option<Endpoint>,
    /// Whether a response that sets a cookie is kept out of shared caches.
    pub(crate) makes_private: bool,
}

const DEFAULT_TICK_MS: u32 = 1000;
const DEFAULT_STATE_SECONDS: u32 = 10;

impl FilterSettings {
    /// Reads the environment. An invalid value is logged and counts as absent.
    pub(crate) fn from_environment() -> FilterSettings {
        let source = endpoint("SERIN_STATE_CLUSTER", "SERIN_STATE_URL");
        let seconds = number("SERIN_STATE_SECONDS", 1, 3600).unwrap_or(DEFAULT_STATE_SECONDS);
        let waits = match variable("SERIN_UNKNOWN_STATE").as_deref() {
            None | Some("baseline") => true,
            Some("proceed") => false,
            Some(_) => {
                log_ignored("SERIN_UNKNOWN_STATE", "it is neither baseline nor proceed");
                true
            }
        };
        let cache_control = variable(CACHE_CONTROL);
        let makes_private = makes_private(cache_control.as_deref()).unwrap_or_else(|problem| {
            log_ignored(CACHE_CONTROL, &format!("it {problem}"));
            true
        });
        FilterSettings {
            makes_private,
            tick_ms: number("SERIN_GATE_TICK_MS", 10, 60_000).unwrap_or(DEFAULT_TICK_MS),
            waits_for_latches: waits && source.is_some(),
            latch_source: source,
            latch_source_ms: u64::from(seconds).saturating_mul(1000),
            webhook: endpoint("SERIN_WEBHOOK_CLUSTER", "SERIN_WEBHOOK_URL"),
        }
    }
}

fn variable(name: &str) -> Option<String> {
    String::from_utf8(host::environment_variable(name)?).ok()
}

/// Logs why a variable is not used. The value is not logged: a URL may contain a token.
fn log_ignored(name: &str, why: &str) {
    host::log(Level::Error, &format!("{name} is ignored: {why}"));
}

/// A whole number from `min` to `max`.
fn number(name: &str, min: u32, max: u32) -> Option<u32> {
    let value = variable(name)?;
    let number = value.parse().ok().filter(|number| (min..=max).contains(number));
    if number.is_none() {
        log_ignored(name, &format!("it is not a whole number from {min} to {max}"));
    }
    number
}

/// The endpoint of two variables: the name of a cluster, and a URL.
fn endpoint(cluster_name: &str, url_name: &str) -> Option<Endpoint> {
    let url = variable(url_name)?;
    let Some(cluster) = variable(cluster_name) else {
        log_ignored(url_name, &format!("{cluster_name} is not set"));
        return None;
    };
    let endpoint = parse_endpoint(cluster, &url);
    if endpoint.is_none() {
        log_ignored(url_name, "it is not an http:// or https:// URL of visible ASCII characters");
    }
    endpoint
}

fn parse_endpoint(cluster: String, url: &str) -> Option<Endpoint> {
    let (scheme, rest) = match url.strip_prefix("https://") {
        Some(rest) => ("https", rest),
        None => ("http", url.strip_prefix("http://")?),
    };
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, format!("/{path}")),
        None => (rest, "/".to_owned()),
    };
    let is_valid = !authority.is_empty() && url.bytes().all(|byte| byte.is_ascii_graphic());
    is_valid.then(|| Endpoint { cluster, scheme, authority: authority.to_owned(), path })
}
