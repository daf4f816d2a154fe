//! Cells with layers that read backward.

use super::*;

const CELLS: &str = "
cell Gated {
  dims I, H
  input x: [I]
  state h: [H] = h0
  param h0: [H] init uniform(1), W, V: [H, I], U: [H, H]
  gate z = sigmoid(V @ x)
  h = z * prev h + (1 - z) * tanh(W @ x + U @ prev h)
  output h
}
cell Aged {
  dims I, H
  input x: [I]
  state h: [H]
  param W: [H, I]
  mask d: [I] = bernoulli(0.5) per step
  h = 0.5 * prev h + 0.25 * prev(h, 2) + W @ (d * (x - prev x) / (1 + time()))
  output h
}
cell Both {
  dims I, H
  input x: [I]
  layer f = Gated(x = x, H = H)
  layer b = Gated(x = x, H = H) backward
  output y = concat(f, b)
}
cell Deep {
  dims I, H
  input x: [I]
  layer f = Gated(x = x, H = H)
  layer b = Gated(x = x, H = H) backward
  let e = concat(f, b)
  layer g = Gated(x = e, H = H)
  layer c = Gated(x = e, H = H) backward
  output y = concat(g, c)
}
cell Odd {
  dims I, H
  input x: [I]
  state s: [H]
  layer f[2] = Aged(x = x, H = H)
  layer b[2] = Aged(x = x, H = H) backward
  let e = concat(f, b)
  layer g = Aged(x = e, H = H)
  layer c = Aged(x = e, H = H) shares g backward
  let before = c
  s = 0.9 * prev s + g * prev before / (1 + time())
  output s, c
}
";

fn sized(cell: &str, i: i64, h: i64) -> Bound {
    let spec = crate::Spec::parse(CELLS).unwrap();
    let cell = spec.configure(Some(cell), &[]).unwrap();
    cell.bind([("I", i), ("H", h)]).unwrap()
}

#[test]
fn the_interpreter_and_every_path() {
    for (name, i, h) in [("Both", 3, 4), ("Deep", 2, 17), ("Odd", 3, 5)] {
        let bound = sized(name, i, h);
        for lengths in [None, Some(vec![4, 0, 6, 1, 4])] {
            compare(name, &bound, &Case::new(&bound, 6, 5, lengths), &Path::available());
        }
    }
}

/// Large enough that threads share rows, and units of rows.
#[test]
fn threads_that_share_a_loop_give_the_same_bits() {
    for (name, h) in [("Both", 192), ("Deep", 64)] {
        let bound = sized(name, 64, h);
        for (steps, batch, lengths) in
            [(7, 33, None), (9, 33, Some((0..33).map(|it| it % 10).collect())), (6, 1, None)]
        {
            let case = Case::new(&bound, steps, batch, lengths);
            for path in Path::available() {
                let one = found(&Fast::new(&bound, &[], path, 1).unwrap(), &case, true);
                for threads in [2, 3] {
                    let fast = Fast::new(&bound, &[], path, threads).unwrap();
                    for ((kind, one), (_, other)) in one.iter().zip(&found(&fast, &case, true)) {
                        same_bits(&format!("{name} {path:?} {kind}: {threads}"), one, other);
                    }
                }
            }
        }
    }
}

/// A run goes in one piece, and says what it needs.
#[test]
fn there_are_no_segments() {
    let bound = sized("Both", 3, 4);
    let case = Case::new(&bound, 6, 2, None);
    let Case { params, inputs, state, masks, .. } = &case;
    let run = |limit: u64| {
        let fast = Fast::new(&bound, &[], Path::best(), 1).unwrap().within(Some(limit));
        let call = Call { bound: fast.bound(), params, inputs, state, masks };
        fast.forward(call, Some(Wanted::ALL)).map(|it| it.segments())
    };
    let Err(RunError::Memory { least, .. }) = run(1) else { panic!("a byte is not enough") };
    assert_eq!(run(least), Ok(1));
    assert!(run(least - 1).is_err());
}
