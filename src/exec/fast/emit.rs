//! Tasks of a plan as instructions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::elementwise::elementwise;
use super::error::EngineError;
use super::places::Places;
use super::weights::{Filling, Turned};
use crate::exec::kernels::machine::{Code, PackSize, Part, Place, RowCode, Rows};
use crate::ir::{Contract, NodeId, Op};
use crate::plan::{LinearSum, Stage, Task, Term};

/// Emits instructions, and collects the weights and tables that they need.
pub(super) struct Emitter<'p, 'g> {
    pub places: &'p mut Places<'g>,
    /// For each carried value, where its next row goes and the node that gives it.
    pub next: Vec<Option<(NodeId, Place)>>,
    pub packs: Vec<PackSize>,
    pub fillings: Vec<Filling>,
    pub code: Vec<Code>,
    /// Places of the stage whose values nobody reads any more, by the number of their elements: they
    /// are in a near cache, and new memory is not.
    free: BTreeMap<usize, VecDeque<Place>>,
    /// For each node its position in the run that is emitted.
    pub positions: Vec<Option<usize>>,
}

impl<'p, 'g> Emitter<'p, 'g> {
    /// Nothing is emitted yet.
    pub fn new(places: &'p mut Places<'g>, next: Vec<Option<(NodeId, Place)>>) -> Emitter<'p, 'g> {
        let positions = vec![None; places.graph.nodes().len()];
        let (packs, fillings) = (Vec::new(), Vec::new());
        let (code, free) = (Vec::new(), BTreeMap::new());
        Emitter { places, next, packs, fillings, code, free, positions }
    }

    /// Returns the instructions of all stages.
    pub fn stages(&mut self, stages: &[Stage]) -> Result<Vec<Part>, EngineError> {
        for task in stages.iter().flat_map(|it| &it.tasks) {
            if let Task::Products(sums) = task {
                self.gather(sums);
            }
        }
        let mut parts = Vec::new();
        for stage in stages {
            self.free.clear();
            for task in &stage.tasks {
                self.task(task)?;
            }
            if stage.per_sequence {
                self.repeat(stage);
            }
            let code = std::mem::take(&mut self.code);
            parts.push(Part { order: stage.order, is_first: stage.per_sequence, code });
        }
        Ok(parts)
    }

    fn task(&mut self, task: &Task) -> Result<(), EngineError> {
        match task {
            Task::Elementwise(nodes) => elementwise(self, nodes),
            Task::Products(sums) => self.products(sums),
            Task::Single(id) => self.single(*id),
            Task::Hold(carry) => {
                let Some((node, to)) = self.next[*carry] else { return Ok(()) };
                let from = self.places.place(node);
                if from != to {
                    let n = self.places.len(node);
                    self.copy(from, to, n);
                }
                Ok(())
            }
        }
    }

    /// Repeats at all steps what the first one of each sequence has and other stages read.
    fn repeat(&mut self, stage: &Stage) {
        let mut done: BTreeSet<NodeId> = BTreeSet::new();
        for id in stage.tasks.iter().flat_map(Task::nodes) {
            let base = self.places.view(id).0;
            let place = self.places.known(base).filter(|it| it.rows == Rows::Each);
            // The value of a leaf is there for all steps.
            let (Some(place), true) = (place, self.places.pass.is_each(base)) else { continue };
            let n = self.places.len(base);
            if n > 0 && done.insert(base) {
                self.code.push(Code::Repeat { place, n });
            }
        }
    }

    fn copy(&mut self, from: Place, to: Place, n: usize) {
        if n > 0 {
            self.code.push(Code::Copy { from, to, n });
        }
    }

    /// Gives the results of sums of the same values places side by side, and what they begin with
    /// too.
    fn gather(&mut self, sums: &[LinearSum]) {
        let places = &mut *self.places;
        let nodes: Vec<NodeId> = sums.iter().map(|it| it.node).collect();
        if nodes.iter().all(|it| places.is_free(*it)) {
            places.put_together(&nodes);
        }
        let added: Option<Vec<NodeId>> = sums.iter().map(|it| it.added).collect();
        let Some(added) = added else { return };
        let bases: Vec<(NodeId, usize)> = added.iter().map(|it| places.view(*it)).collect();
        let whole = |(id, it): (&NodeId, &(NodeId, usize))| {
            it.1 == 0 && !places.is_placed(*id) && places.len(it.0) == places.len(*id)
        };
        let whole = added.iter().zip(&bases).all(whole);
        let bases: Vec<NodeId> = bases.into_iter().map(|it| it.0).collect();
        let mut sorted = bases.clone();
        sorted.sort();
        sorted.dedup();
        let once = bases.iter().all(|it| places.pass.once[it.idx()]);
        let free = bases.iter().all(|it| places.is_free(*it));
        if whole && sorted.len() == bases.len() && (once || free) {
            places.put_together(&bases);
        }
    }

