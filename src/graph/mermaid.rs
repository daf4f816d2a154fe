//! A drawing for Mermaid, which places it itself.

use std::fmt::Write as _;

use super::diagram::{Diagram, Kind, Paint};
use super::dot::{dashed, ends, label};

/// Writes a drawing as a flowchart.
pub fn mermaid(diagram: &Diagram) -> String {
    let way = if diagram.is_backward { "RL" } else { "LR" };
    let mut out = format!("---\ntitle: \"{}\"\n---\nflowchart {way}\n", text(&diagram.title));
    let mut links = Links::default();
    graph(&mut out, diagram, "", 1, &mut links);
    for (at, is_rail) in links.looks.iter().enumerate() {
        if *is_rail {
            let _ = writeln!(out, "  linkStyle {at} stroke:#b3261e,stroke-width:4px");
        }
    }
    out.push_str("  classDef gate fill:#fff1c9,stroke:#a67c00,color:#1b2430\n");
    out.push_str("  classDef activation fill:#dcebfb,stroke:#2f6db0,color:#1b2430\n");
    out
}

/// Links are styled by their number.
#[derive(Default)]
struct Links {
    looks: Vec<bool>,
}

fn graph(out: &mut String, diagram: &Diagram, prefix: &str, depth: usize, links: &mut Links) {
    let indent = "  ".repeat(depth);
    for (at, node) in diagram.nodes.iter().enumerate() {
        if let Kind::Frame(inner) = &node.kind {
            let title = text(&node.head.letters());
            let _ = writeln!(out, "{indent}subgraph f{prefix}{at} [\"{title}\"]");
            graph(out, inner, &format!("{prefix}{at}_"), depth + 1, links);
            let _ = writeln!(out, "{indent}end");
            continue;
        }
        let (open, close) = match &node.kind {
            Kind::Box(Paint::Gate | Paint::Activation) => ("(", ")"),
            Kind::Box(Paint::Linear) | Kind::Layer(_) | Kind::Frame(_) => ("[", "]"),
            Kind::Operator => ("((", "))"),
            Kind::Move => ("([", "])"),
            Kind::Pin(_) => ("[/", "/]"),
        };
        let class = match &node.kind {
            Kind::Box(Paint::Gate) => ":::gate",
            Kind::Box(Paint::Activation) => ":::activation",
            Kind::Box(Paint::Linear) | Kind::Operator | Kind::Move => "",
            Kind::Layer(_) | Kind::Frame(_) | Kind::Pin(_) => "",
        };
        let shown = text(&label(node));
        let _ = writeln!(out, "{indent}n{prefix}{at}{open}\"{shown}\"{close}{class}");
    }
    for (at, node) in diagram.nodes.iter().enumerate() {
        for read in &node.reads {
            let from = &diagram.nodes[read.from.node];
            let (source, target) = ends(diagram, prefix, at, read);
            let arrow = match (read.is_rail, dashed(from, node)) {
                (true, _) => "==>",
                (false, true) => "-.->",
                (false, false) => "-->",
            };
            links.looks.push(read.is_rail);
            let _ = writeln!(out, "{indent}n{source} {arrow} n{target}");
        }
    }
}

/// Text between quotation marks: signs of the language as their numbers.
fn text(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '\n' => out.push_str("<br>"),
            '"' | '#' | '<' | '>' | '&' | '`' | ';' => {
                let _ = write!(out, "#{};", u32::from(letter));
            }
            it => out.push(it),
        }
    }
    out
}
