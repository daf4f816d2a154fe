//! Weights of other frameworks at the command line: a checkpoint as PyTorch leaves it, and files
//! that go from one framework to another and back.

use std::path::Path;

use half::{bf16, f16};
use ndarray::ArrayD;

use crate::scratch::{Scratch, assert_same};

/// A folder with the checkpoint of `tests/reference/checkpoints` and what PyTorch computed with it.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/checkpoints");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        scratch.write(&name, std::fs::read(&path).unwrap());
    }
    scratch
}

fn near(found: &ArrayD<f64>, expected: &ArrayD<f64>) {
    assert_eq!(found.shape(), expected.shape());
    let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart < 1e-6, "{apart}");
}

/// Two layers of an `nn.GRU` inside a larger model, one after the other, without a word about gates.
#[test]
fn a_checkpoint_of_pytorch_gives_the_outputs_of_pytorch() {
    let scratch = scratch();
    let read = "--params gru_two_layers.safetensors --layout pytorch --prefix encoder.rnn.";
    for (layer, input) in [("l0", "x.npy"), ("l1", "out_l0.npy")] {
        let run = scratch
            .rnnc(&format!(
                "run std/gru {read} --suffix _{layer} --input {input} --state h=h_{layer}.npy \
                 -o out_{layer}.npy --save {layer}"
            ))
            .expect(0);
        // The other layer has 4 tensors, the head 2.
        assert!(run.stderr.contains("6 other tensors"), "{}", run.stderr);
        let last = scratch.npy(&format!("{layer}/state.h.npy"));
        near(&last, &scratch.npy(&format!("last_{layer}.npy")));
    }
    near(&scratch.npy("out_l1.npy"), &scratch.npy("y.npy"));

    // Under the names of the cell the same numbers give the same bits.
    let one = scratch.read("out_l1.npy");
    let convert = "convert std/gru gru_two_layers.safetensors --from pytorch --prefix encoder.rnn.";
    for (layer, input) in [("l0", "x.npy"), ("l1", "own_l0.npy")] {
        scratch.rnnc(&format!("{convert} --suffix _{layer} -o {layer}.safetensors")).expect(0);
        let run = format!(
            "run std/gru --params {layer}.safetensors --input {input} --state h=h_{layer}.npy \
             -o own_{layer}.npy"
        );
        scratch.rnnc(&run).expect(0);
    }
    assert_eq!(scratch.read("own_l1.npy"), one);
}

/// All layers of an `nn.GRU` as one stack. Its names need not have that of the stack, which people choose.
#[test]
fn a_stack_reads_all_layers_of_pytorch_at_once() {
    let scratch = scratch();
    scratch.write(
        "stack.rnn",
        "use std/gru cell Stack { dims I, H input x: [I] layer rnn[2] = Gru(x = x, H = H) output rnn }",
    );
    // As `model.encoder["rnn"].state_dict()` would have it; blanks keep the length of the header.
    let whole = scratch.read("gru_two_layers.safetensors");
    let size = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&whole[8..size]).unwrap();
    let bare = header.replace("\"encoder.rnn.", "            \"");
    assert_eq!(header.len(), bare.len());
    scratch.write("bare.safetensors", [&whole[..8], bare.as_bytes(), &whole[size..]].concat());

    let states = "--state rnn[0].h=h_l0.npy --state rnn[1].h=h_l1.npy";
    for (file, options) in [
        ("bare", "--ignore-extra"),
        ("gru_two_layers", "--prefix encoder.rnn."),
        ("gru_two_layers", "--prefix encoder."),
    ] {
        let read = format!("--params {file}.safetensors --layout pytorch {options}");
        let run = format!("run stack.rnn {read} --input x.npy {states} -o out.npy --save last");
        scratch.rnnc(&run).expect(0);
        near(&scratch.npy("out.npy"), &scratch.npy("y.npy"));
        for layer in [0, 1] {
            let last = scratch.npy(&format!("last/state.rnn[{layer}].h.npy"));
            near(&last, &scratch.npy(&format!("last_l{layer}.npy")));
        }
        // What is written has the name.
        let convert = "convert stack.rnn --from pytorch --to pytorch -o named.safetensors";
        scratch.rnnc(&format!("{convert} {file}.safetensors {options}")).expect(0);
        let names: Vec<String> =
            scratch.tensors("named.safetensors").into_iter().map(|it| it.0).collect();
        assert_eq!(names.len(), 8);
        assert!(names.iter().all(|it| it.starts_with("rnn.") && it.contains("_l")), "{names:?}");
    }
    // Gradients are compared at these weights, whose sizes are the cell's.
    let check = "gradcheck stack.rnn --seeds 1 --steps 3";
    let check =
        scratch.rnnc(&format!("{check} --params bare.safetensors --layout pytorch --ignore-extra"));
    assert!(check.expect(0).stdout.contains("gradients agree"));
}

