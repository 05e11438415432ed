//! What was found on the hosts, for people and for tools.

use super::{Host, Running, Verdict, Wanted, exit_code};
use crate::compare::short_json;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// For people; JSON has them all.
const LONGEST_LIST: usize = 40;

/// A line or more for each host, and one that sums up. `strong` makes a text stand out.
pub fn text(wanted: Wanted<'_>, hosts: &[Host], strong: impl Fn(&str, bool) -> String) -> String {
    let mut text = format!("git has revision {} ({})\n", wanted.revision, wanted.digest);
    for host in hosts {
        let word = match &host.answer {
            Ok(verdict) if verdict.is_in_sync() => strong("in sync", true),
            Ok(_) => strong("drift", false),
            Err(_) => strong("not asked", false),
        };
        let _ = writeln!(text, "\n{} {}: {word}", host.kind.as_str(), host.url);
        match &host.answer {
            Ok(verdict) => text.push_str(&details(verdict)),
            Err(why) => {
                let _ = writeln!(text, "  {}", plain(why));
            }
        }
    }
    let count = |test: fn(&Host) -> bool| hosts.iter().filter(|host| test(host)).count();
    let asked = count(|host| host.answer.is_ok());
    let in_sync = count(|host| host.answer.as_ref().is_ok_and(Verdict::is_in_sync));
    let (drifting, silent) = (asked - in_sync, hosts.len() - asked);
    let _ = writeln!(
        text,
        "\n{in_sync} of {} in sync, {drifting} in drift, {silent} could not be asked",
        hosts.len()
    );
    text
}

fn details(verdict: &Verdict) -> String {
    let mut text = String::new();
    for why in &verdict.drift {
        let _ = writeln!(text, "  {}", plain(why));
    }
    for (place, differences) in &verdict.differences {
        let _ = writeln!(text, "  {}: git → host", plain(place));
        for it in differences.iter().take(LONGEST_LIST) {
            let (old, new) = (short_json(it.old.as_ref()), short_json(it.new.as_ref()));
            let _ = writeln!(text, "    {}: {old} → {new}", it.path);
        }
        let more = differences.len().saturating_sub(LONGEST_LIST);
        if more > 0 {
            let _ = writeln!(text, "    and {more} more");
        }
    }
    text
}

/// What a host says, on one line, and without what would steer a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// The same for tools.
pub fn json(wanted: Wanted<'_>, hosts: &[Host]) -> Value {
    json!({
        "wanted": { "revision": wanted.revision, "digest": wanted.digest },
        "inSync": exit_code(hosts) == 0,
        "hosts": hosts.iter().map(host_json).collect::<Vec<_>>(),
    })
}

fn host_json(host: &Host) -> Value {
    let mut value = json!({ "url": host.url, "kind": host.kind.as_str() });
    let verdict = match &host.answer {
        Ok(verdict) => verdict,
        Err(why) => {
            value["state"] = json!("not-asked");
            value["why"] = json!(why);
            return value;
        }
    };
    value["state"] = json!(if verdict.is_in_sync() { "in-sync" } else { "drift" });
    value["drift"] = json!(verdict.drift);
    value["inForceRevision"] = json!(verdict.seen.in_force);
    value["specs"] = verdict.seen.specs.iter().map(|spec| spec_json(spec, verdict)).collect();
    value["aborts"] = verdict
        .seen
        .aborts
        .iter()
        .map(|it| json!({ "rollout": it.rollout, "epoch": it.epoch, "at": it.at, "reason": it.reason }))
        .collect();
    value
}

fn spec_json(spec: &Running, verdict: &Verdict) -> Value {
    let differences = verdict.differences.iter().filter(|(place, _)| *place == spec.place);
    let differences = differences.flat_map(|(_, differences)| differences);
    json!({
        "place": spec.place,
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
    fn what_a_host_says_stays_on_its_line() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{9b}d"), "a [2Jb c d");
    }
}
