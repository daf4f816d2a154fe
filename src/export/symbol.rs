//! Names as mathematical symbols, and which of them change from step to step.

use std::collections::BTreeSet;

use crate::syntax::ast::{
    Activation, Arg, BinaryOp, Cell, DeclKind, Expr, ExprKind, Ident, OutputDecl, Role, Scope,
    TypeKind, Value,
};

const GREEK: &[&str] = &[
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa",
    "lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
    "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega",
];

/// What a cell's names tell about their values.
pub(super) struct InTime<'a> {
    /// Those whose values belong to a step.
    steps: BTreeSet<&'a str>,
    /// Those that are one number.
    scalars: BTreeSet<&'a str>,
}

impl<'a> InTime<'a> {
    /// Those that functions see: none.
    pub fn none() -> InTime<'a> {
        InTime { steps: BTreeSet::new(), scalars: BTreeSet::new() }
    }

    /// Those that an activation sees: its constants.
    pub fn of_activation(it: &'a Activation) -> InTime<'a> {
        let scalars = it.constants.iter().map(|(name, _)| &*name.name).collect();
        InTime { steps: BTreeSet::new(), scalars }
    }

    /// Those of a cell: inputs, states, outputs, layers, masks drawn per step, and what is computed of them.
    pub fn of(cell: &'a Cell) -> InTime<'a> {
        let mut names: BTreeSet<&'a str> = BTreeSet::new();
        let mut add = |name: &'a Ident| names.insert(&name.name);
        for decl in &cell.decls {
            match &decl.kind {
                DeclKind::Group(role, groups) => {
                    for group in groups {
                        let changes = match role {
                            Role::Input | Role::State | Role::Target | Role::Feedback => true,
                            Role::Mask => matches!(group.per, Some((Scope::Step, _))),
                            Role::Param | Role::Const => false,
                        };
                        if changes {
                            group.names.iter().for_each(|it| _ = add(it));
                        }
                    }
                }
                DeclKind::Update(name, _) => _ = add(name),
                DeclKind::Layer(layer) => _ = add(&layer.name),
                DeclKind::Output(list) => {
                    for it in list {
                        match it {
                            OutputDecl::Named(name, _) => _ = add(name),
                            OutputDecl::Path(_) => {}
                        }
                    }
                }
                DeclKind::Value(..)
                | DeclKind::Tuple(..)
                | DeclKind::Dims(_)
                | DeclKind::Hyper(_)
                | DeclKind::Loss { .. }
                | DeclKind::Layout(_) => {}
            }
        }
        let mut all = InTime { steps: names, scalars: BTreeSet::new() };
        all.find_steps(cell);
        all.find_scalars(cell);
        all
    }

    /// Gates and lets, unless they are computed of params alone: those are the same in every step.
    fn find_steps(&mut self, cell: &'a Cell) {
        // Equations stand in any order.
        loop {
            let before = self.steps.len();
            for decl in &cell.decls {
                match &decl.kind {
                    DeclKind::Value(_, name, value) if self.changes(value) => {
                        self.steps.insert(&name.name);
                    }
                    DeclKind::Tuple(names, value) if self.changes(value) => {
                        self.steps.extend(names.iter().map(|it| &*it.name));
                    }
                    DeclKind::Value(..)
                    | DeclKind::Tuple(..)
                    | DeclKind::Group(..)
                    | DeclKind::Update(..)
                    | DeclKind::Output(_)
                    | DeclKind::Layer(_)
                    | DeclKind::Dims(_)
                    | DeclKind::Hyper(_)
                    | DeclKind::Loss { .. }
                    | DeclKind::Layout(_) => {}
                }
            }
            if self.steps.len() == before {
                break;
            }
        }
    }

    fn changes(&self, value: &Value) -> bool {
        match value {
            Value::Expr(expr) => self.reads_step(expr),
            Value::Fold(fold) => {
                let mut ends = fold.starts.iter().chain(&fold.results);
                ends.any(|it| self.reads_step(it))
                    || fold.body.iter().any(|it| self.changes(&it.value))
            }
        }
    }

    fn reads_step(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Number(_) | ExprKind::Inf | ExprKind::Pi => false,
            ExprKind::Path(path) => self.holds(&path.head.name),
            ExprKind::Prev(..) => true,
            ExprKind::Paren(inner) | ExprKind::Neg(_, inner) => self.reads_step(inner),
            ExprKind::Chain(first, rest) => {
                self.reads_step(first) || rest.iter().any(|it| self.reads_step(&it.2))
            }
            ExprKind::Binary(_, _, a, b) | ExprKind::Index(a, b) => {
                self.reads_step(a) || self.reads_step(b)
            }
            ExprKind::Array(items) => items.iter().any(|it| self.reads_step(it)),
            ExprKind::Call(name, args) => {
                let given = |it: &Arg| match it {
                    Arg::Positional(it) | Arg::Named(_, it) => self.reads_step(it),
                    Arg::Over(..) => false,
                };
                &*name.name == "time" || args.iter().any(given)
            }
        }
    }

    /// Dims, numbers that are set, what is declared without axes, and what is computed of these alone.
    fn find_scalars(&mut self, cell: &'a Cell) {
        for decl in &cell.decls {
            match &decl.kind {
                DeclKind::Group(_, groups) => {
                    let without_axes = groups
                        .iter()
                        .filter(|it| matches!(&it.type_.kind, TypeKind::Real(it) if it.is_empty()));
                    self.scalars.extend(without_axes.flat_map(|it| &it.names).map(|it| &*it.name));
                }
                DeclKind::Dims(dims) => self.scalars.extend(dims.iter().map(|it| &*it.name.name)),
                DeclKind::Hyper(all) => self.scalars.extend(all.iter().map(|it| &*it.name.name)),
                DeclKind::Value(..)
                | DeclKind::Tuple(..)
                | DeclKind::Update(..)
                | DeclKind::Output(_)
                | DeclKind::Layer(_)
                | DeclKind::Layout(_)
                | DeclKind::Loss { .. } => {}
            }
        }
        // Equations stand in any order.
        loop {
            let found = cell.decls.iter().find_map(|it| match &it.kind {
                DeclKind::Value(_, name, Value::Expr(value))
                    if !self.scalars.contains(&*name.name) && self.is_scalar(value) =>
                {
                    Some(&*name.name)
                }
                _ => None,
            });
            match found {
                Some(name) => _ = self.scalars.insert(name),
                None => break,
            }
        }
    }

    pub fn holds(&self, name: &str) -> bool {
        self.steps.contains(name)
    }

    /// Whether a value is one number, as far as the text tells: of a function, where all that it is given is.
    pub fn is_scalar(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Number(_) | ExprKind::Inf | ExprKind::Pi => true,
            ExprKind::Path(path) | ExprKind::Prev(path, _) => {
                path.tail.is_empty() && self.scalars.contains(&*path.head.name)
            }
            ExprKind::Paren(inner) | ExprKind::Neg(_, inner) => self.is_scalar(inner),
            ExprKind::Chain(first, rest) => {
                self.is_scalar(first) && rest.iter().all(|it| self.is_scalar(&it.2))
            }
            ExprKind::Binary(op, _, left, right) => {
                *op != BinaryOp::MatMul && self.is_scalar(left) && self.is_scalar(right)
            }
            ExprKind::Call(name, args) => {
                let among = |names: &[&str]| names.contains(&&*name.name);
                let over = args.iter().any(|it| matches!(it, Arg::Over(..)));
                // Without an axis these go over the only one.
                if among(&["sum", "mean", "var", "std", "prod", "norm", "logsumexp"]) {
                    return !over;
                }
                let given = |it: &Arg| match it {
                    Arg::Positional(it) | Arg::Named(_, it) => self.is_scalar(it),
                    Arg::Over(..) => false,
                };
                !among(&["zeros", "ones", "iota", "eye", "stack", "concat"])
                    && args.iter().all(given)
            }
            ExprKind::Array(_) | ExprKind::Index(..) => false,
        }
    }
}

/// A name as a symbol with what stands below it: `W_i` is `W_{i}`, `alpha` is `\alpha`, `gate` is `\mathrm{gate}`. `step` is the
/// step that the value belongs to, such as `t` or `t-1`.
pub(super) fn symbol(name: &str, step: Option<&str>) -> String {
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

/// A word as LaTeX: a letter and a number as they are, a Greek letter by its name, all else upright.
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
    }
}
