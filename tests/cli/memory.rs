//! `--memory`: less memory, the same numbers, and a word about it.

use crate::scratch::Scratch;

/// The number before a text.
fn number_before(text: &str, end: &str) -> u64 {
    let before = text.split(end).next().unwrap();
    before.rsplit(' ').next().unwrap().parse().unwrap_or_else(|it| panic!("{it}: {text}"))
}

#[test]
fn less_memory_gives_the_same_numbers() {
    let scratch = Scratch::new();
    for command in ["grad", "run"] {
        let command = format!("{command} std/lstm --set I=3 --set H=40 --engine fast --threads 1");
        let whole = scratch.rnnc(&command).expect(0);
        assert!(!whole.stderr.contains("segments"), "{}", whole.stderr);
        let fault = scratch.rnnc(&format!("{command} --memory 1K")).expect(4);
        assert!(fault.stderr.contains("error[E0707]: the run needs"), "{}", fault.stderr);
        assert!(fault.stderr.contains("but 1024 are allowed"), "{}", fault.stderr);
        let least = number_before(&fault.stderr, " bytes of memory");
        let divided = scratch.rnnc(&format!("{command} --memory {least}")).expect(0);
        assert_eq!(divided.stdout, whole.stdout);
        assert!(divided.stderr.contains("segments, to stay within --memory"), "{}", divided.stderr);
        scratch.rnnc(&format!("{command} --memory {}", least - 1)).expect(4);
        let enough = scratch.rnnc(&format!("{command} --memory 1G")).expect(0);
        assert_eq!((enough.stdout, enough.stderr), (whole.stdout, whole.stderr));
    }
}

#[test]
fn bench_says_how_many_segments_there_are() {
    let scratch = Scratch::new();
    let command = "bench std/gru --set I=4 --set H=32 --batch 16 --steps 200 --repeats 1 --json";
    let report = |text: &str| -> serde_json::Value { serde_json::from_str(text).unwrap() };
    let plain = report(&scratch.rnnc(command).expect(0).stdout);
    assert!(plain.get("memory").is_none() && plain.get("segments").is_none());
    let divided = report(&scratch.rnnc(&format!("{command} --memory 1M")).expect(0).stdout);
    assert_eq!(divided["memory"], 1 << 20);
    assert!(divided["segments"].as_u64().unwrap() > 1, "{divided}");
}

/// What the system does not give is an error that says what helps, and no abort: of results, of what forward
/// and backward compute.
#[cfg(target_os = "linux")]
#[test]
fn memory_that_is_not_there_is_told() {
    let scratch = Scratch::new();
    scratch.write(
        "wide.rnn",
        "cell Wide { dims H input x: [] state h: [H] param a, b: [H] init 0.5
         h = tanh(a * prev h + b * x) output y = sum(h) }",
    );
    scratch.write("out.rnn", "cell Out { dims H input x: [] param b: [H] output y = b * x }");
    for (command, what) in [
        ("run out.rnn --set H=4000 --steps 400000", "an output"),
        ("grad wide.rnn --set H=4000 --steps 100000", "what a forward run computes"),
        ("run out.rnn --set H=4000 --steps 400000 --engine reference", "an output"),
    ] {
        let line = format!("ulimit -v 1500000; $rnnc {command} --threads 1 -q");
        let line = line.replace("--engine reference --threads 1", "--engine reference");
        let said = scratch.shell(&line).expect(4);
        let told = format!("error[E0707]: no memory for {what}: ");
        assert!(said.stderr.contains(&told) && said.stderr.contains("--memory"), "{}", said.stderr);
    }
    let divided = "ulimit -v 1500000; $rnnc grad wide.rnn --set H=4000 --steps 20000 --memory 200M";
    scratch.shell(&format!("{divided} --threads 1 -q")).expect(0);
}

/// Data, weights and results are copied on their way in and out; none of the copies ends the program.
#[cfg(target_os = "linux")]
#[test]
fn copies_of_data_and_weights_are_asked_for() {
    let scratch = Scratch::new();
    scratch.write(
        "add.rnn",
        "cell Add { dims H input x: [H] state s: [H] s = 0.5 * prev s + x output s }",
    );
    scratch.write("mul.rnn", "cell Mul { dims H input x: [H] param W: [H, H] output y = W @ x }");
    scratch.array("x.npy", &ndarray::ArrayD::zeros(vec![1000, 8, 512]));
    scratch.rnnc("init mul.rnn --set H=2500 -o w.safetensors -q").expect(0);
    let mut told = 0;
    for command in [
        "run add.rnn --input x.npy -o y.npy",
        "run add.rnn --input x.npy --save y.safetensors",
        "grad add.rnn --input x.npy --upstream s=x.npy -o g.safetensors",
        "run mul.rnn --params w.safetensors --steps 2",
    ] {
        for memory in (100_000..500_000).step_by(40_000) {
            let line = format!("ulimit -v {memory}; $rnnc {command} --threads 1 -q");
            let said = scratch.shell(&line);
            assert!([0, 3, 4].contains(&said.code), "{line}: {}", said.stderr);
            told += usize::from(said.stderr.contains("memory"));
        }
    }
    assert!(told > 4, "{told}");
}
