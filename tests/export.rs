//! The files of `rnnc export`: texts of eight cells, all cells for all targets, C that is compiled and run.

use std::fs;
use std::path::Path;
use std::process::Command;

use ndarray::{ArrayD, IxDyn};
use rnnc::api;
use rnnc::exec::{self, Bound, EngineOptions, Feed, InitialState, Inputs, Params};
use rnnc::export::{ExportError, Exported, Math, Options, Target, Weights, export};
use rnnc::ir::{Dim, Feedback, Gives, Mode};
use rnnc::{CellSpec, Spec};

/// The cells whose texts are looked at.
const SHOWN: &[&str] =
    &["gru", "slstm", "mamba", "rhn", "phased_lstm", "rg_lru", "fs_lstm", "skip_lstm"];

/// The flags under which the C of every cell has no warning.
const FLAGS: &[&str] = &[
    "-std=c99",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-pedantic",
    "-Wconversion",
    "-Wdouble-promotion",
    "-Wshadow",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
    "-Wvla",
];

/// A cell of the library with small sizes, and its weights; of a model, the one that runs free.
struct Case {
    name: &'static str,
    bound: Bound,
    params: Vec<ArrayD<f64>>,
}

fn small(spec: &CellSpec) -> Bound {
    let cell = spec.ir();
    let named =
        |dims: &mut dyn Iterator<Item = &Dim>| dims.flat_map(Dim::names).collect::<Vec<_>>();
    let indices = named(&mut cell.inputs.iter().filter_map(|it| it.index.as_ref()));
    let inputs = named(&mut cell.inputs.iter().flat_map(|it| it.shape.axes()));
    let free = cell.dims.iter().filter(|it| it.like.is_none() && it.default.is_none());
    let sizes = free.map(|it| {
        let size = if indices.contains(&it.name) {
            5
        } else if inputs.contains(&it.name) {
            3
        } else {
            4
        };
        (&*it.name, size)
    });
    spec.bind(sizes.collect::<Vec<_>>()).unwrap_or_else(|it| panic!("{}: {it}", cell.name))
}

fn case(name: &'static str) -> Case {
    let file = api::library_file(name).unwrap();
    let spec = Spec::read(name, file.source.as_bytes()).unwrap();
    let bound = small(&spec.configure(None, &[]).unwrap());
    let params = exec::init::<f64>(&bound, 7).unwrap().into_arrays();
    let rounded = params.into_iter().map(|it| it.mapv(|it| f64::from(it as f32)));
    let bound = bound.plain(&Mode::new(Feedback::Own, Gives::Outputs)).unwrap();
    Case { name, bound, params: rounded.collect() }
}

fn all() -> impl Iterator<Item = Case> {
    api::library().chain(api::models()).map(|it| case(it.name))
}

impl Case {
    fn export(&self, target: Target, options: &Options) -> Result<Exported, ExportError> {
        export(&self.bound, &self.params, target, options)
    }

    fn text(&self, target: Target) -> String {
        let exported = self.export(target, &Options::default()).unwrap();
        String::from_utf8(exported.files[0].bytes.clone()).unwrap()
    }
}

#[test]
fn texts_of_cells_are_what_they_were() {
    for name in SHOWN {
        let case = case(name);
        for target in Target::ALL.iter().filter(|it| **it != Target::Onnx) {
            let text = case.text(*target);
            insta::with_settings!({snapshot_path => "snapshots/export", prepend_module_to_snapshot => false}, {
                insta::assert_snapshot!(format!("{name}.{}", target.name()), text);
            });
        }
    }
}

#[test]
fn every_cell_and_model_exports_to_every_target() {
    let (mut written, mut refused) = (0, 0);
    for case in all() {
        for target in Target::ALL {
            match case.export(*target, &Options::default()) {
                Ok(exported) => {
                    written += 1;
                    assert!(exported.files.iter().all(|it| !it.bytes.is_empty()), "{}", case.name);
                    assert_eq!(exported.states.len(), case.bound.cell().carries.len());
                }
                Err(ExportError::NoInput(_) | ExportError::Draws { .. }) => refused += 1,
                Err(other) => panic!("{}: {other}", case.name),
            }
        }
    }
    assert!(written > 700, "{written} written, {refused} refused");
    assert!(refused < 20, "{written} written, {refused} refused");
}

