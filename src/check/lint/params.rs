//! Parameters that training cannot tell apart or cannot move: W0603 and W0605.

use std::collections::BTreeMap;

use super::written;
use crate::diag::{Code, Diagnostic};
use crate::hir::Cell;
use crate::ir::{self, Gradient, Graph, Leaf, Move, Node, NodeId, Op, Pointwise, Start};
use crate::syntax::ast::Ident;

/// W0603: parameters of one shape that are only ever added to each other.
pub(super) fn only_sums(source: &Cell<'_>, cell: &ir::Cell) -> Vec<Diagnostic> {
    let mut groups: BTreeMap<(String, Vec<Use>), Vec<usize>> = BTreeMap::new();
    for (param, uses) in uses(cell).into_iter().enumerate() {
        if let Some(uses) = uses
            && cell.params[param].trained
        {
            let key = (cell.params[param].shape.to_string(), uses);
            groups.entry(key).or_default().push(param);
        }
    }
    let mut found = Vec::new();
    for ((_, uses), params) in groups {
        let written: Vec<&Ident> =
            params.iter().filter_map(|it| written::param(source, &cell.params[*it].name)).collect();
        let [first, others @ .., last] = written.as_slice() else { continue };
        if cell.layouts.iter().any(|it| keeps_apart(it, &params)) {
            continue;
        }
        let mut names: Vec<String> = vec![format!("`{}`", first.name)];
        names.extend(others.iter().map(|it| format!("`{}`", it.name)));
        let message = format!("{} and `{}` only occur as a sum", names.join(", "), last.name);
        let mut diagnostic = Diagnostic::new(Code::OnlyAsSum, last.span, message)
            .at("one of them can do all that both can");
        for it in std::iter::once(first).chain(others) {
            diagnostic = diagnostic.label(it.span, "added to it wherever it is used");
        }
        if let Some(sum) = uses.first() {
            let span = cell.step.node(NodeId(sum.chain)).span;
            diagnostic = diagnostic.label(span, "a sum of both");
        }
        found.push(diagnostic.help(format!(
            "drop `{}`; keep both only to load stored weights that have both",
            last.name
        )));
    }
    found
}

/// Tells of two params whether the cell adds them wherever it uses one of them.
pub(in crate::check) fn only_added(cell: &ir::Cell) -> impl Fn(usize, usize) -> bool + use<> {
    let uses = uses(cell);
    move |a, b| uses[a].is_some() && uses[a] == uses[b]
}

/// Returns true if a layout has a place of its own for each of some params.
fn keeps_apart(layout: &ir::Layout, params: &[usize]) -> bool {
    let sums: Vec<&[usize]> = layout.rows.iter().flat_map(|it| it.value.sums()).collect();
    let named: Vec<usize> = layout.rows.iter().flat_map(|it| it.params()).collect();
    params.iter().all(|it| named.contains(it) && !sums.iter().any(|sum| sum.contains(it)))
}

/// One place where a param is a term of a sum.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Use {
    /// The node of the whole sum.
    chain: u32,
    /// True if it is subtracted.
    negative: bool,
    /// The axes along which it was repeated.
    places: Vec<usize>,
}

