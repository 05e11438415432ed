//! Detection by one gate at an expected traffic: canary requests, times and smallest regressions.

use serin_core::Share;
use serin_core::gate::{Gate, GateSettings, Ratio};
use serin_core::spec::Hold;

use super::forecast::{GateForecast, Metric, StepForecast, Traffic};
use super::requests::{Rate, requests_needed, requests_to_promote};

/// Twice as many requests beyond a percentile.
const DOUBLE: Ratio = thousandths(2000);
const FIVE_TIMES: Ratio = thousandths(5000);
const A_TENTH_LESS: Ratio = thousandths(900);
const HALF: Ratio = thousandths(500);
/// A KPI that is 0.3 % lower.
pub(super) const SLIGHT_DROP: Ratio = thousandths(997);
/// A regression beyond that is a failure, which everything shows.
const LARGEST: Ratio = thousandths(1_000_000);
const SMALLEST: Ratio = thousandths(1);

const fn thousandths(thousandths: u32) -> Ratio {
    match Ratio::from_thousandths(thousandths) {
        Some(ratio) => ratio,
        None => Ratio::ONE,
    }
}

/// A gate with its expected traffic.
#[derive(Clone, Copy)]
pub(super) struct Rates<'g> {
    pub(super) gate: &'g Gate,
    pub(super) traffic: Traffic,
}

