//! Which loops there are, and what is done outside of them.

use rnnc::plan::{Plan, Stage, Task};

use crate::cells;

fn plan(body: &str) -> Plan {
    let source = format!(
        "cell Stages {{
  dims I, H
  input x: [I]
  param W: [H, I] init uniform(-0.5, 0.5)
  param U, V, R: [H, H] init uniform(-0.5, 0.5)
{body}
}}"
    );
    let plan = Plan::new(&cells(&source).remove(0)).unwrap();
    super::order::sound(body, &plan);
    plan
}

/// For each stage the carried values of its loop, and how many products it has.
fn told(plan: &Plan, stages: &[Stage]) -> Vec<(String, usize)> {
    let one = |stage: &Stage| {
        let names: Vec<&str> =
            stage.carries.iter().map(|it| &*plan.cell.carries[*it].name).collect();
        let products = stage.tasks.iter().filter(|it| matches!(it, Task::Products(_)));
        (names.join(" "), products.count())
    };
    // A stage that only holds values back computes nothing.
    let computes = |it: &&Stage| it.tasks.iter().any(|it| !matches!(it, Task::Hold(_)));
    stages.iter().filter(computes).map(one).collect()
}

fn loops(all: &[(&str, usize)]) -> Vec<(String, usize)> {
    all.iter().map(|(names, products)| ((*names).to_owned(), *products)).collect()
}

#[test]
fn layers_of_a_stack_have_loops_of_their_own() {
    let plan = plan(
        "  state a, b: [H] = 0
  a = tanh(W @ x + U @ prev a)
  b = tanh(V @ a + R @ prev b)
  output b",
    );
    let forward = told(&plan, &plan.forward.stages);
    assert_eq!(forward, loops(&[("", 1), ("a", 1), ("", 1), ("b", 1)]));
    let backward = told(&plan, &plan.backward.stages);
    let in_loops: Vec<_> = backward.iter().filter(|it| !it.0.is_empty()).cloned().collect();
    assert_eq!(in_loops, loops(&[("b", 1), ("a", 1)]));
    // Between them is the product with V, and after them that with W.
    let outside: usize = backward.iter().filter(|it| it.0.is_empty()).map(|it| it.1).sum();
    assert_eq!(outside, 2, "{backward:?}");
}

#[test]
fn what_only_comes_later_needs_no_loop() {
    let plan = plan("  output y = tanh(W @ x - W @ prev(x, 3))");
    assert_eq!(plan.cell.carries.len(), 3);
    assert_eq!(plan.forward.held, [true; 3]);
    assert!(plan.forward.stages.iter().all(|it| !it.is_loop()));
    assert!(plan.backward.stages.iter().all(|it| !it.is_loop()));
}

#[test]
fn an_output_that_is_fed_back_is_in_the_loop() {
    let open = plan("  state h: [H] = 0\n  h = tanh(W @ x + U @ prev h)\n  output y = V @ h");
    assert_eq!(told(&open, &open.forward.stages), loops(&[("", 1), ("h", 1), ("", 1)]));
    let fed_back = plan(
        "  state h, y: [H] = 0
  h = tanh(W @ x + U @ prev h + R @ prev y)
  y = V @ h
  output y",
    );
    assert_eq!(told(&fed_back, &fed_back.forward.stages), loops(&[("", 1), ("h y", 2)]));
    assert_eq!(fed_back.forward.held, [false; 2]);
}

/// Values that depend on another's past, which does not depend on theirs, wait for all of its steps.
#[test]
fn one_way_is_no_circle() {
    let plan = plan(
        "  state a, b: [H] = 0
  a = tanh(W @ x + U @ prev a)
  b = tanh(V @ prev a + R @ prev b)
  output b",
    );
    let forward = told(&plan, &plan.forward.stages);
    assert_eq!(forward, loops(&[("", 1), ("a", 1), ("", 1), ("b", 1)]));
}

/// A loop that reads what another one gives comes after it, whichever state is declared first.
#[test]
fn loops_wait_for_what_they_read() {
    for states in ["a, b", "b, a"] {
        let body = format!(
            "  state {states}: [H] = 0
  a = tanh(W @ x + U @ prev a)
  b = tanh(a + 0.5 * prev b)
  output b"
        );
        let plan = plan(&body);
        let forward = told(&plan, &plan.forward.stages);
        assert_eq!(forward, loops(&[("", 1), ("a", 1), ("b", 0)]));
        let backward = told(&plan, &plan.backward.stages);
        assert_eq!(backward, loops(&[("b", 0), ("a", 1), ("", 1)]));
    }
}
