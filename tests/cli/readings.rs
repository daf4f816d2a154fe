//! Which axes of a given array are taken for steps and for sequences, and that messages say so.

use ndarray::{ArrayD, Axis, IxDyn};

use crate::scratch::{Scratch, assert_same, wave};

/// A cell with a value per sequence, or with one at each step.
fn cell(per: &str) -> String {
    format!(
        "cell Ea {{
  dims D, S, V, H
  input x: [D], attr: [S]{per}, place: index[V] = 0{per}
  state h: [H]
  param W: [H, D], A: [H, S], E: [V, H], U: [H, H]
  h = tanh(W @ x + U @ prev h) * sigmoid(A @ attr + E[place])
  output h
}}"
    )
}

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("once.rnn", cell(" per sequence"));
    scratch.write("each.rnn", cell(""));
    scratch.array("x.npy", &wave(&[6, 4, 3], 0.1));
    scratch.array("one.npy", &wave(&[6, 3], 0.1));
    scratch.array("attr.npy", &wave(&[4, 2], 0.4));
    scratch.array("attr1.npy", &wave(&[2], 0.4));
    scratch.array("attr6.npy", &wave(&[6, 2], 0.4));
    let attr = wave(&[4, 2], 0.4);
    let all: Vec<_> = (0..6).map(|_| attr.view()).collect();
    scratch.array("attrs.npy", &ndarray::stack(Axis(0), &all).unwrap());
    scratch
}

const SIZES: &str = "--set H=4 --set V=5 --dtype f64";

#[test]
fn a_value_per_sequence_is_read_and_its_gradient_written_without_steps() {
    let scratch = scratch();
    for (x, attr, attrs) in [("x", "attr", "attrs"), ("one", "attr1", "attr6")] {
        if x == "one" {
            let all: Vec<f64> = wave(&[2], 0.4).iter().copied().cycle().take(12).collect();
            scratch.array("attr6.npy", &ArrayD::from_shape_vec(IxDyn(&[6, 2]), all).unwrap());
        }
        for (spec, attr) in [("once", attr), ("each", attrs)] {
            let inputs = format!("{spec}.rnn {SIZES} --input x={x}.npy --input attr={attr}.npy -q");
            scratch.rnnc(&format!("run {inputs} -o {spec}.npy")).expect(0);
            scratch.rnnc(&format!("grad {inputs} -o {spec}.safetensors")).expect(0);
        }
        assert_same(&scratch.npy("once.npy"), &scratch.npy("each.npy"), x);
        let gradient = |spec: &str| {
            let all = scratch.tensors(&format!("{spec}.safetensors"));
            all.into_iter().find(|it| it.0 == "input.attr").unwrap().1
        };
        assert_same(&gradient("once"), &gradient("each").sum_axis(Axis(0)), x);
    }
}

/// The wrong reading is named, with what gives the right one.
#[test]
fn arrays_that_do_not_go_together_are_told_with_their_reading() {
    let scratch = scratch();
    let hot = ArrayD::from_shape_fn(IxDyn(&[4, 5]), |at| f64::from(u8::from(at[0] == at[1])));
    scratch.array("hot.npy", &hot);
    scratch.array("hot3.npy", &ndarray::stack(Axis(0), &[hot.view(), hot.view()]).unwrap());
    for (spec, inputs, told) in [
        (
            "each",
            "x=x.npy attr=attr.npy",
            "`attr`, [4, 2], is read as [T, S], one sequence of 4 steps, but input `x` has 6 steps in 4 \
             sequences; one value for each sequence is declared `input attr: [S] per sequence`",
        ),
        (
            "each",
            "x=x.npy attr=attr1.npy",
            "for all steps is declared `input attr: [S] per sequence`",
        ),
        ("once", "x=x.npy attr=attrs.npy", "is declared without `per sequence`"),
        (
            "once",
            "x=x.npy attr=attr6.npy",
            "`attr` has 6 sequences in [6, 2], but input `x`, [6, 4, 3], is read as [T, B, D], with 4 \
             sequences; with --batch-first it has 6",
        ),
        ("each", "x=x.npy attr=attrs.npy place=hot3.npy", "one-hot rows; save `a.argmax(-1)`"),
        ("once", "x=x.npy attr=attr.npy place=hot.npy", "declare `input place: [V]`"),
    ] {
        let inputs: String = inputs.split(' ').map(|it| format!(" --input {it}")).collect();
        let said = scratch.rnnc(&format!("run {spec}.rnn {SIZES}{inputs} -o y.npy")).expect(4);
        assert!(said.stderr.contains(told), "{told}\n{}", said.stderr);
        assert!(!scratch.path("y.npy").exists());
    }
}

