//! `rnnc train`, `eval`, `predict` and `generate`: what they write and say, and what survives.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::scratch::Scratch;

const SMALL: &str = "--set H=8 --set E=4 --batch 8 --bptt 16 --lr 0.01";

/// A folder with a text of 1500 characters.
fn text() -> Scratch {
    let scratch = Scratch::new();
    scratch.rnnc("data markov --steps 1500 --symbols 4 -o mk").expect(0);
    scratch
}

/// The log without times, which are the only thing that two equal trainings tell apart.
fn log(scratch: &Scratch, run: &str) -> Vec<Value> {
    let lines = scratch.text(&format!("{run}/metrics.jsonl"));
    let parsed = lines.lines().map(|it| {
        let mut line: Value = serde_json::from_str(it).unwrap();
        line.as_object_mut().unwrap().remove("seconds");
        line
    });
    parsed.collect()
}

#[test]
fn a_text_is_learned_scored_and_written() {
    let scratch = text();
    let command = format!("train std/char_lm --data mk --valid 0.1 {SMALL} --epochs 2 -o lm");
    let done = scratch.rnnc(&command).expect(0);
    assert!(
        done.stdout.starts_with("CharLm: ") && done.stdout.contains("rnnc generate lm --steps 200")
    );
    assert!(done.stderr.contains("epoch 2/2  22/22  loss "), "{}", done.stderr);
    let files = [
        "best.safetensors",
        "checkpoints",
        "config.ron",
        "data.json",
        "lock",
        "metrics.jsonl",
        "model.ron",
        "params.safetensors",
        "summary.json",
    ];
    assert_eq!(scratch.names("lm"), files);
    assert_eq!(
        scratch.names("lm/checkpoints"),
        ["step-00000011.safetensors", "step-00000022.safetensors"]
    );
    // Each update has a line, and each validation: 1349 steps in 8 streams of 168, 11 updates of 16 or 8.
    let log = log(&scratch, "lm");
    assert_eq!(log.len(), 24);
    assert_eq!((&log[10]["step"], &log[11]["epoch"]), (&11.into(), &1.into()));
    assert!(log[11]["valid_loss"].is_f64() && log[11]["valid_accuracy"].is_f64());
    let summary: Value = serde_json::from_str(&scratch.text("lm/summary.json")).unwrap();
    assert_eq!((&summary["updates"], &summary["stopped"]), (&22.into(), &"epochs".into()));
    assert_eq!(summary["valid_loss"], log[23]["valid_loss"]);

    let score = scratch.rnnc("eval lm --json").expect(0).json();
    assert_eq!((&score["checkpoint"], &score["steps"]), (&22.into(), &149.into()));
    assert!(
        (score["loss"].as_f64().unwrap() - summary["valid_loss"].as_f64().unwrap()).abs() < 1e-9
    );
    let other = scratch.rnnc("eval lm --text mk/text.txt --eval-batch 3 --json").expect(0).json();
    assert_eq!((&other["steps"], &other["sequences"]), (&1497.into(), &3.into()));

    // What is written begins with the prime, has as many new characters, and follows from the seed.
    let write =
        |more: &str| scratch.rnnc(&format!("generate lm --steps 30 {more}")).expect(0).stdout;
    let first = write("--prime ab");
    assert!(first.len() == 32 && first.starts_with("ab"), "{first}");
    assert_eq!(first, write("--prime ab"));
    assert_ne!(first, write("--prime ab --seed 1"));
    assert_eq!(write("").len(), 30);
    let two = write("--count 2 --temperature 0.5");
    let parts: Vec<&str> = two.split("\n\n").collect();
    assert!(parts.len() == 2 && parts[0] != parts[1], "{two}");
    assert_eq!(write("--temperature 0 --seed 1"), write("--temperature 0"));
    // In pieces or at once: a longer text begins as a shorter one.
    let long = scratch.rnnc("generate lm --steps 2000 --prime ab").expect(0).stdout;
    assert!(long.starts_with(&first));
    let refused = scratch.rnnc("generate lm --steps 3 --prime abz").expect(4).stderr;
    assert_eq!(
        refused,
        "error[E0706]: --prime: line 1, column 3: `z` is not among the 4 characters of mk/text.txt\n"
    );
    scratch.write("v.txt", "abc\nab");
    let refused = scratch.rnnc("eval lm --text v.txt").expect(4).stderr;
    assert!(
        refused.contains(
            "v.txt: line 1, column 4: `\\n` is not among the 4 characters of mk/text.txt"
        )
    );
}

