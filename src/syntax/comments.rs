//! Line comments, and those that are taken for more than a comment: `H // 2` is no division here.

use crate::diag::{Applicability, Code, Diagnostic};
use crate::syntax::ast::{self, DeclKind, ExprKind};
use crate::syntax::scan::{Kind, Scan};
use crate::syntax::words::Word;
use crate::text::{FileId, SourceFile, Span};

/// A line comment that documents nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Comment {
    /// From `//` to the end of the line.
    pub span: Span,
    /// True if a word, number or sign comes before it on its line.
    pub trails: bool,
}

/// More are not looked at: each is read as an expression.
const MOST: usize = 1000;

/// Reports comments behind an operand whose whole text is an expression of numbers and declared names: the author has
/// meant floor division, and the rest of the value is missing. The edit divides the whole term, as `//` does in Python:
/// `2 * w // H` is `floor(2 * w / H)`.
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
        let text = source[comment.span.range()].trim_start_matches('/');
        let (slashes, text) = (comment.span.end as usize - text.len(), text.trim_end());
        // In `slice(x, 0, H // 2)` the comment holds the bracket, too, which then is never closed.
        let closed = closing(text);
        if closed.is_some_and(|at| !is_open(source, comment, &text[at..], diagnostics)) {
            continue;
        }
        let divisor = text[..closed.unwrap_or(text.len())].trim();
        if divisor.is_empty() || divisor.len() > 80 || !is_operand(source, scan, before) {
            continue;
        }
        let setting = SourceFile::new("", format!("x = {divisor}"));
        let Ok((_, value)) = super::parse_setting(&setting, FileId(0)) else { continue };
        let names = declared(tree, comment.span);
        if !is_computed(&value, &names) {
            continue;
        }
        let start = term_start(source, scan, before);
        let term = &source[scan.tokens[start].start as usize..scan.tokens[before].end as usize];
        let term = if term.len() <= 60 && !term.contains('\n') { term } else { ".." };
        let is_sum = matches!(value.kind, ExprKind::Chain(..) | ExprKind::Binary(..));
        // Of `// H + 1` only `H` divides.
        let sum = if is_sum { first_term(&value, divisor) } else { divisor.len() };
        let (divisor, rest) = divisor.split_at(sum);
        let sign = Span { end: comment.span.start + 2, ..comment.span };
        let message = format!("`//` begins a comment; it does not divide `{term}` by `{divisor}`");
        let found = Diagnostic::new(Code::CommentAsDivision, sign, message)
            .label(comment.span, "this is no part of the value");
        if in_dims(tree, comment.span, file) {
            diagnostics.push(found.help(SIZES));
            continue;
        }
        let from = slashes + text.len() - text.trim_start().len();
        let end = Span::new(file, from + sum, from + sum);
        let begin = Span { start: scan.tokens[start].start, ..comment.span }.before();
        let edits = vec![
            (begin, "floor(".to_owned()),
            (Span { end: slashes as u32, ..comment.span }, "/".to_owned()),
            (end, ")".to_owned()),
        ];
        let help = format!(
            "floor division is `floor({term} / {divisor}){rest}`; a comment needs other words"
        );
        diagnostics.push(found.help(help).fixes(Applicability::Maybe, edits));
    }
}

/// The advice where a size is divided.
pub(crate) const SIZES: &str =
    "sizes are not divided: declare the smaller one and multiply, `dims K, H = 2 * K`";

/// Returns the first bracket that closes none of the text itself.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    text.bytes().position(|it| match it {
        b'(' | b'[' => {
            depth += 1;
            false
        }
        b')' | b']' if depth == 0 => true,
        b')' | b']' => {
            depth -= 1;
            false
        }
        _ => false,
    })
}

/// Returns true if a bracket before the comment is never closed that the one in it would close.
fn is_open(source: &str, comment: &Comment, rest: &str, diagnostics: &[Diagnostic]) -> bool {
    let open = if rest.starts_with(')') { "(" } else { "[" };
    diagnostics.iter().any(|it| {
        it.code == Code::UnclosedBracket
            && it.span.end <= comment.span.start
            && &source[it.span.range()] == open
    })
}

/// Returns the end of the first operand of the divisor: `H` of `H + 1`, `H` of `H * 2`.
fn first_term(value: &ast::Expr, text: &str) -> usize {
    let first = match &value.kind {
        ExprKind::Chain(first, _) => first,
        ExprKind::Binary(op, _, left, _) if *op != ast::BinaryOp::Pow => left,
        _ => return text.len(),
    };
    // `x = ` is before it.
    let end = first_term(first, text).min(first.span.end as usize - 4);
    end.min(text.len())
}

/// Returns the first token of the term that ends with a token: its operands with `*`, `/`, `@` and `^` between them, and the
/// signs before it.
fn term_start(source: &str, scan: &Scan, last: usize) -> usize {
    let word = |at: usize| &source[scan.tokens[at].start as usize..scan.tokens[at].end as usize];
    let ends_value = |at: usize| is_operand(source, scan, at);
    let mut at = last;
    loop {
        at = operand_start(source, scan, at);
        while at > 0 && word(at - 1) == "-" && !(at > 1 && ends_value(at - 2)) {
            at -= 1;
        }
        match at.checked_sub(2) {
            Some(before) if matches!(word(at - 1), "*" | "/" | "@" | "^") && ends_value(before) => {
                at = before;
            }
            Some(_) | None => return at,
        }
    }
}

/// Returns the first token of the operand that ends with a token.
fn operand_start(source: &str, scan: &Scan, mut at: usize) -> usize {
    let word = |at: usize| &source[scan.tokens[at].start as usize..scan.tokens[at].end as usize];
    loop {
        let token = scan.tokens[at];
        let Some(before) = at.checked_sub(1) else { return at };
        if matches!(token.kind, Kind::Close(_)) && (token.partner as usize) < at {
            let open = token.partner as usize;
            let joins = open > 0
                && is_operand(source, scan, open - 1)
                && scan.tokens[open - 1].end == scan.tokens[open].start;
            if joins {
                at = open - 1;
                continue;
            }
            let is_prev = open > 0 && word(open - 1) == "prev";
            return if is_prev { open - 1 } else { open };
        }
        match word(before) {
            "." if before > 0 => at = before - 1,
            "prev" => return before,
            _ => return at,
        }
    }
}

/// Returns true if a value may end with a token. The bracket of a declared shape ends none.
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

/// Returns true if a value consists of numbers, these names and operators.
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

/// Returns the names that are declared where a comment is.
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

/// Returns true if a comment follows a declaration of sizes.
fn in_dims(tree: &ast::File, comment: Span, file: FileId) -> bool {
    let mut decls = tree.items.iter().flat_map(|it| match it {
        ast::Item::Cell(cell) => &cell.decls[..],
        ast::Item::Function(_) | ast::Item::Activation(_) | ast::Item::Use(_) => &[],
    });
    let before = decls.rfind(|it| it.span.start < comment.start);
    comment.file == file && before.is_some_and(|it| matches!(it.kind, DeclKind::Dims(_)))
}
