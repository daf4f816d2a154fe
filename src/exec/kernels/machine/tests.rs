//! Tests that wrong programs are refused, rows are packed, threads wait, and all ways of sharing give the same.

use super::split::Split;
use super::*;
use crate::exec::kernels::tests::numbers;
use crate::exec::kernels::{Instruction, LaneOp, Matrix, Operand, Target, Team};
use crate::ir::{Along, Dim, Move, Pointwise, Reduction};

const WIDTH: usize = 8;

/// One buffer of each kind: fixed, of each row and lent, of each row, carried, local.
fn buffers() -> Vec<Buffer> {
    let buffer = |extent, own| Buffer { width: WIDTH, extent, own };
    vec![
        buffer(Extent::Fixed, false),
        buffer(Extent::Each, false),
        buffer(Extent::Each, true),
        buffer(Extent::Carried, true),
        buffer(Extent::Local, true),
    ]
}

const FIXED: Place = Place { buffer: 0, offset: 0, rows: Rows::Fixed };
const LENT: Place = Place { buffer: 1, offset: 0, rows: Rows::Each };
const EACH: Place = Place { buffer: 2, offset: 0, rows: Rows::Each };
const OLD: Place = Place { buffer: 3, offset: 0, rows: Rows::Old };
const NEW: Place = Place { buffer: 3, offset: 0, rows: Rows::New };
const LOCAL: Place = Place { buffer: 4, offset: 0, rows: Rows::Local };

fn from(place: Place, offset: usize) -> Place {
    Place { offset, ..place }
}

/// Returns whether code is accepted, in a loop and outside of one.
fn taken(code: Code) -> [bool; 2] {
    [true, false].map(|is_loop| {
        let packs = vec![PackSize { depths: vec![4, 2], columns: 4 }];
        let order = is_loop.then_some(Order::Ascending);
        let part = Part { order, is_first: false, code: vec![code.clone()] };
        Program::new(buffers(), packs, vec![part]).is_ok()
    })
}

#[test]
fn an_instruction_at_fault_is_told_by_where_it_writes() {
    let part = |code| Part { order: Some(Order::Ascending), is_first: false, code };
    let good = Code::Copy { from: LENT, to: EACH, n: WIDTH };
    let bad = Code::Copy { from: LENT, to: LOCAL, n: WIDTH + 1 };
    let fault = Program::new(buffers(), Vec::new(), vec![part(vec![good, bad])]);
    assert_eq!(fault.unwrap_err().target, Some(LOCAL));
    let both = [OLD, NEW].map(|to| Code::Copy { from: LENT, to, n: 1 });
    let fault = Program::new(buffers(), Vec::new(), vec![part(both.to_vec())]);
    assert_eq!(fault.unwrap_err().target, None);
}

/// Rows of the first step go to all others, of every thread's sequences; only where that step alone is
/// computed.
#[test]
fn the_first_rows_of_sequences_are_repeated() {
    let repeat = |place, n| Code::Repeat { place, n };
    let first = |code: Vec<Code>| {
        let part = Part { order: None, is_first: true, code };
        Program::new(buffers(), Vec::new(), vec![part])
    };
    assert_eq!(taken(repeat(EACH, WIDTH)), [false; 2]);
    for (place, n) in [(LENT, 1), (OLD, 1), (LOCAL, 1), (EACH, WIDTH + 1), (from(EACH, 1), WIDTH)] {
        assert!(first(vec![repeat(place, n)]).is_err(), "{place:?}");
    }
    let to = from(EACH, 1);
    let copy = Code::Copy { from: FIXED, to, n: 3 };
    let program = first(vec![copy, repeat(to, 3)]).unwrap();
    let fixed: Vec<f32> = (0..WIDTH).map(|it| it as f32).collect();
    for lengths in [&[3, 3, 3][..], &[1, 4, 2, 4, 0], &[2]] {
        let packing = Packing::new(lengths);
        for threads in [1, 3] {
            let (mut memory, team) = (Memory::default(), Team::new(threads));
            let mut frame = Frame::new(&program, &packing, threads, &mut memory);
            let lent = vec![0.0; WIDTH * packing.rows()];
            frame.lend(FIXED.buffer, &fixed);
            frame.lend(LENT.buffer, &lent);
            let mut work = program.workspace(threads);
            frame.begun = true;
            program.run(Path::best(), &[], &mut frame, &mut work, &team);
            assert!(frame.data(EACH.buffer).iter().all(|it| *it == 0.0), "it was there already");
            frame.begun = false;
            program.run(Path::best(), &[], &mut frame, &mut work, &team);
            let rows = frame.data(EACH.buffer).chunks(WIDTH).take(packing.rows());
            let expected = [0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0];
            assert!(rows.clone().all(|it| it == expected), "{lengths:?}, {threads}");
            assert_eq!(rows.count(), lengths.iter().sum::<usize>());
        }
    }
}

