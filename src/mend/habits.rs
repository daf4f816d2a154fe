//! Habits from Python, and the notation here: `H // 2`, `(W @ x)[1:]`, `v.pow(2)`.
//!
//! The parser knows the habit; which of several ways of writing it is meant depends on shapes, which a trial tells.

use crate::diag::{Applicability, Code, Diagnostic};
use crate::syntax::{self, LexemeKind, ast};
use crate::text::FileId;

use super::{Bench, errors, foreign, offer, slips};

/// The most ways of cutting a value that are tried.
const MAX_CUTS: usize = 16;

/// The functions that take an axis in other libraries.
const ALONG: [&str; 9] =
    ["max", "min", "sum", "mean", "prod", "var", "std", "softmax", "logsumexp"];

impl Bench<'_> {
    /// Floor division in a comment: with the term divided, what has followed from the missing rest is gone. Where a
    /// size is divided there is no such edit.
    pub(super) fn divisions(&mut self, found: &mut Vec<Diagnostic>) {
        let is_one = |it: &&Diagnostic| it.code == Code::CommentAsDivision;
        let all: Vec<Diagnostic> = found.iter().filter(is_one).cloned().collect();
        for old in all {
            let Some(fix) = &old.fix else { continue };
            let Some(after) = self.check(&fix.edits) else { continue };
            let of_sizes = |all: &[Diagnostic]| {
                all.iter().filter(|it| it.code == Code::BadDimExpression).count()
            };
            let sizes = of_sizes(&after.diagnostics) > of_sizes(found);
            let mends = !sizes && self.left(&after, &fix.edits, found) < errors(found);
            let mut told = old.clone();
            if !mends {
                told.fix = None;
            }
            if sizes {
                told.help = Some(syntax::SIZES.to_owned());
            }
            slips::keep_what_stays(found, &old, &after.diagnostics);
            if mends {
                self.sure.push(told.clone());
            }
            found.push(told);
            crate::diag::sort(found);
        }
    }

    /// An index of a value whose axes no declaration tells: sizes of the cell are tried for them.
    pub(super) fn indices(&mut self, found: &mut [Diagnostic]) {
        for idx in 0..found.len() {
            let old = &found[idx];
            let is_index = old.message.starts_with("brackets hold one index");
            if !is_index || old.fix.is_some() || old.span.file != FileId(0) {
                continue;
            }
            let sizes = self.sizes(old.span.start);
            let one: Vec<Vec<String>> = sizes.iter().map(|it| vec![it.clone()]).collect();
            let two = sizes.iter().flat_map(|a| sizes.iter().map(|b| vec![a.clone(), b.clone()]));
            let mut fitting = Vec::new();
            for tried in [one, two.collect()] {
                for axes in tried.into_iter().take(MAX_CUTS) {
                    let cut = |probe| syntax::cut(self.text, old.span.start, &axes, probe);
                    let (Some(edit), Some(probe)) = (cut(false), cut(true)) else { continue };
                    let both = [edit.clone(), probe];
                    if both.into_iter().all(|it| self.mends(&[it], found).is_some()) {
                        fitting.push(edit);
                    }
                }
                if !fitting.is_empty() {
                    break;
                }
            }
            if let [(span, text)] = &fitting[..] {
                found[idx].help = Some(format!("write `{text}`"));
                offer(&mut found[idx], Applicability::Maybe, vec![(*span, text.clone())]);
                self.sure.push(found[idx].clone());
            }
        }
    }

    /// `v.pow(2)`: where the function of that name does not fit alone, the value before the point is its first argument.
    pub(super) fn methods(&mut self, found: &mut [Diagnostic]) {
        for idx in 0..found.len() {
            let old = &found[idx];
            let Some(fix) = &old.fix else { continue };
            let is_call = old.message.ends_with("functions stand alone");
            let [(span, name)] = &fix.edits[..] else { continue };
            if !is_call || old.span.file != FileId(0) || *span != old.span {
                continue;
            }
            let (span, name) = (*span, name.clone());
            // A module is named before points alone, a value is declared somewhere.
            let head = self.word(self.token_at(span.start)).to_owned();
            let stands_alone = |at: &usize| self.word(*at) == head && self.word(*at + 1) != ".";
            let is_value = (0..self.lexemes.len()).any(|it| stands_alone(&it));
            if !is_value {
                if self.mends(&[(span, name.clone())], found).is_some() {
                    self.sure.push(found[idx].clone());
                } else if let Some(advice) = foreign::called_or_advice(&name) {
                    found[idx].fix = None;
                    found[idx].help = Some(advice);
                }
                continue;
            }
            let path = &self.text[span.range()];
            let open = self.token_at(span.end);
            let (Some((value, _)), "(") = (path.rsplit_once('.'), self.word(open)) else {
                continue;
            };
            let edit = (span.to(self.span(open)), format!("{name}({}, ", value.trim_end()));
            let value = value.trim_end().to_owned();
            if let Some(advice) = foreign::called_or_advice(&name) {
                found[idx].fix = None;
                found[idx].help = Some(advice);
            } else if ALONG.contains(&&*name) {
                // `v.max(0)` goes along the first axis, `max(v, 0)` compares.
                found[idx].fix = None;
                found[idx].help = Some(format!("along an axis it is `{name}({value}, over D)`"));
            } else if self.mends(std::slice::from_ref(&edit), found).is_some() {
                found[idx].help = Some(format!("write `{name}({value}, ..)`"));
                offer(&mut found[idx], Applicability::Maybe, vec![edit]);
                self.sure.push(found[idx].clone());
            } else {
                found[idx].fix = None;
                found[idx].help = Some(format!("the value comes first: `{name}({value}, ..)`"));
            }
        }
    }

    /// `einsum("ij,j->i", W, x)`: a text is no value, and what takes one in other libraries is written in another way.
    pub(super) fn texts(&self, found: &mut [Diagnostic]) {
        for it in found.iter_mut().filter(|it| it.span.file == FileId(0)) {
            let at = self.token_at(it.span.start);
            let is_text = self.lexemes.get(at).is_some_and(|it| it.kind == LexemeKind::Text);
            if it.code == Code::UnexpectedToken && is_text && at > 1 && self.word(at - 1) == "(" {
                it.help = foreign::called_or_advice(self.word(at - 2)).or(it.help.take());
            }
        }
    }

    /// `input: [I]` where something reads `x` that nothing declares: the name that is missing, and what follows from it.
    pub(super) fn nameless(&mut self, found: &mut Vec<Diagnostic>) {
        let is_one = |it: &&Diagnostic| {
            it.message.starts_with("a name is missing between") && it.span.file == FileId(0)
        };
        let all: Vec<Diagnostic> = found.iter().filter(is_one).cloned().collect();
        for old in all {
            let missed = found.iter().filter(|it| {
                let is_name =
                    matches!(it.code, Code::UnknownName | Code::UnknownDim | Code::UnknownFunction);
                is_name && it.span.file == FileId(0) && self.is_one_word(it.span)
            });
            let mut names: Vec<&str> = missed.map(|it| &self.text[it.span.range()]).collect();
            names.sort_unstable();
            names.dedup();
            let names: Vec<String> = names.into_iter().take(4).map(str::to_owned).collect();
            let mut fitting: Vec<(String, Vec<Diagnostic>)> = Vec::new();
            for name in names {
                let edits = [(old.span.before(), format!(" {name}"))];
                fitting.extend(self.mends(&edits, found).map(|after| (name, after)));
            }
            fitting.sort_by_key(|it| errors(&it.1));
            let Some((name, after)) = fitting.first() else { continue };
            let mut told = old.clone();
            told.help = Some(format!("`{name}` is declared nowhere"));
            let edits = vec![(old.span.before(), format!(" {name}"))];
            offer(&mut told, Applicability::Maybe, edits);
            slips::keep_what_stays(found, &old, after);
            self.sure.push(told.clone());
            found.push(told);
            crate::diag::sort(found);
        }
    }

    /// The sizes that the cell around a place declares.
    fn sizes(&self, at: u32) -> Vec<String> {
        let cells = self.tree.items.iter().filter_map(|it| match it {
            ast::Item::Cell(cell) => Some(cell),
            ast::Item::Activation(_) | ast::Item::Function(_) | ast::Item::Use(_) => None,
        });
        let around = cells.filter(|it| it.span.start <= at && at <= it.span.end);
        let dims = around.flat_map(|it| &it.decls).filter_map(|it| match &it.kind {
            ast::DeclKind::Dims(dims) => Some(dims),
            ast::DeclKind::Hyper(_)
            | ast::DeclKind::Group(..)
            | ast::DeclKind::Value(..)
            | ast::DeclKind::Tuple(..)
            | ast::DeclKind::Update(..)
            | ast::DeclKind::Output(_)
            | ast::DeclKind::Layer(_)
            | ast::DeclKind::Loss { .. }
            | ast::DeclKind::Layout(_) => None,
        });
        dims.flatten().map(|it| it.name.name.to_string()).collect()
    }
}
