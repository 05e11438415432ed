//! A sort that is compiled once for all types: it sorts indices and then moves the items. This
//! keeps the WebAssembly filter small.

use alloc::vec::Vec;
use core::cmp::Ordering;

/// Lists of up to this many items, which nearly all are, are sorted in place.
const SHORT: usize = 16;

/// The sorted list. The sort is not stable.
pub(crate) fn sorted<T>(mut list: Vec<T>, compare: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    if list.len() <= SHORT {
        sort_short(&mut list, compare);
        return list;
    }
    let mut order: Vec<usize> = (0..list.len()).collect();
    sort(&mut order, &|a, b| match (list.get(a), list.get(b)) {
        (Some(a), Some(b)) => compare(a, b),
        _ => Ordering::Equal,
    });
    let mut slots: Vec<Option<T>> = list.into_iter().map(Some).collect();
    order.into_iter().filter_map(|index| slots.get_mut(index)?.take()).collect()
}

/// Insertion sort: it allocates nothing, and a spec of 10,000 flags has 50,000 lists to sort.
fn sort_short<T>(list: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    for end in 1..list.len() {
        let (mut left, mut right) = (end.checked_sub(1), end);
        while let Some(at) = left {
            match list.get_disjoint_mut([at, right]) {
                Ok([a, b]) if compare(a, b) == Ordering::Greater => core::mem::swap(a, b),
                _ => break,
            }
            (left, right) = (at.checked_sub(1), at);
        }
    }
}

fn sort(order: &mut [usize], compare: &dyn Fn(usize, usize) -> Ordering) {
    order.sort_unstable_by(|a, b| compare(*a, *b));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_list_has_the_same_items_in_order() {
        for length in 0..100 {
            let item = |n: u32| n.wrapping_add(length).wrapping_mul(2_654_435_761) >> 25;
            let list: Vec<u32> = (0..length).map(item).collect();
            let mut expected = list.clone();
            expected.sort_unstable();
            assert_eq!(sorted(list, |a, b| a.cmp(b)), expected);
        }
    }
}
