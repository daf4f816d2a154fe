//! Loop-invariant values: those of params, and matrices in the form that products want.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::error::EngineError;
use crate::exec::eval::{Value, value_of};
use crate::exec::kernels::machine::{Program, apply};
use crate::exec::kernels::{Matrix, Packed, Part, Path, Team};
use crate::ir::{Env, Graph, Leaf, Node, NodeId, Op};

/// A matrix within a product: the element at row k and column j is element `rows[k] + columns[j]` of
/// its node.
#[derive(Clone, Debug)]
pub(super) struct Turned {
    pub node: NodeId,
    pub rows: Vec<usize>,
    pub columns: Vec<usize>,
}

/// A matrix and where it goes.
#[derive(Clone, Debug)]
pub(super) struct Filling {
    /// The product.
    pub pack: usize,
    /// The term of the product.
    pub term: usize,
    /// The first column.
    pub first: usize,
    pub matrix: Turned,
    pub negative: bool,
}

/// The loop-invariant values that a program needs of a graph.
#[derive(Clone, Debug)]
pub(super) struct Needs {
    /// The values in the buffer of fixed values, and the offset of each.
    pub fixed: Vec<(NodeId, usize)>,
    pub fillings: Vec<Filling>,
    /// Others that are asked for.
    pub others: Vec<NodeId>,
}

/// The values, for one set of params.
#[derive(Clone, Debug, Default)]
pub(super) struct Weights {
    pub fixed: Vec<f32>,
    pub packs: Vec<Packed>,
    /// For each node of the graph its value, where somebody asked for it.
    pub values: Vec<Option<Value<f32>>>,
}

const NOT_THE_SAME: &str = "it was planned as the same for all rows and has no value before them";

/// The sources of leaves: params by reference, the others by value.
pub(super) struct Source<'s> {
    pub path: Path,
    pub graph: &'s Graph,
    pub shapes: &'s [Vec<usize>],
    pub env: &'s Env,
    pub params: &'s [ArrayViewD<'s, f32>],
    pub leaf: &'s (dyn Fn(&Op) -> Option<Value<f32>> + Sync),
}

impl Source<'_> {
    /// Returns the values of nodes and of what they are made of.
    fn values(
        &self,
        wanted: impl Iterator<Item = NodeId>,
    ) -> Result<Vec<Option<Value<f32>>>, EngineError> {
        let n = self.graph.nodes().len();
        let mut needed = vec![false; n];
        wanted.for_each(|it| needed[it.idx()] = true);
        for id in self.graph.ids().rev().filter(|it| it.idx() < n) {
            if needed[id.idx()] {
                self.graph.node(id).args.iter().for_each(|it| needed[it.idx()] = true);
            }
        }
        let mut values: Vec<Option<Value<f32>>> = vec![None; n];
        for id in self.graph.ids().filter(|it| needed[it.idx()]) {
            let node = self.graph.node(id);
            let found = if node.op.is_leaf() {
                match node.op {
                    Op::Leaf(Leaf::Param(param)) => Some(self.params[param].to_shared()),
                    _ => (self.leaf)(&node.op),
                }
            } else {
                let args: Option<Vec<&Value<f32>>> =
                    node.args.iter().map(|it| values[it.idx()].as_ref()).collect();
                args.map(|args| self.value(id, node, &args))
            };
            let unknown = || EngineError::at(self.graph, id, NOT_THE_SAME);
            values[id.idx()] = Some(found.ok_or_else(unknown)?);
        }
        Ok(values)
    }

    /// Returns the value of a node that is no leaf: large products want the kernels.
    fn value(&self, id: NodeId, node: &Node, args: &[&Value<f32>]) -> Value<f32> {
        operator(self.path, id, node, args, &self.shapes[id.idx()], self.env)
    }

    /// Returns the elements of a node in order; those of a param without a copy.
    fn numbers<'v>(
        &'v self,
        id: NodeId,
        values: &'v [Option<Value<f32>>],
    ) -> Result<Cow<'v, [f32]>, EngineError> {
        fn in_order<'v>(
            slice: Option<&'v [f32]>,
            all: impl Iterator<Item = &'v f32>,
        ) -> Cow<'v, [f32]> {
            slice.map_or_else(|| Cow::Owned(all.copied().collect()), Cow::Borrowed)
        }
        if let Op::Leaf(Leaf::Param(param)) = self.graph.node(id).op {
            let param = &self.params[param];
            return Ok(in_order(param.as_slice(), param.iter()));
        }
        let value = values[id.idx()].as_ref();
        let value = value.ok_or_else(|| EngineError::at(self.graph, id, NOT_THE_SAME))?;
        Ok(in_order(value.as_slice(), value.iter()))
    }
}

