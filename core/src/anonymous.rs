//! Ids for those who have none.

use alloc::string::String;
use core::fmt::Write as _;

/// How long a browser keeps an id, in seconds: a year, within the 400 days browsers allow.
const MAX_AGE_SECONDS: u32 = 31_536_000;

/// 128 bits of entropy as 32 hex digits.
pub(crate) fn id(entropy: [u8; 16]) -> String {
    let mut id = String::with_capacity(32);
    for byte in entropy {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// The `Set-Cookie` value that keeps an id.
pub(crate) fn set_cookie(name: &str, id: &str, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    alloc::format!("{name}={id}; Path=/; Max-Age={MAX_AGE_SECONDS}; HttpOnly; SameSite=Lax{secure}")
}
