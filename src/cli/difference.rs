//! Two texts compared line by line, for people.

use std::fmt::Write as _;

/// Returns the lines that differ, after the heading (`== ..`) of their part and the name of the array whose values they hold.
pub fn difference(before: &str, now: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), now.lines().collect());
    let edits = edits(&old, &new);
    let mut text = String::new();
    let (mut heading, mut name) = (None, None);
    for (sign, line) in edits {
        if sign == ' ' {
            if line.starts_with("== ") {
                (heading, name) = (Some(line), None);
            } else if !line.is_empty() && !line.starts_with(' ') {
                name = Some(line);
            }
            continue;
        }
        let inside = if line.starts_with(' ') { name.take() } else { None };
        for it in heading.take().into_iter().chain(inside) {
            writeln!(text, "  {it}").expect("writing to a string cannot fail");
        }
        let row = format!("{sign} {line}");
        writeln!(text, "{}", row.trim_end()).expect("writing to a string cannot fail");
    }
    text
}

/// Returns a shortest list of kept (' '), removed ('-') and added ('+') lines.
fn edits<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    // Snapshots are some hundred lines; above this the table of a longest common subsequence gets
    // large.
    const LIMIT: usize = 4000;
    if old.len() > LIMIT || new.len() > LIMIT {
        let removed = old.iter().map(|it| ('-', *it));
        return removed.chain(new.iter().map(|it| ('+', *it))).collect();
    }
    let width = new.len() + 1;
    let mut common = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut edits = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            edits.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j >= new.len()
            || (i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            edits.push(('-', old[i]));
            i += 1;
        } else {
            edits.push(('+', new[j]));
            j += 1;
        }
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_changed_under_its_heading_and_its_array() {
        let before = "== A ir\nx\n\n== A run\nh [2]\n  1 2\n  3 4\nc [1]\n  5\n";
        let now = "== A ir\nx\n\n== A run\nh [2]\n  1 2\n  3 9\nc [1]\n  5\nnew\n";
        let text = difference(before, now);
        assert_eq!(text, "  == A run\n  h [2]\n-   3 4\n+   3 9\n+ new\n");
        assert_eq!(difference(before, before), "");
    }
}
