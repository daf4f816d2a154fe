//! Lines: columns for names and shapes, long formulas wrapped.

use crate::text::work;

/// The width at which lines are broken.
const WIDTH: usize = 100;

/// Lines of `keyword name: shape = formula` in columns.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<PrintedRow>,
}

struct PrintedRow {
    name: String,
    shape: String,
    sign: &'static str,
    text: String,
}

impl Table {
    /// Adds a line. `name` may have a keyword before it; `sign` is `=`, `+=` or nothing.
    pub fn row(
        &mut self,
        name: impl Into<String>,
        shape: impl ToString,
        sign: &'static str,
        text: impl Into<String>,
    ) {
        let (name, text) = (name.into(), text.into());
        self.rows.push(PrintedRow { name, shape: shape.to_string(), sign, text });
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes all lines. Columns are as wide as most entries need; a longer one moves its own line
    /// only.
    pub fn write(&self, out: &mut String) {
        let width = |limit: usize, of: &dyn Fn(&PrintedRow) -> usize| {
            self.rows.iter().map(of).filter(|it| *it <= limit).max().unwrap_or(0)
        };
        let names = width(24, &|it| it.name.len());
        let shapes = width(16, &|it| it.shape.len());
        for row in &self.rows {
            let mut line = format!("  {:names$} : {:shapes$}", row.name, row.shape);
            if !row.sign.is_empty() {
                line.push_str(&format!(" {}", row.sign));
            }
            let line = if row.text.is_empty() { line.trim_end().to_string() } else { line + " " };
            wrap(out, &line, &row.text);
        }
    }
}

/// Writes a line whose beginning is not broken and whose rest may be, before operators and after
/// commas; the outermost place that leaves a line well filled is taken.
pub(crate) fn wrap(out: &mut String, start: &str, text: &str) {
    let indent = start.len().min(WIDTH / 2);
    out.push_str(start);
    let mut room = WIDTH.saturating_sub(start.len()).max(WIDTH / 3);
    let mut rest = text;
    while rest.len() > room {
        let Some(at) = best_break(rest, room) else { break };
        out.push_str(rest[..at].trim_end());
        out.push('\n');
        // A continued line is indented further than the line it belongs to.
        out.push_str(&" ".repeat(indent + 2));
        rest = rest[at..].trim_start();
        room = WIDTH - indent - 2;
    }
    out.push_str(rest);
    out.push('\n');
}

fn best_break(text: &str, room: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut best: Option<(usize, usize)> = None;
    let mut beyond = None;
    for (at, byte) in bytes.iter().enumerate() {
        // What comes later cannot be better; looking at all of it for each line takes the square of its length.
        if at > room && best.is_some() {
            break;
        }
        work::count();
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b' ' => {
                let after = bytes.get(at + 1..at + 3).unwrap_or(b"");
                let operator = matches!(after, [b'+' | b'-' | b'*' | b'/' | b'@', b' ']);
                let comma = at > 0 && bytes[at - 1] == b',';
                if !operator && !comma {
                    continue;
                }
                if at > room {
                    beyond = Some(at);
                    break;
                }
                // A sum falls apart more readily than a product, and that than a matrix and its
                // vector.
                let bond = match after.first() {
                    Some(b'*' | b'/') if operator => 15,
                    Some(b'@') if operator => 40,
                    Some(_) | None => 0,
                };
                let cost = depth * 25 + bond + (room - at);
                if best.is_none_or(|(least, _)| cost <= least) {
                    best = Some((cost, at));
                }
            }
            _ => {}
        }
    }
    best.map(|(_, at)| at).or(beyond)
}
