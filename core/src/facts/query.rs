//! Parser of the query: `application/x-www-form-urlencoded` as in the URL Standard.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// The name and value of each parameter, still encoded. A name alone has an empty value.
pub(crate) fn pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query.split(|b| *b == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let mark = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        let (name, value) = pair.split_at_checked(mark).unwrap_or((pair, &[]));
        (name, value.get(1..).unwrap_or(&[]))
    })
}

/// Decodes a name or a value: `+` is a space, `%XX` a byte. `None` if the result is not UTF-8.
pub(crate) fn decode(text: &[u8]) -> Option<Cow<'_, str>> {
    if !text.iter().any(|b| matches!(b, b'+' | b'%')) {
        return core::str::from_utf8(text).ok().map(Cow::Borrowed);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => match escaped(after) {
                Some(byte) => {
                    bytes.push(byte);
                    rest = after.get(2..).unwrap_or(&[]);
                }
                None => bytes.push(b'%'),
            },
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// The byte of the two hex digits at the start of `text`.
pub(crate) fn escaped(text: &[u8]) -> Option<u8> {
    let digit = |index| text.get(index).and_then(|b| char::from(*b).to_digit(16));
    let value = digit(0)?.checked_mul(16)?.checked_add(digit(1)?)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn parameters_are_split_and_decoded() {
        let read: Vec<_> = pairs(b"a=1&&b&c=x%20y+z&d=%zz%4&e=%ff")
            .map(|(name, value)| (decode(name).unwrap(), decode(value)))
            .collect();
        let value = |index: usize| read[index].1.as_deref();
        assert_eq!(read.len(), 5);
        assert_eq!((value(0), value(1), value(2)), (Some("1"), Some(""), Some("x y z")));
        assert_eq!((value(3), value(4)), (Some("%zz%4"), None));
    }
}
