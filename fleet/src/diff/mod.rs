//! What a change of a spec does before it ships: the old plan and the new one, asked about the same
//! units or requests by the core that hosts run.

mod access_log;
mod asked;
mod beside;
mod code;
mod copies;
mod margin;
mod outcome;
mod places;
mod profile;
mod report;
mod tally;
mod touched;

pub use access_log::{Request, parse};
pub use beside::{Beside, Guarded};
pub use copies::{Copied, Copies};
pub use report::{json, markdown};
pub use tally::{Move, Part, Was};

use crate::compare::{Difference, differences};
use asked::{Asked, Host, Recorded, arm, bare};
use outcome::Pair;
use places::Place;
use profile::Profile;
use serde_json::Value;
use serin_core::gate::{ActiveLatches, Latches};
use serin_core::spec::UnitSource;
use serin_core::{Decision, Facts, Plan, Spec, Timestamp, decide};
use tally::Tally;

/// A spec in all its forms.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The document.
    pub document: &'a Value,
    /// The document, typed.
    pub spec: &'a Spec,
    /// What it compiles to.
    pub plan: &'a Plan,
}

/// Who is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Units with ids that are made up.
    MadeUp,
    /// Units from a list.
    Listed,
    /// Requests that were recorded.
    Requests,
}

/// What a change does.
#[derive(Clone, Debug)]
pub struct Diff {
    /// Who was asked about.
    pub who: Who,
    /// The moment that both plans were asked about.
    pub at: Timestamp,
    /// Revision and digest of the old spec.
    pub old: (u64, String),
    /// Revision and digest of the new spec.
    pub new: (u64, String),
    /// Whether the hosts that were asked hold latches.
    pub latched: bool,
    /// Everybody first. For ids, then the same ids with attributes that a condition asks for.
    pub groups: Vec<Group>,
    /// What becomes of rollouts beside who moves, by name; only of those that have anything to tell.
    pub rollouts: Vec<Beside>,
    /// How many such groups there would be beyond those, of specs with many conditions.
    pub left_out: usize,
    /// Every place where the documents differ, revision and deploy apart.
    pub changed: Vec<Difference>,
}

/// Some of those who were asked about.
#[derive(Clone, Debug)]
pub struct Group {
    /// What they have beside their ids; empty for everybody.
    pub attributes: Vec<(String, String)>,
    /// The cohorts that these attributes put them into, in either spec.
    pub cohorts: Vec<String>,
    /// Whether they are one unit that a condition names by its id.
    pub named: bool,
    /// How many they are.
    pub size: u64,
    /// How many of them get anything else than before.
    pub moved: u64,
    /// What they are asked about, in the order of kinds and names.
    pub parts: Vec<Part>,
    /// Who of them is copied to a shadow, by rollout.
    pub copies: Vec<Copies>,
}

impl Diff {
    /// The largest part of a group that moves, in per cent. One unit by itself is no group.
    pub fn most(&self) -> f64 {
        let groups = self.groups.iter().filter(|group| !group.named);
        groups.map(Group::percent).fold(0.0, f64::max)
    }

    /// Whether more of some group move than so many per cent.
    pub fn is_above(&self, bound: f64) -> bool {
        self.most() > bound
    }

    /// Whether no group moves more than everybody does.
    fn most_is_of_all(&self) -> bool {
        self.groups.first().is_none_or(|all| all.percent() >= self.most())
    }
}

impl Group {
    fn percent(&self) -> f64 {
        percent(self.moved, self.size)
    }
}

/// Of how many so many are, in per cent.
#[allow(clippy::cast_precision_loss)]
pub fn percent(some: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { some as f64 * 100.0 / all as f64 }
}

/// A comparison of two specs at a moment.
pub struct Comparison<'a> {
    pair: Pair<'a>,
    /// Plans of both without their flags: where only the arm is asked for, hundreds of flags are not
    /// evaluated for nothing. `None` where a spec can't do without them.
    routes: Option<(Plan, Plan)>,
    /// What hosts hold of aborts and of steps that gates let end, under the old spec and the new one.
    active_latches: [Option<ActiveLatches>; 2],
    latched: bool,
    at: Timestamp,
    progress: Option<&'a dyn Fn(u64, Option<u64>)>,
}

