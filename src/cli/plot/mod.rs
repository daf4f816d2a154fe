//! `rnnc plot`: what other commands wrote, as curves and heat maps.
//!
//! [`read`] turns files into numbers and refuses those of another kind, this file decides what is shown of them, and [`draw`]
//! hands it to the crate that draws.

mod draw;
mod read;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::{PlotArgs, PlotKind};
use super::context::Context;
use super::error::CliError;
use super::output;
use crate::diag::Code;
use draw::{Axis, Curve, Map, Panel};
use read::Values;

/// A curve has about as many points as a picture has columns of pixels; of more, several are one.
const POINTS: usize = 600;
/// Above each other more are not readable.
const PANELS: usize = 8;
/// More lines in one picture cannot be told apart.
const CURVES: usize = 12;
/// A heat map is divided into at most so many steps and units.
const GRID: (usize, usize) = (200, 64);
/// From here on a gate is as good as shut, or open.
const SHUT: f64 = 0.1;
const OPEN: f64 = 0.9;

/// A file with what it is called.
struct Source {
    path: PathBuf,
    label: String,
    bytes: Vec<u8>,
}

impl Source {
    /// Says that the file is of another kind.
    fn fault(&self, message: &str) -> CliError {
        let message = format!("{}: {message}", self.path.display());
        CliError::Fit { code: Code::DataDoesNotFit, message }
    }
}

/// Draws a picture.
pub fn plot(ctx: &mut Context, args: &PlotArgs) -> Result<(), CliError> {
    output::check_ending("-o", &args.output, &["svg"])?;
    let (files, labels) = (args.files.len(), args.label.len());
    if labels > 0 && labels != files {
        let message =
            format!("--label: {files} files and {labels} labels; write one for each file");
        return Err(CliError::Usage(message));
    }
    ctx.will_write("-o", &args.output)?;
    let mut sources = Vec::new();
    for (at, file) in args.files.iter().enumerate() {
        let is_run = args.kind == PlotKind::Loss && file.is_dir();
        let path = if is_run { file.join("metrics.jsonl") } else { file.clone() };
        let label = args.label.get(at).cloned().unwrap_or_else(|| called(&path));
        sources.push(Source { bytes: ctx.read(&path)?, path, label });
    }
    ctx.check_outputs()?;
    let panels = match args.kind {
        PlotKind::Loss => vec![loss(&sources)?],
        PlotKind::Flow => vec![flow(&sources)?],
        PlotKind::Gates => gates(ctx, &sources)?,
        PlotKind::Prediction => prediction(&sources)?,
    };
    if panels.len() > PANELS {
        let message =
            format!("{} panels, more than {PANELS}; give fewer files or columns", panels.len());
        return Err(CliError::Fit { code: Code::DataDoesNotFit, message });
    }
    if let Some(many) = panels.iter().map(Panel::curves).find(|it| *it > CURVES) {
        let message = format!("{many} curves in one panel, more than {CURVES}; give fewer files");
        return Err(CliError::Fit { code: Code::DataDoesNotFit, message });
    }
    let svg = draw::svg(&panels).map_err(CliError::Io)?;
    ctx.write(&args.output, svg.as_bytes())?;
    if args.json {
        ctx.made(&Drawn { panels: panels.iter().map(Panel::title).collect() })?;
    }
    Ok(())
}

/// The document of `--json`.
#[derive(Serialize)]
struct Drawn<'p> {
    /// The titles of the panels.
    panels: Vec<&'p str>,
}

/// Returns the name of a file: of a run its folder, else its name without the ending.
fn called(path: &Path) -> String {
    let stem = path.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = path.parent().and_then(Path::file_name);
    match (stem.as_str(), folder) {
        ("metrics", Some(folder)) => folder.to_string_lossy().into_owned(),
        (_, _) => stem.strip_prefix("trace.").unwrap_or(&stem).to_owned(),
    }
}

/// Returns the loss of each run, and of its validations.
fn loss(sources: &[Source]) -> Result<Panel, CliError> {
    let mut curves = Vec::new();
    for source in sources {
        let log = read::metrics(source)?;
        let both = !log.train.is_empty() && !log.valid.is_empty();
        let name =
            |of: &str| if both { format!("{}, {of}", source.label) } else { source.label.clone() };
        let colour = curves.iter().filter(|it: &&Curve| !it.is_dashed).count();
        if !log.train.is_empty() {
            let points = thinned(&log.train);
            curves.push(Curve { label: name("training"), points, is_dashed: false, colour });
        }
        if !log.valid.is_empty() {
            let points = thinned(&log.valid);
            curves.push(Curve { label: name("validation"), points, is_dashed: both, colour });
        }
    }
    let positive = curves.iter().flat_map(|it| &it.points).all(|it| it.1.is_nan() || it.1 > 0.0);
    let (low, high) = draw::bounds(curves.iter().flat_map(|it| it.points.iter().map(|it| it.1)));
    let axis = if positive && high > 30.0 * low { Axis::Logarithmic } else { Axis::Linear };
    Ok(Panel::Curves { title: "loss".to_owned(), across: "update", up: "loss", axis, curves })
}

