//! A tree as text, in one form only: two blanks of indentation, one declaration a line.
//!
//! Parsing what is printed gives the same tree, except for its spans.

use std::fmt::Write;

use crate::syntax::ast::{
    Activation, Arg, Cell, CellKind, Decl, DeclKind, Definition, DimKind, Doc, Expr, ExprKind,
    File, Fold, Function, Group, Ident, Item, LayerDecl, LayoutDecl, OutputDecl, Over, Path, Scope,
    Type, TypeKind, UseTarget, Value, ValueRole,
};

/// Returns a whole file.
pub fn print(file: &File) -> String {
    let mut out = Printer::default();
    for (index, item) in file.items.iter().enumerate() {
        if index > 0 {
            out.text.push('\n');
        }
        out.item(item);
    }
    out.text
}

/// Returns a cell of which only the dims, the hypers and what has a type are left.
pub fn print_declarations(cell: &Cell) -> String {
    let is_declared = |it: &&Decl| {
        matches!(it.kind, DeclKind::Dims(_) | DeclKind::Hyper(_) | DeclKind::Group(..))
    };
    let decls = cell.decls.iter().filter(is_declared).cloned().collect();
    let mut out = Printer::default();
    out.item(&Item::Cell(Cell { decls, doc: None, ..cell.clone() }));
    out.text
}

/// Returns an expression on one line.
pub fn print_expr(expr: &Expr) -> String {
    let mut out = Printer::default();
    out.expr(expr);
    out.text
}

/// Returns a path.
pub fn print_path(path: &Path) -> String {
    let mut out = Printer::default();
    out.path(path);
    out.text
}

#[derive(Default)]
struct Printer {
    text: String,
    indent: usize,
}

impl Printer {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn begin(&mut self) {
        for _ in 0..self.indent {
            self.text.push_str("  ");
        }
    }

