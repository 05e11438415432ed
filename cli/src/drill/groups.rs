//! The groups of a rollout: the cohorts that its gates judge, and its rings.

use super::request::Request;
use super::sample_attributes;
use super::subject::{EmptyGroup, Group, Subject};
use serde_json::{Value, json};
use serin_core::gate::ActiveLatches;
use serin_core::plan::Input;
use serin_core::{Decision, EarlierIds, Facts, IdKeys, OverrideKeys, RequestHost, decide};
use std::borrow::Cow;

/// The default part of the users in a cohort that gates judge.
const COHORT_PART: f64 = 0.1;
/// The default part of the users in a ring.
const RING_PART: f64 = 0.01;

/// The proxy that a simulated user's request arrives at, right after the start. It knows no abort.
struct SimulatedHost<'r> {
    request: &'r Request,
    now: u64,
}

impl<'r> RequestHost<'r> for SimulatedHost<'r> {
    fn now(&self) -> Option<u64> {
        Some(self.now)
    }

    fn input(&self, input: &Input) -> Option<Cow<'r, str>> {
        match input {
            Input::Ip => {
                let (address, _) = self.request.address.as_ref()?.rsplit_once(':')?;
                Some(Cow::Borrowed(address))
            }
            Input::Jwt(claim) => self.request.claims.get(&**claim)?.as_str().map(Cow::Borrowed),
            _ => None,
        }
    }

    fn entropy(&mut self) -> Option<[u8; 16]> {
        None
    }

    fn latches(&self) -> Option<&'r ActiveLatches> {
        None
    }

    fn override_keys(&self) -> Option<&'r OverrideKeys> {
        None
    }

    fn id_keys(&self) -> Option<&'r IdKeys> {
        None
    }

    fn earlier_ids(&self) -> Option<EarlierIds> {
        None
    }
}

impl Subject {
    /// Finds the groups: the cohorts that gates judge, then the rings. `parts` are the parts of the users in
    /// a group, 0 to 1, by its name. A group that no simulated user can be in becomes a note.
    pub(super) fn find_groups(&mut self, parts: &[(String, f64)]) {
        let document: Value = serde_json::from_slice(&self.json).unwrap_or_default();
        let cohorts = &document["cohorts"];
        let judged = self.judged.clone().into_iter();
        let judged = judged.map(|name| (name.clone(), json!({ "cohort": name }), true));
        let rings = document["rollouts"][&self.rollout]["canary"]["rings"].as_array();
        let rings = rings.into_iter().flatten().enumerate().map(|(index, ring)| {
            let name = ring["cohort"].as_str();
            let name = name.map_or_else(|| format!("rings[{index}]"), str::to_owned);
            (name, ring.clone(), false)
        });
        let mut known = Vec::new();
        for (name, condition, judged) in judged.chain(rings) {
            // A ring of a cohort that gates judge is the same users.
            if known.contains(&name) {
                continue;
            }
            known.push(name.clone());
            let usual = if judged { COHORT_PART } else { RING_PART };
            let given = parts.iter().find(|(known, _)| *known == name);
            let part = given.map_or(usual, |(_, part)| *part);
            let found = sample_attributes::find(cohorts, &condition);
            let group =
                found.map(|attributes| Group { name: name.clone(), part, attributes, judged });
            match group {
                Some(group) if self.is_in(&group) => self.groups.push(group),
                Some(_) => self.empty.push((name, EmptyGroup::NotMet)),
                None => self.empty.push((name, EmptyGroup::NotDerived)),
            }
        }
    }

    /// Whether the core decides that a request with a group's attributes is in the group.
    fn is_in(&self, group: &Group) -> bool {
        let request = Request::new(self, "somebody", &group.attributes);
        let pairs: Vec<_> = request.pairs("GET", &self.path).collect();
        let pairs = pairs.iter().map(|(name, value)| (*name, &**value));
        let mut host = SimulatedHost { request: &request, now: self.start_ms.saturating_add(1) };
        let facts = Facts::of_request(&self.plan, pairs, &mut host);
        let mut decision = Decision::new(&self.plan);
        decide(&self.plan, &facts, &mut decision);
        let Some(decided) = decision.rollout() else { return false };
        if !group.judged {
            return decided.reason != serin_core::Reason::Split;
        }
        let bit = self.judged_bit(&group.name);
        bit.is_some_and(|bit| decided.cohorts & 1 << bit != 0)
    }

    /// Fails if a group that the command line names has no users.
    pub(super) fn expect_group(&self, name: &str) -> Result<(), String> {
        if self.groups.iter().any(|group| group.name == name) {
            return Ok(());
        }
        if let Some((name, why)) = self.empty.iter().find(|(empty, _)| empty == name) {
            return Err(why.message(name));
        }
        let names: Vec<&str> = self.groups.iter().map(|group| &*group.name).collect();
        let known = match names.is_empty() {
            true => "it has neither".to_owned(),
            false => format!("use {}", names.join(", ")),
        };
        Err(format!(
            "{name} is neither a cohort that the gates of rollouts.{} judge nor one of its rings: {known}",
            self.rollout
        ))
    }
}

impl EmptyGroup {
    /// The sentence about a group without users.
    pub(super) fn message(self, name: &str) -> String {
        let why = match self {
            EmptyGroup::NotDerived => "a drill cannot derive a request from its condition",
            EmptyGroup::NotMet => {
                "the request that was derived from its condition does not meet it"
            }
        };
        format!("no simulated user is in {name}: {why}")
    }
}
