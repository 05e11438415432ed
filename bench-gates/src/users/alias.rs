//! Drawing one of many weighted items in constant time, by the alias method (Walker 1977, Vose 1991).
//!
//! `rand_distr` has it too. This one draws an item with one random number and one memory access, which
//! halves the time of a run.

use crate::bench::Random;
use rand::Rng;

/// 2³², the range of a column's limit.
const RANGE: f64 = 4_294_967_296.0;

/// Weighted items, by number.
#[derive(Clone, Debug)]
pub(crate) struct AliasTable(Vec<Column>);

/// Column n gives item n where a random 32-bit number is at most `limit`, otherwise `other`.
#[derive(Clone, Copy, Debug)]
struct Column {
    limit: u32,
    other: u32,
}

impl AliasTable {
    /// A table for positive weights.
    pub(crate) fn new(weights: &[f64]) -> AliasTable {
        let scale = weights.len() as f64 / weights.iter().sum::<f64>();
        let mut rest: Vec<f64> = weights.iter().map(|weight| weight * scale).collect();
        let mut columns: Vec<Column> =
            (0..weights.len()).map(|n| Column { limit: u32::MAX, other: n as u32 }).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..weights.len()).partition(|n| rest[*n] < 1.0);
        while let (Some(less), Some(more)) = (small.pop(), large.last().copied()) {
            columns[less] = Column { limit: (rest[less] * RANGE) as u32, other: more as u32 };
            rest[more] -= 1.0 - rest[less];
            if rest[more] < 1.0 {
                large.pop();
                small.push(more);
            }
        }
        AliasTable(columns)
    }

    /// A random item.
    pub(crate) fn sample(&self, random: &mut Random) -> usize {
        let bits = random.next_u64();
        // The upper half scaled to the number of columns, and the lower half.
        let column = ((bits >> 32) * self.0.len() as u64) >> 32;
        let Column { limit, other } = self.0[column as usize];
        if bits as u32 <= limit { column as usize } else { other as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn items_are_drawn_by_their_weights() {
        let weights = [1.0, 5.0, 0.5, 3.5];
        let table = AliasTable::new(&weights);
        let mut random = Random::seed_from_u64(7);
        let mut drawn = [0_u32; 4];
        for _ in 0..100_000 {
            drawn[table.sample(&mut random)] += 1;
        }
        for (count, weight) in drawn.into_iter().zip(weights) {
            let (expected, deviation) = (weight * 10_000.0, (weight * 10_000.0).sqrt());
            assert!((f64::from(count) - expected).abs() < 4.0 * deviation, "{drawn:?}");
        }
    }
}
