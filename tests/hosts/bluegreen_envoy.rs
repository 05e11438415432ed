//! Blue-green in real Envoy with two workers: discovery changes the active arm and changes it back under
//! load, while sessions start all the time. No request is lost, and no session gets both arms.

use serde_json::{Value, json};
use serin_conformance::envoy::Envoy;
use serin_conformance::envoy::edge::Edge;
use serin_conformance::report::Report;
use serin_conformance::service::Service;
use serin_conformance::sessions::{Session, Sessions};
use std::process::ExitCode;
use std::time::Instant;

/// The number of sessions that must start under each spec.
const MIN_SESSIONS: usize = 250;

fn main() -> ExitCode {
    let mut report = Report::new("blue-green in Envoy");
    report.check("the active arm changes under load without a loss", changes_of_the_active_arm);
    report.finish()
}

fn spec(revision: u64, active: &str) -> Value {
    json!({
        "formatVersion": 1,
        "revision": revision,
        "rollouts": {"shop": {
            "arms": {"blue": {"target": "blue"}, "green": {"target": "green"}},
            "baseline": "blue",
            "blueGreen": {"active": active, "pinSessions": "30m"},
        }},
    })
}

/// A change of the active arm.
struct Change {
    from: &'static str,
    to: &'static str,
    /// Until then no worker had the new spec.
    sent: Instant,
    /// Since then all workers have it.
    complete: Instant,
}

impl Change {
    /// Whether the session started on the old arm and still sent requests after the change.
    fn is_spanned_by(&self, session: &Session) -> bool {
        let last = session.requests.last();
        start(session).is_some_and(|(at, arm)| at < self.complete && arm == self.from)
            && last.is_some_and(|last| last.0 > self.complete)
    }
}

/// When a session started, and on which arm.
fn start(session: &Session) -> Option<(Instant, &str)> {
    session.requests.first().map(|(at, arm)| (*at, arm.as_str()))
}

fn has_started_after(session: &Session, time: Instant) -> bool {
    start(session).is_some_and(|(at, _)| at > time)
}

fn changes_of_the_active_arm() -> Result<(), String> {
    let (blue, green) = (Service::start("blue")?, Service::start("green")?);
    let mut edge = Edge::new("blue-green", json!({}))?;
    edge.deliver(&spec(1, "blue"))?;
    let envoy = edge.start(&[("blue", blue.address), ("green", green.address)])?;
    let sessions = Sessions::start(envoy.listener("edge")?);
    let begin = Instant::now();
    envoy.wait_until("sessions start", || {
        sessions.count(|session| has_started_after(session, begin)) >= MIN_SESSIONS
    })?;
    let mut changes = Vec::new();
    for (revision, from, to) in [(2, "blue", "green"), (3, "green", "blue")] {
        let sent = Instant::now();
        edge.deliver(&spec(revision, to))?;
        // Each connection belongs to one worker, and each worker has several.
        let has_changed = || {
            sessions.all_connections(|session| {
                start(session).is_some_and(|(at, arm)| at > sent && arm == to)
            })
        };
        envoy.wait_until("all workers have the new spec", has_changed)?;
        let change = Change { from, to, sent, complete: Instant::now() };
        sessions.complete_change();
        envoy.wait_until("sessions start after the change and others span it", || {
            let new = sessions.count(|session| has_started_after(session, change.complete));
            new >= MIN_SESSIONS && sessions.count(|session| change.is_spanned_by(session)) > 0
        })?;
        changes.push(change);
    }
    check_both_workers_are_used(&envoy)?;
    let sessions = sessions.stop()?;
    let requests: usize = sessions.iter().map(|session| session.requests.len()).sum();
    let lost: Vec<&String> = sessions.iter().flat_map(|session| &session.lost).collect();
    let mixed = sessions.iter().filter(|session| session.is_mixed()).count();
    println!(
        "       {requests} requests of {} sessions, {} lost, {mixed} mixed",
        sessions.len(),
        lost.len()
    );
    if !lost.is_empty() || mixed > 0 {
        let first = lost.first();
        return Err(format!("{} lost ({first:?}), {mixed} mixed\n{}", lost.len(), envoy.log()));
    }
    changes.iter().try_for_each(|change| check_coverage(change, &sessions))?;
    let times: Vec<Instant> =
        changes.iter().flat_map(|change| [change.sent, change.complete]).collect();
    check_starting_arms(&sessions, &times)
}

/// Checks that there were sessions during, after and across a change.
fn check_coverage(change: &Change, sessions: &[Session]) -> Result<(), String> {
    let count = |matches: &dyn Fn(Instant, &str) -> bool| {
        sessions.iter().filter_map(start).filter(|(at, arm)| matches(*at, arm)).count()
    };
    let (from, to) = (change.from, change.to);
    let during = |at: Instant| at > change.sent && at <= change.complete;
    let during_on_old = count(&|at, arm| during(at) && arm == from);
    let during_on_new = count(&|at, arm| during(at) && arm == to);
    let after = count(&|at, arm| at > change.complete && arm == to);
    let spanned = sessions.iter().filter(|session| change.is_spanned_by(session)).count();
    let ms = (change.complete - change.sent).as_millis();
    println!(
        "       {from} to {to} within {ms} ms; started meanwhile: {during_on_old} sessions on {from}, \
         {during_on_new} on {to}; {spanned} stayed on {from}, {after} started on {to} afterwards"
    );
    if during_on_new == 0 || after == 0 || spanned == 0 {
        return Err(format!("too few sessions around the change from {from} to {to}"));
    }
    Ok(())
}

/// Checks that sessions start on the active arm: the old one until their worker has the new spec, the
/// new one from then on. A connection stays with its worker, so its arm changes once.
fn check_starting_arms(sessions: &[Session], times: &[Instant]) -> Result<(), String> {
    let mut started: Vec<&Session> =
        sessions.iter().filter(|session| start(session).is_some()).collect();
    started.sort_by_key(|session| start(session).map(|(at, _)| (session.connection, at)));
    for pair in started.windows(2).filter(|pair| pair[0].connection == pair[1].connection) {
        let (Some((_, previous)), Some((at, arm))) = (start(pair[0]), start(pair[1])) else {
            continue;
        };
        // In the phases 0, 2 and 4 one spec is in force, in 1 and 3 workers change to the next one.
        let phase = times.iter().filter(|time| at > **time).count();
        let is_wrong = match phase {
            0 | 4 => arm != "blue",
            1 => arm == "blue" && previous == "green",
            2 => arm != "green",
            _ => arm == "green" && previous == "blue",
        };
        if is_wrong {
            return Err(format!("in phase {phase} a session started on {arm} after {previous}"));
        }
    }
    Ok(())
}

/// Checks that the listener has distributed its connections to both workers.
fn check_both_workers_are_used(envoy: &Envoy) -> Result<(), String> {
    let stats = envoy.admin("/stats?filter=worker_.*downstream_cx_active")?;
    let edge =
        stats.lines().filter(|line| line.starts_with("listener.") && !line.contains(".admin."));
    let active: Vec<&str> =
        edge.filter_map(|line| line.rsplit_once(": ")).map(|(_, n)| n).collect();
    println!("       connections of the workers: {}", active.join(" and "));
    if active.len() == 2 && !active.contains(&"0") { Ok(()) } else { Err(stats) }
}
