//! The data of `rnnc train` and the commands beside it, and their messages about it.

use serde_json::Value;

use crate::scratch::{Scratch, assert_same};

/// A GRU that reads two inputs, without a feedback.
const PLAIN: &str = "use std/gru
/// Reads two columns.
model Plain {
  dims I, H = 4
  input  x: [I]
  target y: [1]
  layer a = Gru(x = x, H = H)
  param W: [1, H], b: [1]
  output z = W @ a + b
  loss mse(z, y)
}
";

/// The same, with a value for each sequence.
const WHO: &str = "use std/gru
/// Knows whose sequence it reads.
model Who {
  dims I, K, H = 4
  input  x: [I]
  input  who: index[K] per sequence
  target y: [1]
  layer a = Gru(x = x, H = H)
  param W: [1, H], b: [1], T: [K, H]
  output z = W @ (a + T[who]) + b
  loss mse(z, y)
}
";

fn row(t: usize) -> [f64; 3] {
    let t = t as f64 * 0.3;
    [t.sin(), t.cos(), (t + 0.3).sin()]
}

/// A folder with both models and a table of 80 rows.
fn tables() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("plain.rnn", PLAIN);
    scratch.write("who.rnn", WHO);
    let rows = (0..80).map(row).map(|[a, b, y]| format!("{a},{b},{y}\n"));
    scratch.write("t.csv", format!("a,b,y\n{}", rows.collect::<String>()));
    scratch
}

#[test]
fn data_without_targets_is_predicted() {
    let scratch = tables();
    scratch
        .rnnc("train plain.rnn --csv t.csv --input x=a,b --ahead 1 --epochs 1 --batch 4 -o f -q")
        .expect(0);
    let rows = (0..20).map(row).map(|[a, b, _]| format!("{a},{b}\n"));
    scratch.write("new.csv", format!("a,b\n{}", rows.collect::<String>()));
    scratch.rnnc("predict f --csv new.csv -o y.csv -q").expect(0);
    let told = scratch.text("y.csv");
    let lines: Vec<&str> = told.lines().collect();
    // Every row is a step, and its target would be the next row.
    assert_eq!((lines[0], lines.len()), ("row,z", 21));
    assert!(lines[1].starts_with("1,") && lines[20].starts_with("20,"), "{told}");
    // With targets the same steps have the same outputs.
    scratch.rnnc("predict f --csv t.csv -o all.csv -q").expect(0);
    let all = scratch.text("all.csv");
    let all: Vec<&str> = all.lines().collect();
    assert_eq!(all[0], "row,z,target.y");
    assert!(all[5].starts_with(&format!("{},", lines[5])), "{} {}", all[5], lines[5]);
    // A score needs targets, and a feedback its teacher.
    let refused = scratch.rnnc("eval f --csv new.csv").expect(4).stderr;
    assert!(refused.contains("no column `y`"), "{refused}");
    scratch.array("input.x.npy", &ndarray::ArrayD::zeros(vec![6, 3, 2]));
    scratch.rnnc("predict f --input x=input.x.npy -o y.npy -q").expect(0);
    assert_eq!(scratch.npy("y.npy").shape(), [6, 3, 1]);
    scratch.rnnc("data mackey-glass --steps 100 -o mg").expect(0);
    scratch.rnnc("train std/autoregressor --data mg --steps 1 --batch 2 -o a -q").expect(0);
    scratch.write("other.csv", "x\n1\n2\n");
    let refused = scratch.rnnc("predict a --csv other.csv -o y.csv").expect(4).stderr;
    assert!(refused.contains("value"), "{refused}");
}

