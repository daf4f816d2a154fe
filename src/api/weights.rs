//! Weights in the files of this program and of other frameworks: which tensors of a file belong to a
//! cell, and what they hold.

mod write;

use std::collections::BTreeMap;

use ndarray::{ArrayD, ArrayViewD};

use super::error::Error;
use super::sizes::{Evidence, infer_sizes};
use crate::data::{DType, Stored, Tensor};
use crate::diag::Code;
use crate::exec::layout::{LayoutError, concrete, take_apart};
use crate::ir::{self, Env, Layout, Real, Row, layout::OWN};
use crate::text::Name;

pub use write::{names, stored, stored_gradients};

/// The texts in a file before and after the names of a layout.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Affixes {
    /// The place of the cell in a larger model, such as `encoder.rnn.`.
    pub prefix: String,
    /// The number of the layer among several, such as `_l1` or `_l0_reverse`. Without one, the names are alone, or have such an
    /// ending that only one layer of the file has.
    pub suffix: Option<String>,
}

/// The tensors of a file, sorted by what a cell needs.
#[derive(Clone, Debug)]
pub struct Weights {
    layout: Layout,
    /// For each row of the layout its tensors with their names in the file, if all are there.
    rows: Vec<Option<Vec<(String, Tensor)>>>,
    missing: Vec<(String, usize)>,
    /// The tensors that the file need not have and does not have: zeros.
    zeros: Vec<(String, usize)>,
    extra: Vec<(String, Vec<usize>)>,
    elsewhere: usize,
    /// The beginning that the layout's names have in the file, if they are found behind one only.
    prefix: Option<String>,
    suffixes: Vec<String>,
    /// The ending without which the missing names may also be.
    optional: Option<String>,
}

impl Weights {
    /// Finds the tensors of a layout in a file. Where all params of the cell are those of one layer or stack, its
    /// name may be missing from all names of the file.
    pub fn find(
        cell: &ir::Cell,
        layout: Layout,
        affixes: &Affixes,
        tensors: impl IntoIterator<Item = (String, impl Into<Stored>)>,
    ) -> Result<Weights, Error> {
        let tensors = tensors.into_iter().map(|(name, tensor)| (name, tensor.into()));
        let mut tensors: BTreeMap<String, Stored> = tensors.collect();
        check_suffix(&layout, affixes)?;
        let mut endings = Endings::of(&layout, affixes, None, &tensors)?;
        let mut optional = only_layer(cell, &layout).map(|it| format!("{it}."));
        let mut sought = vec![endings.names()];
        if let Some(head) = &optional {
            let bare = Endings::of(&layout, affixes, Some(head), &tensors);
            if let Ok(bare) = &bare {
                sought.push(bare.names());
            }
            if !endings.finds_any(&tensors)
                && bare.as_ref().map_or(true, |it| it.finds_any(&tensors))
            {
                endings = bare?;
                optional = None;
            }
        }
        if !endings.finds_any(&tensors)
            && let Some(numbered) = Endings::by_rule(cell, &layout, affixes)
            && numbered.finds_any(&tensors)
        {
            endings = numbered;
        }
        let mut missing = Vec::new();
        let mut rows = Vec::with_capacity(layout.rows.len());
        for (idx, row) in layout.rows.iter().enumerate() {
            let names = row.stored.iter().map(|it| endings.in_file(it));
            // Only what is asked for is decoded.
            let found = names.map(|name| {
                let tensor = tensors.remove(&name).map(|it| it.tensor()).transpose();
                let tensor =
                    tensor.map_err(|it| Error::fit(it.code(), format!("tensor `{name}`: {it}")))?;
                Ok((name, tensor))
            });
            let found: Vec<(String, Option<Tensor>)> = found.collect::<Result<_, Error>>()?;
            let lacks = found.iter().filter(|it| it.1.is_none());
            missing.extend(lacks.map(|it| (it.0.clone(), idx)));
            let all = found.into_iter().map(|(name, tensor)| Some((name, tensor?)));
            rows.push(all.collect::<Option<Vec<_>>>());
        }
        check_directions(&layout, &rows)?;
        // A file that has nothing that is wanted does not lack biases alone.
        let (mut zeros, missing): (Vec<_>, Vec<_>) =
            missing.into_iter().partition(|it| layout.rows[it.1].optional);
        let finds_any = rows.iter().any(Option::is_some);
        let missing = if finds_any { missing } else { zeros.drain(..).chain(missing).collect() };
        let bases: Vec<&str> = endings.spelled.values().map(Spelled::base).collect();
        // Tensors of other parts of a model and of other layers are not the cell's.
        let is_elsewhere = |name: &str| match name.strip_prefix(&*affixes.prefix) {
            Some(name) => {
                let numbered = |it: &&str| name.strip_prefix(*it).is_some_and(is_numbering);
                affixes.suffix.is_some() && bases.iter().any(numbered)
            }
            None => true,
        };
        let prefix = sought.iter().find_map(|it| hint(it, tensors.keys()));
        let prefix = prefix.filter(|it| *it != affixes.prefix);
        let mut suffixes = Vec::new();
        for name in tensors.keys().filter_map(|it| it.strip_prefix(&*affixes.prefix)) {
            let free = endings.spelled.values().filter(|it| it.stack.is_none());
            let endings = free.filter_map(|it| name.strip_prefix(it.name.as_str()));
            suffixes.extend(endings.filter(|it| is_numbering(it)).map(ToOwned::to_owned));
        }
        suffixes.sort_unstable();
        suffixes.dedup();
        let (other, extra): (Vec<_>, Vec<_>) =
            tensors.into_iter().partition(|(name, _)| is_elsewhere(name));
        let extra = extra.into_iter().map(|(name, tensor)| (name, tensor.shape)).collect();
        let elsewhere = other.len();
        Ok(Weights { layout, rows, missing, zeros, extra, elsewhere, prefix, suffixes, optional })
    }

