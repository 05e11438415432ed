//! Ranges of versions that have no version.

use serin_core::inspect::VersionRange;

/// Whether no version is in the range. A range is an interval, and its lowest version is one that it names, the
/// next one after that, or the lowest of all.
pub(super) fn is_empty(range: &VersionRange) -> bool {
    let text = range.to_string();
    let words =
        text.split([' ', ',']).map(|word| word.trim_start_matches(['<', '>', '=', '^', '~']));
    let mut candidates = words.flat_map(lowest);
    !range.contains("0.0.0-0") && !candidates.any(|version| range.contains(&version))
}

/// The version, and the lowest ones after it and after those that begin with it.
fn lowest(version: &str) -> Vec<String> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let version = version.split('+').next().unwrap_or(version);
    let (numbers, pre) = version.split_once('-').unwrap_or((version, ""));
    let mut core = [0_u64; 3];
    for (to, number) in core.iter_mut().zip(numbers.split('.')) {
        *to = number.parse().unwrap_or(0);
    }
    let [major, minor, patch] = core;
    let next = |number: u64| number.saturating_add(1);
    let mut lowest = vec![
        format!("{major}.{minor}.{patch}"),
        format!("{major}.{minor}.{}-0", next(patch)),
        format!("{major}.{}.0", next(minor)),
        format!("{}.0.0", next(major)),
    ];
    if !pre.is_empty() {
        lowest.push(format!("{major}.{minor}.{patch}-{pre}"));
        lowest.push(format!("{major}.{minor}.{patch}-{pre}.0"));
    }
    lowest
}
