//! A cell as formulas in LaTeX, as far as KaTeX knows it.

use super::formula::Formula;
use super::symbol::{Names, symbol};
use crate::hir::{Cell, DefId, Expr, Fold, Function, Group, Kind, Layer, LocalId, Tree, Value};
use crate::syntax::ast::{Role, Scope};
use crate::text::FileId;

/// One cell as the body of a mathematical display: its starts that are not 0, then its equations in the order of the source.
/// Values carry the step that they belong to: `h_{t-1}` is `prev h`.
pub fn cell(cell: &Cell<'_>) -> String {
    let names = Names::of(cell);
    let mut lines = Lines::new(&names);
    cell.groups.iter().for_each(|it| lines.start(cell, it));
    let mut parts: Vec<(u32, Vec<String>)> = vec![(0, lines.take())];
    for (id, equation) in cell.equations.pairs() {
        let left: Vec<String> = equation.targets.iter().map(|it| lines.formula.name(*it)).collect();
        lines.value(&left, &equation.value);
        parts.push((cell.right_span(id).start, lines.take()));
    }
    for group in &cell.groups {
        match group.role {
            Role::Mask => lines.mask(group),
            Role::Const => lines.computed(group),
            Role::Input | Role::State | Role::Param | Role::Target | Role::Feedback => {}
        }
        parts.push((group.ast.span.start, lines.take()));
    }
    for layer in &cell.layers {
        lines.layer(cell, layer);
        parts.push((layer.decl.cell.span.start, lines.take()));
    }
    for loss in &cell.losses {
        let right = lines.formula.expr(&loss.value);
        lines.line("\\mathcal{L}_t", "=", &right);
        parts.push((loss.decl.span.start, lines.take()));
    }
    parts.sort_by_key(|it| it.0);
    let all: Vec<String> = parts.into_iter().flat_map(|it| it.1).collect();
    aligned(&all)
}

/// The functions and activations of a file, `None` when it has none.
pub fn functions(tree: &Tree<'_>, file: FileId) -> Option<String> {
    let mut all = Vec::new();
    for function in tree.functions.iter().filter(|it| it.name().span.file == file) {
        let names = Names::of_function(function);
        let mut lines = Lines::new(&names);
        lines.function(function);
        all.append(&mut lines.lines);
    }
    (!all.is_empty()).then(|| aligned(&all))
}

/// The cells of a file, each as [`cell`] writes it.
pub fn cells<'t>(tree: &'t Tree<'_>, file: FileId) -> impl Iterator<Item = String> + 't {
    tree.cells.iter().filter(move |it| it.ast.span.file == file).map(cell)
}

fn aligned(lines: &[String]) -> String {
    format!("\\begin{{aligned}}\n{}\n\\end{{aligned}}", lines.join(" \\\\\n"))
}

/// Collects lines, each with the sign that it is aligned by.
struct Lines<'n, 'c, 'a> {
    formula: Formula<'n, 'c, 'a>,
    lines: Vec<String>,
    /// The number of loops around the lines.
    depth: usize,
}