#[test]
fn the_table_of_a_folder_is_scaled_as_one_by_its_name() {
    let scratch = Scratch::new();
    scratch.rnnc("data mackey-glass --steps 300 -o mg").expect(0);
    let options = "--window 20 --valid 0.2 --set H=4 --steps 5 -q";
    let scale = |from: &str, run: &str| -> Value {
        scratch.rnnc(&format!("train std/autoregressor {from} {options} -o {run}")).expect(0);
        let about: Value =
            serde_json::from_str(&scratch.text(&format!("{run}/data.json"))).unwrap();
        about["scales"].clone()
    };
    let by_folder = scale("--data mg", "a");
    assert!(by_folder["value"]["factor"][0].as_f64().unwrap() < 0.5, "{by_folder}");
    assert_eq!(by_folder, scale("--csv mg/series.csv", "b"));
    assert_eq!(scale("--data mg --scale none", "c"), serde_json::json!({}));
    // What was decided by the data is decided again by a resume.
    scratch.rnnc("train -o a --resume --steps 8 -q").expect(0);
    scratch.rnnc("train -o b --resume --steps 8 -q").expect(0);
    assert!(scratch.read("a/params.safetensors") == scratch.read("b/params.safetensors"));
}

#[test]
fn a_prediction_is_drawn_beside_its_target() {
    let scratch = tables();
    scratch
        .rnnc("train plain.rnn --csv t.csv --input x=a,b --valid 0.2 --epochs 1 --batch 4 -o f -q")
        .expect(0);
    scratch.rnnc("predict f -o y.csv -q").expect(0);
    scratch.rnnc("plot prediction y.csv -o y.svg -q").expect(0);
    let drawn = scratch.text("y.svg");
    let title = drawn.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
    assert_eq!(title.lines().count(), 1, "{title}");
    assert!(
        title.starts_with("z. z: ")
            && title.contains("at row 64")
            && title.contains("; target.y: "),
        "{title}"
    );
    scratch.rnnc("plot prediction y.csv y.csv -o two.svg --label one --label two -q").expect(0);
    let drawn = scratch.text("two.svg");
    assert!(
        drawn.contains("<title>z. one: ")
            && drawn.contains("; two: ")
            && drawn.contains("; target.y: ")
    );
    scratch.write("short.csv", "row,z,target.y\n0,1,2\n");
    let refused = scratch.rnnc("plot prediction y.csv short.csv -o x.svg").expect(4).stderr;
    assert!(
        refused.contains("short.csv: 1 steps of 1 values, and targets, but y.csv has 16"),
        "{refused}"
    );
}

