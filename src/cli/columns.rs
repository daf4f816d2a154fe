//! Text in columns for people, at most 80 characters wide where the words allow it, and less on a narrow terminal.

use std::io::{self, IsTerminal};

/// The greatest width of text.
pub const WIDTH: usize = 80;

/// The beginning of the second column.
const INDENT: usize = 16;

/// The least room that a second column is worth.
const LEAST: usize = 24;

/// Returns the width of the terminal, or `COLUMNS` where that is set; nothing where the output goes to a file or a pipe.
pub fn terminal() -> Option<usize> {
    let asked = std::env::var("COLUMNS").ok().and_then(|it| it.parse().ok());
    let terminal = || terminal_size::terminal_size_of(io::stdout()).map(|it| usize::from(it.0.0));
    let found = asked.or_else(|| if io::stdout().is_terminal() { terminal() } else { None });
    found.filter(|it| *it > 0)
}

/// Returns how wide tables are: as the terminal, and never above 80.
pub fn width() -> usize {
    terminal().map_or(WIDTH, |it| it.min(WIDTH))
}

/// Returns a title and a list, wrapped with the list in a column of its own; nothing for an empty list.
pub fn section(title: &str, entries: &[String]) -> String {
    let last = entries.len().saturating_sub(1);
    let comma = |idx: usize| if idx < last { "," } else { "" };
    let words = entries.iter().enumerate().map(|(idx, it)| format!("{it}{}", comma(idx)));
    column(title, &words.collect::<Vec<_>>())
}

/// Returns a title and a formula, which is broken after a `+`.
pub fn formula(title: &str, formula: &str) -> String {
    let terms: Vec<&str> = formula.split(" + ").collect();
    let last = terms.len() - 1;
    let plus = |idx: usize| if idx < last { " +" } else { "" };
    let words = terms.iter().enumerate().map(|(idx, it)| format!("{it}{}", plus(idx)));
    column(title, &words.collect::<Vec<_>>())
}

fn column(title: &str, words: &[String]) -> String {
    if words.is_empty() {
        return String::new();
    }
    let mut lines = wrapped(words.iter().map(String::as_str), WIDTH - INDENT).into_iter();
    let head = format!("  {title}");
    let first = lines.next().unwrap_or_default();
    let mut text = match head.chars().count() < INDENT {
        true => format!("{head:INDENT$}{first}\n"),
        false => format!("{head} {first}\n"),
    };
    for line in lines {
        text.push_str(&format!("{:INDENT$}{line}\n", ""));
    }
    text
}

/// Returns a name and what is said about it: in one line for pipes, else with the words in a second column, or below
/// the name where the terminal is too narrow for two.
pub fn entry(name: &str, name_width: usize, words: &str, terminal: Option<usize>) -> String {
    let Some(terminal) = terminal else { return format!("{name:name_width$}  {words}\n") };
    let beside = terminal.saturating_sub(name_width + 2);
    let (indent, room) = match beside >= LEAST {
        true => (name_width + 2, beside),
        false => (4, terminal.saturating_sub(4).max(LEAST)),
    };
    let lines = wrapped(words.split(' '), room);
    let mut text = String::new();
    for (idx, line) in lines.iter().enumerate() {
        match (idx, beside >= LEAST) {
            (0, true) => text.push_str(&format!("{name:name_width$}  {line}\n")),
            (0, false) => text.push_str(&format!("{name}\n{:indent$}{line}\n", "")),
            (_, _) => text.push_str(&format!("{:indent$}{line}\n", "")),
        }
    }
    text
}

/// Returns a text in lines that fit the terminal; in one for pipes.
pub fn paragraph(text: &str, terminal: Option<usize>) -> String {
    let lines = wrapped(text.split(' '), terminal.unwrap_or(usize::MAX));
    lines.iter().map(|it| format!("{it}\n")).collect()
}

/// Puts words into lines of at most `room` characters; a longer word has a line of its own.
fn wrapped<'a>(words: impl Iterator<Item = &'a str>, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words {
        let line = lines.last_mut().expect("there is one at least");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_go_on_in_their_column() {
        let names: Vec<String> = (0..30).map(|it| format!("name_{it}")).collect();
        let text = section("params", &names);
        assert!(text.lines().count() > 3);
        assert!(text.lines().all(|it| it.len() <= WIDTH), "{text}");
        assert!(text.lines().skip(1).all(|it| it.starts_with(&" ".repeat(INDENT))), "{text}");
        assert!(text.starts_with("  params        name_0, name_1,"), "{text}");
        assert_eq!(section("nothing", &[]), "");
    }

    #[test]
    fn formulas_break_after_a_plus() {
        let terms: Vec<String> = (0..20).map(|it| format!("{it} * H * I")).collect();
        let text = formula("parameters", &terms.join(" + "));
        assert!(text.lines().count() > 2 && text.lines().all(|it| it.len() <= WIDTH), "{text}");
        assert!(text.lines().rev().skip(1).all(|it| it.ends_with(" +")), "{text}");
        assert_eq!(formula("parameters", "H"), "  parameters    H\n");
    }

    #[test]
    fn words_go_below_the_name_on_a_narrow_terminal() {
        let words = "Gated recurrent unit; the reset gate comes after the product";
        assert_eq!(entry("std/gru", 10, words, None), format!("std/gru     {words}\n"));
        let wide = entry("std/gru", 10, words, Some(50));
        assert!(
            wide.starts_with("std/gru     Gated recurrent unit; the reset gate\n            comes")
        );
        let narrow = entry("std/gru", 30, words, Some(40));
        assert!(narrow.starts_with("std/gru\n    Gated recurrent"), "{narrow}");
        assert!([wide, narrow].iter().all(|it| it.lines().all(|it| it.len() <= 50)));
    }
}
