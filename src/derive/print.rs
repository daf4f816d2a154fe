//! Derived graphs as equations in the user's names.

use std::collections::{BTreeMap, BTreeSet};

use super::{Adjoint, Tangent};
use crate::ir::print::{Coin, Formulas, Table, Text, formulas, leaf, prev, taken, wrap};
use crate::ir::{Cell, Graph, Leaf, NodeId, Op, Pointwise, Source};
use crate::text::Name;

/// Returns one backward step of a cell as equations: what is given, what is kept from forward, the adjoints in the order in which
/// they are computed, and what each param gets. `adjoint` is that of `cell`.
pub fn print_backward(cell: &Cell, adjoint: &Adjoint) -> String {
    let mut out = format!("cell {}, one step backward\n", cell.name);
    let graph = &adjoint.graph;
    let mut taken = taken(cell, &[&cell.step, &cell.start]);
    taken.extend(adjoint.values.iter().map(|(name, _)| name.to_string()));
    let given = ForwardNames::of(cell, adjoint, &mut taken);

    section(&mut out, "given", &given.table);
    let forward = kept(cell, &cell.step, graph, &mut out);

    let called = |id: NodeId| match (&graph.node(id).op, given.names.get(&id)) {
        (_, Some(name)) => Text::primary(name),
        (Op::Leaf(Leaf::Forward(of)), None) => forward.operand(*of),
        (op, None) => Text::primary(leaf(cell, op).unwrap_or_default()),
    };
    let roots: Vec<NodeId> = (adjoint.carries.iter().chain(&adjoint.inputs))
        .chain(&adjoint.params)
        .flatten()
        .copied()
        .collect();
    let formulas = Formulas::new(graph, called, Coin::Shared(&roots), "t", &taken);
    let mut table = Table::default();
    lines(&formulas, graph, &adjoint.values, &given.fused, &mut table);
    section(&mut out, "adjoints", &table);

    let mut table = Table::default();
    gradients(&formulas, graph, &adjoint.params, &adjoint.param_names, &mut table);
    section(&mut out, "gradients, summed over steps and sequences", &table);
    start(cell, adjoint, &taken, &mut out);
    let zero: Vec<&str> = (cell.params.iter().enumerate())
        .filter(|(idx, it)| {
            it.trained && adjoint.params[*idx].is_none() && adjoint.start.params[*idx].is_none()
        })
        .map(|(_, it)| &*it.name)
        .collect();
    if !zero.is_empty() {
        out.push('\n');
        wrap(&mut out, "without gradient: ", &zero.join(", "));
    }
    out
}

/// Returns one forward-mode step as equations. `tangent` is that of `cell`.
pub fn print_tangent(cell: &Cell, tangent: &Tangent) -> String {
    let graph = &tangent.graph;
    let mut out = format!("cell {}, one step in forward mode\n", cell.name);
    let mut taken = taken(cell, &[&cell.step, &cell.start]);
    taken.extend(tangent.values.iter().map(|(name, _)| name.to_string()));
    let mut names: BTreeMap<NodeId, String> = BTreeMap::new();
    let mut table = Table::default();
    let mut leaves: Vec<(Source, NodeId)> = (graph.ids())
        .filter_map(|id| match graph.node(id).op {
            Op::Leaf(Leaf::Tangent(source)) => Some((source, id)),
            _ => None,
        })
        .collect();
    leaves.sort();
    for (source, id) in leaves {
        let (spoken, what) = match source {
            Source::Input(idx) => {
                let name = &cell.inputs[idx].name;
                (name.to_string(), name.to_string())
            }
            Source::Carry(idx) => {
                let carry = &cell.carries[idx];
                (format!("prev_{}", carry.name), prev(carry))
            }
            Source::Param(idx) => {
                let name = &cell.params[idx].name;
                (name.to_string(), name.to_string())
            }
        };
        let name = fresh(&mut taken, format!("t_{spoken}"));
        table.row(name.clone(), graph.shape(id), "", format!(" tangent of {what}"));
        names.insert(id, name);
    }
    section(&mut out, "given", &table);
    let forward = kept(cell, &cell.step, graph, &mut out);
    let called = |id: NodeId| match (&graph.node(id).op, names.get(&id)) {
        (_, Some(name)) => Text::primary(name),
        (Op::Leaf(Leaf::Forward(of)), None) => forward.operand(*of),
        (op, None) => Text::primary(leaf(cell, op).unwrap_or_default()),
    };
    let mut roots: Vec<NodeId> = tangent.carries.iter().chain(&tangent.outputs).copied().collect();
    roots.sort();
    roots.dedup();
    let formulas = Formulas::new(graph, called, Coin::Shared(&roots), "t", &taken);
    let mut table = Table::default();
    lines(&formulas, graph, &tangent.values, &BTreeSet::new(), &mut table);
    // What has no name of its own is a value of before, such as the past of an input.
    let known: BTreeSet<&str> = tangent.values.iter().map(|(name, _)| &**name).collect();
    let ends = (cell.carries.iter().map(|it| &it.name).zip(&tangent.carries))
        .chain(cell.outputs.iter().map(|it| &it.name).zip(&tangent.outputs));
    let mut shown = BTreeSet::new();
    for (name, id) in ends {
        let name = format!("t_{name}");
        if !known.contains(name.as_str()) && shown.insert(name.clone()) {
            table.row(name, graph.shape(*id), "=", formulas.operand(*id).text);
        }
    }
    section(&mut out, "tangents", &table);
    out
}