#[test]
fn weights_come_back_as_they_went() {
    let scratch = Scratch::new();
    for (spec, layouts) in [
        ("std/gru", &["pytorch", "keras", "onnx"][..]),
        ("std/lstm", &["pytorch", "onnx"]),
        ("std/mgu", &["torchrecurrent"]),
    ] {
        scratch.rnnc(&format!("init {spec} --set I=3 --set H=5 -o 0.safetensors")).expect(0);
        let first = scratch.tensors("0.safetensors");
        let (mut from, mut at) = ("own", 0);
        for to in layouts.iter().copied().chain(["own"]) {
            let files = format!("{at}.safetensors -o {}.safetensors", at + 1);
            let around = format!("--prefix in{at}. --to-prefix in{}.", at + 1);
            // The names of the first and the last file stand alone.
            let around = match (from, to) {
                ("own", _) => around.split_at(around.find("--to").unwrap()).1.to_owned(),
                (_, "own") => around.split_at(around.find("--to").unwrap()).0.to_owned(),
                (_, _) => around,
            };
            scratch
                .rnnc(&format!("convert {spec} {files} --from {from} --to {to} {around}"))
                .expect(0);
            (from, at) = (to, at + 1);
        }
        assert_eq!(scratch.tensors(&format!("{at}.safetensors")), first, "{spec}");
        // Drawing for a framework is drawing and converting.
        let to = layouts[0];
        let init = format!("init {spec} --set I=3 --set H=5 --layout {to} --prefix in1.");
        scratch.rnnc(&format!("{init} -o drawn.safetensors")).expect(0);
        assert_eq!(
            scratch.tensors("drawn.safetensors"),
            scratch.tensors("1.safetensors"),
            "{spec}"
        );
    }
}

/// A file with tensors of three types, by hand: a header and the bytes.
fn mixed() -> Vec<u8> {
    let header = br#"{"w":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},
        "b":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]},"v":{"dtype":"F64","shape":[2],"data_offsets":[8,24]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header);
    [0.1, -2.5].iter().for_each(|it| bytes.extend_from_slice(&f16::from_f64(*it).to_le_bytes()));
    [0.3, 7.0].iter().for_each(|it| bytes.extend_from_slice(&bf16::from_f64(*it).to_le_bytes()));
    [1.0f64 / 3.0, 1e300].iter().for_each(|it| bytes.extend_from_slice(&it.to_le_bytes()));
    bytes
}

