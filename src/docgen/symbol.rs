//! Names as mathematical symbols, and which of them change from step to step.

use std::collections::BTreeSet;

use crate::hir::{Cell, DefId, Expr, Function, Local, LocalId, Scope, facts};
use crate::text::id::{Id, IdVec};

const GREEK: &[&str] = &[
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa",
    "lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
    "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega",
];

/// The names that a formula may read, and what they tell about their values.
pub(super) struct Names<'c, 'a> {
    cell: Option<&'c Cell<'a>>,
    locals: &'c IdVec<LocalId, Local<'a>>,
    /// The names of the cell whose values belong to a step.
    steps: BTreeSet<DefId>,
    /// Those that are one number.
    scalars: BTreeSet<DefId>,
    /// True if the parameters but the first are scalars: the constants of an activation.
    constants: bool,
}

impl<'c, 'a> Names<'c, 'a> {
    /// Those of a function: its parameters.
    pub fn of_function(function: &'c Function<'a>) -> Names<'c, 'a> {
        Names {
            cell: None,
            locals: &function.params,
            steps: BTreeSet::new(),
            scalars: BTreeSet::new(),
            constants: function.is_activation(),
        }
    }

    /// Those of a cell.
    pub fn of(cell: &'c Cell<'a>) -> Names<'c, 'a> {
        let steps = facts::steps(cell, |it| it == Scope::Step, &|_| false);
        let scalars = facts::scalars(cell);
        Names { cell: Some(cell), locals: &cell.locals, steps, scalars, constants: false }
    }

    /// Returns true if a value is one scalar, as far as the text tells.
    pub fn is_scalar(&self, expr: &Expr<'_>) -> bool {
        facts::is_scalar(expr, &self.scalars, &|it| self.constants && it.idx() > 0)
    }

    /// Returns a name of the cell in this step, or `step`.
    pub fn def(&self, def: DefId, step: &str) -> String {
        let Some(cell) = self.cell else { return String::new() };
        let name = &cell.defs[def].name.name;
        if self.steps.contains(&def) { symbol(name, Some(step)) } else { self.fixed(name) }
    }

    /// Returns a parameter, or what a loop binds.
    pub fn local(&self, local: LocalId) -> String {
        self.fixed(&self.locals[local].name.name)
    }

    /// Returns a name whose value belongs to no step. One that would look as if it did, such as `x_t`, or `h0` and `x_1` beside
    /// `h` and `x` that change from step to step, is written as in the source.
    fn fixed(&self, name: &str) -> String {
        let Some(cell) = self.cell else { return symbol(name, None) };
        let stem = name.trim_end_matches(|it: char| it.is_ascii_digit());
        let is_step = |it: &str| cell.find(it).is_some_and(|it| self.steps.contains(&it));
        let at_step = stem.len() < name.len() && is_step(stem.strip_suffix('_').unwrap_or(stem));
        if looks_like_a_step(name) || at_step {
            return upright(name);
        }
        symbol(name, None)
    }
}

/// Returns a name as a symbol with what is below it: `W_i` is `W_{i}`, `alpha` is `\alpha`, `gate` is `\mathrm{gate}`. `step` is
/// the step that the value belongs to, such as `t` or `t-1`.
pub(super) fn symbol(name: &str, step: Option<&str>) -> String {
    if let (Some(step), true) = (step, looks_like_a_step(name)) {
        return format!("{}_{{{step}}}", upright(name));
    }
    let (head, tail) = name.split_once('_').unwrap_or((name, ""));
    let mut below: Vec<String> = tail.split('_').filter(|it| !it.is_empty()).map(word).collect();
    // `h2` is h with an index, as papers write it.
    let stem = head.trim_end_matches(|it: char| it.is_ascii_digit());
    if stem.len() == 1 && stem.len() < head.len() {
        below.insert(0, head[stem.len()..].to_owned());
    }
    let head = if stem.len() == 1 { stem } else { head };
    below.extend(step.map(str::to_owned));
    match below.join(",") {
        below if below.is_empty() => word(head),
        below => format!("{}_{{{below}}}", word(head)),
    }
}

/// Returns true for a name that would read as a value at step t.
fn looks_like_a_step(name: &str) -> bool {
    name == "t" || name.ends_with("_t")
}

/// Returns a name as it is in the source.
fn upright(name: &str) -> String {
    format!("\\mathrm{{{}}}", name.replace('_', "\\_"))
}

/// Returns a word as LaTeX: a letter and a number as they are, a Greek letter by its name, all else upright.
fn word(text: &str) -> String {
    if GREEK.contains(&text) {
        return format!("\\{text}");
    }
    match text.len() {
        1 => text.to_owned(),
        _ if text.bytes().all(|it| it.is_ascii_digit()) => text.to_owned(),
        _ => format!("\\mathrm{{{text}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::symbol;

    #[test]
    fn names_become_symbols() {
        assert_eq!(symbol("h", Some("t-1")), "h_{t-1}");
        assert_eq!(symbol("W_i", None), "W_{i}");
        assert_eq!(symbol("x_hat", Some("t")), r"x_{\mathrm{hat},t}");
        assert_eq!(symbol("beta", None), r"\beta");
        assert_eq!(symbol("log_f", Some("t")), r"\mathrm{log}_{f,t}");
        assert_eq!(symbol("h2", Some("t")), "h_{2,t}");
        assert_eq!(symbol("W", None), "W");
        assert_eq!(symbol("h_t", Some("t")), r"\mathrm{h\_t}_{t}");
        assert_eq!(symbol("h_t", Some("0")), r"\mathrm{h\_t}_{0}");
    }
}
