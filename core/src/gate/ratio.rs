//! Ratios of the canary's rate to the baseline's.

use core::fmt;

use super::ln::{Bounds, ln};
use crate::value::decimal::Decimal;

/// A ratio of rates, in thousandths: 2,000 is twice the baseline's, 900 is a tenth less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio(u32);

impl Ratio {
    /// Equal rates.
    pub const ONE: Ratio = Ratio(1000);

    /// A ratio from thousandths; `None` for 0, which has no logarithm.
    pub const fn from_thousandths(thousandths: u32) -> Option<Ratio> {
        if thousandths == 0 { None } else { Some(Ratio(thousandths)) }
    }

    /// The ratio in thousandths.
    pub const fn thousandths(self) -> u32 {
        self.0
    }

    /// The ratio times `thousandths` / 1000, at least 0.001.
    pub(crate) fn times(self, thousandths: u32) -> Ratio {
        let product = u64::from(self.0).saturating_mul(u64::from(thousandths));
        let product = product.checked_div(1000).unwrap_or(0).max(1);
        Ratio(u32::try_from(product).unwrap_or(u32::MAX))
    }

    /// The logarithm of the ratio's thousandths. It exceeds that of the ratio by ln 1000, which cancels out
    /// in every difference.
    pub(super) fn ln(self) -> Bounds {
        ln(u128::from(self.0))
    }
}

impl fmt::Display for Ratio {
    /// The ratio as a decimal: `1.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Decimal::from_thousandths(i128::from(self.0)))
    }
}