#[test]
fn a_table_is_scaled_forecast_and_predicted_in_its_units() {
    let scratch = Scratch::new();
    let mut table = String::from("day,a,load,kind\n");
    for row in 0..60 {
        let a = 100.0 + 10.0 * (row as f64 * 0.5).sin();
        let load = 1000.0 + 50.0 * (row as f64 * 0.5 - 0.5).sin();
        table.push_str(&format!(
            "monday {row},{a},{load},{}\n",
            if row % 2 == 0 { "x" } else { "y" }
        ));
    }
    scratch.write("t.csv", &table);
    let command = "train std/forecaster --csv t.csv --input weather=a --window 10 --valid 0.2 --set H=8 --lr 0.02 --batch 8 \
                   --epochs 30 -o f -q";
    scratch.rnnc(command).expect(0);
    let about: Value = serde_json::from_str(&scratch.text("f/data.json")).unwrap();
    assert_eq!(about["known"]["columns"]["load"][0], "load");
    assert!((about["scales"]["load"]["shift"][0].as_f64().unwrap() - 1000.0).abs() < 15.0);
    let score = scratch.rnnc("eval f --json").expect(0).json();
    // The held-out part is 12 rows in windows of 10 and 2.
    assert_eq!((&score["steps"], &score["sequences"]), (&12.into(), &2.into()));
    // Losses are in scaled units, metrics in those of the data.
    let (loss, mse) = (score["loss"].as_f64().unwrap(), score["metrics"]["mse"].as_f64().unwrap());
    let factor = about["scales"]["load"]["factor"][0].as_f64().unwrap();
    assert!((mse / (loss * factor * factor) - 1.0).abs() < 1e-3, "{loss} {mse} {factor}");
    scratch.rnnc("predict f -o y.csv -q").expect(0);
    let predicted = scratch.text("y.csv");
    let lines: Vec<&str> = predicted.lines().collect();
    assert_eq!((lines[0], lines.len()), ("row,y,target.load", 13));
    assert!(lines[1].starts_with("48,"), "{predicted}");
    let cells: Vec<f64> = lines[5].split(',').map(|it| it.parse().unwrap()).collect();
    assert!((cells[1] - cells[2]).abs() < 60.0 && cells[2] > 900.0, "{predicted}");
    // Running free from the true past, over rows whose inputs are known.
    let free = scratch.rnnc("generate f --csv t.csv --prime-steps 50 --steps 10").expect(0);
    assert_eq!(free.stdout.lines().count(), 11);
    assert!(free.stderr.contains("note: against `load` over 10 steps: mse "), "{}", free.stderr);
    let refused = scratch.rnnc("generate f --csv t.csv --steps 10").expect(4).stderr;
    assert!(refused.contains("`--prime-steps 50` is the most"), "{refused}");
}

