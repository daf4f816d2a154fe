//! A layer becomes nodes: its arguments are matched with the shapes that the inner cell declares, then its graph is copied.

use std::collections::BTreeMap;

use super::{Lower, Phase, Scope, Value};
use crate::check::layer::{self, Element, PieceKind, Ready, Splice};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Layer, LayerArg, LayerId};
use crate::ir::{Const, Dim, Leaf, NodeId, Op, Shape};
use crate::text::id::Id;
use crate::text::{Name, Span};

/// A value that a layer is given, and what the inner cell declares of it.
struct Given<'g, 'a> {
    /// `None` for what a stack hands on by itself.
    arg: Option<&'g LayerArg<'a>>,
    value: Value,
    shape: &'g Shape,
    index: Option<&'g Dim>,
    declared: Span,
    /// Its name in messages.
    name: &'g str,
    layer: &'g Layer<'a>,
}

impl Given<'_, '_> {
    fn span(&self) -> Span {
        self.arg.map_or(self.layer.decl.cell.span, |it| it.value.span())
    }
}

/// The sizes of an inner cell, and where each comes from.
type Sizes = BTreeMap<Name, (Dim, Span)>;

impl Lower<'_, '_> {
    /// Lowers all of a layer; without values after a report.
    pub(in crate::check) fn layer(&mut self, idx: LayerId) {
        if self.build(idx).is_none() {
            self.is_wrong = true;
            self.elements[idx.idx()].clear();
            self.parts[idx.idx()].clear();
        }
    }

