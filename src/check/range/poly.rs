//! Ranges of sums of products, with equal factors seen as equal.
//!
//! A node is written out as a polynomial over the nodes that are no sums, products or constants. The coefficients of its
//! Bernstein form over the box of their ranges enclose the range of the polynomial, and when no factor is squared they
//! are its values at the corners, so the enclosure is exact: `f * w + (m - w)` with `w = m * i` lies in [0, 1].

use std::cell::Cell as Counter;
use std::collections::BTreeMap;

use super::tidy;
use crate::ir::pointwise::{ANY, Interval, closed};
use crate::ir::{Graph, Move, NodeId, Op, Pointwise};

/// The most terms that are written out; a larger node counts as one unknown.
const TERMS: usize = 64;
/// The most coefficients of a Bernstein form.
const COEFFICIENTS: usize = 4096;
/// The most nodes that are visited for one range.
const VISITS: usize = 150;

/// Unknowns with their powers, in order.
type Monomial = Vec<(usize, u32)>;
type Poly = BTreeMap<Monomial, f64>;

/// A node as an element of the result sees it: axis `k` of the node is axis `places[k]` of the result.
type Atom = (NodeId, Vec<usize>);

/// Writes nodes of one graph out as polynomials.
pub(super) struct Expander<'a> {
    graph: &'a Graph,
    same: &'a [NodeId],
    ranges: &'a [Interval],
    /// True if named values of known range count as unknowns.
    stop_at_names: bool,
    atoms: Vec<Atom>,
    visits: usize,
    /// The steps that are left for all nodes of the graph together.
    budget: &'a Counter<usize>,
}

