//! Running a strip: rows are cut into blocks, and each instruction runs over a block before the next
//! one does. A block is a piece of one wide row or several narrow ones, so that what an instruction
//! costs before its first vector is shared by some hundred elements.

use std::mem::MaybeUninit;

use super::super::lanes::{self, Grid, Lane};
use super::super::simd::Simd;
use super::super::{Path, on_path};
use super::{MOST_REGISTERS, Operand, Step, Strip, Target};

/// The elements of a register in a block of few registers.
const LONG: usize = 512;

/// The same where there are many.
const SHORT: usize = 256;

/// The most registers that count as few: that many long ones, and as much of streams, fit the L1 cache.
const FEW: usize = SHORT * MOST_REGISTERS / LONG;

/// The way in which the elements of a stream lie along the inner axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// One for each element, without gaps.
    Each,
    /// One number that is the same for all of them.
    PerOuter,
}

/// A stream in memory: for row r and outer index o its elements begin at `at + r * row + o * outer`.
#[derive(Clone, Copy, Debug)]
pub struct RawStream {
    /// The address of the first element.
    pub at: *mut f32,
    /// From a row to the next.
    pub row: usize,
    /// From an outer index to the next.
    pub outer: usize,
    /// The way in which its elements lie.
    pub kind: Kind,
}

/// The streams and sizes that a strip runs over: a value has rows x outer x inner elements.
#[derive(Clone, Copy, Debug)]
pub struct RawStrip<'a> {
    /// The number of rows.
    pub rows: usize,
    /// The outer indices of a row.
    pub outer: usize,
    /// The elements of each outer index.
    pub inner: usize,
    /// The inner elements that are computed: from the first up to the second.
    pub lanes: (usize, usize),
    /// The streams by their positions.
    pub streams: &'a [RawStream],
}

/// A stream as a place in an array of elements; see [`RawStream`].
#[cfg(test)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stream {
    /// The place of its first element.
    pub first: usize,
    /// From a row to the next.
    pub row: usize,
    /// From an outer index to the next.
    pub outer: usize,
    /// The way in which its elements lie.
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
    /// nobody else writes those meanwhile. A stream that is written has a value for each element,
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
    #[cfg(test)]
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
            let last =
                (outer - 1).checked_mul(it.outer)?.checked_add(row)?.checked_add(it.first)?;
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

/// The registers of a block, and room for a vector of each operand that is one value for many
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
    let run = BlockRun { strip, over, scratch: scratch.as_mut_ptr(), register };
    let whole = joined(over);
    let pitch = whole.len.next_multiple_of(S::LANES);
    // How much of each axis a block has: a piece of a row, all about as long, if a register holds no
    // two rows; else as many whole ones as it holds.
    let (rows, outers, piece) = if pitch > register / 2 {
        let pieces = whole.len.div_ceil(register);
        let piece = if pieces == 1 { whole.len } else { whole.len.div_ceil(pieces) };
        (1, 1, piece.next_multiple_of(S::LANES))
    } else if whole.outers * pitch > register {
        (1, register / pitch, pitch)
    } else {
        (register / (whole.outers * pitch), whole.outers, pitch)
    };
    // Loops by hand: a range with a step divides before it begins.
    let mut row = 0;
    while row < whole.rows {
        let rows = rows.min(whole.rows - row);
        let mut outer = 0;
        while outer < whole.outers {
            let outers = outers.min(whole.outers - outer);
            let mut from = whole.from;
            let end = whole.from + whole.len;
            while from < end {
                let len = piece.min(end - from);
                // SAFETY: the block lies within what the caller promises.
                unsafe { run.block::<S>(&Block { row, rows, outer, outers, from, len }) }
                from += len;
            }
            outer += outers;
        }
        row += rows;
    }
}

/// Returns all elements, in longer rows where axes follow each other without gaps in all streams.
#[inline(always)]
fn joined(over: &RawStrip<'_>) -> Block {
    let (from, end) = over.lanes;
    let mut whole =
        Block { row: 0, rows: over.rows, outer: 0, outers: over.outer, from, len: end - from };
    if whole.len < over.inner {
        return whole;
    }
    let follow = |step: fn(&RawStream) -> usize, len| {
        over.streams.iter().all(|it| it.kind == Kind::Each && step(it) == len)
    };
    if whole.outers > 1 && follow(|it| it.outer, whole.len) {
        whole.len *= whole.outers;
        whole.outers = 1;
    }
    if whole.outers == 1 && whole.rows > 1 && follow(|it| it.row, whole.len) {
        whole.len *= whole.rows;
        whole.rows = 1;
    }
    whole
}

