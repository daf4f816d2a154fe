//! Puts things into an order in which dependencies come before their users, and finds the cycles that have none.

use std::collections::BTreeMap;

use super::{Name, work};

/// The most cycles that are reported; a file with more has one fault that shows in many places.
const CYCLES: usize = 20;

/// Positions in an order in which each comes after all that it depends on, and the cycles among them.
pub(crate) struct Sorted {
    pub order: Vec<usize>,
    /// Each cycle as `a, b, c`: a depends on b, b on c, c on a.
    pub cycles: Vec<Vec<usize>>,
}

/// Sorts `0..edges.len()`, where `edges[k]` are the things that `k` depends on. Keeps the given order where it can. Walks with
/// a stack of its own, because a chain of equations may be as long as the file.
pub(crate) fn sort(edges: &[Vec<usize>]) -> Sorted {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        /// On the stack, at this depth.
        Open(usize),
        Done,
    }
    let mut marks = vec![Mark::New; edges.len()];
    let mut sorted = Sorted { order: Vec::with_capacity(edges.len()), cycles: Vec::new() };
    let mut stack: Vec<(usize, usize)> = Vec::new();
    for start in 0..edges.len() {
        if marks[start] != Mark::New {
            continue;
        }
        marks[start] = Mark::Open(0);
        stack.push((start, 0));
        while let Some((at, next)) = stack.last_mut() {
            let Some(&target) = edges[*at].get(*next) else {
                marks[*at] = Mark::Done;
                sorted.order.push(*at);
                stack.pop();
                continue;
            };
            *next += 1;
            match marks[target] {
                Mark::New => {
                    marks[target] = Mark::Open(stack.len());
                    stack.push((target, 0));
                }
                Mark::Open(depth) if sorted.cycles.len() < CYCLES => {
                    sorted.cycles.push(stack[depth..].iter().map(|it| it.0).collect());
                }
                Mark::Open(_) | Mark::Done => {}
            }
        }
    }
    sorted
}

/// Sorts as [`sort`] and leaves out what depends on itself through any chain.
pub(crate) fn without_circles(edges: &[Vec<usize>]) -> Vec<usize> {
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    for (user, edges) in edges.iter().enumerate() {
        edges.iter().for_each(|it| users[*it].push(user));
    }
    let mut waits_for: Vec<usize> = edges.iter().map(Vec::len).collect();
    let mut order: Vec<usize> = (0..edges.len()).filter(|it| waits_for[*it] == 0).collect();
    let mut done = 0;
    while let Some(&next) = order.get(done) {
        done += 1;
        for user in &users[next] {
            work::count();
            waits_for[*user] -= 1;
            if waits_for[*user] == 0 {
                order.push(*user);
            }
        }
    }
    order
}

/// Returns the positions of names, each after those of the names that it reads, without those of a cycle.
pub(crate) fn of_names<'n>(
    names: impl Iterator<Item = &'n Name>,
    reads: impl Iterator<Item = Vec<Name>>,
) -> Vec<usize> {
    let places: BTreeMap<&Name, usize> = names.enumerate().map(|(at, it)| (it, at)).collect();
    let edges = reads.map(|it| it.iter().filter_map(|it| places.get(it).copied()).collect());
    without_circles(&edges.collect::<Vec<Vec<usize>>>())
}

/// Returns a cycle as text: `h -> z -> h`; the middle of a long one is left out.
pub(crate) fn circle(names: &[&str]) -> String {
    let mut shown: Vec<&str> = names.to_vec();
    if names.len() > 8 {
        shown = names[..4].to_vec();
        shown.push("..");
        shown.extend(&names[names.len() - 3..]);
    }
    shown.push(names[0]);
    shown.join(" -> ")
}

#[cfg(test)]
mod tests {
    use super::{circle, sort, without_circles};

    #[test]
    fn dependencies_come_first_and_circles_are_listed_once() {
        let sorted = sort(&[vec![2], vec![0], vec![], vec![1]]);
        assert_eq!(sorted.order, [2, 0, 1, 3]);
        assert!(sorted.cycles.is_empty());
        let sorted = sort(&[vec![1], vec![2], vec![1], vec![3]]);
        assert_eq!(sorted.cycles, [vec![1, 2], vec![3]]);
        let edges = [vec![1], vec![], vec![0, 1, 1], vec![3], vec![3, 1], vec![2]];
        assert_eq!(without_circles(&edges), [1, 0, 2, 5]);
        assert_eq!(circle(&["h", "z"]), "h -> z -> h");
    }

    #[test]
    fn a_chain_as_long_as_a_file_is_sorted() {
        let edges: Vec<Vec<usize>> =
            (0..200_000).map(|it| if it == 199_999 { vec![] } else { vec![it + 1] }).collect();
        assert_eq!(sort(&edges).order[0], 199_999);
    }
}
