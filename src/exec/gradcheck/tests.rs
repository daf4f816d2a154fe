//! The check passes what is right and must fail what is wrong.

use super::super::hand::{self, NOWHERE};
use super::*;
use crate::derive;
use crate::ir::pointwise::{Row, table};
use crate::ir::{Const, Gradient, Move, Op, Pointwise, Start};

fn quick() -> Options {
    Options { lengths: vec![1, 4], seeds: 2, ..Options::default() }
}

/// The report where derivatives come from another table, without the fast engine.
fn with_table(cell: &Cell, table: &[Row]) -> Report {
    let derive = |bound: &Bound| {
        let cell = bound.cell();
        let mut derived = Derived::new(bound, EngineKind::Reference)?;
        derived.adjoint = derive::adjoint_by(cell, table);
        derived.tangent = derive::tangent_by(cell, table);
        Ok(derived)
    };
    check_derived(cell, &quick(), &derive, &mut |_, _| ControlFlow::Continue(())).unwrap()
}

/// The report where the adjoint is another one.
fn with_adjoint(cell: &Cell, spoil: &dyn Fn(&mut Adjoint)) -> Report {
    let derive = |bound: &Bound| {
        let mut derived = Derived::new(bound, EngineKind::Reference)?;
        spoil(&mut derived.adjoint);
        Ok(derived)
    };
    check_derived(cell, &quick(), &derive, &mut |_, _| ControlFlow::Continue(())).unwrap()
}

fn failing(report: &Report) -> Vec<(&str, Kind)> {
    report.lines.iter().filter(|it| !it.passes).map(|it| (&*it.name, it.kind)).collect()
}

#[test]
fn a_cell_with_right_gradients_passes_and_reports_are_reproducible() {
    let cell = hand::gated();
    let report = gradcheck(&cell, &Options::default()).unwrap();
    assert_eq!(failing(&report), []);
    assert_eq!(report.samples, 12);
    let names: Vec<&str> = report.lines.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["W_z", "U_z", "W_n", "v", "unused", "h0", "x", "h", "h.2"]);
    for line in &report.lines {
        assert_eq!(line.forward_alone, None);
        assert!(line.difference.as_ref().unwrap().element.is_some());
    }
    assert_eq!(report, gradcheck(&cell, &Options::default()).unwrap());
}

#[test]
fn a_wrong_derivative_in_the_table_is_caught_by_differences_and_named() {
    let mut table = table().to_vec();
    let tanh = table.iter_mut().find(|it| it.op == Pointwise::Tanh).unwrap();
    tanh.slopes[0] = Some(|v| 1.0 - v.y());
    let report = with_table(&hand::gated(), &table);
    let line = |name: &str| report.lines.iter().find(|it| &*it.name == name).unwrap();
    // Forward mode uses the same table and agrees; that is why there are differences.
    for name in ["W_n", "v"] {
        assert!(!line(name).passes);
        assert!(line(name).forward.as_ref().unwrap().error < 1e-12);
        let worst = line(name).difference.as_ref().unwrap();
        assert!(worst.error > 1e-3, "{worst:?}");
        assert!(worst.element.is_some());
    }
    assert!(line("unused").passes);
}

#[test]
fn a_slightly_wrong_derivative_is_caught_too() {
    let mut table = table().to_vec();
    let sigmoid = table.iter_mut().find(|it| it.op == Pointwise::Sigmoid).unwrap();
    sigmoid.slopes[0] = Some(|v| 1.00001 * (v.y() * (1.0 - v.y())));
    let report = with_table(&hand::gated(), &table);
    assert!(failing(&report).contains(&("W_z", Kind::Param)));
}

