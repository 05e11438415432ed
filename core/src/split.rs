//! The layout of a split: which ranges of buckets each weight gets.

use alloc::vec::Vec;

use crate::name_map::NameMap;
use crate::plan::{Range, Ranges};
use crate::sorted::sorted;
use crate::spec::Weights;
use crate::value::share::Share;

/// A run of consecutive buckets; `end` is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    start: u32,
    end: u32,
}

/// The runs of each arm or variant, by name; each list is sorted.
type Layout = NameMap<Vec<Run>>;

/// Lays out the ranges of a split. The oldest weights are laid out in the order of names. Each
/// later edit takes the last buckets of the names that shrink and gives them to the names that
/// grow, so that it moves only the difference. Without previous weights, an edit of two weights
/// moves the boundary between them.
pub(crate) fn lay_out<T: Copy>(
    weights: &Weights,
    mut find: impl FnMut(&str) -> Option<T>,
) -> Ranges<T> {
    let mut edits = weights.past.iter().chain([&weights.now]);
    let mut layout = edits.next().map(initial_layout).unwrap_or_default();
    for edit in edits {
        layout = apply_edit(layout, edit);
    }
    let mut list = Vec::new();
    for (name, weight) in &weights.now {
        // Resolved even if its weight is 0, so that an unknown name is reported.
        let Some(to) = find(name) else { continue };
        for run in layout.get(name).into_iter().flatten() {
            list.push(Range { start: run.start, end: run.end, weight: *weight, to });
        }
    }
    Ranges { list: sorted(list, |a, b| a.start.cmp(&b.start)).into() }
}

/// Lays out weights in the order of names.
fn initial_layout(weights: &NameMap<Share>) -> Layout {
    let mut layout = Layout::new();
    let mut start = 0_u32;
    for (name, weight) in weights {
        let end = start.saturating_add(weight.millipercent());
        if end > start {
            layout.insert(name.clone(), alloc::vec![Run { start, end }]);
        }
        start = end;
    }
    layout
}

/// Changes a layout to new weights, moving as few buckets as possible.
fn apply_edit(layout: Layout, weights: &NameMap<Share>) -> Layout {
    let mut free: Vec<Run> = Vec::new();
    let mut next = Layout::new();
    for (name, runs) in &layout {
        let wanted = weights.get(name).map_or(0, |weight| weight.millipercent());
        let (keep, give) = divide(runs, wanted);
        next.insert(name.clone(), keep);
        free.extend(give);
    }
    for (name, weight) in weights {
        let mut runs = next.get(name).cloned().unwrap_or_default();
        let missing = weight.millipercent().saturating_sub(length(&runs));
        let (take, rest) = divide(&free, missing);
        free = rest;
        runs.extend(take);
        next.insert(name.clone(), sorted(runs, |a, b| a.start.cmp(&b.start)));
    }
    next
}

/// The number of buckets in the runs.
fn length(runs: &[Run]) -> u32 {
    runs.iter().fold(0, |sum, run| sum.saturating_add(run.end.saturating_sub(run.start)))
}

/// Divides runs into their first `count` buckets and the others.
fn divide(runs: &[Run], count: u32) -> (Vec<Run>, Vec<Run>) {
    let (mut first, mut others) = (Vec::new(), Vec::new());
    let mut left = count;
    for run in runs {
        let middle = run.start.saturating_add(left).min(run.end);
        left = left.saturating_sub(run.end.saturating_sub(run.start));
        for (start, end, list) in [(run.start, middle, &mut first), (middle, run.end, &mut others)]
        {
            if end > start {
                list.push(Run { start, end });
            }
        }
    }
    (first, others)
}