const BOTH: [bool; 2] = [true; 2];
const NONE: [bool; 2] = [false; 2];

#[test]
fn copies_stay_in_their_buffers() {
    let copy = |from, to, n| taken(Code::Copy { from, to, n });
    for place in [FIXED, LENT, OLD, LOCAL, NEW] {
        assert_eq!(copy(place, EACH, WIDTH), BOTH, "{place:?}");
    }
    for place in [FIXED, LENT] {
        assert_eq!(copy(EACH, place, 1), NONE, "{place:?} is written");
    }
    for place in [EACH, NEW, LOCAL, OLD] {
        assert_eq!(copy(LENT, place, WIDTH), BOTH, "{place:?}");
        assert_eq!(copy(LENT, place, WIDTH + 1), NONE, "{place:?}: too wide");
        assert_eq!(copy(LENT, from(place, 1), WIDTH), NONE, "{place:?}: beyond the end");
        assert_eq!(copy(LENT, from(place, usize::MAX), 2), NONE, "{place:?}: far beyond");
        assert_eq!(copy(LENT, Place { buffer: 5, ..place }, 1), NONE, "no such buffer");
    }
    assert_eq!(copy(from(LENT, 1), EACH, WIDTH), NONE, "what is read lies in its buffer too");
    // The rows are those of the buffer.
    for (at, rows) in
        [Rows::Fixed, Rows::Each, Rows::Each, Rows::Old, Rows::Local].iter().enumerate()
    {
        for other in [Rows::Fixed, Rows::Each, Rows::Old, Rows::New, Rows::Local] {
            let place = Place { buffer: at, offset: 0, rows: other };
            let to = if at == 2 { from(LOCAL, 4) } else { EACH };
            let fits = other == *rows || (*rows == Rows::Old && other == Rows::New);
            assert_eq!(copy(place, to, 2), [fits; 2], "{place:?}");
        }
    }
    // What is written is not read.
    assert_eq!(copy(EACH, from(EACH, 4), 4), BOTH);
    assert_eq!(copy(EACH, from(EACH, 3), 4), NONE);
    assert_eq!(copy(EACH, EACH, 1), NONE);
    // The old row of one step is the new one of another.
    assert_eq!(copy(OLD, NEW, 4), [true, false]);
    assert_eq!(copy(OLD, from(NEW, 4), 4), BOTH);
}

