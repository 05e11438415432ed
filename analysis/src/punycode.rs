//! Names of hosts in ASCII (RFC 3492, RFC 5890).

/// The name as clients send it: each label in lower case, and those outside ASCII as `xn--…`. `None` for a label that
/// is too long.
pub fn to_ascii(name: &str) -> Option<String> {
    let labels: Option<Vec<String>> = name.to_lowercase().split('.').map(label).collect();
    Some(labels?.join("."))
}

fn label(label: &str) -> Option<String> {
    if label.is_ascii() {
        return Some(label.to_owned());
    }
    // A DNS label has at most 63 bytes, so a longer one has no form in ASCII.
    let encoded = encode(label).filter(|encoded| encoded.len() <= 59)?;
    Some(format!("xn--{encoded}"))
}

/// Encodes a label (RFC 3492, section 6.3).
fn encode(label: &str) -> Option<String> {
    let points: Vec<u32> = label.chars().map(u32::from).collect();
    let mut output: String = label.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(output.len()).ok()?;
    if basic > 0 {
        output.push('-');
    }
    let (mut handled, mut point, mut delta, mut bias) = (basic, 128_u32, 0_u32, 72_u32);
    while usize::try_from(handled).ok()? < points.len() {
        let next = *points.iter().filter(|known| **known >= point).min()?;
        let steps = next.checked_sub(point)?.checked_mul(handled.checked_add(1)?)?;
        delta = delta.checked_add(steps)?;
        point = next;
        for known in &points {
            if *known < point {
                delta = delta.checked_add(1)?;
            }
            if *known == point {
                write_number(delta, bias, &mut output)?;
                bias = adapted(delta, handled.checked_add(1)?, handled == basic)?;
                delta = 0;
                handled = handled.checked_add(1)?;
            }
        }
        delta = delta.checked_add(1)?;
        point = point.checked_add(1)?;
    }
    Some(output)
}

/// Writes a number with digits of varying weight (section 3.3).
fn write_number(number: u32, bias: u32, output: &mut String) -> Option<()> {
    let mut rest = number;
    let mut position = 36_u32;
    loop {
        let threshold = position.saturating_sub(bias).clamp(1, 26);
        if rest < threshold {
            output.push(digit(rest)?);
            return Some(());
        }
        let base = 36_u32.checked_sub(threshold)?;
        let over = rest.checked_sub(threshold)?;
        output.push(digit(threshold.checked_add(over.checked_rem(base)?)?)?);
        rest = over.checked_div(base)?;
        position = position.checked_add(36)?;
    }
}

/// `a` to `z`, then `0` to `9`.
fn digit(value: u32) -> Option<char> {
    match value {
        0..26 => char::from_u32(value.checked_add(97)?),
        _ => char::from_digit(value.checked_sub(26)?, 10),
    }
}

/// The bias after a number (section 6.1).
fn adapted(delta: u32, handled: u32, is_first: bool) -> Option<u32> {
    let mut delta = delta.checked_div(if is_first { 700 } else { 2 })?;
    delta = delta.checked_add(delta.checked_div(handled)?)?;
    let mut bias = 0_u32;
    while delta > 455 {
        delta = delta.checked_div(35)?;
        bias = bias.checked_add(36)?;
    }
    bias.checked_add(delta.checked_mul(36)?.checked_div(delta.checked_add(38)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_outside_ascii_are_encoded() {
        for (name, ascii) in [
            ("M\u{fc}nchen.example", "xn--mnchen-3ya.example"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("shop.Example", "shop.example"),
            ("\u{65e5}\u{672c}\u{8a9e}.jp", "xn--wgv71a119e.jp"),
            ("\u{4f8b}\u{3048}", "xn--r8jz45g"),
            ("\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440}", "xn--e1afmkfd"),
            // RFC 3492, section 7.1, (L).
            ("3\u{5e74}b\u{7d44}\u{91d1}\u{516b}\u{5148}\u{751f}", "xn--3b-ww4c5e180e575a65lsy2b"),
        ] {
            assert_eq!(to_ascii(name).as_deref(), Some(ascii));
        }
        assert_eq!(to_ascii(&"\u{fc}".repeat(100)), None);
    }
}
