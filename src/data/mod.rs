//! Array files: reading and writing `.npy`, tables and `.safetensors`; reading `.npz` and what `torch.save` writes.
//!
//! Nothing that a file says is trusted. Every header is checked against the length of the file
//! before anything of the size that it names is allocated, so a few bytes can never ask for
//! gigabytes. What is read becomes `f64` in C order, whatever it was on disk; that is exact for
//! every float type that we read, and an integer for which it is not is an error. So an array in
//! memory takes 8 bytes for each element that the file really holds, and no more.
//!
//! A reader takes bytes and knows no path; [`DataError::in_file`] adds it. Only [`read_file`],
//! [`write_file`], [`training`], [`Place`], which tells files apart, and [`Folder`], which finds the files that a spec uses, touch the disk.

#![cfg_attr(not(feature = "formats"), allow(dead_code, reason = "parts that only archives need"))]

#[cfg(feature = "formats")]
mod cells;
mod compare;
#[cfg(feature = "formats")]
mod csv;
mod element;
mod error;
mod file;
mod folder;
mod npy;
mod npy_header;
#[cfg(feature = "formats")]
mod pickle;
mod place;
mod safetensors;
mod safetensors_header;
mod stored;
#[cfg(feature = "formats")]
mod table;
mod table_fault;
#[cfg(feature = "formats")]
mod torch;
#[cfg(feature = "formats")]
pub mod training;
#[cfg(feature = "formats")]
mod weights;
mod write;
#[cfg(feature = "formats")]
mod zip;

#[cfg(feature = "formats")]
pub use cells::{read_cells, read_names};
pub use compare::{Worst, worst};
#[cfg(feature = "formats")]
pub use csv::{csv_cell, write_csv, write_csv_numbered};
pub use element::{DType, Real32or64};
pub use error::{ArchiveFault, DataError, NpyFault, SafetensorsFault};
pub use file::{MAX_STREAM, read_file};
pub use folder::{Folder, FolderError};
pub use npy::{read_npy, write_npy, write_npy_whole};
pub use place::{Place, check_folder, check_writable};
pub use safetensors::{
    Safetensors, read_safetensors, read_safetensors_with_metadata, write_safetensors,
    write_safetensors_as,
};
pub use stored::Stored;
#[cfg(feature = "formats")]
pub use table::{Decimal, Missing, Table, TableOptions, parse_lengths, read_csv, read_table};
pub use table_fault::CsvFault;
#[cfg(feature = "formats")]
pub use weights::{FileKind, read_named, read_weights};
pub use write::write_file;

use ndarray::{ArrayD, IxDyn};

/// The most axes that an array in a file may have; nothing that a cell takes or gives comes near.
pub const MAX_AXES: usize = 8;

/// An array as it was read from a file.
#[derive(Clone, PartialEq, Debug)]
pub struct Tensor {
    /// The length of each axis.
    pub shape: Vec<usize>,
    /// The type of the elements in the file.
    pub dtype: DType,
    /// The elements, converted without loss, in C order.
    pub values: ArrayD<f64>,
}

impl Tensor {
    /// Joins a shape and its elements. They fit, because the caller decoded just as many.
    fn new(shape: Vec<usize>, dtype: DType, values: Vec<f64>) -> Result<Tensor, DataError> {
        match ArrayD::from_shape_vec(IxDyn(&shape), values) {
            Ok(values) => Ok(Tensor { shape, dtype, values }),
            Err(_) => Err(DataError::ShapeTooLarge { shape }),
        }
    }
}

/// The number of elements of a shape, or an error if no memory could hold them as `f64`.
///
/// Axes of length 0 are left out of the check for overflow and make the result 0: `[0, 2^62, 2^62]`
/// holds nothing, and yet its strides could not be computed.
fn elements(shape: &[usize]) -> Result<usize, DataError> {
    let too_large = || DataError::ShapeTooLarge { shape: shape.to_vec() };
    let mut product = 1usize;
    for &axis in shape.iter().filter(|it| **it != 0) {
        product = product.checked_mul(axis).ok_or_else(too_large)?;
    }
    let bytes = product.checked_mul(size_of::<f64>()).ok_or_else(too_large)?;
    if isize::try_from(bytes).is_err() {
        return Err(too_large());
    }
    Ok(if shape.contains(&0) { 0 } else { product })
}
