//! The header of a `.npy` file: a Python dictionary with exactly three keys, in any order.
//!
//! ```text
//! {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
//! ```
//!
//! This reads just that, not Python: no escapes in strings, no nesting, no numbers but the lengths
//! of axes.

use super::{DataError, MAX_AXES, NpyFault};

/// The contents of the header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Header {
    /// The type of the elements, as it is spelt there.
    pub descr: String,
    /// True if the first axis is the fastest.
    pub fortran: bool,
    /// The length of each axis.
    pub shape: Vec<usize>,
}

/// Reads the header in `bytes`, which begins at byte `start` of the file.
pub(super) fn parse(bytes: &[u8], start: usize) -> Result<Header, DataError> {
    let mut cursor = Cursor { bytes, at: 0, start };
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    cursor.expect(b'{', "`{`")?;
    while !cursor.eat(b'}') {
        let at = start + cursor.skip_space();
        let key = cursor.string("`'descr'`, `'fortran_order'`, `'shape'` or `}`")?;
        cursor.expect(b':', "`:`")?;
        let (key, again) = match key {
            b"descr" => ("descr", descr.replace(cursor.descr()?).is_some()),
            b"fortran_order" => ("fortran_order", fortran.replace(cursor.truth()?).is_some()),
            b"shape" => ("shape", shape.replace(cursor.shape()?).is_some()),
            _ => {
                let expected = "`'descr'`, `'fortran_order'` or `'shape'`";
                return Err(NpyFault::Syntax { at, expected }.into());
            }
        };
        if again {
            return Err(NpyFault::KeyTwice { at, key }.into());
        }
        if !cursor.eat(b',') {
            cursor.expect(b'}', "`,` or `}`")?;
            break;
        }
    }
    cursor.skip_space();
    if cursor.at != bytes.len() {
        return Err(cursor.fault("nothing but spaces and a line feed"));
    }
    Ok(Header {
        descr: descr.ok_or(NpyFault::NoKey { key: "descr" })?,
        fortran: fortran.ok_or(NpyFault::NoKey { key: "fortran_order" })?,
        shape: shape.ok_or(NpyFault::NoKey { key: "shape" })?,
    })
}

