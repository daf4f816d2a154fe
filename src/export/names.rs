//! Identifiers of a target language for the user's names.
//!
//! A character that is no letter, digit or `_` becomes `_`; a word that is taken by the language or by the file gets a
//! trailing `_`; a name that another value has got `_2`, `_3` and so on. All values of a file share one table.

use std::collections::BTreeSet;

/// The words of Python.
pub const PYTHON: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "case", "class",
    "continue", "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if",
    "import", "in", "is", "lambda", "match", "nonlocal", "not", "or", "pass", "raise", "return",
    "try", "type", "while", "with", "yield",
    // Functions that are called by these names.
    "bool", "dict", "float", "int", "len", "list", "max", "min", "range", "reversed", "slice",
    "sum", "tuple", "zip",
];

/// The words of C, the names of its headers, and those of a file itself.
pub const C: &[&str] = &[
    "auto",
    "break",
    "case",
    "char",
    "const",
    "continue",
    "default",
    "do",
    "double",
    "else",
    "enum",
    "extern",
    "float",
    "for",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "register",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "struct",
    "switch",
    "typedef",
    "union",
    "unsigned",
    "void",
    "volatile",
    "while",
    // Words of C++, for the header.
    "and",
    "bool",
    "catch",
    "class",
    "delete",
    "explicit",
    "export",
    "false",
    "friend",
    "mutable",
    "namespace",
    "new",
    "not",
    "operator",
    "or",
    "private",
    "protected",
    "public",
    "template",
    "this",
    "throw",
    "true",
    "try",
    "typeid",
    "typename",
    "using",
    "virtual",
    "xor",
    // What headers have.
    "abs",
    "acos",
    "asin",
    "atan",
    "atan2",
    "cbrt",
    "ceil",
    "copysign",
    "cos",
    "cosh",
    "div",
    "drem",
    "erf",
    "erfc",
    "exp",
    "exp10",
    "exp2",
    "expm1",
    "fabs",
    "fdim",
    "floor",
    "fma",
    "fmax",
    "fmin",
    "fmod",
    "frexp",
    "gamma",
    "hypot",
    "ilogb",
    "index",
    "isfinite",
    "isinf",
    "isnan",
    "j0",
    "j1",
    "jn",
    "labs",
    "ldexp",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "logb",
    "modf",
    "nan",
    "nearbyint",
    "offsetof",
    "pow",
    "pow10",
    "remainder",
    "rint",
    "round",
    "scalb",
    "signbit",
    "significand",
    "signgam",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "tgamma",
    "trunc",
    "y0",
    "y1",
    "yn",
    "INFINITY",
    "NAN",
    "NULL",
    "size_t",
    "int8_t",
    "int32_t",
    // What a step has.
    "s",
    "t",
    "i",
    "j",
    "k",
    "l",
    "m",
    "n",
    "sum",
    "high",
    "scratch",
    "steps",
    "unused",
];

/// The names in a table.
#[derive(Clone, Debug)]
pub struct Names {
    taken: BTreeSet<String>,
    reserved: BTreeSet<&'static str>,
    /// The user's names that are written in another way.
    renamed: Vec<(String, String)>,
}

impl Names {
    /// Returns a table in which these words are taken.
    pub fn new(reserved: &[&[&'static str]]) -> Names {
        let reserved = reserved.iter().copied().flatten().copied().collect();
        Names { taken: BTreeSet::new(), reserved, renamed: Vec::new() }
    }

    /// Returns the identifier for a name of the user, which nothing else has.
    pub fn of(&mut self, name: &str) -> String {
        let id = self.fresh(name);
        if id != name {
            self.renamed.push((id.clone(), name.to_owned()));
        }
        id
    }

    /// Returns an identifier for what the user gave no name.
    pub fn fresh(&mut self, name: &str) -> String {
        let mut id = plain(name);
        // `str`, `mem` and `is` before a small letter belong to the library of C.
        let is_of_library = ["str", "mem", "is", "to"].iter().any(|it| {
            let rest = id.strip_prefix(it);
            rest.is_some_and(|it| it.starts_with(|it: char| it.is_ascii_lowercase()))
        });
        if self.reserved.contains(id.as_str()) || is_of_library && self.reserved.contains("sizeof")
        {
            id.push('_');
        }
        let mut unique = id.clone();
        let mut count = 2;
        while !self.taken.insert(unique.clone()) {
            unique = format!("{id}_{count}");
            count += 1;
        }
        unique
    }

    /// Returns the names that are written in another way, for the head of the file.
    pub fn renamed(&self) -> &[(String, String)] {
        &self.renamed
    }
}

/// Replaces what no identifier has.
pub fn plain(name: &str) -> String {
    let replaced = |it: char| if it.is_ascii_alphanumeric() || it == '_' { it } else { '_' };
    let mut id: String = name.chars().map(replaced).collect();
    if id.starts_with(|it: char| it.is_ascii_digit()) || id.is_empty() {
        id.insert(0, '_');
    }
    id
}

/// Returns the name of a cell in snake case: `FsLstm` is `fs_lstm`, `GRU` is `gru`.
pub fn snake(name: &str) -> String {
    let all: Vec<char> = name.chars().collect();
    let mut id = String::new();
    for (at, it) in all.iter().enumerate() {
        let before = at.checked_sub(1).map(|it| all[it]);
        let after = all.get(at + 1);
        let begins = it.is_ascii_uppercase()
            && before.is_some_and(|it| {
                it.is_ascii_lowercase()
                    || it.is_ascii_digit()
                    || it.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase)
            });
        if begins {
            id.push('_');
        }
        id.push(it.to_ascii_lowercase());
    }
    plain(&id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_names_become_good_ones() {
        let mut names = Names::new(&[PYTHON, &["state"]]);
        let all = ["lambda", "a.W", "a_W", "n[2]", "state", "h", "h", "state_", "2x"];
        let all = all.map(|it| names.of(it));
        let expected = ["lambda_", "a_W", "a_W_2", "n_2_", "state_", "h", "h_2", "state__2", "_2x"];
        assert_eq!(all, expected);
        assert_eq!(names.renamed()[0], ("lambda_".to_owned(), "lambda".to_owned()));
        assert!(!names.renamed().iter().any(|it| it.0 == "h"));
    }

    #[test]
    fn cells_are_written_in_snake_case() {
        let all = ["Gru", "FsLstm", "GRU", "LSTMCell", "CtRnnRk4", "S4D"].map(snake);
        assert_eq!(all, ["gru", "fs_lstm", "gru", "lstm_cell", "ct_rnn_rk4", "s4_d"]);
    }
}
