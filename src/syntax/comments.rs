//! Line comments, and those that are taken for more than a comment: `H // 2` is no division here.

use crate::diag::{Code, Diagnostic};
use crate::syntax::ast::{self, DeclKind, ExprKind};
use crate::syntax::scan::{Kind, Scan};
use crate::syntax::words::Word;
use crate::text::{FileId, SourceFile, Span};

/// A line comment that documents nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Comment {
    /// From `//` to the end of the line.
    pub span: Span,
    /// Whether a word, number or sign stands before it on its line.
    pub trails: bool,
}

/// More are not looked at: each is read as an expression.
const MOST: usize = 1000;

/// Reports comments behind an operand whose whole text is an expression of numbers and declared names: the author has
/// meant floor division, and the rest of the value is missing.
pub(super) fn divisions(
    source: &str,
    scan: &Scan,
    file: FileId,
    tree: &ast::File,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let trailing = scan.comments.iter().filter(|it| it.trails).take(MOST);
    for comment in trailing {
        let before = scan.tokens.partition_point(|it| it.start < comment.span.start) - 1;
        let text = source[comment.span.range()].trim_start_matches('/').trim();
        // In `slice(x, 0, H // 2)` the comment holds the bracket, too, which then is never closed.
        let closed = text
            .find([')', ']'])
            .and_then(|at| unclosed(source, comment, &text[at..], diagnostics).map(|it| (at, it)));
        let text = closed.map_or(text, |(at, _)| text[..at].trim());
        if text.is_empty() || text.len() > 80 || !is_operand(source, scan, before) {
            continue;
        }
        let setting = SourceFile::new("", format!("x = {text}"));
        let Ok((_, value)) = super::parse_setting(&setting, FileId(0)) else { continue };
        let names = declared(tree, comment.span);
        if !is_computed(&value, &names) {
            continue;
        }
        let token = scan.tokens[before];
        let open = scan.tokens.get(token.partner as usize).filter(|it| it.start < token.start);
        let operand = &source[open.map_or(token.start, |it| it.start) as usize..token.end as usize];
        let operand = if operand.len() <= 40 && !operand.contains('\n') { operand } else { ".." };
        let sign = Span { end: comment.span.start + 2, ..comment.span };
        let found = Diagnostic::new(
            Code::CommentAsDivision,
            sign,
            format!("`//` begins a comment; it does not divide `{operand}` by `{text}`"),
        );
        let is_size = in_dims(tree, comment.span, file);
        if let Some((_, idx)) = closed {
            diagnostics.remove(idx);
        }
        diagnostics.push(found.label(comment.span, "this is no part of the value").help(
            match is_size {
                true => "sizes are not divided: declare the smaller one and multiply, `dims K, H = 2 * K`"
                    .to_owned(),
                false => format!("floor division is `floor({operand} / {text})`; a comment needs other words"),
            },
        ));
    }
}

/// Returns the error about the bracket that is never closed because a comment holds what closes it: the innermost one of its
/// kind before the comment.
fn unclosed(
    source: &str,
    comment: &Comment,
    rest: &str,
    diagnostics: &[Diagnostic],
) -> Option<usize> {
    let open = if rest.starts_with(')') { "(" } else { "[" };
    let fits = |it: &Diagnostic| {
        it.code == Code::UnclosedBracket
            && it.span.end <= comment.span.start
            && &source[it.span.range()] == open
    };
    let found = diagnostics.iter().enumerate().filter(|it| fits(it.1));
    found.max_by_key(|it| it.1.span.start).map(|it| it.0)
}

/// Whether a value may end with a token. The bracket of a declared shape ends none.
fn is_operand(source: &str, scan: &Scan, at: usize) -> bool {
    let token = &scan.tokens[at];
    match token.kind {
        Kind::Word(Word::Free) | Kind::Number => true,
        Kind::Word(Word::Inner) => {
            matches!(&source[token.start as usize..token.end as usize], "pi" | "inf")
        }
        Kind::Close(b']') => {
            let before = (token.partner as usize).checked_sub(1).and_then(|it| scan.tokens.get(it));
            before.is_some_and(|it| matches!(it.kind, Kind::Word(Word::Free) | Kind::Close(_)))
                && before.is_some_and(|it| &source[it.start as usize..it.end as usize] != "index")
        }
        Kind::Close(b')') => true,
        Kind::Close(_)
        | Kind::Word(Word::Item | Word::Declaration | Word::Later | Word::Foreign)
        | Kind::Text
        | Kind::Open(_)
        | Kind::Sign(_) => false,
    }
}

