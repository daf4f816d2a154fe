//! A graph of one step with what flows from step to step, and the level of each of its nodes: the
//! parts of a pass over a sequence, one after the other.
//!
//! Even levels are computed for all rows at once, odd ones step by step. Carried values that depend
//! on each other's past share a loop (they are a strongly connected component); one that only holds
//! back what another level gives needs none. So the layers of a stack have loops of their own, and
//! what lies between them is done for all rows.

use crate::ir::{Graph, NodeId, Op};

/// One step, forward or backward.
pub(super) struct Flow<'g> {
    pub graph: &'g Graph,
    /// Which carried value a leaf reads.
    pub carry: fn(&Op) -> Option<usize>,
    /// For each carried value the node that gives it to the step that comes next in the pass.
    pub next: Vec<Option<NodeId>>,
    /// The nodes that somebody reads from outside, beside those.
    pub wanted: Vec<bool>,
    /// The nodes whose value is the same for all rows.
    pub once: Vec<bool>,
}

/// The carried values of one loop.
#[derive(Clone, PartialEq, Debug)]
pub struct Recurrent {
    /// Their positions.
    pub carries: Vec<usize>,
    /// The level of the loop.
    pub level: u32,
}

/// The level of each node.
pub(super) struct Levels {
    /// Which nodes are needed at all.
    pub needed: Vec<bool>,
    pub level: Vec<u32>,
    pub loops: Vec<Recurrent>,
    /// The loop in which a node is computed.
    pub loop_of: Vec<Option<usize>>,
}

/// The first level from this one on that is computed for all rows at once.
fn even(level: u32) -> u32 {
    level + level % 2
}

impl Flow<'_> {
    /// The nodes that the pass needs.
    fn needed(&self) -> Vec<bool> {
        let mut needed = self.wanted.clone();
        self.next.iter().flatten().for_each(|it| needed[it.idx()] = true);
        self.close(&mut needed);
        needed
    }

    /// Adds all operands of what is marked.
    fn close(&self, marked: &mut [bool]) {
        for id in self.graph.ids().rev() {
            if marked[id.idx()] {
                self.graph.node(id).args.iter().for_each(|it| marked[it.idx()] = true);
            }
        }
    }

    /// For each carried value those whose past its next value reads.
    fn reads(&self) -> Vec<Vec<usize>> {
        let mut seen = vec![usize::MAX; self.graph.nodes().len()];
        let mut all = Vec::new();
        for (carry, next) in self.next.iter().enumerate() {
            let mut found = Vec::new();
            let mut open: Vec<NodeId> = next.iter().copied().collect();
            while let Some(at) = open.pop() {
                if std::mem::replace(&mut seen[at.idx()], carry) == carry {
                    continue;
                }
                let node = self.graph.node(at);
                found.extend((self.carry)(&node.op));
                open.extend(&node.args);
            }
            found.sort_unstable();
            found.dedup();
            all.push(found);
        }
        all
    }

    /// The groups of carried values that depend on each other's past, and on their own.
    fn circles(&self) -> Vec<Vec<usize>> {
        let reads = self.reads();
        let n = reads.len();
        let mut reach = vec![vec![false; n]; n];
        for (from, reach) in reach.iter_mut().enumerate() {
            let mut open = reads[from].clone();
            while let Some(at) = open.pop() {
                if !std::mem::replace(&mut reach[at], true) {
                    open.extend(&reads[at]);
                }
            }
        }
        let mut grouped = vec![false; n];
        let mut circles = Vec::new();
        for first in 0..n {
            if grouped[first] || !reach[first][first] {
                continue;
            }
            let both = |it: &usize| reach[first][*it] && reach[*it][first];
            let circle: Vec<usize> = (first..n).filter(both).collect();
            circle.iter().for_each(|it| grouped[*it] = true);
            circles.push(circle);
        }
        circles
    }

    /// Marks the nodes that lie on a way from the past of a circle to its next values.
    fn body(&self, circle: &[usize], needed: &[bool]) -> Vec<bool> {
        let n = self.graph.nodes().len();
        let mut reach = vec![false; n];
        circle.iter().filter_map(|it| self.next[*it]).for_each(|it| reach[it.idx()] = true);
        self.close(&mut reach);
        let mut body = vec![false; n];
        for id in self.graph.ids().filter(|it| needed[it.idx()]) {
            let node = self.graph.node(id);
            let own = (self.carry)(&node.op).is_some_and(|it| circle.contains(&it));
            body[id.idx()] = own || node.args.iter().any(|it| body[it.idx()]);
        }
        body.iter().zip(reach).map(|(a, b)| *a && b).collect()
    }

    /// Finds loops and levels.
    pub fn levels(&self) -> Levels {
        let needed = self.needed();
        let n = needed.len();
        let mut loops: Vec<Recurrent> =
            self.circles().into_iter().map(|carries| Recurrent { carries, level: 1 }).collect();
        let mut loop_of: Vec<Option<usize>> = vec![None; n];
        for (at, it) in loops.iter().enumerate() {
            let body = self.body(&it.carries, &needed);
            body.iter().zip(&mut loop_of).filter(|it| *it.0).for_each(|it| *it.1 = Some(at));
        }
        let mut level = vec![0; n];
        // What a loop waits for may come after it in the list of nodes: until nothing moves.
        loop {
            let before = (level.clone(), loops.clone());
            for id in self.graph.ids().filter(|it| needed[it.idx()]) {
                let node = self.graph.node(id);
                let outside = node.args.iter().filter(|it| loop_of[it.idx()].is_none());
                level[id.idx()] = match loop_of[id.idx()] {
                    Some(own) => {
                        let other = node
                            .args
                            .iter()
                            .filter(|it| loop_of[it.idx()].is_some_and(|other| other != own));
                        let waits = outside.chain(other).map(|it| even(level[it.idx()]) + 1).max();
                        loops[own].level = loops[own].level.max(waits.unwrap_or(1));
                        loops[own].level
                    }
                    None => {
                        let held = (self.carry)(&node.op).and_then(|it| self.next[it]);
                        let waits = node.args.iter().chain(&held).map(|it| even(level[it.idx()]));
                        waits.max().unwrap_or(0)
                    }
                };
            }
            if before == (level.clone(), loops.clone()) {
                break;
            }
        }
        Levels { needed, level, loops, loop_of }
    }
}

/// Which nodes have one value for all rows, where `leaf` says so of leaves; constants do.
pub fn once(graph: &Graph, leaf: &dyn Fn(&Op) -> bool) -> Vec<bool> {
    let mut once: Vec<bool> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let own = !node.op.is_leaf() || leaf(&node.op);
        once.push(own && node.args.iter().all(|it| once[it.idx()]));
    }
    once
}
