//! The answers to an editor: the meaning of a name at a place, its references, the type of an expression.

use std::collections::BTreeMap;

use super::types::{Recorder, Type, Typed};
use super::{Program, Settings};
use crate::diag::Diagnostic;
use crate::hir::{self, CellId, DefId, Expr, ExprId, Kind, Reference, Target, Tree};
use crate::ir::Shape;
use crate::text::id::Id;
use crate::text::{FileId, Span};

/// A program with the meaning and the types of all that could be told, however many errors it has.
///
/// ```
/// use rnnc::check::{Program, analyse};
/// use rnnc::text::{FileId, SourceFile};
///
/// let source = "cell A { dims H  input x: [H]  state h: [H]  h = tanh(x) + prev h  output h }";
/// let (file, _) = rnnc::syntax::parse(&SourceFile::new("a.rnn", source), FileId(0));
/// let program = Program::single(file);
/// let analysis = analyse(&program);
/// let at = source.find("tanh").unwrap() as u32;
/// let typed = analysis.type_at(FileId(0), at).unwrap();
/// assert_eq!(typed.range.unwrap().hi, 1.0);
/// let x = source.find("x)").unwrap() as u32;
/// let definition = analysis.definition_at(FileId(0), x).unwrap();
/// assert_eq!(&source[definition.range()], "x");
/// ```
#[derive(Debug)]
pub struct Analysis<'a> {
    /// The meaning of every name.
    pub tree: Tree<'a>,
    /// Everything found, errors and warnings, in the order of the source.
    pub diagnostics: Vec<Diagnostic>,
    exprs: Vec<Option<Typed>>,
    defs: BTreeMap<(CellId, DefId), Typed>,
    /// All expressions, those that begin first in front, of these the longest.
    places: Vec<(Span, ExprId)>,
    /// The places where a target is defined.
    definitions: BTreeMap<Target, Span>,
}

/// Analyses a program. It need not be complete or right.
pub fn analyse(program: &Program) -> Analysis<'_> {
    let tree = hir::resolve(program);
    let recorder = Recorder::new(tree.n_exprs);
    let checked = super::run(&tree, None, &Settings::default(), Some(&recorder));
    static_types(&tree, &recorder);
    let (exprs, defs) = recorder.finish();
    let mut places = Vec::new();
    tree.functions.iter().for_each(|function| {
        hir::walk::function(function, &mut |it| places.push((it.span(), it.id)));
    });
    tree.cells.iter().for_each(|cell| {
        hir::walk::cell(cell, &mut |it| places.push((it.span(), it.id)));
    });
    places.sort_by_key(|(span, id)| (span.file, span.start, std::cmp::Reverse(span.end), *id));
    let definitions = tree.references.iter().filter(|it| it.is_definition);
    let definitions = definitions.map(|it| (it.target, it.span)).collect();
    let untyped = |type_| Typed { type_, range: None };
    let defs = defs.into_iter().map(|(def, type_)| (def, untyped(type_))).collect();
    let diagnostics = checked.diagnostics;
    Analysis { tree, diagnostics, exprs, defs, places, definitions }
}

impl Analysis<'_> {
    /// Returns the type of an expression; `None` where it is wrong or rests on what is.
    pub fn type_of(&self, expr: ExprId) -> Option<&Typed> {
        self.exprs.get(expr.idx())?.as_ref()
    }

    /// Returns the type of a name of a cell.
    pub fn type_of_def(&self, cell: CellId, def: DefId) -> Option<&Typed> {
        self.defs.get(&(cell, def))
    }

    /// Returns the innermost expression at a byte of a file.
    pub fn expr_at(&self, file: FileId, byte: u32) -> Option<ExprId> {
        let after = self.places.partition_point(|it| (it.0.file, it.0.start) <= (file, byte));
        let before = self.places[..after].iter().rev();
        before.take_while(|it| it.0.file == file).find(|it| byte < it.0.end).map(|it| it.1)
    }

    /// Returns the type at a byte of a file: of the innermost expression, or of a name that is declared there.
    pub fn type_at(&self, file: FileId, byte: u32) -> Option<&Typed> {
        match self.expr_at(file, byte) {
            Some(expr) => self.type_of(expr),
            None => match self.reference_at(file, byte)?.target {
                Target::Def(cell, def) => self.type_of_def(cell, def),
                Target::Cell(_)
                | Target::Function(_)
                | Target::Local(..)
                | Target::Builtin(_)
                | Target::Parameter(_) => None,
            },
        }
    }

    /// Returns the name at a byte of a file.
    pub fn reference_at(&self, file: FileId, byte: u32) -> Option<&Reference> {
        self.tree.references.at(file, byte)
    }

    /// Returns where the name at a byte of a file is defined; `None` for what is built in.
    pub fn definition_at(&self, file: FileId, byte: u32) -> Option<Span> {
        self.definition(self.reference_at(file, byte)?.target)
    }

    /// Returns where something is defined; `None` for what is built in.
    pub fn definition(&self, target: Target) -> Option<Span> {
        self.definitions.get(&target).copied()
    }

    /// Lists all places where something is named, its definition included.
    pub fn references(&self, target: Target) -> impl Iterator<Item = &Reference> {
        self.tree.references.of(target)
    }
}

/// Notes the types that the place alone decides: sizes, activations, and what an initialiser gives.
fn static_types(tree: &Tree<'_>, recorder: &Recorder) {
    let size = |it: &Expr<'_>| hir::walk::expr(it, &mut |it| recorder.note(it.id, Type::Size));
    let special = |it: &Expr<'_>| match &it.kind {
        Kind::Activation(_) => recorder.note(it.id, Type::Activation),
        Kind::Call(call) => sizes(call, &size),
        Kind::Number(_) | Kind::Inf | Kind::Pi => recorder.note(it.id, Type::Real(Shape::scalar())),
        _ => {}
    };
    tree.functions.iter().for_each(|function| hir::walk::function(function, &mut |it| special(it)));
    for cell in &tree.cells {
        hir::walk::cell(cell, &mut |it| special(it));
        for dim in &cell.dims {
            if let hir::DimKind::Equals(it) = &dim.kind {
                size(it);
            }
        }
        for hyper in cell.hypers.iter().filter(|it| it.is_activation) {
            recorder.note(hyper.value.id, Type::Activation);
        }
        for group in &cell.groups {
            match &group.type_ {
                hir::Type::Real(axes) => axes.iter().for_each(&size),
                hir::Type::Index(below) => size(below),
            }
        }
        let args = cell.layers.iter().flat_map(|it| &it.args);
        args.filter(|it| it.kind == hir::ArgKind::Size).for_each(|it| size(&it.value));
    }
}

fn sizes(call: &hir::Call<'_>, size: &dyn Fn(&Expr<'_>)) {
    call.over.iter().flat_map(|it| it.0.dims()).for_each(size);
    if let hir::Callee::Form = call.callee {
        call.rest.iter().filter(|it| matches!(it.kind, Kind::Array(_))).for_each(size);
    }
    let hir::Callee::Builtin(signature) = call.callee else { return };
    for (param, arg) in signature.params.iter().zip(call.slots()) {
        if let (hir::builtin::Kind::Size | hir::builtin::Kind::Shape, Some(arg)) = (param.kind, arg)
        {
            size(arg);
        }
    }
}
