//! Decimal numbers of any size and precision, compared exactly, without floating point and without
//! allocation.

use alloc::boxed::Box;
use alloc::string::String;
use core::cmp::Ordering;
use core::fmt;

/// The longest number, in bytes.
const MAX_BYTES: usize = 1024;

/// The largest exponent as it is written, and the smallest with a minus.
const MAX_EXPONENT: i64 = 999_999_999;

/// The operand of a numeric operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    text: Box<str>,
}

impl Number {
    /// Reads a number as JSON writes it. `None` for everything else, for more than 1,024 bytes and
    /// for an exponent of more than nine digits.
    pub(crate) fn parse(text: &str) -> Option<Number> {
        Digits::read(text)?;
        Some(Number { text: String::from(text).into() })
    }

    /// The number as the spec has it.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Compares the number that `value` is with this one; `None` if `value` is not a number.
    pub(crate) fn compared_with(&self, value: &str) -> Option<Ordering> {
        let value = Digits::read(value)?;
        Some(value.compare(&Digits::read(&self.text)?))
    }
}

/// Whether the string is a number.
pub(crate) fn is_number(text: &str) -> bool {
    Digits::read(text).is_some()
}

/// A number that borrows its significant digits, with neither leading nor trailing zeros: the
/// digits of `whole`, then those of `fraction`. None of them is 0.
#[derive(Clone, Copy, Debug)]
struct Digits<'t> {
    negative: bool,
    whole: &'t str,
    fraction: &'t str,
    /// The power of ten of the first digit.
    power: i64,
}

impl<'t> Digits<'t> {
    fn read(text: &'t str) -> Option<Digits<'t>> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        if !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let significant = fraction.trim_start_matches('0');
        // The power of the first digit, or one below the number of zeros after the point.
        let (fraction, places) = if whole.is_empty() {
            (significant, count(significant)?.checked_sub(count(fraction)?)?)
        } else {
            (fraction, count(whole)?)
        };
        let whole = if fraction.is_empty() { whole.trim_end_matches('0') } else { whole };
        if whole.is_empty() && fraction.is_empty() {
            return Some(Digits { negative: false, whole, fraction, power: i64::MIN });
        }
        Some(Digits { negative, whole, fraction, power: places.checked_add(exponent)? })
    }

    fn compare(&self, other: &Digits<'_>) -> Ordering {
        let magnitude = || {
            let digits = self.whole.bytes().chain(self.fraction.bytes());
            self.power
                .cmp(&other.power)
                .then_with(|| digits.cmp(other.whole.bytes().chain(other.fraction.bytes())))
        };
        match (self.negative, other.negative) {
            (false, false) => magnitude(),
            (true, true) => magnitude().reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

/// Reads `12`, `+12` or `-12`.
fn read_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !is_digits(digits) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    let size = if significant.is_empty() { 0 } else { significant.parse::<i64>().ok()? };
    let size = (size <= MAX_EXPONENT).then_some(size)?;
    if negative { size.checked_neg() } else { Some(size) }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn count(text: &str) -> Option<i64> {
    i64::try_from(text.len()).ok()
}

impl fmt::Display for Number {
    /// Writes the number as the spec has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use num_bigint::BigInt;
    use proptest::prelude::*;

    fn compare(a: &str, b: &str) -> Ordering {
        Number::parse(b).unwrap().compared_with(a).unwrap()
    }

    #[test]
    fn numbers_as_programs_print_them_are_compared_by_value() {
        for (a, b, order) in [
            ("0.8333333333333334", "0.5", Ordering::Greater),
            ("0.8333333333333334", "0.8333333333333333", Ordering::Greater),
            ("1e21", "999999999999999999999", Ordering::Greater),
            ("1e21", "1000000000000000000000.0", Ordering::Equal),
            ("1E+3", "1000", Ordering::Equal),
            ("5e-7", "0.0000005", Ordering::Equal),
            ("5e-324", "0", Ordering::Greater),
            ("1.7976931348623157e+308", "1e308", Ordering::Greater),
            ("-0", "0", Ordering::Equal),
            ("-0.0e5", "0e-999999999", Ordering::Equal),
            ("-2", "-1.5", Ordering::Less),
            ("-1", "0", Ordering::Less),
            ("9", "10", Ordering::Less),
            ("007", "7", Ordering::Equal),
            ("1.50", "1.5", Ordering::Equal),
            ("100", "1e2", Ordering::Equal),
            ("0.00123e3", "1.23", Ordering::Equal),
            ("1e999999999", "1e-999999999", Ordering::Greater),
        ] {
            assert_eq!(compare(a, b), order, "{a} and {b}");
            assert_eq!(compare(b, a), order.reverse(), "{b} and {a}");
        }
        let long = "3".repeat(400);
        assert_eq!(compare(&format!("0.{long}4"), &format!("0.{long}3")), Ordering::Greater);
        assert_eq!(compare(&format!("{long}4"), &format!("3.{long}e400")), Ordering::Greater);
    }

    #[test]
    fn other_forms_are_no_numbers() {
        for text in [
            "",
            "-",
            ".5",
            "5.",
            "+1",
            " 1",
            "1 ",
            "0x1",
            "1_000",
            "1,5",
            "1e",
            "e1",
            "1e+",
            "1e1.5",
            "1e--1",
            "--1",
            "1.2.3",
            "NaN",
            "Infinity",
            "-Infinity",
            "١",
            "1e1000000000",
            "0e99999999999999999999",
        ] {
            assert!(!is_number(text), "{text}");
        }
        assert!(is_number(&"9".repeat(1024)) && !is_number(&"9".repeat(1025)));
        assert!(is_number("1e0000000000000000000007"));
    }

    /// The number times 10²⁰⁰, by arithmetic that shares nothing with `Digits`.
    fn scaled(negative: bool, whole: &str, fraction: &str, exponent: i32) -> BigInt {
        let digits: BigInt = format!("{whole}{fraction}").parse().unwrap();
        let shift = 200 + exponent - i32::try_from(fraction.len()).unwrap();
        let size = digits * BigInt::from(10).pow(u32::try_from(shift).unwrap());
        if negative { -size } else { size }
    }

    proptest! {
        #[test]
        fn order_agrees_with_big_integers(
            a in (any::<bool>(), "[01]{0,3}[0-9]{1,30}", "[0-9]{1,30}0{0,2}", -40_i32..40),
            b in (any::<bool>(), "[01]{0,3}[0-9]{1,30}", "[0-9]{1,30}0{0,2}", -40_i32..40),
            moved in 0_i32..8,
        ) {
            let text = |n: &(bool, String, String, i32)| {
                format!("{}{}.{}e{}", if n.0 { "-" } else { "" }, n.1, n.2, n.3)
            };
            let value = |n: &(bool, String, String, i32)| scaled(n.0, &n.1, &n.2, n.3);
            prop_assert_eq!(compare(&text(&a), &text(&b)), value(&a).cmp(&value(&b)));
            // The same digits with the point elsewhere, and the next digit.
            let zeros = "0".repeat(usize::try_from(moved).unwrap());
            let same = (a.0, format!("{}{}{zeros}", a.1, a.2), String::from("0"),
                a.3 - i32::try_from(a.2.len()).unwrap() - moved);
            prop_assert_eq!(compare(&text(&a), &text(&same)), Ordering::Equal);
            let near = (a.0, a.1.clone(), format!("{}1", a.2), a.3);
            prop_assert_eq!(compare(&text(&near), &text(&same)), value(&near).cmp(&value(&same)));
        }
    }
}
