//! `rnnc graph`: draws one step of a cell.

use std::io::IsTerminal;
use std::path::Path;

use super::args::{GraphArgs, GraphFormat, GraphGround, GraphLevel, GraphTheme};
use super::context::Context;
use super::error::CliError;
use super::load::{self, Loaded};
use super::output;
use crate::check;
use crate::diag::Code;
use crate::graph::read::Library;
use crate::graph::svg::Theme;
use crate::graph::{self, Detail, Diagram};
use crate::hir;
use crate::ir;

/// Drawings of more boxes are told about, and their layers stay closed.
const LARGE: usize = 300;
/// Drawings of more boxes are refused.
const TOO_LARGE: usize = 3000;

/// Draws a cell.
pub fn graph(ctx: &mut Context, args: &GraphArgs) -> Result<(), CliError> {
    let format = format(args)?;
    if args.output.is_none() && std::io::stdout().is_terminal() {
        fit_for_terminal(format, &args.cell.spec.to_string_lossy())?;
    }
    let plain = args.level == GraphLevel::Equations && !args.backward;
    if !args.open.is_empty() && !plain {
        let message = "--open is for the forward step at the level of equations";
        return Err(CliError::Usage(message.to_owned()));
    }
    if let Some(path) = &args.output {
        ctx.will_write("-o", path)?;
    }
    let loaded = load::load(ctx, &args.cell)?;
    ctx.check_outputs()?;
    let cell = load::choose(ctx, &loaded)?;
    check_open(args, &loaded)?;
    let detail = match args.level {
        GraphLevel::Cell => Detail::Cell,
        GraphLevel::Equations => Detail::Equations,
        GraphLevel::Operators => Detail::Operators,
    };
    let opens = |name: &str| args.open.iter().any(|it| it == "all" || it == name);
    let mut diagram = drawn(&loaded, cell.ir(), detail, args.backward, &opens);
    if diagram.size() > LARGE && !args.open.is_empty() {
        ctx.note(&format!(
            "with layers open these are {} boxes, more than {LARGE}: all layers are drawn closed",
            diagram.size()
        ));
        diagram = drawn(&loaded, cell.ir(), detail, args.backward, &|_| false);
    }
    let size = diagram.size();
    if size > TOO_LARGE {
        let other = match detail {
            Detail::Operators => "equations",
            Detail::Equations | Detail::Cell => "cell",
        };
        let message = format!(
            "a drawing of {size} boxes, more than {TOO_LARGE}, shows nothing; `--level {other}` draws less"
        );
        return Err(CliError::Fit { code: Code::BadSetting, message });
    }
    if size > LARGE && args.open.is_empty() {
        ctx.note(&format!("a large drawing, of {size} boxes"));
    }
    let text = match format {
        GraphFormat::Dot => graph::dot::dot(&diagram),
        GraphFormat::Mermaid => graph::mermaid::mermaid(&diagram),
        GraphFormat::Json => {
            let picture = graph::picture::picture(&diagram, graph::LEGEND);
            graph::json::json(&diagram, &picture, detail.word(), cell.sources())
        }
        GraphFormat::Svg => {
            let picture = graph::picture::picture(&diagram, graph::LEGEND);
            let theme = match args.theme {
                GraphTheme::Auto => Theme::Auto,
                GraphTheme::Light => Theme::Light,
                GraphTheme::Dark => Theme::Dark,
            };
            graph::svg::svg(&diagram, &picture, theme, args.ground == GraphGround::Painted)
        }
    };
    match &args.output {
        Some(path) => ctx.write(path, text.as_bytes()),
        None => ctx.out(&text),
    }
}

fn drawn(
    loaded: &Loaded,
    cell: &ir::Cell,
    detail: Detail,
    is_backward: bool,
    open: &dyn Fn(&str) -> bool,
) -> Diagram {
    let spec = &loaded.spec;
    let analysis = check::analyse(spec.program());
    let cells = spec.cells().iter().chain(spec.used_cells()).collect();
    // Ranges are those of the text; settings may move them.
    let is_set = !loaded.set.is_empty();
    let range = |it| analysis.type_of(it).filter(|_| !is_set)?.range;
    let library = Library { tree: &analysis.tree, cells, open, range: &range };
    graph::draw(&library, cell, detail, is_backward)
}

/// Refuses to show a picture as text.
fn fit_for_terminal(format: GraphFormat, spec: &str) -> Result<(), CliError> {
    match format {
        GraphFormat::Svg => Err(CliError::Usage(format!(
            "a drawing is for a file or a viewer, not for a terminal: `rnnc graph {spec} -o cell.svg` \
             writes one, `--format mermaid` prints text"
        ))),
        GraphFormat::Dot | GraphFormat::Mermaid | GraphFormat::Json => Ok(()),
    }
}

/// Returns the format that is asked for, which the name of the file must not contradict.
fn format(args: &GraphArgs) -> Result<GraphFormat, CliError> {
    let asked = if args.json { Some(GraphFormat::Json) } else { args.format };
    let Some(path) = &args.output else { return Ok(asked.unwrap_or(GraphFormat::Svg)) };
    match (asked, ending(path)) {
        (Some(asked), Some(named)) if asked != named => {
            let shown = path.display();
            let message = format!("-o {shown}: the name says another format than is asked for");
            Err(CliError::Usage(message))
        }
        (Some(asked), _) => Ok(asked),
        (None, Some(named)) => Ok(named),
        (None, None) => {
            let shown = path.display();
            let message = format!(
                "-o {shown}: a drawing is known by its name, which ends in .svg, .dot, .mmd or .json"
            );
            Err(CliError::Usage(message))
        }
    }
}

fn ending(path: &Path) -> Option<GraphFormat> {
    match &*output::extension(path)? {
        "svg" => Some(GraphFormat::Svg),
        "dot" | "gv" => Some(GraphFormat::Dot),
        "mmd" | "mermaid" => Some(GraphFormat::Mermaid),
        "json" => Some(GraphFormat::Json),
        _ => None,
    }
}

/// Checks that every name to open is a layer, of the cell or within one.
fn check_open(args: &GraphArgs, loaded: &Loaded) -> Result<(), CliError> {
    let tree = hir::resolve(loaded.spec.program());
    let layers = tree.cells.iter().flat_map(|it| it.layers.iter().map(|it| &*it.decl.name.name));
    let layers: Vec<&str> = layers.collect();
    for name in args.open.iter().filter(|it| *it != "all") {
        let unknown = name.split('.').find(|it| !layers.contains(it));
        if let Some(unknown) = unknown {
            let known = match layers.is_empty() {
                true => "there are no layers".to_owned(),
                false => format!("the layers are {}", layers.join(", ")),
            };
            let message = format!("--open {name}: `{unknown}` is no layer; {known}");
            return Err(CliError::Usage(message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_no_picture_but_hears_how_to_get_one() {
        let Err(CliError::Usage(message)) = fit_for_terminal(GraphFormat::Svg, "my.rnn") else {
            panic!("a terminal got a picture");
        };
        assert!(message.contains("rnnc graph my.rnn -o cell.svg"), "{message}");
        assert!(fit_for_terminal(GraphFormat::Mermaid, "my.rnn").is_ok());
    }
}
