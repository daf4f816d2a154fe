//! The few messages of ONNX, as bytes: numbers of seven bits a byte, and bytes with their length before them.
//!
//! A message is a row of fields, each a key (its number and how it is written) and a value, so a message is made by
//! appending. Nothing is read here.

/// A message in the making.
#[derive(Clone, Debug, Default)]
pub struct Message(Vec<u8>);

/// The types of the elements of tensors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Elem {
    /// Single precision.
    Float,
    /// Whole numbers.
    Int64,
    /// Truth values.
    Bool,
    /// Half precision.
    Half,
}

impl Elem {
    /// Returns its number in the format.
    pub fn code(self) -> u64 {
        match self {
            Elem::Float => 1,
            Elem::Int64 => 7,
            Elem::Bool => 9,
            Elem::Half => 10,
        }
    }
}

/// The size of an axis.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Axis {
    /// A number.
    Size(usize),
    /// A name.
    Symbol(&'static str),
    /// Nothing is said.
    Unset,
}

/// The value of an attribute.
#[derive(Clone, Debug)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// Whole numbers.
    Ints(Vec<i64>),
    /// A graph.
    Graph(Message),
}

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Appends a whole number.
    pub fn number(&mut self, field: u32, value: u64) {
        self.varint(u64::from(field) << 3);
        self.varint(value);
    }

    /// Appends bytes.
    pub fn bytes(&mut self, field: u32, value: &[u8]) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// Appends a text.
    pub fn text(&mut self, field: u32, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    /// Appends a message.
    pub fn message(&mut self, field: u32, value: &Message) {
        self.bytes(field, &value.0);
    }

    /// Returns the bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Returns a tensor with its name.
pub fn tensor(name: &str, elem: Elem, shape: &[usize], data: &[u8]) -> Message {
    let mut it = Message::default();
    shape.iter().for_each(|size| it.number(1, *size as u64));
    it.number(2, elem.code());
    it.text(8, name);
    it.bytes(9, data);
    it
}

/// Describes an input or output of a graph.
pub fn value(name: &str, elem: Elem, shape: &[Axis]) -> Message {
    let mut axes = Message::default();
    for axis in shape {
        let mut dim = Message::default();
        match axis {
            Axis::Size(size) => dim.number(1, *size as u64),
            Axis::Symbol(name) => dim.text(2, name),
            Axis::Unset => {}
        }
        axes.message(1, &dim);
    }
    let mut tensor = Message::default();
    tensor.number(1, elem.code());
    tensor.message(2, &axes);
    let mut kind = Message::default();
    kind.message(1, &tensor);
    let mut it = Message::default();
    it.text(1, name);
    it.message(2, &kind);
    it
}

/// Returns an operation.
pub fn node(
    operator: &str,
    inputs: &[String],
    outputs: &[String],
    attributes: &[(&str, Attribute)],
) -> Message {
    let mut it = Message::default();
    inputs.iter().for_each(|name| it.text(1, name));
    outputs.iter().for_each(|name| it.text(2, name));
    it.text(4, operator);
    for (name, value) in attributes {
        let mut own = Message::default();
        own.text(1, name);
        let kind = match value {
            Attribute::Int(value) => {
                own.number(3, *value as u64);
                2
            }
            Attribute::Graph(value) => {
                own.message(6, value);
                5
            }
            Attribute::Ints(all) => {
                all.iter().for_each(|value| own.number(8, *value as u64));
                7
            }
        };
        own.number(20, kind);
        it.message(5, &own);
    }
    it
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lengths_are_as_the_format_says() {
        let mut it = Message::default();
        it.number(1, 300);
        it.text(2, "ab");
        assert_eq!(it.into_bytes(), [0x08, 0xac, 0x02, 0x12, 0x02, b'a', b'b']);
        let mut it = Message::default();
        it.number(3, (-1i64) as u64);
        assert_eq!(it.into_bytes().len(), 11);
    }
}
