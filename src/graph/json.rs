//! A drawing for machines: what is in it, where, and where it is written.

use serde::Serialize;

use super::diagram::{Diagram, Kind};
use super::picture::Picture;
use crate::text::SourceMap;

/// A drawing.
#[derive(Serialize)]
struct Drawing<'a> {
    version: u32,
    cell: &'a str,
    level: &'a str,
    width: i32,
    height: i32,
    nodes: Vec<Node<'a>>,
    edges: Vec<Edge<'a>>,
}

#[derive(Serialize)]
struct Node<'a> {
    id: &'a str,
    kind: &'static str,
    name: Option<&'a str>,
    function: Option<&'a str>,
    text: Vec<String>,
    shape: &'a str,
    rail: Option<usize>,
    x: i32,
    y: i32,
    w: i32,
    h: i32,
    span: Option<Span<'a>>,
}

#[derive(Serialize)]
struct Edge<'a> {
    from: &'a str,
    to: &'a str,
    delay: u32,
    rail: bool,
}

#[derive(Serialize)]
struct Span<'a> {
    file: &'a str,
    line: usize,
    column: usize,
}

/// Writes a drawing as indented JSON.
pub fn json(diagram: &Diagram, picture: &Picture, level: &str, sources: &SourceMap) -> String {
    let nodes = picture.nodes.iter().map(|it| {
        let node = &it.node;
        let text = std::iter::once(&node.head).chain(match &node.kind {
            Kind::Layer(_) => &node.lines[..1.min(node.lines.len())],
            Kind::Box(_) | Kind::Operator | Kind::Move | Kind::Pin(_) | Kind::Frame(_) => {
                &node.lines[..]
            }
        });
        let span = node.span.filter(|it| usize::from(it.file.0) < sources.files().len());
        let span = span.map(|it| {
            let place = sources.place(it);
            Span { file: &sources.file(it.file).name, line: place.line, column: place.column }
        });
        Node {
            id: &it.id,
            kind: node.word(),
            name: node.name.as_deref(),
            function: node.function.as_deref(),
            text: text.map(|it| it.letters()).filter(|it| !it.is_empty()).collect(),
            shape: &node.shape,
            rail: node.rail,
            x: it.rect.x,
            y: it.rect.y,
            w: it.rect.width,
            h: it.rect.height,
            span,
        }
    });
    let edges = picture.edges.iter().map(|it| Edge {
        from: &picture.nodes[it.from].id,
        to: &picture.nodes[it.to].id,
        delay: it.delay,
        rail: it.is_rail,
    });
    let drawing = Drawing {
        version: 1,
        cell: &diagram.name,
        level,
        width: picture.width,
        height: picture.height,
        nodes: nodes.collect(),
        edges: edges.collect(),
    };
    // Strings and numbers alone: writing them cannot fail.
    let text = serde_json::to_string_pretty(&drawing).unwrap_or_default();
    format!("{text}\n")
}
