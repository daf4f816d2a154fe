//! A cell as formulas in LaTeX, as far as KaTeX knows it.

use super::formula::Formula;
use super::symbol::{InTime, symbol};
use crate::syntax::ast::{
    Activation, Arg, Cell, Decl, DeclKind, Expr, ExprKind, Fold, Function, Group, Item, LayerDecl,
    OutputDecl, Role, Scope, Value,
};

/// One cell as the body of a mathematical display: its starts that are not 0, then its equations in the order of the source.
/// Values carry the step that they belong to: `h_{t-1}` is `prev h`.
pub fn cell(cell: &Cell) -> String {
    let in_time = InTime::of(cell);
    let mut lines = Lines { formula: Formula { in_time: &in_time }, lines: Vec::new(), depth: 0 };
    cell.decls.iter().for_each(|it| lines.start(it));
    cell.decls.iter().for_each(|it| lines.decl(it));
    aligned(&lines.lines)
}

/// The functions and activations of a file, `None` when it has none.
pub fn functions(items: &[Item]) -> Option<String> {
    let mut all = Vec::new();
    for item in items {
        let names = match item {
            Item::Activation(it) => InTime::of_activation(it),
            Item::Function(_) | Item::Cell(_) | Item::Use(_) => InTime::none(),
        };
        let mut lines = Lines { formula: Formula { in_time: &names }, lines: Vec::new(), depth: 0 };
        match item {
            Item::Activation(it) => lines.activation(it),
            Item::Function(it) => lines.function(it),
            Item::Cell(_) | Item::Use(_) => {}
        }
        all.append(&mut lines.lines);
    }
    (!all.is_empty()).then(|| aligned(&all))
}

fn aligned(lines: &[String]) -> String {
    format!("\\begin{{aligned}}\n{}\n\\end{{aligned}}", lines.join(" \\\\\n"))
}

/// Collects lines, each with the sign that it is aligned by.
struct Lines<'a> {
    formula: Formula<'a>,
    lines: Vec<String>,
    /// In how many loops the lines stand.
    depth: usize,
}