    /// Lists the tensors that the file lacks: the names with their shapes, and the params in them.
    pub fn missing(&self, cell: &ir::Cell) -> Vec<String> {
        // What is there may tell the sizes; where it contradicts itself, dims have to do.
        let sizes = infer_sizes(cell, &BTreeMap::new(), &self.evidence(cell)).unwrap_or_default();
        let env = Env { sizes, ..Env::default() };
        let text = |(name, row): &(String, usize)| {
            let row = &self.layout.rows[*row];
            let text = format!("`{name}: {}`", row.shape);
            match concrete(&row.shape, &env) {
                _ if &*self.layout.name == OWN => text,
                Ok(sizes) => format!("{text} (here {sizes:?}, of {})", holds(cell, row)),
                Err(_) => format!("{text} (of {})", holds(cell, row)),
            }
        };
        self.missing.iter().map(text).collect()
    }

    /// Returns the params that the missing tensors hold.
    pub fn missing_params(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = self.missing.iter().map(|it| it.1).collect();
        rows.dedup();
        rows.into_iter().flat_map(|it| self.layout.rows[it].params()).collect()
    }

    /// Returns the tensors that the file need not have and does not have, and the params that are 0 for that; nothing if there
    /// are none.
    pub fn zeros(&self, cell: &ir::Cell) -> Option<(Vec<String>, Vec<String>)> {
        let tensors: Vec<String> = self.zeros.iter().map(|it| it.0.clone()).collect();
        let params = self.zeros.iter().flat_map(|it| self.layout.rows[it.1].params());
        let mut params: Vec<usize> = params.collect();
        params.sort_unstable();
        params.dedup();
        let params = params.into_iter().map(|it| cell.params[it].name.to_string()).collect();
        (!tensors.is_empty()).then_some((tensors, params))
    }

    /// Lists the other tensors of the file.
    pub fn extra(&self) -> Vec<String> {
        self.extra.iter().map(|(name, shape)| format!("{name} {shape:?}")).collect()
    }

