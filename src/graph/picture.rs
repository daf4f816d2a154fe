//! A drawing with all its places, before it is written: what the writers write and tests measure.

use super::diagram::{Diagram, Node};
use super::layout::Piece;
use super::place::Sheet;
use super::text::{Rich, width};

/// The size of heads and of names at pins.
pub const HEAD: i32 = 13;
/// The size of sums.
pub const BODY: i32 = 12;
/// The size of shapes at pins.
pub const SMALL: i32 = 10;
/// Sums wider than this are broken in lines.
pub const WRAP: i32 = 190;

/// The side of its position on which a label is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "as in SVG")]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// A line of text.
#[derive(Clone, Debug)]
pub struct Label {
    /// Its place; `y` is the line that the letters are on.
    pub x: i32,
    /// Its place.
    pub y: i32,
    /// On which side of it.
    pub anchor: Anchor,
    /// The size of the letters.
    pub size: i32,
    /// The text.
    pub text: Rich,
}

/// A rectangle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "as in SVG")]
pub struct Rect {
    pub x: i32,
    pub y: i32,
    pub width: i32,
    pub height: i32,
}

/// A shape with its content, or a pin with its labels.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The name by which machines know it.
    pub id: String,
    /// The node.
    pub node: Node,
    /// Its box; of a pin the labels alone are seen.
    pub rect: Rect,
    /// The text in it.
    pub labels: Vec<Label>,
}

/// The direction in which an arrow points.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "as they say")]
pub enum Tip {
    Right,
    Left,
    Up,
}

/// The line of one value, or a part of it that is drawn in another way.
#[derive(Clone, Debug)]
pub struct Line {
    /// The shown node that the value comes from, and which of its values.
    pub source: (usize, usize),
    /// True if it is thick and red.
    pub is_rail: bool,
    /// True if it runs between steps.
    pub is_dashed: bool,
    /// Its pieces.
    pub pieces: Vec<Piece>,
    /// The points where it branches.
    pub dots: Vec<(i32, i32)>,
    /// The points where it arrives.
    pub tips: Vec<((i32, i32), Tip)>,
    /// True if its dots are those of a rail.
    pub has_rail_dots: bool,
}

/// A value that one node reads of another.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The shown nodes.
    pub from: usize,
    /// The shown nodes.
    pub to: usize,
    /// True if it is part of a rail.
    pub is_rail: bool,
    /// The number of steps after which it is read.
    pub delay: u32,
}

/// A whole drawing.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// Its size.
    pub width: i32,
    /// Its size.
    pub height: i32,
    /// The frame of the cell.
    pub frame: Rect,
    /// The nodes that are drawn in it.
    pub nodes: Vec<Shown>,
    /// The lines.
    pub lines: Vec<Line>,
    /// The edges between nodes.
    pub edges: Vec<Edge>,
    /// The title, and what the signs mean.
    pub labels: Vec<Label>,
}

impl Label {
    pub(super) fn new(x: i32, y: i32, anchor: Anchor, size: i32, text: Rich) -> Label {
        Label { x, y, anchor, size, text }
    }

    /// Returns the rectangle that it covers.
    pub fn rect(&self) -> Rect {
        let width = self.text.width(self.size);
        let x = match self.anchor {
            Anchor::Start => self.x,
            Anchor::Middle => self.x - width / 2,
            Anchor::End => self.x - width,
        };
        let (up, down) = (self.size * 8 / 10, self.size * 3 / 10);
        Rect { x, y: self.y - up, width, height: up + down }
    }
}

/// Gives everything its place.
pub fn picture(diagram: &Diagram, legend: &[&str]) -> Picture {
    let mut sheet = Sheet::of(diagram, "");
    let (x_in, x_out) = (sheet.inside.0, sheet.inside.1);
    let mut frame = Rect { x: x_in, y: 28, width: x_out - x_in, height: sheet.picture.height - 28 };
    let picture = &mut sheet.picture;
    if diagram.is_backward {
        picture.turn();
        frame.x = picture.width - frame.x - frame.width;
    }
    picture.frame = frame;
    let title = Rich::plain(diagram.title.as_str());
    picture.labels.push(Label::new(frame.x + 12, 19, Anchor::Start, 14, title));
    picture.width = picture.width.max(frame.x + 12 + width(&diagram.title, 14) + 16);
    // The signs in as many lines as they need.
    let (mut x, mut y) = (frame.x, picture.height + 30);
    for sign in legend {
        let wide = width(sign, 11);
        if x > frame.x && x + wide > picture.width - 16 {
            (x, y) = (frame.x, y + 17);
        }
        picture.labels.push(Label::new(x, y, Anchor::Start, 11, Rich::plain(*sign)));
        picture.width = picture.width.max(x + wide + 16);
        x += wide + 18;
    }
    picture.height = y + 16;
    sheet.picture
}

impl Picture {
    /// Takes in the step of an opened layer.
    pub(super) fn take(&mut self, mut inner: Picture, dx: i32, dy: i32) {
        let first = self.nodes.len();
        inner.each(&mut |x, y, _| (*x, *y) = (*x + dx, *y + dy));
        for line in &mut inner.lines {
            line.source.0 += first;
        }
        for edge in &mut inner.edges {
            edge.from += first;
            edge.to += first;
        }
        self.nodes.append(&mut inner.nodes);
        self.lines.append(&mut inner.lines);
        self.edges.append(&mut inner.edges);
    }

    /// Exchanges left and right.
    fn turn(&mut self) {
        let all = self.width;
        self.each(&mut |x, _, width| *x = all - *x - width);
        let labels = self.nodes.iter_mut().flat_map(|it| &mut it.labels);
        for label in labels {
            label.anchor = match label.anchor {
                Anchor::Start => Anchor::End,
                Anchor::Middle => Anchor::Middle,
                Anchor::End => Anchor::Start,
            };
        }
        for (_, tip) in self.lines.iter_mut().flat_map(|it| &mut it.tips) {
            *tip = match tip {
                Tip::Right => Tip::Left,
                Tip::Left => Tip::Right,
                Tip::Up => Tip::Up,
            };
        }
    }

    /// Changes every place: `x`, `y`, and how wide what begins there is.
    fn each(&mut self, change: &mut dyn FnMut(&mut i32, &mut i32, i32)) {
        for node in &mut self.nodes {
            let rect = &mut node.rect;
            change(&mut rect.x, &mut rect.y, rect.width);
            node.labels.iter_mut().for_each(|it| change(&mut it.x, &mut it.y, 0));
        }
        for line in &mut self.lines {
            for piece in &mut line.pieces {
                change(&mut piece.from.0, &mut piece.from.1, 0);
                change(&mut piece.to.0, &mut piece.to.1, 0);
            }
            line.dots.iter_mut().for_each(|it| change(&mut it.0, &mut it.1, 0));
            line.tips.iter_mut().for_each(|(it, _)| change(&mut it.0, &mut it.1, 0));
        }
    }

    /// Returns true if a point lies on a rail.
    pub fn is_on_rail(&self, x: i32, y: i32) -> bool {
        let pieces = self.lines.iter().filter(|it| it.is_rail).flat_map(|it| &it.pieces);
        let within = |it: &Piece| {
            let (low, high) = (it.from.0.min(it.to.0), it.from.0.max(it.to.0));
            it.from.1 == y && low <= x && x <= high
        };
        pieces.into_iter().any(within)
    }
}
