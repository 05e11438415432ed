//! Parser of the `cookie` header (RFC 6265, section 5.4).

/// The name and value of each cookie, in order. Parts without `=` are ignored.
pub(crate) fn pairs(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    header.split(|b| *b == b';').filter_map(|pair| {
        let mark = pair.iter().position(|b| *b == b'=')?;
        let (name, value) = pair.split_at_checked(mark)?;
        let (_, value) = value.split_first()?;
        Some((name.trim_ascii(), value.trim_ascii()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn cookies_are_split_and_trimmed() {
        let header = b"a=1; b=\"x=y\" ;c; =d;e=";
        let wanted: [(&[u8], &[u8]); 4] =
            [(b"a", b"1"), (b"b", b"\"x=y\""), (b"", b"d"), (b"e", b"")];
        assert_eq!(pairs(header).collect::<Vec<_>>(), wanted);
    }
}