    /// Returns the number of tensors of the file outside of the prefix or the suffix.
    pub fn elsewhere(&self) -> usize {
        self.elsewhere
    }

    /// Returns a prefix under which the file has names that are missing.
    pub fn prefix_in_file(&self) -> Option<&str> {
        self.prefix.as_deref()
    }

    /// Returns the name of the only layer with its point, without which the missing names may be, too.
    pub fn optional_prefix(&self) -> Option<&str> {
        self.optional.as_deref()
    }

    /// Returns the endings of the names in the file, if it has several and another one was asked for.
    pub fn suffixes_in_file(&self) -> &[String] {
        &self.suffixes
    }

    /// Returns the layout that the tensors were sorted by.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the evidence of the shapes about sizes.
    pub fn evidence(&self, cell: &ir::Cell) -> Vec<Evidence> {
        let mut all = Vec::new();
        for (row, found) in self.layout.rows.iter().zip(&self.rows) {
            for (name, tensor) in found.iter().flatten() {
                let what = if &*self.layout.name == OWN {
                    format!("param `{name}`")
                } else {
                    format!("tensor `{name}` ({})", holds(cell, row))
                };
                let (shape, sizes) = (row.shape.clone(), tensor.shape.clone());
                all.push(Evidence { what, shape, sizes, code: Code::WeightsDoNotFit });
            }
        }
        all
    }

    /// Returns the params, by their position in the cell; those of missing tensors are left open.
    pub fn params<F: Real>(
        &self,
        cell: &ir::Cell,
        env: &Env,
    ) -> Result<Vec<Option<ArrayD<F>>>, Error> {
        let mut params: Vec<Option<ArrayD<F>>> = cell.params.iter().map(|_| None).collect();
        for (row, found) in self.layout.rows.iter().zip(&self.rows) {
            let Some([(name, first), others @ ..]) = found.as_deref() else { continue };
            // A copy, and what is computed with.
            crate::exec::ask::<f64>(2 * first.values.len(), "the weights")
                .map_err(|it| Error::fit(it.code(), it.to_string()))?;
            let mut sum = first.values.clone();
            for (_, other) in others {
                let fault = |_| misfit(name, row, cell, &LayoutError::NoArrangement);
                check_shape(row, env, other).map_err(fault)?;
                check_shape(row, env, first).map_err(fault)?;
                sum += &other.values;
            }
            let mut give = |param: usize, array: ArrayViewD<'_, f64>| {
                if let Some(slot) = params.get_mut(param) {
                    *slot = Some(array.mapv(F::of));
                }
            };
            take_apart(cell, env, row, sum.view(), &mut give)
                .map_err(|it| misfit(name, row, cell, &it))?;
        }
        for row in self.zeros.iter().map(|it| &self.layout.rows[it.1]) {
            for param in row.params() {
                let shape = concrete(&cell.params[param].shape, env);
                let shape = shape.map_err(|it| misfit(&self.zeros[0].0, row, cell, &it))?;
                params[param].get_or_insert_with(|| ArrayD::zeros(shape));
            }
        }
        Ok(params)
    }

    /// Returns the type that each param has in the file; the widest where it is a sum.
    pub fn types(&self, cell: &ir::Cell) -> Vec<Option<DType>> {
        let mut types = vec![None; cell.params.len()];
        for (row, found) in self.layout.rows.iter().zip(&self.rows) {
            let Some(found) = found else { continue };
            let widest = found.iter().map(|it| it.1.dtype).reduce(wider);
            row.params().into_iter().for_each(|it| types[it] = widest);
        }
        types
    }
}

/// Returns the float type that holds all numbers of two types; that of whole numbers is `f64`.
pub fn wider(a: DType, b: DType) -> DType {
    match (a, b) {
        (DType::F16, DType::F16) => DType::F16,
        (DType::BF16, DType::BF16) => DType::BF16,
        (DType::F16 | DType::BF16 | DType::F32, DType::F16 | DType::BF16 | DType::F32) => {
            DType::F32
        }
        (_, _) => DType::F64,
    }
}

