//! Reads the files that `torch.save` writes since PyTorch 1.6: a zip file with a pickle that describes tensors, and a member for
//! the elements of each storage.

use std::sync::Arc;

use super::pickle::{self, Heap, PickleValue, View};
use super::stored::{Slice, Stored};
use super::zip::Member;
use super::{ArchiveFault, DType, DataError};

/// The longest description that is read.
const MAX_PICKLE: usize = 256 << 20;

/// Returns the tensors of a `state_dict`, with their names.
pub(super) fn tensors(
    bytes: &Arc<Vec<u8>>,
    members: &[Member],
) -> Result<Vec<(String, Stored)>, DataError> {
    let program = members.iter().find(|it| it.name.ends_with("data.pkl"));
    let program = program.ok_or(ArchiveFault::NoTensors { what: "the archive" })?;
    if program.size > MAX_PICKLE {
        return Err(
            ArchiveFault::Zip { message: "the description of the tensors is too long" }.into()
        );
    }
    let folder = program.name.trim_end_matches("data.pkl");
    let member = |name: &str| {
        let name = format!("{folder}{name}");
        members.binary_search_by(|it| it.name.as_str().cmp(&name)).ok().map(|it| &members[it])
    };
    let big_endian = match member("byteorder") {
        Some(it) => &it.unpacked(bytes)? == b"big",
        None => false,
    };
    let (heap, top) = pickle::load(&program.unpacked(bytes)?)?;
    let named = state_dict(&heap, top);
    if named.is_empty() {
        return Err(ArchiveFault::NoTensors { what: "the archive" }.into());
    }
    let mut tensors = Vec::with_capacity(named.len());
    for (name, view) in named {
        let stored = stored(bytes, big_endian, view, &|key| member(&format!("data/{key}")));
        tensors.push((name.clone(), stored.map_err(|it| it.in_tensor(&name))?));
    }
    Ok(tensors)
}

/// Returns the tensors of a dictionary: those directly in it; or of the one called `state_dict` in it, as Lightning writes them;
/// or of all that are in it, with their names before those of the tensors.
fn state_dict(heap: &Heap, top: PickleValue) -> Vec<(String, &View)> {
    let own = directly(heap, top, "");
    if !own.is_empty() {
        return own;
    }
    let inner: Vec<(&str, PickleValue)> = entries(heap, top).collect();
    if let Some((_, dict)) = inner.iter().find(|it| it.0 == "state_dict") {
        return directly(heap, *dict, "");
    }
    let mut named: Vec<(&str, PickleValue)> = inner;
    named.retain(|it| !directly(heap, it.1, "").is_empty());
    match named.as_slice() {
        [(_, only)] => directly(heap, *only, ""),
        all => {
            let all = all.iter().flat_map(|it| directly(heap, it.1, &format!("{}.", it.0)));
            all.collect()
        }
    }
}

fn entries(heap: &Heap, dict: PickleValue) -> impl Iterator<Item = (&str, PickleValue)> {
    let items = match dict {
        PickleValue::Dict(at) => heap.dicts[at].as_slice(),
        _ => &[],
    };
    items.iter().filter_map(|(key, value)| match key {
        PickleValue::Text(at) => Some((heap.texts[*at].as_str(), *value)),
        _ => None,
    })
}

fn directly<'h>(heap: &'h Heap, dict: PickleValue, prefix: &str) -> Vec<(String, &'h View)> {
    let tensors = entries(heap, dict).filter_map(|(name, value)| match value {
        PickleValue::Tensor(at) => Some((format!("{prefix}{name}"), &heap.tensors[at])),
        _ => None,
    });
    tensors.collect()
}

fn stored<'m>(
    bytes: &Arc<Vec<u8>>,
    big_endian: bool,
    view: &View,
    member: &dyn Fn(&str) -> Option<&'m Member>,
) -> Result<Stored, DataError> {
    let shape = view.shape.clone();
    let Some(storage) = &view.storage else {
        let dtype = view.dtype.clone().unwrap_or_default();
        return Ok(Stored::unreadable(shape, dtype));
    };
    let name = view.dtype.as_deref().unwrap_or(&storage.kind);
    let Some(dtype) = dtype(name) else {
        return Ok(Stored::unreadable(shape, name.trim_end_matches("Storage").to_owned()));
    };
    let key = &storage.key;
    let missing =
        || ArchiveFault::Tensor { message: format!("its elements, `data/{key}`, are missing") };
    let member = member(key).ok_or_else(missing)?;
    if member.deflated {
        let message = "its elements are packed, which PyTorch never does".to_owned();
        return Err(ArchiveFault::Tensor { message }.into());
    }
    let (offset, strides) = (view.offset, view.strides.clone());
    let range = member.range.clone();
    let slice =
        Slice { bytes: bytes.clone(), range, dtype, big_endian, offset, strides: Some(strides) };
    Stored::slice(shape, slice)
}

/// Returns a type by the name of its storage, or by its own.
fn dtype(name: &str) -> Option<DType> {
    Some(match name.strip_prefix("torch.").unwrap_or(name) {
        "HalfStorage" | "float16" => DType::F16,
        "BFloat16Storage" | "bfloat16" => DType::BF16,
        "FloatStorage" | "float32" => DType::F32,
        "DoubleStorage" | "float64" => DType::F64,
        "CharStorage" | "int8" => DType::I8,
        "ShortStorage" | "int16" => DType::I16,
        "IntStorage" | "int32" => DType::I32,
        "LongStorage" | "int64" => DType::I64,
        "ByteStorage" | "uint8" => DType::U8,
        "uint16" => DType::U16,
        "uint32" => DType::U32,
        "uint64" => DType::U64,
        "BoolStorage" | "bool" => DType::Bool,
        _ => return None,
    })
}
