//! Fixing sizes: every dim gets its number, every node its concrete shape, and every index is
//! checked against them.
//!
//! What symbolic dims cannot decide is decided here: `slice(v, 0, N - 2)` is wrong only for some N.
//! A `where` whose condition is a constant is decided first, so that the branch not taken is
//! neither checked nor computed.

mod error;

pub use error::BindError;

use std::collections::{BTreeMap, BTreeSet};

use crate::derive::decide;
use crate::ir::{
    Carry, Cell, Dim, DimDecl, Env, Graph, HyperKind, Literal, Mode, Move, Node, Op, Shape, Start,
};
use crate::plan::pipeline::plain;
use crate::text::{Name, Span, order};

/// No value may have more elements.
pub const MAX_ELEMENTS: u64 = 1 << 40;

/// The memory that the reference interpreter agrees to ask for, in bytes.
pub const MAX_BYTES: u64 = 8 << 30;

/// A cell whose sizes are fixed.
///
/// Derive the adjoint and tangent that are to be run from [`Bound::cell`], not from the cell that
/// was bound: its graphs have their constant conditions decided. Node ids are the same in both.
#[derive(Clone, Debug)]
pub struct Bound {
    cell: Cell,
    env: Env,
    step: Vec<Vec<usize>>,
    start: Vec<Vec<usize>>,
    inputs: Vec<Vec<usize>>,
    carries: Vec<Vec<usize>>,
    params: Vec<Vec<usize>>,
    masks: Vec<Vec<usize>>,
}

impl Bound {
    /// Returns the cell, with constant conditions decided and what they leave unused emptied.
    pub fn cell(&self) -> &Cell {
        &self.cell
    }

    /// Returns the size of every dim and the value of every numeric hyper.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// Returns the shape of each node of the step graph.
    pub fn step_shapes(&self) -> &[Vec<usize>] {
        &self.step
    }

    /// Returns the shape of each node of the start graph.
    pub fn start_shapes(&self) -> &[Vec<usize>] {
        &self.start
    }

    /// Returns the same sizes and hypers for what passes have made of the cell.
    pub fn with(&self, cell: &Cell) -> Result<Bound, BindError> {
        let mut env = self.env.clone();
        // Sizes that follow from others cannot be given.
        let own = cell.dims.iter().filter(|it| it.like.is_none()).map(|it| &it.name);
        let own: BTreeSet<&Name> = own.collect();
        env.sizes.retain(|name, _| own.contains(name));
        bind(cell, env)
    }

    /// Returns the plain cell that a model is in a mode, with the same sizes; a cell stays as it is. Params, and carried values,
    /// are the same in every mode.
    pub fn plain(&self, mode: &Mode) -> Result<Bound, BindError> {
        if !self.cell.is_model {
            return Ok(self.clone());
        }
        self.with(&plain(&self.cell, mode))
    }

    /// Returns the shape of each input, for one step of one sequence.
    pub fn input_shapes(&self) -> &[Vec<usize>] {
        &self.inputs
    }

    /// Returns the shape of each carried value, for one sequence.
    pub fn carry_shapes(&self) -> &[Vec<usize>] {
        &self.carries
    }

    /// Returns the shape of each param and stored const.
    pub fn param_shapes(&self) -> &[Vec<usize>] {
        &self.params
    }

    /// Returns the shape of each mask.
    pub fn mask_shapes(&self) -> &[Vec<usize>] {
        &self.masks
    }

    /// Returns the shape of each output, for one step of one sequence.
    pub fn output_shape(&self, output: usize) -> &[usize] {
        &self.step[self.cell.outputs[output].node.idx()]
    }

    /// Returns the number of elements of params and stored consts.
    pub fn param_count(&self) -> u64 {
        self.params.iter().map(|it| elements(it)).fold(0, u64::saturating_add)
    }

    /// Returns the number of elements of the values of one step of one sequence.
    pub fn step_count(&self) -> u64 {
        self.step.iter().map(|it| elements(it)).fold(0, u64::saturating_add)
    }

    /// Returns the numbers below which the whole numbers of an `index[V]` input lie.
    pub fn index_limit(&self, index: &Dim) -> u64 {
        self.env.size(index).and_then(|it| u64::try_from(it).ok()).unwrap_or(0)
    }
}

/// Returns the number of elements of a shape, at most [`u64::MAX`].
pub(crate) fn elements(shape: &[usize]) -> u64 {
    // An axis of size 0 empties the value, whatever the others are.
    if shape.contains(&0) { 0 } else { extent(shape) }
}

