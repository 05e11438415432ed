//! Hosts with letters beyond ASCII as browsers send them: each part in Punycode (RFC 3492) after `xn--`.

/// A host in ASCII; `None` if it has characters that browsers would change in other ways than to lower case.
pub(crate) fn host(text: &str) -> Option<String> {
    const MAX_BYTES: usize = 1000;
    // Letters that are made of several characters are one in a host.
    let is_combining = |c: char| ('\u{300}'..='\u{36f}').contains(&c);
    if text.len() > MAX_BYTES || text.contains(is_combining) {
        return None;
    }
    let lower = text.to_lowercase();
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | '*');
    if !lower.chars().all(allowed) {
        return None;
    }
    let parts = lower.split('.').map(|part| match part.is_ascii() {
        true => Some(part.to_owned()),
        false => Some(format!("xn--{}", encoded(part)?)),
    });
    Some(parts.collect::<Option<Vec<String>>>()?.join("."))
}

/// A part of a host in Punycode.
fn encoded(part: &str) -> Option<String> {
    let mut out: String = part.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(out.len()).ok()?;
    if basic > 0 {
        out.push('-');
    }
    let length = u32::try_from(part.chars().count()).ok()?;
    let (mut code, mut delta, mut bias, mut handled) = (128_u32, 0_u32, 72_u32, basic);
    while handled < length {
        let next = part.chars().map(u32::from).filter(|c| *c >= code).min()?;
        delta = delta.checked_add((next - code).checked_mul(handled + 1)?)?;
        code = next;
        for c in part.chars().map(u32::from) {
            if c < code {
                delta = delta.checked_add(1)?;
            }
            if c == code {
                push_number(delta, bias, &mut out);
                bias = adapted(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta = delta.checked_add(1)?;
        code += 1;
    }
    Some(out)
}

/// Appends a number in digits to the bases that the bias gives.
fn push_number(mut number: u32, bias: u32, out: &mut String) {
    for k in (36..).step_by(36) {
        let threshold = k.clamp(bias + 1, bias + 26) - bias;
        if number < threshold {
            break;
        }
        let digit = threshold + (number - threshold) % (36 - threshold);
        out.extend(char::from_digit((digit + 10) % 36, 36));
        number = (number - threshold) / (36 - threshold);
    }
    out.extend(char::from_digit((number + 10) % 36, 36));
}

fn adapted(delta: u32, points: u32, first: bool) -> u32 {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta += delta / points;
    let mut k = 0;
    while delta > 455 {
        delta /= 35;
        k += 36;
    }
    k + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_written_as_browsers_send_them() {
        for (text, wanted) in [
            ("München.example", Some("xn--mnchen-3ya.example")),
            ("*.bücher.example", Some("*.xn--bcher-kva.example")),
            ("例え.テスト", Some("xn--r8jz45g.xn--zckzah")),
            ("пример.испытание", Some("xn--e1afmkfd.xn--80akhbyknj4f")),
            ("faß.example", Some("xn--fa-hia.example")),
            ("mu\u{308}nchen.example", None),
            ("https://münchen.example", None),
        ] {
            assert_eq!(host(text).as_deref(), wanted, "{text}");
        }
    }
}
