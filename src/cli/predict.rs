//! `rnnc predict`: the outputs of a trained model at every step of data.

use ndarray::{ArrayD, Axis, IxDyn};

use serde::Serialize;

use super::args::PredictArgs;
use super::config::Settings;
use super::context::Context;
use super::error::CliError;
use super::eval;
use super::output::{self, Named};
use super::save::{self, Save};
use super::train::folder::{self, Checkpoint, Run};
use crate::data::{self, Real32or64};
use crate::ir::{self, Feedback, Gives, Mode, Real};
use crate::train::{self, Data, Scale};

/// Predicts.
pub fn predict(ctx: &mut Context, args: &PredictArgs) -> Result<(), CliError> {
    let settings = Settings::new(&args.keys.said)?;
    let run = folder::open(ctx, &args.run)?;
    run.keep_data(ctx)?;
    if let Some(path) = &args.output {
        output::check_ending("-o", path, &["npy", "csv"])?;
        ctx.will_write("-o", path)?;
    }
    if let Some(path) = &args.save {
        save::check(ctx, path)?;
    }
    let feedback = eval::feedback(&run, args.feedback.as_deref())?;
    let checkpoint = run.checkpoint(ctx, args.checkpoint.as_deref())?;
    let plain = run.bound.plain(&Mode::new(feedback, Gives::Outputs))?;
    let data = eval::data(ctx, &settings, &run, args.part.as_deref(), &plain)?;
    let settings = eval::merged(&settings, &run);
    match settings.word("dtype") {
        Some("f64") => predict_in::<f64>(ctx, args, &settings, &run, &checkpoint, &data, feedback),
        _ => predict_in::<f32>(ctx, args, &settings, &run, &checkpoint, &data, feedback),
    }
}

fn predict_in<F: Real + Real32or64>(
    ctx: &mut Context,
    args: &PredictArgs,
    settings: &Settings,
    run: &Run,
    checkpoint: &Checkpoint,
    data: &Data,
    feedback: Feedback,
) -> Result<(), CliError> {
    let is_series = data.rows().is_some();
    let csv = args.output.as_deref().filter(|it| output::extension(it).as_deref() == Some("csv"));
    if csv.is_some() && !is_series {
        let message = "-o: a .csv takes a series; write .npy for sequences";
        return Err(CliError::Usage(message.to_owned()));
    }
    let scales = run.about.scales();
    let scoring = eval::scoring(settings, data, &scales, feedback, None);
    let params = eval::params::<F>(&run.bound, checkpoint)?;
    let found = train::predict(&run.bound, &params, data, &scoring)?;
    let sequences = data.evaluation_sequences(scoring.eval_batch)?;
    let cell = run.bound.cell();
    let mut arrays = Vec::new();
    for (idx, output) in cell.outputs.iter().enumerate() {
        let values: Vec<&ArrayD<F>> = found.iter().map(|it| &it[idx]).collect();
        let mut array = if is_series { joined(&values) } else { padded(&values) };
        if let Some(scale) = scale_of(cell, &output.name, &scales) {
            unscale(&mut array, scale);
        }
        arrays.push(Named { name: output.name.to_string(), array });
    }
    let Some(main) = arrays.first() else {
        return Err(CliError::Usage(format!("`{}` has no output", cell.name)));
    };
    // Rows of the targets, in the order of the steps; data without targets does not know how far these would be ahead.
    let ahead = run.about.ahead;
    let rows: Vec<usize> =
        sequences.iter().flat_map(|it| (it.first + ahead..).take(it.steps)).collect();
    let summaries: Vec<output::Summary> =
        arrays.iter().map(|it| output::Summary::of(it, None)).collect();
    match (&args.output, csv) {
        (Some(path), Some(_)) => ctx.write(path, &table(main, &rows, data, run))?,
        (Some(path), None) => ctx.write(path, &data::write_npy(&main.array.view()))?,
        (None, _) if args.save.is_none() && !args.json => {
            ctx.out(&output::table(&summaries))?;
        }
        (None, _) => {}
    }
    if let Some(path) = &args.save {
        let names: Vec<String> = arrays.iter().map(|it| format!("output.{}", it.name)).collect();
        let save = Save::new(ctx, path, &names)?;
        let all = arrays
            .into_iter()
            .map(|it| Named { name: format!("output.{}", it.name), array: it.array });
        save.write(
            ctx,
            all.collect(),
            &super::origin::origin(cell, &run.bound.env().sizes, &run.loaded.set, None),
        )?;
    }
    if args.json {
        ctx.made(&Predicted { outputs: summaries })?;
    }
    Ok(())
}

/// The document of `--json`.
#[derive(Serialize)]
struct Predicted {
    outputs: Vec<output::Summary>,
}

