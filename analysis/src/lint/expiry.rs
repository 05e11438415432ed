//! Lints of flags that expire soon or have expired.

use serin_core::inspect::Path;
use serin_core::{Spec, Timestamp};

use super::finding::{Findings, Lint};
use crate::debt::{Expiry, expiry_of};

/// The number of days before its expiry in which a flag is reported.
const SOON_DAYS: u64 = 14;

pub(super) fn expiry(spec: &Spec, now: Timestamp, findings: &mut Findings) {
    let section = Path::Root.key("flags");
    for (name, flag) in &spec.flags {
        let path = section.key(name);
        let place = path.key("expires");
        let remove =
            "remove the flag and the code behind it, or agree on a later date with its owner";
        match expiry_of(flag, now) {
            Expiry::Past(days) => {
                let message = format!("has expired {} ago", counted(days));
                findings.add(Lint::Expired, &place, &message, remove);
            }
            Expiry::In(days) if days <= SOON_DAYS => {
                let message = format!("expires in {}", counted(days));
                findings.add(Lint::ExpiresSoon, &place, &message, remove);
            }
            Expiry::In(_) | Expiry::Never => {}
        }
    }
}

fn counted(days: u64) -> String {
    format!("{days} day{}", if days == 1 { "" } else { "s" })
}
