//! The pickles in the archives of PyTorch, read as data: nothing in them is ever called.
//!
//! A pickle is a program for a machine with a stack: `X name`, `K 3`, `\x86` pushes a text, a number, and makes a pair of
//! the last two. A `state_dict` needs a few dozen of its instructions, and the names of a few functions that make tensors
//! and dictionaries. Those are understood here; any other instruction and any other name is refused.
//!
//! What the program builds lies in lists side by side and refers to each other by number. So a deep structure is not deep
//! to take down, one that holds itself is no trouble, and each instruction takes a bounded amount of memory.

use std::collections::BTreeMap;

use super::{ArchiveFault, DataError};

/// A value on the stack.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum PickleValue {
    Int(i64),
    Text(usize),
    List(usize),
    Dict(usize),
    /// A function or a class, by its name.
    Name(usize),
    Storage(usize),
    Tensor(usize),
    /// A value that is no part of a tensor: `None`, floats, a device.
    Other,
}

/// The elements of tensors.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    /// The type as PyTorch calls it, such as `FloatStorage`.
    pub kind: String,
    /// The file in the archive.
    pub key: String,
}

/// A view of a storage.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub storage: Option<Storage>,
    /// The type of the elements, where it is not that of the storage.
    pub dtype: Option<String>,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// The values that a program built.
#[derive(Default, Debug)]
pub(super) struct Heap {
    pub texts: Vec<String>,
    pub lists: Vec<Vec<PickleValue>>,
    pub dicts: Vec<Vec<(PickleValue, PickleValue)>>,
    names: Vec<String>,
    storages: Vec<Storage>,
    pub tensors: Vec<View>,
}

/// Names of functions and classes that are passed over: they make what is no tensor.
const HARMLESS: &[&str] = &[
    "_codecs.encode",
    "builtins.set",
    "__builtin__.set",
    "collections.Counter",
    "collections.defaultdict",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray.scalar",
    "numpy.dtype",
    "torch.device",
    "torch.serialization._get_layout",
];

const DICTS: &[&str] = &["collections.OrderedDict", "builtins.dict", "__builtin__.dict"];

