//! The value of every node of a graph, by one plain function per family of operators.
//!
//! Serves step, start, adjoint and tangent graphs alike: what differs are the leaves, which the
//! caller gives. Sums run in the order of the elements, so results do not depend on the machine's
//! kernels.

use ndarray::{ArcArray, ArrayD, Axis, IxDyn, Slice};

use super::choose;
use crate::ir::{
    Along, Choice, Const, Contract, Env, Graph, Indexed, Literal, Move, Node, NodeId, Op,
    Pointwise, Real, Reduction,
};

/// An array of any rank; cheap to copy.
pub type Value<F> = ArcArray<F, IxDyn>;

/// Evaluates all nodes in order. `shapes` are those that [`super::shapes`] gave for the graph and
/// the sizes in `env`; `leaf` gives the leaves that are not constants, each in the shape of its
/// node.
pub fn eval<F: Real>(
    graph: &Graph,
    shapes: &[Vec<usize>],
    env: &Env,
    leaf: &mut dyn FnMut(NodeId, &Node) -> Value<F>,
) -> Vec<Value<F>> {
    let mut values: Vec<Value<F>> = Vec::with_capacity(shapes.len());
    for id in graph.ids() {
        let node = graph.node(id);
        let args: Vec<&Value<F>> = node.args.iter().map(|it| &values[it.idx()]).collect();
        let value = value_of(id, node, &args, &shapes[id.idx()], env, leaf);
        values.push(value);
    }
    values
}

/// A graph that is evaluated many times. What depends on nothing that varies is computed once.
#[derive(Clone, Debug)]
pub struct Program<'g, F> {
    graph: &'g Graph,
    shapes: &'g [Vec<usize>],
    env: &'g Env,
    known: Vec<Option<Value<F>>>,
}

impl<'g, F: Real> Program<'g, F> {
    /// Computes all that constants and the leaves that `fixed` gives determine.
    pub fn new(
        graph: &'g Graph,
        shapes: &'g [Vec<usize>],
        env: &'g Env,
        fixed: &mut dyn FnMut(NodeId, &Node) -> Option<Value<F>>,
    ) -> Program<'g, F> {
        let mut known: Vec<Option<Value<F>>> = Vec::with_capacity(shapes.len());
        for id in graph.ids() {
            let node = graph.node(id);
            let value = if node.op.is_leaf() {
                fixed(id, node)
            } else {
                let args: Option<Vec<&Value<F>>> =
                    node.args.iter().map(|it| known[it.idx()].as_ref()).collect();
                args.map(|args| {
                    let none = &mut |_, _: &Node| unreachable!("this node is no leaf");
                    value_of(id, node, &args, &shapes[id.idx()], env, none)
                })
            };
            known.push(value);
        }
        Program { graph, shapes, env, known }
    }

    /// Returns the graph.
    pub fn graph(&self) -> &'g Graph {
        self.graph
    }

    /// Returns the value of one node, with the values of its operands.
    pub fn value(
        &self,
        id: NodeId,
        args: &[&Value<F>],
        leaf: &mut dyn FnMut(NodeId, &Node) -> Value<F>,
    ) -> Value<F> {
        value_of(id, self.graph.node(id), args, self.shape(id), self.env, leaf)
    }

    /// Returns the shape of a node.
    pub fn shape(&self, id: NodeId) -> &'g [usize] {
        &self.shapes[id.idx()]
    }

    /// Returns the value of a node, if it does not vary.
    pub fn known(&self, id: NodeId) -> Option<&Value<F>> {
        self.known[id.idx()].as_ref()
    }

    /// Returns all values, with these leaves.
    pub fn run(&self, leaf: &mut dyn FnMut(NodeId, &Node) -> Value<F>) -> Vec<Value<F>> {
        #[cfg(test)]
        RUNS.with(|it| it.set(it.get() + 1));
        let mut values: Vec<Value<F>> = Vec::with_capacity(self.known.len());
        for id in self.graph.ids() {
            let value = match &self.known[id.idx()] {
                Some(value) => value.clone(),
                None => {
                    let node = self.graph.node(id);
                    let args: Vec<&Value<F>> =
                        node.args.iter().map(|it| &values[it.idx()]).collect();
                    value_of(id, node, &args, self.shape(id), self.env, leaf)
                }
            };
            values.push(value);
        }
        values
    }
}

