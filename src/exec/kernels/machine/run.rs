//! Running a program on the rows of a call.

use std::cell::UnsafeCell;
use std::ops::Range;

use super::frame::local_rows;
use super::rows::Window;
use super::{BLOCK, Code, Frame, Packing, Part, Place, Program, RowCode, Rows};
use crate::exec::kernels::product::{PanelSet, RawResults, RawRows};
use crate::exec::kernels::strip::{RawStream, RawStrip};
use crate::exec::kernels::team::{Part as Share, Team};
use crate::exec::kernels::{Packed, Path};
use crate::ir::Order;

/// The ways in which threads share a loop over time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sharing {
    /// One does all.
    Alone,
    /// Each has sequences of its own; none waits for another.
    Sequences,
    /// Each has a share of the elements of every row; they wait for each other in every step.
    Units,
}

/// The least multiplications of a step for which barriers in it are worth their time.
const LEAST_STEP: usize = 40_000;

/// The bytes of matrices that fit the L2 cache of a processor.
const NEAR: usize = 640 * 1024;

/// The rows for which a processor computes longer than it takes to read a matrix from memory.
const MANY: usize = 48;

/// The columns that threads own whole.
const UNIT: usize = 64;

/// The state that the threads of a run share.
struct Shared<'r> {
    program: &'r Program,
    packs: &'r [Packed],
    path: Path,
    packing: &'r Packing,
    bases: &'r [(*mut f32, usize)],
}

// SAFETY: every instruction writes rows and elements that its thread alone has, and reads what no
// other thread writes without waiting: sequences are divided, or `Split` says where threads wait.
unsafe impl Sync for Shared<'_> {}

/// Memory that a thread uses again and again.
#[derive(Debug)]
struct Own {
    streams: Vec<RawStream>,
    rows: Vec<RawRows>,
    scratch: Vec<f32>,
}

/// The memory that the threads of a run work in; it may serve any number of runs.
#[derive(Debug)]
pub struct Workspace(Vec<UnsafeCell<Own>>);

// SAFETY: each thread takes what has its own number, and a run borrows all of it.
unsafe impl Sync for Workspace {}

// SAFETY: pointers in it are only read within a run, which writes them before.
unsafe impl Send for Workspace {}

/// The elements of a row that a thread computes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbers {
    All,
    /// Its share.
    Share {
        part: usize,
        parts: usize,
    },
}

impl Program {
    /// Runs all parts.
    ///
    /// # Panics
    ///
    /// When a lent buffer is missing, or packed matrices are not those of the program: a fault of
    /// the caller.
    pub fn run(
        &self,
        path: Path,
        packs: &[Packed],
        frame: &mut Frame<'_>,
        work: &mut Workspace,
        team: &Team,
    ) {
        assert!(work.0.len() >= team.parts(), "every thread has something to work in");
        assert!(
            std::ptr::eq(frame.buffers, self.buffers.as_slice()),
            "the frame is one of this program"
        );
        assert!(frame.parts >= team.parts(), "the frame has rows for every thread");
        let ready = frame.bases.iter().enumerate();
        let ready = ready.filter(|(at, _)| frame.packing.rows() > 0 && frame.len(*at) > 0);
        assert!(
            ready.clone().all(|(at, it)| !it.0.is_null() && it.1 >= frame.len(at)),
            "every buffer has its rows"
        );
        let sizes = self.packs.iter().zip(packs);
        assert!(
            self.packs.len() == packs.len()
                && sizes.clone().all(|(size, it)| {
                    it.depths() == size.depths && it.columns() == size.columns
                }),
            "the matrices are those of the program"
        );
        if frame.packing.rows() == 0 {
            return;
        }
        let shared =
            Shared { program: self, packs, path, packing: frame.packing, bases: &frame.bases };
        let work = &*work;
        let begun = frame.begun;
        let run = |share: &Share<'_>| {
            for (at, part) in self.parts.iter().enumerate() {
                if part.is_first && begun {
                    continue;
                }
                // SAFETY: places were checked when the program was made, and buffers have their
                // rows; what is shared is shared as `part` says, and no other thread has this
                // number.
                unsafe { shared.part(at, share, &mut *work.0[share.part].get()) };
                share.wait();
            }
        };
        if team.parts() > 1 && self.is_worth(frame.packing) {
            team.run(&run);
        } else {
            run(&Share::whole());
        }
    }

    /// Returns true if a call is long enough to be divided.
    fn is_worth(&self, packing: &Packing) -> bool {
        let rows = packing.rows();
        let elements: usize = self.buffers.iter().map(|it| it.width).sum();
        rows * (self.work() + 4 * elements) > 1_000_000
    }
}