/// Returns the product of the axes that are not empty, at most [`u64::MAX`]. An array of no elements whose other axes leave the
/// range of memory cannot be made either.
pub(crate) fn extent(shape: &[usize]) -> u64 {
    let full = shape.iter().filter(|it| **it != 0);
    full.fold(1u64, |product, it| product.saturating_mul(*it as u64))
}

/// Fixes all sizes of a cell. `env` holds what was set; the rest follows from defaults.
pub fn bind(cell: &Cell, env: Env) -> Result<Bound, BindError> {
    let env = complete(cell, env)?;
    let cell = decide(cell, &env);

    let sized = |what: &str, name: &Name, shape: &Shape, span: Span| {
        sizes(shape, &env, span, &|| format!("{what} `{name}`"))
    };
    let inputs: Vec<Vec<usize>> = cell
        .inputs
        .iter()
        .map(|it| sized("input", &it.name, &it.shape, it.span))
        .collect::<Result<_, _>>()?;
    let carries = cell
        .carries
        .iter()
        .map(|it| sized("state", &it.name, &it.shape, it.span))
        .collect::<Result<_, _>>()?;
    let params = cell
        .params
        .iter()
        .map(|it| sized("param", &it.name, &it.shape, it.span))
        .collect::<Result<_, _>>()?;
    let masks = cell
        .masks
        .iter()
        .map(|it| sized("mask", &it.name, &it.shape, it.span))
        .collect::<Result<_, _>>()?;
    for mask in &cell.masks {
        let value = mask.probability.eval(&env).unwrap_or(f64::NAN);
        if !(0.0..=1.0).contains(&value) {
            let (name, span) = (mask.name.clone(), mask.span);
            return Err(BindError::Probability { name, value, span });
        }
    }
    for input in &cell.inputs {
        check_index_default(input, &env)?;
    }
    for carry in &cell.carries {
        check_index_start(&cell, carry, &env)?;
    }
    let step = shapes(&cell.step, &env)?;
    let start = shapes(&cell.start, &env)?;
    Ok(Bound { cell, env, step, start, inputs, carries, params, masks })
}

/// Checks what was set and adds what follows: defaults, `like`, hypers.
fn complete(cell: &Cell, mut env: Env) -> Result<Env, BindError> {
    let dims: BTreeMap<&Name, &DimDecl> = cell.dims.iter().map(|it| (&it.name, it)).collect();
    for (name, size) in &env.sizes {
        if let Some(dim) = dims.get(name) {
            if let Some(like) = &dim.like {
                return Err(BindError::FollowsDim { name: name.clone(), like: like.clone() });
            }
            if *size < 1 {
                return Err(BindError::NotPositive { name: name.clone(), size: *size });
            }
            if let (true, Some(fixed)) = (dim.fixed, dim.default)
                && *size != fixed
            {
                return Err(BindError::Fixed { name: name.clone(), size: *size, fixed });
            }
        } else if let Some((name, definition)) = cell.derived.iter().find(|(it, _)| it == name) {
            return Err(BindError::Derived {
                name: name.clone(),
                definition: definition.clone(),
                of: definition.names(),
            });
        } else {
            return Err(unknown(cell, name));
        }
    }
    let hypers: BTreeMap<&Name, &HyperKind> =
        cell.hypers.iter().map(|it| (&it.name, &it.kind)).collect();
    for name in env.hypers.keys() {
        match hypers.get(name) {
            Some(HyperKind::Number(_)) => {}
            Some(HyperKind::Activation(_)) => return Err(BindError::NotANumber(name.clone())),
            None => return Err(unknown(cell, name)),
        }
    }
    let mut unset = Vec::new();
    for dim in cell.dims.iter().filter(|it| it.like.is_none()) {
        if env.sizes.contains_key(&dim.name) {
            continue;
        }
        match dim.default {
            Some(size) if size < 1 => {
                return Err(BindError::NotPositive { name: dim.name.clone(), size });
            }
            Some(size) => {
                env.sizes.insert(dim.name.clone(), size);
            }
            None => unset.push(dim.name.clone()),
        }
    }
    if !unset.is_empty() {
        return Err(BindError::Unset(unset));
    }
    let given = std::mem::take(&mut env.hypers);
    follow(cell, &mut env);
    if let Some(dim) = cell.dims.iter().find(|it| !env.sizes.contains_key(&it.name)) {
        return Err(BindError::Unset(vec![dim.name.clone()]));
    }
    for hyper in &cell.hypers {
        if matches!(hyper.kind, HyperKind::Number(_)) && !env.hypers.contains_key(&hyper.name) {
            return Err(BindError::HyperUnset(hyper.name.clone()));
        }
    }
    // A hyper may have decided the structure of the graph already, such as a branch of `where`.
    for (name, value) in &given {
        let own = env.hypers[name];
        if own.to_bits() != value.to_bits() {
            return Err(BindError::HyperFixed { name: name.clone(), value: *value, own });
        }
    }
    Ok(env)
}

