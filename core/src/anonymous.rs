//! Anonymous ids: units for clients that send none.

use alloc::string::String;
use core::fmt::Write as _;

/// The lifetime of an id's cookie, in seconds: a year. Browsers allow at most 400 days.
const MAX_AGE_SECONDS: u32 = 31_536_000;

/// An id from 128 bits of entropy: 32 hex digits.
pub(crate) fn id(entropy: [u8; 16]) -> String {
    let mut id = String::with_capacity(32);
    for byte in entropy {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// The `Set-Cookie` value that stores an id in the browser.
pub(crate) fn set_cookie(name: &str, id: &str, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    alloc::format!("{name}={id}; Path=/; Max-Age={MAX_AGE_SECONDS}; HttpOnly; SameSite=Lax{secure}")
}
