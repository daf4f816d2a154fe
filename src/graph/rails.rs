//! The straight path of a state: from its old value to its new one through sums, elementwise
//! products, `max`, `min` and moves of elements alone. Along it a gradient is only scaled, never
//! squashed.

use std::collections::VecDeque;

use super::sketch::{Expr, ExprId, Sketch, Value};

/// The nodes that a path may go to from each node, one list a node.
pub type Ways = Vec<Vec<usize>>;

/// Returns the shortest path from one of `starts` to `goal` over free nodes, both ends included.
pub fn shortest(ways: &Ways, starts: &[usize], goal: usize, taken: &[bool]) -> Option<Vec<usize>> {
    let mut before: Vec<Option<usize>> = vec![None; ways.len()];
    let mut seen = taken.to_vec();
    let mut queue: VecDeque<usize> = VecDeque::new();
    for &start in starts.iter().filter(|it| !taken[**it]) {
        seen[start] = true;
        queue.push_back(start);
    }
    while let Some(node) = queue.pop_front() {
        if node == goal {
            let mut path = vec![node];
            let mut at = node;
            while let Some(it) = before[at] {
                path.push(it);
                at = it;
            }
            path.reverse();
            return Some(path);
        }
        for &next in &ways[node] {
            if !seen[next] {
                seen[next] = true;
                before[next] = Some(node);
                queue.push_back(next);
            }
        }
    }
    None
}

/// Returns the paths of states: for each the expressions on it, names included. The first declared keeps what two would share.
pub fn of_sketch(sketch: &Sketch) -> Vec<Option<Vec<ExprId>>> {
    let count = sketch.exprs.len();
    let mut ways: Ways = vec![Vec::new(); count];
    for id in 0..count {
        for (at, operand) in sketch.operands(id).into_iter().enumerate() {
            if sketch.passes(id, at) {
                ways[operand].push(id);
            }
        }
        if let Expr::Value(Value::Def(def)) = sketch.exprs[id]
            && !sketch.defs[def].is_once
        {
            ways[sketch.defs[def].value].push(id);
        }
    }
    let mut taken = vec![false; count];
    let mut all = Vec::new();
    for state in &sketch.states {
        let path = state.old.and_then(|old| {
            let Value::Def(def) = state.next else { return None };
            let starts: Vec<ExprId> = (0..count)
                .filter(|it| matches!(&sketch.exprs[*it], Expr::Value(Value::Pin(pin, 1)) if *pin == old))
                .collect();
            shortest(&ways, &starts, sketch.defs[def].value, &taken)
        });
        for &it in path.iter().flatten() {
            taken[it] = true;
        }
        all.push(path);
    }
    all
}
