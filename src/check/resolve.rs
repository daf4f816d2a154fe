//! Every name in an expression is known and may stand where it stands; every call has the right arguments.
//!
//! This is a walk of its own over the tree: an expression may be lowered several times (a function's body) or never (a branch
//! that a constant condition excludes), but its names are reported once.

mod fold;

use super::args::{self, Form};
use super::builtin::{self, Kind as ArgKind, Signature};
use super::dims;
use super::items::Items;
use super::names::{Kind, Names};
use super::suggest::Suggest;
use crate::diag::{Applicability, Code, Diagnostic};
use crate::ir::{Dim, Scope};
use crate::syntax::ast::{Arg, BinaryOp, Expr, ExprKind, Ident, Over, Path};
use crate::text::Span;

/// Where an expression stands: which names it may read.
#[derive(Clone, Debug)]
pub(super) enum Place<'p> {
    /// An equation of the step.
    Step,
    /// The start of a state, named for messages.
    Start(String),
    /// A computed const.
    Computed(String),
    /// A constant: only numbers, sizes and hypers.
    Constant(String),
    /// After `init`.
    Init,
    /// The body of a function with these parameters.
    Body(&'p [&'p str]),
}

/// Walks over expressions and reports.
pub(super) struct Resolver<'c, 'a> {
    pub(super) names: &'c Names<'a>,
    pub(super) items: &'c Items<'a>,
    pub place: Place<'c>,
    pub(super) sink: &'c mut Vec<Diagnostic>,
    pub(super) suggest: Suggest,
    pub uses: Vec<(usize, Span)>,
    pub pasts: Vec<(usize, Span)>,
    /// What the loops around bind.
    locals: Vec<fold::Local<'c>>,
    /// Of the layers among these, which part: the names after the points, without indices.
    pub past_parts: Vec<(usize, String)>,
}

impl<'c, 'a> Resolver<'c, 'a> {
    pub fn new(
        names: &'c Names<'a>,
        items: &'c Items<'a>,
        place: Place<'c>,
        sink: &'c mut Vec<Diagnostic>,
    ) -> Resolver<'c, 'a> {
        let (uses, pasts, past_parts, locals) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let suggest = Suggest::new();
        Resolver { names, items, place, sink, suggest, uses, pasts, past_parts, locals }
    }

