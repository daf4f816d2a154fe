//! Tests if an edit leaves the readable parts alone.

use crate::syntax::{self, ast};
use crate::text::Span;

/// One declaration, or one item that is no cell.
#[derive(PartialEq)]
enum ReadPart {
    Decl(ast::DeclKind),
    Item(ast::Item),
}

/// Returns the parts of a tree without their places, each beside its place.
fn parts(file: &ast::File) -> Vec<(Span, ReadPart)> {
    let mut erased = file.clone();
    syntax::erase_spans(&mut erased);
    let mut out = Vec::new();
    for (item, erased) in file.items.iter().zip(erased.items) {
        match (item, erased) {
            (ast::Item::Cell(cell), ast::Item::Cell(erased)) => {
                let decls = erased.decls.into_iter().map(|it| ReadPart::Decl(it.kind));
                out.extend(cell.decls.iter().map(|it| it.span).zip(decls));
            }
            (ast::Item::Cell(_), _) => {}
            (ast::Item::Activation(it), erased) => out.push((it.span, ReadPart::Item(erased))),
            (ast::Item::Function(it), erased) => out.push((it.span, ReadPart::Item(erased))),
            (ast::Item::Use(it), erased) => out.push((it.span, ReadPart::Item(erased))),
        }
    }
    out
}

/// Returns true if every part that the edits do not touch is there afterwards, in the same order. An edit right behind a part, on
/// its line, touches it.
pub(super) fn keeps(
    text: &str,
    before: &ast::File,
    after: &ast::File,
    edits: &[(Span, String)],
) -> bool {
    let after = parts(after);
    let mut rest = after.iter().map(|it| &it.1);
    let touched = |part: &Span| {
        edits.iter().any(|(it, _)| {
            let gap = text.get(part.end as usize..it.start as usize);
            let behind = gap.is_some_and(|it| it.bytes().all(|it| it == b' '));
            behind || it.start <= part.end && part.start <= it.end
        })
    };
    parts(before)
        .iter()
        .filter(|(span, _)| !touched(span))
        .all(|(_, part)| rest.any(|it| it == part))
}

/// Returns true if two trees differ in places alone.
pub(super) fn says_the_same(a: &ast::File, b: &ast::File) -> bool {
    let (mut a, mut b) = (a.clone(), b.clone());
    syntax::erase_spans(&mut a);
    syntax::erase_spans(&mut b);
    a.items == b.items
}