#[cfg(test)]
thread_local! {
    /// The number of steps that this thread has interpreted.
    pub(crate) static RUNS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Zeros.
pub fn zeros<F: Real>(shape: &[usize]) -> Value<F> {
    ArrayD::zeros(IxDyn(shape)).into_shared()
}

/// Returns the value of one node.
pub(crate) fn value_of<F: Real>(
    id: NodeId,
    node: &Node,
    args: &[&Value<F>],
    shape: &[usize],
    env: &Env,
    leaf: &mut dyn FnMut(NodeId, &Node) -> Value<F>,
) -> Value<F> {
    let value = match &node.op {
        Op::Leaf(_) => leaf(id, node),
        Op::Literal(Literal::Scalar(value)) => filled(shape, number(value, env)),
        Op::Literal(Literal::Array(values)) => {
            from_vec(shape, values.iter().map(|it| number(it, env)).collect())
        }
        Op::Literal(Literal::Eye) => eye(shape),
        Op::Literal(Literal::Iota) => {
            from_vec(shape, (0..shape[0]).map(|it| F::of(it as f64)).collect())
        }
        Op::Map(op) => map(*op, args),
        Op::Move(Move::Expand(places)) => expand(args[0], places, shape),
        Op::Contract(labels) => contract(labels, args[0], args[1], shape),
        Op::Along(Along::Reduce(reduction, axes)) => {
            let reduced = rows(args[0], axes).map(|it| reduce(*reduction, it)).collect();
            from_vec(shape, reduced)
        }
        Op::Along(Along::Softmax(axes)) => along(args[0], axes, softmax),
        Op::Along(Along::CumSum { axis, reverse }) => {
            along(args[0], &[*axis], |it| cumsum(it, *reverse))
        }
        Op::Along(Along::ProductOfOthers(axes)) => along(args[0], axes, product_of_others),
        Op::Move(Move::Permute(order)) => {
            args[0].view().permuted_axes(IxDyn(order)).to_owned().into_shared()
        }
        Op::Move(Move::Concat(axis)) => concat(*axis, args, shape),
        Op::Move(Move::Stack) => stack(args, shape),
        Op::Move(Move::Slice { axis, from, .. }) => {
            let from = size(from, env);
            let window = Slice::from(from..from + shape[*axis]);
            args[0].slice_axis(Axis(*axis), window).to_owned().into_shared()
        }
        Op::Move(Move::Pad { axis, before, .. }) => {
            let before = size(before, env);
            let mut padded = ArrayD::zeros(IxDyn(shape));
            let window = Slice::from(before..before + args[0].shape()[*axis]);
            padded.slice_axis_mut(Axis(*axis), window).assign(args[0]);
            padded.into_shared()
        }
        Op::Move(Move::Reshape) => from_vec(shape, args[0].iter().copied().collect()),
        Op::Move(Move::Pick(index)) => {
            args[0].index_axis(Axis(0), size(index, env)).to_owned().into_shared()
        }
        Op::Move(Move::Place(index)) => {
            let mut placed = ArrayD::zeros(IxDyn(shape));
            placed.index_axis_mut(Axis(0), size(index, env)).assign(args[0]);
            placed.into_shared()
        }
        Op::Indexed(Indexed::Lookup) => match row(args[1], args[0].shape()[0]) {
            Some(row) => args[0].index_axis(Axis(0), row).to_owned().into_shared(),
            None => filled(shape, F::nan()),
        },
        Op::Indexed(Indexed::Scatter) => {
            let mut placed = ArrayD::zeros(IxDyn(shape));
            if let Some(row) = row(args[1], shape[0]) {
                placed.index_axis_mut(Axis(0), row).assign(args[0]);
            }
            placed.into_shared()
        }
        Op::Choice(choice) => {
            let logits: Vec<F> = args[0].iter().copied().collect();
            let chosen = match choice {
                Choice::ArgMax => choose::largest(&logits),
                Choice::Sample => choose::sample(
                    &logits,
                    args[1].first().map_or(f64::NAN, |it| Real::to_f64(*it)),
                ),
            };
            filled(shape, F::of(chosen as f64))
        }
        Op::Gradient(it) => args[it.operand()].clone(),
    };
    debug_assert_eq!(value.shape(), shape, "{:?}", node.op);
    value
}

/// Returns a constant, computed in f64 and then rounded. Dims and hypers are all set once a cell is bound.
fn number<F: Real>(value: &Const, env: &Env) -> F {
    value.eval(env).map_or(F::nan(), F::of)
}

/// Returns a size that [`super::shapes`] has found to lie in its axis.
fn size(dim: &crate::ir::Dim, env: &Env) -> usize {
    env.size(dim).and_then(|it| usize::try_from(it).ok()).unwrap_or(0)
}

fn from_vec<F: Real>(shape: &[usize], values: Vec<F>) -> Value<F> {
    match ArrayD::from_shape_vec(IxDyn(shape), values) {
        Ok(array) => array.into_shared(),
        // The shapes of a bound graph fit; a graph built by hand that does not is a bug of its
        // author.
        Err(fault) => unreachable!("a value does not fit its shape {shape:?}: {fault}"),
    }
}

fn filled<F: Real>(shape: &[usize], value: F) -> Value<F> {
    ArrayD::from_elem(IxDyn(shape), value).into_shared()
}

fn eye<F: Real>(shape: &[usize]) -> Value<F> {
    ArrayD::from_shape_fn(IxDyn(shape), |at| if at[0] == at[1] { F::one() } else { F::zero() })
        .into_shared()
}

fn map<F: Real>(op: Pointwise, args: &[&Value<F>]) -> Value<F> {
    let shape = args[0].shape();
    let values = match args {
        [a] => a.iter().map(|a| op.eval(&[*a])).collect(),
        [a, b] => a.iter().zip(b.iter()).map(|(a, b)| op.eval(&[*a, *b])).collect(),
        [a, b, c] => {
            let pairs = a.iter().zip(b.iter()).zip(c.iter());
            pairs.map(|((a, b), c)| op.eval(&[*a, *b, *c])).collect()
        }
        _ => unreachable!("an elementwise operator has one to three operands"),
    };
    from_vec(shape, values)
}

fn expand<F: Real>(value: &Value<F>, places: &[usize], shape: &[usize]) -> Value<F> {
    let mut view = value.view();
    for axis in 0..shape.len() {
        if !places.contains(&axis) {
            view = view.insert_axis(Axis(axis));
        }
    }
    match view.broadcast(IxDyn(shape)) {
        Some(view) => view.to_owned().into_shared(),
        None => unreachable!("{:?} does not expand to {shape:?}", value.shape()),
    }
}

/// Returns the distance of neighbours along each label in memory order; 0 for a label that the operand does not have.
fn strides(labels: &[u8], order: &[u8], shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![0; order.len()];
    let mut step = 1;
    for (label, size) in labels.iter().zip(shape).rev() {
        if let Some(at) = order.iter().position(|it| it == label) {
            strides[at] = step;
        }
        step *= size;
    }
    strides
}

/// Returns a sum of products: for each position of the result, over all positions that only the operands have, in row-major
/// order.
fn contract<F: Real>(
    labels: &Contract,
    left: &Value<F>,
    right: &Value<F>,
    shape: &[usize],
) -> Value<F> {
    // The labels of the result, then those that are summed.
    let mut order = labels.result.clone();
    order.extend(labels.left.iter().filter(|it| !labels.result.contains(it)));
    let extent = |label: &u8| {
        let of = |labels: &[u8], value: &Value<F>| {
            labels.iter().position(|it| it == label).map(|at| value.shape()[at])
        };
        of(&labels.left, left).or_else(|| of(&labels.right, right)).unwrap_or(1)
    };
    let extents: Vec<usize> = order.iter().map(extent).collect();
    let a = left.as_standard_layout();
    let b = right.as_standard_layout();
    let (Some(a), Some(b)) = (a.as_slice(), b.as_slice()) else {
        unreachable!("a standard layout is a slice");
    };
    let by_a = strides(&labels.left, &order, left.shape());
    let by_b = strides(&labels.right, &order, right.shape());
    let split = labels.result.len();
    let summed = Offsets::new(&extents[split..], &by_a[split..], &by_b[split..]);
    let terms: Vec<(usize, usize)> = summed.collect();
    let kept = Offsets::new(&extents[..split], &by_a[..split], &by_b[..split]);
    let values = kept.map(|(at_a, at_b)| {
        let mut sum = F::zero();
        for (by_a, by_b) in &terms {
            sum += a[at_a + by_a] * b[at_b + by_b];
        }
        sum
    });
    from_vec(shape, values.collect())
}

/// Walks over all positions of some axes in row-major order and gives the offset in two operands.
struct Offsets<'a> {
    extents: &'a [usize],
    by_a: &'a [usize],
    by_b: &'a [usize],
    at: Vec<usize>,
    next: Option<(usize, usize)>,
}

