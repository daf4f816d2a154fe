//! Expressions as LaTeX, as far as KaTeX knows it.

use super::symbol::{Names, symbol};
use crate::hir::builtin::Builtin;
use crate::hir::{Call, Callee, DefId, Expr, Kind, Over, Part, Past};
use crate::syntax::ast::{BinaryOp, Ident};
use crate::syntax::print_expr;

/// The precedence of an expression, so that the formula has parentheses where it needs them: a fraction or a root needs none
/// within.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Sum,
    Product,
    Sign,
    Power,
    /// A choice, whose brace is closed by nothing.
    Choice,
    Atom,
}

/// Writes expressions with the names of one scope.
pub(super) struct Formula<'n, 'c, 'a> {
    pub names: &'n Names<'c, 'a>,
}

impl Formula<'_, '_, '_> {
    /// A whole expression.
    pub fn expr(&self, expr: &Expr<'_>) -> String {
        self.level(expr).0
    }

    /// A name of this step.
    pub fn name(&self, def: DefId) -> String {
        self.names.def(def, "t")
    }

    fn at_least(&self, expr: &Expr<'_>, level: Level) -> String {
        match self.level(expr) {
            (text, found) if found >= level => text,
            (text, _) => parenthesised(&text),
        }
    }

    /// Writes the operand after an operator: a minus of its own needs parentheses there.
    fn after(&self, expr: &Expr<'_>, level: Level) -> String {
        let text = self.at_least(expr, level);
        if text.starts_with('-') { parenthesised(&text) } else { text }
    }

    fn level(&self, expr: &Expr<'_>) -> (String, Level) {
        match &expr.kind {
            Kind::Number(_) => number(&print_expr(expr.ast)),
            Kind::Inf => ("\\infty".into(), Level::Atom),
            Kind::Pi => ("\\pi".into(), Level::Atom),
            Kind::Def(def) => (self.name(*def), Level::Atom),
            Kind::Local(local) => (self.names.local(*local), Level::Atom),
            Kind::Part(part) => (self.part(part, "t"), Level::Atom),
            Kind::Prev(past, steps) => {
                let back =
                    steps.as_ref().map_or("1".to_owned(), |it| self.at_least(it, Level::Sign));
                let step = format!("t-{back}");
                let text = match past {
                    Past::Def(def) => self.names.def(*def, &step),
                    Past::Part(part) => self.part(part, &step),
                };
                (text, Level::Atom)
            }
            Kind::Call(call) => self.call(expr, call),
            Kind::Activation(it) => match expr.written_args() {
                Some(given) => self.named(it.name, &given, None),
                None => (symbol(&it.name.name, None), Level::Atom),
            },
            Kind::Array(items) | Kind::Error(items) => {
                (format!("[{}]", self.list(items)), Level::Atom)
            }
            Kind::Paren(inner) => self.level(inner),
            Kind::Neg(inner) => (format!("-{}", self.at_least(inner, Level::Power)), Level::Sign),
            Kind::Index(value, index) => {
                (self.element(&self.at_least(value, Level::Atom), index), Level::Atom)
            }
            Kind::Chain(first, rest) => self.chain(first, rest),
            Kind::Binary(op, _, left, right) => self.binary(*op, left, right),
        }
    }

    fn element(&self, value: &str, index: &Expr<'_>) -> String {
        format!("{value}{{[{}]}}", self.expr(index))
    }

    fn list(&self, exprs: &[Expr<'_>]) -> String {
        exprs.iter().map(|it| self.expr(it)).collect::<Vec<_>>().join(", ")
    }

    /// `a[0].h` is h of layer a, written above it.
    fn part(&self, part: &Part<'_>, step: &str) -> String {
        let tail = &part.path.tail;
        let text = match tail.last() {
            None => self.names.def(part.layer_def, step),
            Some((_, last)) => {
                let mut layer = symbol(&part.path.head.name, None);
                for (idx, (index, (_, name))) in part.indices.iter().zip(tail).enumerate() {
                    if let Some(index) = index {
                        layer.push_str(&format!("[{}]", self.expr(index)));
                    }
                    if idx + 1 < tail.len() {
                        layer.push_str(&format!(".{}", symbol(&name.name, None)));
                    }
                }
                format!("{}^{{({layer})}}", symbol(&last.name, Some(step)))
            }
        };
        match &part.last {
            Some(index) => self.element(&text, index),
            None => text,
        }
    }

    fn chain(
        &self,
        first: &Expr<'_>,
        rest: &[(BinaryOp, crate::text::Span, Expr<'_>)],
    ) -> (String, Level) {
        let sum = rest.iter().all(|it| matches!(it.0, BinaryOp::Add | BinaryOp::Sub));
        if sum {
            let mut text = self.at_least(first, Level::Sum);
            for (op, _, term) in rest {
                let sign = if *op == BinaryOp::Add { "+" } else { "-" };
                text = format!("{text} {sign} {}", self.after(term, Level::Product));
            }
            return (text, Level::Sum);
        }
        let times = |at: usize| rest.get(at).is_some_and(|it| it.0 == BinaryOp::Mul);
        let mut text = self.factor(first, times(0), false);
        let mut fraction = self.expr(first);
        let mut scalar = self.is_scalar(first);
        let mut level = Level::Product;
        for (at, (op, _, factor)) in rest.iter().enumerate() {
            if *op == BinaryOp::Div {
                text = format!("\\frac{{{fraction}}}{{{}}}", self.expr(factor));
                level = Level::Atom;
            } else {
                // Scalars are beside what they multiply; elements are multiplied with a sign of their own.
                let sign = if scalar || self.is_scalar(factor) { "\\," } else { "\\odot" };
                text = format!("{text} {sign} {}", self.factor(factor, times(at + 1), true));
                level = Level::Product;
            }
            scalar = scalar && self.is_scalar(factor);
            fraction.clone_from(&text);
        }
        (text, level)
    }

    /// A factor; a sum over an axis would take in all factors that follow it.
    fn factor(&self, factor: &Expr<'_>, followed: bool, follows: bool) -> String {
        let text = match follows {
            true => self.after(factor, Level::Product),
            false => self.at_least(factor, Level::Product),
        };
        if followed && text.starts_with("\\sum") { parenthesised(&text) } else { text }
    }

    fn binary(&self, op: BinaryOp, left: &Expr<'_>, right: &Expr<'_>) -> (String, Level) {
        match op {
            BinaryOp::MatMul => {
                let (left, right) =
                    (self.at_least(left, Level::Power), self.at_least(right, Level::Power));
                (format!("{left}\\, {right}"), Level::Product)
            }
            BinaryOp::Pow => {
                let text =
                    format!("{{{}}}^{{{}}}", self.at_least(left, Level::Atom), self.expr(right));
                (text, Level::Power)
            }
            // The bracket of Iverson; without it, `works = n = 0` would be two equations.
            BinaryOp::Less
            | BinaryOp::LessEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterEqual
            | BinaryOp::Equal
            | BinaryOp::NotEqual => (format!("[{}]", self.relation(op, left, right)), Level::Atom),
            // These are in chains.
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div => {
                (self.relation(op, left, right), Level::Sum)
            }
        }
    }

    fn relation(&self, op: BinaryOp, left: &Expr<'_>, right: &Expr<'_>) -> String {
        let sign = match op.symbol() {
            "<=" => "\\le",
            ">=" => "\\ge",
            "==" => "=",
            "!=" => "\\ne",
            plain => plain,
        };
        format!("{} {sign} {}", self.at_least(left, Level::Sum), self.at_least(right, Level::Sum))
    }

    /// Writes the condition of a choice: a comparison needs no bracket there.
    fn condition(&self, expr: &Expr<'_>) -> String {
        if let Kind::Binary(op, _, left, right) = &expr.bare().kind
            && !matches!(op, BinaryOp::MatMul | BinaryOp::Pow)
        {
            return self.relation(*op, left, right);
        }
        self.expr(expr)
    }

    /// The rows of a choice; a choice in its last row has rows of its own.
    fn choices(&self, [cond, yes, no]: [&Expr<'_>; 3]) -> String {
        let first = format!("{} & \\text{{if }} {}", self.expr(yes), self.condition(cond));
        let inner = match &no.bare().kind {
            Kind::Call(call) => choice(call),
            _ => None,
        };
        let rest = match inner {
            Some(inner) => self.choices(inner),
            None => format!("{} & \\text{{otherwise}}", self.expr(no)),
        };
        format!("{first} \\\\ {rest}")
    }

    /// Returns true if a value is one scalar, as far as the text tells.
    fn is_scalar(&self, expr: &Expr<'_>) -> bool {
        self.names.is_scalar(expr)
    }

    /// A call: what has a notation of its own gets it, all else its name.
    fn call(&self, expr: &Expr<'_>, call: &Call<'_>) -> (String, Level) {
        let values: Vec<&Expr<'_>> = call.given().collect();
        let plain = call.over.is_none();
        let atom = |text: String| (text, Level::Atom);
        let name = match call.callee {
            Callee::Builtin(it) => it.name,
            Callee::Function(_) | Callee::Hyper(_) | Callee::Draw(_) | Callee::Form => "",
        };
        if let Some(parts) = choice(call) {
            let text = format!("\\begin{{cases}} {} \\end{{cases}}", self.choices(parts));
            return (text, Level::Choice);
        }
        match (name, values.as_slice()) {
            ("sqrt", [v]) => atom(format!("\\sqrt{{{}}}", self.expr(v))),
            ("abs", [v]) => atom(format!("\\left|{}\\right|", self.expr(v))),
            ("norm", [v]) if plain => atom(format!("\\left\\lVert {}\\right\\rVert", self.expr(v))),
            ("square", [v]) => {
                (format!("{{{}}}^{{2}}", self.at_least(v, Level::Atom)), Level::Power)
            }
            ("floor", [v]) => atom(format!("\\left\\lfloor {}\\right\\rfloor", self.expr(v))),
            ("ceil", [v]) => atom(format!("\\left\\lceil {}\\right\\rceil", self.expr(v))),
            ("transpose", [v]) => {
                (format!("{{{}}}^{{\\top}}", self.at_least(v, Level::Atom)), Level::Power)
            }
            ("outer", [a, b]) => {
                let (a, b) = (self.at_least(a, Level::Power), self.at_least(b, Level::Power));
                (format!("{a} \\otimes {b}"), Level::Product)
            }
            ("dot", [a, b]) => atom(format!("\\langle {}, {}\\rangle", self.expr(a), self.expr(b))),
            ("matmul", [a, b]) => {
                let (a, b) = (self.at_least(a, Level::Power), self.at_least(b, Level::Power));
                (format!("{a}\\, {b}"), Level::Product)
            }
            ("concat", parts) => {
                let parts: Vec<String> = parts.iter().map(|it| self.expr(it)).collect();
                atom(format!("\\left[{}\\right]", parts.join(";\\, ")))
            }
            ("slice", [v, from, to]) if plain => {
                let v = self.at_least(v, Level::Atom);
                atom(format!("{v}{{[{}\\,{{:}}\\,{}]}}", self.expr(from), self.expr(to)))
            }
            // These only change how a value is laid out.
            ("reshape" | "rename", [v, ..]) => self.level(v),
            ("eye", [n]) => atom(format!("I_{{{}}}", self.expr(n))),
            ("zeros", _) => atom("\\mathbf{0}".into()),
            ("ones", _) => atom("\\mathbf{1}".into()),
            ("time", []) => atom("t".into()),
            ("sum", [v]) => {
                let over = call.over.as_ref().map(|it| self.over(&it.0)).unwrap_or_default();
                (format!("\\sum{over} {}", self.after(v, Level::Product)), Level::Product)
            }
            (_, _) => {
                let over = call.over.as_ref().map(|it| &it.0);
                match expr.written_args() {
                    Some(given) => self.named(call.name, &given, over),
                    None => (operator(&call.name.name), Level::Atom),
                }
            }
        }
    }

    /// A function by its name, with its arguments as they are written.
    fn named(
        &self,
        name: &Ident,
        given: &[(Option<&Ident>, &Expr<'_>)],
        over: Option<&Over<'_>>,
    ) -> (String, Level) {
        let given = given.iter().map(|(name, value)| match name {
            Some(name) => format!("{} = {}", symbol(&name.name, None), self.expr(value)),
            None => self.expr(value),
        });
        let given = given.collect::<Vec<_>>().join(", ");
        let over = over.map(|it| self.over(it)).unwrap_or_default();
        (format!("{}{over}{}", operator(&name.name), parenthesised(&given)), Level::Atom)
    }

    /// `over D` as what is below the function.
    fn over(&self, over: &Over<'_>) -> String {
        let text = match over {
            Over::Last => "\\text{last}".to_owned(),
            Over::First => "\\text{first}".to_owned(),
            Over::Dim(dim) => self.expr(dim),
            Over::Dims(dims) => self.list(dims),
        };
        format!("_{{{text}}}")
    }
}

/// The condition and both branches of `where`.
fn choice<'e, 'a>(call: &'e Call<'a>) -> Option<[&'e Expr<'a>; 3]> {
    match call.callee {
        Callee::Builtin(it) if it.what == Builtin::Where => Some(call.first()),
        _ => None,
    }
}

fn parenthesised(text: &str) -> String {
    let tall = text.contains("\\frac") || text.contains("\\begin") || text.contains("\\left");
    if tall { format!("\\left({text}\\right)") } else { format!("({text})") }
}

/// The name of a function.
fn operator(name: &str) -> String {
    match name {
        "sigmoid" => "\\sigma".to_owned(),
        "tanh" | "exp" | "log" | "sin" | "cos" | "max" | "min" => format!("\\{name}"),
        _ => format!("\\mathrm{{{}}}", name.replace('_', "\\_")),
    }
}

/// A number; one with an exponent as a power of ten.
fn number(text: &str) -> (String, Level) {
    match text.split_once('e') {
        Some((digits, power)) => (format!("{digits} \\cdot 10^{{{power}}}"), Level::Product),
        None => (text.to_owned(), Level::Atom),
    }
}