/// Where both readings fit, a note says which was taken.
#[test]
fn an_ambiguous_array_is_told_in_a_note() {
    let scratch = scratch();
    scratch.array("square.npy", &wave(&[4, 4, 3], 0.1));
    for (spec, inputs, told) in [
        ("each", "x=square.npy attr=attr.npy", "is read as [T, S], steps that all sequences share"),
        ("once", "x=one.npy attr=attr6.npy", "is read as [B, S], a value for each of 6 sequences"),
    ] {
        let inputs: String = inputs.split(' ').map(|it| format!(" --input {it}")).collect();
        let said = scratch.rnnc(&format!("run {spec}.rnn {SIZES}{inputs}")).expect(0);
        assert!(said.stderr.contains(told), "{told}\n{}", said.stderr);
    }
    let said =
        scratch.rnnc(&format!("run once.rnn {SIZES} --input x=square.npy --input attr=attr.npy"));
    assert!(!said.expect(0).stderr.contains("is read as"));
}

#[test]
fn tables_have_values_per_sequence() {
    let scratch = scratch();
    scratch.write(
        "sum.rnn",
        "cell Sum { input x: [], a: [] per sequence state s: [] s = prev s + a * x output s }",
    );
    scratch.write("both.csv", "id,x,a\np,1,2\nq,2,3\np,3,2\n");
    scratch.write("moving.csv", "id,x,a\np,1,2\nq,2,3\np,3,4\n");
    scratch.write("x.csv", "id,x\np,1\nq,2\np,3\n");
    scratch.write("a.csv", "id,a\np,2\nq,3\n");
    scratch.write("turned.csv", "id,a\nq,3\np,2\n");
    scratch.write("plain.csv", "x,a\n1,2\n3,2\n");
    let by = "--sequence-column id --dtype f64";
    for inputs in [format!("--input both.csv {by}"), format!("--input x.csv --input a.csv {by}")] {
        scratch.rnnc(&format!("run sum.rnn {inputs} -o y.npy -q")).expect(0);
        assert_eq!(scratch.npy("y.npy").into_raw_vec_and_offset().0, [2.0, 6.0, 8.0, 0.0]);
    }
    scratch.rnnc("run sum.rnn --input plain.csv --dtype f64 -o y.npy -q").expect(0);
    assert_eq!(scratch.npy("y.npy").into_raw_vec_and_offset().0, [2.0, 8.0]);
    // A row of its own for each sequence, and one for all.
    scratch.write("rows.csv", "a\n2\n3\n");
    scratch.array("x.npy", &wave(&[3, 2], 0.0));
    scratch.rnnc("run sum.rnn --input x=x.npy --input a=rows.csv -q").expect(0);
    for (inputs, told) in [
        (
            format!("--input moving.csv {by}"),
            "but is 2 in the first row of sequence `p` and 4 in a later one",
        ),
        (format!("--input x.csv --input turned.csv {by}"), "have other names, or another order"),
    ] {
        let said = scratch.rnnc(&format!("run sum.rnn {inputs}")).expect(4);
        assert!(said.stderr.contains(told), "{told}\n{}", said.stderr);
    }
}

/// A cell whose inputs have no steps is told how many there are.
#[test]
fn steps_of_a_cell_without_inputs_of_steps() {
    let scratch = Scratch::new();
    scratch.write(
        "decay.rnn",
        "cell Decay { dims S input a: [S] per sequence state h: [S] = 1 h = a * prev h output h }",
    );
    scratch.array("a.npy", &ArrayD::from_elem(IxDyn(&[2, 3]), 0.5));
    let said = scratch.rnnc("run decay.rnn --input a.npy").expect(2);
    assert!(said.stderr.contains("say how many there are with --steps"), "{}", said.stderr);
    scratch.rnnc("run decay.rnn --input a.npy --steps 3 -o h.npy -q").expect(0);
    assert_eq!(scratch.npy("h.npy").shape(), [3, 2, 3]);
    assert_eq!(scratch.npy("h.npy")[[2, 1, 0]], 0.125);
}
