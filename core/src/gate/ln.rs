//! Natural logarithms of whole numbers as lower and upper bounds, in integer arithmetic.
//!
//! The level of an e-process stays valid if it is rounded down, not if it is rounded up. Gains use the lower
//! bound, costs the upper bound.

/// Fractional bits of a bound.
pub(super) const BITS: u32 = 48;

/// Fractional bits of the intermediate logarithm to base 2.
const LOG2_BITS: u32 = 50;

/// Fractional bits of the number that is squared.
const MANTISSA_BITS: u32 = 62;

/// ln 2 with 64 fractional bits, rounded down.
const LN_2: u128 = 0xB172_17F7_D1CF_79AB;

/// The bounds of a logarithm, in nats with 48 fractional bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) low: i128,
    pub(super) high: i128,
}

/// The bounds of ln(value); 0 counts as 1.
pub(super) fn ln(value: u128) -> Bounds {
    let log2 = log2(value);
    let shift = LOG2_BITS.saturating_add(64).saturating_sub(BITS);
    let low = log2.saturating_mul(LN_2) >> shift;
    // `log2` is low by less than two units of its last bit; see there.
    let high = log2.saturating_add(2).saturating_mul(LN_2.saturating_add(1)) >> shift;
    Bounds { low: signed(low), high: signed(high).saturating_add(1) }
}

/// An estimate of ln(value) in nats with 48 fractional bits: the middle of the bounds that gates
/// calculate with. 0 counts as 1.
pub fn ln_estimate(value: u128) -> i128 {
    let Bounds { low, high } = ln(value);
    low.saturating_add(high) >> 1
}

/// The logarithm to base 2, low by less than two units of its last bit: one by rounding in the squarings,
/// one by the bits that are not computed. Each squaring of the mantissa gives the next bit.
fn log2(value: u128) -> u128 {
    let value = value.max(1);
    let whole = value.ilog2();
    let mut result = u128::from(whole);
    let left = MANTISSA_BITS.saturating_sub(whole);
    let right = whole.saturating_sub(MANTISSA_BITS);
    let mut mantissa = (value << left) >> right;
    for _ in 0..LOG2_BITS {
        // Below 2^63 by construction, so the square is below 2^126.
        mantissa = mantissa.saturating_mul(mantissa) >> MANTISSA_BITS;
        let bit = mantissa >> MANTISSA_BITS.saturating_add(1);
        mantissa >>= bit;
        result = (result << 1) | bit;
    }
    result
}

fn signed(value: u128) -> i128 {
    i128::try_from(value).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    extern crate std;

    /// A bound as a float; f64 resolves 2^-45 around 88, the largest logarithm here.
    fn float(bound: i128) -> f64 {
        bound as f64 / (1_u64 << BITS) as f64
    }

    #[test]
    fn the_bounds_hold_at_zero_one_two_and_the_largest_number() {
        assert_eq!(ln(1).low, 0);
        assert_eq!(ln(0), ln(1));
        let two = ln(2);
        assert!(float(two.low) <= std::f64::consts::LN_2);
        assert!(float(two.high) >= std::f64::consts::LN_2);
        assert!(float(ln(u128::MAX).high) < 88.8);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn bounds_enclose_the_logarithm_and_are_tight(value in 1_u128..=u128::MAX, shift in 0_u32..127) {
            let value = (value >> shift).max(1);
            let Bounds { low, high } = ln(value);
            let truth = (value as f64).ln();
            let slack = 1e-13_f64.max(truth * 4e-16);
            prop_assert!(float(low) <= truth + slack, "{value}");
            prop_assert!(float(high) >= truth - slack, "{value}");
            prop_assert!((1..=8).contains(&(high - low)), "{value}: {}", high - low);
        }
    }
}
