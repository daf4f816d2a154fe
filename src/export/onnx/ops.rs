//! The graph of a step in ONNX: one match over the operators, one over the elementwise ones.
//!
//! The number of leading axes of a value is known here, so axes are counted from the front. Repeated values stay thin, as in
//! the Python targets.

use std::collections::BTreeMap;

use ndarray::ArrayD;

use super::graph::Builder;
use super::proto::{Attribute, Elem, tensor};
use crate::export::expr::wider;
use crate::export::lower::{Lead, Lowered};
use crate::ir::{
    Along, Choice, Contract, Indexed, Leaf, Literal, Move, Node, NodeId, Op, Pointwise, Reduction,
};

/// A value of a graph.
#[derive(Clone, PartialEq, Debug)]
pub struct Value {
    /// Its name.
    pub name: String,
    /// The number of its leading axes.
    pub lead: usize,
    /// Its own axes, 1 where it is to be repeated.
    pub shape: Vec<usize>,
    /// The type of its elements.
    pub elem: Elem,
}

/// The walk over a graph.
pub struct Walk<'a> {
    /// The facts.
    pub low: &'a Lowered,
    /// The graph.
    pub graph: Builder,
    /// The known values: of the outer graph, then of the body of a loop.
    pub values: Vec<BTreeMap<NodeId, Value>>,
    /// The number of leading axes of rows here: 2 for all steps, 1 for one.
    pub rows: usize,
    /// The leading axes of rows, as a tensor, and of what is given per sequence.
    pub leading: Vec<Option<String>>,
    /// The values that are the same for all rows.
    pub once: BTreeMap<NodeId, ArrayD<f64>>,
    /// True if matrices are written in half precision.
    pub half: bool,
}

