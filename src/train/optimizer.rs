//! What an update makes of the gradients, as PyTorch 2 does it.
//!
//! Scalars, such as a step size with its correction for the bias of the first updates, are computed in f64 and rounded to the type of
//! the params where they meet them. Each optimizer is one loop over four or five slices at most: the loop is bound by memory, so what
//! clipping multiplies the gradient by is a factor in it and not a pass of its own.

use ndarray::ArrayD;

use crate::exec::Workers;
use crate::ir::{Cell, Real};

/// How params follow from gradients. Names and defaults are those of `torch.optim`.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(missing_docs, reason = "the names are those of `torch.optim`")]
pub enum Optimizer {
    Sgd { momentum: f64, dampening: f64, nesterov: bool, weight_decay: f64 },
    RmsProp { alpha: f64, eps: f64, centered: bool, momentum: f64, weight_decay: f64 },
    Adam { beta1: f64, beta2: f64, eps: f64, weight_decay: f64 },
    AdamW { beta1: f64, beta2: f64, eps: f64, weight_decay: f64 },
}

impl Default for Optimizer {
    fn default() -> Optimizer {
        Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

/// What an optimizer keeps from update to update: for each kind of buffer an array per param, 0 before the first update.
#[derive(Clone, PartialEq, Debug)]
pub struct Buffers<F> {
    /// The kinds, such as `m` and `v` of Adam, each with its arrays in the order of the params; none where a param gets no gradient.
    pub kinds: Vec<(&'static str, Vec<Option<ArrayD<F>>>)>,
}

impl<F: Real> Buffers<F> {
    /// The arrays by name, `m.NAME`.
    pub fn named<'a>(&'a self, cell: &'a Cell) -> impl Iterator<Item = (String, &'a ArrayD<F>)> {
        self.kinds.iter().flat_map(|(kind, arrays)| {
            let named = arrays.iter().zip(&cell.params);
            named.filter_map(move |(it, param)| {
                Some((format!("{kind}.{}", param.name), it.as_ref()?))
            })
        })
    }
}

/// The Euclidean norm of all gradients: sums in f64, eight at a time, piece by piece and always in the same order.
pub fn norm<F: Real>(gradients: &[Option<ArrayD<F>>], workers: Workers<'_>) -> f64 {
    let all: Vec<_> = gradients.iter().flatten().map(|it| it.as_standard_layout()).collect();
    let slices = all.iter().map(|it| it.as_slice().unwrap_or_default());
    let pieces: Vec<&[F]> = slices.flat_map(|it| workers.pieces(it)).collect();
    let mut sums = vec![0.0; pieces.len()];
    let work: Vec<(&[F], &mut f64)> = pieces.into_iter().zip(&mut sums).collect();
    workers.each(
        work,
        #[inline(always)]
        |(piece, sum)| **sum = squares(piece),
    );
    sums.iter().sum::<f64>().sqrt()
}

#[inline(always)]
fn squares<F: Real>(values: &[F]) -> f64 {
    let mut lanes = [0.0; 8];
    let (whole, rest) = values.as_chunks::<8>();
    for eight in whole {
        for (lane, it) in lanes.iter_mut().zip(eight) {
            let it = Real::to_f64(*it);
            *lane += it * it;
        }
    }
    for (lane, it) in lanes.iter_mut().zip(rest) {
        let it = Real::to_f64(*it);
        *lane += it * it;
    }
    lanes.iter().sum()
}

/// What gradients of this norm are multiplied by so that it does not exceed the limit.
pub fn clip(norm: f64, limit: Option<f64>) -> f64 {
    limit.map_or(1.0, |limit| (limit / (norm + 1e-6)).min(1.0))
}

/// A piece of a param: its elements, those of its gradient and of its buffers in the order of [`Optimizer::kinds`].
struct Piece<'a, F> {
    w: &'a mut [F],
    g: &'a [F],
    kept: [&'a mut [F]; 3],
}

impl Optimizer {
    /// Its name among the keys.
    pub fn name(&self) -> &'static str {
        match self {
            Optimizer::Sgd { .. } => "sgd",
            Optimizer::RmsProp { .. } => "rmsprop",
            Optimizer::Adam { .. } => "adam",
            Optimizer::AdamW { .. } => "adamw",
        }
    }

    /// The buffers that it keeps for each param.
    fn kinds(&self) -> Vec<&'static str> {
        match self {
            Optimizer::Sgd { momentum, .. } if *momentum > 0.0 => vec!["b"],
            Optimizer::Sgd { .. } => Vec::new(),
            Optimizer::RmsProp { momentum, centered, .. } => {
                let kept = [("v", true), ("a", *centered), ("b", *momentum > 0.0)];
                kept.into_iter().filter_map(|(kind, kept)| kept.then_some(kind)).collect()
            }
            Optimizer::Adam { .. } | Optimizer::AdamW { .. } => vec!["m", "v"],
        }
    }

    /// The buffers before the first update, for params of which those that are none get no gradient.
    pub fn buffers<F: Real>(&self, trained: &[Option<Vec<usize>>]) -> Buffers<F> {
        let zeros = || -> Vec<Option<ArrayD<F>>> {
            trained.iter().map(|it| Some(ArrayD::zeros(it.as_deref()?))).collect()
        };
        Buffers { kinds: self.kinds().into_iter().map(|it| (it, zeros())).collect() }
    }