/// ONNX stores both directions of a cell in one tensor, along its first axis; a cell reads one of them.
fn check_directions(layout: &Layout, rows: &[Option<Vec<(String, Tensor)>>]) -> Result<(), Error> {
    if &*layout.name != "onnx" {
        return Ok(());
    }
    for (row, found) in layout.rows.iter().zip(rows) {
        for (name, tensor) in found.iter().flatten() {
            let one = row.shape.axes().first().is_some_and(|it| *it == ir::Dim::number(1));
            if one && tensor.shape.first() == Some(&2) && tensor.shape.len() == row.shape.rank() {
                let message = format!(
                    "tensor `{name}` {:?} is of a bidirectional node: its first axis counts directions, and the cell reads \
                     one; save {name}[:1] for the forward and {name}[1:] for the backward one",
                    tensor.shape
                );
                return Err(Error::fit(Code::WeightsDoNotFit, message));
            }
        }
    }
    Ok(())
}

/// Returns the layout of this name. `own` is that of the cell's own names.
pub fn layout(cell: &ir::Cell, name: &str) -> Result<Layout, Error> {
    cell.layout(name).ok_or_else(|| {
        let known: Vec<String> =
            cell.layouts.iter().map(|it| it.name.to_string()).chain([OWN.to_owned()]).collect();
        Error::NoSuchLayout { cell: cell.name.to_string(), name: name.to_owned(), known }
    })
}

/// Returns the names of the params that a row holds, for messages.
pub fn holds(cell: &ir::Cell, row: &Row) -> String {
    let names: Vec<Name> = row.params().iter().map(|it| cell.params[*it].name.clone()).collect();
    if names.is_empty() { "zeros".to_owned() } else { names.join(", ") }
}

fn check_shape(row: &Row, env: &Env, tensor: &Tensor) -> Result<(), LayoutError> {
    let expected = concrete(&row.shape, env)?;
    if tensor.shape == expected {
        return Ok(());
    }
    Err(LayoutError::Shape { found: tensor.shape.clone(), expected })
}

fn misfit(name: &str, row: &Row, cell: &ir::Cell, error: &LayoutError) -> Error {
    let message = format!("tensor `{name}: {}` ({}): {error}", row.shape, holds(cell, row));
    Error::fit(Code::WeightsDoNotFit, message)
}

/// A name of a stored tensor in a file.
struct Spelled {
    name: String,
    /// The text before its number, if it is numbered as a layer of a stack.
    stack: Option<String>,
}

impl Spelled {
    fn plain(name: String) -> Spelled {
        Spelled { name, stack: None }
    }

    /// Returns the part that several numbered layers of a file would have in common.
    fn base(&self) -> &str {
        self.stack.as_deref().unwrap_or(&self.name)
    }

    /// A layer of a stack has its number already and takes no other, but it may be one that runs backward.
    fn with(&self, suffix: &str) -> String {
        match &self.stack {
            Some(_) if is_numbering(suffix) => self.name.clone(),
            Some(_) | None => format!("{}{suffix}", self.name),
        }
    }

    /// Without the name of the layer that it belongs to.
    fn without(&self, head: &str) -> Option<Spelled> {
        let name = self.name.strip_prefix(head)?.to_owned();
        let stack = self.stack.as_ref().and_then(|it| it.strip_prefix(head)).map(str::to_owned);
        Some(Spelled { name, stack })
    }
}

/// Returns the names that a stored tensor of one layer of a stack, `a[1].weight_ih`, may have in a file of a framework; the first
/// is the one that is written.
fn spellings(layout: &str, name: &str) -> Vec<Spelled> {
    let own = Spelled::plain(name.to_owned());
    let member = name.split_once('[').and_then(|(stack, rest)| {
        let (number, rest) = rest.split_once("].")?;
        number.bytes().all(|it| it.is_ascii_digit()).then_some((stack, number, rest))
    });
    match (layout, member) {
        ("pytorch", Some((stack, number, rest))) => {
            let base = format!("{stack}.{rest}");
            vec![Spelled { name: format!("{base}_l{number}"), stack: Some(base) }, own]
        }
        ("torchrecurrent", Some((stack, number, rest))) => {
            vec![Spelled::plain(format!("{stack}.cells.{number}.{rest}")), own]
        }
        (_, Some(_) | None) => vec![own],
    }
}

