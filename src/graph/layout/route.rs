//! Lines between the columns. Each value that turns there has a vertical track; lines meet only
//! where they cross.

use super::board::Board;
use super::ports::{CLEAR, Place, Places, arrivals, departure};
use super::{BESIDE, Layout, Piece, RADIUS, Rail, TRACK, Way, Wire, depth, reach};

/// A place.
type Point = (i32, i32);

/// What a value has to do between two columns.
struct Job {
    net: usize,
    /// Where it leaves; on a rail, that of the rail.
    from: i32,
    /// Whether it leaves a rail that goes on.
    is_rail: bool,
    /// The slot, which of its reads, and the height.
    ends: Vec<(usize, Option<usize>, i32)>,
    /// Its track, unless it runs straight on.
    track: Option<usize>,
}

impl Job {
    fn span(&self) -> (i32, i32) {
        let ys = || self.ends.iter().map(|it| it.2).chain([self.from]);
        (ys().min().unwrap_or(0), ys().max().unwrap_or(0))
    }

    fn is_flat(&self) -> bool {
        !self.is_rail && self.ends.iter().all(|it| it.2 == self.from)
    }
}

/// Gives every column and track its place and draws all lines.
pub fn route(board: &Board<'_>, places: &Places) -> Layout {
    let count = board.columns.len();
    let channels: Vec<Vec<Job>> =
        (0..count.saturating_sub(1)).map(|layer| channel(board, places, layer)).collect();
    // Places from left to right.
    let mut x = 14;
    let mut columns = Vec::with_capacity(count);
    let mut tracks = Vec::with_capacity(count);
    for layer in 0..count {
        let in_layer = |it: &usize| board.slots[*it].layer == layer;
        let items = (0..board.items.len()).filter(in_layer);
        let width = items.map(|it| board.items[it].width).max().unwrap_or(0);
        columns.push((x, width));
        x += width;
        if let Some(jobs) = channels.get(layer) {
            let used = jobs.iter().filter_map(|it| it.track).max().map_or(1, |it| it + 1);
            x += BESIDE;
            tracks.push(x);
            x += used as i32 * TRACK + BESIDE;
        }
    }
    let middle = |slot: usize| {
        let (x, width) = columns[board.slots[slot].layer];
        (x + width / 2, board.slots[slot].y as i32)
    };
    let middles: Vec<(i32, i32)> = (0..board.items.len()).map(middle).collect();
    let mut layout = Layout { middles, ..Layout::default() };
    let mut wires: Vec<Wire> = (board.nets.iter())
        .map(|it| Wire { source: (it.source, it.value), ..Wire::default() })
        .collect();
    for (layer, jobs) in channels.iter().enumerate() {
        for job in jobs {
            let pen = Pen { board, places, columns: &columns, layout: &layout };
            let track = job.track.unwrap_or(0) as i32;
            pen.job(job, layer, tracks[layer] + track * TRACK + TRACK / 2, &mut wires[job.net]);
        }
    }
    for net in &board.nets {
        let Some(next) = net.along else { continue };
        let ((x0, y), (x1, _)) = (layout.middles[net.source], layout.middles[next]);
        let from = (x0 + board.items[net.source].width / 2, y);
        let to = (x1 - board.items[next].width / 2, y);
        layout.rails.push(Rail { items: (net.source, next), piece: Piece { from, to } });
    }
    layout.wires = wires;
    layout.right = x;
    let low = board.slots.iter().map(|it| it.y + it.height / 2.0);
    layout.bottom = low.fold(board.base, f64::max).ceil() as i32 + 22;
    layout
}

