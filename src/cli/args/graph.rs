//! The arguments of `rnnc graph`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{CellArgs, examples, heading};

/// As what a drawing is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum GraphFormat {
    /// A picture.
    Svg,
    /// For Graphviz.
    Dot,
    /// For Mermaid, as in Markdown.
    Mermaid,
    /// For machines: boxes, lines and places.
    Json,
}

/// The detail in which a cell is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum GraphLevel {
    /// The cell as one box.
    Cell,
    /// An equation a box, as written.
    Equations,
    /// An operator a box, as compiled.
    Operators,
}

/// The colours of a drawing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum GraphTheme {
    /// Dark where the reader's page is, else light.
    Auto,
    /// On white.
    Light,
    /// On black.
    Dark,
}

/// The ground of a drawing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum GraphGround {
    /// A ground of its own.
    Painted,
    /// That of the page.
    None,
}

/// `rnnc graph`
#[derive(Debug, Args)]
#[command(after_help = examples::GRAPH)]
pub struct GraphArgs {
    #[command(flatten)]
    pub cell: CellArgs,
    /// The file of the drawing: .svg, .dot, .mmd or .json; without it, standard output
    #[arg(help_heading = heading::RESULTS, long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// As what it is written; by default what the file's name ends in says, else svg
    #[arg(help_heading = heading::RESULTS, long, value_enum)]
    pub format: Option<GraphFormat>,
    /// Writes JSON, as --format json; what goes wrong is told as JSON too
    #[arg(help_heading = heading::RESULTS, long, conflicts_with = "format")]
    pub json: bool,
    /// The detail of the drawing
    #[arg(help_heading = "Drawing", long, value_enum, default_value_t = GraphLevel::Equations)]
    pub level: GraphLevel,
    /// Draws the inside of a layer, such as a or a.b, or of all
    #[arg(help_heading = "Drawing", long, value_name = "NAME|all")]
    pub open: Vec<String>,
    /// Draws one backward step, as `compile --emit backward` derives it
    #[arg(help_heading = "Drawing", long)]
    pub backward: bool,
    /// The colours
    #[arg(help_heading = "Drawing", long, value_enum, default_value_t = GraphTheme::Auto)]
    pub theme: GraphTheme,
    /// The ground: one of its own, or that of the page
    #[arg(help_heading = "Drawing", long, value_enum, default_value_t = GraphGround::Painted)]
    pub ground: GraphGround,
}
