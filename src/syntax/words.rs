//! The words of the language, by what they do. The grammar spells them a second time; a test
//! compares.

/// The words that begin an item.
pub(super) const ITEMS: &[&str] = &["cell", "model", "activation", "fn", "use"];

/// The words that begin a declaration.
pub(super) const DECLARATIONS: &[&str] = &[
    "dims", "hyper", "input", "state", "param", "const", "mask", "gate", "let", "output", "layer",
    "target", "feedback", "loss", "layout",
];

/// The words inside expressions and loops.
const INNER: &[&str] = &["prev", "fold", "yield", "pi", "inf"];

/// Kept for later.
const LATER: &[&str] = &["axis", "template", "import", "export", "type", "unit", "noise"];

/// Words of other languages, which get messages of their own.
const FOREIGN: &[&str] = &["if", "else", "while", "return", "class", "def"];

/// The kinds of words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Word {
    /// It may be a name.
    Free,
    /// It begins an item.
    Item,
    /// It begins a declaration.
    Declaration,
    /// `prev`, `fold`, `yield`, `pi`, `inf`.
    Inner,
    /// Kept for later.
    Later,
    /// A word of another language.
    Foreign,
}

/// Returns the kind of a word.
pub(super) fn classify(word: &str) -> Word {
    // Nearly all names are ruled out by their length or their first letter.
    if !(2..=10).contains(&word.len()) || !word.as_bytes()[0].is_ascii_lowercase() {
        return Word::Free;
    }
    let lists = [
        (DECLARATIONS, Word::Declaration),
        (INNER, Word::Inner),
        (ITEMS, Word::Item),
        (LATER, Word::Later),
        (FOREIGN, Word::Foreign),
    ];
    lists.into_iter().find(|(list, _)| list.contains(&word)).map_or(Word::Free, |it| it.1)
}

/// Returns true if the language keeps this word, so that nothing can bear it as a name.
pub fn is_reserved(word: &str) -> bool {
    classify(word) != Word::Free
}

/// Returns the advice for a word of another language.
pub(super) fn advice(word: &str) -> Option<&'static str> {
    match word {
        "if" | "else" => Some("choose between two values with `where(cond, a, b)`"),
        "while" => Some(
            "a loop has a constant number of iterations: `fold s from start for i in 0 .. N { yield .. }`",
        ),
        "return" => Some("name what the cell returns with `output`"),
        "class" => Some("a cell begins with `cell NAME {`"),
        "def" => Some("a function is written `fn f(a, b) = expr`"),
        "axis" => Some("name the axis: `over D`"),
        "import" => Some("other files are read with `use \"file.rnn\"` or `use std/lstm`"),
        _ => None,
    }
}

/// Returns the word of the list that this one was probably meant to be.
pub(super) fn nearest<'w>(word: &str, list: &[&'w str]) -> Option<&'w str> {
    if word.len() > 16 || word.len() < 2 {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let allowed = if word.len() < 4 { 1 } else { 2 };
    let best = list.iter().map(|it| (distance(&lower, it), *it)).min()?;
    let synonym = match lower.as_str() {
        "parameter" | "parameters" | "params" | "weight" | "weights" | "bias" => Some("param"),
        "var" | "val" | "set" => Some("let"),
        "dim" | "size" | "sizes" | "dimension" | "dimensions" => Some("dims"),
        "inputs" => Some("input"),
        "outputs" | "out" => Some("output"),
        "hidden" | "states" => Some("state"),
        "func" | "function" | "fun" => Some("fn"),
        "constant" | "buffer" => Some("const"),
        "rnn" | "module" => Some("cell"),
        _ => None,
    };
    let synonym = synonym.filter(|it| list.contains(it));
    synonym.or((best.0 <= allowed && best.0 < word.len().min(best.1.len())).then_some(best.1))
}

/// Returns the least number of letters to add, remove, change or swap with a neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_is_told_from_another_word() {
        assert_eq!(nearest("parma", DECLARATIONS), Some("param"));
        assert_eq!(nearest("stat", DECLARATIONS), Some("state"));
        assert_eq!(nearest("weight", DECLARATIONS), Some("param"));
        assert_eq!(nearest("W_x", DECLARATIONS), None);
        assert_eq!(nearest("memory", DECLARATIONS), None);
        assert_eq!(nearest("ce11", ITEMS), Some("cell"));
    }
}
