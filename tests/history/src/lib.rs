//! Histories: random sequences of actions that follow from a seed and are run against a model. A history that
//! breaks an invariant is shrunk: actions are removed while it still breaks the same one.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;

/// How often a history is run again, at most, while it is shrunk.
const MAX_SHRINK_RUNS: u32 = 600;
/// How many broken invariants are shown, each with its shortest history.
const MAX_SHOWN: usize = 4;

/// A world in which histories take place.
pub trait Model: Sync {
    /// What a history begins with.
    type Start: Clone + Debug + Send;
    /// A step of a history. It means something whatever went before, so that any step can be left out.
    type Action: Clone + Debug + Send;

    /// Draws a history.
    fn generate(&self, random: &mut Rng) -> History<Self::Start, Self::Action>;

    /// Runs a history in a new world and writes what happens into the log.
    ///
    /// # Errors
    /// [`Broken`] at the first invariant that does not hold.
    fn run(
        &self,
        history: &History<Self::Start, Self::Action>,
        log: &mut String,
    ) -> Result<(), Broken>;
}

/// What a history begins with, and its actions in order.
#[derive(Clone, Debug)]
pub struct History<S, A> {
    /// What it begins with.
    pub start: S,
    /// Its actions.
    pub actions: Vec<A>,
}

/// An invariant that did not hold.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The invariant, a sentence.
    pub invariant: &'static str,
    /// What was seen instead.
    pub seen: String,
}

impl Broken {
    /// An invariant, and what was seen instead.
    pub fn new(invariant: &'static str, seen: impl Into<String>) -> Broken {
        Broken { invariant, seen: seen.into() }
    }
}

/// Which histories to run.
#[derive(Clone, Copy, Debug)]
pub struct Selection {
    /// The first seed.
    pub first: u64,
    /// The number of seeds.
    pub count: u64,
    /// Whether the log of a history is printed although it passes.
    pub is_shown: bool,
}

impl Selection {
    /// The number of `SERIN_HISTORIES`, from the seed of `SERIN_HISTORY_FIRST` on; or the one history of
    /// `SERIN_HISTORY_SEED`.
    pub fn from_environment(default_count: u64) -> Selection {
        let number = |name: &str| std::env::var(name).ok()?.parse().ok();
        if let Some(seed) = number("SERIN_HISTORY_SEED") {
            return Selection { first: seed, count: 1, is_shown: true };
        }
        Selection {
            first: number("SERIN_HISTORY_FIRST").unwrap_or(0),
            count: number("SERIN_HISTORIES").unwrap_or(default_count),
            is_shown: false,
        }
    }
}

/// Runs histories on all processors. Returns the log if it is to be shown.
///
/// # Errors
/// The invariants that were broken, how often, and for each the shrunk history of its first seed.
pub fn check<M: Model>(model: &M, selection: Selection) -> Result<Option<String>, String> {
    let Selection { first, count, is_shown } = selection;
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let failures = run_all(model, first, count);
    let shown = is_shown.then(|| {
        let mut log = String::new();
        let _ = run(model, &generate(model, first), &mut log);
        log
    });
    let result = if failures.is_empty() { Ok(shown) } else { Err(report(model, count, failures)) };
    set_hook(hook);
    result
}

/// The seeds that break each invariant.
type Failures = BTreeMap<&'static str, Vec<u64>>;

fn run_all<M: Model>(model: &M, first: u64, count: u64) -> Failures {
    let (next, failures) = (AtomicU64::new(0), Mutex::new(Failures::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let seed = first.wrapping_add(index);
                    let result = run(model, &generate(model, seed), &mut String::new());
                    if let Err(Broken { invariant, .. }) = result
                        && let Ok(mut failures) = failures.lock()
                    {
                        failures.entry(invariant).or_default().push(seed);
                    }
                }
            });
        }
    });
    failures.into_inner().unwrap_or_default()
}

fn generate<M: Model>(model: &M, seed: u64) -> History<M::Start, M::Action> {
    model.generate(&mut Rng::with_seed(seed))
}

