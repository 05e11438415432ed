//! Exact decimal numbers, without floating point.

use core::fmt;

const FRACTION_DIGITS: usize = 9;
const SCALE: i128 = 1_000_000_000;

/// A decimal number with at most 21 whole and nine fractional digits, in units of 10⁻⁹.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimal(i128);

impl Decimal {
    /// Reads a number such as `-12.5`; `None` for an exponent, spaces, a leading `+` or too many
    /// digits.
    pub(crate) fn parse(text: &str) -> Option<Decimal> {
        const WHOLE_DIGITS: usize = 21;
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        if whole.is_empty() || whole.len() > WHOLE_DIGITS {
            return None;
        }
        if fraction.is_empty() || fraction.len() > FRACTION_DIGITS {
            return None;
        }
        let mut value: i128 = 0;
        let padding = core::iter::repeat_n(b'0', FRACTION_DIGITS.saturating_sub(fraction.len()));
        for digit in whole.bytes().chain(fraction.bytes()).chain(padding) {
            if !digit.is_ascii_digit() {
                return None;
            }
            let digit = i128::from(digit.wrapping_sub(b'0'));
            value = value.checked_mul(10)?.checked_add(digit)?;
        }
        Some(Decimal(if negative { value.checked_neg()? } else { value }))
    }

    /// The number times 1,000; `None` if that is not whole.
    pub(crate) fn thousandths(self) -> Option<i128> {
        const STEP: i128 = SCALE / 1000;
        (self.0.checked_rem(STEP)? == 0).then(|| self.0.checked_div(STEP))?
    }

    /// The number that is `value` thousandths.
    pub(crate) fn from_thousandths(value: i128) -> Decimal {
        Decimal(value.saturating_mul(SCALE / 1000))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let scale = SCALE.unsigned_abs();
        let whole = magnitude.checked_div(scale).unwrap_or(0);
        let fraction = magnitude.checked_rem(scale).unwrap_or(0);
        // Printed in two halves: the formatter of 128-bit numbers would add code to the filter.
        let (high, low) = halves(whole);
        match high {
            0 => write!(f, "{sign}{low}")?,
            high => write!(f, "{sign}{high}{low:015}")?,
        }
        let mut fraction = halves(fraction).1;
        if fraction == 0 {
            return Ok(());
        }
        let mut width = FRACTION_DIGITS;
        while fraction.checked_rem(10) == Some(0) {
            fraction = fraction.checked_div(10).unwrap_or(0);
            width = width.saturating_sub(1);
        }
        write!(f, ".{fraction:0width$}")
    }
}

/// The quotient and the remainder of a division by 10¹⁵.
fn halves(number: u128) -> (u64, u64) {
    const HALF: u128 = 1_000_000_000_000_000;
    let part = |half: Option<u128>| half.and_then(|half| u64::try_from(half).ok()).unwrap_or(0);
    (part(number.checked_div(HALF)), part(number.checked_rem(HALF)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn decimal_is_printed_as_it_was_read() {
        for text in [
            "0",
            "-12.5",
            "0.001",
            "123456789.000000001",
            "123456789012345678901.5",
            "1000000000000000",
            "999999999999999.9",
        ] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Decimal::parse("1.50").unwrap().to_string(), "1.5");
    }

    #[test]
    fn other_forms_are_refused() {
        for text in ["", "-", ".5", "5.", "1e3", "+1", " 1", "0x1", "1.0000000001", "١"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        assert_eq!(Decimal::parse(&"9".repeat(22)), None);
    }

    #[test]
    fn decimals_are_compared_by_value() {
        let read = |text| Decimal::parse(text).unwrap();
        assert!(read("9") < read("10"));
        assert!(read("-2") < read("-1.5"));
        assert_eq!(read("1"), read("1.0"));
    }
}
