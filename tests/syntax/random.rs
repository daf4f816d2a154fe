//! Trees from random bytes: each byte decides between the next possibilities.

use rnnc::syntax::ast::{
    Activation, Arg, BinaryOp, Cell, CellKind, Decl, DeclKind, Definition, DimDecl, DimKind, Doc,
    Expr, ExprKind, File, Fold, Function, Group, HyperDecl, Ident, Item, LayerArg, LayerDecl,
    LayoutDecl, LayoutName, LayoutRow, OutputDecl, Over, Path, Role, Scope, Type, TypeKind, Unread,
    Use, UseTarget, Value, ValueRole,
};
use rnnc::text::Span;

const AT: Span = Span { file: rnnc::text::FileId(0), start: 0, end: 0 };

/// Hands out decisions; when the bytes are used up, always the first and smallest one.
pub struct Random<'b> {
    bytes: &'b [u8],
}

impl<'b> Random<'b> {
    pub fn new(bytes: &'b [u8]) -> Random<'b> {
        Random { bytes }
    }

    fn pick(&mut self, n: usize) -> usize {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first as usize % n
    }

    fn flag(&mut self) -> bool {
        self.pick(2) == 1
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.flag() { Some(make(self)) } else { None }
    }

    fn some<T>(&mut self, least: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let n = least + self.pick(3);
        (0..n).map(|_| make(self)).collect()
    }

    /// A name; many are words that mean something in another place.
    fn name(&mut self) -> Ident {
        const NAMES: &[&str] = &[
            "a",
            "W_1",
            "x",
            "init",
            "per",
            "step",
            "like",
            "shares",
            "backward",
            "teacher",
            "at",
            "index",
            "for",
            "in",
            "from",
            "derivative",
            "sequence",
            "run",
            "lettuce",
            "lstm",
            "prevent",
            "e5",
        ];
        Ident { name: NAMES[self.pick(NAMES.len())].into(), span: AT }
    }

    fn doc(&mut self) -> Option<Doc> {
        const LINES: &[&str] = &["", "A line.", " indented", "/ slash", "ünï code"];
        self.maybe(|it| Doc {
            lines: it.some(1, |it| LINES[it.pick(LINES.len())].to_owned()),
            span: AT,
        })
    }

    pub fn file(&mut self) -> File {
        File { items: self.some(1, Random::item), unread: Unread::default() }
    }

    fn item(&mut self) -> Item {
        let doc = self.doc();
        match self.pick(6) {
            0 => Item::Activation(Activation {
                doc,
                name: self.name(),
                value: self.name(),
                constants: self.some(0, |it| (it.name(), it.expr(2))),
                body: self.expr(3),
                derivative: self.maybe(|it| it.expr(3)),
                span: AT,
            }),
            1 => Item::Function(Function {
                doc,
                name: self.name(),
                params: self.some(1, Random::name),
                body: self.expr(3),
                span: AT,
            }),
            2 => {
                let target = match self.flag() {
                    true => UseTarget::File("a b/ü.rnn".to_owned()),
                    false => UseTarget::Library(self.name(), self.name()),
                };
                Item::Use(Use { doc, target, span: AT })
            }
            kind => Item::Cell(Cell {
                doc,
                kind: if kind == 3 { CellKind::Model } else { CellKind::Cell },
                name: self.name(),
                decls: {
                    let mut decls = self.some(0, Random::decl);
                    decls.extend(self.some(0, Random::decl));
                    decls
                },
                unread: Unread::default(),
                span: AT,
            }),
        }
    }

    fn decl(&mut self) -> Decl {
        let doc = self.doc();
        let kind = match self.pick(11) {
            0 => DeclKind::Dims(self.some(1, |it| DimDecl {
                name: it.name(),
                kind: match it.pick(3) {
                    0 => DimKind::Free,
                    1 => DimKind::Equals(it.expr(2)),
                    _ => DimKind::Like(it.name()),
                },
            })),
            1 => {
                DeclKind::Hyper(self.some(1, |it| HyperDecl { name: it.name(), value: it.expr(2) }))
            }
            2 | 3 => {
                const ROLES: [Role; 7] = [
                    Role::Input,
                    Role::State,
                    Role::Param,
                    Role::Const,
                    Role::Mask,
                    Role::Target,
                    Role::Feedback,
                ];
                DeclKind::Group(ROLES[self.pick(7)], self.some(1, Random::group))
            }
            4 => {
                let (role, name, value) = self.definition();
                DeclKind::Value(role, name, value)
            }
            5 => DeclKind::Tuple(self.some(1, Random::name), self.value(2)),
            6 => DeclKind::Update(self.name(), self.value(2)),
            7 => DeclKind::Output(self.some(1, |it| match it.flag() {
                true => OutputDecl::Path(it.path(1)),
                false => OutputDecl::Named(it.name(), it.expr(2)),
            })),
            8 => DeclKind::Layer(Box::new(LayerDecl {
                name: self.name(),
                count: self.maybe(|it| it.expr(1)),
                cell: self.name(),
                args: self.some(0, |it| LayerArg {
                    prev: it.flag(),
                    name: it.name(),
                    value: it.expr(2),
                }),
                shares: self.maybe(Random::name),
                backward: self.maybe(|_| AT),
            })),
            9 => DeclKind::Loss { value: self.expr(2), at_last: self.flag() },
            _ => DeclKind::Layout(LayoutDecl {
                name: self.name(),
                rows: self.some(0, |it| LayoutRow {
                    optional: it.flag(),
                    names: it.some(1, Random::layout_name),
                    value: it.expr(2),
                }),
            }),
        };
        Decl { doc, kind, span: AT }
    }

    fn layout_name(&mut self) -> LayoutName {
        if self.flag() {
            return LayoutName { name: "cells.0 + ü".to_owned(), quoted: true, span: AT };
        }
        LayoutName { name: self.name().name.to_string(), quoted: false, span: AT }
    }

    fn group(&mut self) -> Group {
        const SCOPES: [Scope; 3] = [Scope::Step, Scope::Sequence, Scope::Run];
        let kind = match self.flag() {
            true => TypeKind::Real(self.some(0, |it| it.expr(1))),
            false => TypeKind::Index(self.expr(1)),
        };
        Group {
            names: self.some(1, Random::name),
            type_: Type { kind, span: AT },
            value: self.maybe(|it| it.expr(2)),
            init: self.maybe(|it| it.expr(2)),
            per: self.maybe(|it| (SCOPES[it.pick(3)], AT)),
            teacher: self.maybe(Random::name),
            span: AT,
        }
    }

    fn definition(&mut self) -> (ValueRole, Ident, Value) {
        let role = if self.flag() { ValueRole::Gate } else { ValueRole::Let };
        (role, self.name(), self.value(1))
    }

    fn value(&mut self, depth: usize) -> Value {
        if depth == 0 || self.pick(3) > 0 {
            return Value::Expr(self.expr(depth + 1));
        }
        Value::Fold(Box::new(Fold {
            accumulators: self.some(1, Random::name),
            starts: self.some(1, |it| it.expr(1)),
            variable: self.name(),
            from: self.expr(1),
            to: self.expr(1),
            body: self.some(0, |it| Definition {
                role: ValueRole::Let,
                names: it.some(1, Random::name),
                value: it.value(depth - 1),
            }),
            results: self.some(1, |it| it.expr(2)),
            span: AT,
        }))
    }

    fn path(&mut self, depth: usize) -> Path {
        let tail = |it: &mut Self| (it.maybe(|it| it.expr(depth.saturating_sub(1))), it.name());
        Path {
            head: self.name(),
            tail: if depth == 0 { vec![] } else { self.some(0, tail) },
            span: AT,
        }
    }

    /// An expression; each level holds what binds no looser, as the grammar has it.
    pub fn expr(&mut self, depth: usize) -> Expr {
        const COMPARISONS: [BinaryOp; 6] = [
            BinaryOp::Less,
            BinaryOp::LessEqual,
            BinaryOp::Greater,
            BinaryOp::GreaterEqual,
            BinaryOp::Equal,
            BinaryOp::NotEqual,
        ];
        let left = self.sum(depth);
        if depth == 0 || self.pick(6) > 0 {
            return left;
        }
        let op = COMPARISONS[self.pick(6)];
        of(ExprKind::Binary(op, AT, left.into(), self.sum(depth - 1).into()))
    }

    fn sum(&mut self, depth: usize) -> Expr {
        let first = self.product(depth);
        if depth == 0 || self.pick(3) > 0 {
            return first;
        }
        let rest = self.some(1, |it| {
            let op = if it.flag() { BinaryOp::Add } else { BinaryOp::Sub };
            (op, AT, it.product(depth - 1))
        });
        of(ExprKind::Chain(first.into(), rest))
    }

    fn product(&mut self, depth: usize) -> Expr {
        if depth == 0 || self.pick(3) > 0 {
            return self.matrix(depth);
        }
        let rest = |it: &mut Self| {
            let op = if it.flag() { BinaryOp::Mul } else { BinaryOp::Div };
            (op, AT, it.unary(depth - 1))
        };
        of(ExprKind::Chain(self.unary(depth - 1).into(), self.some(1, rest)))
    }

    fn matrix(&mut self, depth: usize) -> Expr {
        let left = self.unary(depth);
        if depth == 0 || self.pick(3) > 0 {
            return left;
        }
        of(ExprKind::Binary(BinaryOp::MatMul, AT, left.into(), self.matrix(depth - 1).into()))
    }

    fn unary(&mut self, depth: usize) -> Expr {
        match if depth == 0 { 2 } else { self.pick(8) } {
            0 => of(ExprKind::Neg(AT, self.unary(depth - 1).into())),
            1 => {
                let base = self.postfix(depth - 1);
                of(ExprKind::Binary(BinaryOp::Pow, AT, base.into(), self.unary(depth - 1).into()))
            }
            _ => self.postfix(depth),
        }
    }

    fn postfix(&mut self, depth: usize) -> Expr {
        if depth == 0 || self.pick(5) > 0 {
            return self.primary(depth);
        }
        of(ExprKind::Index(self.postfix(depth - 1).into(), self.expr(depth - 1).into()))
    }

    fn primary(&mut self, depth: usize) -> Expr {
        const NUMBERS: [f64; 9] =
            [0.0, 1.0, 0.1, 0.30000000000000004, 1e-5, 1e16, f64::MAX, 5e-324, 123456789.125];
        let below = depth.saturating_sub(1);
        of(match self.pick(if depth == 0 { 4 } else { 9 }) {
            0 => ExprKind::Path(self.path(0)),
            1 => ExprKind::Number(NUMBERS[self.pick(9)]),
            2 => ExprKind::Pi,
            3 => ExprKind::Inf,
            4 => ExprKind::Path(self.path(below)),
            5 => ExprKind::Prev(self.path(below), self.maybe(|it| it.expr(below).into())),
            6 => ExprKind::Array(self.some(0, |it| it.expr(below))),
            7 => ExprKind::Paren(self.expr(below).into()),
            _ => ExprKind::Call(self.name(), self.some(0, |it| it.arg(below))),
        })
    }

    fn arg(&mut self, depth: usize) -> Arg {
        let over = match self.pick(8) {
            0 => Over::Last,
            1 => Over::First,
            2 => Over::Dim(of(ExprKind::Path(self.path(0)))),
            3 => Over::Dims(self.some(0, |it| it.expr(depth))),
            4 => return Arg::Named(self.name(), self.expr(depth)),
            _ => return Arg::Positional(self.expr(depth)),
        };
        Arg::Over(over, AT)
    }
}

fn of(kind: ExprKind) -> Expr {
    Expr { kind, span: AT }
}