#[test]
fn products_have_their_matrices_and_results_of_their_own() {
    let product = |values: &[Place], added, to, columns, unit| {
        let values = values.to_vec();
        taken(Code::Product { pack: 0, values, added, to, columns, unit })
    };
    let good = [LENT, OLD];
    assert_eq!(product(&good, None, EACH, 4, 4), BOTH);
    assert_eq!(product(&good, Some(FIXED), LOCAL, 4, 2), BOTH);
    assert_eq!(product(&good, Some(EACH), EACH, 4, 1), BOTH, "added in place");
    assert_eq!(product(&good, Some(from(EACH, 2)), EACH, 4, 4), NONE, "added in another place");
    assert_eq!(product(&good, Some(from(LENT, 5)), EACH, 4, 4), NONE, "beyond its buffer");
    assert_eq!(product(&[LENT], None, EACH, 4, 4), NONE, "one value of two");
    assert_eq!(product(&[LENT, OLD, OLD], None, EACH, 4, 4), NONE, "three values of two");
    assert_eq!(product(&[from(LENT, 5), OLD], None, EACH, 4, 4), NONE, "a value beyond its buffer");
    assert_eq!(product(&[from(LENT, 4), from(OLD, 6)], None, EACH, 4, 4), BOTH);
    assert_eq!(product(&good, None, EACH, 3, 3), NONE, "other columns");
    assert_eq!(product(&good, None, EACH, 4, 3), NONE, "units that do not fill them");
    assert_eq!(product(&good, None, EACH, 4, 0), NONE, "units of nothing");
    assert_eq!(product(&good, None, from(EACH, 5), 4, 4), NONE, "results beyond their buffer");
    assert_eq!(product(&good, None, LENT, 4, 4), NONE, "results in what is lent");
    assert_eq!(product(&[from(EACH, 3), OLD], None, EACH, 4, 4), NONE, "results over a value");
    assert_eq!(product(&[from(EACH, 4), OLD], None, EACH, 4, 4), BOTH);
    assert_eq!(product(&[LENT, OLD], None, NEW, 4, 4), [true, false]);
    let code = Code::Product {
        pack: 1,
        values: good.to_vec(),
        added: None,
        to: EACH,
        columns: 4,
        unit: 4,
    };
    assert_eq!(taken(code), NONE, "there is no such matrix");
}

/// A strip that adds its first two streams into the third.
fn sum() -> Strip {
    let args = [Operand::Stream(0), Operand::Stream(1)];
    let add = Instruction::new(LaneOp::Map(Pointwise::Add), &args, Target::Stream(2));
    Strip::new(vec![add], 3).unwrap()
}

#[test]
fn strips_write_without_gaps() {
    let each = |place, outer| Stream { place, outer, kind: Kind::Each };
    let one = |place, outer| Stream { place, outer, kind: Kind::PerOuter };
    let strip = |outer, inner, streams: [Stream; 3]| {
        taken(Code::Strip { strip: sum(), outer, inner, streams: streams.to_vec() })
    };
    assert_eq!(strip(1, 8, [each(LENT, 8), each(OLD, 8), each(EACH, 8)]), BOTH);
    assert_eq!(strip(2, 4, [one(LENT, 1), each(FIXED, 0), each(EACH, 4)]), BOTH);
    assert_eq!(strip(2, 4, [one(from(LENT, 7), 1), each(FIXED, 0), each(EACH, 4)]), NONE);
    assert_eq!(strip(2, 4, [each(LENT, 5), each(FIXED, 0), each(EACH, 4)]), NONE);
    assert_eq!(strip(0, 4, [each(LENT, 4), each(OLD, 4), each(EACH, 4)]), NONE);
    assert_eq!(strip(1, 0, [each(LENT, 0), each(OLD, 0), each(EACH, 0)]), NONE);
    assert_eq!(strip(1, 9, [each(LENT, 9), each(OLD, 9), each(EACH, 9)]), NONE);
    assert_eq!(strip(1, 1, [each(LENT, 1), each(OLD, 1), one(EACH, 1)]), NONE, "one for all");
    assert_eq!(strip(2, 3, [each(LENT, 3), each(OLD, 3), each(EACH, 4)]), NONE, "with gaps");
    assert_eq!(strip(2, 3, [each(LENT, 3), each(OLD, 3), each(EACH, 2)]), NONE, "over each other");
    assert_eq!(strip(1, 4, [each(LENT, 4), each(OLD, 4), each(LENT, 4)]), NONE, "lent");
    assert_eq!(strip(1, 4, [each(EACH, 4), each(OLD, 4), each(EACH, 4)]), BOTH, "in place");
    assert_eq!(strip(1, 4, [each(from(EACH, 1), 4), each(OLD, 4), each(EACH, 4)]), NONE);
    assert_eq!(strip(1, 4, [each(LENT, 4), each(OLD, 4), each(NEW, 4)]), [true, false]);
    let two = vec![each(LENT, 4), each(OLD, 4)];
    assert_eq!(taken(Code::Strip { strip: sum(), outer: 1, inner: 4, streams: two }), NONE);
}

