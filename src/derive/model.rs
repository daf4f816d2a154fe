//! From a model to a plain cell: what feedbacks carry is decided, and the loss becomes an output.
//!
//! | mode | what a feedback `y` with the teacher `load` carries |
//! |---|---|
//! | teacher | `load`: the past of what is known, which needs no loop |
//! | own | `y`, as a state does |
//! | scheduled | `where(coin, y, load)`, with an input for the coin |
//!
//! So engines, plans and exports see cells alone. What nobody reads in a mode is left out, with the targets and draws
//! that it alone reads: without the loss a model that runs free needs no target, and under teacher forcing `sample`
//! chooses nothing.

use super::sweep::{needed, sweep};
use crate::ir::{
    Cell, Choice, Const, Feedback, Gives, Graph, Input, InputRole, LOSS, Leaf, Mode, Node, NodeId,
    Op, Output, Pointwise, Shape,
};

/// Returns the plain cell that a model is in a mode. A cell stays as it is.
pub fn plain(model: &Cell, mode: &Mode) -> Cell {
    if !model.is_model {
        return model.clone();
    }
    let mut cell = model.clone();
    cell.is_model = false;
    let map = if cell.step.nodes().iter().any(|it| it.op == Op::Choice(Choice::Sample)) {
        Some(temper(&mut cell.step, mode.temperature))
    } else {
        None
    };
    let moved = |id: NodeId| map.as_ref().map_or(id, |it| it[id.idx()]);
    cell.carries.iter_mut().for_each(|it| it.next = moved(it.next));
    cell.outputs.iter_mut().for_each(|it| it.node = moved(it.node));
    cell.losses.iter_mut().for_each(|it| it.node = moved(it.node));
    cell.values.iter_mut().for_each(|it| it.node = moved(it.node));
    feed_back(&mut cell, mode.feedback);
    if mode.gives == Gives::Loss {
        cell.outputs.clear();
    }
    if mode.gives == Gives::Outputs {
        cell.losses.clear();
    }
    for loss in &cell.losses {
        cell.step.set_name(loss.node, LOSS.into());
        cell.outputs.push(Output { name: LOSS.into(), node: loss.node });
    }
    leave_out(&mut cell);
    cell
}

/// Divides the logits of samples by a number; gives where each node went.
fn temper(graph: &mut Graph, temperature: f64) -> Vec<NodeId> {
    let mut out = Graph::default();
    let mut map: Vec<NodeId> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let mut args: Vec<NodeId> = node.args.iter().map(|it| map[it.idx()]).collect();
        let mut op = node.op.clone();
        if op == Op::Choice(Choice::Sample) && temperature == 0.0 {
            op = Op::Choice(Choice::ArgMax);
            args.truncate(1);
        } else if op == Op::Choice(Choice::Sample) && temperature != 1.0 {
            let shape = out.shape(args[0]).clone();
            let by = out.constant(Const::Number(temperature), node.span);
            let by = out.fill(by, &shape, node.span);
            args[0] = out.add(Op::Map(Pointwise::Div), vec![args[0], by], shape, node.span);
        }
        map.push(out.push(Node { op, args, ..node.clone() }));
    }
    *graph = out;
    map
}

/// Gives each feedback with a teacher what it carries.
fn feed_back(cell: &mut Cell, feedback: Feedback) {
    for idx in 0..cell.carries.len() {
        let carry = &mut cell.carries[idx];
        let Some(teacher) = carry.teacher.take() else { continue };
        if feedback == Feedback::Own {
            continue;
        }
        let (shape, span, own) = (carry.shape.clone(), carry.span, carry.next);
        let name = carry.name.clone();
        let target = leaf(cell, teacher);
        cell.carries[idx].next = match feedback {
            Feedback::Teacher | Feedback::Own => target,
            Feedback::Scheduled => {
                cell.inputs.push(Input {
                    name: format!("{name}.coin").into(),
                    shape: Shape::scalar(),
                    index: None,
                    default: None,
                    per_sequence: false,
                    role: InputRole::Coin,
                    span,
                });
                let coin = leaf(cell, cell.inputs.len() - 1);
                let coin = cell.step.fill(coin, &shape, span);
                cell.step.add(Op::Map(Pointwise::Where), vec![coin, own, target], shape, span)
            }
        };
    }
}

/// Returns the leaf of an input.
fn leaf(cell: &mut Cell, input: usize) -> NodeId {
    let op = Op::Leaf(Leaf::Input(input));
    let known = cell.step.ids().find(|it| cell.step.node(*it).op == op);
    known.unwrap_or_else(|| {
        let Input { name, shape, span, .. } = cell.inputs[input].clone();
        let leaf = cell.step.add(op, Vec::new(), shape, span);
        cell.step.set_name(leaf, name);
        leaf
    })
}

/// Leaves out what nobody reads: targets and draws, and named values that are made of them.
fn leave_out(cell: &mut Cell) {
    let nexts = cell.carries.iter().map(|it| it.next);
    let roots: Vec<NodeId> = nexts.chain(cell.outputs.iter().map(|it| it.node)).collect();
    let read = needed(&cell.step, roots.iter().copied());
    let mut is_read = vec![false; cell.inputs.len()];
    for (node, read) in cell.step.nodes().iter().zip(&read) {
        if let Op::Leaf(Leaf::Input(idx)) = node.op {
            is_read[idx] |= read;
        }
    }
    let stays: Vec<bool> =
        cell.inputs.iter().zip(is_read).map(|(it, read)| it.role.is_input() || read).collect();
    // A choice that nobody reads is not made for its name alone.
    let mut gone: Vec<bool> = Vec::with_capacity(read.len());
    for (node, read) in cell.step.nodes().iter().zip(&read) {
        let own = match node.op {
            Op::Leaf(Leaf::Input(idx)) => !stays[idx],
            Op::Choice(_) => !read,
            _ => false,
        };
        gone.push(own || node.args.iter().any(|it| gone[it.idx()]));
    }
    cell.values.retain(|it| !gone[it.node.idx()]);
    let roots = roots.into_iter().chain(cell.values.iter().map(|it| it.node));
    let (step, map) = sweep(std::mem::take(&mut cell.step), roots);
    let places: Vec<usize> = stays
        .iter()
        .scan(0, |next, stays| Some(std::mem::replace(next, *next + usize::from(*stays))))
        .collect();
    for node in step.into_nodes() {
        let op = match node.op {
            Op::Leaf(Leaf::Input(idx)) => Op::Leaf(Leaf::Input(places[idx])),
            op => op,
        };
        cell.step.push(Node { op, ..node });
    }
    let mut stays = stays.into_iter();
    cell.inputs.retain(|_| stays.next().unwrap_or(true));
    let moved = |id: NodeId| map[id.idx()].unwrap_or(id);
    cell.carries.iter_mut().for_each(|it| it.next = moved(it.next));
    cell.outputs.iter_mut().for_each(|it| it.node = moved(it.node));
    cell.losses.iter_mut().for_each(|it| it.node = moved(it.node));
    cell.values.iter_mut().for_each(|it| it.node = moved(it.node));
}
