//! Text in columns for people, at most 80 characters wide where the words allow it.

/// How wide text may get.
pub const WIDTH: usize = 80;

/// Where the second column begins.
const INDENT: usize = 16;

/// A title and a list, wrapped with the list in a column of its own; nothing for an empty list.
pub fn section(title: &str, entries: &[String]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    let mut line = format!("{:INDENT$}", format!("  {title}"));
    for (idx, entry) in entries.iter().enumerate() {
        let comma = if idx + 1 < entries.len() { "," } else { "" };
        let is_first = line.chars().count() <= INDENT;
        if !is_first && line.chars().count() + entry.chars().count() + 2 > WIDTH {
            text.push_str(line.trim_end());
            text.push('\n');
            line = format!("{:INDENT$}{entry}{comma}", "");
        } else {
            let blank = if is_first { "" } else { " " };
            line = format!("{line}{blank}{entry}{comma}");
        }
    }
    text.push_str(line.trim_end());
    text.push('\n');
    text
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
}
