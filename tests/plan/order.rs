//! Each node of a pass is computed once, after what it reads.

use std::collections::BTreeMap;

use rnnc::ir::{Graph, Leaf, NodeId, Op, Pointwise};
use rnnc::plan::{Pass, Plan, Task};

use crate::cells;

/// Each node that is computed for each row stands in one task, or in one sum, after what it reads.
#[test]
fn every_node_has_one_task_after_those_it_reads() {
    for file in rnnc::api::library() {
        for cell in cells(file.source) {
            let plan = Plan::new(&cell).unwrap();
            sound(file.name, &plan);
        }
    }
}

/// Looks at the order of both passes.
pub fn sound(name: &str, plan: &Plan) {
    let cell = &plan.cell;
    let nexts: Vec<Option<NodeId>> = cell.carries.iter().map(|it| Some(it.next)).collect();
    let carry = |op: &Op| if let Op::Leaf(Leaf::Carry(it)) = op { Some(*it) } else { None };
    Walk { name, graph: &cell.step, pass: &plan.forward, nexts: &nexts, carry }.check();
    let (graph, nexts) = (&plan.adjoint.graph, &plan.adjoint.carries);
    let carry = |op: &Op| if let Op::Leaf(Leaf::CarryAdjoint(it)) = op { Some(*it) } else { None };
    Walk { name, graph, pass: &plan.backward, nexts, carry }.check();
}

/// One pass, whose order is looked at.
struct Walk<'w> {
    name: &'w str,
    graph: &'w Graph,
    pass: &'w Pass,
    /// What gives each carried value to the next step.
    nexts: &'w [Option<NodeId>],
    /// The carried value that a leaf reads.
    carry: fn(&Op) -> Option<usize>,
}

/// The stage of a task, its place in it and the place of a node in the task.
type At = (usize, usize, usize);

impl Walk<'_> {
    fn check(&self) {
        let (name, graph, pass) = (self.name, self.graph, self.pass);
        let mut place: BTreeMap<NodeId, At> = BTreeMap::new();
        let mut held: BTreeMap<usize, At> = BTreeMap::new();
        let mut loops: BTreeMap<usize, usize> = BTreeMap::new();
        for (stage, it) in pass.stages.iter().enumerate() {
            for carry in &it.carries {
                assert_eq!(loops.insert(*carry, stage), None, "{name}: {carry} has two loops");
            }
            for (at, task) in it.tasks.iter().enumerate() {
                if let Task::Hold(carry) = task {
                    assert_eq!(held.insert(*carry, (stage, at, 0)), None, "{name}: {carry}");
                }
                let products = matches!(task, Task::Products(_));
                for (within, id) in task.nodes().into_iter().enumerate() {
                    // One product computes all its sums together.
                    let own = (stage, at, if products { 0 } else { within });
                    assert_eq!(place.insert(id, own), None, "{name}: {id:?} is computed twice");
                    assert_eq!(pass.stage_of[id.idx()], Some(stage), "{name}: {id:?}");
                }
            }
        }
        let absorbed = self.absorbed(&place);
        for id in graph.ids() {
            let leaf = graph.node(id).op.is_leaf();
            let each = pass.needed[id.idx()] && !pass.once[id.idx()] && !leaf;
            assert_eq!(pass.is_each(id), each, "{name}: {id:?}");
            let computed = place.contains_key(&id) || absorbed.contains(&id);
            assert_eq!(computed, each, "{name}: {id:?}");
            assert!(!(place.contains_key(&id) && absorbed.contains(&id)), "{name}: {id:?}");
        }
        for (carry, next) in self.nexts.iter().enumerate() {
            let at = held.get(&carry);
            assert_eq!(at.is_some(), next.is_some(), "{name}: {carry} is held once");
            if let (Some(at), Some(next)) = (at, next.and_then(|it| place.get(&it))) {
                assert!(next < at, "{name}: {carry} is held before it is there");
            }
            if let (Some(own), Some(at)) = (loops.get(&carry), at) {
                assert_eq!(*own, at.0, "{name}: {carry} is held in its loop");
            }
        }
        let before = |own: At, operand: NodeId, what: NodeId| {
            if let Some(at) = place.get(&operand) {
                assert!(*at < own, "{name}: {what:?} comes before its operand {operand:?}");
            }
            let Some(carry) = (self.carry)(&graph.node(operand).op) else { return };
            match loops.get(&carry) {
                // In its loop the old value is there from the start.
                Some(stage) => assert!(*stage <= own.0, "{name}: {what:?} reads a loop to come"),
                None => assert!(held[&carry] < own, "{name}: {what:?} reads what is not held"),
            }
        };
        for (stage, it) in pass.stages.iter().enumerate() {
            for (at, task) in it.tasks.iter().enumerate() {
                match task {
                    Task::Products(sums) => {
                        for sum in sums {
                            let own = (stage, at, 0);
                            sum.values().chain(sum.added).for_each(|it| before(own, it, sum.node));
                        }
                    }
                    Task::Elementwise(_) | Task::Single(_) => {
                        for (within, id) in task.nodes().into_iter().enumerate() {
                            let own = (stage, at, within);
                            graph.node(id).args.iter().for_each(|it| before(own, *it, id));
                        }
                    }
                    Task::Hold(_) => {}
                }
            }
        }
    }

    /// The nodes that sums of products have taken in: each in one sum, which is what the graph says.
    fn absorbed(&self, place: &BTreeMap<NodeId, At>) -> Vec<NodeId> {
        let (name, graph, pass) = (self.name, self.graph, self.pass);
        let mut all = Vec::new();
        let tasks = pass.stages.iter().flat_map(|it| &it.tasks);
        for sum in tasks.flat_map(|it| if let Task::Products(sums) = it { &sums[..] } else { &[] })
        {
            let mut terms: Vec<(NodeId, bool)> = Vec::new();
            let mut open = vec![(sum.node, false)];
            while let Some((id, negative)) = open.pop() {
                if Some(id) == sum.added {
                    assert!(!negative, "{name}: what is added is not taken away");
                    continue;
                }
                if id != sum.node {
                    assert!(!place.contains_key(&id), "{name}: {id:?} is computed twice");
                    assert_eq!(pass.stage_of[id.idx()], pass.stage_of[sum.node.idx()], "{name}");
                    all.push(id);
                }
                let node = graph.node(id);
                match &node.op {
                    Op::Contract(_) => terms.push((id, negative)),
                    Op::Map(op @ (Pointwise::Add | Pointwise::Sub | Pointwise::Neg)) => {
                        for (at, arg) in node.args.iter().enumerate() {
                            let turns = at + 1 == node.args.len() && *op != Pointwise::Add;
                            open.push((*arg, negative != turns));
                        }
                    }
                    other => panic!("{name}: {other:?} in a sum of products"),
                }
            }
            let mut own: Vec<(NodeId, bool)> =
                sum.terms.iter().map(|it| (it.product, it.negative)).collect();
            own.sort();
            terms.sort();
            assert_eq!(own, terms, "{name}: {:?}", sum.node);
            for it in &sum.terms {
                assert!(pass.once[it.matrix.idx()] && !pass.once[it.value.idx()], "{name}: {it:?}");
                assert!(graph.node(it.product).args.contains(&it.matrix), "{name}: {it:?}");
                assert!(graph.node(it.product).args.contains(&it.value), "{name}: {it:?}");
            }
        }
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(count, all.len(), "{name}: a node is a part of two sums");
        for id in graph.ids() {
            assert_eq!(pass.absorbed[id.idx()], all.contains(&id), "{name}: {id:?}");
        }
        all
    }
}
