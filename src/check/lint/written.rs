//! Where the names of a checked cell stand in its source.

use crate::syntax::ast::{Cell, DeclKind, Ident, Role, Value, ValueRole};
use crate::text::{Name, Span};

/// A gate where it is declared.
pub(super) struct Gate<'a> {
    /// Its name.
    pub ident: &'a Ident,
    /// The word `gate`, outside loops.
    pub keyword: Option<Span>,
    /// The whole statement, outside loops.
    statement: Span,
    /// Whether it stands in a loop, where it is many values.
    inner: bool,
}

impl Gate<'_> {
    /// Whether a value of the checked cell comes from this declaration. Names in loops carry the turn: `n[2]`.
    pub(super) fn is(&self, name: &Name, span: Span) -> bool {
        if self.inner {
            let base = name.split('[').next().unwrap_or(name);
            let last = base.rsplit('.').next().unwrap_or(base);
            return last == &*self.ident.name
                && (span == self.ident.span || holds(span, self.ident.span));
        }
        *name == self.ident.name && (span == self.ident.span || span == self.statement)
    }
}

fn holds(outer: Span, inner: Span) -> bool {
    outer.file == inner.file && outer.start <= inner.start && inner.end <= outer.end
}

/// All gates of a cell, those of loops too.
pub(super) fn gates(cell: &Cell) -> Vec<Gate<'_>> {
    let mut found = Vec::new();
    for decl in &cell.decls {
        match &decl.kind {
            DeclKind::Value(role, ident, value) => {
                if *role == ValueRole::Gate {
                    let word = "gate".len() as u32;
                    let keyword = Span { end: decl.span.start + word, ..decl.span };
                    // A documentation comment before the statement may or may not be part of its span.
                    let keyword =
                        (keyword.end < ident.span.start && decl.doc.is_none()).then_some(keyword);
                    found.push(Gate { ident, keyword, statement: decl.span, inner: false });
                }
                loops(value, &mut found);
            }
            DeclKind::Tuple(_, value) | DeclKind::Update(_, value) => loops(value, &mut found),
            DeclKind::Dims(_)
            | DeclKind::Hyper(_)
            | DeclKind::Group(..)
            | DeclKind::Output(_)
            | DeclKind::Layer(_)
            | DeclKind::Loss { .. }
            | DeclKind::Layout(_) => {}
        }
    }
    found
}

fn loops<'a>(value: &'a Value, found: &mut Vec<Gate<'a>>) {
    let Value::Fold(fold) = value else { return };
    for it in &fold.body {
        if it.role == ValueRole::Gate {
            found.extend(it.names.iter().map(|ident| Gate {
                ident,
                keyword: None,
                statement: ident.span,
                inner: true,
            }));
        }
        loops(&it.value, found);
    }
}

/// The place of a param's name, if this cell declares it itself.
pub(super) fn param<'a>(cell: &'a Cell, name: &str) -> Option<&'a Ident> {
    cell.decls
        .iter()
        .filter_map(|it| match &it.kind {
            DeclKind::Group(Role::Param, groups) => Some(groups),
            DeclKind::Group(
                Role::Input
                | Role::State
                | Role::Const
                | Role::Mask
                | Role::Target
                | Role::Feedback,
                _,
            )
            | DeclKind::Dims(_)
            | DeclKind::Hyper(_)
            | DeclKind::Value(..)
            | DeclKind::Tuple(..)
            | DeclKind::Update(..)
            | DeclKind::Output(_)
            | DeclKind::Layer(_)
            | DeclKind::Loss { .. }
            | DeclKind::Layout(_) => None,
        })
        .flatten()
        .flat_map(|it| &it.names)
        .find(|it| &*it.name == name)
}
