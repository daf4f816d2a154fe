//! Files of weights, of whatever kind: those that are read, and for the others one line that makes them readable.
//!
//! A file is known by its first bytes, since its name may say anything; only where they say nothing the ending counts.

use std::path::Path;
use std::sync::Arc;

use super::safetensors::stored_safetensors;
use super::stored::Stored;
use super::{ArchiveFault, DataError, torch, zip};

/// The endings of files that hold several named arrays and are read.
const SEVERAL: [&str; 6] = ["safetensors", "npz", "pt", "pth", "bin", "ckpt"];

/// The endings of tables.
const TABLES: [&str; 5] = ["csv", "tsv", "txt", "tab", "dat"];

/// The kinds of files of data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// One array.
    Npy,
    /// Several arrays with names, or what can be made such a file.
    Several,
    /// Text.
    Table,
}

impl FileKind {
    /// Returns the kind of a file by its first bytes, else by its ending.
    pub fn of(path: &Path, bytes: &[u8]) -> FileKind {
        let is_one_of = |endings: &[&str]| endings.iter().any(|it| ends_with(path, it));
        let is_text = !bytes[..bytes.len().min(1 << 12)].contains(&0);
        if bytes.starts_with(b"\x93NUMPY") {
            FileKind::Npy
        } else if bytes.starts_with(b"PK\x03\x04") || is_one_of(&SEVERAL) {
            FileKind::Several
        } else if is_one_of(&TABLES) {
            FileKind::Table
        } else if ends_with(path, "npy") {
            FileKind::Npy
        } else if foreign_kind(path, bytes).is_some_and(|it| it != Kind::Text) {
            FileKind::Several
        } else if is_text && !bytes.is_empty() {
            FileKind::Table
        } else {
            FileKind::Npy
        }
    }
}

/// Reads the named tensors of a file: `.safetensors`, a list of its shards, `.npz`, or what `torch.save` writes. `read`
/// gives the bytes of a file; shards lie beside the list that names them.
pub fn read_weights<E: From<DataError>>(
    path: &Path,
    read: &mut dyn FnMut(&Path) -> Result<Vec<u8>, E>,
) -> Result<Vec<(String, Stored)>, E> {
    let bytes = read(path)?;
    let Some(files) = shards(path, &bytes).map_err(|it| it.in_file(path))? else {
        return Ok(read_named(path, bytes).map_err(|it| it.in_file(path))?);
    };
    let mut tensors = Vec::new();
    for file in files {
        let shard = path.with_file_name(file);
        let bytes = read(&shard)?;
        tensors.extend(read_named(&shard, bytes).map_err(|it| it.in_file(&shard))?);
    }
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    match tensors.windows(2).find(|it| it[0].0 == it[1].0) {
        Some(twice) => {
            let message = format!("the shards have `{}` twice", twice[0].0);
            Err(DataError::from(ArchiveFault::Index { message }).in_file(path).into())
        }
        None => Ok(tensors),
    }
}

/// Reads the named tensors of one file; `path` is only looked at where the bytes say nothing.
pub fn read_named(path: &Path, bytes: Vec<u8>) -> Result<Vec<(String, Stored)>, DataError> {
    let mut tensors = match bytes.as_slice() {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => {
            let mut members = zip::members(&bytes)?;
            members.sort_by(|a, b| a.name.cmp(&b.name));
            let has = |name: &str| members.iter().any(|it| it.name.ends_with(name));
            if has("data.pkl") {
                torch::tensors(&Arc::new(bytes), &members)?
            } else if has("model.weights.h5") {
                return Err(foreign(Kind::Keras, path));
            } else {
                npz(&Arc::new(bytes), &members)?
            }
        }
        other => match foreign_kind(path, other) {
            Some(kind) => return Err(foreign(kind, path)),
            None => stored_safetensors(Arc::new(bytes))?,
        },
    };
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some(twice) = tensors.windows(2).find(|it| it[0].0 == it[1].0) {
        let name = twice[0].0.clone();
        return Err(super::SafetensorsFault::NameTwice { name }.into());
    }
    Ok(tensors)
}

/// Returns the arrays that `numpy.savez` wrote.
fn npz(bytes: &Arc<Vec<u8>>, members: &[zip::Member]) -> Result<Vec<(String, Stored)>, DataError> {
    let mut arrays = Vec::new();
    for member in members {
        let Some(name) = member.name.strip_suffix(".npy") else { continue };
        let stored = if member.deflated {
            let unpacked = member.unpacked(bytes).map_err(|it| it.in_tensor(name))?;
            let all = 0..unpacked.len();
            Stored::npy(Arc::new(unpacked), all)
        } else {
            Stored::npy(bytes.clone(), member.range.clone())
        };
        arrays.push((name.to_owned(), stored.map_err(|it| it.in_tensor(name))?));
    }
    if arrays.is_empty() {
        return Err(ArchiveFault::NoTensors { what: "the zip file" }.into());
    }
    Ok(arrays)
}