/// A class for each sequence, sequences of different lengths, and what stands beyond them never read.
#[test]
fn sequences_are_classified_at_their_last_step() {
    let scratch = Scratch::new();
    let (steps, count) = (6, 40);
    let mut x = ndarray::ArrayD::from_elem(vec![steps, count, 1], f64::NAN);
    let lengths: Vec<f64> = (0..count).map(|it| (1 + it % steps) as f64).collect();
    let label: Vec<f64> = (0..count).map(|it| (it % 2) as f64).collect();
    for n in 0..count {
        for t in 0..lengths[n] as usize {
            x[[t, n, 0]] = if label[n] > 0.0 { 1.0 } else { -1.0 };
        }
    }
    scratch.array("d/input.x.npy", &x);
    scratch.array("d/target.label.npy", &ndarray::arr1(&label).into_dyn());
    scratch.array("d/lengths.npy", &ndarray::arr1(&lengths).into_dyn());
    let command = "train std/classifier --data d --set C=2 --set H=4 --lr 0.05 --batch 8 --epochs 8 --valid 0.25 --patience 3 -o c --json -q";
    let summary = scratch.rnnc(command).expect(0).json();
    assert_eq!(summary["metrics"]["accuracy"], 1.0);
    let score = scratch.rnnc("eval c --part train --json -q").expect(0).json();
    assert_eq!((&score["sequences"], &score["steps"]), (&30.into(), &30.into()));
    scratch.rnnc("predict c --data d -o y.npy -q").expect(0);
    assert_eq!(scratch.npy("y.npy").shape(), [6, 40, 2]);
    // A NaN within a sequence is named.
    x[[2, 3, 0]] = f64::NAN;
    scratch.array("d/input.x.npy", &x);
    let refused = scratch.rnnc("train std/classifier --data d --set C=2 -o e").expect(4).stderr;
    assert_eq!(
        refused,
        "error[E0703]: d/input.x.npy: `x` is NaN at step 2, sequence 3, element [0]\n"
    );
    let refused = scratch.rnnc("train -o c --resume -q --epochs 9").expect(4).stderr;
    assert!(refused.contains("`x` is NaN"), "{refused}");
    x[[2, 3, 0]] = 0.5;
    scratch.array("d/input.x.npy", &x);
    let refused = scratch.rnnc("train -o c --resume -q").expect(4).stderr;
    assert_eq!(refused, "error[E0714]: c was made from other data: `input.x` differs\n");
}

#[test]
fn a_training_that_is_stopped_and_goes_on_is_one_that_was_not() {
    let scratch = text();
    let command = format!(
        "train std/char_lm --data mk --valid 0.1 {SMALL} --feedback scheduled --own-end 0.5 --own-over 20 -q"
    );
    scratch.rnnc(&format!("{command} --epochs 3 -o whole")).expect(0);
    scratch.rnnc(&format!("{command} --steps 7 -o parts")).expect(0);
    scratch.rnnc("train -o parts --resume --steps 15 --save-every 4 -q").expect(0);
    scratch.rnnc(&format!("{command} --epochs 3 -o parts --resume")).expect(0);
    let last = |run: &str| scratch.tensors(&format!("{run}/checkpoints/step-00000033.safetensors"));
    assert!(last("whole").iter().any(|it| it.0.starts_with("train/opt.m.")));
    assert!(last("whole") == last("parts"));
    // The validations at the former ends stay in the log.
    let updates = |run: &str| -> Vec<Value> {
        log(&scratch, run).into_iter().filter(|it| it.get("loss").is_some()).collect()
    };
    assert_eq!(updates("whole"), updates("parts"));
    // No more to do: nothing changes.
    let before: Vec<Vec<u8>> =
        ["config.ron", "metrics.jsonl", "params.safetensors", "summary.json"]
            .map(|it| scratch.read(&format!("parts/{it}")))
            .into();
    scratch.rnnc("train -o parts --resume -q").expect(0);
    let after: Vec<Vec<u8>> = ["config.ron", "metrics.jsonl", "params.safetensors", "summary.json"]
        .map(|it| scratch.read(&format!("parts/{it}")))
        .into();
    assert!(before == after);
    // A damaged newest checkpoint is named and passed over.
    let path = "parts/checkpoints/step-00000033.safetensors";
    let mut bytes = scratch.read(path);
    *bytes.last_mut().unwrap() ^= 1;
    scratch.write(path, &bytes);
    let told = scratch.rnnc("train -o parts --resume").expect(0).stderr;
    assert!(
        told.contains("step-00000033.safetensors is passed over: its checksum is another"),
        "{told}"
    );
    assert!(last("whole") == last("parts"));
}

