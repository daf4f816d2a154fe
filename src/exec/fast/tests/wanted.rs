//! Gradients that nobody wants are none, and the others are the same without them.

use super::*;
use crate::ir::{Feedback, Gives, Mode};

const SOME: [Wanted; 3] = [
    Wanted::PARAMS,
    Wanted { params: false, inputs: true, starts: false },
    Wanted { params: false, inputs: false, starts: true },
];

fn gradients(fast: &Fast, case: &Case<f32>, wanted: Wanted) -> Gradients<f32> {
    let Case { params, inputs, state, masks, upstream } = case;
    let call = Call { bound: fast.bound(), params, inputs, state, masks };
    let mut run = fast.forward(call, Some(wanted)).unwrap();
    fast.backward(&mut run, &upstream.view()).unwrap()
}

#[test]
fn what_is_wanted_alone_is_the_same() {
    every_cell(|_, name, cell| {
        let bound = sized(cell, 3).expect("sizes that fit");
        let case = Case::new(&bound, 4, 3, Some(vec![4, 1, 3]));
        // Norms of states' adjoints ask for all of these.
        for flow in [false, true] {
            let fast =
                Fast::with(&bound, &[], (flow, Wanted::ALL), Path::best(), exec::Team::new(1))
                    .expect(name);
            let all = gradients(&fast, &case, Wanted::ALL);
            for wanted in SOME {
                let found = of_gradients(gradients(&fast, &case, wanted));
                let expected = of_gradients(all.clone().only(wanted));
                assert_eq!(found.len(), expected.len(), "{name}");
                for ((what, found), (_, expected)) in found.iter().zip(&expected) {
                    // A product that nobody else reads is added without being rounded.
                    let norm = |it: &ArrayD<f32>| it.mapv(|it| it * it).sum().sqrt();
                    let far = norm(&(found - expected));
                    assert!(far <= 1e-5 * norm(expected), "{name}, {wanted:?}, {what}: {far}");
                }
            }
        }
    });
}

#[test]
fn what_is_not_wanted_is_not_computed() {
    every_cell(|_, name, cell| {
        if name != "gru" {
            return;
        }
        let bound = sized(cell, 4).unwrap();
        let fast = Fast::new(&bound, &[], Path::best(), 1).unwrap();
        let computed = |keeps: Wanted| {
            let key = Key { fixed: fast.streamed(), keeps: Some(keeps) };
            let prepared = fast.prepare(key).unwrap();
            prepared.compiled.plan.backward.stage_of.iter().flatten().count()
        };
        let [params, inputs, starts] = SOME.map(computed);
        // The product with the matrices of the input alone.
        assert!(params < computed(Wanted::ALL));
        // The rows that sums over all rows read are those that go on to the step before.
        assert_eq!(computed(Wanted { params: true, ..SOME[1] }), computed(Wanted::ALL));
        assert!(starts < inputs);
    });
}

/// A row of a table of weights is taken and its gradient added there, whichever way rows lie.
#[test]
fn gradients_of_a_table_are_those_of_its_rows() {
    let cell = "cell Tabled {
  dims V, H
  input c: index[V]
  state h: [H] = 0
  param T: [V, H] init uniform(-0.5, 0.5)
  param b: [V] init 0
  h = tanh(T[c] + 0.5 * prev h) + b[c]
  output h
}";
    // Here the index is a carried value.
    let model = "model Letters {
  dims V, H
  target next: index[V]
  feedback c: index[V] = 0 teacher next
  state h: [H] = 0
  param T: [V, H] init uniform(-0.5, 0.5)
  param W: [V, H] init uniform(-0.5, 0.5)
  h = tanh(T[prev c] + 0.5 * prev h)
  output logits = W @ h
  c = sample(logits)
  loss cross_entropy(logits, next)
}";
    let sizes = [(3, 5, 4, None), (5, 6, 5, Some(vec![6, 2, 0, 5, 2])), (33, 9, 7, None)];
    for (source, (size, steps, batch, lengths)) in
        [cell, model].into_iter().flat_map(|it| sizes.clone().map(|sizes| (it, sizes)))
    {
        let spec = crate::Spec::parse(source).unwrap();
        let bound = sized(spec.cells().last().unwrap(), size).unwrap();
        let bound = match bound.cell().losses.is_empty() {
            true => bound,
            false => bound.plain(&Mode::new(Feedback::Teacher, Gives::Loss)).unwrap(),
        };
        let case = Case::new(&bound, steps, batch, lengths);
        compare("a table", &bound, &case, &Path::available());
        let fast = Fast::new(&bound, &[], Path::best(), 1).unwrap();
        let all = gradients(&fast, &case, Wanted::ALL);
        assert!(all.params.iter().flatten().all(|it| it.iter().any(|it| *it != 0.0)));
        let root = fast.adjoint().params[0].unwrap();
        let prepared = fast.prepare(Key { fixed: fast.streamed(), keeps: Some(Wanted::ALL) });
        assert_eq!(prepared.unwrap().compiled.plan.sums[root.idx()], Some(plan::Sum::Scatter));
    }
}
