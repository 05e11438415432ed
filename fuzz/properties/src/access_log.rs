//! A line of an access log is a request or is refused with a reason, and an unchanged spec moves no
//! request.

use serde_json::Value;
use serin_conformance::random::START;
use serin_core::Timestamp;
use serin_fleet::diff::{Comparison, Request, parse_request};
use std::convert::Infallible;
use std::sync::OnceLock;

pub(crate) fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut requests = Vec::new();
    for line in text.lines() {
        match parse_request(line) {
            Ok(request) => requests.push(request),
            Err(error) => assert!(!error.to_string().trim().is_empty(), "{line}"),
        }
    }
    let count = requests.len();
    let side = spec().side();
    let comparison = Comparison::new(side, side, Timestamp::from_unix_ms(START));
    let Ok(diff) = comparison.requests(requests.into_iter().map(Ok::<Request, Infallible>));
    assert!(!diff.is_above(0.0) && diff.changed.is_empty());
    let [all] = &diff.groups[..] else { panic!("one group: {:?}", diff.groups) };
    assert_eq!((all.size, all.moved), (count as u64, 0));
}

/// A spec that uses every attribute of an access log.
fn spec() -> &'static crate::Loaded {
    static SPEC: OnceLock<crate::Loaded> = OnceLock::new();
    SPEC.get_or_init(|| {
        let suites = serin_conformance::vector::load().unwrap_or_else(|why| panic!("{why}"));
        let suite = suites.into_iter().find(|suite| suite.name == "attributes");
        let document: Value = suite.expect("there is a suite named attributes").spec;
        crate::Loaded::new(document)
    })
}
