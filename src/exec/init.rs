//! Drawing the params.
//!
//! A draw depends on the seed and the full name of the param alone, and has the same bits on every
//! machine and in every release. So nothing here may change: the key of a draw is made of its seed,
//! its number within the initialiser and two FNV-1a hashes of the name, in little-endian bytes;
//! ChaCha12 gives the bits; the upper 52 bits of a word give a number in (0, 1); a normal number is
//! the cosine half of Box and Muller over two of those. All is computed in f64 with functions that
//! are the same everywhere, and rounded once at the end.

use ndarray::{ArrayD, IxDyn};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::arrays::Params;
use super::bind::{Bound, MAX_BYTES};
use super::portable::Portable;
use crate::diag::Code;
use crate::ir::{Const, Draw, Env, Family, Init, Real};
use crate::text::{Name, Span};

/// The reasons for which a param cannot be drawn.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum InitError {
    /// An argument for which the initialiser is not defined.
    #[error("param `{param}` cannot be drawn: {what}")]
    OutOfRange {
        /// The param.
        param: Name,
        /// The argument and its bound.
        what: String,
        /// The declaration of the param.
        span: Span,
    },
    /// More than any machine holds.
    #[error("the params hold {numbers} numbers, more than this program agrees to draw")]
    TooLarge {
        /// The number of elements.
        numbers: u64,
    },
    /// More than the system gives.
    #[error("no memory for the {numbers} numbers of param `{param}`")]
    OutOfMemory {
        /// The param.
        param: Name,
        /// The number of its elements.
        numbers: usize,
    },
}

impl InitError {
    /// Returns the stable code.
    pub fn code(&self) -> Code {
        match self {
            InitError::OutOfRange { .. } => Code::ConstantOutOfRange,
            InitError::TooLarge { .. } | InitError::OutOfMemory { .. } => Code::SizesTooLarge,
        }
    }

    /// Returns the place in the source.
    pub fn span(&self) -> Option<Span> {
        match self {
            InitError::OutOfRange { span, .. } => Some(*span),
            InitError::TooLarge { .. } | InitError::OutOfMemory { .. } => None,
        }
    }
}

/// Draws all params and stored consts of a cell.
pub fn init<F: Real>(bound: &Bound, seed: u64) -> Result<Params<F>, InitError> {
    let all = (0..bound.cell().params.len()).map(|it| init_param(bound, it, seed));
    Ok(Params::new(all.collect::<Result<_, _>>()?))
}

/// Draws one param or stored const; it gets the same numbers as if all were drawn.
pub fn init_param<F: Real>(bound: &Bound, param: usize, seed: u64) -> Result<ArrayD<F>, InitError> {
    let numbers = bound.param_count();
    if numbers.saturating_mul(size_of::<f64>() as u64) > MAX_BYTES {
        return Err(InitError::TooLarge { numbers });
    }
    let shape = &bound.param_shapes()[param];
    let param = &bound.cell().params[param];
    let n: usize = shape.iter().product();
    // What is drawn, and the same in another type.
    if super::ask::<f64>(2 * n, "").is_err() {
        return Err(InitError::OutOfMemory { param: param.name.clone(), numbers: n });
    }
    let mut artist = Artist { env: bound.env(), name: &param.name, shape, seed, draws: 0 };
    let values = artist.values(&param.init).map_err(|what| InitError::OutOfRange {
        param: param.name.clone(),
        what,
        span: param.span,
    })?;
    let values = values.into_iter().map(F::of).collect();
    match ArrayD::from_shape_vec(IxDyn(shape), values) {
        Ok(array) => Ok(array),
        Err(fault) => unreachable!("`values` gives as many numbers as the shape has: {fault}"),
    }
}

/// Draws one param. Its faults are words about an argument.
struct Artist<'a> {
    env: &'a Env,
    name: &'a str,
    shape: &'a [usize],
    seed: u64,
    /// The number of draws of the initialiser so far: each has a key of its own.
    draws: u64,
}

