//! The mean number of canary requests that a gate needs, in integer arithmetic.

use serin_core::Share;
use serin_core::gate::{Nats, Ratio, ln_estimate};

/// A rate of events, in events per million requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(u32);

impl Rate {
    /// A rate from millionths, 1 to 1,000,000; `None` outside.
    pub const fn from_ppm(ppm: u32) -> Option<Rate> {
        if ppm == 0 || ppm > 1_000_000 { None } else { Some(Rate(ppm)) }
    }

    /// The rate in millionths.
    pub const fn ppm(self) -> u32 {
        self.0
    }
}

/// The mean number of canary requests until a level reaches `threshold`, if `rate` is the baseline's rate and
/// the canary's is `ratio` times as high:
///
/// ```text
/// N = w·T / (p·(wθ·ln θ − S·ln S)),   S = 1 − w + wθ
/// ```
///
/// `None` if the rates are equal, if one arm has no units, or if the number overflows.
pub fn requests_needed(share: Share, rate: Rate, ratio: Ratio, threshold: Nats) -> Option<u64> {
    let information = information(share, ratio);
    if information <= 0 {
        return None;
    }
    // w in 1e-5, T in 2^-16, p in 1e-6; the information in 2^-48 · 1e-8.
    let wanted = i128::from(share.millipercent()).checked_mul(threshold.raw().into())?;
    let scaled = wanted.checked_mul(1_000_000_000)?.checked_mul(1 << 32)?;
    let per_request = i128::from(rate.0).checked_mul(information)?;
    let needed = scaled.checked_div(per_request)?.checked_add(1)?;
    u64::try_from(needed).ok()
}

/// The mean number of canary requests until promotion, if the rates are equal. `None` as for
/// [`requests_needed`].
pub fn requests_to_promote(
    share: Share,
    rate: Rate,
    excluded: Ratio,
    threshold: Nats,
) -> Option<u64> {
    // Per event: ln S − w·ln θ, in 1e-8 as above.
    let (weight, sum) = weights(share, excluded);
    let w = i128::from(share.millipercent()).saturating_mul(1000);
    let ln_ratio = log(u128::from(excluded.thousandths()), 1000);
    let information = WHOLE
        .saturating_mul(log(sum.unsigned_abs(), WHOLE.unsigned_abs()))
        .saturating_sub(w.saturating_mul(ln_ratio));
    if information <= 0 || weight == 0 {
        return None;
    }
    let wanted = i128::from(share.millipercent()).checked_mul(threshold.raw().into())?;
    let scaled = wanted.checked_mul(1_000_000_000)?.checked_mul(1 << 32)?;
    let needed = scaled.checked_div(i128::from(rate.0).checked_mul(information)?)?;
    u64::try_from(needed.checked_add(1)?).ok()
}

/// One, as shares times ratios have it: 100,000 × 1,000.
const WHOLE: i128 = 100_000_000;

/// wθ and S, in 1e-8.
fn weights(share: Share, ratio: Ratio) -> (i128, i128) {
    let share = i128::from(share.millipercent());
    let weight = share.saturating_mul(ratio.thousandths().into());
    (weight, WHOLE.saturating_sub(share.saturating_mul(1000)).saturating_add(weight))
}

/// wθ·ln θ − S·ln S, in 2^-48 · 1e-8.
fn information(share: Share, ratio: Ratio) -> i128 {
    let (weight, sum) = weights(share, ratio);
    let ln_ratio = log(u128::from(ratio.thousandths()), 1000);
    let ln_sum = log(sum.unsigned_abs(), WHOLE.unsigned_abs());
    weight.saturating_mul(ln_ratio).saturating_sub(sum.saturating_mul(ln_sum))
}

fn log(above: u128, below: u128) -> i128 {
    ln_estimate(above).saturating_sub(ln_estimate(below))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serin_core::gate::{Gate, GateSettings};

    fn share(millipercent: u32) -> Share {
        Share::from_millipercent(millipercent).unwrap()
    }

    fn ratio(thousandths: u32) -> Ratio {
        Ratio::from_thousandths(thousandths).unwrap()
    }

    fn needed(millipercent: u32, ppm: u32, thousandths: u32) -> u64 {
        let errors = Gate::new(GateSettings::default()).unwrap().thresholds().errors;
        let rate = Rate::from_ppm(ppm).unwrap();
        requests_needed(share(millipercent), rate, ratio(thousandths), errors).unwrap()
    }

    /// The formula in floats, at the threshold ln(5/0.01).
    fn exact(w: f64, p: f64, theta: f64) -> f64 {
        let s = 1.0 - w + w * theta;
        w * 500_f64.ln() / (p * (w * theta * theta.ln() - s * s.ln()))
    }

    #[test]
    fn requests_agree_with_floats() {
        for (w, p, theta) in [
            (5000, 1000, 2000),
            (5000, 10_000, 10_000),
            (1, 1000, 2000),
            (2000, 30_000, 500),
            (2000, 30_000, 997),
            (50_000, 100, 1100),
        ] {
            let truth = exact(f64::from(w) / 1e5, f64::from(p) / 1e6, f64::from(theta) / 1e3);
            let given = needed(w, p, theta) as f64;
            assert!(
                (given - truth).abs() <= 1.0 + truth * 1e-3,
                "{w} {p} {theta}: {given} for {truth}"
            );
        }
    }

    #[test]
    fn promotion_agrees_with_the_drift_in_floats() {
        let promotion = Gate::new(GateSettings::default()).unwrap().thresholds().promotion;
        let rate = Rate::from_ppm(1000).unwrap();
        let given = requests_to_promote(share(5000), rate, ratio(2000), promotion).unwrap() as f64;
        // ln(1/0.05) over ln(1 + w) − w·ln 2 for each event, of which there are p/w a request.
        let truth = 20_f64.ln() / (1.05_f64.ln() - 0.05 * 2_f64.ln()) * 0.05 / 0.001;
        assert!((given - truth).abs() <= 1.0 + truth * 1e-3, "{given} for {truth}");
    }

    #[test]
    fn a_regression_that_cannot_be_detected_needs_no_number() {
        let (rate, threshold) = (Rate::from_ppm(1000).unwrap(), Nats::from_raw(6 << 16));
        for (w, theta) in [(5000, 1000), (0, 2000), (100_000, 2000)] {
            let given = requests_needed(share(w), rate, ratio(theta), threshold);
            assert_eq!(given, None, "{w} {theta}");
        }
    }
}
