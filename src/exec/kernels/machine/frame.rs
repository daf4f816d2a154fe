//! Memory for the rows of a call.

use std::marker::PhantomData;

use super::{BLOCK, Buffer, Extent, Packing, Place, Program};

/// A line of a cache.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

const LINE: usize = 16;

/// Elements that calls use one after the other; it grows to what the largest one needs.
#[derive(Debug, Default)]
pub struct Memory(Vec<Line>);

impl Memory {
    /// The least number of elements.
    fn reserve(&mut self, numbers: usize) {
        let lines = numbers.div_ceil(LINE);
        if self.0.len() < lines {
            // Fresh memory of the system is zero already, and what was there is not copied.
            self.0 = Vec::new();
            self.0 = vec![Line([0.0; LINE]); lines];
        }
    }

    /// Returns the number of elements.
    pub fn numbers(&self) -> usize {
        self.0.len() * LINE
    }
}

/// The memory of each buffer of a program, for the rows of a call.
#[derive(Debug)]
pub struct Frame<'m> {
    pub(super) buffers: &'m [Buffer],
    pub(super) packing: &'m Packing,
    /// The first number of each buffer, and how many it has; nothing where it is not lent yet.
    pub(super) bases: Vec<(*mut f32, usize)>,
    /// The number of threads that have rows of a step or block of their own.
    pub(super) parts: usize,
    /// True once the part that runs once for each sequence has run.
    pub begun: bool,
    lent: PhantomData<&'m mut [f32]>,
}

/// The list of a frame that is over; what it points to is not read any more.
#[derive(Debug, Default)]
pub struct Bases(Vec<(*mut f32, usize)>);

// SAFETY: its pointers are never followed.
unsafe impl Send for Bases {}
// SAFETY: its pointers are never followed.
unsafe impl Sync for Bases {}

/// Returns the room that a buffer takes. Buffers that began a power of two apart would contend for the same places in the L1
/// cache, and their addresses would look alike to the processor.
fn room(numbers: usize) -> usize {
    numbers.next_multiple_of(LINE) + 9 * LINE
}

/// Returns the rows of a step or block that each thread has.
pub(super) fn local_rows(packing: &Packing) -> usize {
    packing.width().max(BLOCK.min(packing.rows()))
}

impl Buffer {
    /// Returns the elements of the buffer in a call of one thread.
    pub fn numbers(&self, packing: &Packing) -> usize {
        numbers(self, packing, 1)
    }
}

/// Returns the elements of a buffer in a call where each of `parts` threads has blocks of its own.
fn numbers(buffer: &Buffer, packing: &Packing, parts: usize) -> usize {
    let rows = match buffer.extent {
        Extent::Fixed => 1,
        Extent::Each => packing.rows(),
        Extent::Carried => packing.width() + packing.rows(),
        Extent::Local => parts * local_rows(packing),
    };
    // More than memory holds is refused where it is asked for.
    rows.saturating_mul(buffer.width)
}

impl<'m> Frame<'m> {
    /// Returns the elements that the own buffers of a program take.
    pub fn numbers(program: &Program, packing: &Packing, parts: usize) -> usize {
        let own = program.buffers().iter().filter(|it| it.own);
        own.map(|it| room(numbers(it, packing, parts))).sum()
    }

    /// Gives the own buffers of a program memory.
    pub fn new(
        program: &'m Program,
        packing: &'m Packing,
        parts: usize,
        memory: &'m mut Memory,
    ) -> Frame<'m> {
        Frame::again(program, packing, parts, memory, Bases::default())
    }

    /// As [`Frame::new`], with what an earlier frame leaves: it allocates nothing where the memory
    /// is large enough.
    pub fn again(
        program: &'m Program,
        packing: &'m Packing,
        parts: usize,
        memory: &'m mut Memory,
        bases: Bases,
    ) -> Frame<'m> {
        memory.reserve(Frame::numbers(program, packing, parts));
        let mut at = 0;
        let base = memory.0.as_mut_ptr().cast::<f32>();
        let Bases(mut bases) = bases;
        bases.clear();
        bases.extend(program.buffers().iter().map(|it| {
            if !it.own {
                return (std::ptr::null_mut(), 0);
            }
            let n = numbers(it, packing, parts);
            let first = base.wrapping_add(at);
            at += room(n);
            (first, n)
        }));
        Frame { buffers: program.buffers(), packing, bases, parts, begun: false, lent: PhantomData }
    }

    /// Returns the bases that the next frame may have.
    pub fn end(self) -> Bases {
        Bases(self.bases)
    }

    /// Lends a buffer that the program does not write.
    ///
    /// # Panics
    ///
    /// When the buffer is the program's own, or needs more elements: a fault of the caller.
    pub fn lend(&mut self, buffer: usize, numbers: &'m [f32]) {
        assert!(!self.buffers[buffer].own, "a buffer of the program's own is not lent");
        assert!(numbers.len() >= self.len(buffer), "a lent buffer has all its rows");
        // Nothing writes there: `Program::new` looked.
        self.bases[buffer] = (numbers.as_ptr().cast_mut(), numbers.len());
    }

    /// Returns the elements that a buffer must have, unless it is scratch.
    pub fn len(&self, buffer: usize) -> usize {
        self.buffers[buffer].numbers(self.packing)
    }

    /// Returns the elements of a buffer.
    pub fn data(&self, buffer: usize) -> &[f32] {
        let (at, n) = self.bases[buffer];
        if at.is_null() {
            return &[];
        }
        // SAFETY: it points to so many elements that live as long as the frame, and nobody writes
        // them while it is borrowed.
        unsafe { std::slice::from_raw_parts(at, n) }
    }

    /// Returns the elements of a buffer of the program's own.
    ///
    /// # Panics
    ///
    /// When the buffer is lent: a fault of the caller.
    pub fn data_mut(&mut self, buffer: usize) -> &mut [f32] {
        assert!(self.buffers[buffer].own, "what is lent is not written");
        let (at, n) = self.bases[buffer];
        // SAFETY: as in `data`; own buffers do not meet, and the frame is borrowed as a whole.
        unsafe { std::slice::from_raw_parts_mut(at, n) }
    }

    /// Returns the first number of a place at a step and position, within [`Frame::data`] of its buffer.
    pub fn offset(&self, place: Place, t: usize, position: usize) -> usize {
        let row = match place.rows {
            super::Rows::Fixed => 0,
            rows => self.packing.first_row(rows, t) + position,
        };
        place.offset + row * self.buffers[place.buffer].width
    }

    /// Returns the elements of a row of a buffer.
    pub fn width(&self, buffer: usize) -> usize {
        self.buffers[buffer].width
    }

    /// Returns the rows.
    pub fn packing(&self) -> &'m Packing {
        self.packing
    }
}
