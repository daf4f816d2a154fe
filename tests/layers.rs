//! A layer is its inner cell written out by hand: the same bits forward, and the same gradients.
//!
//! In the texts written out, `a.W` is called `a_W`, and what several stacked layers have is `a0_W`, `a1_W`.

use std::collections::BTreeMap;

use ndarray::ArrayD;
use rnnc::exec::{
    self, Bound, Call, Feed, InitialState, Inputs, Masks, Params, Training, Upstream,
};
use rnnc::ir::{Cell, Env};
use rnnc::{Spec, derive};

const STEPS: usize = 5;
const BATCH: usize = 3;

/// Numbers that depend on a name alone, which is read as it is written out by hand.
fn numbers(name: &str, shape: &[usize]) -> ArrayD<f64> {
    let mut state = name.bytes().fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    }) | 1;
    ArrayD::from_shape_simple_fn(shape, || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    })
}

/// `a[1].W` as it is called by hand.
fn by_hand(name: &str) -> String {
    name.replace('[', "").replace("].", "_").replace('.', "_")
}

fn spec(text: &str) -> Cell {
    let spec = Spec::parse(text).unwrap_or_else(|it| panic!("{it}\n{text}"));
    spec.cells().iter().find(|it| &*it.name == "Outer").expect("a cell called Outer").clone()
}

/// Outputs, carried values and gradients by the names that they have by hand.
fn results(cell: &Cell) -> BTreeMap<String, ArrayD<f64>> {
    let sizes = [("E", 3), ("H", 2)].into_iter();
    let sizes = sizes.filter(|(name, _)| cell.dims.iter().any(|it| *it.name == **name));
    let sizes = sizes.map(|(name, size)| (name.into(), size)).collect();
    let bound: Bound = exec::bind(cell, Env { sizes, ..Env::default() }).expect("sizes");
    let shapes = bound.param_shapes();
    let params =
        cell.params.iter().zip(shapes).map(|(it, shape)| numbers(&by_hand(&it.name), shape));
    let params = Params::new(params.collect());
    let inputs = cell.inputs.iter().zip(bound.input_shapes()).map(|(it, own)| {
        let shape: Vec<usize> = [STEPS, BATCH].iter().chain(own).copied().collect();
        Some(Feed::Batch(numbers(&it.name, &shape)))
    });
    let inputs = Inputs::new(inputs.collect());
    let state = cell.carries.iter().zip(bound.carry_shapes()).map(|(it, own)| {
        let shape: Vec<usize> = [BATCH].iter().chain(own).copied().collect();
        let name = format!("start {}", by_hand(&it.name));
        Some(if it.is_state { numbers(&name, &shape) } else { ArrayD::zeros(shape) })
    });
    let state = InitialState(state.collect());
    let masks = Masks::Train(Training {
        seed: 4,
        first_sequence: 0,
        first_step: 0,
        given: Vec::new(),
        ..Training::new(0)
    });
    let (bound, params, inputs, state) = (&bound, &params, &inputs, &state);
    let call = Call { bound, params, inputs, state, masks: &masks };
    let run = exec::forward(call, &[]).expect("it runs");
    let adjoint = derive::adjoint(bound.cell());
    let upstream = Upstream::ones(cell.outputs.len(), cell.carries.len());
    let gradients = exec::backward(&run, &adjoint, &upstream).expect("it runs backward");
    let mut all = BTreeMap::new();
    let mut add = |kind: &str, name: &str, array: ArrayD<f64>| {
        assert!(all.insert(format!("{kind} {}", by_hand(name)), array).is_none(), "{name}");
    };
    for (it, array) in cell.outputs.iter().zip(&run.outputs) {
        add("output", &it.name, array.clone());
    }
    for (it, array) in cell.carries.iter().zip(&run.states) {
        add("state", &it.name, array.clone());
    }
    for (it, array) in cell.params.iter().zip(gradients.params) {
        add("gradient of", &it.name, array.expect("every param is trained"));
    }
    for (it, array) in cell.carries.iter().zip(gradients.starts) {
        add("gradient of start", &it.name, array.unwrap_or_else(|| ArrayD::zeros(vec![0])));
    }
    for (it, array) in cell.inputs.iter().zip(gradients.inputs) {
        add("gradient of input", &it.name, array.expect("no index"));
    }
    all
}

/// Two cells called `Outer` give the same bits for everything that has a name.
fn the_same(layers: &str, hand: &str) {
    let (layers, hand) = (results(&spec(layers)), results(&spec(hand)));
    assert_eq!(layers.keys().collect::<Vec<_>>(), hand.keys().collect::<Vec<_>>());
    for (name, array) in &layers {
        let other = &hand[name];
        assert_eq!(array.shape(), other.shape(), "{name}");
        let same = array.iter().zip(other).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same, "{name}\n{array}\n{other}");
        assert!(array.iter().all(|it| it.is_finite()), "{name}");
    }
    let alive = layers.iter().filter(|it| it.0.starts_with("gradient of "));
    let alive = alive.filter(|it| it.1.iter().any(|it| *it != 0.0)).count();
    assert!(alive * 2 > layers.len() - alive, "hardly any gradient is not zero");
}

