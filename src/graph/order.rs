//! The order in which named values are drawn: what is read before its reader, else that of the text.

use super::sketch::{Expr, ExprId, Sketch, Value};

/// Returns all definitions, layers and turns that are not drawn.
pub fn of(sketch: &Sketch) -> Vec<Value> {
    let (defs, layers) = (sketch.defs.len(), sketch.layers.len());
    let count = defs + layers + sketch.skipped.len();
    let mut order = Vec::with_capacity(count);
    let mut is_open = vec![false; count];
    let mut is_done = vec![false; count];
    for first in 0..count {
        let mut stack = vec![first];
        while let Some(&at) = stack.last() {
            if is_done[at] {
                stack.pop();
                continue;
            }
            let missing: Vec<usize> = match std::mem::replace(&mut is_open[at], true) {
                // All that it reads has been seen to.
                true => Vec::new(),
                false => reads(sketch, at).into_iter().filter(|it| !is_open[*it]).collect(),
            };
            if missing.is_empty() {
                is_done[at] = true;
                order.push(at);
                stack.pop();
            } else {
                stack.extend(missing.into_iter().rev());
            }
        }
    }
    order
        .into_iter()
        .map(|it| match it {
            it if it < defs => Value::Def(it),
            it if it < defs + layers => Value::Layer(it - defs, String::new()),
            it => Value::Skipped(it - defs - layers, 0),
        })
        .collect()
}

/// Returns the values that a named value reads.
fn reads(sketch: &Sketch, at: usize) -> Vec<usize> {
    let (defs, layers) = (sketch.defs.len(), sketch.layers.len());
    let mut stack: Vec<ExprId> = if at < defs {
        let def = &sketch.defs[at];
        if def.is_once { Vec::new() } else { vec![def.value] }
    } else if at < defs + layers {
        sketch.layers[at - defs].args.iter().map(|it| it.2).collect()
    } else {
        sketch.skipped[at - defs - layers].reads.clone()
    };
    let mut found = Vec::new();
    while let Some(id) = stack.pop() {
        match &sketch.exprs[id] {
            Expr::Value(Value::Def(it)) => found.push(*it),
            Expr::Value(Value::Layer(it, _)) => found.push(defs + it),
            Expr::Value(Value::Skipped(it, _)) => found.push(defs + layers + it),
            Expr::Fixed(fixed) => found.extend(&fixed.reads),
            Expr::Linear(_, of, once) => {
                found.extend(once);
                stack.push(*of);
            }
            _ => stack.extend(sketch.operands(id).into_iter().rev()),
        }
    }
    found
}
