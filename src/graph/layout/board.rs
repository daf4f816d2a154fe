//! Decides the column of each item, and the lines that pass between.

use super::{BELOW, End, Item, RAIL_GAP, TOP};

/// A place in a column: an item, or a value that passes on its way.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The net that passes; none for an item.
    pub pass: Option<usize>,
    /// Its column.
    pub layer: usize,
    /// The height.
    pub height: f64,
    /// Its middle.
    pub y: f64,
    /// The slots that it is joined with on its left, and how much higher that end of the line is there than here, both seen from
    /// the middles.
    pub left: Vec<(usize, f64)>,
    /// The same on its right.
    pub right: Vec<(usize, f64)>,
}

/// One value that others read.
#[derive(Clone, Debug)]
pub struct Net {
    /// The item that gives it.
    pub source: usize,
    /// The value of that item.
    pub value: usize,
    /// The height at which it leaves, from the middle of the item.
    pub leaves: i32,
    /// The items that read it, not along a rail.
    pub users: Vec<usize>,
    /// The next item on the rail.
    pub along: Option<usize>,
    /// The slot in which it passes each column, beginning with the one after its source.
    pub passes: Vec<usize>,
}

/// Everything that is being placed.
#[derive(Clone, Debug)]
pub struct Board<'a> {
    /// The items; each has the slot of its number.
    pub items: &'a [Item],
    /// The values.
    pub nets: Vec<Net>,
    /// The places: those of the items, then what passes.
    pub slots: Vec<Slot>,
    /// The slots of each column from top to bottom, without those on rails.
    pub columns: Vec<Vec<usize>>,
    /// The height of each rail.
    pub rails: Vec<i32>,
    /// The height at which the part below the rails begins.
    pub base: f64,
}