/// Adds what follows from known sizes: those of dims that are like others, and hypers. They may be declared in any
/// order.
fn follow(cell: &Cell, env: &mut Env) {
    // What a dim is like may be a derived one.
    let derived: BTreeMap<&Name, &Dim> = cell.derived.iter().map(|(it, dim)| (it, dim)).collect();
    let reads = cell.dims.iter().map(|it| match &it.like {
        Some(like) => derived.get(like).map_or_else(|| vec![like.clone()], |it| it.names()),
        None => Vec::new(),
    });
    for idx in order::of_names(cell.dims.iter().map(|it| &it.name), reads) {
        let dim = &cell.dims[idx];
        let Some(like) = &dim.like else { continue };
        let size = match derived.get(like) {
            Some(definition) => env.size(definition),
            None => env.sizes.get(like).copied(),
        };
        if let (Some(size), false) = (size, env.sizes.contains_key(&dim.name)) {
            env.sizes.insert(dim.name.clone(), size);
        }
    }
    for (name, value) in cell.numbers() {
        if !env.hypers.contains_key(name)
            && let Some(value) = value.eval(env)
        {
            env.hypers.insert(name.clone(), value);
        }
    }
}

/// Returns the sizes and hypers that a cell knows by itself: its defaults and those that follow.
pub fn known(cell: &Cell) -> Env {
    let own = cell.dims.iter().filter(|it| it.like.is_none());
    let sizes = own.filter_map(|it| Some((it.name.clone(), it.default?))).collect();
    let mut env = Env { sizes, ..Env::default() };
    follow(cell, &mut env);
    env
}

fn unknown(cell: &Cell, name: &Name) -> BindError {
    let mut known: Vec<Name> =
        cell.dims.iter().filter(|it| it.like.is_none()).map(|it| it.name.clone()).collect();
    known.extend(cell.hypers.iter().map(|it| it.name.clone()));
    BindError::Unknown { cell: cell.name.clone(), name: name.clone(), known }
}

fn check_index_default(input: &crate::ir::Input, env: &Env) -> Result<(), BindError> {
    let (Some(index), Some(default)) = (&input.index, &input.default) else { return Ok(()) };
    let limit = env.size(index).unwrap_or(0);
    let value = default.eval(env).unwrap_or(f64::NAN);
    if value >= 0.0 && value < limit as f64 && value.fract() == 0.0 {
        return Ok(());
    }
    Err(BindError::OutOfRange {
        what: format!(
            "the default {value} of index input `{}` is not a whole number in 0..{limit}",
            input.name
        ),
        sizes: sizes_of([index], env),
        span: input.span,
    })
}

fn check_index_start(cell: &Cell, carry: &Carry, env: &Env) -> Result<(), BindError> {
    let (Some(index), Start::Node(start)) = (&carry.index, &carry.start) else { return Ok(()) };
    let Op::Literal(Literal::Scalar(start)) = &cell.start.node(*start).op else { return Ok(()) };
    let limit = env.size(index).unwrap_or(0);
    let value = start.eval(env).unwrap_or(f64::NAN);
    if value >= 0.0 && value < limit as f64 && value.fract() == 0.0 {
        return Ok(());
    }
    Err(BindError::OutOfRange {
        what: format!("the start {value} of `{}` is not a whole number in 0..{limit}", carry.name),
        sizes: sizes_of([index], env),
        span: carry.span,
    })
}

/// Returns the concrete shape of each node of a graph, with every index and slice checked. Serves step, start, adjoint and
/// tangent graphs.
pub fn shapes(graph: &Graph, env: &Env) -> Result<Vec<Vec<usize>>, BindError> {
    let mut all: Vec<Vec<usize>> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let shape = sizes(&node.shape, env, node.span, &|| match &node.name {
            Some(name) => format!("`{name}`"),
            None => "a value".to_owned(),
        })?;
        check_bounds(node, &shape, &all, graph, env)?;
        all.push(shape);
    }
    Ok(all)
}

