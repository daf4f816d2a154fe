//! Prepares layers before any of their arguments has a shape: the checked inner cell, its hypers and the sizes that are given.

use std::collections::{BTreeMap, BTreeSet};

use super::{Given, Inner, Ready, Store, follow_likes};
use crate::check::consts::Hypers;
use crate::check::declared::Declared;
use crate::check::hypers;
use crate::check::lower::{Lower, Phase, Scope};
use crate::check::show;
use crate::diag::{Code, Diagnostic};
use crate::hir::{ArgKind, DefKind, Layer, LayerArg, LayerId};
use crate::ir::{Const, Dim, HyperKind, TIME};
use crate::text::id::Id;
use crate::text::{Name, Span};

/// More layers than anybody stacks.
const MOST_STACKED: i64 = 10_000;

/// Takes the inner cells of all layers and evaluates what they are given.
pub(in crate::check) fn prepare<'a>(
    names: &Declared<'a>,
    hypers: &Hypers,
    store: &Store,
    sink: &mut Vec<Diagnostic>,
) -> (Vec<Option<Ready<'a>>>, BTreeSet<Name>) {
    let mut fixed = BTreeSet::new();
    let mut all: Vec<Option<Ready<'a>>> = Vec::with_capacity(names.layers.len());
    for layer in &names.cell.layers {
        let lower = Lower::new(names, hypers, Phase::Constants);
        let mut one = Preparing { names, store, layer, lower };
        all.push(one.ready());
        sink.append(&mut one.lower.sink);
        fixed.append(&mut one.lower.fixed);
    }
    let mut first_param = names.count(|it| matches!(it, DefKind::Param { .. }));
    let mut first_mask = names.count(|it| it == DefKind::Mask);
    for idx in 0..all.len() {
        if let Some(target) = all[idx].as_ref().and_then(|it| it.shares)
            && let Some(fault) = unlike(names, &all, LayerId::new(idx), target)
        {
            sink.extend(fault);
            all[idx] = None;
        }
        let Some(ready) = &mut all[idx] else { continue };
        ready.first_param = first_param;
        ready.first_mask = first_mask;
        if ready.shares.is_none() {
            first_param += ready.count * ready.inner.cell.params.len();
        }
        first_mask += ready.count * ready.inner.cell.masks.len();
    }
    sink.extend(time_is_taken(names, &all));
    (all, fixed)
}

/// A layer that reads the step number brings the carried `time` into the outer cell, where it may be a name already.
fn time_is_taken(names: &Declared<'_>, all: &[Option<Ready<'_>>]) -> Option<Diagnostic> {
    let def = names.def(names.cell.find(TIME)?);
    let reads = |it: &Option<Ready<'_>>| {
        it.as_ref().is_some_and(|it| it.inner.carried.iter().any(|(piece, _)| piece.is_none()))
    };
    let decl = names.cell.layers[LayerId::new(all.iter().position(reads)?)].decl;
    let message = format!(
        "`{}` calls `time()`; the step number is carried as `time`, which is {} here",
        decl.cell.name,
        def.kind.article()
    );
    let fault = Diagnostic::new(Code::DefinedTwice, decl.cell.span, message)
        .label(def.name.span, "declared here");
    Some(fault.help("a cell with such a layer has no other `time`"))
}