    /// Prints things with a separator between them.
    fn list<T>(&mut self, items: &[T], separator: &str, mut each: impl FnMut(&mut Self, &T)) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.push(separator);
            }
            each(self, item);
        }
    }

    fn names(&mut self, names: &[Ident]) {
        self.list(names, ", ", |out, it| out.push(&it.name));
    }

    fn exprs(&mut self, exprs: &[Expr]) {
        self.list(exprs, ", ", |out, it| out.expr(it));
    }

    fn doc(&mut self, doc: &Option<Doc>) {
        for line in doc.iter().flat_map(|it| &it.lines) {
            self.begin();
            self.push("///");
            if !line.is_empty() {
                self.push(" ");
                self.push(line);
            }
            self.push("\n");
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Cell(cell) => self.cell(cell),
            Item::Activation(activation) => self.activation(activation),
            Item::Function(function) => self.function(function),
            Item::Use(it) => {
                self.doc(&it.doc);
                match &it.target {
                    UseTarget::File(path) => self.push(&format!("use \"{path}\"\n")),
                    UseTarget::Library(library, file) => {
                        self.push(&format!("use {}/{}\n", library.name, file.name));
                    }
                }
            }
        }
    }

    fn cell(&mut self, cell: &Cell) {
        let Cell { doc, kind, name, decls, unread: _, span: _ } = cell;
        self.doc(doc);
        self.push(match kind {
            CellKind::Cell => "cell ",
            CellKind::Model => "model ",
        });
        self.push(&name.name);
        self.push(" {\n");
        self.indent += 1;
        for decl in decls {
            self.decl(decl);
        }
        self.indent -= 1;
        self.push("}\n");
    }

    fn activation(&mut self, activation: &Activation) {
        let Activation { doc, name, value, constants, body, derivative, span: _ } = activation;
        self.doc(doc);
        self.push(&format!("activation {}({}", name.name, value.name));
        for (name, value) in constants {
            self.push(&format!(", {} = ", name.name));
            self.expr(value);
        }
        self.push(") = ");
        self.expr(body);
        if let Some(derivative) = derivative {
            self.push(" derivative ");
            self.expr(derivative);
        }
        self.push("\n");
    }

    fn function(&mut self, function: &Function) {
        let Function { doc, name, params, body, span: _ } = function;
        self.doc(doc);
        self.push(&format!("fn {}(", name.name));
        self.names(params);
        self.push(") = ");
        self.expr(body);
        self.push("\n");
    }

    fn decl(&mut self, decl: &Decl) {
        self.doc(&decl.doc);
        self.begin();
        match &decl.kind {
            DeclKind::Dims(dims) => {
                self.push("dims ");
                self.list(dims, ", ", |out, it| {
                    out.push(&it.name.name);
                    match &it.kind {
                        DimKind::Free => {}
                        DimKind::Equals(value) => {
                            out.push(" = ");
                            out.expr(value);
                        }
                        DimKind::Like(name) => out.push(&format!(" like {}", name.name)),
                    }
                });
            }
            DeclKind::Hyper(hypers) => {
                self.push("hyper ");
                self.list(hypers, ", ", |out, it| {
                    out.push(&format!("{} = ", it.name.name));
                    out.expr(&it.value);
                });
            }
            DeclKind::Group(role, groups) => {
                self.push(role.keyword());
                self.push(" ");
                self.list(groups, ", ", Printer::group);
            }
            DeclKind::Value(role, name, value) => {
                self.definition(*role, std::slice::from_ref(name), value);
            }
            DeclKind::Tuple(names, value) => {
                self.push("let (");
                self.names(names);
                self.push(") = ");
                self.value(value);
            }
            DeclKind::Update(name, value) => {
                self.push(&format!("{} = ", name.name));
                self.value(value);
            }
            DeclKind::Output(outputs) => {
                self.push("output ");
                self.list(outputs, ", ", |out, it| match it {
                    OutputDecl::Path(path) => out.path(path),
                    OutputDecl::Named(name, value) => {
                        out.push(&format!("{} = ", name.name));
                        out.expr(value);
                    }
                });
            }
            DeclKind::Layer(layer) => self.layer(layer),
            DeclKind::Loss { value, at_last } => {
                self.push("loss ");
                self.expr(value);
                if *at_last {
                    self.push(" at last");
                }
            }
            DeclKind::Layout(layout) => self.layout(layout),
        }
        self.push("\n");
    }

    fn group(&mut self, group: &Group) {
        let Group { names, type_, value, init, per, teacher, span: _ } = group;
        self.names(names);
        self.push(": ");
        self.type_(type_);
        if let Some(value) = value {
            self.push(" = ");
            self.expr(value);
        }
        if let Some(init) = init {
            self.push(" init ");
            self.expr(init);
        }
        match per {
            None => {}
            Some((Scope::Step, _)) => self.push(" per step"),
            Some((Scope::Sequence, _)) => self.push(" per sequence"),
            Some((Scope::Run, _)) => self.push(" per run"),
        }
        if let Some(teacher) = teacher {
            self.push(&format!(" teacher {}", teacher.name));
        }
    }

    fn type_(&mut self, type_: &Type) {
        match &type_.kind {
            TypeKind::Real(dims) => {
                self.push("[");
                self.exprs(dims);
            }
            TypeKind::Index(dim) => {
                self.push("index[");
                self.expr(dim);
            }
        }
        self.push("]");
    }

    fn definition(&mut self, role: ValueRole, names: &[Ident], value: &Value) {
        self.push(match role {
            ValueRole::Gate => "gate ",
            ValueRole::Let => "let ",
        });
        self.several_names(names);
        self.push(" = ");
        self.value(value);
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Expr(expr) => self.expr(expr),
            Value::Fold(fold) => self.fold(fold),
        }
    }

    fn fold(&mut self, fold: &Fold) {
        let Fold { accumulators, starts, variable, from, to, body, results, span: _ } = fold;
        self.push("fold ");
        self.several_names(accumulators);
        self.push(" from ");
        self.several(starts);
        self.push(&format!(" for {} in ", variable.name));
        self.expr(from);
        self.push(" .. ");
        self.expr(to);
        self.push(" {\n");
        self.indent += 1;
        for Definition { role, names, value } in body {
            self.begin();
            self.definition(*role, names, value);
            self.push("\n");
        }
        self.begin();
        self.push("yield ");
        self.several(results);
        self.push("\n");
        self.indent -= 1;
        self.begin();
        self.push("}");
    }

    fn several_names(&mut self, names: &[Ident]) {
        if names.len() == 1 {
            return self.names(names);
        }
        self.push("(");
        self.names(names);
        self.push(")");
    }

    fn several(&mut self, exprs: &[Expr]) {
        if let [only] = exprs {
            return self.expr(only);
        }
        self.push("(");
        self.exprs(exprs);
        self.push(")");
    }

    fn layer(&mut self, layer: &LayerDecl) {
        let LayerDecl { name, count, cell, args, shares, backward } = layer;
        self.push(&format!("layer {}", name.name));
        if let Some(count) = count {
            self.push("[");
            self.expr(count);
            self.push("]");
        }
        self.push(&format!(" = {}(", cell.name));
        self.list(args, ", ", |out, it| {
            if it.prev {
                out.push("prev ");
            }
            out.push(&format!("{} = ", it.name.name));
            out.expr(&it.value);
        });
        self.push(")");
        if let Some(shares) = shares {
            self.push(&format!(" shares {}", shares.name));
        }
        if backward.is_some() {
            self.push(" backward");
        }
    }

    fn layout(&mut self, layout: &LayoutDecl) {
        self.push(&format!("layout {} {{\n", layout.name.name));
        self.indent += 1;
        for row in &layout.rows {
            self.begin();
            if row.optional {
                self.push("optional ");
            }
            self.list(&row.names, " + ", |out, it| {
                let quote = if it.quoted { "\"" } else { "" };
                out.push(&format!("{quote}{}{quote}", it.name));
            });
            self.push(" = ");
            self.expr(&row.value);
            self.push("\n");
        }
        self.indent -= 1;
        self.begin();
        self.push("}");
    }

    fn path(&mut self, path: &Path) {
        self.push(&path.head.name);
        for (index, name) in &path.tail {
            if let Some(index) = index {
                self.push("[");
                self.expr(index);
                self.push("]");
            }
            self.push(".");
            self.push(&name.name);
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Number(value) => self.number(*value),
            ExprKind::Inf => self.push("inf"),
            ExprKind::Pi => self.push("pi"),
            ExprKind::Path(path) => self.path(path),
            ExprKind::Prev(path, None) => {
                self.push("prev ");
                self.path(path);
            }
            ExprKind::Prev(path, Some(steps)) => {
                self.push("prev(");
                self.path(path);
                self.push(", ");
                self.expr(steps);
                self.push(")");
            }
            ExprKind::Call(name, args) => {
                self.push(&name.name);
                self.push("(");
                self.list(args, ", ", Printer::arg);
                self.push(")");
            }
            ExprKind::Array(items) => {
                self.push("[");
                self.exprs(items);
                self.push("]");
            }
            ExprKind::Paren(inner) => {
                self.push("(");
                self.expr(inner);
                self.push(")");
            }
            ExprKind::Neg(_, value) => {
                self.push("-");
                self.expr(value);
            }
            ExprKind::Index(base, index) => {
                self.expr(base);
                self.push("[");
                self.expr(index);
                self.push("]");
            }
            ExprKind::Chain(first, rest) => {
                self.expr(first);
                for (op, _, term) in rest {
                    self.push(&format!(" {} ", op.symbol()));
                    self.expr(term);
                }
            }
            ExprKind::Binary(op, _, left, right) => {
                self.expr(left);
                self.push(&format!(" {} ", op.symbol()));
                self.expr(right);
            }
        }
    }

    fn arg(&mut self, arg: &Arg) {
        match arg {
            Arg::Positional(value) => self.expr(value),
            Arg::Named(name, value) => {
                self.push(&format!("{} = ", name.name));
                self.expr(value);
            }
            Arg::Over(over, _) => {
                self.push("over ");
                match over {
                    Over::Last => self.push("last"),
                    Over::First => self.push("first"),
                    Over::Dim(dim) => self.expr(dim),
                    Over::Dims(dims) => {
                        self.push("[");
                        self.exprs(dims);
                        self.push("]");
                    }
                }
            }
        }
    }

    /// The shortest text that gives the same number again.
    fn number(&mut self, value: f64) {
        let plain = value == 0.0 || (1e-5..1e16).contains(&value.abs());
        // Writing into a string cannot fail.
        let _ = if plain { write!(self.text, "{value}") } else { write!(self.text, "{value:e}") };
    }
}
