//! The operators that are neither elementwise nor leaves, on rows of numbers.
//!
//! An operator is planned once for its sizes: loops that go on where others end are one, the
//! contiguous one is run in vectors, and where the rest of the loops leads is a table of offsets.
//! Every sum is taken in an order that the sizes and the path alone decide, so a row's result does
//! not depend on how many rows are run at once.

mod along;
mod contract;
mod lines;
mod moves;
mod product;
mod reduce;
#[cfg(test)]
mod tests;
mod wide;

use self::along::Along;
use self::contract::Contraction;
use self::lines::Lines;
use self::moves::{Chosen, Indexed, Moves, Step};
use super::{Path, on_path};
use crate::ir::{self, Dim, Env, Move, Op, Reduction};

pub(super) use self::reduce::run as run_reduce;
pub(super) use self::{along::run as run_along, contract::run as run_contract};
pub(super) use self::{moves::indexed as run_indexed, moves::run as run_moves, moves::whole};

/// The plans, for the functions that are compiled for each path.
pub(super) mod plans {
    pub(in crate::exec::kernels) use super::along::Along;
    pub(in crate::exec::kernels) use super::contract::Contraction;
    pub(in crate::exec::kernels) use super::lines::Lines;
    pub(in crate::exec::kernels) use super::moves::{Indexed, Moves};
}

pub use super::product::{RawResults, RawRows};

/// An operator with its sizes, ready to run on rows.
#[derive(Clone, Debug)]
pub struct RowOp {
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Moves(Moves),
    Indexed(Indexed),
    Choose(Chosen),
    Reduce(Reduction, Lines),
    Along(Along, Lines),
    Contract(Box<Contraction>),
}

impl RowOp {
    /// Plans an operator. `args` are the shapes of its operands, `shape` that of the result, all as
    /// [`crate::exec::shapes`] found them right. Nothing for leaves, constants and what is
    /// elementwise.
    pub fn new(op: &Op, env: &Env, args: &[&[usize]], shape: &[usize]) -> Option<RowOp> {
        let n: usize = shape.iter().product();
        let moved = Kind::Moves;
        let kind = match op {
            Op::Leaf(_) | Op::Literal(_) | Op::Map(_) => return None,
            Op::Move(Move::Expand(places)) => {
                let mut by_operand = vec![0; shape.len()];
                for (place, stride) in places.iter().zip(strides(args[0])) {
                    by_operand[*place] = stride;
                }
                moved(copied(shape, &by_operand, 0))
            }
            Op::Move(Move::Permute(order)) => {
                let by_operand = strides(args[0]);
                let by_operand: Vec<usize> = order.iter().map(|it| by_operand[*it]).collect();
                moved(copied(shape, &by_operand, 0))
            }
            Op::Move(Move::Concat(axis)) => {
                let mut moves = Moves::default();
                let mut from = 0;
                for (idx, part) in args.iter().enumerate() {
                    window(&mut moves, Some(idx), part, *axis, (from, shape));
                    from += part[*axis];
                }
                moved(moves)
            }
            Op::Move(Move::Stack) => {
                let mut moves = Moves::default();
                for (idx, part) in args.iter().enumerate() {
                    let n = part.iter().product();
                    moves.add(Some(idx), 0, idx * n, &[Step { n, from: 1, to: 1 }]);
                }
                moved(moves)
            }
            Op::Move(Move::Slice { axis, from, .. }) => {
                let by_operand = strides(args[0]);
                moved(copied(shape, &by_operand, size(from, env) * by_operand[*axis]))
            }
            Op::Move(Move::Pad { axis, before, .. }) => {
                let mut moves = Moves::default();
                let before = size(before, env);
                let after = before + args[0][*axis];
                let mut zeros = args[0].to_vec();
                zeros[*axis] = before;
                window(&mut moves, None, &zeros, *axis, (0, shape));
                window(&mut moves, Some(0), args[0], *axis, (before, shape));
                zeros[*axis] = shape[*axis] - after;
                window(&mut moves, None, &zeros, *axis, (after, shape));
                moved(moves)
            }
            Op::Move(Move::Reshape) => moved(Moves::whole(n)),
            Op::Gradient(it) => moved(Moves::whole(n).of(it.operand())),
            Op::Move(Move::Pick(index)) => {
                let mut moves = Moves::default();
                moves.add(Some(0), size(index, env) * n, 0, &[Step { n, from: 1, to: 1 }]);
                moved(moves)
            }
            Op::Move(Move::Place(index)) => {
                let mut moves = Moves::default();
                let rest: usize = args[0].iter().product();
                let (index, zero) = (size(index, env), |n| [Step { n, from: 0, to: 1 }]);
                moves.add(None, 0, 0, &zero(index * rest));
                moves.add(Some(0), 0, index * rest, &[Step { n: rest, from: 1, to: 1 }]);
                let after = (index + 1) * rest;
                moves.add(None, 0, after, &zero(n - after));
                moved(moves)
            }
            Op::Indexed(ir::Indexed::Lookup) => {
                Kind::Indexed(Indexed::Lookup { rows: args[0][0], n })
            }
            Op::Indexed(ir::Indexed::Scatter) => {
                let n = args[0].iter().product();
                Kind::Indexed(Indexed::Scatter { rows: shape[0], n })
            }
            Op::Choice(of) => Kind::Choose(Chosen { of: *of, n: args[0][0] }),
            Op::Along(ir::Along::Reduce(reduction, axes)) => {
                Kind::Reduce(*reduction, Lines::new(args[0], axes))
            }
            Op::Along(ir::Along::Softmax(axes)) => {
                Kind::Along(Along::Softmax, Lines::new(args[0], axes))
            }
            Op::Along(ir::Along::CumSum { axis, reverse }) => {
                let what = if *reverse { Along::SumFromEnd } else { Along::Sum };
                Kind::Along(what, Lines::new(args[0], &[*axis]))
            }
            Op::Along(ir::Along::ProductOfOthers(axes)) => {
                Kind::Along(Along::ProductOfOthers, Lines::new(args[0], axes))
            }
            Op::Contract(labels) => {
                Kind::Contract(Box::new(Contraction::new(labels, args[0], args[1])))
            }
        };
        Some(RowOp { kind })
    }

