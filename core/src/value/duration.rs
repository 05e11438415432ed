//! Durations as people write them.

use alloc::format;
use alloc::string::String;

/// The units of a duration, each with its length in ms, larger ones first.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads a duration such as `10m`, `1h30m`, `2d` or `500ms` as milliseconds. It is a sequence of
/// whole numbers, each with its unit (`d`, `h`, `m`, `s`, `ms`), larger units first. `None` if it
/// is malformed or zero.
pub fn parse(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0_u64;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits =
            rest.len().checked_sub(rest.trim_start_matches(|c: char| c.is_ascii_digit()).len())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let (_, unit_ms) = units.by_ref().find(|(name, _)| *name == unit)?;
        total = number.parse::<u64>().ok()?.checked_mul(*unit_ms)?.checked_add(total)?;
        rest = after;
    }
    (total > 0).then_some(total)
}

/// The duration that a text in another notation most likely means: `10 min`, `1.5h`, `1 hour 30 minutes`, `1w`,
/// `PT10M`. `None` if it means none, or one that is no whole number of milliseconds.
pub(crate) fn meant(text: &str) -> Option<String> {
    const MAX_BYTES: usize = 60;
    if text.len() > MAX_BYTES {
        return None;
    }
    let lower = text.trim().to_ascii_lowercase();
    // ISO 8601: what is before the T is in days.
    let (days, rest) = match lower.strip_prefix('p') {
        Some(iso) => iso.split_once('t').unwrap_or((iso, "")),
        None => ("", lower.as_str()),
    };
    if days.contains(['m', 'y']) {
        return None;
    }
    let mut total = 0_u64;
    for part in [days, rest] {
        let mut part = part.trim_start();
        while !part.is_empty() {
            let end = part.find(|c: char| c.is_ascii_alphabetic() || c == ' ')?;
            let (number, after) = part.split_at_checked(end)?;
            let after = after.trim_start();
            let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let (unit, after) = after.split_at_checked(end)?;
            total = total.checked_add(whole_ms(number, unit_ms(unit)?)?)?;
            part = after.trim_start_matches([' ', ',']);
        }
    }
    let mut written = String::new();
    for (unit, ms) in UNITS {
        let count = total.checked_div(ms)?;
        total = total.checked_rem(ms)?;
        if count > 0 {
            written.push_str(&format!("{count}{unit}"));
        }
    }
    (!written.is_empty()).then_some(written)
}

/// The length of a unit, in milliseconds, by the names that people give it.
fn unit_ms(name: &str) -> Option<u64> {
    Some(match name {
        "w" | "wk" | "week" | "weeks" => 604_800_000,
        "d" | "day" | "days" => 86_400_000,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "s" | "sec" | "secs" | "second" | "seconds" => 1000,
        "ms" | "msec" | "millis" | "millisecond" | "milliseconds" => 1,
        _ => return None,
    })
}

/// A decimal number of a unit in milliseconds; `None` if they are not whole.
fn whole_ms(number: &str, unit_ms: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits = [whole, fraction].concat().parse::<u64>().ok()?;
    let scaled = digits.checked_mul(unit_ms)?;
    (scaled.checked_rem(scale)? == 0).then(|| scaled.checked_div(scale))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!(parse("10m"), Some(600_000));
        assert_eq!(parse("1h30m"), Some(5_400_000));
        assert_eq!(parse("2d1ms"), Some(172_800_001));
        assert_eq!(parse("90s"), Some(90_000));
    }

    #[test]
    fn malformed_duration_is_refused() {
        for text in
            ["", "0s", "10", "m", "10 m", "1m1h", "1m1m", "-1s", "1.5h", "99999999999999999999d"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn other_notations_are_understood() {
        for (text, wanted) in [
            ("10 min", Some("10m")),
            ("1.5h", Some("1h30m")),
            ("1.5s", Some("1s500ms")),
            ("2m30.5s", Some("2m30s500ms")),
            ("1h 30m", Some("1h30m")),
            ("1 Hour, 30 minutes", Some("1h30m")),
            ("90 seconds", Some("1m30s")),
            ("1w", Some("7d")),
            ("PT10M", Some("10m")),
            ("P1DT12H", Some("1d12h")),
            ("P1M", None),
            ("30m1h", Some("1h30m")),
            ("100µs", None),
            ("0.0001s", None),
            ("0s", None),
            ("600", None),
            ("soon", None),
            ("-1s", None),
            ("99999999999999999999d", None),
        ] {
            assert_eq!(meant(text).as_deref(), wanted, "{text}");
        }
    }
}
