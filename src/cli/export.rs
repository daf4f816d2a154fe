//! `rnnc export`: a cell with its weights as a file that runs elsewhere.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use serde::Serialize;

use super::args::{ExportArgs, MathChoice, WeightsChoice};
use super::context::Context;
use super::error::CliError;
use super::feed::{self, weights};
use super::train::folder;
use super::{eval, load, output};
use crate::api;
use crate::exec::Bound;
use crate::export::{
    self, Begin, Bytes, Error, ExportError, Exported, Math, Number, Options, Target, Told, Weights,
};
use crate::ir::{Feedback, Gives, Mode};

/// The files that were written, as JSON.
#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    target: &'static str,
    cell: &'a str,
    symbol: &'a str,
    files: Vec<String>,
    sizes: &'a BTreeMap<String, i64>,
    operator: Option<&'static str>,
    inputs: &'a [Told],
    outputs: &'a [Told],
    states: &'a [Told],
    params: &'a [Told],
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Error>,
}

/// A cell with its sizes and its weights.
struct Prepared {
    bound: Bound,
    params: Vec<ArrayD<f64>>,
}

/// Exports.
pub fn export(ctx: &mut Context, args: &ExportArgs) -> Result<(), CliError> {
    let target = args.to.target();
    let options = options(args, target)?;
    check_ending(&args.output, target)?;
    ctx.will_write("-o", &args.output)?;
    if target != Target::C {
        for ending in target.companions() {
            let path = beside(&args.output, ending);
            folder::refuse_own("-o", &path)?;
            ctx.will_write("-o", &path)?;
        }
    }
    let Prepared { bound, params } = prepare(ctx, args)?;
    let exported = export::export(&bound, &params, target, &options)?;
    let paths = exported.files.iter().enumerate().map(|(at, it)| match (at, target) {
        (0, _) => args.output.clone(),
        // The source includes it by this name.
        (_, Target::C) => args.output.with_file_name(format!("{}.h", exported.symbol)),
        (_, Target::Onnx | Target::Pytorch | Target::Jax | Target::Numpy) => {
            beside(&args.output, it.ending)
        }
    });
    let paths: Vec<PathBuf> = paths.collect();
    if target == Target::C {
        ctx.will_write("-o", &paths[1])?;
    }
    ctx.check_outputs()?;
    // What is beside the file comes first: a file that is there then has all that it needs.
    for (path, file) in paths.iter().zip(&exported.files).rev() {
        ctx.write(path, &file.bytes)?;
    }
    let cell = bound.cell().name.to_string();
    if args.json {
        return ctx.json(&Report {
            version: 1,
            target: target.name(),
            cell: &cell,
            symbol: &exported.symbol,
            files: paths.iter().map(|it| it.display().to_string()).collect(),
            sizes: &exported.sizes,
            operator: exported.operator,
            inputs: &exported.inputs,
            outputs: &exported.outputs,
            states: &exported.states,
            params: &exported.params,
            bytes: exported.bytes,
            error: exported.error.as_ref(),
        });
    }
    ctx.line(&format!("{cell} for {}", target.name()))?;
    ctx.out(&table(&exported))
}

/// Collects the choices beside the target; an option of another target says whose it is.
fn options(args: &ExportArgs, target: Target) -> Result<Options, CliError> {
    let is_c = target == Target::C;
    for (given, flag) in [(args.math.is_some(), "--math"), (args.name.is_some(), "--name")] {
        if given && !is_c {
            return Err(CliError::Usage(format!("`{flag}` is for `--to c`")));
        }
    }
    let is_onnx = target == Target::Onnx;
    let onnx = [
        (args.step, "--step"),
        (args.lengths, "--lengths"),
        (args.no_defaults, "--no-defaults"),
        (args.opset.is_some(), "--opset"),
    ];
    for (given, flag) in onnx {
        if given && !is_onnx {
            return Err(CliError::Usage(format!("`{flag}` is for `--to onnx`")));
        }
    }
    if args.step && args.lengths {
        let message =
            "--lengths: a model of one step has no lengths; leave --step or --lengths out";
        return Err(CliError::Usage(message.to_owned()));
    }
    let weights = match args.weights_as {
        None | Some(WeightsChoice::F32) => Weights::F32,
        Some(WeightsChoice::F16) => Weights::F16,
        Some(WeightsChoice::I8) => Weights::I8,
    };
    let (fits, word) = match weights {
        Weights::F32 => (true, "f32"),
        Weights::F16 => (is_onnx, "f16"),
        Weights::I8 => (is_c, "i8"),
    };
    if !fits {
        let target = target.name();
        return Err(CliError::Usage(format!("`--weights {word}` is not for `--to {target}`")));
    }
    if let Some(name) = &args.name {
        let is_name = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
            && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
        if !is_name {
            let message = format!("--name {name}: an identifier of C has letters, digits and `_`");
            return Err(CliError::Usage(message));
        }
    }
    let math = match args.math {
        None | Some(MathChoice::Libm) => Math::Libm,
        Some(MathChoice::Own) => Math::Own,
    };
    Ok(Options {
        weights,
        math,
        name: args.name.clone(),
        step: args.step,
        lengths: args.lengths,
        defaults: !args.no_defaults,
        opset: args.opset.map_or(export::OPSET, u32::from),
    })
}

