//! Bare words: what YAML 1.2 (core schema) and YAML 1.1 read them as.

use serde_json::{Number, Value};

/// What YAML 1.2 reads a word without quotes as.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Scalar {
    /// A value of JSON: null, a boolean, a number, or else a string.
    Value(Value),
    /// `.inf` and its like, which JSON does not have.
    Infinity,
    /// `.nan` and its like, which JSON does not have.
    NotANumber,
    /// A number that no double holds, such as `1e999`.
    TooLarge,
}

/// The type that YAML 1.1 reads a word without quotes as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OldType {
    /// `yes`, `off`, `y` and their like.
    Boolean,
    /// `1_000`, `0b11`, `017` (octal), `12:30` (to the base 60) and their like.
    Number,
    /// `2026-11-21` and its like.
    Timestamp,
    /// `~`, `null` and nothing.
    Null,
}

/// Reads a word without quotes as YAML 1.2 does.
pub fn resolve(word: &str) -> Scalar {
    match word {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Value(Value::Null),
        "true" | "True" | "TRUE" => return Scalar::Value(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Scalar::Value(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Scalar::NotANumber,
        _ => {}
    }
    let magnitude = word.strip_prefix(['-', '+']).unwrap_or(word);
    if matches!(magnitude, ".inf" | ".Inf" | ".INF") {
        return Scalar::Infinity;
    }
    let json = match (word.strip_prefix("0o"), word.strip_prefix("0x")) {
        (Some(digits), _) => whole(digits, 8),
        (_, Some(digits)) => whole(digits, 16),
        _ => decimal(magnitude).map(|json| Some(sign(word).to_owned() + &json)),
    };
    match json {
        None => Scalar::Value(Value::String(word.to_owned())),
        Some(json) => match json.and_then(|json| serde_json::from_str::<Number>(&json).ok()) {
            Some(number) => Scalar::Value(Value::Number(number)),
            None => Scalar::TooLarge,
        },
    }
}

/// A number of a base in JSON's form. `None` for other words; `Some(None)` beyond 64 bits.
fn whole(digits: &str, base: u32) -> Option<Option<String>> {
    let valid = !digits.is_empty() && digits.chars().all(|c| c.is_digit(base));
    valid.then(|| u64::from_str_radix(digits, base).ok().map(|number| number.to_string()))
}

/// A decimal number without its sign in JSON's form, in which no digit can be left out before or after the point,
/// and no zero leads. `None` for other words.
fn decimal(magnitude: &str) -> Option<String> {
    let (mantissa, exponent) = match magnitude.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (magnitude, None),
    };
    let (before, after) = match mantissa.split_once('.') {
        Some((before, after)) => (before, Some(after)),
        None => (mantissa, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let power = exponent.map(|exponent| exponent.strip_prefix(['-', '+']).unwrap_or(exponent));
    let valid = digits(before)
        && digits(after.unwrap_or(""))
        && !(before.is_empty() && after.unwrap_or("").is_empty())
        && power.is_none_or(|power| !power.is_empty() && digits(power));
    if !valid {
        return None;
    }
    let whole = before.trim_start_matches('0');
    let mut json = if whole.is_empty() { "0".to_owned() } else { whole.to_owned() };
    if let Some(after) = after {
        json.push('.');
        json.push_str(if after.is_empty() { "0" } else { after });
    }
    if let Some(exponent) = exponent {
        json.push('e');
        json.push_str(exponent);
    }
    Some(json)
}

fn sign(word: &str) -> &'static str {
    if word.starts_with('-') { "-" } else { "" }
}

/// The type that YAML 1.1 reads a word without quotes as; `None` for a string.
pub fn old_type(word: &str) -> Option<OldType> {
    const BOOLEANS: [&str; 22] = [
        "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "true", "True", "TRUE", "false",
        "False", "FALSE", "on", "On", "ON", "off", "Off", "OFF",
    ];
    if matches!(word, "" | "~" | "null" | "Null" | "NULL") {
        return Some(OldType::Null);
    }
    if BOOLEANS.contains(&word) {
        return Some(OldType::Boolean);
    }
    if is_timestamp(word) {
        return Some(OldType::Timestamp);
    }
    is_old_number(word).then_some(OldType::Number)
}

/// Whether a word is a date, or a date with a time.
fn is_timestamp(word: &str) -> bool {
    let (date, time) = match word.find(['T', 't', ' ']) {
        Some(at) => (word.get(..at).unwrap_or(""), word.get(at + 1..)),
        None => (word, None),
    };
    let numbers: Vec<&str> = date.split('-').collect();
    let [year, month, day] = numbers.as_slice() else { return false };
    let of = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    let short = if time.is_some() { 1..=2 } else { 2..=2 };
    let clock = |time: &str| {
        time.trim_start().starts_with(|c: char| c.is_ascii_digit()) && time.contains(':')
    };
    of(year, 4..=4) && of(month, short.clone()) && of(day, short) && time.is_none_or(clock)
}

fn is_old_number(word: &str) -> bool {
    let magnitude = word.strip_prefix(['-', '+']).unwrap_or(word);
    if matches!(magnitude, ".inf" | ".Inf" | ".INF") || matches!(word, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let all = |text: &str, base: u32| {
        text.starts_with(|c: char| c.is_digit(base))
            && text.chars().all(|c| c.is_digit(base) || c == '_')
    };
    if let Some(digits) = magnitude.strip_prefix("0b") {
        return all(digits, 2);
    }
    if let Some(digits) = magnitude.strip_prefix("0x") {
        return all(digits, 16);
    }
    let mut parts = magnitude.split(':');
    let first = parts.next().unwrap_or("");
    let sixty = |part: &str, last: bool| {
        let (whole, fraction) =
            if last { part.split_once('.').unwrap_or((part, "")) } else { (part, "") };
        let below =
            whole.len() == 1 || whole.len() == 2 && whole.starts_with(|c| ('0'..='5').contains(&c));
        below && [whole, fraction].iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()))
    };
    let rest: Vec<&str> = parts.collect();
    if !rest.is_empty() {
        let last = rest.len() - 1;
        return all(first, 10) && rest.iter().enumerate().all(|(at, part)| sixty(part, at == last));
    }
    decimal(&magnitude.replace('_', "")).is_some()
        && magnitude.starts_with(|c: char| c.is_ascii_digit() || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_are_read_by_the_core_schema() {
        for (word, value) in [
            ("~", json!(null)),
            ("NULL", json!(null)),
            ("nULL", json!("nULL")),
            ("True", json!(true)),
            ("tRUE", json!("tRUE")),
            ("yes", json!("yes")),
            ("on", json!("on")),
            ("017", json!(17)),
            ("0o17", json!(15)),
            ("-0o17", json!("-0o17")),
            ("0x1F", json!(31)),
            ("0xg", json!("0xg")),
            ("0b11", json!("0b11")),
            ("+1", json!(1)),
            ("-12", json!(-12)),
            ("1_000", json!("1_000")),
            (".5", json!(0.5)),
            ("-.5", json!(-0.5)),
            ("5.", json!(5.0)),
            (".", json!(".")),
            ("1e3", json!(1000.0)),
            ("0e1234", json!(0.0)),
            ("01443e5", json!(144_300_000.0)),
            ("1e", json!("1e")),
            ("e3", json!("e3")),
            ("1.10", json!(1.1)),
            ("1.1.0", json!("1.1.0")),
            ("12:30:45", json!("12:30:45")),
            ("2024-01-01", json!("2024-01-01")),
            ("18446744073709551615", json!(u64::MAX)),
            ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
            ("١", json!("١")),
        ] {
            assert_eq!(resolve(word), Scalar::Value(value), "{word}");
        }
        for word in [".inf", "-.Inf", "+.INF"] {
            assert_eq!(resolve(word), Scalar::Infinity, "{word}");
        }
        assert_eq!(resolve(".NaN"), Scalar::NotANumber);
        assert_eq!(resolve("inf"), Scalar::Value(json!("inf")));
        for word in ["1e999", "-1e999", "0xfffffffffffffffff"] {
            assert_eq!(resolve(word), Scalar::TooLarge, "{word}");
        }
    }

    #[test]
    fn words_have_the_types_of_old_yaml() {
        for (word, wanted) in [
            ("on", Some(OldType::Boolean)),
            ("N", Some(OldType::Boolean)),
            ("oN", None),
            ("1_000", Some(OldType::Number)),
            ("_1", None),
            ("0b11", Some(OldType::Number)),
            ("0o17", None),
            ("12:30", Some(OldType::Number)),
            ("12:30:45.5", Some(OldType::Number)),
            ("12:61", None),
            ("a:30", None),
            ("10.0.0.1", None),
            ("::1", None),
            (".5", Some(OldType::Number)),
            ("2024-01-01", Some(OldType::Timestamp)),
            ("2024-1-1", None),
            ("2024-1-1 9:00:00", Some(OldType::Timestamp)),
            ("2026-11-21T09:00:00Z", Some(OldType::Timestamp)),
            ("2026-11-20.3", None),
            ("~", Some(OldType::Null)),
            ("shop", None),
            ("10m", None),
        ] {
            assert_eq!(old_type(word), wanted, "{word}");
        }
    }
}
