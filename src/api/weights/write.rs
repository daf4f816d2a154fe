//! Weights, and gradients, as a layout writes them.

use ndarray::{ArrayD, ArrayViewD};

use super::{Affixes, check_suffix, only_layer, spellings};
use crate::api::error::Error;
use crate::diag::Code;
use crate::exec::layout::{LayoutError, gradient, put_together};
use crate::ir::{self, Env, Layout, Real};

/// Returns the tensors that a layout makes of all params of a cell, by their names in the file.
///
/// # Errors
///
/// Fails where the params do not fit the layout, or a suffix chooses one layer of a stack.
pub fn stored<F: Real>(
    env: &Env,
    layout: &Layout,
    affixes: &Affixes,
    params: &[ArrayD<F>],
) -> Result<Vec<(String, ArrayD<F>)>, Error> {
    check_suffix(layout, affixes)?;
    let params: Vec<ArrayViewD<'_, F>> = params.iter().map(|it| it.view()).collect();
    let mut tensors = Vec::new();
    for row in &layout.rows {
        let whole = put_together(env, row, &params).map_err(unfit)?;
        let zeros = ArrayD::zeros(whole.raw_dim());
        let mut arrays = vec![whole];
        arrays.resize(row.stored.len(), zeros);
        let names = row.stored.iter().map(|it| written(layout, affixes, None, it));
        tensors.extend(names.zip(arrays));
    }
    Ok(tensors)
}

/// Returns the gradients of stored tensors, from those of params, which are none where a param has none. Of tensors that are
/// added each has the whole gradient of the sum.
///
/// # Errors
///
/// As [`stored`].
pub fn stored_gradients<F: Real>(
    cell: &ir::Cell,
    env: &Env,
    layout: &Layout,
    affixes: &Affixes,
    gradients: &[Option<ArrayViewD<'_, F>>],
) -> Result<Vec<(String, ArrayD<F>)>, Error> {
    check_suffix(layout, affixes)?;
    let mut tensors = Vec::new();
    for row in &layout.rows {
        let whole = gradient(cell, env, row, gradients).map_err(unfit)?;
        let names = row.stored.iter().map(|it| written(layout, affixes, None, it));
        tensors.extend(names.map(|it| (it, whole.clone())));
    }
    Ok(tensors)
}

/// Returns the names that a layout writes, each with the place of its row, in the order of [`stored`]. `short` leaves out the
/// name of the layer or stack that all of them belong to, if they do: [`super::Weights::find`] finds them without it.
///
/// # Errors
///
/// Fails where a suffix chooses one layer of a stack.
pub fn names(
    cell: &ir::Cell,
    layout: &Layout,
    affixes: &Affixes,
    short: bool,
) -> Result<Vec<(String, usize)>, Error> {
    check_suffix(layout, affixes)?;
    let head = only_layer(cell, layout).filter(|_| short).map(|it| format!("{it}."));
    let rows = layout.rows.iter().enumerate();
    let named = rows.flat_map(|(at, row)| row.stored.iter().map(move |it| (at, it)));
    Ok(named.map(|(at, it)| (written(layout, affixes, head.as_deref(), it), at)).collect())
}

/// Returns the name of a stored tensor in a file that is written.
fn written(layout: &Layout, affixes: &Affixes, head: Option<&str>, name: &str) -> String {
    let suffix = affixes.suffix.as_deref().unwrap_or_default();
    let mut all = spellings(&layout.name, name);
    if let Some(short) = head.and_then(|it| all.iter().find_map(|name| name.without(it))) {
        all.insert(0, short);
    }
    format!("{}{}", affixes.prefix, all.swap_remove(0).with(suffix))
}

fn unfit(error: LayoutError) -> Error {
    Error::fit(Code::WeightsDoNotFit, error.to_string())
}
