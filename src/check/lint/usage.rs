//! Names that nothing needs: W0601, W0606 and W0608.
//!
//! A name is needed when an output, a new state or a loss can be traced back to it in the source. The source is asked and
//! not the graph, because a setting may switch a branch off (`where(use_bias, b, 0)`) without making its names useless.

use std::collections::BTreeMap;

use super::walk::{self, Read};
use crate::diag::{Applicability, Code, Diagnostic};
use crate::syntax::ast::{
    Cell, Decl, DeclKind, DimKind, Expr, ExprKind, Group, Ident, LayoutDecl, OutputDecl, Role,
    TypeKind, Value, ValueRole,
};
use crate::text::{Name, Span};

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Dim,
    Hyper,
    Group(Role),
    Value(ValueRole),
    /// One of the names of `let (u, v) = ..`; the number is that of the definition of them all.
    Part(usize),
    Output,
    Layer,
    /// An accumulator, a loop variable or a loop as a whole: never reported.
    Inner,
}

/// One definition and what it reads.
struct Def<'a> {
    ident: Option<&'a Ident>,
    kind: Kind,
    reads: Vec<usize>,
    /// Whether an output, state or loss needs it.
    live: bool,
    /// Whether anything reads it, needed or not.
    read: bool,
    /// Whether anything reads it with `prev`.
    read_before: bool,
}

type Scope = BTreeMap<Name, usize>;

struct Usage<'a> {
    defs: Vec<Def<'a>>,
    scopes: Vec<Scope>,
}

/// Finds the names of a cell that nothing needs.
pub(super) fn unused(cell: &Cell) -> Vec<Diagnostic> {
    let mut usage = Usage { defs: Vec::new(), scopes: vec![Scope::new()] };
    usage.declare(cell);
    usage.resolve(cell);
    usage.spread();
    let mut found = usage.report();
    found.extend(usage.states_without_past(cell));
    found
}

impl<'a> Usage<'a> {
    fn define(&mut self, ident: Option<&'a Ident>, kind: Kind) -> usize {
        let live = match kind {
            Kind::Output | Kind::Group(Role::State | Role::Feedback) => true,
            Kind::Dim
            | Kind::Hyper
            | Kind::Value(_)
            | Kind::Part(_)
            | Kind::Layer
            | Kind::Inner => false,
            Kind::Group(Role::Input | Role::Param | Role::Const | Role::Mask | Role::Target) => {
                false
            }
        };
        self.defs.push(Def {
            ident,
            kind,
            reads: Vec::new(),
            live,
            read: false,
            read_before: false,
        });
        let idx = self.defs.len() - 1;
        if let (Some(ident), Some(scope)) = (ident, self.scopes.last_mut()) {
            scope.entry(ident.name.clone()).or_insert(idx);
        }
        idx
    }

    /// Enters the names of `let (u, v) = ..`, each of which needs all that the definition reads.
    fn define_parts(&mut self, names: &'a [Ident]) {
        let whole = self.define(None, Kind::Inner);
        for name in names {
            let part = self.define(Some(name), Kind::Part(whole));
            self.defs[part].reads.push(whole);
        }
    }

    /// What reads the right side of the definition of these names.
    fn defined(&self, names: &[Ident]) -> Option<usize> {
        let first = self.find(&names.first()?.name)?;
        let Kind::Part(whole) = self.defs[first].kind else { return Some(first) };
        Some(whole)
    }

