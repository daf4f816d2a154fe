//! The passes: each leaves sound graphs, each can be seen, and what is printed is what runs.

use rnnc::derive::{verify_adjoint, verify_tangent};
use rnnc::exec::known;
use rnnc::ir::{Cell, Env, Leaf, Op};
use rnnc::plan::pipeline::{self, FAST, FORWARD_MODE, Graphs, PLAIN, Part};
use rnnc::plan::{Fixed, Plan};

use crate::{cells, library_cell};

/// The graphs after each pass of each list.
fn after_each(cell: &Cell, see: &mut dyn FnMut(&pipeline::Pass, &Graphs)) {
    for list in [FAST, FORWARD_MODE, PLAIN] {
        let mut graphs = Graphs::new(cell, &known(cell), &[]);
        for pass in list {
            graphs = graphs.pass(pass);
            see(pass, &graphs);
        }
    }
}

#[test]
fn graphs_of_the_library_are_sound_after_every_pass_and_print() {
    let mut seen = 0;
    for file in rnnc::api::library() {
        for cell in cells(file.source) {
            after_each(&cell, &mut |pass, graphs| {
                graphs
                    .verify()
                    .unwrap_or_else(|it| panic!("{} after {}: {it}", file.name, pass.name));
                let text = graphs.print(pass.part);
                assert!(text.starts_with(&format!("cell {}", cell.name)), "{text}");
                assert!(graphs.nodes(pass.part) > 0, "{} after {}", file.name, pass.name);
                seen += 1;
            });
        }
    }
    assert!(seen > 150 * (FAST.len() + FORWARD_MODE.len() + PLAIN.len()));
}

#[test]
fn every_pass_has_a_name_of_its_own_that_finds_it() {
    let names: Vec<&str> = pipeline::passes().map(|it| it.name).collect();
    for (at, name) in names.iter().enumerate() {
        assert!(!names[..at].contains(name), "{name}");
        let found = pipeline::up_to(name).unwrap();
        assert_eq!(found[found.len() - 1].name, *name);
    }
    for pass in FAST.iter().chain(FORWARD_MODE).chain(PLAIN) {
        assert!(names.contains(&pass.name), "{} is not listed", pass.name);
    }
    assert!(pipeline::up_to("simplfy").is_none());
}

/// A hyper that makes a clamp needless once it is known.
const CLIPPED: &str = "cell Clipped {
  dims I, H
  hyper clip = inf
  input x: [I]
  state h: [H]
  param W: [H, I], U: [H, H]
  h = clamp(W @ x + U @ prev h, -clip, clip)
  output h
}";

/// The engine runs the graphs for the values of hypers, and so they are printed and planned.
#[test]
fn the_graphs_for_known_values_are_those_that_run() {
    let cell = cells(CLIPPED).remove(0);
    let spec = rnnc::Spec::parse(CLIPPED).unwrap().configure(None, &[]).unwrap();
    let bound = spec.bind([("I", 2), ("H", 3)]).unwrap();
    let print = |cell: &Cell, env: &Env| {
        let passes = pipeline::up_to("simplify-adjoint").unwrap();
        Graphs::new(cell, env, &[]).run(passes).print(Part::Backward)
    };
    let symbolic = print(&cell, &Env::default());
    let printed = print(&cell, &known(&cell));
    assert!(symbolic.contains("clip") && !printed.contains("clip"), "{symbolic}\n{printed}");
    assert_eq!(printed, print(bound.cell(), bound.env()));
    let plan = Plan::with(&cell, &known(&cell)).unwrap();
    let engine = bound.engine(rnnc::EngineOptions::default()).unwrap();
    let (runs, adjoint) = engine.graphs().unwrap();
    assert_eq!(plan, Plan::of(runs, adjoint, &Fixed::default(), &[]));
    assert_ne!(plan, Plan::new(&cell).unwrap());
    let after = |list| Graphs::new(&cell, &known(&cell), &[]).run(list).print(Part::Backward);
    assert_eq!(after(FAST), rnnc::derive::print_backward(runs, adjoint));
    let engine = bound.engine(rnnc::EngineOptions::reference()).unwrap();
    let (runs, adjoint) = engine.graphs().unwrap();
    let plain = Graphs::new(bound.cell(), bound.env(), &[]).run(PLAIN);
    assert_eq!(plain.print(Part::Backward), rnnc::derive::print_backward(runs, adjoint));
}

