//! The demonstration sequence: what a cell runs on when nothing is given, so that a first command
//! shows something.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};

use super::counted;
use crate::api::{self, CellSpec, Error, Evidence};
use crate::diag::Code;
use crate::exec::{Bound, Feed};
use crate::ir;
use crate::text::Name;

/// The default number of steps.
pub const STEPS: usize = 8;

/// The most numbers that one input of it may hold: a demonstration that fills the memory shows
/// nothing.
const MAX_NUMBERS: u64 = 1 << 27;

/// The size of dims that only inputs have, of index dims, and of all others. They differ, so that
/// nobody takes one for another.
const INPUT_SIZE: i64 = 3;
const INDEX_SIZE: i64 = 5;
const OTHER_SIZE: i64 = 4;

/// A sequence for every input that needs one.
pub struct Demo {
    /// One sequence for each input without a default.
    pub feeds: Vec<Option<Feed<f64>>>,
    steps: usize,
    has_inputs: bool,
    chosen: Vec<(Name, i64)>,
}

impl Demo {
    /// Makes the sequence, and puts sizes for the dims that nothing else speaks of into `sizes`.
    pub fn new(
        spec: &CellSpec,
        steps: usize,
        sizes: &mut BTreeMap<Name, i64>,
        evidence: &[Evidence],
    ) -> Result<Demo, Error> {
        let cell = spec.ir();
        let known = api::infer_sizes(cell, sizes, evidence)?;
        let mut chosen = Vec::new();
        for dim in cell.dims.iter().filter(|it| it.like.is_none()) {
            if known.contains_key(&dim.name) {
                continue;
            }
            let names = |shape: &ir::Shape| shape.axes().iter().flat_map(ir::Dim::names).collect();
            let in_inputs = cell
                .inputs
                .iter()
                .flat_map(|it| -> Vec<Name> { names(&it.shape) })
                .collect::<Vec<_>>();
            let is_index = cell.inputs.iter().filter_map(|it| it.index.as_ref());
            let size = if is_index.flat_map(ir::Dim::names).any(|it| it == dim.name) {
                INDEX_SIZE
            } else if in_inputs.contains(&dim.name) {
                INPUT_SIZE
            } else {
                OTHER_SIZE
            };
            sizes.insert(dim.name.clone(), size);
            chosen.push((dim.name.clone(), size));
        }
        let all = api::infer_sizes(cell, sizes, evidence)?;
        // Sizes that do not fit the cell are refused before anything of their size is made.
        let bound = spec.bind(all.iter().map(|(name, size)| (&**name, *size)))?;
        let feeds = cell.inputs.iter().enumerate().map(|(idx, input)| match input.default {
            _ if !input.is_given() => Ok(None),
            Some(_) => Ok(None),
            None => Ok(Some(Feed::Shared(sequence(idx, input, steps, &bound)?))),
        });
        let has_inputs = cell.inputs.iter().any(ir::Input::is_given);
        Ok(Demo { feeds: feeds.collect::<Result<_, Error>>()?, steps, has_inputs, chosen })
    }

    /// Describes the decisions, for people.
    pub fn note(&self) -> String {
        let sizes: Vec<String> =
            self.chosen.iter().map(|(name, size)| format!("{name} = {size}")).collect();
        let sizes =
            if sizes.is_empty() { String::new() } else { format!(" with {}", sizes.join(", ")) };
        let steps = counted(self.steps as u64, "step");
        if self.has_inputs {
            format!("no --input given: a demonstration sequence of {steps}{sizes}")
        } else {
            format!("a cell without inputs: {steps}{sizes}; --steps says how many")
        }
    }
}

/// Slow sine waves, each element with its own phase; for an index, its numbers in turn.
fn sequence(
    idx: usize,
    input: &ir::Input,
    steps: usize,
    bound: &Bound,
) -> Result<ArrayD<f64>, Error> {
    let mut shape = if input.per_sequence { vec![] } else { vec![steps] };
    shape.extend(&bound.input_shapes()[idx]);
    let numbers = shape.iter().fold(1u64, |product, it| product.saturating_mul(*it as u64));
    if numbers > MAX_NUMBERS {
        let message = format!(
            "a demonstration sequence of {steps} steps would hold {numbers} numbers for input `{}`; \
             give --input {}=FILE",
            input.name, input.name
        );
        return Err(Error::fit(Code::SizesTooLarge, message));
    }
    let limit = input.index.as_ref().map(|it| bound.index_limit(it));
    let numbers = numbers as usize;
    let per_step = if input.per_sequence { numbers } else { numbers / steps };
    let values = (0..numbers).map(|it| {
        let (step, element) = (it / per_step, it % per_step);
        match limit {
            // Where no index exists, running says so.
            Some(limit) => (step as u64 % limit.max(1)) as f64,
            None => libm::sin(0.7 * step as f64 + 1.3 * element as f64 + 0.4 * idx as f64),
        }
    });
    Ok(ArrayD::from_shape_vec(IxDyn(&shape), values.collect()).expect("one value for each element"))
}
