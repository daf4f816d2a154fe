//! The adjoint of a value that is read in pieces.
//!
//! Each `w[k]`, `slice(w, a, b)` and lookup gives the adjoint of `w` one piece with zeros around it. To add `n` such
//! arrays costs `n` times the size of `w`: quadratic in a loop that reads `w[k]` in iteration `k`. So pieces that do not
//! overlap become one array:
//!
//! | pieces | array |
//! |---|---|
//! | `place(a, 0)`, `place(b, 1)` | `stack(a, b)` |
//! | `pad(a, 0, 2 * H)`, `pad(b, H, H)`, `pad(c, 2 * H, 0)` | `concat(a, b, c)` |
//! | `scatter(a, i)`, `scatter(b, i)` | `scatter(a + b, i)` |
//!
//! Pieces of one place are added first. Pieces that overlap need as many arrays as lie upon each other, which is how
//! intervals are coloured: in the order of their starts, each joins the array that ends first. Sizes are open, so only a
//! piece whose place after the other is certain joins it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::build::Builder;
use crate::ir::{Dim, Indexed, Leaf, Move, NodeId, Op, Shape};

/// A piece of an axis and the terms that are there.
struct Piece {
    from: Dim,
    to: Dim,
    /// True for one element of the first axis, which its terms lack.
    is_element: bool,
    /// The position of the first of the terms among all.
    at: usize,
    terms: Vec<NodeId>,
    /// The start and the end for sizes that are as good as any, to sort by.
    key: (i64, i64),
}