impl<'a> Offsets<'a> {
    fn new(extents: &'a [usize], by_a: &'a [usize], by_b: &'a [usize]) -> Offsets<'a> {
        let next = (!extents.contains(&0)).then_some((0, 0));
        Offsets { extents, by_a, by_b, at: vec![0; extents.len()], next }
    }
}

impl Iterator for Offsets<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        let (mut a, mut b) = self.next?;
        let given = (a, b);
        self.next = None;
        for axis in (0..self.extents.len()).rev() {
            self.at[axis] += 1;
            a += self.by_a[axis];
            b += self.by_b[axis];
            if self.at[axis] < self.extents[axis] {
                self.next = Some((a, b));
                break;
            }
            a -= self.by_a[axis] * self.extents[axis];
            b -= self.by_b[axis] * self.extents[axis];
            self.at[axis] = 0;
        }
        Some(given)
    }
}

/// Returns the axes that stay, then those along which something is computed.
fn order(rank: usize, axes: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rank).filter(|it| !axes.contains(it)).collect();
    order.extend(axes);
    order
}

/// Returns the elements along some axes, a row for each position of the other axes, in row-major order.
pub(crate) fn rows<F: Real>(value: &Value<F>, axes: &[usize]) -> impl Iterator<Item = Vec<F>> {
    let order = order(value.ndim(), axes);
    let len: usize = axes.iter().map(|it| value.shape()[*it]).product();
    let count: usize =
        order[..order.len() - axes.len()].iter().map(|it| value.shape()[*it]).product();
    let moved: Vec<F> = value.view().permuted_axes(IxDyn(&order)).iter().copied().collect();
    (0..count).map(move |it| moved[it * len..(it + 1) * len].to_vec())
}

