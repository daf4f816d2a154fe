//! An operator by itself, outside of any program.

use crate::exec::kernels::product::{RawResults, RawRows};
use crate::exec::kernels::{Path, RowOp};
use crate::ir::{Env, Op};

/// Returns the value of an operator that is neither elementwise nor a leaf, for operands without gaps; `None` for others.
pub fn apply(
    path: Path,
    op: &Op,
    env: &Env,
    args: &[(&[f32], &[usize])],
    shape: &[usize],
) -> Option<Vec<f32>> {
    let shapes: Vec<&[usize]> = args.iter().map(|it| it.1).collect();
    let op = RowOp::new(op, env, &shapes, shape)?;
    for (numbers, shape) in args {
        assert_eq!(numbers.len(), shape.iter().product::<usize>(), "an operand has its numbers");
    }
    let mut result = vec![0.0; shape.iter().product()];
    let mut scratch = vec![0.0; op.scratch()];
    let rows: Vec<RawRows> =
        args.iter().map(|it| RawRows { at: it.0.as_ptr(), row: it.0.len() }).collect();
    let to = RawResults { at: result.as_mut_ptr(), row: result.len() };
    // SAFETY: operands, result and scratch have as many elements as the operator was made for, and a
    // path is only made for a processor that has it.
    unsafe { op.run(path, 1, &rows, to, scratch.as_mut_ptr()) };
    Some(result)
}