/// Returns the norm of the adjoint of each state of each cell.
fn flow(sources: &[Source]) -> Result<Panel, CliError> {
    let mut curves = Vec::new();
    for source in sources {
        let table = read::flow(source)?;
        let several = table.len() > 1;
        for (name, norms) in table {
            let label =
                if several { format!("{} {name}", source.label) } else { source.label.clone() };
            // A logarithm has no place for 0.
            let point = |(step, norm): (usize, &f64)| {
                (step as f64, if *norm > 0.0 { *norm } else { f64::NAN })
            };
            let points = norms.iter().enumerate().map(point).collect();
            curves.push(Curve { label, points, is_dashed: false, colour: curves.len() });
        }
    }
    if curves.iter().flat_map(|it| &it.points).all(|it| !it.1.is_finite()) {
        return Err(
            sources[0].fault("no norm is above 0, so that a logarithmic axis has nothing to show")
        );
    }
    let title = "norm of the adjoint of a state, step by step".to_owned();
    let axis = Axis::Logarithmic;
    Ok(Panel::Curves { title, across: "step", up: "norm", axis, curves })
}

/// Returns a heat map of each array.
fn gates(ctx: &Context, sources: &[Source]) -> Result<Vec<Panel>, CliError> {
    let mut panels = Vec::new();
    for source in sources {
        for (name, array) in read::traces(source)? {
            let rows = match array.shape() {
                [_, _] => array.view(),
                [_, batch, _] => {
                    if *batch > 1 {
                        ctx.note(&format!("{name}: the first of {batch} sequences is drawn"));
                    }
                    array.index_axis(ndarray::Axis(1), 0)
                }
                shape => {
                    let message = format!(
                        "{shape:?}; units by steps are [T, H], or [T, B, H], as `rnnc run --trace` writes them"
                    );
                    return Err(source.fault(&message));
                }
            };
            let (steps, units) = (rows.shape()[0], rows.shape()[1]);
            if steps == 0 || units == 0 {
                return Err(source
                    .fault(&format!("{:?}; there is no step or no unit in it", array.shape())));
            }
            let values: Vec<f64> = rows.iter().copied().collect();
            let told = format!("{name}: {units} units, {steps} steps{}", saturated(&values));
            let cell = (steps.div_ceil(GRID.0), units.div_ceil(GRID.1));
            let (wide, high) = (steps.div_ceil(cell.0), units.div_ceil(cell.1));
            let mean = |x: usize, y: usize| {
                let (across, up) = (
                    x * cell.0..((x + 1) * cell.0).min(steps),
                    y * cell.1..((y + 1) * cell.1).min(units),
                );
                let all = across.flat_map(|t| up.clone().map(move |u| (t, u)));
                let (sum, count) = all.fold((0.0, 0.0), |(sum, count), (t, u)| {
                    (sum + values[t * units + u], count + 1.0)
                });
                sum / count
            };
            let cells = (0..high).map(|y| (0..wide).map(|x| mean(x, y)).collect()).collect();
            panels.push(Panel::Map(Map {
                title: told,
                steps,
                units,
                cell,
                cells,
                range: range(&values),
            }));
        }
    }
    Ok(panels)
}

/// Between which values the colours of a heat map lie: those that a gate or a `tanh` can have, else those that there are.
fn range(values: &[f64]) -> (f64, f64) {
    let (low, high) = draw::bounds(values.iter().copied());
    match (low, high) {
        _ if low >= 0.0 && high <= 1.0 => (0.0, 1.0),
        _ if low >= -1.0 && high <= 1.0 => (-1.0, 1.0),
        _ if low < high => (low, high),
        _ => (low - 0.5, high + 0.5),
    }
}