    /// Enters every name of the cell before any is looked up, since equations stand in any order.
    fn declare(&mut self, cell: &'a Cell) {
        for decl in &cell.decls {
            match &decl.kind {
                DeclKind::Dims(dims) => {
                    for it in dims {
                        self.define(Some(&it.name), Kind::Dim);
                    }
                }
                DeclKind::Hyper(hypers) => {
                    for it in hypers {
                        self.define(Some(&it.name), Kind::Hyper);
                    }
                }
                DeclKind::Group(role, groups) => {
                    for name in groups.iter().flat_map(|it| &it.names) {
                        self.define(Some(name), Kind::Group(*role));
                    }
                }
                DeclKind::Value(role, name, _) => {
                    self.define(Some(name), Kind::Value(*role));
                }
                DeclKind::Tuple(names, _) => {
                    self.define_parts(names);
                }
                DeclKind::Layer(layer) => {
                    self.define(Some(&layer.name), Kind::Layer);
                }
                DeclKind::Output(outputs) => {
                    for output in outputs {
                        if let OutputDecl::Named(name, _) = output {
                            self.define(Some(name), Kind::Output);
                        }
                    }
                }
                DeclKind::Update(..) | DeclKind::Loss { .. } | DeclKind::Layout(_) => {}
            }
        }
    }

    fn resolve(&mut self, cell: &'a Cell) {
        // What outputs and losses read is needed; both read through this definition.
        let root = self.define(None, Kind::Inner);
        self.defs[root].live = true;
        for decl in &cell.decls {
            match &decl.kind {
                DeclKind::Dims(dims) => {
                    for dim in dims {
                        let by = self.find(&dim.name.name);
                        match &dim.kind {
                            DimKind::Free => {}
                            DimKind::Equals(expr) => self.expr(expr, by),
                            DimKind::Like(name) => self.name(name, Read::Now, by),
                        }
                    }
                }
                DeclKind::Hyper(hypers) => {
                    for hyper in hypers {
                        let by = self.find(&hyper.name.name);
                        self.expr(&hyper.value, by);
                    }
                }
                DeclKind::Group(_, groups) => groups.iter().for_each(|it| self.group(it)),
                DeclKind::Value(_, name, value) | DeclKind::Update(name, value) => {
                    let by = self.find(&name.name);
                    self.value(value, by);
                }
                DeclKind::Tuple(names, value) => {
                    let by = self.defined(names);
                    self.value(value, by);
                }
                DeclKind::Output(outputs) => {
                    for output in outputs {
                        match output {
                            OutputDecl::Path(path) => {
                                walk::path_names(path, Read::Now, &mut |name, read| {
                                    self.name(name, read, Some(root));
                                });
                            }
                            OutputDecl::Named(_, expr) => self.expr(expr, Some(root)),
                        }
                    }
                }
                DeclKind::Layer(layer) => {
                    let by = self.find(&layer.name.name);
                    layer.args.iter().for_each(|it| self.expr(&it.value, by));
                    if let Some(count) = &layer.count {
                        self.expr(count, by);
                    }
                    if let Some(other) = &layer.shares {
                        self.name(other, Read::Now, by);
                    }
                }
                DeclKind::Loss { value, at_last: _ } => self.expr(value, Some(root)),
                DeclKind::Layout(layout) => self.stored(layout, root),
            }
        }
    }

    /// A layout says where weights are stored, not what they are for; but a const may be there only
    /// because another framework stores it.
    fn stored(&mut self, layout: &'a LayoutDecl, root: usize) {
        for (_, value) in &layout.rows {
            walk::names(value, &mut |name, _| {
                let found = self.find(&name.name);
                if let Some(def) =
                    found.filter(|it| self.defs[*it].kind == Kind::Group(Role::Const))
                {
                    self.defs[root].reads.push(def);
                }
            });
        }
    }

    fn group(&mut self, group: &'a Group) {
        let Group { names, type_, value, init, per: _, teacher, span: _ } = group;
        for name in names {
            let by = self.find(&name.name);
            match &type_.kind {
                TypeKind::Real(dims) => dims.iter().for_each(|it| self.expr(it, by)),
                TypeKind::Index(dim) => self.expr(dim, by),
            }
            for expr in value.iter().chain(init) {
                self.expr(expr, by);
            }
            if let Some(teacher) = teacher {
                self.name(teacher, Read::Now, by);
            }
        }
    }