/// For each param the sums that it is a term of, or nothing when it is used in another way or not at all.
fn uses(cell: &ir::Cell) -> Vec<Option<Vec<Use>>> {
    let graph = &cell.step;
    let live = reached(graph, roots(cell), |_, _| true);
    let mut users: Vec<Vec<NodeId>> = vec![Vec::new(); graph.nodes().len()];
    for id in graph.ids().filter(|it| live[it.idx()]) {
        for arg in &graph.node(id).args {
            users[arg.idx()].push(id);
        }
    }
    for root in roots(cell) {
        // A root is used by whoever calls the step; that user is no sum.
        users[root.idx()].push(root);
    }
    let mut all: Vec<Option<Vec<Use>>> = vec![Some(Vec::new()); cell.params.len()];
    for id in graph.ids().filter(|it| live[it.idx()]) {
        let Op::Leaf(Leaf::Param(param)) = graph.node(id).op else { continue };
        let terms = terms(graph, &users, id);
        match (&mut all[param], terms) {
            (Some(all), Some(terms)) => all.extend(terms),
            (slot, None) => *slot = None,
            (None, Some(_)) => {}
        }
    }
    // A learned start is a use that is no sum.
    for node in cell.start.nodes() {
        if let Op::Leaf(Leaf::Param(param)) = node.op {
            all[param] = None;
        }
    }
    for slot in &mut all {
        *slot = slot.take().filter(|it| !it.is_empty()).map(|mut it| {
            it.sort();
            it
        });
    }
    all
}

/// Returns the sums that a node is a term of, if all its users are sums.
fn terms(graph: &Graph, users: &[Vec<NodeId>], leaf: NodeId) -> Option<Vec<Use>> {
    let mut found = Vec::new();
    let places: Vec<usize> = (0..graph.shape(leaf).rank()).collect();
    let mut open = vec![(leaf, false, places, false)];
    while let Some((id, negative, places, in_sum)) = open.pop() {
        // A sum that several read is a whole of its own; so is one that something else than a sum reads.
        let readers = &users[id.idx()];
        let goes_on = !in_sum || readers.len() == 1;
        let mut ends = !goes_on;
        if goes_on {
            for reader in readers {
                match into_sum(graph.node(*reader), *reader, id) {
                    Some(Step::Term(sign)) => {
                        open.push((*reader, negative ^ sign, places.clone(), true));
                    }
                    Some(Step::Repeat(inner)) if !in_sum => {
                        let places = places.iter().map(|it| inner[*it]).collect();
                        open.push((*reader, negative, places, false));
                    }
                    Some(Step::Repeat(_)) | None if in_sum => ends = true,
                    Some(Step::Repeat(_)) | None => return None,
                }
            }
        }
        if ends {
            found.push(Use { chain: id.0, negative, places });
        }
    }
    Some(found)
}

/// The use that a reader makes of a value.
enum Step<'a> {
    /// It adds it, or subtracts it.
    Term(bool),
    /// It repeats it along new axes.
    Repeat(&'a [usize]),
}

fn into_sum<'a>(user: &'a Node, user_id: NodeId, value: NodeId) -> Option<Step<'a>> {
    if user_id == value {
        return None;
    }
    if let Op::Move(Move::Expand(places)) = &user.op {
        return Some(Step::Repeat(places));
    }
    let (Op::Map(op), [left, right]) = (&user.op, user.args.as_slice()) else { return None };
    // `b + b` is twice `b`, not `b` and something else.
    let adds = (*op == Pointwise::Add || *op == Pointwise::Sub) && left != right;
    adds.then(|| Step::Term(*op == Pointwise::Sub && *right == value))
}

/// W0605: parameters that matter for the results, and whose derivative is 0 everywhere.
pub(super) fn zero_gradients(source: &Cell<'_>, cell: &ir::Cell) -> Vec<Diagnostic> {
    let sloped = |node: &Node, arg: usize| node.op.passes(arg);
    let starts: Vec<NodeId> = cell.carries.iter().filter_map(start_node).collect();
    let graphs = [(&cell.step, roots(cell)), (&cell.start, starts)];
    let mut read = vec![false; cell.params.len()];
    let mut trained = vec![false; cell.params.len()];
    for (graph, roots) in &graphs {
        for (all, reached) in [
            (&mut read, reached(graph, roots.clone(), |_, _| true)),
            (&mut trained, reached(graph, roots.clone(), sloped)),
        ] {
            for id in graph.ids().filter(|it| reached[it.idx()]) {
                if let Op::Leaf(Leaf::Param(param)) = graph.node(id).op {
                    all[param] = true;
                }
            }
        }
    }
    let mut found = Vec::new();
    for (idx, param) in cell.params.iter().enumerate() {
        if !param.trained || !read[idx] || trained[idx] {
            continue;
        }
        let Some(ident) = written::param(source, &param.name) else { continue };
        let message = format!("the gradient of `{}` is zero for every input", param.name);
        let mut diagnostic = Diagnostic::new(Code::ZeroGradient, ident.span, message)
            .at("training never changes it");
        if let Some((node, why)) = blocker(cell, idx, &sloped) {
            diagnostic = diagnostic.label(node.span, why);
        }
        found.push(diagnostic.help(
            "declare a `const` if it shall stay as it is; an `activation` can be given a `derivative`",
        ));
    }
    found
}