/// Returns the reason for which a layer cannot share the weights of another; `Some(None)` if it is reported elsewhere.
fn unlike(
    names: &Declared<'_>,
    all: &[Option<Ready<'_>>],
    layer: LayerId,
    target: LayerId,
) -> Option<Option<Diagnostic>> {
    let (Some(own), Some(other)) = (&all[layer.idx()], &all[target.idx()]) else {
        return Some(None);
    };
    let decl = names.cell.layers[layer].decl;
    let (name, of) = (&decl.name.name, &names.cell.layers[target].decl.name);
    let span = decl.shares.as_ref().map_or(decl.name.span, |it| it.span);
    let message = if own.count != other.count {
        format!("`{name}` is a stack of {}, `{}` one of {}", own.count, of.name, other.count)
    } else if own.inner.cell.params.iter().map(|it| (&it.name, &it.shape)).ne(other
        .inner
        .cell
        .params
        .iter()
        .map(|it| (&it.name, &it.shape)))
    {
        format!("the hypers of `{name}` give it other params than those of `{}`", of.name)
    } else {
        return None;
    };
    let fault = Diagnostic::new(Code::BadShares, span, message).label(of.span, "declared here");
    Some(Some(fault))
}

struct Preparing<'p, 'a> {
    names: &'p Declared<'a>,
    store: &'p Store,
    layer: &'a Layer<'a>,
    lower: Lower<'p, 'a>,
}

impl<'a> Preparing<'_, 'a> {
    /// Everything; `None` after a report, here or where the inner cell is checked.
    fn ready(&mut self) -> Option<Ready<'a>> {
        if !self.layer.sound {
            return None;
        }
        let decl = self.layer.decl;
        let cell = self.layer.cell?;
        let plain = self.store.plain(cell)?;
        let (mut given, consts) = self.hypers(&plain)?;
        self.sizes(&plain, &mut given)?;
        let is_plain = given.numbers.is_empty() && given.activations.is_empty();
        let inner = if is_plain && given.sizes.is_empty() {
            plain
        } else {
            match self.store.variant(cell, &given, self.names.tree) {
                Ok(inner) => inner,
                Err(why) => {
                    self.no_variant(why);
                    return None;
                }
            }
        };
        let count = self.count()?;
        let dims = self.dims()?;
        let arg = |name: &str, prev: bool| {
            let is_it = |it: &&LayerArg<'_>| it.ast.prev == prev && *it.ast.name.name == *name;
            self.layer.args.iter().find(is_it)
        };
        let inputs = inner.cell.inputs.iter().map(|it| arg(&it.name, false)).collect();
        let mut olds = Vec::new();
        for arg in self.layer.args.iter().filter(|it| it.ast.prev) {
            olds.push((*inner.by_name.get(&arg.ast.name.name)?, arg));
        }
        let mut ready = Ready {
            inner,
            count,
            early: dims.iter().map(|(name, (dim, _))| (name.clone(), dim.clone())).collect(),
            dims,
            consts,
            inputs,
            olds,
            shares: self.layer.shares,
            first_param: 0,
            first_mask: 0,
        };
        for (piece, arg) in &ready.olds {
            let name = &ready.inner.pieces[*piece].name;
            let older = ready.inner.carried.iter().position(|it| it.0 == Some(*piece) && it.1 > 1);
            let Some(older) = older else { continue };
            let message = format!(
                "`{}` reads `prev({name}, 2)`, so the old value of `{name}` cannot be given",
                decl.cell.name
            );
            let fault = Diagnostic::new(Code::BadPrev, arg.ast.name.span, message)
                .label(ready.inner.cell.carries[older].span, "read here")
                .help("a given old value is that of one step; there is none of the step before");
            self.lower.sink.push(fault);
            return None;
        }
        if ready.shares.is_none() {
            let told = ready.told();
            let known: Vec<_> = ready
                .inner
                .cell
                .dims
                .iter()
                .filter(|it| !told.contains(&it.name))
                .filter_map(|it| Some((it.name.clone(), Dim::number(it.default?))))
                .collect();
            for (name, size) in known {
                ready.early.entry(name).or_insert(size);
            }
        }
        let mut early = std::mem::take(&mut ready.early);
        follow_likes(&ready.inner, &mut early);
        ready.early = early;
        Some(ready)
    }

    fn no_variant(&mut self, why: Option<Box<Diagnostic>>) {
        let decl = self.layer.decl;
        let span = decl.cell.span;
        let fault = match why {
            Some(why) => {
                let message = format!(
                    "`{}` cannot be built with these arguments: {}",
                    decl.cell.name, why.message
                );
                Diagnostic::new(Code::BadArguments, span, message).label(why.span, "here")
            }
            None => {
                let message = format!("`{}` cannot be built with these arguments", decl.cell.name);
                Diagnostic::new(Code::BadArguments, span, message)
            }
        };
        self.lower.sink.push(fault);
    }

    /// Returns the number of stacked layers.
    fn count(&mut self) -> Option<usize> {
        let Some(expr) = &self.layer.count else { return Some(1) };
        let count = self.lower.count(expr, &Scope::CELL, "the number of layers")?;
        let fault = match count {
            1..=MOST_STACKED => return Some(count as usize),
            ..1 => {
                let message = format!("a stack has at least 1 layer, not {count}");
                Diagnostic::new(Code::ConstantOutOfRange, expr.span(), message)
            }
            _ => {
                let message = format!("a stack has at most {MOST_STACKED} layers, not {count}");
                Diagnostic::new(Code::TooLarge, expr.span(), message)
            }
        };
        self.lower.sink.push(fault);
        None
    }

    /// Returns the sizes that are given.
    fn dims(&mut self) -> Option<BTreeMap<Name, (Dim, Span)>> {
        let mut dims = BTreeMap::new();
        let decl = self.layer.decl;
        for arg in self.layer.args.iter().filter(|it| it.kind == ArgKind::Size) {
            let name = &arg.ast.name.name;
            let what = format!("the size `{name}` of `{}`", decl.name.name);
            let dim = self.lower.whole_expr(&arg.value, &what)?;
            if let Some(size) = dim.as_number().filter(|it| *it < 1) {
                let message = format!("{what} is at least 1, not {size}");
                let fault = Diagnostic::new(Code::ConstantOutOfRange, arg.value.span(), message);
                self.lower.sink.push(fault);
                return None;
            }
            dims.insert(name.clone(), (dim, arg.value.span()));
        }
        Some(dims)
    }

    /// Returns the arguments of a kind: those of the layer, and those of the one whose weights it shares.
    fn args(&self, wanted: ArgKind) -> Vec<&'a LayerArg<'a>> {
        let mut args: Vec<&'a LayerArg<'a>> = Vec::new();
        let mut at = Some(self.layer);
        for _ in 0..=self.names.layers.len() {
            let Some(layer) = at else { break };
            for arg in layer.args.iter().filter(|it| it.kind == wanted) {
                if !args.iter().any(|it| it.def == arg.def) {
                    args.push(arg);
                }
            }
            at = layer.shares.map(|it| &self.names.cell.layers[it]);
        }
        args
    }

    /// Returns the sizes that decide how the inner cell is built: the number of iterations of a loop, the height of a stack.
    fn sizes(&mut self, plain: &Inner, given: &mut Given) -> Option<()> {
        for arg in self.args(ArgKind::Size) {
            let name = &arg.ast.name.name;
            if plain.cell.dims.iter().any(|it| it.name == *name && it.fixed) {
                let what = format!("the size `{name}` of `{}`", self.layer.decl.name.name);
                let size = self.lower.count(&arg.value, &Scope::CELL, &what)?;
                given.sizes.insert(name.clone(), size);
            }
        }
        Some(())
    }

    fn hypers(&mut self, plain: &Inner) -> Option<(Given, BTreeMap<Name, Const>)> {
        let (mut given, mut consts) = (Given::default(), BTreeMap::new());
        for arg in self.args(ArgKind::Hyper) {
            let name = &arg.ast.name.name;
            let hyper = plain.cell.hypers.iter().find(|it| it.name == *name)?;
            let wrong = |message: String| {
                Diagnostic::new(Code::BadArguments, arg.value.span(), message)
                    .label(hyper.span, "declared here")
            };
            let text = show::short(arg.value.ast);
            match &hyper.kind {
                HyperKind::Activation(_) => {
                    let found = match hypers::given(&arg.value, self.names, self.lower.hypers()) {
                        Ok(Some(found)) => found,
                        Ok(None) => {
                            let message = format!(
                                "`{name}` of `{}` is an activation, `{text}` is none",
                                plain.cell.name
                            );
                            self.lower.sink.push(
                                wrong(message).help("such as `tanh` or `leaky_relu(slope = 0.2)`"),
                            );
                            return None;
                        }
                        Err(fault) => {
                            self.lower.sink.push(*fault);
                            return None;
                        }
                    };
                    let mut own = Vec::new();
                    let mut inner = found.clone();
                    for (at, constant) in inner.constants.iter_mut().enumerate() {
                        let symbol: Name = format!("{name}.{at}").into();
                        own.push((symbol.clone(), self.lower.value_of(constant)));
                        consts.insert(
                            symbol.clone(),
                            std::mem::replace(constant, Const::Hyper(symbol)),
                        );
                    }
                    given.activations.insert(name.clone(), (inner, own));
                }
                HyperKind::Number(_) => {
                    if hypers::given(&arg.value, self.names, self.lower.hypers())
                        .is_ok_and(|it| it.is_some())
                    {
                        let message = format!(
                            "`{name}` of `{}` is a number, `{text}` an activation",
                            plain.cell.name
                        );
                        self.lower.sink.push(wrong(message));
                        return None;
                    }
                    let what = format!("`{name}` of `{}`", self.layer.decl.name.name);
                    let value = self.lower.constant_expr(&arg.value, &Scope::CELL, &what)?;
                    given.numbers.insert(name.clone(), self.lower.value_of(&value));
                    consts.insert(name.clone(), value);
                }
            }
        }
        Some((given, consts))
    }
}