#[test]
fn a_wrong_root_of_the_adjoint_is_caught_by_forward_mode_and_named() {
    let cell = hand::gated();
    let spoilt = |adjoint: &mut Adjoint| {
        let root = adjoint.params[2].unwrap();
        let factor = adjoint.graph.number(1.0 + 1e-9, &cell.params[2].shape, NOWHERE);
        adjoint.params[2] = Some(hand::map(&mut adjoint.graph, Pointwise::Mul, &[root, factor]));
    };
    let report = with_adjoint(&cell, &spoilt);
    assert_eq!(failing(&report), [("W_n", Kind::Param)]);
    let line = &report.lines[2];
    // Differences are too coarse for a fault of this size.
    assert!(line.difference.as_ref().unwrap().error < 1e-7);
    let worst = line.forward.as_ref().unwrap();
    assert!(worst.error > 1e-11 && worst.element.is_some(), "{worst:?}");
}

#[test]
fn a_start_that_learns_nothing_is_caught() {
    let cell = hand::gated();
    let spoilt = |adjoint: &mut Adjoint| {
        adjoint.start.params[5] = None;
    };
    let report = with_adjoint(&cell, &spoilt);
    assert_eq!(failing(&report), [("h0", Kind::Param)]);
}

/// `h = relu(w * x) + stop_grad(u * prev h)`, whose gradient is not that of its value.
fn stopped() -> Cell {
    let mut cell = hand::empty("Stopped", &["H"]);
    let x = hand::input(&mut cell, "x", &["H"]);
    let w = hand::param(&mut cell, "w", &["H"]);
    let u = hand::param(&mut cell, "u", &["H"]);
    let zero = cell.start.number(0.0, &hand::shape(&["H"]), NOWHERE);
    let h = hand::carry(&mut cell, "h", &["H"], Start::Node(zero));
    let graph = &mut cell.step;
    let a = hand::map(graph, Pointwise::Mul, &[w, x]);
    let a = hand::map(graph, Pointwise::Relu, &[a]);
    let b = hand::map(graph, Pointwise::Mul, &[u, h]);
    let b = graph.add(Gradient::StopGrad, vec![b], hand::shape(&["H"]), NOWHERE);
    let next = hand::map(graph, Pointwise::Add, &[a, b]);
    hand::set_next(&mut cell, "h", next);
    hand::output(&mut cell, "h", next);
    cell
}

#[test]
fn names_behind_stop_grad_are_compared_with_forward_mode_alone() {
    let report = gradcheck(&stopped(), &quick()).unwrap();
    assert_eq!(failing(&report), []);
    for line in &report.lines {
        assert_eq!(line.forward_alone, Some("behind stop_grad"), "{}", line.name);
        assert_eq!(line.difference, None);
    }
}

#[test]
fn samples_keep_away_from_kinks_and_jumps_are_said() {
    let mut cell = hand::empty("Kinks", &["H"]);
    let x = hand::input(&mut cell, "x", &["H"]);
    let w = hand::param(&mut cell, "w", &["H"]);
    let b = hand::param(&mut cell, "b", &["H"]);
    let graph = &mut cell.step;
    let a = hand::map(graph, Pointwise::Mul, &[w, x]);
    let kinked = hand::map(graph, Pointwise::Abs, &[a]);
    let jumped = hand::map(graph, Pointwise::Step, &[b]);
    let y = hand::map(graph, Pointwise::Add, &[kinked, jumped]);
    hand::output(&mut cell, "y", y);
    let report = gradcheck(&cell, &quick()).unwrap();
    assert_eq!(failing(&report), []);
    let line = |name: &str| report.lines.iter().find(|it| &*it.name == name).unwrap();
    assert!(line("w").difference.is_some());
    assert_eq!(line("b").forward_alone, Some("behind a jump"));
}

#[test]
fn sizes_that_must_be_large_are_found() {
    let mut cell = hand::empty("Fifth", &["N"]);
    let w = hand::param(&mut cell, "w", &["N"]);
    let x = hand::input(&mut cell, "x", &[]);
    let pick = Op::Move(Move::Pick(crate::ir::Dim::number(4)));
    let fifth = cell.step.add(pick, vec![w], hand::shape(&[]), NOWHERE);
    let y = hand::map(&mut cell.step, Pointwise::Mul, &[fifth, x]);
    hand::output(&mut cell, "y", y);
    assert!(gradcheck(&cell, &quick()).unwrap().passes());
    let mut options = quick();
    options.env.sizes.insert("N".into(), 3);
    assert!(matches!(gradcheck(&cell, &options), Err(CheckError::Bind(_))));
}

