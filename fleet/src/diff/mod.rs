//! The effects of a change of a spec before it ships. The core evaluates the old plan and the new plan for
//! the same units or requests, as a host would.
//!
//! ```
//! use serde_json::json;
//! use serin_core::{Plan, Spec, Timestamp};
//! use serin_fleet::diff::{Comparison, Side, made_up_ids, markdown};
//!
//! let spec = |share: u32| {
//!     json!({
//!         "formatVersion": 1,
//!         "units": {"user": [{"header": "x-user-id"}]},
//!         "rollouts": {"shop": {
//!             "arms": {"stable": {"target": "shop-v1"}, "canary": {"target": "shop-v2"}},
//!             "baseline": "stable",
//!             "canary": {"share": share},
//!         }},
//!     })
//! };
//! let documents = [spec(5), spec(25)];
//! let texts = documents.each_ref().map(ToString::to_string);
//! let specs = texts.each_ref().map(|text| Spec::from_json(text.as_bytes()).unwrap());
//! let plans = texts.each_ref().map(|text| Plan::from_json(text.as_bytes()).unwrap());
//! let side = |i: usize| Side { document: &documents[i], spec: &specs[i], plan: &plans[i] };
//!
//! let at = Timestamp::from_unix_ms(1_795_262_400_000);
//! let diff = Comparison::new(side(0), side(1), at).units(&made_up_ids(1000), true);
//! assert!(diff.is_above(15.0) && !diff.is_above(25.0));
//! assert!(markdown(&diff, Some(15.0)).contains("`stable` → `canary`"));
//! ```

mod access_log;
mod affected_flags;
mod assignment;
mod attribute_profile;
mod markdown;
mod move_counter;
mod probe;
mod probe_points;
mod report;
mod result;
mod rollout_effects;
mod shadow_copies;
mod side_effects;
mod spec_pair;

pub use access_log::{Request, RequestError, RequestErrorKind, parse_request};
pub use report::{json, markdown};
pub use result::{Diff, Group, Move, Part, Population, PreviousOwner};
pub use rollout_effects::{GateState, RolloutEffects};
pub use shadow_copies::{CopyCount, ShadowCopies};
pub use spec_pair::Side;

use crate::compare::differences;
use attribute_profile::{AttributeProfile, profiles};
use move_counter::MoveCounter;
use probe::{Host, Probe, RecordedHost, decide_rollout, without_flags};
use probe_points::{ProbePoint, probe_points};
use rollout_effects::{rollout_effects, switched_flags};
use serin_core::gate::{ActiveLatches, Latches};
use serin_core::spec::UnitSource;
use serin_core::{Decision, Facts, Plan, Timestamp, decide};
use spec_pair::{Pair, merge_names};

/// A comparison of two specs at a point in time.
pub struct Comparison<'a> {
    pair: Pair<'a>,
    /// The plans of both specs without flags, for probe points that evaluate a rollout only: a spec may have
    /// hundreds of flags. `None` if a spec does not compile without its flags.
    rollout_plans: Option<(Plan, Plan)>,
    /// The latches in force on the hosts, for the old plan and for the new plan.
    active_latches: [Option<ActiveLatches>; 2],
    has_latches: bool,
    at: Timestamp,
    progress: Option<&'a dyn Fn(u64, Option<u64>)>,
}

/// The progress over all groups of a comparison.
struct Progress {
    done: u64,
    total: usize,
}

impl<'a> Comparison<'a> {
    /// Compares an old spec and a new spec, both evaluated at `at`.
    pub fn new(old: Side<'a>, new: Side<'a>, at: Timestamp) -> Self {
        let plan = |side: Side<'_>| Plan::new(&without_flags(side.spec)).ok();
        let rollout_plans = plan(old).zip(plan(new));
        let (pair, active_latches) = (Pair { old, new }, [None, None]);
        Comparison { pair, rollout_plans, active_latches, has_latches: false, at, progress: None }
    }

    /// Evaluates both plans with these latches. Without latches, no abort is in force and no step has passed
    /// its gate.
    #[must_use]
    pub fn with_latches(self, latches: &Latches) -> Self {
        let active_latches = [self.pair.old, self.pair.new].map(|side| latches.for_plan(side.plan));
        Comparison { active_latches, has_latches: true, ..self }
    }

