//! A guest's header map is read exactly, so that it can be written to the same bytes, or not at all.

/// The simulator's file, included here because its crate would make the fuzzer build a WebAssembly
/// engine.
#[path = "../../../host-sim/src/pairs.rs"]
#[allow(dead_code)]
mod wire;

pub(crate) fn holds(bytes: &[u8]) {
    let pairs = wire::decode(bytes);
    assert!(pairs.len() <= wire::MAX_COUNT && bytes.len() <= wire::MAX_BYTES || pairs.is_empty());
    let written = wire::encode(pairs.iter().map(|(name, value)| (&name[..], &value[..])));
    assert!(pairs.is_empty() || written == bytes, "{pairs:?}");
    assert_eq!(wire::decode(&written), pairs);
}
