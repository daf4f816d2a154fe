//! A tensor in a file of several, which is decoded when it is asked for.

use std::ops::Range;
use std::sync::Arc;

use super::{ArchiveFault, DType, DataError, Tensor, element, element::Layout, elements, npy};

/// A view of elements may repeat them, and then it needs more memory than the file has: up to this many elements.
const MAX_REPEATED: usize = 1 << 16;

/// A tensor in a file. Its shape is known, its elements are decoded when they are asked for; so one of a type that cannot
/// be read is no obstacle to those who do not want it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The length of each axis.
    pub shape: Vec<usize>,
    source: ElementSource,
}

#[derive(Clone, Debug)]
enum ElementSource {
    Tensor(Tensor),
    Slice(Slice),
    /// A `.npy` within the bytes.
    Npy(Arc<Vec<u8>>, Range<usize>),
    /// The elements have a type that is not read.
    Unreadable(String),
}

/// Elements within the bytes of a file.
#[derive(Clone, Debug)]
pub(super) struct Slice {
    pub bytes: Arc<Vec<u8>>,
    pub range: Range<usize>,
    pub dtype: DType,
    pub big_endian: bool,
    /// The position of the first element in the range.
    pub offset: usize,
    /// The elements that each axis steps over; none if all lie in C order.
    pub strides: Option<Vec<usize>>,
}

impl From<Tensor> for Stored {
    fn from(tensor: Tensor) -> Stored {
        Stored { shape: tensor.shape.clone(), source: ElementSource::Tensor(tensor) }
    }
}

impl Stored {
    /// Returns the elements. Messages do not name the tensor.
    pub fn tensor(&self) -> Result<Tensor, DataError> {
        match &self.source {
            ElementSource::Tensor(tensor) => Ok(tensor.clone()),
            ElementSource::Slice(slice) => slice.tensor(&self.shape),
            ElementSource::Npy(bytes, range) => npy::read_npy(&bytes[range.clone()]),
            ElementSource::Unreadable(dtype) => {
                Err(DataError::UnsupportedType { dtype: dtype.clone() })
            }
        }
    }

    /// Returns a tensor whose elements have a type that is not read.
    pub(super) fn unreadable(shape: Vec<usize>, dtype: String) -> Stored {
        Stored { shape, source: ElementSource::Unreadable(dtype) }
    }

    /// Returns a `.npy` within the bytes.
    pub(super) fn npy(bytes: Arc<Vec<u8>>, range: Range<usize>) -> Result<Stored, DataError> {
        let shape = npy::shape_of(&bytes[range.clone()])?;
        Ok(Stored { shape, source: ElementSource::Npy(bytes, range) })
    }

    /// Elements within the bytes; refused if some of them are not there.
    pub(super) fn slice(shape: Vec<usize>, slice: Slice) -> Result<Stored, DataError> {
        if shape.len() > super::MAX_AXES {
            return Err(DataError::TooManyAxes);
        }
        let count = elements(&shape)?;
        let there = slice.range.len() / slice.dtype.size();
        let span = match &slice.strides {
            _ if count == 0 => Some(0),
            None => Some(count),
            Some(strides) => {
                let last = shape.iter().zip(strides).try_fold(0usize, |last, (size, stride)| {
                    last.checked_add((size - 1).checked_mul(*stride)?)
                });
                last.and_then(|it| it.checked_add(1))
            }
        };
        let fits = span.and_then(|it| it.checked_add(slice.offset)).is_some_and(|it| it <= there);
        if !fits || (count > there && count > MAX_REPEATED) {
            let message =
                format!("shape {shape:?} needs more than the {there} elements that are there");
            return Err(ArchiveFault::Tensor { message }.into());
        }
        Ok(Stored { shape, source: ElementSource::Slice(slice) })
    }
}

impl Slice {
    fn tensor(&self, shape: &[usize]) -> Result<Tensor, DataError> {
        let size = self.dtype.size();
        let bytes = &self.bytes[self.range.clone()];
        let layout = Layout { big_endian: self.big_endian, fortran: false };
        let count = elements(shape)?;
        let decode = |bytes: &[u8]| {
            let values = element::decode(self.dtype, layout, shape, bytes)?;
            Tensor::new(shape.to_vec(), self.dtype, values)
        };
        let strides = self.strides.as_deref().filter(|it| count > 0 && !is_plain(shape, it));
        let Some(strides) = strides else {
            let from = if count == 0 { 0 } else { self.offset * size };
            return decode(&bytes[from..from + count * size]);
        };
        let mut gathered = Vec::new();
        gathered
            .try_reserve_exact(count * size)
            .map_err(|_| DataError::OutOfMemory { bytes: count * size })?;
        let mut index = vec![0; shape.len()];
        for _ in 0..count {
            let at: usize = index.iter().zip(strides).map(|(index, stride)| index * stride).sum();
            let from = (self.offset + at) * size;
            gathered.extend_from_slice(&bytes[from..from + size]);
            for (index, size) in index.iter_mut().zip(shape).rev() {
                *index += 1;
                if *index < *size {
                    break;
                }
                *index = 0;
            }
        }
        decode(&gathered)
    }
}

/// Returns true if strides are those of C order. An axis of length 1 may have any.
fn is_plain(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(size, stride)| {
        let plain = *size == 1 || *stride == expected;
        expected *= size;
        plain
    })
}
