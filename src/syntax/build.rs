//! Builds declarations of the tree from the pairs of pest.
//!
//! The grammar fixes which parts follow each other, so a part that is missing here is a fault of
//! this file; it gives `None` and never a panic.

use std::collections::HashMap;
use std::iter::{Filter, Peekable};

use pest::iterators::{Pair, Pairs};

use crate::diag::Diagnostic;
use crate::syntax::ast;
use crate::syntax::chars;
use crate::syntax::grammar::Rule;
use crate::syntax::scan::MAX_DIAGNOSTICS;
use crate::text::{FileId, Name, Span};

/// Builds the tree of one declaration or item.
pub(super) struct Builder<'b> {
    /// The text of the file as it was given.
    pub(super) source: &'b str,
    /// The offset of the text that pest has read.
    base: usize,
    file: FileId,
    names: &'b mut HashMap<String, Name>,
    /// A name that the file does not use.
    pub(super) spare: &'static str,
    /// Errors of precedence, depth and `prev`.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// True if a part had to be left out because it is too deep.
    pub(super) too_deep: bool,
}

type Parts<'p> = Peekable<Filter<Pairs<'p, Rule>, fn(&Pair<'_, Rule>) -> bool>>;

impl<'b> Builder<'b> {
    /// Returns a builder for a text that begins at `base`. Equal names share their memory through `names`; `spare` is a name that
    /// the file does not use.
    pub(super) fn new(
        source: &'b str,
        base: usize,
        file: FileId,
        names: &'b mut HashMap<String, Name>,
        spare: &'static str,
    ) -> Builder<'b> {
        Builder { source, base, file, names, spare, diagnostics: Vec::new(), too_deep: false }
    }

    /// Returns the place of a pair in the file.
    pub(super) fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        Span::new(self.file, self.base + span.start(), self.base + span.end())
    }

    /// Returns the file as it was given, at a place.
    pub(super) fn text(&self, span: Span) -> &'b str {
        &self.source[span.range()]
    }

    /// Returns the first byte of the declaration.
    pub(super) fn start(&self) -> Span {
        Span::new(self.file, self.base, self.base)
    }

    /// Keeps a diagnostic, unless there are too many.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < MAX_DIAGNOSTICS {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Returns a name. Letters outside ASCII have been reported; here they are spelled out.
    pub(super) fn ident(&mut self, pair: &Pair<'_, Rule>) -> ast::Ident {
        let span = self.span(pair);
        let written = self.text(span);
        if written.is_ascii() {
            return ast::Ident { name: self.intern(written), span };
        }
        let spelled = chars::spell(written).unwrap_or_else(|| pair.as_str().to_owned());
        ast::Ident { name: self.intern(&spelled), span }
    }

    fn intern(&mut self, text: &str) -> Name {
        if let Some(name) = self.names.get(text) {
            return name.clone();
        }
        let name: Name = text.into();
        self.names.insert(text.to_owned(), name.clone());
        name
    }

    /// Returns the next part when it is a name.
    fn name(&mut self, parts: &mut Parts<'_>) -> Option<ast::Ident> {
        let pair = parts.next_if(|it| it.as_rule() == Rule::name)?;
        Some(self.ident(&pair))
    }

    /// Returns the names that follow.
    fn names(&mut self, parts: &mut Parts<'_>) -> Vec<ast::Ident> {
        let mut names: Vec<_> = std::iter::from_fn(|| self.name(parts)).collect();
        names.shrink_to_fit();
        names
    }

    /// Returns the expressions that follow.
    pub(super) fn exprs(&mut self, parts: Pairs<'_, Rule>) -> Option<Vec<ast::Expr>> {
        tight(parts.filter(|it| it.as_rule() == Rule::expr).map(|it| self.expr(it)))
    }

    /// Returns the head of a cell.
    pub(super) fn heading(
        &mut self,
        pairs: Pairs<'_, Rule>,
    ) -> Option<(ast::CellKind, ast::Ident)> {
        let mut parts = significant(only(pairs)?);
        let word = parts.next()?;
        let kind = match word.as_str() {
            "cell" => ast::CellKind::Cell,
            _ => ast::CellKind::Model,
        };
        Some((kind, self.name(&mut parts)?))
    }

    /// Returns an item that is no cell.
    pub(super) fn item(
        &mut self,
        pairs: Pairs<'_, Rule>,
        doc: Option<ast::Doc>,
    ) -> Option<ast::Item> {
        let pair = only(pairs)?;
        let rule = pair.as_rule();
        let mut parts = significant(pair.clone());
        let item = match rule {
            Rule::activation => {
                let name = self.name(&mut parts)?;
                let value = self.name(&mut parts)?;
                let mut constants = Vec::new();
                while let Some(it) = parts.next_if(|it| it.as_rule() == Rule::setting) {
                    constants.push(self.setting(it)?);
                }
                let body = self.expr(parts.next()?)?;
                let derivative = match parts.next() {
                    Some(it) => Some(self.expr(significant(it).next()?)?),
                    None => None,
                };
                let span = self.extent(&pair);
                ast::Item::Activation(ast::Activation {
                    doc,
                    name,
                    value,
                    constants,
                    body,
                    derivative,
                    span,
                })
            }
            Rule::function => {
                let name = self.name(&mut parts)?;
                let params = self.names(&mut parts);
                let body = self.expr(parts.next()?)?;
                let span = self.extent(&pair);
                ast::Item::Function(ast::Function { doc, name, params, body, span })
            }
            Rule::import => {
                let target = match self.name(&mut parts) {
                    Some(library) => ast::UseTarget::Library(library, self.name(&mut parts)?),
                    None => {
                        let span = self.span(&parts.next()?);
                        ast::UseTarget::File(unquoted(self.text(span)).to_owned())
                    }
                };
                ast::Item::Use(ast::Use { doc, target, span: self.extent(&pair) })
            }
            _ => return None,
        };
        (!self.too_deep).then_some(item)
    }

    /// Returns the place of a pair without the blanks behind it.
    fn extent(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = self.span(pair);
        let length = pair.as_str().trim_end().len();
        Span::new(span.file, span.start as usize, span.start as usize + length)
    }

    /// Returns a declaration.
    pub(super) fn decl(&mut self, pairs: Pairs<'_, Rule>) -> Option<ast::DeclKind> {
        let pair = only(pairs)?;
        let rule = pair.as_rule();
        let mut parts = significant(pair);
        let kind = match rule {
            Rule::dims => ast::DeclKind::Dims(tight(parts.map(|it| self.dim(it)))?),
            Rule::hyper => {
                let setting = |it| {
                    let (name, value) = self.setting(it)?;
                    Some(ast::HyperDecl { name, value })
                };
                ast::DeclKind::Hyper(tight(parts.map(setting))?)
            }
            Rule::groups => {
                let role = role(parts.next()?.as_str())?;
                ast::DeclKind::Group(role, tight(parts.map(|it| self.group(it)))?)
            }
            Rule::definition => {
                let (role, name, value) = self.definition(parts)?;
                ast::DeclKind::Value(role, name, value)
            }
            Rule::tuple_definition => {
                let names = self.names(&mut parts);
                ast::DeclKind::Tuple(names, self.value(parts.next()?)?)
            }
            Rule::update => {
                let name = self.name(&mut parts)?;
                ast::DeclKind::Update(name, self.value(parts.next()?)?)
            }
            Rule::output => ast::DeclKind::Output(tight(parts.map(|it| self.output(it)))?),
            Rule::layer => ast::DeclKind::Layer(Box::new(self.layer(parts)?)),
            Rule::loss => {
                let value = self.expr(parts.next()?)?;
                ast::DeclKind::Loss { value, at_last: parts.next().is_some() }
            }
            Rule::layout => {
                let name = self.name(&mut parts)?;
                let rows = tight(parts.map(|it| self.row(it)))?;
                ast::DeclKind::Layout(ast::LayoutDecl { name, rows })
            }
            _ => return None,
        };
        (!self.too_deep).then_some(kind)
    }

    fn dim(&mut self, pair: Pair<'_, Rule>) -> Option<ast::DimDecl> {
        let mut parts = significant(pair);
        let name = self.name(&mut parts)?;
        let kind = match parts.next() {
            None => ast::DimKind::Free,
            Some(it) if it.as_rule() == Rule::like => {
                ast::DimKind::Like(self.name(&mut significant(it))?)
            }
            Some(it) => ast::DimKind::Equals(self.expr(it)?),
        };
        Some(ast::DimDecl { name, kind })
    }

    fn setting(&mut self, pair: Pair<'_, Rule>) -> Option<(ast::Ident, ast::Expr)> {
        let mut parts = significant(pair);
        Some((self.name(&mut parts)?, self.expr(parts.next()?)?))
    }

    fn group(&mut self, pair: Pair<'_, Rule>) -> Option<ast::Group> {
        let span = self.extent(&pair);
        let mut parts = significant(pair);
        let names = self.names(&mut parts);
        let type_ = parts.next()?;
        let type_ = {
            let span = self.extent(&type_);
            let is_index = type_.as_rule() == Rule::index_type;
            let mut dims = self.exprs(type_.into_inner())?;
            let kind = if is_index {
                ast::TypeKind::Index(dims.pop()?)
            } else {
                ast::TypeKind::Real(dims)
            };
            ast::Type { kind, span }
        };
        let mut group =
            ast::Group { names, type_, value: None, init: None, per: None, teacher: None, span };
        for part in parts {
            let rule = part.as_rule();
            let mut inner = significant(part);
            match rule {
                Rule::group_value => group.value = Some(self.expr(inner.next()?)?),
                Rule::group_init => group.init = Some(self.expr(inner.next()?)?),
                Rule::group_per => {
                    let word = inner.next()?;
                    let scope = match word.as_str() {
                        "step" => ast::Scope::Step,
                        "sequence" => ast::Scope::Sequence,
                        _ => ast::Scope::Run,
                    };
                    group.per = Some((scope, self.span(&word)));
                }
                Rule::group_teacher => group.teacher = Some(self.name(&mut inner)?),
                _ => return None,
            }
        }
        Some(group)
    }

    fn definition(
        &mut self,
        mut parts: Parts<'_>,
    ) -> Option<(ast::ValueRole, ast::Ident, ast::Value)> {
        let role = match parts.next()?.as_str() {
            "gate" => ast::ValueRole::Gate,
            _ => ast::ValueRole::Let,
        };
        Some((role, self.name(&mut parts)?, self.value(parts.next()?)?))
    }

    fn value(&mut self, pair: Pair<'_, Rule>) -> Option<ast::Value> {
        if pair.as_rule() == Rule::fold {
            return Some(ast::Value::Fold(Box::new(self.fold(pair)?)));
        }
        Some(ast::Value::Expr(self.expr(pair)?))
    }

    fn fold(&mut self, pair: Pair<'_, Rule>) -> Option<ast::Fold> {
        let span = self.extent(&pair);
        let mut parts = significant(pair);
        let accumulators = self.names(&mut significant(parts.next()?));
        let starts = self.exprs(parts.next()?.into_inner())?;
        let variable = self.name(&mut parts)?;
        let from = self.expr(parts.next()?)?;
        let to = self.expr(parts.next()?)?;
        let mut body = Vec::new();
        while let Some(it) =
            parts.next_if(|it| matches!(it.as_rule(), Rule::definition | Rule::tuple_definition))
        {
            let is_tuple = it.as_rule() == Rule::tuple_definition;
            let mut inner = significant(it);
            body.push(if is_tuple {
                let names = self.names(&mut inner);
                let value = self.value(inner.next()?)?;
                ast::Definition { role: ast::ValueRole::Let, names, value }
            } else {
                let (role, name, value) = self.definition(inner)?;
                ast::Definition { role, names: vec![name], value }
            });
        }
        let results = self.exprs(parts.next()?.into_inner())?;
        Some(ast::Fold { accumulators, starts, variable, from, to, body, results, span })
    }

    fn output(&mut self, pair: Pair<'_, Rule>) -> Option<ast::OutputDecl> {
        if pair.as_rule() == Rule::setting {
            let (name, value) = self.setting(pair)?;
            return Some(ast::OutputDecl::Named(name, value));
        }
        Some(ast::OutputDecl::Path(self.output_path(pair)?))
    }

    fn layer(&mut self, mut parts: Parts<'_>) -> Option<ast::LayerDecl> {
        let name = self.name(&mut parts)?;
        let count = match parts.next_if(|it| it.as_rule() == Rule::count) {
            Some(it) => Some(self.expr(it.into_inner().next()?)?),
            None => None,
        };
        let cell = self.name(&mut parts)?;
        let mut layer =
            ast::LayerDecl { name, count, cell, args: Vec::new(), shares: None, backward: None };
        for part in parts {
            let span = self.span(&part);
            let rule = part.as_rule();
            let mut inner = significant(part);
            match rule {
                Rule::larg => {
                    let prev = inner.next_if(|it| it.as_rule() == Rule::prev_word).is_some();
                    let name = self.name(&mut inner)?;
                    let value = self.expr(inner.next()?)?;
                    layer.args.push(ast::LayerArg { prev, name, value });
                }
                Rule::shares => layer.shares = Some(self.name(&mut inner)?),
                Rule::backward => layer.backward = Some(span),
                _ => return None,
            }
        }
        Some(layer)
    }

    fn row(&mut self, pair: Pair<'_, Rule>) -> Option<ast::LayoutRow> {
        let mut names = Vec::new();
        let mut optional = false;
        for part in pair.into_inner() {
            let span = self.span(&part);
            match part.as_rule() {
                Rule::name => {
                    let name = self.ident(&part).name.to_string();
                    names.push(ast::LayoutName { name, quoted: false, span });
                }
                Rule::string => {
                    let name = unquoted(self.text(span)).to_owned();
                    names.push(ast::LayoutName { name, quoted: true, span });
                }
                Rule::kw_optional => optional = true,
                _ => {
                    let value = self.expr(part)?;
                    return Some(ast::LayoutRow { optional, names, value });
                }
            }
        }
        None
    }
}

