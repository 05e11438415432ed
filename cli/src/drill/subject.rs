//! What is drilled: one rollout of a spec, and how requests reach it.

use super::sample_attributes::SampleAttributes;
use crate::failure::Failure;
use crate::spec_file::SpecFile;
use serin_core::plan::RolloutId;
use serin_core::spec::{HostMatch, Mode, PathMatch, Progress, Rollout, RouteMatch, UnitSource};
use serin_core::{Plan, Share, Spec};

/// 2026-01-01T00:00:00Z, for rollouts that begin at no moment.
const SOME_MOMENT: u64 = 1_767_225_600_000;

/// One rollout of a spec.
pub(super) struct Subject {
    pub(super) json: Vec<u8>,
    pub(super) plan: Plan,
    pub(super) id: RolloutId,
    pub(super) rollout: String,
    /// The arm that a fault strikes.
    pub(super) arm: String,
    /// How the new version gets its requests, in a few words.
    pub(super) mode: String,
    pub(super) start_ms: u64,
    pub(super) steps: Vec<Step>,
    /// The new version's share, if it is no canary's.
    pub(super) fixed: Option<Share>,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) kpi: Option<KpiRequest>,
    pub(super) unit: Option<UnitSource>,
    /// The names of the cohorts that gates judge.
    pub(super) judged: Vec<String>,
    /// Cohorts that gates judge first, in their order; then rings.
    pub(super) groups: Vec<Group>,
    /// What is left out, and why.
    pub(super) notes: Vec<String>,
}

/// Users that are in a cohort or ring.
pub(super) struct Group {
    pub(super) name: String,
    /// Of all users.
    pub(super) part: f64,
    /// What their requests have.
    pub(super) attributes: SampleAttributes,
    /// Whether a gate judges it, rather than a ring taking it in.
    pub(super) judged: bool,
}

/// A step of the rollout; a rollout without steps has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) share: Share,
    /// `None` lasts until the spec changes.
    pub(super) hold_ms: Option<u64>,
    pub(super) gated: bool,
}

/// A request that may be a KPI event.
pub(super) struct KpiRequest {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) header: Option<String>,
    pub(super) status: u16,
}

impl Subject {
    /// A rollout by its name, or the one that has most to show; without groups yet.
    pub(super) fn new(file: SpecFile, name: Option<&str>) -> Result<Subject, Failure> {
        let spec = Spec::from_json(&file.json);
        let spec = spec.map_err(|errors| Failure::spec(errors.to_string()))?;
        let name = chosen(&spec, name)?;
        let rollout = spec.rollouts.get(&name).ok_or_else(|| unknown(&name))?;
        let (arm, mode) = new_version(rollout).map_err(|why| {
            Failure::trouble(format!("rollouts.{name}: {why}, so there is nothing to break"))
        })?;
        let found = file.plan.arm_named(&name, &arm).ok_or_else(|| unknown(&name))?;
        let (start_ms, steps) = steps(&rollout.mode);
        let (host, path) = route(&rollout.matches);
        let judged = rollout.abort_policy.gates.iter().flat_map(|gates| &gates.cohorts);
        Ok(Subject {
            json: file.json,
            plan: file.plan,
            id: found.0,
            rollout: name,
            mode,
            start_ms,
            steps,
            fixed: match &rollout.mode {
                Mode::Canary { .. } => None,
                Mode::Split(weights) => weights.now.get(&arm).copied(),
                _ => Some(Share::ALL),
            },
            arm,
            kpi: kpi(rollout, &path),
            host,
            path,
            unit: unit(&spec, rollout),
            judged: judged.cloned().collect(),
            groups: Vec::new(),
            notes: Vec::new(),
        })
    }

    /// How the new version gets its requests, with its name.
    pub(super) fn way(&self) -> String {
        if self.mode == self.arm { self.arm.clone() } else { format!("{} {}", self.mode, self.arm) }
    }

    /// Whether anything judges the new version.
    pub(super) fn has_gates(&self) -> bool {
        self.trial().is_some()
    }

    pub(super) fn trial(&self) -> Option<&serin_core::plan::Trial> {
        self.plan.rollout(self.id)?.trial()
    }

