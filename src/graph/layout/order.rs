//! The order of each column: as few crossings as can be found, and of equals that of the text.

use super::board::Board;
use super::heights::{pack, settle};

/// The times that columns are sorted by the mean of their neighbours.
const SWEEPS: usize = 24;
/// The most times that neighbours of a column are exchanged.
const EXCHANGES: usize = 40;

/// Sorts the columns.
pub fn sort(board: &mut Board<'_>) {
    settle(board, 6);
    let mut best = (crossings(board), board.columns.clone());
    let count = board.columns.len();
    for sweep in 0..SWEEPS {
        for at in 0..count {
            let on = sweep % 2 == 0;
            let column = if on { at } else { count - 1 - at };
            let want: Vec<(f64, f64)> = (board.columns[column].iter())
                .map(|&slot| {
                    let it = &board.slots[slot];
                    let side = if on { &it.left } else { &it.right };
                    (mean(board, side).unwrap_or(it.y), 1.0)
                })
                .collect();
            let mut pairs: Vec<(usize, (f64, f64))> =
                board.columns[column].iter().copied().zip(want).collect();
            pairs.sort_by(|a, b| a.1.0.total_cmp(&b.1.0));
            let (slots, want): (Vec<usize>, Vec<(f64, f64)>) = pairs.into_iter().unzip();
            board.columns[column] = slots;
            pack(board, column, &want);
        }
        let now = crossings(board);
        if now < best.0 {
            best = (now, board.columns.clone());
        }
    }
    board.columns = best.1;
    for _ in 0..EXCHANGES {
        if !exchange(board) {
            break;
        }
    }
}

/// Returns the mean height of the other ends.
pub fn mean(board: &Board<'_>, ends: &[(usize, f64)]) -> Option<f64> {
    let sum: f64 = ends.iter().map(|(slot, step)| board.slots[*slot].y + step).sum();
    (!ends.is_empty()).then(|| sum / ends.len() as f64)
}

/// Returns the position of each slot in its column; rails are above all.
fn places(board: &Board<'_>) -> Vec<f64> {
    let mut places = vec![0.0; board.slots.len()];
    for column in &board.columns {
        column.iter().enumerate().for_each(|(at, slot)| places[*slot] = at as f64);
    }
    for (idx, item) in board.items.iter().enumerate() {
        if let Some(rail) = item.rail {
            places[idx] = rail as f64 - 1000.0;
        }
    }
    places
}

/// Returns the order of an end: the place of the slot, and within it the height of the port.
fn ends(places: &[f64], ends: &[(usize, f64)], sign: f64) -> Vec<f64> {
    ends.iter().map(|(slot, step)| places[*slot] + sign * step / 1e5).collect()
}

/// Counts the crossings of all lines.
fn crossings(board: &Board<'_>) -> usize {
    let places = places(board);
    let mut lines: Vec<Vec<(f64, f64)>> = vec![Vec::new(); board.columns.len()];
    for (idx, slot) in board.slots.iter().enumerate() {
        for (end, step) in &slot.right {
            lines[slot.layer].push((places[idx], places[*end] - step / 1e5));
        }
    }
    lines.iter().map(|it| inversions(it)).sum()
}

fn inversions(lines: &[(f64, f64)]) -> usize {
    let mut count = 0;
    for (at, a) in lines.iter().enumerate() {
        count += lines[at + 1..].iter().filter(|b| (a.0 - b.0) * (a.1 - b.1) < 0.0).count();
    }
    count
}

/// Exchanges neighbours where that saves a crossing; whether it did.
fn exchange(board: &mut Board<'_>) -> bool {
    let mut places = places(board);
    let mut changed = false;
    for column in 0..board.columns.len() {
        for at in 1..board.columns[column].len() {
            let (a, b) = (board.columns[column][at - 1], board.columns[column][at]);
            let cost = |first: usize, second: usize| -> usize {
                let (x, y) = (&board.slots[first], &board.slots[second]);
                let sides = [(&x.left, &y.left), (&x.right, &y.right)];
                sides
                    .into_iter()
                    .map(|(x, y)| {
                        let (x, y) = (ends(&places, x, 1.0), ends(&places, y, 1.0));
                        x.iter().map(|a| y.iter().filter(|b| a > b).count()).sum::<usize>()
                    })
                    .sum()
            };
            if cost(b, a) < cost(a, b) {
                board.columns[column].swap(at - 1, at);
                places.swap(a, b);
                changed = true;
            }
        }
    }
    changed
}
