//! Finds the gates of a checked cell in its source.

use crate::hir::{Cell, DefKind, Value, ValueKind};
use crate::syntax::ast::{Ident, ValueRole};
use crate::text::{Name, Span};

/// A gate where it is declared.
pub(super) struct Gate<'a> {
    /// Its name.
    pub ident: &'a Ident,
    /// The word `gate`, outside loops.
    pub keyword: Option<Span>,
    /// The whole statement, outside loops.
    statement: Option<Span>,
}

impl Gate<'_> {
    /// Returns true if a value of the checked cell comes from this declaration. Names in loops have the iteration: `n[2]`.
    pub(super) fn is(&self, name: &Name, span: Span) -> bool {
        let Some(statement) = self.statement else {
            let base = name.split('[').next().unwrap_or(name);
            let last = base.rsplit('.').next().unwrap_or(base);
            return last == &*self.ident.name
                && (span == self.ident.span || span.holds(self.ident.span));
        };
        *name == self.ident.name && (span == self.ident.span || span == statement)
    }
}

/// Returns all gates of a cell, those of loops too.
pub(super) fn gates<'a>(cell: &Cell<'a>) -> Vec<Gate<'a>> {
    let mut found = Vec::new();
    for (_, def) in cell.defs_of(|it| it == DefKind::Value(ValueKind::Gate)) {
        let Some(decl) = def.decl else { continue };
        let word = "gate".len() as u32;
        let keyword = Span { end: decl.span.start + word, ..decl.span };
        // A documentation comment before the statement may or may not be part of its span.
        let keyword = (keyword.end < def.name.span.start && decl.doc.is_none()).then_some(keyword);
        found.push(Gate { ident: def.name, keyword, statement: Some(decl.span) });
    }
    cell.equations.iter().for_each(|it| loops(cell, &it.value, &mut found));
    found
}

fn loops<'a>(cell: &Cell<'a>, value: &Value<'a>, found: &mut Vec<Gate<'a>>) {
    let Value::Fold(fold) = value else { return };
    for it in &fold.body {
        if it.role == ValueRole::Gate {
            let names = it.names.iter().map(|it| cell.locals[*it].name);
            found.extend(names.map(|ident| Gate { ident, keyword: None, statement: None }));
        }
        loops(cell, &it.value, found);
    }
}

/// Returns the place of a param's name, if this cell declares it itself.
pub(super) fn param<'a>(cell: &Cell<'a>, name: &str) -> Option<&'a Ident> {
    let def = &cell.defs[cell.find(name)?];
    (def.kind == DefKind::Param { trained: true }).then_some(def.name)
}