/// The training is killed ten times at moments that differ, and goes on each time.
#[cfg(unix)]
#[test]
fn ten_kills_change_nothing() {
    let scratch = text();
    let command =
        format!("train std/char_lm --data mk --valid 0.1 {SMALL} --epochs 100 --save-every 3 -q");
    scratch.rnnc(&format!("{command} -o whole")).expect(0);
    let line = format!("{command} -o killed --resume");
    let (mut kills, mut random) = (0, 7u64);
    while kills < 10 {
        let mut process = scratch.command();
        process.args(line.split_whitespace()).stdin(Stdio::null());
        let mut child = process.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_millis(20 + (random >> 33) % 100));
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "it ended after {kills} kills: more epochs are needed");
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert_eq!(kills, 10);
    scratch.rnnc(&line).expect(0);
    let end = "checkpoints/step-00001100.safetensors";
    assert!(scratch.tensors(&format!("whole/{end}")) == scratch.tensors(&format!("killed/{end}")));
    assert!(scratch.read("whole/params.safetensors") == scratch.read("killed/params.safetensors"));
    assert_eq!(log(&scratch, "whole"), log(&scratch, "killed"));
    let left = scratch.names("killed").into_iter().chain(scratch.names("killed/checkpoints"));
    assert!(left.into_iter().all(|it| !it.starts_with('.')));
}

#[cfg(unix)]
#[test]
fn a_signal_saves_and_says_how_to_go_on() {
    let scratch = text();
    let line = format!("$rnnc train std/char_lm --data mk {SMALL} --epochs 100000 -o run");
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let wait = "for i in $(seq 200); do [ -s run/metrics.jsonl ] && break; sleep 0.05; done";
        let ended = scratch.shell(&format!(
            "{line} --resume & p=$!; {wait}; sleep 0.2; kill -{signal} $p; wait $p"
        ));
        assert_eq!(ended.code, code, "{}", ended.stderr);
        assert!(ended.stderr.contains("`rnnc train -o run --resume` goes on"), "{}", ended.stderr);
        let summary: Value = serde_json::from_str(&scratch.text("run/summary.json")).unwrap();
        assert_eq!(summary["stopped"], "signal");
        let step = summary["updates"].as_u64().unwrap();
        assert!(scratch.names("run/checkpoints").contains(&format!("step-{step:08}.safetensors")));
    }
}

/// Where the words at the end cannot be written, the training is whole all the same.
#[cfg(target_os = "linux")]
#[test]
fn an_output_that_fails_loses_nothing() {
    let scratch = text();
    let line = format!("$rnnc train std/char_lm --data mk {SMALL} --steps 3 -q");
    let full = scratch.shell(&format!("{line} -o full > /dev/full"));
    assert_eq!(full.code, 3, "{}", full.stderr);
    assert!(full.stderr.contains("cannot write to standard output"), "{}", full.stderr);
    let closed = scratch.shell(&format!("{line} -o closed | true; exit ${{PIPESTATUS[0]}}"));
    assert_eq!(closed.code, 0, "{}", closed.stderr);
    for run in ["full", "closed"] {
        assert!(scratch.names(run).contains(&"params.safetensors".to_owned()), "{run}");
        scratch.rnnc(&format!("eval {run} --part train -q")).expect(0);
    }
}

