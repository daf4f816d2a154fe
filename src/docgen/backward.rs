//! The derived backward step in the form of a cell, so that it is written as formulas like any other.
//!
//! It is printed in the notation of the language (`derive::print_backward`). What the next step gives and what forward
//! kept become inputs, each line an equation. An adjoint `d_h` is the symbol d with h below it.

use crate::syntax::{ast, print_declarations};

/// One line of the printed step: `d_h : [H] = ..` or, of what is summed over steps, `d_W : [H, I] += ..`.
struct Line {
    name: String,
    adds: bool,
    value: String,
}

/// Returns the source of a cell whose equations are those of the printed backward step of `cell`.
pub fn source(cell: &ast::Cell, printed: &str) -> String {
    let mut text = print_declarations(cell);
    text.truncate(text.rfind('}').unwrap_or(text.len()));
    let (lines, given) = (lines(printed), given(printed));
    for name in given {
        text.push_str(&format!("  input {name}: []\n"));
    }
    for it in &lines {
        text.push_str(&format!("  let {} = {}\n", it.name, it.value));
    }
    text.push_str("}\n");
    text
}

/// Writes `+=` for what is summed over steps, which belongs to no step, in the formulas of [`source`].
pub fn sums(printed: &str, formulas: &str) -> String {
    let adds: Vec<bool> = lines(printed).iter().map(|it| it.adds).collect();
    let count = formulas.lines().count();
    // Starts of states come first, the equations last, before the end of the environment.
    let first = count.saturating_sub(adds.len() + 1);
    let line = |(at, text): (usize, &str)| {
        let is_sum = at.checked_sub(first).and_then(|it| adds.get(it)).copied().unwrap_or(false);
        match text.split_once(" &= ").filter(|_| is_sum) {
            Some((left, right)) => {
                let left = left.strip_suffix(",t}").map_or(left.to_owned(), |it| format!("{it}}}"));
                format!("{left} &\\mathrel{{+}}= {right}")
            }
            None => text.to_owned(),
        }
    };
    formulas.lines().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns the lines with a value. What goes on in the next line is indented further.
fn lines(printed: &str) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::new();
    for text in printed.lines() {
        let depth = text.len() - text.trim_start().len();
        if depth > 2 {
            if let Some(last) = out.last_mut() {
                last.value = format!("{} {}", last.value, text.trim());
            }
            continue;
        }
        let Some((name, rest)) = text.trim().split_once(" : ").filter(|_| depth == 2) else {
            continue;
        };
        let Some((shape, value)) = rest.split_once("= ") else { continue };
        let adds = shape.ends_with('+');
        out.push(Line { name: name.trim().to_owned(), adds, value: value.trim().to_owned() });
    }
    out
}

/// Returns the names without a value: what the next step gives, and what forward kept.
fn given(printed: &str) -> Vec<String> {
    let names = printed.lines().filter(|it| it.starts_with("  ") && !it.starts_with("   "));
    let names = names.filter(|it| !it.contains("= "));
    names.filter_map(|it| Some(it.trim().split_once(" : ")?.0.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::{source, sums};
    use crate::syntax::{self, ast};
    use crate::text::{FileId, SourceFile};

    const PRINTED: &str = "given\n  d_y : []  adjoint of y\n\nadjoints\n  d_x : [] = d_y * W\n                + 1\n\n\
                           gradients\n  d_W : [] += d_y * x\n";

    #[test]
    fn the_step_is_a_cell_that_can_be_read() {
        let file = SourceFile::new("", "cell A { input x: []  param W: []  output y = W * x }");
        let (tree, _) = syntax::parse(&file, FileId(0));
        let ast::Item::Cell(cell) = &tree.items[0] else { panic!("it is a cell") };
        let text = source(cell, PRINTED);
        assert!(
            text.contains("let d_x = d_y * W + 1\n") && text.contains("input d_y: []\n"),
            "{text}"
        );
        let (_, found) = syntax::parse(&SourceFile::new("", text), FileId(0));
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn sums_over_steps_belong_to_no_step() {
        let formulas = "\\begin{aligned}\nd_{x,t} &= a \\\\\nd_{W,t} &= b\n\\end{aligned}";
        assert_eq!(
            sums(PRINTED, formulas),
            "\\begin{aligned}\nd_{x,t} &= a \\\\\nd_{W} &\\mathrel{+}= b\n\\end{aligned}"
        );
    }
}
