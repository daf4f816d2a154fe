//! All of a training between two updates, as one file in the format of safetensors.
//!
//! Params and stored consts bear their own names; `train/opt.m.NAME` and the like are the buffers of the optimizer, `train/carry.NAME`
//! the values that cut sequences go on with. The remarks hold the numbers of update, epoch and place, the best validation, and what the
//! caller adds.

use std::collections::BTreeMap;

use ndarray::ArrayD;

use super::best::Best;
use super::data::Data;
use super::error::Error;
use super::options::Options;
use super::trainer::Trainer;
use crate::data::{DataError, Real32or64, read_safetensors_with_metadata, write_safetensors};
use crate::exec::{Bound, Params};
use crate::ir::{Cell, Real};

/// The version of the format.
const VERSION: u64 = 1;

/// The prefix of the names of tensors that are no weights.
pub const PREFIX: &str = "train/";

/// All of a training between two updates.
#[derive(Clone, PartialEq, Debug)]
pub struct Snapshot<F> {
    /// The tensors by name.
    pub tensors: BTreeMap<String, ArrayD<F>>,
    /// Remarks by name: the trainer's own begin with `train.`; others are the caller's, and stay.
    pub metadata: BTreeMap<String, String>,
}

impl<F: Real + Real32or64> Snapshot<F> {
    /// Returns the bytes of a file.
    pub fn to_bytes(&self) -> Result<Vec<u8>, DataError> {
        let tensors: Vec<_> =
            self.tensors.iter().map(|(name, it)| (name.clone(), it.clone())).collect();
        write_safetensors(&tensors, &self.metadata)
    }

    /// Reads what [`Snapshot::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Snapshot<F>, Error> {
        let file =
            read_safetensors_with_metadata(bytes).map_err(|it| Error::Snapshot(it.to_string()))?;
        let mut tensors = BTreeMap::new();
        for (name, tensor) in file.tensors {
            if tensor.dtype != F::DTYPE {
                let message =
                    format!("`{name}` is {}, and the training is in {}", tensor.dtype, F::NAME);
                return Err(Error::Snapshot(message));
            }
            // The numbers were of this type before, so nothing is rounded.
            tensors.insert(name, tensor.values.mapv(F::of));
        }
        let snapshot = Snapshot { tensors, metadata: file.metadata };
        match snapshot.number("version")? {
            VERSION => Ok(snapshot),
            other => Err(Error::Snapshot(format!(
                "this is version {other} of a snapshot; version {VERSION} is read"
            ))),
        }
    }
}

impl<F: Real> Snapshot<F> {
    /// Returns the number of updates that were done.
    pub fn step(&self) -> Result<u64, Error> {
        self.number("step")
    }

    /// Returns the best validation, and how many came since.
    pub fn best(&self) -> Result<Best, Error> {
        let at = match self.metadata.contains_key("train.best_step") {
            true => Some((self.number("best_step")?, self.number("best_loss")?)),
            false => None,
        };
        Ok(Best { at, waited: self.number("waited")? })
    }

    /// Returns the params and stored consts of a cell.
    pub fn params(&self, bound: &Bound) -> Result<Params<F>, Error> {
        let cell = bound.cell();
        let named = cell.params.iter().zip(bound.param_shapes());
        let arrays = named.map(|(param, shape)| self.tensor(&param.name, shape).cloned());
        Ok(Params::new(arrays.collect::<Result<_, _>>()?))
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<&ArrayD<F>, Error> {
        match self.tensors.get(name) {
            Some(array) if array.shape() == shape => Ok(array),
            Some(array) => Err(Error::Snapshot(format!(
                "`{name}` has the shape {:?}, expected {shape:?}",
                array.shape()
            ))),
            None => Err(Error::Snapshot(format!("there is no tensor `{name}`"))),
        }
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<T, Error> {
        let text = self.metadata.get(&format!("train.{name}"));
        let number = text.and_then(|it| it.parse().ok());
        number.ok_or_else(|| {
            Error::Snapshot(format!(
                "this is no snapshot of a training: `{name}` is missing or no number"
            ))
        })
    }
}

impl<F: Real> Trainer<F> {
    /// Returns all of the training between two updates.
    pub fn snapshot(&self) -> Snapshot<F> {
        let cell = self.model.cell();
        let mut tensors = BTreeMap::new();
        for (param, it) in cell.params.iter().zip(self.params.arrays()) {
            tensors.insert(param.name.to_string(), it.clone());
        }
        for (name, it) in self.buffers.named(cell) {
            tensors.insert(buffer(&name), it.clone());
        }
        for (it, name) in self.carried.iter().flatten().zip(carries(cell)) {
            tensors.insert(name, it.clone());
        }
        let mut metadata = BTreeMap::new();
        let mut note = |name: &str, value: String| metadata.insert(format!("train.{name}"), value);
        note("version", VERSION.to_string());
        note("step", self.step.to_string());
        note("epoch", self.epoch().to_string());
        note("place", self.place.to_string());
        note("waited", self.best.waited.to_string());
        if let Some((step, loss)) = self.best.at {
            note("best_step", step.to_string());
            // The shortest digits that read back the same number.
            note("best_loss", format!("{loss:?}"));
        }
        Snapshot { tensors, metadata }
    }

    /// Goes on from a snapshot of a training of the same model with the same data and options. A longer training may be asked for.
    pub fn resume(
        model: &Bound,
        data: &Data,
        options: Options,
        snapshot: &Snapshot<F>,
    ) -> Result<Trainer<F>, Error> {
        let mut trainer = Trainer::new(model, snapshot.params(model)?, data, options)?;
        let cell = model.cell();
        for (kind, arrays) in &mut trainer.buffers.kinds {
            for (it, param) in arrays.iter_mut().zip(&cell.params) {
                let Some(it) = it else { continue };
                let name = buffer(&format!("{kind}.{}", param.name));
                *it = snapshot.tensor(&name, it.shape())?.clone();
            }
        }
        let (step, epoch) = (snapshot.step()?, snapshot.number("epoch")?);
        trainer.seek(step, epoch, snapshot.number("place")?)?;
        trainer.best = snapshot.best()?;
        if snapshot.tensors.keys().any(|it| it.starts_with("train/carry.")) {
            let mut carried = Vec::new();
            for (name, shape) in carries(cell).zip(model.carry_shapes()) {
                let batch = snapshot.tensors.get(&name).and_then(|it| it.shape().first().copied());
                let shape = [&[batch.unwrap_or(0)], &shape[..]].concat();
                carried.push(snapshot.tensor(&name, &shape)?.clone());
            }
            trainer.carried = Some(carried);
        }
        Ok(trainer)
    }
}

fn buffer(name: &str) -> String {
    format!("{PREFIX}opt.{name}")
}

fn carries(cell: &Cell) -> impl Iterator<Item = String> {
    cell.carries.iter().map(|it| format!("{PREFIX}carry.{}", it.name))
}
