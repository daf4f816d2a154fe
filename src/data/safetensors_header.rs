//! The header of a `.safetensors` file, read so that it takes no more memory than it has bytes.
//!
//! ```text
//! {"__metadata__": {"made": "today"}, "W": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]}}
//! ```

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use super::{
    DType, MAX_AXES,
    safetensors::{MAX_REMARKS, MAX_TENSORS},
};

/// The key of the remarks in the header.
pub(super) const METADATA: &str = "__metadata__";

/// All of the header. The tensors are in the order of the file, and nothing says yet that their
/// names differ.
pub(super) struct Header {
    /// The tensors by name.
    pub tensors: Vec<(String, Info)>,
    /// The remarks about the file.
    pub metadata: BTreeMap<String, String>,
}

/// The entry of one tensor in the header.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Info {
    /// The type of the elements.
    pub dtype: Element,
    /// The length of each axis.
    pub shape: Shape,
    /// The beginning and end of its bytes, counted from the end of the header.
    pub data_offsets: (usize, usize),
}

/// The type of the elements, known or not.
pub(super) enum Element {
    /// One that we read.
    Known(DType),
    /// Another one, as it is spelt.
    Other(String),
}

/// The lengths of the axes, at most [`MAX_AXES`]: a longer list is refused before it is stored.
pub(super) struct Shape(pub Vec<usize>);

/// The remarks: at most [`MAX_REMARKS`], and no key twice.
struct Remarks(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Header, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from names to tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut tensors = Vec::new();
        let mut metadata = None;
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA {
                if metadata.replace(map.next_value::<Remarks>()?.0).is_some() {
                    return Err(A::Error::custom("`__metadata__` stands twice"));
                }
            } else if tensors.len() == MAX_TENSORS {
                return Err(A::Error::custom(format_args!("more than {MAX_TENSORS} tensors")));
            } else {
                tensors.push((name, map.next_value()?));
            }
        }
        Ok(Header { tensors, metadata: metadata.unwrap_or_default() })
    }
}

impl<'de> Deserialize<'de> for Remarks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Remarks, D::Error> {
        deserializer.deserialize_map(RemarksVisitor)
    }
}

struct RemarksVisitor;

impl<'de> Visitor<'de> for RemarksVisitor {
    type Value = Remarks;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from strings to strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Remarks, A::Error> {
        let mut remarks = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            if remarks.len() == MAX_REMARKS {
                return Err(A::Error::custom(format_args!("more than {MAX_REMARKS} remarks")));
            }
            if remarks.insert(key, value).is_some() {
                return Err(A::Error::custom("a key of `__metadata__` stands twice"));
            }
        }
        Ok(Remarks(remarks))
    }
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Element, D::Error> {
        deserializer.deserialize_str(ElementVisitor)
    }
}

struct ElementVisitor;

impl Visitor<'_> for ElementVisitor {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the type of the elements, such as \"F32\"")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Element, E> {
        // The names of the format are ours in capital letters.
        let known = DType::ALL.into_iter().find(|it| it.as_str().to_ascii_uppercase() == name);
        Ok(known.map_or_else(|| Element::Other(name.to_owned()), Element::Known))
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shape, D::Error> {
        deserializer.deserialize_seq(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lengths of the axes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
        let mut shape = Vec::new();
        while let Some(length) = list.next_element()? {
            if shape.len() == MAX_AXES {
                return Err(A::Error::custom(format_args!("more than {MAX_AXES} axes")));
            }
            shape.push(length);
        }
        Ok(Shape(shape))
    }
}