#[test]
fn a_table_has_sequences_and_values_for_each() {
    let scratch = tables();
    let mut table = String::from("id,a,b,kind,y\n");
    // Rows of the sequences lie among each other, and an empty cell is 0.
    for at in 0..60 {
        let (sequence, [a, b, y]) = (at % 6, row(at));
        let b = if at % 7 == 3 { String::new() } else { b.to_string() };
        table.push_str(&format!(
            "p{sequence},{a},{b},{},{y}\n",
            ["cat", "dog", "ant"][sequence % 3]
        ));
    }
    scratch.write("s.csv", &table);
    let columns = "--input x=a,b --input who=kind --sequence-column id";
    let line = format!("train who.rnn --csv s.csv {columns} --missing zero --steps 4 --batch 3");
    scratch.rnnc(&format!("{line} -o s -q")).expect(0);
    let about: Value = serde_json::from_str(&scratch.text("s/data.json")).unwrap();
    assert_eq!(about["known"]["categories"]["kind"], serde_json::json!(["ant", "cat", "dog"]));
    assert_eq!(about["sizes"]["K"], 3);
    // The same as arrays, `[N]` for what is given per sequence.
    let x = ndarray::ArrayD::from_shape_fn(vec![10, 6, 2], |at| {
        let row_at = at[0] * 6 + at[1];
        if at[2] == 1 && row_at % 7 == 3 { 0.0 } else { row(row_at)[at[2]] }
    });
    let y = ndarray::ArrayD::from_shape_fn(vec![10, 6, 1], |at| row(at[0] * 6 + at[1])[2]);
    scratch.array("d/input.x.npy", &x);
    scratch.array("d/target.y.npy", &y);
    scratch.array("d/input.who.npy", &ndarray::arr1(&[1.0, 2.0, 0.0, 1.0, 2.0, 0.0]).into_dyn());
    scratch
        .rnnc("train who.rnn --data d --scale standard --set K=3 --steps 4 --batch 3 -o d1 -q")
        .expect(0);
    let tensors = |run: &str| scratch.tensors(&format!("{run}/params.safetensors"));
    for ((name, a), (_, b)) in tensors("s").iter().zip(&tensors("d1")) {
        assert_same(a, b, name);
    }
    // What the training read by is read by again, and may be said anew.
    scratch.rnnc("predict s --csv s.csv -o z.npy -q").expect(0);
    scratch.rnnc("predict d1 --data d -o w.npy -q").expect(0);
    assert_same(&scratch.npy("z.npy"), &scratch.npy("w.npy"), "predictions");
    let refused = scratch.rnnc("eval s --csv s.csv --missing nan").expect(4).stderr;
    assert!(
        refused.contains("E0703") && refused.contains("is NaN at step 0, sequence 3"),
        "{refused}"
    );
    // It is the same within a sequence, and needs sequences.
    scratch.write("odd.csv", table.replacen("cat", "ant", 1));
    let refused = scratch
        .rnnc(&format!("train who.rnn --csv odd.csv {columns} --missing zero -o x"))
        .expect(4)
        .stderr;
    assert!(
        refused.contains("`who` is given per sequence, but is 0 in the first row of sequence `p0`"),
        "{refused}"
    );
    let refused = scratch
        .rnnc("train who.rnn --csv s.csv --input x=a --input who=kind --missing zero -o x")
        .expect(4)
        .stderr;
    assert!(refused.contains("--sequence-column NAME says which rows are one"), "{refused}");
    let refused =
        scratch.rnnc("train who.rnn --data d --set K=3 --missing zero -o x").expect(2).stderr;
    assert_eq!(
        refused,
        "error[E0711]: `missing` is about tables, such as a .csv, and there is none\n"
    );
    let refused = scratch
        .rnnc("train who.rnn --csv s.csv --columns a,b --input who=kind -o x")
        .expect(2)
        .stderr;
    assert!(refused.contains("`columns` is for a model with one input"), "{refused}");
    // Other marks and names.
    let commas = "1;2,5;3\n2;3,5;4\n3;4,5;5\n4;5,5;6\n";
    scratch.write("c.csv", commas);
    let line = "train plain.rnn --csv c.csv --columns 1,2 --target y=3 --header no --decimal comma --steps 1 --batch 2";
    scratch.rnnc(&format!("{line} -o c -q")).expect(0);
    let printed = scratch.rnnc(&format!("{line} --print-config")).expect(0).stdout;
    assert!(
        printed.contains("    columns: \"1,2\",\n") && printed.contains("    decimal: comma,\n"),
        "{printed}"
    );
}

