//! Names where a value is wanted: `h`, `prev h`, and what was meant where there is no such name.

use super::{Place, Resolver};
use crate::diag::{Applicability, Code, Diagnostic};
use crate::hir::builtin::{self, DrawKind};
use crate::hir::expr::{Expr, Kind, Past};
use crate::hir::id::{DefId, LocalId};
use crate::hir::kind::DefKind;
use crate::hir::references::Target;
use crate::hir::tree::LocalKind;
use crate::syntax::ast::{self, ExprKind, Ident, Path, Scope};
use crate::syntax::print_path;
use crate::text::Span;

impl<'a> Resolver<'_, 'a> {
    /// Returns a name, or a value of a layer.
    pub(super) fn path(&mut self, path: &'a Path) -> Kind<'a> {
        let name = &path.head;
        if let (Place::Init, []) = (&self.place, path.tail.as_slice())
            && let Some((known, kind)) = builtin::draw(&name.name)
            && kind != DrawKind::Iota
            && self.find(&name.name).is_none()
        {
            return self.draw(name, (known, kind), &[], path.span);
        }
        if let Some(local) = self.local(&name.name) {
            return self.local_path(local, path);
        }
        if let Place::Body = self.place {
            let params: Vec<&str> = self.locals.iter().map(|it| &*it.name.name).collect();
            let fault = self.unknown(name, params.into_iter());
            let fault = match fault.fix {
                Some(_) => fault,
                None => fault.help("functions and activations see only their own parameters"),
            };
            return self.error(fault);
        }
        let Some((def, kind)) = self.cell_name(path) else { return Kind::Error(Vec::new()) };
        self.uses.push((def, path.span));
        match self.misplaced(def, &kind, path) {
            Some(fault) => self.error(fault),
            None => kind,
        }
    }

    /// Reports a name that may not be read at its place.
    fn misplaced(&self, def: DefId, kind: &Kind<'a>, path: &Path) -> Option<Diagnostic> {
        let names = self.names?;
        let found = &names.defs[def];
        let (what, made_of) = match &self.place {
            Place::Step => {
                if found.kind == DefKind::Target && names.is_model() {
                    let message = format!("`{}` is a target; only `loss` reads it", path.head.name);
                    let fault = Diagnostic::new(Code::TargetRead, path.span, message)
                        .label(found.name.span, "declared here");
                    let help = "its past is that of a feedback: `feedback y: .. = 0 teacher NAME`";
                    return Some(fault.help(help.replace("NAME", &path.head.name)));
                }
                return None;
            }
            Place::Loss | Place::Body => return None,
            _ if found.kind.is_constant() => return None,
            Place::Start(_)
                if matches!(found.kind, DefKind::Param { .. } | DefKind::Computed)
                    || self.is_weight(kind) =>
            {
                return None;
            }
            Place::Computed(_) if found.kind == DefKind::Computed => return None,
            Place::Start(what) => (what.as_str(), "params, consts, sizes, hypers and numbers"),
            Place::Computed(what) => (what.as_str(), "consts, sizes, hypers and numbers"),
            Place::Constant(what) => (what.as_str(), "sizes, hypers and numbers"),
            Place::Init => ("an initialiser", "sizes, hypers and numbers"),
        };
        let article = found.kind.article();
        let message = format!("{what} cannot read `{}`, which is {article}", path.head.name);
        let fault = Diagnostic::new(Code::NotConstant, path.span, message)
            .label(found.name.span, "declared here")
            .help(format!("it is made of {made_of}"));
        Some(fault)
    }

    /// Returns a name of a function or loop where a value is wanted.
    fn local_path(&mut self, id: LocalId, path: &'a Path) -> Kind<'a> {
        let local = self.locals[id];
        self.refer(path.head.span, Target::Local(self.owner, id));
        let name = &path.head.name;
        if let Some((_, part)) = path.tail.first() {
            let message =
                format!("`{name}` is {} and has no part `{}`", local.kind.article(), part.name);
            let fault = Diagnostic::new(Code::WrongKindOfName, part.span, message);
            return self.error(fault.label(local.name.span, "bound here"));
        }
        if let Place::Constant(what) = &self.place
            && !local.kind.may_be_constant()
        {
            let article = local.kind.article();
            let message = format!("{what} cannot read `{name}`, which is {article}");
            let fault = Diagnostic::new(Code::NotConstant, path.span, message)
                .label(local.name.span, "bound here")
                .help("it is made of sizes, hypers, loop variables and numbers");
            return self.error(fault);
        }
        Kind::Local(id)
    }

    /// Returns a name of the cell, and what it means; only layers have parts.
    pub(super) fn cell_name(&mut self, path: &'a Path) -> Option<(DefId, Kind<'a>)> {
        let name = &path.head;
        let Some((def, found)) = self.find(&name.name) else {
            let fault = self.unknown_here(path);
            self.report(fault);
            return None;
        };
        self.refer_def(name.span, def);
        match found.kind {
            DefKind::Error => return None,
            DefKind::Layer(layer) => {
                return self
                    .layer_part(def, layer, path)
                    .map(|part| (def, part.map_or(Kind::Error(Vec::new()), Kind::Part)));
            }
            _ => {}
        }
        if let Some((_, part)) = path.tail.first() {
            let article = found.kind.article();
            let message = format!("`{}` is {article} and has no part `{}`", name.name, part.name);
            let mut fault = Diagnostic::new(Code::WrongKindOfName, part.span, message)
                .label(found.name.span, "declared here");
            if &*part.name == "T" && path.tail.len() == 1 {
                let turned = format!("transpose({})", name.name);
                fault = fault.fix(Applicability::Maybe, path.span, turned);
            }
            self.report(fault);
            return None;
        }
        Some((def, Kind::Def(def)))
    }

    /// Returns the report of a name that the cell does not define.
    fn unknown_here(&mut self, path: &'a Path) -> Diagnostic {
        let name = &path.head;
        let locals = self.scope.iter().map(|it| &*self.locals[*it].name.name);
        let known: Vec<&str> = locals.chain(self.names.iter().flat_map(|it| it.all())).collect();
        let mut fault = self.unknown(name, known.into_iter());
        if let (None, Some((_, part))) = (&fault.help, path.tail.first()) {
            fault = fault.help(format!("names stand alone: write `{}`", part.name));
        } else if let Some(inner) = self.names.and_then(|it| super::fold::inner(it, &name.name)) {
            fault.fix = None;
            fault = fault
                .label(inner, "this one is known in its loop only")
                .help("an accumulator takes a value out of a loop: `yield` it");
        } else if let (None, Some(meant)) = (&fault.fix, self.with_time(&name.name)) {
            fault = fault.fix(Applicability::Maybe, name.span, meant);
        }
        fault
    }

    /// Returns the notation for a name that says when it is read, such as `h_prev` or `x_t`.
    fn with_time(&self, name: &str) -> Option<String> {
        const OLD: &[&str] = &["_prev", "_old", "_last", "_tm1", "_t_1", "prev_", "old_", "last_"];
        let in_time = |name: &&str| self.find(name).is_some_and(|it| it.1.kind.has_past());
        let old = OLD.iter().find_map(|it| match it.starts_with('_') {
            true => name.strip_suffix(it).filter(in_time),
            false => name.strip_prefix(it).filter(in_time),
        });
        let new = name.strip_suffix("_t").filter(in_time);
        old.map(|it| format!("prev {it}")).or_else(|| new.map(str::to_owned))
    }

    /// `h[t - 1]` and `x[t]`, as papers number the steps. Says so, and answers whether it did.
    pub(super) fn numbers_steps(
        &mut self,
        value: &ast::Expr,
        index: &ast::Expr,
        whole: Span,
    ) -> bool {
        let is_time = |it: &ast::Expr| {
            matches!(&it.kind, ExprKind::Path(path)
                if path.tail.is_empty() && matches!(&*path.head.name, "t" | "time"))
        };
        let ExprKind::Path(path) = &value.kind else { return false };
        let name = &path.head.name;
        let (at, old) = match &index.kind {
            ExprKind::Chain(first, _) => (&**first, true),
            _ => (index, false),
        };
        let ExprKind::Path(time) = &at.kind else { return false };
        let time = &time.head.name;
        let known = self.find(time).is_some() || self.local(time).is_some();
        let plain = path.tail.is_empty() && self.find(name).is_some_and(|it| it.1.kind.has_past());
        if known || !plain || !is_time(at) || !matches!(self.place, Place::Step) {
            return false;
        }
        let meant = if old { format!("prev {name}") } else { name.to_string() };
        let message = "steps are not numbered";
        let fault = Diagnostic::new(Code::UnknownName, index.span, message).help(format!(
            "`{name}` is the value of this step, `prev {name}` that of the step before"
        ));
        self.report(fault.fix(Applicability::Maybe, whole, meant));
        true
    }

    fn unknown<'n>(&mut self, name: &Ident, known: impl Iterator<Item = &'n str>) -> Diagnostic {
        let text = &*name.name;
        if let (Place::Init, "zeros" | "ones") = (&self.place, text) {
            let number = if text == "ones" { "1" } else { "0" };
            let message = format!("`{text}` is no initialiser");
            return Diagnostic::new(Code::BadInitialiser, name.span, message)
                .help("a number is drawn everywhere alike")
                .fix(Applicability::Maybe, name.span, number);
        }
        if builtin::find(text).is_some() || self.known.function(text).is_some() {
            let message = format!("`{text}` is a function; a value is needed here");
            return Diagnostic::new(Code::WrongKindOfName, name.span, message)
                .help(format!("call it: `{text}(..)`"));
        }
        if let Place::Init = self.place {
            let known = builtin::draws().chain(known);
            return self.shared.suggest.report(Code::BadInitialiser, "initialiser", name, known);
        }
        if builtin::is_draw(text) {
            let message = format!("`{text}` is an initialiser; it stands after `init`");
            return Diagnostic::new(Code::WrongKindOfName, name.span, message);
        }
        self.shared.suggest.report(Code::UnknownName, "name", name, known)
    }

    /// `prev h` or `prev(h, k)`.
    pub(super) fn past(
        &mut self,
        path: &'a Path,
        steps: Option<&'a ast::Expr>,
        span: Span,
    ) -> Kind<'a> {
        let of = self.whose_past(path, span);
        let steps = steps.map(|it| self.boxed(it));
        match of {
            Some(of) => Kind::Prev(of, steps),
            None => Kind::Error(steps.into_iter().map(|it| *it).collect()),
        }
    }

    fn whose_past(&mut self, path: &'a Path, span: Span) -> Option<Past<'a>> {
        let name = &path.head.name;
        let message = match &self.place {
            Place::Step | Place::Loss => None,
            Place::Body => Some("a function has no past".to_owned()),
            Place::Start(what) | Place::Computed(what) | Place::Constant(what) => {
                Some(format!("{what} cannot read `prev {name}`"))
            }
            Place::Init => Some("an initialiser has no past".to_owned()),
        };
        if let Some(message) = message {
            let mut fault = Diagnostic::new(Code::BadPrev, span, message);
            if let Place::Body = self.place {
                fault = fault.help("give the function the old value as an argument: `f(prev h)`");
            }
            self.report(fault);
            return None;
        }
        if self.no_past(path, span) {
            return None;
        }
        let (def, kind) = self.cell_name(path)?;
        let names = self.names?;
        let found = &names.defs[def];
        let article = found.kind.article();
        let per_step = |it: &ast::Group| matches!(it.per, Some((Scope::Step, _)) | None);
        let fault = match found.kind {
            DefKind::Input
                if found.group.is_some_and(|it| names.groups[it].ast.is_per_sequence()) =>
            {
                let message = format!("`{name}` is given per sequence and has no past");
                Diagnostic::new(Code::BadPrev, span, message)
                    .label(found.name.span, "declared here")
                    .help("it is the same at every step")
                    .fix(Applicability::Maybe, span, name.to_string())
            }
            DefKind::Input | DefKind::State | DefKind::Value(_) | DefKind::Feedback => {
                self.pasts.push((def, span));
                return Some(Past::Def(def));
            }
            DefKind::Layer(layer) if names.layers[layer].decl.backward.is_some() => {
                let value = print_path(path);
                let message = format!(
                    "`prev {value}` could mean the step before or, as `{name}` reads `backward`, the one after"
                );
                Diagnostic::new(Code::ReadsBackward, span, message)
                    .label(found.name.span, "declared here")
                    .help(format!("for the step before, write `let v = {value}` and read `prev v`"))
            }
            // Which of its parts have a past is known when they are looked at.
            DefKind::Layer(_) => {
                self.pasts.push((def, span));
                let parts: Vec<&str> = path.tail.iter().map(|it| &*it.1.name).collect();
                self.past_parts.push((def, parts.join(".")));
                let Kind::Part(part) = kind else { return None };
                return Some(Past::Part(part));
            }
            DefKind::Error => return None,
            DefKind::Mask if found.group.is_some_and(|it| per_step(names.groups[it].ast)) => {
                let message = format!("`{name}` is a mask and has no past");
                Diagnostic::new(Code::BadPrev, span, message)
                    .label(found.name.span, "declared here")
                    .help(format!("give its bits a name that has one: `let kept = {name}`"))
            }
            DefKind::Target => {
                let message = format!("`{name}` is {article} and has no past");
                Diagnostic::new(Code::TargetRead, span, message)
                    .label(found.name.span, "declared here")
                    .help("a `feedback` whose teacher it is has one")
            }
            DefKind::Dim(_)
            | DefKind::Hyper(_)
            | DefKind::Param { .. }
            | DefKind::Computed
            | DefKind::Mask => {
                let message = format!("`{name}` is {article} and has no past");
                Diagnostic::new(Code::BadPrev, span, message)
                    .label(found.name.span, "declared here")
                    .help("it is the same at every step")
                    .fix(Applicability::Maybe, span, name.to_string())
            }
        };
        self.report(fault);
        None
    }

    /// `prev s` of what lives within one step. Says so, and answers whether it did.
    fn no_past(&mut self, path: &Path, span: Span) -> bool {
        let name = &path.head.name;
        let Some(id) = self.local(name) else { return false };
        let local = self.locals[id];
        // Where an accumulator has the name of what its loop defines, the past is that value's.
        if local.kind == LocalKind::Accumulator && self.find(name).is_some() {
            return false;
        }
        self.refer(path.head.span, Target::Local(self.owner, id));
        let message = format!("`{name}` is {} and has no past", local.kind.article());
        let fault =
            Diagnostic::new(Code::BadPrev, span, message).label(local.name.span, "bound here");
        let fault = match local.kind {
            LocalKind::Parameter => fault,
            LocalKind::Variable => {
                fault.help(format!("its value in the iteration before is `{name} - 1`"))
            }
            LocalKind::Accumulator => fault.help(format!(
                "`{name}` is the value after the iteration before; `prev` asks for the step before"
            )),
            LocalKind::Value(_) => fault.help(
                "what goes on to the next iteration is an accumulator, what goes on to the next step a name \
                 of the cell",
            ),
        };
        self.report(fault);
        true
    }

    /// Reports a `time()` that is no part of an equation of the step; whether it has a value all the same.
    pub(super) fn may_read_time(&mut self, span: Span) -> bool {
        let message = match &self.place {
            Place::Step | Place::Loss => {
                let Some((_, def)) = self.find("time") else { return true };
                let article = def.kind.article();
                let message =
                    format!("the step number is carried as `time`, which is {article} here");
                let fault = Diagnostic::new(Code::DefinedTwice, span, message)
                    .label(def.name.span, "declared here");
                self.report(fault.help("a cell that calls `time()` has no other `time`"));
                return true;
            }
            Place::Start(what) | Place::Computed(what) | Place::Constant(what) => {
                format!("{what} cannot read `time()`, which is another number at each step")
            }
            Place::Init => "an initialiser cannot read `time()`".to_owned(),
            Place::Body => {
                let message = "a function cannot read `time()`, which the cell carries";
                let fault = Diagnostic::new(Code::BadPrev, span, message);
                self.report(fault.help("give it the step number as an argument: `f(time())`"));
                return true;
            }
        };
        self.report(Diagnostic::new(Code::NotConstant, span, message));
        false
    }

    /// Expressions that are resolved for what they hold.
    pub(super) fn wrong(&mut self, exprs: Vec<Expr<'a>>) -> Kind<'a> {
        Kind::Error(exprs)
    }
}