/// How far a comparison has come, over all groups.
struct Done {
    units: u64,
    all: usize,
}

impl<'a> Comparison<'a> {
    /// Of an old and a new spec.
    pub fn new(old: Side<'a>, new: Side<'a>, at: Timestamp) -> Self {
        let routes = Plan::new(&bare(old.spec)).ok().zip(Plan::new(&bare(new.spec)).ok());
        let (pair, active_latches) = (Pair { old, new }, [None, None]);
        Comparison { pair, routes, active_latches, latched: false, at, progress: None }
    }

    /// Asks hosts that hold these latches. Without, they know of no abort and of no step that has passed
    /// its gate.
    #[must_use]
    pub fn with_latches(self, latches: &Latches) -> Self {
        let active_latches = [self.pair.old, self.pair.new].map(|side| latches.for_plan(side.plan));
        Comparison { active_latches, latched: true, ..self }
    }

    /// Calls back with how many have been asked about, and of how many if that is known.
    #[must_use]
    pub fn with_progress(self, told: &'a dyn Fn(u64, Option<u64>)) -> Self {
        Comparison { progress: Some(told), ..self }
    }

    fn tell(&self, done: u64, all: Option<u64>) {
        if let Some(told) = self.progress {
            told(done, all);
        }
    }

    fn active_latches(&self) -> [Option<&ActiveLatches>; 2] {
        self.active_latches.each_ref().map(Option::as_ref)
    }

    /// Asks about units. Each id stands in every source that any unit of either spec has; the units
    /// have no other attribute, but for groups that are made to fit the conditions of the specs.
    pub fn units(&self, ids: &[String], made_up: bool) -> Diff {
        let places = places::places(&self.pair, self.at);
        let sources = sources(&self.pair);
        let turned = beside::turned(&self.pair, self.active_latches(), self.at);
        let (profiles, left_out) = profile::profiles(&self.pair, &turned);
        let mut done = Done { units: 0, all: ids.len() * (profiles.len() + 1) };
        let mut groups = vec![self.group(ids, &sources, &places, Profile::default(), &mut done)];
        for profile in profiles {
            // Whom a condition names by an id is one unit, whatever the list says.
            let named = profile.id(&sources).map(|id| vec![id.to_owned()]);
            let ids = named.as_deref().unwrap_or(ids);
            groups.push(Group {
                named: named.is_some(),
                ..self.group(ids, &sources, &places, profile, &mut done)
            });
        }
        let who = if made_up { Who::MadeUp } else { Who::Listed };
        Diff { left_out, ..self.diff(who, groups) }
    }

    /// Asks about recorded requests, in the order in which they come.
    ///
    /// # Errors
    /// The first error of the iterator.
    pub fn requests<E>(
        &self,
        requests: impl Iterator<Item = Result<Request, E>>,
    ) -> Result<Diff, E> {
        let mut tally = self.tally();
        let [old_host, new_host] = self.hosts();
        for (number, request) in requests.enumerate() {
            let request = request?;
            let old = self.gathered(old_host, &request, number);
            let new = self.gathered(new_host, &request, number);
            tally.begin();
            let (mut before, mut after) = (Decision::default(), Decision::default());
            decide(self.pair.old.plan, &old, &mut before);
            decide(self.pair.new.plan, &new, &mut after);
            tally.rollout(before.rollout(), after.rollout());
            tally.copies(before.rollout(), after.rollout());
            tally.delivered(before.flags(), after.flags());
            tally.cohorts(&old, &new);
            tally.end();
            self.tell(number as u64 + 1, None);
        }
        let group = tally.group(Vec::new());
        Ok(self.diff(Who::Requests, vec![group]))
    }

    fn diff(&self, who: Who, groups: Vec<Group>) -> Diff {
        let version = |side: &Side<'_>| (side.plan.revision(), side.plan.digest().to_owned());
        let mut changed = differences(self.pair.old.document, self.pair.new.document);
        changed.retain(|it| it.path != "revision" && !it.path.starts_with("deploy"));
        let (old, new) = (version(&self.pair.old), version(&self.pair.new));
        let rollouts = beside::beside(&self.pair, self.active_latches(), self.at);
        let (at, latched) = (self.at, self.latched);
        Diff { who, at, old, new, latched, groups, rollouts, left_out: 0, changed }
    }

