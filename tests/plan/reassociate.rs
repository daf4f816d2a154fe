//! Sums in another order are the same sums.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use ndarray::{ArrayD, IxDyn};
use rnnc::exec::{Value, bind, eval, shapes};
use rnnc::ir::{Cell, Env, Graph, NodeId, Op};
use rnnc::plan::pipeline::{self, Graphs};

use crate::cells;

/// The value of a leaf: numbers that the operator alone decides; 0 where it is an index.
fn leaf(graph: &Graph, id: NodeId, shape: &[usize]) -> Value<f64> {
    let op = &graph.node(id).op;
    let reads = |it: &&rnnc::ir::Node| matches!(it.op, Op::Indexed(_));
    let is_index = graph.nodes().iter().filter(reads).any(|it| it.args.contains(&id));
    let mut hasher = DefaultHasher::new();
    format!("{op:?}").hash(&mut hasher);
    let mut state = hasher.finish() | 1;
    let array = ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f64 / f64::from(1 << 24) * 1.6 - 0.8
    });
    if is_index { array.mapv(|_| 0.0).into_shared() } else { array.into_shared() }
}

fn values(graph: &Graph, env: &Env) -> Vec<Value<f64>> {
    let shapes = shapes(graph, env).unwrap();
    eval(graph, &shapes, env, &mut |id, _| leaf(graph, id, &shapes[id.idx()]))
}

fn same(what: &str, graphs: [&Graph; 2], env: &Env, roots: &[[NodeId; 2]]) {
    let all = graphs.map(|it| values(it, env));
    for roots in roots {
        let [a, b] = [&all[0][roots[0].idx()], &all[1][roots[1].idx()]];
        let largest = a.iter().fold(1.0f64, |it, number| it.max(number.abs()));
        let close = |(a, b): (&f64, &f64)| {
            (a - b).abs() <= 1e-12 * largest || a == b || (a.is_nan() && b.is_nan())
        };
        assert!(a.shape() == b.shape() && a.iter().zip(b).all(close), "{what}: {a} and {b}");
    }
}

fn check(name: &str, cell: &Cell) -> usize {
    let mut env = Env::default();
    for (at, dim) in cell.dims.iter().enumerate() {
        if dim.default.is_none() && dim.like.is_none() {
            env.sizes.insert(dim.name.clone(), 3 + at as i64);
        }
    }
    let Ok(bound) = bind(cell, env) else { panic!("{name}: sizes that fit") };
    let env = bound.env();
    let before = |pass: &str| {
        let passes = pipeline::up_to(pass).unwrap();
        let graphs = Graphs::new(cell, &Env::default(), &[]).run(&passes[..passes.len() - 1]);
        let after = graphs.clone().pass(&passes[passes.len() - 1]);
        [graphs, after]
    };
    let [plain, ordered] = before("reassociate").map(|it| it.cell);
    let carries = plain.carries.iter().zip(&ordered.carries).map(|(a, b)| [a.next, b.next]);
    let outputs = plain.outputs.iter().zip(&ordered.outputs).map(|(a, b)| [a.node, b.node]);
    let roots: Vec<[NodeId; 2]> = carries.chain(outputs).collect();
    same(name, [&plain.step, &ordered.step], env, &roots);
    let mut moved = usize::from(plain.step != ordered.step);
    let [plain, ordered] = before("reassociate-adjoint").map(|it| it.adjoint.unwrap());
    let kinds = [
        (&plain.carries, &ordered.carries),
        (&plain.inputs, &ordered.inputs),
        (&plain.params, &ordered.params),
    ];
    let mut roots = Vec::new();
    for (a, b) in kinds.into_iter().flat_map(|(a, b)| a.iter().zip(b)) {
        assert_eq!(a.is_some(), b.is_some(), "{name}");
        roots.extend(a.zip(*b).map(|(a, b)| [a, b]));
    }
    same(name, [&plain.graph, &ordered.graph], env, &roots);
    moved += usize::from(plain.graph != ordered.graph);
    moved
}

#[test]
fn sums_in_order_are_the_same_sums() {
    let mut moved = 0;
    for file in rnnc::api::library() {
        for cell in cells(file.source) {
            moved += check(file.name, &cell);
        }
    }
    assert!(moved > 100, "{moved} graphs were put in order");
}

/// What is taken away, at every place of a sum and of sums in it.
#[test]
fn signs_stay() {
    let [a, b, c, d] = ["W @ x", "U @ prev h", "b", "prev h * c"];
    for sum in [
        format!("{a} - {b} + {c} - {d}"),
        format!("{b} - {a} - {c}"),
        format!("-({b} + {c}) - {a}"),
        format!("{d} - ({c} - ({b} - {a}))"),
        format!("-{b} - (-{c} - {a})"),
        format!("-{a} - {b} - {d}"),
    ] {
        let source = format!(
            "cell Sums {{
  dims I, H
  input x: [I]
  state h: [H] = 0
  param W: [H, I] init uniform(-0.5, 0.5)
  param U: [H, H] init uniform(-0.5, 0.5)
  param b, c: [H] init uniform(-0.5, 0.5)
  h = tanh({sum})
  output h
}}"
        );
        for cell in cells(&source) {
            check(&sum, &cell);
        }
    }
}