impl Rates<'_> {
    pub(super) fn settings(&self) -> &GateSettings {
        self.gate.settings()
    }

    pub(super) fn step(self, path: String, share: Share, hold: Hold, gated: bool) -> StepForecast {
        let hold_ms = if let Hold::For(ms) = hold { Some(ms) } else { None };
        let expected = hold_ms.map(|ms| self.in_time(share, ms));
        let promotion = self.gate.thresholds().promotion;
        let promotable = gated.then(|| {
            let (rate, excluded) = (self.traffic.errors, self.settings().excluded);
            requests_to_promote(share, rate, excluded, promotion)
        });
        let promotable = promotable.flatten();
        let compared = share > Share::ZERO && share < Share::ALL;
        let kinds = self.metrics().into_iter().filter(|_| compared);
        let gate = |metric| {
            // A step that waits does so for as long as a canary as bad as what is excluded is not ruled out.
            let within = match metric {
                Metric::Errors if gated => None,
                _ if gated => expected.map(|expected| expected.max(promotable.unwrap_or(u64::MAX))),
                _ => expected,
            };
            self.gate_in(metric, share, expected, within)
        };
        let gates = kinds.map(gate).collect();
        StepForecast { path, share, hold_ms, expected, promotable, gates }
    }

    /// The canary requests in `ms`.
    fn in_time(&self, share: Share, ms: u64) -> u64 {
        let all = u128::from(self.traffic.per_minute).saturating_mul(ms.into());
        let canary = all.saturating_mul(share.millipercent().into());
        u64::try_from(canary.checked_div(60_000 * 100_000).unwrap_or(0)).unwrap_or(u64::MAX)
    }

    /// The time in ms that `requests` of the canary take.
    pub(super) fn time_of(&self, share: Share, requests: u64) -> u64 {
        let wanted = u128::from(requests).saturating_mul(60_000 * 100_000);
        let rate = u128::from(self.traffic.per_minute).saturating_mul(share.millipercent().into());
        u64::try_from(wanted.checked_div(rate).unwrap_or(u128::MAX)).unwrap_or(u64::MAX)
    }

    pub(super) fn metrics(&self) -> Vec<Metric> {
        let mut kinds = Vec::from([Metric::Errors]);
        if self.settings().latency.is_some() {
            kinds.extend([Metric::SlowTail, Metric::SlowestTail]);
        }
        if self.settings().kpi.is_some() {
            kinds.push(Metric::Kpi);
        }
        kinds
    }

    /// The regressions that a metric is tested for. The first is the one that the gate must detect: for
    /// errors, the ratio that promotion excludes.
    pub(super) fn regressions(&self, metric: Metric) -> Vec<Ratio> {
        let mut ratios = match metric {
            Metric::Errors => Vec::from([self.settings().excluded, DOUBLE, FIVE_TIMES]),
            Metric::SlowTail | Metric::SlowestTail => Vec::from([DOUBLE]),
            Metric::Kpi => Vec::from([A_TENTH_LESS, HALF]),
        };
        ratios.dedup();
        ratios
    }

    fn gate_in(
        &self,
        metric: Metric,
        share: Share,
        expected: Option<u64>,
        within: Option<u64>,
    ) -> GateForecast {
        let needed = |ratio| (ratio, self.needed(metric, share, ratio));
        let needed = self.regressions(metric).into_iter().map(needed).collect();
        let smallest = expected.and_then(|expected| self.smallest(metric, share, expected));
        GateForecast { metric, needed, smallest, within }
    }

    /// The canary requests until a regression is detected; `None` is never.
    pub(super) fn needed(&self, metric: Metric, share: Share, ratio: Ratio) -> Option<u64> {
        let (settings, thresholds) = (self.settings(), self.gate.thresholds());
        let (rate, tolerated, threshold) = match metric {
            Metric::Errors => (self.traffic.errors, settings.tolerated, thresholds.errors),
            Metric::SlowTail => (Rate::from_ppm(50_000)?, Ratio::ONE, thresholds.latency),
            Metric::SlowestTail => (Rate::from_ppm(10_000)?, Ratio::ONE, thresholds.latency),
            Metric::Kpi => (self.traffic.kpi, settings.kpi?.tolerated, thresholds.kpi),
        };
        let worse = if metric == Metric::Kpi { ratio < tolerated } else { ratio > tolerated };
        if !worse || (metric == Metric::Errors && !self.acts_on(ratio)) {
            return None;
        }
        // A test against a tolerated ratio equals one against 1 of a canary with that many times the events.
        let (share, ratio) = against(share, ratio, tolerated)?;
        let needed = requests_needed(share, rate, ratio, threshold)?;
        let needed = u128::from(needed).saturating_mul(1000);
        let needed = needed.checked_div(tolerated.thousandths().into())?;
        Some(u64::try_from(needed).unwrap_or(u64::MAX).max(settings.min_samples))
    }

    /// Whether a regression is large enough for the guards of the gate.
    fn acts_on(&self, ratio: Ratio) -> bool {
        let more = u64::from(ratio.thousandths()).saturating_sub(1000);
        // Millionths times thousandths against 0.001 %.
        let difference = u64::from(self.traffic.errors.ppm()).saturating_mul(more);
        let wanted = u64::from(self.settings().min_difference).saturating_mul(10_000);
        ratio >= self.settings().min_ratio && difference >= wanted
    }

    /// The smallest regression that is detected within `requests` of the canary.
    fn smallest(&self, metric: Metric, share: Share, requests: u64) -> Option<Ratio> {
        let visible = |thousandths: u32| {
            let ratio = Ratio::from_thousandths(thousandths)?;
            self.needed(metric, share, ratio).filter(|needed| *needed <= requests)
        };
        let far = if metric == Metric::Kpi { SMALLEST } else { LARGEST };
        visible(far.thousandths())?;
        let (mut undetected, mut detected) = (Ratio::ONE.thousandths(), far.thousandths());
        while detected.abs_diff(undetected) > 1 {
            let middle = undetected.midpoint(detected);
            if visible(middle).is_some() { detected = middle } else { undetected = middle }
        }
        Ratio::from_thousandths(detected)
    }
}

/// The share and the ratio of the equivalent test against the ratio 1: wθ0 / S(θ0) and θ / θ0.
fn against(share: Share, ratio: Ratio, tolerated: Ratio) -> Option<(Share, Ratio)> {
    if tolerated == Ratio::ONE {
        return Some((share, ratio));
    }
    let part = |share: u32, thousandths: u32| u64::from(share).saturating_mul(thousandths.into());
    let weight = part(share.millipercent(), tolerated.thousandths());
    let others = part(Share::ALL.millipercent().saturating_sub(share.millipercent()), 1000);
    let share = weight.saturating_mul(100_000).checked_div(weight.saturating_add(others))?;
    let share = Share::from_millipercent(u32::try_from(share).ok()?.max(1))?;
    let ratio = part(ratio.thousandths(), 1000).checked_div(tolerated.thousandths().into())?;
    Some((share, Ratio::from_thousandths(u32::try_from(ratio).ok()?)?))
}
