//! Blue and green in real Envoy with two workers: the active arm changes and changes back under load, by
//! discovery. No request is lost, and no session sees both.

use serde_json::{Value, json};
use serin_conformance::envoy::edge::Edge;
use serin_conformance::envoy::{self, Envoy};
use serin_conformance::load::{Crowd, Load, Note};
use serin_conformance::report::Report;
use serin_conformance::service::Service;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(40);
/// A session lasts longer than it takes a spec to arrive, and a spec is in force for longer than that.
const SESSION: Duration = Duration::from_millis(1500);
const PHASE: Duration = Duration::from_millis(2000);

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

fn flips() -> Result<(), String> {
    let (blue, green) = (Service::start("blue")?, Service::start("green")?);
    let mut edge = Edge::new("blue-green", json!({}))?;
    edge.deliver(&spec(1, "blue"))?;
    let envoy = edge.start(&[("blue", blue.address), ("green", green.address)])?;
    let load = Load::start(envoy.listener("edge")?, Crowd::Sessions(SESSION));
    std::thread::sleep(PHASE);
    let mut flips = Vec::new();
    for (revision, active) in [(2, "green"), (3, "blue")] {
        let sent = Instant::now();
        edge.deliver(&spec(revision, active))?;
        in_force(&envoy, revision)?;
        flips.push((sent, Instant::now(), active));
        std::thread::sleep(PHASE);
    }
    let notes = load.stop()?;
    let lost = notes.iter().filter(|note| note.status != 200).count();
    let sessions = sessions(&notes);
    let mixed = sessions.values().filter(|notes| is_mixed(notes)).count();
    println!(
        "       {} requests of {} sessions, {lost} lost, {mixed} mixed",
        notes.len(),
        sessions.len()
    );
    if lost > 0 || mixed > 0 {
        return Err(format!("{lost} requests lost, {mixed} sessions mixed\n{}", envoy.log()));
    }
    // When exactly a spec reaches a worker, nobody knows: between sending it and its being in force.
    let end = notes.last().ok_or("nobody asked")?.sent;
    let ends = flips.iter().skip(1).map(|flip| flip.0).chain([end]);
    for ((_, at, active), until) in flips.iter().zip(ends) {
        held(&sessions, *at, until, active)?;
    }
    Ok(())
}

/// Sessions that began while a spec was in force have its arm; those that began before have kept theirs.
fn held(
    sessions: &BTreeMap<usize, Vec<&Note>>,
    at: Instant,
    until: Instant,
    active: &str,
) -> Result<(), String> {
    let (mut new, mut kept) = (0, 0);
    for notes in sessions.values() {
        let (first, last) = (notes[0], notes[notes.len() - 1]);
        if first.sent > at && first.sent < until {
            new += 1;
            if first.version != active {
                return Err(format!("session {} began on {}", first.user, first.version));
            }
        }
        kept += usize::from(first.sent < at && last.sent > at && first.version != active);
    }
    println!("       to {active}: {new} sessions began there, {kept} went on where they were");
    if new == 0 || kept == 0 { Err("that shows nothing".into()) } else { Ok(()) }
}

fn sessions(notes: &[Note]) -> BTreeMap<usize, Vec<&Note>> {
    let mut sessions: BTreeMap<usize, Vec<&Note>> = BTreeMap::new();
    for note in notes {
        sessions.entry(note.user).or_default().push(note);
    }
    sessions
}

fn is_mixed(notes: &[&Note]) -> bool {
    notes.iter().any(|note| note.version != notes[0].version)
}

/// Both workers have the spec: the gauge is set by each, and the last one is soon done.
fn in_force(envoy: &Envoy, revision: u64) -> Result<(), String> {
    let wanted = format!("wasmcustom.serin.revision: {revision}");
    let found = envoy::until(PATIENCE, || {
        let stats = envoy.admin("/stats").ok()?;
        stats.lines().any(|line| line == wanted).then_some(())
    });
    found.ok_or_else(|| format!("revision {revision} never came\n{}", envoy.log()))?;
    std::thread::sleep(Duration::from_millis(500));
    Ok(())
}