/// A place in the header. Every method skips spaces first.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    start: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fault(&self, expected: &'static str) -> DataError {
        NpyFault::Syntax { at: self.start + self.at, expected }.into()
    }

    fn skip_space(&mut self) -> usize {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n')) {
            self.at += 1;
        }
        self.at
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), DataError> {
        if self.eat(byte) { Ok(()) } else { Err(self.fault(expected)) }
    }

    fn string(&mut self, expected: &'static str) -> Result<&'a [u8], DataError> {
        self.skip_space();
        let Some(quote @ (b'\'' | b'"')) = self.peek() else { return Err(self.fault(expected)) };
        let from = self.at + 1;
        let rest = &self.bytes[from..];
        let Some(length) = rest.iter().position(|it| *it == quote) else {
            return Err(self.fault("a string that ends"));
        };
        self.at = from + length + 1;
        Ok(&rest[..length])
    }

    /// Returns the type of the elements. A list of fields or a tuple is no type that we read; it is named in the error.
    fn descr(&mut self) -> Result<String, DataError> {
        self.skip_space();
        if matches!(self.peek(), Some(b'[' | b'(')) {
            let rest = &self.bytes[self.at..];
            let end = rest.iter().position(|it| *it == b']').map_or(rest.len(), |it| it + 1);
            let dtype = String::from_utf8_lossy(&rest[..end]).into_owned();
            return Err(DataError::UnsupportedType { dtype });
        }
        let text = self.string("the type of the elements, such as `'<f4'`")?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn truth(&mut self) -> Result<bool, DataError> {
        self.skip_space();
        for (word, value) in [("True", true), ("False", false)] {
            if self.bytes[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.fault("`True` or `False`"))
    }

    /// Returns a tuple of lengths: `()`, `(3,)` or `(3, 4)`. As in Python, `(3)` is no tuple.
    fn shape(&mut self) -> Result<Vec<usize>, DataError> {
        self.expect(b'(', "`(` of the shape")?;
        let mut shape = Vec::new();
        loop {
            if self.eat(b')') {
                return Ok(shape);
            }
            if shape.len() == MAX_AXES {
                return Err(DataError::TooManyAxes);
            }
            shape.push(self.length()?);
            if self.eat(b',') {
                continue;
            }
            if shape.len() == 1 {
                return Err(self.fault("`,`, as in `(3,)`"));
            }
            self.expect(b')', "`,` or `)`")?;
            return Ok(shape);
        }
    }

    fn length(&mut self) -> Result<usize, DataError> {
        self.skip_space();
        let digits = self.bytes[self.at..].iter().take_while(|it| it.is_ascii_digit());
        let end = self.at + digits.count();
        let digits = &self.bytes[self.at..end];
        if digits.is_empty() || (digits.len() > 1 && digits[0] == b'0') {
            return Err(self.fault("the length of an axis"));
        }
        let length = digits.iter().try_fold(0usize, |length, digit| {
            length.checked_mul(10)?.checked_add(usize::from(digit - b'0'))
        });
        let Some(length) = length else {
            return Err(self.fault("the length of an axis that fits into memory"));
        };
        self.at = end;
        // Python 2 marked long integers like this, and its files are still about.
        if self.peek() == Some(b'L') {
            self.at += 1;
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(header: &str) -> String {
        match parse(header.as_bytes(), 10) {
            Ok(Header { descr, fortran, shape }) => format!("{descr} {fortran} {shape:?}"),
            Err(error) => error.to_string().replace("not a sound .npy file: ", ""),
        }
    }

    #[test]
    fn keys_come_in_any_order_with_either_quote() {
        for header in [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n",
            "{'shape':(3,4),'fortran_order':False,'descr':'<f4'}",
            "{\"descr\": \"<f4\", 'shape': ( 3L , 4L, ), \"fortran_order\": False}\n",
        ] {
            assert_eq!(text(header), "<f4 false [3, 4]", "{header}");
        }
        assert_eq!(text("{'descr':'|b1','fortran_order':True,'shape':()}"), "|b1 true []");
        assert_eq!(text("{'descr':'|b1','fortran_order':True,'shape':(0,)}"), "|b1 true [0]");
    }

    #[test]
    fn a_fault_names_its_byte_in_the_file() {
        for (header, expected) in [
            ("", "header, byte 10: expected `{`"),
            ("{", "header, byte 11: expected `'descr'`, `'fortran_order'`, `'shape'` or `}`"),
            ("{}", "the header has no `descr`"),
            ("{'shape': (3,), 'shape': (3,)}", "header, byte 26: `shape` stands twice"),
            ("{'descr': '<f4', 'shape': (3,)}", "the header has no `fortran_order`"),
            ("{'size': 3}", "header, byte 11: expected `'descr'`, `'fortran_order'` or `'shape'`"),
            ("{'shape': (3)}", "header, byte 22: expected `,`, as in `(3,)`"),
            ("{'shape': (-3,)}", "header, byte 21: expected the length of an axis"),
            ("{'shape': (03,)}", "header, byte 21: expected the length of an axis"),
            ("{'shape': (3 4)}", "header, byte 23: expected `,`, as in `(3,)`"),
            ("{'shape': [3, 4]}", "header, byte 20: expected `(` of the shape"),
            ("{'shape': (,)}", "header, byte 21: expected the length of an axis"),
            (
                "{'shape': (99999999999999999999,)}",
                "header, byte 21: expected the length of an axis that fits into memory",
            ),
            ("{'shape': (1,1,1,1,1,1,1,1,1)}", "the array has more than 8 axes"),
            ("{'fortran_order': 0}", "header, byte 28: expected `True` or `False`"),
            ("{'descr': 4}", "header, byte 20: expected the type of the elements, such as `'<f4'`"),
            ("{'descr: 4}", "header, byte 11: expected a string that ends"),
            (
                "{'descr':'<f4','fortran_order':False,'shape':()} x",
                "header, byte 59: expected nothing but spaces and a line feed",
            ),
            (
                "{'descr': [('a', '<f4'), ('b', '<i4')], 'shape': ()}",
                "elements of type `[('a', '<f4'), ('b', '<i4')]` cannot be read; \
                 save each field as an array of its own",
            ),
        ] {
            assert_eq!(text(header), expected, "{header}");
        }
    }
}
