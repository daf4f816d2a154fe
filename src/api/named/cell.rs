//! A cell with what is set of it, and its weights in files.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use ndarray::{ArrayBase, Data, Dimension};

use super::engine::EngineBuilder;
use super::names::Of;
use super::params::Params;
use crate::api::{Affixes, CellSpec, Error, Spec};
use crate::data::{self, Folder};
use crate::diag::{Code, Diagnostic};
use crate::exec::{self, Bound, gradcheck};
use crate::ir::{self, Env, Real};
use crate::text::Name;

/// A cell: what a spec is about, with the sizes and hypers that are set of it. It changes nothing in place; every setting makes
/// another one.
///
/// ```
/// use rnnc::Cell;
///
/// let leaky = Cell::parse(
///     "cell Leaky { dims H  input x: [H]  state h: [H]  hyper a = 0.9  h = a * prev h + x  output h }",
/// )?;
/// let cell = leaky.bind([("H", "4"), ("a", "0.5")])?;
/// assert_eq!(cell.size("H"), Some(4));
/// assert!(leaky.bind([("Q", 4)]).is_err());
/// # Ok::<(), rnnc::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cell {
    spec: Spec,
    /// Settings that change the graph: hypers, and dims that decide the structure.
    set: Vec<(String, String)>,
    pub(super) sizes: BTreeMap<Name, i64>,
    /// The outputs that were asked for.
    outputs: Option<Vec<String>>,
    pub(super) own: CellSpec,
}

/// The form of weights in a file: in the layout of a framework, or under the cell's own names, within a larger model or alone.
///
/// ```
/// use rnnc::{Cell, Layout};
///
/// let cell = Cell::std("gru")?.bind([("I", 3), ("H", 4)])?;
/// let layout = Layout::named("pytorch").prefix("encoder.rnn.").suffix("_l0");
/// let stored = cell.init::<f32>(0)?.stored(&layout)?;
/// assert_eq!(stored[0].0, "encoder.rnn.weight_ih_l0");
/// # Ok::<(), rnnc::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    pub(super) name: String,
    pub(super) affixes: Affixes,
    pub(super) ignores_extra: bool,
}

impl Layout {
    /// The cell's own names.
    pub fn own() -> Layout {
        Layout::named(ir::layout::OWN)
    }

    /// A layout that the cell declares, such as `pytorch`.
    pub fn named(name: impl Into<String>) -> Layout {
        Layout { name: name.into(), affixes: Affixes::default(), ignores_extra: false }
    }

    /// Sets the place of the cell in a larger model, such as `encoder.rnn.`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Layout {
        self.affixes.prefix = prefix.into();
        self
    }

    /// Chooses one of several numbered layers, such as `_l1` or `_l0_reverse`.
    pub fn suffix(mut self, suffix: impl Into<String>) -> Layout {
        self.affixes.suffix = Some(suffix.into());
        self
    }

    /// A file may hold more than the cell needs.
    pub fn ignore_extra(mut self) -> Layout {
        self.ignores_extra = true;
        self
    }
}

impl Cell {
    /// The cell that a text is about. It may use the built-in library, but no files.
    ///
    /// # Errors
    ///
    /// Fails where the text does not compile, with all diagnostics in the error, and where it holds several cells: [`Cell::of`]
    /// names one.
    pub fn parse(source: &str) -> Result<Cell, Error> {
        Cell::of(&Spec::parse(source)?, None)
    }

    /// The cell of a file of the built-in library, such as `gru`.
    ///
    /// # Errors
    ///
    /// Fails where there is no such file.
    pub fn std(name: &str) -> Result<Cell, Error> {
        Cell::of(&Spec::std(name)?, None)
    }