    fn value(&mut self, value: &'a Value, by: Option<usize>) {
        let fold = match value {
            Value::Expr(expr) => return self.expr(expr, by),
            Value::Fold(fold) => fold,
        };
        for expr in fold.starts.iter().chain([&fold.from, &fold.to]) {
            self.expr(expr, by);
        }
        self.scopes.push(Scope::new());
        for name in fold.accumulators.iter().chain([&fold.variable]) {
            self.define(Some(name), Kind::Inner);
        }
        for it in &fold.body {
            match it.names.as_slice() {
                [only] => {
                    self.define(Some(only), Kind::Value(it.role));
                }
                several => self.define_parts(several),
            }
        }
        for it in &fold.body {
            let by = self.defined(&it.names);
            self.value(&it.value, by);
        }
        fold.results.iter().for_each(|it| self.expr(it, by));
        self.scopes.pop();
    }

    fn expr(&mut self, expr: &'a Expr, by: Option<usize>) {
        walk::names(expr, &mut |name, read| self.name(name, read, by));
    }

    fn name(&mut self, name: &Ident, read: Read, by: Option<usize>) {
        let found = match read {
            // Only names of the cell have a past; an accumulator may bear one of them.
            Read::Before => self.scopes[0].get(&name.name).copied(),
            Read::Now | Read::Call => self.find(&name.name),
        };
        let Some(idx) = found else { return };
        // A call means a hyper that is an activation, or a function; functions have a name space of their own.
        if read == Read::Call && self.defs[idx].kind != Kind::Hyper {
            return;
        }
        let def = &mut self.defs[idx];
        def.read |= by != Some(idx);
        def.read_before |= read == Read::Before;
        if let Some(by) = by {
            self.defs[by].reads.push(idx);
        }
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.scopes.iter().rev().find_map(|it| it.get(name)).copied()
    }

    /// Marks everything that a needed name reads.
    fn spread(&mut self) {
        let mut open: Vec<usize> = (0..self.defs.len()).filter(|it| self.defs[*it].live).collect();
        while let Some(idx) = open.pop() {
            for read in std::mem::take(&mut self.defs[idx].reads) {
                if !self.defs[read].live {
                    self.defs[read].live = true;
                    open.push(read);
                }
            }
        }
    }

    fn report(&self) -> Vec<Diagnostic> {
        let readers = self.readers();
        let mut found = Vec::new();
        for (idx, def) in self.defs.iter().enumerate() {
            let Some(ident) = def.ident else { continue };
            let (code, what) = match def.kind {
                Kind::Dim => (Code::UnusedName, "dim"),
                Kind::Hyper => (Code::UnusedName, "hyper"),
                Kind::Group(Role::Param) => (Code::UnusedParam, "parameter"),
                Kind::Group(
                    role @ (Role::Input
                    | Role::Const
                    | Role::Mask
                    | Role::Target
                    | Role::State
                    | Role::Feedback),
                ) => (Code::UnusedName, role.keyword()),
                Kind::Value(ValueRole::Gate) => (Code::UnusedName, "gate"),
                Kind::Value(ValueRole::Let) | Kind::Part(_) => (Code::UnusedName, "let"),
                Kind::Layer => (Code::UnusedName, "layer"),
                Kind::Output | Kind::Inner => continue,
            };
            let used = match def.kind {
                // Shapes and initialisers read dims and hypers, of unused names too.
                Kind::Dim | Kind::Hyper => def.read,
                // A loop gives all its results; one that is needed keeps the others.
                Kind::Part(whole) => self.defs[whole].live,
                Kind::Group(_) | Kind::Value(_) | Kind::Output | Kind::Layer | Kind::Inner => {
                    def.live
                }
            };
            if used {
                continue;
            }
            let name = &ident.name;
            let mut diagnostic =
                Diagnostic::new(code, ident.span, format!("{what} `{name}` is never used"));
            diagnostic = match self.reader(&readers, idx) {
                Some(reader) => diagnostic.at("reaches no output and no state").label(
                    reader.span,
                    format!("only `{}` reads it, which is never used itself", reader.name),
                ),
                None => diagnostic.at(match def.kind {
                    Kind::Dim => "stands in no shape and no expression",
                    Kind::Hyper => "stands in no expression",
                    Kind::Group(_) | Kind::Value(_) | Kind::Part(_) | Kind::Layer => {
                        "no equation reads it"
                    }
                    Kind::Output | Kind::Inner => "",
                }),
            };
            found.push(diagnostic);
        }
        found
    }

