//! The log of the latest audit records, for status pages.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serin_core::gate::Audit;

use crate::keys;
use crate::store::{self, Conflict, Store};

/// The number of records that are stored.
pub(crate) const MAX_RECORDS: usize = 20;

/// Appends records and removes the oldest beyond [`MAX_RECORDS`].
pub(crate) fn append<S: Store>(store: &S, audits: &[Audit]) -> Result<(), Conflict> {
    if audits.is_empty() {
        return Ok(());
    }
    store::update(store, keys::AUDITS, |value| {
        let stored = lines(value);
        let mut lines: Vec<String> = stored.lines().map(ToString::to_string).collect();
        lines.extend(audits.iter().map(Audit::to_json));
        let first = lines.len().saturating_sub(MAX_RECORDS);
        Some(lines.get(first..).unwrap_or_default().join("\n").into_bytes())
    })
}

/// The stored records, one JSON document a line, the oldest first.
pub(crate) fn read<S: Store>(store: &S) -> String {
    lines(store.get(keys::AUDITS).0)
}

fn lines(value: Option<Vec<u8>>) -> String {
    value.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}
