//! Traffic that does not arrive: fewer of the canary's buckets are active than of the baseline's.
//!
//! A bucket arrives at level m when it is active in its m-th distinct half minute. Whether and when it does
//! must not depend on its arm, so the falling alternatives at the share of buckets that have not arrived are
//! an e-process at each level, as they are for first errors.

use crate::bench::{Bench, Random};
use crate::figure::Figure;
use crate::proposals::Levels;
use crate::proposals::levels::FALLS;
use crate::traffic::poisson;
use crate::users::{Arm, Crowd, Population, Scenario};
use serin_core::Share;
use serin_core::gate::{Counters, Tally};

const ALPHA: f64 = 0.01;
/// The numbers of half minutes.
const LEVELS: [u8; 3] = [2, 4, 8];
const HALF_MINUTE: u64 = 30;
const BUCKETS: u32 = 100_000;

/// The distinct half minutes in which each bucket was active.
struct Activity {
    active: Vec<u8>,
    /// The buckets that were active in this half minute.
    now: Vec<bool>,
}

impl Activity {
    fn new() -> Activity {
        let buckets = BUCKETS as usize;
        Activity { active: vec![0; buckets], now: vec![false; buckets] }
    }

    /// Ends a half minute: the arrivals at each level, and the buckets that had not arrived before.
    fn end(&mut self, share: u32) -> [Counters; LEVELS.len()] {
        let mut arrivals = [Counters::default(); LEVELS.len()];
        for (bucket, (active, now)) in self.active.iter_mut().zip(&mut self.now).enumerate() {
            let is_active = std::mem::take(now);
            *active = active.saturating_add(u8::from(is_active));
            for (level, arrivals) in LEVELS.into_iter().zip(&mut arrivals) {
                let is_new = is_active && *active == level;
                if *active < level || is_new {
                    let is_canary = (bucket as u32) < share;
                    let tally: &mut Tally =
                        if is_canary { &mut arrivals.canary } else { &mut arrivals.baseline };
                    tally.exposures += 1;
                    tally.events += u64::from(is_new);
                }
            }
        }
        arrivals
    }
}

/// The seconds and the canary requests until the test sees that traffic is lost.
fn detect(share: u32, arm: Arm, random: &mut Random) -> Option<(u64, f64)> {
    let scenario = Scenario { seconds: 1800, ..Scenario::default() };
    let canary = Share::from_millipercent(share).expect("the share is valid");
    let users = Population::new(&scenario, random);
    let crowd: Crowd = users.at(&scenario, canary, arm, 1.0);
    let (mut activity, mut requests) = (Activity::new(), 0.0);
    let mut levels = [Levels::new(FALLS); LEVELS.len()];
    for half_minute in 1..=scenario.seconds / HALF_MINUTE {
        for _ in 0..poisson(random, crowd.rate * HALF_MINUTE as f64) {
            let (user, _) = crowd.request(random);
            requests += f64::from(u8::from(user.bucket.is_in(canary)));
            activity.now[user.bucket.number() as usize] = true;
        }
        for (levels, arrivals) in levels.iter_mut().zip(activity.end(share)) {
            levels.observe(arrivals);
        }
        let threshold = (LEVELS.len() as f64 / ALPHA).ln();
        if levels.iter().any(|levels| levels.mixture() >= threshold) {
            return Some((half_minute * HALF_MINUTE, requests));
        }
    }
    None
}

/// What is lost of the canary's traffic, in per cent: requests of every user, or users.
#[derive(Clone, Copy)]
enum Loss {
    Nothing,
    Requests(u32),
    Users(u32),
}

impl Loss {
    fn arm(self) -> Arm {
        match self {
            Loss::Nothing => Arm::default(),
            Loss::Requests(lost) => Arm { volume: 1.0 - f64::from(lost) / 100.0, ..Arm::default() },
            Loss::Users(lost) => Arm { lost_users: f64::from(lost) / 100.0, ..Arm::default() },
        }
    }
}

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let cell = |(loss, share): (Loss, u32)| {
        let (part, lost) = match loss {
            Loss::Nothing => (200, "healthy".to_owned()),
            Loss::Requests(lost) => (67, format!("{lost} % of requests lost")),
            Loss::Users(lost) => (67, format!("{lost} % of users lost")),
        };
        let what = format!("w = {} %, {lost}", share / 1000);
        let arm = loss.arm();
        let runs = bench.repeat(&what, bench.part(part), |random| detect(share, arm, random));
        let within = |seconds: u64| {
            let seen = |run: &Option<(u64, f64)>| run.is_some_and(|(time, _)| time <= seconds);
            let seen: Vec<bool> = runs.iter().map(seen).collect();
            Figure::share(format!("{what}: seen in {seconds} s"), &seen)
        };
        if matches!(loss, Loss::Nothing) {
            return vec![within(1800).at_most(ALPHA)];
        }
        let requests: Vec<f64> = runs.iter().flatten().map(|(_, requests)| *requests).collect();
        let mut figures = vec![within(600), within(1800)];
        if !requests.is_empty() {
            figures.push(Figure::mean(format!("{what}: canary requests"), &requests));
        }
        figures
    };
    let losses =
        [10, 30, 50].into_iter().flat_map(|lost| [Loss::Requests(lost), Loss::Users(lost)]);
    let cells = [Loss::Nothing]
        .into_iter()
        .chain(losses)
        .flat_map(|loss| [1000, 5000, 25_000].map(|share| (loss, share)));
    cells.flat_map(cell).collect()
}