    /// Makes update `update`, from 1, with a rate; gradients are multiplied by `scale` first. A param without a gradient or
    /// without buffers is left as it is.
    pub fn step<F: Real>(
        &self,
        buffers: &mut Buffers<F>,
        (update, rate, scale): (u64, f64, f64),
        params: &mut [ArrayD<F>],
        gradients: &[Option<ArrayD<F>>],
        workers: Workers<'_>,
    ) {
        let gradients: Vec<_> =
            gradients.iter().map(|it| it.as_ref().map(|it| it.as_standard_layout())).collect();
        let mut kinds: Vec<_> = buffers.kinds.iter_mut().map(|it| it.1.iter_mut()).collect();
        let mut work: Vec<Piece<'_, F>> = Vec::new();
        for (param, gradient) in params.iter_mut().zip(&gradients) {
            let mut kept = kinds.iter_mut().map(|it| {
                let slice = it.next().and_then(|it| it.as_mut()?.as_slice_mut());
                workers.pieces_mut(slice.unwrap_or_default())
            });
            let mut kept = [kept.next(), kept.next(), kept.next()];
            let Some(gradient) = gradient else { continue };
            if !param.is_standard_layout() {
                *param = param.as_standard_layout().into_owned();
            }
            if let (Some(w), Some(g)) = (param.as_slice_mut(), gradient.as_slice()) {
                for (w, g) in workers.pieces_mut(w).zip(workers.pieces(g)) {
                    let kept = kept
                        .each_mut()
                        .map(|it| it.as_mut().and_then(Iterator::next).unwrap_or_default());
                    work.push(Piece { w, g, kept });
                }
            }
        }
        let numbers = (update, rate, scale);
        workers.each(
            work,
            #[inline(always)]
            |it| self.slices(numbers, it),
        );
    }

    /// One piece of a param.
    #[inline(always)]
    fn slices<F: Real>(&self, (update, rate, scale): (u64, f64, f64), piece: &mut Piece<'_, F>) {
        let Piece { w, g, kept: [first, second, third] } = piece;
        let of = |it: f64| F::of(it);
        let k = of(scale);
        match *self {
            Optimizer::Sgd { momentum, dampening, nesterov, weight_decay } => {
                let (decay, minus) = (of(weight_decay), of(-rate));
                if momentum == 0.0 {
                    for (w, g) in w.iter_mut().zip(*g) {
                        *w += minus * (*g * k + decay * *w);
                    }
                    return;
                }
                let ahead = of(momentum);
                // The first update takes the gradient as it is.
                let (keep, rest) = match update {
                    1 => (F::zero(), F::one()),
                    _ => (ahead, of(1.0 - dampening)),
                };
                for ((w, g), b) in w.iter_mut().zip(*g).zip(first.iter_mut()) {
                    let g = *g * k + decay * *w;
                    *b = keep * *b + rest * g;
                    *w += minus * if nesterov { g + ahead * *b } else { *b };
                }
            }
            Optimizer::RmsProp { alpha, eps, centered, momentum, weight_decay } => {
                let n = w.len();
                let (decay, minus, eps) = (of(weight_decay), of(-rate), of(eps));
                let (keep, rest, heavy) = (of(alpha), of(1.0 - alpha), of(momentum));
                let (v, moves) = (&mut first[..n], momentum > 0.0);
                // Without the average, the velocity is the second buffer.
                let (a, b) = if centered { (second, third) } else { (third, second) };
                let (a, b) =
                    (&mut a[..n * usize::from(centered)], &mut b[..n * usize::from(moves)]);
                for (idx, (w, g)) in w.iter_mut().zip(*g).enumerate() {
                    let g = *g * k + decay * *w;
                    v[idx] = v[idx] * keep + rest * g * g;
                    let mut spread = v[idx];
                    if centered {
                        a[idx] += rest * (g - a[idx]);
                        spread -= a[idx] * a[idx];
                    }
                    let root = spread.sqrt() + eps;
                    if moves {
                        b[idx] = heavy * b[idx] + g / root;
                        *w += minus * b[idx];
                    } else {
                        *w += minus * g / root;
                    }
                }
            }
            Optimizer::Adam { beta1, beta2, eps, weight_decay }
            | Optimizer::AdamW { beta1, beta2, eps, weight_decay } => {
                let decoupled = matches!(self, Optimizer::AdamW { .. });
                let updates = update as f64;
                let minus = of(-(rate / (1.0 - libm::pow(beta1, updates))));
                let root = of(libm::sqrt(1.0 - libm::pow(beta2, updates)));
                let (rest1, keep2, rest2, eps) =
                    (of(1.0 - beta1), of(beta2), of(1.0 - beta2), of(eps));
                let (shrink, decay) = match decoupled {
                    true => (of(1.0 - rate * weight_decay), F::zero()),
                    false => (F::one(), of(weight_decay)),
                };
                for (((w, g), m), v) in
                    w.iter_mut().zip(*g).zip(first.iter_mut()).zip(second.iter_mut())
                {
                    let old = *w * shrink;
                    let g = *g * k + decay * old;
                    *m += rest1 * (g - *m);
                    *v = *v * keep2 + rest2 * g * g;
                    *w = old + minus * *m / (v.sqrt() / root + eps);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
