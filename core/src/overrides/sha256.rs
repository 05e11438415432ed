//! SHA-256 (FIPS 180-4), written for code size: only requests with a token hash anything, and those
//! hash a few hundred bytes.

/// The first 32 bits of the fractional parts of the square roots of the first 8 primes.
const INITIAL: [u32; 8] = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
const ROUNDS: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/// The hash of the concatenated parts.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Hasher { state: INITIAL, block: [0; 64], filled: 0 };
    let mut bytes = 0_u64;
    for part in parts {
        hasher.push(part);
        bytes = bytes.wrapping_add(part.len() as u64);
    }
    hasher.push(&[0x80]);
    while hasher.filled != 56 {
        hasher.push(&[0]);
    }
    hasher.push(&bytes.wrapping_mul(8).to_be_bytes());
    let mut hash = [0; 32];
    for (bytes, word) in hash.chunks_exact_mut(4).zip(hasher.state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    hash
}

struct Hasher {
    state: [u32; 8],
    block: [u8; 64],
    filled: usize,
}

impl Hasher {
    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(slot) = self.block.get_mut(self.filled) {
                *slot = *byte;
            }
            self.filled = self.filled.wrapping_add(1);
            if self.filled == self.block.len() {
                self.compress();
                self.filled = 0;
            }
        }
    }

    fn compress(&mut self) {
        // The 16 words of the message schedule that the next rounds use.
        let mut window = [0_u32; 16];
        for (word, bytes) in window.iter_mut().zip(self.block.chunks_exact(4)) {
            *word = bytes.iter().fold(0, |word, byte| (word << 8) | u32::from(*byte));
        }
        let mut working = self.state;
        for constant in ROUNDS {
            let [w0, w1, _, _, _, _, _, _, _, w9, _, _, _, _, w14, _] = window;
            working = round(working, constant.wrapping_add(w0));
            let low = w1.rotate_right(7) ^ w1.rotate_right(18) ^ (w1 >> 3);
            let high = w14.rotate_right(17) ^ w14.rotate_right(19) ^ (w14 >> 10);
            window.rotate_left(1);
            let [.., last] = &mut window;
            *last = w0.wrapping_add(low).wrapping_add(w9).wrapping_add(high);
        }
        for (word, add) in self.state.iter_mut().zip(working) {
            *word = word.wrapping_add(add);
        }
    }
}

fn round([a, b, c, d, e, f, g, h]: [u32; 8], input: u32) -> [u32; 8] {
    let sum = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
    let choice = (e & f) ^ (!e & g);
    let first = h.wrapping_add(sum).wrapping_add(choice).wrapping_add(input);
    let sum = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
    let majority = (a & b) ^ (a & c) ^ (b & c);
    let second = sum.wrapping_add(majority);
    [first.wrapping_add(second), a, b, c, d.wrapping_add(first), e, f, g]
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::{format, vec};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// NIST's examples for SHA-256, including the one with a million letters.
    #[test]
    fn published_examples_match() {
        for (parts, wanted) in [
            (&[&b""[..]][..], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (&[b"abc"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                &[b"abcdbcdecdefdefgefghfghighijhijk", b"ijkljklmklmnlmnomnopnopq"],
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
        ] {
            assert_eq!(hex(&sha256(parts)), wanted);
        }
        assert_eq!(
            hex(&sha256(&[&vec![b'a'; 1_000_000]])),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        );
    }
}
