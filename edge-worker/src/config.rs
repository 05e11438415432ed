//! Which spec is in force. Sources come in order: KV, a variable, the file bundled at build. The last
//! good plan stays until a better one has been read whole.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serin_core::Plan;

use crate::active::Active;

/// Where a spec came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Kv,
    Variable,
    Bundled,
}

impl Source {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Source::Kv => "kv",
            Source::Variable => "variable",
            Source::Bundled => "bundled",
        }
    }
}

/// What became of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    /// The same as the last one.
    Same,
    /// In force from now on.
    Activated,
    /// Not a good spec; what was in force stays.
    Refused,
}

/// The config of one isolate.
#[derive(Debug, Default)]
pub(crate) struct Config {
    active: RefCell<Option<Rc<Active>>>,
    /// The last text that was looked at, good or bad, so that it is parsed once.
    last: RefCell<String>,
    /// What is wrong at the source; empty when what is in force is what is there.
    problem: RefCell<String>,
    loaded: Cell<bool>,
    /// When the source is to be read next.
    due: Cell<u64>,
    /// Whether a revision may be followed by a lower one.
    allow_older: bool,
}

impl Config {
    pub(crate) fn new(allow_older: bool) -> Config {
        Config { allow_older, ..Config::default() }
    }

    /// The plan in force.
    pub(crate) fn active(&self) -> Option<Rc<Active>> {
        self.active.borrow().clone()
    }

    /// Whether the sources have been read at all.
    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded.get()
    }

    /// The sources have been read, whatever came of it.
    pub(crate) fn set_loaded(&self, now: u64, refresh: u64) {
        self.loaded.set(true);
        self.due.set(now.saturating_add(refresh));
    }

    /// Whether this request is the one that reads the source again. It asks once for each interval;
    /// nothing waits for anything, so that a request that is cut off can't keep others from it.
    pub(crate) fn claim_refresh(&self, now: u64, refresh: u64) -> bool {
        if now < self.due.get() {
            return false;
        }
        self.due.set(now.saturating_add(refresh));
        true
    }

    /// What is wrong at the source, as text for people.
    pub(crate) fn problem(&self) -> String {
        self.problem.borrow().clone()
    }

    /// The source could not be read; what was in force stays.
    pub(crate) fn failed(&self, why: &str) {
        self.problem.replace(why.to_owned());
    }

    /// Looks at a text from a source. A revision below the one in force is refused unless allowed.
    pub(crate) fn offer(&self, source: Source, text: &str, now: u64) -> Offered {
        if *self.last.borrow() == text {
            if self.problem.borrow().is_empty() {
                self.seen(now);
            }
            return Offered::Same;
        }
        self.last.replace(text.to_owned());
        match Plan::from_json(text.as_bytes()) {
            Ok(plan) => {
                self.problem.take();
                let same = |active: &Rc<Active>| active.plan.digest() == plan.digest();
                if self.active.borrow().as_ref().is_some_and(same) {
                    self.seen(now);
                    return Offered::Same;
                }
                if let Some(newer) = self.newer_than(plan.revision()).filter(|_| !self.allow_older)
                {
                    let revision = plan.revision();
                    let problem = format!(
                        "spec from {} refused: its revision {revision} is below {newer}",
                        source.as_str()
                    );
                    self.problem.replace(problem);
                    return Offered::Refused;
                }
                self.active.replace(Some(Rc::new(Active::new(plan, source, now))));
                Offered::Activated
            }
            Err(errors) => {
                self.problem.replace(format!("spec from {} refused: {errors}", source.as_str()));
                Offered::Refused
            }
        }
    }

    /// The revision in force, if it is above another. A store that takes its time to agree with itself
    /// may hand out what was there before.
    fn newer_than(&self, revision: u64) -> Option<u64> {
        let active = self.active.borrow();
        active.as_ref().map(|active| active.plan.revision()).filter(|active| *active > revision)
    }

    fn seen(&self, now: u64) {
        if let Some(active) = &*self.active.borrow() {
            active.seen.set(now);
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
    fn a_bad_spec_keeps_the_last_good_one() {
        let config = Config::default();
        assert_eq!(config.offer(Source::Kv, &spec(1), 10), Offered::Activated);
        let first = config.active().unwrap();
        assert_eq!(config.offer(Source::Kv, "{", 20), Offered::Refused);
        assert!(config.problem().starts_with("spec from kv refused: "), "{}", config.problem());
        assert!(Rc::ptr_eq(&first, &config.active().unwrap()));
        assert_eq!(config.offer(Source::Kv, "{", 25), Offered::Same);
        assert_eq!(first.seen.get(), 10);
        assert_eq!(config.offer(Source::Kv, &spec(2), 30), Offered::Activated);
        assert_eq!(config.active().unwrap().plan.revision(), 2);
        assert_eq!(config.problem(), "");
    }

    #[test]
    fn the_same_spec_changes_nothing() {
        let config = Config::default();
        config.offer(Source::Kv, &spec(1), 10);
        let first = config.active().unwrap();
        assert_eq!(config.offer(Source::Kv, &spec(1), 20), Offered::Same);
        assert_eq!(config.offer(Source::Kv, &format!(" {}", spec(1)), 30), Offered::Same);
        assert!(Rc::ptr_eq(&first, &config.active().unwrap()));
        assert_eq!((first.since, first.seen.get()), (10, 30));
    }

    #[test]
    fn the_good_spec_after_a_bad_one_may_be_the_old_one() {
        let config = Config::default();
        config.offer(Source::Kv, &spec(1), 10);
        config.offer(Source::Kv, "[]", 20);
        assert_eq!(config.offer(Source::Kv, &spec(1), 30), Offered::Same);
        assert_eq!(config.problem(), "");
    }

    #[test]
    fn a_lower_revision_is_refused_unless_allowed() {
        let config = Config::default();
        config.offer(Source::Kv, &spec(2), 10);
        assert_eq!(config.offer(Source::Kv, &spec(1), 20), Offered::Refused);
        assert_eq!(config.problem(), "spec from kv refused: its revision 1 is below 2");
        assert_eq!(config.active().unwrap().plan.revision(), 2);
        assert_eq!(config.offer(Source::Kv, &spec(3), 30), Offered::Activated);
        let config = Config::new(true);
        config.offer(Source::Kv, &spec(2), 10);
        assert_eq!(config.offer(Source::Kv, &spec(1), 20), Offered::Activated);
    }

    #[test]
    fn one_refresh_for_each_interval() {
        let config = Config::default();
        config.set_loaded(1_000, 500);
        assert!(!config.claim_refresh(1_499, 500));
        assert!(config.claim_refresh(1_500, 500));
        assert!(!config.claim_refresh(1_500, 500));
        assert!(config.claim_refresh(2_000, 500));
    }
}