/// Returns the value of an operator, by a kernel where there is one.
pub(super) fn operator(
    path: Path,
    id: NodeId,
    node: &Node,
    args: &[&Value<f32>],
    shape: &[usize],
    env: &Env,
) -> Value<f32> {
    let given: Option<Vec<(&[f32], &[usize])>> =
        args.iter().map(|it| Some((it.as_slice()?, it.shape()))).collect();
    let computed = given.and_then(|it| apply(path, &node.op, env, &it, shape));
    match computed.map(|it| ArrayD::from_shape_vec(IxDyn(shape), it)) {
        Some(Ok(value)) => value.into_shared(),
        Some(Err(_)) | None => {
            let none = &mut |_, _: &Node| unreachable!("this node is no leaf");
            value_of(id, node, args, shape, env, none)
        }
    }
}

impl Weights {
    /// Memory for the weights of a program.
    pub fn new(program: &Program, path: Path) -> Weights {
        let width = program.buffers()[super::places::FIXED].width;
        Weights { fixed: vec![0.0; width], packs: program.packed(path), values: Vec::new() }
    }

    /// Computes and packs.
    pub fn fill(
        &mut self,
        needs: &Needs,
        source: &Source<'_>,
        team: &Team,
    ) -> Result<(), EngineError> {
        // A param that is only multiplied with is not copied.
        let is_param = |it: &NodeId| matches!(source.graph.node(*it).op, Op::Leaf(Leaf::Param(_)));
        let direct = needs.fixed.iter().map(|it| it.0);
        let direct = direct.chain(needs.fillings.iter().map(|it| it.matrix.node));
        let direct = direct.filter(|it| !is_param(it));
        self.values = source.values(direct.chain(needs.others.iter().copied()))?;
        for (node, first) in &needs.fixed {
            let numbers = source.numbers(*node, &self.values)?;
            self.fixed[*first..first + numbers.len()].copy_from_slice(&numbers);
        }
        let numbers = needs.fillings.iter().map(|it| source.numbers(it.matrix.node, &self.values));
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        // Each product is packed by one thread.
        let packs: Vec<Mutex<&mut Packed>> = self.packs.iter_mut().map(Mutex::new).collect();
        let pack = |share: &Part<'_>| {
            let own = |it: &(&Filling, _)| it.0.pack % share.parts == share.part;
            for (it, numbers) in needs.fillings.iter().zip(&numbers).filter(own) {
                let mut packed = packs[it.pack].lock().unwrap_or_else(PoisonError::into_inner);
                it.fill(&mut packed, numbers);
            }
        };
        if size(needs) > LEAST {
            team.run(&pack)
        } else {
            pack(&Part::whole())
        }
        Ok(())
    }
}

/// The elements that are worth the start of threads.
const LEAST: usize = 100_000;

fn size(needs: &Needs) -> usize {
    needs.fillings.iter().map(|it| it.matrix.rows.len() * it.matrix.columns.len()).sum()
}

impl Filling {
    /// Puts the matrix where it goes.
    fn fill(&self, packed: &mut Packed, numbers: &[f32]) {
        let Turned { rows, columns, .. } = &self.matrix;
        match (step(rows), step(columns)) {
            (Some(down), Some(right)) => {
                let first = rows.first().unwrap_or(&0) + columns.first().unwrap_or(&0);
                let (rows, columns) = (rows.len(), columns.len());
                let matrix = Matrix { data: numbers, first, down, right, rows, columns };
                packed.fill(self.term, self.first, matrix, self.negative);
            }
            (Some(_) | None, _) => {
                let all = rows.iter().flat_map(|k| columns.iter().map(move |j| k + j));
                let data: Vec<f32> = all.map(|it| numbers[it]).collect();
                let (rows, columns) = (rows.len(), columns.len());
                let matrix =
                    Matrix { data: &data, first: 0, down: columns, right: 1, rows, columns };
                packed.fill(self.term, self.first, matrix, self.negative);
            }
        }
    }
}

/// Returns the distance of neighbours, if it is the same for all.
fn step(offsets: &[usize]) -> Option<usize> {
    let step = offsets.get(1).map_or(1, |it| it - offsets[0]);
    offsets.windows(2).all(|it| it[1] - it[0] == step).then_some(step)
}
