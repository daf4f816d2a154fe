//! `rnnc list` and `rnnc show`: the built-in library.

use std::ffi::OsString;
use std::path::Path;

use serde::Serialize;

use super::args::{ListArgs, ShowArgs};
use super::columns;
use super::context::Context;
use super::error::CliError;
use super::load::{self, Source};
use crate::api::{self, Spec};
use crate::check::Program;
use crate::ir::{self, Env};
use crate::plan::pipeline::{self, Graphs, Part};
use crate::syntax::{self, ast};
use crate::text::{FileId, SourceFile};
use crate::{docgen, hir};

#[derive(Serialize)]
struct Listing {
    version: u32,
    cells: Vec<ListedCell>,
}

#[derive(Serialize)]
struct ListedCell {
    name: String,
    group: String,
    cell: String,
    summary: String,
    dims: Vec<String>,
    inputs: Vec<Shaped>,
    states: Vec<Shaped>,
    outputs: Vec<String>,
    /// The number of trained numbers, as a formula.
    parameters: String,
    /// The class of its recurrence.
    recurrence: String,
}

#[derive(Serialize)]
struct Shaped {
    name: String,
    shape: String,
}

/// Lists the library, a line each.
pub fn list(ctx: &mut Context, args: &ListArgs) -> Result<(), CliError> {
    let mut files = Vec::new();
    let models = api::models().filter(|_| !args.markdown);
    for file in api::library().chain(models) {
        let spec = Spec::read(&format!("std/{}", file.name), file.source.as_bytes())
            .map_err(api::Error::from)?;
        files.push((file, spec));
    }
    if args.markdown {
        return ctx.out(&page(&files));
    }
    let cells: Vec<ListedCell> =
        files.iter().filter_map(|(file, spec)| Some(listed(file, spec.main()?))).collect();
    if args.json {
        return ctx.json(&Listing { version: 1, cells });
    }
    let terminal = columns::terminal();
    let width = cells.iter().map(|it| it.name.len()).max().unwrap_or(0);
    for (idx, (group, about)) in api::GROUPS.iter().chain([&api::MODELS]).enumerate() {
        if idx > 0 {
            ctx.line("")?;
        }
        ctx.out(&columns::paragraph(&format!("{group}: {about}"), terminal))?;
        for it in cells.iter().filter(|it| it.group == *group) {
            ctx.out(&columns::entry(&it.name, width, &it.summary, terminal))?;
        }
    }
    Ok(())
}

fn page(files: &[(api::LibraryFile, Spec)]) -> String {
    let entries: Vec<docgen::page::Entry<'_>> = files
        .iter()
        .filter_map(|(file, spec)| {
            let cell = spec.main()?;
            let (name, group, summary) = (file.name, file.group, summary(&cell.doc));
            Some(docgen::page::Entry { name, group, summary, program: spec.program(), cell })
        })
        .collect();
    docgen::page::page(api::GROUPS, &entries)
}

fn listed(file: &api::LibraryFile, cell: &ir::Cell) -> ListedCell {
    let shaped =
        |name: &str, shape: &ir::Shape| Shaped { name: name.to_owned(), shape: shape.to_string() };
    ListedCell {
        name: format!("std/{}", file.name),
        group: file.group.to_owned(),
        cell: cell.name.to_string(),
        summary: summary(&cell.doc),
        dims: cell.dims.iter().map(|it| it.name.to_string()).collect(),
        inputs: cell.inputs.iter().map(|it| shaped(&it.name, &it.shape)).collect(),
        states: (cell.carries.iter().filter(|it| it.is_state))
            .map(|it| shaped(&it.name, &it.shape))
            .collect(),
        outputs: cell.outputs.iter().map(|it| it.name.to_string()).collect(),
        parameters: cell.parameter_formula().to_string(),
        recurrence: ir::recurrence(cell).to_string(),
    }
}

/// Returns the first sentence of a documentation comment.
fn summary(doc: &[String]) -> String {
    let paragraph: Vec<&str> =
        doc.iter().map(|it| it.trim()).take_while(|it| !it.is_empty()).collect();
    let text = paragraph.join(" ");
    // A full stop ends the sentence only before a blank and a capital: `et al. 2014` goes on.
    let end = text.match_indices(". ").map(|(at, _)| at).find(|&at| {
        let capital = text[at + 2..].chars().next().is_some_and(char::is_uppercase);
        capital && !text[..at].ends_with("al")
    });
    text[..end.unwrap_or(text.len())].trim_end_matches('.').to_owned()
}

/// Prints the source of a library file, or the one that an artifact was made of.
pub fn show(ctx: &mut Context, args: &ShowArgs) -> Result<(), CliError> {
    let name = args.name.to_string_lossy();
    // A name of the library may be given without `std/`, because nothing but the library and
    // artifacts is shown.
    let path = Path::new(&args.name);
    let is_file = path.extension().is_some_and(|it| it == "ron" || it == "rnn") || path.is_file();
    let is_whole = is_file || name == "-" || name.starts_with("std/");
    let spec = if is_whole { args.name.clone() } else { OsString::from(format!("std/{name}")) };
    let source = load::source(ctx, &spec)?;
    let shown = match args.latex {
        true => latex(&source, args.backward)?,
        false => match &source {
            Source::Text(it) => String::from_utf8_lossy(&it.bytes).into_owned(),
            Source::Artifact(artifact) => artifact.source().to_owned(),
        },
    };
    if args.json {
        let (latex, source) = if args.latex { (Some(shown), None) } else { (None, Some(shown)) };
        let name = spec.to_string_lossy().into_owned();
        return ctx.json(&Shown { version: 1, name, source, latex });
    }
    ctx.out(&shown)
}

/// The document of `show --json`.
#[derive(Serialize)]
struct Shown {
    version: u32,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latex: Option<String>,
}

/// Returns the equations of all cells, with those of their backward passes if they are asked for.
fn latex(source: &Source, with_backward: bool) -> Result<String, CliError> {
    let spec = match source {
        Source::Text(it) => it.spec().map_err(api::Error::from)?,
        Source::Artifact(artifact) => artifact.spec()?,
    };
    let tree = hir::resolve(spec.program());
    let files = (0..spec.program().files.len()).map(|it| FileId(it as u16));
    let functions = files.filter_map(|it| docgen::latex::functions(&tree, it));
    let mut all: Vec<String> = functions.collect();
    for (cell, formulas) in tree.cells.iter().zip(docgen::latex::cells(&tree, FileId(0))) {
        all.push(formulas);
        if with_backward
            && let Some(checked) = spec.cells().iter().find(|it| it.name == cell.ast.name.name)
        {
            all.push(backward(cell.ast, checked));
        }
    }
    Ok(format!("{}\n", all.join("\n\n")))
}

/// Returns the equations of the backward pass of a cell.
fn backward(tree: &ast::Cell, cell: &ir::Cell) -> String {
    let passes = pipeline::up_to("simplify-adjoint").unwrap_or_default();
    let printed = Graphs::new(cell, &Env::default(), &[]).run(passes).print(Part::Backward);
    let source = SourceFile::new("", docgen::backward::source(tree, &printed));
    let (file, _) = syntax::parse(&source, FileId(0));
    let program = Program::single(file);
    let resolved = hir::resolve(&program);
    let all: Vec<String> = docgen::latex::cells(&resolved, FileId(0)).collect();
    docgen::backward::sums(&printed, &all.join("\n\n"))
}
