//! The settings of gates, from the VM's environment.

use crate::host::{self, Level};

/// A URL that the filter calls.
pub(crate) struct Endpoint {
    /// The host's name of the upstream.
    pub(crate) cluster: String,
    pub(crate) scheme: &'static str,
    pub(crate) authority: String,
    pub(crate) path: String,
}

/// The environment, read once for each VM.
pub(crate) struct Settings {
    /// The time between two ticks, in ms.
    pub(crate) tick_ms: u32,
    /// The URL that has the latches of earlier processes and other hosts.
    pub(crate) latch_source: Option<Endpoint>,
    /// The time between two readings of it, in ms.
    pub(crate) latch_source_ms: u64,
    /// Whether rollouts with gates stay on the baseline until the first reading.
    pub(crate) waits_for_latches: bool,
    /// The URL that audit records are sent to.
    pub(crate) webhook: Option<Endpoint>,
}

const TICK_MS: u32 = 1000;
const STATE_SECONDS: u32 = 10;

impl Settings {
    /// Reads the environment. A bad value is logged and counts as absent.
    pub(crate) fn of_environment() -> Settings {
        let source = endpoint("SERIN_STATE_CLUSTER", "SERIN_STATE_URL");
        let seconds = number("SERIN_STATE_SECONDS", 1, 3600).unwrap_or(STATE_SECONDS);
        let waits = match text("SERIN_UNKNOWN_STATE").as_deref() {
            None | Some("baseline") => true,
            Some("proceed") => false,
            Some(_) => {
                bad("SERIN_UNKNOWN_STATE", "baseline or proceed");
                true
            }
        };
        Settings {
            tick_ms: number("SERIN_GATE_TICK_MS", 10, 60_000).unwrap_or(TICK_MS),
            waits_for_latches: waits && source.is_some(),
            latch_source: source,
            latch_source_ms: u64::from(seconds).saturating_mul(1000),
            webhook: endpoint("SERIN_WEBHOOK_CLUSTER", "SERIN_WEBHOOK_URL"),
        }
    }
}

fn text(name: &str) -> Option<String> {
    String::from_utf8(host::environment_variable(name)?).ok()
}

fn bad(name: &str, allowed: &str) {
    host::log(Level::Error, &format!("{name} is not {allowed}, so it is not used"));
}

fn number(name: &str, least: u32, most: u32) -> Option<u32> {
    let given = text(name)?;
    let number = given.parse().ok().filter(|number| (least..=most).contains(number));
    if number.is_none() {
        bad(name, &format!("a whole number from {least} to {most}"));
    }
    number
}

fn endpoint(cluster: &str, url: &str) -> Option<Endpoint> {
    let (named, given) = (text(cluster), text(url));
    let (Some(named), Some(given)) = (named, &given) else {
        if given.is_some() {
            bad(url, &format!("of use without {cluster}"));
        }
        return None;
    };
    let endpoint = parts(named, given);
    if endpoint.is_none() {
        bad(url, "an http:// or https:// URL of visible ASCII characters");
    }
    endpoint
}

fn parts(cluster: String, url: &str) -> Option<Endpoint> {
    let (scheme, rest) = match url.strip_prefix("https://") {
        Some(rest) => ("https", rest),
        None => ("http", url.strip_prefix("http://")?),
    };
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, format!("/{path}")),
        None => (rest, "/".to_owned()),
    };
    let good = !authority.is_empty() && url.bytes().all(|byte| byte.is_ascii_graphic());
    good.then(|| Endpoint { cluster, scheme, authority: authority.to_owned(), path })
}
