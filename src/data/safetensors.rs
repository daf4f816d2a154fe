//! Named arrays in the format of Hugging Face: a header of JSON, then all elements.
//!
//! The rules of the layout (no gap, no overlap, no byte without an owner) are checked by the
//! `safetensors` crate. The header is read here, because the crate keeps the last of two tensors
//! with the same name and builds a tree of all that the header holds before it looks at it; the
//! header is written here, because the crate writes the remarks in the order of a hash map.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::ArrayD;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::{
    DType, DataError, Real32or64, SafetensorsFault, Tensor, element,
    element::Layout,
    elements,
    safetensors_header::{Element, Header, Info, METADATA, Shape},
    stored::{Slice, Stored},
};

/// The longest header that is read and written, by the rules of the format.
const MAX_HEADER: usize = 100_000_000;

/// The most tensors that are read and written; the largest models have a third of it.
pub(super) const MAX_TENSORS: usize = 1 << 18;

/// The most remarks that are read and written.
pub(super) const MAX_REMARKS: usize = 4_096;

/// The beginning of the header: after its length.
const PREFIX: usize = size_of::<u64>();

/// The contents of a file of tensors.
#[derive(Clone, PartialEq, Debug)]
pub struct Safetensors {
    /// The tensors, sorted by name.
    pub tensors: Vec<(String, Tensor)>,
    /// The remarks about the file.
    pub metadata: BTreeMap<String, String>,
}

/// Reads all tensors, sorted by name.
pub fn read_safetensors(bytes: &[u8]) -> Result<Vec<(String, Tensor)>, DataError> {
    Ok(read_safetensors_with_metadata(bytes)?.tensors)
}

/// Reads all tensors, sorted by name, and the remarks about the file.
pub fn read_safetensors_with_metadata(bytes: &[u8]) -> Result<Safetensors, DataError> {
    let (Header { tensors, metadata }, start) = header(bytes)?;
    let data = &bytes[start..];
    let mut read = Vec::with_capacity(tensors.len());
    for (name, info) in tensors {
        let Info { dtype, shape: Shape(shape), data_offsets: (from, to) } = info;
        let layout = Layout { big_endian: false, fortran: false };
        let tensor = match dtype {
            Element::Known(dtype) => element::decode(dtype, layout, &shape, &data[from..to])
                .and_then(|values| Tensor::new(shape, dtype, values)),
            Element::Other(dtype) => Err(DataError::UnsupportedType { dtype }),
        };
        read.push((name.clone(), tensor.map_err(|error| error.in_tensor(&name))?));
    }
    Ok(Safetensors { tensors: read, metadata })
}

/// Returns all tensors, sorted by name, to be decoded when they are asked for.
pub(super) fn stored_safetensors(bytes: Arc<Vec<u8>>) -> Result<Vec<(String, Stored)>, DataError> {
    let (Header { tensors, metadata: _ }, start) = header(&bytes)?;
    let mut read = Vec::with_capacity(tensors.len());
    for (name, info) in tensors {
        let Info { dtype, shape: Shape(shape), data_offsets: (from, to) } = info;
        let range = start + from..start + to;
        let bytes = bytes.clone();
        let stored = match dtype {
            Element::Known(dtype) => {
                let slice =
                    Slice { bytes, range, dtype, big_endian: false, offset: 0, strides: None };
                Stored::slice(shape, slice).map_err(|error| error.in_tensor(&name))?
            }
            Element::Other(dtype) => Stored::unreadable(shape, dtype),
        };
        read.push((name, stored));
    }
    Ok(read)
}

/// Returns the header with its tensors sorted by name, and where the data begins. All tensors are within the data.
fn header(bytes: &[u8]) -> Result<(Header, usize), DataError> {
    let (header, start) = frame(bytes)?;
    let mut header: Header = serde_json::from_slice(header)
        .map_err(|error| SafetensorsFault::Header { message: error.to_string() })?;
    header.tensors.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    if let Some(twice) = header.tensors.windows(2).find(|it| it[0].0 == it[1].0) {
        return Err(SafetensorsFault::NameTwice { name: twice[0].0.clone() }.into());
    }
    check_layout(&header.tensors, start, bytes.len() - start)?;
    Ok((header, start))
}

