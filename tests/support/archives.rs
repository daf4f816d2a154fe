//! Zip files and pickles as NumPy and PyTorch write them, made byte by byte.

#![allow(dead_code, reason = "each test uses a part")]

/// A zip file; members whose flag is set are deflated.
pub fn zip(members: &[(&str, &[u8], bool)]) -> Vec<u8> {
    let (mut bytes, mut list) = (Vec::new(), Vec::new());
    for (name, data, deflated) in members {
        let packed = match deflated {
            true => miniz_oxide::deflate::compress_to_vec(data, 6),
            false => data.to_vec(),
        };
        let head = |out: &mut Vec<u8>| {
            out.extend([20, 0, 0, 0, if *deflated { 8 } else { 0 }, 0, 0, 0, 0, 0]);
            out.extend(checksum(data).to_le_bytes());
            out.extend((packed.len() as u32).to_le_bytes());
            out.extend((data.len() as u32).to_le_bytes());
            out.extend((name.len() as u16).to_le_bytes());
            out.extend([0, 0]);
        };
        let start = bytes.len() as u32;
        bytes.extend(b"PK\x03\x04");
        head(&mut bytes);
        bytes.extend(name.as_bytes());
        bytes.extend(&packed);
        list.extend(b"PK\x01\x02\x14\x00");
        head(&mut list);
        list.extend([0; 10]);
        list.extend(start.to_le_bytes());
        list.extend(name.as_bytes());
    }
    let start = bytes.len() as u32;
    bytes.extend(&list);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    let count = (members.len() as u16).to_le_bytes();
    bytes.extend([count, count].concat());
    bytes.extend((list.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, it| {
        (0..8).fold(sum ^ u32::from(*it), |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)))
    })
}

/// A program for a pickle machine, as `torch.save` writes it.
#[derive(Clone, Default)]
pub struct Pickle(pub Vec<u8>);

impl Pickle {
    pub fn new() -> Pickle {
        Pickle(vec![0x80, 2])
    }

    pub fn op(mut self, bytes: &[u8]) -> Pickle {
        self.0.extend(bytes);
        self
    }

    pub fn text(self, text: &str) -> Pickle {
        self.op(b"X").op(&(text.len() as u32).to_le_bytes()).op(text.as_bytes())
    }

    pub fn name(self, module: &str, name: &str) -> Pickle {
        self.op(format!("c{module}\n{name}\n").as_bytes())
    }

    pub fn int(self, value: i64) -> Pickle {
        self.op(&[0x8a, 8]).op(&value.to_le_bytes())
    }

    pub fn ints(self, values: &[i64]) -> Pickle {
        values.iter().fold(self.op(b"("), |it, value| it.int(*value)).op(b"t")
    }

    /// An empty `OrderedDict`.
    pub fn dict(self) -> Pickle {
        self.name("collections", "OrderedDict").op(b")R")
    }

    pub fn storage(self, kind: &str, key: &str, count: i64) -> Pickle {
        let it = self.op(b"(").text("storage").name("torch", kind);
        it.text(key).text("cpu").int(count).op(b"tQ")
    }

    /// `_rebuild_tensor_v2` of a storage.
    pub fn tensor(self, kind: &str, key: &str, count: i64, view: (i64, &[i64], &[i64])) -> Pickle {
        let (offset, shape, strides) = view;
        let it = self.name("torch._utils", "_rebuild_tensor_v2").op(b"(");
        let it = it.storage(kind, key, count).int(offset).ints(shape).ints(strides);
        it.op(b"\x89").dict().op(b"tR")
    }

    pub fn stop(self) -> Vec<u8> {
        self.op(b".").0
    }
}

/// An archive of PyTorch with a program and storages.
pub fn torch(program: &[u8], storages: &[(&str, &[u8])]) -> Vec<u8> {
    let names: Vec<String> = storages.iter().map(|it| format!("w/data/{}", it.0)).collect();
    let mut members: Vec<(&str, &[u8], bool)> =
        vec![("w/data.pkl", program, false), ("w/byteorder", b"little", false)];
    members.extend(names.iter().zip(storages).map(|(name, it)| (name.as_str(), it.1, false)));
    members.push(("w/version", b"3\n", false));
    zip(&members)
}

/// A `state_dict` of f32 tensors, in C order.
pub fn state_dict(tensors: &[(&str, &[i64], &[f32])]) -> Vec<u8> {
    let mut program = Pickle::new().dict().op(b"(");
    let mut storages = Vec::new();
    for (idx, (name, shape, values)) in tensors.iter().enumerate() {
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis];
        }
        let count = values.len() as i64;
        let key = idx.to_string();
        program = program.text(name).tensor("FloatStorage", &key, count, (0, shape, &strides));
        let bytes: Vec<u8> = values.iter().flat_map(|it| it.to_le_bytes()).collect();
        storages.push((key, bytes));
    }
    // The attribute `_metadata`, as `state_dict()` has it.
    let program = program.op(b"u}").text("_metadata").dict().op(b"sb").stop();
    let storages: Vec<(&str, &[u8])> = storages.iter().map(|it| (&*it.0, &*it.1)).collect();
    torch(&program, &storages)
}
