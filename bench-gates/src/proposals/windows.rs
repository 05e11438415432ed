//! Fresh sets of buckets: a bucket that failed hours ago tells of a new fault again.
//!
//! Each window is a test of its own, so the windows divide α. A union of tests needs no independence. When a
//! window ends must not depend on which arm failed: the time does not, and neither does the number of buckets
//! of both arms that have failed.

use crate::bench::{Bench, Random};
use crate::figure::{Figure, Source};
use crate::proposals::Levels;
use crate::proposals::levels::{ALTERNATIVES, RISES};
use crate::traffic::poisson;
use crate::users::{Arm, Crowd, Habits, Population, Scenario};
use serin_core::Share;
use serin_core::gate::BucketSet;

const HOUR: u64 = 3600;
const ALPHA: f64 = 0.01;
/// The hourly windows among which α is divided: those of a day and an hour.
const HOURS: f64 = 25.0;
/// The buckets of both arms that may have failed until a window ends before its hour is over.
const USED: u64 = 20_000;
/// The rules: one set for the whole stage, one for each hour, one for each hour or fifth of the buckets.
const RULES: [&str; 3] = ["one set", "hourly", "hour or use"];
/// The canary's share in 0.001 %.
const SHARE: u32 = 5000;

/// The first errors of buckets, and the levels of their e-processes.
struct FirstErrors {
    before: BucketSet,
    now: BucketSet,
    levels: Levels,
}

impl FirstErrors {
    fn new() -> FirstErrors {
        FirstErrors { before: BucketSet::new(), now: BucketSet::new(), levels: Levels::new(RISES) }
    }

    fn evaluate(&mut self, share: Share) {
        self.levels.observe(self.now.first_events(&self.before, share));
        self.before.merge(&self.now);
    }
}

/// What each rule has found.
#[derive(Clone, Copy, Default)]
struct Detected {
    /// The canary requests after the fault until the abort.
    requests: [Option<f64>; RULES.len()],
    /// Whether there was an abort before the fault.
    falsely: [bool; RULES.len()],
    /// All canary requests after the fault.
    all: f64,
}

fn run(scenario: &Scenario, random: &mut Random) -> Detected {
    let share = Share::from_millipercent(SHARE).expect("the share is valid");
    let users = Population::new(scenario, random);
    let mut crowd: Crowd = users.at(scenario, share, Arm::default(), scenario.successes_before);
    let mut sets = RULES.map(|_| FirstErrors::new());
    let mut used_windows = 0.0;
    let mut detected = Detected::default();
    let mut elapsed = 0;
    while elapsed < scenario.seconds && detected.requests.iter().any(Option::is_none) {
        let is_faulty = elapsed >= scenario.fault_after;
        if elapsed == scenario.fault_after {
            crowd = users.at(scenario, share, scenario.canary, 1.0);
        }
        let [_, hourly, hour_or_use] = &mut sets;
        if elapsed % HOUR == 0 {
            *hourly = FirstErrors::new();
        }
        if elapsed % HOUR == 0 || hour_or_use.now.len() >= USED {
            *hour_or_use = FirstErrors::new();
            used_windows += 1.0;
        }
        for _ in 0..poisson(random, crowd.rate * scenario.look as f64) {
            let (user, outcome) = crowd.request(random);
            detected.all += f64::from(u8::from(is_faulty && user.bucket.is_in(share)));
            if outcome.status == 503 {
                for set in &mut sets {
                    set.now.insert(user.bucket);
                }
            }
        }
        elapsed += scenario.look;
        // The n-th window by hour or use has α / (n·(n + 1)): together they have α, however many there are.
        let windows = [1.0, HOURS, used_windows * (used_windows + 1.0)];
        for (rule, (set, windows)) in sets.iter_mut().zip(windows).enumerate() {
            set.evaluate(share);
            let threshold = (ALTERNATIVES as f64 * windows / ALPHA).ln();
            if set.levels.highest() < threshold {
                continue;
            }
            if is_faulty {
                detected.requests[rule].get_or_insert(detected.all);
            } else {
                detected.falsely[rule] = true;
            }
        }
    }
    detected
}

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let cells = [
        ("10,000/s: all fail after 8 h", Scenario::busy(8 * HOUR, 100.0)),
        ("10,000/s: 5× after 2 h", Scenario::busy(2 * HOUR, 5.0)),
        ("10,000/s: 5× after 2 h 45 min", Scenario::busy(2 * HOUR + 2700, 5.0)),
        ("200/s: 5× after 24 h", Scenario::after_a_day()),
    ];
    let cell = |(what, scenario): (&str, Scenario)| {
        let runs = bench.repeat(what, bench.part(10), |random| run(&scenario, random));
        let figures = |(rule, name): (usize, &&str)| {
            let found = |run: &Detected| run.requests[rule];
            let seen: Vec<bool> = runs.iter().map(|run| found(run).is_some()).collect();
            let requests: Vec<f64> = runs.iter().map(|run| found(run).unwrap_or(run.all)).collect();
            let what = format!("{what}, {name}");
            let seen = Figure::share(format!("{what}: seen"), &seen);
            let seen = match *name {
                "hour or use" => seen.within(0.95, 1.0, Source::Formula),
                _ => seen,
            };
            [seen, Figure::mean(what, &requests)]
        };
        RULES.iter().enumerate().flat_map(figures).collect::<Vec<Figure>>()
    };
    let healthy = Scenario {
        habits: Habits { broken: 0.005, ..Habits::default() },
        fault_after: 25 * HOUR,
        seconds: 25 * HOUR,
        successes_before: 0.1,
        look: 60,
        ..Scenario::default()
    };
    let healthy = bench.repeat("windows healthy", bench.part(67), |random| run(&healthy, random));
    let nulls = RULES.iter().enumerate().map(|(rule, name)| {
        let falsely: Vec<bool> = healthy.iter().map(|run| run.falsely[rule]).collect();
        Figure::share(format!("0.5 % always fail, 25 h, aborted: {name}"), &falsely).at_most(ALPHA)
    });
    cells.into_iter().flat_map(cell).chain(nulls).collect()
}
