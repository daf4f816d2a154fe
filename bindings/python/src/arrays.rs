//! Arrays of NumPy as views, and arrays of the library as NumPy's: neither way copies a number.

use ndarray::{ArrayD, ArrayViewD};
use numpy::{PyArray, PyReadonlyArrayDyn};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use rnnc::ir::Real;

/// f32 and f64, as both sides have them.
pub trait Number: Real + numpy::Element {}

impl Number for f32 {}
impl Number for f64 {}

/// A lent array of NumPy.
pub type Lent<'py, F> = PyReadonlyArrayDyn<'py, F>;

/// Borrows an array of this type.
pub fn borrow<'py, F: Number>(it: &Bound<'py, PyAny>) -> PyResult<Lent<'py, F>> {
    it.extract::<Lent<'py, F>>().map_err(|_| {
        PyTypeError::new_err(format!("expected an array of {}, aligned and native", F::NAME))
    })
}

/// Borrows all of them.
pub fn borrow_all<'py, F: Number>(
    all: &[Option<Bound<'py, PyAny>>],
) -> PyResult<Vec<Option<Lent<'py, F>>>> {
    all.iter().map(|it| it.as_ref().map(borrow::<F>).transpose()).collect()
}

/// The views of borrowed arrays.
pub fn views<'a, F: Number>(all: &'a [Option<Lent<'_, F>>]) -> Vec<Option<ArrayViewD<'a, F>>> {
    all.iter().map(|it| it.as_ref().map(|it| it.as_array())).collect()
}

/// Hands an array over to NumPy.
pub fn give<'py, F: Number>(py: Python<'py>, array: ArrayD<F>) -> Bound<'py, PyAny> {
    PyArray::from_owned_array(py, array).into_any()
}

/// Hands over arrays, and `None` for what there is none of.
pub fn give_all<'py, F: Number>(
    py: Python<'py>,
    all: impl IntoIterator<Item = Option<ArrayD<F>>>,
) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for it in all {
        match it {
            Some(array) => list.append(give(py, array))?,
            None => list.append(py.None())?,
        }
    }
    Ok(list)
}
