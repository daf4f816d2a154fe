//! Gives every node of a step its level, which decides when it runs in a pass over a sequence.
//!
//! A step is a graph whose carried values lead from one step to the next. Levels order it so that as much as possible runs for
//! all steps at once: even levels do, odd levels are loops over time. For a stack of two layers:
//!
//! ```text
//! x ──> W @ x ──> [ h: loop of U @ prev h ] ──> V @ h ──> [ g: loop of R @ prev g ] ──> y
//!       level 0     level 1                     level 2     level 3                     level 4
//! ```
//!
//! * A node waits for its operands. A leaf that reads a carried value waits for that value, and a carried value for its next value, a
//!   step ago.
//! * Values that wait for each other through these edges, a strongly connected component, share a loop. The layers of a stack are
//!   components of their own, so each has a loop of its own, and `V @ h` between them is one product over all steps.
//! * A component without a loop, such as the past of an input, only holds back values that are there already, and needs no loop.
//! * The level of a node is the first even one from those of its operands on; that of a loop is one above the even level of all values
//!   that it reads from outside.
//! * Values that are the same at all steps of a sequence are level 0, and levels of rows then begin at 2.
//!
//! Backward uses the same code: its graph carries adjoints, from the last step to the first.

use crate::ir::components::Components;
use crate::ir::{Graph, NodeId, Op, Order};

/// One step, forward or backward.
pub(super) struct Flow<'g> {
    pub graph: &'g Graph,
    /// Returns the carried value that a leaf reads, if it reads one.
    pub carry: fn(&Op) -> Option<usize>,
    /// For each carried value the node that gives it to the step that comes next in the pass.
    pub next: Vec<Option<NodeId>>,
    /// The direction of each in the pass.
    pub order: Vec<Order>,
    /// The nodes that somebody reads from outside, beside those.
    pub wanted: Vec<bool>,
    /// The nodes whose value is the same for all rows.
    pub once: Vec<bool>,
    /// The nodes whose value is the same at all steps of a sequence, and is computed once for each.
    pub per_sequence: Vec<bool>,
}

/// The carried values of one loop.
#[derive(Clone, PartialEq, Debug)]
pub struct Recurrent {
    /// Their positions.
    pub carries: Vec<usize>,
    /// The level of the loop.
    pub level: u32,
    /// The direction of the loop through the steps: that of all its values.
    pub order: Order,
}

/// The level of each node.
pub(super) struct Levels {
    /// The nodes that are needed at all.
    pub needed: Vec<bool>,
    pub level: Vec<u32>,
    pub loops: Vec<Recurrent>,
    /// The loop in which a node is computed.
    pub loop_of: Vec<Option<usize>>,
    /// The loop of each carried value.
    pub loop_of_carry: Vec<Option<usize>>,
    /// The level of what is computed for all rows at once and waits for no loop.
    pub first: u32,
}

/// Returns the first level from this one on that is computed for all rows at once.
fn even(level: u32) -> u32 {
    level + level % 2
}

