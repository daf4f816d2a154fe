//! Texts as rows of numbers: a character is a Unicode scalar value, its number its place in the vocabulary.

/// Returns the text of a file: a leading byte order mark is skipped, line ends are as they are.
///
/// # Errors
///
/// The offset of the first byte that is no UTF-8.
pub fn decode(bytes: &[u8]) -> Result<&str, usize> {
    let text = std::str::from_utf8(bytes).map_err(|fault| fault.valid_up_to())?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The distinct characters of a text in the order of their code points.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vocabulary(Vec<char>);

/// A character that a vocabulary does not have. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "they say what they are")]
pub struct Unknown {
    pub character: char,
    pub line: usize,
    pub column: usize,
}

impl Vocabulary {
    /// Returns the characters of a text.
    pub fn of(text: &str) -> Vocabulary {
        let mut all: Vec<char> =
            text.chars().collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        all.sort_unstable();
        Vocabulary(all)
    }

    /// Returns the characters, in the order of their numbers.
    pub fn characters(&self) -> &[char] {
        &self.0
    }

    /// Returns the characters as one text, from which [`Vocabulary::of`] makes the same again.
    pub fn to_text(&self) -> String {
        self.0.iter().collect()
    }

    /// Returns the number of a character.
    pub fn number(&self, character: char) -> Option<usize> {
        self.0.binary_search(&character).ok()
    }

    /// Returns the numbers of a text, in the type in which series come.
    pub fn encode(&self, text: &str) -> Result<Vec<f64>, Unknown> {
        let (mut line, mut column) = (1, 1);
        let mut numbers = Vec::with_capacity(text.len());
        for character in text.chars() {
            let Some(number) = self.number(character) else {
                return Err(Unknown { character, line, column });
            };
            numbers.push(number as f64);
            (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vocabulary_is_sorted_and_without_the_byte_order_mark() {
        let vocabulary = Vocabulary::of(decode("\u{feff}hello world".as_bytes()).unwrap());
        assert_eq!(vocabulary.to_text(), " dehlorw");
        assert_eq!(vocabulary.encode("held").unwrap(), [3.0, 2.0, 4.0, 1.0]);
        assert_eq!(Vocabulary::of(&vocabulary.to_text()), vocabulary);
        // Code points, not an order of a language: capitals first, then what is not ASCII.
        assert_eq!(Vocabulary::of("zé\nA").to_text(), "\nAzé");
    }

    #[test]
    fn unknown_characters_have_line_and_column_and_bad_bytes_an_offset() {
        let vocabulary = Vocabulary::of("abé\n");
        let unknown = vocabulary.encode("ab\néaX").unwrap_err();
        assert_eq!(unknown, Unknown { character: 'X', line: 2, column: 3 });
        assert_eq!(decode(b"ab\xffc"), Err(2));
    }
}