/// Returns the name of the layer or stack that all params of a cell and all names of a layout belong to.
fn only_layer<'c>(cell: &'c ir::Cell, layout: &Layout) -> Option<&'c str> {
    if &*layout.name == OWN {
        return None;
    }
    let of_layer = |name: &'c str| Some(&name[..name.find(['.', '['])?]);
    let mut heads = cell.params.iter().map(|it| of_layer(&it.name));
    let first = heads.next()??;
    let mut stored = layout.rows.iter().flat_map(|it| &it.stored);
    let in_it = |it: &String| it.strip_prefix(first).is_some_and(|it| it.starts_with(['.', '[']));
    (heads.all(|it| it == Some(first)) && stored.all(in_it)).then_some(first)
}

/// Returns the suffix that chooses one of several numbered layers says nothing where all layers that are sought are numbered.
fn check_suffix(layout: &Layout, affixes: &Affixes) -> Result<(), Error> {
    let Some(suffix) = affixes.suffix.as_deref().filter(|it| is_numbering(it)) else {
        return Ok(());
    };
    let mut names = layout.rows.iter().flat_map(|it| &it.stored);
    let first = names.clone().next().map(|it| spellings(&layout.name, it).swap_remove(0));
    let is_stack = |it: &String| spellings(&layout.name, it)[0].stack.is_some();
    match first {
        Some(first) if names.all(is_stack) => {
            let message = format!(
                "the names of a stack are numbered already, as in `{}`; the suffix `{suffix}` chooses one layer for a cell that has one",
                first.name
            );
            Err(Error::fit(Code::WeightsDoNotFit, message))
        }
        Some(_) | None => Ok(()),
    }
}

/// The endings of the names of a layout in a file.
struct Endings<'a> {
    affixes: &'a Affixes,
    /// The names as the file spells them.
    spelled: BTreeMap<&'a str, Spelled>,
    /// For names that are not alone.
    found: BTreeMap<&'a str, String>,
    /// The ending of all names that have one, so that missing ones are named like them.
    common: String,
}