impl Artist<'_> {
    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns the matrix of the last two axes, (fan-out, fan-in); a single axis is both, as a matrix of one row.
    fn matrix(&self) -> (usize, usize) {
        match *self.shape {
            [] => (1, 1),
            [n] => (1, n),
            [.., rows, cols] => (rows, cols),
        }
    }

    /// Returns the values in row-major order.
    fn values(&mut self, init: &Init) -> Result<Vec<f64>, String> {
        match init {
            Init::Const(value) => Ok(vec![self.number(value)?; self.len()]),
            Init::Iota(dim) => {
                let len = self.shape.last().copied().unwrap_or(1);
                match self.env.size(dim) {
                    Some(size) if size == len as i64 => {
                        Ok((0..self.len()).map(|it| (it % len) as f64).collect())
                    }
                    _ => Err(format!("iota({dim}) does not fit a last axis of size {len}")),
                }
            }
            Init::Linspace(lo, hi) => {
                let (lo, hi) = (self.finite(lo, "the start")?, self.finite(hi, "the end")?);
                let len = self.shape.last().copied().unwrap_or(1);
                let at = |idx: usize| match idx {
                    0 => lo,
                    // The end is met exactly, whatever the rounding of the way there.
                    _ if idx + 1 == len => hi,
                    _ => lo + (hi - lo) * (idx as f64 / (len - 1) as f64),
                };
                Ok((0..self.len()).map(|it| at(it % len)).collect())
            }
            Init::Draw(draw) => {
                let mut bits = Bits::new(self.seed, self.draws, self.name);
                self.draws += 1;
                self.draw(draw, &mut bits)
            }
            Init::Apply(op, args) => {
                let args: Vec<Vec<f64>> =
                    args.iter().map(|it| self.values(it)).collect::<Result<_, _>>()?;
                let at = |idx: usize| {
                    let args: Vec<Portable> = args.iter().map(|it| Portable(it[idx])).collect();
                    op.eval(&args).0
                };
                Ok((0..self.len()).map(at).collect())
            }
        }
    }

    fn draw(&self, draw: &Draw, bits: &mut Bits) -> Result<Vec<f64>, String> {
        let len = self.len();
        match draw {
            Draw::Uniform(lo, hi) => {
                let (lo, hi) = self.range(lo, hi)?;
                Ok((0..len).map(|_| bits.uniform(lo, hi)).collect())
            }
            Draw::Normal(mean, std) => {
                let mean = self.finite(mean, "the mean")?;
                let std = self.not_negative(std, "the standard deviation")?;
                Ok((0..len).map(|_| mean + std * bits.normal()).collect())
            }
            Draw::TruncatedNormal(std) => {
                let std = self.not_negative(std, "the standard deviation")?;
                let mut within = || {
                    loop {
                        let number = bits.normal();
                        if number.abs() <= 2.0 {
                            return number;
                        }
                    }
                };
                Ok((0..len).map(|_| std * within()).collect())
            }
            Draw::LogUniform(lo, hi) => {
                let (lo, hi) = self.range(lo, hi)?;
                if lo <= 0.0 {
                    return Err(format!("log_uniform starts above 0, not at {lo}"));
                }
                let (from, to) = (libm::log(lo), libm::log(hi));
                Ok((0..len).map(|_| libm::exp(bits.uniform(from, to))).collect())
            }
            Draw::Scaled { family, uniform, fan_in, fan_out } => {
                let variance = self.variance(*family, fan_in.as_ref(), fan_out.as_ref())?;
                Ok(if *uniform {
                    let bound = libm::sqrt(3.0 * variance);
                    (0..len).map(|_| bits.uniform(-bound, bound)).collect()
                } else {
                    let std = libm::sqrt(variance);
                    (0..len).map(|_| std * bits.normal()).collect()
                })
            }
            Draw::Orthogonal(gain) => {
                let gain = self.finite(gain, "the gain")?;
                let (rows, cols) = self.matrix();
                let mut values = Vec::with_capacity(len);
                for _ in 0..len.checked_div(rows * cols).unwrap_or(0) {
                    values.extend(orthogonal(rows, cols, bits).into_iter().map(|it| gain * it));
                }
                Ok(values)
            }
            Draw::Identity(scale) => {
                let scale = self.finite(scale, "the scale")?;
                let (rows, cols) = self.matrix();
                let at = |idx: usize| (idx / cols) % rows == idx % cols;
                Ok((0..len).map(|it| if at(it) { scale } else { 0.0 }).collect())
            }
        }
    }

    fn variance(
        &self,
        family: Family,
        fan_in: Option<&Const>,
        fan_out: Option<&Const>,
    ) -> Result<f64, String> {
        let (rows, cols) = match *self.shape {
            [n] => (n, n),
            _ => self.matrix(),
        };
        let fan = |given: Option<&Const>, own: usize, what: &str| {
            let fan = given.map_or(Ok(own as f64), |it| self.finite(it, what))?;
            // Without elements nothing is drawn, and no fan can be asked to be positive.
            if fan > 0.0 || self.len() == 0 {
                Ok(fan)
            } else {
                Err(format!("{what} must be above 0, not {fan}"))
            }
        };
        let fan_out = fan(fan_out, rows, "fan_out")?;
        let fan_in = fan(fan_in, cols, "fan_in")?;
        Ok(match family {
            Family::Glorot => 2.0 / (fan_in + fan_out),
            Family::He => 2.0 / fan_in,
            Family::LeCun => 1.0 / fan_in,
        })
    }

    fn number(&self, value: &Const) -> Result<f64, String> {
        constant(value, self.env).ok_or_else(|| "a size overflows".to_owned())
    }

    fn finite(&self, value: &Const, what: &str) -> Result<f64, String> {
        let number = self.number(value)?;
        if number.is_finite() {
            Ok(number)
        } else {
            Err(format!("{what} must be finite, not {number}"))
        }
    }

    fn not_negative(&self, value: &Const, what: &str) -> Result<f64, String> {
        let number = self.finite(value, what)?;
        if number >= 0.0 {
            Ok(number)
        } else {
            Err(format!("{what} must not be negative, but is {number}"))
        }
    }

    fn range(&self, lo: &Const, hi: &Const) -> Result<(f64, f64), String> {
        let lo = self.finite(lo, "the lower bound")?;
        let hi = self.finite(hi, "the upper bound")?;
        if lo <= hi { Ok((lo, hi)) } else { Err(format!("the range {lo} to {hi} is empty")) }
    }
}