fn section(out: &mut String, title: &str, table: &Table) {
    if !table.is_empty() {
        out.push_str(&format!("\n{title}\n"));
        table.write(out);
    }
}

fn fresh(taken: &mut BTreeSet<String>, wanted: String) -> String {
    let mut name = wanted;
    while !taken.insert(name.clone()) {
        name.push('_');
    }
    name
}

/// The adjoints that come from outside.
struct ForwardNames {
    /// The names of leaves and sums of leaves.
    names: BTreeMap<NodeId, String>,
    /// Nodes that are nothing but sums of what comes from outside: one value for people.
    fused: BTreeSet<NodeId>,
    table: Table,
}

impl ForwardNames {
    fn of(cell: &Cell, adjoint: &Adjoint, taken: &mut BTreeSet<String>) -> ForwardNames {
        let graph = &adjoint.graph;
        let mut given = ForwardNames {
            names: BTreeMap::new(),
            fused: BTreeSet::new(),
            table: Table::default(),
        };
        let mut uses = vec![0u32; graph.nodes().len()];
        for node in graph.nodes() {
            node.args.iter().for_each(|it| uses[it.idx()] += 1);
        }
        for root in (adjoint.carries.iter().chain(&adjoint.inputs)).chain(&adjoint.params).flatten()
        {
            uses[root.idx()] += 1;
        }
        // `d_h`, the sum of what the next step and the output say.
        let mut within = BTreeSet::new();
        for (name, id) in &adjoint.values {
            let mut leaves = Vec::new();
            let own = graph.node(*id).name.as_ref() == Some(name);
            if own && sum_of_leaves(graph, *id, true, &uses, &mut leaves) {
                let origins: Vec<(String, String)> =
                    leaves.iter().filter_map(|it| origin(cell, &graph.node(*it).op)).collect();
                let from: Vec<&str> = origins.iter().map(|(_, from)| from.as_str()).collect();
                let text = match origins.first() {
                    Some((what, _)) => format!(" adjoint of {what}, from {}", from.join(" and ")),
                    None => String::new(),
                };
                given.table.row(&**name, graph.shape(*id), "", text);
                given.fused.insert(*id);
                within.extend(leaves);
            }
        }
        for id in graph.ids() {
            let op = &graph.node(id).op;
            let Some((what, from)) = origin(cell, op).filter(|_| !within.contains(&id)) else {
                continue;
            };
            // What is only passed on keeps apart what comes in and what goes out.
            let results = || (adjoint.carries.iter().chain(&adjoint.inputs)).flatten();
            let passed = results().any(|it| *it == id);
            let alias = adjoint.values.iter().find(|(_, it)| *it == id && !passed);
            let alias = alias.map(|(name, _)| name);
            let name = match (alias, op) {
                (Some(name), _) => name.to_string(),
                (None, Op::Leaf(Leaf::CarryAdjoint(idx))) => {
                    fresh(taken, format!("d_next_{}", cell.carries[*idx].name))
                }
                (None, Op::Leaf(Leaf::OutputAdjoint(idx))) => {
                    fresh(taken, format!("d_out_{}", cell.outputs[*idx].name))
                }
                (None, _) => continue,
            };
            given.table.row(
                name.clone(),
                graph.shape(id),
                "",
                format!(" adjoint of {what}, from {from}"),
            );
            given.names.insert(id, name);
        }
        given
    }
}

/// Of what it is the adjoint, and where it comes from.
fn origin(cell: &Cell, op: &Op) -> Option<(String, String)> {
    match op {
        Op::Leaf(Leaf::CarryAdjoint(idx)) => {
            let carry = &cell.carries[*idx];
            let what = if carry.is_state {
                carry.name.to_string()
            } else {
                format!("the next {}", prev(carry))
            };
            Some((what, "the next step".to_string()))
        }
        Op::Leaf(Leaf::OutputAdjoint(idx)) => {
            let name = cell.outputs[*idx].name.to_string();
            Some((name.clone(), format!("output {name}")))
        }
        _ => None,
    }
}

