//! Calls: what is called, and which argument belongs to which parameter.

use super::{Place, Resolver};
use crate::diag::{Applicability, Code, Diagnostic};
use crate::hir::args::{self, Form, Matched};
use crate::hir::builtin::{self, Builtin, DrawKind, ModelFunction, Signature};
use crate::hir::declare::Names;
use crate::hir::expr::{Activation, ActivationOf, Call, Callee, Expr, Kind, Over};
use crate::hir::id::{FunctionId, LocalId};
use crate::hir::kind::DefKind;
use crate::hir::known;
use crate::hir::references::{Owner, Target};
use crate::hir::show;
use crate::hir::tree::{Callable, LocalKind};
use crate::syntax::ast::{self, Arg, ExprKind, Ident};
use crate::text::Span;
use crate::text::id::Id;

impl<'a> Resolver<'_, 'a> {
    pub(super) fn call(&mut self, name: &'a Ident, args: &'a [Arg], span: Span) -> Kind<'a> {
        if let (Place::Init, Some(known)) = (&self.place, builtin::draw(&name.name)) {
            return self.draw(name, known, args, span);
        }
        if let Some(signature) = builtin::find(&name.name) {
            self.refer(name.span, Target::Builtin(signature.name));
            if signature.what == Builtin::Bernoulli {
                let message = "`bernoulli` draws a mask and stands nowhere else";
                let fault = Diagnostic::new(Code::BadMask, name.span, message)
                    .help("declare `mask d: [..] = bernoulli(..) per step` and read `d` here");
                self.report(fault);
                let held = self.quiet(|it| it.plain(args));
                return self.wrong(held);
            }
            if let Builtin::OfModel(ModelFunction::Sample | ModelFunction::ArgMax) = signature.what
                && self.chooses != Some(span)
            {
                self.misplaced_choice(name);
                let held = self.quiet(|it| it.plain(args));
                return self.wrong(held);
            }
            return self.builtin(name, signature, args, span);
        }
        if let Some(id) = self.known.function(&name.name) {
            self.refer(name.span, Target::Function(id));
            return self.function(name, id, args, span);
        }
        self.no_function(name, args, span)
    }

    /// Reports a choice that is not all of a feedback or an output.
    fn misplaced_choice(&mut self, name: &Ident) {
        let name_of = &name.name;
        let message = match self.names.is_some_and(Names::is_model) {
            true => {
                format!("`{name_of}` is all that a feedback or an output is, and no part of more")
            }
            false => format!("`{name_of}` belongs to models"),
        };
        let fault = Diagnostic::new(Code::BadChoice, name.span, message).help(format!(
            "declare `feedback c: index[V] = 0` in a `model`, write `c = {name_of}(..)` and read `prev c`"
        ));
        self.report(fault);
    }

    fn matched(
        &mut self,
        form: &Form<'_>,
        name: &Ident,
        span: Span,
        args: &'a [Arg],
    ) -> Option<Matched<'a>> {
        match args::bind(form, name, span, args) {
            Ok(matched) => Some(matched),
            Err(fault) => {
                self.report(*fault);
                None
            }
        }
    }

    /// Notes what the names of named arguments mean.
    fn named(&mut self, args: &'a [Arg], param: impl Fn(&str) -> Option<Target>) {
        for arg in args {
            if let Arg::Named(name, _) = arg
                && let Some(target) = param(&name.name)
            {
                self.refer(name.span, target);
            }
        }
    }

    fn builtin(
        &mut self,
        name: &'a Ident,
        signature: &'static Signature,
        args: &'a [Arg],
        span: Span,
    ) -> Kind<'a> {
        let form = signature.form();
        self.named(args, |it| signature.param(it).map(|it| Target::Parameter(it.name)));
        let Some(matched) = self.matched(&form, name, span, args) else {
            // The argument that is too much is not looked at: `over` alone would be an unknown name too.
            let fault = self.shared.sink.last().map(|it| it.span);
            let mut held = Vec::new();
            for arg in args {
                let wrong = matches!(arg, Arg::Positional(it) if Some(it.span) == fault);
                let arg = std::slice::from_ref(arg);
                held.extend(match wrong {
                    true => self.quiet(|it| it.plain(arg)),
                    false => self.plain(arg),
                });
            }
            return self.wrong(held);
        };
        let n_faults = self.shared.sink.len();
        let mut sound = true;
        if let Builtin::Extreme(..) = signature.what
            && matched.over.is_some()
            && matched.slots[1].is_some()
        {
            let message = format!("`{}` of two values does not work along axes", name.name);
            self.report(Diagnostic::new(Code::BadArguments, span, message));
            sound = false;
        }
        if signature.what == Builtin::Time {
            sound &= self.may_read_time(span);
        }
        let mut values = Vec::with_capacity(matched.slots.len());
        for (param, value) in signature.params.iter().zip(&matched.slots) {
            values.push(value.map(|value| match (param.kind, &value.kind) {
                (builtin::Kind::Shape, ExprKind::Array(axes)) => {
                    let axes = axes.iter().map(|it| self.size(it)).collect();
                    self.node(value, Kind::Array(axes))
                }
                (builtin::Kind::Size, _) => self.size(value),
                (builtin::Kind::Shape, _) => {
                    let message = format!("`{}` wants a shape in brackets here", name.name);
                    let fault = Diagnostic::new(Code::BadArguments, value.span, message)
                        .help(format!("it is called `{}`", form.text().replace("shape", "[..]")));
                    let kind = self.error(fault);
                    sound = false;
                    self.node(value, kind)
                }
                (builtin::Kind::Value | builtin::Kind::Constant, _) => self.expr(value),
            }));
        }
        let rest: Vec<Expr<'a>> = matched.rest.iter().map(|it| self.expr(it)).collect();
        let over = matched.over.map(|(over, span)| (self.over(over), span));
        debug_assert!(sound || self.shared.sink.len() > n_faults);
        if !sound {
            let held = values.into_iter().flatten().chain(rest).collect();
            return self.wrong(held);
        }
        let (args, options) = split(&form, values);
        Kind::Call(Call { name, callee: Callee::Builtin(signature), args, options, rest, over })
    }

    /// A call without more than its parameters.
    fn resolved(
        &mut self,
        name: &'a Ident,
        callee: Callee,
        form: &Form<'_>,
        matched: &Matched<'a>,
    ) -> Kind<'a> {
        let values = matched.slots.iter().map(|it| it.map(|it| self.expr(it))).collect();
        let (args, options) = split(form, values);
        Kind::Call(Call { name, callee, args, options, rest: Vec::new(), over: None })
    }

    /// A function or activation of the program.
    fn function(
        &mut self,
        name: &'a Ident,
        id: FunctionId,
        args: &'a [Arg],
        span: Span,
    ) -> Kind<'a> {
        let form = known::form(self.known.functions[id]);
        self.named(args, |it| {
            let at = form.params.iter().position(|param| param.0 == it)?;
            Some(Target::Local(Owner::Function(id), LocalId::new(at)))
        });
        let Some(matched) = self.matched(&form, name, span, args) else {
            let held = self.plain(args);
            return self.wrong(held);
        };
        let callee = Callee::Function(id);
        self.resolved(name, callee, &form, &matched)
    }

    /// The values of arguments in the order of the source.
    pub(super) fn plain(&mut self, args: &'a [Arg]) -> Vec<Expr<'a>> {
        let mut held = Vec::new();
        for arg in args {
            match arg {
                Arg::Positional(it) | Arg::Named(_, it) => held.push(self.expr(it)),
                Arg::Over(over, _) => match self.over(over) {
                    Over::Last | Over::First => {}
                    Over::Dim(it) => held.push(*it),
                    Over::Dims(list) => held.extend(list),
                },
            }
        }
        held
    }

    pub(super) fn over(&mut self, over: &'a ast::Over) -> Over<'a> {
        match over {
            ast::Over::Last => Over::Last,
            ast::Over::First => Over::First,
            ast::Over::Dim(it) => Over::Dim(Box::new(self.size(it))),
            ast::Over::Dims(list) => Over::Dims(list.iter().map(|it| self.size(it)).collect()),
        }
    }

    /// A call of what is no function.
    fn no_function(&mut self, name: &'a Ident, args: &'a [Arg], span: Span) -> Kind<'a> {
        let text = &*name.name;
        if let Some(local) = self.local(text) {
            self.refer(name.span, Target::Local(self.owner, local));
            self.report(missing_operator(name, args, span, None));
            let held = self.plain(args);
            return self.wrong(held);
        }
        let Some((def, found)) = self.find(text) else {
            let held = self.plain(args);
            if !self.known.may_hold(text) {
                let fault = self.unknown_function(name);
                self.report(fault);
            }
            return self.wrong(held);
        };
        self.refer_def(name.span, def);
        match found.kind {
            DefKind::Hyper(hyper) => {
                self.uses.push((def, name.span));
                match self.activations.get(hyper).copied().flatten() {
                    Some(true) => return self.hyper(name, Callee::Hyper(def), args, span),
                    Some(false) => {
                        let fault = self.number_called(name, hyper);
                        self.report(fault);
                    }
                    None => {}
                }
            }
            DefKind::Error => {}
            _ => {
                let rank = self.names.zip(found.group).map_or(0, |(names, group)| {
                    match &names.groups[group].ast.type_.kind {
                        ast::TypeKind::Real(axes) => axes.len(),
                        ast::TypeKind::Index(_) => 0,
                    }
                });
                let fault = match matches!(self.place, Place::Init) {
                    true => no_initialiser(name, found.kind.article(), args),
                    false => missing_operator(name, args, span, Some(rank >= 2)),
                };
                self.report(fault);
            }
        }
        let held = self.plain(args);
        self.wrong(held)
    }

    /// `act(v)` for a hyper that is an activation.
    fn hyper(&mut self, name: &'a Ident, callee: Callee, args: &'a [Arg], span: Span) -> Kind<'a> {
        let params = vec![("v", false)];
        let form = Form { name: &name.name, params, variadic: false, over: false };
        let Some(matched) = self.matched(&form, name, span, args) else {
            let held = self.plain(args);
            return self.wrong(held);
        };
        self.resolved(name, callee, &form, &matched)
    }

    /// The report of a call of a hyper that is a number.
    fn number_called(&self, name: &Ident, hyper: usize) -> Diagnostic {
        let message = format!("`{}` is a number, not an activation", name.name);
        let mut fault = Diagnostic::new(Code::WrongKindOfName, name.span, message);
        let mut help = format!("write `{} * ..`", name.name);
        if let Some(names) = self.names {
            let (def, decl) = names.hypers[hyper];
            fault = fault.label(names.defs[def].name.span, "declared here");
            if let ExprKind::Call(function, _) = &decl.value.kind {
                help = format!(
                    "an activation that is the value of a hyper names its constants: `{}(NAME = ..)`",
                    function.name
                );
            }
        }
        fault.help(help)
    }

    fn unknown_function(&mut self, name: &Ident) -> Diagnostic {
        let text = &*name.name;
        if builtin::is_draw(text) {
            let message = format!("`{text}` is an initialiser; it stands after `init`");
            return Diagnostic::new(Code::WrongKindOfName, name.span, message);
        }
        let hypers: Vec<&str> = match self.names {
            Some(names) => names.hypers.iter().map(|it| &*it.1.name.name).collect(),
            None => Vec::new(),
        };
        let known = builtin::names().chain(self.known.function_names()).chain(hypers);
        if let Place::Init = self.place {
            let known = builtin::draws().chain(known);
            return self.shared.suggest.report(Code::BadInitialiser, "initialiser", name, known);
        }
        self.shared.suggest.report(Code::UnknownFunction, "function", name, known)
    }

    /// Random numbers, and what runs along an axis, after `init`.
    pub(super) fn draw(
        &mut self,
        name: &'a Ident,
        (known, kind): (&'static str, DrawKind),
        args: &'a [Arg],
        span: Span,
    ) -> Kind<'a> {
        self.refer(name.span, Target::Builtin(known));
        let by_position = args.iter().filter(|it| matches!(it, Arg::Positional(_))).count();
        let single = match kind {
            DrawKind::Uniform => args.len() <= 1,
            _ => args.len() == 1 && by_position == 1,
        };
        let params = kind.params(single);
        self.named(args, |it| {
            params.iter().find(|param| param.0 == it).map(|it| Target::Parameter(it.0))
        });
        let form = Form { name: &name.name, params: params.to_vec(), variadic: false, over: false };
        match args::bind(&form, name, span, args) {
            Ok(matched) => self.resolved(name, Callee::Draw(kind), &form, &matched),
            Err(fault) => {
                self.report(Diagnostic { code: Code::BadInitialiser, ..*fault });
                let held = self.plain(args);
                self.wrong(held)
            }
        }
    }

    /// The name and arguments of an activation, if an expression has that form. Arguments by position make it a number.
    pub(super) fn activation_form(
        &self,
        expr: &'a ast::Expr,
        by_position: bool,
    ) -> Option<(&'a Ident, &'a [Arg])> {
        let (name, args): (&Ident, &[Arg]) = match &expr.kind {
            ExprKind::Path(path)
                if path.tail.is_empty() && self.find(&path.head.name).is_none() =>
            {
                (&path.head, &[])
            }
            ExprKind::Call(name, args)
                if by_position || !args.iter().any(|it| matches!(it, Arg::Positional(_))) =>
            {
                (name, args)
            }
            ExprKind::Paren(inner) if !by_position => return self.activation_form(inner, false),
            ExprKind::Path(_)
            | ExprKind::Call(..)
            | ExprKind::Number(_)
            | ExprKind::Inf
            | ExprKind::Pi
            | ExprKind::Prev(..)
            | ExprKind::Array(_)
            | ExprKind::Paren(_)
            | ExprKind::Neg(..)
            | ExprKind::Index(..)
            | ExprKind::Chain(..)
            | ExprKind::Binary(..) => return None,
        };
        self.activation_of(&name.name).map(|_| (name, args))
    }

    /// The report of a hyper such as `softcap(2)`, which lacks an argument as a number and a name as an activation.
    pub(super) fn unnamed_constants(&self, expr: &ast::Expr) -> Option<Diagnostic> {
        let ExprKind::Call(name, args) = &expr.kind else { return None };
        let (_, signature) = builtin::activation(&name.name)?;
        let [Arg::Positional(only)] = &args[..] else { return None };
        let [_, constant, ..] = &signature.params[..] else { return None };
        if constant.default.is_some() {
            return None;
        }
        let (name, constant) = (&name.name, constant.name);
        let message = format!("`{name}` lacks the name of its `{constant}`");
        let help = "an activation that is the value of a hyper names its constants";
        Some(Diagnostic::new(Code::BadArguments, only.span, message).help(help).fix(
            Applicability::Certain,
            Span { end: only.span.start, ..only.span },
            format!("{constant} = "),
        ))
    }

    fn activation_of(&self, name: &str) -> Option<ActivationOf> {
        if let Some((op, signature)) = builtin::activation(name) {
            return Some(ActivationOf::Builtin(op, signature));
        }
        let id = self.known.function(name)?;
        let own = matches!(self.known.functions[id], Callable::Activation(_));
        own.then_some(ActivationOf::Function(id))
    }

    /// `leaky_relu(slope = 0.2)` or, where it cannot be anything else, `leaky_relu(0.2)`.
    pub(super) fn activation(
        &mut self,
        expr: &'a ast::Expr,
        name: &'a Ident,
        args: &'a [Arg],
    ) -> Expr<'a> {
        let kind = match self.activation_of(&name.name) {
            Some(of) => self.activation_kind(name, of, args),
            None => Kind::Error(Vec::new()),
        };
        self.node(expr, kind)
    }

    fn activation_kind(&mut self, name: &'a Ident, of: ActivationOf, args: &'a [Arg]) -> Kind<'a> {
        let params: Vec<(&'a str, bool)> = match of {
            ActivationOf::Builtin(_, signature) => {
                self.refer(name.span, Target::Builtin(signature.name));
                self.named(args, |it| signature.param(it).map(|it| Target::Parameter(it.name)));
                signature.params[1..].iter().map(|it| (it.name, it.default.is_some())).collect()
            }
            ActivationOf::Function(id) => {
                self.refer(name.span, Target::Function(id));
                let form = known::form(self.known.functions[id]);
                self.named(args, |it| {
                    let at = form.params.iter().position(|param| param.0 == it)?;
                    Some(Target::Local(Owner::Function(id), LocalId::new(at)))
                });
                form.params[1..].iter().map(|it| (it.0, true)).collect()
            }
        };
        let form = Form { name: &name.name, params, variadic: false, over: false };
        let Some(matched) = self.matched(&form, name, name.span, args) else {
            let held = self.quiet(|it| it.plain(args));
            return self.wrong(held);
        };
        let outer = self.place.clone();
        let mut given = Vec::with_capacity(matched.slots.len());
        for ((param, _), slot) in form.params.iter().zip(&matched.slots) {
            self.place = Place::Constant(format!("`{param}` of `{}`", name.name));
            given.push(slot.map(|it| self.expr(it)));
        }
        self.place = outer;
        Kind::Activation(Activation { name, of, args: given })
    }
}

