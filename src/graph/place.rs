//! From boxes and lines to places: how large each node is, and what is drawn where.

use super::diagram::{Diagram, Kind, Node, Pin};
use super::layout::{self, End, Item, Layout, Piece, Port, RADIUS, Way};
use super::picture::{Anchor, BODY, Edge, HEAD, Label, Line, Picture, Rect, SMALL, Shown, Tip};
use super::text::{Rich, width};

/// From one line of a box to the next.
const LINE: i32 = 17;
/// The dashed line before a pin and behind one.
const STUB: (i32, i32) = (26, 22);
/// The dashed lines of the states of a closed layer.
const LAYER_STUB: i32 = 16;

/// One step with its pins, in a place of its own.
pub(super) struct Sheet {
    /// The nodes and lines.
    pub picture: Picture,
    /// The extent of the boxes.
    pub inside: (i32, i32),
    /// The height of each node of the diagram.
    heights: Vec<i32>,
}

impl Sheet {
    /// Places a step; `prefix` comes before the names in it.
    pub fn of(diagram: &Diagram, prefix: &str) -> Sheet {
        let inner: Vec<Option<Sheet>> = (diagram.nodes.iter())
            .map(|it| match &it.kind {
                Kind::Frame(inner) => {
                    let name = it.name.clone().unwrap_or_default();
                    Some(Sheet::of(inner, &format!("{prefix}{name}.")))
                }
                Kind::Box(_) | Kind::Operator | Kind::Move | Kind::Pin(_) | Kind::Layer(_) => None,
            })
            .collect();
        let mut items: Vec<Item> = (diagram.nodes.iter().zip(&inner))
            .map(|(node, inner)| item(node, inner.as_ref()))
            .collect();
        // A box over what is given stays beside it.
        for (idx, node) in diagram.nodes.iter().enumerate() {
            let given = |it: &super::diagram::Read| items[it.from.node].end == End::Given;
            let is_box = matches!(node.kind, Kind::Box(_));
            let stays = is_box && !node.reads.is_empty() && node.reads.iter().all(given);
            items[idx].may_move = !stays;
        }
        let layout = layout::lay_out(&items, diagram.rails);
        let labels = |given: bool| {
            let pins = diagram.nodes.iter().filter(move |it| match &it.kind {
                Kind::Pin(pin) => pin.is_given() == given,
                Kind::Box(_) | Kind::Operator | Kind::Move | Kind::Layer(_) | Kind::Frame(_) => {
                    false
                }
            });
            let wide = |it: &Node| it.head.width(HEAD).max(width(&under(it), SMALL));
            pins.map(wide).max().unwrap_or(0).max(20)
        };
        // What is left of the frame: a margin, labels, the lines of pins.
        let left = 14 + labels(true) + 6 + STUB.0;
        let x_out = left + layout.right + 6;
        let mut picture = Picture {
            width: x_out + STUB.1 + 7 + 5 + labels(false) + 14,
            height: layout.bottom,
            ..Picture::default()
        };
        let shift = |(x, y): (i32, i32)| (x + left, y);
        let heights = layout.middles.iter().map(|it| it.1).collect();
        let ids = ids(diagram, prefix);
        for (idx, node) in diagram.nodes.iter().enumerate() {
            let (x, y) = shift(layout.middles[idx]);
            let shown =
                Shown { id: ids[idx].clone(), ..shown(node, &items[idx], x, y, left, x_out) };
            picture.nodes.push(shown);
        }
        lines(diagram, &layout, &items, left, x_out, &mut picture);
        for (idx, node) in diagram.nodes.iter().enumerate() {
            stubs(node, idx, &mut picture);
            for read in &node.reads {
                let delay = match &diagram.nodes[read.from.node].kind {
                    Kind::Pin(Pin::Old(steps)) => steps.first().copied().unwrap_or(1),
                    Kind::Pin(Pin::Feedback) => 1,
                    Kind::Pin(_)
                    | Kind::Box(_)
                    | Kind::Operator
                    | Kind::Move
                    | Kind::Layer(_)
                    | Kind::Frame(_) => 0,
                };
                let edge = Edge { from: read.from.node, to: idx, is_rail: read.is_rail, delay };
                picture.edges.push(edge);
            }
        }
        for (idx, inner) in inner.into_iter().enumerate() {
            if let Some(inner) = inner {
                let rect = picture.nodes[idx].rect;
                picture.take(inner.picture, rect.x, rect.y);
            }
        }
        Sheet { picture, inside: (left, x_out), heights }
    }
}