    /// For each definition the others that read it although nothing needs them, in the order of the source.
    fn readers(&self) -> Vec<Vec<usize>> {
        let mut readers = vec![Vec::new(); self.defs.len()];
        for (by, def) in self.defs.iter().enumerate() {
            for &read in def.reads.iter().filter(|it| **it != by) {
                if readers[read].last() != Some(&by) {
                    readers[read].push(by);
                }
            }
        }
        readers
    }

    /// A name that reads this one although nothing needs it.
    fn reader(&self, readers: &[Vec<usize>], idx: usize) -> Option<&'a Ident> {
        let named = |idx: usize| readers[idx].iter().find_map(|it| self.defs[*it].ident);
        // A loop without a name of its own: whoever reads the loop.
        named(idx).or_else(|| named(*readers[idx].first()?))
    }

    /// W0606: states whose old value nobody asks for.
    fn states_without_past(&self, cell: &Cell) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for decl in &cell.decls {
            let DeclKind::Group(Role::State, groups) = &decl.kind else { continue };
            for (at, group) in groups.iter().enumerate() {
                for (idx, name) in group.names.iter().enumerate() {
                    let known = self.find(&name.name).map(|it| &self.defs[it]);
                    if known.is_none_or(|it| it.read_before) {
                        continue;
                    }
                    found.push(never_read_with_prev(cell, decl, groups, at, idx));
                }
            }
        }
        found
    }
}

fn never_read_with_prev(
    cell: &Cell,
    decl: &Decl,
    groups: &[Group],
    at: usize,
    idx: usize,
) -> Diagnostic {
    let name = &groups[at].names[idx];
    let update = cell.decls.iter().find_map(|it| {
        let DeclKind::Update(target, _) = &it.kind else { return None };
        (target.name == name.name).then_some(target)
    });
    let diagnostic = Diagnostic::new(
        Code::NeverReadWithPrev,
        name.span,
        format!("state `{0}` is never read with `prev`; write `let`", name.name),
    )
    .at("carried from step to step, and nothing reads the old value");
    let Some(target) = update else { return diagnostic };
    let diagnostic =
        diagnostic.label(target.span, "its new value, which needs no state").help(format!(
            "drop the state and write `let {} = ..`, or did you mean `prev {0}` somewhere?",
            name.name
        ));
    // A start that reads params would leave them unused; then a person must look.
    let plain = (groups[at].value.as_ref())
        .is_none_or(|it| matches!(walk::bare(it).kind, ExprKind::Number(_)));
    if !plain {
        return diagnostic;
    }
    let without = removal(decl, groups, at, idx);
    diagnostic.fixes(
        Applicability::Maybe,
        vec![(without, String::new()), (target.span.before(), "let ".to_string())],
    )
}

/// The text that declares one name of a statement of groups, with the comma that it leaves over.
fn removal(decl: &Decl, groups: &[Group], at: usize, idx: usize) -> Span {
    let names = &groups[at].names;
    if names.len() > 1 {
        return match idx {
            0 => Span { end: names[1].span.start, ..names[0].span },
            _ => Span { start: names[idx - 1].span.end, ..names[idx].span },
        };
    }
    if groups.len() > 1 {
        return match at {
            0 => Span { end: groups[1].span.start, ..groups[0].span },
            _ => Span { start: groups[at - 1].span.end, ..groups[at].span },
        };
    }
    match &decl.doc {
        Some(doc) => decl.span.to(doc.span),
        None => decl.span,
    }
}