/// As [`Const::eval`], with the same bits everywhere.
fn constant(value: &Const, env: &Env) -> Option<f64> {
    match value {
        Const::Number(value) => Some(*value),
        Const::Size(dim) => env.size(dim).map(|it| it as f64),
        Const::Hyper(name) => env.hypers.get(name).copied(),
        Const::Apply(op, args) => {
            let args: Option<Vec<Portable>> =
                args.iter().map(|it| constant(it, env).map(Portable)).collect();
            Some(op.eval(&args?).0)
        }
    }
}

/// The random numbers of one draw.
#[derive(Clone)]
pub(crate) struct Bits(ChaCha12Rng);

impl Bits {
    fn new(seed: u64, draw: u64, name: &str) -> Bits {
        let mut key = [0; 32];
        let words = [
            seed,
            draw,
            // The offset basis of FNV-1a, and its bits turned over for a second, independent hash.
            fnv(0xcbf2_9ce4_8422_2325, name),
            fnv(!0xcbf2_9ce4_8422_2325, name),
        ];
        for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Bits(ChaCha12Rng::from_seed(key))
    }

    /// Returns the bits that decide a mask at one step of one sequence. No param has a blank in its name, so none shares a key
    /// with a mask.
    pub(super) fn of_mask(seed: u64, name: &str, sequence: u64, step: u64) -> Bits {
        Bits::of_step(seed, &format!("mask {name}"), sequence, step)
    }

