//! Parsers of the argument values that several commands share.

use serin_analysis::planner::Rate;
use serin_core::Timestamp;
use std::time::Duration;

/// Parses a timestamp in RFC 3339.
pub(crate) fn parse_timestamp(text: &str) -> Result<Timestamp, String> {
    let timestamp = Timestamp::parse(text);
    timestamp.ok_or_else(|| format!("{text} is not a timestamp, write 2026-11-21T09:00:00Z"))
}

/// Parses a number of seconds from 0.001 to a day.
pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
    if !(0.001..=86_400.0).contains(&seconds) {
        return Err(format!("{text} is not between 0.001 and 86400 seconds"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Parses a rate in per cent, from 0.0001 to 100.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn parse_rate(text: &str) -> Result<Rate, String> {
    let given: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
    let ppm = (given * 10_000.0).round();
    let rate = (1.0..=1e6).contains(&ppm).then_some(ppm as u32).and_then(Rate::from_ppm);
    rate.ok_or_else(|| format!("{text} is not between 0.0001 and 100 per cent"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_bounded() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["", "x", "0", "-1", "1e9", "NaN"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_are_per_cent() {
        assert_eq!(parse_rate("0.1").map(Rate::ppm), Ok(1000));
        assert_eq!(parse_rate("100").map(Rate::ppm), Ok(1_000_000));
        for bad in ["0", "0.00001", "101", "x", "NaN"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }
}
