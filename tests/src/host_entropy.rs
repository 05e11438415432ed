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
    // A signature is another one for another id: native Rust has it below.
    let mut cookies: Vec<String> =
        expected.set_cookie.iter().map(|line| line.replace(vector_id, minted)).collect();
    let signatures = [expected, actual].map(|outcome| signature(outcome.set_cookie.first()?));
    if let (Some(line), [Some(vector), Some(given)]) = (cookies.first_mut(), signatures) {
        *line = line.replace(vector, given);
    }
    differences(&Outcome { set_cookie: cookies, ..actual.clone() }, actual)?;
    differences(&native::decide_case(plan, case, Case::entropy_of(minted)), actual)
}

/// The id of a cookie `NAME=ID; …` or `NAME=ID.SIGNATURE; …`, if it is 32 hexadecimal digits.
pub fn minted_id(cookie: &str) -> Option<&str> {
    let id = value(cookie)?.split('.').next()?;
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some(id)
}

/// The signature of a cookie `NAME=ID.SIGNATURE; …`.
fn signature(cookie: &str) -> Option<&str> {
    Some(value(cookie)?.split_once('.')?.1)
}

fn value(cookie: &str) -> Option<&str> {
    cookie.split_once('=')?.1.split(';').next()
}

/// The bytes of every id that is minted in these Set-Cookie lines, in order.
pub fn minted_entropy(set_cookie: &[String]) -> Vec<[u8; 16]> {
    set_cookie.iter().filter_map(|line| minted_id(line)).map(Case::entropy_of).collect()
}