/// Returns the node at which the gradient on the way to a param first ends, seen from the param.
fn blocker<'a>(
    cell: &'a ir::Cell,
    param: usize,
    sloped: &dyn Fn(&Node, usize) -> bool,
) -> Option<(&'a Node, String)> {
    let graph = &cell.step;
    let live = reached(graph, roots(cell), |_, _| true);
    let mut carries_on = vec![false; graph.nodes().len()];
    for id in graph.ids().filter(|it| live[it.idx()]) {
        let node = graph.node(id);
        if node.op == Op::Leaf(Leaf::Param(param)) {
            carries_on[id.idx()] = true;
        }
        for (at, arg) in node.args.iter().enumerate() {
            if !carries_on[arg.idx()] {
                continue;
            }
            if sloped(node, at) {
                carries_on[id.idx()] = true;
            } else {
                return Some((node, no_slope(&node.op, at)));
            }
        }
    }
    None
}

fn no_slope(op: &Op, arg: usize) -> String {
    if let Op::Map(op) = op {
        return match (op.syntax(), arg) {
            (ir::pointwise::Syntax::Function, 0) if *op == Pointwise::Where => {
                "a condition passes no gradient".to_string()
            }
            (ir::pointwise::Syntax::Function, 0) => format!("`{}` has derivative 0", op.name()),
            (ir::pointwise::Syntax::Function, _) => {
                format!("`{}` passes no gradient to `{}`", op.name(), op.params()[arg])
            }
            (ir::pointwise::Syntax::Infix(symbol) | ir::pointwise::Syntax::Prefix(symbol), _) => {
                format!("`{symbol}` has derivative 0")
            }
        };
    }
    if let Op::Gradient(Gradient::StopGrad) = op {
        return "`stop_grad` passes no gradient".to_string();
    }
    if let Op::Indexed(_) | Op::Choice(_) = op {
        return "an index passes no gradient".to_string();
    }
    "nothing flows back through here".to_string()
}

fn start_node(carry: &ir::Carry) -> Option<NodeId> {
    match carry.start {
        Start::Node(node) => Some(node),
        Start::SameAs(_) => None,
    }
}

/// Lists the roots of a step: the values that it returns.
fn roots(cell: &ir::Cell) -> Vec<NodeId> {
    let losses = cell.losses.iter().map(|it| it.node);
    let outputs = cell.outputs.iter().map(|it| it.node);
    cell.carries.iter().map(|it| it.next).chain(outputs).chain(losses).collect()
}

/// Returns the nodes that can be reached from some nodes over operands that `follow` allows.
fn reached(graph: &Graph, roots: Vec<NodeId>, follow: impl Fn(&Node, usize) -> bool) -> Vec<bool> {
    let mut reached = vec![false; graph.nodes().len()];
    let mut open = roots;
    while let Some(id) = open.pop() {
        if std::mem::replace(&mut reached[id.idx()], true) {
            continue;
        }
        let node = graph.node(id);
        let followed = node.args.iter().enumerate().filter(|(at, _)| follow(node, *at));
        open.extend(followed.map(|(_, it)| *it));
    }
    reached
}