#[test]
fn words_of_the_table_are_words_of_the_prediction() {
    let scratch = Scratch::new();
    scratch.write(
        "c.rnn",
        PLAIN
            .replace("y: [1]", "y: index[K]")
            .replace("dims I", "dims I, K")
            .replace("W: [1, H], b: [1]", "W: [K, H], b: [K]")
            .replace("mse", "cross_entropy"),
    );
    let rows: Vec<String> =
        (0..40).map(|it| format!("{},{}", it % 3, ["dog, big", "ant", "cat"][it % 3])).collect();
    scratch.write(
        "t.csv",
        format!("a,kind\n{}\n", rows.join("\n").replace("dog, big", "\"dog, big\"")),
    );
    let line =
        "train c.rnn --csv t.csv --columns a --target y=kind --valid 0.2 --steps 2 --batch 2";
    scratch.rnnc(&format!("{line} -o c -q")).expect(0);
    scratch.rnnc("predict c -o y.csv -q").expect(0);
    let told = scratch.text("y.csv");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "row,z[ant],z[cat],\"z[dog, big]\",target.y");
    assert!(lines[1].ends_with(",cat") && lines[2].ends_with(",\"dog, big\""), "{told}");
    let refused = scratch.rnnc(&format!("{line} --set K=5 -o x")).expect(2).stderr;
    assert_eq!(
        refused,
        "error[E0711]: `set` says K = 5, and it follows from the data, which has 3 words: leave K out\n"
    );
    scratch.write("a.txt", "abcabc");
    let refused = scratch.rnnc("train std/char_lm --text a.txt --set V=9 -o x").expect(2).stderr;
    assert_eq!(
        refused,
        "error[E0711]: `set` says V = 9, and it follows from the data, which has 3 characters: leave V out\n"
    );
}

#[test]
fn cells_and_models_run_on_the_data_of_a_training() {
    let scratch = tables();
    scratch.rnnc("data adding --steps 7 --sequences 5 -o add").expect(0);
    let loss =
        |line: &str| scratch.rnnc(&format!("run std/adding_gru {line} --json -q")).expect(0).json();
    let by_folder = loss("--data add");
    // A target at the end has no axis of time.
    let by_files = loss("--input x=add/input.x.npy --target sum=add/target.sum.npy");
    assert!(by_folder["loss"].is_f64() && by_folder == by_files, "{by_folder} {by_files}");
    let score =
        |run: &str| scratch.rnnc(&format!("eval {run} --part train --json -q")).expect(0).json();
    scratch.rnnc("train std/adding_gru --data add --steps 0 -o zero -q").expect(0);
    let found = loss("--data add --params zero/params.safetensors");
    assert!(
        (found["loss"].as_f64().unwrap() - score("zero")["loss"].as_f64().unwrap()).abs() < 1e-6
    );
    // What is said by its name wins.
    scratch.array("other.npy", &ndarray::ArrayD::zeros(vec![7, 5, 2]));
    assert_ne!(loss("--data add --input x=other.npy")["loss"], by_folder["loss"]);
    scratch.rnnc("grad std/adding_gru --data add -o g.safetensors -q").expect(0);
    assert!(scratch.tensors("g.safetensors").iter().any(|it| it.1.iter().any(|it| *it != 0.0)));
    // Texts: the sizes follow from the characters, and the loss is that of the training.
    scratch.rnnc("data markov --steps 60 --symbols 4 -o mk").expect(0);
    scratch
        .rnnc("train std/char_lm --data mk --set H=4 --set E=3 --steps 0 --batch 1 -o text -q")
        .expect(0);
    let line =
        "run std/char_lm --data mk --set H=4 --set E=3 --json -q --params text/params.safetensors";
    let run = scratch.rnnc(line).expect(0).json();
    assert_eq!((&run["steps"], &run["sizes"]["V"]), (&59.into(), &4.into()));
    // A stream of a training begins with the character before its first step, a run as declared.
    assert!((run["loss"].as_f64().unwrap() - score("text")["loss"].as_f64().unwrap()).abs() < 0.02);
    let checked = scratch
        .rnnc("gradcheck std/char_lm --data mk --set H=3 --set E=2 --seeds 1 --steps 2")
        .expect(0);
    assert!(
        checked.stdout.contains("[3, 1]") || checked.stdout.contains("T "),
        "{}",
        checked.stdout
    );
    scratch.rnnc("run plain.rnn --data nowhere").expect(3);
}

