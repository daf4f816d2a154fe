//! Expressions of a shape.
//!
//! In patterns `A`, `B` and `C` stand for operands; nothing that is grown has a name with these
//! letters.

use super::{DIMS, Grower};

/// Functions of a number between -1 and 1, so that exponentials and squares of squares stay finite.
const ONE: &[&str] = &[
    "tanh(A)",
    "sigmoid(A)",
    "relu(A)",
    "softplus(A)",
    "sin(A)",
    "cos(A)",
    "square(A)",
    "exp(A)",
    "abs(A)",
    "silu(A)",
    "gelu(A)",
    "gelu_tanh(A)",
    "erf(A)",
    "log_sigmoid(A)",
    "softsign(A)",
    "hard_tanh(2 * A)",
    "elu(A)",
    "elu(A, alpha = 0.7)",
    "selu(A)",
    "leaky_relu(A)",
    "leaky_relu(A, 0.2)",
    "isru(A, alpha = 2)",
    "isrlu(A)",
    "hard_sigmoid(4 * A)",
    "lecun_tanh(A)",
    "softcap(2 * A, 1.5)",
    "act(A)",
    "own(A)",
    "own(A, k = 3)",
    "spike(A)",
    "expm1(A)",
    "identity(A)",
    "stop_grad(A)",
    "clip_grad(A, 0.5)",
    "clamp(A, -0.5, 0.5)",
    "log(1.5 + A)",
    "log1p(0.5 * A)",
    "sqrt(1.5 + A)",
    "rsqrt(1.5 + A)",
    "(-A)",
    "(A ^ 3)",
    "(A ^ 2)",
    "(-A ^ 2)",
    "((1.5 + A) ^ -1.5)",
    // The offset keeps exact zeros, which rounding moves, away from the jumps.
    "sign(A + 0.37)",
    "step(A - 0.37)",
    "floor(3 * A + 0.37)",
    "ceil(3 * A + 0.37)",
    "round(3 * A + 0.37)",
    "mod(3 * A + 0.37, 0.9)",
];

/// Functions of two operands.
const TWO: &[&str] = &[
    "(A + B)",
    "(A + B)",
    "(A - B)",
    "(A - B)",
    "(A * B)",
    "(A * B)",
    "(A / (1.5 + square(B)))",
    "(A / (1.5 + square(B)))",
    "max(A, B)",
    "min(A, B)",
    "logaddexp(A, B)",
    "((1.5 + square(tanh(A))) ^ tanh(B))",
    "mod(A + 0.37, 0.9 + square(B))",
    "(A * (B > 0.37))",
    "(A * (B <= 0.37))",
    "(A + (B != 0.37))",
    "(A - (B == 0.37))",
];

/// Functions of three operands.
const THREE: &[&str] = &[
    "where(C > 0.13, A, B)",
    "where(C < 0.13, A, B)",
    "where(C >= 0.13, A, B)",
    "where(C == 0.13, A, B)",
    "where(a > 0.2, A, B - C)",
    "blend(sigmoid(C), A, B)",
    "blend(sigmoid(C), A, B)",
];

/// The pattern with these operands in the places of its letters.
fn fill(pattern: &str, operands: &[String]) -> String {
    let letters = ['A', 'B', 'C'].into_iter().zip(operands);
    letters.fold(pattern.to_owned(), |text, (letter, it)| text.replace(letter, it))
}

