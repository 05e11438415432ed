//! Checks of the names in a spec. Names are sent in header fields and metric names, so they are
//! plain ASCII.

use alloc::format;
use alloc::string::String;

use crate::error::{ErrorKind, Errors, Path, quoted};

/// The maximum length of a name, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 64;

/// Checks the name of a unit, cohort, rollout, arm or variant: letters, digits, `-` and `_`.
pub(crate) fn check(name: &str, path: &Path<'_>, errors: &mut Errors) {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(plain) {
        let message = format_args!(
            "{} not a name, use 1 to {MAX_NAME_BYTES} letters, digits, - and _",
            subject(name)
        );
        errors.add_name(path, ErrorKind::Value, &message, name, None);
    }
}

/// Checks the name of a flag, which is a key of a Structured Fields dictionary (RFC 9651, section
/// 3.1.2).
pub(crate) fn check_flag(name: &str, path: &Path<'_>, errors: &mut Errors) {
    let first = |b: u8| b.is_ascii_lowercase() || b == b'*';
    let rest = |b: u8| first(b) || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
    let valid = name.bytes().next().is_some_and(first) && name.bytes().all(rest);
    if !valid || name.len() > MAX_NAME_BYTES {
        let message = format_args!(
            "{} not the name of a flag, use 1 to {MAX_NAME_BYTES} of a-z, 0-9, _, -, . and *, \
             starting with a letter or *",
            subject(name)
        );
        errors.add_name(path, ErrorKind::Value, &message, name, None);
    }
}

/// Checks the name of a header field, cookie or query parameter, which is a token (RFC 9110,
/// section 5.6.2).
pub(crate) fn check_token(name: &str, path: &Path<'_>, errors: &mut Errors) {
    const MAX_BYTES: usize = 256;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > MAX_BYTES || !name.bytes().all(token) {
        let message = format_args!(
            "{} not the name of a header field or cookie, \
             use 1 to {MAX_BYTES} letters, digits and !#$%&'*+-.^_`|~",
            subject(name)
        );
        errors.add_name(path, ErrorKind::Value, &message, name, None);
    }
}

/// The start of a sentence about a name.
fn subject(name: &str) -> String {
    if name.is_empty() { "the empty string is".into() } else { format!("{} is", quoted(name)) }
}
