//! The filter that is run: the one inside, or a file.

use crate::failure::Failure;
use std::path::Path;

#[cfg(serin_filter)]
static INSIDE: Option<&[u8]> = Some(include_bytes!(env!("SERIN_FILTER_PATH")));
#[cfg(not(serin_filter))]
static INSIDE: Option<&[u8]> = None;

/// The filter's bytes.
pub(crate) fn bytes(file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let Some(file) = file else {
        let missing = "this serin was built without a filter inside: give one with --filter FILE, \
                       or build with `cargo xtask build`";
        return INSIDE.map(<[u8]>::to_vec).ok_or_else(|| Failure::trouble(missing));
    };
    std::fs::read(file).map_err(|error| {
        Failure::trouble(format!("{}: the filter cannot be read: {error}", file.display()))
    })
}
