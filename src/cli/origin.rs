//! The origin of a written file: its metadata.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::ir::Cell;
use crate::text::Name;

/// The longest command line that is kept.
const MAX_COMMAND: usize = 2000;

thread_local! {
    /// The words of the command that this thread runs.
    static WORDS: RefCell<Vec<OsString>> = const { RefCell::new(Vec::new()) };
}

/// Takes the words of the command that this thread runs from now on.
pub fn remember(words: &[OsString]) {
    WORDS.set(words.to_vec());
}

/// Returns the program, the cell with its sizes and settings, the seed, and the command line.
pub fn origin(
    cell: &Cell,
    sizes: &BTreeMap<Name, i64>,
    set: &[(String, String)],
    seed: Option<u64>,
) -> BTreeMap<String, String> {
    let list = |all: &mut dyn Iterator<Item = (String, String)>| {
        let all: Vec<String> = all.map(|(name, value)| format!("{name}={value}")).collect();
        all.join(" ")
    };
    let is_dim = |name: &str| cell.dims.iter().any(|it| &*it.name == name);
    let entries = [
        ("rnnc", env!("CARGO_PKG_VERSION").to_owned()),
        ("cell", cell.name.to_string()),
        ("dims", list(&mut sizes.iter().map(|(name, size)| (name.to_string(), size.to_string())))),
        ("settings", list(&mut set.iter().filter(|it| !is_dim(&it.0)).cloned())),
        ("seed", seed.map(|it| it.to_string()).unwrap_or_default()),
        ("command", WORDS.with_borrow(|it| command(it.iter().cloned()))),
    ];
    let entries = entries.into_iter().filter(|it| !it.1.is_empty());
    entries.map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Returns a command line that a shell would take.
fn command(words: impl Iterator<Item = OsString>) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "_-./=:,+@%".contains(it);
    let quoted = words.map(|it| {
        let word = it.to_string_lossy();
        match !word.is_empty() && word.chars().all(is_plain) {
            true => word.into_owned(),
            false => format!("'{}'", word.replace('\'', r"'\''")),
        }
    });
    let all: Vec<String> = std::iter::once("rnnc".to_owned()).chain(quoted).collect();
    let text = all.join(" ");
    match text.char_indices().nth(MAX_COMMAND) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn a_command_can_be_given_to_a_shell_again() {
        let words = ["run", "my cell.rnn", "--set", "act=leaky_relu(0.2)", "it's", ""];
        let text = command(words.iter().map(Into::into));
        assert_eq!(text, r"rnnc run 'my cell.rnn' --set 'act=leaky_relu(0.2)' 'it'\''s' ''");
        assert!(command(std::iter::repeat_n("x".into(), 5000)).len() < 2010);
    }
}
