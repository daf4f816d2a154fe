//! Places boxes and lines.
//!
//! Columns from left to right, by the longest way from what is given. A value that is read further
//! on passes the columns between as a place of its own, so that no line runs through a box. States
//! with a straight path have a height of their own at the top. Below it, columns are put in order so
//! that few lines cross, heights follow what a box is joined with, and between two columns each
//! value that turns gets a vertical track:
//!
//! ```text
//!   column 0   channel   column 1      channel      column 2
//!   x ─────────┬──────── [ z = σ ] ───────────────── ( × ) ─ h
//!              └──────── [ n = tanh ] ──┐
//!                                       └─────────── ...
//! ```

mod board;
mod heights;
mod order;
mod ports;
mod route;

pub use board::Board;

/// Half the height of an operator.
pub const RADIUS: i32 = 13;
/// Between boxes of a column.
const GAP: f64 = 16.0;
/// Between what passes a column, and its neighbours.
const PASS_GAP: f64 = 8.0;
/// Between vertical lines.
const TRACK: i32 = 9;
/// Between a column and the tracks beside it.
const BESIDE: i32 = 10;
/// Between two rails, unless more has to enter between them.
const RAIL_GAP: i32 = 50;
/// From the frame to the first rail or box.
const TOP: i32 = 44;
/// Between lines that arrive below the operators of a rail.
const BELOW: i32 = 9;
/// From an operator of a rail to the first line that arrives below it.
const UNDER: i32 = 12;

/// The side that an item is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The side where the step begins.
    Given,
    /// The side where it ends.
    Result,
    /// Between them.
    Within,
}

/// An item to place.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its size.
    pub width: i32,
    /// Its size.
    pub height: i32,
    /// The side that it is on.
    pub end: End,
    /// The rail that it is on.
    pub rail: Option<usize>,
    /// True for a circle or pill.
    pub is_round: bool,
    /// The distance from its sides at which lines end: the margin belongs to it.
    pub inset: i32,
    /// True if it may move towards its readers when all its operands are given.
    pub may_move: bool,
    /// True if the order of its reads is that of its ports.
    pub is_ordered: bool,
    /// The values that it reads.
    pub reads: Vec<Port>,
    /// The heights at which its values leave, from its middle.
    pub leaves: Vec<i32>,
}

/// A line into an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Port {
    /// The item that it comes from.
    pub from: usize,
    /// The value of that item.
    pub value: usize,
    /// The height at which it has to arrive, from the middle of the item.
    pub fixed: Option<i32>,
    /// True if it runs along a rail.
    pub along: bool,
}

/// A straight piece of a line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Piece {
    /// One end.
    pub from: (i32, i32),
    /// The other end.
    pub to: (i32, i32),
}

/// The direction in which an arrow points.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Along the flow.
    On,
    /// Up, into a rail.
    Up,
}

/// The line that a value is drawn with.
#[derive(Clone, Debug, Default)]
pub struct Wire {
    /// The item and the value of it.
    pub source: (usize, usize),
    /// The pieces of its line.
    pub pieces: Vec<Piece>,
    /// The points where its line branches.
    pub dots: Vec<(i32, i32)>,
    /// The points where it arrives: the reader, the tip, the direction.
    pub tips: Vec<(usize, (i32, i32), Way)>,
    /// True if its line leaves a rail.
    pub is_rail: bool,
}

/// A piece of a rail: from one item to the next.
#[derive(Clone, Copy, Debug)]
pub struct Rail {
    /// The items.
    pub items: (usize, usize),
    /// The piece.
    pub piece: Piece,
}

/// All places. The frame begins at x = 0.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The middle of each item.
    pub middles: Vec<(i32, i32)>,
    /// The lines of all values.
    pub wires: Vec<Wire>,
    /// The rails.
    pub rails: Vec<Rail>,
    /// The right edge of the frame.
    pub right: i32,
    /// The lower edge of the frame.
    pub bottom: i32,
}

/// Places items. `rails` is how many rails there are.
pub fn lay_out(items: &[Item], rails: usize) -> Layout {
    let mut board = Board::new(items, rails);
    order::sort(&mut board);
    heights::settle(&mut board, 60);
    heights::raise(&mut board);
    heights::straighten(&mut board);
    let ports = ports::place(&mut board);
    route::route(&board, &ports)
}

/// Returns the half width of an item with round ends at this height from its middle.
fn reach(item: &Item, off: i32) -> i32 {
    if !item.is_round {
        return item.width / 2 - item.inset;
    }
    let flat = item.height / 2 - RADIUS;
    let high = f64::from((off.abs() - flat).clamp(0, RADIUS));
    let radius = f64::from(RADIUS);
    item.width / 2 - RADIUS + (radius * radius - high * high).sqrt() as i32
}

/// Returns the half height of an operator at this distance from its middle.
fn depth(item: &Item, off: i32) -> i32 {
    let flat = item.width / 2 - RADIUS;
    let wide = f64::from((off.abs() - flat).clamp(0, RADIUS));
    let radius = f64::from(RADIUS);
    (radius * radius - wide * wide).sqrt() as i32
}
