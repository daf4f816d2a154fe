//! `rnnc test`: snapshot tests of people's own specs.
//!
//! A snapshot holds what a cell compiles to and what a seeded run gives, to six digits. It stands in `snapshots/NAME.snap`
//! beside the spec, so that a change of a cell, or of rnnc, shows as a change of a text file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ndarray::ArrayD;

use super::args::TestArgs;
use super::context::Context;
use super::error::CliError;
use super::feed::demo;
use crate::api::{self, Spec};
use crate::exec::{self, Call, InitialState, Inputs, Upstream};
use crate::ir::{self, pointwise};
use crate::{data, derive};

/// Compares every spec with its snapshot, or writes the snapshots.
pub fn test(ctx: &mut Context, args: &TestArgs) -> Result<(), CliError> {
    let mut files = Vec::new();
    for path in &args.specs {
        if path.is_dir() {
            let before = files.len();
            collect(path, &mut files)?;
            if files.len() == before {
                let message = format!("there is no .rnn file in {}", path.display());
                return Err(CliError::Usage(message));
            }
        } else {
            files.push(path.clone());
        }
    }
    files.sort();
    files.dedup();

    let (mut passed, mut failed, mut written) = (0, 0, 0);
    for file in &files {
        let bytes = data::read_file(file).map_err(|it| CliError::data(file, it))?;
        let name = file.display().to_string();
        let now = match Spec::read(&name, &bytes).map_err(api::Error::from).and_then(|it| snapshot(&it)) {
            Ok(text) => text,
            Err(error) => {
                ctx.report(&error.into());
                ctx.line(&format!("{name} ... does not compile"))?;
                failed += 1;
                continue;
            }
        };
        let place = snapshot_path(file);
        let before = if place.exists() {
            let bytes = data::read_file(&place).map_err(|it| CliError::data(&place, it))?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        } else {
            None
        };
        if before.as_deref() == Some(&now) {
            passed += 1;
        } else if args.update {
            let folder = place.parent().expect("a snapshot stands in a folder");
            std::fs::create_dir_all(folder)
                .map_err(|it| CliError::Io(format!("cannot create {}: {it}", folder.display())))?;
            data::write_file(&place, now.as_bytes()).map_err(|it| CliError::data(&place, it))?;
            ctx.line(&format!("{name} ... written"))?;
            written += 1;
        } else {
            failed += 1;
            match before {
                Some(before) => {
                    ctx.line(&format!("{name} ... changed (- {} + now)", place.display()))?;
                    ctx.out(&difference(&before, &now))?;
                }
                None => {
                    let place = place.display();
                    ctx.line(&format!("{name} ... no snapshot {place}; --update writes it"))?;
                }
            }
        }
    }
    let written = if args.update { format!(", {written} written") } else { String::new() };
    ctx.line(&format!("{passed} passed, {failed} failed{written}"))?;
    if failed > 0 { Err(CliError::Failed) } else { Ok(()) }
}

/// All `.rnn` files below a folder, but not those in folders that start with a point or that links lead to.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let cannot = |it| CliError::Io(format!("cannot read {}: {it}", folder.display()));
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let path = entry.path();
        if entry.file_type().map_err(cannot)?.is_dir() {
            if !hidden {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|it| it == "rnn") {
            files.push(path);
        }
    }
    Ok(())
}

fn snapshot_path(file: &Path) -> PathBuf {
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    file.parent().unwrap_or(Path::new("")).join("snapshots").join(format!("{name}.snap"))
}

/// What a snapshot holds: for each cell the step, the backward pass, and a seeded run with its gradients.
fn snapshot(spec: &Spec) -> Result<String, api::Error> {
    let mut text = String::new();
    for cell in spec.cells() {
        let table = pointwise::table();
        let forward = derive::simplify_cell(cell);
        let adjoint = derive::adjoint(&forward, &table);
        let mut part = |title: &str, body: &str| {
            writeln!(text, "== {} {title}\n{}\n", cell.name, body.trim_end())
                .expect("writing to a string cannot fail");
        };
        part("ir", &ir::print::cell(cell));
        part("backward", &derive::print_backward(&forward, &adjoint));
        part("run", &seeded_run(spec, cell)?);
    }
    Ok(text)
}

