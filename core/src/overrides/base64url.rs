//! Base64url without padding (RFC 4648, section 5; RFC 7515, section 2).

use alloc::vec::Vec;

/// Decodes base64url. `None` for other characters, padding, and a last character with unused bits
/// set, so that each value has one encoding.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut count) = (0_u32, 0_u32);
    for character in text {
        bits = (bits << 6) | digit(*character)?;
        count = count.wrapping_add(6);
        if count >= 8 {
            count = count.wrapping_sub(8);
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
        // Fewer than 8 bits are left.
        bits &= 0xff;
    }
    let left = bits & (1_u32 << count).wrapping_sub(1);
    (count < 6 && left == 0).then_some(bytes)
}

fn digit(character: u8) -> Option<u32> {
    let (from, value) = match character {
        b'A'..=b'Z' => (b'A', 0),
        b'a'..=b'z' => (b'a', 26),
        b'0'..=b'9' => (b'0', 52),
        b'-' => return Some(62),
        b'_' => return Some(63),
        _ => return None,
    };
    Some(u32::from(character.wrapping_sub(from)).wrapping_add(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 4648, section 10, and the example of RFC 7515, appendix C.
    #[test]
    fn published_examples_are_decoded() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg", b"f"),
            ("Zm8", b"fo"),
            ("Zm9v", b"foo"),
            ("Zm9vYg", b"foob"),
            ("Zm9vYmE", b"fooba"),
            ("Zm9vYmFy", b"foobar"),
            ("A-z_4ME", &[3, 236, 255, 224, 193]),
        ] {
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(bytes), "{text}");
        }
    }

    #[test]
    fn other_encodings_are_refused() {
        for text in ["Zg==", "Zh", "Z", "Zm9vY", "Zm 9", "Zm+v", "Zm/v", "Zm9\n", "é"] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        /// The encoder here follows the definition, bit by bit.
        #[test]
        fn encoded_bytes_are_decoded(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| usize::from(byte >> (7 - at % 8)) & 1);
            let count = (bytes.len() * 8).div_ceil(6);
            let text: Vec<u8> = (0..count)
                .map(|at| alphabet[(0..6).fold(0, |digit, of| digit * 2 + bit(at * 6 + of))])
                .collect();
            prop_assert_eq!(decode(&text), Some(bytes));
        }
    }
}
