//! What is allowed and most likely not meant. Hosts never look at this: it is for whoever edits a
//! spec. Pure functions of a spec, its plan and a moment.

use alloc::string::{String, ToString};

use crate::error::Path;

/// One key as the paths of errors and findings write it: `key`, or `["a key"]` where it is not
/// plain.
pub fn path_step(key: &str) -> String {
    Path::Root.key(key).to_string()
}