/// The state that all blocks of a run share.
struct BlockRun<'a> {
    strip: &'a Strip,
    over: &'a RawStrip<'a>,
    scratch: *mut Scratch,
    /// The elements of a register.
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

    /// Returns the part of the rows, outer indices and vectors, in this order.
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
    /// The elements of each piece that go before.
    skip: usize,
    order: Order,
    grid: Grid,
    /// The steps of registers.
    of_registers: [usize; 3],
    /// The steps of vectors that [`repeat`] writes.
    of_repeated: [usize; 3],
}

impl BlockRun<'_> {
    /// Runs all instructions over a block.
    ///
    /// # Safety
    ///
    /// The block lies within what [`Strip::run`] was promised, and its elements, each piece of a row
    /// filled up to whole vectors, are no more than a register has.
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, block: &Block) {
        let pitch = block.len.next_multiple_of(S::LANES);
        let part = |skip, vectors, lanes| {
            let counts = [block.rows, block.outers, vectors];
            let order = Order::of(counts);
            Part {
                skip,
                order,
                grid: Grid { counts: order.apply(counts), lanes },
                of_registers: order.apply([block.outers * pitch, pitch, S::LANES]),
                of_repeated: order.apply([block.outers * S::LANES, S::LANES, 0]),
            }
        };
        let vectors = block.len / S::LANES;
        let skip = vectors * S::LANES;
        let parts = [part(0, vectors, S::LANES), part(skip, 1, block.len - skip)];
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
    /// As for [`BlockRun::block`].
    #[inline(always)]
    unsafe fn part<S: Simd>(&self, it: &Step, block: &Block, part: &Part) {
        // SAFETY: the caller's promise: every place is one of the block.
        unsafe {
            let registers = (&raw mut (*self.scratch).registers).cast::<f32>();
            let in_register = |idx: u16| Lane {
                at: registers.add(usize::from(idx) * self.register + part.skip),
                steps: part.of_registers,
            };
            let in_stream = |stream: &RawStream| {
                let row = block.row * stream.row + block.outer * stream.outer;
                Lane {
                    at: stream.at.add(row + block.from + part.skip),
                    steps: part.order.apply([stream.row, stream.outer, S::LANES]),
                }
            };
            let mut args = MaybeUninit::<[Lane; 4]>::uninit();
            let args = args.as_mut_ptr().cast::<Lane>();
            for idx in 0..it.arity {
                let room = || (&raw mut (*self.scratch).operands).cast::<f32>().add(idx * LONG);
                args.add(idx).write(match *it.args.get_unchecked(idx) {
                    Operand::Register(register) => in_register(register),
                    Operand::Number(number) => {
                        let at = room();
                        S::store(at, S::splat(number));
                        Lane { at, steps: [0; 3] }
                    }
                    Operand::Stream(stream) => {
                        let stream = self.over.streams.get_unchecked(usize::from(stream));
                        match stream.kind {
                            Kind::Each => in_stream(stream),
                            Kind::PerOuter => {
                                let at = room();
                                repeat::<S>(stream, block, at);
                                Lane { at, steps: part.of_repeated }
                            }
                        }
                    }
                });
            }
            let to = match it.to {
                Target::Register(register) => in_register(register),
                Target::Stream(stream) => {
                    in_stream(self.over.streams.get_unchecked(usize::from(stream)))
                }
            };
            lanes::apply::<S>(it.op, it.number, &part.grid, args, &to);
        }
    }
}

/// Writes a vector for each number of a stream that has one for each outer index.
///
/// # Safety
///
/// As for [`BlockRun::block`].
#[inline(always)]
unsafe fn repeat<S: Simd>(stream: &RawStream, block: &Block, to: *mut f32) {
    let mut to = to;
    for row in block.row..block.row + block.rows {
        for outer in block.outer..block.outer + block.outers {
            // SAFETY: the value is the stream's, and a block has no more pieces than there is room
            // for vectors, since each takes a vector of a register.
            unsafe {
                let number = *stream.at.add(row * stream.row + outer * stream.outer);
                S::store(to, S::splat(number));
                to = to.add(S::LANES);
            }
        }
    }
}