    /// Which of the gates' cohorts this is.
    pub(super) fn judged_place(&self, name: &str) -> Option<usize> {
        let trial = self.trial()?;
        (1..trial.groups()).find(|index| trial.group(*index) == Some(name)).map(|index| index - 1)
    }
}

fn unknown(name: &str) -> Failure {
    Failure::trouble(format!("there is no rollout {name:?}"))
}

/// The one that is named, or the first with gates, or the first that has a new version at all.
fn chosen(spec: &Spec, name: Option<&str>) -> Result<String, Failure> {
    if let Some(name) = name {
        return Ok(name.to_owned());
    }
    let all = || spec.rollouts.iter();
    let gated = all().find(|(_, rollout)| rollout.abort_policy.gates.is_some());
    let new = || all().find(|(_, rollout)| new_version(rollout).is_ok());
    let first = || all().next();
    let (name, _) = gated.or_else(new).or_else(first).ok_or_else(|| {
        Failure::trouble("the spec has no rollouts, so there is nothing to break")
    })?;
    Ok(name.to_string())
}

/// The arm that is new, and how it gets its requests.
fn new_version(rollout: &Rollout) -> Result<(String, String), &'static str> {
    let others = || rollout.arms.names().filter(|name| **name != *rollout.baseline);
    match &rollout.mode {
        Mode::Baseline => Err("everything goes to the baseline"),
        Mode::Canary { arm, .. } => {
            let only = || if others().count() == 1 { others().next() } else { None };
            let called = || others().find(|name| *name == "canary");
            let arm = arm.as_deref().or_else(only).or_else(called);
            Ok((arm.unwrap_or("canary").to_owned(), "canary".to_owned()))
        }
        Mode::BlueGreen { active, .. } if *active == rollout.baseline => {
            Err("everything goes to the baseline")
        }
        Mode::BlueGreen { active, .. } => Ok((active.clone(), "blue-green".to_owned())),
        Mode::Split(weights) => {
            let new = others().find(|name| weights.now.get(name).is_some());
            new.map(|new| (new.to_owned(), "split".to_owned())).ok_or("it has no second arm")
        }
    }
}

fn steps(mode: &Mode) -> (u64, Vec<Step>) {
    let always = |share| [Step { share, hold_ms: None, gated: false }].into();
    let Mode::Canary { progress, .. } = mode else { return (SOME_MOMENT, always(Share::ALL)) };
    match progress {
        Progress::Fixed(share) => (SOME_MOMENT, always(*share)),
        Progress::Steps { start, steps } => {
            let step = |step: &serin_core::spec::Step| {
                let hold_ms = match step.hold {
                    serin_core::spec::Hold::For(ms) => Some(ms),
                    _ => None,
                };
                Step { share: step.share, hold_ms, gated: step.gated }
            };
            let start = start.map_or(SOME_MOMENT, |start| start.unix_ms());
            (start, steps.iter().map(step).collect())
        }
    }
}

fn route(matches: &RouteMatch) -> (String, String) {
    let host = match matches.hosts.first() {
        Some(HostMatch::Exact(host)) => host.clone(),
        Some(HostMatch::Below(host)) => format!("www.{host}"),
        None => "drill.example.com".to_owned(),
    };
    (host, matches.paths.first().map_or("/", text_of).to_owned())
}

fn text_of(path: &PathMatch) -> &str {
    match path {
        PathMatch::Exact(path) | PathMatch::Prefix(path) => path,
    }
}

fn kpi(rollout: &Rollout, path: &str) -> Option<KpiRequest> {
    let event = rollout.abort_policy.gates.as_ref()?.kpi.as_ref()?;
    let status = (100..600).find(|status| event.status.contains(*status))?;
    Some(KpiRequest {
        method: event.methods.first().map_or("GET", String::as_str).to_owned(),
        path: event.paths.first().map_or(path, text_of).to_owned(),
        header: event.header.clone(),
        status,
    })
}

fn unit(spec: &Spec, rollout: &Rollout) -> Option<UnitSource> {
    let named = rollout.bucketing.unit.as_deref().and_then(|name| spec.units.get(name));
    let sources = named.or_else(|| spec.units.values().next())?;
    sources.first().cloned()
}
