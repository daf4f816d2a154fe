//! Classifies how the states of a cell depend on their own past, which decides how a loop over time can run.
//!
//! | class | next state |
//! |---|---|
//! | none | reads no earlier step, or the past of inputs alone |
//! | linear, elementwise | a * h + b, with a and b from the inputs: a scan |
//! | linear | affine in the states, with products or sums over them |
//! | elementwise | nonlinear, every element from its own past alone |
//! | dense | products with the states, so many of which wait for each other |

use std::fmt;

use super::dependence;
use super::op::{Leaf, Linearity, Op};
use super::{Cell, Node};

/// The class of a cell's recurrence: that of all its states together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Recurrence {
    /// No state depends on an earlier step of any state.
    None,
    /// Affine in the states, element by element.
    LinearElementwise,
    /// Affine in the states, with elements that meet.
    Linear,
    /// Nonlinear, element by element.
    Elementwise,
    /// Elements meet in something else than a product: a softmax, a norm, a running sum.
    Mixed,
    /// Nonlinear, with products; so many wait for each other within a step.
    Dense(usize),
}

impl fmt::Display for Recurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Recurrence::None => f.write_str("none"),
            Recurrence::LinearElementwise => f.write_str("linear, elementwise"),
            Recurrence::Linear => f.write_str("linear"),
            Recurrence::Elementwise => f.write_str("elementwise"),
            Recurrence::Mixed => f.write_str("across elements"),
            Recurrence::Dense(1) => f.write_str("dense"),
            Recurrence::Dense(depth) => write!(f, "dense, depth {depth}"),
        }
    }
}

/// The degree of a value in the old states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Degree {
    nonlinear: bool,
    /// True if elements of the states meet in it, other than by a product.
    mixes: bool,
    /// The longest chain of products with states that it waits for.
    products: usize,
}

const AFFINE: Degree = Degree { nonlinear: false, mixes: false, products: 0 };

impl Degree {
    fn and(self, other: Degree) -> Degree {
        Degree {
            nonlinear: self.nonlinear || other.nonlinear,
            mixes: self.mixes || other.mixes,
            products: self.products.max(other.products),
        }
    }
}

/// Returns the class of a cell.
pub fn recurrence(cell: &Cell) -> Recurrence {
    // What is known before the loop is no recurrence: the past of inputs, and the number of the step with its past.
    let mut known = dependence::delays(cell);
    for (known, carry) in known.iter_mut().zip(&cell.carries) {
        *known |= carry.is_time();
    }
    loop {
        let degrees = degrees(cell, &known);
        let next: Vec<_> = cell.carries.iter().map(|it| degrees[it.next.idx()]).collect();
        let settled = |idx: &usize| !known[*idx] && next[*idx].is_none();
        match (0..known.len()).find(settled) {
            Some(idx) => known[idx] = true,
            // States that only together are nonlinear and meet in products are so: a spike of one that another passes
            // through a matrix.
            None => {
                let states = next.iter().zip(&known).filter(|it| !it.1);
                let together = states.filter_map(|it| *it.0).reduce(Degree::and);
                return together.map_or(Recurrence::None, class);
            }
        }
    }
}

/// Returns the degree of every node, where these carried values are known before the loop.
fn degrees(cell: &Cell, known: &[bool]) -> Vec<Option<Degree>> {
    let graph = &cell.step;
    let mut degrees: Vec<Option<Degree>> = Vec::with_capacity(graph.nodes().len());
    for id in graph.ids() {
        let node = graph.node(id);
        let degree = match &node.op {
            Op::Leaf(Leaf::Carry(idx)) if !known[*idx] => Some(AFFINE),
            _ => degree(node, &degrees),
        };
        degrees.push(degree);
    }
    degrees
}

fn class(degree: Degree) -> Recurrence {
    match degree {
        Degree { nonlinear: false, mixes: false, products: 0 } => Recurrence::LinearElementwise,
        Degree { nonlinear: false, .. } => Recurrence::Linear,
        Degree { mixes: false, products: 0, .. } => Recurrence::Elementwise,
        Degree { products: 0, .. } => Recurrence::Mixed,
        Degree { products, .. } => Recurrence::Dense(products),
    }
}

/// Returns the degree of a node by those of its operands; `None` when it reads no state.
fn degree(node: &Node, known: &[Option<Degree>]) -> Option<Degree> {
    // The condition of a guard and a declared slope only matter to the gradient.
    if let Some(operand) = node.op.hands_on() {
        return known[node.args[operand].idx()];
    }
    let reads: Vec<Option<Degree>> = node.args.iter().map(|it| known[it.idx()]).collect();
    let all = reads.iter().copied().flatten().reduce(Degree::and)?;
    let varies: Vec<bool> = reads.iter().map(Option::is_some).collect();
    let nonlinear = all.nonlinear || node.op.linearity(&varies) == Linearity::Nonlinear;
    let degree = match &node.op {
        Op::Along(_) => Degree { nonlinear, mixes: true, ..all },
        Op::Contract(it) => {
            let product = usize::from(!it.is_outer());
            Degree { nonlinear, products: all.products + product, ..all }
        }
        Op::Map(_) | Op::Move(_) | Op::Indexed(_) | Op::Choice(_) | Op::Gradient(_) => {
            Degree { nonlinear, ..all }
        }
        Op::Leaf(_) | Op::Literal(_) => return None,
    };
    Some(degree)
}