impl<'a> Board<'a> {
    /// Puts items in columns, in the order in which they are given.
    pub fn new(items: &'a [Item], rails: usize) -> Board<'a> {
        let mut nets: Vec<Net> = Vec::new();
        for (idx, item) in items.iter().enumerate() {
            for (value, leaves) in item.leaves.iter().enumerate() {
                let empty = Net {
                    source: idx,
                    value,
                    leaves: *leaves,
                    users: Vec::new(),
                    along: None,
                    passes: Vec::new(),
                };
                nets.push(empty);
            }
        }
        for (idx, item) in items.iter().enumerate() {
            for read in &item.reads {
                let net = find(&nets, read.from, read.value);
                match read.along {
                    true => nets[net].along = Some(idx),
                    false => nets[net].users.push(idx),
                }
            }
        }
        let layers = layers(items);
        let last = layers.iter().copied().max().unwrap_or(0);
        let slot = |layer: usize, height: i32| Slot {
            pass: None,
            layer,
            height: f64::from(height),
            y: 0.0,
            left: Vec::new(),
            right: Vec::new(),
        };
        let mut slots: Vec<Slot> =
            layers.iter().zip(items).map(|(layer, item)| slot(*layer, item.height)).collect();
        let mut columns: Vec<Vec<usize>> = vec![Vec::new(); last + 1];
        for (idx, item) in items.iter().enumerate().filter(|it| it.1.rail.is_none()) {
            columns[layers[idx]].push(idx);
            debug_assert!(item.rail.is_none());
        }
        for (idx, net) in nets.iter_mut().enumerate() {
            let from = layers[net.source];
            let far = net.users.iter().map(|it| layers[*it]).max().unwrap_or(from);
            for (layer, column) in columns.iter_mut().enumerate().take(far).skip(from + 1) {
                net.passes.push(slots.len());
                column.push(slots.len());
                slots.push(Slot { pass: Some(idx), ..slot(layer, 8) });
            }
        }
        let (rails, base) = rail_heights(items, rails);
        let mut board = Board { items, nets, slots, columns, rails, base };
        board.join();
        for column in &board.columns {
            let mut y = base;
            for &slot in column {
                let height = board.slots[slot].height;
                board.slots[slot].y = y + height / 2.0;
                y += height + super::GAP;
            }
        }
        for (idx, item) in items.iter().enumerate() {
            if let Some(rail) = item.rail {
                board.slots[idx].y = f64::from(board.rails[rail]);
            }
        }
        board
    }

    /// Returns the net of a value.
    pub fn net(&self, item: usize, value: usize) -> usize {
        find(&self.nets, item, value)
    }

    /// Returns the slot from which a net enters the column after this one.
    pub fn carrier(&self, net: usize, layer: usize) -> usize {
        let net = &self.nets[net];
        match layer.checked_sub(self.slots[net.source].layer + 1) {
            Some(at) if at < net.passes.len() => net.passes[at],
            Some(_) | None => net.source,
        }
    }

    /// Returns the slots that a net has to reach in this column.
    pub fn targets(&self, net: usize, layer: usize) -> Vec<usize> {
        let it = &self.nets[net];
        let users = it.users.iter().copied().filter(|it| self.slots[*it].layer == layer);
        let passes = it.passes.iter().copied().filter(|it| self.slots[*it].layer == layer);
        users.chain(passes).collect()
    }

    /// Says for every slot what it is joined with.
    fn join(&mut self) {
        for net in 0..self.nets.len() {
            let it = self.nets[net].clone();
            let from = self.slots[it.source].layer;
            let mut ends: Vec<usize> = it.users.clone();
            ends.extend(&it.passes);
            for end in ends {
                let carrier = self.carrier(net, self.slots[end].layer - 1);
                let leaves = if carrier == it.source { f64::from(it.leaves) } else { 0.0 };
                let fixed = self.items.get(end).and_then(|item| {
                    let read = |p: &&super::Port| p.from == it.source && p.value == it.value;
                    item.reads.iter().find(read).and_then(|it| it.fixed)
                });
                let step = leaves - fixed.map_or(0.0, f64::from);
                self.slots[end].left.push((carrier, step));
                self.slots[carrier].right.push((end, -step));
            }
            debug_assert!(from < self.columns.len());
        }
    }
}

fn find(nets: &[Net], item: usize, value: usize) -> usize {
    let at = nets.partition_point(|it| (it.source, it.value) < (item, value));
    debug_assert!(nets.get(at).is_some_and(|it| (it.source, it.value) == (item, value)));
    at
}

/// Returns the column of each item.
fn layers(items: &[Item]) -> Vec<usize> {
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); items.len()];
    let mut open: Vec<usize> = items.iter().map(|it| it.reads.len()).collect();
    for (idx, item) in items.iter().enumerate() {
        item.reads.iter().for_each(|it| users[it.from].push(idx));
    }
    let mut layers: Vec<usize> = items.iter().map(|it| usize::from(it.end != End::Given)).collect();
    let mut ready: Vec<usize> = (0..items.len()).filter(|it| open[*it] == 0).collect();
    let mut order = Vec::with_capacity(items.len());
    while let Some(idx) = ready.pop() {
        order.push(idx);
        for &user in &users[idx] {
            layers[user] = layers[user].max(layers[idx] + 1);
            open[user] -= 1;
            if open[user] == 0 {
                ready.push(user);
            }
        }
    }
    let within = |it: &usize| items[*it].end == End::Within;
    let last = (0..items.len()).filter(within).map(|it| layers[it]).max().unwrap_or(0) + 1;
    for (idx, item) in items.iter().enumerate() {
        if item.end == End::Result {
            layers[idx] = last;
        }
    }
    // What is read late moves to its readers, those behind first. Boxes fed by what is given stay.
    for &idx in order.iter().rev() {
        let item = &items[idx];
        let late = users[idx].iter().map(|it| layers[*it]).min();
        let moves = item.end == End::Within && item.rail.is_none() && item.may_move;
        if let Some(late) = late
            && moves
        {
            layers[idx] = layers[idx].max(late - 1);
        }
    }
    layers
}

/// Returns the height of each rail, and where the rest begins.
fn rail_heights(items: &[Item], rails: usize) -> (Vec<i32>, f64) {
    let mut y = TOP;
    let mut heights = Vec::with_capacity(rails);
    for rail in 0..rails {
        heights.push(y);
        let below = |it: &Item| it.reads.iter().filter(|it| !it.along).count();
        let on = items.iter().filter(|it| it.rail == Some(rail));
        let most = on.map(below).max().unwrap_or(0) as i32;
        y += RAIL_GAP + BELOW * (most - 1).max(0);
    }
    (heights, f64::from(if rails == 0 { y - 8 } else { y + 4 }))
}
