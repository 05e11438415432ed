//! Things that name each other, in an order in which each comes after those it names.

use alloc::string::String;
use alloc::vec::Vec;

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    Open,
    Done,
}

/// Positions 0 to `count`, each after those that `named` gives for it, and the cycles found: each
/// one the positions from the first back to the first. Depth-first without recursion, because a
/// chain may be as long as the spec.
pub(crate) fn order(
    count: usize,
    named: impl Fn(usize) -> Vec<usize>,
) -> (Vec<usize>, Vec<Vec<usize>>) {
    let mut search = Search {
        named,
        marks: (0..count).map(|_| Mark::New).collect(),
        stack: Vec::new(),
        order: Vec::with_capacity(count),
        cycles: Vec::new(),
    };
    for start in 0..count {
        search.enter(start);
        search.finish();
    }
    (search.order, search.cycles)
}

struct Search<N> {
    named: N,
    marks: Vec<Mark>,
    /// Open positions, each with those it names that are still to be looked at.
    stack: Vec<(usize, Vec<usize>)>,
    order: Vec<usize>,
    cycles: Vec<Vec<usize>>,
}

impl<N: Fn(usize) -> Vec<usize>> Search<N> {
    fn finish(&mut self) {
        while let Some((at, waiting)) = self.stack.last_mut() {
            let at = *at;
            let Some(next) = waiting.pop() else {
                self.mark(at, Mark::Done);
                self.order.push(at);
                self.stack.pop();
                continue;
            };
            self.enter(next);
        }
    }

    fn enter(&mut self, at: usize) {
        match self.marks.get(at) {
            Some(Mark::New) => {
                self.mark(at, Mark::Open);
                let waiting = (self.named)(at);
                self.stack.push((at, waiting));
            }
            Some(Mark::Open) => {
                let open = self.stack.iter().map(|(open, _)| *open);
                let cycle = open.skip_while(|open| *open != at).chain([at]);
                self.cycles.push(cycle.collect());
            }
            Some(Mark::Done) | None => {}
        }
    }

    fn mark(&mut self, at: usize, mark: Mark) {
        if let Some(slot) = self.marks.get_mut(at) {
            *slot = mark;
        }
    }
}

/// `a → b → a`.
pub(crate) fn chain<'n>(cycle: &[usize], name: impl Fn(usize) -> Option<&'n str>) -> String {
    let mut text = String::new();
    for part in cycle.iter().filter_map(|at| name(*at)) {
        if !text.is_empty() {
            text.push_str(" → ");
        }
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_finds_cycles() {
        let edges: [&[usize]; 5] = [&[1, 2], &[2], &[], &[4], &[3]];
        let (order, cycles) = order(5, |at| edges[at].to_vec());
        assert_eq!(order, [2, 1, 0, 4, 3]);
        assert_eq!(cycles, [[3, 4, 3]]);
        assert_eq!(chain(&cycles[0], |at| ["a", "b", "c", "d", "e"].get(at).copied()), "d → e → d");
    }
}
