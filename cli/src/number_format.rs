//! Numbers, counts and durations for people.

/// A number with separators: `12,345`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of any size: `12,345`, `3.5`, `2.35·10⁹`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn large(number: f64) -> String {
    if number < 100.0 && number.fract() != 0.0 {
        return short(number);
    }
    if number < 1e7 {
        return grouped(number.round() as u64);
    }
    let power = number.log10().floor();
    let raised = |digit: char| match digit {
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '0' | '4'..='9' => {
            char::from_u32(0x2070 + u32::from(digit) - u32::from('0')).unwrap_or(digit)
        }
        other => other,
    };
    let power_text: String = format!("{power:.0}").chars().map(raised).collect();
    format!("{}·10{power_text}", short(number / 10_f64.powf(power)))
}

/// A number with three significant digits: `0.123`, `1.23`, `12.3`, `123`.
pub(crate) fn short(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return if number == 0.0 { "0".to_owned() } else { "-".to_owned() };
    }
    let whole = number.abs().log10().floor();
    let decimals = if whole >= 2.0 {
        0
    } else if whole >= 1.0 {
        1
    } else if whole >= 0.0 {
        2
    } else {
        3
    };
    let text = format!("{number:.decimals$}");
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.to_owned()
}

/// A part from 0 to 1 as per cent: `0.1 %`, `12.5 %`.
pub(crate) fn percent(part: f64) -> String {
    format!("{} %", short(part * 100.0))
}

/// A count with its noun: `1 flag`, `2 flags`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A duration in ms, in its two largest units: `2m 5s`, `1h 30m`, `136d`.
pub(crate) fn duration(ms: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    if ms < 1000 {
        return if ms == 0 { "0s".to_owned() } else { format!("{ms}ms") };
    }
    let first = UNITS.iter().position(|(_, worth)| ms >= *worth).unwrap_or(3);
    let (unit, worth) = UNITS[first];
    let (whole, rest) = (ms / worth, ms % worth);
    match UNITS.get(first + 1) {
        Some((next, smaller)) if rest / smaller > 0 && whole < 100 => {
            format!("{whole}{unit} {}{next}", rest / smaller)
        }
        _ => format!("{}{unit}", grouped(whole)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators_or_powers() {
        let texts = [0, 7, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "7", "999", "1,000", "1,234,567"]);
        let texts = [0.5, 99.96, 200.0, 17_182.4, 2.351e9, 1.0e10].map(large);
        assert_eq!(texts, ["0.5", "100", "200", "17,182", "2.35·10⁹", "1·10¹⁰"]);
        let texts = [0.0, 0.001, 0.000_123, 0.125, 0.0333, 1.0].map(percent);
        assert_eq!(texts, ["0 %", "0.1 %", "0.012 %", "12.5 %", "3.33 %", "100 %"]);
    }

    #[test]
    fn durations_have_two_units() {
        let texts =
            [0, 20, 1000, 61_000, 600_000, 5_400_000, 90_000_000, 12_000_000_000].map(duration);
        assert_eq!(texts, ["0s", "20ms", "1s", "1m 1s", "10m", "1h 30m", "1d 1h", "138d"]);
    }
}