/// Returns the concrete sizes of a symbolic shape.
fn sizes(
    shape: &Shape,
    env: &Env,
    span: Span,
    what: &dyn Fn() -> String,
) -> Result<Vec<usize>, BindError> {
    let too_large = |why: &str| BindError::TooLarge {
        what: what(),
        shape: shape.clone(),
        why: why.to_owned(),
        sizes: sizes_of(shape.axes(), env),
        span,
    };
    let mut axes = Vec::with_capacity(shape.rank());
    for dim in shape.axes() {
        let value = env.size(dim).ok_or_else(|| too_large("an axis overflows"))?;
        if value < 0 {
            let sizes = sizes_of([dim], env);
            return Err(BindError::Negative { dim: dim.clone(), value, sizes, span });
        }
        axes.push(usize::try_from(value).map_err(|_| too_large("an axis overflows"))?);
    }
    if extent(&axes) > MAX_ELEMENTS {
        return Err(too_large("a value has at most 2^40 elements"));
    }
    Ok(axes)
}

/// Returns the sizes of the dims that occur in some polynomials, each once.
fn sizes_of<'d>(dims: impl IntoIterator<Item = &'d Dim>, env: &Env) -> Vec<(Name, i64)> {
    let mut names: Vec<Name> = dims.into_iter().flat_map(Dim::names).collect();
    names.sort();
    names.dedup();
    names.into_iter().filter_map(|it| env.sizes.get(&it).map(|size| (it.clone(), *size))).collect()
}

/// Checks the operators that symbolic dims cannot vouch for.
fn check_bounds(
    node: &Node,
    shape: &[usize],
    before: &[Vec<usize>],
    graph: &Graph,
    env: &Env,
) -> Result<(), BindError> {
    let fault = |what: String, dims: &[&Dim]| BindError::OutOfRange {
        what,
        sizes: sizes_of(dims.iter().copied(), env),
        span: node.span,
    };
    // A polynomial that overflows is outside of any axis.
    let at = |dim: &Dim| env.size(dim).map_or(i128::MAX, i128::from);
    match &node.op {
        Op::Move(Move::Slice { axis, from, to }) => {
            let size = &graph.shape(node.args[0]).axes()[*axis];
            let len = before[node.args[0].idx()][*axis] as i128;
            let (lo, hi) = (at(from), at(to));
            if lo < 0 || lo > hi || hi > len {
                return Err(fault(
                    format!("the slice {lo}..{hi} does not fit the axis `{size}` of size {len}"),
                    &[from, to, size],
                ));
            }
        }
        Op::Move(Move::Pick(index)) => {
            let size = &graph.shape(node.args[0]).axes()[0];
            let len = before[node.args[0].idx()][0] as i128;
            if !(0..len).contains(&at(index)) {
                return Err(fault(
                    format!("the index {} does not fit the axis `{size}` of size {len}", at(index)),
                    &[index, size],
                ));
            }
        }
        Op::Move(Move::Place(index)) => {
            let len = shape[0] as i128;
            if !(0..len).contains(&at(index)) {
                let size = &node.shape.axes()[0];
                return Err(fault(
                    format!("the index {} does not fit the axis `{size}` of size {len}", at(index)),
                    &[index, size],
                ));
            }
        }
        Op::Move(Move::Pad { before: lo, after: hi, .. }) => {
            if at(lo) < 0 || at(hi) < 0 {
                return Err(fault(
                    format!("{} zeros before and {} after do not exist", at(lo), at(hi)),
                    &[lo, hi],
                ));
            }
        }
        Op::Move(Move::Reshape) => {
            let from = elements(&before[node.args[0].idx()]);
            if from != elements(shape) {
                let old = graph.shape(node.args[0]);
                let dims: Vec<&Dim> = old.axes().iter().chain(node.shape.axes()).collect();
                return Err(fault(
                    format!("{old} has {from} elements and cannot become {}", node.shape),
                    &dims,
                ));
            }
        }
        Op::Literal(Literal::Array(values)) => {
            if shape != [values.len()] {
                return Err(fault(
                    format!("an array of {} numbers does not fit {}", values.len(), node.shape),
                    &node.shape.axes().iter().collect::<Vec<_>>(),
                ));
            }
        }
        Op::Move(Move::Concat(axis)) => {
            let sum: usize = node.args.iter().map(|it| before[it.idx()][*axis]).sum();
            if sum != shape[*axis] {
                return Err(fault(
                    format!("the parts have {sum} elements along `{}`", node.shape.axes()[*axis]),
                    &node.shape.axes().iter().collect::<Vec<_>>(),
                ));
            }
        }
        Op::Leaf(_)
        | Op::Literal(Literal::Scalar(_) | Literal::Eye | Literal::Iota)
        | Op::Map(_)
        | Op::Move(Move::Expand(_) | Move::Permute(_) | Move::Stack)
        | Op::Contract(_)
        | Op::Along(_)
        | Op::Indexed(_)
        | Op::Choice(_)
        | Op::Gradient(_) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;