/// A checkpoint that the disk does not take: here files may have a number of blocks and no more.
#[cfg(target_os = "linux")]
#[test]
fn a_checkpoint_that_cannot_be_written_loses_none_before() {
    let scratch = text();
    let line = format!("train std/char_lm --data mk {SMALL} --save-every 2 --keep 9 -q");
    scratch.rnnc(&format!("{line} --steps 8 -o whole")).expect(0);
    scratch.rnnc(&format!("{line} --steps 8 -o full")).expect(0);
    for late in ["checkpoints/step-00000006", "checkpoints/step-00000008", "params"] {
        std::fs::remove_file(scratch.path(&format!("full/{late}.safetensors"))).unwrap();
    }
    let before = scratch.names("full/checkpoints");
    let limit = "trap '' XFSZ; ulimit -f 4";
    let full = scratch.shell(&format!("{limit}; $rnnc train -o full --resume -q"));
    assert_eq!(full.code, 3, "{}", full.stderr);
    assert!(
        full.stderr.contains("cannot write full/checkpoints/step-00000006.safetensors"),
        "{}",
        full.stderr
    );
    assert_eq!(scratch.names("full/checkpoints"), before);
    scratch.rnnc("train -o full --resume -q").expect(0);
    assert!(scratch.read("whole/params.safetensors") == scratch.read("full/params.safetensors"));
    assert_eq!(log(&scratch, "whole"), log(&scratch, "full"));
}

#[test]
fn messages_name_the_value_the_place_and_the_way_out() {
    let scratch = text();
    let refused = |line: &str, code: i32, message: &str| {
        let said = scratch.rnnc(line).expect(code);
        assert_eq!(said.stderr, format!("error{message}\n"), "{line}");
        assert!(!scratch.path("x").exists(), "{line}");
    };
    scratch.write("run.ron", "(\n    text: \"a.txt\",\n    bach: 3,\n)");
    refused(
        "train std/char_lm --config run.ron -o x",
        2,
        "[E0711]: run.ron:3:5: unknown key `bach`; did you mean `batch`?",
    );
    refused(
        "train std/char_lm --data mk --momentum 0.9 -o x",
        2,
        "[E0711]: `momentum` belongs to sgd and rmsprop; the optimizer is adam",
    );
    refused(
        "train std/char_lm --data mk --batch 0 -o x",
        2,
        "[E0711]: `batch` is 0; it is a whole number of at least 1",
    );
    refused(
        "train std/char_lm --data mk --patience 3 -o x",
        2,
        "[E0711]: `patience` has no effect without validation data: `valid`, or a key `valid_..`",
    );
    refused(
        "train std/char_lm --data mk --shuffle -o x",
        2,
        "[E0711]: streams are never shuffled: `shuffle` has no effect",
    );
    refused(
        "train std/parity_lstm --data mk -o x",
        4,
        "[E0712]: a text needs a model with at most one input, an index of the target's dim; `ParityLstm` has `input x: [1]`",
    );
    refused(
        "train std/autoregressor --data mk -o x",
        4,
        "[E0712]: a text needs a model with one `target: index[V]`; `Autoregressor` has `target value: [D]`",
    );
    scratch.write("six.txt", "abcdef");
    refused(
        "train std/char_lm --text six.txt --batch 6 -o x -q",
        4,
        "[E0712]: 5 steps cannot be cut into 6 streams: `--batch 5` is the most",
    );
    scratch.rnnc("data adding --steps 7 --sequences 20 -o add").expect(0);
    refused(
        "train std/adding_gru --data add --bptt 2 -o x -q",
        4,
        "[E0712]: the loss stands at the last step, and `--bptt 2` cuts it off from the 5 steps before; leave `--bptt` out",
    );
    scratch.write("t.csv", "temp,wind\n1,2\n2,nan\n3,4\n4,5\n");
    refused(
        "train std/forecaster --csv t.csv --input weather=temp --target load=temp -o x",
        4,
        "[E0713]: column `temp` is input and target of the same row, so the model is told the answer: `--ahead 1` for the next row, `--ahead 0` if this is meant",
    );
    refused(
        "train std/forecaster --csv t.csv --input weather=temp --target load=wind -o x",
        4,
        "[E0703]: t.csv: row 3, column `wind`: `load` is NaN",
    );
    refused(
        "train std/gru --data mk -o x",
        1,
        ": `Gru` is a cell; a model has a `target` and a `loss`, and cells as layers: see docs/training.md",
    );
    refused(
        "train std/char_lm -o x",
        4,
        "[E0703]: no data is given: --data DIR, --csv FILE, --text FILE, or --input and --target NAME=FILE.npy",
    );
    refused("eval mk", 4, "[E0714]: mk holds no training");
    refused(
        "train std/char_lm --data mk -o mk",
        3,
        ": mk is not empty and holds no training; name a new folder with -o",
    );

    scratch.rnnc(&format!("train std/char_lm --data mk {SMALL} --steps 3 -o run -q")).expect(0);
    refused(
        "train std/char_lm --data mk -o run",
        3,
        ": run holds a training: `--resume` goes on with it",
    );
    refused(
        "train -o run --resume --lr 0.5",
        2,
        "[E0711]: `lr` was 0.01 when this training began, now 0.5; a new `-o` folder takes other keys",
    );
    refused(
        "eval run",
        2,
        ": run held no data out; give --data, --csv, --text or arrays, or --part train",
    );
    refused(
        "eval run --checkpoint 7 --part train",
        4,
        "[E0714]: run has no checkpoint `7`; it has 3",
    );
    refused(
        "eval run --checkpoint best --part train",
        4,
        "[E0714]: run has no best checkpoint, since nothing was validated; --checkpoint last",
    );
    let lock = std::fs::OpenOptions::new().append(true).open(scratch.path("run/lock")).unwrap();
    lock.lock().unwrap();
    refused("train -o run --resume", 3, ": run is being trained by another process");
    drop(lock);
    // What does not exist.
    refused(
        "train std/char_lm --text nowhere.txt -o x",
        3,
        ": cannot read nowhere.txt: no such file or folder",
    );
}

