//! A fresh set of buckets each hour: a bucket that failed hours ago tells of a new fault again.
//!
//! Each window is a test of its own, so ln(windows) is added to the threshold. A union of tests needs no
//! independence.

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
/// The windows that the threshold pays for: a day and an hour.
const WINDOWS: f64 = 25.0;
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

/// The canary requests after the fault until a rule aborts; `None` without an abort.
#[derive(Clone, Copy, Default)]
struct Detected {
    whole: Option<f64>,
    windows: Option<f64>,
    /// Whether a rule aborted before the fault.
    falsely: [bool; 2],
    /// All canary requests after the fault.
    all: f64,
}

fn run(scenario: &Scenario, random: &mut Random) -> Detected {
    let share = Share::from_millipercent(SHARE).expect("the share is valid");
    let users = Population::new(scenario, random);
    let healthy = users.at(scenario, share, Arm::default(), scenario.successes_before);
    let (mut whole, mut window) = (FirstErrors::new(), FirstErrors::new());
    let mut detected = Detected::default();
    let mut crowd: Crowd = healthy;
    let mut elapsed = 0;
    while elapsed < scenario.seconds && (detected.whole.is_none() || detected.windows.is_none()) {
        let is_faulty = elapsed >= scenario.fault_after;
        if elapsed == scenario.fault_after {
            crowd = users.at(scenario, share, scenario.canary, 1.0);
        }
        if elapsed % HOUR == 0 {
            window = FirstErrors::new();
        }
        for _ in 0..poisson(random, crowd.rate * scenario.look as f64) {
            let (user, outcome) = crowd.request(random);
            detected.all += f64::from(u8::from(is_faulty && user.bucket.is_in(share)));
            if outcome.status == 503 {
                whole.now.insert(user.bucket);
                window.now.insert(user.bucket);
            }
        }
        elapsed += scenario.look;
        whole.evaluate(share);
        window.evaluate(share);
        let tests = ALTERNATIVES as f64 / ALPHA;
        let aborts = [
            whole.levels.highest() >= tests.ln(),
            window.levels.highest() >= (tests * WINDOWS).ln(),
        ];
        for (falsely, aborts) in detected.falsely.iter_mut().zip(aborts) {
            *falsely |= aborts && !is_faulty;
        }
        for (found, aborts) in [&mut detected.whole, &mut detected.windows].into_iter().zip(aborts)
        {
            if is_faulty && aborts {
                found.get_or_insert(detected.all);
            }
        }
    }
    detected
}

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let busy = |fault_after: u64, failures: f64| Scenario {
        users: 100_000,
        shape: 2.0,
        rate: 10_000.0,
        habits: Habits { failure: 0.01, ..Habits::default() },
        canary: Arm { failures, ..Arm::default() },
        fault_after,
        successes_before: 0.02,
        seconds: fault_after + 600,
        ..Scenario::default()
    };
    let usual = Scenario {
        habits: Habits { failure: 0.01, ..Habits::default() },
        canary: Arm { failures: 5.0, ..Arm::default() },
        fault_after: 24 * HOUR,
        successes_before: 0.1,
        seconds: 25 * HOUR,
        look: 30,
        ..Scenario::default()
    };
    let cells = [
        ("10,000/s: all fail after 8 h", busy(8 * HOUR, 100.0)),
        ("10,000/s: 5× after 2 h", busy(2 * HOUR, 5.0)),
        ("10,000/s: 5× after 2 h 45 min", busy(2 * HOUR + 2700, 5.0)),
        ("200/s: 5× after 24 h", usual),
    ];
    let cell = |(what, scenario): (&str, Scenario)| {
        let runs = bench.repeat(what, bench.part(10), |random| run(&scenario, random));
        let figures = |rule: &str, found: fn(&Detected) -> Option<f64>| {
            let seen: Vec<bool> = runs.iter().map(|run| found(run).is_some()).collect();
            let requests: Vec<f64> = runs.iter().map(|run| found(run).unwrap_or(run.all)).collect();
            let what = format!("{what}, {rule}");
            [Figure::share(format!("{what}: seen"), &seen), Figure::mean(what, &requests)]
        };
        let [whole, whole_requests] = figures("one set", |run| run.whole);
        let [windows, windows_requests] = figures("windows", |run| run.windows);
        let windows = windows.within(0.95, 1.0, Source::Formula);
        [whole, whole_requests, windows, windows_requests]
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
    let falsely = |n: usize| healthy.iter().map(|run| run.falsely[n]).collect::<Vec<bool>>();
    let nulls = [
        Figure::share("0.5 % always fail, 25 h, aborted: one set", &falsely(0)).at_most(ALPHA),
        Figure::share("0.5 % always fail, 25 h, aborted: windows", &falsely(1)).at_most(ALPHA),
    ];
    cells.into_iter().flat_map(cell).chain(nulls).collect()
}