const LEAKY: &str = "
cell Leaky {
  dims I, H
  hyper k = 0.9, act = tanh
  input x: [I]
  state h: [H]
  param W: [H, I], U: [H, H]
  let v = W @ x + U @ prev h
  h = k * prev h + (1 - k) * act(v)
  output h
}
";

/// One layer by hand: its name, its input and its old state.
fn leaky(name: &str, x: &str, old: &str, k: &str, act: &str) -> String {
    format!(
        "let {name}_v = {name}_W @ {x} + {name}_U @ {old}
         {name}_h = {k} * {old} + (1 - {k}) * {act}({name}_v)\n"
    )
}

#[test]
fn a_layer_is_the_cell_written_out() {
    let layers = format!(
        "{LEAKY} cell Outer {{ dims E, H input e: [E]
         layer a = Leaky(x = 2 * e, k = 1 / sqrt(H), act = sigmoid, H = H)
         output y = a.h + prev a.v + prev(a.h, 3), a.v }}"
    );
    let hand = format!(
        "cell Outer {{ dims E, H input e: [E] state a_h: [H] param a_W: [H, E], a_U: [H, H]
         let x = 2 * e {} output y = a_h + prev a_v + prev(a_h, 3), a_v }}",
        leaky("a", "x", "prev a_h", "(1 / sqrt(H))", "sigmoid")
    );
    the_same(&layers, &hand);
}

#[test]
fn a_stack_of_three_is_three_layers() {
    let layers = format!(
        "{LEAKY} cell Outer {{ dims E, H input e: [E]
         layer a[3] = Leaky(x = e, H = H)
         output y = a + a[0].v * prev a[1], z = a[1] + prev(a[1], 2) * prev(a[0].h, 2) }}"
    );
    let hand = format!(
        "cell Outer {{ dims E, H input e: [E] state a0_h, a1_h, a2_h: [H]
         param a0_W: [H, E], a0_U, a1_W, a1_U, a2_W, a2_U: [H, H]
         {}{}{} output y = a2_h + a0_v * prev a1_h, z = a1_h + prev(a1_h, 2) * prev(a0_h, 2) }}",
        leaky("a0", "e", "prev a0_h", "0.9", "tanh"),
        leaky("a1", "a0_h", "prev a1_h", "0.9", "tanh"),
        leaky("a2", "a1_h", "prev a2_h", "0.9", "tanh"),
    );
    the_same(&layers, &hand);
}

#[test]
fn shared_weights_get_the_sum_of_the_gradients() {
    let layers = format!(
        "{LEAKY} cell Outer {{ dims E, H input e: [E], f: [E]
         layer a = Leaky(x = e, H = H, k = 0.5)
         layer b = Leaky(x = f) shares a
         output y = a * b }}"
    );
    let hand = format!(
        "cell Outer {{ dims E, H input e: [E], f: [E] state a_h, b_h: [H]
         param a_W: [H, E], a_U: [H, H] {}{} output y = a_h * b_h }}",
        leaky("a", "e", "prev a_h", "0.5", "tanh"),
        leaky("b", "f", "prev b_h", "0.5", "tanh").replace("b_W", "a_W").replace("b_U", "a_U"),
    );
    the_same(&layers, &hand);
}

#[test]
fn stacks_share_weights_layer_by_layer() {
    let layers = format!(
        "{LEAKY} cell Outer {{ dims E, H input e: [E], f: [E]
         layer a[2] = Leaky(x = e, H = H)
         layer b[2] = Leaky(x = f) shares a
         output y = a * b }}"
    );
    let shared = |name: &str, own: &str, x: &str| {
        let text = leaky(name, x, &format!("prev {name}_h"), "0.9", "tanh");
        text.replace(&format!("{name}_W"), &format!("{own}_W"))
            .replace(&format!("{name}_U"), &format!("{own}_U"))
    };
    let hand = format!(
        "cell Outer {{ dims E, H input e: [E], f: [E] state a0_h, a1_h, b0_h, b1_h: [H]
         param a0_W: [H, E], a0_U, a1_W, a1_U: [H, H] {}{}{}{} output y = a1_h * b1_h }}",
        shared("a0", "a0", "e"),
        shared("a1", "a1", "a0_h"),
        shared("b0", "a0", "f"),
        shared("b1", "a1", "b0_h"),
    );
    the_same(&layers, &hand);
}