/// Returns the arguments that must be given, of which none is missing, and those that may be left out.
fn split<'a>(
    form: &Form<'_>,
    mut values: Vec<Option<Expr<'a>>>,
) -> (Vec<Expr<'a>>, Vec<Option<Expr<'a>>>) {
    let must = form.params.iter().take_while(|it| !it.1).count();
    let options = values.split_off(must);
    (values.into_iter().flatten().collect(), options)
}

/// `init I(1 / sqrt(H))` of what is no initialiser.
fn no_initialiser(name: &Ident, what: &str, args: &[Arg]) -> Diagnostic {
    let given = match args {
        [Arg::Positional(only)] => show::short(only),
        [] | [..] => "..".to_owned(),
    };
    let message = format!("`{}` is {what}, not an initialiser", name.name);
    Diagnostic::new(Code::BadInitialiser, name.span, message)
        .help(format!("one that draws is `uniform({given})` or `normal({given})`"))
}

/// `b (x)` for a value `b`: a product was meant.
fn missing_operator(name: &Ident, args: &[Arg], span: Span, matrix: Option<bool>) -> Diagnostic {
    let (text, opener) = match args {
        // The bracket comes right before the value, as people write it.
        [Arg::Positional(only)] => (format!("`({})`", show::short(only)), only.span.start - 1),
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

impl LocalKind {
    /// Returns true if it may be a constant.
    pub(super) fn may_be_constant(self) -> bool {
        matches!(self, LocalKind::Variable | LocalKind::Parameter)
    }
}