    /// Sums of products, as many at once as lie side by side.
    fn products(&mut self, sums: &[LinearSum]) -> Result<(), EngineError> {
        let sums: Vec<&LinearSum> = sums.iter().filter(|it| self.places.len(it.node) > 0).collect();
        let mut begin = 0;
        while begin < sums.len() {
            let to = self.places.place(sums[begin].node);
            let added = sums[begin].added.map(|it| self.places.place(it));
            let negative =
                |it: &LinearSum| -> Vec<bool> { it.terms.iter().map(|it| it.negative).collect() };
            let signs = negative(sums[begin]);
            let mut n = 0;
            let mut end = begin;
            while end < sums.len() {
                let sum = sums[end];
                let next_to = self.places.place(sum.node);
                let next_added = sum.added.map(|it| self.places.place(it));
                let at = |it: Place| Place { offset: it.offset + n, ..it };
                if next_to != at(to) || next_added != added.map(at) || negative(sum) != signs {
                    break;
                }
                n += self.places.len(sum.node);
                end += 1;
            }
            self.product(&sums[begin..end], added, to)?;
            begin = end;
        }
        for added in sums.iter().filter_map(|it| it.added) {
            let places = &self.places;
            let last = places.whole(added) == Some(added) && places.users(added).len() == 1;
            let place = places.known(added).filter(|it| it.rows == Rows::Each);
            if let (true, false, Some(place)) = (last, places.is_wanted(added), place)
                && places.pass.is_each(added)
                && !places.pass.per_sequence[added.idx()]
            {
                self.free.entry(places.len(added)).or_default().push_back(place);
            }
        }
        Ok(())
    }

    /// Returns the place of a result: a free one for what needs rows of all steps, or a new one.
    pub fn place_of_result(&mut self, id: NodeId) -> Place {
        let n = self.places.len(id);
        if self.places.is_free(id)
            && !self.places.is_local(id)
            && let Some(place) = self.free.get_mut(&n).and_then(VecDeque::pop_front)
        {
            self.places.put(id, place);
        }
        self.places.place(id)
    }

    fn product(
        &mut self,
        sums: &[&LinearSum],
        added: Option<Place>,
        to: Place,
    ) -> Result<(), EngineError> {
        let lens: Vec<usize> = sums.iter().map(|it| self.places.len(it.node)).collect();
        let columns = lens.iter().sum();
        let unit = if lens.iter().all(|it| *it == lens[0]) { lens[0] } else { columns };
        let pack = self.packs.len();
        let mut first = 0;
        let mut depths = vec![0; sums[0].terms.len()];
        for (sum, len) in sums.iter().zip(&lens) {
            for (term, (it, depth)) in sum.terms.iter().zip(&mut depths).enumerate() {
                let matrix = self.matrix(it)?;
                *depth = matrix.rows.len();
                let (matrix, negative) = (matrix, it.negative);
                self.fillings.push(Filling { pack, term, first, matrix, negative });
            }
            first += len;
        }
        let values = sums[0].terms.iter().map(|it| self.places.place(it.value)).collect();
        self.packs.push(PackSize { depths, columns });
        self.code.push(Code::Product { pack, values, added, to, columns, unit });
        Ok(())
    }

    /// Returns the order in which the elements of a matrix lie for a product.
    fn matrix(&self, term: &Term) -> Result<Turned, EngineError> {
        let node = self.places.graph.node(term.product);
        let Op::Contract(Contract { left, right, result }) = &node.op else {
            let reason = "it was gathered as a product and is none";
            return Err(EngineError::at(self.places.graph, term.product, reason));
        };
        let (own, value) = if node.args[0] == term.matrix { (left, right) } else { (right, left) };
        let sizes = &self.places.shapes[term.matrix.idx()];
        let rows = offsets(value, own, sizes);
        Ok(Turned { node: term.matrix, rows, columns: offsets(result, own, sizes) })
    }

