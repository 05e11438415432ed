//! Good specs and requests by chance, from a seed: every part of the language, in combinations that
//! nobody would write by hand.
//!
//! [`spec()`] gives a spec that must compile, [`request()`] a request for any of them. Both draw from the
//! same few names and values, so that conditions hold about as often as not. Equal seeds give equal
//! specs and requests.

mod condition;
mod flag;
mod latches;
mod pool;
mod request;
mod rollout;
mod spec;

pub use latches::latches;
pub use request::request;
pub use spec::spec;

/// The moment around which everything in time happens: 2026-11-21T09:00:00Z, in ms since 1970.
pub const START: u64 = 1_795_251_600_000;

/// A source of chance: bytes as long as there are any, then a seed.
pub struct Random {
    bytes: std::vec::IntoIter<u8>,
    seeded: fastrand::Rng,
}

impl Random {
    /// Equal seeds give equal choices.
    pub fn new(seed: u64) -> Random {
        Random { bytes: Vec::new().into_iter(), seeded: fastrand::Rng::with_seed(seed) }
    }

    /// Each choice is a few of the bytes, so that a small change of them is a small change of what comes
    /// of it: whoever changes them, a fuzzer for one, finds its way.
    pub fn from_bytes(bytes: &[u8]) -> Random {
        let bytes = Vec::from(bytes);
        Random { bytes: bytes.into_iter(), ..Random::new(0) }
    }

    /// Whether the next choice is one of the bytes'.
    pub fn has_bytes(&self) -> bool {
        self.bytes.len() > 0
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if !self.has_bytes() {
            return self.seeded.usize(..bound);
        }
        let (mut number, mut reach) = (0_usize, bound - 1);
        while reach > 0 {
            number = number << 8 | usize::from(self.bytes.next().unwrap_or_default());
            reach >>= 8;
        }
        number % bound
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        if !self.has_bytes() {
            return self.seeded.usize(low..=high);
        }
        low + self.below(high - low + 1)
    }

    /// True in so many of 100 cases.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// `count` of several, each at most once, in any order.
    pub fn some<T: Clone>(&mut self, items: &[T], count: usize) -> Vec<T> {
        let mut items = items.to_vec();
        if !self.has_bytes() {
            self.seeded.shuffle(&mut items);
            items.truncate(count);
            return items;
        }
        let count = count.min(items.len());
        for at in 0..count {
            let other = self.between(at, items.len() - 1);
            items.swap(at, other);
        }
        items.truncate(count);
        items
    }

    /// 16 bytes of entropy.
    pub fn entropy(&mut self) -> [u8; 16] {
        std::array::from_fn(|_| self.byte())
    }

    /// Any bytes, fewer than `bound`.
    pub fn bytes(&mut self, bound: usize) -> Vec<u8> {
        let count = self.below(bound);
        std::iter::repeat_with(|| self.byte()).take(count).collect()
    }

    fn byte(&mut self) -> u8 {
        self.bytes.next().unwrap_or_else(|| self.seeded.u8(..))
    }

    /// Parts that sum to 100 %, in steps of 0.001 %. Some are 0, some are round.
    pub fn shares(&mut self, count: usize) -> Vec<u32> {
        const ALL: usize = 100_000;
        let step = *self.pick(&[1, 1, 1000, 5000, 10_000]);
        let mut cuts: Vec<usize> = Vec::new();
        cuts.resize_with(count - 1, || self.between(0, ALL / step) * step);
        cuts.extend([0, ALL]);
        cuts.sort_unstable();
        cuts.windows(2).map(|pair| (pair[1] - pair[0]) as u32).collect()
    }

    /// A share in steps of 0.001 %; the ends are as likely as a tenth each.
    pub fn share(&mut self) -> u32 {
        match self.below(10) {
            0 => 0,
            1 => 100_000,
            2 => 1,
            3 => 99_999,
            4..=6 => self.below(101) as u32 * 1000,
            _ => self.below(100_001) as u32,
        }
    }
}

/// A share in steps of 0.001 % as the per cent that a spec holds.
pub fn percent(share: u32) -> serde_json::Value {
    let text = match share % 1000 {
        0 => (share / 1000).to_string(),
        rest => format!("{}.{rest:03}", share / 1000),
    };
    serde_json::from_str(&text).expect("a decimal")
}