#[test]
fn a_loss_that_is_not_finite_stops_and_keeps_what_was_good() {
    let scratch = Scratch::new();
    scratch.write(
        "grow.rnn",
        "/// Grows.\nmodel Grow {\n  target t: [1]\n  feedback y: [1] = 1 teacher t\n  param w: [1] init 1\n  y = w * prev y * 1e10\n  loss mse(y, t)\n}\n",
    );
    scratch.array("t.npy", &ndarray::ArrayD::from_elem(vec![6, 2, 1], 1.0));
    let line = "train grow.rnn --target t=t.npy --feedback own --epochs 2 -o g -q --json";
    let ended = scratch.rnnc(line).expect(5);
    assert!(
        ended.stderr.starts_with("error[E0709]: update 1, epoch 1: sequence 0, step "),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.json()["stopped"], "not finite");
    assert!(scratch.names("g/checkpoints").is_empty());
    // Starting weights alone are a folder that other commands take.
    scratch.rnnc("train grow.rnn --target t=t.npy --steps 0 -o zero -q").expect(0);
    let score = scratch.rnnc("eval zero --part train --json -q").expect(0).json();
    assert_eq!(score["checkpoint"], 0);
}

#[test]
fn the_printed_configuration_prints_itself() {
    let scratch = Scratch::new();
    let line = "train std/char_lm --text a.txt --set H=3 --lr 0.5 --schedule cosine --print-config";
    let printed = scratch.rnnc(line).expect(0).stdout;
    assert!(printed.contains("    lr: 0.5,\n") && printed.contains("    schedule: cosine,\n"));
    scratch.write("c.ron", &printed);
    assert_eq!(scratch.rnnc("train --config c.ron --print-config").expect(0).stdout, printed);
}

