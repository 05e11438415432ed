//! Semantic versions (semver.org 2.0.0) and version ranges, compared without allocation.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

/// A version that borrows its pre-release part.
#[derive(Clone, Copy, Debug)]
struct Version<'t> {
    core: [u64; 3],
    pre: &'t str,
}

/// Reads `1.2.3`, `v1.2.3`, `1.2.3-rc.1+build`, and the same with one or two numbers, for which the
/// others are 0. The second value is the count of numbers, 1 to 3.
fn read(text: &str) -> Option<(Version<'_>, usize)> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = split_identifiers(text, '+');
    let (numbers, pre) = split_identifiers(text, '-');
    if !build.is_none_or(|build| identifiers_valid(build, false)) {
        return None;
    }
    if !pre.is_none_or(|pre| identifiers_valid(pre, true)) {
        return None;
    }
    let mut core = [0_u64; 3];
    let mut count = 0_usize;
    for number in numbers.split('.') {
        *core.get_mut(count)? = read_number(number)?;
        count = count.saturating_add(1);
    }
    Some((Version { core, pre: pre.unwrap_or("") }, count))
}

fn split_identifiers(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn read_number(digits: &str) -> Option<u64> {
    let leading_zero = digits.len() > 1 && digits.starts_with('0');
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if leading_zero || !plain {
        return None;
    }
    digits.parse().ok()
}

fn identifiers_valid(list: &str, ordered: bool) -> bool {
    list.split('.').all(|identifier| {
        let numeric = identifier.bytes().all(|b| b.is_ascii_digit());
        let padded = numeric && identifier.len() > 1 && identifier.starts_with('0');
        let plain = identifier.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        !identifier.is_empty() && plain && !(ordered && padded)
    })
}

/// Precedence (semver.org 2.0.0, section 11): build metadata is ignored.
fn compare(a: &Version<'_>, b: &Version<'_>) -> Ordering {
    let core = a.core.cmp(&b.core);
    if core != Ordering::Equal {
        return core;
    }
    match (a.pre.is_empty(), b.pre.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => compare_pre(a.pre, b.pre),
    }
}

fn compare_pre(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => compare_identifier(x, y),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn compare_identifier(a: &str, b: &str) -> Ordering {
    let numeric = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    match (numeric(a), numeric(b)) {
        // Numbers have no leading zeros, so the longer one is larger. This cannot overflow.
        (true, true) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.cmp(b),
    }
}

/// Whether the string is a version.
pub(crate) fn is_version(text: &str) -> bool {
    read(text).is_some()
}

/// A version range such as `>=1.2.0 <2.0.0`, `^1.2`, `~1.2.3` or `=1.2.3`: comparators, separated
/// by spaces or commas, all of which must hold. Pre-releases are ordered by precedence, without
/// special rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRange {
    text: Box<str>,
    bounds: Box<[Bound]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    comparison: Comparison,
    core: [u64; 3],
    pre: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

impl VersionRange {
    /// Reads a range; `None` if it is malformed or has more than 16 bounds.
    pub(crate) fn parse(text: &str) -> Option<VersionRange> {
        const MAX_COMPARATORS: usize = 16;
        let mut bounds = Vec::new();
        let mut words = text.split([' ', ',']).filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            let digits = word.trim_start_matches(['<', '>', '=', '^', '~']);
            let (operator, _) = word.split_at_checked(word.len().checked_sub(digits.len())?)?;
            let version = if digits.is_empty() { words.next()? } else { digits };
            add_bounds(operator, version, &mut bounds)?;
        }
        if bounds.is_empty() || bounds.len() > MAX_COMPARATORS {
            return None;
        }
        Some(VersionRange { text: String::from(text).into(), bounds: bounds.into() })
    }

    /// Whether the value is a version in the range.
    pub fn contains(&self, value: &str) -> bool {
        let Some((version, _)) = read(value) else {
            return false;
        };
        self.bounds.iter().all(|bound| bound.allows(&version))
    }
}

impl Bound {
    fn new(comparison: Comparison, core: [u64; 3], pre: &str) -> Bound {
        Bound { comparison, core, pre: pre.into() }
    }

    fn allows(&self, version: &Version<'_>) -> bool {
        let order = compare(version, &Version { core: self.core, pre: &self.pre });
        match self.comparison {
            Comparison::Less => order == Ordering::Less,
            Comparison::LessOrEqual => order != Ordering::Greater,
            Comparison::Equal => order == Ordering::Equal,
            Comparison::GreaterOrEqual => order != Ordering::Less,
            Comparison::Greater => order == Ordering::Greater,
        }
    }
}

/// Adds the lower and upper bounds of one comparator. A partial version means every version that
/// begins with it.
fn add_bounds(operator: &str, version: &str, bounds: &mut Vec<Bound>) -> Option<()> {
    let plain = !version.contains(['-', '+']);
    let (version, count) = read(version)?;
    let complete = count == 3;
    if !complete && !plain {
        return None;
    }
    let from = |comparison| Bound::new(comparison, version.core, version.pre);
    // The lowest version after those that share the numbers up to `position` is a pre-release `0`.
    let below =
        |position: usize| Some(Bound::new(Comparison::Less, raise(version.core, position)?, "0"));
    let at = |position: usize| {
        let core = raise(version.core, position)?;
        Some(Bound::new(Comparison::GreaterOrEqual, core, ""))
    };
    let last = count.checked_sub(1)?;
    match operator {
        ">=" => bounds.push(from(Comparison::GreaterOrEqual)),
        "<" => bounds.push(from(Comparison::Less)),
        ">" if complete => bounds.push(from(Comparison::Greater)),
        ">" => bounds.push(at(last)?),
        "<=" if complete => bounds.push(from(Comparison::LessOrEqual)),
        "<=" => bounds.push(below(last)?),
        "" | "=" if complete => bounds.push(from(Comparison::Equal)),
        "" | "=" => bounds.extend([from(Comparison::GreaterOrEqual), below(last)?]),
        "~" => bounds.extend([from(Comparison::GreaterOrEqual), below(last.min(1))?]),
        "^" => {
            let fixed = version.core.iter().position(|n| *n > 0).unwrap_or(2).min(last);
            bounds.extend([from(Comparison::GreaterOrEqual), below(fixed)?]);
        }
        _ => return None,
    }
    Some(())
}

/// The version with the number at `position` incremented and the numbers after it 0.
fn raise(core: [u64; 3], position: usize) -> Option<[u64; 3]> {
    let mut raised = [0; 3];
    for (index, (to, from)) in raised.iter_mut().zip(core).enumerate() {
        *to = match index.cmp(&position) {
            Ordering::Less => from,
            Ordering::Equal => from.checked_add(1)?,
            Ordering::Greater => 0,
        };
    }
    Some(raised)
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inside(range: &str, version: &str) -> bool {
        VersionRange::parse(range).unwrap().contains(version)
    }

    #[test]
    fn range_contains_its_versions_only() {
        assert!(inside(">=1.2.0 <2.0.0", "1.9.3"));
        assert!(!inside(">=1.2.0, <2.0.0", "2.0.0"));
        assert!(inside(">= 1.2.0", "v1.2.0"));
        assert!(inside("^1.2", "1.99.0") && !inside("^1.2", "2.0.0") && !inside("^1.2", "1.1.9"));
        assert!(inside("^0.2.3", "0.2.9") && !inside("^0.2.3", "0.3.0"));
        assert!(inside("~1.2.3", "1.2.9") && !inside("~1.2.3", "1.3.0"));
        assert!(inside("~1", "1.9.0") && !inside("~1", "2.0.0"));
        assert!(inside("1.2", "1.2.7") && !inside("1.2", "1.3.0-rc.1"));
        assert!(inside(">1", "2.0.0") && !inside(">1", "1.9.0"));
        assert!(inside("<=1.2", "1.2.9") && !inside("<=1.2", "1.3.0"));
        assert!(inside("=1.2.3", "1.2.3+build.7"));
        assert!(inside("<1.0.0", "1.0.0-rc.1"));
    }

    #[test]
    fn version_with_fewer_numbers_is_padded_with_zeros() {
        for value in ["2", "2.0", "v2", "v2.0", "2+build.7", "2.0.0"] {
            assert!(inside("=2.0.0", value) && inside("<2.1", value), "{value}");
            assert!(!inside("<2.0.0", value) && !inside(">2.0.0", value), "{value}");
        }
        assert!(inside("=2.0.0-rc.1", "2.0-rc.1") && inside("<2.0.0", "2-rc.1"));
        assert!(inside(">=10", "10.1") && !inside(">=10", "9.9"));
    }

    #[test]
    fn malformed_version_is_in_no_range() {
        for value in [
            "", "v", "1.", ".1", "1..2", "1.2.3.4", "01.2.3", "01", "1.02", "1.2.3-", "1.2-",
            "1.2.3-01", "x", "1.x", "1.2.3 ", "-1.0.0", "-1",
        ] {
            assert!(!inside(">=0.0.0-0", value), "{value}");
        }
    }

    #[test]
    fn malformed_range_is_refused() {
        for range in ["", " ", "abc", ">>1.0.0", "=>1.0.0", ">=", "1.2.x", "1.2-rc"] {
            assert_eq!(VersionRange::parse(range), None, "{range}");
        }
    }

    fn version() -> impl Strategy<Value = String> {
        let pre = prop_oneof![Just(String::new()), "-(rc|alpha|0|1|10|9)(\\.(1|2|10|x))?"];
        (0_u8..3, 0_u8..3, 0_u8..12, pre)
            .prop_map(|(major, minor, patch, pre)| alloc::format!("{major}.{minor}.{patch}{pre}"))
    }

    proptest! {
        #[test]
        fn precedence_agrees_with_the_semver_crate(a in version(), b in version()) {
            let ours = compare(&read(&a).unwrap().0, &read(&b).unwrap().0);
            let theirs = semver::Version::parse(&a).unwrap().cmp_precedence(&semver::Version::parse(&b).unwrap());
            prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn ranges_agree_with_the_semver_crate_on_releases(
            operator in prop_oneof![Just(">="), Just(">"), Just("<"), Just("<="), Just("="), Just("^"), Just("~")],
            bound in "[0-2](\\.[0-2](\\.[0-2])?)?",
            value in "[0-3]\\.[0-3]\\.[0-3]",
        ) {
            let range = alloc::format!("{operator}{bound}");
            let theirs = semver::VersionReq::parse(&range).unwrap().matches(&semver::Version::parse(&value).unwrap());
            prop_assert_eq!(inside(&range, &value), theirs, "{} {}", range, value);
        }
    }
}
