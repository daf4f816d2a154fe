//! Running a strip: rows are cut into blocks, and each instruction runs over a block before the next
//! one does. A block is a piece of one wide row or several narrow ones, so that what an instruction
//! costs before its first vector is shared by some hundred elements.

use std::mem::MaybeUninit;

use super::super::lanes::{self, Grid, Lane};
use super::super::simd::Simd;
use super::super::{Path, on_path};
use super::{MOST_REGISTERS, Operand, Step, Strip, Target};

/// How many elements a register of a block holds, where there are few registers.
const LONG: usize = 512;

/// The same where there are many.
const SHORT: usize = 256;

/// How many registers are few: so many long ones, and as much of streams, fit into the first cache.
const FEW: usize = SHORT * MOST_REGISTERS / LONG;

/// How the numbers of a stream lie along the inner axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// One for each element, without gaps.
    Each,
    /// One number that is the same for all of them.
    PerOuter,
}

/// A stream in memory: for row r and outer index o its numbers begin at `at + r * row + o * outer`.
#[derive(Clone, Copy, Debug)]
pub struct RawStream {
    /// Where it begins.
    pub at: *mut f32,
    /// From a row to the next.
    pub row: usize,
    /// From an outer index to the next.
    pub outer: usize,
    /// What stands there.
    pub kind: Kind,
}

/// What a strip runs over: a value has rows x outer x inner elements.
#[derive(Clone, Copy, Debug)]
pub struct RawStrip<'a> {
    /// How many rows.
    pub rows: usize,
    /// How many outer indices a row has.
    pub outer: usize,
    /// How many elements each of those has.
    pub inner: usize,
    /// Which of the inner elements are computed: from the first up to the second.
    pub lanes: (usize, usize),
    /// The streams by their positions.
    pub streams: &'a [RawStream],
}

/// A stream as a place in an array of numbers; see [`RawStream`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stream {
    /// The place of its first number.
    pub first: usize,
    /// From a row to the next.
    pub row: usize,
    /// From an outer index to the next.
    pub outer: usize,
    /// What stands there.
    pub kind: Kind,
}

impl Strip {
    /// Runs over rows in memory that may be shared. Nothing beyond the elements that are asked for
    /// is read or written, and every element gets the same bits however they are divided among
    /// calls.
    ///
    /// # Safety
    ///
    /// There are as many streams as the strip has, each valid for all its elements of `over`, and
    /// nobody else writes those meanwhile. A stream that is written has one number for each element,
    /// and any other equals it (address, steps and kind) or does not meet it, from row to row too.
    /// `over.lanes` lies within `inner`.
    pub unsafe fn run(&self, path: Path, over: &RawStrip<'_>) {
        debug_assert!(over.streams.len() >= self.streams(), "every stream has its place");
        debug_assert!(over.lanes.1 <= over.inner, "lanes lie within the inner axis");
        // SAFETY: the caller's promise, and a path is only made for a processor that has it.
        unsafe { on_path!(path, strip(self, over)) }
    }

    /// Runs over rows of an array; `size` is rows, outer and inner.
    ///
    /// # Panics
    ///
    /// When a stream leaves the array or one that is written meets another: a fault of the caller.
    pub fn run_within(
        &self,
        path: Path,
        (rows, outer, inner): (usize, usize, usize),
        lanes: (usize, usize),
        data: &mut [f32],
        streams: &[Stream],
    ) {
        assert!(streams.len() >= self.streams(), "every stream has its place");
        assert!(lanes.1 <= inner, "lanes lie within the inner axis");
        if rows == 0 || outer == 0 || inner == 0 {
            return;
        }
        let end = |it: &Stream| {
            let width = match it.kind {
                Kind::Each => inner,
                Kind::PerOuter => 1,
            };
            let row = (rows - 1).checked_mul(it.row)?;
            let last = (outer - 1).checked_mul(it.outer)?.checked_add(row)?.checked_add(it.first)?;
            last.checked_add(width)
        };
        for it in streams {
            assert!(end(it).is_some_and(|it| it <= data.len()), "a stream lies in its array");
        }
        for it in &self.instructions {
            let Target::Stream(to) = it.to else { continue };
            let to = &streams[usize::from(to)];
            let own = to.kind == Kind::Each
                && (outer == 1 || to.outer >= inner)
                && (rows == 1 || to.row >= (outer - 1) * to.outer + inner);
            assert!(own, "elements that are written do not meet");
            for other in streams {
                let apart = end(to) <= Some(other.first) || end(other) <= Some(to.first);
                assert!(apart || to == other, "a stream that is written meets no other");
            }
        }
        let at = data.as_mut_ptr();
        let raw = |it: &Stream| {
            let &Stream { first, row, outer, kind } = it;
            RawStream { at: at.wrapping_add(first), row, outer, kind }
        };
        let raw: Vec<RawStream> = streams.iter().map(raw).collect();
        let over = RawStrip { rows, outer, inner, lanes, streams: &raw };
        // SAFETY: the assertions above; the array is borrowed for writing.
        unsafe { self.run(path, &over) }
    }
}

