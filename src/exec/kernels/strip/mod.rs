//! A run of elementwise operators over rows, a block at a time: what one operator leaves for the
//! next stays in the L1 cache.

mod fuse;
mod run;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub use run::Stream;
pub(super) use run::run;
pub use run::{Kind, RawStream, RawStrip};

use crate::ir::Pointwise;

/// An operator on the operands a, b, c and d, element by element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LaneOp {
    /// An operator of the table.
    Map(Pointwise),
    /// a * b + c
    MultiplyAdd,
    /// a * b - c
    MultiplySubtract,
    /// c - a * b
    SubtractProduct,
    /// a * b + c * d
    SumOfProducts,
    /// a * b - c * d
    DifferenceOfProducts,
    /// a * b + (1 - a) * c
    Mix,
    /// a + b * (c - a)
    Toward,
    /// a + b + c
    Sum,
    /// a * b * (1 - b): backward through b = sigmoid(..)
    SigmoidSlope,
    /// a * (1 - b * b): backward through b = tanh(..)
    TanhSlope,
    /// a * b * c * (1 - c)
    SigmoidSlopeOfProduct,
    /// a * b * (1 - c * c)
    TanhSlopeOfProduct,
    /// sigmoid(a + b)
    SigmoidOfSum,
    /// sigmoid(a + b + c)
    SigmoidOfSum3,
    /// tanh(a + b)
    TanhOfSum,
    /// tanh(a + b + c)
    TanhOfSum3,
    /// a * tanh(b)
    TimesTanh,
}

impl LaneOp {
    /// Returns the number of operands.
    pub fn arity(self) -> usize {
        match self {
            LaneOp::Map(op) => op.arity(),
            LaneOp::SigmoidSlope
            | LaneOp::TanhSlope
            | LaneOp::SigmoidOfSum
            | LaneOp::TanhOfSum
            | LaneOp::TimesTanh => 2,
            LaneOp::MultiplyAdd
            | LaneOp::MultiplySubtract
            | LaneOp::SubtractProduct
            | LaneOp::Mix
            | LaneOp::Toward
            | LaneOp::Sum
            | LaneOp::SigmoidSlopeOfProduct
            | LaneOp::TanhSlopeOfProduct
            | LaneOp::SigmoidOfSum3
            | LaneOp::TanhOfSum3 => 3,
            LaneOp::SumOfProducts | LaneOp::DifferenceOfProducts => 4,
        }
    }
}

/// The source of an operand.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Operand {
    /// The stream of this position.
    Stream(u16),
    /// The result that an earlier instruction left in this register.
    Register(u16),
    /// A literal, the same for all elements.
    Number(f32),
}

/// The destination of a result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// A stream with a value for each element.
    Stream(u16),
    /// A register.
    Register(u16),
}

/// One operator of a strip.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Instruction {
    /// The operator.
    pub op: LaneOp,
    /// Its operands; those beyond its arity are not read.
    pub args: [Operand; 4],
    /// The destination of the result.
    pub to: Target,
}

impl Instruction {
    /// Returns an instruction with as many operands as it has.
    ///
    /// # Panics
    ///
    /// When they are not as many as the operator takes: a fault of the caller.
    pub fn new(op: LaneOp, given: &[Operand], to: Target) -> Instruction {
        assert_eq!(given.len(), op.arity(), "{op:?} has all its operands");
        let mut args = [Operand::Number(0.0); 4];
        args[..given.len()].copy_from_slice(given);
        Instruction { op, args, to }
    }

    /// Returns the operands that are read.
    pub fn operands(&self) -> &[Operand] {
        &self.args[..self.op.arity()]
    }
}

/// An instruction as it is run: what need not be found out each time is known.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Step {
    op: LaneOp,
    arity: usize,
    /// The first operand that is a number.
    number: Option<u8>,
    args: [Operand; 4],
    to: Target,
}

/// A checked list of instructions: operands are written before they are read, streams and registers
/// are as many as said.
#[derive(Clone, PartialEq, Debug)]
pub struct Strip {
    instructions: Vec<Instruction>,
    steps: Vec<Step>,
    streams: u16,
    registers: usize,
    /// The streams that are read, and those that are written.
    reads: Vec<bool>,
    writes: Vec<bool>,
}

/// The most registers of a strip: with more they would leave the L1 cache anyway.
pub const MOST_REGISTERS: usize = 24;

impl Strip {
    /// Checks instructions; `None` when one reads what is not there, or there are more than
    /// [`MOST_REGISTERS`].
    pub fn new(instructions: Vec<Instruction>, streams: u16) -> Option<Strip> {
        let mut written = [false; MOST_REGISTERS];
        let mut registers = 0;
        let mut reads = vec![false; usize::from(streams)];
        let mut writes = reads.clone();
        for it in &instructions {
            for arg in it.operands() {
                let known = match arg {
                    Operand::Stream(idx) => {
                        reads.get_mut(usize::from(*idx)).map(|it| *it = true).is_some()
                    }
                    Operand::Register(idx) => written.get(usize::from(*idx)) == Some(&true),
                    Operand::Number(_) => true,
                };
                if !known {
                    return None;
                }
            }
            match it.to {
                Target::Stream(idx) => *writes.get_mut(usize::from(idx))? = true,
                Target::Register(idx) => {
                    let idx = usize::from(idx);
                    *written.get_mut(idx)? = true;
                    registers = registers.max(idx + 1);
                }
            }
        }
        let step = |it: &Instruction| {
            let &Instruction { op, args, to } = it;
            let is_number = |it: &Operand| matches!(it, Operand::Number(_));
            let number = it.operands().iter().position(is_number).map(|it| it as u8);
            Step { op, arity: op.arity(), number, args, to }
        };
        let steps = instructions.iter().map(step).collect();
        Some(Strip { instructions, steps, streams, registers, reads, writes })
    }

    /// The instructions.
    #[cfg(test)]
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Returns true if a stream is read.
    pub fn reads(&self, stream: usize) -> bool {
        self.reads.get(stream) == Some(&true)
    }

    /// Returns true if a stream is written.
    pub fn writes(&self, stream: usize) -> bool {
        self.writes.get(stream) == Some(&true)
    }

    /// Returns the number of streams that it runs with.
    pub fn streams(&self) -> usize {
        usize::from(self.streams)
    }
}
