//! Results by name.

use std::sync::Arc;

use ndarray::ArrayD;

use super::names::{Of, unknown};
use crate::api::Error;
use crate::diag::Code;
use crate::exec::{self, Bound, NotFinite, engine};
use crate::ir::Real;
use crate::text::Name;

/// The results of a run, by name, and what goes back through it. It borrows nothing: it can be returned, stored and sent to
/// another thread. Beyond the length of a sequence all is 0.
///
/// ```
/// use ndarray::Array;
/// use rnnc::Cell;
///
/// let cell = Cell::std("lstm")?.bind([("I", 3), ("H", 4)])?;
/// let engine = cell.engine().trace(["f"]).build()?;
/// let run = engine.forward(&cell.init::<f32>(0)?, &Array::ones((5, 2, 3)))?;
/// assert_eq!(run.output("h")?, run.output(None)?); // the main output
/// assert_eq!(run.state("c")?.shape(), [2, 4]);
/// assert_eq!(run.trace("f")?.shape(), [5, 2, 4]);
/// assert!(run.output("q").is_err());
/// # Ok::<(), rnnc::Error>(())
/// ```
#[derive(Debug)]
pub struct Run<F> {
    pub(super) bound: Arc<Bound>,
    pub(super) traces: Arc<[Name]>,
    pub(super) inner: engine::Run<F>,
}

impl<F: Real> Run<F> {
    /// An output, `[T, B, ...]`; the main one without a name.
    ///
    /// # Errors
    ///
    /// Fails where the cell has no such output.
    pub fn output<'n>(&self, name: impl Into<Option<&'n str>>) -> Result<&ArrayD<F>, Error> {
        Ok(&self.inner.outputs[Of::Output.place(self.bound.cell(), name.into())?])
    }

    /// A carried value after the last step of each sequence, `[B, ...]`; the only one without a name.
    ///
    /// # Errors
    ///
    /// Fails where the cell has no such state.
    pub fn state<'n>(&self, name: impl Into<Option<&'n str>>) -> Result<&ArrayD<F>, Error> {
        Ok(&self.inner.states[Of::State.place(self.bound.cell(), name.into())?])
    }

    /// A named value that the engine traces, `[T, B, ...]`.
    ///
    /// # Errors
    ///
    /// Fails where the engine does not trace it.
    pub fn trace(&self, name: &str) -> Result<&ArrayD<F>, Error> {
        let at = self.traces.iter().position(|it| &**it == name);
        let none = || unknown(self.bound.cell(), "trace", Some(name), self.traces.iter());
        Ok(&self.inner.traces[at.ok_or_else(none)?])
    }

    /// An output, to keep without the run.
    ///
    /// # Errors
    ///
    /// As [`Run::output`].
    pub fn into_output<'n>(mut self, name: impl Into<Option<&'n str>>) -> Result<ArrayD<F>, Error> {
        let at = Of::Output.place(self.bound.cell(), name.into())?;
        Ok(self.inner.outputs.swap_remove(at))
    }

    /// T, the number of steps of the longest possible sequence.
    pub fn steps(&self) -> usize {
        self.inner.steps()
    }

    /// B, the number of sequences.
    pub fn batch(&self) -> usize {
        self.inner.batch()
    }

    /// Returns the number of steps of each sequence.
    pub fn lengths(&self) -> &[usize] {
        self.inner.lengths()
    }

    /// The first NaN or infinity, where there is one.
    pub fn not_finite(&self) -> Option<&NotFinite> {
        self.inner.not_finite.as_ref()
    }
}

/// Gradients, by name.
///
/// ```
/// use ndarray::Array;
/// use rnnc::{Cell, Upstream};
///
/// let cell = Cell::std("gru")?.bind([("I", 3), ("H", 4)])?;
/// let engine = cell.engine().build()?;
/// let run = engine.forward(&cell.init::<f32>(0)?, &Array::ones((5, 2, 3)))?;
/// let gradients = engine.backward(&run, Upstream::ones())?;
/// assert_eq!(gradients.param("U_r")?.shape(), [4, 4]);
/// assert_eq!(gradients.state("h")?.shape(), [2, 4]);
/// # Ok::<(), rnnc::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gradients<F> {
    pub(super) bound: Arc<Bound>,
    pub(super) inner: exec::Gradients<F>,
}

impl<F: Real> Gradients<F> {
    /// That of a param, in its shape.
    ///
    /// # Errors
    ///
    /// Fails where the cell has no such param, or it is a stored const, which has no gradient.
    pub fn param(&self, name: &str) -> Result<&ArrayD<F>, Error> {
        self.of(Of::Param, &self.inner.params, name)
    }

    /// That of an input, in the shape of the array that was given.
    ///
    /// # Errors
    ///
    /// Fails where the cell has no such input, or it was not given or has whole numbers.
    pub fn input(&self, name: &str) -> Result<&ArrayD<F>, Error> {
        self.of(Of::Input, &self.inner.inputs, name)
    }

    /// That of the start of a state, `[B, ...]`.
    ///
    /// # Errors
    ///
    /// Fails where the cell has no such state, or it has whole numbers.
    pub fn state(&self, name: &str) -> Result<&ArrayD<F>, Error> {
        self.of(Of::State, &self.inner.starts, name)
    }

    /// Those of all params that have one, in the order of the cell.
    pub fn params(&self) -> impl Iterator<Item = (&str, &ArrayD<F>)> {
        let params = self.bound.cell().params.iter().zip(&self.inner.params);
        params.filter_map(|(it, gradient)| Some((&*it.name, gradient.as_ref()?)))
    }

    /// The norm of all that comes to a state before each step and after the last, where
    /// [`EngineBuilder::flow`](super::EngineBuilder::flow) asks for it.
    ///
    /// # Errors
    ///
    /// Fails where the cell has no such state, or nobody asked.
    pub fn flow(&self, name: &str) -> Result<&[F], Error> {
        let at = Of::State.place(self.bound.cell(), Some(name))?;
        let flow = self.inner.flow.get(at).and_then(Option::as_deref);
        let none = || format!("the engine gives no flow of `{name}`");
        flow.ok_or_else(|| Error::fit(Code::BadSetting, none()))
    }

    fn of<'g>(
        &'g self,
        of: Of,
        all: &'g [Option<ArrayD<F>>],
        name: &str,
    ) -> Result<&'g ArrayD<F>, Error> {
        let at = of.place(self.bound.cell(), Some(name))?;
        let none = || Error::fit(Code::BadSetting, format!("`{name}` has no gradient"));
        all.get(at).and_then(Option::as_ref).ok_or_else(none)
    }
}