/// The registers of a block, and room for a vector of each operand that is one number for many
/// elements. Only what was written is ever read.
#[repr(align(64))]
struct Scratch {
    registers: [MaybeUninit<f32>; SHORT * MOST_REGISTERS],
    operands: [[MaybeUninit<f32>; LONG]; 4],
}

/// Some elements: `rows` rows from `row` on, of each `outers` outer indices from `outer` on, of each
/// `len` inner elements from `from` on.
#[derive(Clone, Copy)]
struct Block {
    row: usize,
    rows: usize,
    outer: usize,
    outers: usize,
    from: usize,
    len: usize,
}

/// Runs over all blocks.
///
/// # Safety
///
/// As for [`Strip::run`]; the processor has what S needs.
#[inline(always)]
pub(in super::super) unsafe fn run<S: Simd>(strip: &Strip, over: &RawStrip<'_>) {
    let (begin, end) = over.lanes;
    if begin >= end || over.rows == 0 || over.outer == 0 {
        return;
    }
    let mut scratch = MaybeUninit::<Scratch>::uninit();
    let register = if strip.registers <= FEW { LONG } else { SHORT };
    let run = Run { strip, over, scratch: scratch.as_mut_ptr(), register };
    let whole = Block { row: 0, rows: over.rows, outer: 0, outers: over.outer, from: begin, len: end - begin };
    let whole = joined(whole, over);
    let pitch = whole.len.next_multiple_of(S::LANES);
    // SAFETY: blocks lie within what the caller promises.
    unsafe {
        if pitch > register / 2 {
            // Pieces of one row, all about as long.
            let pieces = whole.len.div_ceil(register);
            let piece = whole.len.div_ceil(pieces).next_multiple_of(S::LANES);
            for row in 0..whole.rows {
                for outer in 0..whole.outers {
                    for from in (0..whole.len).step_by(piece) {
                        let len = piece.min(whole.len - from);
                        let from = whole.from + from;
                        run.block::<S>(&Block { row, rows: 1, outer, outers: 1, from, len });
                    }
                }
            }
        } else if whole.outers * pitch > register {
            // Some outer indices of one row.
            let outers = register / pitch;
            for row in 0..whole.rows {
                for outer in (0..whole.outers).step_by(outers) {
                    let outers = outers.min(whole.outers - outer);
                    run.block::<S>(&Block { row, rows: 1, outer, outers, ..whole });
                }
            }
        } else {
            let rows = register / (whole.outers * pitch);
            for row in (0..whole.rows).step_by(rows) {
                run.block::<S>(&Block { row, rows: rows.min(whole.rows - row), ..whole });
            }
        }
    }
}

/// The same elements in longer rows, where axes follow each other without gaps in all streams.
#[inline(always)]
fn joined(mut whole: Block, over: &RawStrip<'_>) -> Block {
    let is_complete = over.lanes == (0, over.inner);
    let all = |holds: &dyn Fn(&RawStream) -> bool| over.streams.iter().all(holds);
    if is_complete && whole.outers > 1 && all(&|it| it.kind == Kind::Each && it.outer == over.inner)
    {
        whole.len *= whole.outers;
        whole.outers = 1;
    }
    let len = whole.len;
    if is_complete && whole.outers == 1 && whole.rows > 1 && all(&|it| it.kind == Kind::Each && it.row == len)
    {
        whole.len *= whole.rows;
        whole.rows = 1;
    }
    whole
}

/// What all blocks of a run share.
struct Run<'a> {
    strip: &'a Strip,
    over: &'a RawStrip<'a>,
    scratch: *mut Scratch,
    /// How many elements a register has.
    register: usize,
}

/// The loops over a block, from the outermost to the innermost.
#[derive(Clone, Copy)]
enum Order {
    /// Rows, outer indices, vectors.
    Vectors,
    /// Rows, vectors, outer indices.
    Outers,
    /// Outer indices, vectors, rows.
    Rows,
}

impl Order {
    /// The longest loop becomes the innermost one; vectors that are many go before it.
    #[inline(always)]
    fn of([rows, outers, vectors]: [usize; 3]) -> Order {
        if vectors >= 4 || (vectors >= rows && vectors >= outers) {
            Order::Vectors
        } else if outers >= rows {
            Order::Outers
        } else {
            Order::Rows
        }
    }