    /// Reports progress to `report`: the number of units or requests done, and the total if it is known.
    #[must_use]
    pub fn with_progress(self, report: &'a dyn Fn(u64, Option<u64>)) -> Self {
        Comparison { progress: Some(report), ..self }
    }

    fn report_progress(&self, done: u64, total: Option<u64>) {
        if let Some(report) = self.progress {
            report(done, total);
        }
    }

    fn active_latches(&self) -> [Option<&ActiveLatches>; 2] {
        self.active_latches.each_ref().map(Option::as_ref)
    }

    /// Compares both specs for units. Each id is the value of every source of every unit of both specs. The
    /// units have no other attributes, except in groups that satisfy a condition of a spec.
    pub fn units(&self, ids: &[String], made_up: bool) -> Diff {
        let points = probe_points(&self.pair, self.at);
        let sources = sources(&self.pair);
        let switched = switched_flags(&self.pair, self.active_latches(), self.at);
        let (profiles, left_out) = profiles(&self.pair, &switched);
        let mut progress = Progress { done: 0, total: ids.len() * (profiles.len() + 1) };
        let everybody = AttributeProfile::default();
        let mut groups = vec![self.group(ids, &sources, &points, everybody, &mut progress)];
        for profile in profiles {
            // A profile that contains an id is a single unit, whatever the list of ids is.
            let named_unit = profile.id(&sources).map(|id| vec![id.to_owned()]);
            let ids = named_unit.as_deref().unwrap_or(ids);
            groups.push(Group {
                is_named_unit: named_unit.is_some(),
                ..self.group(ids, &sources, &points, profile, &mut progress)
            });
        }
        let population = if made_up { Population::MadeUp } else { Population::Listed };
        Diff { left_out, ..self.diff(population, groups) }
    }

    /// Compares both specs for recorded requests, in their order.
    ///
    /// # Errors
    /// The first error of the iterator.
    pub fn requests<E>(
        &self,
        requests: impl Iterator<Item = Result<Request, E>>,
    ) -> Result<Diff, E> {
        let mut counter = self.counter();
        let [old_host, new_host] = self.hosts();
        for (number, request) in requests.enumerate() {
            let request = request?;
            let old_facts = self.gathered(old_host, &request, number);
            let new_facts = self.gathered(new_host, &request, number);
            counter.begin();
            let (mut old, mut new) = (Decision::default(), Decision::default());
            decide(self.pair.old.plan, &old_facts, &mut old);
            decide(self.pair.new.plan, &new_facts, &mut new);
            counter.rollout(old.rollout(), new.rollout());
            counter.copies(old.rollout(), new.rollout());
            counter.delivered(old.flags(), new.flags());
            counter.cohorts(&old_facts, &new_facts);
            counter.end();
            self.report_progress(number as u64 + 1, None);
        }
        let group = counter.group(Vec::new());
        Ok(self.diff(Population::Requests, vec![group]))
    }

    fn diff(&self, population: Population, groups: Vec<Group>) -> Diff {
        let version = |side: &Side<'_>| (side.plan.revision(), side.plan.digest().to_owned());
        let mut changed = differences(self.pair.old.document, self.pair.new.document);
        changed.retain(|it| it.path != "revision" && !it.path.starts_with("deploy"));
        Diff {
            population,
            at: self.at,
            old: version(&self.pair.old),
            new: version(&self.pair.new),
            has_latches: self.has_latches,
            groups,
            rollouts: rollout_effects(&self.pair, self.active_latches(), self.at),
            left_out: 0,
            changed,
        }
    }