impl Program {
    /// Makes the memory for a number of threads.
    pub fn workspace(&self, threads: usize) -> Workspace {
        Workspace((0..threads).map(|_| UnsafeCell::new(self.own())).collect())
    }

    fn own(&self) -> Own {
        let code = || self.parts.iter().flat_map(|it| &it.code);
        let most = |count: &dyn Fn(&Code) -> usize| code().map(count).max().unwrap_or(0);
        let streams = most(&|it| match it {
            Code::Strip { streams, .. } => streams.len(),
            Code::Product { .. } | Code::Row(_) | Code::Copy { .. } | Code::Repeat { .. } => 0,
        });
        let rows = most(&|it| match it {
            Code::Product { values, .. } => values.len(),
            Code::Row(RowCode { args, .. }) => args.len(),
            Code::Strip { .. } | Code::Copy { .. } | Code::Repeat { .. } => 0,
        });
        let scratch = most(&|it| match it {
            Code::Row(RowCode { op, .. }) => op.scratch(),
            Code::Strip { .. } | Code::Product { .. } | Code::Copy { .. } | Code::Repeat { .. } => {
                0
            }
        });
        Own {
            streams: Vec::with_capacity(streams),
            rows: Vec::with_capacity(rows),
            scratch: vec![0.0; scratch],
        }
    }
}