    /// The cell that a `.rnn` file is about. It may use files beside it and below.
    ///
    /// # Errors
    ///
    /// As [`Cell::parse`]; and where the file cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Cell, Error> {
        let path = path.as_ref();
        let bytes = data::read_file(path)?;
        let name = path.display().to_string();
        Cell::of(&Spec::load(&name, &bytes, &Folder::of_file(path))?, None)
    }

    /// A cell of a spec: that of this name, or the one that the spec is about.
    ///
    /// # Errors
    ///
    /// Fails where there is no such cell, or several.
    pub fn of(spec: &Spec, name: Option<&str>) -> Result<Cell, Error> {
        let own = spec.configure(name, &[])?;
        let (set, sizes, outputs) = (Vec::new(), BTreeMap::new(), None);
        Ok(Cell { spec: spec.clone(), set, sizes, outputs, own })
    }

    /// The same cell with sizes of dims and values of hypers, activations too: what `--set` takes.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dim or hyper, or the value is none for it.
    pub fn bind<N: AsRef<str>, V: Display>(
        &self,
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Cell, Error> {
        let mut cell = self.clone();
        let mut rebuilds = false;
        for (name, value) in values {
            let (name, value) = (name.as_ref(), value.to_string());
            let dim = cell.own.ir().dims.iter().find(|it| &*it.name == name && it.like.is_none());
            match dim {
                Some(dim) if !dim.fixed => {
                    let size = value.parse::<i64>().ok().filter(|it| *it > 0).ok_or_else(|| {
                        let message =
                            format!("`{name}` is a size, from 1 on, and cannot be {value}");
                        Error::fit(Code::BadSetting, message)
                    })?;
                    cell.sizes.insert(dim.name.clone(), size);
                }
                Some(_) | None => {
                    cell.set.push((name.to_owned(), value));
                    rebuilds = true;
                }
            }
        }
        if rebuilds {
            cell.own = cell.rebuilt()?;
        }
        Ok(cell)
    }

    /// The same cell with other named values as outputs, the first one the main output.
    ///
    /// # Errors
    ///
    /// Fails where it has no value of such a name.
    pub fn outputs(&self, names: &[&str]) -> Result<Cell, Error> {
        let outputs = Some(names.iter().map(|it| (*it).to_owned()).collect());
        let mut cell = Cell { outputs, ..self.clone() };
        cell.own = cell.rebuilt()?;
        Ok(cell)
    }

    fn rebuilt(&self) -> Result<CellSpec, Error> {
        let set: Vec<(&str, &str)> =
            self.set.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let own = self.spec.configure(Some(self.name()), &set)?;
        match &self.outputs {
            None => Ok(own),
            Some(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                own.with_outputs(&names)
            }
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.own.ir().name
    }

    /// Returns warnings about the file of the cell.
    pub fn warnings(&self) -> &[Diagnostic] {
        self.own.warnings()
    }

    /// The spec that it is of.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The checked cell, in symbolic dims.
    pub fn ir(&self) -> &ir::Cell {
        self.own.ir()
    }

    /// The size of a dim, as far as it is set or has a default.
    pub fn size(&self, dim: &str) -> Option<i64> {
        let known = self.sizes.get(dim).copied();
        known.or_else(|| exec::known(self.own.ir()).sizes.get(dim).copied())
    }

    /// The cell with all of its sizes.
    ///
    /// # Errors
    ///
    /// Fails where a size is not set, or sizes do not fit each other.
    pub fn bound(&self) -> Result<Bound, Error> {
        let env = Env { sizes: self.sizes.clone(), ..Env::default() };
        Ok(exec::bind(self.own.ir(), env)?)
    }

    /// Draws params. A draw depends on the seed and the full name alone, and is the same in every release.
    ///
    /// # Errors
    ///
    /// Fails where a size is not set.
    pub fn init<F: Real>(&self, seed: u64) -> Result<Params<F>, Error> {
        let bound = self.bound()?;
        let inner = bound.init(seed)?;
        Ok(Params { bound: Arc::new(bound), inner })
    }

    /// Params from arrays, by name; all of them.
    ///
    /// # Errors
    ///
    /// Fails where one is missing, twice, or of another shape.
    pub fn params<'n, F: Real, S: Data<Elem = F>, D: Dimension>(
        &self,
        arrays: impl IntoIterator<Item = (&'n str, ArrayBase<S, D>)>,
    ) -> Result<Params<F>, Error> {
        let bound = self.bound()?;
        let cell = bound.cell();
        let bad = |message: String| Error::fit(Code::WeightsDoNotFit, message);
        let mut all: Vec<Option<_>> = cell.params.iter().map(|_| None).collect();
        for (name, array) in arrays {
            let at = Of::Param.place(cell, Some(name))?;
            let own = &bound.param_shapes()[at];
            if array.shape() != own.as_slice() {
                let shape = array.shape();
                return Err(bad(format!("param `{name}` has shape {shape:?}, expected {own:?}")));
            }
            if all[at].replace(array.to_owned().into_dyn()).is_some() {
                return Err(bad(format!("param `{name}` is given twice")));
            }
        }
        let named = all.into_iter().zip(&cell.params);
        let all = named.map(|(array, it)| {
            array.ok_or_else(|| bad(format!("param `{}` is not given", it.name)))
        });
        let inner = exec::Params::new(all.collect::<Result<_, Error>>()?);
        Ok(Params { bound: Arc::new(bound), inner })
    }

    /// An engine for it, to be configured.
    pub fn engine(&self) -> EngineBuilder<'_> {
        EngineBuilder::new(self)
    }

    /// Compares its gradients with forward mode and with differences, at sizes that are small or set.
    ///
    /// # Errors
    ///
    /// Fails where it cannot run.
    pub fn gradcheck(&self) -> Result<gradcheck::Report, Error> {
        let env = Env { sizes: self.sizes.clone(), ..Env::default() };
        let options = gradcheck::Options { env, ..gradcheck::Options::default() };
        Ok(gradcheck::gradcheck(self.own.ir(), &options)?)
    }
}
