//! Which names a spec may give. They travel in header fields and metric names, so they are plain.

use crate::error::{ErrorKind, Errors, Path, quoted};

/// The longest name, in bytes.
pub(crate) const MAX_NAME: usize = 64;

/// Checks the name of a unit, cohort, rollout, arm or variant: letters, digits, `-` and `_`.
pub(crate) fn check(name: &str, path: &Path<'_>, errors: &mut Errors) {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(plain) {
        errors.add(
            path,
            ErrorKind::Value,
            &format_args!(
                "{} is not a name, allowed are 1 to {MAX_NAME} letters, digits, - and _",
                quoted(name)
            ),
        );
    }
}

/// Checks a flag's name, which is a key of a Structured Fields dictionary (RFC 9651, section 3.1.2).
pub(crate) fn check_flag(name: &str, path: &Path<'_>, errors: &mut Errors) {
    let first = |b: u8| b.is_ascii_lowercase() || b == b'*';
    let rest = |b: u8| first(b) || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
    let valid = name.bytes().next().is_some_and(first) && name.bytes().all(rest);
    if !valid || name.len() > MAX_NAME {
        errors.add(
            path,
            ErrorKind::Value,
            &format_args!(
                "{} is not a flag's name, allowed are 1 to {MAX_NAME} of a-z, 0-9, _, -, . and *, \
             beginning with a letter or *",
                quoted(name)
            ),
        );
    }
}

/// Checks the name of a header field, cookie or query parameter that a spec reads.
pub(crate) fn check_token(name: &str, path: &Path<'_>, errors: &mut Errors) {
    const LONGEST: usize = 256;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > LONGEST || !name.bytes().all(token) {
        errors.add(
            path,
            ErrorKind::Value,
            &format_args!(
                "{} is not the name of a header field or cookie (1 to {LONGEST} token characters)",
                quoted(name)
            ),
        );
    }
}