/// Returns the name of each node for machines: the user's, or a number.
fn ids(diagram: &Diagram, prefix: &str) -> Vec<String> {
    let id = |(idx, node): (usize, &Node)| match (&node.kind, &node.name) {
        (Kind::Pin(pin), Some(name)) => format!("{prefix}{}-{name}", pin.word()),
        (_, Some(name)) => format!("{prefix}{name}"),
        (_, None) => format!("{prefix}n{idx}"),
    };
    diagram.nodes.iter().enumerate().map(id).collect()
}

/// Returns the line below the name of a pin.
fn under(node: &Node) -> String {
    let word = match &node.kind {
        Kind::Pin(Pin::New { is_output: true } | Pin::Output) => "output",
        Kind::Pin(Pin::Constant) => "per sequence",
        Kind::Pin(Pin::Mask) => "mask",
        Kind::Pin(Pin::Target) => "target",
        Kind::Pin(Pin::Feedback) => "feedback",
        Kind::Pin(Pin::Old(_) | Pin::Input | Pin::Result | Pin::New { is_output: false })
        | Kind::Box(_)
        | Kind::Operator
        | Kind::Move
        | Kind::Layer(_)
        | Kind::Frame(_) => "",
    };
    let parts = [node.shape.as_str(), word];
    parts.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Returns the rows of a closed layer: what enters and what leaves.
fn rows(node: &Node, states: &[String]) -> (Vec<Rich>, Vec<Rich>) {
    let before = if node.is_reversed { "t+1" } else { "t−1" };
    let old = states.iter().map(|it| super::text::name(it, before));
    let new = states.iter().map(|it| super::text::name(it, "t"));
    let given = node.reads.iter().map(|it| {
        let name = it.to.and_then(|at| node.lines.get(at + 1)).cloned();
        name.unwrap_or_default()
    });
    let ports = node.ports.iter().map(|it| super::text::name(it, ""));
    (given.chain(old).collect(), ports.chain(new).collect())
}

/// Returns the height of a row of a closed layer from its middle.
fn row(item_height: i32, at: usize) -> i32 {
    54 + LINE * at as i32 - item_height / 2
}

/// Returns the size of a node, and the points where lines may meet it.
fn item(node: &Node, inner: Option<&Sheet>) -> Item {
    let on_rail = node.rail.is_some();
    let text = node.lines.iter().map(|it| it.width(BODY)).max().unwrap_or(0);
    let head = node.head.width(HEAD);
    let count = node.reads.iter().filter(|it| !it.is_rail).count() as i32;
    let mut inset = 0;
    let mut fixed: Vec<Option<i32>> = vec![None; node.reads.len()];
    let mut leaves = vec![0; node.ports.len()];
    let (width, height) = match &node.kind {
        Kind::Box(_) => {
            let lines = node.lines.len() as i32;
            let top = if node.head.is_empty() { 4 } else { 20 };
            let results = node.ports.len() as i32;
            leaves = (0..results).map(|it| (2 * it - (results - 1)) * 7).collect();
            let most = count.max(results);
            let high = (top + LINE * lines + 8).max(10 * (most - 1) + 10);
            ((text.max(head) + 20).max(40), high)
        }
        Kind::Operator => {
            let is_sign = node.head.0.len() == 1 && head < 16;
            let signs = if node.reads.iter().any(|it| it.is_minus) { 18 } else { 0 };
            let wide = if is_sign { 2 * RADIUS } else { head + 18 } + signs;
            let below = if on_rail { 10 * (count - 1) + 8 } else { 0 };
            let high = if on_rail { 0 } else { 11 * (count - 1) + 8 };
            (wide.max(2 * RADIUS).max(below), high.max(2 * RADIUS))
        }
        Kind::Move => {
            let below = if on_rail { 10 * (count - 1) + 8 } else { 0 };
            let high = if on_rail { 0 } else { 11 * (count - 1) + 8 };
            ((node.head.width(11) + 16).max(below), high.max(2 * RADIUS))
        }
        Kind::Pin(_) => (0, 2 * RADIUS),
        Kind::Layer(states) => {
            inset = LAYER_STUB;
            let (left, right) = rows(node, states);
            let wide = |it: &[Rich]| it.iter().map(|it| it.width(BODY)).max().unwrap_or(0);
            let high = 54 + LINE * left.len().max(right.len()) as i32 - 4;
            let first = node.lines.first().map_or(0, |it| it.width(BODY));
            let wide = (wide(&left) + wide(&right) + 36).max(head + 20).max(first + 20);
            fixed = (0..node.reads.len()).map(|it| Some(row(high, it))).collect();
            leaves = (0..node.ports.len()).map(|it| row(high, it)).collect();
            (wide + 2 * inset, high)
        }
        Kind::Frame(diagram) => match inner {
            None => (40, 28),
            Some(sheet) => {
                let middle = sheet.picture.height / 2;
                let at = |node: usize| sheet.heights[node] - middle;
                fixed = node.reads.iter().map(|it| it.to.map(at)).collect();
                let place = |name: &String| {
                    let found = diagram.nodes.iter().rposition(|it| match &it.kind {
                        Kind::Pin(pin) => !pin.is_given() && it.name.as_ref() == Some(name),
                        Kind::Box(_)
                        | Kind::Operator
                        | Kind::Move
                        | Kind::Layer(_)
                        | Kind::Frame(_) => false,
                    });
                    found.map_or(0, at)
                };
                leaves = node.ports.iter().map(place).collect();
                (sheet.picture.width, sheet.picture.height)
            }
        },
    };
    let end = match &node.kind {
        Kind::Pin(pin) if pin.is_given() => End::Given,
        Kind::Pin(_) => End::Result,
        Kind::Box(_) | Kind::Operator | Kind::Move | Kind::Layer(_) | Kind::Frame(_) => End::Within,
    };
    let reads = node.reads.iter().zip(fixed).map(|(it, fixed)| Port {
        from: it.from.node,
        value: it.from.port,
        fixed,
        along: it.is_rail,
    });
    Item {
        width,
        height,
        end,
        rail: node.rail,
        is_round: matches!(node.kind, Kind::Operator | Kind::Move),
        inset,
        may_move: true,
        is_ordered: node.is_ordered,
        reads: reads.collect(),
        leaves,
    }
}

/// Returns a node at its place.
fn shown(node: &Node, item: &Item, x: i32, y: i32, x_in: i32, x_out: i32) -> Shown {
    let rect = Rect {
        x: x - item.width / 2 + item.inset,
        y: y - item.height / 2,
        width: item.width - 2 * item.inset,
        height: item.height,
    };
    let mut labels = Vec::new();
    let mut put = |x, y, anchor, size, text: &Rich| {
        if !text.is_empty() {
            labels.push(Label::new(x, y, anchor, size, text.clone()));
        }
    };
    match &node.kind {
        Kind::Box(_) => {
            let high = LINE * node.lines.len() as i32;
            let all = if node.head.is_empty() { high } else { high + LINE };
            let mut line = y - all / 2 + 13;
            if !node.head.is_empty() {
                put(x, line, Anchor::Middle, HEAD, &node.head);
                line += LINE;
            }
            for text in &node.lines {
                put(x, line, Anchor::Middle, BODY, text);
                line += LINE;
            }
        }
        Kind::Operator => {
            put(x, y + 5, Anchor::Middle, HEAD, &node.head);
        }
        Kind::Move => put(x, y + 4, Anchor::Middle, 11, &node.head),
        Kind::Pin(pin) => {
            let (x, anchor) = match pin.is_given() {
                true => (x_in - STUB.0 - 6, Anchor::End),
                false => (x_out + STUB.1 + 12, Anchor::Start),
            };
            put(x, y + 1, anchor, HEAD, &node.head);
            put(x, y + 14, anchor, SMALL, &Rich::plain(under(node)));
        }
        Kind::Layer(states) => {
            put(x, rect.y + 19, Anchor::Middle, HEAD, &node.head);
            if let Some(text) = node.lines.first() {
                put(x, rect.y + 35, Anchor::Middle, BODY, text);
            }
            let (left, right) = rows(node, states);
            for (at, text) in left.iter().enumerate() {
                let line = y + row(item.height, at) + 4;
                put(rect.x + 8, line, Anchor::Start, BODY, text);
            }
            for (at, text) in right.iter().enumerate() {
                let line = y + row(item.height, at) + 4;
                put(rect.x + rect.width - 8, line, Anchor::End, BODY, text);
            }
        }
        Kind::Frame(_) => put(rect.x + 14, rect.y + 20, Anchor::Start, HEAD, &node.head),
    }
    Shown { id: String::new(), node: node.clone(), rect, labels }
}

/// The lines within a step, and those of its pins.
fn lines(
    diagram: &Diagram,
    layout: &Layout,
    items: &[Item],
    left: i32,
    x_out: i32,
    picture: &mut Picture,
) {
    let shift = |(x, y): (i32, i32)| (x + left, y);
    let moved = |it: &Piece| Piece { from: shift(it.from), to: shift(it.to) };
    let line = |source: (usize, usize), is_rail: bool| Line {
        source,
        is_rail,
        is_dashed: false,
        pieces: Vec::new(),
        dots: Vec::new(),
        tips: Vec::new(),
        has_rail_dots: false,
    };
    for rail in &layout.rails {
        let (a, b) = rail.items;
        let mut it = line((a, 0), true);
        let mut piece = moved(&rail.piece);
        if items[a].end == End::Given {
            piece.from.0 = left;
        }
        match items[b].end {
            End::Result => piece.to.0 = x_out,
            End::Given | End::Within => {
                it.tips.push((piece.to, Tip::Right));
                piece.to.0 -= 6;
            }
        }
        it.pieces.push(piece);
        picture.lines.push(it);
    }
    for wire in &layout.wires {
        let mut it = line(wire.source, false);
        it.pieces = wire.pieces.iter().map(&moved).collect();
        it.dots = wire.dots.iter().map(|it| shift(*it)).collect();
        it.has_rail_dots = wire.is_rail;
        let tip = |way: Way| if way == Way::On { Tip::Right } else { Tip::Up };
        it.tips = wire.tips.iter().map(|(_, at, way)| (shift(*at), tip(*way))).collect();
        let source = wire.source.0;
        let y = layout.middles[source].1;
        let on_rail = items[source].rail.is_some();
        if items[source].end == End::Given && !on_rail {
            it.pieces.push(Piece { from: (left, y), to: shift(layout.middles[source]) });
        }
        // A line to a result goes on through the frame.
        for (idx, node) in diagram.nodes.iter().enumerate() {
            let reads = node.reads.iter().any(|it| (it.from.node, it.from.port) == wire.source);
            if items[idx].end == End::Result && reads && items[idx].rail.is_none() {
                let (x, y) = shift(layout.middles[idx]);
                it.pieces.push(Piece { from: (x, y), to: (x_out, y) });
            }
        }
        if !it.pieces.is_empty() {
            picture.lines.push(it);
        }
    }
    for (idx, node) in diagram.nodes.iter().enumerate() {
        let Kind::Pin(pin) = &node.kind else { continue };
        let y = layout.middles[idx].1;
        let mut it = line((idx, 0), items[idx].rail.is_some());
        it.is_dashed = pin.is_dashed();
        let (from, to) = match pin.is_given() {
            true => (left - STUB.0, left),
            false => (x_out, x_out + STUB.1),
        };
        it.pieces.push(Piece { from: (from, y), to: (to, y) });
        if !pin.is_given() {
            it.tips.push(((x_out + STUB.1 + 7, y), Tip::Right));
        }
        picture.lines.push(it);
    }
}

/// The states of a closed layer: short dashed lines at its sides.
fn stubs(node: &Node, idx: usize, picture: &mut Picture) {
    let Kind::Layer(states) = &node.kind else { return };
    let rect = picture.nodes[idx].rect;
    let middle = rect.y + rect.height / 2;
    let mut stub = |from: i32, to: i32, y: i32| {
        picture.lines.push(Line {
            source: (idx, 0),
            is_rail: false,
            is_dashed: true,
            pieces: vec![Piece { from: (from, y), to: (to, y) }],
            dots: Vec::new(),
            tips: vec![((to, y), Tip::Right)],
            has_rail_dots: false,
        });
    };
    for at in 0..states.len() {
        let old = middle + row(rect.height, node.reads.len() + at);
        let new = middle + row(rect.height, node.ports.len() + at);
        stub(rect.x - LAYER_STUB, rect.x, old);
        let right = rect.x + rect.width;
        stub(right, right + LAYER_STUB, new);
    }
}
