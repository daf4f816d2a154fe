//! Cells with sizes: their params, drawn, given or taken from the tensors of a layout.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::ArrayD;
use pyo3::prelude::*;
use pyo3::types::PyList;
use rnnc::api::{self, Affixes, infer_sizes, weights};
use rnnc::data::{self, DType, DataError, Stored, Tensor};
use rnnc::diag::Code;
use rnnc::exec::layout::take_apart;
use rnnc::exec::{self, init_param};
use rnnc::ir::{self, Env, Feedback, Gives, Mode};
use rnnc::text::Name;
use serde_json::json;

use crate::arrays::{Number, borrow, borrow_all, give, give_all, views};
use crate::engine::{Engine, Options};
use crate::error::{Fault, guard};

/// A cell whose sizes are fixed.
#[pyclass(frozen, module = "rnnc._rnnc")]
pub struct Bound(pub exec::Bound);

/// Params that an engine packs once.
#[pyclass(frozen, module = "rnnc._rnnc")]
pub struct Params(pub Typed);

/// Params in their type.
pub enum Typed {
    Single(exec::Params<f32>),
    Double(exec::Params<f64>),
}

/// A type whose params Python can hold.
pub trait Held: Number {
    fn hold(params: exec::Params<Self>) -> Typed;
    fn held(params: &Typed) -> Option<&exec::Params<Self>>;
}

impl Held for f32 {
    fn hold(params: exec::Params<f32>) -> Typed {
        Typed::Single(params)
    }

    fn held(params: &Typed) -> Option<&exec::Params<f32>> {
        match params {
            Typed::Single(it) => Some(it),
            Typed::Double(_) => None,
        }
    }
}

impl Held for f64 {
    fn hold(params: exec::Params<f64>) -> Typed {
        Typed::Double(params)
    }

    fn held(params: &Typed) -> Option<&exec::Params<f64>> {
        match params {
            Typed::Double(it) => Some(it),
            Typed::Single(_) => None,
        }
    }
}

/// Keeps arrays of the shapes of the params of a cell.
#[pyfunction]
pub fn keep(py: Python<'_>, arrays: Vec<pyo3::Bound<'_, PyAny>>, double: bool) -> PyResult<Params> {
    guard(py, || match double {
        true => keep_typed::<f64>(py, &arrays),
        false => keep_typed::<f32>(py, &arrays),
    })
}

fn keep_typed<F: Held>(py: Python<'_>, arrays: &[pyo3::Bound<'_, PyAny>]) -> Result<Params, Fault> {
    let lent = arrays.iter().map(borrow::<F>).collect::<PyResult<Vec<_>>>()?;
    let views: Vec<_> = lent.iter().map(|it| it.as_array()).collect();
    let own = py.detach(|| views.iter().map(|it| it.to_owned()).collect());
    Ok(Params(F::hold(exec::Params::new(own))))
}

type Names = Vec<(String, Vec<usize>)>;

fn named<'n>(names: impl Iterator<Item = &'n Name>, shapes: &[Vec<usize>]) -> Names {
    names.map(ToString::to_string).zip(shapes.iter().cloned()).collect()
}

#[pymethods]
impl Bound {
    /// Names and sizes as JSON.
    fn info(&self) -> String {
        let (bound, cell) = (&self.0, self.0.cell());
        let outputs: Vec<Vec<usize>> =
            (0..cell.outputs.len()).map(|it| bound.output_shape(it).to_vec()).collect();
        let sizes: BTreeMap<&str, i64> =
            bound.env().sizes.iter().map(|(name, size)| (&**name, *size)).collect();
        let hypers: BTreeMap<&str, f64> =
            bound.env().hypers.iter().map(|(name, value)| (&**name, *value)).collect();
        let info = json!({
            "sizes": sizes,
            "hypers": hypers,
            "params": named(cell.params.iter().map(|it| &it.name), bound.param_shapes()),
            "inputs": named(cell.inputs.iter().map(|it| &it.name), bound.input_shapes()),
            "given": cell.inputs.iter().map(|it| it.is_given()).collect::<Vec<_>>(),
            "states": named(cell.carries.iter().map(|it| &it.name), bound.carry_shapes()),
            "outputs": named(cell.outputs.iter().map(|it| &it.name), &outputs),
            "masks": named(cell.masks.iter().map(|it| &it.name), bound.mask_shapes()),
            "param_count": bound.param_count(),
        });
        info.to_string()
    }

