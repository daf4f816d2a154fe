//! Small cells built by hand, for the tests of this folder.

use crate::ir::{
    Carry, Cell, Const, Contract, Dim, DimDecl, Graph, Init, Input, InputRole, Leaf, NamedValue,
    NodeId, Op, Order, Output, Param, Pointwise, Shape, Start,
};
use crate::ir::{Draw, graph};
use crate::text::Span;

pub(crate) const NOWHERE: Span = Span { file: crate::text::FileId(0), start: 0, end: 0 };

pub(crate) fn shape(names: &[&str]) -> Shape {
    Shape(names.iter().map(|it| Dim::symbol(*it)).collect())
}

pub(crate) fn empty(name: &str, dims: &[&str]) -> Cell {
    let dim = |it: &&str| DimDecl {
        name: (*it).into(),
        default: None,
        like: None,
        fixed: false,
        span: NOWHERE,
    };
    Cell {
        name: name.into(),
        doc: Vec::new(),
        dims: dims.iter().map(dim).collect(),
        derived: Vec::new(),
        hypers: Vec::new(),
        inputs: Vec::new(),
        carries: Vec::new(),
        params: Vec::new(),
        masks: Vec::new(),
        step: graph::Graph::default(),
        start: graph::Graph::default(),
        outputs: Vec::new(),
        losses: Vec::new(),
        is_model: false,
        values: Vec::new(),
        shared: Vec::new(),
        layers: Vec::new(),
        layouts: Vec::new(),
    }
}

pub(crate) fn leaf(graph: &mut Graph, op: Op, shape: &Shape) -> NodeId {
    graph.add(op, Vec::new(), shape.clone(), NOWHERE)
}

/// `W @ v` of a matrix and a vector.
pub(crate) fn product(graph: &mut Graph, w: NodeId, v: NodeId) -> NodeId {
    let rows = Shape(vec![graph.shape(w).axes()[0].clone()]);
    let labels = Contract { left: vec![0, 1], right: vec![1], result: vec![0] };
    graph.add(labels, vec![w, v], rows, NOWHERE)
}

pub(crate) fn map(graph: &mut Graph, op: Pointwise, args: &[NodeId]) -> NodeId {
    graph.map(op, args, NOWHERE)
}

pub(crate) fn input(cell: &mut Cell, name: &str, axes: &[&str]) -> NodeId {
    let shape = shape(axes);
    let input = Input {
        name: name.into(),
        shape: shape.clone(),
        index: None,
        default: None,
        per_sequence: false,
        role: InputRole::Input,
        span: NOWHERE,
    };
    cell.inputs.push(input);
    leaf(&mut cell.step, Op::Leaf(Leaf::Input(cell.inputs.len() - 1)), &shape)
}

pub(crate) fn param(cell: &mut Cell, name: &str, axes: &[&str]) -> NodeId {
    let shape = shape(axes);
    let init = Init::Draw(Draw::Normal(Const::Number(0.0), Const::Number(0.5)));
    let param =
        Param { name: name.into(), shape: shape.clone(), init, trained: true, span: NOWHERE };
    cell.params.push(param);
    leaf(&mut cell.step, Op::Leaf(Leaf::Param(cell.params.len() - 1)), &shape)
}

/// Returns a carried value; its next value is set later with [`set_next`].
pub(crate) fn carry(cell: &mut Cell, name: &str, axes: &[&str], start: Start) -> NodeId {
    let shape = shape(axes);
    let carry = Carry {
        name: name.into(),
        shape: shape.clone(),
        index: None,
        is_state: !name.contains('.'),
        teacher: None,
        order: Order::Ascending,
        start,
        next: NodeId(0),
        span: NOWHERE,
    };
    cell.carries.push(carry);
    leaf(&mut cell.step, Op::Leaf(Leaf::Carry(cell.carries.len() - 1)), &shape)
}

pub(crate) fn set_next(cell: &mut Cell, name: &str, next: NodeId) {
    let idx = cell.carry(name).expect("the carry was declared");
    cell.carries[idx].next = next;
}

pub(crate) fn output(cell: &mut Cell, name: &str, node: NodeId) {
    cell.outputs.push(Output { name: name.into(), node });
    let kind = crate::ir::ValueKind::Output;
    cell.values.push(NamedValue { name: name.into(), kind, node, span: NOWHERE });
}

/// Returns a minimal gated cell with a learned start and one older value: `z = sigmoid(W_z @ x + U_z @ prev h)`, `h = (1 - z) *
/// prev h + z * tanh(W_n @ x + v * prev(h, 2))`, `state h = h0`.
pub(crate) fn gated() -> Cell {
    let mut cell = empty("Gated", &["I", "H"]);
    let x = input(&mut cell, "x", &["I"]);
    let w_z = param(&mut cell, "W_z", &["H", "I"]);
    let u_z = param(&mut cell, "U_z", &["H", "H"]);
    let w_n = param(&mut cell, "W_n", &["H", "I"]);
    let v = param(&mut cell, "v", &["H"]);
    let unused = param(&mut cell, "unused", &["H"]);
    let _ = unused;
    param(&mut cell, "h0", &["H"]);
    let start = leaf(&mut cell.start, Op::Leaf(Leaf::Param(5)), &shape(&["H"]));
    let h = carry(&mut cell, "h", &["H"], Start::Node(start));
    let older = carry(&mut cell, "h.2", &["H"], Start::SameAs(0));
    let graph = &mut cell.step;
    let a = product(graph, w_z, x);
    let b = product(graph, u_z, h);
    let sum = map(graph, Pointwise::Add, &[a, b]);
    let z = map(graph, Pointwise::Sigmoid, &[sum]);
    let a = product(graph, w_n, x);
    let b = map(graph, Pointwise::Mul, &[v, older]);
    let sum = map(graph, Pointwise::Add, &[a, b]);
    let n = map(graph, Pointwise::Tanh, &[sum]);
    let one = graph.number(1.0, &shape(&["H"]), NOWHERE);
    let keep = map(graph, Pointwise::Sub, &[one, z]);
    let kept = map(graph, Pointwise::Mul, &[keep, h]);
    let new = map(graph, Pointwise::Mul, &[z, n]);
    let next = map(graph, Pointwise::Add, &[kept, new]);
    graph.set_name(z, "z".into());
    graph.set_name(next, "h".into());
    set_next(&mut cell, "h", next);
    set_next(&mut cell, "h.2", h);
    output(&mut cell, "h", next);
    cell.values.push(NamedValue {
        name: "z".into(),
        kind: crate::ir::ValueKind::Gate,
        node: z,
        span: NOWHERE,
    });
    cell
}

/// Sizes by name.
pub(crate) fn sizes(given: &[(&str, i64)]) -> crate::ir::Env {
    let sizes = given.iter().map(|(name, size)| ((*name).into(), *size)).collect();
    crate::ir::Env { sizes, ..Default::default() }
}
