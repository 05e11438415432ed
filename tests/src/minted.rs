//! Comparing hosts whose entropy is their own.

use crate::native;
use crate::outcome::{Outcome, differences};
use crate::vector::Case;
use serin_core::Plan;

/// Where an id was minted, the decision must be the one that native Rust takes with that very id,
/// and the cookie must be as expected but for the id. Without a minted id, all must be as expected.
pub fn differences_with_own_entropy(
    plan: &Plan,
    case: &Case,
    expected: &Outcome,
    seen: &Outcome,
) -> Result<(), String> {
    let cookie = seen.set_cookie.first();
    let (Some(wanted), Some(given)) = (&case.entropy, cookie.and_then(|cookie| id(cookie))) else {
        return differences(expected, seen);
    };
    if given == *wanted {
        return Err(format!("the id {given} is the vector's: this entropy is not the host's own"));
    }
    let cookies = expected.set_cookie.iter().map(|line| line.replace(wanted, &given));
    let cookies = Outcome { set_cookie: cookies.collect(), ..seen.clone() };
    differences(&cookies, seen)?;
    differences(&native::decide_case(plan, case, Case::entropy_of(&given)), seen)
}

/// The 32 hexadecimal digits of `NAME=ID; …`.
fn id(cookie: &str) -> Option<String> {
    let id = cookie.split_once('=')?.1.split(';').next()?;
    let hexadecimal = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal.then(|| id.to_string())
}
