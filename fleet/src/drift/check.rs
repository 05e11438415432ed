//! The comparison of a host's status with the spec in git.

use super::status::{AbortStatus, DeployedSpec, HostStatus};
use crate::compare::{Difference, differences};
use serde_json::Value;
use serin_core::gate;
use serin_core::{Timestamp, parse_duration};
use std::cmp::Ordering;

/// The spec in git, which every host should run.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedSpec<'a> {
    /// The document.
    pub document: &'a Value,
    /// Its revision.
    pub revision: u64,
    /// Its digest.
    pub digest: &'a str,
}

/// A kind of host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKind {
    /// Envoy, by its admin interface.
    Envoy,
    /// A Cloudflare Worker, by its status page.
    Worker,
}

impl HostKind {
    /// The name of the kind in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            HostKind::Envoy => "envoy",
            HostKind::Worker => "worker",
        }
    }
}

/// The result of one host.
#[derive(Clone, Debug)]
pub struct HostResult {
    /// The URL of the host.
    pub url: String,
    /// The kind of the host.
    pub kind: HostKind,
    /// The drift of the host, or the reason that its status is unknown.
    pub drift: Result<Drift, String>,
}

/// The differences between a host and git.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Drift {
    /// The status that the host reports, with aborts in force only.
    pub status: HostStatus,
    /// The reasons that the host is not in sync, a sentence each; empty if it is in sync.
    pub reasons: Vec<String>,
    /// The differences between the documents, by the location of the spec in the host.
    pub differences: Vec<(String, Vec<Difference>)>,
}

