//! Blue and green in real Envoy with two workers: the active arm changes and changes back under load, by
//! discovery, while sessions begin at any moment. No request is lost, and no session sees both.

use serde_json::{Value, json};
use serin_conformance::envoy::edge::Edge;
use serin_conformance::envoy::{self, Envoy};
use serin_conformance::report::Report;
use serin_conformance::service::Service;
use serin_conformance::sessions::{Session, Sessions};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many sessions begin under each spec.
const ENOUGH: usize = 250;

fn main() -> ExitCode {
    let mut report = Report::new("blue-green in Envoy");
    report.check("the active arm changes and changes back under load", flips);
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

/// The active arm has changed.
struct Flip {
    from: &'static str,
    to: &'static str,
    /// Before this moment no worker had the spec, after the other one all had it.
    sent: Instant,
    settled: Instant,
}

impl Flip {
    /// The session began before and went on when every worker had the new spec.
    fn is_spanned_by(&self, session: &Session) -> bool {
        let last = session.requests.last();
        began(session).is_some_and(|(at, on)| at < self.settled && on == self.from)
            && last.is_some_and(|last| last.0 > self.settled)
    }
}

fn began(session: &Session) -> Option<(Instant, &str)> {
    session.requests.first().map(|(at, on)| (*at, on.as_str()))
}

fn flips() -> Result<(), String> {
    let (blue, green) = (Service::start("blue")?, Service::start("green")?);
    let mut edge = Edge::new("blue-green", json!({}))?;
    edge.deliver(&spec(1, "blue"))?;
    let envoy = edge.start(&[("blue", blue.address), ("green", green.address)])?;
    let sessions = Sessions::start(envoy.listener("edge")?);
    let start = Instant::now();
    until("sessions begin", &envoy, || sessions.count(|one| since(one, start)) >= ENOUGH)?;
    let mut flips = Vec::new();
    for (revision, from, to) in [(2, "blue", "green"), (3, "green", "blue")] {
        let sent = Instant::now();
        edge.deliver(&spec(revision, to))?;
        // Each connection is one worker's, and each worker has some of them.
        let changed = || {
            let there = |one: &Session| began(one).is_some_and(|(at, on)| at > sent && on == to);
            sessions.everywhere(there)
        };
        until("all workers have the spec", &envoy, changed)?;
        let flip = Flip { from, to, sent, settled: Instant::now() };
        sessions.changed();
        until("sessions begin and go on", &envoy, || {
            let new = sessions.count(|one| since(one, flip.settled));
            new >= ENOUGH && sessions.count(|one| flip.is_spanned_by(one)) > 0
        })?;
        flips.push(flip);
    }
    both_workers(&envoy)?;
    let sessions = sessions.stop()?;
    let requests: usize = sessions.iter().map(|one| one.requests.len()).sum();
    let lost: Vec<&String> = sessions.iter().flat_map(|one| &one.lost).collect();
    let mixed = sessions.iter().filter(|one| one.is_mixed()).count();
    println!(
        "       {requests} requests of {} sessions, {} lost, {mixed} mixed",
        sessions.len(),
        lost.len()
    );
    if !lost.is_empty() || mixed > 0 {
        let why = lost.first();
        return Err(format!("{} lost ({why:?}), {mixed} mixed\n{}", lost.len(), envoy.log()));
    }
    flips.iter().try_for_each(|flip| crossed(flip, &sessions))?;
    let moments: Vec<Instant> = flips.iter().flat_map(|flip| [flip.sent, flip.settled]).collect();
    in_force(&sessions, &moments)
}

/// There were sessions of every kind around a change, or it shows nothing.
fn crossed(flip: &Flip, sessions: &[Session]) -> Result<(), String> {
    let count = |is: &dyn Fn(Instant, &str) -> bool| {
        sessions.iter().filter_map(began).filter(|(at, on)| is(*at, on)).count()
    };
    let meanwhile = |at: Instant| at > flip.sent && at <= flip.settled;
    let before = count(&|at, on| meanwhile(at) && on == flip.from);
    let there = count(&|at, on| meanwhile(at) && on == flip.to);
    let after = count(&|at, on| at > flip.settled && on == flip.to);
    let spanned = sessions.iter().filter(|one| flip.is_spanned_by(one)).count();
    println!(
        "       {} to {} within {} ms: meanwhile {before} sessions began on {}, {there} on {}; \
         {spanned} went on where they were, {after} began there afterwards",
        flip.from,
        flip.to,
        (flip.settled - flip.sent).as_millis(),
        flip.from,
        flip.to
    );
    if there == 0 || after == 0 || spanned == 0 { Err("that shows nothing".into()) } else { Ok(()) }
}

/// Sessions begin on the arm that is active: on the one of before until a worker has the spec, on the one of
/// after from then on. A connection stays with its worker, so on each of them it changes once.
fn in_force(sessions: &[Session], moments: &[Instant]) -> Result<(), String> {
    let mut all: Vec<&Session> = sessions.iter().filter(|one| began(one).is_some()).collect();
    all.sort_by_key(|one| began(one).map(|(at, _)| (one.connection, at)));
    for pair in all.windows(2).filter(|pair| pair[0].connection == pair[1].connection) {
        let (Some((at, on)), Some(before)) = (began(pair[1]), began(pair[0])) else { continue };
        // 0, 2 and 4 have one spec in force, 1 and 3 are on the way from one to the next.
        let phase = moments.iter().filter(|moment| at > **moment).count();
        let wrong = match phase {
            0 | 4 => on != "blue",
            1 => on == "blue" && before.1 == "green",
            2 => on != "green",
            _ => on == "green" && before.1 == "blue",
        };
        if wrong {
            return Err(format!("in phase {phase} a session began on {on} after {}", before.1));
        }
    }
    Ok(())
}

/// The listener has shared its connections out.
fn both_workers(envoy: &Envoy) -> Result<(), String> {
    let stats = envoy.admin("/stats?filter=worker_.*downstream_cx_active")?;
    let edge =
        stats.lines().filter(|line| line.starts_with("listener.") && !line.contains(".admin."));
    let active: Vec<&str> =
        edge.filter_map(|line| line.rsplit_once(": ")).map(|(_, n)| n).collect();
    println!("       connections of the workers: {}", active.join(" and "));
    if active.len() == 2 && !active.contains(&"0") { Ok(()) } else { Err(stats) }
}

fn since(session: &Session, moment: Instant) -> bool {
    began(session).is_some_and(|(at, _)| at > moment)
}

fn until(what: &str, envoy: &Envoy, mut holds: impl FnMut() -> bool) -> Result<(), String> {
    let found = envoy::until(PATIENCE, || holds().then_some(()));
    found.ok_or_else(|| format!("waited in vain: {what}\n{}", envoy.log()))
}