/// Runs a program and gives what it leaves on the stack.
pub(super) fn load(bytes: &[u8]) -> Result<(Heap, PickleValue), DataError> {
    let mut machine = Machine {
        bytes,
        at: 0,
        heap: Heap::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: BTreeMap::new(),
    };
    match machine.run() {
        Ok(value) => Ok((machine.heap, value)),
        Err(message) => Err(ArchiveFault::Pickle { at: machine.at, message }.into()),
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    heap: Heap,
    stack: Vec<PickleValue>,
    marks: Vec<usize>,
    memo: BTreeMap<u64, PickleValue>,
}

type Outcome<T> = Result<T, String>;

impl<'a> Machine<'a> {
    fn run(&mut self) -> Outcome<PickleValue> {
        loop {
            let start = self.at;
            let [op] = self.fixed::<1>()?;
            match op {
                // The version and the lengths of pieces say nothing that is needed.
                0x80 => drop(self.fixed::<1>()?),
                0x95 => drop(self.fixed::<8>()?),
                b'.' => return self.pop(),
                b'(' => self.marks.push(self.stack.len()),
                b'0' => drop(self.pop()?),
                b'1' => drop(self.since_mark()?),
                b'N' | 0x88 | 0x89 => self.stack.push(PickleValue::Other),
                b'G' => {
                    self.fixed::<8>()?;
                    self.stack.push(PickleValue::Other);
                }
                b'J' => {
                    let number = i32::from_le_bytes(self.fixed()?);
                    self.stack.push(PickleValue::Int(number.into()));
                }
                b'K' => {
                    let number = u8::from_le_bytes(self.fixed()?);
                    self.stack.push(PickleValue::Int(number.into()));
                }
                b'M' => {
                    let number = u16::from_le_bytes(self.fixed()?);
                    self.stack.push(PickleValue::Int(number.into()));
                }
                0x8a => {
                    let length = u8::from_le_bytes(self.fixed()?);
                    let number = integer(self.take(length.into())?);
                    self.stack.push(number);
                }
                b'X' | b'T' | b'B' => {
                    let length = u32::from_le_bytes(self.fixed()?);
                    self.text(length as usize)?;
                }
                0x8c | b'U' | b'C' => {
                    let length = u8::from_le_bytes(self.fixed()?);
                    self.text(length.into())?;
                }
                b')' => self.list(Vec::new()),
                b']' => self.list(Vec::new()),
                b'}' => self.dict(Vec::new()),
                b't' | b'l' => {
                    let items = self.since_mark()?;
                    self.list(items);
                }
                b'd' => {
                    let items = self.since_mark()?;
                    self.dict(pairs(&items));
                }
                0x85..=0x87 => {
                    let items = self.last(usize::from(op - 0x84))?;
                    self.list(items);
                }
                b'a' => {
                    let items = self.last(1)?;
                    self.append(&items)?;
                }
                b'e' => {
                    let items = self.since_mark()?;
                    self.append(&items)?;
                }
                b's' => {
                    let items = self.last(2)?;
                    self.set(&items)?;
                }
                b'u' => {
                    let items = self.since_mark()?;
                    self.set(&items)?;
                }
                b'q' => {
                    let [place] = self.fixed::<1>()?;
                    self.remember(place.into())?;
                }
                b'r' => {
                    let place = u32::from_le_bytes(self.fixed()?);
                    self.remember(place.into())?;
                }
                0x94 => self.remember(self.memo.len() as u64)?,
                b'h' => {
                    let [place] = self.fixed::<1>()?;
                    self.recall(place.into())?;
                }
                b'j' => {
                    let place = u32::from_le_bytes(self.fixed()?);
                    self.recall(place.into())?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.name(start, format!("{module}.{name}"))?;
                }
                0x93 => {
                    let items = self.last(2)?;
                    let [PickleValue::Text(module), PickleValue::Text(name)] = items[..] else {
                        return Err(self.odd(start, "a name that is no text"));
                    };
                    let name = format!("{}.{}", self.heap.texts[module], self.heap.texts[name]);
                    self.name(start, name)?;
                }
                b'Q' => self.persistent(start)?,
                b'R' | 0x81 => self.call(start)?,
                // Attributes of a dictionary, such as its `_metadata`, say nothing that is needed.
                b'b' => drop(self.pop()?),
                _ => {
                    return Err(self
                        .odd(start, &format!("the instruction {op:#04x}, which no weights need")));
                }
            }
        }
    }

    /// Returns a fault, with the place of the instruction that it is in.
    fn odd(&mut self, start: usize, what: &str) -> String {
        self.at = start;
        what.to_owned()
    }

    fn take(&mut self, length: usize) -> Outcome<&'a [u8]> {
        let end = self.at.checked_add(length);
        let piece = end.and_then(|end| self.bytes.get(self.at..end));
        let piece = piece.ok_or("the end of the program")?;
        self.at += length;
        Ok(piece)
    }

    fn fixed<const N: usize>(&mut self) -> Outcome<[u8; N]> {
        let piece = self.take(N)?;
        Ok(*piece.first_chunk().ok_or("the end of the program")?)
    }

    fn line(&mut self) -> Outcome<String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().take(200).position(|it| *it == b'\n');
        let line = self.take(length.ok_or("a name that does not end")?)?;
        self.at += 1;
        Ok(String::from_utf8_lossy(line).into_owned())
    }

    fn text(&mut self, length: usize) -> Outcome<()> {
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.heap.texts.push(text);
        self.stack.push(PickleValue::Text(self.heap.texts.len() - 1));
        Ok(())
    }

    fn list(&mut self, items: Vec<PickleValue>) {
        self.heap.lists.push(items);
        self.stack.push(PickleValue::List(self.heap.lists.len() - 1));
    }

    fn dict(&mut self, items: Vec<(PickleValue, PickleValue)>) {
        self.heap.dicts.push(items);
        self.stack.push(PickleValue::Dict(self.heap.dicts.len() - 1));
    }

    fn pop(&mut self) -> Outcome<PickleValue> {
        self.stack.pop().ok_or_else(|| "an empty stack".to_owned())
    }

    fn last(&mut self, count: usize) -> Outcome<Vec<PickleValue>> {
        let from = self.stack.len().checked_sub(count).ok_or("an empty stack")?;
        Ok(self.stack.split_off(from))
    }

    fn since_mark(&mut self) -> Outcome<Vec<PickleValue>> {
        let mark = self.marks.pop().ok_or("no mark on the stack")?;
        if mark > self.stack.len() {
            return Err("no mark on the stack".to_owned());
        }
        Ok(self.stack.split_off(mark))
    }

    fn append(&mut self, items: &[PickleValue]) -> Outcome<()> {
        match self.stack.last() {
            Some(PickleValue::List(list)) => self.heap.lists[*list].extend(items),
            Some(PickleValue::Other) => {}
            _ => return Err("an item without its list".to_owned()),
        }
        Ok(())
    }

    fn set(&mut self, items: &[PickleValue]) -> Outcome<()> {
        match self.stack.last() {
            Some(PickleValue::Dict(dict)) => self.heap.dicts[*dict].extend(pairs(items)),
            Some(PickleValue::Other) => {}
            _ => return Err("an item without its dictionary".to_owned()),
        }
        Ok(())
    }

    fn remember(&mut self, place: u64) -> Outcome<()> {
        let value = *self.stack.last().ok_or("an empty stack")?;
        self.memo.insert(place, value);
        Ok(())
    }

    fn recall(&mut self, place: u64) -> Outcome<()> {
        self.stack.push(*self.memo.get(&place).ok_or("a place that was never filled")?);
        Ok(())
    }

    fn name(&mut self, start: usize, name: String) -> Outcome<()> {
        let is_type = name.strip_prefix("torch.").is_some_and(|it| !it.contains('.'));
        let makes_tensors = name.starts_with("torch._utils._rebuild_");
        let known = DICTS.contains(&name.as_str()) || HARMLESS.contains(&name.as_str());
        if !(is_type || makes_tensors || known || name == "torch.storage.UntypedStorage") {
            let name: String = name.chars().take(60).collect();
            return Err(self.odd(
                start,
                &format!(
                    "the name `{name}`, which no weights need; only those of `model.state_dict()` are read"
                ),
            ));
        }
        self.heap.names.push(name);
        self.stack.push(PickleValue::Name(self.heap.names.len() - 1));
        Ok(())
    }

    fn str(&self, value: Option<&PickleValue>) -> Option<&str> {
        match value? {
            PickleValue::Text(at) => Some(&self.heap.texts[*at]),
            PickleValue::Name(at) => Some(&self.heap.names[*at]),
            _ => None,
        }
    }

    fn items(&self, value: PickleValue) -> Option<&[PickleValue]> {
        match value {
            PickleValue::List(at) => Some(&self.heap.lists[at]),
            _ => None,
        }
    }

    /// `('storage', torch.FloatStorage, '0', 'cpu', 12)`.
    fn persistent(&mut self, start: usize) -> Outcome<()> {
        let id = self.pop()?;
        let items = self.items(id).unwrap_or_default();
        let kind = self.str(items.get(1)).and_then(|it| it.rsplit('.').next());
        let storage = match (self.str(items.first()), kind, self.str(items.get(2))) {
            (Some("storage"), Some(kind), Some(key)) => {
                Some(Storage { kind: kind.to_owned(), key: key.to_owned() })
            }
            _ => None,
        };
        let Some(storage) = storage else {
            return Err(self.odd(start, "a reference that is no storage"));
        };
        self.heap.storages.push(storage);
        self.stack.push(PickleValue::Storage(self.heap.storages.len() - 1));
        Ok(())
    }

    /// Applies the functions that are known to their arguments.
    fn call(&mut self, start: usize) -> Outcome<()> {
        let (given, function) = (self.pop()?, self.pop()?);
        let PickleValue::Name(function) = function else {
            return Err(self.odd(start, "a call of what is no function"));
        };
        let name = self.heap.names[function].clone();
        let given = self.items(given).unwrap_or_default().to_vec();
        let value = match name.strip_prefix("torch._utils._rebuild_") {
            Some("tensor_v2") => self.view(&given, None),
            Some("tensor_v3") => {
                let dtype = self.str(given.get(6)).map(str::to_owned);
                self.view(&given, Some(dtype.unwrap_or_default()))
            }
            Some("parameter" | "parameter_with_state") => given.first().copied(),
            // Quantized and sparse tensors: somebody may ask for them.
            Some(other) => {
                let dtype = Some(other.to_owned());
                self.tensor(View {
                    storage: None,
                    dtype,
                    offset: 0,
                    shape: Vec::new(),
                    strides: Vec::new(),
                })
            }
            None if DICTS.contains(&name.as_str()) => {
                // An argument would be the pairs that are in it.
                let items = given.first().and_then(|it| self.items(*it)).unwrap_or_default();
                let items = items.iter().filter_map(|it| self.items(*it));
                let items = items.filter_map(|it| Some((*it.first()?, *it.get(1)?))).collect();
                self.heap.dicts.push(items);
                Some(PickleValue::Dict(self.heap.dicts.len() - 1))
            }
            None if name == "torch.Size" => given.first().copied(),
            None => Some(PickleValue::Other),
        };
        let value = value.ok_or_else(|| self.odd(start, "a tensor that is none"))?;
        self.stack.push(value);
        Ok(())
    }

    /// `(storage, offset, sizes, strides, ..)`.
    fn view(&mut self, given: &[PickleValue], dtype: Option<String>) -> Option<PickleValue> {
        let [PickleValue::Storage(storage), PickleValue::Int(offset), shape, strides, ..] = *given
        else {
            return None;
        };
        let sizes = |value| -> Option<Vec<usize>> {
            let size = |it: &PickleValue| match it {
                PickleValue::Int(size) => usize::try_from(*size).ok(),
                _ => None,
            };
            self.items(value)?.iter().map(size).collect()
        };
        let (shape, strides) = (sizes(shape)?, sizes(strides)?);
        let offset = usize::try_from(offset).ok()?;
        let storage = Some(self.heap.storages[storage].clone());
        (shape.len() == strides.len()).then_some(())?;
        self.tensor(View { storage, dtype, offset, shape, strides })
    }

    fn tensor(&mut self, view: View) -> Option<PickleValue> {
        self.heap.tensors.push(view);
        Some(PickleValue::Tensor(self.heap.tensors.len() - 1))
    }
}

fn pairs(items: &[PickleValue]) -> Vec<(PickleValue, PickleValue)> {
    items.chunks_exact(2).map(|it| (it[0], it[1])).collect()
}

/// Returns a number in two's complement, the lowest byte first; one of more than 8 bytes is no size of anything.
fn integer(bytes: &[u8]) -> PickleValue {
    if bytes.len() > 8 {
        return PickleValue::Other;
    }
    let fill = if bytes.last().is_some_and(|it| it & 0x80 != 0) { 0xff } else { 0 };
    let mut all = [fill; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    PickleValue::Int(i64::from_le_bytes(all))
}