#[test]
fn convert_keeps_the_types() {
    let scratch = Scratch::new();
    scratch.write("mixed.safetensors", mixed());
    scratch.write(
        "a.rnn",
        "cell A { dims H input x: [H] param w, b, v: [H] output y = tanh(w * x + b) * v
         layout one { weight = w bias = b scale = v zero = zeros([1]) }
         layout two { all = stack(w, b) v = v } }",
    );
    scratch.rnnc("convert a.rnn mixed.safetensors --to one -o one.safetensors").expect(0);
    let text = String::from_utf8_lossy(&scratch.read("one.safetensors")).into_owned();
    for expected in [
        r#""bias":{"dtype":"BF16""#,
        r#""scale":{"dtype":"F64""#,
        r#""weight":{"dtype":"F16""#,
        r#""zero":{"dtype":"F64""#,
    ] {
        assert!(text.contains(expected), "{text}");
    }
    let back = "convert a.rnn one.safetensors --from one";
    scratch.rnnc(&format!("{back} -o back.safetensors")).expect(0);
    let (first, last) = (scratch.tensors("mixed.safetensors"), scratch.tensors("back.safetensors"));
    for ((name, array), (_, other)) in first.iter().zip(&last) {
        assert_same(array, other, name);
    }
    // One tensor of two types gets one that holds both.
    scratch.rnnc(&format!("{back} --to two -o two.safetensors")).expect(0);
    let text = String::from_utf8_lossy(&scratch.read("two.safetensors")).into_owned();
    assert!(text.contains(r#""all":{"dtype":"F32","shape":[2,2]"#), "{text}");
}

#[test]
fn a_failed_conversion_leaves_the_old_file() {
    let scratch = scratch();
    scratch.write("out.safetensors", b"old");
    let convert = "convert std/gru gru_two_layers.safetensors -o out.safetensors --from pytorch";
    scratch.rnnc(convert).expect(4);
    scratch.rnnc("convert std/gru no.safetensors -o out.safetensors --from pytorch").expect(3);
    scratch.rnnc(&format!("{convert} --to torch")).expect(2);
    assert_eq!(scratch.read("out.safetensors"), b"old");
    scratch.rnnc(&format!("{convert} --prefix encoder.rnn. --suffix _l0")).expect(0);
    assert!(scratch.read("out.safetensors").len() > 100);
    assert!(scratch.names(".").iter().all(|it| !it.contains("tmp")));
}

/// The same numbers from every kind of file give the same bits.
#[test]
fn weights_are_read_from_what_people_have() {
    let scratch = Scratch::new();
    let sizes = "--set I=3 --set H=4";
    scratch.rnnc(&format!("init std/gru {sizes} --layout pytorch -o w.safetensors")).expect(0);
    let tensors = scratch.tensors("w.safetensors");
    let stored: Vec<(&str, Vec<i64>, Vec<f32>)> = tensors
        .iter()
        .map(|(name, it)| {
            let shape = it.shape().iter().map(|it| *it as i64).collect();
            (name.as_str(), shape, it.iter().map(|it| *it as f32).collect())
        })
        .collect();
    let lent: Vec<(&str, &[i64], &[f32])> =
        stored.iter().map(|it| (it.0, &*it.1, &*it.2)).collect();
    for name in ["w.pt", "w.bin", "w.pth", "w.ckpt", "wrong.safetensors"] {
        scratch.write(name, crate::archives::state_dict(&lent));
    }
    let npys: Vec<(String, Vec<u8>)> = tensors
        .iter()
        .map(|(name, it)| (format!("{name}.npy"), rnnc::data::write_npy(&it.view())))
        .collect();
    for (file, packed) in [("w.npz", false), ("packed.npz", true)] {
        let members: Vec<(&str, &[u8], bool)> =
            npys.iter().map(|it| (&*it.0, &*it.1, packed)).collect();
        scratch.write(file, crate::archives::zip(&members));
    }
    let mut map = Vec::new();
    for (idx, half) in tensors.chunks(2).enumerate() {
        let file = format!("w-{idx}.safetensors");
        scratch.write(&file, rnnc::data::write_safetensors(half, &Default::default()).unwrap());
        map.extend(half.iter().map(|it| format!("\"{}\": \"{file}\"", it.0)));
    }
    let list = format!("{{\"weight_map\": {{{}}}}}", map.join(", "));
    scratch.write("w.safetensors.index.json", list);

    let run = |file: &str| {
        let run = format!("run std/gru --params {file} --layout pytorch --quiet -o y.npy");
        scratch.rnnc(&run).expect(0);
        scratch.read("y.npy")
    };
    let expected = run("w.safetensors");
    for file in [
        "w.pt",
        "w.bin",
        "w.pth",
        "w.ckpt",
        "wrong.safetensors",
        "w.npz",
        "packed.npz",
        "w.safetensors.index.json",
    ] {
        assert!(run(file) == expected, "{file}");
        let convert =
            format!("convert std/gru {file} --from pytorch --to pytorch -o c.safetensors");
        scratch.rnnc(&convert).expect(0);
        assert_eq!(scratch.tensors("c.safetensors"), tensors, "{file}");
    }
    // A shard is read, so it is not written over.
    let run = "run std/gru --params w.safetensors.index.json --layout pytorch";
    let refused = scratch.rnnc(&format!("{run} --save w-1.safetensors")).expect(2);
    assert!(refused.stderr.contains("it is read"), "{}", refused.stderr);
    let pipe = scratch.read("w.pt");
    let run = ["run", "std/gru", "--params", "-", "--layout", "pytorch", "-o", "z.npy"];
    scratch.run(run, &pipe).expect(0);
    assert_eq!(scratch.read("z.npy"), expected);
}

/// A transposed weight is blamed, and not those that disagree with the sizes that it would settle; nor are
/// those that agree where one alone has another size.
#[test]
fn the_weight_that_does_not_fit_is_blamed() {
    let scratch = Scratch::new();
    scratch.write(
        "rnn.rnn",
        "cell Rnn { dims I, H input x: [I] state h: [H] param W: [H, I], U: [H, H], b, c: [H]
         h = tanh(W @ x + U @ prev h + b + c) output h }",
    );
    let write = |name: &str, shapes: [&[usize]; 4]| {
        let named = ["W", "U", "b", "c"].iter().zip(shapes);
        let all: Vec<(String, ArrayD<f32>)> =
            named.map(|(name, shape)| ((*name).to_owned(), ArrayD::zeros(shape))).collect();
        let bytes = rnnc::data::write_safetensors(&all, &std::collections::BTreeMap::new());
        scratch.write(name, bytes.unwrap());
    };
    for (shapes, told) in [
        (
            [&[3, 8][..], &[8, 8], &[8], &[8]],
            "`W` should be [H, I], but has the shape [3, 8]: it is transposed",
        ),
        (
            [&[8, 3], &[8, 8], &[8], &[9]],
            "`c` should be [H], but has the shape [9]; `H` = 8 follows",
        ),
        (
            [&[9, 3], &[8, 8], &[8], &[8]],
            "`W` should be [H, I], but has the shape [9, 3]; `H` = 8 follows",
        ),
        ([&[8, 3], &[8, 7], &[8], &[8]], "`U` should be [H, H], but has the shape [8, 7]"),
    ] {
        write("w.safetensors", shapes);
        let said = scratch.rnnc("run rnn.rnn --params w.safetensors -q").expect(4);
        assert!(said.stderr.contains(told), "{told}\n{}", said.stderr);
    }
    scratch.write(
        "two.rnn",
        "cell Two { dims I, J, H input x: [I], z: [J] param W: [H, I], U: [H, J], b, c: [H]
         output y = W @ x + U @ z + b + c }",
    );
    write("w.safetensors", [&[3, 8], &[4, 8], &[8], &[8]]);
    let said = scratch.rnnc("run two.rnn --params w.safetensors -q").expect(4);
    let told = "[3, 8]: it is transposed, as are all 2 matrices that are not square";
    assert!(said.stderr.contains(told), "{}", said.stderr);
}
