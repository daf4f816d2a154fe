//! Names that nothing needs: W0601, W0606 and W0608.
//!
//! A name is needed when an output, a new state or a loss can be traced back to it in the source. The source is asked and
//! not the graph, because a setting may switch a branch off (`where(use_bias, b, 0)`) without making its names useless.

use crate::diag::{Applicability, Code, Diagnostic};
use crate::hir::{
    Callee, Cell, DefId, DefKind, DimKind, Expr, Fold, Kind, LocalId, LocalKind, Output, Part,
    Past, Type, Value, ValueKind, walk,
};
use crate::syntax::ast::{Ident, ValueRole};
use crate::text::id::Id;

/// The kinds of names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Name {
    /// A name of the cell.
    Def(DefKind),
    /// A name that a loop binds.
    Local(LocalKind),
    /// A loop with several values as a whole, or what outputs and losses read.
    Whole,
}

/// One definition and what it reads.
struct Def<'a> {
    ident: Option<&'a Ident>,
    kind: Name,
    /// The loop that gives it together with others.
    whole: Option<usize>,
    reads: Vec<usize>,
    /// True if an output, state or loss needs it.
    live: bool,
    /// True if anything reads it, needed or not.
    read: bool,
    /// True if anything reads it with `prev`.
    read_before: bool,
}

/// The names of the cell by their ids, those of its loops after them, then loops as a whole.
struct Usage<'c, 'a> {
    cell: &'c Cell<'a>,
    defs: Vec<Def<'a>>,
}

/// Finds the names of a cell that nothing needs.
pub(super) fn unused(cell: &Cell<'_>) -> Vec<Diagnostic> {
    let mut usage = Usage { cell, defs: Vec::new() };
    cell.defs.iter().for_each(|it| _ = usage.define(Some(it.name), Name::Def(it.kind)));
    cell.locals.iter().for_each(|it| _ = usage.define(Some(it.name), Name::Local(it.kind)));
    usage.read_all();
    usage.spread();
    let mut found = usage.report();
    found.extend(usage.states_without_past());
    found
}

