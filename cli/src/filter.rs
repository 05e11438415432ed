//! The filter to run: the embedded one, or a file.

use crate::failure::Failure;
use std::path::Path;

/// The name of the filter's plugin, its root id, and the id of its VMs.
pub(crate) const PLUGIN: &str = "serin";

#[cfg(serin_filter)]
static EMBEDDED: Option<&[u8]> = Some(include_bytes!(env!("SERIN_FILTER_PATH")));
#[cfg(not(serin_filter))]
static EMBEDDED: Option<&[u8]> = None;

/// The filter's bytes.
pub(crate) fn bytes(file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let Some(file) = file else {
        let missing = "this serin was built without a filter: give one with --filter FILE, or build \
                       serin with `cargo xtask build`";
        return EMBEDDED.map(<[u8]>::to_vec).ok_or_else(|| Failure::trouble(missing));
    };
    std::fs::read(file).map_err(|error| {
        Failure::trouble(format!("{}: the filter cannot be read: {error}", file.display()))
    })
}

/// The failure of a command whose filter does not start.
pub(crate) fn unusable(error: &dyn std::fmt::Display) -> Failure {
    Failure::trouble(format!("the filter cannot be used: {error}"))
}
