//! Weights by name.

use std::ops::Index;
use std::path::Path;
use std::sync::Arc;

use ndarray::{ArrayBase, ArrayD, Data, Dimension};

use super::cell::Layout;
use super::names::Of;
use crate::api::{Error, weights};
use crate::data::{self, Real32or64};
use crate::diag::Code;
use crate::exec::{self, Bound};
use crate::ir::Real;

/// The weights of a cell, by name. A copy shares the arrays until one of the two is changed.
///
/// ```
/// use rnnc::Cell;
///
/// let cell = Cell::std("gru")?.bind([("I", 3), ("H", 4)])?;
/// let mut params = cell.init::<f32>(0)?;
/// assert_eq!(params["W_r"].shape(), [4, 3]);
/// let half = &params["W_r"] * 0.5f32;
/// params.set("W_r", &half)?;
/// assert!(params.set("W_r", &ndarray::arr1(&[1.0])).is_err());
/// # Ok::<(), rnnc::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Params<F> {
    pub(super) bound: Arc<Bound>,
    pub(super) inner: exec::Params<F>,
}

impl<F: Real> Params<F> {
    /// The names, in the order of the cell.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.bound.cell().params.iter().map(|it| &*it.name)
    }

    /// Names and values, in the order of the cell.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ArrayD<F>)> {
        self.names().zip(self.inner.arrays())
    }

    /// A param or stored const.
    pub fn get(&self, name: &str) -> Option<&ArrayD<F>> {
        self.inner.arrays().get(Of::Param.place(self.bound.cell(), Some(name)).ok()?)
    }

    /// Changes one. Weights are packed anew in the next run.
    ///
    /// # Errors
    ///
    /// Fails where there is no such param, or its shape is another.
    pub fn set<S: Data<Elem = F>, D: Dimension>(
        &mut self,
        name: &str,
        values: &ArrayBase<S, D>,
    ) -> Result<(), Error> {
        let at = Of::Param.place(self.bound.cell(), Some(name))?;
        let own = &self.bound.param_shapes()[at];
        if values.shape() != own.as_slice() {
            let message =
                format!("param `{name}` has shape {:?}, expected {own:?}", values.shape());
            return Err(Error::fit(Code::WeightsDoNotFit, message));
        }
        self.inner.arrays_mut()[at] = values.to_owned().into_dyn();
        Ok(())
    }

    /// Changes all in place, as an optimizer does.
    pub fn arrays_mut(&mut self) -> &mut [ArrayD<F>] {
        self.inner.arrays_mut()
    }

    /// The tensors that a layout makes of them, by the names that they have in a file.
    ///
    /// # Errors
    ///
    /// Fails where the cell has no such layout.
    pub fn stored(&self, layout: &Layout) -> Result<Vec<(String, ArrayD<F>)>, Error> {
        let cell = self.bound.cell();
        let found = weights::layout(cell, &layout.name)?;
        weights::stored(self.bound.env(), &found, &layout.affixes, self.inner.arrays())
    }
}

impl<F: Real + Real32or64> Params<F> {
    /// Writes them to a `.safetensors` file, in a layout.
    ///
    /// # Errors
    ///
    /// Fails where the cell has no such layout, or the file cannot be written: it is then as it was.
    pub fn save(&self, path: impl AsRef<Path>, layout: &Layout) -> Result<(), Error> {
        let bytes = data::write_safetensors(&self.stored(layout)?, &Default::default())?;
        Ok(data::write_file(path.as_ref(), &bytes)?)
    }
}

impl<F: Real> Index<&str> for Params<F> {
    type Output = ArrayD<F>;

    /// # Panics
    ///
    /// Panics where there is no such param, as of any map; [`Params::get`] does not.
    fn index(&self, name: &str) -> &ArrayD<F> {
        match self.get(name) {
            Some(array) => array,
            None => panic!("cell `{}` has no param `{name}`", self.bound.cell().name),
        }
    }
}
