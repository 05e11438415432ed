//! Timestamps in RFC 3339.

use core::fmt;

const DAY_MS: i64 = 86_400_000;

/// A timestamp: milliseconds since 1970-01-01T00:00:00Z, never before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The timestamp of `ms` milliseconds since 1970-01-01T00:00:00Z.
    pub const fn from_unix_ms(ms: u64) -> Timestamp {
        Timestamp(ms)
    }

    /// The milliseconds since 1970-01-01T00:00:00Z.
    pub const fn unix_ms(self) -> u64 {
        self.0
    }

    /// Reads RFC 3339, such as `2026-11-21T09:00:00Z` or `2026-11-21T10:00:00.123+01:00`, or a
    /// date, which means its midnight in UTC. `None` if it is malformed or before 1970.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let mut parser = Parser(text.as_bytes());
        let year = parser.digits(4)?;
        parser.byte(b'-')?;
        let month = parser.digits(2)?;
        parser.byte(b'-')?;
        let day = parser.digits(2)?;
        let midnight = days(year, month, day)?.checked_mul(DAY_MS)?;
        if parser.0.is_empty() {
            return Some(Timestamp(u64::try_from(midnight).ok()?));
        }
        parser.byte(b'T').or_else(|| parser.byte(b't'))?;
        let time_of_day = parser.time_of_day()?;
        let fraction = parser.fraction()?;
        let offset = parser.offset()?;
        let ms = midnight.checked_add(time_of_day)?.checked_add(fraction)?.checked_sub(offset)?;
        parser.0.is_empty().then_some(Timestamp(u64::try_from(ms).ok()?))
    }
}

/// A parser over the bytes that are not read yet.
struct Parser<'t>(&'t [u8]);

impl Parser<'_> {
    fn byte(&mut self, wanted: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == wanted).then(|| self.0 = rest)
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let mut value = 0_i64;
        for digit in digits {
            let digit = char::from(*digit).to_digit(10)?;
            value = value.checked_mul(10)?.checked_add(i64::from(digit))?;
        }
        self.0 = rest;
        Some(value)
    }

    /// Reads `09:00:00` as milliseconds. A leap second counts as the next second.
    fn time_of_day(&mut self) -> Option<i64> {
        let hour = self.digits(2).filter(|hour| *hour < 24)?;
        self.byte(b':')?;
        let minute = self.digits(2).filter(|minute| *minute < 60)?;
        self.byte(b':')?;
        let second = self.digits(2).filter(|second| *second <= 60)?;
        let minutes = hour.checked_mul(60)?.checked_add(minute)?;
        minutes.checked_mul(60)?.checked_add(second)?.checked_mul(1000)
    }

    /// Reads `.123456` as milliseconds, rounded down; 0 if there is no fraction.
    fn fraction(&mut self) -> Option<i64> {
        if self.byte(b'.').is_none() {
            return Some(0);
        }
        let mut ms = 0_i64;
        let mut digit_ms = 100_i64;
        self.0.first().filter(|b| b.is_ascii_digit())?;
        while let Some((digit, rest)) = self.0.split_first().filter(|(b, _)| b.is_ascii_digit()) {
            let digit = i64::from(digit.wrapping_sub(b'0'));
            ms = ms.checked_add(digit.checked_mul(digit_ms)?)?;
            digit_ms = digit_ms.checked_div(10)?;
            self.0 = rest;
        }
        Some(ms)
    }

    /// Reads `Z` or `+01:00` as milliseconds.
    fn offset(&mut self) -> Option<i64> {
        if self.byte(b'Z').or_else(|| self.byte(b'z')).is_some() {
            return Some(0);
        }
        let sign = if self.byte(b'+').is_some() { 1 } else { self.byte(b'-').map(|()| -1)? };
        let hours = self.digits(2).filter(|hours| *hours < 24)?;
        self.byte(b':')?;
        let minutes = self.digits(2).filter(|minutes| *minutes < 60)?;
        let total = hours.checked_mul(60)?.checked_add(minutes)?;
        total.checked_mul(60_000)?.checked_mul(sign)
    }
}