    /// An expression. Nesting is bounded by the parser.
    pub fn visit(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Number(_) | ExprKind::Inf | ExprKind::Pi => {}
            ExprKind::Path(path) => self.path(path),
            ExprKind::Prev(path, steps) => {
                self.past(path, expr.span);
                steps.iter().for_each(|it| self.visit(it));
            }
            ExprKind::Call(name, args) => self.call(name, args, expr.span),
            ExprKind::Array(items) => items.iter().for_each(|it| self.visit(it)),
            ExprKind::Paren(inner) | ExprKind::Neg(_, inner) => self.visit(inner),
            ExprKind::Index(value, index) => {
                if self.numbers_steps(value, index, expr.span) {
                    return;
                }
                self.visit(value);
                self.visit(index);
            }
            ExprKind::Chain(first, rest) => {
                self.visit(first);
                rest.iter().for_each(|(_, _, it)| self.visit(it));
            }
            ExprKind::Binary(_, _, left, right) => {
                self.visit(left);
                self.visit(right);
            }
        }
    }

    /// A path must begin with a name; only layers have parts.
    fn head(&mut self, path: &Path) -> Option<usize> {
        let name = &path.head;
        if let Place::Body(params) = &self.place {
            if !params.contains(&&*name.name) {
                let params = *params;
                let fault = self.unknown(name, params.iter().copied());
                let fault = match fault.fix {
                    Some(_) => fault,
                    None => fault.help("functions and activations see only their own parameters"),
                };
                self.sink.push(fault);
            }
            return None;
        }
        if let Some(local) = self.local(&name.name) {
            self.local_path(local, path);
            return None;
        }
        self.cell_name(path)
    }

    /// A name of the cell.
    fn cell_name(&mut self, path: &Path) -> Option<usize> {
        let name = &path.head;
        let Some((idx, def)) = self.names.find(&name.name) else {
            let names = self.names;
            let locals = self.locals.clone();
            let known = locals.iter().map(|it| &*it.name.name).chain(names.all());
            let mut fault = self.unknown(name, known);
            if let (None, Some((_, part))) = (&fault.help, path.tail.first()) {
                fault = fault.help(format!("names stand alone: write `{}`", part.name));
            } else if let Some(inner) = fold::inner(&self.names.equations, &name.name) {
                fault.fix = None;
                fault = fault
                    .label(inner, "this one is known in its loop only")
                    .help("an accumulator takes a value out of a loop: `yield` it");
            } else if let (None, Some(meant)) = (&fault.fix, self.with_time(&name.name)) {
                fault = fault.fix(Applicability::Maybe, name.span, meant);
            }
            self.sink.push(fault);
            return None;
        };
        if matches!(def.kind, Kind::Later) {
            return None;
        }
        if let Kind::Layer(layer) = def.kind {
            return self.layer_part(layer, path).map(|_| idx);
        }
        if let Some((_, part)) = path.tail.first() {
            let message =
                format!("`{}` is {} and has no part `{}`", name.name, def.article(), part.name);
            let mut fault = Diagnostic::new(Code::WrongKindOfName, part.span, message)
                .label(def.name.span, "declared here");
            if &*part.name == "T" && path.tail.len() == 1 {
                let turned = format!("transpose({})", name.name);
                fault = fault.fix(Applicability::Maybe, path.span, turned);
            }
            self.sink.push(fault);
            return None;
        }
        Some(idx)
    }

    /// What a name that says when it is read, such as `h_prev` or `x_t`, is called here.
    fn with_time(&self, name: &str) -> Option<String> {
        const OLD: &[&str] = &["_prev", "_old", "_last", "_tm1", "_t_1", "prev_", "old_", "last_"];
        let in_time = |name: &&str| {
            let kind = self.names.find(name).map(|it| &it.1.kind);
            matches!(kind, Some(Kind::State { .. } | Kind::Input { .. } | Kind::Value(_)))
        };
        let old = OLD.iter().find_map(|it| match it.starts_with('_') {
            true => name.strip_suffix(it).filter(in_time),
            false => name.strip_prefix(it).filter(in_time),
        });
        let new = name.strip_suffix("_t").filter(in_time);
        old.map(|it| format!("prev {it}")).or_else(|| new.map(str::to_owned))
    }

    /// `h[t - 1]` and `x[t]`, as papers number the steps. Says so, and answers whether it did.
    fn numbers_steps(&mut self, value: &Expr, index: &Expr, whole: Span) -> bool {
        let is_time = |it: &Expr| {
            matches!(&it.kind, ExprKind::Path(path)
                if path.tail.is_empty() && matches!(&*path.head.name, "t" | "time"))
        };
        let ExprKind::Path(path) = &value.kind else { return false };
        let name = &path.head.name;
        let (at, old) = if let ExprKind::Chain(first, _) = &index.kind {
            (&**first, true)
        } else {
            (index, false)
        };
        let ExprKind::Path(time) = &at.kind else { return false };
        let time = &time.head.name;
        let known = self.names.find(time).is_some() || self.local(time).is_some();
        let kind = self.names.find(name).map(|it| &it.1.kind);
        let plain = path.tail.is_empty()
            && matches!(kind, Some(Kind::State { .. } | Kind::Input { .. } | Kind::Value(_)));
        if known || !plain || !is_time(at) || !matches!(self.place, Place::Step) {
            return false;
        }
        let meant = if old { format!("prev {name}") } else { name.to_string() };
        let message = "steps are not numbered";
        let fault = Diagnostic::new(Code::UnknownName, index.span, message).help(format!(
            "`{name}` is the value of this step, `prev {name}` that of the step before"
        ));
        self.sink.push(fault.fix(Applicability::Maybe, whole, meant));
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
        if builtin::find(text).is_some() || self.items.find(text).is_some() {
            let message = format!("`{text}` is a function; a value is needed here");
            return Diagnostic::new(Code::WrongKindOfName, name.span, message)
                .help(format!("call it: `{text}(..)`"));
        }
        if let Place::Init = self.place {
            let known = builtin::DRAWS.iter().copied().chain(known);
            return self.suggest.report(Code::BadInitialiser, "initialiser", name, known);
        }
        if builtin::DRAWS.contains(&text) {
            let message = format!("`{text}` is an initialiser; it stands after `init`");
            return Diagnostic::new(Code::WrongKindOfName, name.span, message);
        }
        self.suggest.report(Code::UnknownName, "name", name, known)
    }

    pub fn path(&mut self, path: &Path) {
        if let Place::Init = self.place
            && path.tail.is_empty()
            && (builtin::DRAWS.contains(&&*path.head.name) || &*path.head.name == "identity")
            && self.names.find(&path.head.name).is_none()
        {
            return;
        }
        let Some(idx) = self.head(path) else { return };
        self.uses.push((idx, path.span));
        if matches!(self.place, Place::Start(_)) && self.is_weight(idx, path) {
            return;
        }
        let def = &self.names.defs[idx];
        let (what, made_of) = match &self.place {
            Place::Step | Place::Body(_) => return,
            Place::Start(what) => match def.kind {
                Kind::Input { .. }
                | Kind::State { .. }
                | Kind::Mask { .. }
                | Kind::Value(_)
                | Kind::Layer(_) => (what.as_str(), "params, consts, sizes, hypers and numbers"),
                Kind::Dim | Kind::Hyper(_) | Kind::Param { .. } | Kind::Computed | Kind::Later => {
                    return;
                }
            },
            Place::Computed(what) => match def.kind {
                Kind::Dim | Kind::Hyper(_) | Kind::Computed | Kind::Later => return,
                Kind::Input { .. }
                | Kind::State { .. }
                | Kind::Value(_)
                | Kind::Layer(_)
                | Kind::Mask { .. }
                | Kind::Param { .. } => (what.as_str(), "consts, sizes, hypers and numbers"),
            },
            Place::Constant(_) | Place::Init => match def.kind {
                Kind::Dim | Kind::Hyper(_) | Kind::Later => return,
                Kind::Input { .. }
                | Kind::State { .. }
                | Kind::Value(_)
                | Kind::Layer(_)
                | Kind::Param { .. }
                | Kind::Mask { .. }
                | Kind::Computed => {
                    let what = match &self.place {
                        Place::Constant(what) => what.as_str(),
                        Place::Step
                        | Place::Start(_)
                        | Place::Computed(_)
                        | Place::Init
                        | Place::Body(_) => "an initialiser",
                    };
                    (what, "sizes, hypers and numbers")
                }
            },
        };
        let message =
            format!("{what} cannot read `{}`, which is {}", path.head.name, def.article());
        let fault = Diagnostic::new(Code::NotConstant, path.span, message)
            .label(def.name.span, "declared here")
            .help(format!("it is made of {made_of}"));
        self.sink.push(fault);
    }

    fn past(&mut self, path: &Path, span: Span) {
        if !matches!(self.place, Place::Step) {
            let message = match &self.place {
                Place::Body(_) => "a function has no past".to_owned(),
                Place::Start(what) | Place::Computed(what) | Place::Constant(what) => {
                    format!("{what} cannot read `prev {}`", path.head.name)
                }
                Place::Step | Place::Init => "an initialiser has no past".to_owned(),
            };
            let mut fault = Diagnostic::new(Code::BadPrev, span, message);
            if let Place::Body(_) = self.place {
                fault = fault.help("give the function the old value as an argument: `f(prev h)`");
            }
            self.sink.push(fault);
            return;
        }
        if self.no_past(path, span) {
            return;
        }
        let Some(idx) = self.cell_name(path) else { return };
        let def = &self.names.defs[idx];
        match def.kind {
            Kind::Input { .. } | Kind::State { .. } | Kind::Value(_) => {
                self.pasts.push((idx, span));
            }
            Kind::Later => {}
            // Which of its parts have a past is known when they are looked at.
            Kind::Layer(_) => {
                self.pasts.push((idx, span));
                let names: Vec<&str> = path.tail.iter().map(|it| &*it.1.name).collect();
                self.past_parts.push((idx, names.join(".")));
            }
            Kind::Mask { scope: Scope::Step, .. } => {
                let name = &path.head.name;
                let message = format!("`{name}` is a mask and has no past");
                let fault = Diagnostic::new(Code::BadPrev, span, message)
                    .label(def.name.span, "declared here")
                    .help(format!("give its bits a name that has one: `let kept = {name}`"));
                self.sink.push(fault);
            }
            Kind::Dim
            | Kind::Hyper(_)
            | Kind::Param { .. }
            | Kind::Computed
            | Kind::Mask { .. } => {
                let name = &path.head.name;
                let message = format!("`{name}` is {} and has no past", def.article());
                let fault = Diagnostic::new(Code::BadPrev, span, message)
                    .label(def.name.span, "declared here")
                    .help("it is the same at every step")
                    .fix(Applicability::Maybe, span, name.to_string());
                self.sink.push(fault);
            }
        }
    }

    fn call(&mut self, name: &Ident, args: &[Arg], span: Span) {
        if let Place::Init = self.place
            && (builtin::DRAWS.contains(&&*name.name) || matches!(&*name.name, "identity" | "iota"))
        {
            // Their arguments are matched where they are drawn.
            args.iter().for_each(|it| self.plain(it));
            return;
        }
        if let Some(signature) = builtin::find(&name.name) {
            if let builtin::Builtin::Bernoulli | builtin::Builtin::OfModel(_) = signature.what {
                if signature.what == builtin::Builtin::Bernoulli {
                    let message = "`bernoulli` draws a mask and stands nowhere else";
                    let fault = Diagnostic::new(Code::BadMask, name.span, message)
                        .help("declare `mask d: [..] = bernoulli(..) per step` and read `d` here");
                    self.sink.push(fault);
                    return;
                }
                let message = format!("`{}` is not supported yet", name.name);
                self.sink.push(Diagnostic::new(Code::NotSupportedYet, span, message));
                return;
            }
            self.builtin(name, signature, args, span);
        } else if let Some(idx) = self.items.find(&name.name) {
            let callable = self.items.callables[idx];
            self.matched(&callable.form(), name, span, args);
            args.iter().for_each(|it| self.plain(it));
        } else {
            args.iter().for_each(|it| self.plain(it));
            self.no_function(name, args, span);
        }
    }

    fn matched<'e>(
        &mut self,
        form: &Form<'_>,
        name: &Ident,
        span: Span,
        args: &'e [Arg],
    ) -> Option<args::Matched<'e>> {
        match args::bind(form, name, span, args) {
            Ok(matched) => Some(matched),
            Err(fault) => {
                self.sink.push(*fault);
                None
            }
        }
    }

    fn builtin(&mut self, name: &Ident, signature: &Signature, args: &[Arg], span: Span) {
        let form = form(&name.name, signature);
        let Some(matched) = self.matched(&form, name, span, args) else {
            // The argument that is too much is not looked at: `over` alone would be an unknown name too.
            let fault = self.sink.last().map(|it| it.span);
            let wrong = |it: &&Arg| matches!(it, Arg::Positional(it) if Some(it.span) == fault);
            args.iter().filter(|it| !wrong(it)).for_each(|it| self.plain(it));
            return;
        };
        if let builtin::Builtin::Extreme(..) = signature.what
            && matched.over.is_some()
            && matched.slots[1].is_some()
        {
            let message = format!("`{}` of two values does not work along axes", name.name);
            self.sink.push(Diagnostic::new(Code::BadArguments, span, message));
        }
        if signature.what == builtin::Builtin::Time {
            self.time(span);
        }
        for (param, value) in signature.params.iter().zip(&matched.slots) {
            let Some(value) = value else { continue };
            match (param.kind, &value.kind) {
                (ArgKind::Shape, ExprKind::Array(axes)) => self.sizes(axes),
                (ArgKind::Size, _) => self.sizes(std::slice::from_ref(value)),
                (ArgKind::Shape, _) => {
                    let message = format!("`{}` wants a shape in brackets here", name.name);
                    let fault = Diagnostic::new(Code::BadArguments, value.span, message)
                        .help(format!("it is called `{}`", form.text().replace("shape", "[..]")));
                    self.sink.push(fault);
                }
                (ArgKind::Value | ArgKind::Constant, _) => self.visit(value),
            }
        }
        matched.rest.iter().for_each(|it| self.visit(it));
        if let Some((over, _)) = matched.over {
            self.over(over);
        }
    }

    fn plain(&mut self, arg: &Arg) {
        match arg {
            Arg::Positional(it) | Arg::Named(_, it) => self.visit(it),
            Arg::Over(over, _) => self.over(over),
        }
    }

    fn over(&mut self, over: &Over) {
        match over {
            Over::Last | Over::First => {}
            Over::Dim(it) => self.sizes(std::slice::from_ref(it)),
            Over::Dims(list) => self.sizes(list),
        }
    }

    fn sizes(&mut self, list: &[Expr]) {
        let (names, params) = (
            self.names,
            match &self.place {
                Place::Body(params) => Some(*params),
                Place::Step
                | Place::Start(_)
                | Place::Computed(_)
                | Place::Constant(_)
                | Place::Init => None,
            },
        );
        let mut found: Vec<(usize, Span)> = Vec::new();
        let locals = &self.locals;
        let mut lookup = |name: &Ident| -> Result<Option<Dim>, Box<Diagnostic>> {
            match params {
                // What a parameter stands for is known at each call.
                Some(params) if params.contains(&&*name.name) => Ok(None),
                Some(_) => {
                    let message = format!("unknown size `{}`", name.name);
                    let help =
                        "functions and activations see only their own parameters; give it the size";
                    let fault = Diagnostic::new(Code::UnknownDim, name.span, message).help(help);
                    Err(Box::new(fault))
                }
                None => {
                    if let Some(local) = locals.iter().rev().find(|it| it.name.name == name.name) {
                        return local.as_size(name);
                    }
                    found.extend(names.find(&name.name).map(|(idx, _)| (idx, name.span)));
                    names.size(name)
                }
            }
        };
        for expr in list {
            dims::size(expr, &mut lookup, self.sink);
        }
        self.uses.append(&mut found);
    }

    fn no_function(&mut self, name: &Ident, args: &[Arg], span: Span) {
        let text = &*name.name;
        let is_param = match &self.place {
            Place::Body(params) => params.contains(&text),
            Place::Step
            | Place::Start(_)
            | Place::Computed(_)
            | Place::Constant(_)
            | Place::Init => false,
        };
        if !is_param && self.local(text).is_some() {
            self.sink.push(missing_operator(name, args, span, None));
            return;
        }
        let def = if is_param { None } else { self.names.find(text) };
        match def {
            // Whether it is an activation is known when hypers are; a number is reported where it is called.
            Some((idx, def)) if matches!(def.kind, Kind::Hyper(_)) => {
                self.uses.push((idx, name.span));
            }
            Some((_, def)) if matches!(def.kind, Kind::Later) => {}
            Some((_, def)) => {
                let rank = def.shape.as_ref().map_or(0, |it| it.rank());
                let matrix = rank >= 2;
                self.sink.push(missing_operator(name, args, span, Some(matrix)));
            }
            None if is_param => self.sink.push(missing_operator(name, args, span, None)),
            None if self.items.may_hold(text) => {}
            None if builtin::DRAWS.contains(&text) => {
                let message = format!("`{text}` is an initialiser; it stands after `init`");
                self.sink.push(Diagnostic::new(Code::WrongKindOfName, name.span, message));
            }
            None => {
                let (names, items) = (self.names, self.items);
                let hypers = names.defs.iter().filter(|it| matches!(it.kind, Kind::Hyper(_)));
                let hypers = hypers.map(|it| &*it.name.name);
                let known = builtin::names().chain(items.names()).chain(hypers);
                if let Place::Init = self.place {
                    let known = builtin::DRAWS.iter().copied().chain(known);
                    let fault =
                        self.suggest.report(Code::BadInitialiser, "initialiser", name, known);
                    self.sink.push(fault);
                    return;
                }
                let fault = self.suggest.report(Code::UnknownFunction, "function", name, known);
                self.sink.push(fault);
            }
        }
    }
}

