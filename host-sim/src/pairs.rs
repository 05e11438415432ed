//! The wire form of header maps: a count, the lengths, then names and values each ended by a zero.

/// A guest may hand over this many bytes in one map.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// A guest may hand over this many pairs in one map.
pub(crate) const MAX_COUNT: usize = 1024;

/// Name and value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// The bytes of a map, as `proxy_get_header_map_pairs` returns them.
pub(crate) fn encode<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) -> Vec<u8> {
    let (count, text) = pairs
        .clone()
        .fold((0usize, 0usize), |(n, size), (k, v)| (n + 1, size + k.len() + v.len() + 2));
    let mut bytes = Vec::with_capacity(4 + count * 8 + text);
    push(&mut bytes, count);
    for (name, value) in pairs.clone() {
        push(&mut bytes, name.len());
        push(&mut bytes, value.len());
    }
    for (name, value) in pairs {
        bytes.extend_from_slice(name);
        bytes.push(0);
        bytes.extend_from_slice(value);
        bytes.push(0);
    }
    bytes
}

fn push(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

/// The pairs of a map. Anything malformed decodes to nothing, as in Envoy.
pub(crate) fn decode(bytes: &[u8]) -> Vec<Pair> {
    try_decode(bytes).unwrap_or_default()
}

fn try_decode(bytes: &[u8]) -> Option<Vec<Pair>> {
    if bytes.len() > MAX_BYTES {
        return None;
    }
    let (count, mut sizes) = number(bytes)?;
    if count > MAX_COUNT {
        return None;
    }
    let mut text = sizes.get(count * 8..)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let (name, rest) = number(sizes)?;
        let (value, rest) = number(rest)?;
        sizes = rest;
        pairs.push((terminated(&mut text, name)?, terminated(&mut text, value)?));
    }
    text.is_empty().then_some(pairs)
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*head)).ok()?, rest))
}

fn terminated(text: &mut &[u8], len: usize) -> Option<Vec<u8>> {
    let (head, rest) = text.split_at_checked(len)?;
    let (zero, rest) = rest.split_first()?;
    *text = rest;
    (*zero == 0).then(|| head.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(pairs: &[(&str, &str)]) -> Vec<u8> {
        encode(pairs.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes())))
    }

    #[test]
    fn round_trip() {
        let bytes = encoded(&[("a", "1"), ("", ""), ("é", "\0")]);
        let pairs = decode(&bytes);
        assert_eq!(pairs.len(), 3);
        assert_eq!(pairs[2], ("é".as_bytes().to_vec(), b"\0".to_vec()));
        assert_eq!(encode(pairs.iter().map(|(k, v)| (&k[..], &v[..]))), bytes);
    }

    #[test]
    fn malformed_is_empty() {
        let good = encoded(&[("name", "value")]);
        for cut in 0..good.len() {
            assert_eq!(decode(&good[..cut]), [], "cut at {cut}");
        }
        let mut long = good.clone();
        long.push(0);
        assert_eq!(decode(&long), []);
        let mut unterminated = good.clone();
        let last = unterminated.len() - 1;
        unterminated[last] = b'x';
        assert_eq!(decode(&unterminated), []);
        let mut huge = good;
        huge[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decode(&huge), []);
        assert_eq!(decode(&vec![0; MAX_BYTES + 1]), []);
    }
}
