//! Rows between arrays, `[T, B, ...]` or `[B, ...]`, and buffers.

use ndarray::{ArrayViewD, ArrayViewMutD};

use crate::exec::kernels::machine::{Frame, Packing, Place};

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
        .flat_map(move |t| (0..packing.active[t]).map(move |it| (t, packing.order[it], it)))
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

/// Writes the rows of a value into an array `[T, B, ...]`, or adds them to the rows of `[T, ...]`.
pub(super) fn unpack(
    frame: &Frame<'_>,
    place: Place,
    batch: Option<usize>,
    mut to: ArrayViewMutD<'_, f32>,
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
        && place.rows != crate::exec::kernels::machine::Rows::Fixed
    {
        let first = frame.offset(place, 0, 0);
        to[..n * packing.rows()].copy_from_slice(&data[first..first + n * packing.rows()]);
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

/// Whether all numbers are finite.
pub(super) fn is_finite(all: &[f32]) -> bool {
    // In blocks, without a way out: that is done with vectors.
    let block = |block: &[f32]| block.iter().fold(true, |it, number| it & number.is_finite());
    all.chunks(1024).all(block)
}

/// The sum of squares, in the order of eight sums.
pub(super) fn squares(all: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let chunks = all.chunks_exact(16);
    let rest: f32 = chunks.remainder().iter().map(|it| it * it).sum();
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, it)| *sum += it * it);
    }
    sums.iter().sum::<f32>() + rest
}
