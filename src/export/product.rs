//! Products, and values that are repeated along new axes.

use super::expr::{ATOM, Dialect, Kind, PRODUCT, SIGN, Value, wider};
use super::lower::Lead;
use super::python::{Scope, Walk};
use crate::ir::{Contract, Node};

impl<D: Dialect> Walk<'_, D> {
    /// Inserts axes of size 1.
    pub(super) fn expand(
        &mut self,
        value: &Value,
        places: &[usize],
        rank: usize,
        lead: Lead,
    ) -> Value {
        if let Kind::Number(_) = value.kind {
            return value.clone();
        }
        let mut value = self.real(value);
        // Where the first axes are new and nothing comes before them, there is nothing to insert.
        let first = places.first().copied().unwrap_or(rank);
        let skipped = if value.lead == Lead::Once { first } else { 0 };
        let mut shape = vec![1; rank - skipped];
        // A value whose own leading axes are left out has fewer.
        let missing = places.len() - value.shape.len().min(places.len());
        for (place, size) in places[missing..].iter().zip(&value.shape) {
            shape[place - skipped] = *size;
        }
        if rank - skipped > places.len() {
            let mut at: Vec<&str> = Vec::new();
            if value.lead != Lead::Once {
                at.push("...");
            }
            for axis in skipped..rank {
                // The dots are the leading axes.
                if at == ["..."] && places.contains(&axis) {
                    continue;
                }
                at.push(if places.contains(&axis) { ":" } else { "None" });
            }
            if missing > 0 {
                let full = value.shape.clone();
                let whole: Vec<usize> = vec![1; missing].into_iter().chain(full).collect();
                let to = self.lang.shape(&whole);
                value = Value { text: self.lang.reshape(&value, &to), prec: ATOM, ..value };
            }
            value.text = format!("{}[{}]", value.at(ATOM), at.join(", "));
            value.prec = ATOM;
        }
        Value { shape, lead, ..value }
    }

    /// Returns a sum of products.
    pub(super) fn contract(
        &mut self,
        labels: &Contract,
        node: &Node,
        args: &[Value],
        lead: Lead,
        scope: &Scope,
    ) -> Value {
        let result = self.low.concrete(&node.shape);
        if labels.is_outer() && labels.right.iter().all(|it| labels.result.contains(it)) {
            let places = |own: &[u8]| -> Option<Vec<usize>> {
                let place = |it: &u8| labels.result.iter().position(|other| other == it);
                let all: Vec<usize> = own.iter().filter_map(place).collect();
                all.is_sorted().then_some(all)
            };
            if let (Some(left), Some(right)) = (places(&labels.left), places(&labels.right)) {
                let parts = [(left, &args[0]), (right, &args[1])];
                let parts = parts.map(|(at, it)| self.expand(it, &at, result.len(), it.lead));
                let shape = wider(&parts[0].shape, &parts[1].shape);
                let text = format!("{} * {}", parts[0].at(PRODUCT), parts[1].at(SIGN));
                return Value { text, prec: PRODUCT, kind: Kind::Real, lead, shape };
            }
        }
        let mut parts = Vec::new();
        for (at, arg) in args.iter().enumerate() {
            let own = self.shape_of(node, at, scope);
            parts.push(self.whole(arg.clone(), &own, arg.lead, scope));
        }
        let value = |(text, prec): (String, u8)| Value {
            text,
            prec,
            kind: Kind::Real,
            lead,
            shape: result.clone(),
        };
        for (matrix, vector, m, v) in
            [(&labels.left, &labels.right, 0, 1), (&labels.right, &labels.left, 1, 0)]
        {
            if let ([a, b], [s], [o]) = (&matrix[..], &vector[..], &labels.result[..])
                && parts[m].lead == Lead::Once
            {
                if (a, b) == (o, s) {
                    return value(self.lang.linear(&parts[v], &parts[m], true));
                }
                if (a, b) == (s, o) {
                    return value(self.lang.linear(&parts[v], &parts[m], false));
                }
            }
        }
        let letters = |own: &[u8], lead: Lead| {
            let all: String = own.iter().map(|it| (b'a' + it % 26) as char).collect();
            if lead == Lead::Once { all } else { format!("...{all}") }
        };
        let text = format!(
            "{},{}->{}",
            letters(&labels.left, parts[0].lead),
            letters(&labels.right, parts[1].lead),
            letters(&labels.result, lead)
        );
        let parts: Vec<String> = parts.into_iter().map(|it| it.text).collect();
        value((self.lang.einsum(&text, &parts), ATOM))
    }
}
