//! Comparison of hosts that mint ids from entropy of their own.

use crate::native;
use crate::outcome::{Outcome, differences};
use crate::vector::Case;
use serin_core::Plan;

/// Compares a host's outcome with the expected one.
///
/// Where the host minted an id, the decision must equal native Rust's with that id, and the cookie
/// must equal the expected one except for the id. Otherwise everything must be as expected.
pub fn differences_with_host_entropy(
    plan: &Plan,
    case: &Case,
    expected: &Outcome,
    actual: &Outcome,
) -> Result<(), String> {
    let cookie = actual.set_cookie.first();
    let minted = cookie.and_then(|cookie| minted_id(cookie));
    let (Some(vector_id), Some(minted)) = (&case.entropy, minted) else {
        return differences(expected, actual);
    };
    if minted == vector_id {
        return Err(format!("the minted id {minted} is the vector's: the host did not mint it"));
    }
    let cookies = expected.set_cookie.iter().map(|line| line.replace(vector_id, minted));
    let cookies = Outcome { set_cookie: cookies.collect(), ..actual.clone() };
    differences(&cookies, actual)?;
    differences(&native::decide_case(plan, case, Case::entropy_of(minted)), actual)
}

/// The id of a cookie `NAME=ID; …`, if it is 32 hexadecimal digits.
pub fn minted_id(cookie: &str) -> Option<&str> {
    let id = cookie.split_once('=')?.1.split(';').next()?;
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some(id)
}

/// The bytes of every id that is minted in these Set-Cookie lines, in order.
pub fn minted_entropy(set_cookie: &[String]) -> Vec<[u8; 16]> {
    set_cookie.iter().filter_map(|line| minted_id(line)).map(Case::entropy_of).collect()
}