impl Shared<'_> {
    /// Decides how threads share a loop.
    fn sharing(&self, at: usize, parts: usize) -> Sharing {
        if parts == 1 {
            return Sharing::Alone;
        }
        let part = &self.program.parts[at];
        let packs = part.code.iter().filter_map(|it| match it {
            Code::Product { pack, .. } => Some(&self.packs[*pack]),
            Code::Strip { .. } | Code::Row(_) | Code::Copy { .. } | Code::Repeat { .. } => None,
        });
        let bytes: usize = packs.map(Packed::bytes).sum();
        let width = self.packing.width();
        let units = self.program.splits[at].may_share && width * bytes / 4 / parts >= LEAST_STEP;
        let sequences = width >= 2 * parts;
        // Where the matrices do not stay near, each thread better reads a part of them.
        let far = bytes > NEAR && width / parts < MANY;
        match (units, sequences) {
            (true, true) if far => Sharing::Units,
            (_, true) => Sharing::Sequences,
            (true, false) => Sharing::Units,
            (false, false) if width >= parts => Sharing::Sequences,
            (false, false) => Sharing::Alone,
        }
    }

    /// The share of a thread in a part of the program.
    ///
    /// # Safety
    ///
    /// Places and buffers are as [`Program::run`] looked; every thread has another share.
    unsafe fn part(&self, at: usize, share: &Share<'_>, own: &mut Own) {
        let part = &self.program.parts[at];
        let Share { part: number, parts, .. } = *share;
        // SAFETY: the caller's promise; rows or elements are divided as said.
        unsafe {
            if part.is_first {
                let positions = part_of(self.packing.width(), number, parts);
                let window = self.packing.step(0, positions);
                if window.count > 0 {
                    part.code.iter().for_each(|it| self.code(it, window, Numbers::All, own));
                }
                return;
            }
            let Some(order) = part.order else {
                self.all_rows(at, share, own);
                return;
            };
            match self.sharing(at, parts) {
                Sharing::Alone if number > 0 => {}
                Sharing::Alone => self.steps(part, order, 0..self.packing.width(), own),
                Sharing::Sequences => {
                    self.steps(part, order, self.sequences(number, parts), own);
                }
                Sharing::Units => {
                    let numbers = Numbers::Share { part: number, parts };
                    let waits = &self.program.splits[at].waits;
                    for t in self.order(order) {
                        let window = self.packing.step(t, 0..self.packing.width());
                        for (code, waits) in part.code.iter().zip(waits) {
                            if *waits {
                                share.wait();
                            }
                            self.code(code, window, numbers, own);
                        }
                    }
                }
            }
        }
    }

    /// Returns the steps in the order of a loop.
    fn order(&self, order: Order) -> impl Iterator<Item = usize> {
        let steps = self.packing.steps();
        (0..steps).map(move |t| match order {
            Order::Ascending => t,
            Order::Descending => steps - 1 - t,
        })
    }

    /// Returns the positions of the sequences of a thread: of all steps about as many as any other has.
    fn sequences(&self, part: usize, parts: usize) -> Range<usize> {
        let width = self.packing.width();
        if self.packing.is_even() {
            return width * part / parts..width * (part + 1) / parts;
        }
        let rows = self.packing.rows();
        let length = |position: usize| self.packing.active.partition_point(|it| *it > position);
        let cut = |part: usize| {
            let (mut before, mut position) = (0, 0);
            while position < width && before < rows * part / parts {
                before += length(position);
                position += 1;
            }
            if part == parts { width } else { position }
        };
        cut(part)..cut(part + 1)
    }

    /// All steps of some sequences.
    ///
    /// # Safety
    ///
    /// As for [`Shared::part`].
    unsafe fn steps(&self, part: &Part, order: Order, positions: Range<usize>, own: &mut Own) {
        for t in self.order(order) {
            let window = self.packing.step(t, positions.clone());
            if window.count == 0 {
                continue;
            }
            for code in &part.code {
                // SAFETY: the caller's promise.
                unsafe { self.code(code, window, Numbers::All, own) };
            }
        }
    }

    /// The share of a thread in what is done for all rows at once.
    ///
    /// # Safety
    ///
    /// As for [`Shared::part`].
    unsafe fn all_rows(&self, at: usize, share: &Share<'_>, own: &mut Own) {
        let code = &self.program.parts[at].code;
        if self.program.splits[at].is_ordered {
            for code in code {
                let code = std::slice::from_ref(code);
                // SAFETY: the caller's promise; threads have rows of their own.
                unsafe { self.windows(code, share, own) };
                share.wait();
            }
        } else {
            // SAFETY: as above.
            unsafe { self.windows(code, share, own) };
        }
    }

    /// Instructions on all rows of a thread, a block at a time; step by step where a block would
    /// not have its rows without gaps.
    ///
    /// # Safety
    ///
    /// As for [`Shared::part`].
    unsafe fn windows(&self, code: &[Code], share: &Share<'_>, own: &mut Own) {
        let Share { part, parts, .. } = *share;
        let local = part * local_rows(self.packing);
        let mut run = |window: Window| {
            for code in code {
                // SAFETY: the caller's promise.
                unsafe { self.code(code, window, Numbers::All, own) };
            }
        };
        let carried = |it: &Place| matches!(it.rows, Rows::Old | Rows::New);
        if !self.packing.is_even() && code.iter().any(|it| uses(it, carried)) {
            for t in part_of(self.packing.steps(), part, parts) {
                let window = self.packing.step(t, 0..self.packing.width());
                run(Window { local, ..window });
            }
            return;
        }
        let all = part_of(self.packing.rows(), part, parts);
        for begin in all.clone().step_by(BLOCK) {
            run(self.packing.block(begin..all.end.min(begin + BLOCK), local));
        }
    }

    fn at(&self, place: &Place, window: Window) -> RawResults {
        let (base, row) = self.base(place);
        RawResults { at: base.wrapping_add(place.offset + row * window.first(place.rows)), row }
    }

    fn base(&self, place: &Place) -> (*mut f32, usize) {
        let row = match place.rows {
            Rows::Fixed => 0,
            Rows::Each | Rows::Old | Rows::New | Rows::Local => {
                self.program.buffers[place.buffer].width
            }
        };
        (self.bases[place.buffer].0, row)
    }

    /// One instruction on some rows.
    ///
    /// # Safety
    ///
    /// As for [`Shared::part`].
    unsafe fn code(&self, code: &Code, window: Window, numbers: Numbers, own: &mut Own) {
        let rows = window.count;
        match code {
            Code::Strip { strip, outer, inner, streams } => {
                own.streams.clear();
                own.streams.extend(streams.iter().map(|it| {
                    let RawResults { at, row } = self.at(&it.place, window);
                    RawStream { at, row, outer: it.outer, kind: it.kind }
                }));
                let lanes = match numbers {
                    Numbers::All => 0..*inner,
                    Numbers::Share { part, parts } => lanes(*inner, part, parts),
                };
                if lanes.is_empty() {
                    return;
                }
                let run = RawStrip {
                    rows,
                    outer: *outer,
                    inner: *inner,
                    lanes: (lanes.start, lanes.end),
                    streams: &own.streams,
                };
                // SAFETY: the caller's promise.
                unsafe { strip.run(self.path, &run) };
            }
            Code::Product { pack, values, added, to, columns, unit } => {
                own.rows.clear();
                own.rows.extend(values.iter().map(|it| self.at(it, window).as_rows()));
                let added = added.map(|it| self.at(&it, window).as_rows());
                let (added, to) = (added.as_slice(), self.at(to, window));
                let packed = &self.packs[*pack];
                // SAFETY: the caller's promise.
                unsafe {
                    match numbers {
                        Numbers::All => packed.product(rows, &own.rows, added, to, packed.all()),
                        Numbers::Share { part, parts } if unit % UNIT == 0 => {
                            let share = lanes(*unit, part, parts);
                            let width = packed.width();
                            for panel in share.start / width..share.end / width {
                                let step = unit / width;
                                let set = PanelSet { first: panel, count: columns / unit, step };
                                packed.product(rows, &own.rows, added, to, set);
                            }
                        }
                        Numbers::Share { part, parts } => {
                            let set = packed.part(part, parts);
                            packed.product(rows, &own.rows, added, to, set);
                        }
                    }
                }
            }
            Code::Row(RowCode { op, args, to }) => {
                if matches!(numbers, Numbers::Share { part: 1.., .. }) {
                    return;
                }
                own.rows.clear();
                own.rows.extend(args.iter().map(|it| self.at(&it.0, window).as_rows()));
                let to = self.at(&to.0, window);
                if own.scratch.len() < op.scratch() {
                    own.scratch.resize(op.scratch(), 0.0);
                }
                // SAFETY: the caller's promise.
                unsafe { op.run(self.path, rows, &own.rows, to, own.scratch.as_mut_ptr()) };
            }
            Code::Repeat { place, n } => {
                let (base, row) = self.base(place);
                let begin = window.first(place.rows);
                let at = |it: usize| base.wrapping_add(place.offset + row * it);
                for t in 1..self.packing.steps() {
                    let active = self.packing.active[t].min(begin + rows);
                    for position in begin..active {
                        // SAFETY: the caller's promise; every step has rows of its own.
                        unsafe {
                            let to = at(self.packing.first[t] + position);
                            std::ptr::copy_nonoverlapping(at(position), to, *n);
                        }
                    }
                }
            }
            Code::Copy { from, to, n } => {
                if matches!(numbers, Numbers::Share { part: 1.., .. }) {
                    return;
                }
                let (from, to) = (self.at(from, window), self.at(to, window));
                for row in 0..rows {
                    // SAFETY: the caller's promise; the rows do not meet.
                    unsafe {
                        let (from, to) = (from.at.add(row * from.row), to.at.add(row * to.row));
                        std::ptr::copy_nonoverlapping(from, to, *n);
                    }
                }
            }
        }
    }
}

/// Returns true if an instruction has such a place.
fn uses(code: &Code, wanted: impl Fn(&Place) -> bool) -> bool {
    match code {
        Code::Strip { streams, .. } => streams.iter().any(|it| wanted(&it.place)),
        Code::Product { values, added, to, .. } => {
            values.iter().chain(added).any(&wanted) || wanted(to)
        }
        Code::Row(RowCode { args, to, .. }) => args.iter().any(|it| wanted(&it.0)) || wanted(&to.0),
        Code::Repeat { place, .. } => wanted(place),
        Code::Copy { from, to, .. } => wanted(from) || wanted(to),
    }
}

/// Returns one of several nearly equal parts.
pub(super) fn part_of(whole: usize, part: usize, parts: usize) -> Range<usize> {
    whole * part / parts..whole * (part + 1) / parts
}

/// Returns the elements of each `unit` that a thread owns.
fn lanes(unit: usize, part: usize, parts: usize) -> Range<usize> {
    let whole = if unit.is_multiple_of(UNIT) { UNIT } else { 16 };
    let range = part_of(unit.div_ceil(whole), part, parts);
    (range.start * whole).min(unit)..(range.end * whole).min(unit)
}
