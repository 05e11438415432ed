//! What hosts run against what is in git: revision, digest, every place that differs, and aborts.

mod envoy;
mod report;
mod worker;

pub use envoy::{CONFIG_PATH, STATS_PATH, envoy};
pub use report::{json, text};
pub use worker::worker;

use crate::compare::{Difference, differences};
use serde_json::Value;
use serin_core::gate;
use serin_core::{Timestamp, parse_duration};

/// The spec as git has it.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The document.
    pub document: &'a Value,
    /// Its revision.
    pub revision: u64,
    /// Its digest.
    pub digest: &'a str,
}

/// A kind of host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An Envoy's admin interface.
    Envoy,
    /// A Worker's status page.
    Worker,
}

impl Kind {
    /// Its name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Envoy => "envoy",
            Kind::Worker => "worker",
        }
    }
}

/// What a host says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The specs that it is configured with, each once.
    pub specs: Vec<Running>,
    /// The revision that its filter says is in force, where it says so apart from the configuration.
    pub in_force: Option<u64>,
    /// Whether a filter that runs would have said so.
    pub tells_revision: bool,
    /// Aborts; those that the spec has cleared may be among them.
    pub aborts: Vec<Abort>,
    /// Why nobody judges its gates; nothing is wrong with that where the spec has none.
    pub unjudged: Option<String>,
    /// What the host itself finds wrong, a sentence each.
    pub problems: Vec<String>,
}

/// A spec that a host is configured with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Running {
    /// Where in the host: `listener web`, `ECDS serin`, or a Worker's source.
    pub place: String,
    /// Its revision, if it can be used.
    pub revision: Option<u64>,
    /// Its digest, if it can be used.
    pub digest: Option<String>,
    /// The document, where the host shows it.
    pub document: Option<Value>,
    /// Why the filter refuses it, a sentence each; empty if it does not.
    pub errors: Vec<String>,
}

/// An abort of a rollout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Abort {
    /// The rollout.
    pub rollout: String,
    /// The rollout's epoch at the abort, where the host says it.
    pub epoch: Option<u64>,
    /// When, in ms since 1970, where the host says it.
    pub at: Option<u64>,
    /// Why, where the host says it.
    pub reason: Option<String>,
}

/// What became of asking a host.
#[derive(Clone, Debug)]
pub struct Host {
    /// Where it was asked.
    pub url: String,
    /// What it is.
    pub kind: Kind,
    /// What it said, or why it could not be asked.
    pub answer: Result<Verdict, String>,
}

/// A host against git.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What it said.
    pub seen: Seen,
    /// Why it is not in sync, a sentence each; empty if it is.
    pub drift: Vec<String>,
    /// The places that differ, by the place of the spec in the host.
    pub differences: Vec<(String, Vec<Difference>)>,
}

impl Verdict {
    /// Whether the host runs what git has, and nothing keeps it from doing so.
    pub fn is_in_sync(&self) -> bool {
        self.drift.is_empty()
    }
}

/// Holds what a host says against what git has, at a moment.
pub fn judge(wanted: Wanted<'_>, mut seen: Seen, now: Timestamp) -> Verdict {
    seen.aborts.retain(|abort| abort.is_in_force(wanted.document, now));
    let mut drift = Vec::new();
    let mut found = Vec::new();
    if seen.specs.is_empty() {
        drift.push("it runs no spec".to_owned());
    }
    for spec in &seen.specs {
        if let Some(why) = sentence(wanted, spec) {
            drift.push(why);
        }
        let Some(document) = &spec.document else { continue };
        let places = differences(wanted.document, document);
        if !places.is_empty() {
            found.push((spec.place.clone(), places));
        }
    }
    drift.extend(not_in_force(&seen));
    for abort in &seen.aborts {
        drift.push(format!("rollout {} is aborted{}", abort.rollout, circumstances(abort)));
    }
    let has_gates = |rollout: &Value| rollout.get("gates").is_some();
    let rollouts = wanted.document.get("rollouts").and_then(Value::as_object);
    if rollouts.is_some_and(|rollouts| rollouts.values().any(has_gates)) {
        drift.extend(seen.unjudged.iter().map(|why| format!("nobody judges the gates: {why}")));
    }
    drift.extend(seen.problems.iter().cloned());
    Verdict { seen, drift, differences: found }
}