    fn group(
        &self,
        ids: &[String],
        sources: &[String],
        places: &[Place],
        profile: Profile,
        done: &mut Done,
    ) -> Group {
        let mut tally = self.tally();
        let nowhere = Place::nowhere();
        let places = places.iter();
        let places = places.map(|it| it.fitted(&profile.attributes, &self.pair, self.at));
        let mut places: Vec<Place> = places.collect();
        let mut cohorts = true;
        for id in ids {
            tally.begin();
            let asked = Asked { id, sources, profile: &profile, at: self.at };
            for place in &places {
                let hosts = self.hosts_at(place);
                let [before, after] = hosts.map(|host| asked.facts(host, place, None));
                if let Some(flags) = &place.flags {
                    tally.flags(&before, &after, flags);
                    continue;
                }
                let [old, new] = hosts;
                let (before, after) = (arm(old, &before), arm(new, &after));
                tally.rollout(before.as_ref(), after.as_ref());
                // A shadow that is for other methods is asked with one of its own.
                let again = |host, method: &Option<String>, decided| match method {
                    None => decided,
                    method => arm(host, &asked.facts(host, place, method.as_deref())),
                };
                let [old_method, new_method] = &place.copied;
                let before = again(old, old_method, before);
                let after = again(new, new_method, after);
                tally.copies(before.as_ref(), after.as_ref());
            }
            if cohorts {
                let hosts = self.hosts_at(&nowhere);
                let [before, after] = hosts.map(|host| asked.facts(host, &nowhere, None));
                tally.cohorts(&before, &after);
            }
            tally.end();
            done.units += 1;
            self.tell(done.units, Some(done.all as u64));
            if tally.is_at_the_first() {
                cohorts = tally.touches_cohorts();
                places.retain_mut(|place| place.keep_flags(|key| tally.is_touched(key)));
            }
        }
        tally.fill_up();
        tally.group(profile.attributes)
    }

    fn tally(&self) -> Tally<'_> {
        Tally::new(&self.pair, &beside::turned(&self.pair, self.active_latches(), self.at))
    }

    fn hosts(&self) -> [Host<'_>; 2] {
        let [old, new] = self.active_latches();
        let (a, b) = (self.pair.old.plan, self.pair.new.plan);
        [Host { plan: a, active_latches: old }, Host { plan: b, active_latches: new }]
    }

    /// Who is asked at a place; positions of rollouts are the same with flags and without.
    fn hosts_at(&self, place: &Place) -> [Host<'_>; 2] {
        let [old, new] = self.hosts();
        match &self.routes {
            Some((a, b)) if place.flags.is_none() => {
                [Host { plan: a, ..old }, Host { plan: b, ..new }]
            }
            _ => [old, new],
        }
    }

    /// The facts of a recorded request, as a host would have them.
    fn gathered<'f>(&self, host: Host<'f>, request: &'f Request, number: usize) -> Facts<'f> {
        let mut recorded = Recorded { host, request, number, at: self.at };
        Facts::of_request(host.plan, request.pairs(), &mut recorded)
    }
}

/// The attributes that hold the value of some unit, each once.
fn sources(pair: &Pair<'_>) -> Vec<String> {
    let all = [pair.old.spec, pair.new.spec].into_iter().flat_map(|spec| spec.units.values());
    let name = |source: &UnitSource| match source {
        UnitSource::Jwt(name) => format!("jwt.{name}"),
        UnitSource::Header(name) => format!("header.{name}"),
        UnitSource::Query(name) => format!("query.{name}"),
        UnitSource::Cookie(name) | UnitSource::Anonymous(name) => format!("cookie.{name}"),
    };
    let mut names: Vec<String> = all.flatten().map(name).collect();
    names.sort();
    names.dedup();
    names
}

/// `count` ids, the same at all times.
pub fn made_up_ids(count: u64) -> Vec<String> {
    (1..=count).map(|number| format!("unit-{number}")).collect()
}