    /// The cell that a model is in a mode: `feedback` is `teacher` or `own`, `gives` `loss`, `outputs` or `both`.
    fn plain(&self, py: Python<'_>, feedback: &str, gives: &str) -> PyResult<Bound> {
        guard(py, || {
            let feedback = match feedback {
                "teacher" => Feedback::Teacher,
                "own" => Feedback::Own,
                "scheduled" => Feedback::Scheduled,
                other => {
                    let message = format!("feedback is \"teacher\" or \"own\", not {other:?}");
                    return Err(Fault::Data(Some(Code::BadSetting), message));
                }
            };
            let gives = match gives {
                "loss" => Gives::Loss,
                "outputs" => Gives::Outputs,
                _ => Gives::Both,
            };
            Ok(Bound(self.0.plain(&Mode::new(feedback, gives))?))
        })
    }

    /// Draws all params.
    fn init<'py>(
        &self,
        py: Python<'py>,
        seed: u64,
        double: bool,
    ) -> PyResult<pyo3::Bound<'py, PyList>> {
        guard(py, || match double {
            true => self.draw::<f64>(py, seed),
            false => self.draw::<f32>(py, seed),
        })
    }

    /// The params that stored tensors, in the order of the layout's names, hold.
    fn take_apart<'py>(
        &self,
        py: Python<'py>,
        layout: &str,
        stored: Vec<pyo3::Bound<'py, PyAny>>,
        double: bool,
    ) -> PyResult<pyo3::Bound<'py, PyList>> {
        guard(py, || match double {
            true => self.apart::<f64>(py, layout, &stored),
            false => self.apart::<f32>(py, layout, &stored),
        })
    }

    /// The tensors of a layout, made of all params, with their names.
    fn put_together<'py>(
        &self,
        py: Python<'py>,
        layout: &str,
        affixes: (String, Option<String>),
        params: Vec<pyo3::Bound<'py, PyAny>>,
        double: bool,
    ) -> PyResult<Vec<(String, pyo3::Bound<'py, PyAny>)>> {
        guard(py, || match double {
            true => self.together::<f64>(py, layout, affixes, &params),
            false => self.together::<f32>(py, layout, affixes, &params),
        })
    }

    /// The gradients of the tensors of a layout, from those of the params.
    fn stored_gradients<'py>(
        &self,
        py: Python<'py>,
        layout: &str,
        gradients: Vec<Option<pyo3::Bound<'py, PyAny>>>,
        double: bool,
    ) -> PyResult<pyo3::Bound<'py, PyList>> {
        guard(py, || match double {
            true => self.slopes::<f64>(py, layout, &gradients),
            false => self.slopes::<f32>(py, layout, &gradients),
        })
    }

    fn engine(&self, py: Python<'_>, options: Options) -> PyResult<Engine> {
        guard(py, || Engine::new(py, &self.0, options))
    }
}

