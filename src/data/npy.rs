//! Arrays in the format of NumPy: a magic word, a header of text, the elements.
//!
//! Read are the versions 1.0, 2.0 and 3.0, both byte orders, both axis orders; written is version
//! 1.0, in C order with the lowest byte first.

use ndarray::ArrayViewD;

use super::{
    DType, DataError, NpyFault, Real32or64, Tensor, element,
    element::Layout,
    elements,
    npy_header::{self, Header},
};

const MAGIC: &[u8] = b"\x93NUMPY";

/// The longest header that is read. One of numbers needs about a hundred bytes; NumPy has the same
/// bound.
const MAX_HEADER: usize = 10_000;

/// The data begins at a multiple of this, so that it can be mapped into memory.
const ALIGNMENT: usize = 64;

/// Reads an array. Anything after its last element is an error, as is anything missing.
pub fn read_npy(bytes: &[u8]) -> Result<Tensor, DataError> {
    let (header, start) = frame(bytes)?;
    let Header { descr, fortran, shape } = npy_header::parse(header, start - header.len())?;
    let (dtype, big_endian) =
        dtype(&descr).ok_or_else(|| DataError::UnsupportedType { dtype: descr.clone() })?;
    // `elements` leaves room for 8 bytes each, so the product cannot overflow.
    let expected = elements(&shape)? * dtype.size();
    let data = &bytes[start..];
    if data.len() != expected {
        return Err(NpyFault::Length { shape, start, expected, found: data.len() }.into());
    }
    let values = element::decode(dtype, Layout { big_endian, fortran }, &shape, data)?;
    Tensor::new(shape, dtype, values)
}

/// Returns the shape that the header says; whether there is as much data, reading tells.
pub(super) fn shape_of(bytes: &[u8]) -> Result<Vec<usize>, DataError> {
    let (header, start) = frame(bytes)?;
    Ok(npy_header::parse(header, start - header.len())?.shape)
}

/// Writes an array in the order of its axes, whatever its strides are.
pub fn write_npy<F: Real32or64>(array: &ArrayViewD<'_, F>) -> Vec<u8> {
    let size = F::DTYPE.size();
    let mut bytes = header(&format!("f{size}"), array.shape(), array.len() * size);
    for value in array {
        value.push_le(&mut bytes);
    }
    bytes
}

/// Writes whole numbers, as [`write_npy`] writes others.
pub fn write_npy_whole(array: &ArrayViewD<'_, i64>) -> Vec<u8> {
    let mut bytes = header("i8", array.shape(), array.len() * size_of::<i64>());
    for value in array {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes
}

/// Returns the bytes before the elements, with room for these.
fn header(descr: &str, shape: &[usize], room: usize) -> Vec<u8> {
    let shape = match shape {
        [length] => format!("({length},)"),
        lengths => {
            let lengths: Vec<String> = lengths.iter().map(usize::to_string).collect();
            format!("({})", lengths.join(", "))
        }
    };
    let mut header = format!("{{'descr': '<{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let before = MAGIC.len() + 4;
    let data = (before + header.len() + 1).next_multiple_of(ALIGNMENT);
    let spaces = data - before - header.len() - 1;
    header.extend(std::iter::repeat_n(' ', spaces));
    header.push('\n');
    let length = u16::try_from(header.len()).expect("an array has far fewer than 3000 axes");

    let mut bytes = Vec::with_capacity(data + room);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[1, 0]);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes
}

/// Finds the header and the place where the data begins.
fn frame(bytes: &[u8]) -> Result<(&[u8], usize), NpyFault> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else { return Err(NpyFault::Magic) };
    let &[major, minor, ref rest @ ..] = rest else { return Err(cut(bytes, 10)) };
    // Version 3 allows names in UTF-8 for the fields of structures, which we do not read; else it
    // is version 2.
    let (length, before) = match (major, minor, rest) {
        (1, 0, [a, b, ..]) => (u64::from(u16::from_le_bytes([*a, *b])), 10),
        (2 | 3, 0, [a, b, c, d, ..]) => (u64::from(u32::from_le_bytes([*a, *b, *c, *d])), 12),
        (1, 0, _) => return Err(cut(bytes, 10)),
        (2 | 3, 0, _) => return Err(cut(bytes, 12)),
        _ => return Err(NpyFault::Version { major, minor }),
    };
    let limit = MAX_HEADER;
    let length = match usize::try_from(length) {
        Ok(length) if length <= limit => length,
        _ => return Err(NpyFault::HeaderTooLong { found: length, limit }),
    };
    let start = before + length;
    let header = bytes.get(before..start).ok_or_else(|| cut(bytes, start as u64))?;
    Ok((header, start))
}

fn cut(bytes: &[u8], expected: u64) -> NpyFault {
    NpyFault::HeaderCut { expected, found: bytes.len() }
}

/// Returns the type of the elements, and whether the highest byte comes first. A type of one byte has no byte order, and the
/// others must state theirs: `=` would mean the machine that wrote the file, which we do not know.
fn dtype(descr: &str) -> Option<(DType, bool)> {
    let order = descr.chars().next()?;
    let dtype = match descr.get(order.len_utf8()..)? {
        "f2" => DType::F16,
        "f4" => DType::F32,
        "f8" => DType::F64,
        "i1" => DType::I8,
        "i2" => DType::I16,
        "i4" => DType::I32,
        "i8" => DType::I64,
        "u1" => DType::U8,
        "u2" => DType::U16,
        "u4" => DType::U32,
        "u8" => DType::U64,
        "b1" => DType::Bool,
        _ => return None,
    };
    match order {
        '<' => Some((dtype, false)),
        '>' => Some((dtype, true)),
        '|' if dtype.size() == 1 => Some((dtype, false)),
        _ => None,
    }
}
