//! The Rust half of the Python package: it takes arrays and positions. Names, mappings and axes are Python's
//! (`python/rnnc`), where messages are easy.
//!
//! Every entry catches panics, and lets other threads of Python run while it computes.

mod arrays;
mod bound;
mod engine;
mod error;
mod spec;

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the command line and gives its exit code.
#[pyfunction]
fn main(py: Python<'_>, args: Vec<OsString>) -> PyResult<u8> {
    error::guard(py, || Ok(py.detach(|| rnnc::cli::run(args))))
}

/// The module that the package builds on; its names may change.
#[pymodule(gil_used = false)]
fn _rnnc(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<spec::Spec>()?;
    module.add_class::<spec::Cell>()?;
    module.add_class::<bound::Bound>()?;
    module.add_class::<bound::Params>()?;
    module.add_class::<bound::Weights>()?;
    module.add_class::<engine::Engine>()?;
    module.add_class::<engine::Run>()?;
    module.add_class::<engine::Stream>()?;
    module.add_function(wrap_pyfunction!(main, module)?)?;
    module.add_function(wrap_pyfunction!(spec::parse, module)?)?;
    module.add_function(wrap_pyfunction!(spec::load, module)?)?;
    module.add_function(wrap_pyfunction!(spec::library_file, module)?)?;
    module.add_function(wrap_pyfunction!(spec::library, module)?)?;
    module.add_function(wrap_pyfunction!(spec::check, module)?)?;
    module.add_function(wrap_pyfunction!(spec::explain, module)?)?;
    module.add_function(wrap_pyfunction!(spec::unbundle, module)?)?;
    module.add_function(wrap_pyfunction!(bound::keep, module)?)?;
    module.add_function(wrap_pyfunction!(bound::find_weights, module)?)?;
    module.add_function(wrap_pyfunction!(bound::read_weights, module)?)?;
    module.add_function(wrap_pyfunction!(bound::write_weights, module)?)?;
    Ok(())
}
