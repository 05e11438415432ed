//! The config of an isolate: the plan in force, and why its source has no better one. A new spec replaces the
//! plan only if it has no error.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serin_core::Plan;

use crate::active_plan::ActivePlan;
use crate::interval::Interval;
use crate::spec_source::SpecSource;

/// The result of [`Config::offer`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OfferResult {
    /// The spec has been offered already.
    Unchanged,
    /// The spec is in force.
    Activated,
    /// The spec has an error, or too low a revision; the previous plan stays in force.
    Refused,
}

/// The config of one isolate.
#[derive(Debug, Default)]
pub(crate) struct Config {
    active: RefCell<Option<Rc<ActivePlan>>>,
    /// The spec that was offered last, valid or not. An equal one is not parsed again.
    last_offered: RefCell<Option<String>>,
    /// The problem with the spec of the source; empty if it is in force.
    problem: RefCell<String>,
    /// Why the source could not be read the last time; empty if it could.
    read_problem: RefCell<String>,
    is_loaded: Cell<bool>,
    refresh: Interval,
    /// Whether a spec may have a lower revision than the one in force.
    allow_lower_revision: bool,
}

impl Config {
    pub(crate) fn new(allow_lower_revision: bool) -> Config {
        Config { allow_lower_revision, ..Config::default() }
    }

    /// The plan in force.
    pub(crate) fn active(&self) -> Option<Rc<ActivePlan>> {
        self.active.borrow().clone()
    }

    /// Whether the sources have been read at least once.
    pub(crate) fn is_loaded(&self) -> bool {
        self.is_loaded.get()
    }

    /// Records that the sources have been read, with or without success. The interval until the next refresh
    /// begins.
    pub(crate) fn set_loaded(&self, now: u64) {
        self.is_loaded.set(true);
        self.refresh.begin(now);
    }

    /// Whether the caller has to refresh the spec. Returns `true` once per interval and does not wait for the
    /// refresh to end, so a request that the runtime cuts off cannot block later ones.
    pub(crate) fn claim_refresh(&self, now: u64, refresh_ms: u64) -> bool {
        self.refresh.claim(now, refresh_ms)
    }

    /// The problems with the source and its spec; empty if there are none.
    pub(crate) fn problem(&self) -> String {
        let (read, spec) = (self.read_problem.borrow(), self.problem.borrow());
        let both = if read.is_empty() || spec.is_empty() { "" } else { "; " };
        format!("{read}{both}{spec}")
    }

    /// The problem with the spec of the source; empty if it is in force.
    pub(crate) fn spec_problem(&self) -> String {
        self.problem.borrow().clone()
    }

    /// Records the problem with the spec of a source, if a spec of the next one is in force.
    pub(crate) fn set_spec_problem(&self, problem: &str) {
        self.problem.replace(problem.to_owned());
    }

    /// Records why the source could not be read; empty if it could. Returns whether that is new.
    pub(crate) fn set_read_problem(&self, problem: &str) -> bool {
        self.read_problem.replace(problem.to_owned()) != problem
    }

    /// Puts a spec in force, unless it has an error. A revision below the one in force is refused unless the
    /// settings allow it.
    pub(crate) fn offer(&self, source: SpecSource, json: &str, now: u64) -> OfferResult {
        if self.last_offered.borrow().as_deref() == Some(json) {
            if self.problem.borrow().is_empty() {
                self.confirm(now);
            }
            return OfferResult::Unchanged;
        }
        self.last_offered.replace(Some(json.to_owned()));
        match Plan::from_json(json.as_bytes()) {
            Ok(plan) => {
                self.problem.take();
                let is_equal = |active: &Rc<ActivePlan>| active.plan.digest() == plan.digest();
                if self.active.borrow().as_ref().is_some_and(is_equal) {
                    self.confirm(now);
                    return OfferResult::Unchanged;
                }
                let revision = plan.revision();
                let higher = self.higher_revision(source, revision);
                if let Some(higher) = higher.filter(|_| !self.allow_lower_revision) {
                    let problem = format!(
                        "spec from {} refused: its revision {revision} is below {higher}, which is in force",
                        source.as_str()
                    );
                    self.problem.replace(problem);
                    return OfferResult::Refused;
                }
                self.active.replace(Some(Rc::new(ActivePlan::new(plan, source, now))));
                OfferResult::Activated
            }
            Err(errors) => {
                self.problem.replace(format!("spec from {} refused: {errors}", source.as_str()));
                OfferResult::Refused
            }
        }
    }

    /// The revision in force, if it is higher than `revision` and from the same source. An eventually
    /// consistent store may return an old spec after a newer one. A source that comes first replaces the
    /// spec of a later one, which is in force only while the first could not be read.
    fn higher_revision(&self, source: SpecSource, revision: u64) -> Option<u64> {
        let active = self.active.borrow();
        let active = active.as_ref().filter(|active| active.source == source);
        active.map(|active| active.plan.revision()).filter(|active| *active > revision)
    }

