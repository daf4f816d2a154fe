//! Rows that stand in one array, with threads.

use super::{RawRows, RawRowsMut, RowOp};
use crate::exec::kernels::{Path, Team};

/// A run of less work than this is not worth dividing.
const LEAST: usize = 20_000;

/// Where the rows of a value stand in an array: the first number, and how far the next row is.
pub type Place = (usize, usize);

/// An array and scratch of which threads use different parts.
struct Shared {
    data: *mut f32,
    scratch: *mut f32,
}

// SAFETY: it is only made where each thread writes rows and scratch of its own.
unsafe impl Sync for Shared {}

impl RowOp {
    /// Runs over rows that stand in one array, each operand where its place says. The threads of a
    /// team divide the rows. `scratch` is made as long as is needed, and can be used again.
    ///
    /// # Panics
    ///
    /// Where rows lie outside of the array, or a row of the result meets another one or an operand.
    #[allow(clippy::too_many_arguments, reason = "an operator, its rows and what it runs on")]
    pub fn run_within(
        &self,
        path: Path,
        rows: usize,
        data: &mut [f32],
        args: &[Place],
        to: Place,
        scratch: &mut Vec<f32>,
        team: &Team,
    ) {
        if rows == 0 || self.len == 0 {
            return;
        }
        assert_eq!(args.len(), self.args.len(), "every operand has its place");
        let end_of = |(first, row): Place, len: usize| {
            let end = row.checked_mul(rows - 1).and_then(|it| it.checked_add(first + len));
            end.filter(|it| *it <= data.len())
        };
        let end = end_of(to, self.len);
        assert!(end.is_some() && (rows == 1 || to.1 >= self.len), "results have rows of their own");
        for (arg, len) in args.iter().zip(&self.args) {
            let arg_end = end_of(*arg, *len);
            assert!(arg_end.is_some(), "an operand lies in its array");
            // Apart as a whole, or side by side in rows that are equally far from each other.
            let (low, low_len, high, high_len) =
                if arg.0 <= to.0 { (*arg, *len, to, self.len) } else { (to, self.len, *arg, *len) };
            let whole = *len == 0 || arg_end <= Some(to.0) || end <= Some(arg.0);
            let side_by_side =
                low.1 == high.1 && low.0 + low_len <= high.0 && high.0 + high_len <= low.0 + low.1;
            assert!(whole || side_by_side, "a result and an operand do not meet");
        }
        let work = (self.flops + self.len).saturating_mul(rows);
        let parts = if work < LEAST { 1 } else { team.parts() };
        scratch.resize(scratch.len().max(self.scratch() * parts), 0.0);
        let shared = Shared { data: data.as_mut_ptr(), scratch: scratch.as_mut_ptr() };
        let part = |part: usize| {
            let shared = &shared;
            let (begin, end) = (rows * part / parts, rows * (part + 1) / parts);
            let at = |(first, row): Place| shared.data.wrapping_add(first + begin * row);
            let args: Vec<RawRows> =
                args.iter().map(|it| RawRows { at: at(*it), row: it.1 }).collect();
            // SAFETY: places were looked at above, rows and scratch of the parts are apart, and a
            // path is only made for a processor that has it.
            unsafe {
                let scratch = shared.scratch.add(part * self.scratch());
                self.run(path, end - begin, &args, RawRowsMut { at: at(to), row: to.1 }, scratch);
            }
        };
        if parts == 1 { part(0) } else { team.run(&part) }
    }
}