#[test]
fn operators_have_results_of_their_own() {
    let row = |arg: Place, to: Place| {
        let op = Op::Along(Along::Reduce(Reduction::Sum, vec![0]));
        let code = RowCode::new(&op, &Env::default(), &[(arg, &[4, 2])], (to, &[2])).unwrap();
        taken(Code::Row(code))
    };
    assert_eq!(row(LENT, EACH), BOTH);
    assert_eq!(row(from(LENT, 1), EACH), NONE);
    assert_eq!(row(LENT, from(EACH, 7)), NONE);
    assert_eq!(row(EACH, from(EACH, 6)), NONE);
    assert_eq!(row(OLD, NEW), [true, false]);
    assert_eq!(row(EACH, FIXED), NONE);
    let none =
        RowCode::new(&Op::Map(Pointwise::Tanh), &Env::default(), &[(LENT, &[4])], (EACH, &[4]));
    assert!(none.is_none(), "what is elementwise is a strip");
    let pick = Op::Move(Move::Pick(Dim::number(1)));
    assert!(RowCode::new(&pick, &Env::default(), &[(LENT, &[2, 4])], (EACH, &[4])).is_some());
}

#[test]
fn rows_are_packed_by_length() {
    let packing = Packing::new(&[3, 0, 5, 1, 5]);
    assert_eq!(packing.order, [2, 4, 0, 3, 1]);
    assert_eq!(packing.active, [4, 3, 3, 2, 2]);
    assert_eq!(packing.first, [0, 4, 7, 10, 12, 14]);
    assert_eq!((packing.steps(), packing.rows(), packing.width()), (5, 14, 4));
    assert!(!packing.is_even());
    // Rows of all steps follow each other; the new row of a step is the old one of the next.
    let mut row = 0;
    for t in 0..5 {
        let window = packing.step(t, 0..4);
        assert_eq!((window.each, window.count), (row, packing.active[t]));
        assert_eq!(window.new, 4 + row);
        assert_eq!(window.old, if t == 0 { 0 } else { packing.step(t - 1, 0..4).new });
        row += window.count;
    }
    // Of a part of the sequences there are those that are not over.
    let window = packing.step(1, 2..4);
    assert_eq!((window.each, window.old, window.new, window.local, window.count), (6, 6, 10, 2, 1));
    assert_eq!(packing.step(4, 3..4).count, 0);
    assert_eq!(packing.spans(Rows::Each), [(0, 14)]);
    assert_eq!(packing.spans(Rows::New), [(4, 14)]);
    assert_eq!(packing.spans(Rows::Old), [(0, 4), (4, 3), (8, 3), (11, 2), (14, 2)]);
}

#[test]
fn rows_of_one_length_stay_in_order() {
    for lengths in [&[4, 4, 4][..], &[4, 0, 4, 4]] {
        let packing = Packing::new(lengths);
        assert!(packing.is_even() && packing.order.is_sorted() != lengths.contains(&0));
        assert_eq!((packing.steps(), packing.rows(), packing.width()), (4, 12, 3));
        assert_eq!(packing.spans(Rows::Old), [(0, 12)]);
    }
    for lengths in [&[][..], &[0], &[0, 0, 0]] {
        let packing = Packing::new(lengths);
        assert_eq!(packing.order, (0..lengths.len()).collect::<Vec<_>>());
        assert_eq!((packing.steps(), packing.rows(), packing.width()), (0, 0, 0));
        assert!(packing.is_even());
        assert_eq!(packing.first, [0]);
    }
}

