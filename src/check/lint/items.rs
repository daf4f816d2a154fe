//! Functions and activations: those that no cell uses, and what is lossy in them.

use std::collections::{BTreeMap, BTreeSet};

use super::accuracy;
use super::walk::{self, Read};
use crate::diag::{Code, Diagnostic};
use crate::syntax::ast::{
    Activation, Cell, DeclKind, Expr, File, Function, Ident, Item, LayerDecl, OutputDecl,
};
use crate::text::Name;

/// Finds what is wrong with the functions and activations of a file.
pub(super) fn lint(file: &File) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut bodies: BTreeMap<Name, Vec<&Expr>> = BTreeMap::new();
    let mut open: Vec<Name> = Vec::new();
    let mut cells = false;
    for item in &file.items {
        match item {
            Item::Cell(cell) => {
                cells = true;
                cell_exprs(cell, &mut |expr| mentions(expr, &mut open));
            }
            Item::Activation(it) => {
                let Activation { name, value: _, constants, body, derivative, doc: _, span: _ } =
                    it;
                let all = std::iter::once(body).chain(derivative);
                for body in all.clone() {
                    found.extend(accuracy::of_body(body, constants.iter().map(|(name, _)| name)));
                }
                let all = all.chain(constants.iter().map(|(_, default)| default)).collect();
                bodies.insert(name.name.clone(), all);
            }
            Item::Function(it) => {
                let Function { name, params, body, doc: _, span: _ } = it;
                found.extend(accuracy::of_body(body, std::iter::empty()));
                found.extend(unused_params(name, params, body));
                bodies.insert(name.name.clone(), vec![body]);
            }
            Item::Use(_) => {}
        }
    }
    // A file without cells is a library; whoever uses it decides what is used.
    if !cells {
        return found;
    }
    let mut used: BTreeSet<Name> = BTreeSet::new();
    while let Some(name) = open.pop() {
        if let Some(all) = bodies.get(&name)
            && used.insert(name)
        {
            all.iter().for_each(|it| mentions(it, &mut open));
        }
    }
    for item in &file.items {
        let (what, name) = match item {
            Item::Cell(_) | Item::Use(_) => continue,
            Item::Activation(it) => ("activation", &it.name),
            Item::Function(it) => ("fn", &it.name),
        };
        if !used.contains(&name.name) {
            let message = format!("{what} `{}` is never used", name.name);
            found.push(
                Diagnostic::new(Code::UnusedName, name.span, message)
                    .at("no cell of this file calls it"),
            );
        }
    }
    found
}

fn unused_params(function: &Ident, params: &[Ident], body: &Expr) -> Vec<Diagnostic> {
    let mut read = BTreeSet::new();
    walk::names(body, &mut |name, how| {
        if how != Read::Call {
            read.insert(name.name.clone());
        }
    });
    params
        .iter()
        .filter(|it| !read.contains(&it.name))
        .map(|it| {
            let message = format!("`{}` of `{}` is never used", it.name, function.name);
            Diagnostic::new(Code::UnusedName, it.span, message).at("the body does not read it")
        })
        .collect()
}

/// Functions are known by their calls; an activation may also be given by its bare name.
pub(super) fn mentions(expr: &Expr, names: &mut Vec<Name>) {
    walk::names(expr, &mut |name, read| match read {
        Read::Call | Read::Now => names.push(name.name.clone()),
        Read::Before => {}
    });
}

pub(super) fn cell_exprs<'a>(cell: &'a Cell, see: &mut dyn FnMut(&'a Expr)) {
    for decl in &cell.decls {
        match &decl.kind {
            DeclKind::Hyper(hypers) => hypers.iter().for_each(|it| see(&it.value)),
            DeclKind::Group(_, groups) => {
                groups.iter().flat_map(|it| it.value.iter().chain(&it.init)).for_each(&mut *see);
            }
            DeclKind::Value(_, _, value)
            | DeclKind::Tuple(_, value)
            | DeclKind::Update(_, value) => walk::value_exprs(value, see),
            DeclKind::Output(outputs) => {
                for output in outputs {
                    match output {
                        OutputDecl::Path(_) => {}
                        OutputDecl::Named(_, expr) => see(expr),
                    }
                }
            }
            DeclKind::Layer(layer) => {
                let LayerDecl { args, count, name: _, cell: _, shares: _, backward: _ } = &**layer;
                args.iter().map(|it| &it.value).chain(count).for_each(&mut *see);
            }
            DeclKind::Loss { value, at_last: _ } => see(value),
            DeclKind::Dims(_) | DeclKind::Layout(_) => {}
        }
    }
}
