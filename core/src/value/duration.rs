//! Durations as people write them.

/// Reads a duration such as `10m`, `1h30m`, `2d` or `500ms` as milliseconds. It is a sequence of
/// whole numbers, each with its unit (`d`, `h`, `m`, `s`, `ms`), larger units first. `None` if it
/// is malformed or zero.
pub fn parse(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 5] =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
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
}