    /// Returns the bits that decide a draw at one step of one sequence; the key has a blank in it, as no param has.
    pub(super) fn of_step(seed: u64, key: &str, sequence: u64, step: u64) -> Bits {
        Bits::new(seed, sequence, key).at_step(step)
    }

    /// Returns the bits that decide a draw at all steps of one sequence: [`Bits::at_step`] of it is [`Bits::of_step`].
    /// [`Bits::at_step`] of it is [`Bits::of_step`].
    pub(super) fn of_sequence(seed: u64, key: &str, sequence: u64) -> Bits {
        Bits::new(seed, sequence, key)
    }

    pub(super) fn at_step(&self, step: u64) -> Bits {
        let mut bits = self.clone();
        bits.0.set_stream(step);
        bits
    }

    /// Returns the bits that decide a draw other than of a param or a mask, such as `data sine`: the purpose has a blank, as no
    /// param has.
    pub(crate) fn of_use(seed: u64, purpose: &str, number: u64) -> Bits {
        debug_assert!(purpose.contains(' '));
        Bits::new(seed, number, purpose)
    }

    /// Returns a whole number below `limit`, each as likely: words beyond the last whole multiple of it are drawn again.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        let rest = (u64::MAX % limit + 1) % limit;
        loop {
            let word = self.0.next_u64();
            if word <= u64::MAX - rest {
                return word % limit;
            }
        }
    }

    /// In (0, 1), both ends left out: 52 bits and a half.
    pub(crate) fn unit(&mut self) -> f64 {
        ((self.0.next_u64() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }

    fn uniform(&mut self, lo: f64, hi: f64) -> f64 {
        lo + (hi - lo) * self.unit()
    }

    fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(self.unit()));
        radius * libm::cos(2.0 * std::f64::consts::PI * self.unit())
    }
}

fn fnv(basis: u64, name: &str) -> u64 {
    name.bytes().fold(basis, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Returns a matrix with orthonormal rows or columns, whichever are fewer, uniformly among all of them: the Q of the QR
/// decomposition of a normal matrix, by Householder reflections, each column with the sign of the diagonal of R.
fn orthogonal(rows: usize, cols: usize, bits: &mut Bits) -> Vec<f64> {
    let (tall, narrow) = (rows.max(cols), rows.min(cols));
    // One column each, so that the inner loops run along memory.
    let mut columns: Vec<Vec<f64>> =
        (0..narrow).map(|_| (0..tall).map(|_| bits.normal()).collect()).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b);
    let reflect = |mirror: &[f64], column: &mut [f64]| {
        let length = dot(mirror, mirror);
        if length > 0.0 {
            let factor = 2.0 * dot(mirror, column) / length;
            for (it, mirror) in column.iter_mut().zip(mirror) {
                *it -= factor * mirror;
            }
        }
    };
    let mut mirrors: Vec<Vec<f64>> = Vec::with_capacity(narrow);
    let mut signs = Vec::with_capacity(narrow);
    for k in 0..narrow {
        let mut mirror = columns[k][k..].to_vec();
        let norm = libm::sqrt(dot(&mirror, &mirror));
        // The reflection that does not cancel; it leaves -sign * norm on the diagonal.
        let sign = if mirror[0] < 0.0 { -1.0 } else { 1.0 };
        mirror[0] += sign * norm;
        for column in &mut columns[k + 1..] {
            reflect(&mirror, &mut column[k..]);
        }
        signs.push(-sign);
        mirrors.push(mirror);
    }
    let mut values = vec![0.0; rows * cols];
    for k in 0..narrow {
        let mut column = vec![0.0; tall];
        column[k] = signs[k];
        for (at, mirror) in mirrors.iter().enumerate().rev() {
            reflect(mirror, &mut column[at..]);
        }
        for (idx, value) in column.into_iter().enumerate() {
            let (row, col) = if rows >= cols { (idx, k) } else { (k, idx) };
            values[row * cols + col] = value;
        }
    }
    values
}

#[cfg(test)]
mod tests;
