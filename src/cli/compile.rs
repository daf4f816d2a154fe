//! `rnnc compile`: what a cell compiles to.

use std::fmt::Write as _;

use serde::Serialize;

use super::args::{CompileArgs, Emit};
use super::context::Context;
use super::error::CliError;
use super::load;
use crate::api::{Artifact, CellSpec};
use crate::ir::dependence::{self, Phase, ProductCount};
use crate::ir::{self, HyperKind, pointwise};
use crate::{data, derive, syntax};

/// Prints a summary or one stage, and writes the artifact if asked.
pub fn compile(ctx: &mut Context, args: &CompileArgs) -> Result<(), CliError> {
    if args.emit == Some(Emit::Plan) {
        let message = "the plan is not supported yet; `--emit forward` and `--emit backward` are";
        return Err(CliError::Usage(message.to_owned()));
    }
    let loaded = load::load(ctx, &args.cell)?;
    // A tree is printed as it stands, also of a file of several cells or of none.
    if args.emit == Some(Emit::Ast) {
        ctx.out(&syntax::print(loaded.spec.tree()))?;
    }
    let emits_tree_only = args.emit == Some(Emit::Ast) && args.output.is_none();
    if emits_tree_only {
        return Ok(());
    }
    let cell = load::choose(ctx, &loaded)?;
    if let Some(path) = &args.output {
        let artifact = Artifact::new(&loaded.spec, loaded.cell.as_deref(), &loaded.set())?;
        let written = data::write_file(path, artifact.to_ron().as_bytes());
        written.map_err(|it| CliError::data(path, it))?;
        ctx.note(&format!("wrote {}", path.display()));
    }
    match args.emit {
        Some(stage) => emit(ctx, &cell, stage)?,
        None if args.json => ctx.json(&Summary::of(cell.ir()))?,
        None => ctx.out(&Summary::of(cell.ir()).text())?,
    }
    ctx.lap("compile");
    if args.timings {
        ctx.show_timings();
    }
    Ok(())
}

fn emit(ctx: &mut Context, cell: &CellSpec, stage: Emit) -> Result<(), CliError> {
    let cell = cell.ir();
    let text = match stage {
        Emit::Ast | Emit::Plan => return Ok(()),
        Emit::Ir => ir::print::cell(cell),
        Emit::Forward => ir::print::cell(&derive::simplify_cell(cell)),
        Emit::Backward => {
            let forward = derive::simplify_cell(cell);
            let adjoint = derive::adjoint(&forward, &pointwise::table());
            derive::print_backward(&forward, &adjoint)
        }
        Emit::Tangent => {
            let forward = derive::simplify_cell(cell);
            let tangent = derive::tangent(&forward, &pointwise::table());
            derive::print_tangent(&forward, &tangent)
        }
    };
    ctx.out(&text)
}

/// What a cell is, for people and machines.
#[derive(Serialize)]
struct Summary {
    version: u32,
    cell: String,
    dims: Vec<Entry>,
    hypers: Vec<Entry>,
    inputs: Vec<Entry>,
    states: Vec<Entry>,
    past: Vec<Entry>,
    params: Vec<Entry>,
    /// The number of trained numbers, as a formula.
    parameters: String,
    /// Params that are used more than once within a step.
    shared: Vec<String>,
    outputs: Vec<Entry>,
    loop_: Loop,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    what: String,
}

/// How the time loop splits.
#[derive(Serialize)]
struct Loop {
    once: Vec<String>,
    before_loop: Vec<String>,
    in_loop: Vec<String>,
    after_loop: Vec<String>,
    products: ProductCount,
}