/// Replaces each row along some axes by another of the same length.
fn along<F: Real>(value: &Value<F>, axes: &[usize], f: impl Fn(Vec<F>) -> Vec<F>) -> Value<F> {
    let order = order(value.ndim(), axes);
    let moved: Vec<usize> = order.iter().map(|it| value.shape()[*it]).collect();
    let values: Vec<F> = rows(value, axes).flat_map(f).collect();
    let mut back = vec![0; order.len()];
    for (to, from) in order.iter().enumerate() {
        back[*from] = to;
    }
    let moved = from_vec(&moved, values);
    moved.view().permuted_axes(IxDyn(&back)).to_owned().into_shared()
}

fn reduce<F: Real>(reduction: Reduction, row: Vec<F>) -> F {
    let extreme = |op: Pointwise, start: F| row.iter().fold(start, |a, b| op.eval(&[a, *b]));
    match reduction {
        Reduction::Sum => row.iter().fold(F::zero(), |a, b| a + *b),
        Reduction::Product => row.iter().fold(F::one(), |a, b| a * *b),
        Reduction::Max => extreme(Pointwise::Max, F::neg_infinity()),
        Reduction::Min => extreme(Pointwise::Min, F::infinity()),
        Reduction::Norm => row.iter().fold(F::zero(), |a, b| a + *b * *b).sqrt(),
        Reduction::LogSumExp => {
            let max = extreme(Pointwise::Max, F::neg_infinity());
            // An infinite maximum is the result; subtracting it would give a NaN.
            if max.is_infinite() {
                return max;
            }
            max + row.iter().fold(F::zero(), |a, b| a + (*b - max).exp()).ln()
        }
    }
}

fn softmax<F: Real>(row: Vec<F>) -> Vec<F> {
    let max = row.iter().fold(F::neg_infinity(), |a, b| Pointwise::Max.eval(&[a, *b]));
    let powers: Vec<F> = row.iter().map(|it| (*it - max).exp()).collect();
    let sum = powers.iter().fold(F::zero(), |a, b| a + *b);
    powers.into_iter().map(|it| it / sum).collect()
}

fn cumsum<F: Real>(mut row: Vec<F>, reverse: bool) -> Vec<F> {
    let mut sum = F::zero();
    let mut add = |it: &mut F| {
        sum += *it;
        *it = sum;
    };
    if reverse {
        row.iter_mut().rev().for_each(&mut add);
    } else {
        row.iter_mut().for_each(&mut add);
    }
    row
}

fn product_of_others<F: Real>(row: Vec<F>) -> Vec<F> {
    let mut others = vec![F::one(); row.len()];
    let mut product = F::one();
    for (other, it) in others.iter_mut().zip(&row) {
        *other *= product;
        product *= *it;
    }
    product = F::one();
    for (other, it) in others.iter_mut().zip(&row).rev() {
        *other *= product;
        product *= *it;
    }
    others
}

fn concat<F: Real>(axis: usize, parts: &[&Value<F>], shape: &[usize]) -> Value<F> {
    let mut joined = ArrayD::zeros(IxDyn(shape));
    let mut from = 0;
    for part in parts {
        let to = from + part.shape()[axis];
        joined.slice_axis_mut(Axis(axis), Slice::from(from..to)).assign(part);
        from = to;
    }
    joined.into_shared()
}

fn stack<F: Real>(parts: &[&Value<F>], shape: &[usize]) -> Value<F> {
    let mut joined = ArrayD::zeros(IxDyn(shape));
    for (idx, part) in parts.iter().enumerate() {
        joined.index_axis_mut(Axis(0), idx).assign(part);
    }
    joined.into_shared()
}

/// Returns the row that an index names. Indices that come from outside are checked before a run; none is left here for a value
/// that is no whole number below `rows`.
fn row<F: Real>(index: &Value<F>, rows: usize) -> Option<usize> {
    let value = Real::to_f64(*index.first()?);
    (value >= 0.0 && value < rows as f64 && value.fract() == 0.0).then_some(value as usize)
}

#[cfg(test)]
mod tests;
