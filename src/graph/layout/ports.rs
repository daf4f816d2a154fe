//! Spreads the lines that arrive at an item over its side.

use super::board::Board;
use super::{End, RADIUS};

/// Least distance of two lines that arrive at one item.
const APART: i32 = 6;
/// Least distance of two lines of different values at one height.
pub const CLEAR: i32 = 5;

/// A place at an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// At its left side, this far below its middle.
    Left(i32),
    /// At its lower side, this far right of its middle; which of the lines that arrive there.
    Below(i32, i32),
}

/// The place of every line: for each item in the order of its reads, `None` along a rail.
pub type Places = Vec<Vec<Option<Place>>>;

/// Chooses the places; pins move a little out of the way of lines.
pub fn place(board: &mut Board<'_>) -> Places {
    let mut places: Places = (0..board.items.len()).map(|it| first(board, it)).collect();
    (0..board.items.len()).for_each(|it| level(board, it, &mut places[it]));
    move_pins(board, &places);
    places
}

/// Returns the height at which a read arrives.
fn source_height(board: &Board<'_>, item: usize, read: usize) -> i32 {
    let port = board.items[item].reads[read];
    let net = board.net(port.from, port.value);
    let carrier = board.carrier(net, board.slots[item].layer.saturating_sub(1));
    let leaves = if carrier == port.from { board.nets[net].leaves } else { 0 };
    board.slots[carrier].y as i32 + leaves
}

/// Ports in the order of where their lines come from, or of the operands.
fn first(board: &Board<'_>, idx: usize) -> Vec<Option<Place>> {
    let item = &board.items[idx];
    let mut places = vec![None; item.reads.len()];
    let mut free: Vec<usize> = (0..item.reads.len()).filter(|it| !item.reads[*it].along).collect();
    let on_rail = item.rail.is_some();
    if !item.is_ordered || on_rail {
        free.sort_by_key(|it| (source_height(board, idx, *it), *it));
    }
    let count = free.len() as i32;
    let step = match (on_rail, item.is_round) {
        (true, _) => 10,
        (false, true) => 11,
        (false, false) => ((item.height - 8) / (count - 1).max(1)).min(14),
    };
    for (at, read) in free.into_iter().enumerate() {
        let off = (2 * at as i32 - (count - 1)) * step / 2;
        places[read] = Some(match (on_rail, item.reads[read].fixed) {
            (true, _) => Place::Below(off, at as i32),
            (false, Some(fixed)) => Place::Left(fixed),
            (false, None) => Place::Left(off),
        });
    }
    places
}

/// A port that is nearly level with its line becomes level.
fn level(board: &Board<'_>, idx: usize, places: &mut [Option<Place>]) {
    let item = &board.items[idx];
    if item.end != End::Within {
        return;
    }
    for read in 0..places.len() {
        let (Some(Place::Left(off)), None) = (places[read], item.reads[read].fixed) else {
            continue;
        };
        let goal = source_height(board, idx, read) - board.slots[idx].y as i32;
        let others = |(other, place): (usize, &Option<Place>)| match place {
            Some(Place::Left(at)) if other != read => (at - goal).abs() > APART,
            Some(_) | None => true,
        };
        let near = (goal - off).abs() <= 4 && goal != off;
        let room = if item.is_round { item.height / 2 - RADIUS + 8 } else { item.height / 2 - 3 };
        if near && goal.abs() < room && places.iter().enumerate().all(others) {
            places[read] = Some(Place::Left(goal));
        }
    }
}

/// Pins are placed where no line of another pin arrives.
fn move_pins(board: &mut Board<'_>, places: &Places) {
    let Some(column) = board.columns.first().cloned() else { return };
    for (at, &pin) in column.iter().enumerate() {
        if board.items[pin].end != End::Given {
            continue;
        }
        let mut taken: Vec<i32> = Vec::new();
        for (idx, item) in board.items.iter().enumerate() {
            for (read, place) in item.reads.iter().zip(&places[idx]) {
                let arrives = board.slots[idx].layer == 1 && read.from != pin;
                if let (true, Some(Place::Left(off))) = (arrives, place) {
                    taken.push(board.slots[idx].y as i32 + off);
                }
            }
        }
        // Pins are 26 high, and each leaves the next its room.
        let y = board.slots[pin].y as i32;
        let low = match at.checked_sub(1).map(|it| column[it]) {
            Some(above) => board.slots[above].y as i32 + 28,
            None => board.base as i32 + 13,
        };
        let high = column.get(at + 1).map_or(i32::MAX, |it| board.slots[*it].y as i32 - 28);
        let free = |y: &i32| taken.iter().all(|it| (it - y).abs() > APART);
        let fits = |y: &i32| low <= *y && *y <= high;
        let found = (0..60).flat_map(|it| [y - it, y + it]).find(|it| fits(it) && free(it));
        board.slots[pin].y = f64::from(found.unwrap_or(y));
    }
}

/// Returns the ends of a net in the column after `layer`: the item and which of its reads, and the height.
pub fn arrivals(
    board: &Board<'_>,
    places: &Places,
    net: usize,
    layer: usize,
) -> Vec<(usize, Option<usize>, i32)> {
    let it = &board.nets[net];
    let mut all = Vec::new();
    for target in board.targets(net, layer + 1) {
        let y = board.slots[target].y as i32;
        if board.slots[target].pass.is_some() {
            all.push((target, None, y));
            continue;
        }
        let reads = board.items[target].reads.iter().zip(&places[target]).enumerate();
        for (read, (port, place)) in reads {
            if (port.from, port.value) != (it.source, it.value) {
                continue;
            }
            match place {
                Some(Place::Left(off)) => all.push((target, Some(read), y + off)),
                Some(Place::Below(_, at)) => {
                    let under = RADIUS + super::UNDER + super::BELOW * at;
                    all.push((target, Some(read), y + under));
                }
                None => {}
            }
        }
    }
    all
}

/// Returns the height at which a net leaves the column `layer`, unless it leaves a rail or is not there.
pub fn departure(board: &Board<'_>, net: usize, layer: usize) -> Option<i32> {
    let it = &board.nets[net];
    let carrier = board.carrier(net, layer);
    if board.slots[carrier].layer != layer {
        return None;
    }
    match carrier == it.source {
        true if it.along.is_some() => None,
        true => Some(board.slots[carrier].y as i32 + it.leaves),
        false => Some(board.slots[carrier].y as i32),
    }
}