/// Fast-slow: the first fast layer goes on from the last one, the slow one is stepped between them.
#[test]
fn fast_and_slow_layers_hand_their_states_on() {
    let layers = format!(
        "{LEAKY} cell Outer {{ dims E, H input e: [E] state fast: [H]
         layer f1 = Leaky(x = e, prev h = prev fast, H = H)
         layer s = Leaky(x = f1, H = H)
         layer f2 = Leaky(x = s, prev h = f1.h)
         fast = f2
         output fast }}"
    );
    let hand = format!(
        "cell Outer {{ dims E, H input e: [E] state fast, s_h: [H]
         param f1_W: [H, E], f1_U, s_W, s_U, f2_W, f2_U: [H, H]
         {}{}{} fast = f2_h output fast }}",
        leaky("f1", "e", "prev fast", "0.9", "tanh").replace("f1_h =", "let f1_h ="),
        leaky("s", "f1_h", "prev s_h", "0.9", "tanh"),
        leaky("f2", "s_h", "f1_h", "0.9", "tanh").replace("f2_h =", "let f2_h ="),
    );
    the_same(&layers, &hand);
}

/// A decoder that begins each step where the encoder has ended, and feeds its past back.
#[test]
fn a_decoder_goes_on_from_its_encoder() {
    let layers = format!(
        "{LEAKY} cell Outer {{ dims E, H input e: [E]
         layer enc = Leaky(x = e, H = H)
         layer dec = Leaky(x = enc.v, prev h = enc.h)
         output y = dec + prev enc.h }}"
    );
    let hand = format!(
        "cell Outer {{ dims E, H input e: [E] state enc_h: [H]
         param enc_W: [H, E], enc_U, dec_W, dec_U: [H, H]
         {}{} output y = dec_h + prev enc_h }}",
        leaky("enc", "e", "prev enc_h", "0.9", "tanh"),
        leaky("dec", "enc_v", "enc_h", "0.9", "tanh").replace("dec_h =", "let dec_h ="),
    );
    the_same(&layers, &hand);
}

/// A cell of cells, with the past of a value of the innermost one.
#[test]
fn layers_lie_in_layers() {
    let layers = format!(
        "{LEAKY} cell Pair {{ dims I, H hyper k = 0.3 input x: [I]
         layer p = Leaky(x = x, k = k, H = H) layer q = Leaky(x = p, k = k + k, H = H)
         output y = q + p.v }}
         cell Outer {{ dims E, H hyper c = 0.25 input e: [E]
         layer a = Pair(x = e, H = H, k = c)
         output y = a + prev a.p.h + a.q.v }}"
    );
    let hand = format!(
        "cell Outer {{ dims E, H input e: [E] state a_p_h, a_q_h: [H]
         param a_p_W: [H, E], a_p_U, a_q_W, a_q_U: [H, H]
         {}{} let a = a_q_h + a_p_v output y = a + prev a_p_h + a_q_v }}",
        leaky("a_p", "e", "prev a_p_h", "0.25", "tanh"),
        leaky("a_q", "a_p_h", "prev a_q_h", "0.5", "tanh"),
    );
    the_same(&layers, &hand);
}

/// A loop as long as a size of the outer cell says, and one step number for all.
#[test]
fn loops_and_the_step_number_go_into_layers() {
    let inner = "cell Turns { dims I, L = 2 input x: [I] state h: [I] param R: [L, I, I]
         h = fold s from prev h for l in 0 .. L { yield tanh(R[l] @ s + x) + 0.1 * time() }
         output h }";
    let layers = format!(
        "{inner} cell Outer {{ dims E, K = 2 input e: [E]
         layer a = Turns(x = e, L = K + 1)
         output y = a * time() }}"
    );
    let hand = "cell Outer { dims E, K = 2 input e: [E] state a_h: [E] param a_R: [K + 1, E, E]
         a_h = fold s from prev a_h for l in 0 .. K + 1 { yield tanh(a_R[l] @ s + e) + 0.1 * time() }
         output y = a_h * time() }";
    the_same(&layers, hand);
}

/// Names of params are drawn from, so two layers of one cell begin unlike, and a layer is what its file gives.
#[test]
fn each_layer_draws_its_own_weights() {
    let text = format!(
        "{LEAKY} cell Outer {{ dims E, H input e: [E]
         layer a = Leaky(x = e, H = H) layer b = Leaky(x = e, H = H) output y = a + b }}"
    );
    let cell = spec(&text);
    let sizes = [("E".into(), 3), ("H".into(), 2)].into_iter().collect();
    let bound = exec::bind(&cell, Env { sizes, ..Env::default() }).expect("sizes");
    let params = exec::init::<f64>(&bound, 7).expect("draws");
    let of = |name: &str| &params.arrays()[cell.param(name).expect("a param")];
    assert_ne!(of("a.W"), of("b.W"));
    assert_ne!(of("a.U"), of("b.U"));
    // The draw depends on the seed and the full name alone.
    let alone =
        spec(&text.replace("layer b = Leaky(x = e, H = H) output y = a + b", "output y = a"));
    let sizes = [("E".into(), 3), ("H".into(), 2)].into_iter().collect();
    let bound = exec::bind(&alone, Env { sizes, ..Env::default() }).expect("sizes");
    let again = exec::init::<f64>(&bound, 7).expect("draws");
    assert_eq!(again.arrays()[alone.param("a.W").expect("a param")], *of("a.W"));
}