/// Runs a history. A panic counts as a broken invariant.
fn run<M: Model>(
    model: &M,
    history: &History<M::Start, M::Action>,
    log: &mut String,
) -> Result<(), Broken> {
    let result = catch_unwind(AssertUnwindSafe(|| model.run(history, log)));
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Broken::new("nothing panics", text.unwrap_or_default()))
    })
}

fn report<M: Model>(model: &M, count: u64, failures: Failures) -> String {
    let failed: usize = failures.values().map(Vec::len).sum();
    let mut text = format!("{failed} of {count} histories failed\n");
    for (invariant, seeds) in &failures {
        let first = seeds.iter().min().copied().unwrap_or_default();
        let _ =
            writeln!(text, "{:>6} of them: {invariant}; the first seed is {first}", seeds.len());
    }
    for (invariant, seeds) in failures.iter().take(MAX_SHOWN) {
        let seed = seeds.iter().min().copied().unwrap_or_default();
        let shrunk = shrink(model, generate(model, seed), invariant);
        let mut log = String::new();
        let seen = run(model, &shrunk, &mut log).err().map(|broken| broken.seen);
        let seen = seen.unwrap_or_else(|| "it does not fail each time".to_owned());
        let _ = write!(text, "\n{invariant}: {seen}\nseed {seed}, shrunk: {:?}\n", shrunk.start);
        for action in &shrunk.actions {
            let _ = writeln!(text, "    {action:?}");
        }
        let _ = write!(text, "what happens:\n{log}");
    }
    text
}

/// Removes actions while the history still breaks the invariant: first halves, at last single ones.
fn shrink<M: Model>(
    model: &M,
    mut history: History<M::Start, M::Action>,
    invariant: &str,
) -> History<M::Start, M::Action> {
    let mut runs = 0;
    let mut size = history.actions.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        let mut has_removed = false;
        while at < history.actions.len() && runs < MAX_SHRINK_RUNS {
            let mut shorter = history.clone();
            let end = at.saturating_add(size).min(shorter.actions.len());
            shorter.actions.drain(at..end);
            runs += 1;
            let result = run(model, &shorter, &mut String::new());
            if result.is_err_and(|broken| broken.invariant == invariant) {
                history = shorter;
                has_removed = true;
            } else {
                at = end;
            }
        }
        if runs >= MAX_SHRINK_RUNS || (size == 1 && !has_removed) {
            return history;
        }
        size = size.div_ceil(2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sum that must stay below 100, unless a 7 has been added.
    struct Sum;

    impl Model for Sum {
        type Start = u32;
        type Action = u32;

        fn generate(&self, random: &mut Rng) -> History<u32, u32> {
            let actions = std::iter::repeat_with(|| random.u32(0..10)).take(60).collect();
            History { start: 0, actions }
        }

        fn run(&self, history: &History<u32, u32>, log: &mut String) -> Result<(), Broken> {
            let mut sum = history.start;
            for number in &history.actions {
                sum += number;
                let _ = writeln!(log, "{sum}");
                assert!(*number != 3, "three");
                if *number == 7 && sum > 40 {
                    return Err(Broken::new("no 7 comes late", sum.to_string()));
                }
            }
            Ok(())
        }
    }

    #[test]
    fn a_failing_history_is_shrunk_to_what_it_needs() {
        let history = (0..).map(|seed| generate(&Sum, seed)).find(|history| {
            run(&Sum, history, &mut String::new())
                .is_err_and(|broken| broken.invariant == "no 7 comes late")
        });
        let shrunk = shrink(&Sum, history.expect("one"), "no 7 comes late");
        let (last, others) = shrunk.actions.split_last().expect("a 7");
        let sum: u32 = others.iter().sum();
        // Without any one of the others the 7 would not come late.
        assert_eq!(*last, 7);
        assert!(sum > 33 && others.iter().all(|number| sum - number <= 33), "{others:?}");
    }

    #[test]
    fn broken_invariants_and_panics_are_reported_by_their_first_seed() {
        let selection = Selection { first: 0, count: 50, is_shown: false };
        let report = check(&Sum, selection).expect_err("most histories fail");
        assert!(report.contains(" of 50 histories failed"), "{report}");
        assert!(report.contains("nothing panics: three"), "{report}");
        assert!(report.contains("shrunk: 0\n    3\n"), "{report}");
    }
}