/// A loop of a cell with one product: `pre = added + U @ old`, `new = tanh(pre) + old`.
struct Loop {
    program: Program,
    n: usize,
}

const PRE: Place = Place { buffer: 1, offset: 0, rows: Rows::Local };
const ADDED: Place = Place { buffer: 0, offset: 0, rows: Rows::Each };
const BEFORE: Place = Place { buffer: 2, offset: 0, rows: Rows::Old };
const AFTER: Place = Place { buffer: 2, offset: 0, rows: Rows::New };

fn steps(n: usize) -> Vec<Code> {
    let values = vec![BEFORE];
    let product =
        Code::Product { pack: 0, values, added: Some(ADDED), to: PRE, columns: n, unit: n };
    let map = |op, args: &[Operand], to| Instruction::new(LaneOp::Map(op), args, to);
    let strip = vec![
        map(Pointwise::Tanh, &[Operand::Stream(0)], Target::Register(0)),
        map(Pointwise::Add, &[Operand::Register(0), Operand::Stream(1)], Target::Stream(2)),
    ];
    let stream = |place| Stream { place, outer: n, kind: Kind::Each };
    let streams = vec![stream(PRE), stream(BEFORE), stream(AFTER)];
    vec![product, Code::Strip { strip: Strip::new(strip, 3).unwrap(), outer: 1, inner: n, streams }]
}

impl Loop {
    fn new(n: usize) -> Loop {
        let buffer = |extent, own| Buffer { width: n, extent, own };
        let buffers = vec![
            buffer(Extent::Each, false),
            buffer(Extent::Local, true),
            buffer(Extent::Carried, true),
        ];
        let packs = vec![PackSize { depths: vec![n], columns: n }];
        let part = Part { order: Some(Order::Ascending), is_first: false, code: steps(n) };
        Loop { program: Program::new(buffers, packs, vec![part]).unwrap(), n }
    }

    /// The carried rows of all steps.
    fn run(&self, path: Path, lengths: &[usize], team: &Team) -> Vec<f32> {
        let n = self.n;
        let packing = Packing::new(lengths);
        let mut packs = self.program.packed(path);
        let matrix: Vec<f32> = numbers(n * n, 1).iter().map(|it| it / n as f32).collect();
        let matrix = Matrix { data: &matrix, first: 0, down: n, right: 1, rows: n, columns: n };
        packs[0].fill(0, 0, matrix, false);
        let added = numbers(n * packing.rows(), 2);
        let mut memory = Memory::default();
        let mut frame = Frame::new(&self.program, &packing, team.parts(), &mut memory);
        frame.lend(0, &added);
        let start = numbers(n * packing.width(), 3);
        frame.data_mut(2)[..start.len()].copy_from_slice(&start);
        let mut work = self.program.workspace(team.parts());
        self.program.run(path, &packs, &mut frame, &mut work, team);
        frame.data(2).to_vec()
    }
}

#[test]
fn a_loop_computes_what_it_says() {
    for (n, lengths) in [(5, &[3, 0, 4][..]), (64, &[2, 2]), (16, &[])] {
        let it = Loop::new(n);
        let packing = Packing::new(lengths);
        let (matrix, added) = (numbers(n * n, 1), numbers(n * packing.rows(), 2));
        let mut rows: Vec<f64> =
            numbers(n * packing.width(), 3).iter().map(|it| (*it).into()).collect();
        for t in 0..packing.steps() {
            let window = packing.step(t, 0..packing.width());
            for position in 0..window.count {
                for j in 0..n {
                    let old = |k: usize| rows[(window.old + position) * n + k];
                    let weight = |k: usize| f64::from(matrix[k * n + j] / n as f32);
                    let product: f64 = (0..n).map(|k| old(k) * weight(k)).sum();
                    let pre = product + f64::from(added[(window.each + position) * n + j]);
                    let new = pre.tanh() + old(j);
                    rows.push(new);
                }
            }
        }
        for path in Path::available() {
            let found = it.run(path, lengths, &Team::new(1));
            assert_eq!(found.len(), rows.len());
            for (a, b) in found.iter().zip(&rows) {
                assert!((f64::from(*a) - b).abs() < 1e-4, "{path:?} {n}: {a} and {b}");
            }
        }
    }
}