impl<'a> Expander<'a> {
    pub(super) fn new(
        graph: &'a Graph,
        same: &'a [NodeId],
        ranges: &'a [Interval],
        stop_at_names: bool,
        budget: &'a Counter<usize>,
    ) -> Expander<'a> {
        Expander { graph, same, ranges, stop_at_names, atoms: Vec::new(), visits: 0, budget }
    }

    /// Returns the range of a node.
    pub(super) fn range(mut self, id: NodeId) -> Interval {
        let poly = self.root(id);
        self.bound(&poly, 3)
    }

    /// Returns the range of `a + sign * b`, two nodes of one shape.
    pub(super) fn combination(mut self, a: NodeId, b: NodeId, sign: f64) -> Interval {
        let (a, b) = (self.root(a), self.root(b));
        let poly = add(a, b, sign);
        self.bound(&poly, 3)
    }

    fn root(&mut self, id: NodeId) -> Poly {
        let places: Vec<usize> = (0..self.graph.shape(id).rank()).collect();
        self.expand(id, &places, true)
    }

    fn expand(&mut self, id: NodeId, places: &[usize], root: bool) -> Poly {
        self.visits += 1;
        self.budget.set(self.budget.get().saturating_sub(1));
        let range = self.ranges[id.idx()];
        if range.lo == range.hi && range.lo.is_finite() {
            return constant(range.lo);
        }
        let node = self.graph.node(id);
        let known = range.lo.is_finite() && range.hi.is_finite();
        if self.visits > VISITS || (!root && self.stop_at_names && known && node.name.is_some()) {
            return self.atom(id, places);
        }
        if let Op::Move(Move::Expand(inner)) = &node.op {
            let places: Vec<usize> = inner.iter().map(|it| places[*it]).collect();
            return self.expand(node.args[0], &places, false);
        }
        if let Some(operand) = node.op.hands_on() {
            return self.expand(node.args[operand], places, false);
        }
        let poly = if let Op::Map(op) = node.op {
            self.product_or_sum(op, &node.args, places)
        } else {
            None
        };
        match poly {
            Some(poly) if poly.len() <= TERMS => poly,
            Some(_) | None => self.atom(id, places),
        }
    }

    /// Returns the polynomial of an operator, if it makes one of its operands' polynomials.
    fn product_or_sum(&mut self, op: Pointwise, args: &[NodeId], places: &[usize]) -> Option<Poly> {
        if op == Pointwise::Add || op == Pointwise::Sub {
            let sign = if op == Pointwise::Add { 1.0 } else { -1.0 };
            let a = self.expand(args[0], places, false);
            let b = self.expand(args[1], places, false);
            return Some(add(a, b, sign));
        }
        if op == Pointwise::Neg {
            let a = self.expand(args[0], places, false);
            return Some(add(Poly::new(), a, -1.0));
        }
        if op == Pointwise::Mul {
            let a = self.expand(args[0], places, false);
            let b = self.expand(args[1], places, false);
            return multiply(&a, &b);
        }
        let power = if op == Pointwise::Square {
            2.0
        } else if op == Pointwise::Pow || op == Pointwise::Div {
            let right = self.ranges[args[1].idx()];
            (right.lo == right.hi).then_some(right.lo)?
        } else {
            return None;
        };
        if op == Pointwise::Div {
            // The inverse of a subnormal number is infinite.
            let inverse = power.recip();
            return inverse.is_finite().then(|| {
                let a = self.expand(args[0], places, false);
                add(Poly::new(), a, inverse)
            });
        }
        if ![2.0, 3.0, 4.0].contains(&power) {
            return None;
        }
        let a = self.expand(args[0], places, false);
        (1..power as usize).try_fold(a.clone(), |all, _| multiply(&all, &a))
    }

    fn atom(&mut self, id: NodeId, places: &[usize]) -> Poly {
        let atom = (self.same[id.idx()], places.to_vec());
        let idx = self.atoms.iter().position(|it| *it == atom).unwrap_or_else(|| {
            self.atoms.push(atom);
            self.atoms.len() - 1
        });
        Poly::from([(vec![(idx, 1)], 1.0)])
    }

    /// Encloses the values of a polynomial. An unknown that is a greatest or least of two may be replaced by one of them
    /// where that only widens: `a - max(a, b)` is at most `a - a`.
    fn bound(&mut self, poly: &Poly, depth: u32) -> Interval {
        let mut all = self.terms(poly);
        let corners = self.bernstein(poly);
        all.lo = all.lo.max(corners.lo);
        all.hi = all.hi.min(corners.hi);
        if depth == 0 {
            return all;
        }
        for (monomial, factor) in poly {
            let [(atom, 1)] = monomial.as_slice() else { continue };
            let (id, places) = self.atoms[*atom].clone();
            let node = self.graph.node(id);
            // Whether the value is at least, and else at most, each of these operands.
            let Op::Map(op) = node.op else { continue };
            let (least, count) = if let Pointwise::Max | Pointwise::LogAddExp = op {
                (true, 2)
            } else if let Pointwise::Relu | Pointwise::Softplus = op {
                (true, 1)
            } else if op == Pointwise::Min {
                (false, 2)
            } else {
                continue;
            };
            let others = &node.args[..count];
            let mut rest = poly.clone();
            rest.remove(monomial);
            for other in others {
                let other = self.expand(*other, &places, false);
                let range = self.bound(&add(rest.clone(), other, *factor), depth - 1);
                if least == (*factor > 0.0) {
                    all.lo = all.lo.max(range.lo);
                } else {
                    all.hi = all.hi.min(range.hi);
                }
            }
        }
        all
    }

    /// Returns the sum of the ranges of the terms.
    fn terms(&self, poly: &Poly) -> Interval {
        let mut sum = closed(0.0, 0.0);
        for (monomial, factor) in poly {
            let mut term = closed(1.0, 1.0);
            for (atom, power) in monomial {
                let range = self.ranges[self.atoms[*atom].0.idx()];
                let factor = if power % 2 == 0 {
                    let least = if range.lo > 0.0 || range.hi < 0.0 {
                        range.lo.abs().min(range.hi.abs())
                    } else {
                        0.0
                    };
                    closed(least, range.lo.abs().max(range.hi.abs()))
                } else {
                    range
                };
                let raise = |it: f64| it.powi(*power as i32);
                term = product(term, closed(raise(factor.lo), raise(factor.hi)));
            }
            let term = product(term, closed(*factor, *factor));
            sum = tidy(closed(sum.lo + term.lo, sum.hi + term.hi));
        }
        sum
    }

    /// Returns the least and greatest Bernstein coefficient over the box of the unknowns' ranges.
    fn bernstein(&self, poly: &Poly) -> Interval {
        let mut degrees: BTreeMap<usize, usize> = BTreeMap::new();
        for (atom, power) in poly.keys().flatten() {
            let degree = degrees.entry(*atom).or_default();
            *degree = (*degree).max(*power as usize);
        }
        let unbounded = degrees.keys().any(|it| {
            let range = self.ranges[self.atoms[*it].0.idx()];
            !range.lo.is_finite() || !range.hi.is_finite()
        });
        let size = degrees
            .values()
            .try_fold(1usize, |all, it| all.checked_mul(it + 1))
            .unwrap_or(usize::MAX);
        if unbounded || size > COEFFICIENTS {
            return ANY;
        }
        let mut strides: BTreeMap<usize, usize> = BTreeMap::new();
        let mut stride = 1;
        for (atom, degree) in &degrees {
            strides.insert(*atom, stride);
            stride *= degree + 1;
        }
        let mut coefficients = vec![0.0; size];
        for (monomial, factor) in poly {
            let at: usize =
                monomial.iter().map(|(atom, power)| strides[atom] * *power as usize).sum();
            coefficients[at] += factor;
        }
        for (atom, degree) in &degrees {
            let range = self.ranges[self.atoms[*atom].0.idx()];
            let stride = strides[atom];
            for base in 0..size {
                if (base / stride).is_multiple_of(degree + 1) {
                    let line: Vec<f64> =
                        (0..=*degree).map(|it| coefficients[base + it * stride]).collect();
                    let line = to_bernstein(&line, range);
                    for (it, value) in line.into_iter().enumerate() {
                        coefficients[base + it * stride] = value;
                    }
                }
            }
        }
        let lo = coefficients.iter().copied().fold(f64::INFINITY, f64::min);
        let hi = coefficients.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        tidy(closed(lo, hi))
    }
}

