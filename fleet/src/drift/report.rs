//! Reports of drift: text for people, and JSON.

use super::check::{Drift, ExpectedSpec, HostResult, exit_code};
use super::status::DeployedSpec;
use crate::compare::short_json;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The maximum number of differences of one spec in the text. The JSON has all of them.
const MAX_DIFFERENCES: usize = 40;

/// The report as text: a paragraph for each host, and a summary. `emphasize` formats the state of a host;
/// its second argument is whether the host is in sync.
pub fn text(
    expected: ExpectedSpec<'_>,
    hosts: &[HostResult],
    emphasize: impl Fn(&str, bool) -> String,
) -> String {
    let mut text = format!("git has revision {} ({})\n", expected.revision, expected.digest);
    for host in hosts {
        let state = match &host.drift {
            Ok(drift) if drift.is_in_sync() => emphasize("in sync", true),
            Ok(_) => emphasize("drift", false),
            Err(_) => emphasize("not asked", false),
        };
        let _ = writeln!(text, "\n{} {}: {state}", host.kind.as_str(), host.url);
        match &host.drift {
            Ok(drift) => text.push_str(&details(drift)),
            Err(why) => {
                let _ = writeln!(text, "  {}", plain(why));
            }
        }
    }
    let count = |test: fn(&HostResult) -> bool| hosts.iter().filter(|host| test(host)).count();
    let asked = count(|host| host.drift.is_ok());
    let in_sync = count(|host| host.drift.as_ref().is_ok_and(Drift::is_in_sync));
    let (drifting, silent) = (asked - in_sync, hosts.len() - asked);
    let _ = writeln!(
        text,
        "\n{in_sync} of {} in sync, {drifting} in drift, {silent} could not be asked",
        hosts.len()
    );
    text
}

fn details(drift: &Drift) -> String {
    let mut text = String::new();
    for why in &drift.reasons {
        let _ = writeln!(text, "  {}", plain(why));
    }
    for (location, differences) in &drift.differences {
        let _ = writeln!(text, "  {}: git → host", plain(location));
        for it in differences.iter().take(MAX_DIFFERENCES) {
            let (old, new) = (short_json(it.old.as_ref()), short_json(it.new.as_ref()));
            let _ = writeln!(text, "    {}: {old} → {new}", it.path);
        }
        let more = differences.len().saturating_sub(MAX_DIFFERENCES);
        if more > 0 {
            let _ = writeln!(text, "    and {more} more");
        }
    }
    text
}

/// A string from a host on one line, without control characters, which could control a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// The report as JSON.
pub fn json(expected: ExpectedSpec<'_>, hosts: &[HostResult]) -> Value {
    json!({
        "wanted": { "revision": expected.revision, "digest": expected.digest },
        "inSync": exit_code(hosts) == 0,
        "hosts": hosts.iter().map(host_json).collect::<Vec<_>>(),
    })
}

fn host_json(host: &HostResult) -> Value {
    let mut value = json!({ "url": host.url, "kind": host.kind.as_str() });
    let drift = match &host.drift {
        Ok(drift) => drift,
        Err(why) => {
            value["state"] = json!("not-asked");
            value["why"] = json!(why);
            return value;
        }
    };
    value["state"] = json!(if drift.is_in_sync() { "in-sync" } else { "drift" });
    value["drift"] = json!(drift.reasons);
    value["inForceRevision"] = json!(drift.status.revision_in_force);
    value["specs"] = drift.status.specs.iter().map(|spec| spec_json(spec, drift)).collect();
    value["aborts"] = drift
        .status
        .aborts
        .iter()
        .map(|it| json!({ "rollout": it.rollout, "epoch": it.epoch, "at": it.at, "reason": it.reason }))
        .collect();
    value
}

fn spec_json(spec: &DeployedSpec, drift: &Drift) -> Value {
    let differences = drift.differences.iter().filter(|(location, _)| *location == spec.location);
    let differences = differences.flat_map(|(_, differences)| differences);
    json!({
        "place": spec.location,
        "revision": spec.revision,
        "digest": spec.digest,
        "errors": spec.errors,
        "differences": differences
            .map(|it| json!({ "path": it.path, "git": it.old, "host": it.new }))
            .collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_blanks() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{9b}d"), "a [2Jb c d");
    }
}
