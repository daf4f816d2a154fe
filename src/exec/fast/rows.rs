//! Rows between arrays, `[T, B, ...]` or `[B, ...]`, and buffers.

use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::{ArrayViewD, ArrayViewMutD};

use crate::exec::kernels::Team;
use crate::exec::kernels::machine::{Frame, Packing, Place, Rows};

/// Writes a row.
pub(super) fn fill(to: &mut [f32], from: &ArrayViewD<'_, f32>) {
    match from.as_slice() {
        Some(from) => to[..from.len()].copy_from_slice(from),
        None => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
    }
}

/// Whether packed rows are those of an array `[T, B, ...]` as they stand.
pub(super) fn is_plain(packing: &Packing, batch: usize) -> bool {
    // Sequences of one length stand in their own order.
    packing.is_even() && packing.width() == batch
}

/// Each step of each sequence: the step, the sequence, the position of the sequence.
pub(super) fn each(packing: &Packing) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..packing.steps())
        .flat_map(move |t| (0..packing.active()[t]).map(move |it| (t, packing.order()[it], it)))
}

/// Packs rows that stand somewhere.
pub(super) fn pack<'r>(
    packing: &Packing,
    n: usize,
    mut row: impl FnMut(usize, usize) -> ArrayViewD<'r, f32>,
) -> Vec<f32> {
    let mut all = vec![0.0; n * packing.rows()];
    if n > 0 {
        for ((t, sequence, _), to) in each(packing).zip(all.chunks_exact_mut(n)) {
            fill(to, &row(t, sequence));
        }
    }
    all
}

/// So many numbers are worth the start of threads.
const MANY: usize = 100_000;

/// Does something with pieces of numbers, by several threads where there are many: most of the time
/// of a copy goes into memory that the system gives only when it is written to.
fn in_pieces<T: Send>(
    team: &Team,
    len: usize,
    mut pieces: impl FnMut(usize) -> Vec<T>,
    work: &(dyn Fn(&mut T) + Sync),
) {
    if len < MANY || team.parts() == 1 {
        pieces(len.max(1)).iter_mut().for_each(work);
        return;
    }
    team.each(pieces(len.div_ceil(team.parts())), work);
}

/// Writes the rows of a value into an array `[T, B, ...]`, or adds them to the rows of `[T, ...]`.
pub(super) fn unpack(
    frame: &Frame<'_>,
    place: Place,
    batch: Option<usize>,
    mut to: ArrayViewMutD<'_, f32>,
    team: &Team,
) {
    let packing = frame.packing();
    let outer = if batch.is_some() { 2 } else { 1 };
    let n: usize = to.shape()[outer..].iter().product();
    let Some(to) = to.as_slice_mut() else { return };
    let data = frame.data(place.buffer);
    let width = frame.width(place.buffer);
    if let Some(batch) = batch
        && is_plain(packing, batch)
        && width == n
        && place.rows != Rows::Fixed
    {
        let first = frame.offset(place, 0, 0);
        let rows = n * packing.rows();
        let (to, from) = (&mut to[..rows], &data[first..first + rows]);
        let mut to = Some(to);
        let pieces = |size: usize| -> Vec<(&mut [f32], &[f32])> {
            to.take()
                .into_iter()
                .flat_map(|it| it.chunks_mut(size))
                .zip(from.chunks(size))
                .collect()
        };
        in_pieces(team, rows, pieces, &|(to, from)| to.copy_from_slice(from));
        return;
    }
    for (t, sequence, position) in each(packing) {
        let first = frame.offset(place, t, position);
        let from = &data[first..first + n];
        match batch {
            Some(batch) => {
                let at = (t * batch + sequence) * n;
                to[at..at + n].copy_from_slice(from);
            }
            None => {
                to[t * n..(t + 1) * n].iter_mut().zip(from).for_each(|(to, from)| *to += *from);
            }
        }
    }
}

/// Adds the rows of all steps of a value to an array `[B, ...]`, or those of all sequences too to
/// `[...]`.
pub(super) fn sum_steps(
    frame: &Frame<'_>,
    place: Place,
    has_batch: bool,
    mut to: ArrayViewMutD<'_, f32>,
) {
    let n: usize = to.shape()[usize::from(has_batch)..].iter().product();
    let Some(to) = to.as_slice_mut() else { return };
    let data = frame.data(place.buffer);
    for (t, sequence, position) in each(frame.packing()) {
        let first = frame.offset(place, t, position);
        let at = if has_batch { sequence * n } else { 0 };
        let (to, from) = (&mut to[at..at + n], &data[first..first + n]);
        to.iter_mut().zip(from).for_each(|(to, from)| *to += *from);
    }
}

/// Whether all numbers are finite.
pub(super) fn is_finite(all: &[f32], team: &Team) -> bool {
    let finite = AtomicBool::new(true);
    // In blocks, without a way out: that is done with vectors.
    let block = |block: &[f32]| block.iter().fold(true, |it, number| it & number.is_finite());
    in_pieces(team, all.len(), |size| all.chunks(size).collect(), &|it: &mut &[f32]| {
        if !it.chunks(1024).all(block) {
            finite.store(false, Ordering::Relaxed);
        }
    });
    finite.into_inner()
}

/// The norm of all rows of each step, of so many numbers of each row.
pub(super) fn norms(frame: &Frame<'_>, place: Place, n: usize, norms: &mut [f32], team: &Team) {
    let (data, width, packing) =
        (frame.data(place.buffer), frame.width(place.buffer), frame.packing());
    let firsts: Vec<usize> = (0..packing.steps()).map(|t| frame.offset(place, t, 0)).collect();
    let next = if place.rows == Rows::Fixed { 0 } else { width };
    let of_step = |t: usize| {
        let rows = (0..packing.active()[t]).map(|it| firsts[t] + it * next);
        rows.map(|first| squares(&data[first..first + n])).sum::<f64>().sqrt() as f32
    };
    let mut norms = Some(norms);
    let steps = packing.steps().max(1);
    let pieces = |size: usize| -> Vec<(usize, &mut [f32])> {
        let size = (size * steps).div_ceil(n * packing.rows() + 1).max(1);
        let pieces = norms.take().into_iter().flat_map(|it| it.chunks_mut(size));
        pieces.enumerate().map(|(at, it)| (at * size, it)).collect()
    };
    in_pieces(team, n * packing.rows(), pieces, &|(first, norms)| {
        norms.iter_mut().zip(*first..).for_each(|(norm, t)| *norm = of_step(t));
    });
}

/// The Euclidean norm.
pub(super) fn norm(all: &[f32]) -> f32 {
    squares(all).sqrt() as f32
}

/// The sum of squares in double precision, where no square of a number in single precision is 0 or
/// infinite; in the order of eight sums.
fn squares(all: &[f32]) -> f64 {
    let mut sums = [0.0f64; 8];
    let square = |it: &f32| f64::from(*it) * f64::from(*it);
    let chunks = all.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().map(square).sum();
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, it)| *sum += square(it));
    }
    sums.iter().sum::<f64>() + rest
}