/// Whether what is configured is what the filter goes by.
fn not_in_force(seen: &Seen) -> Option<String> {
    let first = seen.specs.first()?;
    match (seen.in_force, seen.specs.as_slice()) {
        (None, _) if seen.tells_revision => Some(
            "no revision is in force: the filter does not run, or the metric serin.revision is hidden"
                .to_owned(),
        ),
        (Some(revision), [spec]) if spec.revision != Some(revision) => {
            Some(format!("revision {revision} is still in force, not what {} has", first.place))
        }
        _ => None,
    }
}

fn sentence(wanted: Wanted<'_>, spec: &Running) -> Option<String> {
    let place = &spec.place;
    if let Some(first) = spec.errors.first() {
        let count = spec.errors.len();
        let noun = if count == 1 { "error" } else { "errors" };
        return Some(format!("{place}: the spec is refused, {count} {noun}, the first: {first}"));
    }
    if spec.digest.as_deref() == Some(wanted.digest) {
        return None;
    }
    let digest = spec.digest.as_deref().unwrap_or("unknown");
    let revision = spec.revision.unwrap_or_default();
    Some(match revision.cmp(&wanted.revision) {
        std::cmp::Ordering::Less => {
            format!("{place}: revision {revision} ({digest}), an older one")
        }
        std::cmp::Ordering::Greater => {
            format!("{place}: revision {revision} ({digest}), a newer one")
        }
        std::cmp::Ordering::Equal => {
            format!("{place}: revision {revision} with another digest ({digest})")
        }
    })
}

/// ` (epoch 3, since 2026-11-21T09:00:00Z: why)`, as much as is known.
fn circumstances(abort: &Abort) -> String {
    let epoch = abort.epoch.map(|epoch| format!("epoch {epoch}"));
    let since = abort.at.map(|at| format!("since {}", Timestamp::from_unix_ms(at)));
    let known: Vec<String> = epoch.into_iter().chain(since).collect();
    let reason = abort.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    if known.is_empty() { reason } else { format!(" ({}){reason}", known.join(", ")) }
}

impl Abort {
    /// An abort of an epoch before the spec's is over, once the cooldown is. What a host calls an abort
    /// in force, without an epoch, is one.
    fn is_in_force(&self, document: &Value, now: Timestamp) -> bool {
        let Some(epoch) = self.epoch else { return true };
        let rollout = document.get("rollouts").and_then(|rollouts| rollouts.get(&self.rollout));
        let Some(rollout) = rollout else { return false };
        let abort =
            gate::Abort { epoch, at: self.at.unwrap_or_default(), ..gate::Abort::default() };
        let cooldown = rollout.get("cooldown").and_then(Value::as_str).and_then(parse_duration);
        let wanted = rollout.get("epoch").and_then(Value::as_u64).unwrap_or_default();
        abort.stops(wanted, cooldown.unwrap_or_default(), Some(now.unix_ms()))
    }
}

