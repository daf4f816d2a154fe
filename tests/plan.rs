//! The plan of a cell: what is printed for people, and that it says what the graphs say.

mod plan {
    pub mod order;
    mod pipeline;
    mod reassociate;
    mod stages;
}

use ndarray::{ArrayD, IxDyn};
use rnnc::exec::{EngineOptions, Feed, InitialState, Inputs, Masks, Upstream};
use rnnc::ir::Cell;
use rnnc::plan::{Flops, Plan, Sum, print};

/// The first cell of a file of the library.
pub fn library_cell(name: &str) -> Cell {
    let source = rnnc::api::library_file(name).unwrap_or_else(|| panic!("no {name}")).source;
    cells(source).remove(0)
}

/// The cells of a spec.
pub fn cells(source: &str) -> Vec<Cell> {
    rnnc::Spec::parse(source).unwrap_or_else(|it| panic!("{it}")).cells().to_vec()
}

/// One snapshot for each kind of recurrence and of fallback, for people to read.
#[test]
fn plans_of_the_library() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path("snapshots/plan");
    settings.bind(|| {
        for name in [
            "lstm",
            "gru",
            "gru_before",
            "mgu",
            "indrnn",
            "mingru",
            "slstm",
            "mlstm",
            "rhn",
            "mamba",
            "fs_lstm",
            "keras_gru_recurrent_dropout",
        ] {
            insta::assert_snapshot!(name, print(&Plan::new(&library_cell(name)).unwrap()));
        }
    });
}

#[test]
fn every_plan_prints_in_good_lines() {
    for file in rnnc::api::library() {
        for cell in cells(file.source) {
            let text = print(&Plan::new(&cell).unwrap());
            assert_eq!(text, print(&Plan::new(&cell).unwrap()), "{}", file.name);
            for line in text.lines() {
                assert!(line.len() <= 104, "{}: {line}", file.name);
                assert_eq!(line.trim_end(), line, "{}", file.name);
            }
            assert!(!text.contains("too large"), "{}: {text}", file.name);
        }
    }
}

/// The formulas that everybody counts by: two operations for each number of a matrix, and backward
/// twice as many as forward.
#[test]
fn products_are_counted_as_everybody_does() {
    for (name, gates) in [("lstm", 4), ("gru", 3), ("gru_before", 3), ("rnn", 1), ("mgu", 2)] {
        let plan = Plan::new(&library_cell(name)).unwrap();
        let size = |name: &str| match name {
            "I" => Some(5),
            "H" => Some(7),
            _ => None,
        };
        let count = |flops: Flops| flops.products.eval(&size).unwrap();
        assert_eq!(count(plan.forward_flops().unwrap()), 2 * gates * 7 * (5 + 7), "{name}");
        assert_eq!(count(plan.backward_flops().unwrap()), 4 * gates * 7 * (5 + 7), "{name}");
    }
}

/// Gradients of the weights of a GRU need no work in the loop.
#[test]
fn gradients_of_weights_are_products_over_all_rows() {
    let plan = Plan::new(&library_cell("gru")).unwrap();
    for (param, root) in plan.cell.params.iter().zip(&plan.adjoint.params) {
        let root = root.unwrap();
        let wanted = if param.shape.rank() == 2 { Sum::Product } else { Sum::Rows };
        assert_eq!(plan.sums[root.idx()], Some(wanted), "{}", param.name);
    }
    let numbers = plan.kept_numbers().unwrap();
    assert_eq!(numbers.to_string(), "6 * H");
}

/// The gradient of a table is a sum of rows, and no row has a table of its own.
#[test]
fn the_gradient_of_a_table_is_added_up_in_place() {
    let source = "cell Tabled {
  dims V, H
  input c: index[V]
  state h: [H] = 0
  param T: [V, H] init uniform(-0.5, 0.5)
  h = tanh(T[c] + prev h)
  output h
}";
    let plan = Plan::new(&cells(source).remove(0)).unwrap();
    let root = plan.adjoint.params[0].unwrap();
    assert_eq!(plan.sums[root.idx()], Some(Sum::Scatter));
    assert!(!plan.backward.is_each(root));
    let text = print(&plan);
    assert!(text.contains("T : sum over all rows of d_pre_h by c"), "{text}");
}

/// What is made of a mask per sequence is neither the same for all rows nor made anew in each step.
#[test]
fn what_is_the_same_for_a_sequence_is_computed() {
    let source = "cell Dropped {
  dims I, H
  hyper p = 0.5
  input x: [I]
  state h: [H] = 0
  param W: [H, I] init uniform(-0.5, 0.5)
  mask m: [H] = bernoulli(1 - p) per sequence
  h = tanh(W @ x + prev h * (m / (1 - p)))
  output h
}";
    let cell = cells(source).remove(0);
    plan::order::sound("dropped", &Plan::new(&cell).unwrap());
    let cell = rnnc::Spec::parse(source).unwrap().configure(None, &[]).unwrap();
    let bound = cell.bind([("I", 2), ("H", 3)]).unwrap();
    let params = bound.init::<f32>(1).unwrap();
    let x = ArrayD::from_shape_fn(IxDyn(&[6, 4, 2]), |at| (at[0] * 8 + at[1] * 2 + at[2]) as f32);
    let inputs = Inputs::new(vec![Some(Feed::Batch(x.mapv(f32::sin)))]);
    let state = InitialState::declared(1);
    let masks = Masks::train(3);
    let [plain, fast] =
        [EngineOptions::reference(), EngineOptions::default()].map(|it| bound.engine(it).unwrap());
    let expected = plain.forward_with(&params, &inputs, &state, &masks).unwrap();
    let run = fast.forward_with(&params, &inputs, &state, &masks).unwrap();
    let close =
        |a: &ArrayD<f32>, b: &ArrayD<f32>| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(close(&run.outputs[0], &expected.outputs[0]));
    let upstream = Upstream::ones(1, 1);
    let expected = plain.backward(&expected, &upstream).unwrap();
    let gradients = fast.backward(&run, &upstream).unwrap();
    let pairs = gradients.params.iter().zip(&expected.params);
    for (a, b) in pairs {
        assert!(close(a.as_ref().unwrap(), b.as_ref().unwrap()));
    }
}
