//! Spans of time as people write them.

/// Reads `10m`, `1h30m`, `2d`, `500ms` as milliseconds: whole numbers, each with its unit (`d`, `h`,
/// `m`, `s`, `ms`), the larger units first. `None` if it is anything else or nothing at all.
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
        let (_, worth) = units.by_ref().find(|(name, _)| *name == unit)?;
        total = number.parse::<u64>().ok()?.checked_mul(*worth)?.checked_add(total)?;
        rest = after;
    }
    (total > 0).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_spans() {
        assert_eq!(parse("10m"), Some(600_000));
        assert_eq!(parse("1h30m"), Some(5_400_000));
        assert_eq!(parse("2d1ms"), Some(172_800_001));
        assert_eq!(parse("90s"), Some(90_000));
    }

    #[test]
    fn refuses_what_is_no_span() {
        for text in
            ["", "0s", "10", "m", "10 m", "1m1h", "1m1m", "-1s", "1.5h", "99999999999999999999d"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