/// The exit code that fits a cron job: 0 in sync, 1 drift, 2 a host could not be asked.
pub fn exit_code(hosts: &[Host]) -> u8 {
    let code = |host: &Host| match &host.answer {
        Ok(verdict) => u8::from(!verdict.is_in_sync()),
        Err(_) => 2,
    };
    hosts.iter().map(code).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_795_250_000_000);

    fn judged(seen: Seen) -> Verdict {
        let shop = json!({"epoch": 3, "cooldown": "30m"});
        let document = json!({"revision": 4, "rollouts": {"shop": shop}});
        judge(Wanted { document: &document, revision: 4, digest: "aa" }, seen, NOW)
    }

    fn running(revision: u64, digest: &str) -> Running {
        let place = "listener web".to_owned();
        Running {
            place,
            revision: Some(revision),
            digest: Some(digest.into()),
            ..Running::default()
        }
    }

    #[test]
    fn the_digest_decides_and_the_revision_says_which_way() {
        for (revision, digest, said) in [
            (4, "aa", None),
            (3, "bb", Some("listener web: revision 3 (bb), an older one")),
            (5, "bb", Some("listener web: revision 5 (bb), a newer one")),
            (4, "bb", Some("listener web: revision 4 with another digest (bb)")),
        ] {
            let verdict =
                judged(Seen { specs: vec![running(revision, digest)], ..Seen::default() });
            assert_eq!(verdict.drift.first().map(String::as_str), said);
        }
        assert_eq!(judged(Seen::default()).drift, ["it runs no spec"]);
    }

    #[test]
    fn what_is_configured_need_not_be_in_force() {
        let specs = vec![running(4, "aa")];
        let seen = Seen { specs: specs.clone(), in_force: Some(3), ..Seen::default() };
        assert_eq!(judged(seen).drift, ["revision 3 is still in force, not what listener web has"]);
        let refused = Running { revision: None, errors: vec!["a: b".into()], ..running(4, "cc") };
        let seen = Seen { specs: vec![refused], in_force: Some(4), ..Seen::default() };
        let drift = judged(seen).drift;
        assert_eq!(drift[0], "listener web: the spec is refused, 1 error, the first: a: b");
        assert_eq!(drift.len(), 2);
    }

    #[test]
    fn a_filter_that_says_nothing_does_not_run() {
        let silent =
            Seen { specs: vec![running(4, "aa")], tells_revision: true, ..Seen::default() };
        assert!(judged(silent.clone()).drift[0].starts_with("no revision is in force"));
        assert!(judged(Seen { in_force: Some(4), ..silent.clone() }).is_in_sync());
        // A Worker's page is of what runs.
        assert!(judged(Seen { tells_revision: false, ..silent }).is_in_sync());
    }

    #[test]
    fn gates_want_somebody_who_judges() {
        let seen = Seen {
            specs: vec![running(4, "aa")],
            unjudged: Some("SERIN_GATES is not bound".into()),
            ..Seen::default()
        };
        assert!(judged(seen.clone()).is_in_sync());
        let document = json!({"rollouts": {"shop": {"gates": {}}}});
        let wanted = Wanted { document: &document, revision: 4, digest: "aa" };
        let said = judge(wanted, seen, NOW).drift;
        assert_eq!(said, ["nobody judges the gates: SERIN_GATES is not bound"]);
    }

    #[test]
    fn without_a_cooldown_the_clock_does_not_matter() {
        let document = json!({"rollouts": {"shop": {"epoch": 1}}});
        let at = Some(NOW.unix_ms() + 60_000);
        let abort = Abort { rollout: "shop".into(), epoch: Some(0), at, reason: None };
        assert!(!abort.is_in_force(&document, NOW));
    }

    #[test]
    fn an_abort_is_drift() {
        let abort = Abort {
            rollout: "shop".into(),
            epoch: Some(3),
            at: Some(0),
            reason: Some("errors, 2 times".into()),
        };
        let seen =
            |abort| Seen { specs: vec![running(4, "aa")], aborts: vec![abort], ..Seen::default() };
        let wanted =
            "rollout shop is aborted (epoch 3, since 1970-01-01T00:00:00Z): errors, 2 times";
        assert_eq!(judged(seen(abort)).drift, [wanted]);
        let bare = Abort { rollout: "shop".into(), ..Abort::default() };
        assert_eq!(judged(seen(bare)).drift, ["rollout shop is aborted"]);
        // Only a higher epoch clears, and only after the cooldown.
        let minutes_ago = |minutes: u64| Some(NOW.unix_ms() - minutes * 60_000);
        for (rollout, epoch, at, in_force) in [
            ("shop", 2, minutes_ago(31), false),
            ("shop", 2, minutes_ago(30), false),
            ("shop", 2, minutes_ago(29), true),
            ("shop", 3, minutes_ago(31), true),
            ("gone", 3, minutes_ago(0), false),
        ] {
            let abort = Abort { rollout: rollout.into(), epoch: Some(epoch), at, reason: None };
            let verdict = judged(seen(abort));
            assert_eq!(!verdict.is_in_sync(), in_force, "{rollout} {epoch} {at:?}");
            assert_eq!(verdict.seen.aborts.len(), usize::from(in_force));
        }
    }
}