impl<'a> Usage<'_, 'a> {
    fn define(&mut self, ident: Option<&'a Ident>, kind: Name) -> usize {
        let live = match kind {
            Name::Def(it) => {
                matches!(it, DefKind::Value(ValueKind::Output) | DefKind::State | DefKind::Feedback)
            }
            Name::Local(_) | Name::Whole => false,
        };
        let (reads, whole) = (Vec::new(), None);
        self.defs.push(Def { ident, kind, whole, reads, live, read: false, read_before: false });
        self.defs.len() - 1
    }

    fn local(&self, local: LocalId) -> usize {
        self.cell.defs.len() + local.idx()
    }

    /// Returns the reader of the right side of a definition of these names: for several names a definition of them all, which
    /// each of them needs.
    fn reader_of(&mut self, names: Vec<usize>) -> usize {
        if let [only] = names[..] {
            return only;
        }
        let whole = self.define(None, Name::Whole);
        for name in names {
            self.defs[name].reads.push(whole);
            self.defs[name].whole = Some(whole);
        }
        whole
    }

    fn read_all(&mut self) {
        let cell = self.cell;
        // What outputs and losses read is needed; both read through this definition.
        let root = self.define(None, Name::Whole);
        self.defs[root].live = true;
        for dim in &cell.dims {
            match &dim.kind {
                DimKind::Free | DimKind::Like(None) => {}
                DimKind::Equals(expr) => self.expr(expr, dim.def.idx()),
                DimKind::Like(Some(other)) => self.read(other.idx(), dim.def.idx()),
            }
        }
        for hyper in &cell.hypers {
            self.expr(&hyper.value, hyper.def.idx());
        }
        for group in &cell.groups {
            for by in group.defs.iter().map(|it| it.idx()) {
                match &group.type_ {
                    Type::Real(dims) => dims.iter().for_each(|it| self.expr(it, by)),
                    Type::Index(below) => self.expr(below, by),
                }
                group.value.iter().chain(&group.init).for_each(|it| self.expr(it, by));
                group.teacher.iter().for_each(|it| self.read(it.idx(), by));
            }
        }
        for equation in &cell.equations {
            let by = self.reader_of(equation.targets.iter().map(|it| it.idx()).collect());
            self.value(&equation.value, by);
        }
        for layer in &cell.layers {
            let by = layer.def.idx();
            layer.args.iter().for_each(|it| self.expr(&it.value, by));
            layer.count.iter().for_each(|it| self.expr(it, by));
            layer.shares.iter().for_each(|it| self.read(cell.layers[*it].def.idx(), by));
        }
        for output in &cell.outputs {
            match output {
                Output::Def(def) => self.read(def.idx(), root),
                Output::Part(part) => self.part(part, root),
            }
        }
        cell.losses.iter().for_each(|it| self.expr(&it.value, root));
        // A layout says where weights are stored, not what they are for; but a const may be there only
        // because another framework stores it.
        for row in cell.layouts.iter().flat_map(|it| &it.rows) {
            walk::expr(row, &mut |it| {
                if let Kind::Def(def) = it.kind
                    && let DefKind::Param { trained: false } | DefKind::Computed =
                        cell.defs[def].kind
                {
                    self.defs[root].reads.push(def.idx());
                }
            });
        }
    }

    fn value(&mut self, value: &Value<'_>, by: usize) {
        match value {
            Value::Expr(expr) => self.expr(expr, by),
            Value::Fold(fold) => self.fold(fold, by),
            // These are read with their group or layer.
            Value::Layer(_) | Value::OfGroup(_) => {}
            Value::Error(items) => items.iter().for_each(|it| self.expr(it, by)),
        }
    }

    fn fold(&mut self, fold: &Fold<'_>, by: usize) {
        fold.starts.iter().chain([&fold.from, &fold.to]).for_each(|it| self.expr(it, by));
        for it in &fold.body {
            let by = self.reader_of(it.names.iter().map(|it| self.local(*it)).collect());
            self.value(&it.value, by);
        }
        fold.results.iter().for_each(|it| self.expr(it, by));
    }

    fn part(&mut self, part: &Part<'_>, by: usize) {
        self.read(part.layer_def.idx(), by);
        part.indices.iter().flatten().for_each(|it| self.expr(it, by));
        part.last.iter().for_each(|it| self.expr(it, by));
    }

    fn expr(&mut self, expr: &Expr<'_>, by: usize) {
        walk::expr(expr, &mut |it| match &it.kind {
            Kind::Def(def) => self.read(def.idx(), by),
            Kind::Local(local) => self.read(self.local(*local), by),
            Kind::Part(part) => self.read(part.layer_def.idx(), by),
            Kind::Prev(past, _) => {
                let def = match past {
                    Past::Def(def) => *def,
                    Past::Part(part) => part.layer_def,
                };
                self.read(def.idx(), by);
                self.defs[def.idx()].read_before = true;
            }
            Kind::Call(call) => {
                if let Callee::Hyper(def) = call.callee {
                    self.read(def.idx(), by);
                }
            }
            Kind::Number(_)
            | Kind::Inf
            | Kind::Pi
            | Kind::Activation(_)
            | Kind::Array(_)
            | Kind::Paren(_)
            | Kind::Neg(_)
            | Kind::Index(..)
            | Kind::Chain(..)
            | Kind::Binary(..)
            | Kind::Error(_) => {}
        });
    }

    fn read(&mut self, idx: usize, by: usize) {
        self.defs[idx].read |= by != idx;
        self.defs[by].reads.push(idx);
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
            let value = |role| match role {
                ValueRole::Gate => (Code::UnusedName, "gate"),
                ValueRole::Let => (Code::UnusedName, "let"),
            };
            let (code, what) = match def.kind {
                Name::Def(kind) => match kind {
                    DefKind::Dim(_) => (Code::UnusedName, "dim"),
                    DefKind::Param { trained: true } => (Code::UnusedParam, "parameter"),
                    DefKind::Value(ValueKind::Gate) => value(ValueRole::Gate),
                    DefKind::Value(ValueKind::Let) => value(ValueRole::Let),
                    DefKind::Hyper(_)
                    | DefKind::Input
                    | DefKind::Param { trained: false }
                    | DefKind::Computed
                    | DefKind::Mask
                    | DefKind::Layer(_)
                    | DefKind::Target => (Code::UnusedName, kind.noun()),
                    DefKind::State
                    | DefKind::Feedback
                    | DefKind::Value(ValueKind::Output)
                    | DefKind::Error => continue,
                },
                Name::Local(LocalKind::Value(role)) => value(role),
                Name::Local(
                    LocalKind::Parameter | LocalKind::Variable | LocalKind::Accumulator,
                )
                | Name::Whole => continue,
            };
            let used = match (def.kind, def.whole) {
                // Shapes and initialisers read dims and hypers, of unused names too.
                (Name::Def(DefKind::Dim(_) | DefKind::Hyper(_)), _) => def.read,
                // A loop gives all its results; one that is needed keeps the others.
                (_, Some(whole)) => self.defs[whole].live,
                (_, None) => def.live,
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
                    Name::Def(DefKind::Dim(_)) => "stands in no shape and no expression",
                    Name::Def(DefKind::Hyper(_)) => "stands in no expression",
                    Name::Def(_) | Name::Local(_) | Name::Whole => "no equation reads it",
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

    /// Returns a name that reads this one although nothing needs it.
    fn reader(&self, readers: &[Vec<usize>], idx: usize) -> Option<&'a Ident> {
        let named = |idx: usize| readers[idx].iter().find_map(|it| self.defs[*it].ident);
        // A loop without a name of its own: whoever reads the loop.
        named(idx).or_else(|| named(*readers[idx].first()?))
    }

    /// W0606: states whose old value nobody asks for.
    fn states_without_past(&self) -> Vec<Diagnostic> {
        let states = self.cell.defs_of(|it| it == DefKind::State);
        let unread = states.filter(|it| !self.defs[it.0.idx()].read_before);
        unread.filter_map(|(def, _)| never_read_with_prev(self.cell, def)).collect()
    }
}

fn never_read_with_prev(cell: &Cell<'_>, def: DefId) -> Option<Diagnostic> {
    let (name, group) = (cell.defs[def].name, cell.group(def)?);
    let update = cell.defs[def].equation.and_then(|it| cell.update(it));
    let diagnostic = Diagnostic::new(
        Code::NeverReadWithPrev,
        name.span,
        format!("state `{0}` is never read with `prev`; write `let`", name.name),
    )
    .at("carried from step to step, and nothing reads the old value");
    let Some(target) = update else { return Some(diagnostic) };
    let diagnostic =
        diagnostic.label(target.span, "its new value, which needs no state").help(format!(
            "drop the state and write `let {} = ..`, or did you mean `prev {0}` somewhere?",
            name.name
        ));
    // A start that reads params would leave them unused; then a person must look.
    let plain = group.value.as_ref().is_none_or(|it| matches!(it.bare().kind, Kind::Number(_)));
    if !plain {
        return Some(diagnostic);
    }
    let without = cell.removal(def)?;
    Some(diagnostic.fixes(
        Applicability::Maybe,
        vec![(without, String::new()), (target.span.before(), "let ".to_string())],
    ))
}
