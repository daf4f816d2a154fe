//! Products that sum over an axis: `@`, `matmul`, `dot`, `outer`.

use super::operands::Operand;
use super::{Lower, Value};
use crate::diag::{Applicability, Code, Diagnostic};
use crate::ir::{Contract, Dim, Shape};
use crate::text::Span;

impl Lower<'_, '_> {
    /// `A @ v`: sums over the last axis of both; leading axes that both have are batched.
    pub(super) fn matmul(
        &mut self,
        a: &Operand<'_>,
        v: &Operand<'_>,
        sign: Span,
        span: Span,
    ) -> Option<Value> {
        let (left, right) = (self.numeric(a), self.numeric(v));
        let (left, right) = (left?, right?);
        match labels(&left, &right) {
            Ok(contract) => {
                let axes = [(&contract.left, &left), (&contract.right, &right)];
                let shape = contract.result.iter().map(|label| {
                    let found = axes.iter().find_map(|(labels, shape)| {
                        labels.iter().position(|it| it == label).map(|at| shape.axes()[at].clone())
                    });
                    found.unwrap_or_default()
                });
                let shape = Shape(shape.collect());
                self.contract(contract, [a, v], shape, span)
            }
            Err(fault) => {
                let fault = self.matmul_fault(&fault, [a, v], [&left, &right], sign, span);
                self.fail(fault)
            }
        }
    }

