//! What is wrong with a drawing, by its geometry.

use rnnc::graph::Diagram;
use rnnc::graph::diagram::{Kind, Node};
use rnnc::graph::layout::Piece;
use rnnc::graph::picture::{Line, Picture, Rect};

/// Labels, boxes and lines that overlap; what is cut off; lines that are missing or in pieces.
pub fn problems(diagram: &Diagram, picture: &Picture) -> Vec<String> {
    let mut out = Vec::new();
    boxes(picture, &mut out);
    labels(picture, &mut out);
    lines(picture, &mut out);
    reads(diagram, picture, &mut out);
    out
}

fn is_frame(node: &Node) -> bool {
    matches!(node.kind, Kind::Frame(_))
}

fn overlap(a: &Rect, b: &Rect) -> bool {
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

fn within(a: &Rect, b: &Rect) -> bool {
    b.x <= a.x && a.x + a.width <= b.x + b.width && b.y <= a.y && a.y + a.height <= b.y + b.height
}

fn covered(piece: &Piece) -> Rect {
    let (x, y) = (piece.from.0.min(piece.to.0), piece.from.1.min(piece.to.1));
    let (right, low) = (piece.from.0.max(piece.to.0), piece.from.1.max(piece.to.1));
    Rect { x, y, width: right - x, height: low - y }
}

/// Whether a line, which has no width, runs through a box that is smaller by a margin.
fn crosses(piece: &Piece, rect: &Rect, margin: i32) -> bool {
    let it = covered(piece);
    it.x < rect.x + rect.width - margin
        && rect.x + margin < it.x + it.width.max(1)
        && it.y < rect.y + rect.height - margin
        && rect.y + margin < it.y + it.height.max(1)
}

fn boxes(picture: &Picture, out: &mut Vec<String>) {
    let page = Rect { x: 0, y: 0, width: picture.width, height: picture.height };
    let shapes: Vec<_> =
        picture.nodes.iter().filter(|it| !matches!(it.node.kind, Kind::Pin(_))).collect();
    for (at, a) in shapes.iter().enumerate() {
        if !within(&a.rect, &page) {
            out.push(format!("{} is cut off", a.id));
        }
        for b in &shapes[at + 1..] {
            let nested = is_frame(&a.node) && within(&b.rect, &a.rect)
                || is_frame(&b.node) && within(&a.rect, &b.rect);
            if overlap(&a.rect, &b.rect) && !nested {
                out.push(format!("boxes overlap: {} and {}", a.id, b.id));
            }
        }
    }
}

fn labels(picture: &Picture, out: &mut Vec<String>) {
    let page = Rect { x: 0, y: 0, width: picture.width, height: picture.height };
    let mut all: Vec<(String, Rect)> = Vec::new();
    for node in &picture.nodes {
        for label in &node.labels {
            let (rect, text) = (label.rect(), label.text.letters());
            if !matches!(node.node.kind, Kind::Pin(_)) && !within(&rect, &node.rect) {
                out.push(format!("`{text}` stands out of its box {}", node.id));
            }
            all.push((text, rect));
        }
    }
    all.extend(picture.labels.iter().map(|it| (it.text.letters(), it.rect())));
    for (at, (text, a)) in all.iter().enumerate() {
        if !within(a, &page) {
            out.push(format!("`{text}` is cut off"));
        }
        for (other, b) in &all[at + 1..] {
            if overlap(a, b) {
                out.push(format!("labels overlap: `{text}` and `{other}`"));
            }
        }
        for line in &picture.lines {
            if line.pieces.iter().any(|it| crosses(it, a, 0)) {
                out.push(format!("a line of {} runs through `{text}`", name(picture, line)));
            }
        }
    }
}

fn name(picture: &Picture, line: &Line) -> String {
    picture.nodes[line.source.0].id.clone()
}

fn lines(picture: &Picture, out: &mut Vec<String>) {
    for line in &picture.lines {
        for node in picture.nodes.iter() {
            let solid = !matches!(node.node.kind, Kind::Pin(_) | Kind::Frame(_));
            if solid && line.pieces.iter().any(|it| crosses(it, &node.rect, 2)) {
                out.push(format!("a line of {} runs through {}", name(picture, line), node.id));
            }
        }
        if !is_joined(&line.pieces) {
            out.push(format!("the line of {} is not joined", name(picture, line)));
        }
    }
    // Lines of two values meet only where they cross.
    for (at, a) in picture.lines.iter().enumerate() {
        for b in picture.lines[at + 1..].iter().filter(|it| it.source != a.source) {
            let meet = |x: &Piece, y: &Piece| {
                let (p, q) = (covered(x), covered(y));
                let flat = p.height == 0 && q.height == 0 && (p.y - q.y).abs() < 3;
                let steep = p.width == 0 && q.width == 0 && (p.x - q.x).abs() < 3;
                flat && p.x < q.x + q.width && q.x < p.x + p.width
                    || steep && p.y < q.y + q.height && q.y < p.y + p.height
            };
            // A rail goes on from one item to the next.
            let both = a.is_rail && b.is_rail;
            if !both && a.pieces.iter().any(|x| b.pieces.iter().any(|y| meet(x, y))) {
                let (a, b) = (name(picture, a), name(picture, b));
                out.push(format!("lines of {a} and {b} run into each other"));
            }
        }
    }
}

/// Whether all pieces hang together.
fn is_joined(pieces: &[Piece]) -> bool {
    let touches = |a: &Piece, b: &Piece| {
        let (p, q) = (covered(a), covered(b));
        p.x <= q.x + q.width
            && q.x <= p.x + p.width
            && p.y <= q.y + q.height
            && q.y <= p.y + p.height
    };
    let mut seen = vec![false; pieces.len()];
    let mut open: Vec<usize> = vec![0];
    while let Some(at) = open.pop() {
        if std::mem::replace(&mut seen[at], true) {
            continue;
        }
        open.extend((0..pieces.len()).filter(|it| touches(&pieces[at], &pieces[*it])));
    }
    seen.iter().all(|it| *it)
}

/// Each read has one line that ends at its reader.
fn reads(diagram: &Diagram, picture: &Picture, out: &mut Vec<String>) {
    // Of the outermost step: the lines of an opened layer are counted with its own.
    for (at, node) in diagram.nodes.iter().enumerate() {
        let is_pin = matches!(node.kind, Kind::Pin(_));
        for read in &node.reads {
            let lines = picture
                .lines
                .iter()
                .filter(|it| it.source == (read.from.node, read.from.port) && !it.is_dashed);
            let rect = &picture.nodes[at].rect;
            let at_box = |x: i32, y: i32| {
                let (left, right) = (rect.x - 1, rect.x + rect.width + 1);
                left <= x && x <= right && rect.y <= y && y <= rect.y + rect.height + 1
            };
            let tips: usize = lines
                .clone()
                .map(|it| it.tips.iter().filter(|it| at_box(it.0.0, it.0.1)).count())
                .sum();
            // A pin has its arrow outside of the frame.
            let y = rect.y + rect.height / 2;
            let reaches = |it: &Line| it.pieces.iter().any(|it| it.to.1 == y || it.from.1 == y);
            let from = &picture.nodes[read.from.node].id;
            let wanted = node.reads.iter().filter(|it| it.from == read.from).count();
            if is_pin && !lines.clone().any(reaches) || !is_pin && tips != wanted {
                let id = &picture.nodes[at].id;
                out.push(format!("{tips} lines from {from} where {wanted} arrives at {id}"));
            }
        }
    }
}