/// Returns the files that a list of shards names, each once; nothing if the bytes are no such list.
fn shards(path: &Path, bytes: &[u8]) -> Result<Option<Vec<String>>, DataError> {
    // A header of `.safetensors` begins with its length, of which most bytes are 0.
    let is_text = bytes.first() == Some(&b'{') && !bytes[..bytes.len().min(8)].contains(&0);
    let is_list = ends_with(path, "json") || is_text;
    if !is_list {
        return Ok(None);
    }
    let bad = |message: String| DataError::from(ArchiveFault::Index { message });
    let list: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|it| bad(it.to_string()))?;
    let Some(map) = list.get("weight_map").and_then(|it| it.as_object()) else {
        let message = "it has no `weight_map`, which names the file of each tensor".to_owned();
        return Err(bad(message));
    };
    let mut files = Vec::new();
    for file in map.values() {
        let file = file.as_str().unwrap_or_default();
        let inside = Path::new(file).components().count() == 1 && !file.starts_with('.');
        if !inside || file.contains(['/', '\\', ':']) {
            let message = format!("`{file}` is no name of a file beside it");
            return Err(bad(message));
        }
        files.push(file.to_owned());
    }
    files.sort_unstable();
    files.dedup();
    Ok(Some(files))
}

fn ends_with(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|it| it.eq_ignore_ascii_case(ending))
}

/// A kind of file that holds weights and is not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Hdf5,
    Keras,
    OldTorch,
    Pickle,
    Npy,
    Gguf,
    Onnx,
    Tflite,
    TensorFlow,
    Msgpack,
    Matlab,
    Tar,
    Gzip,
    Text,
}

/// Returns the kind of a file that is not read, by its first bytes, else by its ending.
fn foreign_kind(path: &Path, bytes: &[u8]) -> Option<Kind> {
    let starts = |it: &[u8]| bytes.starts_with(it);
    if starts(b"\x89HDF\r\n\x1a\n") {
        return Some(Kind::Hdf5);
    }
    if starts(b"GGUF") {
        return Some(Kind::Gguf);
    }
    if starts(b"\x93NUMPY") {
        return Some(Kind::Npy);
    }
    if bytes.get(4..8) == Some(b"TFL3") {
        return Some(Kind::Tflite);
    }
    if starts(b"MATLAB 5.0") {
        return Some(Kind::Matlab);
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Some(Kind::Tar);
    }
    if starts(b"\x1f\x8b") {
        return Some(Kind::Gzip);
    }
    // The number that `torch.save` wrote first before PyTorch 1.6.
    if starts(b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46") {
        return Some(Kind::OldTorch);
    }
    // A header of this format begins with its length and a brace.
    if bytes.get(8) == Some(&b'{') {
        return None;
    }
    if let [0x80, 2..=5, ..] = bytes {
        return Some(Kind::Pickle);
    }
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let by_ending: [(&str, Kind); 15] = [
        (".onnx", Kind::Onnx),
        (".msgpack", Kind::Msgpack),
        (".h5", Kind::Hdf5),
        (".hdf5", Kind::Hdf5),
        (".keras", Kind::Keras),
        (".pb", Kind::TensorFlow),
        (".ckpt", Kind::TensorFlow),
        (".ckpt.index", Kind::TensorFlow),
        (".index", Kind::TensorFlow),
        (".pkl", Kind::Pickle),
        (".pickle", Kind::Pickle),
        (".joblib", Kind::Pickle),
        (".gguf", Kind::Gguf),
        (".tflite", Kind::Tflite),
        (".mat", Kind::Matlab),
    ];
    let found = by_ending.into_iter().find(|it| name.ends_with(it.0)).map(|it| it.1);
    let found = found.or(name.contains(".data-0").then_some(Kind::TensorFlow));
    found.or(is_text(bytes).then_some(Kind::Text))
}

/// Returns true if a file begins with letters, digits and signs alone, which no length of a header does.
fn is_text(bytes: &[u8]) -> bool {
    let first = &bytes[..bytes.len().min(1 << 10)];
    let known = match std::str::from_utf8(first) {
        Ok(_) => first.len(),
        Err(error) => error.valid_up_to(),
    };
    // A letter of several bytes may be cut at the end.
    let is_whole = known + 4 > first.len();
    let is_shown = |it: &u8| *it >= b' ' || matches!(*it, b'\n' | b'\r' | b'\t');
    !first.is_empty() && is_whole && first.iter().all(is_shown)
}