#[test]
fn a_cell_that_is_never_finite_cannot_be_checked() {
    let mut cell = hand::empty("Never", &[]);
    let x = hand::input(&mut cell, "x", &[]);
    let nan = cell.step.constant(Const::Number(f64::NAN), NOWHERE);
    let y = hand::map(&mut cell.step, Pointwise::Mul, &[x, nan]);
    hand::output(&mut cell, "y", y);
    let fault = gradcheck(&cell, &quick()).unwrap_err();
    assert_eq!(fault, CheckError::NothingFinite { steps: 1 });
}

#[test]
fn a_transposed_gradient_is_caught() {
    let cell = hand::gated();
    let spoilt = |adjoint: &mut Adjoint| {
        let root = adjoint.params[1].unwrap();
        let shape = cell.params[1].shape.clone();
        adjoint.params[1] =
            Some(adjoint.graph.add(Move::Permute(vec![1, 0]), vec![root], shape, NOWHERE));
    };
    let report = with_adjoint(&cell, &spoilt);
    assert_eq!(failing(&report), [("U_z", Kind::Param)]);
}

/// The report where the fast engine runs another cell, and perhaps the graphs are its, too.
fn with_another(cell: &Cell, other: &Cell, graphs_too: bool) -> Report {
    let derive = |bound: &Bound| {
        let other = Derived::new(&bound.with(other)?, EngineKind::Fast)?;
        let own = Derived::new(bound, EngineKind::Fast)?;
        let Derived { bound, adjoint, tangent, engine } = other;
        let mut derived = Derived { engine, ..own };
        if graphs_too {
            (derived.bound, derived.adjoint, derived.tangent) = (bound, adjoint, tangent);
        }
        Ok(derived)
    };
    check_derived(cell, &quick(), &derive, &mut |_, _| ControlFlow::Continue(())).unwrap()
}

/// `y = tanh(w * x)`, or another function in its place.
fn single(op: Pointwise) -> Cell {
    let mut cell = hand::empty("Single", &["H"]);
    let x = hand::input(&mut cell, "x", &["H"]);
    let w = hand::param(&mut cell, "w", &["H"]);
    let product = hand::map(&mut cell.step, Pointwise::Mul, &[w, x]);
    let y = hand::map(&mut cell.step, op, &[product]);
    hand::output(&mut cell, "y", y);
    cell
}

#[test]
fn a_fault_of_the_fast_engine_alone_is_caught_by_its_column() {
    let report = with_another(&single(Pointwise::Tanh), &single(Pointwise::Sin), false);
    assert_eq!(failing(&report), [("w", Kind::Param), ("x", Kind::Input)]);
    for line in &report.lines {
        assert!(line.forward.as_ref().unwrap().error <= 1e-12, "{line:?}");
        assert!(line.difference.as_ref().unwrap().error <= 1e-7, "{line:?}");
        let worst = line.fast.as_ref().unwrap();
        assert!(worst.error > 1e-3 && worst.element.is_some(), "{line:?}");
    }
}

#[test]
fn a_pass_that_changes_the_function_is_caught_by_differences() {
    let report = with_another(&single(Pointwise::Tanh), &single(Pointwise::Sin), true);
    assert_eq!(failing(&report), [("w", Kind::Param), ("x", Kind::Input)]);
    for line in &report.lines {
        assert!(line.forward.as_ref().unwrap().error <= 1e-12, "{line:?}");
        assert!(line.difference.as_ref().unwrap().error > 1e-3, "{line:?}");
    }
}

