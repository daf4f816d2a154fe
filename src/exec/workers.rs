//! Threads and vectors of an engine, for loops over numbers that are no part of a cell, as those of an optimizer.

use super::kernels::{Path, Team, on_vectors};

/// The workers of such loops: the threads of an engine, or the caller alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Workers<'e>(Option<(Path, &'e Team)>);

/// The elements of a piece: some pieces for each thread, and far more to do than the start of threads costs.
const PIECE: usize = 16 * 1024;

impl<'e> Workers<'e> {
    /// Those of a team.
    pub(crate) fn new(path: Path, team: &'e Team) -> Workers<'e> {
        Workers(Some((path, team)))
    }

    /// Cuts elements into pieces, always in the same way, so that sums over pieces do not depend on the threads.
    pub(crate) fn pieces<T>(self, numbers: &[T]) -> impl Iterator<Item = &[T]> {
        numbers.chunks(PIECE)
    }

    /// The same, of numbers that are changed.
    pub(crate) fn pieces_mut<T>(self, numbers: &mut [T]) -> impl Iterator<Item = &mut [T]> {
        numbers.chunks_mut(PIECE)
    }

    /// Does something with each piece. The work must be `#[inline(always)]`, to be compiled for the vectors.
    pub(crate) fn each<T: Send>(self, mut pieces: Vec<T>, work: impl Fn(&mut T) + Sync) {
        match self.0 {
            Some((path, team)) if team.parts() > 1 && pieces.len() > 1 => {
                team.each(pieces, &|piece| {
                    on_vectors(
                        path,
                        #[inline(always)]
                        || work(piece),
                    )
                });
            }
            Some((path, _)) => on_vectors(
                path,
                #[inline(always)]
                || pieces.iter_mut().for_each(&work),
            ),
            None => pieces.iter_mut().for_each(work),
        }
    }
}
