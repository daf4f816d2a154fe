//! Weights from files, whose tensors say the sizes.

use std::path::Path;
use std::sync::Arc;

use super::cell::{Cell, Layout};
use super::params::Params;
use crate::api::{Error, Weights, infer_sizes, weights};
use crate::data::{self, DataError};
use crate::diag::Code;
use crate::exec;
use crate::ir::Real;
use crate::text::Name;

impl Cell {
    /// Reads weights from a file: `.safetensors`, a list of its shards, `.npz`, or what `torch.save` writes. Sizes that are not
    /// set follow from the tensors, and the cell that they are of comes with them.
    ///
    /// ```
    /// use rnnc::{Cell, Layout};
    ///
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let file = dir.path().join("model.safetensors");
    /// # let made = Cell::std("lstm")?.bind([("I", 3), ("H", 4)])?.init::<f32>(0)?;
    /// # made.save(&file, &Layout::named("pytorch").prefix("encoder.rnn.").suffix("_l0"))?;
    /// let layout = Layout::named("pytorch").prefix("encoder.rnn.");
    /// let (cell, params) = Cell::std("lstm")?.load::<f32>(&file, &layout)?;
    /// assert_eq!((cell.size("I"), cell.size("H")), (Some(3), Some(4)));
    /// assert_eq!(params["U_f"].shape(), [4, 4]);
    /// # Ok::<(), rnnc::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read, lacks a tensor or has others, or the shapes do not fit.
    pub fn load<F: Real>(
        &self,
        path: impl AsRef<Path>,
        layout: &Layout,
    ) -> Result<(Cell, Params<F>), Error> {
        let path = path.as_ref();
        let mut read = |path: &Path| -> Result<Vec<u8>, DataError> { data::read_file(path) };
        let tensors = data::read_weights(path, &mut read)?;
        let cell = self.own.ir();
        let of_file = |it: Error| it.of_file(path);
        let found = weights::layout(cell, &layout.name)?;
        let found = Weights::find(cell, found, &layout.affixes, tensors).map_err(of_file)?;
        let bad = |message: String| of_file(Error::fit(Code::WeightsDoNotFit, message));
        let (missing, extra) = (found.missing(cell), found.extra());
        if !missing.is_empty() {
            let near = found.prefix_in_file();
            let near = near.map(|it| format!("; it has such names after the prefix `{it}`"));
            let missing = missing.join(", ");
            return Err(bad(format!("no tensor for {missing}{}", near.unwrap_or_default())));
        }
        if !extra.is_empty() && !layout.ignores_extra {
            return Err(bad(format!("the cell has no {}", extra.join(", "))));
        }
        let sizes = infer_sizes(cell, &self.sizes, &found.evidence(cell)).map_err(of_file)?;
        let own = |name: &Name| cell.dims.iter().any(|it| it.name == *name && it.like.is_none());
        let sizes = sizes.into_iter().filter(|it| own(&it.0)).collect();
        let mut cell = self.clone();
        cell.sizes = sizes;
        let bound = cell.bound()?;
        let params = found.params(bound.cell(), bound.env()).map_err(of_file)?;
        let params = params.into_iter().enumerate().map(|(at, it)| match it {
            Some(array) => Ok(array),
            None => Ok(exec::init_param(&bound, at, 0)?),
        });
        let inner = exec::Params::new(params.collect::<Result<_, Error>>()?);
        Ok((cell, Params { bound: Arc::new(bound), inner }))
    }
}
