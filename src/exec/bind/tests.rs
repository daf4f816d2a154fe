//! Sizes that fit, sizes that do not, and what is said about them.

use super::super::hand::{self, NOWHERE, shape, sizes};
use super::*;
use crate::diag::Code;
use crate::ir::{Const, DimDecl, Gradient, Hyper, Pointwise};

#[test]
fn sizes_come_from_settings_defaults_and_the_dims_they_are_like() {
    let mut cell = hand::gated();
    assert_eq!(
        bind(&cell, sizes(&[])).unwrap_err().to_string(),
        "the sizes of `I` and `H` are not set; say `--set I=.. --set H=..`"
    );
    cell.dims[0].default = Some(3);
    cell.dims.push(DimDecl {
        name: "J".into(),
        default: None,
        like: Some("H".into()),
        fixed: false,
        span: NOWHERE,
    });
    let bound = bind(&cell, sizes(&[("H", 2)])).unwrap();
    assert_eq!(bound.env().sizes["J"], 2);
    assert_eq!(bound.param_shapes()[0], [2, 3]);
    assert_eq!(bound.param_count(), 6 + 4 + 6 + 6);
    let fault = bind(&cell, sizes(&[("H", 2), ("J", 5)])).unwrap_err();
    assert_eq!(fault.to_string(), "`J` always has the size of `H`; set `H` instead");
    let fault = bind(&cell, sizes(&[("H", 0)])).unwrap_err();
    assert_eq!(fault.to_string(), "the size of `H` must be at least 1, but is 0");
    let fault = bind(&cell, sizes(&[("K", 1)])).unwrap_err();
    assert_eq!(fault.code(), Code::BadSetting);
    assert!(fault.to_string().contains("no dim or hyper `K`; it has `I`, `H`"), "{fault}");
}

#[test]
fn sizes_beyond_any_machine_are_an_error() {
    let cell = hand::gated();
    for h in [1 << 21, 1 << 40, i64::MAX] {
        let fault = bind(&cell, sizes(&[("I", 1), ("H", h)])).unwrap_err();
        assert_eq!(fault.code(), Code::SizesTooLarge, "{fault}");
    }
}

#[test]
fn an_empty_axis_does_not_excuse_the_others() {
    let mut cell = hand::empty("Empty", &["N", "M"]);
    let none = Dim::symbol("N").sub(&Dim::number(1)).unwrap();
    let many = Dim::symbol("M");
    let zeros = cell.step.number(0.0, &Shape(vec![none, many.clone(), many]), NOWHERE);
    hand::output(&mut cell, "y", zeros);
    assert_eq!(bind(&cell, sizes(&[("N", 1), ("M", 3)])).unwrap().output_shape(0), [0, 3, 3]);
    let fault = bind(&cell, sizes(&[("N", 1), ("M", 1 << 40)])).unwrap_err();
    assert_eq!(fault.code(), Code::SizesTooLarge, "{fault}");
}

/// `pick(W, 5)` behind a `where` whose condition compares a size.
fn picks_behind_a_condition() -> Cell {
    let mut cell = hand::empty("Picks", &["N"]);
    let w = hand::param(&mut cell, "W", &["N"]);
    let graph = &mut cell.step;
    let size = graph.size(&Dim::symbol("N"), NOWHERE);
    let five = graph.constant(Const::Number(5.0), NOWHERE);
    let cond = hand::map(graph, Pointwise::Greater, &[size, five]);
    let pick = graph.add(Move::Pick(Dim::number(5)), vec![w], Shape::scalar(), NOWHERE);
    let pick = graph.add(Gradient::Guard, vec![cond, pick], Shape::scalar(), NOWHERE);
    let zero = graph.constant(Const::Number(0.0), NOWHERE);
    let chosen = hand::map(graph, Pointwise::Where, &[cond, pick, zero]);
    hand::output(&mut cell, "y", chosen);
    cell
}

#[test]
fn a_dead_branch_is_neither_indexed_nor_computed() {
    let cell = picks_behind_a_condition();
    let bound = bind(&cell, sizes(&[("N", 2)])).unwrap();
    assert!(bound.cell().step.nodes().iter().all(|it| !matches!(it.op, Op::Move(Move::Pick(_)))));
    let bound = bind(&cell, sizes(&[("N", 6)])).unwrap();
    assert!(bound.cell().step.nodes().iter().any(|it| matches!(it.op, Op::Move(Move::Pick(_)))));
}

#[test]
fn indices_and_slices_are_checked_with_the_sizes() {
    let mut cell = hand::empty("Cuts", &["N"]);
    let w = hand::param(&mut cell, "W", &["N"]);
    let (n, two) = (Dim::symbol("N"), Dim::number(2));
    let cut = n.sub(&two).unwrap();
    let slice = cell.step.add(
        Move::Slice { axis: 0, from: two, to: n },
        vec![w],
        Shape(vec![cut.clone()]),
        NOWHERE,
    );
    hand::output(&mut cell, "y", slice);
    assert_eq!(bind(&cell, sizes(&[("N", 2)])).unwrap().output_shape(0), [0]);
    let fault = bind(&cell, sizes(&[("N", 1)])).unwrap_err();
    assert_eq!(fault.to_string(), "the axis `N - 2` would have size -1, with N = 1");

    let mut cell = hand::empty("Picks", &["N"]);
    let w = hand::param(&mut cell, "W", &["N"]);
    let pick = cell.step.add(Move::Pick(cut), vec![w], Shape::scalar(), NOWHERE);
    hand::output(&mut cell, "y", pick);
    assert!(bind(&cell, sizes(&[("N", 2)])).is_ok());
    let fault = bind(&cell, sizes(&[("N", 1)])).unwrap_err();
    assert_eq!(fault.code(), Code::OutOfRange);
    assert_eq!(fault.to_string(), "the index -1 does not fit the axis `N` of size 1, with N = 1");
}

#[test]
fn hypers_take_their_defaults_and_derived_dims_cannot_be_set() {
    let mut cell = hand::gated();
    let twice = Const::Apply(Pointwise::Mul, vec![Const::Number(2.0), Const::Hyper("dt".into())]);
    for (name, value) in [("fast", twice), ("dt", Const::Number(0.5))] {
        let kind = HyperKind::Number(value);
        cell.hypers.push(Hyper { name: name.into(), kind, span: NOWHERE });
    }
    cell.derived.push(("K".into(), shape(&["H"]).axes()[0].pow(2).unwrap()));
    let mut env = sizes(&[("I", 1), ("H", 1)]);
    assert_eq!(bind(&cell, env.clone()).unwrap().env().hypers["fast"], 1.0);
    // The value that it has may be given; another one may have shaped another graph.
    env.hypers.insert("dt".into(), 0.5);
    assert_eq!(bind(&cell, env.clone()).unwrap().env().hypers["fast"], 1.0);
    env.hypers.insert("dt".into(), 3.0);
    let fault = bind(&cell, env.clone()).unwrap_err().to_string();
    assert!(fault.starts_with("`dt` was 0.5 when the cell was checked"), "{fault}");
    env.hypers.clear();
    env.sizes.insert("K".into(), 4);
    let fault = bind(&cell, env).unwrap_err();
    assert_eq!(fault.to_string(), "`K` is H ^ 2 and cannot be set; set `H` instead");
}
