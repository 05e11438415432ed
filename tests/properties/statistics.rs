//! χ² tests that buckets are uniform and independent of each other. The units are fixed, so every run is
//! equal. The bounds are the 99.99 % quantiles of χ².

use super::{flag, plan, record, spec_with};
use serde_json::{Value, json};

const UNITS: u32 = 40_000;
const CELLS: usize = 10;
/// The bound for 99 degrees of freedom.
const BOUND_UNIFORM: f64 = 160.2;
/// The bound for 81 degrees of freedom.
const BOUND_INDEPENDENT: f64 = 137.2;

/// For each unit, the buckets of these flags in one decision.
fn buckets(flags: Value, names: &[&str], units: impl Iterator<Item = String>) -> Vec<Vec<usize>> {
    let plan = plan(&spec_with(flags));
    let read = |unit: String| {
        let record = record(&plan, &unit);
        let bucket = |name: &&str| record["flags"][*name]["bucket"].as_u64().expect("a bucket");
        names.iter().map(|name| bucket(name) as usize).collect()
    };
    units.map(read).collect()
}

fn ramp(salt: Option<&str>) -> Value {
    let mut ramp = json!({"variant": "a", "share": 100, "unit": "user"});
    if let Some(salt) = salt {
        ramp["salt"] = json!(salt);
    }
    flag(json!({"ramp": ramp}))
}

fn split(salt: Option<&str>) -> Value {
    let mut rule = json!({"split": {"a": 50, "b": 50}, "unit": "user"});
    if let Some(salt) = salt {
        rule["salt"] = json!(salt);
    }
    flag(rule)
}

fn numbered() -> impl Iterator<Item = String> {
    (0..UNITS).map(|number| number.to_string())
}

fn addresses() -> impl Iterator<Item = String> {
    (0..UNITS).map(|number| format!("user-{number:08}@example.com"))
}

fn non_ascii() -> impl Iterator<Item = String> {
    (0..UNITS).map(|number| format!("ärende-{number}-鳥"))
}

fn chi_square(counts: &[f64], expected: f64) -> f64 {
    counts.iter().map(|count| (count - expected).powi(2) / expected).sum()
}

fn assert_uniform(buckets: &[usize], what: &str) {
    let mut counts = [0.0; 100];
    for bucket in buckets {
        counts[bucket / 1000] += 1.0;
    }
    let chi = chi_square(&counts, f64::from(UNITS) / 100.0);
    assert!(chi < BOUND_UNIFORM, "{what}: χ² is {chi:.1}, the bound {BOUND_UNIFORM}");
}

/// Asserts that pairs of buckets pass Pearson's test of independence.
fn assert_independent(pairs: &[(usize, usize)], what: &str) {
    let mut table = [0.0; CELLS * CELLS];
    for (one, two) in pairs {
        table[one / 10_000 * CELLS + two / 10_000] += 1.0;
    }
    let sum = |at: &dyn Fn(usize) -> usize| -> f64 { (0..CELLS).map(|i| table[at(i)]).sum() };
    let mut chi = 0.0;
    for row in 0..CELLS {
        for column in 0..CELLS {
            let (down, across) = (sum(&|i| i * CELLS + column), sum(&|i| row * CELLS + i));
            let expected = down * across / f64::from(UNITS);
            chi += (table[row * CELLS + column] - expected).powi(2) / expected;
        }
    }
    assert!(chi < BOUND_INDEPENDENT, "{what}: χ² is {chi:.1}, the bound {BOUND_INDEPENDENT}");
}

#[test]
fn buckets_are_uniform() {
    let flags =
        || json!({"ramped": ramp(None), "split": split(None), "salted": ramp(Some("sålt"))});
    let names = ["ramped", "split", "salted"];
    for (kind, rows) in [
        ("numbers", buckets(flags(), &names, numbered())),
        ("addresses", buckets(flags(), &names, addresses())),
        ("non-ASCII", buckets(flags(), &names, non_ascii())),
    ] {
        for (at, name) in names.iter().enumerate() {
            let column: Vec<usize> = rows.iter().map(|row| row[at]).collect();
            assert_uniform(&column, &format!("{name} over {kind}"));
        }
    }
}

/// Compares equal salts with different purposes, different flags of one purpose, and names that differ in
/// one character.
#[test]
fn purposes_and_flags_are_independent() {
    let flags = json!({
        "ramp-x": ramp(Some("x")),
        "split-x": split(Some("x")),
        "new-checkout": ramp(None),
        "new-checkout2": ramp(None),
        "theme": split(None),
    });
    let names = ["ramp-x", "split-x", "new-checkout", "new-checkout2", "theme"];
    for (kind, rows) in [
        ("numbers", buckets(flags.clone(), &names, numbered())),
        ("addresses", buckets(flags, &names, addresses())),
    ] {
        for one in 0..names.len() {
            for two in one + 1..names.len() {
                let pairs: Vec<_> = rows.iter().map(|row| (row[one], row[two])).collect();
                let what = format!("{} and {} over {kind}", names[one], names[two]);
                assert_independent(&pairs, &what);
            }
        }
    }
}

/// Flags with equal salts and purposes have equal buckets.
#[test]
fn equal_salts_give_equal_buckets() {
    let flags = json!({"one": ramp(Some("s")), "two": ramp(Some("s"))});
    let rows = buckets(flags, &["one", "two"], numbered().take(1000));
    assert!(rows.iter().all(|row| row[0] == row[1]));
}
