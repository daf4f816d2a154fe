//! The work of a run, by the formulas of the plan.

use crate::exec::Bound;
use crate::ir::Dim;
use crate::ir::dim::DimOverflow;
use crate::plan::Plan;

/// Operations and bytes of one call.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Floating-point operations in products.
    pub flops: f64,
    /// All others.
    pub elementwise: f64,
    /// The bytes that must be moved, however large the caches are.
    pub bytes: f64,
}

/// The work of a forward pass, and of both passes together.
#[derive(Clone, Copy, Debug)]
pub struct Works {
    /// Forward, when nothing is kept.
    pub forward: Work,
    /// Forward and backward.
    pub training: Work,
    /// The elements of the largest arrays of a call.
    pub numbers: f64,
}

impl Works {
    /// Counts; an error where a formula is too large.
    pub fn new(
        bound: &Bound,
        plan: &Plan,
        batch: usize,
        steps: usize,
    ) -> Result<Works, DimOverflow> {
        let rows = batch as f64 * steps as f64;
        let value = |dim: &Dim| bound.env().size(dim).map(|it| it as f64).ok_or(DimOverflow);
        let len = |shape: &[usize]| shape.iter().product::<usize>() as f64;
        let cell = bound.cell();
        let inputs: f64 = bound.input_shapes().iter().map(|it| len(it)).sum();
        let outputs: f64 = (0..cell.outputs.len()).map(|it| len(bound.output_shape(it))).sum();
        let params: f64 = bound.param_shapes().iter().map(|it| len(it)).sum();
        let kept = value(&plan.kept_numbers()?)?;
        let (forward, backward) = (plan.forward_flops()?, plan.backward_flops()?);
        let [forward_products, backward_products] =
            [value(&forward.products)?, value(&backward.products)?];
        let [forward_rest, backward_rest] =
            [value(&forward.elementwise)?, value(&backward.elementwise)?];
        Ok(Works {
            // Inputs are read, outputs written, params read once.
            forward: Work {
                flops: rows * forward_products,
                elementwise: rows * forward_rest,
                bytes: 4.0 * (rows * (inputs + outputs) + params),
            },
            // Inputs are read twice and their gradients written, outputs written and their adjoints
            // read, what is kept is written and read; params are read in both passes, their
            // gradients written.
            training: Work {
                flops: rows * (forward_products + backward_products),
                elementwise: rows * (forward_rest + backward_rest),
                bytes: 4.0 * (rows * (3.0 * inputs + 2.0 * outputs + 2.0 * kept) + 3.0 * params),
            },
            numbers: rows * (inputs + outputs + kept) + params,
        })
    }
}
