//! Products of two operands that may both vary by row: planned here, run in [`super::product`].

use super::moves::{self, Moves, Step};
use super::product::{self, Factors};
use super::wide::Wide;
use super::{RawResults, RawRows, strides, table};
use crate::ir::Contract;

/// A position that is looped over: how often, and how far the next element is in the first operand,
/// the second one and the result; 0 where one does not have it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Loop {
    pub n: usize,
    pub at: [usize; 3],
}

/// No loop.
const ONCE: Loop = Loop { n: 1, at: [0; 3] };

const LEFT: usize = 0;
const RIGHT: usize = 1;
const RESULT: usize = 2;

/// The shape of the innermost loops.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// There is no result.
    Nothing,
    /// There is nothing to sum: the result is zeros.
    Zeros(usize),
    /// Vectors of the second operand and of the result, times elements of the first.
    Tiles,
    /// Sums over what is contiguous in both operands.
    Dots,
    /// Vectors of both operands and of the result.
    Lanes,
}

/// A contraction with its sizes.
#[derive(Clone, Debug)]
pub(in crate::exec::kernels) struct Contraction {
    pub(super) form: Form,
    /// True if first and second operand are exchanged.
    swapped: bool,
    /// The moves that bring an operand into an order in which vectors can be loaded, and its length then.
    packs: [Option<(Moves, usize)>; 2],
    /// The offsets at which each of the outer loops begins.
    pub(super) outer: Vec<[usize; 3]>,
    /// The offsets at which parts of the sum begin.
    pub(super) parts: Vec<[usize; 2]>,
    /// The innermost loop of the sum.
    pub(super) sum: Loop,
    /// The loop that is run in vectors, or in sums side by side.
    pub(super) across: Loop,
    /// The loop that tiles are high.
    pub(super) down: Loop,
}

/// Says which of the operands and the result have an axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Batch,
    Left,
    Right,
    Sum,
}

impl Class {
    fn swapped(self) -> Class {
        match self {
            Class::Batch => Class::Batch,
            Class::Left => Class::Right,
            Class::Right => Class::Left,
            Class::Sum => Class::Sum,
        }
    }