#[test]
fn a_model_is_chosen_told_and_kept() {
    let scratch = tables();
    let cell = "/// Sums.\ncell Sum {\n  input x: []\n  state s: [] = 0\n  s = prev s + x\n  output s\n}\n";
    scratch.write("both.rnn", format!("{PLAIN}{cell}"));
    let columns = "--csv t.csv --input x=a,b --batch 4";
    let told = scratch.rnnc(&format!("train both.rnn {columns} --steps 2 -o run")).expect(0);
    // It has no feedback, so it does not run free.
    assert!(
        told.stdout.starts_with("Plain: ") && !told.stdout.contains("generate"),
        "{}",
        told.stdout
    );
    let other = PLAIN.replace("model Plain", "model Other").replace("use std/gru\n", "");
    scratch.write("three.rnn", format!("{PLAIN}{other}{cell}"));
    let refused =
        scratch.rnnc(&format!("train three.rnn {columns} --steps 2 -o x")).expect(2).stderr;
    assert_eq!(refused, "error: which model? Plain, Other; name one with --cell\n");
    scratch
        .rnnc(&format!("train three.rnn --cell Other {columns} --steps 0 -o other -q"))
        .expect(0);
    let told = scratch.rnnc("check plain.rnn").expect(0).stdout;
    assert!(told.starts_with("plain.rnn: model Plain\n"), "{told}");
    // With inputs a model runs free only where these are known.
    let told = scratch
        .rnnc("train std/forecaster --csv t.csv --input weather=a,b --target load=y --steps 0 -o f")
        .expect(0);
    assert!(!told.stdout.contains("generate"), "{}", told.stdout);
    // A spec that has changed is not the model of the run; comments are no change.
    scratch.write("both.rnn", format!("// Mine.\n{PLAIN}{cell}"));
    scratch.rnnc(&format!("train both.rnn {columns} --steps 3 -o run --resume -q")).expect(0);
    scratch.write("both.rnn", format!("{}{cell}", PLAIN.replace("H = 4", "H = 5")));
    let refused = scratch
        .rnnc(&format!("train both.rnn {columns} --steps 4 -o run --resume"))
        .expect(4)
        .stderr;
    assert!(
        refused.starts_with(
            "error[E0714]: run was made from another model: both.rnn has changed since"
        ),
        "{refused}"
    );
    scratch.rnnc("train -o run --resume --steps 4 -q").expect(0);
}

#[test]
fn what_is_too_small_says_how_large_it_has_to_be() {
    let scratch = tables();
    let line = "train plain.rnn --csv t.csv --input x=a,b --batch 4";
    let refused = |more: &str| scratch.rnnc(&format!("{line} {more} -o x")).expect(4).stderr;
    assert_eq!(
        refused("--valid 0.001"),
        "error[E0712]: 0.001 of 80 rows is 0, and each part has at least 1: `--valid 0.01` holds out the fewest\n"
    );
    assert!(
        refused("--valid 0.01 --ahead 1")
            .contains("at least 2: `--valid 0.03` holds out the fewest")
    );
    assert!(refused("--valid 0.999").contains("`--valid 0.99` holds out the most"));
    scratch.rnnc(&format!("{line} --valid 0.03 --ahead 1 --steps 1 -o least -q")).expect(0);
    scratch.rnnc("data mackey-glass --steps 100 -o mg").expect(0);
    scratch
        .rnnc(
            "train std/autoregressor --data mg --window 10 --valid 0.3 --set H=3 --steps 1 -o a -q",
        )
        .expect(0);
    let refused = scratch.rnnc("eval a --feedback own --prime-steps 20").expect(4).stderr;
    assert_eq!(
        refused,
        "error[E0712]: no step is left to score: 20 are told, and no sequence or window has more than 10; `--prime-steps 9` is the most\n"
    );
    scratch.rnnc("eval a --feedback own --prime-steps 9 -q").expect(0);
}

