//! Sizes of dims that follow from the shapes of given data and weights.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::error::Error;
use crate::diag::Code;
use crate::ir::{self, Dim, Shape};
use crate::text::Name;

/// An array that was given: what it is, what shape it should have and what shape it has.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Its name in messages, such as ``input `x` ``.
    pub what: String,
    /// The axes that it should have.
    pub shape: Shape,
    /// The sizes that it has.
    pub sizes: Vec<usize>,
    /// The code of the error when it does not fit.
    pub code: Code,
}

impl Evidence {
    fn misfit(&self, why: &str) -> Error {
        self.misfit_of(&self.shape.to_string(), why)
    }

    fn misfit_of(&self, shape: &str, why: &str) -> Error {
        let message =
            format!("{} should be {shape}, but has the shape {:?}{why}", self.what, self.sizes);
        Error::fit(self.code, message)
    }
}

/// Returns the sizes of all dims that were set or that follow from the evidence. Dims that nothing speaks of are left to their
/// defaults. An error names the two that contradict each other; where all but one array agree, it blames that one.
pub fn infer_sizes(
    cell: &ir::Cell,
    set: &BTreeMap<Name, i64>,
    evidence: &[Evidence],
) -> Result<BTreeMap<Name, i64>, Error> {
    infer(cell, set, evidence).map_err(|error| blame(cell, set, evidence).unwrap_or(error))
}

/// The most arrays among which the one at fault is looked for.
const MOST_SUSPECTS: usize = 64;

/// Returns the error of the array without which, or with whose transpose, all others agree.
fn blame(cell: &ir::Cell, set: &BTreeMap<Name, i64>, evidence: &[Evidence]) -> Option<Error> {
    let turned = |it: &Evidence| {
        let mut it = it.clone();
        let rank = it.sizes.len();
        it.sizes.swap(rank - 2, rank - 1);
        it
    };
    let is_weight = |it: &&Evidence| it.code == Code::WeightsDoNotFit && it.shape.rank() >= 2;
    let is_long = |it: &Evidence| {
        let rank = it.sizes.len();
        rank == it.shape.rank() && it.sizes[rank - 2] != it.sizes[rank - 1]
    };
    let mut alone = Vec::new();
    for (idx, it) in evidence.iter().enumerate().take(MOST_SUSPECTS) {
        if is_weight(&it) && is_long(it) {
            let mut all = evidence.to_vec();
            all[idx] = turned(it);
            if infer(cell, set, &all).is_ok() {
                let why = ": it is transposed; all others fit its transpose";
                return Some(it.misfit(why));
            }
        }
        let mut others = evidence.to_vec();
        others.remove(idx);
        if infer(cell, set, &others).is_ok() {
            alone.push(idx);
        }
    }
    // Weights of a framework that keeps them the other way round.
    let all = evidence.iter().map(|it| match is_weight(&it) && is_long(it) {
        true => turned(it),
        false => it.clone(),
    });
    let all: Vec<Evidence> = all.collect();
    let first = evidence.iter().find(|it| is_weight(it) && is_long(it));
    if let (Some(first), true) = (first, infer(cell, set, &all).is_ok()) {
        let count = evidence.iter().filter(|it| is_weight(it) && is_long(it)).count();
        let why = format!(": it is transposed, as are all {count} matrices that are not square");
        return Some(first.misfit(&why));
    }
    let [idx] = alone[..] else { return None };
    // What the others say comes first then.
    let mut all = evidence.to_vec();
    let last = all.remove(idx);
    all.push(last);
    infer(cell, set, &all).err()
}

