//! Before a rollout: how many requests a gate needs, and what it can see in the time it has.
//!
//! Estimates of means, in whole numbers; runs differ by a factor of two and more either way.

use super::ln::ln;
use super::nats::Nats;
use super::ratio::Ratio;
use crate::value::share::Share;

/// How often something happens: events per million requests.
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

/// What a stage's hold is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// Canary requests needed to see the regression, on average; `None` if it can't be seen.
    pub needed: Option<u64>,
    /// Canary requests that the hold will bring.
    pub expected: u64,
    /// The smallest regression that the hold can show, on average; `None` if it can show none up to
    /// 1,000 times.
    pub smallest: Option<Ratio>,
}

impl Outlook {
    /// A gate that can't see in time what it is there for is decorative.
    pub fn is_decorative(&self) -> bool {
        self.needed.is_none_or(|needed| needed > self.expected)
    }
}

/// Canary requests until a likelihood reaches `threshold`, on average, if the baseline's events have
/// this rate and the canary's are `ratio` times as frequent:
///
/// ```text
/// N = w·T / (p·(wθ·ln θ − S·ln S)),   S = 1 − w + wθ
/// ```
///
/// `None` if there is nothing to see: equal rates, no canary or nobody else, or more than can be
/// counted.
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

/// Canary requests until promotion, on average, if the rates are equal.
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

/// The smallest regression that so many canary requests can show, on average.
pub fn smallest_visible(share: Share, rate: Rate, requests: u64, threshold: Nats) -> Option<Ratio> {
    const LARGEST: u32 = 1_000_000;
    let visible = |thousandths: u32| {
        let ratio = Ratio::from_thousandths(thousandths)?;
        requests_needed(share, rate, ratio, threshold).filter(|needed| *needed <= requests)
    };
    visible(LARGEST)?;
    let (mut unseen, mut seen) = (Ratio::ONE.thousandths(), LARGEST);
    while seen.saturating_sub(unseen) > 1 {
        let middle = unseen.midpoint(seen);
        if visible(middle).is_some() { seen = middle } else { unseen = middle }
    }
    Ratio::from_thousandths(seen)
}

/// What a hold of so many ms is good for, at so many requests a minute of both arms together.
pub fn outlook(
    share: Share,
    rate: Rate,
    ratio: Ratio,
    threshold: Nats,
    per_minute: u64,
    hold_ms: u64,
) -> Outlook {
    let all = u128::from(per_minute).saturating_mul(hold_ms.into());
    let canary = all.saturating_mul(share.millipercent().into());
    let expected = canary.checked_div(60_000 * 100_000).unwrap_or(0);
    let expected = u64::try_from(expected).unwrap_or(u64::MAX);
    Outlook {
        needed: requests_needed(share, rate, ratio, threshold),
        expected,
        smallest: smallest_visible(share, rate, expected, threshold),
    }
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
    ln(above).middle().saturating_sub(ln(below).middle())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{Gate, GateSettings};

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
    fn agrees_with_floats() {
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
    fn promotion_takes_what_its_drift_says() {
        let promotion = Gate::new(GateSettings::default()).unwrap().thresholds().promotion;
        let rate = Rate::from_ppm(1000).unwrap();
        let given = requests_to_promote(share(5000), rate, ratio(2000), promotion).unwrap() as f64;
        // ln(1/0.05) over ln(1 + w) − w·ln 2 for each event, of which there are p/w a request.
        let truth = 20_f64.ln() / (1.05_f64.ln() - 0.05 * 2_f64.ln()) * 0.05 / 0.001;
        assert!((given - truth).abs() <= 1.0 + truth * 1e-3, "{given} for {truth}");
    }

    #[test]
    fn what_cannot_be_seen_is_none() {
        let (rate, threshold) = (Rate::from_ppm(1000).unwrap(), Nats::from_raw(6 << 16));
        for (w, theta) in [(5000, 1000), (0, 2000), (100_000, 2000)] {
            let given = requests_needed(share(w), rate, ratio(theta), threshold);
            assert_eq!(given, None, "{w} {theta}");
        }
    }

    #[test]
    fn a_short_hold_is_decorative() {
        let (rate, threshold) = (Rate::from_ppm(1000).unwrap(), Nats::from_raw(407_308));
        let at = |hold_ms| outlook(share(5000), rate, ratio(2000), threshold, 12_000, hold_ms);
        let short = at(10 * 60_000);
        assert_eq!(short.expected, 6000);
        assert!(short.is_decorative());
        let smallest = short.smallest.unwrap().thousandths();
        assert!((2500..4000).contains(&smallest), "{smallest}");
        assert!(!at(60 * 60_000).is_decorative());
        assert_eq!(at(1).smallest, None);
    }
}