impl Lines<'_> {
    fn line(&mut self, left: &str, sign: &str, right: &str) {
        let indent = "\\quad ".repeat(self.depth);
        self.lines.push(format!("{indent}{left} &{sign} {right}"));
    }

    /// Where a state starts, unless at 0.
    fn start(&mut self, decl: &Decl) {
        let DeclKind::Group(Role::State, groups) = &decl.kind else { return };
        for group in groups {
            let Some(value) = &group.value else { continue };
            if matches!(value.kind, ExprKind::Number(0.0)) {
                continue;
            }
            for name in &group.names {
                let right = self.formula.expr(value);
                self.line(&symbol(&name.name, Some("0")), "=", &right);
            }
        }
    }

    fn decl(&mut self, decl: &Decl) {
        match &decl.kind {
            DeclKind::Value(_, name, value) | DeclKind::Update(name, value) => {
                let left = self.formula.name(&name.name);
                self.value(&[left], value);
            }
            DeclKind::Tuple(names, value) => {
                let left: Vec<String> =
                    names.iter().map(|it| self.formula.name(&it.name)).collect();
                self.value(&left, value);
            }
            DeclKind::Output(list) => {
                for it in list {
                    match it {
                        OutputDecl::Named(name, value) => {
                            let left = self.formula.name(&name.name);
                            let right = self.formula.expr(value);
                            self.line(&left, "=", &right);
                        }
                        OutputDecl::Path(_) => {}
                    }
                }
            }
            DeclKind::Group(Role::Mask, groups) => groups.iter().for_each(|it| self.mask(it)),
            DeclKind::Group(Role::Const, groups) => groups.iter().for_each(|it| self.computed(it)),
            DeclKind::Layer(layer) => self.layer(layer),
            DeclKind::Loss { value, .. } => {
                let right = self.formula.expr(value);
                self.line("\\mathcal{L}_t", "=", &right);
            }
            DeclKind::Dims(_)
            | DeclKind::Hyper(_)
            | DeclKind::Layout(_)
            | DeclKind::Group(
                Role::Input | Role::State | Role::Param | Role::Target | Role::Feedback,
                _,
            ) => {}
        }
    }

    fn value(&mut self, left: &[String], value: &Value) {
        match value {
            Value::Expr(expr) => {
                let right = self.formula.expr(expr);
                self.line(&tuple(left), "=", &right);
            }
            Value::Fold(fold) => self.fold(left, fold),
        }
    }

    /// A loop: the starts, the body one step to the right, and what it is for.
    fn fold(&mut self, left: &[String], fold: &Fold) {
        let names: Vec<String> =
            fold.accumulators.iter().map(|it| symbol(&it.name, None)).collect();
        let all = |this: &Self, exprs: &[Expr]| -> Vec<String> {
            exprs.iter().map(|it| this.formula.expr(it)).collect()
        };
        let starts = all(self, &fold.starts);
        self.line(&tuple(&names), "\\leftarrow", &tuple(&starts));
        let (from, to) = (self.formula.expr(&fold.from), self.formula.expr(&fold.to));
        let variable = symbol(&fold.variable.name, None);
        self.line("\\text{for }", "", &format!("{variable} = {from}, \\ldots, {to} - 1:"));
        self.depth += 1;
        for it in &fold.body {
            let left: Vec<String> = it.names.iter().map(|it| symbol(&it.name, None)).collect();
            self.value(&left, &it.value);
        }
        let results = all(self, &fold.results);
        self.line(&tuple(&names), "\\leftarrow", &tuple(&results));
        self.depth -= 1;
        self.line(&tuple(left), "=", &tuple(&names));
    }

    fn mask(&mut self, group: &Group) {
        let Some(value) = &group.value else { return };
        let ExprKind::Call(_, args) = &value.kind else { return };
        let law = args.iter().find_map(|it| match it {
            Arg::Positional(it) | Arg::Named(_, it) => Some(self.formula.expr(it)),
            Arg::Over(..) => None,
        });
        let law = law.unwrap_or_default();
        let often = match group.per {
            Some((Scope::Sequence, _)) => "\\quad\\text{per sequence}",
            Some((Scope::Run, _)) => "\\quad\\text{per run}",
            Some((Scope::Step, _)) | None => "",
        };
        for name in &group.names {
            let left = self.formula.name(&name.name);
            self.line(&left, "\\sim", &format!("\\mathrm{{Bernoulli}}({law}){often}"));
        }
    }

    fn computed(&mut self, group: &Group) {
        let Some(value) = &group.value else { return };
        for name in &group.names {
            let (left, right) = (self.formula.name(&name.name), self.formula.expr(value));
            self.line(&left, "=", &right);
        }
    }

    fn layer(&mut self, layer: &LayerDecl) {
        let args: Vec<String> = (layer.args.iter())
            .map(|it| {
                let name = symbol(&it.name.name, it.prev.then_some("t-1"));
                format!("{name} = {}", self.formula.expr(&it.value))
            })
            .collect();
        let count = layer.count.as_ref().map(|it| format!("^{{{}}}", self.formula.expr(it)));
        let shares = layer
            .shares
            .as_ref()
            .map(|it| format!("\\quad\\text{{with the weights of }} {}", symbol(&it.name, None)));
        let right = format!(
            "\\mathrm{{{}}}{}({}){}",
            layer.cell.name.replace('_', "\\_"),
            count.unwrap_or_default(),
            args.join(", "),
            shares.unwrap_or_default()
        );
        let left = self.formula.name(&layer.name.name);
        self.line(&left, "=", &right);
    }

    fn activation(&mut self, it: &Activation) {
        let (value, right) = (symbol(&it.value.name, None), self.formula.expr(&it.body));
        let name = it.name.name.replace('_', "\\_");
        self.line(&format!("\\mathrm{{{name}}}({value})"), "=", &right);
        if let Some(derivative) = &it.derivative {
            let right = self.formula.expr(derivative);
            let left = format!("\\mathrm{{{name}}}'({value})");
            self.line(&left, ":=", &right);
        }
    }

    fn function(&mut self, it: &Function) {
        let params: Vec<String> = it.params.iter().map(|it| symbol(&it.name, None)).collect();
        let name = it.name.name.replace('_', "\\_");
        let right = self.formula.expr(&it.body);
        self.line(&format!("\\mathrm{{{name}}}({})", params.join(", ")), "=", &right);
    }
}

fn tuple(parts: &[String]) -> String {
    match parts {
        [only] => only.clone(),
        all => format!("({})", all.join(", ")),
    }
}