#[test]
fn a_series_goes_on_from_its_start_or_from_a_prime() {
    let scratch = tables();
    let line =
        "train std/forecaster --csv t.csv --input weather=a,b --target load=y --ahead 1 --set H=3";
    scratch.rnnc(&format!("{line} --steps 1 --batch 2 -o f -q")).expect(0);
    let lines = |more: &str| {
        let told = scratch.rnnc(&format!("generate f --csv t.csv --steps 4 -q {more}")).expect(0);
        told.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (none, one) = (lines("--prime-steps 0"), lines("--prime-steps 1 --feedback own"));
    assert_eq!((none.len(), one.len()), (5, 5));
    // Both begin with the first row of inputs; one is told the load of that row.
    assert_ne!(none[1], one[1]);
    // A value for each sequence stays over all steps.
    scratch.write("go.rnn", "/// Adds.\nmodel Go {\n  input s: [] per sequence\n  target t: []\n  feedback y: [] = 0 teacher t\n  param w: [] init 1\n  y = w * (prev y + s)\n  output z = y\n  loss mse(y, t)\n}\n");
    scratch.array("d/input.s.npy", &ndarray::arr1(&[1.0, 10.0]).into_dyn());
    scratch.array("d/target.t.npy", &ndarray::ArrayD::zeros(vec![3, 2]));
    scratch.rnnc("train go.rnn --data d --steps 0 -o go -q").expect(0);
    scratch.rnnc("generate go --data d --steps 3 --prime-steps 0 -o z.npy -q").expect(0);
    let expected = ndarray::arr2(&[[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]).into_dyn();
    assert_same(&scratch.npy("z.npy"), &expected, "free");
}

#[test]
fn a_validation_that_is_not_finite_is_a_gap_in_its_curve() {
    let scratch = Scratch::new();
    scratch.write(
        "run/metrics.jsonl",
        "{\"step\":1,\"epoch\":1,\"loss\":0.5,\"seconds\":0.1}\n{\"step\":1,\"epoch\":1,\"valid_loss\":null,\"seconds\":0.1}\n\
         {\"step\":2,\"epoch\":2,\"loss\":0.4,\"seconds\":0.2}\n{\"step\":2,\"epoch\":2,\"valid_loss\":0.6,\"seconds\":0.2}\n",
    );
    scratch.rnnc("plot loss run/metrics.jsonl -o l.svg -q").expect(0);
    let drawn = scratch.text("l.svg");
    assert!(drawn.contains("validation") && !drawn.contains("NaN\""), "{drawn}");
    scratch.write("run/metrics.jsonl", "{\"step\":1,\"epoch\":1}\n");
    let refused = scratch.rnnc("plot loss run/metrics.jsonl -o x.svg").expect(4).stderr;
    assert!(refused.contains("line 1 is none of metrics.jsonl"), "{refused}");
}

#[test]
fn data_that_would_be_dropped_or_is_not_there_is_refused() {
    let scratch = tables();
    scratch.write("d/text.txt", "abcabcabcabcabcabc");
    scratch.write("d/valid/text.txt", "abcabc");
    let refused = scratch.rnnc("train std/char_lm --data d --valid 0.2 -o x").expect(2).stderr;
    assert!(
        refused.contains("and d/valid has data to validate on: leave `valid` out"),
        "{refused}"
    );
    scratch.rnnc("train std/char_lm --data d --batch 2 --steps 1 -o own -q").expect(0);
    scratch.write("none.csv", "a,b,y\n");
    let refused =
        scratch.rnnc("train plain.rnn --csv none.csv --input x=a,b -o x").expect(4).stderr;
    assert!(refused.contains("none.csv: the table has no rows"), "{refused}");
    scratch.array("x.npy", &ndarray::ArrayD::zeros(vec![4, 2, 2]));
    scratch.array("y.npy", &ndarray::ArrayD::zeros(vec![4, 2, 1]));
    scratch.array("long.npy", &ndarray::arr1(&[3.0, 9.0]).into_dyn());
    let line = "train plain.rnn --input x=x.npy --target y=y.npy -o x --lengths";
    let refused = scratch.rnnc(&format!("{line} long.npy")).expect(4).stderr;
    assert!(
        refused.contains("E0708]: long.npy: the length of sequence 1 is 9, but there are 4 steps"),
        "{refused}"
    );
}

#[test]
fn negative_numbers_are_told_the_range() {
    let scratch = Scratch::new();
    for (line, range) in [
        ("generate f --steps -1", "write a whole number of at least 0"),
        ("generate f --steps 3 --prime-steps -1", "write a whole number of at least 0"),
        ("generate f --steps 3 --temperature -1", "write a number of at least 0, such as 0.7"),
        ("generate f --steps 3 --count -1", "1..=65535"),
        ("eval f --prime-steps -2", "write a whole number of at least 0"),
    ] {
        let refused = scratch.rnnc(line).expect(2).stderr;
        assert!(refused.contains(range) && !refused.contains("unexpected"), "{line}: {refused}");
    }
}

#[test]
fn a_resume_says_what_the_new_end_does() {
    let scratch = tables();
    let line = "train plain.rnn --csv t.csv --input x=a,b --window 10 --batch 4 --schedule cosine -o f --epochs";
    scratch.rnnc(&format!("{line} 2 -q")).expect(0);
    let more = |epochs: &str| {
        scratch.rnnc(&format!("train -o f --resume --epochs {epochs}")).expect(0).stderr
    };
    let finished = more("2");
    assert!(finished.contains("this training is finished: it made "), "{finished}");
    assert!(finished.contains("more --epochs go on with it"), "{finished}");
    assert!(!finished.contains("goes on after"), "{finished}");
    let longer = more("4");
    assert!(longer.contains("goes on after update "), "{longer}");
    assert!(longer.contains("the learning rate (`cosine`) turns by the new one"), "{longer}");
    let shorter = more("1");
    assert!(shorter.contains(", and `epochs` now ends it after "), "{shorter}");
    assert!(!shorter.contains("goes on after"), "{shorter}");
}

#[test]
fn classes_are_generated_as_their_words() {
    let scratch = Scratch::new();
    scratch.write(
        "tokens.rnn",
        "/// Goes on with a word.\nmodel Tokens {\n  dims V\n  target next: index[V]\n  feedback c: index[V] = 0 teacher next\n  \
         param T: [V, V]\n  output logits = T[prev c]\n  c = sample(logits)\n  loss cross_entropy(logits, next)\n}\n",
    );
    let rows: String = (0..30).map(|it| ["ant\n", "\"cat, big\"\n", "dog\n"][it % 3]).collect();
    scratch.write("t.csv", format!("next\n{rows}"));
    scratch.rnnc("train tokens.rnn --csv t.csv --steps 1 --batch 2 -o f -q").expect(0);
    let told = scratch.rnnc("generate f --steps 12 -q").expect(0).stdout;
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!((lines[0], lines.len()), ("c", 13), "{told}");
    assert!(lines[1..].iter().all(|it| ["ant", "\"cat, big\"", "dog"].contains(it)), "{told}");
    scratch.rnnc("generate f --steps 12 -o c.csv -q").expect(0);
    assert_eq!(scratch.text("c.csv"), told);
    let made = scratch.rnnc("generate f --steps 12 --json -q").expect(0).json();
    let words = made["values"].as_array().unwrap().iter().map(|it| it.as_f64().unwrap() as usize);
    let words: Vec<&str> = words.map(|it| made["classes"][it].as_str().unwrap()).collect();
    assert!(words.iter().zip(&lines[1..]).all(|(a, b)| a == &b.trim_matches('"')), "{made}");
    scratch.rnnc("predict f --csv t.csv -o y.csv -q").expect(0);
    let refused = scratch.rnnc("plot prediction y.csv -o x.svg").expect(4).stderr;
    assert!(refused.contains("column `target.next` has words, and curves are drawn"), "{refused}");
}
