//! The cohorts and rings of a rollout, and what requests have to have to be in them.

use super::request::Request;
use super::sample_attributes;
use super::subject::{Group, Subject};
use serde_json::{Value, json};
use serin_core::gate::ActiveLatches;
use serin_core::plan::Input;
use serin_core::{Decision, Facts, OverrideKeys, RequestHost, decide};
use std::borrow::Cow;

/// Everything that is in a gate's cohort, unless told; a ring is a tenth of that.
const COHORT_PART: f64 = 0.1;
const RING_PART: f64 = 0.01;

/// The proxy that a simulated user's request comes to, right after the start. It knows of no abort.
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
}

impl Subject {
    /// Looks for the cohorts that gates judge and for the rings.
    /// `parts` says how many of the users are in a cohort.
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
            let Some(attributes) = sample_attributes::find(cohorts, &condition) else {
                self.notes.push(format!(
                    "nobody here is in {name}: its condition needs more than a request"
                ));
                continue;
            };
            let group = Group { name, part, attributes, judged };
            if self.is_there(&group) {
                self.groups.push(group);
            } else {
                let name = group.name;
                self.notes.push(format!("nobody here is in {name}: no request was found that is"));
            }
        }
    }

    /// Whether the core finds such a request in the group.
    fn is_there(&self, group: &Group) -> bool {
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
        let place = self.judged_place(&group.name);
        place.is_some_and(|place| decided.cohorts & 1 << place != 0)
    }

    /// Somebody has to be in a group that is named on the command line.
    pub(super) fn expect_group(&self, name: &str) -> Result<(), String> {
        if self.groups.iter().any(|group| group.name == name) {
            return Ok(());
        }
        let nobody = format!("nobody here is in {name}: ");
        if let Some(why) = self.notes.iter().find(|note| note.starts_with(&nobody)) {
            return Err(why.clone());
        }
        let there: Vec<&str> = self.groups.iter().map(|group| &*group.name).collect();
        let there = match there.is_empty() {
            true => "this rollout has none".to_owned(),
            false => format!("here are {}", there.join(", ")),
        };
        Err(format!(
            "nobody here is in the cohort {name}: it has to be one that gates judge or a ring, {there}"
        ))
    }
}