/// Returns the Bernstein coefficients over a range of a polynomial in one unknown, lowest power first.
fn to_bernstein(powers: &[f64], range: Interval) -> Vec<f64> {
    let degree = powers.len() - 1;
    // x = lo + width * t, by Horner's rule on polynomials in t.
    let width = range.hi - range.lo;
    let mut shifted = vec![0.0; degree + 1];
    for power in powers.iter().rev() {
        for it in (0..=degree).rev() {
            let below = if it > 0 { shifted[it - 1] } else { 0.0 };
            shifted[it] = shifted[it] * range.lo + below * width;
        }
        shifted[0] += power;
    }
    (0..=degree)
        .map(|j| (0..=j).map(|k| shifted[k] * binomial(j, k) / binomial(degree, k)).sum())
        .collect()
}

fn binomial(n: usize, k: usize) -> f64 {
    (0..k).map(|it| (n - it) as f64 / (it + 1) as f64).product()
}

fn constant(value: f64) -> Poly {
    if value == 0.0 { Poly::new() } else { Poly::from([(Vec::new(), value)]) }
}

/// `a + factor * b`
fn add(mut a: Poly, b: Poly, factor: f64) -> Poly {
    for (monomial, value) in b {
        *a.entry(monomial).or_default() += factor * value;
    }
    // Terms that cancel must go, or an unknown without bounds would hide that.
    a.retain(|_, it| *it != 0.0);
    a
}

/// Returns the product, unless it has too many terms.
fn multiply(a: &Poly, b: &Poly) -> Option<Poly> {
    if a.len() * b.len() > TERMS * 4 {
        return None;
    }
    let mut result = Poly::new();
    for (left, x) in a {
        for (right, y) in b {
            let mut powers: BTreeMap<usize, u32> = left.iter().copied().collect();
            for (atom, power) in right {
                *powers.entry(*atom).or_default() += power;
            }
            *result.entry(powers.into_iter().collect()).or_default() += x * y;
        }
    }
    result.retain(|_, it| *it != 0.0);
    let degree = result.keys().map(|it| it.iter().map(|(_, power)| power).sum::<u32>()).max();
    (degree.unwrap_or(0) <= 8).then_some(result)
}

fn product(a: Interval, b: Interval) -> Interval {
    let at = |x: f64, y: f64| if x == 0.0 || y == 0.0 { 0.0 } else { x * y };
    let all = [at(a.lo, b.lo), at(a.lo, b.hi), at(a.hi, b.lo), at(a.hi, b.hi)];
    closed(
        all.iter().copied().fold(f64::INFINITY, f64::min),
        all.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    )
}
