//! The elements of arrays: their types, and the way from bytes to `f64`.

use std::fmt;

use half::{bf16, f16};

use super::DataError;

/// The type of an array's elements in a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DType {
    /// IEEE half precision.
    F16,
    /// The upper half of a 32-bit float.
    BF16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// A signed byte.
    I8,
    /// A signed integer of 2 bytes.
    I16,
    /// A signed integer of 4 bytes.
    I32,
    /// A signed integer of 8 bytes.
    I64,
    /// A byte.
    U8,
    /// An unsigned integer of 2 bytes.
    U16,
    /// An unsigned integer of 4 bytes.
    U32,
    /// An unsigned integer of 8 bytes.
    U64,
    /// A byte that is 0 or 1.
    Bool,
}

impl DType {
    /// Every type, in the order of the declaration.
    pub const ALL: [DType; 13] = [
        DType::F16,
        DType::BF16,
        DType::F32,
        DType::F64,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::U8,
        DType::U16,
        DType::U32,
        DType::U64,
        DType::Bool,
    ];

    /// Returns the bytes that an element takes in a file.
    pub fn size(self) -> usize {
        match self {
            DType::I8 | DType::U8 | DType::Bool => 1,
            DType::F16 | DType::BF16 | DType::I16 | DType::U16 => 2,
            DType::F32 | DType::I32 | DType::U32 => 4,
            DType::F64 | DType::I64 | DType::U64 => 8,
        }
    }

    /// Returns true if the elements are floating-point numbers.
    pub fn is_float(self) -> bool {
        match self {
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 => true,
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => false,
            DType::U8 | DType::U16 | DType::U32 | DType::U64 | DType::Bool => false,
        }
    }

    /// Returns the name that people see, such as `f32`.
    pub fn as_str(self) -> &'static str {
        match self {
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::I8 => "i8",
            DType::I16 => "i16",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::U8 => "u8",
            DType::U16 => "u16",
            DType::U32 => "u32",
            DType::U64 => "u64",
            DType::Bool => "bool",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The two float types that are computed with and written: `f32` and `f64`.
pub trait Real32or64: Copy + fmt::Debug + private::Sealed {
    /// The type in a file.
    const DTYPE: DType;

    /// Appends the bytes of the number, the lowest first.
    fn push_le(self, bytes: &mut Vec<u8>);

    /// Returns the shortest text that reads back as the same number: `1.5`, `1e-7`, `nan`, `-inf`.
    fn text(self) -> String;
}

mod private {
    /// Keeps [`super::Real32or64`] to the two types for which the formats are written.
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

impl Real32or64 for f32 {
    const DTYPE: DType = DType::F32;

    fn push_le(self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_le_bytes());
    }

    fn text(self) -> String {
        if self.is_nan() {
            return "nan".to_owned();
        }
        let text = format!("{self:?}");
        // Most readers, ours included, read an `f64` and round it to `f32` afterwards. Rounding twice can differ from
        // rounding once, as it does for 7.038531e-26; such a number needs the digits that it has as an `f64`.
        let same = text.parse::<f64>().is_ok_and(|it| (it as f32).to_bits() == self.to_bits());
        if same { text } else { f64::from(self).text() }
    }
}

impl Real32or64 for f64 {
    const DTYPE: DType = DType::F64;

    fn push_le(self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_le_bytes());
    }

    fn text(self) -> String {
        if self.is_nan() { "nan".to_owned() } else { format!("{self:?}") }
    }
}

/// Appends a number, rounded to a float type, the lowest byte first; types that are no floats are
/// written as `f64`.
pub(super) fn push_float(dtype: DType, value: f64, bytes: &mut Vec<u8>) {
    match dtype {
        DType::F16 => bytes.extend_from_slice(&f16::from_f64(value).to_le_bytes()),
        DType::BF16 => bytes.extend_from_slice(&bf16::from_f64(value).to_le_bytes()),
        DType::F32 => (value as f32).push_le(bytes),
        DType::F64
        | DType::I8
        | DType::I16
        | DType::I32
        | DType::I64
        | DType::U8
        | DType::U16
        | DType::U32
        | DType::U64
        | DType::Bool => value.push_le(bytes),
    }
}

/// The arrangement of the elements in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Layout {
    /// The highest byte of an element comes first.
    pub big_endian: bool,
    /// The first axis is the fastest.
    pub fortran: bool,
}

