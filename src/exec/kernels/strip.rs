//! A run of elementwise operators over rows, a strip of a row at a time: what one operator leaves for
//! the next stays in the first cache.

use super::lanes::{self, Lane};
use super::simd::Simd;
use super::{Path, Team, on_path};
use crate::ir::Pointwise;

/// How many elements a strip has. A dozen of strips fit into the first cache.
pub const STRIP: usize = 256;

/// What an instruction does to its operands, element by element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LaneOp {
    /// An operator of the table.
    Map(Pointwise),
    /// a * b + c
    MultiplyAdd,
}

impl LaneOp {
    /// How many operands it has.
    pub fn arity(self) -> usize {
        match self {
            LaneOp::Map(op) => op.arity(),
            LaneOp::MultiplyAdd => 3,
        }
    }
}

/// Where an operand comes from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Operand {
    /// The stream of this position: one number per element, or one per row.
    Stream(u16),
    /// What an earlier instruction left in this register.
    Register(u16),
    /// The same number everywhere.
    Number(f32),
}

/// Where a result goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// A stream with one number per element.
    Stream(u16),
    /// A register.
    Register(u16),
}

/// One operator of a strip. Operands beyond its arity are not read.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Instruction {
    /// What it does.
    pub op: LaneOp,
    /// Its operands.
    pub args: [Operand; 3],
    /// Where the result goes.
    pub to: Target,
}

/// A checked list of instructions: operands are written before they are read, streams and registers
/// are as many as said.
#[derive(Clone, PartialEq, Debug)]
pub struct Strip {
    instructions: Vec<Instruction>,
    streams: u16,
}

/// A row of numbers in memory, for [`Strip::run`].
#[derive(Clone, Copy, Debug)]
pub(super) struct RawStream {
    /// The first number of the first row.
    pub at: *mut f32,
    /// From a row to the next.
    pub row: usize,
    /// Whether there is one number for each element; else one for the row.
    pub each: bool,
}

/// A strip and what it runs over.
pub(super) struct RawStrip<'a> {
    pub strip: &'a Strip,
    /// The first row, and the one after the last.
    pub first: usize,
    pub rows: usize,
    pub n: usize,
    pub streams: &'a [RawStream],
}

impl Strip {
    /// Checks instructions; `None` when one reads what is not there, or there are more than
    /// [`MOST_REGISTERS`].
    pub fn new(instructions: Vec<Instruction>, streams: u16) -> Option<Strip> {
        let mut written: Vec<bool> = Vec::new();
        for it in &instructions {
            for arg in &it.args[..it.op.arity()] {
                let known = match arg {
                    Operand::Stream(idx) => *idx < streams,
                    Operand::Register(idx) => written.get(usize::from(*idx)) == Some(&true),
                    Operand::Number(_) => true,
                };
                if !known {
                    return None;
                }
            }
            match it.to {
                Target::Stream(idx) if idx >= streams => return None,
                Target::Stream(_) => {}
                Target::Register(idx) => {
                    let idx = usize::from(idx);
                    if idx >= written.len() {
                        written.resize(idx + 1, false);
                    }
                    written[idx] = true;
                }
            }
        }
        if written.len() > MOST_REGISTERS {
            return None;
        }
        Some(Strip { instructions, streams })
    }

    /// The instructions.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }
}

/// The most registers of a strip: with more they would leave the first cache anyway.
pub const MOST_REGISTERS: usize = 24;

/// A stream of a strip in an array of numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stream {
    /// The place of the first number of the first row.
    pub first: usize,
    /// From a row to the next.
    pub row: usize,
    /// Whether there is one number for each element; else one for the row.
    pub each: bool,
}

impl Strip {
    /// Runs over `rows` rows of `n` elements. Streams lie in `data`; those written to must not
    /// overlap from row to row, and overlap others exactly or not at all.
    ///
    /// # Panics
    ///
    /// When a stream leaves the array: a fault of the caller.
    pub fn run(
        &self,
        path: Path,
        (rows, n): (usize, usize),
        data: &mut [f32],
        streams: &[Stream],
        team: &Team,
    ) {
        if rows == 0 || n == 0 {
            return;
        }
        assert!(streams.len() >= usize::from(self.streams), "every stream has its place");
        for it in streams {
            let width = if it.each { n } else { 1 };
            let end =
                (rows - 1).checked_mul(it.row).and_then(|at| at.checked_add(it.first + width));
            assert!(end.is_some_and(|end| end <= data.len()), "a stream lies in its array");
        }
        let base = data.as_mut_ptr();
        let raw: Vec<RawStream> = streams
            .iter()
            .map(|it| RawStream { at: base.wrapping_add(it.first), row: it.row, each: it.each })
            .collect();
        let whole = RawStrip { strip: self, first: 0, rows, n, streams: &raw };
        let is_small = rows * n * self.instructions.len() < LEAST;
        if team.parts() == 1 || is_small || !self.has_own_rows(rows, n, streams) {
            // SAFETY: the streams were looked at, `new` looked at the instructions, and a path is
            // only made for a processor that has it.
            unsafe { run_on(path, &whole) }
        } else {
            let parts = team.parts();
            let shared = Parts(&whole);
            team.run(&|part| {
                let (begin, end) = (rows * part / parts, rows * (part + 1) / parts);
                // SAFETY: as above, and no row meets another one.
                unsafe { shared.run(path, begin, end) }
            });
        }
    }