/// Every model of the library learns a small task to a score that one without memory does not reach.
#[test]
fn every_model_of_the_library_learns_its_task() {
    let scratch = text();
    let tasks = [
        ("adding", "--steps 10 --sequences 600"),
        ("copy", "--steps 3 --length 2 --symbols 2 --sequences 300"),
        ("anbn", "--max 4 --sequences 300"),
        ("parity", "--steps 6 --sequences 400"),
        ("sine", "--steps 30 --sequences 200"),
    ];
    for (task, options) in tasks {
        scratch.rnnc(&format!("data {task} {options} -o {task}")).expect(0);
    }
    scratch.rnnc("data parity --steps 3 --sequences 200 -o short").expect(0);
    // The last frames of a class: which of two values came first.
    let x = ndarray::ArrayD::from_shape_fn(vec![5, 64, 1], |at| {
        if at[0] == 0 { (at[1] % 2) as f64 } else { 0.5 }
    });
    scratch.array("classes/input.x.npy", &x);
    let label: Vec<f64> = (0..64).map(|it| (it % 2) as f64).collect();
    scratch.array("classes/target.label.npy", &ndarray::arr1(&label).into_dyn());
    let rows: Vec<String> = (0..300)
        .map(|it| format!("{},{}", (it as f64 * 0.4).sin(), (it as f64 * 0.4 - 0.4).sin() * 3.0))
        .collect();
    scratch.write("load.csv", format!("weather,load\n{}\n", rows.join("\n")));

    // A model with its data and sizes, the figure of its last validation, and what that must be below.
    let models = [
        ("adding_elman", "--data adding --set H=16 --lr 0.01 --epochs 25", "mse", 0.155),
        ("adding_gru", "--data adding --set H=16 --lr 0.02 --epochs 12", "mse", 0.03),
        ("adding_lstm", "--data adding --set H=16 --lr 0.02 --epochs 12", "mse", 0.03),
        ("autoregressor", "--data sine --set H=12 --lr 0.02 --epochs 12", "mse", 0.025),
        (
            "char_lm",
            "--data mk --valid 0.1 --set H=16 --set E=8 --batch 8 --bptt 16 --lr 0.02 --epochs 4",
            "nats",
            0.75,
        ),
        (
            "classifier",
            "--data classes --valid 0.25 --set C=2 --set H=8 --lr 0.05 --batch 16 --epochs 12",
            "nats",
            0.2,
        ),
        ("copy_lstm", "--data copy --set V=4 --set H=24 --lr 0.02 --epochs 15", "nats", 0.05),
        (
            "forecaster",
            "--csv load.csv --window 20 --valid 0.2 --set H=8 --lr 0.02 --batch 8 --epochs 6",
            "mse",
            0.3,
        ),
        ("next_symbol", "--data anbn --set V=4 --set H=16 --lr 0.02 --epochs 12", "nats", 0.3),
        ("parity_any", "--data parity --set H=16 --lr 0.03 --epochs 20", "nats", 0.05),
        ("parity_lstm", "--data parity --set H=16 --lr 0.03 --epochs 20", "nats", 0.05),
        (
            "parity_unshared",
            "--data short --set T=3 --set H=12 --lr 0.05 --batch 16 --epochs 12",
            "nats",
            0.2,
        ),
    ];
    let names: Vec<&str> = rnnc::api::models().map(|it| it.name).collect();
    assert_eq!(names, models.map(|it| it.0));
    for (name, options, figure, bound) in models {
        let summary = scratch
            .rnnc(&format!("train std/{name} {options} -o run_{name} -q --json"))
            .expect(0)
            .json();
        let found = summary["metrics"][figure].as_f64().unwrap();
        assert!(found < bound, "{name}: {figure} {found}");
    }
    // Weights of their own for each step end with the last of them.
    let refused = scratch.rnnc("eval run_parity_unshared --data parity -q").expect(4).stderr;
    assert!(refused.contains("E0706") && refused.contains("3"), "{refused}");
    scratch.rnnc("eval run_parity_lstm --data short -q").expect(0);
}
