//! Loops: a scope of names around a body, in which nothing of the cell gets another meaning; and the step number.

use super::{Place, Resolver};
use crate::check::fold;
use crate::check::names::{Equation, Right};
use crate::diag::{Code, Diagnostic};
use crate::ir::Dim;
use crate::syntax::ast::{Definition, Fold, Ident, Path, Value, ValueRole};
use crate::text::Span;

/// A name that a loop binds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local<'c> {
    pub name: &'c Ident,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Variable,
    Accumulator,
    Value(ValueRole),
}

impl Local<'_> {
    fn article(&self) -> &'static str {
        match self.kind {
            Kind::Variable => "a loop variable",
            Kind::Accumulator => "an accumulator of the loop",
            Kind::Value(ValueRole::Gate) => "a gate of the loop",
            Kind::Value(ValueRole::Let) => "a let of the loop",
        }
    }

    /// What it means where a size is wanted: the variable is another number in each turn.
    pub fn as_size(&self, name: &Ident) -> Result<Option<Dim>, Box<Diagnostic>> {
        if self.kind == Kind::Variable {
            return Ok(None);
        }
        let message = format!("`{}` is {}, not a size", name.name, self.article());
        let fault = Diagnostic::new(Code::WrongKindOfName, name.span, message);
        Err(Box::new(fault.label(self.name.span, "bound here")))
    }
}

