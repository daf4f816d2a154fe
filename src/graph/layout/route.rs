//! Lines between the columns. Each value that turns there has a vertical track; lines meet only
//! where they cross.

use super::board::Board;
use super::ports::{CLEAR, Place, Places, arrivals, departure};
use super::{BESIDE, Layout, Piece, RADIUS, Rail, TRACK, Way, Wire, depth, reach};

/// A place.
type Point = (i32, i32);

/// The way of a value between two columns.
struct Job {
    net: usize,
    /// The height at which it leaves; on a rail, that of the rail.
    from: i32,
    /// True if it leaves a rail that goes on.
    is_rail: bool,
    /// The slot, which of its reads, and the height; none where the second half of it goes on.
    ends: Vec<(Option<usize>, Option<usize>, i32)>,
    /// Its track, unless it runs straight on.
    track: Option<usize>,
    /// The first half of it, when it needs two tracks.
    after: Option<usize>,
}

impl Job {
    fn span(&self) -> (i32, i32) {
        let ys = || self.ends.iter().map(|it| it.2).chain([self.from]);
        (ys().min().unwrap_or(0), ys().max().unwrap_or(0))
    }

    fn is_flat(&self) -> bool {
        !self.is_rail && self.ends.iter().all(|it| it.2 == self.from)
    }

    fn mean(&self) -> i32 {
        self.ends.iter().map(|it| it.2).sum::<i32>() / (self.ends.len() as i32).max(1)
    }

    /// Returns true if it leaves at a height where another arrives, and so must turn before it.
    fn precedes(&self, other: &Job) -> bool {
        !self.is_rail && other.ends.iter().any(|it| (it.2 - self.from).abs() < CLEAR)
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
            let at = |job: &Job| tracks[layer] + job.track.unwrap_or(0) as i32 * TRACK + TRACK / 2;
            let start = job.after.map(|it| at(&jobs[it]));
            pen.job(job, layer, start, at(job), &mut wires[job.net]);
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

/// Returns the jobs between a column and the next, with their tracks.
fn channel(board: &Board<'_>, places: &Places, layer: usize) -> Vec<Job> {
    let mut jobs = Vec::new();
    for net in 0..board.nets.len() {
        let carrier = board.carrier(net, layer);
        if board.slots[carrier].layer != layer {
            continue;
        }
        let ends: Vec<_> = (arrivals(board, places, net, layer).into_iter())
            .map(|(slot, read, y)| (Some(slot), read, y))
            .collect();
        if ends.is_empty() {
            continue;
        }
        let leaves = departure(board, net, layer);
        let from = leaves.unwrap_or(board.slots[carrier].y as i32);
        let is_rail = leaves.is_none();
        jobs.push(Job { net, from, is_rail, ends, track: None, after: None });
    }
    let mut open: Vec<usize> = (0..jobs.len()).filter(|it| !jobs[*it].is_flat()).collect();
    let mut waiting = Waiting::of(&jobs, &open);
    let mut order: Vec<usize> = Vec::new();
    while !open.is_empty() {
        // Lines that go down: the lowest first; lines that go up: the highest first.
        let key = |it: &usize| {
            let job = &jobs[*it];
            if job.mean() >= job.from { (0, -job.from) } else { (1, job.from) }
        };
        let ready = open.iter().copied().filter(|it| waiting.count[*it] == 0).min_by_key(key);
        let whole = open.iter().copied().filter(|it| jobs[*it].after.is_none());
        let next = match (ready, whole.min_by_key(key)) {
            (Some(next), _) => next,
            // Lines that exchange their heights: one of them takes two tracks.
            (None, Some(it)) => {
                open.push(halve(&mut jobs, it));
                waiting.halve(it);
                it
            }
            (None, None) => open[0],
        };
        open.retain(|it| *it != next);
        waiting.place(next);
        let (low, high) = jobs[next].span();
        let mut track = 0;
        for &it in &order {
            let (from, to) = jobs[it].span();
            let meet = low <= to + 8 && from <= high + 8;
            if let Some(other) = jobs[it].track
                && (meet || jobs[next].after == Some(it) || jobs[it].precedes(&jobs[next]))
            {
                track = track.max(other + 1);
            }
        }
        jobs[next].track = Some(track);
        order.push(next);
    }
    jobs
}

/// The jobs that wait until others have their track.
struct Waiting {
    /// For how many each waits.
    count: Vec<usize>,
    /// The jobs that wait for each.
    after: Vec<Vec<usize>>,
}

impl Waiting {
    fn of(jobs: &[Job], open: &[usize]) -> Waiting {
        let mut it = Waiting { count: vec![0; jobs.len()], after: vec![Vec::new(); jobs.len()] };
        for &a in open {
            for &b in open.iter().filter(|b| **b != a && jobs[a].precedes(&jobs[**b])) {
                it.count[b] += 1;
                it.after[a].push(b);
            }
        }
        it
    }

    fn place(&mut self, job: usize) {
        for it in std::mem::take(&mut self.after[job]) {
            self.count[it] = self.count[it].saturating_sub(1);
        }
    }

    /// The first half of a job waits for nobody, the second for it and for whom the whole did.
    fn halve(&mut self, job: usize) {
        let second = self.count.len();
        self.count.push(self.count[job] + 1);
        self.count[job] = 0;
        for it in self.after.iter_mut().flatten().filter(|it| **it == job) {
            *it = second;
        }
        self.after[job].push(second);
        self.after.push(Vec::new());
    }
}

/// Makes two of a job, with a height between them that no other line is near; gives the second.
fn halve(jobs: &mut Vec<Job>, it: usize) -> usize {
    let (from, mean) = (jobs[it].from, jobs[it].mean());
    let is_free = |y: &i32| {
        let near = |other: i32| (other - y).abs() <= CLEAR;
        jobs.iter().all(|it| !near(it.from) && it.ends.iter().all(|it| !near(it.2)))
    };
    let middle = i32::midpoint(from, mean);
    let free = (0..2000).flat_map(|it| [middle - it, middle + it]).find(is_free);
    let y = free.unwrap_or(middle);
    let ends = std::mem::replace(&mut jobs[it].ends, vec![(None, None, y)]);
    let net = jobs[it].net;
    jobs.push(Job { net, from: y, is_rail: false, ends, track: None, after: Some(it) });
    jobs.len() - 1
}

/// Draws the lines of one channel.
struct Pen<'a> {
    board: &'a Board<'a>,
    places: &'a Places,
    columns: &'a [(i32, i32)],
    layout: &'a Layout,
}

impl Pen<'_> {
    /// A job from the track of its first half, if it has one, by its own track.
    fn job(&self, job: &Job, layer: usize, start: Option<i32>, x: i32, wire: &mut Wire) {
        let carrier = self.board.carrier(job.net, layer);
        let (left, width) = self.columns[layer];
        let from = match self.board.slots[carrier].pass {
            Some(_) => left + width,
            None => {
                let item = &self.board.items[carrier];
                self.layout.middles[carrier].0 + item.width / 2 - item.inset
            }
        };
        let from = start.unwrap_or(from);
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
            let Some(slot) = slot else { continue };
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

    /// Returns the point where a line to a slot ends, and the tip of its arrow.
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
