//! A sort that is compiled once for all types: it sorts indices and then moves the items. This
//! keeps the WebAssembly filter small.

use alloc::vec::Vec;
use core::cmp::Ordering;

/// The sorted list. The sort is not stable.
pub(crate) fn sorted<T>(list: Vec<T>, compare: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    let mut order: Vec<usize> = (0..list.len()).collect();
    sort(&mut order, &|a, b| match (list.get(a), list.get(b)) {
        (Some(a), Some(b)) => compare(a, b),
        _ => Ordering::Equal,
    });
    let mut slots: Vec<Option<T>> = list.into_iter().map(Some).collect();
    order.into_iter().filter_map(|index| slots.get_mut(index)?.take()).collect()
}

fn sort(order: &mut [usize], compare: &dyn Fn(usize, usize) -> Ordering) {
    order.sort_unstable_by(|a, b| compare(*a, *b));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_list_has_the_same_items_in_order() {
        let list: Vec<u32> = (0..100).map(|n: u32| n.wrapping_mul(2_654_435_761) >> 25).collect();
        let mut expected = list.clone();
        expected.sort_unstable();
        assert_eq!(sorted(list, |a, b| a.cmp(b)), expected);
        assert!(sorted(Vec::<u32>::new(), |a, b| a.cmp(b)).is_empty());
    }
}
