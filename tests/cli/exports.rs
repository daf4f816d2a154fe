//! `rnnc export`: what it tells, what it refuses, which files it leaves.

use crate::scratch::Scratch;

const SIZES: [&str; 4] = ["--set", "I=3", "--set", "H=4"];

fn words<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["export", "std/gru"];
    words.extend(SIZES);
    words.extend(rest);
    words
}

#[test]
fn the_description_has_names_shapes_starts_and_sizes() {
    let scratch = Scratch::new();
    let told = scratch.run(words(&["--to", "c", "-o", "g.c", "--json"]), b"").expect(0).json();
    assert_eq!(told["version"], 1);
    assert_eq!(told["symbol"], "gru");
    assert_eq!(told["files"], serde_json::json!(["g.c", "gru.h"]));
    assert_eq!(told["sizes"], serde_json::json!({"I": 3, "H": 4}));
    assert_eq!(
        told["inputs"][0],
        serde_json::json!({"name": "x", "id": "x", "shape": [3], "dtype": "f32", "default": null})
    );
    assert_eq!(told["outputs"][0], serde_json::json!({"name": "h", "id": "out_h", "shape": [4]}));
    assert_eq!(
        told["states"][0],
        serde_json::json!({"name": "h", "id": "h", "shape": [4], "dtype": "f32", "start": 0.0})
    );
    assert_eq!(
        told["params"][0],
        serde_json::json!({"name": "W_r", "id": "W_r", "shape": [4, 3], "trained": true})
    );
    assert_eq!(told["bytes"]["weights"], 432);
    assert_eq!(told["bytes"]["state"], 16);
    assert_eq!(scratch.names("."), ["g.c", "gru.h"]);
    let told = scratch.rnnc("export std/slstm --set I=3 --set H=4 --to jax -o s.py --json");
    assert_eq!(told.expect(0).json()["states"][3]["start"], "-inf");
    assert_eq!(scratch.names("."), ["g.c", "gru.h", "s.py", "s.safetensors"]);
}

#[test]
fn wrong_usage_says_what_would_be_right() {
    let scratch = Scratch::new();
    for (rest, message) in [
        (&["--to", "numpy", "-o", "g.c"][..], "--to numpy writes a file that ends in .py"),
        (&["--to", "numpy", "-o", "g"], "ends in .py"),
        (&["--to", "numpy", "-o", "g.py", "--lengths"], "`--lengths` is for `--to onnx`"),
        (&["--to", "numpy", "-o", "g.py", "--math", "own"], "`--math` is for `--to c`"),
        (
            &["--to", "onnx", "-o", "g.onnx", "--weights", "i8"],
            "`--weights i8` is not for `--to onnx`",
        ),
        (&["--to", "onnx", "-o", "g.onnx", "--step", "--lengths"], "one step has no lengths"),
        (&["--to", "rust", "-o", "g.rs"], "pytorch"),
        (&["--to", "c", "-o", "g.c", "--name", "a b"], "an identifier of C"),
    ] {
        let said = scratch.run(words(rest), b"").expect(2);
        assert!(said.stderr.contains(message), "{}", said.stderr);
    }
    // Sizes that nothing says do not fit.
    let said = scratch.rnnc("export std/gru --to c -o g.c").expect(4);
    assert!(said.stderr.contains("--set"), "{}", said.stderr);
    assert!(scratch.names(".").is_empty());
}

#[test]
fn what_is_read_is_not_written_over_and_refusals_write_nothing() {
    let scratch = Scratch::new();
    scratch.rnnc("init std/gru --set I=3 --set H=4 -o g.safetensors").expect(0);
    let before = scratch.read("g.safetensors");
    let rest = ["--params", "g.safetensors", "--to", "numpy", "-o", "g.py"];
    let said = scratch.run(words(&rest), b"").expect(2);
    assert!(said.stderr.contains("not written over"), "{}", said.stderr);
    assert_eq!(scratch.read("g.safetensors"), before);
    for (spec, target, file, message) in [
        ("std/autoregressor", "numpy", "a.py", "has no input"),
        ("std/char_lm", "c", "a.c", "draws with `sample`"),
    ] {
        let set = ["--set", "D=1", "--set", "V=5"];
        let set = if spec.ends_with("lm") { &set[2..] } else { &set[..2] };
        let mut all = vec!["export", spec, "--to", target, "-o", file];
        all.extend(set);
        let said = scratch.run(&all, b"").expect(1);
        assert!(said.stderr.contains(message), "{}", said.stderr);
    }
    assert_eq!(scratch.names("."), ["g.safetensors"]);
}

#[test]
fn the_files_of_a_training_are_not_written_over() {
    let scratch = Scratch::new();
    scratch.rnnc("data mackey-glass --steps 200 -o mg -q").expect(0);
    let train = "train std/autoregressor --data mg --window 20 --valid 0.2 --steps 2 -o run -q";
    scratch.rnnc(train).expect(0);
    let names = scratch.names("run");
    for (spec, stem) in [
        ("run", "run/best"),
        ("run", "run/params"),
        ("std/gru --set I=3 --set H=4", "run/best"),
        ("std/gru --set I=3 --set H=4", "run/checkpoints/mine"),
    ] {
        let before = scratch.read("run/best.safetensors");
        let said = scratch.rnnc(&format!("export {spec} --to numpy -o {stem}.py")).expect(2);
        assert!(said.stderr.contains("belongs to a training"), "{}", said.stderr);
        assert_eq!(scratch.read("run/best.safetensors"), before);
    }
    // The same file under another name.
    std::fs::hard_link(scratch.path("run/best.safetensors"), scratch.path("m.safetensors"))
        .unwrap();
    let said = scratch.rnnc("export run --to numpy -o m.py").expect(2);
    assert!(said.stderr.contains("not written over"), "{}", said.stderr);
    assert_eq!(scratch.names("run"), names);
    let said = scratch.rnnc("export run --to c --seed 0 -o m.c").expect(2);
    assert!(said.stderr.contains("--seed: run is a trained model"), "{}", said.stderr);
}