    /// What belongs to rows, outer indices and vectors, in this order.
    #[inline(always)]
    fn apply(self, [rows, outers, vectors]: [usize; 3]) -> [usize; 3] {
        match self {
            Order::Vectors => [rows, outers, vectors],
            Order::Outers => [rows, vectors, outers],
            Order::Rows => [outers, vectors, rows],
        }
    }
}

/// The whole vectors of a block, or what is left of each piece of a row.
struct Part {
    /// How many elements of each piece go before.
    skip: usize,
    order: Order,
    grid: Grid,
}

impl Run<'_> {
    /// Runs all instructions over a block.
    ///
    /// # Safety
    ///
    /// The block lies within what [`Strip::run`] was promised, and its elements, each piece of a row
    /// filled up to whole vectors, are no more than a register has.
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, block: &Block) {
        let vectors = block.len / S::LANES;
        let grid = |skip, vectors, lanes| {
            let counts = [block.rows, block.outers, vectors];
            let order = Order::of(counts);
            Part { skip, order, grid: Grid { counts: order.apply(counts), lanes } }
        };
        // What is left of each piece is less than a vector.
        let skip = vectors * S::LANES;
        let parts = [grid(0, vectors, S::LANES), grid(skip, 1, block.len - skip)];
        let parts = match (vectors, block.len - skip) {
            (0, _) => &parts[1..],
            (_, 0) => &parts[..1],
            (_, _) => &parts[..],
        };
        for it in &self.strip.steps {
            for part in parts {
                // SAFETY: the caller's promise; the parts are the elements of the block.
                unsafe { self.part::<S>(it, block, part) }
            }
        }
    }

    /// Runs an instruction over a part of a block.
    ///
    /// # Safety
    ///
    /// As for [`Run::block`].
    #[inline(always)]
    unsafe fn part<S: Simd>(&self, it: &Step, block: &Block, part: &Part) {
        let &Part { skip, order, ref grid } = part;
        let pitch = block.len.next_multiple_of(S::LANES);
        let in_registers = order.apply([block.outers * pitch, pitch, S::LANES]);
        // SAFETY: the caller's promise: every place is one of the block.
        unsafe {
            let registers = (&raw mut (*self.scratch).registers).cast::<f32>();
            let in_register = |idx: u16| Lane {
                at: registers.add(usize::from(idx) * self.register + skip),
                steps: in_registers,
            };
            let in_stream = |stream: &RawStream| Lane {
                at: stream
                    .at
                    .wrapping_add(block.row * stream.row + block.outer * stream.outer)
                    .wrapping_add(block.from + skip),
                steps: order.apply([stream.row, stream.outer, S::LANES]),
            };
            let mut args = [Lane { at: registers, steps: [0; 3] }; 4];
            for (idx, arg) in it.args.iter().enumerate() {
                if idx == it.arity {
                    break;
                }
                args[idx] = match *arg {
                    Operand::Register(register) => in_register(register),
                    Operand::Number(number) => {
                        let at = (&raw mut (*self.scratch).operands[idx]).cast::<f32>();
                        S::store(at, S::splat(number));
                        Lane { at, steps: [0; 3] }
                    }
                    Operand::Stream(stream) => {
                        let stream = self.over.streams.get_unchecked(usize::from(stream));
                        match stream.kind {
                            Kind::Each => in_stream(stream),
                            Kind::PerOuter => {
                                let at = (&raw mut (*self.scratch).operands[idx]).cast::<f32>();
                                repeat::<S>(stream, block, at);
                                let steps = [block.outers * S::LANES, S::LANES, 0];
                                Lane { at, steps: order.apply(steps) }
                            }
                        }
                    }
                };
            }
            let to = match it.to {
                Target::Register(register) => in_register(register),
                Target::Stream(stream) => {
                    in_stream(self.over.streams.get_unchecked(usize::from(stream)))
                }
            };
            lanes::apply::<S>(it.op, grid, &args, &to);
        }
    }
}

/// Writes a vector for each number of a stream that has one for each outer index.
///
/// # Safety
///
/// As for [`Run::block`].
#[inline(always)]
unsafe fn repeat<S: Simd>(stream: &RawStream, block: &Block, to: *mut f32) {
    let mut to = to;
    for row in block.row..block.row + block.rows {
        for outer in block.outer..block.outer + block.outers {
            // SAFETY: the number is the stream's, and a block has no more pieces than there is room
            // for vectors, since each takes a vector of a register.
            unsafe {
                let number = *stream.at.add(row * stream.row + outer * stream.outer);
                S::store(to, S::splat(number));
                to = to.add(S::LANES);
            }
        }
    }
}
