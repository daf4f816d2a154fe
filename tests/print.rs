//! Graphs as people read them, over the whole library: stable, within the line width, without
//! clashes.

use std::collections::BTreeSet;

use rnnc::derive::{adjoint, print_backward, print_tangent, simplify_cell, tangent};
use rnnc::ir::verify::{Role, verify, verify_graph};
use rnnc::ir::{Cell, print};

fn cells(name: &str, text: &str) -> Vec<Cell> {
    let spec = rnnc::Spec::parse(text).unwrap_or_else(|it| panic!("{name}: {it}"));
    spec.cells().to_vec()
}

/// All that is printed of a cell.
fn printed(cell: &Cell) -> String {
    let forward = simplify_cell(cell);
    let derived = adjoint(&forward);
    let moved = tangent(&forward);
    verify(&forward).unwrap();
    for derived in [&derived, &derived.simplified()] {
        verify_graph(&forward, &derived.graph, Role::DerivedStep).unwrap();
        verify_graph(&forward, &derived.start.graph, Role::DerivedStart).unwrap();
    }
    for moved in [&moved, &moved.simplified()] {
        verify_graph(&forward, &moved.graph, Role::DerivedStep).unwrap();
        verify_graph(&forward, &moved.start, Role::DerivedStart).unwrap();
    }
    [
        print::cell(cell),
        print::cell(&forward),
        print_backward(&forward, &derived.simplified()),
        print_tangent(&forward, &moved.simplified()),
    ]
    .join("\n---\n\n")
}

fn library() -> Vec<(&'static str, &'static str)> {
    let mut specs: Vec<_> = rnnc::api::library().map(|it| (it.name, it.source)).collect();
    specs.sort();
    assert!(specs.len() >= 12);
    specs
}

#[test]
fn every_spec_prints_in_good_lines() {
    for (name, text) in library() {
        for cell in cells(name, text) {
            let text = printed(&cell);
            assert_eq!(text, printed(&cell), "{name}");
            for line in text.lines() {
                assert!(line.len() <= 104, "{name}: {} characters: {line}", line.len());
                assert_eq!(line.trim_end(), line, "{name}");
            }
            assert!(!text.contains("contract["), "{name}: {text}");
            // Within a listing every name is defined once.
            for listing in text.split("\n---\n") {
                let mut seen = BTreeSet::new();
                for line in listing.lines().filter(|it| it.contains(" = ") && it.contains(" : ")) {
                    let name = line.split(" : ").next().unwrap().trim();
                    assert!(seen.insert(name.to_string()), "{name} twice in {listing}");
                }
            }
        }
    }
}

/// What people read of each cell of the library: the graph, its simplified form, the backward and
/// the tangent step. A new file in `specs/` is picked up by itself and fails until its snapshot is
/// there.
#[test]
fn cells_of_the_library() {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_snapshot_path("snapshots/library");
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| {
        for (name, text) in library() {
            let shown: Vec<String> = cells(name, text).iter().map(printed).collect();
            insta::assert_snapshot!(name, shown.join("\n=====\n\n"));
        }
    });
    // A snapshot of a cell that is gone would be compared by nobody.
    let specs: Vec<String> = library().into_iter().map(|it| format!("{}.snap", it.0)).collect();
    let mut kept: Vec<String> = std::fs::read_dir("tests/snapshots/library")
        .unwrap()
        .map(|it| it.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    kept.sort();
    assert_eq!(kept, specs);
}

#[test]
fn all_kinds_of_notation() {
    let text = "
        cell Odd {
          dims I, H, N = 4, D = 2 * H
          hyper dt = 0.1, act = leaky_relu(slope = 0.2)
          input x: [I], gap: [] = 1
          state h: [H] = h0
          state M: [N, H]
          param W: [H, I], U: [N, H], V: [D, H] init uniform(1 / sqrt(H))
          param h0, b: [H] init 0
          param s: [] init 1
          const K: [H] init normal(0.3)
          let a = W @ x + b + K
          let q = softmax(U @ prev h)
          let read = transpose(prev M) @ q
          let both = concat(act(a), tanh(read))
          gate g = sigmoid(transpose(V) @ both - s)
          let old = prev(h, 3) - prev x[0]
          let safe = where(a > 0, sqrt(a), 0)
          let d_h = norm(prev h) ^ 2 / (1 + dot(a, read)) * gap
          h = g * safe + (1 - g) * (prev h + dt * old) / sqrt(H) + clip_grad(read, 0.5)
          M = prev M + outer(q, g * h) - outer(ones([N]), exp(-h * 2)) * U
          output h, top = max(M, over N) * d_h
        }";
    insta::assert_snapshot!(printed(&cells("odd", text)[0]));
}