impl Bound {
    fn draw<'py, F: Held>(
        &self,
        py: Python<'py>,
        seed: u64,
    ) -> Result<pyo3::Bound<'py, PyList>, Fault> {
        let drawn = py.detach(|| self.0.init::<F>(seed))?;
        Ok(give_all(py, drawn.into_arrays().into_iter().map(Some))?)
    }

    fn layout(&self, name: &str) -> Result<ir::Layout, Fault> {
        Ok(weights::layout(self.0.cell(), name)?)
    }

    fn apart<'py, F: Held>(
        &self,
        py: Python<'py>,
        layout: &str,
        stored: &[pyo3::Bound<'py, PyAny>],
    ) -> Result<pyo3::Bound<'py, PyList>, Fault> {
        let layout = self.layout(layout)?;
        let lent = stored.iter().map(borrow::<F>).collect::<PyResult<Vec<_>>>()?;
        let mut stored = lent.iter().map(|it| it.as_array());
        let cell = self.0.cell();
        let mut params: Vec<Option<ArrayD<F>>> = cell.params.iter().map(|_| None).collect();
        for row in &layout.rows {
            let all: Vec<_> = stored.by_ref().take(row.stored.len()).collect();
            let Some((first, others)) = all.split_first() else { continue };
            let mut give = |param: usize, part: ndarray::ArrayViewD<'_, F>| {
                if let Some(slot) = params.get_mut(param) {
                    *slot = Some(part.to_owned());
                }
            };
            let done = if others.is_empty() {
                take_apart(cell, self.0.env(), row, first.view(), &mut give)
            } else {
                let mut sum = first.to_owned();
                for other in others {
                    if other.shape() != sum.shape() {
                        let message =
                            format!("the tensors {} differ in shape", row.stored.join(", "));
                        return Err(Fault::Data(Some(Code::WeightsDoNotFit), message));
                    }
                    sum += other;
                }
                take_apart(cell, self.0.env(), row, sum.view(), &mut give)
            };
            done.map_err(|it| {
                let message = format!("tensor `{}`: {it}", row.stored.join(", "));
                Fault::Data(Some(Code::WeightsDoNotFit), message)
            })?;
        }
        Ok(give_all(py, params)?)
    }

    fn together<'py, F: Held>(
        &self,
        py: Python<'py>,
        layout: &str,
        (prefix, suffix): (String, Option<String>),
        params: &[pyo3::Bound<'py, PyAny>],
    ) -> Result<Vec<(String, pyo3::Bound<'py, PyAny>)>, Fault> {
        let layout = self.layout(layout)?;
        let lent = params.iter().map(borrow::<F>).collect::<PyResult<Vec<_>>>()?;
        let own: Vec<ArrayD<F>> = lent.iter().map(|it| it.as_array().to_owned()).collect();
        let stored = weights::stored(self.0.env(), &layout, &Affixes { prefix, suffix }, &own)?;
        Ok(stored.into_iter().map(|(name, array)| (name, give(py, array))).collect())
    }

    fn slopes<'py, F: Held>(
        &self,
        py: Python<'py>,
        layout: &str,
        gradients: &[Option<pyo3::Bound<'py, PyAny>>],
    ) -> Result<pyo3::Bound<'py, PyList>, Fault> {
        let layout = self.layout(layout)?;
        let lent = borrow_all::<F>(gradients)?;
        let (cell, env, none) = (self.0.cell(), self.0.env(), Affixes::default());
        let stored = weights::stored_gradients(cell, env, &layout, &none, &views(&lent))?;
        Ok(give_all(py, stored.into_iter().map(|it| Some(it.1)))?)
    }
}

/// The tensors of a file, or of a mapping, that belong to a cell.
#[pyclass(frozen, module = "rnnc._rnnc")]
pub struct Weights {
    found: api::Weights,
    cell: ir::Cell,
}

