//! Copies the graph of an inner cell into that of the outer one, with outer sizes, hypers and leaves in the place of its own.
//!
//! A cell is checked once, in its own names. Its layers differ in those names alone:
//!
//! ```text
//! cell Rnn { dims I, H .. param W: [H, I] .. h = tanh(W @ x + ..) }
//!
//! layer a = Rnn(x = e, H = 2 * D)        I -> E,  H -> 2 * D      the node of `x` -> that of `e`
//! layer b = Rnn(x = a)                   I -> 2 * D, H -> H       params a.W, b.W
//! ```
//!
//! An [`Element`] holds these replacements for one layer, or for one of a stack. A [`Splice`] applies them to everything that an inner
//! cell consists of: dims and shapes ([`Splice::dim`]), constants ([`Splice::constant`]), initial values ([`Splice::init`]) and
//! graphs ([`Splice::graph`]). In a graph, operands come before users, so one walk is enough: it asks the caller for the outer node of a
//! leaf, and copies every other node with its operands already replaced. Names get the prefix of the layer, as in `a.h`.
//!
//! Replacing multiplies: a constant of ten thousand parts that an inner cell uses a thousand times would be ten million in the outer
//! one. Sizes and constants beyond the limits of the language are refused as [`TooLarge`].

use std::collections::BTreeMap;

use super::Inner;
use crate::check::consts::{self, MOST_PARTS};
use crate::ir::{Const, Dim, Draw, Gradient, Graph, Init, Literal, Move, Node, NodeId, Op, Shape};
use crate::text::Name;

/// The reason for which a size or constant cannot be brought to the outer cell: it would be too large.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct TooLarge;

pub(super) type Fit<T> = Result<T, TooLarge>;

/// One layer, or one of a stack: what its inner cell's names mean.
#[derive(Clone, Debug, Default)]
pub(in crate::check) struct Element {
    pub dims: BTreeMap<Name, Dim>,
    pub consts: BTreeMap<Name, Const>,
    /// The outer place of each inner param.
    pub params: Vec<usize>,
    /// The outer place of the first inner mask.
    pub first_mask: usize,
    /// The prefix of the inner names.
    pub prefix: String,
}

/// Puts outer names in the place of inner ones.
pub(in crate::check) struct Splice<'s> {
    pub element: &'s Element,
}

impl Element {
    /// Adds the values of the hypers that were not given.
    pub fn complete(&mut self, inner: &Inner) -> Fit<()> {
        for (name, value) in &inner.hypers {
            let value = Splice { element: self }.constant(value)?;
            self.consts.insert(name.clone(), value);
        }
        Ok(())
    }

    /// `a.h`
    pub fn name(&self, inner: &str) -> Name {
        format!("{}.{inner}", self.prefix).into()
    }
}

