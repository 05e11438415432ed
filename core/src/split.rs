//! Weights → ranges of buckets.

use alloc::vec::Vec;

use crate::name_map::NameMap;
use crate::plan::{Range, Ranges};
use crate::sorted::sorted;
use crate::spec::Weights;
use crate::value::share::Share;

/// A run of buckets, `end` exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    start: u32,
    end: u32,
}

/// Who holds which runs, each owner's sorted.
type Layout = NameMap<Vec<Run>>;

/// Lays out ranges. The oldest weights are laid out in the order of names; then each later edit
/// takes, from the owners that shrink, their last buckets and hands them to those that grow, so
/// that an edit moves exactly the difference and nobody else. Without a past, an edit of two weights
/// moves the one boundary between them.
pub(crate) fn lay_out<T: Copy>(
    weights: &Weights,
    mut find: impl FnMut(&str) -> Option<T>,
) -> Ranges<T> {
    let mut edits = weights.past.iter().chain([&weights.now]);
    let mut layout = edits.next().map(in_order).unwrap_or_default();
    for edit in edits {
        layout = edited(layout, edit);
    }
    let mut list = Vec::new();
    for (name, weight) in &weights.now {
        // Resolved even where it gets nothing, so that an unknown name is reported.
        let Some(to) = find(name) else { continue };
        for run in layout.get(name).into_iter().flatten() {
            list.push(Range { start: run.start, end: run.end, weight: *weight, to });
        }
    }
    Ranges { list: sorted(list, |a, b| a.start.cmp(&b.start)).into() }
}

fn in_order(weights: &NameMap<Share>) -> Layout {
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

fn edited(layout: Layout, weights: &NameMap<Share>) -> Layout {
    let mut free: Vec<Run> = Vec::new();
    let mut kept = Layout::new();
    for (name, runs) in &layout {
        let wanted = weights.get(name).map_or(0, |weight| weight.millipercent());
        let (keep, give) = cut(runs, wanted);
        kept.insert(name.clone(), keep);
        free.extend(give);
    }
    for (name, weight) in weights {
        let mut runs = kept.get(name).cloned().unwrap_or_default();
        let missing = weight.millipercent().saturating_sub(length(&runs));
        let (take, rest) = cut(&free, missing);
        free = rest;
        runs.extend(take);
        kept.insert(name.clone(), sorted(runs, |a, b| a.start.cmp(&b.start)));
    }
    kept
}

fn length(runs: &[Run]) -> u32 {
    runs.iter().fold(0, |sum, run| sum.saturating_add(run.end.saturating_sub(run.start)))
}

/// The first `count` buckets of the runs, and the others.
fn cut(runs: &[Run], count: u32) -> (Vec<Run>, Vec<Run>) {
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