    fn group(
        &self,
        ids: &[String],
        sources: &[String],
        points: &[ProbePoint],
        profile: AttributeProfile,
        progress: &mut Progress,
    ) -> Group {
        let mut counter = self.counter();
        let for_cohorts = ProbePoint::for_cohorts();
        let points = points.iter();
        let points = points.map(|it| it.adapted_to(&profile.attributes, &self.pair, self.at));
        let mut points: Vec<ProbePoint> = points.collect();
        let mut cohorts = true;
        for id in ids {
            counter.begin();
            let probe = Probe { id, sources, profile: &profile, at: self.at };
            for point in &points {
                self.evaluate(&probe, point, &mut counter);
            }
            if cohorts {
                let hosts = self.hosts_at(&for_cohorts);
                let [old, new] = hosts.map(|host| probe.facts(host, &for_cohorts, None));
                counter.cohorts(&old, &new);
            }
            counter.end();
            progress.done += 1;
            self.report_progress(progress.done, Some(progress.total as u64));
            if counter.is_first() {
                cohorts = counter.affects_cohorts();
                points.retain_mut(|point| point.retain_flags(|key| counter.is_flag_affected(key)));
            }
        }
        counter.extend_unaffected();
        counter.group(profile.attributes)
    }

    /// Evaluates both plans for a unit at a probe point.
    fn evaluate(&self, probe: &Probe<'_>, point: &ProbePoint, counter: &mut MoveCounter<'_>) {
        let hosts = self.hosts_at(point);
        let [old_facts, new_facts] = hosts.map(|host| probe.facts(host, point, None));
        if let Some(flags) = &point.flags {
            return counter.flags(&old_facts, &new_facts, flags);
        }
        let [old_host, new_host] = hosts;
        let old = decide_rollout(old_host, &old_facts);
        let new = decide_rollout(new_host, &new_facts);
        counter.rollout(old.as_ref(), new.as_ref());
        // A shadow that does not copy GET is evaluated with a method that it copies.
        let with_method = |host, method: &Option<String>, decided| match method {
            None => decided,
            method => decide_rollout(host, &probe.facts(host, point, method.as_deref())),
        };
        let [old_method, new_method] = &point.shadow_methods;
        let old = with_method(old_host, old_method, old);
        let new = with_method(new_host, new_method, new);
        counter.copies(old.as_ref(), new.as_ref());
    }

    fn counter(&self) -> MoveCounter<'_> {
        let switched = switched_flags(&self.pair, self.active_latches(), self.at);
        MoveCounter::new(&self.pair, &switched)
    }

    fn hosts(&self) -> [Host<'_>; 2] {
        let [old, new] = self.active_latches();
        let (a, b) = (self.pair.old.plan, self.pair.new.plan);
        [Host { plan: a, active_latches: old }, Host { plan: b, active_latches: new }]
    }

    /// The hosts that evaluate a probe point. Rollouts have the same positions in plans with flags and in
    /// plans without.
    fn hosts_at(&self, point: &ProbePoint) -> [Host<'_>; 2] {
        let [old, new] = self.hosts();
        match &self.rollout_plans {
            Some((a, b)) if point.flags.is_none() => {
                [Host { plan: a, ..old }, Host { plan: b, ..new }]
            }
            _ => [old, new],
        }
    }

    /// The facts of a recorded request, as a host would have them.
    fn gathered<'f>(&self, host: Host<'f>, request: &'f Request, number: usize) -> Facts<'f> {
        let mut recorded = RecordedHost { host, request, number, at: self.at };
        Facts::of_request(host.plan, request.pairs(), &mut recorded)
    }
}

/// The attributes that are a source of some unit, sorted.
fn sources(pair: &Pair<'_>) -> Vec<String> {
    let all = [pair.old.spec, pair.new.spec].into_iter().flat_map(|spec| spec.units.values());
    let name = |source: &UnitSource| match source {
        UnitSource::Jwt(name) => format!("jwt.{name}"),
        UnitSource::Header(name) => format!("header.{name}"),
        UnitSource::Query(name) => format!("query.{name}"),
        UnitSource::Cookie(name) | UnitSource::Anonymous(name) => format!("cookie.{name}"),
    };
    let names: Vec<String> = all.flatten().map(name).collect();
    merge_names(names.iter().map(String::as_str))
}

/// `count` ids of made-up units: `unit-1`, `unit-2` and so on.
pub fn made_up_ids(count: u64) -> Vec<String> {
    (1..=count).map(|number| format!("unit-{number}")).collect()
}
