//! Takes the places out of a tree, so that two trees can be compared by what they say.

use crate::syntax::ast::{
    Arg, Decl, DeclKind, DimKind, Doc, Expr, ExprKind, File, Fold, Group, Ident, Item, OutputDecl,
    Over, Path, Type, TypeKind, UseTarget, Value,
};
use crate::text::Span;

/// Sets all spans of a tree to the empty one at the start of the first file.
pub fn erase_spans(file: &mut File) {
    for item in &mut file.items {
        match item {
            Item::Cell(cell) => {
                doc(&mut cell.doc);
                ident(&mut cell.name);
                cell.decls.iter_mut().for_each(decl);
                erase(&mut cell.span);
            }
            Item::Activation(it) => {
                doc(&mut it.doc);
                ident(&mut it.name);
                ident(&mut it.value);
                for (name, value) in &mut it.constants {
                    ident(name);
                    expr(value);
                }
                expr(&mut it.body);
                it.derivative.iter_mut().for_each(expr);
                erase(&mut it.span);
            }
            Item::Function(it) => {
                doc(&mut it.doc);
                ident(&mut it.name);
                it.params.iter_mut().for_each(ident);
                expr(&mut it.body);
                erase(&mut it.span);
            }
            Item::Use(it) => {
                doc(&mut it.doc);
                if let UseTarget::Library(library, name) = &mut it.target {
                    ident(library);
                    ident(name);
                }
                erase(&mut it.span);
            }
        }
    }
}

fn erase(span: &mut Span) {
    *span = Span::default();
}

fn ident(ident: &mut Ident) {
    erase(&mut ident.span);
}

fn doc(doc: &mut Option<Doc>) {
    if let Some(doc) = doc {
        erase(&mut doc.span);
    }
}

fn decl(it: &mut Decl) {
    doc(&mut it.doc);
    erase(&mut it.span);
    match &mut it.kind {
        DeclKind::Dims(dims) => {
            for dim in dims {
                ident(&mut dim.name);
                match &mut dim.kind {
                    DimKind::Free => {}
                    DimKind::Equals(value) => expr(value),
                    DimKind::Like(name) => ident(name),
                }
            }
        }
        DeclKind::Hyper(hypers) => {
            for hyper in hypers {
                ident(&mut hyper.name);
                expr(&mut hyper.value);
            }
        }
        DeclKind::Group(_, groups) => groups.iter_mut().for_each(group),
        DeclKind::Value(_, name, right) | DeclKind::Update(name, right) => {
            ident(name);
            value(right);
        }
        DeclKind::Tuple(names, right) => {
            names.iter_mut().for_each(ident);
            value(right);
        }
        DeclKind::Output(outputs) => {
            for output in outputs {
                match output {
                    OutputDecl::Path(it) => path(it),
                    OutputDecl::Named(name, value) => {
                        ident(name);
                        expr(value);
                    }
                }
            }
        }
        DeclKind::Layer(layer) => {
            ident(&mut layer.name);
            layer.count.iter_mut().for_each(expr);
            ident(&mut layer.cell);
            for arg in &mut layer.args {
                ident(&mut arg.name);
                expr(&mut arg.value);
            }
            layer.shares.iter_mut().for_each(ident);
            layer.backward.iter_mut().for_each(erase);
        }
        DeclKind::Loss { value, at_last: _ } => expr(value),
        DeclKind::Layout(layout) => {
            ident(&mut layout.name);
            for row in &mut layout.rows {
                row.names.iter_mut().for_each(|it| erase(&mut it.span));
                expr(&mut row.value);
            }
        }
    }
}

fn group(group: &mut Group) {
    group.names.iter_mut().for_each(ident);
    type_(&mut group.type_);
    group.value.iter_mut().for_each(expr);
    group.init.iter_mut().for_each(expr);
    group.per.iter_mut().for_each(|it| erase(&mut it.1));
    group.teacher.iter_mut().for_each(ident);
    erase(&mut group.span);
}

fn type_(type_: &mut Type) {
    match &mut type_.kind {
        TypeKind::Real(dims) => dims.iter_mut().for_each(expr),
        TypeKind::Index(dim) => expr(dim),
    }
    erase(&mut type_.span);
}

fn value(value: &mut Value) {
    match value {
        Value::Expr(it) => expr(it),
        Value::Fold(it) => fold(it),
    }
}

fn fold(fold: &mut Fold) {
    fold.accumulators.iter_mut().for_each(ident);
    fold.starts.iter_mut().for_each(expr);
    ident(&mut fold.variable);
    expr(&mut fold.from);
    expr(&mut fold.to);
    for it in &mut fold.body {
        it.names.iter_mut().for_each(ident);
        value(&mut it.value);
    }
    fold.results.iter_mut().for_each(expr);
    erase(&mut fold.span);
}

fn path(path: &mut Path) {
    ident(&mut path.head);
    for (index, name) in &mut path.tail {
        index.iter_mut().for_each(expr);
        ident(name);
    }
    erase(&mut path.span);
}

fn expr(it: &mut Expr) {
    erase(&mut it.span);
    match &mut it.kind {
        ExprKind::Number(_) | ExprKind::Inf | ExprKind::Pi => {}
        ExprKind::Path(it) => path(it),
        ExprKind::Prev(it, steps) => {
            path(it);
            steps.iter_mut().for_each(|it| expr(it));
        }
        ExprKind::Call(name, args) => {
            ident(name);
            args.iter_mut().for_each(arg);
        }
        ExprKind::Array(items) => items.iter_mut().for_each(expr),
        ExprKind::Paren(inner) => expr(inner),
        ExprKind::Neg(sign, inner) => {
            erase(sign);
            expr(inner);
        }
        ExprKind::Index(base, index) => {
            expr(base);
            expr(index);
        }
        ExprKind::Chain(first, rest) => {
            expr(first);
            for (_, place, term) in rest {
                erase(place);
                expr(term);
            }
        }
        ExprKind::Binary(_, place, left, right) => {
            erase(place);
            expr(left);
            expr(right);
        }
    }
}

fn arg(it: &mut Arg) {
    match it {
        Arg::Positional(value) => expr(value),
        Arg::Named(name, value) => {
            ident(name);
            expr(value);
        }
        Arg::Over(over, span) => {
            erase(span);
            match over {
                Over::Last | Over::First => {}
                Over::Dim(dim) => expr(dim),
                Over::Dims(dims) => dims.iter_mut().for_each(expr),
            }
        }
    }
}
