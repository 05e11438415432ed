//! HMAC-SHA-256 (RFC 2104), which is HS256 of RFC 7518.

use core::hint::black_box;

use super::sha256::sha256;

/// A secret, padded to a block of the hash.
pub(crate) struct Secret([u8; 64]);

impl Secret {
    /// Pads a secret; one that is longer than a block is hashed first.
    pub(crate) fn new(secret: &[u8]) -> Secret {
        let mut block = [0; 64];
        let hash;
        let short = if secret.len() > block.len() {
            hash = sha256(&[secret]);
            hash.as_slice()
        } else {
            secret
        };
        for (slot, byte) in block.iter_mut().zip(short) {
            *slot = *byte;
        }
        Secret(block)
    }

    /// The message authentication code (MAC) of a message.
    pub(crate) fn mac(&self, message: &[u8]) -> [u8; 32] {
        let inner = sha256(&[&self.0.map(|byte| byte ^ 0x36), message]);
        sha256(&[&self.0.map(|byte| byte ^ 0x5c), &inner])
    }

    /// Whether `received` is the MAC of the message. The comparison takes constant time.
    pub(crate) fn verifies(&self, message: &[u8], received: &[u8]) -> bool {
        is_equal(&self.mac(message), received)
    }
}

/// Compares a received code with the wanted one, in constant time.
pub(crate) fn is_equal(wanted: &[u8], received: &[u8]) -> bool {
    let differing = wanted.iter().zip(received).fold(0, |bits, (a, b)| black_box(bits | (a ^ b)));
    received.len() == wanted.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::super::base64url::decode;
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u32> = hex.chars().map(|c| c.to_digit(16).unwrap()).collect();
        digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
    }

    /// RFC 4231, sections 4.2 to 4.8. Only the first 128 bits of test case 5 are published.
    #[test]
    fn rfc_4231_examples_match() {
        let long = b"Test Using Larger Than Block-Size Key - Hash Key First";
        let longer = b"This is a test using a larger than block-size key and a larger than \
                       block-size data. The key needs to be hashed before being used by the HMAC \
                       algorithm.";
        let cases: [(Vec<u8>, Vec<u8>, &str); 7] = [
            (
                vec![0x0b; 20],
                b"Hi There".to_vec(),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe".to_vec(),
                b"what do ya want for nothing?".to_vec(),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                vec![0xaa; 20],
                vec![0xdd; 50],
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
            ),
            (
                (1..=25).collect(),
                vec![0xcd; 50],
                "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
            ),
            (vec![0x0c; 20], b"Test With Truncation".to_vec(), "a3b6167473100ee06e0c796c2955552b"),
            (
                vec![0xaa; 131],
                long.to_vec(),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                vec![0xaa; 131],
                longer.to_vec(),
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
        ];
        for (key, message, wanted) in cases {
            let wanted = bytes(wanted);
            let mac = Secret::new(&key).mac(&message);
            assert_eq!(mac[..wanted.len()], wanted, "{message:?}");
        }
    }

    /// RFC 7515, appendix A.1: HS256 of a compact JWS.
    #[test]
    fn rfc_7515_example_verifies() {
        let key = b"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let signed = b"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                       eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let secret = Secret::new(&decode(key).unwrap());
        assert!(secret.verifies(signed, &decode(signature).unwrap()));
    }

    #[test]
    fn only_the_complete_mac_verifies() {
        let secret = Secret::new(&[7; 32]);
        let mut mac = secret.mac(b"message");
        assert!(secret.verifies(b"message", &mac));
        assert!(!secret.verifies(b"messages", &mac));
        for length in 0..mac.len() {
            assert!(!secret.verifies(b"message", &mac[..length]));
        }
        assert!(!secret.verifies(b"message", &[&mac[..], &[0]].concat()));
        mac[31] ^= 1;
        assert!(!secret.verifies(b"message", &mac));
    }
}