/// Counts the elements that hardly pass a gradient, where the values are those of a gate or of a `tanh`.
fn saturated(values: &[f64]) -> String {
    let share = |is_one: &dyn Fn(f64) -> bool| {
        let count = values.iter().filter(|it| is_one(**it)).count();
        format!("{:.1} %", 100.0 * count as f64 / values.len() as f64)
    };
    let finite = values.iter().all(|it| it.is_finite());
    match range(values) {
        (0.0, 1.0) if finite => {
            format!(
                "; {} below {SHUT}, {} above {OPEN}",
                share(&|it| it < SHUT),
                share(&|it| it > OPEN)
            )
        }
        (-1.0, 1.0) if finite => format!("; {} beyond ±{OPEN}", share(&|it| it.abs() > OPEN)),
        (_, _) => {
            let odd = values.iter().filter(|it| !it.is_finite()).count();
            if odd > 0 { format!("; {odd} not finite, left blank") } else { String::new() }
        }
    }
}

/// Returns a panel for each value, with all files in it. Where the files have targets of their own, as `rnnc predict -o y.csv`
/// writes them, those of the first are drawn beside the predictions.
fn prediction(sources: &[Source]) -> Result<Vec<Panel>, CliError> {
    let mut all = Vec::new();
    for source in sources {
        let values = read::values(source)?;
        let told = |it: &Values| {
            let targets = if it.targets.is_empty() { "" } else { ", and targets" };
            format!("{} steps of {} values{targets}", it.steps.len(), it.columns.len())
        };
        let first = all.first().unwrap_or(&values);
        if told(&values) != told(first) {
            let message = format!(
                "{}, but {} has {}; one picture shows values of the same steps",
                told(&values),
                sources[0].path.display(),
                told(first)
            );
            return Err(source.fault(&message));
        }
        all.push(values);
    }
    let Some(first) = all.first().filter(|it| !it.steps.is_empty() && !it.columns.is_empty())
    else {
        return Err(sources[0].fault("there is no value in it"));
    };
    let panel = |column: usize| {
        let title = first.columns[column].0.clone();
        let mut curves = Vec::new();
        for (at, (source, values)) in sources.iter().zip(&all).enumerate() {
            let is_alone = sources.len() == 1 && !first.targets.is_empty();
            let label = if is_alone { title.clone() } else { source.label.clone() };
            // Beside a target, predictions are what is looked at.
            let is_dashed = first.targets.is_empty() && at > 0 && at + 1 == sources.len();
            curves.push((label, &values.steps, &values.columns[column].1, is_dashed));
        }
        if let Some((name, values)) = first.targets.get(column) {
            curves.push((name.clone(), &first.steps, values, true));
        }
        let curve =
            |(colour, (label, steps, values, is_dashed)): (usize, (_, &Vec<f64>, &Vec<f64>, _))| {
                let points: Vec<(f64, f64)> =
                    steps.iter().copied().zip(values.iter().copied()).collect();
                Curve { label, points: thinned(&points), is_dashed, colour }
            };
        let curves = curves.into_iter().enumerate().map(curve).collect();
        Panel::Curves { title, across: first.across, up: "value", axis: Axis::Linear, curves }
    };
    Ok((0..first.columns.len()).map(panel).collect())
}

/// Points of a curve, of too many the means of as many as are needed.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let each = points.len().div_ceil(POINTS).max(1);
    let mean = |all: &[(f64, f64)]| {
        let sum = all.iter().map(|it| it.1).sum::<f64>();
        (all[all.len() - 1].0, sum / all.len() as f64)
    };
    points.chunks(each).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saturation_is_told_of_what_has_bounds() {
        assert_eq!(saturated(&[0.05, 0.5, 0.95, 0.99]), "; 25.0 % below 0.1, 50.0 % above 0.9");
        assert_eq!(saturated(&[-0.95, 0.5]), "; 50.0 % beyond ±0.9");
        assert_eq!(saturated(&[-3.0, 0.5]), "");
        assert_eq!(saturated(&[f64::NAN, 0.5]), "; 1 not finite, left blank");
    }

    #[test]
    fn long_curves_are_thinned_to_means() {
        let points: Vec<(f64, f64)> =
            (0..3000).map(|it| (f64::from(it), f64::from(it % 2))).collect();
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS && thin.len() > POINTS / 2);
        assert!(thin.iter().all(|it| (it.1 - 0.5).abs() <= 0.2));
        assert_eq!(thin.last().map(|it| it.0), Some(2999.0));
        assert_eq!(thinned(&points[..3]), &points[..3]);
    }

    #[test]
    fn files_are_called_as_they_are() {
        assert_eq!(called(Path::new("runs/a/metrics.jsonl")), "a");
        assert_eq!(called(Path::new("metrics.jsonl")), "metrics");
        assert_eq!(called(Path::new("out/trace.z.npy")), "z");
    }
}
