//! Decides the memory of the values of a graph.

use crate::exec::kernels::machine::{Buffer, Extent, Place, Rows};
use crate::ir::{Dim, Env, Graph, Move, NodeId, Op};
use crate::plan::{self, Pass, Task};

/// The position of the buffer of what is the same for all rows.
pub(super) const FIXED: usize = 0;

/// A graph with its sizes, and the places that its values were given.
pub(super) struct Places<'g> {
    pub graph: &'g Graph,
    pub shapes: &'g [Vec<usize>],
    pub env: &'g Env,
    pub pass: &'g Pass,
    pub buffers: Vec<Buffer>,
    /// The values that are the same for all rows and have a place.
    pub fixed: Vec<(NodeId, usize)>,
    /// For each node the one whose memory it is a part of, and where that part begins.
    views: Vec<(NodeId, usize)>,
    places: Vec<Option<Place>>,
    /// The nodes that are read outside of their stage, or from outside.
    lasting: Vec<bool>,
    /// The nodes that are read from outside.
    wanted: Vec<bool>,
    /// The nodes that a sum of products begins with.
    added: Vec<bool>,
    /// For each node those that read it; one that is all of another's memory hands on.
    users: Vec<Vec<NodeId>>,
}

impl<'g> Places<'g> {
    /// No value has a place yet. `wanted` are nodes that somebody reads after the pass.
    pub fn new(
        graph: &'g Graph,
        shapes: &'g [Vec<usize>],
        env: &'g Env,
        pass: &'g Pass,
        wanted: &mut dyn Iterator<Item = NodeId>,
    ) -> Places<'g> {
        let n = graph.nodes().len();
        let fixed = Buffer { width: 0, extent: Extent::Fixed, own: false };
        let mut it = Places {
            graph,
            shapes,
            env,
            pass,
            buffers: vec![fixed],
            fixed: Vec::new(),
            views: Vec::with_capacity(n),
            places: vec![None; n],
            lasting: vec![false; n],
            wanted: vec![false; n],
            added: vec![false; n],
            users: vec![Vec::new(); n],
        };
        for id in graph.ids() {
            let view = match it.part(id) {
                Some((operand, offset)) if pass.once[id.idx()] == pass.once[operand.idx()] => {
                    let (base, before) = it.views[operand.idx()];
                    (base, before + offset)
                }
                Some(_) | None => (id, 0),
            };
            it.views.push(view);
        }
        for id in graph.ids().filter(|it| pass.needed[it.idx()]) {
            if it.whole(id).is_some_and(|base| base != id) {
                continue;
            }
            for arg in &graph.node(id).args {
                let read = it.whole(*arg).unwrap_or(it.views[arg.idx()].0);
                it.users[read.idx()].push(id);
            }
        }
        for task in pass.stages.iter().flat_map(|it| &it.tasks) {
            if let Task::Products(sums) = task {
                let added = sums.iter().filter_map(|it| it.added);
                added.for_each(|id| it.added[it.views[id.idx()].0.idx()] = true);
            }
        }
        it.find_lasting(wanted);
        it
    }

    /// Marks the nodes that need rows for all steps.
    fn find_lasting(&mut self, wanted: &mut dyn Iterator<Item = NodeId>) {
        for id in wanted {
            let base = self.views[id.idx()].0.idx();
            self.lasting[base] = true;
            self.wanted[base] = true;
        }
        let pass = self.pass;
        // The stage that reads a node is that of a user, or of what reads a user that is only another name for
        // its operand.
        for id in self.graph.ids().rev().filter(|it| pass.needed[it.idx()]) {
            for arg in &self.graph.node(id).args {
                let base = self.views[arg.idx()].0;
                let apart = pass.stage_of[id.idx()] != pass.stage_of[base.idx()];
                // Whoever reads a repetition may read the original without a copy.
                let passed_on = self.lasting[id.idx()]
                    && matches!(self.graph.node(id).op, Op::Move(Move::Expand(_)));
                if apart || passed_on {
                    self.lasting[base.idx()] = true;
                }
            }
        }
        for stage in &pass.stages {
            let holds = stage.tasks.iter().any(|it| matches!(it, Task::Hold(_)));
            if stage.is_loop() || !holds {
                continue;
            }
            // Rows are read out of order there: no block holds all of them.
            for id in stage.tasks.iter().flat_map(Task::nodes) {
                self.lasting[id.idx()] = true;
            }
        }
    }

    /// Returns the number of elements of a node.
    pub fn len(&self, id: NodeId) -> usize {
        self.shapes[id.idx()].iter().product()
    }

    /// Returns true if a node is part of the memory of another.
    pub fn is_view(&self, id: NodeId) -> bool {
        self.views[id.idx()].0 != id
    }

    /// Returns the node whose memory a node has or is a part of, and where that part begins.
    pub fn view(&self, id: NodeId) -> (NodeId, usize) {
        self.views[id.idx()]
    }

    /// Returns the node whose memory a node is, all of it.
    pub fn whole(&self, id: NodeId) -> Option<NodeId> {
        let (base, offset) = self.views[id.idx()];
        (offset == 0 && self.len(base) == self.len(id)).then_some(base)
    }

    /// Returns true if a node is read from outside.
    pub fn is_wanted(&self, id: NodeId) -> bool {
        self.wanted[id.idx()]
    }

    /// Returns true if a sum of products begins with a node.
    pub fn is_added(&self, id: NodeId) -> bool {
        self.added[id.idx()]
    }

    /// Those that read a node.
    pub fn users(&self, id: NodeId) -> &[NodeId] {
        &self.users[id.idx()]
    }

    /// Returns the operand that a node is a part of, without gaps, and where it begins.
    fn part(&self, id: NodeId) -> Option<(NodeId, usize)> {
        if let Some(operand) = plan::alias(self.graph, id) {
            return Some((operand, 0));
        }
        let node = self.graph.node(id);
        let size = |dim: &Dim| self.env.size(dim).and_then(|it| usize::try_from(it).ok());
        let index = if let Op::Move(Move::Pick(index)) = &node.op {
            size(index)?
        } else if let Op::Move(Move::Slice { axis: 0, from, .. }) = &node.op {
            size(from)?
        } else {
            return None;
        };
        let operand = node.args[0];
        let rest: usize = self.shapes[operand.idx()][1..].iter().product();
        Some((operand, index * rest))
    }

    /// Returns a new buffer.
    pub fn buffer(&mut self, width: usize, extent: Extent, own: bool) -> usize {
        self.buffers.push(Buffer { width, extent, own });
        self.buffers.len() - 1
    }

    /// Sets the place of a node.
    pub fn put(&mut self, id: NodeId, place: Place) {
        self.places[id.idx()] = Some(place);
    }

    /// Returns true if a node has a place of its own already.
    pub fn is_placed(&self, id: NodeId) -> bool {
        self.places[self.views[id.idx()].0.idx()].is_some()
    }

    /// Returns true if a node may get any place: it is computed for each row and has none yet.
    pub fn is_free(&self, id: NodeId) -> bool {
        !self.is_view(id) && self.pass.is_each(id) && !self.is_placed(id)
    }

    /// Returns true if rows of the step or block that runs are enough for a node.
    pub fn is_local(&self, id: NodeId) -> bool {
        !self.lasting[id.idx()]
    }

    /// Places several nodes side by side; all of them free, or all the same for all rows.
    pub fn put_together(&mut self, nodes: &[NodeId]) {
        let mut place = self.room_for(nodes);
        for id in nodes {
            self.put_next(*id, &mut place);
        }
    }

    fn room_for(&mut self, nodes: &[NodeId]) -> Place {
        let width = nodes.iter().map(|it| self.len(*it)).sum();
        let once = nodes.iter().all(|it| self.pass.once[it.idx()]);
        if once {
            self.fixed_place(width)
        } else {
            let local = nodes.iter().all(|it| self.is_local(*it));
            self.own(width, local)
        }
    }

    /// Puts a node at a place and moves that behind it.
    fn put_next(&mut self, id: NodeId, place: &mut Place) {
        if place.rows == Rows::Fixed {
            self.fixed.push((id, place.offset));
        }
        self.put(id, *place);
        place.offset += self.len(id);
    }

    fn own(&mut self, width: usize, local: bool) -> Place {
        let (extent, rows) =
            if local { (Extent::Local, Rows::Local) } else { (Extent::Each, Rows::Each) };
        Place { buffer: self.buffer(width, extent, true), offset: 0, rows }
    }

    fn fixed_place(&mut self, width: usize) -> Place {
        let offset = self.buffers[FIXED].width;
        // Every value begins where a line of a cache does.
        self.buffers[FIXED].width = (offset + width).next_multiple_of(16);
        Place { buffer: FIXED, offset, rows: Rows::Fixed }
    }

    /// Returns the place of a node, and gives it one if it has none.
    pub fn place(&mut self, id: NodeId) -> Place {
        let (base, offset) = self.views[id.idx()];
        let place = self.places[base.idx()].unwrap_or_else(|| {
            let place = self.room_for(&[base]);
            self.put_next(base, &mut { place });
            place
        });
        Place { offset: place.offset + offset, ..place }
    }

    /// Returns the place of a node, if it has one.
    pub fn known(&self, id: NodeId) -> Option<Place> {
        let (base, offset) = self.views[id.idx()];
        self.places[base.idx()].map(|it| Place { offset: it.offset + offset, ..it })
    }
}
