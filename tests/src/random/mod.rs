//! Random valid specs and requests from a seed. They cover every part of the spec language, in
//! combinations that nobody would write by hand.
//!
//! [`spec()`] generates a spec that must compile, [`request()`] a request for any of them. Both use the
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

/// The time near which all timestamps are: 2026-11-21T09:00:00Z, in ms since 1970.
pub const START: u64 = 1_795_251_600_000;

/// Specs with more than one rollout, each with its seed.
pub fn specs_with_rollouts() -> impl Iterator<Item = (u64, serde_json::Value)> {
    let specs = (0..).map(|seed| (seed, spec(&mut Random::new(seed))));
    specs.filter(|(_, spec)| spec["rollouts"].as_object().is_some_and(|all| all.len() > 1))
}

/// A source of random choices: bytes while there are any, then a seeded generator.
pub struct Random {
    bytes: std::vec::IntoIter<u8>,
    seeded: fastrand::Rng,
}

impl Random {
    /// A source from a seed alone; equal seeds give equal choices.
    pub fn new(seed: u64) -> Random {
        Random { bytes: Vec::new().into_iter(), seeded: fastrand::Rng::with_seed(seed) }
    }

    /// A source whose choices each consume a few of the bytes. A small change of the bytes is a small
    /// change of the result, so a fuzzer can explore it.
    pub fn from_bytes(bytes: &[u8]) -> Random {
        let bytes = Vec::from(bytes);
        Random { bytes: bytes.into_iter(), ..Random::new(0) }
    }

    /// Whether the next choice consumes bytes.
    pub fn has_bytes(&self) -> bool {
        self.bytes.len() > 0
    }

    /// A number below `bound`, which must not be 0.
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

    /// A number from `low` to `high`, both inclusive.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        if !self.has_bytes() {
            return self.seeded.usize(low..=high);
        }
        low + self.below(high - low + 1)
    }

    /// True with a probability of `percent` per cent.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of the items.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// `count` of the items, each at most once, in random order.
    pub fn sample<T: Clone>(&mut self, items: &[T], count: usize) -> Vec<T> {
        let mut items = items.to_vec();
        if !self.has_bytes() {
            self.seeded.shuffle(&mut items);
            items.truncate(count);
            return items;
        }
        let count = count.min(items.len());
        for index in 0..count {
            let other = self.between(index, items.len() - 1);
            items.swap(index, other);
        }
        items.truncate(count);
        items
    }

    /// 16 bytes of entropy.
    pub fn entropy(&mut self) -> [u8; 16] {
        std::array::from_fn(|_| self.byte())
    }

    /// Random bytes, fewer than `bound`.
    pub fn bytes(&mut self, bound: usize) -> Vec<u8> {
        let count = self.below(bound);
        std::iter::repeat_with(|| self.byte()).take(count).collect()
    }

    fn byte(&mut self) -> u8 {
        self.bytes.next().unwrap_or_else(|| self.seeded.u8(..))
    }

    /// Shares that sum to 100 %, in units of 0.001 %. Some are 0, some are round numbers.
    pub fn shares(&mut self, count: usize) -> Vec<u32> {
        const ALL: usize = 100_000;
        let step = *self.pick(&[1, 1, 1000, 5000, 10_000]);
        let mut cuts: Vec<usize> = Vec::new();
        cuts.resize_with(count - 1, || self.between(0, ALL / step) * step);
        cuts.extend([0, ALL]);
        cuts.sort_unstable();
        cuts.windows(2).map(|pair| (pair[1] - pair[0]) as u32).collect()
    }

    /// A share in units of 0.001 %; 0 and 100 % have a probability of a tenth each.
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

/// A share in units of 0.001 % as the decimal per cent of a spec.
pub fn percent(share: u32) -> serde_json::Value {
    let text = match share % 1000 {
        0 => (share / 1000).to_string(),
        rest => format!("{}.{rest:03}", share / 1000),
    };
    serde_json::from_str(&text).expect("a decimal")
}