/// Writes tensors, sorted by name, with remarks about the file. The same tensors give the same
/// bytes, in whatever order they come.
pub fn write_safetensors<F: Real32or64>(
    tensors: &[(String, ArrayD<F>)],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, DataError> {
    let outgoing = tensors.iter().map(|(name, array)| {
        let push = |bytes: &mut Vec<u8>| array.iter().for_each(|it| it.push_le(bytes));
        Outgoing { name, dtype: F::DTYPE, shape: array.shape(), push: Box::new(push) }
    });
    write(outgoing.collect(), metadata)
}

/// As [`write_safetensors`], each tensor in its type, to which its numbers are rounded. Whole
/// numbers and truth values are written as `f64`.
pub fn write_safetensors_as(
    tensors: &[(String, DType, ArrayD<f64>)],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, DataError> {
    let outgoing = tensors.iter().map(|(name, dtype, array)| {
        let dtype = if dtype.is_float() { *dtype } else { DType::F64 };
        let push = move |bytes: &mut Vec<u8>| {
            array.iter().for_each(|it| element::push_float(dtype, *it, bytes));
        };
        Outgoing { name, dtype, shape: array.shape(), push: Box::new(push) }
    });
    write(outgoing.collect(), metadata)
}

/// A tensor that is to be written.
struct Outgoing<'a> {
    name: &'a str,
    dtype: DType,
    shape: &'a [usize],
    /// Appends the elements in C order.
    push: Push<'a>,
}

type Push<'a> = Box<dyn Fn(&mut Vec<u8>) + 'a>;

fn write(
    mut sorted: Vec<Outgoing<'_>>,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, DataError> {
    if sorted.len() > MAX_TENSORS {
        return Err(SafetensorsFault::TooManyTensors { limit: MAX_TENSORS }.into());
    }
    if metadata.len() > MAX_REMARKS {
        let message = format!("more than {MAX_REMARKS} remarks");
        return Err(SafetensorsFault::Header { message }.into());
    }
    sorted.sort_by(|a, b| a.name.cmp(b.name));
    if let Some(twice) = sorted.windows(2).find(|it| it[0].name == it[1].name) {
        return Err(SafetensorsFault::NameTwice { name: twice[0].name.to_owned() }.into());
    }

    let json = |error: serde_json::Error| SafetensorsFault::Header { message: error.to_string() };
    let mut entries = Vec::with_capacity(sorted.len() + 1);
    if !metadata.is_empty() {
        let remarks = serde_json::to_string(metadata).map_err(json)?;
        entries.push(format!("\"{METADATA}\":{remarks}"));
    }
    let mut end = 0;
    for Outgoing { name, dtype, shape, push: _ } in &sorted {
        if *name == METADATA {
            return Err(SafetensorsFault::ReservedName.into());
        }
        if shape.len() > super::MAX_AXES {
            return Err(DataError::TooManyAxes.in_tensor(name));
        }
        let from = end;
        end += elements(shape)? * dtype.size();
        let info = TensorInfo {
            dtype: crate_dtype(*dtype),
            shape: shape.to_vec(),
            data_offsets: (from, end),
        };
        let name = serde_json::to_string(name).map_err(json)?;
        entries.push(format!("{name}:{}", serde_json::to_string(&info).map_err(json)?));
    }
    let mut header = format!("{{{}}}", entries.join(","));
    // The data begins at a multiple of 8 bytes; spaces fill the header up to it.
    let aligned = header.len().next_multiple_of(PREFIX);
    header.extend(std::iter::repeat_n(' ', aligned - header.len()));
    if header.len() > MAX_HEADER {
        let found = header.len() as u64;
        return Err(SafetensorsFault::HeaderTooLong { found, limit: MAX_HEADER }.into());
    }

    let mut bytes = Vec::with_capacity(PREFIX + header.len() + end);
    bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    for tensor in &sorted {
        (tensor.push)(&mut bytes);
    }
    Ok(bytes)
}

/// Returns the header, and the place where the data begins.
fn frame(bytes: &[u8]) -> Result<(&[u8], usize), SafetensorsFault> {
    let found = bytes.len();
    let Some(&length) = bytes.first_chunk::<PREFIX>() else {
        return Err(SafetensorsFault::HeaderCut { expected: PREFIX as u64, found });
    };
    let length = u64::from_le_bytes(length);
    let header = match usize::try_from(length) {
        Ok(length) if length <= MAX_HEADER => bytes.get(PREFIX..PREFIX + length),
        _ => return Err(SafetensorsFault::HeaderTooLong { found: length, limit: MAX_HEADER }),
    };
    match header {
        Some(header) => Ok((header, PREFIX + header.len())),
        None => Err(SafetensorsFault::HeaderCut { expected: PREFIX as u64 + length, found }),
    }
}

/// Checks that each tensor has as many bytes as its shape needs, and that together they are the
/// data: then each range is one of the file. Of a type that is not read only the range is known.
fn check_layout(tensors: &[(String, Info)], start: usize, found: usize) -> Result<(), DataError> {
    let mut infos = Vec::with_capacity(tensors.len());
    for (name, Info { dtype, shape: Shape(shape), data_offsets: (from, to) }) in tensors {
        let offsets =
            |message| DataError::from(SafetensorsFault::Offsets { message }).in_tensor(name);
        let length = to.checked_sub(*from);
        let (dtype, shape) = match dtype {
            Element::Known(dtype) => {
                let needed = elements(shape).map_err(|error| error.in_tensor(name))? * dtype.size();
                if length != Some(needed) {
                    return Err(offsets(format!(
                        "shape {shape:?} needs {needed} bytes, and it has {from} to {to}"
                    )));
                }
                (crate_dtype(*dtype), shape.clone())
            }
            Element::Other(_) => {
                let length = length.ok_or_else(|| offsets(format!("it has {from} to {to}")))?;
                (Dtype::U8, vec![length])
            }
        };
        infos.push((name.clone(), TensorInfo { dtype, shape, data_offsets: (*from, *to) }));
    }
    infos.sort_by_key(|(_, info)| info.data_offsets);
    let layout = Metadata::new(None, infos)
        .map_err(|error| SafetensorsFault::Offsets { message: error.to_string() })?;
    let expected = layout.data_len();
    if found != expected {
        return Err(SafetensorsFault::Length { start, expected, found }.into());
    }
    Ok(())
}

/// Returns the type, as the crate calls it.
fn crate_dtype(dtype: DType) -> Dtype {
    match dtype {
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
        DType::I8 => Dtype::I8,
        DType::I16 => Dtype::I16,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        DType::U8 => Dtype::U8,
        DType::U16 => Dtype::U16,
        DType::U32 => Dtype::U32,
        DType::U64 => Dtype::U64,
        DType::Bool => Dtype::BOOL,
    }
}
