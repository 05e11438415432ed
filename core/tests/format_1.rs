//! The stability of format 1: the decisions on a spec that uses every part of the first release.
//! Every later version must decide the same. The files in `format-1/` never change; a new format
//! gets its own folder.

use serin_core::{Decision, Facts, FixedHost, Plan, decide};

const SPEC: &[u8] = include_bytes!("format-1/spec.json");
const RECORDS: &str = include_str!("format-1/records.txt");

const HOUR_MS: u64 = 3_600_000;
/// 2026-11-21T08:30:00Z.
const START_MS: u64 = 1_795_249_800_000;

/// The header block of the nth request, and its time.
fn request(n: u64) -> (Vec<(String, String)>, u64) {
    let pick = |list: &[&str], by: u64| {
        let index = usize::try_from(n / by).unwrap_or(0) % list.len();
        list.get(index).copied().unwrap_or_default().to_owned()
    };
    let pairs = vec![
        (":method".into(), pick(&["GET", "GET", "POST"], 1)),
        (
            ":authority".into(),
            pick(&["shop.example.com", "eu.shop.example.com", "other.example"], 5),
        ),
        (
            ":path".into(),
            pick(
                &["/feed", "/feed/7/raw?uid=q", "/top", "/search?debug=1", "/", "/%66eed/x/../y"],
                1,
            ),
        ),
        ("x-user-id".into(), if n % 7 == 6 { String::new() } else { format!("user-{n}") }),
        ("x-tenant-id".into(), pick(&["acme", "globex", "initech", ""], 2)),
        (
            "x-email".into(),
            pick(&["a@corp.example", "b@example.com", "c@example.com", "d@example.com"], 3),
        ),
        ("x-app".into(), pick(&["1.9.0", "2.1.0", "2.5.0-rc.1", "3.0.0", "none"], 1)),
        ("x-country".into(), pick(&["SE", "DE", "FI"], 1)),
        ("x-load".into(), pick(&["0.5", "0.75", "much", "1"], 11)),
        (
            "cookie".into(),
            format!("uid=cookie-{n}; serin_pin_site=blue.{}", 1_795_250_000 + n * 60),
        ),
    ];
    (pairs, START_MS + n / 4 * (HOUR_MS / 4))
}

#[test]
fn decisions_are_those_of_the_first_release() {
    let plan = Plan::from_json(SPEC).expect("format 1");
    let mut decision = Decision::new(&plan);
    let mut records = String::new();
    for n in 0..96 {
        let (pairs, now) = request(n);
        let pairs = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let facts = Facts::of_request(&plan, pairs, &mut FixedHost::at(now));
        decide(&plan, &facts, &mut decision);
        records.push_str(&decision.record(&plan));
        decision.request_headers(&plan, |name, value| {
            records.push_str(&format!(" {name}: {value}"));
        });
        records.push('\n');
    }
    for (n, (record, expected)) in records.lines().zip(RECORDS.lines()).enumerate() {
        assert_eq!(record, expected, "request {n}");
    }
    assert_eq!(records.lines().count(), RECORDS.lines().count());
}
