//! Gates in common use, compared with Serin's on the same requests.

use crate::bench::{Bench, Random};
use crate::figure::Figure;
use crate::traffic::{Traffic, compiled, observation};
use serin_core::gate::{
    Counters, GateSettings, InferenceUnit, Observation, StageEvidence, Tally, Verdict,
};

/// The requests of both arms in a second.
const PER_SECOND: f64 = 200.0;
const SHARE: f64 = 0.05;
const TICK_SECONDS: u64 = 10;

/// A gate in common use: it compares two error rates after each window, and aborts after `failures`
/// windows that fail.
struct Rule {
    window_seconds: u64,
    failures: u32,
    fails: fn(canary: f64, baseline: f64) -> bool,
}

/// Every 30 s with at least 50 samples, the canary's rate must be at most the baseline's plus 0.1 %.
const THRESHOLD: Rule =
    Rule { window_seconds: 30, failures: 1, fails: |canary, baseline| canary > baseline + 0.001 };
/// Every 60 s, the canary's rate must be at most twice the baseline's.
const TWICE: Rule =
    Rule { window_seconds: 60, failures: 1, fails: |canary, baseline| canary > 2.0 * baseline };
/// A usual analysis of Argo Rollouts: the rates of five minutes differ by at most 1 %, `failureLimit` 3.
const ARGO: Rule =
    Rule { window_seconds: 300, failures: 4, fails: |canary, baseline| canary > baseline + 0.01 };
/// A usual analysis of Flagger: at least 99 % succeed in every minute, `threshold` 10.
const FLAGGER: Rule = Rule { window_seconds: 60, failures: 10, fails: |canary, _| canary > 0.01 };

/// Whether a rule aborts on the requests of these ticks.
fn aborts(rule: &Rule, ticks: &[Counters]) -> bool {
    let rate = |tally: Tally| tally.events as f64 / tally.exposures.max(1) as f64;
    let mut failures = 0;
    for window in ticks.chunks((rule.window_seconds / TICK_SECONDS) as usize) {
        let total = window.iter().fold(Counters::default(), |sum, tick| sum.merge(*tick));
        let is_enough = total.canary.exposures >= 50;
        failures += u32::from(is_enough && (rule.fails)(rate(total.canary), rate(total.baseline)));
    }
    failures >= rule.failures
}

/// Whether Serin's default gate aborts. Its unit is the request, because the simulated requests are
/// independent of each other.
fn serin_aborts(ticks: &[Counters]) -> bool {
    let gate = compiled(GateSettings { unit: InferenceUnit::Request, ..GateSettings::default() });
    let mut stage = StageEvidence::default();
    ticks.iter().any(|tick| {
        let elapsed_ms = TICK_SECONDS * 1000;
        gate.observe(&mut stage, &Observation { elapsed_ms, ..observation(*tick) });
        gate.judge(&stage).verdict == Verdict::Abort
    })
}

/// Whether a rule and Serin's gate abort on the same random traffic.
fn compare(random: &mut Random, traffic: Traffic, seconds: u64, rule: &Rule) -> (bool, bool) {
    let tick = TICK_SECONDS as f64 * PER_SECOND;
    let ticks: Vec<Counters> =
        (0..seconds / TICK_SECONDS).map(|_| traffic.during(random, tick)).collect();
    (aborts(rule, &ticks), serin_aborts(&ticks))
}

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let healthy = |rate| Traffic::new(SHARE, rate, 1.0);
    let broken = Traffic::new(SHARE, 0.001, 5.0);
    let cases: [(&str, &Rule, Traffic, u64, f64, bool); 4] = [
        ("healthy 10 min at 0.1 %: baseline + 0.1 %", &THRESHOLD, healthy(0.001), 600, 0.998, true),
        ("healthy 10 min at 0.1 %: twice the baseline", &TWICE, healthy(0.001), 600, 0.93, true),
        ("5× at 0.1 %, 2 h: Argo-like", &ARGO, broken, 7200, 0.0, false),
        ("healthy 2 h at 1 %: Flagger-like", &FLAGGER, healthy(0.01), 7200, 1.0, true),
    ];
    let case = |(what, rule, traffic, seconds, design, is_healthy): (
        &str,
        &Rule,
        Traffic,
        u64,
        f64,
        bool,
    )| {
        let runs = bench.repeat(what, bench.runs, |random| compare(random, traffic, seconds, rule));
        let (theirs, ours): (Vec<bool>, Vec<bool>) = runs.into_iter().unzip();
        let ours = Figure::share("  Serin on the same requests", &ours);
        // α, plus the false alarms of five late-fault alternatives in each tick.
        let bound = 0.01 + 5.0 * (seconds / TICK_SECONDS) as f64 / 1e6;
        let ours = if is_healthy { ours.at_most(bound) } else { ours.about_share(1.0) };
        [Figure::share(what, &theirs).about_share(design), ours]
    };
    cases.into_iter().flat_map(case).collect()
}
