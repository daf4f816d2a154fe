//! Fuses the instructions of a strip: one with more operands takes over others whose results only it reads.
//!
//! A strip computes one vector after the other, so its time goes into loads, stores and instructions; values between
//! instructions are in registers. A GRU ends its step with `h = (1 - z) * n + z * h`, four instructions:
//!
//! ```text
//! r0 = 1 - z
//! r1 = r0 * n
//! r2 = z * h
//! h  = r1 + r2        becomes        h = Mix(z, h, n)
//! ```
//!
//! The list of instructions becomes a graph: each operand is the instruction, the literal, or the version of a stream that it comes
//! from, so equal operands can be recognised. Then each instruction asks if its own operator and those of its operands form a
//! pattern. An operand is taken over only if
//!
//! * no other instruction reads it, since it would have to run in any case, and
//! * the streams that it reads still hold the same values where its reader runs: a write to memory that a stream may share begins a
//!   new version of it.
//!
//! Sums go first: `a * b + c` as one multiplication with addition saves more than `sigmoid(a + b)` as one function, and the second search
//! then finds the sums that are left. Registers are assigned anew at the end. A value may live longer than before, so there may be
//! too few; the strip then stays as it was.
//!
//! A fused instruction rounds fewer intermediate values, so results differ from the given instructions by that rounding.

use super::{Instruction, LaneOp, MOST_REGISTERS, Operand, Strip, Target};
use crate::ir::Pointwise;

/// The origin of a value. Two that are equal are the same value.
#[derive(Clone, Copy, PartialEq)]
enum Origin {
    /// The instruction of this position, which leaves it in a register.
    Result(usize),
    /// A stream after so many writes to what it may share memory with.
    Stream(u16, usize),
    Number(f32),
}

/// An instruction over sources.
struct Node {
    op: LaneOp,
    args: Vec<Origin>,
    to: Target,
    /// False once the instruction has become part of another.
    lives: bool,
}

/// The instruction that one becomes, and those that it takes over.
struct Fusion {
    op: LaneOp,
    args: Vec<Origin>,
    taken: Vec<usize>,
}

/// The two searches: first products and sums, which gain more, then functions of them.
#[derive(Clone, Copy, PartialEq)]
enum Pass {
    Sums,
    Functions,
}

impl Strip {
    /// Returns the same with as few instructions as the fused operators allow. `meeting` gives for each stream the others that
    /// may share memory with it, as far as there are any: what is read is not moved past a write that may change it.
    pub fn fused(&self, meeting: &[Vec<u16>]) -> Strip {
        let mut list = List::new(self, meeting);
        for pass in [Pass::Sums, Pass::Functions] {
            for at in 0..list.nodes.len() {
                while list.nodes[at].lives
                    && let Some(fusion) = list.fusion(pass, at)
                {
                    list.fuse(at, fusion);
                }
            }
        }
        // Values live longer where what reads them moved: there may be too few registers.
        let instructions = list.instructions();
        let fused = instructions.and_then(|it| Strip::new(it, self.streams));
        fused.unwrap_or_else(|| self.clone())
    }
}

/// The instructions of a strip as they are fused.
struct List {
    nodes: Vec<Node>,
    /// The number of living instructions that read the result of each.
    uses: Vec<u32>,
    /// For each stream the positions of the instructions that may change it, in order.
    changes: Vec<Vec<usize>>,
}

impl List {
    fn new(strip: &Strip, meeting: &[Vec<u16>]) -> List {
        let n = strip.instructions.len();
        let mut list = List {
            nodes: Vec::with_capacity(n),
            uses: vec![0; n],
            changes: vec![Vec::new(); strip.streams()],
        };
        let mut registers = [0; MOST_REGISTERS];
        for (at, it) in strip.instructions.iter().enumerate() {
            let source = |arg: &Operand| match *arg {
                Operand::Number(number) => Origin::Number(number),
                Operand::Stream(idx) => Origin::Stream(idx, list.version(idx, at)),
                Operand::Register(idx) => Origin::Result(registers[usize::from(idx)]),
            };
            let args: Vec<Origin> = it.operands().iter().map(source).collect();
            match it.to {
                Target::Stream(idx) => {
                    let others = meeting.get(usize::from(idx)).into_iter().flatten();
                    for it in others.chain([&idx]) {
                        list.changes[usize::from(*it)].push(at);
                    }
                }
                Target::Register(idx) => registers[usize::from(idx)] = at,
            }
            list.count(&args, true);
            list.nodes.push(Node { op: it.op, args, to: it.to, lives: true });
        }
        list
    }

    /// Counts operands, or does so no longer.
    fn count(&mut self, args: &[Origin], are_read: bool) {
        for arg in args {
            if let Origin::Result(of) = arg {
                let uses = &mut self.uses[*of];
                *uses = if are_read { *uses + 1 } else { *uses - 1 };
            }
        }
    }