impl Flow<'_> {
    /// Returns the nodes that the pass needs.
    fn needed(&self) -> Vec<bool> {
        let mut needed = self.wanted.clone();
        self.next.iter().flatten().for_each(|it| needed[it.idx()] = true);
        for id in self.graph.ids().rev() {
            if needed[id.idx()] {
                self.graph.node(id).args.iter().for_each(|it| needed[it.idx()] = true);
            }
        }
        needed
    }

    /// Returns the vertex that a vertex waits for, by position: a node waits for its operands, a leaf that reads a carried value
    /// for that value, and a carried value for its next value, a step ago. Carried values come after the nodes in the numbering.
    fn waits_for(&self, vertex: usize, position: usize) -> Option<usize> {
        let nodes = self.graph.nodes();
        match nodes.get(vertex) {
            Some(node) => match node.args.get(position) {
                Some(arg) => Some(arg.idx()),
                None if position == node.args.len() => {
                    (self.carry)(&node.op).map(|it| nodes.len() + it)
                }
                None => None,
            },
            None if position == 0 => self.next[vertex - nodes.len()].map(NodeId::idx),
            None => None,
        }
    }

    /// Finds loops and levels: strongly connected components of what waits for what, each after all
    /// that it waits for.
    pub fn levels(&self) -> Levels {
        let needed = self.needed();
        let nodes = needed.len();
        let wanted = self.graph.ids().filter(|it| needed[it.idx()]).map(NodeId::idx);
        let wanted: Vec<usize> = wanted.collect();
        let mut found = Components::new(nodes + self.next.len());
        let mut all = Levels {
            level: vec![0; nodes],
            loops: Vec::new(),
            loop_of: vec![None; nodes],
            loop_of_carry: vec![None; self.next.len()],
            first: if self.per_sequence.contains(&true) { 2 } else { 0 },
            needed,
        };
        let mut levels = vec![0; nodes + self.next.len()];
        for from in wanted {
            found.visit(from, &|vertex, at| self.waits_for(vertex, at), &mut |component| {
                self.place(component, &mut levels, &mut all);
            });
        }
        all.level.copy_from_slice(&levels[..nodes]);
        // Loops are numbered by their first carried values.
        let mut order: Vec<usize> = (0..all.loops.len()).collect();
        order.sort_by_key(|it| all.loops[*it].carries[0]);
        let mut number = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, old)| number[*old] = new);
        let own = all.loop_of.iter_mut().chain(&mut all.loop_of_carry);
        own.flatten().for_each(|it| *it = number[*it]);
        all.loops = order.into_iter().map(|it| all.loops[it].clone()).collect();
        all
    }

    /// The level of a component, all that it waits for having theirs.
    fn place(&self, component: &[usize], levels: &mut [u32], all: &mut Levels) {
        let nodes = self.graph.nodes().len();
        let waits =
            |vertex: usize| (0..).map_while(move |position| self.waits_for(vertex, position));
        if let &[vertex] = component {
            // One that waits for itself would be a carried value and a leaf at least.
            let waits = waits(vertex);
            levels[vertex] = match vertex < nodes {
                true => waits.map(|it| even(levels[it])).max().unwrap_or(0),
                false => waits.map(|it| levels[it]).max().unwrap_or(0),
            };
            if vertex >= nodes || !(self.once[vertex] || self.per_sequence[vertex]) {
                levels[vertex] = levels[vertex].max(all.first);
            }
            return;
        }
        let own = all.loops.len();
        let mut carries = Vec::new();
        for vertex in component {
            match vertex.checked_sub(nodes) {
                Some(carry) => {
                    carries.push(carry);
                    all.loop_of_carry[carry] = Some(own);
                }
                None => all.loop_of[*vertex] = Some(own),
            }
        }
        carries.sort_unstable();
        let is_own = |it: usize| match it.checked_sub(nodes) {
            Some(carry) => all.loop_of_carry[carry] == Some(own),
            None => all.loop_of[it] == Some(own),
        };
        let order = self.order[carries[0]];
        debug_assert!(carries.iter().all(|it| self.order[*it] == order), "a loop goes one way");
        let outside = component.iter().flat_map(|it| waits(*it)).filter(|it| !is_own(*it));
        let level = outside.map(|it| even(levels[it]) + 1).max().unwrap_or(1).max(all.first + 1);
        component.iter().for_each(|it| levels[*it] = level);
        all.loops.push(Recurrent { carries, level, order });
    }
}

/// The level, loop and direction of a node in a pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct When {
    /// The level: all of a lower one is computed before.
    pub level: u32,
    /// The direction of its loop.
    pub order: Order,
}

impl When {
    /// Orders two values by the time at which they are computed: the level, then the progress of its loop at step `t` of
    /// `length`.
    pub fn key(self, t: usize, length: usize) -> (u32, usize) {
        let far = match self.order {
            Order::Ascending => t,
            Order::Descending => length - 1 - t,
        };
        (self.level, far)
    }
}

impl Flow<'_> {
    /// Returns the level, loop and direction of each node; a node outside of loops has the direction of the pass.
    pub fn whens(&self, pass: Order) -> Vec<When> {
        let Levels { level, loops, loop_of, .. } = self.levels();
        let order = |own: Option<usize>| own.map_or(pass, |it| loops[it].order);
        let each = level.into_iter().zip(loop_of);
        each.map(|(level, own)| When { level, order: order(own) }).collect()
    }
}

/// Returns the nodes that have one value for each sequence: they are made of such leaves, as `leaf` says, and of loop-invariant
/// values alone.
pub(super) fn per_sequence(graph: &Graph, once: &[bool], leaf: &dyn Fn(&Op) -> bool) -> Vec<bool> {
    let mut all: Vec<bool> = Vec::with_capacity(graph.nodes().len());
    for (node, is_once) in graph.nodes().iter().zip(once) {
        let own = !node.op.is_leaf() || leaf(&node.op);
        all.push(!is_once && own && node.args.iter().all(|it| once[it.idx()] || all[it.idx()]));
    }
    all
}

/// Returns the loop-invariant nodes: those made of constants and of leaves for which `leaf` says so.
pub fn once(graph: &Graph, leaf: &dyn Fn(&Op) -> bool) -> Vec<bool> {
    let mut once: Vec<bool> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let own = !node.op.is_leaf() || leaf(&node.op);
        once.push(own && node.args.iter().all(|it| once[it.idx()]));
    }
    once
}