impl Walk<'_> {
    /// Returns the number of leading axes of a node here.
    fn lead(&self, id: NodeId) -> usize {
        match self.low.lead[id.idx()] {
            Lead::Once => 0,
            Lead::Sequence => 1,
            Lead::Rows => self.rows,
        }
    }

    /// Returns the value of a node that was computed, or that is the same for all rows.
    pub fn value(&mut self, id: NodeId) -> Value {
        if let Some(known) = self.values.iter().rev().find_map(|it| it.get(&id)) {
            return known.clone();
        }
        let shape = self.low.shape(id).to_vec();
        let graph = self.low.graph();
        // What only repeats is repeated here, so that a param is read as it is.
        if let Op::Move(Move::Expand(places)) = &graph.node(id).op
            && self.low.inline[id.idx()]
        {
            let inner = self.value(graph.node(id).args[0]);
            return self.expand(&inner, &places.clone(), shape.len());
        }
        if let Op::Literal(Literal::Scalar(value)) = &graph.node(id).op {
            let name = self.graph.number(self.low.number(value));
            return Value { name, lead: 0, shape, elem: Elem::Float };
        }
        let values: Vec<f64> =
            self.once.get(&id).map(|it| it.iter().copied().collect()).unwrap_or_default();
        let name = match graph.node(id).op {
            Op::Leaf(Leaf::Param(it)) => self.param(it, &values, &shape),
            _ => self.graph.floats(&values, &shape),
        };
        Value { name, lead: 0, shape, elem: Elem::Float }
    }

    /// Returns a param under its own name.
    fn param(&mut self, param: usize, values: &[f64], shape: &[usize]) -> String {
        let name = self.low.cell.params[param].name.to_string();
        let key = format!("param {name}");
        if let Some(known) = self.graph.hoisted(&key) {
            return known;
        }
        let own = self.graph.fresh(&name);
        if self.half && shape.len() >= 2 {
            let data: Vec<u8> =
                values.iter().flat_map(|it| half::f16::from_f64(*it).to_le_bytes()).collect();
            self.graph.initializers.push(tensor(&own, Elem::Half, shape, &data));
            let to = ("to", Attribute::Int(Elem::Float.code() as i64));
            return self.graph.outside("Cast", &own, &key, &[to]);
        }
        let data: Vec<u8> = values.iter().flat_map(|it| (*it as f32).to_le_bytes()).collect();
        self.graph.initializers.push(tensor(&own, Elem::Float, shape, &data));
        self.graph.remember(&key, &own);
        own
    }

    /// Computes nodes in order.
    pub fn compute(&mut self, nodes: &[NodeId]) {
        for id in nodes {
            let node = self.low.graph().node(*id).clone();
            let args: Vec<Value> = node.args.iter().map(|it| self.value(*it)).collect();
            let lead = self.lead(*id);
            let shape = self.low.shape(*id).to_vec();
            let value = self.op(&node, &args, &shape, lead);
            if let Some(known) = self.values.last_mut() {
                known.insert(*id, value);
            }
        }
    }

    /// Returns a truth value as a number.
    fn real(&mut self, value: &Value) -> Value {
        if value.elem != Elem::Bool {
            return value.clone();
        }
        let name = self.graph.cast(&value.name, Elem::Float);
        Value { name, elem: Elem::Float, ..value.clone() }
    }

    /// Returns a value with all of its elements and leading axes.
    pub fn whole(&mut self, value: &Value, shape: &[usize], lead: usize) -> Value {
        let value = self.real(value);
        if value.shape == shape && value.lead == lead {
            return value;
        }
        let own: Vec<i64> = shape.iter().map(|it| *it as i64).collect();
        let own = self.graph.ints(&own);
        let to = match self.leading.get(lead).cloned().flatten() {
            Some(leading) if lead > 0 && !shape.is_empty() => {
                self.graph.add("Concat", &[&leading, &own], &[("axis", Attribute::Int(0))])
            }
            Some(leading) if lead > 0 => leading,
            _ => own,
        };
        let name = self.graph.add("Expand", &[&value.name, &to], &[]);
        Value { name, lead, shape: shape.to_vec(), elem: value.elem }
    }

    fn arg_whole(&mut self, node: &Node, args: &[Value], at: usize) -> Value {
        let shape = self.low.concrete(self.low.graph().shape(node.args[at]));
        let lead = args[at].lead;
        self.whole(&args[at], &shape, lead)
    }

    /// Inserts axes of size 1.
    fn expand(&mut self, value: &Value, places: &[usize], rank: usize) -> Value {
        let value = self.real(value);
        let mut shape = vec![1; rank];
        places.iter().zip(&value.shape).for_each(|(to, size)| shape[*to] = *size);
        let axes: Vec<i64> = (0..rank)
            .filter(|it| !places.contains(it))
            .map(|it| (it + value.lead) as i64)
            .collect();
        // A scalar without leading axes meets every shape.
        let is_scalar = value.lead == 0 && places.is_empty();
        let name = match axes.is_empty() || is_scalar {
            true => value.name.clone(),
            false => self.graph.unsqueeze(&value.name, &axes),
        };
        let shape = if is_scalar { Vec::new() } else { shape };
        Value { name, shape, ..value }
    }

    fn op(&mut self, node: &Node, args: &[Value], shape: &[usize], lead: usize) -> Value {
        let value = |name: String| Value { name, lead, shape: shape.to_vec(), elem: Elem::Float };
        let axis = |at: usize| (at + lead) as i64;
        match &node.op {
            Op::Leaf(_) | Op::Literal(_) => unreachable!("a constant or what is read"),
            Op::Map(op) => self.map(*op, args, lead),
            Op::Contract(labels) => self.contract(labels, node, args, shape, lead),
            Op::Along(along) => {
                let whole = self.arg_whole(node, args, 0);
                let v = whole.name.as_str();
                let axes = |all: &[usize]| all.iter().map(|it| axis(*it)).collect::<Vec<i64>>();
                value(match along {
                    Along::Reduce(reduction, all) => match reduction {
                        Reduction::Sum => self.graph.reduce("ReduceSum", v, &axes(all), false),
                        Reduction::Max => self.graph.reduce("ReduceMax", v, &axes(all), false),
                        Reduction::Min => self.graph.reduce("ReduceMin", v, &axes(all), false),
                        Reduction::Product => self.graph.reduce("ReduceProd", v, &axes(all), false),
                        Reduction::Norm => {
                            let square = self.graph.add("Mul", &[v, v], &[]);
                            let sum = self.graph.reduce("ReduceSum", &square, &axes(all), false);
                            self.graph.add("Sqrt", &[&sum], &[])
                        }
                        Reduction::LogSumExp => self.graph.logsumexp(v, &axes(all), false),
                    },
                    Along::Softmax(all) => match all[..] {
                        [one] => {
                            self.graph.add("Softmax", &[v], &[("axis", Attribute::Int(axis(one)))])
                        }
                        _ => {
                            let log = self.graph.logsumexp(v, &axes(all), true);
                            let less = self.graph.add("Sub", &[v, &log], &[]);
                            self.graph.add("Exp", &[&less], &[])
                        }
                    },
                    Along::CumSum { axis: at, reverse } => {
                        let at = self.graph.int(axis(*at));
                        let reverse = ("reverse", Attribute::Int(i64::from(*reverse)));
                        self.graph.add("CumSum", &[v, &at], &[reverse])
                    }
                    Along::ProductOfOthers(_) => unreachable!("only an adjoint has it"),
                })
            }
            Op::Move(Move::Expand(places)) => self.expand(&args[0], places, shape.len()),
            Op::Move(Move::Permute(order)) => {
                let whole = self.arg_whole(node, args, 0);
                let perm = (0..lead).map(|it| it as i64).chain(order.iter().map(|it| axis(*it)));
                let perm = ("perm", Attribute::Ints(perm.collect()));
                value(self.graph.add("Transpose", &[&whole.name], &[perm]))
            }
            Op::Move(Move::Concat(at)) => {
                let mut parts = Vec::new();
                for (at, arg) in args.iter().enumerate() {
                    let own = self.low.concrete(self.low.graph().shape(node.args[at]));
                    parts.push(self.whole(arg, &own, lead).name);
                }
                let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                value(self.graph.add("Concat", &parts, &[("axis", Attribute::Int(axis(*at)))]))
            }
            Op::Move(Move::Stack) => {
                let mut parts = Vec::new();
                for (at, arg) in args.iter().enumerate() {
                    let own = self.low.concrete(self.low.graph().shape(node.args[at]));
                    let whole = self.whole(arg, &own, lead).name;
                    parts.push(self.graph.unsqueeze(&whole, &[axis(0)]));
                }
                let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                value(self.graph.add("Concat", &parts, &[("axis", Attribute::Int(axis(0)))]))
            }
            Op::Move(Move::Slice { axis: at, from, .. }) => {
                let whole = self.arg_whole(node, args, 0);
                let from = self.low.size(from) as i64;
                let to = from + shape[*at] as i64;
                value(self.graph.slice(&whole.name, axis(*at), from, to))
            }
            Op::Move(Move::Pick(at)) => {
                let whole = self.arg_whole(node, args, 0);
                let at = self.graph.int(self.low.size(at) as i64);
                value(self.graph.add(
                    "Gather",
                    &[&whole.name, &at],
                    &[("axis", Attribute::Int(axis(0)))],
                ))
            }
            Op::Move(Move::Reshape) => {
                let whole = self.arg_whole(node, args, 0);
                // 0 keeps a leading axis as it is.
                let to = std::iter::repeat_n(0, lead).chain(shape.iter().map(|it| *it as i64));
                let to = self.graph.ints(&to.collect::<Vec<_>>());
                let elem = whole.elem;
                Value { elem, ..value(self.graph.add("Reshape", &[&whole.name, &to], &[])) }
            }
            Op::Move(Move::Pad { .. } | Move::Place(_)) | Op::Indexed(Indexed::Scatter) => {
                unreachable!("only an adjoint has it")
            }
            Op::Indexed(Indexed::Lookup) => {
                let table = self.arg_whole(node, args, 0);
                let mut at = args[1].clone();
                if at.elem != Elem::Int64 {
                    at.name = self.graph.cast(&at.name, Elem::Int64);
                    at.elem = Elem::Int64;
                }
                if table.lead == 0 {
                    let axis = ("axis", Attribute::Int(0));
                    return value(self.graph.add("Gather", &[&table.name, &at.name], &[axis]));
                }
                let at = self.whole(&at, &[], table.lead);
                let at = self.graph.unsqueeze(&at.name, &[table.lead as i64]);
                let leading = ("batch_dims", Attribute::Int(table.lead as i64));
                value(self.graph.add("GatherND", &[&table.name, &at], &[leading]))
            }
            Op::Gradient(it) => args[it.operand()].clone(),
            Op::Choice(Choice::ArgMax) => {
                let whole = self.arg_whole(node, args, 0);
                let all = [("axis", Attribute::Int(axis(0))), ("keepdims", Attribute::Int(0))];
                let name = self.graph.add("ArgMax", &[&whole.name], &all);
                Value { elem: Elem::Int64, ..value(name) }
            }
            Op::Choice(Choice::Sample) => unreachable!("refused before"),
        }
    }

    fn contract(
        &mut self,
        labels: &Contract,
        node: &Node,
        args: &[Value],
        shape: &[usize],
        lead: usize,
    ) -> Value {
        let value = |name: String| Value { name, lead, shape: shape.to_vec(), elem: Elem::Float };
        let place = |it: &u8| labels.result.iter().position(|other| other == it);
        let places = |own: &[u8]| own.iter().filter_map(place).collect::<Vec<usize>>();
        let (left, right) = (places(&labels.left), places(&labels.right));
        if labels.is_outer() && left.is_sorted() && right.is_sorted() {
            let a = self.expand(&args[0], &left, shape.len());
            let b = self.expand(&args[1], &right, shape.len());
            let shape = wider(&a.shape, &b.shape);
            let name = self.graph.add("Mul", &[&a.name, &b.name], &[]);
            return Value { name, lead, shape, elem: Elem::Float };
        }
        let parts = [self.arg_whole(node, args, 0), self.arg_whole(node, args, 1)];
        let both = [(&labels.left, &labels.right, 0, 1), (&labels.right, &labels.left, 1, 0)];
        for (matrix, vector, m, v) in both {
            if let ([a, b], [s], [o]) = (&matrix[..], &vector[..], &labels.result[..])
                && parts[m].lead == 0
                && parts[v].lead > 0
            {
                let (a, b) = (*a, *b);
                if (a, b) == (*o, *s) {
                    let turned = self.turned(&parts[m].name);
                    return value(self.graph.add("MatMul", &[&parts[v].name, &turned], &[]));
                }
                if (a, b) == (*s, *o) {
                    return value(self.graph.add("MatMul", &[&parts[v].name, &parts[m].name], &[]));
                }
            }
        }
        let has = |own: &[u8], it: &u8| own.contains(it);
        let (l, r, result) = (&labels.left, &labels.right, &labels.result);
        let batch: Vec<u8> = result.iter().copied().filter(|it| has(l, it) && has(r, it)).collect();
        let only = |own: &[u8], other: &[u8]| -> Vec<u8> {
            result.iter().copied().filter(|it| own.contains(it) && !other.contains(it)).collect()
        };
        let (lefts, rights) = (only(l, r), only(r, l));
        let summed: Vec<u8> = l.iter().copied().filter(|it| !has(result, it)).collect();
        let size = |all: &[u8]| -> i64 {
            let of = |it: &u8| {
                let at = |own: &[u8], part: &Value| {
                    own.iter().position(|o| o == it).map(|at| part.shape[at])
                };
                at(l, &parts[0]).or_else(|| at(r, &parts[1])).unwrap_or(1)
            };
            all.iter().map(of).product::<usize>() as i64
        };
        let mut turned = Vec::new();
        for (own, part, groups) in
            [(l, &parts[0], [&batch, &lefts, &summed]), (r, &parts[1], [&batch, &summed, &rights])]
        {
            let order: Vec<i64> = groups
                .iter()
                .flat_map(|it| it.iter())
                .filter_map(|it| own.iter().position(|other| other == it))
                .map(|it| (it + part.lead) as i64)
                .collect();
            let perm: Vec<i64> = (0..part.lead as i64).chain(order).collect();
            let permuted = match perm.is_sorted() {
                true => part.name.clone(),
                false => {
                    self.graph.add("Transpose", &[&part.name], &[("perm", Attribute::Ints(perm))])
                }
            };
            let to = std::iter::repeat_n(0, part.lead).chain(groups.iter().map(|it| size(it)));
            let to = self.graph.ints(&to.collect::<Vec<_>>());
            turned.push(self.graph.add("Reshape", &[&permuted, &to], &[]));
        }
        let product = self.graph.add("MatMul", &[&turned[0], &turned[1]], &[]);
        let order: Vec<u8> = batch.iter().chain(&lefts).chain(&rights).copied().collect();
        let sizes = order.iter().map(|it| size(&[*it]));
        let to: Vec<i64> = std::iter::repeat_n(0, lead).chain(sizes).collect();
        let to = self.graph.ints(&to);
        let own = self.graph.add("Reshape", &[&product, &to], &[]);
        let back = result.iter().filter_map(|it| order.iter().position(|other| other == it));
        let perm: Vec<i64> =
            (0..lead).chain(back.map(|it| it + lead)).map(|it| it as i64).collect();
        match perm.is_sorted() {
            true => value(own),
            false => {
                value(self.graph.add("Transpose", &[&own], &[("perm", Attribute::Ints(perm))]))
            }
        }
    }

    /// Returns a weight turned round, once and outside of loops.
    fn turned(&mut self, name: &str) -> String {
        let key = format!("{name}.T");
        if let Some(known) = self.graph.hoisted(&key) {
            return known;
        }
        let perm = ("perm", Attribute::Ints(vec![1, 0]));
        self.graph.outside("Transpose", name, &key, &[perm])
    }

    fn map(&mut self, op: Pointwise, args: &[Value], lead: usize) -> Value {
        let shape = args.iter().fold(Vec::new(), |shape, it| wider(&shape, &it.shape));
        let is_where = op == Pointwise::Where;
        let mut all = Vec::new();
        for (at, it) in args.iter().enumerate() {
            all.push(if is_where && at == 0 { it.clone() } else { self.real(it) });
        }
        let names: Vec<String> = all.iter().map(|it| it.name.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let g = &mut self.graph;
        let v = names[0];
        let mut elem = Elem::Float;
        let name = match op {
            Pointwise::Add => g.add("Add", &names, &[]),
            Pointwise::Sub => g.add("Sub", &names, &[]),
            Pointwise::Mul => g.add("Mul", &names, &[]),
            Pointwise::Div => g.add("Div", &names, &[]),
            Pointwise::Pow => g.add("Pow", &names, &[]),
            Pointwise::Neg => g.add("Neg", &names, &[]),
            Pointwise::Less
            | Pointwise::LessEqual
            | Pointwise::Greater
            | Pointwise::GreaterEqual
            | Pointwise::Equal => {
                elem = Elem::Bool;
                let operator = match op {
                    Pointwise::Less => "Less",
                    Pointwise::LessEqual => "LessOrEqual",
                    Pointwise::Greater => "Greater",
                    Pointwise::GreaterEqual => "GreaterOrEqual",
                    _ => "Equal",
                };
                g.add(operator, &names, &[])
            }
            Pointwise::NotEqual => {
                elem = Elem::Bool;
                let equal = g.add("Equal", &names, &[]);
                g.add("Not", &[&equal], &[])
            }
            Pointwise::Where => {
                let cond = if all[0].elem == Elem::Bool { v.to_owned() } else { g.truth(v) };
                elem = all[1].elem;
                g.add("Where", &[&cond, names[1], names[2]], &[])
            }
            Pointwise::Exp => g.add("Exp", &names, &[]),
            Pointwise::Log => g.add("Log", &names, &[]),
            Pointwise::Log1p => g.log1p(v),
            Pointwise::Expm1 => g.expm1(v),
            Pointwise::Sqrt => g.add("Sqrt", &names, &[]),
            Pointwise::Rsqrt => {
                let root = g.add("Sqrt", &names, &[]);
                g.add("Reciprocal", &[&root], &[])
            }
            Pointwise::Abs => g.add("Abs", &names, &[]),
            Pointwise::Sign => g.add("Sign", &names, &[]),
            Pointwise::Floor => g.add("Floor", &names, &[]),
            Pointwise::Ceil => g.add("Ceil", &names, &[]),
            Pointwise::Round => g.add("Round", &names, &[]),
            Pointwise::Sin => g.add("Sin", &names, &[]),
            Pointwise::Cos => g.add("Cos", &names, &[]),
            Pointwise::Erf => g.add("Erf", &names, &[]),
            Pointwise::Square => g.add("Mul", &[v, v], &[]),
            Pointwise::Mod => {
                let ratio = g.add("Div", &names, &[]);
                let whole = g.add("Floor", &[&ratio], &[]);
                let product = g.add("Mul", &[&whole, names[1]], &[]);
                g.add("Sub", &[v, &product], &[])
            }
            Pointwise::Max => g.add("Max", &names, &[]),
            Pointwise::Min => g.add("Min", &names, &[]),
            Pointwise::Clamp => {
                let low = g.add("Max", &[v, names[1]], &[]);
                g.add("Min", &[&low, names[2]], &[])
            }
            Pointwise::LogAddExp => {
                let high = g.add("Max", &names, &[]);
                let less = g.add("Sub", &names, &[]);
                let size = g.add("Abs", &[&less], &[]);
                let minus = g.add("Neg", &[&size], &[]);
                let e = g.add("Exp", &[&minus], &[]);
                let log = g.log1p(&e);
                let sum = g.add("Add", &[&high, &log], &[]);
                // Equal operands are apart, so that two -inf give -inf.
                let equal = g.add("Equal", &names, &[]);
                let twice = g.plus(std::f64::consts::LN_2, v);
                g.add("Where", &[&equal, &twice, &sum], &[])
            }
            Pointwise::Sigmoid => g.add("Sigmoid", &names, &[]),
            Pointwise::Tanh => g.add("Tanh", &names, &[]),
            Pointwise::Relu => g.add("Relu", &names, &[]),
            Pointwise::Selu | Pointwise::Elu => {
                let zero = g.number(0.0);
                let low = g.add("Min", &[v, &zero], &[]);
                let curve = g.expm1(&low);
                let low = match op {
                    Pointwise::Selu => g.times(1.758_099_340_847_376_6, &curve),
                    _ => g.add("Mul", &[names[1], &curve], &[]),
                };
                let high = match op {
                    Pointwise::Selu => g.times(1.050_700_987_355_480_5, v),
                    _ => v.to_owned(),
                };
                let above = g.add("Greater", &[v, &zero], &[]);
                g.add("Where", &[&above, &high, &low], &[])
            }
            Pointwise::Gelu => {
                let inner = g.times(std::f64::consts::FRAC_1_SQRT_2, v);
                let erf = g.add("Erf", &[&inner], &[]);
                let one = g.plus(1.0, &erf);
                let half = g.times(0.5, v);
                g.add("Mul", &[&half, &one], &[])
            }
            Pointwise::GeluTanh => {
                let square = g.add("Mul", &[v, v], &[]);
                let cube = g.add("Mul", &[&square, v], &[]);
                let part = g.times(0.044_715, &cube);
                let sum = g.add("Add", &[v, &part], &[]);
                let inner = g.times(0.797_884_560_802_865_4, &sum);
                let tanh = g.add("Tanh", &[&inner], &[]);
                let one = g.plus(1.0, &tanh);
                let half = g.times(0.5, v);
                g.add("Mul", &[&half, &one], &[])
            }
            Pointwise::Silu => {
                let gate = g.add("Sigmoid", &names, &[]);
                g.add("Mul", &[v, &gate], &[])
            }
            Pointwise::Softplus => g.softplus(v),
            Pointwise::Softsign => g.add("Softsign", &names, &[]),
            Pointwise::LogSigmoid => {
                let minus = g.add("Neg", &[v], &[]);
                let plus = g.softplus(&minus);
                g.add("Neg", &[&plus], &[])
            }
            Pointwise::HardTanh => {
                let (low, high) = (g.number(-1.0), g.number(1.0));
                let cut = g.add("Max", &[v, &low], &[]);
                g.add("Min", &[&cut, &high], &[])
            }
            Pointwise::Identity => v.to_owned(),
            Pointwise::Step => {
                elem = Elem::Bool;
                let zero = g.number(0.0);
                g.add("Greater", &[v, &zero], &[])
            }
            Pointwise::LecunTanh => {
                let inner = g.times(2.0 / 3.0, v);
                let tanh = g.add("Tanh", &[&inner], &[]);
                g.times(1.7159, &tanh)
            }
            Pointwise::Softcap => {
                let ratio = g.add("Div", &names, &[]);
                let tanh = g.add("Tanh", &[&ratio], &[]);
                let held = g.add("Mul", &[names[1], &tanh], &[]);
                // A limit of infinity is none.
                let infinite = g.add("IsInf", &[names[1]], &[]);
                g.add("Where", &[&infinite, v, &held], &[])
            }
            Pointwise::LeakyRelu => {
                let zero = g.number(0.0);
                let above = g.add("Greater", &[v, &zero], &[]);
                let low = g.add("Mul", &[names[1], v], &[]);
                g.add("Where", &[&above, v, &low], &[])
            }
            Pointwise::Isru | Pointwise::Isrlu => {
                let square = g.add("Mul", &[v, v], &[]);
                let scaled = g.add("Mul", &[names[1], &square], &[]);
                let one = g.plus(1.0, &scaled);
                let root = g.add("Sqrt", &[&one], &[]);
                let low = g.add("Div", &[v, &root], &[]);
                if op == Pointwise::Isrlu {
                    let zero = g.number(0.0);
                    let below = g.add("Less", &[v, &zero], &[]);
                    g.add("Where", &[&below, &low, v], &[])
                } else {
                    low
                }
            }
            Pointwise::HardSigmoid => {
                let product = g.add("Mul", &[names[1], v], &[]);
                let line = g.add("Add", &[&product, names[2]], &[]);
                let (low, high) = (g.number(0.0), g.number(1.0));
                let cut = g.add("Max", &[&line, &low], &[]);
                g.add("Min", &[&cut, &high], &[])
            }
        };
        Value { name, lead, shape, elem }
    }
}
