//! Contractions in the notation of the language: `W @ x`, `transpose(W) @ d`, `outer(d, x)`,
//! `dot(a, b)`, `matmul(A, B)`, and `sum(W * d, over [N, K])` where none of them says it.

use super::text::{Level, Text, call, over};
use crate::ir::{Contract, Shape};

/// Returns a contraction of two operands of these shapes.
pub(super) fn contract(labels: &Contract, texts: [Text; 2], shapes: [&Shape; 2]) -> Text {
    let [a, b] = texts;
    let one = Operand { text: a, labels: labels.left.clone(), shape: shapes[0].clone() };
    let two = Operand { text: b, labels: labels.right.clone(), shape: shapes[1].clone() };
    let result = labels.result.as_slice();
    let orders = [(&one, &two), (&two, &one)];
    for (left, right) in orders {
        if let Some(text) = dot(left, right, result).or_else(|| outer(left, right, result)) {
            return text;
        }
    }
    for (left, right) in orders {
        for (left, right) in turned(left, right) {
            if let Some(text) = applied(&left, &right, result) {
                return text;
            }
        }
    }
    for (left, right) in orders {
        for (left, right) in turned(left, right) {
            if let Some(text) = matmul(&left, &right, result) {
                return text;
            }
        }
    }
    for (left, right) in orders {
        if let Some(text) = spread(left, right, result).or_else(|| scaled(left, right, result)) {
            return text;
        }
    }
    // Letters in the order in which labels appear.
    let mut seen: Vec<u8> = Vec::new();
    let mut letters = |labels: &[u8]| -> String {
        let mut text = String::new();
        for label in labels {
            let at = seen.iter().position(|it| it == label).unwrap_or_else(|| {
                seen.push(*label);
                seen.len() - 1
            });
            text.push(char::from(b'i' + (at % 18) as u8));
        }
        text
    };
    let (l, r) = (letters(&one.labels), letters(&two.labels));
    let to = letters(result);
    call(&format!("contract[{l},{r}->{to}]"), &[one.text.text, two.text.text])
}

#[derive(Clone)]
struct Operand {
    text: Text,
    labels: Vec<u8>,
    shape: Shape,
}

impl Operand {
    /// With its last two axes swapped.
    fn transposed(&self) -> Option<Operand> {
        let rank = self.labels.len();
        if rank < 2 {
            return None;
        }
        let mut turned = self.clone();
        turned.labels.swap(rank - 1, rank - 2);
        turned.shape.0.swap(rank - 1, rank - 2);
        turned.text = call("transpose", &[turned.text.text]);
        Some(turned)
    }
}

/// Returns the operands as they are and transposed, fewest transpositions first.
fn turned(left: &Operand, right: &Operand) -> Vec<(Operand, Operand)> {
    let (l, r) = (left.transposed(), right.transposed());
    let mut all = vec![(left.clone(), right.clone())];
    all.extend(l.clone().map(|it| (it, right.clone())));
    all.extend(r.clone().map(|it| (left.clone(), it)));
    all.extend(l.zip(r));
    all
}

/// `A @ v`: the last axes are summed over, leading ones that both have are batched; then what only
/// `v` has, then `A`.
fn applied(left: &Operand, right: &Operand, result: &[u8]) -> Option<Text> {
    let (&sum, ahead) = left.labels.split_last()?;
    let (&other, behind) = right.labels.split_last()?;
    if sum != other || result.contains(&sum) || ahead.is_empty() {
        return None;
    }
    let batch: Vec<u8> = ahead.iter().copied().filter(|it| behind.contains(it)).collect();
    let in_right: Vec<u8> = behind.iter().copied().filter(|it| ahead.contains(it)).collect();
    let rest =
        |all: &[u8]| -> Vec<u8> { all.iter().copied().filter(|it| !batch.contains(it)).collect() };
    let wanted = [batch.clone(), rest(behind), rest(ahead)].concat();
    if batch != in_right || wanted != result {
        return None;
    }
    // The language batches axes of one name, so those that are not batched must not share one.
    let axis = |it: &Operand, label: u8| {
        it.labels.iter().position(|own| *own == label).map(|at| it.shape.0[at].clone())
    };
    for a in ahead {
        for b in behind {
            if a != b && axis(left, *a) == axis(right, *b) {
                return None;
            }
        }
    }
    let left = left.text.clone().at_least(Level::Unary);
    let right = right.text.clone().at_least(Level::Matrix);
    Some(Text::new(format!("{left} @ {right}"), Level::Matrix))
}

/// `matmul(A, B)`
fn matmul(left: &Operand, right: &Operand, result: &[u8]) -> Option<Text> {
    let (batch, [i, k]) = left.labels.split_last_chunk::<2>()?;
    let (other, [l, j]) = right.labels.split_last_chunk::<2>()?;
    let wanted = [batch, &[*i, *j]].concat();
    (k == l && batch == other && wanted == result && i != j)
        .then(|| call("matmul", &[left.text.text.clone(), right.text.text.clone()]))
}

/// `outer(a, b)`
fn outer(left: &Operand, right: &Operand, result: &[u8]) -> Option<Text> {
    let (i, batch) = left.labels.split_last()?;
    let (j, other) = right.labels.split_last()?;
    let wanted = [batch, &[*i, *j]].concat();
    (i != j && batch == other && wanted == result)
        .then(|| call("outer", &[left.text.text.clone(), right.text.text.clone()]))
}

/// `outer(d, x)` where only `d` has axes ahead: each of its vectors meets the one `x`. The adjoint of
/// `W @ x` with a `W` for each head is one.
fn spread(left: &Operand, right: &Operand, result: &[u8]) -> Option<Text> {
    let [j] = right.labels[..] else { return None };
    let wanted = [&left.labels[..], &[j]].concat();
    (!left.labels.contains(&j) && wanted == result)
        .then(|| call("outer", &[left.text.text.clone(), right.text.text.clone()]))
}

/// `sum(W * d, over [N, K])`: all axes of `d` are axes of `W`, in order, and are summed over. That is
/// the adjoint of the same product on the side of `x`. Nothing is summed in the adjoint of `dot`
/// with axes ahead: `q * d`.
fn scaled(left: &Operand, right: &Operand, result: &[u8]) -> Option<Text> {
    let shared = |it: &u8| right.labels.contains(it);
    let (both, rest): (Vec<u8>, Vec<u8>) = left.labels.iter().copied().partition(shared);
    // A size that occurs twice would leave open which axis is meant.
    let sizes = &left.shape.0;
    let twice = (0..sizes.len()).any(|at| sizes[..at].contains(&sizes[at]));
    if both != right.labels || twice {
        return None;
    }
    let of = |it: &Operand| it.text.clone().at_least(Level::Product);
    let product = Text::new(format!("{} * {}", of(left), of(right)), Level::Product);
    if left.labels == result {
        return Some(product);
    }
    let axes: Vec<usize> = (0..sizes.len()).filter(|at| shared(&left.labels[*at])).collect();
    let sum = || Some(call("sum", &[product.text.clone(), over(&left.shape, &axes)?]));
    (rest == result).then(sum).flatten()
}

/// `dot(a, b)`
fn dot(left: &Operand, right: &Operand, result: &[u8]) -> Option<Text> {
    let (_, batch) = left.labels.split_last()?;
    (left.labels == right.labels && batch == result)
        .then(|| call("dot", &[left.text.text.clone(), right.text.text.clone()]))
}
