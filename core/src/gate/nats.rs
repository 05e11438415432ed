//! Levels and thresholds in nats, as fixed-point numbers: equal on every host.

use core::fmt;

use super::ln::BITS;
use super::wire::{Bytes, Reader, Wire};

/// A natural logarithm of a likelihood ratio or an e-process, with 16 fractional bits: 65,536 is one nat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nats(i64);

impl Wire for Nats {
    fn write(&self, out: &mut Bytes) {
        out.signed(self.raw());
    }

    fn read(reader: &mut Reader<'_>) -> Option<Nats> {
        reader.signed().map(Nats::from_raw)
    }
}

impl Nats {
    /// Fractional bits.
    pub const FRACTIONAL_BITS: u32 = 16;
    /// The level without evidence.
    pub const ZERO: Nats = Nats(0);

    /// The lowest level, which no increment raises. Its magnitude has 63 bits, as the byte form does.
    const LOWEST: Nats = Nats(-i64::MAX);

    /// A level from nats × 65,536.
    pub const fn from_raw(raw: i64) -> Nats {
        if raw < Self::LOWEST.0 { Self::LOWEST } else { Nats(raw) }
    }

    /// The level in nats × 65,536.
    pub const fn raw(self) -> i64 {
        self.0
    }

    /// A sum of logarithms with 48 fractional bits, rounded down.
    pub(super) fn floor(sum: i128) -> Nats {
        let raw = sum >> BITS.saturating_sub(Self::FRACTIONAL_BITS);
        Nats::from_raw(i64::try_from(raw).unwrap_or(if raw < 0 { i64::MIN } else { i64::MAX }))
    }

    /// A sum of logarithms with 48 fractional bits, rounded up.
    pub(super) fn ceil(sum: i128) -> Nats {
        Nats(Nats::floor(sum).0.saturating_add(1))
    }

    /// The level after an increment. The lowest level stays the lowest: after clamping, the true sum is
    /// unknown and might be lower.
    pub(super) fn plus(self, increment: Nats) -> Nats {
        if self <= Self::LOWEST { self } else { Nats::from_raw(self.0.saturating_add(increment.0)) }
    }
}

impl fmt::Display for Nats {
    /// With two decimals, rounded toward zero: `6.21`, `-0.50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = i128::from(self.0).unsigned_abs().saturating_mul(100) >> 16;
        let sign = if self.0 < 0 && hundredths > 0 { "-" } else { "" };
        let whole = hundredths.checked_div(100).unwrap_or(0);
        let rest = hundredths.checked_rem(100).unwrap_or(0);
        write!(f, "{sign}{whole}.{rest:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn rounds_down_on_both_sides_of_zero() {
        assert_eq!(Nats::floor(-1), Nats(-1));
        assert_eq!(Nats::floor(1), Nats(0));
        assert_eq!(Nats::floor(i128::MIN), Nats::LOWEST);
    }

    #[test]
    fn no_increment_raises_the_lowest_level() {
        let lowest = Nats(-5).plus(Nats::floor(i128::MIN));
        assert_eq!(lowest.plus(Nats(i64::MAX)), lowest);
        assert_eq!(Nats::from_raw(i64::MIN), lowest);
        assert_eq!(Nats(3).plus(Nats(-5)), Nats(-2));
    }

    #[test]
    fn prints_two_decimals() {
        assert_eq!(Nats(65_536 * 6 + 14_000).to_string(), "6.21");
        assert_eq!(Nats(-32_768).to_string(), "-0.50");
        assert_eq!(Nats(-1).to_string(), "0.00");
    }
}
