//! Durations in the notations of manifests and of specs.

/// A duration such as `90`, `30s` or `1h30m`, in ms. A number without a unit is in seconds, as in Argo Rollouts.
pub(super) fn parse(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse::<u64>() {
        return seconds.checked_mul(1000);
    }
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let ms = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(ms)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// The duration in the notation of a spec: `1h30m`.
pub(super) fn format(ms: u64) -> String {
    const UNITS: [(&str, u64); 5] =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let mut rest = ms;
    let mut text = String::new();
    for (unit, size) in UNITS {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed_and_formatted() {
        let durations = [
            ("90", "1m30s"),
            ("10m", "10m"),
            ("1h30m", "1h30m"),
            ("36h", "1d12h"),
            ("250ms", "250ms"),
        ];
        for (given, wanted) in durations {
            assert_eq!(parse(given).map(format).as_deref(), Some(wanted));
        }
        for bad in ["", "m", "1", "10 m", "1.5h", "-1s", "1w", "99999999999999999999h"] {
            assert_eq!(parse(bad), (bad == "1").then_some(1000), "{bad}");
        }
    }
}