/// Whether a value is made of numbers, these names and operators.
fn is_computed(value: &ast::Expr, names: &[&str]) -> bool {
    let all = |it: &ast::Expr| is_computed(it, names);
    match &value.kind {
        ExprKind::Number(_) | ExprKind::Pi | ExprKind::Inf => true,
        ExprKind::Path(path) => path.tail.is_empty() && names.contains(&&*path.head.name),
        ExprKind::Prev(path, _) => names.contains(&&*path.head.name),
        ExprKind::Paren(it) | ExprKind::Neg(_, it) => all(it),
        ExprKind::Chain(first, rest) => all(first) && rest.iter().all(|it| all(&it.2)),
        ExprKind::Binary(_, _, left, right) => all(left) && all(right),
        ExprKind::Index(base, index) => all(base) && all(index),
        ExprKind::Call(..) | ExprKind::Array(_) => false,
    }
}

/// The names that are declared where a comment stands.
fn declared(tree: &ast::File, comment: Span) -> Vec<&str> {
    let mut out = Vec::new();
    for item in &tree.items {
        match item {
            ast::Item::Cell(cell)
                if cell.span.start < comment.start && comment.end <= cell.span.end =>
            {
                out.extend(cell.unread.names.iter().map(|it| &*it.name));
                for decl in &cell.decls {
                    names(&decl.kind, &mut out);
                }
            }
            ast::Item::Function(it) if it.span.start < comment.start => {
                out.extend(it.params.iter().map(|it| &*it.name));
            }
            ast::Item::Activation(it) if it.span.start < comment.start => {
                out.push(&*it.value.name);
                out.extend(it.constants.iter().map(|it| &*it.0.name));
            }
            ast::Item::Cell(_)
            | ast::Item::Function(_)
            | ast::Item::Activation(_)
            | ast::Item::Use(_) => {}
        }
    }
    out
}

fn names<'t>(kind: &'t DeclKind, out: &mut Vec<&'t str>) {
    match kind {
        DeclKind::Dims(dims) => out.extend(dims.iter().map(|it| &*it.name.name)),
        DeclKind::Hyper(hypers) => out.extend(hypers.iter().map(|it| &*it.name.name)),
        DeclKind::Group(_, groups) => {
            out.extend(groups.iter().flat_map(|it| &it.names).map(|it| &*it.name));
        }
        DeclKind::Value(_, name, value) => {
            out.push(&name.name);
            in_loops(value, out);
        }
        DeclKind::Update(_, value) => in_loops(value, out),
        DeclKind::Tuple(names, value) => {
            out.extend(names.iter().map(|it| &*it.name));
            in_loops(value, out);
        }
        DeclKind::Output(_) | DeclKind::Layer(_) | DeclKind::Loss { .. } | DeclKind::Layout(_) => {}
    }
}

fn in_loops<'t>(value: &'t ast::Value, out: &mut Vec<&'t str>) {
    if let ast::Value::Fold(fold) = value {
        out.extend(fold.accumulators.iter().map(|it| &*it.name));
        out.push(&fold.variable.name);
        for it in &fold.body {
            out.extend(it.names.iter().map(|it| &*it.name));
            in_loops(&it.value, out);
        }
    }
}

/// Whether a comment follows a declaration of sizes.
fn in_dims(tree: &ast::File, comment: Span, file: FileId) -> bool {
    let mut decls = tree.items.iter().flat_map(|it| match it {
        ast::Item::Cell(cell) => &cell.decls[..],
        ast::Item::Function(_) | ast::Item::Activation(_) | ast::Item::Use(_) => &[],
    });
    let before = decls.rfind(|it| it.span.start < comment.start);
    comment.file == file && before.is_some_and(|it| matches!(it.kind, DeclKind::Dims(_)))
}
