//! `rnnc bench`: that it measures what it says and refuses what it cannot. How long anything takes
//! is no test.

use crate::scratch::Scratch;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|it| panic!("{it}: {text}"))
}

#[test]
fn the_figures_go_together() {
    let scratch = Scratch::new();
    let command = "bench std/lstm --set I=5 --set H=7 --batch 2 --steps 3 --repeats 1 --json";
    let report = json(&scratch.rnnc(command).expect(0).stdout);
    let number = |key: &str| report[key].as_f64().unwrap_or_else(|| panic!("{key}: {report}"));
    assert_eq!(report["version"], 1);
    assert_eq!(report["cell"], "Lstm");
    assert_eq!(report["sizes"], serde_json::json!({"H": 7, "I": 5}));
    assert_eq!((number("batch"), number("steps"), number("threads")), (2.0, 3.0, 1.0));
    let forward = f64::from(2 * 3 * 2 * 4 * 7 * (5 + 7));
    assert_eq!((number("forward_flops"), number("flops")), (forward, 3.0 * forward));
    for key in
        ["inference_ms", "forward_ms", "training_ms", "step_us", "peak_gflops", "bandwidth_gbs"]
    {
        assert!(number(key) > 0.0, "{key}: {report}");
    }
    assert!(number("difference") < 1e-4);
    assert!(number("training_ms") > number("forward_ms"), "backward takes time: {report}");
    let gflops = number("flops") / number("training_ms") * 1e-6;
    assert!((number("training_gflops") - gflops).abs() <= 1e-9 * gflops);
    assert!(number("roofline_share") > 0.0);
}

#[test]
fn people_get_a_table_and_what_they_must_know() {
    let scratch = Scratch::new();
    let command = "bench std/indrnn --set I=3 --set H=4 --steps 2 --repeats 1 --threads 3";
    let output = scratch.rnnc(command).expect(0);
    let lines: Vec<&str> = output.stdout.lines().collect();
    let start = "IndRnn: H = 4, I = 3; B = 1, T = 2; f32, 3 threads,";
    assert!(lines[0].starts_with(start), "{lines:?}");
    for row in ["inference", "forward", "forward + backward", "step of 1 sequence"] {
        assert!(lines.iter().any(|it| it.trim_start().starts_with(row)), "{row}: {lines:?}");
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let scratch = Scratch::new();
    let output = scratch.rnnc("bench std/gru --set H=4").expect(4);
    assert!(output.stderr.contains("E0701"), "{}", output.stderr);
    let command = "bench std/gru --set I=3 --set H=400 --batch 4000000 --steps 4000000";
    let output = scratch.rnnc(command).expect(4);
    assert!(output.stderr.contains("E0707"), "{}", output.stderr);
    scratch.rnnc("bench std/gru --set I=3 --set H=4 --batch 0").expect(2);
}