#[test]
fn names_that_a_language_has_get_a_line() {
    let text = "/// A cell.\ncell Words { dims H  input t: [H], lambda: []  state y0: [H]  param float: [H]
        let s = t * float  y0 = lambda * prev y0 + s  output y0 }";
    let spec = Spec::parse(text).unwrap();
    let bound = spec.configure(None, &[]).unwrap().bind([("H", 2)]).unwrap();
    let params = exec::init::<f64>(&bound, 0).unwrap().into_arrays();
    let ids = |target: Target| {
        let exported = export(&bound, &params, target, &Options::default()).unwrap();
        let text = String::from_utf8(exported.files[0].bytes.clone()).unwrap();
        let all = exported.inputs.iter().chain(&exported.params).chain(&exported.states);
        (all.map(|it| it.id.clone()).collect::<Vec<_>>(), text)
    };
    let (torch, text) = ids(Target::Pytorch);
    assert_eq!(torch, ["t_", "lambda_", "float_", "y0"]);
    assert!(text.contains("lambda_ is lambda."), "{text}");
    let (c, text) = ids(Target::C);
    assert_eq!(c, ["t_", "lambda", "float", "y0_"]);
    assert!(text.contains("t_ is t."), "{text}");
}

/// Returns inputs of `steps` steps for one sequence.
fn inputs(bound: &Bound, steps: usize) -> Inputs<f64> {
    let cell = bound.cell();
    let feeds = cell.inputs.iter().enumerate().map(|(at, input)| {
        let own = &bound.input_shapes()[at];
        let lead: &[usize] = if input.per_sequence { &[1] } else { &[steps, 1] };
        let shape: Vec<usize> = lead.iter().chain(own).copied().collect();
        let count: usize = shape.iter().product();
        let limit = input.index.as_ref().map(|it| bound.index_limit(it) as usize);
        let default = input.default.as_ref().and_then(|it| it.eval(bound.env()));
        let value = |it: usize| match (limit, default) {
            (Some(limit), _) => (it * 7 % 3 % limit) as f64,
            (None, Some(default)) => default,
            (None, None) => f64::from((1.7 * it as f64 + at as f64).sin() as f32),
        };
        let values = (0..count).map(value).collect();
        Some(Feed::Batch(ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap()))
    });
    let mut inputs = Inputs::new(feeds.collect());
    inputs.batch = Some(1);
    inputs.steps = cell.inputs.iter().all(|it| it.per_sequence).then_some(steps);
    inputs
}

/// A program that runs the steps and prints every output.
fn driver(case: &Case, exported: &Exported, inputs: &Inputs<f64>, steps: usize) -> String {
    let (symbol, cell) = (&exported.symbol, case.bound.cell());
    let mut text = format!("#include <stdio.h>\n#include <math.h>\n#include \"{symbol}.h\"\n");
    let (mut args, mut prints) = (Vec::new(), String::new());
    for (at, input) in cell.inputs.iter().enumerate() {
        let kind = if input.index.is_some() { "int32_t" } else { "float" };
        let values = inputs.feeds[at].as_ref().unwrap().array();
        let all: Vec<String> = values.iter().map(|it| it.to_string()).collect();
        text.push_str(&format!("static const {kind} in_{at}[] = {{ {} }};\n", all.join(", ")));
        args.push(format!("in_{at}"));
    }
    for (at, output) in cell.outputs.iter().enumerate() {
        let size: usize = case.bound.step_shapes()[output.node.idx()].iter().product();
        text.push_str(&format!("static float o_{at}[{}];\n", steps * size));
        args.push(format!("o_{at}"));
        prints.push_str(&format!(
            "    for (int i = 0; i < {}; i++) printf(\"%.9g\\n\", (double)o_{at}[i]);\n",
            steps * size
        ));
    }
    text.push_str(&format!(
        "int main(void)\n{{\n    {symbol}_state s;\n    {symbol}_start(&s);\n    {symbol}_run(&s, {steps}, {});\n{prints}    return 0;\n}}\n",
        args.join(", ")
    ));
    text
}

/// Compiles with warnings as errors, runs, and gives what is printed.
fn built(folder: &Path, case: &Case, options: &Options, steps: usize) -> Result<Vec<f64>, String> {
    let exported = case.export(Target::C, options).map_err(|it| it.to_string())?;
    let symbol = &exported.symbol;
    let inputs = inputs(&case.bound, steps);
    let (source, main, program) =
        (format!("{symbol}.c"), format!("{symbol}_main.c"), format!("{symbol}_run"));
    fs::write(folder.join(&source), &exported.files[0].bytes).unwrap();
    fs::write(folder.join(format!("{symbol}.h")), &exported.files[1].bytes).unwrap();
    fs::write(folder.join(&main), driver(case, &exported, &inputs, steps)).unwrap();
    let object = format!("{symbol}.o");
    let run = |words: &[&str]| {
        let done = Command::new("cc").args(words).current_dir(folder).output().unwrap();
        match done.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
        }
    };
    let mut words = FLAGS.to_vec();
    words.extend(["-O2", "-c", &source, "-o", &object]);
    run(&words)?;
    run(&["-w", &main, &object, "-o", &program, "-lm"])?;
    let done = Command::new(folder.join(&program)).output().map_err(|it| it.to_string())?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    text.lines().map(|it| it.parse::<f64>().map_err(|error| format!("{it}: {error}"))).collect()
}