    fn contract(
        &mut self,
        contract: Contract,
        operands: [&Operand<'_>; 2],
        shape: Shape,
        span: Span,
    ) -> Option<Value> {
        let [a, b] = operands.map(|it| self.entered(it));
        if let Some(fault) = crate::check::dims::too_many_elements(&shape, span) {
            return self.fail(fault);
        }
        Some(Value::Node(self.add(contract, vec![a, b], shape, span)))
    }

    fn matmul_fault(
        &self,
        fault: &Fault,
        [a, v]: [&Operand<'_>; 2],
        [left, right]: [&Shape; 2],
        sign: Span,
        span: Span,
    ) -> Diagnostic {
        let (a_text, v_text) = (a.shown.short(), v.shown.short());
        let texts = a.shown.full().zip(v.shown.full());
        let call = |name: &str| texts.as_ref().map(|(a, v)| format!("{name}({a}, {v})"));
        let product =
            || format!("cannot multiply {} with {}", a.shown.with(left), v.shown.with(right));
        let diagnostic = match fault {
            Fault::Scalar => {
                let scalar = if left.rank() == 0 { &a_text } else { &v_text };
                let code =
                    if left.rank() == 0 { Code::BadLeftOperand } else { Code::CannotMultiply };
                Diagnostic::new(code, span, format!("`{scalar}` is a scalar; `@` is for matrices"))
                    .help(format!("write `{a_text} * {v_text}`"))
                    .fix(Applicability::Maybe, sign, "*")
            }
            Fault::TwoVectors => {
                let message = format!("`{a_text} @ {v_text}` of two vectors");
                let fault = Diagnostic::new(Code::BadLeftOperand, span, message)
                    .help(format!("write `dot({a_text}, {v_text})`"));
                match call("dot") {
                    Some(text) => fault.fix(Applicability::Maybe, span, text),
                    None => fault,
                }
            }
            Fault::VectorOnTheLeft => {
                let message = format!("the left side of `@` is no matrix: {}", a.shown.with(left));
                let matrix =
                    if v.shown.is_chain() { format!("({v_text})") } else { v_text.clone() };
                let fits = right.rank() == 2 && left.axes()[0] == right.axes()[0];
                let fault = Diagnostic::new(Code::BadLeftOperand, span, message);
                match (fits, texts) {
                    (true, Some((a_full, v_full))) => {
                        let a_full =
                            if a.shown.is_chain() { format!("({a_full})") } else { a_full };
                        let text = format!("transpose({v_full}) @ {a_full}");
                        fault.help(format!("write `{text}`")).fix(Applicability::Maybe, span, text)
                    }
                    (_, _) => {
                        fault.help(format!("the matrix stands on the left: `{matrix} @ {a_text}`"))
                    }
                }
            }
            Fault::LastAxes => {
                let (from, to) = (&left.axes()[left.rank() - 1], &right.axes()[right.rank() - 1]);
                let message = format!("{}: `{from}` meets `{to}`", product());
                let mut fault = Diagnostic::new(Code::CannotMultiply, sign, message)
                    .at("sums over the last axis of both");
                if left.rank() == 2 && left.axes()[0] == *to {
                    fault = fault.help(format!("did you mean `transpose({a_text}) @ {v_text}`?"));
                    if let Some(text) = a.shown.full() {
                        let text = format!("transpose({text})");
                        fault = fault.fix(Applicability::Maybe, a.shown.span(), text);
                    }
                } else {
                    let mut axes = left.axes().to_vec();
                    if let Some(last) = axes.last_mut() {
                        last.clone_from(to);
                    }
                    let fitting = Shape(axes);
                    fault =
                        fault.help(format!("a matrix of shape `{fitting}` would fit `{v_text}`"));
                }
                fault
            }
            Fault::RowWise => {
                let message = if left == right {
                    format!(
                        "`{a_text} @ {v_text}` of two `{left}` would be a row-wise dot product; write \
                         `matmul({a_text}, {v_text})`"
                    )
                } else {
                    format!(
                        "`{a_text} @ {v_text}` of `{left}` and `{right}` would be a row-wise dot product"
                    )
                };
                let fault = Diagnostic::new(Code::RowWiseProduct, span, message).help(
                    "several matrices times a vector are `A @ B @ x`: `@` goes from right to left",
                );
                match call("matmul") {
                    Some(text) => fault.fix(Applicability::Maybe, span, text),
                    None => fault,
                }
            }
            Fault::Repeated(dim) => {
                let message = format!("{}: both have `{dim}`, one of them twice", product());
                Diagnostic::new(Code::AmbiguousAxes, span, message)
                    .help(format!("a second name, `dims J like {dim}`, keeps the axes apart"))
            }
            Fault::Order => {
                let message = format!("{}: their common axes stand in another order", product());
                Diagnostic::new(Code::AmbiguousAxes, span, message)
                    .help("give the leading axes of both in the same order")
            }
        };
        self.with_declarations(diagnostic, &[a, v])
    }

    /// `matmul`, `dot` and `outer`: leading axes are equal and batched.
    pub(super) fn product(
        &mut self,
        kind: Product,
        [a, b]: [&Operand<'_>; 2],
        span: Span,
    ) -> Option<Value> {
        let (left, right) = (self.numeric(a), self.numeric(b));
        let (left, right) = (left?, right?);
        let inner = match kind {
            Product::MatMul => 2,
            Product::Dot | Product::Outer => 1,
        };
        let name = kind.name();
        let bad = |message: String| Diagnostic::new(Code::BadShapeFunction, span, message);
        for (operand, shape) in [(a, &left), (b, &right)] {
            if shape.rank() < inner {
                let needs = if inner == 2 { "two axes" } else { "an axis" };
                let message =
                    format!("`{name}` needs {needs}, {} has not", operand.shown.with(shape));
                let fault = match (kind, left.rank(), right.rank()) {
                    (Product::MatMul, 2.., 1) => bad(message).help("write `@` for a vector"),
                    (Product::Outer | Product::Dot, _, _) => {
                        bad(message).help("write `*` for a scalar")
                    }
                    (Product::MatMul, _, _) => bad(message),
                };
                let fault = self.with_declarations(fault, &[operand]);
                return self.fail(fault);
            }
        }
        let n_batch = left.rank() - inner;
        let batch = &left.axes()[..n_batch];
        let operands = || format!("{} and {}", a.shown.with(&left), b.shown.with(&right));
        if right.rank() != left.rank() || right.axes()[..n_batch] != *batch {
            let message = format!("`{name}` of {}: their leading axes differ", operands());
            let fault = self.with_declarations(bad(message), &[a, b]);
            return self.fail(fault);
        }
        let (first, second) = (&left.axes()[n_batch..], &right.axes()[n_batch..]);
        let meet = match kind {
            Product::MatMul => Some((&first[1], &second[0])),
            Product::Dot => Some((&first[0], &second[0])),
            Product::Outer => None,
        };
        if let Some((from, to)) = meet.filter(|(from, to)| from != to) {
            let message = format!("`{name}` of {}: `{from}` meets `{to}`", operands());
            let fault = self.with_declarations(bad(message), &[a, b]);
            return self.fail(fault);
        }
        let shared: Vec<u8> = (0..n_batch as u8).collect();
        let n = n_batch as u8;
        let with = |more: &[u8]| shared.iter().chain(more).copied().collect::<Vec<u8>>();
        let (contract, axes): (Contract, Vec<Dim>) = match kind {
            Product::MatMul => (
                Contract {
                    left: with(&[n, n + 2]),
                    right: with(&[n + 2, n + 1]),
                    result: with(&[n, n + 1]),
                },
                vec![first[0].clone(), second[1].clone()],
            ),
            Product::Dot => {
                (Contract { left: with(&[n]), right: with(&[n]), result: with(&[]) }, Vec::new())
            }
            Product::Outer => (
                Contract { left: with(&[n]), right: with(&[n + 1]), result: with(&[n, n + 1]) },
                vec![first[0].clone(), second[0].clone()],
            ),
        };
        let shape = Shape(batch.iter().cloned().chain(axes).collect());
        self.contract(contract, [a, b], shape, span)
    }
}

/// A function that is a product.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Product {
    MatMul,
    Dot,
    Outer,
}

impl Product {
    fn name(self) -> &'static str {
        match self {
            Product::MatMul => "matmul",
            Product::Dot => "dot",
            Product::Outer => "outer",
        }
    }
}

/// The reasons for which `@` is not possible.
#[derive(Clone, PartialEq, Debug)]
enum Fault {
    Scalar,
    TwoVectors,
    VectorOnTheLeft,
    LastAxes,
    RowWise,
    Repeated(Dim),
    Order,
}

/// Returns the axes of `left @ right`: shared leading axes, then what only the right one has, then what only the left one has.
fn labels(left: &Shape, right: &Shape) -> Result<Contract, Fault> {
    let (a, v) = (left.axes(), right.axes());
    let ([a_lead @ .., a_last], [v_lead @ .., v_last]) = (a, v) else { return Err(Fault::Scalar) };
    if a_lead.is_empty() {
        return Err(if v_lead.is_empty() { Fault::TwoVectors } else { Fault::VectorOnTheLeft });
    }
    if a_last != v_last {
        return Err(Fault::LastAxes);
    }
    if a_lead == v_lead && a_lead.contains(a_last) {
        return Err(Fault::RowWise);
    }
    let shared: Vec<&Dim> = a_lead.iter().filter(|it| v_lead.contains(it)).collect();
    for dim in &shared {
        let count = |axes: &[Dim]| axes.iter().filter(|it| it == dim).count();
        if count(a_lead) > 1 || count(v_lead) > 1 {
            return Err(Fault::Repeated((*dim).clone()));
        }
    }
    let in_v: Vec<&Dim> = v_lead.iter().filter(|it| a_lead.contains(it)).collect();
    if in_v != shared {
        return Err(Fault::Order);
    }
    let n_shared = shared.len() as u8;
    let mut next = n_shared;
    let mut own = |lead: &[Dim]| -> Vec<u8> {
        lead.iter()
            .map(|it| match shared.iter().position(|shared| *shared == it) {
                Some(at) => at as u8,
                None => {
                    next += 1;
                    next - 1
                }
            })
            .collect()
    };
    let mut right_labels = own(v_lead);
    let mut left_labels = own(a_lead);
    let only =
        |labels: &[u8]| labels.iter().copied().filter(|it| *it >= n_shared).collect::<Vec<_>>();
    let result = [(0..n_shared).collect(), only(&right_labels), only(&left_labels)].concat();
    let summed = next;
    left_labels.push(summed);
    right_labels.push(summed);
    Ok(Contract { left: left_labels, right: right_labels, result })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Shape {
        Shape(text.chars().map(|it| Dim::symbol(it.to_string())).collect())
    }

    /// Returns the result as letters.
    fn product(left: &str, right: &str) -> Result<String, Fault> {
        let (l, r) = (shape(left), shape(right));
        let contract = labels(&l, &r)?;
        let find = |label: &u8| {
            let at = contract.left.iter().position(|it| it == label);
            match at {
                Some(at) => left.as_bytes()[at] as char,
                None => {
                    let at = contract.right.iter().position(|it| it == label).unwrap();
                    right.as_bytes()[at] as char
                }
            }
        };
        Ok(contract.result.iter().map(find).collect())
    }

    #[test]
    fn the_result_is_shared_axes_then_the_right_ones_then_the_left_ones() {
        assert_eq!(product("HI", "I"), Ok("H".into()));
        assert_eq!(product("NDI", "I"), Ok("ND".into()));
        assert_eq!(product("NDD", "ND"), Ok("ND".into()));
        assert_eq!(product("MD", "ND"), Ok("NM".into()));
        assert_eq!(product("HH", "H"), Ok("H".into()));
        assert_eq!(labels(&shape("HI"), &shape("I")).unwrap().left, [0, 1]);
    }

    #[test]
    fn what_has_no_meaning_is_told_apart() {
        assert_eq!(product("H", "H"), Err(Fault::TwoVectors));
        assert_eq!(product("H", "HI"), Err(Fault::VectorOnTheLeft));
        assert_eq!(product("", "H"), Err(Fault::Scalar));
        assert_eq!(product("HI", "H"), Err(Fault::LastAxes));
        assert_eq!(product("HH", "HH"), Err(Fault::RowWise));
        assert_eq!(product("NMD", "MND"), Err(Fault::Order));
        assert_eq!(product("NNMD", "ND"), Err(Fault::Repeated(Dim::symbol("N"))));
    }
}
