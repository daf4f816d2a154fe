//! The shape rule of every operator.
//!
//! [`infer`] never panics, whatever the operands: graphs are also read from files.

use super::dim::{Dim, Shape};
use super::op::{Along, Choice, Contract, Gradient, Indexed, Literal, Move, Op};

/// Returns the shape that a node with this operator and operands must have. Where the operator leaves it open (leaves, `Expand`,
/// `Reshape`, `Place`, `Scatter`), `declared` is checked and given back.
///
/// What depends on sizes is not decided here: bounds of slices and equal numbers of elements are
/// checked when sizes are bound.
pub fn infer(op: &Op, args: &[&Shape], declared: &Shape) -> Result<Shape, String> {
    match op {
        Op::Leaf(_) => arity(args, 0).map(|()| declared.clone()),
        Op::Literal(Literal::Scalar(_)) => arity(args, 0).map(|()| Shape::scalar()),
        Op::Literal(Literal::Array(values)) => {
            arity(args, 0)?;
            ranked(declared, 1)?;
            match declared.0[0].as_number() {
                Some(size) if size != values.len() as i64 => {
                    Err(format!("{} numbers in an array of shape {declared}", values.len()))
                }
                Some(_) | None => Ok(declared.clone()),
            }
        }
        Op::Literal(Literal::Iota) => {
            arity(args, 0)?;
            ranked(declared, 1).map(|()| declared.clone())
        }
        Op::Literal(Literal::Eye) => {
            arity(args, 0)?;
            ranked(declared, 2)?;
            same_dim(&declared.0[0], &declared.0[1])?;
            Ok(declared.clone())
        }
        Op::Map(op) => {
            arity(args, op.arity())?;
            for other in &args[1..] {
                same(args[0], other)?;
            }
            Ok(args[0].clone())
        }
        Op::Move(Move::Expand(places)) => {
            arity(args, 1)?;
            ranked(args[0], places.len())?;
            ascending(places, declared.rank())?;
            for (axis, place) in args[0].0.iter().zip(places) {
                same_dim(axis, &declared.0[*place])?;
            }
            Ok(declared.clone())
        }
        Op::Contract(labels) => {
            arity(args, 2)?;
            contract(labels, args[0], args[1])
        }
        Op::Along(Along::Reduce(_, axes)) => {
            arity(args, 1)?;
            ascending(axes, args[0].rank())?;
            let kept = args[0].0.iter().enumerate().filter(|(idx, _)| !axes.contains(idx));
            Ok(Shape(kept.map(|(_, axis)| axis.clone()).collect()))
        }
        Op::Along(Along::Softmax(axes) | Along::ProductOfOthers(axes)) => {
            arity(args, 1)?;
            ascending(axes, args[0].rank())?;
            Ok(args[0].clone())
        }
        Op::Along(Along::CumSum { axis, .. }) => {
            arity(args, 1)?;
            axis_of(args[0], *axis)?;
            Ok(args[0].clone())
        }
        Op::Move(Move::Permute(order)) => {
            arity(args, 1)?;
            let mut sorted = order.clone();
            sorted.sort_unstable();
            if sorted.len() != args[0].rank() || sorted.iter().enumerate().any(|(a, b)| a != *b) {
                return Err(format!("{order:?} is no order of the axes of {}", args[0]));
            }
            Ok(Shape(order.iter().map(|it| args[0].0[*it].clone()).collect()))
        }
        Op::Move(Move::Concat(axis)) => concat(*axis, args),
        Op::Move(Move::Stack) => {
            let Some(first) = args.first() else {
                return Err("a stack of nothing".into());
            };
            for other in &args[1..] {
                same(first, other)?;
            }
            let mut axes = vec![Dim::number(args.len() as i64)];
            axes.extend_from_slice(first.axes());
            Ok(Shape(axes))
        }
        Op::Move(Move::Slice { axis, from, to }) => {
            arity(args, 1)?;
            let size = axis_of(args[0], *axis)?;
            // The adjoint needs this one.
            size.sub(to).map_err(|it| it.to_string())?;
            resized(args[0], *axis, to.sub(from))
        }
        Op::Move(Move::Pad { axis, before, after }) => {
            arity(args, 1)?;
            let size = axis_of(args[0], *axis)?;
            resized(args[0], *axis, before.add(size).and_then(|it| it.add(after)))
        }
        Op::Move(Move::Reshape) => {
            arity(args, 1)?;
            match (elements(args[0]), elements(declared)) {
                (Some(from), Some(to)) if from != to => {
                    Err(format!("{} and {declared} differ in their number of elements", args[0]))
                }
                (Some(_) | None, Some(_) | None) => Ok(declared.clone()),
            }
        }
        Op::Move(Move::Pick(_)) => {
            arity(args, 1)?;
            axis_of(args[0], 0)?;
            Ok(Shape(args[0].0[1..].to_vec()))
        }
        Op::Move(Move::Place(_)) => {
            arity(args, 1)?;
            without_first(declared, args[0])
        }
        Op::Indexed(Indexed::Lookup) => {
            arity(args, 2)?;
            axis_of(args[0], 0)?;
            ranked(args[1], 0)?;
            Ok(Shape(args[0].0[1..].to_vec()))
        }
        Op::Indexed(Indexed::Scatter) => {
            arity(args, 2)?;
            ranked(args[1], 0)?;
            without_first(declared, args[0])
        }
        Op::Choice(choice) => {
            let operands = match choice {
                Choice::ArgMax => 1,
                Choice::Sample => 2,
            };
            arity(args, operands)?;
            ranked(args[0], 1)?;
            args[1..].iter().try_for_each(|it| ranked(it, 0))?;
            Ok(Shape::scalar())
        }
        Op::Gradient(Gradient::Guard) => {
            arity(args, 2)?;
            same(args[0], args[1])?;
            Ok(args[1].clone())
        }
        Op::Gradient(Gradient::Declared) => {
            arity(args, 3)?;
            same(args[0], args[1])?;
            same(args[0], args[2])?;
            Ok(args[0].clone())
        }
        Op::Gradient(Gradient::StopGrad | Gradient::ClipGrad(_)) => {
            arity(args, 1)?;
            Ok(args[0].clone())
        }
    }
}