/// The largest difference from the interpreter in f64, over one and the largest number.
fn difference(case: &Case, found: &[f64], steps: usize) -> f64 {
    let engine = case.bound.engine(EngineOptions::reference()).unwrap();
    let params = Params::new(case.params.clone());
    let inputs = inputs(&case.bound, steps);
    let state = InitialState::declared(case.bound.cell().carries.len());
    let run = engine.infer::<f64>(&params, &inputs, &state).unwrap();
    let expected: Vec<f64> = run.outputs.iter().flat_map(|it| it.iter().copied()).collect();
    assert_eq!(found.len(), expected.len(), "{}", case.name);
    let largest = expected.iter().fold(1.0f64, |all, it| all.max(it.abs()));
    let apart = found.iter().zip(&expected).map(|(a, b)| if a == b { 0.0 } else { (a - b).abs() });
    apart.fold(0.0, |all: f64, it| if it.is_nan() { f64::INFINITY } else { all.max(it) }) / largest
}

fn has_cc() -> bool {
    Command::new("cc").arg("--version").output().is_ok_and(|it| it.status.success())
}

#[test]
fn the_c_of_every_cell_has_no_warning_and_computes_the_same() {
    if !has_cc() {
        assert!(std::env::var_os("CI").is_none(), "the gate has a compiler for C");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut faults, mut count) = (Vec::new(), 0);
    let options =
        [(Options::default(), 2e-5), (Options { math: Math::Own, ..Options::default() }, 5e-5)];
    for case in all() {
        // Each cell with one of the two libraries, so that both are tried on many.
        let (options, bound) = &options[count % 2];
        match built(folder.path(), &case, options, 6) {
            Ok(found) => {
                count += 1;
                let apart = difference(&case, &found, 6);
                if apart > *bound {
                    faults.push(format!("{} {options:?}: {apart:e}", case.name));
                }
            }
            Err(message) if message.contains("draws with `sample`") => {}
            Err(message) => faults.push(format!("{}: {message}", case.name)),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 150, "{count}");
}

#[test]
fn weights_as_whole_numbers_are_smaller_and_the_error_is_told() {
    let case = case("gru");
    let whole = Options { weights: Weights::I8, ..Options::default() };
    let (plain, rounded) = (
        case.export(Target::C, &Options::default()).unwrap(),
        case.export(Target::C, &whole).unwrap(),
    );
    // Six matrices of 4 rows: 84 weights in bytes and 24 factors; six biases stay as they are.
    assert!(rounded.bytes.unwrap().weights < plain.bytes.unwrap().weights);
    let error = rounded.error.unwrap().outputs["h"];
    assert!(error > 0.0 && error < 0.02, "{error}");
    assert!(plain.error.is_none());
    if has_cc() {
        let folder = tempfile::tempdir().unwrap();
        let found = built(folder.path(), &case, &whole, 6).unwrap();
        let apart = difference(&case, &found, 6);
        assert!(apart > 1e-6 && apart < 0.05, "{apart}");
    }
}

#[test]
fn weights_that_a_type_cannot_hold_are_refused_by_name() {
    let export = |value: f64, target, weights| {
        let mut case = case("gru");
        case.params[0][[1, 2]] = value;
        let options = Options { weights, ..Options::default() };
        case.export(target, &options).map(|_| ()).map_err(|it| it.to_string())
    };
    for (value, target, weights, kind) in [
        (70000.0, Target::Onnx, Weights::F16, "f16"),
        (-1e9, Target::Onnx, Weights::F16, "f16"),
        (f64::NAN, Target::C, Weights::I8, "i8"),
        (f64::INFINITY, Target::C, Weights::I8, "i8"),
    ] {
        let said = export(value, target, weights).unwrap_err();
        let expected = format!("param `W_r` is {value} at [1, 2], which {kind} cannot hold");
        assert!(said.contains(&expected), "{said}");
    }
    export(65504.0, Target::Onnx, Weights::F16).unwrap();
    export(70000.0, Target::Onnx, Weights::F32).unwrap();
    export(70000.0, Target::C, Weights::I8).unwrap();
}