#[test]
fn the_reference_engine_has_no_column_of_f32() {
    let options = Options { engine: EngineKind::Reference, ..quick() };
    let report = gradcheck(&hand::gated(), &options).unwrap();
    assert_eq!(failing(&report), []);
    assert!(report.lines.iter().all(|it| it.fast.is_none() && it.no_fast.is_none()));
    let report = gradcheck(&hand::gated(), &quick()).unwrap();
    assert!(report.lines.iter().all(|it| it.fast.is_some()));
}

/// `y = max(p[i], p[j]) * x[j]` with a jump, in which elements meet themselves: every sample is at a jump.
fn ranked() -> Cell {
    let mut cell = hand::empty("Ranked", &["F"]);
    let p = hand::param(&mut cell, "p", &["F"]);
    let x = hand::input(&mut cell, "x", &["F"]);
    let square = hand::shape(&["F", "F"]);
    let graph = &mut cell.step;
    let rows = graph.add(Move::Expand(vec![0]), vec![p], square.clone(), NOWHERE);
    let columns = graph.add(Move::Expand(vec![1]), vec![p], square.clone(), NOWHERE);
    let columns_of_x = graph.add(Move::Expand(vec![1]), vec![x], square, NOWHERE);
    let larger = hand::map(graph, Pointwise::Greater, &[rows, columns]);
    let y = hand::map(graph, Pointwise::Where, &[larger, rows, columns]);
    let y = hand::map(graph, Pointwise::Mul, &[y, columns_of_x]);
    hand::output(&mut cell, "y", y);
    cell
}

#[test]
fn what_no_sample_can_compare_is_not_wrong() {
    let report = gradcheck(&ranked(), &quick()).unwrap();
    assert_eq!(failing(&report), []);
    let line = &report.lines[1];
    assert!(line.forward.is_some() && line.difference.is_none(), "{line:?}");
    assert_eq!(line.no_difference, Some("no sample is away from a kink or a jump"));
    // Elements that are equal in f64 are so in f32.
    assert!(line.fast.is_some(), "{line:?}");
}

#[test]
fn what_is_compared_with_itself_is_no_jump() {
    let mut cell = hand::empty("Present", &["H"]);
    let x = hand::input(&mut cell, "x", &["H"]);
    let w = hand::param(&mut cell, "w", &["H"]);
    let there = hand::map(&mut cell.step, Pointwise::Equal, &[x, x]);
    let product = hand::map(&mut cell.step, Pointwise::Mul, &[w, x]);
    let y = hand::map(&mut cell.step, Pointwise::Where, &[there, product, w]);
    hand::output(&mut cell, "y", y);
    let report = gradcheck(&cell, &quick()).unwrap();
    assert_eq!(failing(&report), []);
    assert!(report.lines.iter().all(|it| it.difference.is_some()), "{report:#?}");
}

#[test]
fn progress_counts_the_samples() {
    let mut told = Vec::new();
    gradcheck_with(&single(Pointwise::Tanh), &quick(), &mut |at, all| {
        told.push((at, all));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(told, [(0, 4), (1, 4), (2, 4), (3, 4)]);
}

/// `y = log(exp(100 + w * x))`, which f64 can hold and f32 cannot.
#[test]
fn what_f32_cannot_hold_is_not_wrong() {
    let mut cell = hand::empty("Large", &["H"]);
    let x = hand::input(&mut cell, "x", &["H"]);
    let w = hand::param(&mut cell, "w", &["H"]);
    let graph = &mut cell.step;
    let hundred = graph.number(100.0, &hand::shape(&["H"]), NOWHERE);
    let product = hand::map(graph, Pointwise::Mul, &[w, x]);
    let sum = hand::map(graph, Pointwise::Add, &[product, hundred]);
    let large = hand::map(graph, Pointwise::Exp, &[sum]);
    let y = hand::map(graph, Pointwise::Log, &[large]);
    hand::output(&mut cell, "y", y);
    let report = gradcheck(&cell, &quick()).unwrap();
    assert_eq!(failing(&report), []);
    for line in &report.lines {
        assert_eq!((&line.fast, line.no_fast), (&None, Some("f32 itself is not exact enough")));
    }
}
