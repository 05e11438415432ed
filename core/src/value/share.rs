//! Shares of the units, in steps of 0.001 %.

use core::fmt;

use super::decimal::Decimal;

/// A share of all units in steps of 0.001 %, from 0 (nobody) to 100,000 (everybody).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// The share of nobody, 0 %.
    pub const ZERO: Share = Share(0);
    /// The share of everybody, 100 %.
    pub const ALL: Share = Share(100_000);

    /// The share of `value` × 0.001 %, 0 to 100,000; `None` above that.
    pub const fn from_millipercent(value: u32) -> Option<Share> {
        if value > Self::ALL.0 { None } else { Some(Share(value)) }
    }

    /// The share of a percentage; `None` outside 0 to 100 or finer than 0.001.
    pub(crate) fn from_percent(percent: Decimal) -> Option<Share> {
        Self::from_millipercent(u32::try_from(percent.thousandths()?).ok()?)
    }

    /// The share in units of 0.001 %, 0 to 100,000, which is the number of buckets in it.
    pub const fn millipercent(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Share {
    /// Writes the share in per cent: `5 %`, `0.001 %`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandths = i128::from(self.0);
        write!(f, "{} %", Decimal::from_thousandths(thousandths))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn percentage_is_exact_or_refused() {
        let read = |text: &str| Decimal::parse(text).and_then(Share::from_percent);
        assert_eq!(read("0.001"), Share::from_millipercent(1));
        assert_eq!(read("100"), Some(Share::ALL));
        assert_eq!(read("100.001"), None);
        assert_eq!(read("0.0001"), None);
        assert_eq!(read("-1"), None);
    }

    #[test]
    fn share_is_printed_in_per_cent() {
        assert_eq!(Share(1).to_string(), "0.001 %");
        assert_eq!(Share(5000).to_string(), "5 %");
        assert_eq!(Share::ALL.to_string(), "100 %");
    }
}