fn infer(
    cell: &ir::Cell,
    set: &BTreeMap<Name, i64>,
    evidence: &[Evidence],
) -> Result<BTreeMap<Name, i64>, Error> {
    let mut known: BTreeMap<Name, (i64, String)> =
        set.iter().map(|(name, size)| (name.clone(), (*size, "was set".to_owned()))).collect();
    for it in evidence {
        if it.shape.rank() != it.sizes.len() {
            return Err(it.misfit(""));
        }
    }
    // What has decided the structure of the cell follows from nothing any more.
    for decl in &cell.dims {
        if let (true, Some(size)) = (decl.fixed, decl.default) {
            let why = format!(
                "decides the structure of the cell; another size is set with `--set {}=..`",
                decl.name
            );
            known.entry(decl.name.clone()).or_insert((size, why));
        }
    }

    // A dim that follows may let another one follow, so go round until nothing new is found.
    let mut found = true;
    while found {
        found = false;
        for it in evidence {
            for (axis, size) in it.shape.axes().iter().zip(&it.sizes) {
                let left = axis.substitute(&|name| known_size(cell, &known, name).map(Dim::number));
                let Some((name, size)) = left.ok().and_then(|it| it.solve(to_i64(*size))) else {
                    continue;
                };
                let name = base(cell, &name);
                if let Entry::Vacant(place) = known.entry(name) {
                    place.insert((size, format!("follows from {}", it.what)));
                    found = true;
                }
            }
        }
    }

    for it in evidence {
        for (axis, size) in it.shape.axes().iter().zip(&it.sizes) {
            let left = axis.substitute(&|name| known_size(cell, &known, name).map(Dim::number));
            if let Ok(left) = left
                && left.is_linear_in_one()
                && left.solve(to_i64(*size)).is_none()
            {
                let name = &left.names()[0];
                return Err(it.misfit(&format!("; no whole `{name}` makes `{left}` {size}")));
            }
        }
    }

    for decl in &cell.dims {
        if let (Some(default), None) = (decl.default, &decl.like) {
            known.entry(decl.name.clone()).or_insert((default, "is the default".to_owned()));
        }
    }
    for it in evidence {
        for (axis, size) in it.shape.axes().iter().zip(&it.sizes) {
            let expected = axis.eval(&|name| known_size(cell, &known, name));
            if expected.is_some_and(|expected| expected != to_i64(*size)) {
                let reasons: Vec<String> = axis
                    .names()
                    .iter()
                    .filter_map(|name| known.get(&base(cell, name)).map(|it| (name, it)))
                    .map(|(name, (size, why))| format!("`{name}` = {size} {why}"))
                    .collect();
                // Of `3 * H` the number is not seen at once.
                let whole = |it: &Dim| it.eval(&|name| known_size(cell, &known, name));
                let computed = it.shape.axes().iter().any(|it| it.as_symbol().is_none());
                let numbers: Option<Vec<i64>> = it.shape.axes().iter().map(whole).collect();
                let numbers = numbers.filter(|_| computed).map(|it| format!(" (here {it:?})"));
                let shape = format!("{}{}", it.shape, numbers.unwrap_or_default());
                let reasons = reasons.join(", ");
                let why = if reasons.is_empty() { reasons } else { format!("; {reasons}") };
                return Err(it.misfit_of(&shape, &why));
            }
        }
    }
    Ok(known.into_iter().map(|(name, (size, _))| (name, size)).collect())
}

/// Returns the sizes with those of dims that are `like` others.
pub fn all_sizes(cell: &ir::Cell, sizes: &BTreeMap<Name, i64>) -> BTreeMap<Name, i64> {
    let likes = cell.dims.iter().filter(|it| it.like.is_some());
    let likes = likes.filter_map(|it| Some((it.name.clone(), *sizes.get(&base(cell, &it.name))?)));
    let mut all: BTreeMap<Name, i64> = likes.collect();
    all.extend(sizes.iter().map(|(name, size)| (name.clone(), *size)));
    all
}

/// Returns the dim whose size this one has: itself, or what it is declared to be `like`.
fn base(cell: &ir::Cell, name: &Name) -> Name {
    let mut name = name.clone();
    // Checking has refused cycles of `like`; the bound holds for graphs read from disk.
    for _ in 0..cell.dims.len() {
        match cell.dims.iter().find(|it| it.name == name).and_then(|it| it.like.clone()) {
            Some(next) => name = next,
            None => break,
        }
    }
    name
}

fn known_size(cell: &ir::Cell, known: &BTreeMap<Name, (i64, String)>, name: &str) -> Option<i64> {
    known.get(&base(cell, &name.into())).map(|(size, _)| *size)
}

fn to_i64(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
