//! Heights: each slot as near as can be to what it is joined with.

use super::board::Board;
use super::{GAP, PASS_GAP};

/// The pull of a line that passes, beside a box.
const STRAIGHT: f64 = 6.0;
/// A line that is this nearly level becomes level.
const NEARLY: f64 = 26.0;

/// Moves all slots towards what they are joined with, to and fro through the columns.
pub fn settle(board: &mut Board<'_>, rounds: usize) {
    let count = board.columns.len();
    for round in 0..rounds {
        for at in 0..count {
            let column = if round % 2 == 0 { at } else { count - 1 - at };
            let want: Vec<(f64, f64)> =
                board.columns[column].iter().map(|it| wanted(board, *it)).collect();
            pack(board, column, &want);
        }
    }
}

/// Returns the height that is best for a slot, and its weight.
fn wanted(board: &Board<'_>, slot: usize) -> (f64, f64) {
    let it = &board.slots[slot];
    let mut sum = 0.0;
    let mut count = 0.0;
    for (end, step) in it.left.iter().chain(&it.right) {
        sum += board.slots[*end].y + step;
        count += 1.0;
    }
    let Some(net) = it.pass else {
        return (if count > 0.0 { sum / count } else { it.y }, 1.0);
    };
    // A line is straight when all of it is at one height.
    for pass in board.nets[net].passes.iter().filter(|it| **it != slot) {
        sum += 2.0 * board.slots[*pass].y;
        count += 2.0;
    }
    (if count > 0.0 { sum / count } else { it.y }, STRAIGHT)
}

/// Between the middles of two neighbours.
fn distance(board: &Board<'_>, above: usize, below: usize) -> f64 {
    let (a, b) = (&board.slots[above], &board.slots[below]);
    let gap = if a.pass.is_none() && b.pass.is_none() { GAP } else { PASS_GAP };
    (a.height + b.height) / 2.0 + gap
}

/// Puts the slots of a column as near as can be to the heights that they want, in their order and
/// apart from each other: those that would overlap move as one block (isotonic regression).
pub fn pack(board: &mut Board<'_>, column: usize, want: &[(f64, f64)]) {
    let slots = board.columns[column].clone();
    let mut offsets = Vec::with_capacity(slots.len());
    let mut offset = 0.0;
    for (at, slot) in slots.iter().enumerate() {
        if at > 0 {
            offset += distance(board, slots[at - 1], *slot);
        }
        offsets.push(offset);
    }
    // Blocks: their height without the offsets, their weight, how many.
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for ((value, weight), offset) in want.iter().zip(&offsets) {
        blocks.push((value - offset, *weight, 1));
        while let [.., a, b] = blocks.as_slice()
            && a.0 > b.0
        {
            let weight = a.1 + b.1;
            let joined = ((a.0 * a.1 + b.0 * b.1) / weight, weight, a.2 + b.2);
            blocks.truncate(blocks.len() - 2);
            blocks.push(joined);
        }
    }
    let floor = slots.first().map_or(0.0, |it| board.base + board.slots[*it].height / 2.0);
    let heights = blocks.iter().flat_map(|it| std::iter::repeat_n(it.0, it.2));
    for ((slot, offset), height) in slots.iter().zip(&offsets).zip(heights) {
        board.slots[*slot].y = height.max(floor) + offset;
    }
}

/// Moves all that is on no rail up as far as there is room, so that nothing is left empty above it.
pub fn raise(board: &mut Board<'_>) {
    let slots: Vec<usize> = board.columns.iter().flatten().copied().collect();
    let top = |it: &usize| board.slots[*it].y - board.slots[*it].height / 2.0;
    let room = slots.iter().map(top).fold(f64::INFINITY, f64::min) - board.base;
    if room > 0.0 && room.is_finite() {
        slots.iter().for_each(|it| board.slots[*it].y -= room);
    }
}

/// Rounds all heights, and makes level what is nearly level where there is room.
pub fn straighten(board: &mut Board<'_>) {
    for column in board.columns.clone() {
        // Rounding apart would bring neighbours nearer than they may be.
        let mut above: Option<usize> = None;
        for slot in column {
            let least = above.map_or(f64::MIN, |it| board.slots[it].y + distance(board, it, slot));
            let y = board.slots[slot].y.round();
            board.slots[slot].y = if y < least { least.ceil() } else { y };
            above = Some(slot);
        }
    }
    for _ in 0..4 {
        for column in board.columns.clone() {
            for (at, &slot) in column.iter().enumerate() {
                let it = &board.slots[slot];
                let [(end, step)] = it.left[..] else { continue };
                let level = board.slots[end].y + step;
                let on_rail = board.items.get(end).is_some_and(|it| it.rail.is_some());
                if on_rail || (level - it.y).abs() > NEARLY || level == it.y {
                    continue;
                }
                let room = |other: usize| {
                    let other = &board.slots[other];
                    let gap = if it.pass.is_none() && other.pass.is_none() { 12.0 } else { 6.0 };
                    (other.height + it.height) / 2.0 + gap
                };
                let low = match at.checked_sub(1).map(|it| column[it]) {
                    Some(above) => board.slots[above].y + room(above),
                    None => board.base + it.height / 2.0,
                };
                let high = match column.get(at + 1) {
                    Some(below) => board.slots[*below].y - room(*below),
                    None => f64::MAX,
                };
                if low <= level && level <= high {
                    board.slots[slot].y = level;
                }
            }
        }
    }
}
