//! α of a fleet: one part for the joint evidence, the rest divided among proxies that abort by themselves.
//!
//! The joint test gets (1 − λ)α and each of N fuses λα/N. By the union bound the fleet spends α, whatever
//! the proxies have to do with each other.

use crate::bench::{Bench, Random};
use crate::figure::Figure;
use crate::proposals::Levels;
use crate::proposals::levels::{ALTERNATIVES, RISES};
use crate::traffic::sample;
use rand::RngExt;
use rand_distr::Exp1;

const ALPHA: f64 = 0.01;
/// λ, the fuses' part of α.
const FUSES: f64 = 0.1;
/// The canary's share.
const SHARE: f64 = 0.05;
/// The baseline's rate of errors.
const FAILURE: f64 = 0.01;
/// Each proxy's requests in ten minutes, 200 a second.
const REQUESTS: f64 = 120_000.0;

/// A fleet: how many proxies, and how many times the baseline's errors the canary has at each.
#[derive(Clone, Copy)]
struct Fleet {
    proxies: usize,
    ratio: f64,
    /// The ratio at the first proxy.
    first: f64,
}

/// The fleet's canary requests until the joint test, the shared rule and the fuses abort by themselves.
struct Aborts {
    joint: Option<f64>,
    shared: Option<f64>,
    fuses: Option<f64>,
}

fn threshold(alpha: f64) -> f64 {
    (ALTERNATIVES as f64 / alpha).ln()
}

impl Fleet {
    /// The errors of a canary and of a baseline in a request of the fleet.
    fn rates(self) -> (f64, f64) {
        let mean = (self.ratio * (self.proxies - 1) as f64 + self.first) / self.proxies as f64;
        (SHARE * FAILURE * mean, (1.0 - SHARE) * FAILURE)
    }

    /// The proxy of a canary's error.
    fn proxy_of_error(self, random: &mut Random) -> usize {
        let others = self.ratio * (self.proxies - 1) as f64;
        if random.random::<f64>() * (self.first + others) < self.first {
            return 0;
        }
        random.random_range(1..self.proxies)
    }

    fn run(self, random: &mut Random) -> Aborts {
        let count = self.proxies as f64;
        let (canary, baseline) = self.rates();
        let mut joint = Levels::new(RISES);
        let mut fuses = vec![Levels::new(RISES); self.proxies];
        let mut aborts = Aborts { joint: None, shared: None, fuses: None };
        let mut requests = 0.0;
        let is_open = |aborts: &Aborts| {
            [aborts.joint, aborts.shared, aborts.fuses].iter().any(Option::is_none)
        };
        while requests < REQUESTS * count && is_open(&aborts) {
            let time: f64 = sample::<f64, _, ()>(Ok(Exp1), random);
            requests += time / (canary + baseline);
            let is_canary = random.random::<f64>() * (canary + baseline) < canary;
            let proxy = match is_canary {
                true => self.proxy_of_error(random),
                false => random.random_range(0..self.proxies),
            };
            let [ours, theirs] = if is_canary { [1.0, 0.0] } else { [0.0, 1.0] };
            joint.add(SHARE, ours, theirs);
            fuses[proxy].add(SHARE, ours, theirs);
            let (all, one) = (joint.highest(), fuses[proxy].highest());
            let now = requests * SHARE;
            let record = |found: &mut Option<f64>, aborts: bool| {
                if aborts {
                    found.get_or_insert(now);
                }
            };
            record(&mut aborts.joint, all >= threshold(ALPHA));
            let is_shared =
                all >= threshold(ALPHA * (1.0 - FUSES)) || one >= threshold(ALPHA * FUSES / count);
            record(&mut aborts.shared, is_shared);
            record(&mut aborts.fuses, one >= threshold(ALPHA / count));
        }
        aborts
    }
}

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let cell = |(what, fleet, part, is_healthy): (&str, Fleet, u64, bool)| {
        let runs = bench.repeat(what, bench.part(part), |random| fleet.run(random));
        let rule = |name: &str, found: fn(&Aborts) -> Option<f64>| {
            let seen: Vec<bool> = runs.iter().map(|run| found(run).is_some()).collect();
            let seen = Figure::share(format!("{what}, {name}: aborted"), &seen);
            if is_healthy {
                return vec![seen.at_most(ALPHA)];
            }
            let requests: Vec<f64> = runs.iter().filter_map(found).collect();
            vec![seen, Figure::mean(format!("{what}, {name}"), &requests)]
        };
        let rules = [
            rule("joint", |run| run.joint),
            rule("shared", |run| run.shared),
            rule("fuses", |run| run.fuses),
        ];
        rules.into_iter().flatten().collect::<Vec<Figure>>()
    };
    let alike = |proxies, ratio| Fleet { proxies, ratio, first: ratio };
    let one_bad = Fleet { proxies: 20, ratio: 1.0, first: 10.0 };
    let cells = [
        ("20 proxies, 2×", alike(20, 2.0), 333, false),
        ("20 proxies, 5×", alike(20, 5.0), 333, false),
        ("20 proxies, 10×", alike(20, 10.0), 333, false),
        ("one of 20 proxies at 10×", one_bad, 333, false),
        ("20 healthy proxies", alike(20, 1.0), 333, true),
        ("200 healthy proxies", alike(200, 1.0), 100, true),
    ];
    cells.into_iter().flat_map(cell).collect()
}
