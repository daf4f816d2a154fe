//! Constant expressions: numbers that are known once sizes and hypers are, and initialisers made of
//! them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::dim::Dim;
use super::pointwise::Pointwise;
use crate::text::{Name, work};

/// A number that does not change while a sequence runs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Const {
    /// A number; may be infinite.
    Number(f64),
    /// The size of a dim expression.
    Size(Dim),
    /// The value of a numeric hyper.
    Hyper(Name),
    /// An elementwise operator or function of constants.
    Apply(Pointwise, Vec<Const>),
}

/// The sizes and hypers that constants depend on.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Env {
    /// The size of each free dim.
    pub sizes: BTreeMap<Name, i64>,
    /// The value of each numeric hyper.
    pub hypers: BTreeMap<Name, f64>,
}

impl Env {
    /// Returns the size of a dim expression; `None` where a dim is unset or the size overflows.
    pub fn size(&self, dim: &Dim) -> Option<i64> {
        dim.eval(&|name| self.sizes.get(name).copied())
    }
}

impl Const {
    /// Returns the value, computed in f64; `None` where a dim or hyper is unset.
    pub fn eval(&self, env: &Env) -> Option<f64> {
        work::count();
        match self {
            Const::Number(value) => Some(*value),
            Const::Size(dim) => env.size(dim).map(|it| it as f64),
            Const::Hyper(name) => env.hypers.get(name).copied(),
            Const::Apply(op, args) => {
                let args: Option<Vec<f64>> = args.iter().map(|it| it.eval(env)).collect();
                Some(op.eval(&args?))
            }
        }
    }

    /// Returns the hypers that it reads.
    pub(crate) fn hypers(&self) -> Vec<Name> {
        match self {
            Const::Number(_) | Const::Size(_) => Vec::new(),
            Const::Hyper(name) => vec![name.clone()],
            Const::Apply(_, args) => args.iter().flat_map(Const::hypers).collect(),
        }
    }

    /// Returns the value, if it depends on nothing.
    pub fn as_number(&self) -> Option<f64> {
        self.eval(&Env::default())
    }
}

/// The first value of a param or stored const: constants, draws, and elementwise functions of both.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Init {
    /// The same number everywhere.
    Const(Const),
    /// 0, 1, 2, .. along the last axis, which the argument's size must fit.
    Iota(Dim),
    /// From the first to the second, both included, evenly along the last axis.
    Linspace(Const, Const),
    /// Independent random numbers, or a random matrix.
    Draw(Draw),
    /// An elementwise operator or function of initialisers.
    Apply(Pointwise, Vec<Init>),
}

/// A random initialiser. The last two axes are the matrix (fan-out, fan-in), earlier axes are
/// copies; a single axis is both.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Draw {
    /// Uniform in (lo, hi).
    Uniform(Const, Const),
    /// Normal with mean and standard deviation.
    Normal(Const, Const),
    /// Normal with mean 0 and this standard deviation, drawn again beyond two of them.
    TruncatedNormal(Const),
    /// Its logarithm is uniform between those of lo and hi.
    LogUniform(Const, Const),
    /// Variance `scale / fan`: Glorot (1, average of both fans), He (2, fan-in), LeCun (1, fan-in).
    Scaled {
        /// The name in the language, such as `glorot_uniform`.
        family: Family,
        /// Uniform with that variance, else normal.
        uniform: bool,
        /// Overrides of the fans.
        fan_in: Option<Const>,
        /// As `fan_in`.
        fan_out: Option<Const>,
    },
    /// A random orthogonal matrix times a gain: orthonormal rows or columns, whichever are fewer.
    Orthogonal(Const),
    /// The identity matrix times a factor.
    Identity(Const),
}

/// The authors of the scaled variance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Family {
    /// Glorot and Bengio 2010: variance 2 / (fan_in + fan_out).
    Glorot,
    /// He et al. 2015: variance 2 / fan_in.
    He,
    /// LeCun et al. 1998: variance 1 / fan_in.
    LeCun,
}
