//! Runs of elementwise operators as strips.

use std::collections::BTreeMap;

use super::emit::Emitter;
use super::error::EngineError;
use super::places::Places;
use crate::exec::kernels::machine::{Code, Place, Stream};
use crate::exec::kernels::{Instruction, Kind, LaneOp, MOST_REGISTERS, Operand, Strip, Target};
use crate::ir::{Literal, Move, NodeId, Op};

/// Cuts the elements of the values of a run: `outer` times `inner` of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    outer: usize,
    inner: usize,
}

/// Says how a repeated value is read from the memory of the original.
pub(super) enum Repeated {
    /// One element for all.
    Number(NodeId),
    /// One element for each outer element.
    Outer(NodeId, Cut),
    /// The same inner elements for each outer element.
    Inner(NodeId, Cut),
}

impl Places<'_> {
    /// Returns how an operand of an elementwise operator, or the value that it hands on, repeats another value, if it does.
    pub fn repeated(&self, id: NodeId) -> Option<Repeated> {
        let id = self.whole(id)?;
        let node = self.graph.node(id);
        let Op::Move(Move::Expand(axes)) = &node.op else { return None };
        let (source, shape) = (node.args[0], &self.shapes[id.idx()]);
        if self.is_placed(id) || self.is_wanted(id) {
            return None;
        }
        if self.len(source) == 1 {
            return Some(Repeated::Number(source));
        }
        let (rank, own) = (shape.len(), axes.len());
        let cut = |at: usize| Cut {
            outer: shape[..at].iter().product(),
            inner: shape[at..].iter().product(),
        };
        if axes.iter().copied().eq(0..own) {
            Some(Repeated::Outer(source, cut(own)))
        } else if axes.iter().copied().eq(rank - own..rank) {
            Some(Repeated::Inner(source, cut(rank - own)))
        } else {
            None
        }
    }
}

/// A strip has no more instructions: what it does with each block of rows stays in a near cache, as the
/// instructions themselves do.
const LONGEST: usize = 256;

/// Returns a run of elementwise operators of one shape.
pub(super) fn elementwise(
    emitter: &mut Emitter<'_, '_>,
    nodes: &[NodeId],
) -> Result<(), EngineError> {
    nodes.chunks(LONGEST).try_for_each(|it| strip(emitter, it))
}

fn strip(emitter: &mut Emitter<'_, '_>, nodes: &[NodeId]) -> Result<(), EngineError> {
    let n = emitter.places.len(nodes[0]);
    if n == 0 {
        return Ok(());
    }
    let graph = emitter.places.graph;
    let operands = || nodes.iter().flat_map(|it| &graph.node(*it).args);
    // Values that repeat in the same way as the first one are read without a copy.
    let cut = operands().find_map(|it| match emitter.places.repeated(*it) {
        Some(Repeated::Outer(_, cut) | Repeated::Inner(_, cut)) => Some(cut),
        Some(Repeated::Number(_)) | None => None,
    });
    let cut = cut.unwrap_or(Cut { outer: 1, inner: n });
    let unlike: Vec<NodeId> = operands()
        .filter_map(|it| emitter.places.whole(*it))
        .filter(|it| match emitter.places.repeated(*it) {
            Some(Repeated::Outer(_, own) | Repeated::Inner(_, own)) => own != cut,
            Some(Repeated::Number(_)) | None => false,
        })
        .collect();
    for id in unlike {
        if !emitter.places.pass.once[id.idx()] && !emitter.places.is_placed(id) {
            emitter.row(id)?;
        }
        emitter.places.place(id);
    }
    let mut run = OperatorRun::new(cut);
    for (at, id) in nodes.iter().enumerate() {
        emitter.positions[id.idx()] = Some(at);
    }
    for at in 0..nodes.len() {
        run.node(emitter, nodes, at)?;
    }
    nodes.iter().for_each(|it| emitter.positions[it.idx()] = None);
    let streams = run.streams;
    let strip = Strip::new(run.instructions, streams.len() as u16);
    let unsound = || EngineError::at(graph, nodes[0], "its strip reads what no one wrote");
    let strip = strip.ok_or_else(unsound)?.fused(&Stream::meeting(&streams, n));
    emitter.code.push(Code::Strip { strip, outer: cut.outer, inner: cut.inner, streams });
    Ok(())
}

