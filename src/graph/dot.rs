//! A drawing for Graphviz, which places it itself.

use std::fmt::Write as _;

use super::diagram::{Diagram, Kind, Node, Paint, Read};

/// Writes a drawing in the language of `dot`.
pub fn dot(diagram: &Diagram) -> String {
    let mut out = format!("digraph {} {{\n", quoted(&diagram.title));
    let way = if diagram.is_backward { "RL" } else { "LR" };
    let _ = writeln!(out, "  rankdir={way}; node [fontname=\"DejaVu Sans\", fontsize=11];");
    graph(&mut out, diagram, "", 1);
    out.push_str("}\n");
    out
}

fn graph(out: &mut String, diagram: &Diagram, prefix: &str, depth: usize) {
    let indent = "  ".repeat(depth);
    for (at, node) in diagram.nodes.iter().enumerate() {
        if let Kind::Frame(inner) = &node.kind {
            let _ = writeln!(out, "{indent}subgraph \"cluster_{prefix}{at}\" {{");
            let _ = writeln!(out, "{indent}  label={};", quoted(&node.head.letters()));
            graph(out, inner, &format!("{prefix}{at}_"), depth + 1);
            let _ = writeln!(out, "{indent}}}");
            continue;
        }
        let look = match &node.kind {
            Kind::Box(Paint::Gate) => "shape=box, style=\"rounded,filled\", fillcolor=\"#fff1c9\"",
            Kind::Box(Paint::Activation) => {
                "shape=box, style=\"rounded,filled\", fillcolor=\"#dcebfb\""
            }
            Kind::Box(Paint::Linear) => "shape=box, style=filled, fillcolor=\"#eceff3\"",
            Kind::Operator => "shape=circle, margin=0.02",
            Kind::Move => "shape=box, style=\"rounded,filled\", fillcolor=\"#eceff3\"",
            Kind::Layer(_) | Kind::Frame(_) => "shape=box, style=rounded",
            Kind::Pin(_) => "shape=plaintext",
        };
        let _ = writeln!(out, "{indent}n{prefix}{at} [label={}, {look}];", quoted(&label(node)));
    }
    for (at, node) in diagram.nodes.iter().enumerate() {
        for read in &node.reads {
            let from = &diagram.nodes[read.from.node];
            let (source, target) = ends(diagram, prefix, at, read);
            let look = match (read.is_rail, dashed(from, node)) {
                (true, _) => " [color=\"#b3261e\", penwidth=3]",
                (false, true) => " [style=dashed]",
                (false, false) => "",
            };
            let _ = writeln!(out, "{indent}n{source} -> n{target}{look};");
        }
    }
}

/// Returns the ids of the boxes that a read of the node at `at` joins; those of opened layers are pins within.
pub(super) fn ends(diagram: &Diagram, prefix: &str, at: usize, read: &Read) -> (String, String) {
    let from = &diagram.nodes[read.from.node];
    let source = match &from.kind {
        Kind::Frame(inner) => {
            let name = from.ports.get(read.from.port);
            let end = leaving(inner, name.map_or("", |it| it.as_str()));
            format!("{prefix}{}_{end}", read.from.node)
        }
        _ => format!("{prefix}{}", read.from.node),
    };
    let target = match (&diagram.nodes[at].kind, read.to) {
        (Kind::Frame(_), Some(to)) => format!("{prefix}{at}_{to}"),
        _ => format!("{prefix}{at}"),
    };
    (source, target)
}

/// Returns the pin through which a value leaves an opened layer.
fn leaving(inner: &Diagram, name: &str) -> usize {
    let is_it = |it: &Node| match &it.kind {
        Kind::Pin(pin) => !pin.is_given() && it.name.as_deref() == Some(name),
        Kind::Box(_) | Kind::Operator | Kind::Move | Kind::Layer(_) | Kind::Frame(_) => false,
    };
    inner.nodes.iter().rposition(is_it).unwrap_or(0)
}

/// Returns true if a line runs between steps.
pub(super) fn dashed(from: &Node, to: &Node) -> bool {
    let is_dashed = |it: &Node| match &it.kind {
        Kind::Pin(pin) => pin.is_dashed(),
        Kind::Box(_) | Kind::Operator | Kind::Move | Kind::Layer(_) | Kind::Frame(_) => false,
    };
    is_dashed(from) || is_dashed(to)
}

/// Returns the text of a node, a line each.
pub(super) fn label(node: &Node) -> String {
    let mut lines = vec![node.head.letters()];
    if !matches!(node.kind, Kind::Layer(_)) {
        lines.extend(node.lines.iter().map(|it| it.letters()));
    }
    if matches!(node.kind, Kind::Pin(_)) && !node.shape.is_empty() {
        lines.push(node.shape.clone());
    }
    lines.retain(|it| !it.is_empty());
    lines.join("\n")
}

fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{text}\"")
}
