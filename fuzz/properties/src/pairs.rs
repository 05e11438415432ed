//! A header map that a guest hands over is read as what it is, to the byte, or not at all.

/// The simulator's own file: the crate that it belongs to comes with a whole WebAssembly engine, which
/// would have to be built for the fuzzer.
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