impl<'n, 'c, 'a> Lines<'n, 'c, 'a> {
    fn new(names: &'n Names<'c, 'a>) -> Lines<'n, 'c, 'a> {
        Lines { formula: Formula { names }, lines: Vec::new(), depth: 0 }
    }

    fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    fn line(&mut self, left: &str, sign: &str, right: &str) {
        let indent = "\\quad ".repeat(self.depth);
        self.lines.push(format!("{indent}{left} &{sign} {right}"));
    }

    /// Where a state starts, unless at 0.
    fn start(&mut self, cell: &Cell<'_>, group: &Group<'_>) {
        let (Role::State, Some(value)) = (group.role, &group.value) else { return };
        if matches!(value.kind, Kind::Number(0.0)) {
            return;
        }
        let right = self.formula.expr(value);
        for def in &group.defs {
            self.line(&symbol(&cell.defs[*def].name.name, Some("0")), "=", &right);
        }
    }

    fn value(&mut self, left: &[String], value: &Value<'_>) {
        match value {
            Value::Expr(expr) => {
                let right = self.formula.expr(expr);
                self.line(&tuple(left), "=", &right);
            }
            Value::Fold(fold) => self.fold(left, fold),
            // These are written with their layer or group.
            Value::Layer(_) | Value::OfGroup(_) | Value::Error(_) => {}
        }
    }

    /// A loop: the starts, the body one step to the right, and what it is for.
    fn fold(&mut self, left: &[String], fold: &Fold<'_>) {
        let locals = |this: &Self, all: &[LocalId]| -> Vec<String> {
            all.iter().map(|it| this.formula.names.local(*it)).collect()
        };
        let names = locals(self, &fold.accumulators);
        let all = |this: &Self, exprs: &[Expr<'_>]| -> Vec<String> {
            exprs.iter().map(|it| this.formula.expr(it)).collect()
        };
        let starts = all(self, &fold.starts);
        self.line(&tuple(&names), "\\leftarrow", &tuple(&starts));
        let (from, to) = (self.formula.expr(&fold.from), self.formula.expr(&fold.to));
        let variable = self.formula.names.local(fold.variable);
        self.line("\\text{for }", "", &format!("{variable} = {from}, \\ldots, {to} - 1:"));
        self.depth += 1;
        for it in &fold.body {
            let left = locals(self, &it.names);
            self.value(&left, &it.value);
        }
        let results = all(self, &fold.results);
        self.line(&tuple(&names), "\\leftarrow", &tuple(&results));
        self.depth -= 1;
        self.line(&tuple(left), "=", &tuple(&names));
    }

    fn each(&mut self, defs: &[DefId], sign: &str, right: &str) {
        for def in defs {
            let left = self.formula.name(*def);
            self.line(&left, sign, right);
        }
    }

    fn mask(&mut self, group: &Group<'_>) {
        let Some(law) = &group.value else { return };
        let law = self.formula.expr(law);
        let often = match group.ast.per {
            Some((Scope::Sequence, _)) => "\\quad\\text{per sequence}",
            Some((Scope::Run, _)) => "\\quad\\text{per run}",
            Some((Scope::Step, _)) | None => "",
        };
        self.each(&group.defs, "\\sim", &format!("\\mathrm{{Bernoulli}}({law}){often}"));
    }

    fn computed(&mut self, group: &Group<'_>) {
        let Some(value) = &group.value else { return };
        let right = self.formula.expr(value);
        self.each(&group.defs, "=", &right);
    }

    fn layer(&mut self, cell: &Cell<'_>, layer: &Layer<'_>) {
        let args: Vec<String> = (layer.args.iter())
            .map(|it| {
                let name = symbol(&it.ast.name.name, it.ast.prev.then_some("t-1"));
                format!("{name} = {}", self.formula.expr(&it.value))
            })
            .collect();
        let count = layer.count.as_ref().map(|it| format!("^{{{}}}", self.formula.expr(it)));
        let shares = layer.shares.map(|it| {
            let other = &cell.defs[cell.layers[it].def].name.name;
            format!("\\quad\\text{{with the weights of }} {}", symbol(other, None))
        });
        let right = format!(
            "\\mathrm{{{}}}{}({}){}",
            layer.decl.cell.name.replace('_', "\\_"),
            count.unwrap_or_default(),
            args.join(", "),
            shares.unwrap_or_default()
        );
        self.each(&[layer.def], "=", &right);
    }

    fn function(&mut self, it: &Function<'_>) {
        let all: Vec<String> = it.params.ids().map(|it| self.formula.names.local(it)).collect();
        // The constants of an activation are in its body alone.
        let shown = if it.is_activation() { &all[..1] } else { &all[..] };
        let (name, params) = (it.name().name.replace('_', "\\_"), shown.join(", "));
        let right = self.formula.expr(&it.body);
        self.line(&format!("\\mathrm{{{name}}}({params})"), "=", &right);
        if let Some(derivative) = &it.derivative {
            let right = self.formula.expr(derivative);
            self.line(&format!("\\mathrm{{{name}}}'({params})"), ":=", &right);
        }
    }
}

fn tuple(parts: &[String]) -> String {
    match parts {
        [only] => only.clone(),
        all => format!("({})", all.join(", ")),
    }
}