/// Finds the tensors of a layout among arrays of f64.
#[pyfunction]
pub fn find_weights(
    py: Python<'_>,
    cell: PyRef<'_, crate::spec::Cell>,
    layout: &str,
    affixes: (String, Option<String>),
    tensors: Vec<(String, pyo3::Bound<'_, PyAny>)>,
) -> PyResult<Weights> {
    guard(py, || {
        let cell = cell.ir();
        let layout = weights::layout(cell, layout)?;
        let mut all: Vec<(String, Stored)> = Vec::new();
        for (name, array) in &tensors {
            let values = borrow::<f64>(array)?.as_array().to_owned();
            let tensor = Tensor { shape: values.shape().to_vec(), dtype: DType::F64, values };
            all.push((name.clone(), tensor.into()));
        }
        let affixes = Affixes { prefix: affixes.0, suffix: affixes.1 };
        let found = api::Weights::find(cell, layout, &affixes, all)?;
        Ok(Weights { found, cell: cell.clone() })
    })
}

/// Finds the tensors of a layout in a file.
#[pyfunction]
pub fn read_weights(
    py: Python<'_>,
    cell: PyRef<'_, crate::spec::Cell>,
    layout: &str,
    affixes: (String, Option<String>),
    path: &str,
) -> PyResult<Weights> {
    let cell = cell.ir();
    guard(py, || {
        py.detach(|| {
            let layout = weights::layout(cell, layout)?;
            let mut read = |it: &Path| data::read_file(it);
            let tensors = data::read_weights::<DataError>(Path::new(path), &mut read)?;
            let affixes = Affixes { prefix: affixes.0, suffix: affixes.1 };
            let found = api::Weights::find(cell, layout, &affixes, tensors)?;
            Ok(Weights { found, cell: cell.clone() })
        })
    })
}

/// Writes tensors of f32 or f64 as `.safetensors`.
#[pyfunction]
pub fn write_weights(
    py: Python<'_>,
    path: &str,
    tensors: Vec<(String, pyo3::Bound<'_, PyAny>)>,
    double: bool,
    metadata: BTreeMap<String, String>,
) -> PyResult<()> {
    fn bytes<F: Number + data::Real32or64>(
        tensors: &[(String, pyo3::Bound<'_, PyAny>)],
        metadata: &BTreeMap<String, String>,
    ) -> Result<Vec<u8>, Fault> {
        let mut all = Vec::new();
        for (name, array) in tensors {
            all.push((name.clone(), borrow::<F>(array)?.as_array().to_owned()));
        }
        Ok(data::write_safetensors(&all, metadata)?)
    }
    guard(py, || {
        let bytes = match double {
            true => bytes::<f64>(&tensors, &metadata)?,
            false => bytes::<f32>(&tensors, &metadata)?,
        };
        Ok(py.detach(|| data::write_file(Path::new(path), &bytes))?)
    })
}

#[pymethods]
impl Weights {
    /// Returns the missing names, the extra ones, a prefix under which the file has names of the layout, and such suffixes.
    fn told(&self) -> (Vec<String>, Vec<String>, Option<String>, Vec<String>) {
        let prefix = self.found.prefix_in_file().map(str::to_owned);
        let suffixes = self.found.suffixes_in_file().to_vec();
        (self.found.missing(&self.cell), self.found.extra(), prefix, suffixes)
    }

    /// The sizes that were set and those that follow.
    fn sizes(&self, py: Python<'_>, set: BTreeMap<String, i64>) -> PyResult<Vec<(String, i64)>> {
        guard(py, || {
            let set = set.into_iter().map(|(name, size)| (Name::from(name), size)).collect();
            let sizes = infer_sizes(&self.cell, &set, &self.found.evidence(&self.cell))?;
            Ok(sizes.into_iter().map(|(name, size)| (name.to_string(), size)).collect())
        })
    }

    /// All params; those that are missing are drawn.
    fn params<'py>(
        &self,
        py: Python<'py>,
        bound: PyRef<'py, Bound>,
        seed: u64,
        double: bool,
    ) -> PyResult<pyo3::Bound<'py, PyList>> {
        guard(py, || match double {
            true => self.give::<f64>(py, &bound.0, seed),
            false => self.give::<f32>(py, &bound.0, seed),
        })
    }
}

impl Weights {
    fn give<'py, F: Held>(
        &self,
        py: Python<'py>,
        bound: &exec::Bound,
        seed: u64,
    ) -> Result<pyo3::Bound<'py, PyList>, Fault> {
        let env = Env { sizes: bound.env().sizes.clone(), ..Env::default() };
        let found = self.found.params::<F>(&self.cell, &env)?;
        let mut all = Vec::new();
        for (param, found) in found.into_iter().enumerate() {
            all.push(Some(match found {
                Some(array) => array,
                None => init_param(bound, param, seed)?,
            }));
        }
        Ok(give_all(py, all)?)
    }
}