    /// Whether what is written to one row is not in any other.
    fn has_own_rows(&self, rows: usize, n: usize, streams: &[Stream]) -> bool {
        let width = |it: &Stream| if it.each { n } else { 1 };
        let end = |it: &Stream| it.first + (rows - 1) * it.row + width(it);
        let apart = |a: &Stream, b: &Stream| {
            let (low, high) = if a.first <= b.first { (a, b) } else { (b, a) };
            let within = low.row == high.row
                && low.first + width(low) <= high.first
                && high.first + width(high) <= low.first + low.row;
            end(low) <= high.first || within || a == b
        };
        self.instructions.iter().all(|it| match it.to {
            Target::Register(_) => true,
            Target::Stream(to) => {
                let to = &streams[usize::from(to)];
                to.row >= n && streams.iter().all(|it| apart(to, it))
            }
        })
    }
}

/// How many operations a strip has at least that is divided: less is sooner done alone.
const LEAST: usize = 20_000;

/// A strip of which threads run parts.
struct Parts<'a>(&'a RawStrip<'a>);

// SAFETY: it is only made where what is written to a row is not in any other.
unsafe impl Sync for Parts<'_> {}

impl Parts<'_> {
    /// Runs some of the rows.
    ///
    /// # Safety
    ///
    /// As for [`run_on`]; no row is run twice at once.
    unsafe fn run(&self, path: Path, begin: usize, end: usize) {
        if begin < end {
            // SAFETY: the caller's promise.
            unsafe { run_on(path, &RawStrip { first: begin, rows: end, ..*self.0 }) }
        }
    }
}

/// Runs a strip on a path.
///
/// # Safety
///
/// Every stream is valid for its rows and elements, nothing else writes there, and the processor
/// has the path.
pub(super) unsafe fn run_on(path: Path, it: &RawStrip<'_>) {
    // SAFETY: the caller's promise.
    unsafe { on_path!(path, strip(it)) }
}

/// The registers of a strip, each a strip long, and a vector for each operand that is one number.
struct Scratch {
    registers: [[f32; STRIP]; MOST_REGISTERS],
    /// A vector for each operand of an instruction: a number repeated, or the rest of a row.
    operands: [[f32; 16]; 3],
    /// What is left of a row that is no whole vector.
    rest: [f32; 16],
}

/// Runs over all rows.
///
/// # Safety
///
/// As for [`run_on`].
#[inline(always)]
pub(super) unsafe fn run<S: Simd>(it: &RawStrip<'_>) {
    let mut scratch = Scratch {
        registers: [[0.0; STRIP]; MOST_REGISTERS],
        operands: [[0.0; 16]; 3],
        rest: [0.0; 16],
    };
    // Rows that follow each other without gaps are one long row.
    let gapless = it.streams.iter().all(|stream| stream.each && stream.row == it.n);
    let (rows, begin, n) = if gapless {
        (0..1, it.first * it.n, it.rows * it.n)
    } else {
        (it.first..it.rows, 0, it.n)
    };
    for row in rows {
        let mut from = begin;
        while from < n {
            let left = n - from;
            let whole = left.min(STRIP) / S::LANES * S::LANES;
            let len = if whole > 0 { whole } else { left };
            // SAFETY: row and elements lie within what the caller promises.
            unsafe { block::<S>(it, &mut scratch, row, from, len) };
            from += len;
        }
    }
}

/// Runs over some elements of a row: whole vectors, or less than one.
///
/// # Safety
///
/// As for [`run_on`].
#[inline(always)]
unsafe fn block<S: Simd>(
    it: &RawStrip<'_>,
    scratch: &mut Scratch,
    row: usize,
    from: usize,
    len: usize,
) {
    let is_rest = len < S::LANES;
    for instruction in &it.strip.instructions {
        let mut lanes = [Lane { at: scratch.rest.as_ptr(), step: 0 }; 3];
        for (idx, arg) in instruction.args[..instruction.op.arity()].iter().enumerate() {
            lanes[idx] = match *arg {
                Operand::Register(register) => {
                    Lane { at: scratch.registers[usize::from(register)].as_ptr(), step: 1 }
                }
                Operand::Number(number) => {
                    scratch.operands[idx] = [number; 16];
                    Lane { at: scratch.operands[idx].as_ptr(), step: 0 }
                }
                Operand::Stream(stream) => {
                    let stream = it.streams[usize::from(stream)];
                    // SAFETY: the caller's promise.
                    unsafe {
                        let row = stream.at.add(row * stream.row);
                        if !stream.each {
                            scratch.operands[idx] = [*row; 16];
                            Lane { at: scratch.operands[idx].as_ptr(), step: 0 }
                        } else if is_rest {
                            // A whole vector would reach beyond the row.
                            let to = scratch.operands[idx].as_mut_ptr();
                            std::ptr::copy_nonoverlapping(row.add(from), to, len);
                            Lane { at: to, step: 1 }
                        } else {
                            Lane { at: row.add(from), step: 1 }
                        }
                    }
                }
            };
        }
        // SAFETY: operands and target are as long as the block, in whole vectors.
        unsafe {
            let to = match instruction.to {
                Target::Register(register) => scratch.registers[usize::from(register)].as_mut_ptr(),
                Target::Stream(_) if is_rest => scratch.rest.as_mut_ptr(),
                Target::Stream(stream) => {
                    let stream = it.streams[usize::from(stream)];
                    stream.at.add(row * stream.row + from)
                }
            };
            match instruction.op {
                LaneOp::Map(op) => lanes::apply::<S>(op, lanes, to, len),
                LaneOp::MultiplyAdd => lanes::multiply_add::<S>(lanes, to, len),
            }
            if let (Target::Stream(stream), true) = (instruction.to, is_rest) {
                let stream = it.streams[usize::from(stream)];
                let target = stream.at.add(row * stream.row + from);
                std::ptr::copy_nonoverlapping(scratch.rest.as_ptr(), target, len);
            }
        }
    }
}
