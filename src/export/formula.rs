//! Expressions as LaTeX, as far as KaTeX knows it.

use super::symbol::{InTime, symbol};
use crate::syntax::ast::{Arg, BinaryOp, Expr, ExprKind, Ident, Over, Path};
use crate::syntax::print_expr;

/// How tight an expression binds, so that parentheses stand where the formula needs them: a fraction or a root needs none within.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Sum,
    Product,
    Sign,
    Power,
    Atom,
}

/// Writes expressions with the names of one scope.
pub(super) struct Formula<'a> {
    pub in_time: &'a InTime<'a>,
}

impl Formula<'_> {
    /// A whole expression.
    pub fn expr(&self, expr: &Expr) -> String {
        self.level(expr).0
    }

    /// A name of this step.
    pub fn name(&self, name: &str) -> String {
        symbol(name, self.in_time.holds(name).then_some("t"))
    }

    fn at_least(&self, expr: &Expr, level: Level) -> String {
        match self.level(expr) {
            (text, found) if found >= level => text,
            (text, _) => parenthesised(&text),
        }
    }

    fn level(&self, expr: &Expr) -> (String, Level) {
        match &expr.kind {
            ExprKind::Number(_) => number(&print_expr(expr)),
            ExprKind::Inf => ("\\infty".into(), Level::Atom),
            ExprKind::Pi => ("\\pi".into(), Level::Atom),
            ExprKind::Path(path) => (self.path(path, "t"), Level::Atom),
            ExprKind::Prev(path, steps) => {
                let back =
                    steps.as_ref().map_or("1".to_owned(), |it| self.at_least(it, Level::Sign));
                (self.path(path, &format!("t-{back}")), Level::Atom)
            }
            ExprKind::Call(name, args) => self.call(name, args),
            ExprKind::Array(items) => (format!("[{}]", self.list(items)), Level::Atom),
            ExprKind::Paren(inner) => self.level(inner),
            ExprKind::Neg(_, inner) => {
                (format!("-{}", self.at_least(inner, Level::Power)), Level::Sign)
            }
            ExprKind::Index(value, index) => {
                let value = self.at_least(value, Level::Atom);
                (format!("{value}{{[{}]}}", self.expr(index)), Level::Atom)
            }
            ExprKind::Chain(first, rest) => self.chain(first, rest),
            ExprKind::Binary(op, _, left, right) => self.binary(*op, left, right),
        }
    }

    fn list(&self, exprs: &[Expr]) -> String {
        exprs.iter().map(|it| self.expr(it)).collect::<Vec<_>>().join(", ")
    }

    fn path(&self, path: &Path, step: &str) -> String {
        let changes = self.in_time.holds(&path.head.name);
        let Some((_, last)) = path.tail.last() else {
            return symbol(&path.head.name, changes.then_some(step));
        };
        // `a[0].h` is h of layer a, written above it.
        let mut layer = symbol(&path.head.name, None);
        for (idx, (index, _)) in path.tail.iter().enumerate() {
            if let Some(index) = index {
                layer.push_str(&format!("[{}]", self.expr(index)));
            }
            if idx + 1 < path.tail.len() {
                layer.push_str(&format!(".{}", symbol(&path.tail[idx].1.name, None)));
            }
        }
        format!("{}^{{({layer})}}", symbol(&last.name, changes.then_some(step)))
    }

    fn chain(&self, first: &Expr, rest: &[(BinaryOp, crate::text::Span, Expr)]) -> (String, Level) {
        let sum = rest.iter().all(|it| matches!(it.0, BinaryOp::Add | BinaryOp::Sub));
        if sum {
            let mut text = self.at_least(first, Level::Sum);
            for (op, _, term) in rest {
                let sign = if *op == BinaryOp::Add { "+" } else { "-" };
                text = format!("{text} {sign} {}", self.at_least(term, Level::Product));
            }
            return (text, Level::Sum);
        }
        let times = |at: usize| rest.get(at).is_some_and(|it| it.0 == BinaryOp::Mul);
        let mut text = self.factor(first, times(0));
        let mut fraction = self.expr(first);
        let mut scalar = self.is_scalar(first);
        let mut level = Level::Product;
        for (at, (op, _, factor)) in rest.iter().enumerate() {
            if *op == BinaryOp::Div {
                text = format!("\\frac{{{fraction}}}{{{}}}", self.expr(factor));
                level = Level::Atom;
            } else {
                // Scalars stand beside what they multiply; elements are multiplied with a sign of their own.
                let sign = if scalar || self.is_scalar(factor) { "\\," } else { "\\odot" };
                text = format!("{text} {sign} {}", self.factor(factor, times(at + 1)));
                level = Level::Product;
            }
            scalar = scalar && self.is_scalar(factor);
            fraction.clone_from(&text);
        }
        (text, level)
    }

    /// A factor; a sum over an axis would take in all factors that follow it.
    fn factor(&self, factor: &Expr, followed: bool) -> String {
        let text = self.at_least(factor, Level::Product);
        if followed && text.starts_with("\\sum") { parenthesised(&text) } else { text }
    }

    fn binary(&self, op: BinaryOp, left: &Expr, right: &Expr) -> (String, Level) {
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
            // These stand in chains.
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div => {
                (self.relation(op, left, right), Level::Sum)
            }
        }
    }

    fn relation(&self, op: BinaryOp, left: &Expr, right: &Expr) -> String {
        let sign = match op.symbol() {
            "<=" => "\\le",
            ">=" => "\\ge",
            "==" => "=",
            "!=" => "\\ne",
            plain => plain,
        };
        format!("{} {sign} {}", self.at_least(left, Level::Sum), self.at_least(right, Level::Sum))
    }

    /// What decides a choice: a comparison needs no bracket there.
    fn condition(&self, expr: &Expr) -> String {
        if let ExprKind::Binary(op, _, left, right) = &bare(expr).kind
            && !matches!(op, BinaryOp::MatMul | BinaryOp::Pow)
        {
            return self.relation(*op, left, right);
        }
        self.expr(expr)
    }

    /// The rows of a choice; a choice in its last row has rows of its own.
    fn choices(&self, cond: &Expr, yes: &Expr, no: &Expr) -> String {
        let first = format!("{} & \\text{{if }} {}", self.expr(yes), self.condition(cond));
        let rest = if let ExprKind::Call(name, args) = &bare(no).kind
            && &*name.name == "where"
            && let [Arg::Positional(cond), Arg::Positional(yes), Arg::Positional(no)] =
                args.as_slice()
        {
            self.choices(cond, yes, no)
        } else {
            format!("{} & \\text{{otherwise}}", self.expr(no))
        };
        format!("{first} \\\\ {rest}")
    }

    /// Whether a value is one number, as far as the text tells.
    fn is_scalar(&self, expr: &Expr) -> bool {
        self.in_time.is_scalar(expr)
    }

    /// A call: what has a notation of its own gets it, all else its name.
    fn call(&self, name: &Ident, args: &[Arg]) -> (String, Level) {
        let values: Vec<&Expr> = args
            .iter()
            .filter_map(|it| match it {
                Arg::Positional(it) => Some(it),
                Arg::Named(..) | Arg::Over(..) => None,
            })
            .collect();
        let plain = values.len() == args.len();
        let atom = |text: String| (text, Level::Atom);
        match (&*name.name, values.as_slice()) {
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
            ("where", [cond, a, b]) => {
                atom(format!("\\begin{{cases}} {} \\end{{cases}}", self.choices(cond, a, b)))
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
                let over = args.iter().find_map(|it| self.over(it)).unwrap_or_default();
                (format!("\\sum{over} {}", self.at_least(v, Level::Product)), Level::Product)
            }
            (function, _) => {
                let over = args.iter().find_map(|it| self.over(it)).unwrap_or_default();
                let given = args.iter().filter_map(|it| match it {
                    Arg::Positional(it) => Some(self.expr(it)),
                    Arg::Named(name, it) => {
                        Some(format!("{} = {}", symbol(&name.name, None), self.expr(it)))
                    }
                    Arg::Over(..) => None,
                });
                let given = given.collect::<Vec<_>>().join(", ");
                atom(format!("{}{over}{}", operator(function), parenthesised(&given)))
            }
        }
    }

    /// `over D` as what stands below the function.
    fn over(&self, arg: &Arg) -> Option<String> {
        let Arg::Over(over, _) = arg else { return None };
        let text = match over {
            Over::Last => "\\text{last}".to_owned(),
            Over::First => "\\text{first}".to_owned(),
            Over::Dim(dim) => self.expr(dim),
            Over::Dims(dims) => self.list(dims),
        };
        Some(format!("_{{{text}}}"))
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

/// Without the parentheses around it.
fn bare(mut expr: &Expr) -> &Expr {
    while let ExprKind::Paren(inner) = &expr.kind {
        expr = inner;
    }
    expr
}

/// A number; one with an exponent as a power of ten.
fn number(text: &str) -> (String, Level) {
    match text.split_once('e') {
        Some((digits, power)) => (format!("{digits} \\cdot 10^{{{power}}}"), Level::Product),
        None => (text.to_owned(), Level::Atom),
    }
}