impl Summary {
    fn of(cell: &ir::Cell) -> Summary {
        let entry = |name: &str, what: String| Entry { name: name.to_owned(), what };
        let shaped = |name: &str, shape: &ir::Shape| entry(name, shape.to_string());
        let dims = cell.dims.iter().map(|it| {
            let what = match (&it.like, it.default) {
                (Some(other), _) => format!("like {other}"),
                (None, Some(default)) => format!("= {default}"),
                (None, None) => String::new(),
            };
            entry(&it.name, what)
        });
        let derived = cell.derived.iter().map(|(name, dim)| entry(name, format!("= {dim}")));
        let hypers = cell.hypers.iter().map(|it| match &it.kind {
            HyperKind::Number(value) => entry(&it.name, ir::print::constant(value)),
            HyperKind::Activation(text) => entry(&it.name, text.clone()),
        });
        let inputs = cell.inputs.iter().map(|it| match &it.index {
            Some(dim) => entry(&it.name, format!("index[{dim}]")),
            None => shaped(&it.name, &it.shape),
        });
        let params = cell.params.iter().map(|it| {
            let note = if it.trained { "" } else { " (const)" };
            entry(&it.name, format!("{}{note}", it.shape))
        });
        let carries = |states: bool| {
            let chosen = cell.carries.iter().filter(move |it| it.is_state == states);
            chosen.map(|it| entry(&it.name, it.shape.to_string())).collect()
        };
        Summary {
            version: 1,
            cell: cell.name.to_string(),
            dims: dims.chain(derived).collect(),
            hypers: hypers.collect(),
            inputs: inputs.collect(),
            states: carries(true),
            past: carries(false),
            params: params.collect(),
            parameters: cell.parameter_formula().to_string(),
            shared: cell.shared.iter().map(|it| it.to_string()).collect(),
            outputs: (cell.outputs.iter())
                .map(|it| shaped(&it.name, cell.step.shape(it.node)))
                .collect(),
            loop_: Loop::of(cell),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("cell {}\n", self.cell);
        let mut row = |title: &str, entries: &[Entry]| {
            let entries: Vec<String> = entries
                .iter()
                .map(|it| format!("{} {}", it.name, it.what).trim_end().to_owned())
                .collect();
            section(&mut text, title, &entries);
        };
        row("dims", &self.dims);
        row("hypers", &self.hypers);
        row("inputs", &self.inputs);
        row("states", &self.states);
        row("past", &self.past);
        row("params", &self.params);
        row("outputs", &self.outputs);
        section(&mut text, "parameters", std::slice::from_ref(&self.parameters));
        section(&mut text, "shared", &self.shared);
        text.push_str("time loop\n");
        let it = &self.loop_;
        for (title, names, products) in [
            ("once", &it.once, it.products.once),
            ("before", &it.before_loop, it.products.before_loop),
            ("step by step", &it.in_loop, it.products.in_loop),
            ("after", &it.after_loop, it.products.after_loop),
        ] {
            let mut words = names.clone();
            match products {
                0 => {}
                1 => words.push("1 product".to_owned()),
                n => words.push(format!("{n} products")),
            }
            if title == "step by step" && it.products.depth > 1 {
                words.push(format!("{} of them wait for each other", it.products.depth));
            }
            section(&mut text, &format!("  {title}"), &words);
        }
        text
    }
}

impl Loop {
    fn of(cell: &ir::Cell) -> Loop {
        let phases = dependence::phases(cell);
        let named = |phase: Phase| -> Vec<String> {
            let equations = cell.values.iter().filter(|it| it.kind != ir::ValueKind::Input);
            let mut names: Vec<String> = equations
                .filter(|it| phases[it.node.idx()] == phase)
                .map(|it| it.name.to_string())
                .collect();
            // An output that is a state has two entries.
            names.dedup();
            names
        };
        Loop {
            once: named(Phase::Once),
            before_loop: named(Phase::BeforeLoop),
            in_loop: named(Phase::Loop),
            after_loop: named(Phase::AfterLoop),
            products: dependence::products(cell),
        }
    }
}

/// A title and a list, wrapped at 80 columns with the list in a column of its own.
fn section(text: &mut String, title: &str, entries: &[String]) {
    const INDENT: usize = 16;
    const WIDTH: usize = 80;
    if entries.is_empty() {
        return;
    }
    let mut line = format!("{:INDENT$}", format!("  {title}"));
    for (idx, entry) in entries.iter().enumerate() {
        let comma = if idx + 1 < entries.len() { "," } else { "" };
        let blank = if line.len() > INDENT { " " } else { "" };
        if line.len() > INDENT && line.len() + entry.len() + 2 > WIDTH {
            writeln!(text, "{}", line.trim_end()).expect("writing to a string cannot fail");
            line = format!("{:INDENT$}{entry}{comma}", "");
        } else {
            line = format!("{line}{blank}{entry}{comma}");
        }
    }
    writeln!(text, "{}", line.trim_end()).expect("writing to a string cannot fail");
}