impl<'c, 'a: 'c> Resolver<'c, 'a> {
    /// The right side of an equation that defines these names.
    pub fn right(&mut self, value: Right<'a>, defines: &[&'a Ident]) {
        match value {
            Right::Expr(expr) => self.visit(expr),
            Right::Fold(it) => self.fold(it, defines),
            // Its arguments are no equation.
            Right::Layer(..) => {}
        }
    }

    pub(super) fn local(&self, name: &str) -> Option<Local<'c>> {
        self.locals.iter().rev().find(|it| &*it.name.name == name).copied()
    }

    fn fold(&mut self, fold: &'a Fold, defines: &[&'a Ident]) {
        fold.starts.iter().for_each(|it| self.visit(it));
        for (what, bound) in [("first", &fold.from), ("last", &fold.to)] {
            let what = format!("the {what} bound of `{}`", fold.variable.name);
            let outer = std::mem::replace(&mut self.place, Place::Constant(what));
            self.visit(bound);
            self.place = outer;
        }
        let (outside, before) = (self.locals.len(), self.sink.len());
        let accumulators = fold.accumulators.iter().map(|it| (it, Kind::Accumulator));
        let values = fold.body.iter().flat_map(|it| {
            let kind = Kind::Value(it.role);
            it.names.iter().map(move |name| (name, kind))
        });
        for (name, kind) in accumulators.chain([(&fold.variable, Kind::Variable)]).chain(values) {
            self.bind(Local { name, kind }, outside, defines);
        }
        // Which of two values of one name is meant nobody knows.
        if self.sink.len() == before {
            for cycle in &fold::sort(fold).cycles {
                self.sink.push(fold::cycle_fault(fold, cycle));
            }
        }
        for Definition { role: _, names, value } in &fold.body {
            if let Some(fault) = fold::parts_fault(value, names.len()) {
                self.sink.push(fault);
                continue;
            }
            match value {
                Value::Expr(expr) => self.visit(expr),
                Value::Fold(inner) => {
                    let defines: Vec<&Ident> = names.iter().collect();
                    self.fold(inner, &defines);
                }
            }
        }
        fold.results.iter().for_each(|it| self.visit(it));
        self.locals.truncate(outside);
    }

    /// Adds a name of a loop; what has a meaning outside may not get another one.
    fn bind(&mut self, local: Local<'c>, outside: usize, defines: &[&Ident]) {
        let name = local.name;
        let own = local.kind == Kind::Accumulator && defines.iter().any(|it| it.name == name.name);
        let within = self.locals[outside..].iter().find(|it| it.name.name == name.name);
        let taken = match (within, self.local(&name.name)) {
            (Some(first), _) => Some((first.name.span, first.article())),
            (None, _) if own => None,
            (None, Some(outer)) => Some((outer.name.span, outer.article())),
            (None, None) => {
                let found = self.names.find(&name.name);
                found.map(|(_, def)| (def.name.span, def.article()))
            }
        };
        if let Some((first, article)) = taken {
            let message = if within.is_some() {
                format!("`{}` is defined twice in this loop", name.name)
            } else {
                format!("`{}` is {article}; inside a loop it cannot mean something else", name.name)
            };
            let mut fault = Diagnostic::new(Code::DefinedTwice, name.span, message)
                .label(first, "first defined here");
            if within.is_none() {
                fault = fault.help(match local.kind {
                    Kind::Accumulator => {
                        "an accumulator may bear the name of the value that its loop defines, no other"
                    }
                    Kind::Variable | Kind::Value(_) => "choose a name that the cell does not use",
                });
            }
            self.sink.push(fault);
        }
        self.locals.push(local);
    }

    /// A name of a loop where a value is wanted.
    pub(super) fn local_path(&mut self, local: Local<'c>, path: &Path) {
        let name = &path.head.name;
        if let Some((_, part)) = path.tail.first() {
            let message =
                format!("`{name}` is {} and has no part `{}`", local.article(), part.name);
            let fault = Diagnostic::new(Code::WrongKindOfName, part.span, message);
            self.sink.push(fault.label(local.name.span, "bound here"));
            return;
        }
        let Place::Constant(what) = &self.place else { return };
        if local.kind != Kind::Variable {
            let message = format!("{what} cannot read `{name}`, which is {}", local.article());
            let fault = Diagnostic::new(Code::NotConstant, path.span, message)
                .label(local.name.span, "bound here")
                .help("it is made of sizes, hypers, loop variables and numbers");
            self.sink.push(fault);
        }
    }

    /// `prev s` of what lives within one step. Says so, and answers whether it did.
    pub(super) fn no_past(&mut self, path: &Path, span: Span) -> bool {
        let name = &path.head.name;
        let Some(local) = self.local(name) else { return false };
        // Where an accumulator has the name of what its loop defines, the past is that value's.
        if local.kind == Kind::Accumulator && self.names.find(name).is_some() {
            return false;
        }
        let message = format!("`{name}` is {} and has no past", local.article());
        let fault =
            Diagnostic::new(Code::BadPrev, span, message).label(local.name.span, "bound here");
        self.sink.push(match local.kind {
            Kind::Variable => fault.help(format!("its value in the turn before is `{name} - 1`")),
            Kind::Accumulator => fault.help(format!(
                "`{name}` is the value after the turn before; `prev` asks for the step before"
            )),
            Kind::Value(_) => fault.help(
                "what goes on to the next turn is an accumulator, what goes on to the next step a name \
                 of the cell",
            ),
        });
        true
    }

    /// `time()`, which only an equation of the step may read.
    pub(super) fn time(&mut self, span: Span) {
        let message = match &self.place {
            Place::Step => {
                if let Some((_, def)) = self.names.find("time") {
                    let message = format!(
                        "the step number is carried as `time`, which is {} here",
                        def.article()
                    );
                    let fault = Diagnostic::new(Code::DefinedTwice, span, message)
                        .label(def.name.span, "declared here");
                    self.sink.push(fault.help("a cell that calls `time()` has no other `time`"));
                }
                return;
            }
            Place::Start(what) | Place::Computed(what) | Place::Constant(what) => {
                format!("{what} cannot read `time()`, which is another number at each step")
            }
            Place::Init => "an initialiser cannot read `time()`".to_owned(),
            Place::Body(_) => {
                let message = "a function cannot read `time()`, which the cell carries";
                let fault = Diagnostic::new(Code::BadPrev, span, message);
                self.sink.push(fault.help("give it the step number as an argument: `f(time())`"));
                return;
            }
        };
        self.sink.push(Diagnostic::new(Code::NotConstant, span, message));
    }
}

/// Where a loop defines a value of this name.
pub(super) fn inner(equations: &[Equation<'_>], name: &str) -> Option<Span> {
    fn find(fold: &Fold, name: &str) -> Option<Span> {
        fold.body.iter().find_map(|it| {
            let own = it.names.iter().find(|it| &*it.name == name).map(|it| it.span);
            own.or_else(|| match &it.value {
                Value::Fold(inner) => find(inner, name),
                Value::Expr(_) => None,
            })
        })
    }
    equations.iter().find_map(|it| match it.value {
        Right::Fold(fold) => find(fold, name),
        Right::Expr(_) | Right::Layer(..) => None,
    })
}
