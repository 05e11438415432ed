//! Weights → ranges of buckets.

use alloc::vec::Vec;

use crate::named::Named;
use crate::plan::{Range, Ranges};
use crate::value::share::Share;

/// Lays out the ranges in the order of names, so that changing two weights of two moves the one
/// boundary between them and nobody else. Weights sum to 100 %; `find` resolves a name.
pub(crate) fn lay_out<T>(
    weights: &Named<Share>,
    mut find: impl FnMut(&str) -> Option<T>,
) -> Ranges<T> {
    let mut list = Vec::with_capacity(weights.len());
    let mut end = 0_u32;
    for (name, weight) in weights {
        end = end.saturating_add(weight.millipercent());
        list.extend(find(name).map(|to| Range { end, weight: *weight, to }));
    }
    Ranges { list: list.into() }
}