    /// Makes an instruction what it may become.
    fn fuse(&mut self, at: usize, fusion: Fusion) {
        for taken in fusion.taken {
            self.nodes[taken].lives = false;
            let args = std::mem::take(&mut self.nodes[taken].args);
            self.count(&args, false);
        }
        self.count(&fusion.args, true);
        self.nodes[at].op = fusion.op;
        let args = std::mem::replace(&mut self.nodes[at].args, fusion.args);
        self.count(&args, false);
    }

    /// Returns the number of writes before an instruction that may have changed a stream.
    fn version(&self, stream: u16, before: usize) -> usize {
        self.changes[usize::from(stream)].partition_point(|it| *it < before)
    }

    /// Returns the instruction of a source that `reader` alone reads, where it could be run as well.
    fn own(&self, source: Origin, reader: usize) -> Option<(usize, &Node)> {
        let Origin::Result(at) = source else { return None };
        let node = &self.nodes[at];
        let stays = |it: &Origin| match *it {
            Origin::Stream(idx, version) => self.version(idx, reader) == version,
            Origin::Result(_) | Origin::Number(_) => true,
        };
        (self.uses[at] == 1 && node.args.iter().all(stays)).then_some((at, node))
    }

    /// Returns the operands of an own instruction with this operator.
    fn own_op(&self, op: LaneOp, source: Origin, reader: usize) -> Option<(usize, &[Origin])> {
        let (at, node) = self.own(source, reader)?;
        (node.op == op).then_some((at, &node.args))
    }

    /// Returns the factors of an own product.
    fn product(&self, source: Origin, reader: usize) -> Option<(usize, Origin, Origin)> {
        let (at, node) = self.own(source, reader)?;
        match (node.op, &node.args[..]) {
            (LaneOp::Map(Pointwise::Mul), &[a, b]) => Some((at, a, b)),
            (LaneOp::Map(Pointwise::Square), &[a]) => Some((at, a, a)),
            _ => None,
        }
    }

    /// Returns x, after the position of the instruction, if an own value is 1 - x.
    fn complement(&self, source: Origin, reader: usize) -> Option<(usize, Origin)> {
        match self.own_op(LaneOp::Map(Pointwise::Sub), source, reader)? {
            (at, &[Origin::Number(1.0), of]) => Some((at, of)),
            _ => None,
        }
    }

    /// Returns the fused instruction that an instruction may become.
    fn fusion(&self, pass: Pass, at: usize) -> Option<Fusion> {
        let node = &self.nodes[at];
        match (pass, node.op, &node.args[..]) {
            (Pass::Sums, LaneOp::Map(Pointwise::Add), &[x, y]) => self.sum(at, [(x, y), (y, x)]),
            (Pass::Sums, LaneOp::Map(Pointwise::Sub), &[x, y]) => self.difference(at, x, y),
            (Pass::Sums, LaneOp::Map(Pointwise::Mul), &[x, y]) => {
                [(x, y), (y, x)].into_iter().find_map(|(x, y)| self.slope(at, x, y))
            }
            (Pass::Functions, LaneOp::Map(Pointwise::Mul), &[x, y]) => {
                [(x, y), (y, x)].into_iter().find_map(|(x, y)| {
                    let (own, args) = self.own_op(LaneOp::Map(Pointwise::Tanh), y, at)?;
                    fusion(LaneOp::TimesTanh, &[x, args[0]], &[own])
                })
            }
            (Pass::Functions, LaneOp::SigmoidSlope, &[x, y]) => {
                let (own, a, b) = self.product(x, at)?;
                fusion(LaneOp::SigmoidSlopeOfProduct, &[a, b, y], &[own])
            }
            (Pass::Functions, LaneOp::TanhSlope, &[x, y]) => {
                let (own, a, b) = self.product(x, at)?;
                fusion(LaneOp::TanhSlopeOfProduct, &[a, b, y], &[own])
            }
            (Pass::Functions, LaneOp::Map(Pointwise::Sigmoid), &[x]) => {
                self.of_sum(at, x, LaneOp::SigmoidOfSum, LaneOp::SigmoidOfSum3)
            }
            (Pass::Functions, LaneOp::Map(Pointwise::Tanh), &[x]) => {
                self.of_sum(at, x, LaneOp::TanhOfSum, LaneOp::TanhOfSum3)
            }
            _ => None,
        }
    }