    fn build(&mut self, idx: LayerId) -> Option<()> {
        let names = self.names;
        let layer = &names.cell.layers[idx];
        let ready = names.ready(idx)?;
        self.elements_of(ready.shares)?;
        let mut value = |arg: &LayerArg<'_>| self.expr(&arg.value, &Scope::CELL);
        let values: Vec<Option<Option<Value>>> =
            ready.inputs.iter().map(|it| it.map(&mut value)).collect();
        let olds: Vec<Option<(usize, &LayerArg<'_>, Value)>> =
            ready.olds.iter().map(|(piece, arg)| Some((*piece, *arg, value(arg)?))).collect();
        // What is given is lowered in any case, for what is wrong in it.
        let mut values = values.into_iter().map(|it| it.map_or(Some(None), |it| it.map(Some)));
        let mut values = values.by_ref().collect::<Option<Vec<Option<Value>>>>()?;
        let olds = olds.into_iter().collect::<Option<Vec<_>>>()?;
        for element in 0..ready.count {
            let main = self.element(layer, ready, idx, element, &values, &olds)?;
            if let Some(first) = values.first_mut() {
                *first = Some(main);
            }
        }
        Some(())
    }

    /// Returns the meaning of a layer's names, if it is lowered; an empty list for no layer.
    fn elements_of(&self, layer: Option<LayerId>) -> Option<&[Element]> {
        match layer {
            None => Some(&[]),
            Some(idx) => Some(&self.elements[idx.idx()][..]).filter(|it| !it.is_empty()),
        }
    }

    /// One layer of a stack; gives its main output.
    fn element(
        &mut self,
        layer: &Layer<'_>,
        ready: &Ready<'_>,
        idx: LayerId,
        number: usize,
        values: &[Option<Value>],
        olds: &[(usize, &LayerArg<'_>, Value)],
    ) -> Option<Value> {
        let inner = &ready.inner;
        let mut given: Vec<Given<'_, '_>> = Vec::new();
        for (at, (input, value)) in inner.cell.inputs.iter().zip(values).enumerate() {
            let Some(value) = value.clone() else { continue };
            let arg = if at == 0 && number > 0 { None } else { ready.inputs[at] };
            let (shape, index, name) = (&input.shape, input.index.as_ref(), &*input.name);
            given.push(Given { arg, value, shape, index, declared: input.span, name, layer });
        }
        for (piece, arg, value) in olds {
            let piece = &inner.pieces[*piece];
            let (shape, value, declared) = (&piece.shape, value.clone(), piece.span);
            let name = &*piece.name;
            given.push(Given { arg: Some(*arg), value, shape, index: None, declared, name, layer });
        }
        let sizes = self.sizes(layer, ready, number, &given)?;
        let mut element = Element {
            dims: sizes.iter().map(|(name, it)| (name.clone(), it.0.clone())).collect(),
            consts: ready.consts.clone(),
            params: self.param_places(ready, number),
            first_mask: ready.first_mask + number * inner.cell.masks.len(),
            prefix: layer::prefix(&layer.decl.name.name, layer.decl.count.is_some(), number),
        };
        let too_large = Diagnostic::new(
            Code::TooLarge,
            layer.decl.cell.span,
            format!("the sizes or constants of `{}` are too large here", layer.decl.name.name),
        );
        if element.complete(inner).is_err() {
            return self.fail(too_large);
        }
        let mut nodes = Vec::with_capacity(given.len());
        for it in &given {
            nodes.push(self.fitting(it, &element, &sizes)?);
        }
        if self.phase != Phase::Step {
            self.elements[idx.idx()].push(element);
            return self.stand_in(ready, idx, number);
        }
        if self.graph.nodes().len() + inner.cell.step.nodes().len() > super::MOST_NODES {
            let most = super::MOST_NODES;
            let message =
                format!("the cell has more than {most} nodes after its layers are put in");
            return self.fail(Diagnostic::new(Code::TooLarge, layer.decl.cell.span, message));
        }
        self.elements[idx.idx()].push(element.clone());
        let mut nodes = nodes.into_iter();
        let mut inputs = Vec::with_capacity(inner.cell.inputs.len());
        for (input, value) in inner.cell.inputs.iter().zip(values) {
            inputs.push(match value {
                Some(_) => nodes.next()?,
                None => {
                    let default = input.default.clone().unwrap_or(Const::Number(0.0));
                    let splice = Splice { element: &element };
                    let (Ok(default), Ok(shape)) =
                        (splice.constant(&default), splice.shape(&input.shape))
                    else {
                        return self.fail(too_large);
                    };
                    let scalar = self.node(&Value::Constant(default, 1), input.span);
                    self.fill(scalar, &shape, input.span)
                }
            });
        }
        let old: BTreeMap<usize, NodeId> = olds.iter().map(|it| it.0).zip(nodes).collect();
        match self.copied(ready, idx, number, &element, &inputs, &old) {
            Ok(main) => main,
            Err(layer::TooLarge) => self.fail(too_large),
        }
    }

    /// Returns the outer places of the params of a layer.
    fn param_places(&self, ready: &Ready<'_>, number: usize) -> Vec<usize> {
        match ready.shares {
            Some(other) => self.elements[other.idx()][number].params.clone(),
            None => {
                let count = ready.inner.cell.params.len();
                let first = ready.first_param + number * count;
                (first..first + count).collect()
            }
        }
    }

    /// Returns the sizes of the inner cell: those given, those of the layer whose weights are shared, those that the shapes of
    /// arguments tell, and defaults.
    fn sizes(
        &mut self,
        layer: &Layer<'_>,
        ready: &Ready<'_>,
        number: usize,
        given: &[Given<'_, '_>],
    ) -> Option<Sizes> {
        let (inner, decl) = (&ready.inner, layer.decl);
        let mut sizes: Sizes = ready.dims.clone();
        if let Some(other) = ready.shares {
            let of = &self.names.cell.layers[other].decl.name;
            for (name, dim) in &self.elements[other.idx()][number].dims {
                if let Some((own, span)) = ready.dims.get(name)
                    && own != dim
                {
                    let message = format!(
                        "the size `{name}` of `{}` is `{own}`, that of `{}` is `{dim}`",
                        decl.name.name, of.name
                    );
                    let fault = Diagnostic::new(Code::BadShares, *span, message)
                        .label(of.span, "its weights are shared")
                        .help("layers that share weights have the same sizes; leave this one out");
                    return self.fail(fault);
                }
                sizes.insert(name.clone(), (dim.clone(), of.span));
            }
        }
        for it in given {
            let own: Vec<(&Dim, Dim)> = match (&it.value, it.index) {
                (Value::Index(_, below), Some(declared)) => vec![(declared, below.clone())],
                (Value::Node(node), None) if self.graph.shape(*node).rank() == it.shape.rank() => {
                    let found = self.graph.shape(*node).axes().iter().cloned();
                    it.shape.axes().iter().zip(found).collect()
                }
                (Value::Constant(..), None) => continue,
                // No size could make these fit.
                (Value::Constant(..) | Value::Node(_) | Value::Index(..), _) => {
                    if let (Value::Constant(value, _), Some(_)) = (&it.value, it.index)
                        && self.whole_number(value)
                    {
                        continue;
                    }
                    let fault = self.unfit(it, &sizes);
                    return self.fail(fault);
                }
            };
            for (declared, found) in own {
                if let Some(name) = declared.as_symbol() {
                    sizes.entry(name.clone()).or_insert((found, it.span()));
                }
            }
        }
        for dim in &inner.cell.dims {
            if let Some(size) = dim.default {
                let default = (Dim::number(size), dim.span);
                sizes.entry(dim.name.clone()).or_insert(default);
            }
        }
        let mut known = sizes.iter().map(|(name, it)| (name.clone(), it.0.clone())).collect();
        layer::follow_likes(inner, &mut known);
        for dim in &inner.cell.dims {
            let Some(found) = known.get(&dim.name) else {
                let message = format!(
                    "`{}` lacks the size `{}` of `{}`",
                    decl.name.name, dim.name, decl.cell.name
                );
                let fault = Diagnostic::new(Code::BadArguments, decl.cell.span, message)
                    .label(dim.span, "declared here")
                    .help(format!("write `{} = ..`; no argument tells it by its shape", dim.name));
                return self.fail(fault);
            };
            sizes.entry(dim.name.clone()).or_insert((found.clone(), dim.span));
        }
        for dim in inner.cell.dims.iter().filter(|it| it.fixed && it.like.is_none()) {
            let Some((found, span)) = sizes.get(&dim.name) else { continue };
            let is_default = found.as_number().is_some() && found.as_number() == dim.default;
            let is_given = ready.dims.contains_key(&dim.name) || ready.shares.is_some();
            if !is_default && !is_given {
                let message = format!(
                    "`{}` decides how `{}` is built and must be given",
                    dim.name, decl.cell.name
                );
                let fault = Diagnostic::new(Code::BadArguments, *span, message)
                    .label(dim.span, "declared here")
                    .help(format!("write `{} = {found}`", dim.name));
                return self.fail(fault);
            }
        }
        self.alike(layer, ready, &sizes)?;
        Some(sizes)
    }

    /// Dims of the inner cell that are like others must be as large as those outside too.
    fn alike(&mut self, layer: &Layer<'_>, ready: &Ready<'_>, sizes: &Sizes) -> Option<()> {
        for dim in &ready.inner.cell.dims {
            let (Some(like), Some((found, span))) = (&dim.like, sizes.get(&dim.name)) else {
                continue;
            };
            let mut others = sizes.clone();
            others.retain(|name, _| {
                ready.inner.cell.dims.iter().any(|it| it.name == *name && it.like.is_none())
            });
            let mut known = others.iter().map(|(name, it)| (name.clone(), it.0.clone())).collect();
            layer::follow_likes(&ready.inner, &mut known);
            let Some(wanted) = known.get(&dim.name) else { continue };
            if self.names.dims.root(found) != self.names.dims.root(wanted) {
                let message = format!(
                    "`{}` of `{}` is as large as `{like}`, which is `{wanted}` here, not `{found}`",
                    dim.name, layer.decl.cell.name
                );
                let fault = Diagnostic::new(Code::DeclaredShape, *span, message)
                    .label(dim.span, "declared here");
                return self.fail(fault);
            }
        }
        Some(())
    }

    /// Returns the node of an argument, which must have the declared shape; a number fills it.
    fn fitting(
        &mut self,
        given: &Given<'_, '_>,
        element: &Element,
        sizes: &Sizes,
    ) -> Option<NodeId> {
        let span = given.span();
        let layer = &given.layer.decl.name.name;
        let splice = Splice { element };
        let (Ok(wanted), Ok(below)) =
            (splice.shape(given.shape), given.index.map(|it| splice.dim(it)).transpose())
        else {
            let message = format!("a size of `{layer}` is too large here");
            return self.fail(Diagnostic::new(Code::TooLarge, span, message));
        };
        match (&given.value, &below) {
            (Value::Index(node, found), Some(below)) if found == below => return Some(*node),
            (Value::Constant(value, _), Some(_)) if self.whole_number(value) => {
                return Some(self.node(&given.value, span));
            }
            (Value::Constant(..), None) => {
                let scalar = self.node(&given.value, span);
                return Some(self.fill(scalar, &wanted, span));
            }
            (Value::Node(node), None) if *self.graph.shape(*node) == wanted => return Some(*node),
            (Value::Constant(..) | Value::Node(_) | Value::Index(..), _) => {}
        }
        let fault = self.unfit(given, sizes);
        self.fail(fault)
    }

    /// Returns true if a constant may be an index.
    fn whole_number(&self, value: &Const) -> bool {
        self.value_of(value).is_some_and(|it| it >= 0.0 && it.fract() == 0.0)
    }

    /// Returns the report of an argument that has not the declared shape, with the sizes as far as they are known.
    fn unfit(&self, given: &Given<'_, '_>, sizes: &Sizes) -> Diagnostic {
        let span = given.span();
        let decl = given.layer.decl;
        let layer = &decl.name.name;
        let dims = sizes.iter().map(|(name, it)| (name.clone(), it.0.clone())).collect();
        let element = Element { dims, ..Element::default() };
        let splice = Splice { element: &element };
        let shape = splice.shape(given.shape).unwrap_or_else(|_| given.shape.clone());
        let (declared, expected) = match given.index {
            Some(dim) => {
                let below = splice.dim(dim).unwrap_or_else(|_| dim.clone());
                (format!("index[{dim}]"), format!("index[{below}]"))
            }
            None => (given.shape.to_string(), shape.to_string()),
        };
        let found = match &given.value {
            Value::Index(_, found) => format!("`index[{found}]`"),
            Value::Node(node) => format!("`{}`", self.graph.shape(*node)),
            Value::Constant(..) => "a number".to_owned(),
        };
        let what = match given.arg {
            Some(arg) if arg.ast.prev => format!("`prev {}` of `{layer}`", given.name),
            Some(_) => format!("`{}` of `{layer}`", given.name),
            None => format!("`{}` of `{layer}`, the main output of the layer before,", given.name),
        };
        let message = format!("{what} is {found}, declared `{declared}`");
        let message = if declared == expected {
            message
        } else {
            format!("{message}, which is `{expected}` here")
        };
        let mut fault = Diagnostic::new(Code::DeclaredShape, span, message)
            .label(given.declared, format!("declared `{declared}` here"));
        for name in given.shape.axes().iter().chain(given.index).flat_map(Dim::names) {
            if let Some((dim, from)) = sizes.get(&name)
                && *from != span
                && !fault.labels.iter().any(|it| it.span == *from)
            {
                fault = fault.label(*from, format!("`{name}` of `{}` is `{dim}`", decl.cell.name));
            }
        }
        fault
    }

    /// Copies the step of the inner cell; gives the main output.
    fn copied(
        &mut self,
        ready: &Ready<'_>,
        idx: LayerId,
        number: usize,
        element: &Element,
        inputs: &[NodeId],
        old: &BTreeMap<usize, NodeId>,
    ) -> Result<Option<Value>, layer::TooLarge> {
        let (inner, splice) = (&ready.inner, Splice { element });
        let base = number * inner.pieces.len();
        let layer = &self.names.cell.layers[idx];
        let def = layer.def;
        let mut carries = Vec::with_capacity(inner.carried.len());
        for (carry, (piece, back)) in inner.cell.carries.iter().zip(&inner.carried) {
            let given = piece.and_then(|it| old.get(&it));
            let leaf = match (given, piece) {
                (Some(node), _) => *node,
                (None, None) => match self.time(layer.order(), carry.span) {
                    Some(Value::Node(leaf)) => leaf,
                    Some(Value::Constant(..) | Value::Index(..)) | None => continue,
                },
                (None, Some(piece)) => {
                    let shape = splice.shape(&carry.shape)?;
                    let index = carry.index.as_ref().map(|it| splice.dim(it)).transpose()?;
                    self.past_leaf((def, base + piece), *back, &shape, index.as_ref(), carry.span)
                }
            };
            carries.push(leaf);
        }
        let mut params: BTreeMap<usize, NodeId> = BTreeMap::new();
        let mut masks: BTreeMap<usize, NodeId> = BTreeMap::new();
        for node in inner.cell.step.nodes() {
            if let Op::Leaf(Leaf::Param(slot)) = node.op {
                params.insert(slot, self.param_leaf(ready, element, slot)?);
            } else if let Op::Leaf(Leaf::Mask(slot)) = node.op {
                masks.insert(slot, self.mask_leaf(ready, element, slot)?);
            }
        }
        let mut leaf = |op: &Op| {
            if let Op::Leaf(Leaf::Input(slot)) = op {
                inputs.get(*slot).copied()
            } else if let Op::Leaf(Leaf::Carry(slot)) = op {
                carries.get(*slot).copied()
            } else if let Op::Leaf(Leaf::Param(slot)) = op {
                params.get(slot).copied()
            } else if let Op::Leaf(Leaf::Mask(slot)) = op {
                masks.get(slot).copied()
            } else {
                None
            }
        };
        let places = splice.graph(&inner.cell.step, &mut self.graph, &mut leaf)?;
        self.note();
        for piece in &inner.pieces {
            let value = match &piece.kind {
                PieceKind::Value(_, node) | PieceKind::Computed(node) => match &piece.index {
                    Some(below) => Value::Index(places[node.idx()], splice.dim(below)?),
                    None => Value::Node(places[node.idx()]),
                },
                PieceKind::Constant(value) => Value::Constant(splice.constant(value)?, 1),
                // Its leaf is made when it is asked for.
                PieceKind::Param(_) | PieceKind::Mask(_) => {
                    self.parts[idx.idx()].push(None);
                    continue;
                }
            };
            self.parts[idx.idx()].push(Some(value));
        }
        Ok(self.piece_value(idx, base + inner.main))
    }

    /// Copies the starts of the inner cell's carried values; gives the place of each node.
    pub(in crate::check) fn start_of_layer(
        &mut self,
        ready: &Ready<'_>,
        element: &Element,
    ) -> Result<Vec<NodeId>, layer::TooLarge> {
        let inner = &ready.inner;
        let mut params: BTreeMap<usize, NodeId> = BTreeMap::new();
        for node in inner.cell.start.nodes() {
            if let Op::Leaf(Leaf::Param(slot)) = node.op {
                params.insert(slot, self.param_leaf(ready, element, slot)?);
            }
        }
        let mut leaf = |op: &Op| {
            if let Op::Leaf(Leaf::Param(slot)) = op { params.get(slot).copied() } else { None }
        };
        let splice = Splice { element };
        let places = splice.graph(&inner.cell.start, &mut self.graph, &mut leaf)?;
        self.note();
        Ok(places)
    }

    /// Returns the leaf of a param of a layer.
    pub(super) fn param_leaf(
        &mut self,
        ready: &Ready<'_>,
        element: &Element,
        slot: usize,
    ) -> Result<NodeId, layer::TooLarge> {
        let place = element.params[slot];
        if let Some(leaf) = self.param_leaves.get(&place) {
            return Ok(*leaf);
        }
        let param = &ready.inner.cell.params[slot];
        let shape = Splice { element }.shape(&param.shape)?;
        let name = element.name(&param.name);
        let node = self.add(Leaf::Param(place), Vec::new(), shape, param.span);
        self.graph.set_name(node, name);
        self.param_leaves.insert(place, node);
        Ok(node)
    }

    /// Returns the leaf of a mask of a layer.
    pub(super) fn mask_leaf(
        &mut self,
        ready: &Ready<'_>,
        element: &Element,
        slot: usize,
    ) -> Result<NodeId, layer::TooLarge> {
        let place = element.first_mask + slot;
        if let Some(leaf) = self.mask_leaves.get(&place) {
            return Ok(*leaf);
        }
        let mask = &ready.inner.cell.masks[slot];
        let shape = Splice { element }.shape(&mask.shape)?;
        let node = self.add(Leaf::Mask(place), Vec::new(), shape, mask.span);
        self.graph.set_name(node, element.name(&mask.name));
        self.mask_leaves.insert(place, node);
        Ok(node)
    }

    /// Returns a main output of which only the shape is known.
    fn stand_in(&mut self, ready: &Ready<'_>, idx: LayerId, number: usize) -> Option<Value> {
        let piece = number * ready.inner.pieces.len() + ready.inner.main;
        let (shape, index) = self.part_shape(idx, piece)?;
        Some(self.unknown_value(shape, index, ready.inner.pieces[ready.inner.main].span))
    }

    /// Returns a value of which only the shape is known: a leaf in a graph that nobody keeps.
    pub(super) fn unknown_value(&mut self, shape: Shape, index: Option<Dim>, span: Span) -> Value {
        let node = self.add(Leaf::Carry(0), Vec::new(), shape, span);
        match index {
            Some(dim) => Value::Index(node, dim),
            None => Value::Node(node),
        }
    }
}
