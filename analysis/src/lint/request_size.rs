//! The lint of header fields that servers may refuse.

use serin_core::Plan;
use serin_core::inspect::Path;
use serin_core::plan::MAX_FLAGS_BYTES;

use super::finding::{Findings, Lint};

/// Half of the 8 KiB that many servers allow for all header fields of a request.
const MOST: usize = 4 << 10;

pub(super) fn flags_field(plan: &Plan, findings: &mut Findings) {
    let bytes = plan.request_size().flags;
    if bytes <= MOST {
        return;
    }
    let message = format_args!(
        "a request can carry {bytes} bytes of serin-flags: many servers refuse a request with more than 8 KiB of \
         header fields, and Serin refuses a spec beyond {MAX_FLAGS_BYTES} bytes of it"
    );
    let help = "deliver flags only on the paths that use them, and keep long values elsewhere";
    findings.add(Lint::LargeFlagsField, &Path::Root.key("flags"), &message, help);
}