/// The jobs between a column and the next, with their tracks.
fn channel(board: &Board<'_>, places: &Places, layer: usize) -> Vec<Job> {
    let mut jobs = Vec::new();
    for net in 0..board.nets.len() {
        let carrier = board.carrier(net, layer);
        if board.slots[carrier].layer != layer {
            continue;
        }
        let ends = arrivals(board, places, net, layer);
        if ends.is_empty() {
            continue;
        }
        let leaves = departure(board, net, layer);
        let from = leaves.unwrap_or(board.slots[carrier].y as i32);
        jobs.push(Job { net, from, is_rail: leaves.is_none(), ends, track: None });
    }
    let turning: Vec<usize> = (0..jobs.len()).filter(|it| !jobs[*it].is_flat()).collect();
    // A line that leaves at the height where another arrives must turn before it.
    let first =
        |a: &Job, b: &Job| !a.is_rail && b.ends.iter().any(|it| (it.2 - a.from).abs() < CLEAR);
    let mut order: Vec<usize> = Vec::new();
    while order.len() < turning.len() {
        let open = |it: &&usize| !order.contains(*it);
        let waits = |job: &usize| {
            let before = |it: &&usize| **it != *job && first(&jobs[**it], &jobs[*job]);
            turning.iter().filter(open).any(|it| before(&it))
        };
        // Lines that go down: the lowest first; lines that go up: the highest first.
        let key = |it: &&usize| {
            let job = &jobs[**it];
            let mean = job.ends.iter().map(|it| it.2).sum::<i32>() / job.ends.len() as i32;
            if mean >= job.from { (0, -job.from) } else { (1, job.from) }
        };
        let ready = turning.iter().filter(open).filter(|it| !waits(it)).min_by_key(key);
        let next = ready.or_else(|| turning.iter().filter(open).min_by_key(key));
        let Some(&next) = next else { break };
        let (low, high) = jobs[next].span();
        let mut track = 0;
        for &it in &order {
            let (from, to) = jobs[it].span();
            let meet = low <= to + 8 && from <= high + 8;
            if let Some(other) = jobs[it].track
                && (meet || first(&jobs[it], &jobs[next]))
            {
                track = track.max(other + 1);
            }
        }
        jobs[next].track = Some(track);
        order.push(next);
    }
    jobs
}

/// Draws the lines of one channel.
struct Pen<'a> {
    board: &'a Board<'a>,
    places: &'a Places,
    columns: &'a [(i32, i32)],
    layout: &'a Layout,
}

impl Pen<'_> {
    fn job(&self, job: &Job, layer: usize, x: i32, wire: &mut Wire) {
        let carrier = self.board.carrier(job.net, layer);
        let (left, width) = self.columns[layer];
        let from = match self.board.slots[carrier].pass {
            Some(_) => left + width,
            None => {
                let item = &self.board.items[carrier];
                self.layout.middles[carrier].0 + item.width / 2 - item.inset
            }
        };
        let (low, high) = job.span();
        let mut piece = |from, to| {
            if from != to {
                wire.pieces.push(Piece { from, to });
            }
        };
        if !job.is_rail {
            piece((from, job.from), (x, job.from));
        }
        piece((x, low), (x, high));
        for &(slot, read, y) in &job.ends {
            let (end, tip) = self.end(slot, read, y);
            piece((x, y), end);
            if let Some(((tip_x, tip_y), way)) = tip {
                if way == Way::Up {
                    piece(end, (tip_x, tip_y + 6));
                }
                wire.tips.push((slot, (tip_x, tip_y), way));
            }
        }
        wire.is_rail |= job.is_rail;
        // A dot where three lines meet.
        let mut ys: Vec<i32> = job.ends.iter().map(|it| it.2).chain([job.from]).collect();
        ys.sort_unstable();
        ys.dedup();
        for y in ys {
            let leaves = y == job.from;
            let arrives = job.ends.iter().any(|it| it.2 == y);
            let arms = usize::from(leaves)
                + usize::from(leaves && job.is_rail)
                + usize::from(arrives)
                + usize::from(low < y)
                + usize::from(y < high);
            if arms >= 3 {
                wire.dots.push((x, y));
            }
        }
    }

    /// Where a line to a slot ends, and where the tip of its arrow is.
    fn end(&self, slot: usize, read: Option<usize>, y: i32) -> (Point, Option<(Point, Way)>) {
        let (left, width) = self.columns[self.board.slots[slot].layer];
        let place = read.and_then(|it| self.places[slot][it]);
        let Some(place) = place else { return ((left + width, y), None) };
        let item = &self.board.items[slot];
        let (x, middle) = self.layout.middles[slot];
        match place {
            Place::Below(off, _) => {
                let tip = (x + off, middle + depth(item, off).min(RADIUS));
                ((x + off, y), Some((tip, Way::Up)))
            }
            Place::Left(off) => {
                let edge = x - reach(item, off);
                match item.end {
                    // The line goes on through the frame.
                    super::End::Result => ((x, y), None),
                    super::End::Given | super::End::Within => {
                        ((edge - 6, y), Some(((edge, y), Way::On)))
                    }
                }
            }
        }
    }
}
