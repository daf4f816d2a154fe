//! Loops and the step number in the graph: what is unrolled, how it is named, and which sizes it fixes.

use super::{cell_with, errors, errors_with};
use crate::ir::{Cell, ValueKind};

fn cell(text: &str) -> Cell {
    cell_with(text, &[])
}

fn names(cell: &Cell) -> Vec<&str> {
    cell.values.iter().map(|it| &*it.name).collect()
}

const HIGHWAY: &str = "cell A { dims H, L = 3 input x: [H] state s: [H] param W: [L, H]
    s = fold v from prev s for l in 0 .. L {
      let n = tanh(W[l] * v + where(l == 0, x, 0))
      gate t = sigmoid(n)
      yield t * n + (1 - t) * v
    }
    output s }";

#[test]
fn what_a_turn_names_bears_its_number() {
    let cell = cell(HIGHWAY);
    let expected = ["x", "s", "n[0]", "t[0]", "n[1]", "t[1]", "n[2]", "t[2]"];
    assert_eq!(names(&cell), expected);
    let gates = cell.values.iter().filter(|it| it.kind == ValueKind::Gate).count();
    assert_eq!(gates, 3);
    let in_graph = |name: &str| cell.step.nodes().iter().any(|it| it.name.as_deref() == Some(name));
    assert!(in_graph("v[0]") && in_graph("v[1]") && !in_graph("v[2]") && in_graph("s"));
}

#[test]
fn loops_within_loops_have_two_numbers_and_names_that_repeat_have_a_path() {
    let text = "cell A { dims H input x: [H]
        let a = fold a from x for k in 0 .. 2 {
          let m = fold m from a for j in k .. 2 { let g = tanh(m) yield g }
          yield m
        }
        let b = fold b from a for k in 0 .. 1 { let g = sin(b) yield g }
        output b }";
    let cell = cell(text);
    let expected =
        ["x", "a", "a.m.g[0][0]", "a.m.g[0][1]", "m[0]", "a.m.g[1][1]", "m[1]", "b", "b.g[0]"];
    let mut found = names(&cell);
    let mut expected = expected.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn a_pair_within_a_loop_is_named_as_one_value_is() {
    let text = "cell A { dims H input x: [H]
        let a = fold a from x for k in 0 .. 2 {
          let (p, q) = fold (p, q) from (a, x) for j in 0 .. 2 { let g = tanh(p) yield (q, g) }
          yield p * q
        }
        let b = fold b from x for k in 0 .. 1 { let g = sin(b) yield g }
        output y = a + b }";
    let cell = cell(text);
    let found = names(&cell);
    for name in ["p[0]", "q[0]", "p[1]", "q[1]", "a.p.g[0][0]", "a.p.g[1][1]", "b.g[0]"] {
        assert!(found.contains(&name), "{name} is not in {found:?}");
    }
}

#[test]
fn a_size_that_bounds_a_loop_is_fixed_until_it_is_set() {
    let cell = cell(HIGHWAY);
    let fixed: Vec<(&str, bool)> = cell.dims.iter().map(|it| (&*it.name, it.fixed)).collect();
    assert_eq!(fixed, [("H", false), ("L", true)]);
    let five = cell_with(HIGHWAY, &["L=5"]);
    assert_eq!(names(&five).len(), 2 + 2 * 5);
    assert_eq!(five.dims[1].default, Some(5));
    // Through a second name, a derived size and a hyper it is the same.
    for bound in ["J", "K - L", "q"] {
        let text = HIGHWAY
            .replace("L = 3", "L = 3, J like L, K = 2 * L hyper q = L")
            .replace("0 .. L", &format!("0 .. {bound}"));
        let set = cell_with(&text, &["L=2"]);
        assert_eq!(names(&set).len(), 2 + 2 * 2, "{bound}");
        assert!(set.dims[1].fixed, "{bound}");
    }
    let text = HIGHWAY.replace("prev s for", "prev(s, L) for").replace("0 .. L", "0 .. 1");
    assert_eq!(cell_with(&text, &["L=4"]).carries.len(), 4);
    assert!(cell_with(&text, &[]).dims[1].fixed);
}

#[test]
fn bounds_without_a_number_say_which_size_is_missing() {
    let text = HIGHWAY.replace("L = 3", "L");
    let fault = "E0404 the last bound of `l` must be known, but `L` has no size yet";
    assert_eq!(errors(&text), [fault]);
    let through = text.replace("dims H, L", "dims H, L, M = L ^ 2").replace("0 .. L", "0 .. M");
    assert_eq!(errors(&through), [fault]);
    let half = HIGHWAY.replace("0 .. L", "0 .. L / 2");
    assert_eq!(errors_with(&half, &["L=4"]), [""; 0]);
    let fault = "E0405 the last bound of `l` must be a whole number, not 1.5";
    assert_eq!(errors(&half), [fault]);
}

#[test]
fn a_loop_of_ten_thousand_turns_is_checked_and_one_more_is_not() {
    let text = |turns: u32| {
        format!(
            "cell A {{ input x: [] let s = fold s from x for l in 0 .. {turns} {{ yield sin(s) }} output s }}"
        )
    };
    assert_eq!(cell(&text(10_000)).step.nodes().len(), 10_001);
    assert_eq!(
        errors(&text(10_001)),
        ["E0109 a loop has at most 10000 iterations, this one 10001"]
    );
}

#[test]
fn a_fault_in_a_loop_is_told_once() {
    let text = HIGHWAY.replace("tanh(W[l] * v", "tanh(W[l] @ W");
    assert_eq!(errors(&text).len(), 1);
    let text = HIGHWAY.replace("(1 - t)", "(q - t)");
    assert_eq!(errors(&text).len(), 1);
}

#[test]
fn the_step_number_is_the_last_thing_carried_and_only_when_asked_for() {
    let text = "cell A { input x: [] state h: [] let a = prev x + time() h = a + prev a + prev h
        + time() output h }";
    let cell = cell(text);
    let carried: Vec<&str> = cell.carries.iter().map(|it| &*it.name).collect();
    assert_eq!(carried, ["h", "x.1", "a.1", "time"]);
    let real: Vec<bool> = cell.carries.iter().map(|it| it.is_real()).collect();
    assert_eq!(real, [true, true, true, false]);
    let state = self::cell("cell A { state time: [] = 1 time = 0.5 * prev time output time }");
    assert!(state.carries[0].is_real());
    let clash = "cell A { input time: [] output y = time * time() }";
    assert_eq!(
        errors(clash),
        ["E0202 the step number is carried as `time`, which is an input here"]
    );
}