/// Converts all elements and puts them into C order. The bytes hold exactly the elements of the shape: the caller has
/// checked that, which is what bounds the one allocation made here.
pub(super) fn decode(
    dtype: DType,
    layout: Layout,
    shape: &[usize],
    bytes: &[u8],
) -> Result<Vec<f64>, DataError> {
    let job = Decoding { layout, shape, bytes };
    match dtype {
        DType::F16 => job.each(|it| Some(f16::from_le_bytes(it).to_f64())),
        DType::BF16 => job.each(|it| Some(bf16::from_le_bytes(it).to_f64())),
        DType::F32 => job.each(|it| Some(f64::from(f32::from_le_bytes(it)))),
        DType::F64 => job.each(|it| Some(f64::from_le_bytes(it))),
        DType::I8 => job.each(|it| Some(f64::from(i8::from_le_bytes(it)))),
        DType::I16 => job.each(|it| Some(f64::from(i16::from_le_bytes(it)))),
        DType::I32 => job.each(|it| Some(f64::from(i32::from_le_bytes(it)))),
        DType::I64 => job.each(|it| exact(i128::from(i64::from_le_bytes(it)))),
        DType::U8 => job.each(|it| Some(f64::from(u8::from_le_bytes(it)))),
        DType::U16 => job.each(|it| Some(f64::from(u16::from_le_bytes(it)))),
        DType::U32 => job.each(|it| Some(f64::from(u32::from_le_bytes(it)))),
        DType::U64 => job.each(|it| exact(i128::from(u64::from_le_bytes(it)))),
        DType::Bool => job.each(|it| match it {
            [0u8] => Some(0.0),
            [1] => Some(1.0),
            [_] => None,
        }),
    }
    .map_err(|fault| match fault {
        Fault::Memory => DataError::OutOfMemory { bytes: bytes.len() },
        Fault::Value { number, bits } => {
            let place = place(shape, number);
            match dtype {
                DType::Bool => DataError::NotABool { place, byte: bits[0] },
                DType::I64 => {
                    DataError::InexactInteger { place, value: i64::from_le_bytes(bits).into() }
                }
                DType::U64 => {
                    DataError::InexactInteger { place, value: u64::from_le_bytes(bits).into() }
                }
                DType::F16
                | DType::BF16
                | DType::F32
                | DType::F64
                | DType::I8
                | DType::I16
                | DType::I32
                | DType::U8
                | DType::U16
                | DType::U32 => unreachable!("every value of these types is an f64"),
            }
        }
    })
}

/// The faults of an element.
enum Fault {
    /// There is no room for the elements.
    Memory,
    /// The element with this number in C order has no exact `f64`; its bytes, the lowest first.
    Value { number: usize, bits: [u8; 8] },
}

/// The way from bytes to numbers, apart from what one element means.
struct Decoding<'a> {
    layout: Layout,
    shape: &'a [usize],
    bytes: &'a [u8],
}

impl Decoding<'_> {
    fn each<const N: usize>(
        &self,
        convert: impl Fn([u8; N]) -> Option<f64>,
    ) -> Result<Vec<f64>, Fault> {
        let (chunks, rest) = self.bytes.as_chunks::<N>();
        debug_assert!(rest.is_empty(), "the caller checks the length");
        let mut values = Vec::new();
        values.try_reserve_exact(chunks.len()).map_err(|_| Fault::Memory)?;
        let mut push = |mut it: [u8; N]| {
            if self.layout.big_endian {
                it.reverse();
            }
            let number = values.len();
            let value = convert(it).ok_or_else(|| {
                let mut bits = [0; 8];
                bits[..N].copy_from_slice(&it);
                Fault::Value { number, bits }
            })?;
            values.push(value);
            Ok(())
        };
        if self.layout.fortran {
            let mut walk = FortranWalk::new(self.shape);
            for _ in chunks {
                push(chunks[walk.at])?;
                walk.step();
            }
        } else {
            chunks.iter().copied().try_for_each(push)?;
        }
        Ok(values)
    }
}

/// Walks the elements of an array that lies in Fortran order, in C order, so that no second copy of it is needed.
struct FortranWalk<'a> {
    shape: &'a [usize],
    strides: Vec<usize>,
    index: Vec<usize>,
    /// The position of the element.
    at: usize,
}

impl FortranWalk<'_> {
    fn new(shape: &[usize]) -> FortranWalk<'_> {
        let mut stride = 1;
        let mut strides = Vec::with_capacity(shape.len());
        for &axis in shape {
            strides.push(stride);
            stride *= axis.max(1);
        }
        FortranWalk { shape, strides, index: vec![0; shape.len()], at: 0 }
    }

    fn step(&mut self) {
        for axis in (0..self.shape.len()).rev() {
            self.index[axis] += 1;
            self.at += self.strides[axis];
            if self.index[axis] < self.shape[axis] {
                return;
            }
            self.at -= self.strides[axis] * self.shape[axis];
            self.index[axis] = 0;
        }
    }
}

/// Returns the number as `f64`, unless that would be another number.
fn exact(value: i128) -> Option<f64> {
    // Both types have at most 64 bits, so neither conversion can leave the range of the other.
    let float = value as f64;
    (float as i128 == value).then_some(float)
}

/// Returns the indices of an element, from its number in C order.
pub(super) fn place(shape: &[usize], number: usize) -> Vec<usize> {
    let mut rest = number;
    let mut place: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&axis| {
            let index = rest % axis.max(1);
            rest /= axis.max(1);
            index
        })
        .collect();
    place.reverse();
    place
}

#[cfg(test)]
mod tests {
    use super::{exact, place};

    #[test]
    fn an_integer_is_exact_up_to_the_53rd_bit_and_beyond_if_its_low_bits_are_zero() {
        let edge = 1i128 << 53;
        assert_eq!(exact(edge), Some(9_007_199_254_740_992.0));
        assert_eq!(exact(edge + 1), None);
        assert_eq!(exact(-edge - 1), None);
        assert_eq!(exact(edge + 2), Some(9_007_199_254_740_994.0));
        assert_eq!(exact(i128::from(i64::MAX)), None);
        assert_eq!(exact(i128::from(i64::MIN)), Some(-9_223_372_036_854_775_808.0));
        assert_eq!(exact(i128::from(u64::MAX)), None);
    }

    #[test]
    fn the_place_of_an_element_counts_the_last_axis_fastest() {
        assert_eq!(place(&[2, 3, 4], 0), [0, 0, 0]);
        assert_eq!(place(&[2, 3, 4], 23), [1, 2, 3]);
        assert_eq!(place(&[2, 3, 4], 13), [1, 0, 1]);
        assert_eq!(place(&[], 0), [0usize; 0]);
    }
}