/// `b (x)` for a value `b`: a product was meant.
fn missing_operator(name: &Ident, args: &[Arg], span: Span, matrix: Option<bool>) -> Diagnostic {
    let (text, opener) = match args {
        // Right before the value stands the bracket, as people write it.
        [Arg::Positional(only)] => {
            (format!("`({})`", super::show::short(only)), only.span.start - 1)
        }
        [] | [..] => ("`(`".to_owned(), name.span.end),
    };
    let message = format!("missing operator between `{}` and {text}", name.name);
    let operator = if matrix == Some(true) { "@" } else { "*" };
    let opener = opener.max(name.span.end);
    let between = Span { end: opener, ..name.span.after() };
    Diagnostic::new(Code::MissingOperator, Span { start: opener, ..span }, message)
        .label(name.span, "this is a value")
        .help(format!("write `{0} * ..` or `{0} @ ..`", name.name))
        .fix(Applicability::Maybe, between, format!(" {operator} "))
}

/// How a built-in function is called.
pub(super) fn form<'n>(name: &'n str, signature: &Signature) -> Form<'n> {
    let params = signature.params.iter().map(|it| (it.name, it.optional)).collect();
    Form { name, params, variadic: signature.variadic, over: signature.over }
}

/// Operators that are one row of the table.
pub(super) fn pointwise(op: BinaryOp) -> Option<crate::ir::Pointwise> {
    use crate::ir::Pointwise;
    Some(match op {
        BinaryOp::Add => Pointwise::Add,
        BinaryOp::Sub => Pointwise::Sub,
        BinaryOp::Mul => Pointwise::Mul,
        BinaryOp::Div => Pointwise::Div,
        BinaryOp::Pow => Pointwise::Pow,
        BinaryOp::Less => Pointwise::Less,
        BinaryOp::LessEqual => Pointwise::LessEqual,
        BinaryOp::Greater => Pointwise::Greater,
        BinaryOp::GreaterEqual => Pointwise::GreaterEqual,
        BinaryOp::Equal => Pointwise::Equal,
        BinaryOp::NotEqual => Pointwise::NotEqual,
        BinaryOp::MatMul => return None,
    })
}