    /// x + y, in both orders.
    fn sum(&self, at: usize, orders: [(Origin, Origin); 2]) -> Option<Fusion> {
        let mix = |(x, y)| {
            let (first, a, b) = self.product(x, at)?;
            let (second, c, d) = self.product(y, at)?;
            for (c, d) in [(c, d), (d, c)] {
                // The difference is read by the product, which would be gone too.
                let Some((third, of)) = self.complement(c, second) else { continue };
                if self.own(c, at).is_none() {
                    continue;
                }
                for (a, b) in [(a, b), (b, a)] {
                    if of == a {
                        return fusion(LaneOp::Mix, &[a, b, d], &[first, second, third]);
                    }
                }
            }
            None
        };
        let toward = |(x, y)| {
            let (first, a, b) = self.product(y, at)?;
            [(a, b), (b, a)].into_iter().find_map(|(factor, apart)| {
                let sub = LaneOp::Map(Pointwise::Sub);
                match self.own_op(sub, apart, at)? {
                    (second, &[n, h]) if h == x => {
                        fusion(LaneOp::Toward, &[x, factor, n], &[first, second])
                    }
                    _ => None,
                }
            })
        };
        let products = |(x, y)| {
            let (first, a, b) = self.product(x, at)?;
            let (second, c, d) = self.product(y, at)?;
            fusion(LaneOp::SumOfProducts, &[a, b, c, d], &[first, second])
        };
        let product = |(x, y)| {
            let (first, a, b) = self.product(x, at)?;
            fusion(LaneOp::MultiplyAdd, &[a, b, y], &[first])
        };
        let three = |(x, y)| {
            let (first, args) = self.own_op(LaneOp::Map(Pointwise::Add), x, at)?;
            fusion(LaneOp::Sum, &[args[0], args[1], y], &[first])
        };
        let found = orders.into_iter().find_map(mix);
        let found = found.or_else(|| orders.into_iter().find_map(toward));
        let found = found.or_else(|| orders.into_iter().find_map(products));
        let found = found.or_else(|| orders.into_iter().find_map(product));
        found.or_else(|| orders.into_iter().find_map(three))
    }

    /// x - y
    fn difference(&self, at: usize, x: Origin, y: Origin) -> Option<Fusion> {
        match (self.product(x, at), self.product(y, at)) {
            (Some((first, a, b)), Some((second, c, d))) => {
                fusion(LaneOp::DifferenceOfProducts, &[a, b, c, d], &[first, second])
            }
            (Some((first, a, b)), None) => fusion(LaneOp::MultiplySubtract, &[a, b, y], &[first]),
            (None, Some((second, c, d))) => fusion(LaneOp::SubtractProduct, &[c, d, x], &[second]),
            (None, None) => None,
        }
    }

    /// x * y, where it is a slope of sigmoid or tanh, or something times one.
    fn slope(&self, at: usize, x: Origin, y: Origin) -> Option<Fusion> {
        if let Some((own, &[a, b, c])) = self.own_op(LaneOp::SubtractProduct, y, at)
            && a == b
        {
            return match c {
                c if c == a => fusion(LaneOp::SigmoidSlope, &[x, a], &[own]),
                Origin::Number(1.0) => fusion(LaneOp::TanhSlope, &[x, a], &[own]),
                Origin::Number(_) | Origin::Result(_) | Origin::Stream(..) => None,
            };
        }
        let (own, y) = self.complement(y, at)?;
        if x == y {
            return fusion(LaneOp::SubtractProduct, &[y, y, y], &[own]);
        }
        let (other, a, b) = self.product(x, at)?;
        match (a == y, b == y) {
            (_, true) => fusion(LaneOp::SigmoidSlope, &[a, y], &[own, other]),
            (true, false) => fusion(LaneOp::SigmoidSlope, &[b, y], &[own, other]),
            (false, false) => None,
        }
    }

    /// Returns a function of an own sum of two or three values.
    fn of_sum(&self, at: usize, x: Origin, two: LaneOp, three: LaneOp) -> Option<Fusion> {
        if let Some((own, args)) = self.own_op(LaneOp::Map(Pointwise::Add), x, at) {
            return fusion(two, args, &[own]);
        }
        let (own, args) = self.own_op(LaneOp::Sum, x, at)?;
        fusion(three, args, &[own])
    }

    /// Returns the instructions that still live, in registers that are free; `None` where there are too few.
    fn instructions(&self) -> Option<Vec<Instruction>> {
        let mut last = vec![None; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate().filter(|it| it.1.lives) {
            for arg in &node.args {
                if let Origin::Result(of) = *arg {
                    last[of] = Some(at);
                }
            }
        }
        // Which result each register holds, and where each result is.
        let mut holds: [Option<usize>; MOST_REGISTERS] = [None; MOST_REGISTERS];
        let mut place = vec![0u16; self.nodes.len()];
        let mut instructions = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            let is_read = matches!(node.to, Target::Stream(_)) || last[at].is_some();
            if !node.lives || !is_read {
                continue;
            }
            let operand = |it: &Origin| match *it {
                Origin::Result(of) => Operand::Register(place[of]),
                Origin::Stream(idx, _) => Operand::Stream(idx),
                Origin::Number(number) => Operand::Number(number),
            };
            let args: Vec<Operand> = node.args.iter().map(operand).collect();
            let is_over = |it: &Option<usize>| it.is_none_or(|it| last[it] <= Some(at));
            let to = match node.to {
                Target::Stream(idx) => Target::Stream(idx),
                Target::Register(_) => {
                    let free = holds.iter().position(is_over)?;
                    holds[free] = Some(at);
                    place[at] = free as u16;
                    Target::Register(free as u16)
                }
            };
            instructions.push(Instruction::new(node.op, &args, to));
        }
        Some(instructions)
    }
}

fn fusion(op: LaneOp, args: &[Origin], taken: &[usize]) -> Option<Fusion> {
    Some(Fusion { op, args: args.to_vec(), taken: taken.to_vec() })
}