impl Splice<'_> {
    pub fn dim(&self, dim: &Dim) -> Fit<Dim> {
        dim.substitute(&|name| self.element.dims.get(name).cloned()).map_err(|_| TooLarge)
    }

    pub fn shape(&self, shape: &Shape) -> Fit<Shape> {
        Ok(Shape(shape.axes().iter().map(|it| self.dim(it)).collect::<Fit<_>>()?))
    }

    pub fn constant(&self, value: &Const) -> Fit<Const> {
        let mut parts = 0;
        let found = self.within(value, &mut parts)?;
        Ok(found)
    }

    fn within(&self, value: &Const, parts: &mut usize) -> Fit<Const> {
        *parts += 1;
        let found = match value {
            Const::Number(value) => Const::Number(*value),
            Const::Size(dim) => {
                let dim = self.dim(dim)?;
                dim.as_number().map_or(Const::Size(dim), |it| Const::Number(it as f64))
            }
            Const::Hyper(name) => match self.element.consts.get(name) {
                Some(value) => {
                    *parts += count(value);
                    value.clone()
                }
                None => value.clone(),
            },
            Const::Apply(op, args) => {
                let args: Vec<Const> =
                    args.iter().map(|it| self.within(it, parts)).collect::<Fit<_>>()?;
                consts::fold(*op, args)
            }
        };
        if *parts > 2 * MOST_PARTS { Err(TooLarge) } else { Ok(found) }
    }

    pub fn init(&self, init: &Init) -> Fit<Init> {
        let optional = |it: &Option<Const>| it.as_ref().map(|it| self.constant(it)).transpose();
        Ok(match init {
            Init::Const(value) => Init::Const(self.constant(value)?),
            Init::Iota(dim) => Init::Iota(self.dim(dim)?),
            Init::Linspace(lo, hi) => Init::Linspace(self.constant(lo)?, self.constant(hi)?),
            Init::Draw(draw) => Init::Draw(match draw {
                Draw::Uniform(lo, hi) => Draw::Uniform(self.constant(lo)?, self.constant(hi)?),
                Draw::Normal(mean, std) => Draw::Normal(self.constant(mean)?, self.constant(std)?),
                Draw::TruncatedNormal(std) => Draw::TruncatedNormal(self.constant(std)?),
                Draw::LogUniform(lo, hi) => {
                    Draw::LogUniform(self.constant(lo)?, self.constant(hi)?)
                }
                Draw::Scaled { family, uniform, fan_in, fan_out } => Draw::Scaled {
                    family: *family,
                    uniform: *uniform,
                    fan_in: optional(fan_in)?,
                    fan_out: optional(fan_out)?,
                },
                Draw::Orthogonal(gain) => Draw::Orthogonal(self.constant(gain)?),
                Draw::Identity(scale) => Draw::Identity(self.constant(scale)?),
            }),
            Init::Apply(op, args) => {
                Init::Apply(*op, args.iter().map(|it| self.init(it)).collect::<Fit<_>>()?)
            }
        })
    }

    /// Returns an operator with its sizes and constants; leaves are not asked for here.
    fn op(&self, op: &Op) -> Fit<Op> {
        Ok(match op {
            Op::Literal(Literal::Scalar(value)) => {
                Op::Literal(Literal::Scalar(self.constant(value)?))
            }
            Op::Literal(Literal::Array(values)) => Op::Literal(Literal::Array(
                values.iter().map(|it| self.constant(it)).collect::<Fit<_>>()?,
            )),
            Op::Gradient(Gradient::ClipGrad(limit)) => {
                Op::Gradient(Gradient::ClipGrad(self.constant(limit)?))
            }
            Op::Move(Move::Slice { axis, from, to }) => {
                Op::Move(Move::Slice { axis: *axis, from: self.dim(from)?, to: self.dim(to)? })
            }
            Op::Move(Move::Pad { axis, before, after }) => Op::Move(Move::Pad {
                axis: *axis,
                before: self.dim(before)?,
                after: self.dim(after)?,
            }),
            Op::Move(Move::Pick(index)) => Op::Move(Move::Pick(self.dim(index)?)),
            Op::Move(Move::Place(index)) => Op::Move(Move::Place(self.dim(index)?)),
            Op::Leaf(_)
            | Op::Literal(Literal::Eye | Literal::Iota)
            | Op::Map(_)
            | Op::Move(
                Move::Expand(_) | Move::Permute(_) | Move::Concat(_) | Move::Stack | Move::Reshape,
            )
            | Op::Contract(_)
            | Op::Along(_)
            | Op::Indexed(_)
            | Op::Choice(_)
            | Op::Gradient(Gradient::Guard | Gradient::Declared | Gradient::StopGrad) => op.clone(),
        })
    }

    /// Copies a graph to the end of another. `leaf` returns the outer node of an input, carried value, param or mask; gives
    /// the outer node of each inner one.
    pub fn graph(
        &self,
        inner: &Graph,
        outer: &mut Graph,
        leaf: &mut dyn FnMut(&Op) -> Option<NodeId>,
    ) -> Fit<Vec<NodeId>> {
        let mut places: Vec<NodeId> = Vec::with_capacity(inner.nodes().len());
        for node in inner.nodes() {
            let name = node.name.as_ref().map(|it| self.element.name(it));
            if let Some(place) = leaf(&node.op) {
                if let Some(name) = name {
                    outer.set_name(place, name);
                }
                places.push(place);
                continue;
            }
            let args = node.args.iter().map(|it| places[it.idx()]).collect();
            let (op, shape) = (self.op(&node.op)?, self.shape(&node.shape)?);
            places.push(outer.push(Node { op, args, shape, name, span: node.span }));
        }
        Ok(places)
    }
}

fn count(value: &Const) -> usize {
    match value {
        Const::Number(_) | Const::Size(_) | Const::Hyper(_) => 1,
        Const::Apply(_, args) => 1 + args.iter().map(count).sum::<usize>(),
    }
}