/// Returns the message for a kind that is not read: what it is, and one line of Python that makes it readable.
fn foreign(kind: Kind, path: &Path) -> DataError {
    let file = path.file_name().map(|it| it.to_string_lossy().replace(['\'', '"', '\\'], "_"));
    let file = file.unwrap_or_default();
    let stem = file.split('.').next().unwrap_or_default();
    // A checkpoint of TensorFlow is named without the endings of its files.
    let checkpoint = file.strip_suffix(".index").unwrap_or(&file);
    let checkpoint = checkpoint.split(".data-").next().unwrap_or_default();
    // What is converted is not written over.
    let target = |ending: &str| {
        let is_taken = file == format!("{stem}.{ending}");
        format!("'{stem}{}.{ending}'", if is_taken { "_new" } else { "" })
    };
    let to = target("safetensors");
    let save = "import safetensors.numpy as s; s.save_file";
    let (what, code) = match kind {
        Kind::Hdf5 => (
            "an HDF5 file",
            format!(
                "import h5py; d = {{}}; h5py.File('{file}').visititems(lambda n, v: d.update({{n: v[()]}}) if hasattr(v, 'dtype') and v.dtype.kind in 'fiu' else None); {save}(d, {to})"
            ),
        ),
        Kind::Keras => (
            "a Keras model",
            format!(
                "import keras; m = keras.saving.load_model('{file}'); {save}({{w.path: w.numpy() for w in m.weights}}, {to})"
            ),
        ),
        Kind::OldTorch => (
            "what torch.save wrote before PyTorch 1.6",
            format!(
                "import torch; torch.save(torch.load('{file}', weights_only=True), {})",
                target("pt")
            ),
        ),
        Kind::Pickle => (
            "a pickle, a program that only Python runs",
            format!(
                "import pickle, numpy; d = pickle.load(open('{file}', 'rb')); {save}({{k: numpy.asarray(v) for k, v in d.items()}}, {to})"
            ),
        ),
        Kind::Npy => (
            "one array without a name",
            format!("import numpy; numpy.savez({}, W=numpy.load('{file}'))", target("npz")),
        ),
        Kind::Gguf => (
            "a GGUF file",
            format!(
                "import gguf; {save}({{t.name: gguf.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader('{file}').tensors}}, {to})"
            ),
        ),
        Kind::Onnx => (
            "an ONNX model",
            format!(
                "import onnx, onnx.numpy_helper as h; {save}({{t.name: h.to_array(t).copy() for t in onnx.load('{file}').graph.initializer}}, {to})"
            ),
        ),
        Kind::Tflite => (
            "a TensorFlow Lite model",
            format!(
                "import tensorflow as tf; i = tf.lite.Interpreter('{file}'); i.allocate_tensors(); {save}({{t['name']: i.get_tensor(t['index']) for t in i.get_tensor_details()}}, {to})"
            ),
        ),
        Kind::TensorFlow => (
            "a checkpoint of TensorFlow",
            format!(
                "import tensorflow as tf; r = tf.train.load_checkpoint('{checkpoint}'); {save}({{n: r.get_tensor(n) for n in r.get_variable_to_shape_map() if n[0] != '_'}}, {to})"
            ),
        ),
        Kind::Msgpack => (
            "a msgpack file, as Flax writes it",
            format!(
                "import numpy; from flax import serialization as f, traverse_util as t; d = t.flatten_dict(f.msgpack_restore(open('{file}', 'rb').read()), sep='/'); {save}({{k: numpy.asarray(v) for k, v in d.items()}}, {to})"
            ),
        ),
        Kind::Matlab => (
            "a MATLAB file",
            format!(
                "import scipy.io; {save}({{k: v.copy() for k, v in scipy.io.loadmat('{file}').items() if k[0] != '_'}}, {to})"
            ),
        ),
        Kind::Tar => ("a tar archive", String::new()),
        Kind::Gzip => ("a gzip archive", String::new()),
        Kind::Text => ("a text", String::new()),
    };
    let instead = match code.is_empty() {
        true if kind == Kind::Text => {
            "weights are .safetensors, its .index.json, .npz, or .pt as torch.save writes it; \
             a table is data, as --input takes it"
                .to_owned()
        }
        true => "unpack it and name the file of weights in it".to_owned(),
        false => format!("convert it with: python -c \"{code}\""),
    };
    ArchiveFault::Foreign { what, instead }.into()
}