    fn single(&mut self, id: NodeId) -> Result<(), EngineError> {
        if self.places.is_view(id) || self.places.len(id) == 0 {
            return Ok(());
        }
        // A repeated value is read without a copy, as far as its readers can: a product cannot.
        let elementwise = |it: &NodeId| matches!(self.places.graph.node(*it).op, Op::Map(_));
        let lazily = self.places.repeated(id).is_some() && !self.places.is_added(id);
        if lazily && self.places.users(id).iter().all(elementwise) {
            return Ok(());
        }
        if self.blocks(id) { Ok(()) } else { self.row(id) }
    }

    /// Returns a product of blocks of a value with blocks of a matrix that is the same for all rows: one product for each.
    /// Returns true if it is such a one.
    fn blocks(&mut self, id: NodeId) -> bool {
        let node = self.places.graph.node(id);
        let Op::Contract(Contract { left, right, result }) = &node.op else { return false };
        let once = |it: NodeId| self.places.pass.once[it.idx()];
        let (value, matrix, own, other) = match (once(node.args[0]), once(node.args[1])) {
            (false, true) => (node.args[0], node.args[1], left, right),
            (true, false) => (node.args[1], node.args[0], right, left),
            (true, true) | (false, false) => return false,
        };
        let shared = own.iter().take_while(|it| result.contains(it)).count();
        let (lead, summed) = own.split_at(shared);
        let fits = result.starts_with(lead)
            && own.iter().chain(&result[shared..]).all(|it| other.contains(it))
            && summed.iter().all(|it| !result.contains(it))
            && shared > 0;
        let shapes = self.places.shapes;
        let count: usize = shapes[value.idx()][..shared].iter().product();
        let depth: usize = shapes[value.idx()][shared..].iter().product();
        let columns: usize = shapes[id.idx()][shared..].iter().product();
        if !fits || count > MOST_BLOCKS || depth < 4 || columns < 4 {
            return false;
        }
        let of_matrix = |labels: &[u8]| offsets(labels, other, &shapes[matrix.idx()]);
        let (starts, rows, along) =
            (of_matrix(lead), of_matrix(summed), of_matrix(&result[shared..]));
        let (from, to) = (self.places.place(value), self.places.place(id));
        for (at, start) in starts.iter().enumerate() {
            let pack = self.packs.len();
            let rows = rows.iter().map(|it| it + start).collect();
            let matrix = Turned { node: matrix, rows, columns: along.clone() };
            self.fillings.push(Filling { pack, term: 0, first: 0, matrix, negative: false });
            self.packs.push(PackSize { depths: vec![depth], columns });
            let values = vec![Place { offset: from.offset + at * depth, ..from }];
            let to = Place { offset: to.offset + at * columns, ..to };
            self.code.push(Code::Product { pack, values, added: None, to, columns, unit: columns });
        }
        true
    }

    /// Returns an operator by itself.
    pub fn row(&mut self, id: NodeId) -> Result<(), EngineError> {
        let node = self.places.graph.node(id);
        let shapes = self.places.shapes;
        let args = node.args.iter().map(|it| (self.places.place(*it), &shapes[it.idx()][..]));
        let args: Vec<(Place, &[usize])> = args.collect();
        let to = (self.places.place(id), &shapes[id.idx()][..]);
        let code = RowCode::new(&node.op, self.places.env, &args, to);
        let none = || EngineError::at(self.places.graph, id, "no kernel computes it for rows");
        self.code.push(Code::Row(code.ok_or_else(none)?));
        Ok(())
    }
}

/// More blocks than these are better left to one operator for all of them.
const MOST_BLOCKS: usize = 64;

/// Lists the offsets that the indices of some axes of a value lead to, the last axis fastest; `own` are the value's axes.
fn offsets(labels: &[u8], own: &[u8], sizes: &[usize]) -> Vec<usize> {
    labels.iter().fold(vec![0], |offsets, label| {
        let Some(axis) = own.iter().position(|it| it == label) else { return offsets };
        let step: usize = sizes[axis + 1..].iter().product();
        let along = |at: usize| (0..sizes[axis]).map(move |it| at + it * step);
        offsets.into_iter().flat_map(along).collect()
    })
}