impl<'a> Endings<'a> {
    /// Returns the names of the params of several layers where a file numbers layers; `None` where no number fits.
    fn by_rule(cell: &ir::Cell, layout: &'a Layout, affixes: &'a Affixes) -> Option<Endings<'a>> {
        let numbers = cell.numbering();
        if numbers.is_empty() || &*layout.name == OWN || affixes.suffix.is_some() {
            return None;
        }
        let numbered = |name: &str| {
            numbers.iter().find_map(|(layer, ending)| {
                let base = name.strip_prefix(&***layer)?.strip_prefix('.')?;
                let name = format!("{base}{ending}");
                Some(Spelled { name, stack: Some(base.to_owned()) })
            })
        };
        let names = layout.rows.iter().flat_map(|it| &it.stored);
        let spell =
            |it: &'a String| (&**it, numbered(it).unwrap_or_else(|| Spelled::plain(it.clone())));
        let spelled = names.map(spell).collect();
        Some(Endings { affixes, spelled, found: BTreeMap::new(), common: String::new() })
    }

    fn of(
        layout: &'a Layout,
        affixes: &'a Affixes,
        left_out: Option<&str>,
        tensors: &BTreeMap<String, Stored>,
    ) -> Result<Endings<'a>, Error> {
        let mut endings = Endings {
            affixes,
            spelled: BTreeMap::new(),
            found: BTreeMap::new(),
            common: String::new(),
        };
        for name in layout.rows.iter().flat_map(|it| &it.stored) {
            let mut all = spellings(&layout.name, name);
            if let Some(head) = left_out {
                all = all.iter().filter_map(|it| it.without(head)).collect();
            }
            let suffix = affixes.suffix.as_deref().unwrap_or_default();
            let is_there = |it: &Spelled| {
                tensors.contains_key(&format!("{}{}", affixes.prefix, it.with(suffix)))
            };
            let at = all.iter().position(is_there).unwrap_or(0);
            if let Some(spelled) = all.into_iter().nth(at) {
                endings.spelled.insert(name, spelled);
            }
        }
        if affixes.suffix.is_some() || &*layout.name == OWN {
            return Ok(endings);
        }
        let mut all: Vec<&str> = Vec::new();
        let mut stands_alone = false;
        for name in layout.rows.iter().flat_map(|it| &it.stored) {
            let Some(spelled) = endings.spelled.get(&**name) else { continue };
            let whole = format!("{}{}", affixes.prefix, spelled.name);
            if tensors.contains_key(&whole) {
                stands_alone |= spelled.stack.is_none();
                continue;
            }
            let later = tensors.range(whole.clone()..).map(|it| it.0);
            let with_it = later.map_while(|it| it.strip_prefix(&*whole));
            let numbered: Vec<&str> = with_it.filter(|it| is_numbering(it)).collect();
            if let [only] = numbered.as_slice() {
                endings.found.insert(name, (*only).to_owned());
            }
            all.extend(numbered);
        }
        all.sort_unstable();
        all.dedup();
        match all.as_slice() {
            [] => {}
            [only] => {
                if !stands_alone {
                    endings.common = (*only).to_owned();
                }
            }
            [..] if endings.found.len() == layout.rows.iter().flat_map(|it| &it.stored).count() => {
            }
            many => {
                let list: Vec<String> = many.iter().map(|it| format!("`{it}`")).collect();
                let message = format!(
                    "the file has {} layers of this layout, whose names end in {}; choose one by its suffix",
                    many.len(),
                    list.join(", ")
                );
                return Err(Error::fit(Code::WeightsDoNotFit, message));
            }
        }
        Ok(endings)
    }

    fn in_file(&self, name: &str) -> String {
        let suffix = match (&self.affixes.suffix, self.found.get(name)) {
            (Some(suffix), _) => suffix,
            (None, Some(found)) => found,
            (None, None) => &self.common,
        };
        let name = self.spelled.get(name).map_or_else(|| name.to_owned(), |it| it.with(suffix));
        format!("{}{name}", self.affixes.prefix)
    }

    /// Returns the names as the file spells them, without prefix and suffix.
    fn names(&self) -> Vec<String> {
        self.spelled.values().map(|it| it.name.clone()).collect()
    }

    fn finds_any(&self, tensors: &BTreeMap<String, Stored>) -> bool {
        self.spelled.keys().any(|it| tensors.contains_key(&self.in_file(it)))
    }
}

/// Returns true if a name ends like those of a numbered layer: `_l0`, `_l12_reverse`.
fn is_numbering(ending: &str) -> bool {
    let Some(rest) = ending.strip_prefix("_l") else { return false };
    let digits = rest.strip_suffix("_reverse").unwrap_or(rest);
    !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit())
}

/// Returns the text before the names of a layout in a file that has them after a point.
fn hint<'n>(stored: &[String], names: impl Iterator<Item = &'n String>) -> Option<String> {
    let mut prefixes: Vec<&str> = Vec::new();
    for name in names {
        for it in stored {
            let Some(end) = name.rfind(it.as_str()) else { continue };
            let (before, after) = (&name[..end], &name[end + it.len()..]);
            if before.ends_with('.') && (after.is_empty() || is_numbering(after)) {
                prefixes.push(before);
            }
        }
    }
    prefixes.sort_unstable();
    prefixes.dedup();
    match prefixes.as_slice() {
        [only] => Some((*only).to_owned()),
        _ => None,
    }
}