impl Drift {
    /// Whether the host runs the spec in git, and nothing prevents it from doing so.
    pub fn is_in_sync(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// Compares the status of a host at the time `now` with the spec in git.
pub fn check(expected: ExpectedSpec<'_>, mut status: HostStatus, now: Timestamp) -> Drift {
    status.aborts.retain(|abort| is_in_force(abort, expected.document, now));
    let mut reasons = Vec::new();
    let mut found = Vec::new();
    if status.specs.is_empty() {
        reasons.push("it runs no spec".to_owned());
    }
    for spec in &status.specs {
        reasons.extend(spec_drift(expected, spec));
        let Some(document) = &spec.document else { continue };
        let differences = differences(expected.document, document);
        if !differences.is_empty() {
            found.push((spec.location.clone(), differences));
        }
    }
    reasons.extend(not_in_force(&status));
    for abort in &status.aborts {
        reasons.push(format!("rollout {} is aborted{}", abort.rollout, abort_details(abort)));
    }
    let has_gates = |rollout: &Value| rollout.get("gates").is_some();
    let rollouts = expected.document.get("rollouts").and_then(Value::as_object);
    if rollouts.is_some_and(|rollouts| rollouts.values().any(has_gates)) {
        reasons.extend(status.unjudged.iter().map(|why| format!("nobody judges the gates: {why}")));
    }
    reasons.extend(status.problems.iter().cloned());
    Drift { status, reasons, differences: found }
}

/// The reason that the configured spec is not in force.
fn not_in_force(status: &HostStatus) -> Option<String> {
    let first = status.specs.first()?;
    match (status.revision_in_force, status.specs.as_slice()) {
        (None, _) if status.reports_revision => Some(
            "no revision is in force: the filter does not run, or the metric serin.revision is hidden"
                .to_owned(),
        ),
        (Some(revision), [spec]) if spec.revision != Some(revision) => {
            Some(format!("revision {revision} is still in force, not what {} has", first.location))
        }
        _ => None,
    }
}

/// The reason that a deployed spec is not the expected one.
fn spec_drift(expected: ExpectedSpec<'_>, spec: &DeployedSpec) -> Option<String> {
    let location = &spec.location;
    if let Some(first) = spec.errors.first() {
        let count = spec.errors.len();
        let noun = if count == 1 { "error" } else { "errors" };
        return Some(format!(
            "{location}: the spec is refused, {count} {noun}, the first: {first}"
        ));
    }
    if spec.digest.as_deref() == Some(expected.digest) {
        return None;
    }
    let digest = spec.digest.as_deref().unwrap_or("unknown");
    let revision = spec.revision.unwrap_or_default();
    Some(match revision.cmp(&expected.revision) {
        Ordering::Less => format!("{location}: revision {revision} ({digest}), an older one"),
        Ordering::Greater => format!("{location}: revision {revision} ({digest}), a newer one"),
        Ordering::Equal => {
            format!("{location}: revision {revision} with another digest ({digest})")
        }
    })
}

/// The details of an abort that are known: ` (epoch 3, since 2026-11-21T09:00:00Z): reason`.
fn abort_details(abort: &AbortStatus) -> String {
    let epoch = abort.epoch.map(|epoch| format!("epoch {epoch}"));
    let since = abort.at.map(|at| format!("since {}", Timestamp::from_unix_ms(at)));
    let known: Vec<String> = epoch.into_iter().chain(since).collect();
    let reason = abort.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    if known.is_empty() { reason } else { format!(" ({}){reason}", known.join(", ")) }
}

/// Whether an abort is in force under a spec. A raised epoch clears an abort after the cooldown. A host that
/// reports no epoch reports only aborts in force.
fn is_in_force(abort: &AbortStatus, document: &Value, now: Timestamp) -> bool {
    let Some(epoch) = abort.epoch else { return true };
    let rollout = document.get("rollouts").and_then(|rollouts| rollouts.get(&abort.rollout));
    let Some(rollout) = rollout else { return false };
    let abort = gate::Abort { epoch, at: abort.at.unwrap_or_default(), ..gate::Abort::default() };
    let cooldown = rollout.get("cooldown").and_then(Value::as_str).and_then(parse_duration);
    let current = rollout.get("epoch").and_then(Value::as_u64).unwrap_or_default();
    abort.stops(current, cooldown.unwrap_or_default(), Some(now.unix_ms()))
}

/// The exit code of `serin drift`: 0 every host is in sync, 1 drift, 2 the status of a host is unknown.
pub fn exit_code(hosts: &[HostResult]) -> u8 {
    let code = |host: &HostResult| match &host.drift {
        Ok(drift) => u8::from(!drift.is_in_sync()),
        Err(_) => 2,
    };
    hosts.iter().map(code).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_795_250_000_000);

    fn checked(status: HostStatus) -> Drift {
        let shop = json!({"epoch": 3, "cooldown": "30m"});
        let document = json!({"revision": 4, "rollouts": {"shop": shop}});
        check(ExpectedSpec { document: &document, revision: 4, digest: "aa" }, status, NOW)
    }

    fn deployed(revision: u64, digest: &str) -> DeployedSpec {
        DeployedSpec {
            location: "listener web".to_owned(),
            revision: Some(revision),
            digest: Some(digest.into()),
            ..DeployedSpec::default()
        }
    }

    #[test]
    fn another_digest_is_drift_and_the_revision_says_older_or_newer() {
        for (revision, digest, reason) in [
            (4, "aa", None),
            (3, "bb", Some("listener web: revision 3 (bb), an older one")),
            (5, "bb", Some("listener web: revision 5 (bb), a newer one")),
            (4, "bb", Some("listener web: revision 4 with another digest (bb)")),
        ] {
            let drift = checked(HostStatus {
                specs: vec![deployed(revision, digest)],
                ..HostStatus::default()
            });
            assert_eq!(drift.reasons.first().map(String::as_str), reason);
        }
        assert_eq!(checked(HostStatus::default()).reasons, ["it runs no spec"]);
    }

    #[test]
    fn configured_spec_that_is_not_in_force_is_drift() {
        let specs = vec![deployed(4, "aa")];
        let status = HostStatus {
            specs: specs.clone(),
            revision_in_force: Some(3),
            ..HostStatus::default()
        };
        assert_eq!(
            checked(status).reasons,
            ["revision 3 is still in force, not what listener web has"]
        );
        let refused =
            DeployedSpec { revision: None, errors: vec!["a: b".into()], ..deployed(4, "cc") };
        let status = HostStatus {
            specs: vec![refused],
            revision_in_force: Some(4),
            ..HostStatus::default()
        };
        let drift = checked(status).reasons;
        assert_eq!(drift[0], "listener web: the spec is refused, 1 error, the first: a: b");
        assert_eq!(drift.len(), 2);
    }

    #[test]
    fn missing_revision_metric_means_that_the_filter_does_not_run() {
        let silent = HostStatus {
            specs: vec![deployed(4, "aa")],
            reports_revision: true,
            ..HostStatus::default()
        };
        assert!(checked(silent.clone()).reasons[0].starts_with("no revision is in force"));
        assert!(checked(HostStatus { revision_in_force: Some(4), ..silent.clone() }).is_in_sync());
        // The status page of a Worker shows what runs.
        assert!(checked(HostStatus { reports_revision: false, ..silent }).is_in_sync());
    }

    #[test]
    fn unjudged_gates_are_drift_only_if_the_spec_has_gates() {
        let status = HostStatus {
            specs: vec![deployed(4, "aa")],
            unjudged: Some("SERIN_GATES is not bound".into()),
            ..HostStatus::default()
        };
        assert!(checked(status.clone()).is_in_sync());
        let document = json!({"rollouts": {"shop": {"gates": {}}}});
        let expected = ExpectedSpec { document: &document, revision: 4, digest: "aa" };
        let reasons = check(expected, status, NOW).reasons;
        assert_eq!(reasons, ["nobody judges the gates: SERIN_GATES is not bound"]);
    }

    #[test]
    fn raised_epoch_clears_an_abort_at_once_without_a_cooldown() {
        let document = json!({"rollouts": {"shop": {"epoch": 1}}});
        let at = Some(NOW.unix_ms() + 60_000);
        let abort = AbortStatus { rollout: "shop".into(), epoch: Some(0), at, reason: None };
        assert!(!is_in_force(&abort, &document, NOW));
    }

    #[test]
    fn abort_in_force_is_drift() {
        let abort = AbortStatus {
            rollout: "shop".into(),
            epoch: Some(3),
            at: Some(0),
            reason: Some("errors, 2 times".into()),
        };
        let status = |abort| HostStatus {
            specs: vec![deployed(4, "aa")],
            aborts: vec![abort],
            ..HostStatus::default()
        };
        let wanted =
            "rollout shop is aborted (epoch 3, since 1970-01-01T00:00:00Z): errors, 2 times";
        assert_eq!(checked(status(abort)).reasons, [wanted]);
        let bare = AbortStatus { rollout: "shop".into(), ..AbortStatus::default() };
        assert_eq!(checked(status(bare)).reasons, ["rollout shop is aborted"]);
        // A higher epoch clears the abort, after the cooldown.
        let minutes_ago = |minutes: u64| Some(NOW.unix_ms() - minutes * 60_000);
        for (rollout, epoch, at, in_force) in [
            ("shop", 2, minutes_ago(31), false),
            ("shop", 2, minutes_ago(30), false),
            ("shop", 2, minutes_ago(29), true),
            ("shop", 3, minutes_ago(31), true),
            ("gone", 3, minutes_ago(0), false),
        ] {
            let abort =
                AbortStatus { rollout: rollout.into(), epoch: Some(epoch), at, reason: None };
            let drift = checked(status(abort));
            assert_eq!(!drift.is_in_sync(), in_force, "{rollout} {epoch} {at:?}");
            assert_eq!(drift.status.aborts.len(), usize::from(in_force));
        }
    }
}