/// Returns true if a node is a sum of adjoints from outside that serve nothing else.
fn sum_of_leaves(
    graph: &Graph,
    id: NodeId,
    top: bool,
    uses: &[u32],
    leaves: &mut Vec<NodeId>,
) -> bool {
    let node = graph.node(id);
    match &node.op {
        Op::Leaf(Leaf::CarryAdjoint(_) | Leaf::OutputAdjoint(_)) if !top && uses[id.idx()] == 1 => {
            leaves.push(id);
            true
        }
        Op::Map(Pointwise::Add) if top || uses[id.idx()] == 1 => {
            node.args.iter().all(|it| sum_of_leaves(graph, *it, false, uses, leaves))
        }
        _ => false,
    }
}

/// Shows what a derived graph reads from forward, and gives the formulas in which to write it.
fn kept<'c>(cell: &'c Cell, forward: &'c Graph, derived: &Graph, out: &mut String) -> Formulas<'c> {
    let read: Vec<NodeId> = derived
        .nodes()
        .iter()
        .filter_map(|it| match it.op {
            Op::Leaf(Leaf::Forward(of)) => Some(of),
            _ => None,
        })
        .collect();
    let formulas = formulas(cell, forward, Coin::Only(&read), "k");
    let mut lines: BTreeMap<NodeId, String> = BTreeMap::new();
    for id in &read {
        if let Some(name) = formulas.name(*id) {
            lines.insert(*id, name.to_string());
        }
    }
    for id in formulas.coined() {
        lines.insert(*id, formulas.name(*id).unwrap_or_default().to_string());
    }
    let mut table = Table::default();
    for (id, name) in &lines {
        let (sign, text) = match formulas.coined().contains(id) {
            true => ("=", formulas.formula(*id).text),
            false => ("", String::new()),
        };
        table.row(&**name, forward.shape(*id), sign, text);
    }
    section(out, "kept from forward", &table);
    formulas
}

/// A line for each node with a name, and for further names of nodes.
fn lines(
    formulas: &Formulas<'_>,
    graph: &Graph,
    values: &[(Name, NodeId)],
    given: &BTreeSet<NodeId>,
    table: &mut Table,
) {
    let mut all: Vec<(NodeId, String, String)> = Vec::new();
    for id in graph.ids().filter(|it| !given.contains(it)) {
        if let Some(name) = formulas.name(id) {
            all.push((id, name.to_string(), formulas.formula(id).text));
        }
    }
    for (name, id) in values {
        let text = formulas.operand(*id).text;
        if formulas.name(*id) != Some(&**name) && text != **name {
            all.push((*id, name.to_string(), text));
        }
    }
    all.sort_by_key(|it| it.0);
    for (id, name, text) in all {
        table.row(name, graph.shape(id), "=", text);
    }
}

/// `d_W += outer(d_a, x)`
fn gradients(
    formulas: &Formulas<'_>,
    graph: &Graph,
    params: &[Option<NodeId>],
    names: &[Option<Name>],
    table: &mut Table,
) {
    for (root, name) in params.iter().zip(names) {
        if let (Some(root), Some(name)) = (root, name) {
            table.row(&**name, graph.shape(*root), "+=", formulas.operand(*root).text);
        }
    }
}

/// Prints the gradients of learned starts.
fn start(cell: &Cell, adjoint: &Adjoint, taken: &BTreeSet<String>, out: &mut String) {
    let graph = &adjoint.start.graph;
    if adjoint.start.params.iter().all(Option::is_none) {
        return;
    }
    let forward = kept_start(cell, graph);
    let called = |id: NodeId| match &graph.node(id).op {
        Op::Leaf(Leaf::CarryAdjoint(idx)) => {
            Text::primary(format!("d_prev_{}", cell.carries[*idx].name))
        }
        Op::Leaf(Leaf::Forward(of)) => forward.operand(*of),
        op => Text::primary(leaf(cell, op).unwrap_or_default()),
    };
    let roots: Vec<NodeId> = adjoint.start.params.iter().flatten().copied().collect();
    let formulas = Formulas::new(graph, called, Coin::Shared(&roots), "s", taken);
    let mut table = Table::default();
    lines(&formulas, graph, &adjoint.start.values, &BTreeSet::new(), &mut table);
    let start = &adjoint.start;
    gradients(&formulas, graph, &start.params, &start.param_names, &mut table);
    section(out, "gradients of learned starts, from the first step, summed over sequences", &table);
}

fn kept_start<'c>(cell: &'c Cell, derived: &Graph) -> Formulas<'c> {
    let mut unseen = String::new();
    kept(cell, &cell.start, derived, &mut unseen)
}