impl Grower<'_, '_> {
    /// An expression of a shape, in parentheses where it needs them.
    pub(super) fn expr(&mut self, shape: &[&'static str], depth: usize) -> String {
        if depth == 0 {
            return self.leaf(shape);
        }
        let next = depth - 1;
        match self.tape.pick(16) {
            0 => self.leaf(shape),
            1..=3 => {
                let pattern = *self.tape.choose(TWO);
                let operands = [self.expr(shape, next), self.expr(shape, next)];
                fill(pattern, &operands)
            }
            4..=7 => {
                let pattern = *self.tape.choose(ONE);
                let value = format!("tanh({})", self.expr(shape, next));
                fill(pattern, &[value])
            }
            8 => {
                let pattern = *self.tape.choose(THREE);
                let operands = [self.expr(shape, next), self.expr(shape, next), self.leaf(shape)];
                fill(pattern, &operands)
            }
            9 => format!("(a * {} - 0.25)", self.expr(shape, next)),
            // A scalar joins by broadcasting.
            10 => format!("({} * {})", self.expr(&[], next), self.expr(shape, next)),
            _ => match *shape {
                [] => self.number(next),
                [axis] => self.vector(axis, next),
                [rows, columns] => self.matrix(rows, columns, next),
                ref other => unreachable!("no value of the shape {other:?} is grown"),
            },
        }
    }

    fn number(&mut self, next: usize) -> String {
        const REDUCTIONS: &[&str] =
            &["sum", "mean", "max", "min", "norm", "logsumexp", "prod", "var", "std"];
        let axis = *self.tape.choose(DIMS);
        match self.tape.pick(7) {
            0 | 1 => format!("{}({})", self.tape.choose(REDUCTIONS), self.expr(&[axis], next)),
            2 => format!("dot({}, {})", self.expr(&[axis], next), self.leaf(&[axis])),
            3 => "sin(time())".to_owned(),
            4 => {
                let matrix = self.expr(&["H", "N"], next);
                format!("{}({matrix}, over [H, N])", self.tape.choose(REDUCTIONS))
            }
            5 => format!("mean(reshape({}, [N * H]))", self.expr(&["H", "N"], next)),
            _ => format!("({})[0]", self.expr(&[axis], next)),
        }
    }

    fn vector(&mut self, axis: &'static str, next: usize) -> String {
        let others: Vec<_> = DIMS.iter().copied().filter(|it| *it != axis).collect();
        let other = *self.tape.choose(&others);
        let shape = [axis];
        match self.tape.pick(12) {
            0..=2 => {
                let weight = self.weight(&[axis, other]);
                format!("({weight} @ ({}))", self.expr(&[other], next))
            }
            3 => {
                const ALONG: &[&str] = &[
                    "softmax(A)",
                    "cumsum(A)",
                    "layer_norm(A)",
                    "rms_norm(A)",
                    "l2_normalize(A)",
                    "layer_norm(A, eps = 0.1)",
                ];
                let pattern = *self.tape.choose(ALONG);
                fill(pattern, &[self.expr(&shape, next)])
            }
            4 => {
                let (first, rest) = (self.expr(&shape, next), self.leaf(&shape));
                format!("concat(slice({first}, 0, 1), slice({rest}, 1, {axis}))")
            }
            5 => {
                let matrix = self.weight(&[axis, other]);
                let reduction = *self.tape.choose(&["sum", "max", "mean", "norm", "prod"]);
                format!("{reduction}({matrix} * {}, over {other})", self.leaf(&[other]))
            }
            6 => format!("({})[token]", self.weight(&["V", axis])),
            7 => {
                let operands = [self.expr(&shape, next), self.leaf(&shape)];
                const STACKED: &[&str] = &[
                    "(stack(A, B))[1]",
                    "sum(stack(A, B, A), over first)",
                    "max(stack(A, B), over first)",
                    "reshape(slice(stack(A, B), 1, 2, over first), [#])",
                ];
                fill(&self.tape.choose(STACKED).replace('#', axis), &operands)
            }
            8 => {
                const FIXED: &[&str] = &[
                    "(A * iota(#) / #)",
                    "(A - ones([#]))",
                    "max(A, zeros([#]))",
                    "(eye(#) @ (A))",
                ];
                let value = self.expr(&shape, next);
                fill(&self.tape.choose(FIXED).replace('#', axis), &[value])
            }
            // All pairs of two vectors of one size.
            9 if axis == "N" => {
                let operands = [self.expr(&shape, next), self.leaf(&shape)];
                fill("sum(tanh(outer(A, rename(B, [J]))), over J)", &operands)
            }
            9 | 10 => format!("clip_grad({}, 0.5)", self.expr(&shape, next)),
            _ => {
                let weight = self.weight(&[other, axis]);
                format!("(transpose({weight}) @ ({}))", self.expr(&[other], next))
            }
        }
    }

    fn matrix(&mut self, rows: &'static str, columns: &'static str, next: usize) -> String {
        let shape = [rows, columns];
        match self.tape.pick(8) {
            0 => {
                let (a, b) = (self.expr(&[rows], next), self.expr(&[columns], next));
                format!("outer({a}, {b})")
            }
            1 => {
                const ALONG: &[&str] = &[
                    "softmax(A, over last)",
                    "softmax(A, over [H, N])",
                    "cumsum(A, over first)",
                    "layer_norm(A, over H)",
                    "l2_normalize(A, over last)",
                ];
                let pattern = *self.tape.choose(ALONG);
                fill(pattern, &[self.expr(&shape, next)])
            }
            2 => {
                let (a, b) = (self.weight(&[rows, "I"]), self.weight(&["I", columns]));
                format!("matmul({a}, {b})")
            }
            3 => format!("transpose({} * {})", self.weight(&[columns, rows]), self.leaf(&[rows])),
            4 => {
                let (first, rest) = (self.leaf(&shape), self.expr(&shape, next));
                format!("concat(slice({first}, 0, 1), slice({rest}, 1, {columns}, over {columns}))")
            }
            5 => format!("reshape({}, [{rows}, {columns}])", self.weight(&[columns, rows])),
            // A vector joins by the name of its axis.
            _ => format!("({} * {})", self.expr(&shape, next), self.leaf(&[columns])),
        }
    }
}