fn seeded_run(spec: &Spec, cell: &ir::Cell) -> Result<String, api::Error> {
    let mut sizes = std::collections::BTreeMap::new();
    let demo = demo::Demo::new(cell, &mut sizes, &[])?;
    let bound = spec
        .cell(&cell.name)?
        .bind(sizes.iter().map(|(name, size)| (&**name, *size)))?;
    let fit = |code, message: String| api::Error::fit(code, message);
    let params = exec::init::<f64>(&bound, 0).map_err(|it| fit(it.code(), it.to_string()))?;
    let mut inputs = Inputs::new(demo.feeds);
    inputs.steps = Some(demo::STEPS);
    inputs.batch = Some(1);
    let state = InitialState::declared(cell.carries.len());
    let call = Call { bound: &bound, params: &params, inputs: &inputs, state: &state };
    let failed = |it: exec::RunError| fit(it.code(), it.to_string());
    let run = exec::forward(call, &[]).map_err(failed)?;
    let adjoint = derive::adjoint(cell, &pointwise::table());
    let upstream = Upstream::ones(cell.outputs.len(), cell.carries.len());
    let gradients = exec::backward(&run, &adjoint, &upstream).map_err(failed)?;

    let mut text = String::new();
    let mut row = |name: String, array: &ArrayD<f64>| {
        let values: Vec<String> = array.iter().map(|it| six_digits(*it)).collect();
        writeln!(text, "{name} {:?}", array.shape()).expect("writing to a string cannot fail");
        for line in values.chunks(8) {
            writeln!(text, "  {}", line.join(" ")).expect("writing to a string cannot fail");
        }
    };
    for (output, array) in cell.outputs.iter().zip(&run.outputs) {
        row(output.name.to_string(), array);
    }
    for (carry, array) in cell.carries.iter().zip(&run.states) {
        row(format!("state.{}", carry.name), array);
    }
    for (param, array) in cell.params.iter().zip(&gradients.params) {
        if let Some(array) = array {
            row(format!("d_{}", param.name), array);
        }
    }
    Ok(text)
}

/// A number to six digits; what rounding leaves of 0 is 0.
fn six_digits(value: f64) -> String {
    if value.abs() < 1e-12 { "0".to_owned() } else { format!("{value:.5e}") }
}

/// The lines that differ, each with up to two lines around it that do not.
fn difference(before: &str, now: &str) -> String {
    const AROUND: usize = 2;
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), now.lines().collect());
    let edits = edits(&old, &new);
    let near = |idx: usize| {
        let from = idx.saturating_sub(AROUND);
        let to = (idx + AROUND + 1).min(edits.len());
        edits[from..to].iter().any(|(sign, _)| *sign != ' ')
    };
    let mut text = String::new();
    let mut skipped = false;
    for (idx, (sign, line)) in edits.iter().enumerate() {
        if near(idx) {
            if skipped {
                text.push_str("  ...\n");
            }
            writeln!(text, "{sign} {line}").expect("writing to a string cannot fail");
        }
        skipped = !near(idx);
    }
    text
}

/// A shortest list of kept (' '), removed ('-') and added ('+') lines.
fn edits<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    // Snapshots are some hundred lines; above this the table of a longest common subsequence gets large.
    const LIMIT: usize = 4000;
    if old.len() > LIMIT || new.len() > LIMIT {
        let removed = old.iter().map(|it| ('-', *it));
        return removed.chain(new.iter().map(|it| ('+', *it))).collect();
    }
    let width = new.len() + 1;
    let mut common = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut edits = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            edits.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j >= new.len()
            || (i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            edits.push(('-', old[i]));
            i += 1;
        } else {
            edits.push(('+', new[j]));
            j += 1;
        }
    }
    edits
}