    /// Records that the source has the spec in force.
    fn confirm(&self, now: u64) {
        if let Some(active) = &*self.active.borrow() {
            active.last_confirmed.set(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(revision: u64) -> String {
        format!(r#"{{"formatVersion":1,"revision":{revision}}}"#)
    }

    #[test]
    fn invalid_spec_leaves_the_last_good_one_in_force() {
        let config = Config::default();
        assert_eq!(config.offer(SpecSource::Kv, &spec(1), 10), OfferResult::Activated);
        let first = config.active().unwrap();
        assert_eq!(config.offer(SpecSource::Kv, "{", 20), OfferResult::Refused);
        assert!(config.problem().starts_with("spec from kv refused: "), "{}", config.problem());
        assert!(Rc::ptr_eq(&first, &config.active().unwrap()));
        assert_eq!(config.offer(SpecSource::Kv, "{", 25), OfferResult::Unchanged);
        assert_eq!(first.last_confirmed.get(), 10);
        assert_eq!(config.offer(SpecSource::Kv, &spec(2), 30), OfferResult::Activated);
        assert_eq!(config.active().unwrap().plan.revision(), 2);
        assert_eq!(config.problem(), "");
    }

    #[test]
    fn equal_spec_only_confirms_the_plan() {
        let config = Config::default();
        config.offer(SpecSource::Kv, &spec(1), 10);
        let first = config.active().unwrap();
        assert_eq!(config.offer(SpecSource::Kv, &spec(1), 20), OfferResult::Unchanged);
        assert_eq!(
            config.offer(SpecSource::Kv, &format!(" {}", spec(1)), 30),
            OfferResult::Unchanged
        );
        assert!(Rc::ptr_eq(&first, &config.active().unwrap()));
        assert_eq!((first.since, first.last_confirmed.get()), (10, 30));
    }

    #[test]
    fn old_spec_after_an_invalid_one_clears_the_problem() {
        let config = Config::default();
        config.offer(SpecSource::Kv, &spec(1), 10);
        config.offer(SpecSource::Kv, "[]", 20);
        assert_eq!(config.offer(SpecSource::Kv, &spec(1), 30), OfferResult::Unchanged);
        assert_eq!(config.problem(), "");
    }

    #[test]
    fn lower_revision_is_refused_unless_allowed() {
        let config = Config::default();
        config.offer(SpecSource::Kv, &spec(2), 10);
        assert_eq!(config.offer(SpecSource::Kv, &spec(1), 20), OfferResult::Refused);
        assert_eq!(
            config.problem(),
            "spec from kv refused: its revision 1 is below 2, which is in force"
        );
        assert_eq!(config.active().unwrap().plan.revision(), 2);
        assert_eq!(config.offer(SpecSource::Kv, &spec(3), 30), OfferResult::Activated);
        let config = Config::new(true);
        config.offer(SpecSource::Kv, &spec(2), 10);
        assert_eq!(config.offer(SpecSource::Kv, &spec(1), 20), OfferResult::Activated);
    }

    #[test]
    fn a_blank_spec_is_refused_like_any_other_mistake() {
        for blank in ["", " ", "\n\t"] {
            let config = Config::default();
            assert_eq!(config.offer(SpecSource::Kv, blank, 10), OfferResult::Refused);
            assert!(config.problem().starts_with("spec from kv refused: "), "{}", config.problem());
            assert_eq!(config.offer(SpecSource::Variable, &spec(1), 10), OfferResult::Activated);
            assert_eq!(config.offer(SpecSource::Kv, blank, 20), OfferResult::Refused);
            assert_eq!(config.active().unwrap().plan.revision(), 1);
        }
    }

    #[test]
    fn a_failed_read_is_no_problem_after_the_next_good_one() {
        let config = Config::default();
        config.offer(SpecSource::Kv, &spec(1), 10);
        assert!(config.set_read_problem("KV is down") && !config.set_read_problem("KV is down"));
        assert_eq!(config.problem(), "KV is down");
        config.set_read_problem("");
        assert_eq!(config.offer(SpecSource::Kv, &spec(1), 30), OfferResult::Unchanged);
        assert_eq!(config.problem(), "");
        assert_eq!(config.active().unwrap().last_confirmed.get(), 30);
    }

    #[test]
    fn a_spec_in_kv_replaces_one_of_a_later_source_with_a_higher_revision() {
        let config = Config::default();
        config.offer(SpecSource::Variable, &spec(9), 10);
        assert_eq!(config.offer(SpecSource::Kv, &spec(3), 20), OfferResult::Activated);
        assert_eq!(config.offer(SpecSource::Kv, &spec(2), 30), OfferResult::Refused);
    }

    #[test]
    fn refresh_is_claimed_once_per_interval() {
        let config = Config::default();
        config.set_loaded(1_000);
        assert!(!config.claim_refresh(1_499, 500));
        assert!(config.claim_refresh(1_500, 500));
        assert!(!config.claim_refresh(1_500, 500));
        assert!(config.claim_refresh(2_000, 500));
    }
}