/// Again and again, since a thread that does not wait is seldom seen.
#[test]
fn threads_that_share_rows_wait_for_each_other() {
    for (n, lengths) in [(256, vec![30; 3]), (256, vec![40]), (192, vec![20, 7, 13, 20, 1])] {
        let it = Loop::new(n);
        let one = it.run(Path::best(), &lengths, &Team::new(1));
        for threads in [2, 3] {
            let team = Team::new(threads);
            for _ in 0..20 {
                let found = it.run(Path::best(), &lengths, &team);
                let same = one.iter().zip(&found).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same && one.len() == found.len(), "{n}, {threads} threads");
            }
        }
    }
}

#[test]
fn threads_wait_before_whole_rows_are_read() {
    let packs = [PackSize { depths: vec![64], columns: 64 }];
    let order = Some(Order::Ascending);
    let split = |code: Vec<Code>| Split::of(&Part { order, is_first: false, code }, &packs);
    let strip = |streams: [Place; 3], outer: usize, inner: usize| {
        let stream = |place| Stream { place, outer: inner, kind: Kind::Each };
        Code::Strip { strip: sum(), outer, inner, streams: streams.map(stream).to_vec() }
    };
    let each = |buffer| Place { buffer, offset: 0, rows: Rows::Each };
    let local = |buffer| Place { buffer, offset: 0, rows: Rows::Local };
    // The product of a step reads all of what the strip of the step before wrote; the strip only
    // what the same thread computed.
    assert_eq!(split(steps(64)).waits, [true, false]);
    assert!(split(steps(64)).may_share && !split(steps(48)).may_share);
    // Results in other shares are waited for.
    assert_eq!(split(steps(48)).waits, [true, true]);
    // Each thread reads what it wrote.
    let own = [strip([each(0), each(1), each(2)], 1, 8), strip([each(2), each(1), each(3)], 1, 8)];
    assert_eq!(split(own.to_vec()).waits, [false, false]);
    // Shares of another size are not the same elements.
    let other =
        [strip([each(0), each(1), each(2)], 1, 8), strip([each(2), each(1), each(3)], 1, 6)];
    assert_eq!(split(other.to_vec()).waits, [false, true]);
    let rows = [strip([each(0), each(1), each(2)], 1, 8), strip([each(2), each(1), each(3)], 2, 4)];
    assert_eq!(split(rows.to_vec()).waits, [false, true]);
    // What others read is not written over: in the step for all rows, in the next one for its own.
    let copy = Code::Copy { from: local(2), to: each(3), n: 8 };
    let code = [strip([each(0), each(1), local(2)], 1, 8), copy];
    assert_eq!(split(code.to_vec()).waits, [true, true]);
    let copy = Code::Copy { from: each(2), to: each(3), n: 8 };
    let code = [copy, strip([each(0), each(1), each(2)], 1, 8)];
    assert_eq!(split(code.to_vec()).waits, [true, true]);
    let copy = Code::Copy { from: each(2), to: each(3), n: 8 };
    let code = [strip([each(0), each(1), each(2)], 1, 8), copy];
    assert_eq!(split(code.to_vec()).waits, [false, true]);
}

#[test]
fn held_rows_are_there_before_they_are_read() {
    let copy = |from, to| Code::Copy { from, to, n: 4 };
    let of =
        |order, code: Vec<Code>| Split::of(&Part { order, is_first: false, code }, &[]).is_ordered;
    assert!(of(None, vec![copy(LENT, NEW), copy(OLD, EACH)]));
    assert!(!of(None, vec![copy(LENT, NEW), copy(LENT, EACH)]));
    assert!(!of(Some(Order::Ascending), vec![copy(LENT, NEW), copy(OLD, EACH)]));
}