impl Builder<'_> {
    /// Returns the sum of adjoints of one value; `None` of nothing.
    pub fn total(&mut self, terms: &[NodeId]) -> Option<NodeId> {
        if terms.len() < 2 {
            return terms.first().copied();
        }
        let shape = self.shape(terms[0]);
        let mut sums: Vec<(usize, NodeId)> = Vec::new();
        let mut axes: BTreeMap<usize, BTreeMap<(Dim, Dim, bool), Piece>> = BTreeMap::new();
        let mut rows: BTreeMap<Result<Leaf, NodeId>, (usize, NodeId, Vec<NodeId>)> =
            BTreeMap::new();
        for (at, term) in terms.iter().enumerate() {
            if let Some((axis, inner, mut piece)) = self.piece(*term, &shape) {
                piece.at = at;
                let place = (piece.from.clone(), piece.to.clone(), piece.is_element);
                let of_axis = axes.entry(axis).or_default();
                of_axis.entry(place).or_insert(piece).terms.push(inner);
            } else if let Some([inner, index]) = self.scattered(*term) {
                // One index may be read by several leaves.
                let row = self.graph.node(index).op.leaf().ok_or(index);
                rows.entry(row).or_insert((at, index, Vec::new())).2.push(inner);
            } else {
                sums.push((at, *term));
            }
        }
        for (axis, pieces) in axes {
            self.arrays(axis, pieces.into_values().collect(), &shape, &mut sums);
        }
        for (at, index, inner) in rows.into_values() {
            let span = self.graph.node(inner[0]).span;
            let Some(sum) = self.sum(&inner) else { continue };
            sums.push((at, self.push(Indexed::Scatter, &[sum, index], shape.clone(), span)));
        }
        sums.sort_unstable();
        let sums: Vec<NodeId> = sums.into_iter().map(|it| it.1).collect();
        self.sum(&sums)
    }

    /// Returns the axis, the value and the place of a term that is 0 elsewhere. One with a name stays as it is.
    fn piece(&self, term: NodeId, shape: &Shape) -> Option<(usize, NodeId, Piece)> {
        let node = self.graph.node(term);
        let (axis, from, length, is_element) = match &node.op {
            Op::Move(Move::Place(index)) => (0, index, Dim::number(1), true),
            Op::Move(Move::Pad { axis, before, .. }) => {
                (*axis, before, self.graph.shape(node.args[0]).0[*axis].clone(), false)
            }
            _ => return None,
        };
        let any_size = |dim: &Dim| dim.eval(&|_| Some(64));
        let to = from.add(&length).ok()?;
        let key = (any_size(from)?, any_size(&to)?);
        let (from, terms) = (from.clone(), Vec::new());
        let fits = node.name.is_none() && node.shape == *shape;
        fits.then(|| (axis, node.args[0], Piece { from, to, is_element, at: 0, terms, key }))
    }

    /// Returns the value and the index of a scattered term.
    fn scattered(&self, term: NodeId) -> Option<[NodeId; 2]> {
        let node = self.graph.node(term);
        let is_term = node.op == Op::Indexed(Indexed::Scatter) && node.name.is_none();
        node.args[..].try_into().ok().filter(|_| is_term)
    }

    /// Puts pieces of an axis in as few arrays as their overlaps allow.
    fn arrays(
        &mut self,
        axis: usize,
        mut pieces: Vec<Piece>,
        shape: &Shape,
        sums: &mut Vec<(usize, NodeId)>,
    ) {
        pieces.sort_by_key(|it| (it.key, it.at));
        let mut arrays: Vec<Vec<Piece>> = Vec::new();
        let mut ends: BinaryHeap<Reverse<(i64, usize)>> = BinaryHeap::new();
        for piece in pieces {
            let mut array = arrays.len();
            if let Some(Reverse((end, first))) = ends.peek().copied()
                && end <= piece.key.0
            {
                // Where that is not certain the array is full.
                ends.pop();
                let last = arrays[first].last();
                if last.is_some_and(|it| is_certain(&it.to, &piece.from)) {
                    array = first;
                }
            }
            if array == arrays.len() {
                arrays.push(Vec::new());
            }
            ends.push(Reverse((piece.key.1, array)));
            arrays[array].push(piece);
        }
        for array in arrays {
            let at = array.iter().map(|it| it.at).min().unwrap_or_default();
            if let Some(sum) = self.array(axis, &array, shape) {
                sums.push((at, sum));
            }
        }
    }

    /// Pieces one after the other, with zeros around them.
    fn array(&mut self, axis: usize, pieces: &[Piece], shape: &Shape) -> Option<NodeId> {
        let (first, last) = (pieces.first()?, pieces.last()?);
        let values: Option<Vec<NodeId>> = pieces.iter().map(|it| self.sum(&it.terms)).collect();
        let mut values = values?;
        let span = self.graph.node(values[0]).span;
        if pieces.len() == 1 && first.is_element {
            return Some(self.push(Move::Place(first.from.clone()), &values, shape.clone(), span));
        }
        let along = |length: Dim| {
            let mut shape = shape.clone();
            shape.0[axis] = length;
            shape
        };
        let is_row = |it: &[Piece]| it[0].to == it[1].from;
        let joined = if pieces.iter().all(|it| it.is_element) && pieces.windows(2).all(is_row) {
            let shape = along(Dim::number(values.len() as i64));
            self.push(Move::Stack, &values, shape, span)
        } else {
            let mut before = &first.from;
            for (piece, value) in pieces.iter().zip(&mut values) {
                let mut length = piece.to.sub(&piece.from).ok()?;
                if piece.is_element {
                    *value = self.push(Move::Reshape, &[*value], along(length.clone()), span);
                }
                if piece.from != *before {
                    let gap = piece.from.sub(before).ok()?;
                    length = length.add(&gap).ok()?;
                    let pad = Move::Pad { axis, before: gap, after: Dim::number(0) };
                    *value = self.push(pad, &[*value], along(length), span);
                }
                before = &piece.to;
            }
            match &values[..] {
                [value] => *value,
                _ => {
                    let shape = along(last.to.sub(&first.from).ok()?);
                    self.push(Move::Concat(axis), &values, shape, span)
                }
            }
        };
        let (before, after) = (first.from.clone(), shape.0[axis].sub(&last.to).ok()?);
        if before.as_number() == Some(0) && after.as_number() == Some(0) {
            return Some(joined);
        }
        Some(self.push(Move::Pad { axis, before, after }, &[joined], shape.clone(), span))
    }
}

/// Returns true if one place is never before another, for any sizes.
fn is_certain(end: &Dim, from: &Dim) -> bool {
    from.sub(end).is_ok_and(|it| it.least().is_some_and(|it| it >= 0))
}