/// A run in the making.
struct OperatorRun {
    cut: Cut,
    streams: Vec<Stream>,
    /// The position of each stream.
    known: BTreeMap<(Place, usize, bool), u16>,
    instructions: Vec<Instruction>,
    /// The node in each register, and the last node of the run that reads it.
    registers: Vec<(NodeId, usize)>,
}

impl OperatorRun {
    fn new(cut: Cut) -> OperatorRun {
        OperatorRun {
            cut,
            streams: Vec::new(),
            known: BTreeMap::new(),
            instructions: Vec::new(),
            registers: Vec::new(),
        }
    }

    fn node(
        &mut self,
        emitter: &mut Emitter<'_, '_>,
        nodes: &[NodeId],
        at: usize,
    ) -> Result<(), EngineError> {
        let id = nodes[at];
        let places = &mut *emitter.places;
        let node = places.graph.node(id);
        let Op::Map(op) = node.op else {
            let reason = "it was gathered as elementwise and is not";
            return Err(EngineError::at(places.graph, id, reason));
        };
        let mut args = [Operand::Number(0.0); 3];
        for (slot, arg) in args.iter_mut().zip(&node.args) {
            // A value that is handed on may be in a register, too.
            let whole = places.whole(*arg);
            let register = self.registers.iter().position(|it| Some(it.0) == whole);
            *slot = match register {
                Some(register) => Operand::Register(register as u16),
                None => self.operand(places, *arg),
            };
        }
        let position = |id: &NodeId| emitter.positions[id.idx()];
        // A value that only this run reads stays in a register, as long as there is a free one.
        let users: Vec<Option<usize>> = places.users(id).iter().map(position).collect();
        let inside = !users.is_empty() && users.iter().all(Option::is_some);
        let stays = inside && !places.is_placed(id) && !places.is_wanted(id);
        let free = self.registers.iter().position(|it| it.1 <= at);
        let free = free.or((self.registers.len() < MOST_REGISTERS).then_some(self.registers.len()));
        let to = match free {
            Some(register) if stays => {
                let last = users.iter().flatten().copied().max().unwrap_or(at);
                if register == self.registers.len() {
                    self.registers.push((id, last));
                } else {
                    self.registers[register] = (id, last);
                }
                Target::Register(register as u16)
            }
            Some(_) | None => {
                let place = emitter.place_of_result(id);
                let stream = Stream { place, outer: self.cut.inner, kind: Kind::Each };
                Target::Stream(self.stream(stream))
            }
        };
        self.instructions.push(Instruction::new(LaneOp::Map(op), &args[..node.args.len()], to));
        Ok(())
    }

    /// Returns an operand of an elementwise operator.
    fn operand(&mut self, places: &mut Places<'_>, id: NodeId) -> Operand {
        let (source, outer, kind) = match places.repeated(id) {
            Some(Repeated::Number(source)) => (source, 0, Kind::PerOuter),
            Some(Repeated::Outer(source, cut)) if cut == self.cut => (source, 1, Kind::PerOuter),
            Some(Repeated::Inner(source, cut)) if cut == self.cut => (source, 0, Kind::Each),
            Some(Repeated::Outer(..) | Repeated::Inner(..)) | None => {
                (id, self.cut.inner, Kind::Each)
            }
        };
        if let Op::Literal(Literal::Scalar(value)) = &places.graph.node(source).op {
            return Operand::Number(value.eval(places.env).map_or(f32::NAN, |it| it as f32));
        }
        let place = places.place(source);
        Operand::Stream(self.stream(Stream { place, outer, kind }))
    }

    /// Returns the position of a stream, which is added if it is new.
    fn stream(&mut self, wanted: Stream) -> u16 {
        let key = (wanted.place, wanted.outer, wanted.kind == Kind::Each);
        *self.known.entry(key).or_insert_with(|| {
            self.streams.push(wanted);
            (self.streams.len() - 1) as u16
        })
    }
}