/// Refuses a name with another ending.
fn check_ending(path: &Path, target: Target) -> Result<(), CliError> {
    if output::extension(path).as_deref() == Some(target.ending()) {
        return Ok(());
    }
    let message = format!(
        "-o {}: --to {} writes a file that ends in .{}",
        path.display(),
        target.name(),
        target.ending()
    );
    Err(CliError::Usage(message))
}

/// Returns a file of the same name with another ending.
fn beside(path: &Path, ending: &str) -> PathBuf {
    path.with_extension(ending.trim_start_matches('.'))
}

/// Reads the cell or the trained model, and its weights.
fn prepare(ctx: &mut Context, args: &ExportArgs) -> Result<Prepared, CliError> {
    let own = Mode::new(Feedback::Own, Gives::Outputs);
    let path = Path::new(&args.cell.spec);
    let is_spec = args.cell.spec == OsStr::new("-");
    if !is_spec && folder::is_run(path) {
        return trained(ctx, args, path, &own);
    }
    let loaded = load::load(ctx, &args.cell)?;
    let spec = load::choose(ctx, &loaded)?;
    let mut notes = Vec::new();
    let weights = weights::read(ctx, spec.ir(), &args.weights, args.seed.unwrap_or(0), &mut notes)?;
    let sizes = feed::set_sizes(spec.ir(), &loaded.set);
    let evidence = weights.evidence(spec.ir());
    let sizes = api::infer_sizes(spec.ir(), &sizes, &evidence)?;
    let bound = spec.bind(sizes.iter().map(|(name, size)| (&**name, *size)))?;
    let params = weights.params::<f64>(&bound)?.into_arrays();
    notes.iter().for_each(|it| ctx.note(it));
    Ok(Prepared { bound: bound.plain(&own).map_err(ExportError::from)?, params })
}

/// Opens a trained model.
fn trained(
    ctx: &mut Context,
    args: &ExportArgs,
    path: &Path,
    own: &Mode,
) -> Result<Prepared, CliError> {
    let given = [
        (!args.cell.set.is_empty(), "--set"),
        (args.cell.cell.is_some(), "--cell"),
        (args.weights.params.is_some(), "--params"),
        (args.seed.is_some(), "--seed"),
    ];
    if let Some((_, flag)) = given.iter().find(|it| it.0) {
        let message = format!("{flag}: {} is a trained model and has its own", path.display());
        return Err(CliError::Usage(message));
    }
    let run = folder::open(ctx, path)?;
    run.keep_data(ctx)?;
    let checkpoint = run.checkpoint(ctx, None)?;
    let params = eval::params::<f64>(&run.bound, &checkpoint)?.into_arrays();
    let scaled = run.about.scales();
    if !scaled.0.is_empty() {
        let names: Vec<String> = scaled.0.iter().map(|it| it.0.to_string()).collect();
        ctx.note(&format!(
            "the file computes in the scaled units of the training: {}",
            names.join(", ")
        ));
    }
    Ok(Prepared { bound: run.bound.plain(own).map_err(ExportError::from)?, params })
}

/// Inputs, outputs and states for people.
fn table(exported: &Exported) -> String {
    let mut rows: Vec<[String; 4]> = Vec::new();
    let shape = |it: &Told| format!("{:?}", it.shape);
    let called = |it: &Told| match it.name == it.id {
        true => it.name.clone(),
        false => format!("{} ({})", it.name, it.id),
    };
    for it in &exported.inputs {
        let default = it.default.clone().flatten().map(|it| format!("default {}", number(&it)));
        rows.push(["input".to_owned(), called(it), shape(it), default.unwrap_or_default()]);
    }
    for it in &exported.outputs {
        rows.push(["output".to_owned(), called(it), shape(it), String::new()]);
    }
    for it in &exported.states {
        let start = match &it.start {
            Some(Begin::All(it)) => format!("start {}", number(it)),
            Some(Begin::Each(_)) => "start by element".to_owned(),
            None => String::new(),
        };
        rows.push(["state".to_owned(), called(it), shape(it), start]);
    }
    let width = |at: usize| rows.iter().map(|it| it[at].len()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for [kind, name, shape, rest] in &rows {
        let [a, b, c] = widths;
        let line = format!("  {kind:a$}  {name:b$}  {shape:c$}  {rest}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if let Some(Bytes { weights, state, scratch }) = exported.bytes {
        text.push_str(&format!("  bytes: weights {weights}, state {state}, scratch {scratch}\n"));
    }
    if let Some(error) = &exported.error {
        for (name, apart) in &error.outputs {
            text.push_str(&format!(
                "  with i8 weights {name} differs by at most {} on the demonstration sequence\n",
                output::short(*apart)
            ));
        }
    }
    if let Some(operator) = exported.operator {
        text.push_str(&format!("  operator {operator}\n"));
    }
    text
}

fn number(it: &Number) -> String {
    match it {
        Number::Finite(value) => output::short(*value),
        Number::Word(word) => (*word).to_owned(),
    }
}

impl From<ExportError> for CliError {
    fn from(error: ExportError) -> CliError {
        match error {
            ExportError::NoInput(_)
            | ExportError::Draws { .. }
            | ExportError::Backward { .. }
            | ExportError::TooLarge(_) => CliError::NoModel(error.to_string()),
            ExportError::Bind(error) => {
                CliError::Fit { code: error.code(), message: error.to_string() }
            }
            ExportError::Weights(message) => CliError::misfit(message),
        }
    }
}