    /// Returns true if an operand has such axes.
    fn is_in(self, operand: usize) -> bool {
        match self {
            Class::Batch | Class::Sum => true,
            Class::Left => operand == LEFT,
            Class::Right => operand == RIGHT,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Axis {
    class: Class,
    it: Loop,
}

impl Contraction {
    /// Plans a contraction of operands of these shapes.
    pub fn new(labels: &Contract, left: &[usize], right: &[usize]) -> Contraction {
        let mut axes = axes(labels, left, right);
        let mut plan = Contraction {
            form: Form::Nothing,
            swapped: false,
            packs: [None, None],
            outer: Vec::new(),
            parts: Vec::new(),
            sum: ONCE,
            across: ONCE,
            down: ONCE,
        };
        let results = axes.iter().filter(|it| it.class != Class::Sum);
        let results: usize = results.map(|it| it.it.n).product();
        if axes.iter().any(|it| it.it.n == 0) {
            if results > 0 {
                plan.form = Form::Zeros(results);
            }
            return plan;
        }
        axes.retain(|it| it.it.n > 1);
        plan.choose(&mut axes);
        merge(&mut axes);
        plan.arrange(axes);
        plan
    }

    /// Chooses the form, and what must be packed for it.
    fn choose(&mut self, axes: &mut [Axis]) {
        let inner = axes.iter().position(|it| it.it.at[RESULT] == 1);
        if inner.is_some_and(|it| axes[it].class == Class::Left) {
            self.swap(axes);
        }
        let sums = || axes.iter().filter(|it| it.class == Class::Sum);
        let contiguous = sums().any(|it| it.it.at[LEFT] == 1 && it.it.at[RIGHT] == 1);
        let Some(inner) = inner else {
            // One element; the second operand has the order of the first.
            self.form = Form::Dots;
            if !contiguous && sums().next().is_some() {
                axes.sort_by_key(|it| std::cmp::Reverse(it.it.at[LEFT]));
                self.pack(RIGHT, axes, None);
            }
            return;
        };
        let Axis { class, it } = axes[inner];
        // Tiles reuse what they load; where they are high and wide that is worth the packing.
        let high = axes.iter().any(|it| it.class == Class::Left && it.it.n >= 4) && it.n >= 8;
        match class {
            Class::Right if it.at[RIGHT] == 1 => self.form = Form::Tiles,
            Class::Batch if contiguous => self.form = Form::Dots,
            Class::Right if contiguous && !high => self.form = Form::Dots,
            Class::Right => {
                self.form = Form::Tiles;
                self.pack(RIGHT, axes, Some(inner));
            }
            Class::Batch => {
                self.form = Form::Lanes;
                for operand in [LEFT, RIGHT] {
                    if it.at[operand] != 1 {
                        self.pack(operand, axes, Some(inner));
                    }
                }
            }
            Class::Left | Class::Sum => {
                unreachable!("the last axis of the result is in it, and in the second operand")
            }
        }
    }

    fn swap(&mut self, axes: &mut [Axis]) {
        self.swapped = !self.swapped;
        self.packs.swap(LEFT, RIGHT);
        for axis in axes {
            axis.class = axis.class.swapped();
            axis.it.at.swap(LEFT, RIGHT);
        }
    }

    /// Brings an operand into the order of the axes, but `inner` last.
    fn pack(&mut self, operand: usize, axes: &mut [Axis], inner: Option<usize>) {
        let mut order: Vec<usize> = (0..axes.len())
            .filter(|it| axes[*it].class.is_in(operand) && Some(*it) != inner)
            .collect();
        order.extend(inner);
        let mut steps = Vec::new();
        let mut len = 1;
        for idx in order.into_iter().rev() {
            let it = &mut axes[idx].it;
            steps.push(Step { n: it.n, from: it.at[operand], to: len });
            it.at[operand] = len;
            len *= it.n;
        }
        let mut moves = Moves::default();
        moves.add(Some(0), 0, 0, &steps);
        self.packs[operand] = Some((moves, len));
    }

    /// Gives each axis its loop.
    fn arrange(&mut self, mut axes: Vec<Axis>) {
        let longest = |axes: &[Axis], class: Class| {
            let of = (0..axes.len()).filter(|it| axes[*it].class == class);
            of.max_by_key(|it| axes[*it].it.n)
        };
        let is_inner = |it: &Axis| it.it.at[RESULT] == 1;
        match self.form {
            Form::Tiles | Form::Lanes => {
                self.across = take(&mut axes, |axes| axes.iter().position(is_inner));
                self.sum = take(&mut axes, |axes| longest(axes, Class::Sum));
                if self.form == Form::Tiles {
                    self.down = take(&mut axes, |axes| longest(axes, Class::Left));
                }
            }
            Form::Dots => {
                self.sum = take(&mut axes, |axes| {
                    axes.iter().position(|it| {
                        it.class == Class::Sum && it.it.at[LEFT] == 1 && it.it.at[RIGHT] == 1
                    })
                });
                // Results are written in vectors, unless those would be short.
                self.across = take(&mut axes, |axes| {
                    let results = (0..axes.len()).filter(|it| axes[*it].class != Class::Sum);
                    results.max_by_key(|it| {
                        let it = &axes[*it];
                        (it.it.n.min(8), is_inner(it), it.it.n)
                    })
                });
                if self.across.at[RIGHT] == 0 && self.across.at[LEFT] != 0 {
                    self.swap(&mut axes);
                    self.across.at.swap(LEFT, RIGHT);
                }
            }
            Form::Nothing | Form::Zeros(_) => {}
        }
        let (sums, outer): (Vec<Axis>, Vec<Axis>) =
            axes.into_iter().partition(|it| it.class == Class::Sum);
        let sums: Vec<(usize, [usize; 2])> =
            sums.iter().map(|it| (it.it.n, [it.it.at[LEFT], it.it.at[RIGHT]])).collect();
        let outer: Vec<(usize, [usize; 3])> = outer.iter().map(|it| (it.it.n, it.it.at)).collect();
        self.parts = table(&sums);
        self.outer = table(&outer);
    }

    /// Returns the elements of scratch that a run needs.
    pub fn scratch(&self) -> usize {
        self.packs.iter().flatten().map(|it| it.1).sum()
    }
}

/// Takes an axis out.
fn take(axes: &mut Vec<Axis>, which: impl Fn(&[Axis]) -> Option<usize>) -> Loop {
    which(axes).map_or(ONCE, |it| axes.remove(it).it)
}

/// Returns the axes of the result, then those that are summed.
fn axes(labels: &Contract, left: &[usize], right: &[usize]) -> Vec<Axis> {
    let sum = labels.left.iter().filter(|it| !labels.result.contains(it));
    let order: Vec<u8> = labels.result.iter().chain(sum).copied().collect();
    let by_left = strides(left);
    let by_right = strides(right);
    let mut axes: Vec<Axis> = Vec::new();
    let mut step = 1;
    for (at, label) in order.iter().enumerate().rev() {
        let in_left = labels.left.iter().position(|it| it == label);
        let in_right = labels.right.iter().position(|it| it == label);
        let in_result = at < labels.result.len();
        let n = in_left.map(|it| left[it]).or(in_right.map(|it| right[it])).unwrap_or(1);
        let class = match (in_left, in_right) {
            (Some(_), Some(_)) if in_result => Class::Batch,
            (Some(_), Some(_)) => Class::Sum,
            (Some(_), None) => Class::Left,
            (None, Some(_) | None) => Class::Right,
        };
        let mut it = Loop { n, at: [0; 3] };
        it.at[LEFT] = in_left.map_or(0, |it| by_left[it]);
        it.at[RIGHT] = in_right.map_or(0, |it| by_right[it]);
        if in_result {
            it.at[RESULT] = step;
            step *= n;
        }
        axes.push(Axis { class, it });
    }
    axes.reverse();
    axes
}

/// Axes that go on where others end are one with them. They are of one class: what has no such
/// axis has a stride of 0.
fn merge(axes: &mut Vec<Axis>) {
    'again: loop {
        for a in 0..axes.len() {
            for b in 0..axes.len() {
                let (outer, inner) = (axes[a], axes[b]);
                let goes_on = (0..3).all(|it| outer.it.at[it] == inner.it.n * inner.it.at[it]);
                if a != b && goes_on {
                    axes[b].it.n *= outer.it.n;
                    axes.remove(a);
                    continue 'again;
                }
            }
        }
        return;
    }
}

/// # Safety
///
/// As for [`super::RowOp::run`].
#[inline(always)]
pub(in crate::exec::kernels) unsafe fn run<S: Wide>(
    plan: &Contraction,
    rows: usize,
    args: &[RawRows],
    to: RawResults,
    scratch: *mut f32,
) {
    if rows == 0 {
        return;
    }
    let mut operands = [args[0], args[1]];
    if plan.swapped {
        operands.swap(0, 1);
    }
    // SAFETY: the caller's promise; the packed operands follow each other in the scratch,
    // of which there is as much as the plan said.
    unsafe {
        let mut varying = [None, None];
        let mut place = scratch;
        for ((operand, pack), varying) in operands.iter_mut().zip(&plan.packs).zip(&mut varying) {
            let Some((moves, len)) = pack else { continue };
            let packed = RawResults { at: place, row: 0 };
            if operand.row == 0 {
                moves::run::<S>(moves, 1, &[*operand], packed);
            } else {
                *varying = Some((moves, *operand, packed));
            }
            *operand = RawRows { at: place, row: 0 };
            place = place.add(*len);
        }
        let [left, right] = operands;
        if plan.form == Form::Tiles
            && plan.down.n == 1
            && right.row == 0
            && varying[RIGHT].is_none()
        {
            // A second operand that is the same for all rows: they are what tiles are high.
            let down = Loop { n: rows, at: [left.row, 0, to.row] };
            let factors = Factors { left: left.at, right: right.at, to: to.at };
            product::tiles::<S, false>(plan, down, factors);
            return;
        }
        for row in 0..rows {
            for (moves, operand, packed) in varying.iter().flatten() {
                let at = operand.at.add(row * operand.row);
                moves::run::<S>(moves, 1, &[RawRows { at, row: 0 }], *packed);
            }
            let factors = Factors {
                left: left.at.add(row * left.row),
                right: right.at.add(row * right.row),
                to: to.at.add(row * to.row),
            };
            match plan.form {
                Form::Nothing => {}
                Form::Zeros(n) => moves::fill::<S>(0.0, factors.to, n),
                Form::Tiles if plan.down.n == 1 => {
                    product::tiles::<S, true>(plan, plan.down, factors);
                }
                Form::Tiles => product::tiles::<S, false>(plan, plan.down, factors),
                Form::Dots => product::dots::<S>(plan, factors),
                Form::Lanes => product::lanes::<S>(plan, factors),
            }
        }
    }
}
