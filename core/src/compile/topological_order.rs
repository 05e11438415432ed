//! A topological sort that reports cycles, for cohorts and flags that refer to each other.

use alloc::string::String;
use alloc::vec::Vec;

/// The state of a node in the depth-first search.
#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Unvisited,
    OnStack,
    Done,
}

/// Sorts the nodes 0 to `count - 1` so that each comes after its `targets`. The second list has the
/// cycles, each from its first node back to that node. The search is depth first without recursion,
/// because a chain may be as long as the spec.
pub(crate) fn sort(
    count: usize,
    targets: impl Fn(usize) -> Vec<usize>,
) -> (Vec<usize>, Vec<Vec<usize>>) {
    let mut search = Search {
        targets,
        marks: (0..count).map(|_| Mark::Unvisited).collect(),
        stack: Vec::new(),
        order: Vec::with_capacity(count),
        cycles: Vec::new(),
    };
    for start in 0..count {
        search.visit(start);
        search.run();
    }
    (search.order, search.cycles)
}

struct Search<T> {
    targets: T,
    marks: Vec<Mark>,
    /// The nodes on the current path, each with its targets that are not visited yet.
    stack: Vec<(usize, Vec<usize>)>,
    order: Vec<usize>,
    cycles: Vec<Vec<usize>>,
}

impl<T: Fn(usize) -> Vec<usize>> Search<T> {
    fn run(&mut self) {
        while let Some((node, unvisited)) = self.stack.last_mut() {
            let node = *node;
            let Some(next) = unvisited.pop() else {
                self.mark(node, Mark::Done);
                self.order.push(node);
                self.stack.pop();
                continue;
            };
            self.visit(next);
        }
    }

    fn visit(&mut self, node: usize) {
        match self.marks.get(node) {
            Some(Mark::Unvisited) => {
                self.mark(node, Mark::OnStack);
                let targets = (self.targets)(node);
                self.stack.push((node, targets));
            }
            Some(Mark::OnStack) => {
                let path = self.stack.iter().map(|(on_path, _)| *on_path);
                let cycle = path.skip_while(|on_path| *on_path != node).chain([node]);
                self.cycles.push(cycle.collect());
            }
            Some(Mark::Done) | None => {}
        }
    }

    fn mark(&mut self, node: usize, mark: Mark) {
        if let Some(slot) = self.marks.get_mut(node) {
            *slot = mark;
        }
    }
}

/// A cycle for a message: `a → b → a`.
pub(crate) fn cycle_text<'n>(cycle: &[usize], name: impl Fn(usize) -> Option<&'n str>) -> String {
    let mut text = String::new();
    for name in cycle.iter().filter_map(|node| name(*node)) {
        if !text.is_empty() {
            text.push_str(" → ");
        }
        text.push_str(name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_come_first_and_cycles_are_found() {
        let edges: [&[usize]; 5] = [&[1, 2], &[2], &[], &[4], &[3]];
        let (order, cycles) = sort(5, |node| edges[node].to_vec());
        assert_eq!(order, [2, 1, 0, 4, 3]);
        assert_eq!(cycles, [[3, 4, 3]]);
        let name = |node| ["a", "b", "c", "d", "e"].get(node).copied();
        assert_eq!(cycle_text(&cycles[0], name), "d → e → d");
    }
}