/// Returns the unit of an output: that of the target whose teacher it is of, or that it is compared with.
pub fn scale_of<'s>(cell: &ir::Cell, output: &str, scales: &'s train::Scales) -> Option<&'s Scale> {
    let taught = cell.carries.iter().find(|it| &*it.name == output);
    let teacher = taught.and_then(|it| it.teacher).map(|it| &cell.inputs[it].name);
    let mut terms = cell.losses.iter().flat_map(|it| &it.terms);
    let compared = terms.find(|it| {
        let is_difference = match it.of {
            ir::Cost::Mse | ir::Cost::Mae | ir::Cost::Huber => true,
            ir::Cost::CrossEntropy | ir::Cost::BinaryCrossEntropy => false,
        };
        is_difference && &*it.predicted == output
    });
    scales.of(teacher.or(compared.map(|it| &it.target))?)
}

/// Puts an array into the units of the data.
pub fn unscale<F: Real>(array: &mut ArrayD<F>, scale: &Scale) {
    let elements = scale.shift.len().max(1);
    for (idx, value) in array.iter_mut().enumerate() {
        *value = F::of(scale.unscaled(idx % elements, Real::to_f64(*value)));
    }
}

/// Returns the steps of a series, one piece after the other.
fn joined<F: Real>(pieces: &[&ArrayD<F>]) -> ArrayD<F> {
    let views: Vec<_> = pieces.iter().map(|it| it.view()).collect();
    ndarray::concatenate(Axis(0), &views).unwrap_or_else(|_| ArrayD::zeros(IxDyn(&[0])))
}

/// Sequences as `[T, N, ..]`, with zeros after their ends.
fn padded<F: Real>(sequences: &[&ArrayD<F>]) -> ArrayD<F> {
    let steps = sequences.iter().map(|it| it.shape()[0]).max().unwrap_or(0);
    let inner = sequences.first().map_or(&[][..], |it| &it.shape()[1..]);
    let mut all = ArrayD::zeros([&[steps, sequences.len()], inner].concat());
    for (place, sequence) in sequences.iter().enumerate() {
        for (step, value) in sequence.outer_iter().enumerate() {
            all.index_axis_mut(Axis(0), step).index_axis_mut(Axis(0), place).assign(&value);
        }
    }
    all
}

/// Returns the words of a column that gave an index, in the order of their numbers.
pub fn words<'r>(run: &'r Run, name: &str) -> Option<&'r Vec<String>> {
    let known = &run.about.known;
    known.categories.get(known.columns.get(name)?.first()?)
}

/// Returns the words that the numbers of an output mean, and those that its elements are for.
fn words_of_output<'r>(run: &'r Run, output: &str) -> [Option<&'r Vec<String>>; 2] {
    let cell = run.bound.cell();
    let taught = cell.carries.iter().find(|it| &*it.name == output).and_then(|it| it.teacher);
    let mut terms = cell.losses.iter().flat_map(|it| &it.terms);
    let classes = terms.find(|it| it.of == ir::Cost::CrossEntropy && &*it.predicted == output);
    [
        taught.and_then(|it| words(run, &cell.inputs[it].name)),
        classes.and_then(|it| words(run, &it.target)),
    ]
}

/// Returns a row per step: the row of the target, the output, and the targets. What was a word in the table of the training is
/// one.
fn table<F: Real + Real32or64>(main: &Named<F>, rows: &[usize], data: &Data, run: &Run) -> Vec<u8> {
    let mut header = vec!["row".to_owned()];
    let mut columns: Vec<Vec<String>> = Vec::new();
    let mut add = |name: &str,
                   width: usize,
                   [words, classes]: [Option<&Vec<String>>; 2],
                   value: &dyn Fn(usize, usize) -> f64| {
        let text = |value: f64| match words.and_then(|it| it.get(value as usize)) {
            Some(word) => data::csv_cell(word),
            // What was computed in f32 has the digits of f32.
            None => F::of(value).text(),
        };
        for element in 0..width {
            header.push(match classes.and_then(|it| it.get(element)) {
                Some(class) => data::csv_cell(&format!("{name}[{class}]")),
                None if width == 1 => name.to_owned(),
                None => format!("{name}[{element}]"),
            });
            columns.push((0..rows.len()).map(|step| text(value(step, element))).collect());
        }
    };
    let width: usize = main.array.shape()[1..].iter().product();
    let flat = main.array.as_standard_layout();
    let flat: Vec<f64> = flat.iter().map(|it| Real::to_f64(*it)).collect();
    add(&main.name, width, words_of_output(run, &main.name), &|step, element| {
        flat[step * width + element]
    });
    let scales = run.about.scales();
    for field in data.fields().iter().filter(|it| it.role == train::Role::Target) {
        let width: usize = field.shape().iter().product();
        let words = [words(run, &field.name), None];
        add(&format!("target.{}", field.name), width, words, &|step, element| {
            let value = field.at(rows[step], 0).iter().nth(element).copied().unwrap_or(f64::NAN);
            scales.of(&field.name).map_or(value, |it| it.unscaled(element, value))
        });
    }
    let mut text = header.join(",");
    text.push('\n');
    for (step, row) in rows.iter().enumerate() {
        text.push_str(&row.to_string());
        for column in &columns {
            text.push(',');
            text.push_str(&column[step]);
        }
        text.push('\n');
    }
    text.into_bytes()
}