#[test]
fn formulas_of_a_plan_are_numbers_for_known_sizes() {
    let cell = library_cell("gru");
    let plan = Plan::new(&cell).unwrap();
    assert!(rnnc::plan::print(&plan).contains("h [H]"));
    let mut env = Env::default();
    env.sizes.insert("H".into(), 5);
    let text = rnnc::plan::print(&plan.clone().sized(&env));
    // The size of the input is still open.
    assert!(text.contains("h [5]") && !text.contains('H') && text.contains("[I, 15]"), "{text}");
    env.sizes.insert("I".into(), 3);
    let text = rnnc::plan::print(&plan.sized(&env));
    assert!(text.contains("[3, 15]"), "{text}");
}

#[test]
fn nothing_trains_without_a_pass_that_derives() {
    let cell = library_cell("gru");
    let graphs = Graphs::new(&cell, &Env::default(), &[]).run(&FAST[..2]);
    let fault = graphs.clone().training().unwrap_err();
    assert_eq!(fault.to_string(), "no pass derives the graph `backward`");
    assert_eq!(graphs.run(PLAIN).checked().unwrap_err(), pipeline::NotDerived(Part::Tangent));
}

/// What somebody asks for stays, though it is a part of a sum.
#[test]
fn traced_parts_of_sums_stay() {
    let source = "cell Parts {
  dims H
  input x: [H]
  state h: [H]
  param W, U: [H, H], b: [H]
  let a = U @ prev h + W @ x
  h = tanh(a + b)
  output h
}";
    let cell = cells(source).remove(0);
    let has = |traces: &[rnnc::text::Name]| {
        let graphs = Graphs::new(&cell, &Env::default(), traces).run(FAST);
        graphs.cell.values.iter().any(|it| &*it.name == "a")
    };
    assert!(!has(&[]));
    assert!(has(&["a".into()]));
}

#[test]
fn the_verifier_sees_spoilt_derived_graphs() {
    let cell = library_cell("gru");
    let (cell, adjoint) = Graphs::new(&cell, &Env::default(), &[]).run(FAST).training().unwrap();
    let [weight, bias] = [2, 1].map(|rank| {
        let has = |it: &&rnnc::ir::Param| it.shape.rank() == rank;
        cell.params.iter().position(|it| has(&it)).unwrap()
    });
    let spoil = |how: &dyn Fn(&mut rnnc::derive::Adjoint)| {
        let mut spoilt = adjoint.clone();
        how(&mut spoilt);
        verify_adjoint(&cell, &spoilt).unwrap_err()
    };
    assert_eq!(verify_adjoint(&cell, &adjoint), Ok(()));
    let fault = spoil(&|it| it.params[weight] = it.params[bias]);
    assert!(fault.contains("has shape"), "{fault}");
    let fault = spoil(&|it| it.params[weight] = None);
    assert!(fault.contains("no name"), "{fault}");
    let fault = spoil(&|it| it.carries.truncate(0));
    assert!(fault.contains("carried value"), "{fault}");
    let fault = spoil(&|it| {
        let nodes = it.graph.nodes().to_vec();
        it.graph = rnnc::ir::Graph::default();
        for mut node in nodes {
            if let Op::Leaf(Leaf::Forward(of)) = &mut node.op {
                of.0 += 10_000;
            }
            it.graph.push(node);
        }
    });
    assert!(fault.contains("no such leaf"), "{fault}");

    let mut tangent = Graphs::new(&cell, &Env::default(), &[]).run(FORWARD_MODE);
    let last = tangent.tangent.as_mut().unwrap();
    assert_eq!(verify_tangent(&tangent.cell, last), Ok(()));
    last.outputs.pop();
    assert!(tangent.verify().unwrap_err().contains("output"));
}