/// Collects without room to grow: most lists of a tree hold one thing, and trees may hold many
/// lists.
fn tight<T>(items: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let mut list = items.collect::<Option<Vec<T>>>()?;
    list.shrink_to_fit();
    Some(list)
}

/// Returns the one pair besides the end of the input.
fn only(mut pairs: Pairs<'_, Rule>) -> Option<Pair<'_, Rule>> {
    pairs.next()
}

/// Returns the parts of a pair that carry a meaning of their own: all but the keywords.
fn significant(pair: Pair<'_, Rule>) -> Parts<'_> {
    let parts = pair.into_inner();
    parts.filter(is_part as fn(&Pair<'_, Rule>) -> bool).peekable()
}

fn is_part(pair: &Pair<'_, Rule>) -> bool {
    !matches!(
        pair.as_rule(),
        Rule::kw_activation
            | Rule::kw_derivative
            | Rule::kw_fn
            | Rule::kw_use
            | Rule::kw_dims
            | Rule::kw_like
            | Rule::kw_hyper
            | Rule::kw_init
            | Rule::kw_per
            | Rule::kw_teacher
            | Rule::kw_index
            | Rule::kw_let
            | Rule::kw_output
            | Rule::kw_layer
            | Rule::kw_shares
            | Rule::kw_loss
            | Rule::kw_layout
            | Rule::kw_fold
            | Rule::kw_from
            | Rule::kw_for
            | Rule::kw_in
            | Rule::kw_yield
    )
}

fn role(word: &str) -> Option<ast::Role> {
    [
        ast::Role::Input,
        ast::Role::State,
        ast::Role::Param,
        ast::Role::Const,
        ast::Role::Mask,
        ast::Role::Target,
        ast::Role::Feedback,
    ]
    .into_iter()
    .find(|it| it.keyword() == word)
}

/// Returns a text without its quotes, of which each is one byte long.
fn unquoted(text: &str) -> &str {
    text.get(1..text.len().saturating_sub(1)).unwrap_or("")
}