/// Returns the dim of each label, and that the labels are what [`Contract`] says.
fn contract(labels: &Contract, left: &Shape, right: &Shape) -> Result<Shape, String> {
    let Contract { left: l, right: r, result } = labels;
    if l.len() != left.rank() || r.len() != right.rank() {
        return Err(format!("{labels:?} does not label the axes of {left} and {right}"));
    }
    let mut dims: [Option<&Dim>; 256] = [None; 256];
    for (labels, shape) in [(l, left), (r, right)] {
        unique(labels)?;
        for (label, axis) in labels.iter().zip(shape.axes()) {
            match dims[usize::from(*label)] {
                Some(known) => same_dim(known, axis)?,
                None => dims[usize::from(*label)] = Some(axis),
            }
        }
    }
    unique(result)?;
    let lost =
        |own: &[u8], other: &[u8]| own.iter().any(|it| !result.contains(it) && !other.contains(it));
    if lost(l, r) || lost(r, l) {
        return Err(format!("{labels:?} sums over an axis of one operand alone"));
    }
    let axes: Option<Vec<Dim>> = result.iter().map(|it| dims[usize::from(*it)].cloned()).collect();
    axes.map(Shape).ok_or_else(|| format!("{labels:?} has a label in the result alone"))
}

fn concat(axis: usize, args: &[&Shape]) -> Result<Shape, String> {
    let Some(first) = args.first() else {
        return Err("a concatenation of nothing".into());
    };
    let mut sum = Dim::number(0);
    for shape in args {
        sum = sum.add(axis_of(shape, axis)?).map_err(|it| it.to_string())?;
        ranked(shape, first.rank())?;
        for (idx, (a, b)) in first.0.iter().zip(&shape.0).enumerate() {
            if idx != axis {
                same_dim(a, b)?;
            }
        }
    }
    resized(first, axis, Ok(sum))
}

fn resized(
    shape: &Shape,
    axis: usize,
    size: Result<Dim, super::dim::DimOverflow>,
) -> Result<Shape, String> {
    let mut shape = shape.clone();
    shape.0[axis] = size.map_err(|it| it.to_string())?;
    Ok(shape)
}

fn without_first(declared: &Shape, rest: &Shape) -> Result<Shape, String> {
    axis_of(declared, 0)?;
    if declared.0[1..] != rest.0[..] {
        return Err(format!("{rest} is no row of {declared}"));
    }
    Ok(declared.clone())
}

/// Returns the number of elements, if no dim is left in it.
fn elements(shape: &Shape) -> Option<i64> {
    shape.0.iter().try_fold(1i64, |product, it| product.checked_mul(it.as_number()?))
}

fn arity(args: &[&Shape], wanted: usize) -> Result<(), String> {
    if args.len() == wanted {
        Ok(())
    } else {
        Err(format!("{} operands instead of {wanted}", args.len()))
    }
}

fn ranked(shape: &Shape, rank: usize) -> Result<(), String> {
    if shape.rank() == rank { Ok(()) } else { Err(format!("{shape} should have {rank} axes")) }
}

fn axis_of(shape: &Shape, axis: usize) -> Result<&Dim, String> {
    shape.0.get(axis).ok_or_else(|| format!("{shape} has no axis {axis}"))
}

fn ascending(axes: &[usize], rank: usize) -> Result<(), String> {
    let rising = axes.windows(2).all(|it| it[0] < it[1]);
    if rising && axes.last().is_none_or(|it| *it < rank) {
        Ok(())
    } else {
        Err(format!("{axes:?} are not ascending axes of a value with {rank}"))
    }
}

fn unique(labels: &[u8]) -> Result<(), String> {
    let mut seen = [false; 256];
    for label in labels {
        if std::mem::replace(&mut seen[usize::from(*label)], true) {
            return Err(format!("label {label} occurs twice in one operand"));
        }
    }
    Ok(())
}

fn same(a: &Shape, b: &Shape) -> Result<(), String> {
    if a == b { Ok(()) } else { Err(format!("{a} and {b} should be one shape")) }
}

fn same_dim(a: &Dim, b: &Dim) -> Result<(), String> {
    if a == b { Ok(()) } else { Err(format!("`{a}` and `{b}` should be one size")) }
}
