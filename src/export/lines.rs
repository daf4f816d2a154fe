//! Pieces of Python files.

/// The longest line of a file.
const WIDTH: usize = 100;

/// Indents lines by a number of levels.
pub fn indent(lines: &[String], levels: usize) -> Vec<String> {
    let pad = "    ".repeat(levels);
    let line = |it: &String| if it.is_empty() { String::new() } else { format!("{pad}{it}") };
    lines.iter().map(line).collect()
}

/// Returns a tuple as it is returned or taken apart: `h`, `h, c`.
pub fn list(all: &[String]) -> String {
    all.join(", ")
}

/// Returns a tuple as a value: `(h,)`, `(h, c)`.
pub fn tuple(all: &[String]) -> String {
    match all {
        [one] => format!("({one},)"),
        all => format!("({})", all.join(", ")),
    }
}

/// Returns a call or a display that is broken into lines where it is long: `head(a, b)tail`.
pub fn call(head: &str, all: &[String], tail: &str) -> Vec<String> {
    let open =
        if head.ends_with('{') || head.ends_with('(') || head.ends_with('[') { "" } else { "(" };
    let close = match head.chars().last() {
        Some('{') => "}",
        Some('[') => "]",
        _ => ")",
    };
    let line = format!("{head}{open}{}{close}{tail}", all.join(", "));
    if line.len() <= WIDTH - 8 {
        return vec![line];
    }
    let mut lines = vec![format!("{head}{open}")];
    let mut own = String::new();
    for part in all {
        if !own.is_empty() && own.len() + part.len() > WIDTH - 16 {
            lines.push(format!("    {}", own.trim_end()));
            own.clear();
        }
        own.push_str(part);
        own.push_str(", ");
    }
    if !own.is_empty() {
        lines.push(format!("    {}", own.trim_end()));
    }
    lines.push(format!("{close}{tail}"));
    lines
}

/// Returns a documentation string.
pub fn doc(text: &[String]) -> Vec<String> {
    let safe: Vec<String> =
        text.iter().map(|it| it.replace('\\', "\\\\").replace("\"\"\"", "'''")).collect();
    match &safe[..] {
        [one] if !one.ends_with('"') => vec![format!("\"\"\"{one}\"\"\"")],
        [] => Vec::new(),
        [first, rest @ ..] => {
            let mut lines = vec![format!("\"\"\"{first}")];
            lines.extend(rest.iter().map(|it| it.trim_end().to_owned()));
            lines.push("\"\"\"".to_owned());
            lines
        }
    }
}

/// Returns a string of Python.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Returns the lines of a file.
pub fn file(lines: &[String]) -> Vec<u8> {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.into_bytes()
}