    /// How many numbers of scratch a run needs.
    pub fn scratch(&self) -> usize {
        match &self.kind {
            Kind::Moves(_)
            | Kind::Indexed(_)
            | Kind::Choose(_)
            | Kind::Reduce(..)
            | Kind::Along(..) => 0,
            Kind::Contract(plan) => plan.scratch(),
        }
    }

    /// Runs over some rows.
    ///
    /// # Safety
    ///
    /// The processor has the path. There are as many operands as the operator takes, each with so
    /// many rows of its shape; the result has so many rows too, which overlap neither each other
    /// nor an operand, and are written by nobody else. `scratch` holds as much as
    /// [`RowOp::scratch`] says and is used by nobody else.
    pub unsafe fn run(
        &self,
        path: Path,
        rows: usize,
        args: &[RawRows],
        to: RawResults,
        scratch: *mut f32,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            match &self.kind {
                Kind::Moves(moves) => on_path!(path, row_moves(moves, rows, args, to)),
                Kind::Indexed(what) => on_path!(path, row_indexed(*what, rows, args, to)),
                Kind::Choose(what) => moves::choose(*what, rows, args, to),
                Kind::Reduce(reduction, lines) => {
                    on_path!(path, row_reduce(*reduction, lines, rows, args[0], to))
                }
                Kind::Along(what, lines) => {
                    on_path!(path, row_along(*what, lines, rows, args[0], to))
                }
                Kind::Contract(plan) => {
                    on_path!(path, row_contract(plan, rows, args, to, scratch))
                }
            }
        }
    }
}

/// A size that has been found to lie in its axis.
fn size(dim: &Dim, env: &Env) -> usize {
    env.size(dim).and_then(|it| usize::try_from(it).ok()).unwrap_or(0)
}

/// How far apart neighbours along each axis lie.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![0; shape.len()];
    let mut step = 1;
    for (stride, size) in strides.iter_mut().zip(shape).rev() {
        *stride = step;
        step *= size;
    }
    strides
}

/// A copy of the whole result from an operand with these strides.
fn copied(shape: &[usize], by_operand: &[usize], from: usize) -> Moves {
    let by_result = strides(shape);
    let steps = shape.iter().zip(by_operand).zip(&by_result);
    let steps: Vec<Step> =
        steps.map(|((n, from), to)| Step { n: *n, from: *from, to: *to }).collect();
    let mut moves = Moves::default();
    moves.add(Some(0), from, 0, &steps);
    moves
}

/// Writes an operand, or zeros of its shape, into the result from a place along an axis on.
fn window(
    moves: &mut Moves,
    arg: Option<usize>,
    part: &[usize],
    axis: usize,
    (from, shape): (usize, &[usize]),
) {
    let by_result = strides(shape);
    let by_operand = if arg.is_some() { strides(part) } else { vec![0; part.len()] };
    let steps = part.iter().zip(&by_operand).zip(&by_result);
    let steps: Vec<Step> =
        steps.map(|((n, from), to)| Step { n: *n, from: *from, to: *to }).collect();
    moves.add(arg, 0, from * by_result[axis], &steps);
}

/// Where nested loops lead, the last one fastest.
fn table<const N: usize>(loops: &[(usize, [usize; N])]) -> Vec<[usize; N]> {
    loops.iter().fold(vec![[0; N]], |table, (n, step)| {
        let at =
            |start: [usize; N], it: usize| std::array::from_fn(|idx| start[idx] + it * step[idx]);
        table.into_iter().flat_map(|start| (0..*n).map(move |it| at(start, it))).collect()
    })
}
