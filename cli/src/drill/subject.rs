//! The subject of a drill: one rollout of a spec, and how requests reach it.

use super::sample_attributes::SampleAttributes;
use crate::failure::Failure;
use crate::spec_file::SpecFile;
use serin_core::plan::RolloutId;
use serin_core::spec::{HostMatch, Mode, PathMatch, Progress, Rollout, RouteMatch, UnitSource};
use serin_core::{Plan, Share, Spec};

/// The start of rollouts without a `start`, in ms since 1970: 2026-01-01T00:00:00Z.
const DEFAULT_START_MS: u64 = 1_767_225_600_000;

/// The drilled rollout.
pub(super) struct Subject {
    /// The spec as the filter reads it.
    pub(super) json: Vec<u8>,
    pub(super) plan: Plan,
    pub(super) id: RolloutId,
    pub(super) rollout: String,
    /// The arm of the new version, which faults affect.
    pub(super) arm: String,
    /// The rollout's mode in a word: canary, blue-green or split.
    pub(super) mode: String,
    pub(super) start_ms: u64,
    pub(super) steps: Vec<Step>,
    /// The new version's share where it does not change by itself: in a blue-green rollout or a split.
    pub(super) fixed: Option<Share>,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) kpi: Option<KpiRequest>,
    pub(super) unit: Option<UnitSource>,
    /// The names of the cohorts that gates judge.
    pub(super) judged: Vec<String>,
    /// The groups with users: the cohorts that gates judge in their order, then the rings.
    pub(super) groups: Vec<Group>,
    /// The groups without users, by name.
    pub(super) empty: Vec<(String, EmptyGroup)>,
}

/// The users of a cohort or ring.
pub(super) struct Group {
    pub(super) name: String,
    /// The part of all users, 0 to 1.
    pub(super) part: f64,
    /// The attributes of their requests.
    pub(super) attributes: SampleAttributes,
    /// Whether gates judge the group; otherwise it is a ring.
    pub(super) judged: bool,
}

/// Why no simulated user is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EmptyGroup {
    /// No request can be derived from the condition.
    NotDerived,
    /// The derived request does not meet the condition.
    NotMet,
}

/// A step of the rollout; a rollout without steps has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) share: Share,
    /// How long the step lasts, in ms; `None` is until the spec changes.
    pub(super) hold_ms: Option<u64>,
    /// Whether the step waits for its gate.
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
    /// The rollout of a name; without a name the first with gates, or else with a new version. It has no
    /// groups yet.
    pub(super) fn new(file: SpecFile, name: Option<&str>) -> Result<Subject, Failure> {
        let spec = Spec::from_json(&file.json);
        let spec = spec.map_err(|errors| Failure::spec(errors.to_string()))?;
        let name = chosen(&spec, name)?;
        let rollout = spec.rollouts.get(&name).ok_or_else(|| unknown(&name))?;
        let (arm, mode) = new_version(rollout).map_err(|why| {
            Failure::trouble(format!("rollouts.{name}: {why}, so it has no new version to drill"))
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
            empty: Vec::new(),
        })
    }

    /// The mode and the new version's arm, for people: `blue-green green`.
    pub(super) fn mode_and_arm(&self) -> String {
        if self.mode == self.arm { self.arm.clone() } else { format!("{} {}", self.mode, self.arm) }
    }

    /// Whether gates judge the new version.
    pub(super) fn has_gates(&self) -> bool {
        self.trial().is_some()
    }

    /// The trial that the gates judge.
    pub(super) fn trial(&self) -> Option<&serin_core::plan::Trial> {
        self.plan.rollout(self.id)?.trial()
    }

    /// The bit of a cohort among those that the gates judge.
    pub(super) fn judged_bit(&self, name: &str) -> Option<usize> {
        let trial = self.trial()?;
        (1..trial.groups()).find(|index| trial.group(*index) == Some(name)).map(|index| index - 1)
    }
}

fn unknown(name: &str) -> Failure {
    Failure::trouble(format!("the spec has no rollout {name:?}"))
}

/// The name of the rollout to drill.
fn chosen(spec: &Spec, name: Option<&str>) -> Result<String, Failure> {
    if let Some(name) = name {
        return Ok(name.to_owned());
    }
    let all = || spec.rollouts.iter();
    let gated = all().find(|(_, rollout)| rollout.abort_policy.gates.is_some());
    let new = || all().find(|(_, rollout)| new_version(rollout).is_ok());
    let first = || all().next();
    let (name, _) = gated
        .or_else(new)
        .or_else(first)
        .ok_or_else(|| Failure::trouble("the spec has no rollout to drill"))?;
    Ok(name.to_string())
}

/// The arm of the new version, and the rollout's mode.
fn new_version(rollout: &Rollout) -> Result<(String, String), &'static str> {
    let others = || rollout.arms.names().filter(|name| **name != *rollout.baseline);
    match &rollout.mode {
        Mode::Baseline => Err("everything goes to the baseline"),
        Mode::Canary { arm, .. } => {
            let only = || if others().count() == 1 { others().next() } else { None };
            let named_canary = || others().find(|name| *name == "canary");
            let arm = arm.as_deref().or_else(only).or_else(named_canary);
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

/// The start in ms since 1970, and the steps.
fn steps(mode: &Mode) -> (u64, Vec<Step>) {
    let always = |share| [Step { share, hold_ms: None, gated: false }].into();
    let Mode::Canary { progress, .. } = mode else { return (DEFAULT_START_MS, always(Share::ALL)) };
    match progress {
        Progress::Fixed(share) => (DEFAULT_START_MS, always(*share)),
        Progress::Steps { start, steps } => {
            let step = |step: &serin_core::spec::Step| {
                let hold_ms = match step.hold {
                    serin_core::spec::Hold::For(ms) => Some(ms),
                    _ => None,
                };
                Step { share: step.share, hold_ms, gated: step.gated }
            };
            let start = start.map_or(DEFAULT_START_MS, |start| start.unix_ms());
            (start, steps.iter().map(step).collect())
        }
    }
}

/// A host and a path that the rollout matches.
fn route(matches: &RouteMatch) -> (String, String) {
    let host = match matches.hosts.first() {
        Some(HostMatch::Exact(host)) => host.clone(),
        Some(HostMatch::Below(host)) => format!("www.{host}"),
        None => "drill.example.com".to_owned(),
    };
    (host, matches.paths.first().map_or("/", path_of).to_owned())
}

fn path_of(path: &PathMatch) -> &str {
    match path {
        PathMatch::Exact(path) | PathMatch::Prefix(path) => path,
    }
}

/// A request that is a KPI event of the rollout's gates.
fn kpi(rollout: &Rollout, path: &str) -> Option<KpiRequest> {
    let event = rollout.abort_policy.gates.as_ref()?.kpi.as_ref()?;
    let status = (100..600).find(|status| event.status.contains(*status))?;
    Some(KpiRequest {
        method: event.methods.first().map_or("GET", String::as_str).to_owned(),
        path: event.paths.first().map_or(path, path_of).to_owned(),
        header: event.header.clone(),
        status,
    })
}

/// The first source of the rollout's unit.
fn unit(spec: &Spec, rollout: &Rollout) -> Option<UnitSource> {
    let named = rollout.bucketing.unit.as_deref().and_then(|name| spec.units.get(name));
    let sources = named.or_else(|| spec.units.values().next())?;
    sources.first().cloned()
}
