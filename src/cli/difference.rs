//! Two texts compared line by line, for people.

use std::fmt::Write as _;

/// The lines that differ, each with up to two lines around it that do not.
pub fn difference(before: &str, now: &str) -> String {
    const AROUND: usize = 2;
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), now.lines().collect());
    let edits = edits(&old, &new);
    let near = |idx: usize| {
        let from = idx.saturating_sub(AROUND);
        let to = (idx + AROUND + 1).min(edits.len());
        edits[from..to].iter().any(|(sign, _)| *sign != ' ')
    };
    let mut text = String::new();
    let mut skipped = false;
    for (idx, (sign, line)) in edits.iter().enumerate() {
        if near(idx) {
            if skipped {
                text.push_str("  ...\n");
            }
            let row = format!("{sign} {line}");
            writeln!(text, "{}", row.trim_end()).expect("writing to a string cannot fail");
        }
        skipped = !near(idx);
    }
    text
}

/// A shortest list of kept (' '), removed ('-') and added ('+') lines.
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
    fn shows_what_changed_with_two_lines_around() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let now = "1\n2\n3\n4\nfive\n6\n7\n8\n9\nten\n";
        let text = difference(before, now);
        assert_eq!(text, "  ...\n  3\n  4\n- 5\n+ five\n  6\n  7\n  8\n  9\n+ ten\n");
        let far = difference("a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n");
        assert_eq!(far, "- a\n+ A\n  1\n  2\n  ...\n  5\n  6\n- b\n+ B\n");
        assert_eq!(difference(before, before), "");
    }
}