/// The days since 1970-01-01 in the proleptic Gregorian calendar; `None` if there is no such day.
/// Howard Hinnant, "chrono-compatible low-level date algorithms": `days_from_civil`.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap =
        year.checked_rem(4)? == 0 && (year.checked_rem(100)? != 0 || year.checked_rem(400)? == 0);
    let days_in_month = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if day < 1 || day > days_in_month {
        return None;
    }
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let era = year.checked_div_euclid(400)?;
    let year_of_era = year.checked_rem_euclid(400)?;
    let shifted = month.checked_add(9)?.checked_rem(12)?;
    let day_of_year = shifted
        .checked_mul(153)?
        .checked_add(2)?
        .checked_div(5)?
        .checked_add(day.checked_sub(1)?)?;
    let day_of_era = year_of_era
        .checked_mul(365)?
        .checked_add(year_of_era.checked_div(4)?)?
        .checked_sub(year_of_era.checked_div(100)?)?
        .checked_add(day_of_year)?;
    era.checked_mul(146_097)?.checked_add(day_of_era)?.checked_sub(719_468)
}

impl fmt::Display for Timestamp {
    /// Writes RFC 3339 in UTC, with milliseconds only if they are not 0.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = i64::try_from(self.0).unwrap_or(i64::MAX);
        let part = |value: i64, unit: i64, modulus: i64| {
            value.checked_div_euclid(unit).and_then(|v| v.checked_rem_euclid(modulus)).unwrap_or(0)
        };
        let (year, month, day) = civil(total.checked_div_euclid(DAY_MS).unwrap_or(0));
        let (hour, minute) = (part(total, 3_600_000, 24), part(total, 60_000, 60));
        let (second, ms) = (part(total, 1000, 60), part(total, 1, 1000));
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if ms > 0 {
            write!(f, ".{ms:03}")?;
        }
        f.write_str("Z")
    }
}

/// The year, month and day of a day number: Hinnant's `civil_from_days`. It cannot saturate for the
/// days of a `u64` in milliseconds.
fn civil(days: i64) -> (i64, i64, i64) {
    let div = |a: i64, b: i64| a.checked_div_euclid(b).unwrap_or(0);
    let days = days.saturating_add(719_468);
    let era = div(days, 146_097);
    let day_of_era = days.saturating_sub(era.saturating_mul(146_097));
    let year_of_era = div(
        day_of_era
            .saturating_sub(div(day_of_era, 1460))
            .saturating_add(div(day_of_era, 36_524))
            .saturating_sub(div(day_of_era, 146_096)),
        365,
    );
    let before = year_of_era
        .saturating_mul(365)
        .saturating_add(div(year_of_era, 4))
        .saturating_sub(div(year_of_era, 100));
    let day_of_year = day_of_era.saturating_sub(before);
    let shifted = div(day_of_year.saturating_mul(5).saturating_add(2), 153);
    let month_start = div(shifted.saturating_mul(153).saturating_add(2), 5);
    let day = day_of_year.saturating_sub(month_start).saturating_add(1);
    let month = if shifted < 10 { shifted.saturating_add(3) } else { shifted.saturating_sub(9) };
    let year = year_of_era.saturating_add(era.saturating_mul(400));
    (if month <= 2 { year.saturating_add(1) } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn ms(text: &str) -> Option<u64> {
        Timestamp::parse(text).map(Timestamp::unix_ms)
    }

    #[test]
    fn rfc_3339_is_read() {
        assert_eq!(ms("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(ms("2026-11-21T09:00:00Z"), Some(1_795_251_600_000));
        assert_eq!(ms("2026-11-21T10:00:00+01:00"), Some(1_795_251_600_000));
        assert_eq!(ms("2026-11-21T09:00:00.1239Z"), Some(1_795_251_600_123));
        assert_eq!(ms("2026-11-21"), Some(1_795_219_200_000));
        assert_eq!(ms("2024-02-29T00:00:00Z"), Some(1_709_164_800_000));
    }

    #[test]
    fn malformed_timestamp_is_refused() {
        for text in [
            "",
            "2026",
            "2026-13-01",
            "2026-02-29",
            "2026-11-21T24:00:00Z",
            "2026-11-21T09:00:00",
            "2026-11-21 09:00:00Z",
            "2026-11-21T09:00:00.Z",
            "1969-12-31T23:59:59Z",
            "2026-11-21T09:00:00Zx",
            "2026-00-10",
            "2026-01-00",
        ] {
            assert_eq!(ms(text), None, "{text}");
        }
    }

    #[test]
    fn timestamp_is_printed_as_it_was_read() {
        for text in ["1970-01-01T00:00:00Z", "2026-11-21T09:00:00.007Z", "2000-02-29T23:59:59Z"] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
    }
}
