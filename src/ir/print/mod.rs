//! Graphs as text for people: equations in the user's own names and in the notation of the
//! language.
//!
//! The text is made for reading and for snapshots: the same graph always gives the same text.

mod formula;
mod init;
mod layout;
mod product;
mod text;

use std::collections::BTreeSet;

pub(crate) use formula::{Coin, Formulas};
pub(crate) use layout::{Table, wrap};
pub(crate) use text::{Level, Text};

use super::{
    Carry, Cell, Const, Graph, HyperKind, InputRole, LOSS, Leaf, Mask, Move, NodeId, Op, Order,
    Param, Scope, Start, ValueKind,
};

/// Returns a constant expression.
pub fn constant(value: &Const) -> String {
    text::constant(value).text
}

/// Returns the distribution of a mask, such as `bernoulli(1 - p) per step`.
pub fn draw(mask: &Mask) -> String {
    let scope = match mask.scope {
        Scope::Step => "step",
        Scope::Sequence => "sequence",
        Scope::Run => "run",
    };
    format!("bernoulli({}) per {scope}", constant(&mask.probability))
}

/// Returns an initialiser.
pub fn initialiser(init: &super::Init) -> String {
    init::init(init).text
}

/// Returns a cell: its declarations and the equations of one step.
pub fn cell(cell: &Cell) -> String {
    let word = if cell.is_model { "model" } else { "cell" };
    let mut out = format!("{word} {}\n", cell.name);
    declarations(cell, &mut out);
    out.push('\n');
    equations(cell, &mut out);
    let outputs: Vec<&str> = cell.outputs.iter().map(|it| &*it.name).collect();
    out.push('\n');
    wrap(&mut out, "  output ", &outputs.join(", "));
    for loss in &cell.losses {
        let at_last = if loss.at_last { " at last" } else { "" };
        out.push_str(&format!("  {LOSS}{at_last}\n"));
    }
    out
}

/// Returns an old carried value as the language writes it: `prev h`, `prev(h, 2)`, `time()`.
pub(crate) fn prev(carry: &Carry) -> String {
    let name = &*carry.name;
    if carry.is_time() {
        return "time()".to_string();
    }
    match name.rsplit_once('.') {
        Some((base, "1")) => format!("prev {base}"),
        Some((base, back)) if back.bytes().all(|it| it.is_ascii_digit()) => {
            format!("prev({base}, {back})")
        }
        Some(_) | None => format!("prev {name}"),
    }
}

/// Returns the name of a leaf of the graphs of a cell; leaves of derived graphs have names that only their printer knows.
pub(crate) fn leaf(cell: &Cell, op: &Op) -> Option<String> {
    match op {
        Op::Leaf(Leaf::Input(idx)) => Some(cell.inputs[*idx].name.to_string()),
        Op::Leaf(Leaf::Carry(idx)) => Some(prev(&cell.carries[*idx])),
        Op::Leaf(Leaf::Param(idx)) => Some(cell.params[*idx].name.to_string()),
        Op::Leaf(Leaf::Mask(idx)) => Some(cell.masks[*idx].name.to_string()),
        _ => None,
    }
}

/// Returns every name that the user gave, and every one that a node has.
pub(crate) fn taken(cell: &Cell, graphs: &[&Graph]) -> BTreeSet<String> {
    let nodes = graphs.iter().flat_map(|it| it.nodes()).filter_map(|it| it.name.as_ref());
    nodes
        .chain(cell.values.iter().map(|it| &it.name))
        .chain(cell.inputs.iter().map(|it| &it.name))
        .chain(cell.carries.iter().map(|it| &it.name))
        .chain(cell.params.iter().map(|it| &it.name))
        .chain(cell.masks.iter().map(|it| &it.name))
        .chain(cell.hypers.iter().map(|it| &it.name))
        .chain(cell.dims.iter().map(|it| &it.name))
        .map(|it| it.to_string())
        .collect()
}

/// Formulas over a graph of the cell itself.
pub(crate) fn formulas<'c>(
    cell: &'c Cell,
    graph: &'c Graph,
    coin: Coin<'_>,
    prefix: &str,
) -> Formulas<'c> {
    let called =
        move |id: NodeId| Text::primary(leaf(cell, &graph.node(id).op).unwrap_or_default());
    Formulas::new(graph, called, coin, prefix, &taken(cell, &[&cell.step, &cell.start]))
}

fn declarations(cell: &Cell, out: &mut String) {
    let mut dims: Vec<String> = Vec::new();
    for dim in &cell.dims {
        dims.push(match (&dim.like, dim.default) {
            (Some(other), _) => format!("{} like {other}", dim.name),
            (None, Some(default)) => format!("{} = {default}", dim.name),
            (None, None) => dim.name.to_string(),
        });
    }
    dims.extend(cell.derived.iter().map(|(name, dim)| format!("{name} = {dim}")));
    if !dims.is_empty() {
        wrap(out, "  dims   ", &dims.join(", "));
    }
    for hyper in &cell.hypers {
        let value = match &hyper.kind {
            HyperKind::Number(value) => constant(value),
            HyperKind::Activation(text) => text.clone(),
        };
        wrap(out, &format!("  hyper  {} = ", hyper.name), &value);
    }
    for input in &cell.inputs {
        let kind = match &input.index {
            Some(dim) => format!("index[{dim}]"),
            None => input.shape.to_string(),
        };
        let default = input.default.iter().map(|it| format!(" = {}", constant(it)));
        let default: String = default.collect();
        let word = match input.role {
            InputRole::Input => "input ",
            InputRole::Target => "target",
            InputRole::Draw => "draw  ",
            InputRole::Coin => "coin  ",
        };
        let often = if input.per_sequence { " per sequence" } else { "" };
        out.push_str(&format!("  {word} {}: {kind}{default}{often}\n", input.name));
    }
    carries(cell, out);
    // Params of one kind in one line, as people declare them.
    for group in cell.params.chunk_by(alike) {
        let names: Vec<&str> = group.iter().map(|it| &*it.name).collect();
        let keyword = if group[0].trained { "param" } else { "const" };
        let text = format!(
            "{}: {} init {}",
            names.join(", "),
            group[0].shape,
            initialiser(&group[0].init)
        );
        wrap(out, &format!("  {keyword}  "), &text);
    }
    for mask in &cell.masks {
        let text = format!("{}: {} = {}", mask.name, mask.shape, draw(mask));
        wrap(out, "  mask   ", &text);
    }
}

fn alike(a: &Param, b: &Param) -> bool {
    a.shape == b.shape && a.trained == b.trained && a.init == b.init
}

/// The carried values with their starts; the past of others with what it will be.
fn carries(cell: &Cell, out: &mut String) {
    let start = formulas(cell, &cell.start, Coin::Only(&[]), "s");
    let nodes: Vec<NodeId> = cell.carries.iter().map(|it| it.next).collect();
    let step = formulas(cell, &cell.step, Coin::Shared(&nodes), "t");
    for carry in &cell.carries {
        let begin = match carry.start {
            Start::Node(id) => number_or(cell, &start, id),
            Start::SameAs(other) => format!("start of {}", cell.carries[other].name),
        };
        let kind = match &carry.index {
            Some(dim) => format!("index[{dim}]"),
            None => carry.shape.to_string(),
        };
        if let Some(teacher) = carry.teacher {
            let text = format!("{begin} teacher {}", cell.inputs[teacher].name);
            wrap(out, &format!("  feedback {}: {kind} = ", carry.name), &text);
        } else if carry.is_state {
            let way = way(carry);
            wrap(out, &format!("  state  {}: {kind} = ", carry.name), &format!("{begin}{way}"));
        } else {
            let next =
                value_name(cell, carry.next).unwrap_or_else(|| step.operand(carry.next).text);
            let text = format!("{begin}, then {next}{}", way(carry));
            wrap(out, &format!("  past   {}: {kind} = ", prev(carry)), &text);
        }
    }
}

/// Returns the words about the direction of a carried value; none for an ascending one.
fn way(carry: &Carry) -> &'static str {
    match carry.order {
        Order::Ascending => "",
        Order::Descending => ", from the last step",
    }
}

/// Returns the user's name of a node of the step.
fn value_name(cell: &Cell, id: NodeId) -> Option<String> {
    let own = cell.step.node(id).name.as_ref().filter(|_| !cell.step.node(id).op.is_leaf());
    let named = || cell.values.iter().find(|it| it.node == id).map(|it| &it.name);
    match leaf(cell, &cell.step.node(id).op) {
        Some(leaf) => Some(leaf),
        None => own.or_else(named).map(|it| it.to_string()),
    }
}

/// Returns a start; a number needs no shape, as the state has one.
fn number_or(cell: &Cell, formulas: &Formulas<'_>, id: NodeId) -> String {
    let node = cell.start.node(id);
    match &node.op {
        Op::Move(Move::Expand(places)) if places.is_empty() => formulas.formula(node.args[0]).text,
        _ => formulas.formula(id).text,
    }
}

/// One line for each named value and for each one that is used more than once, operands first.
fn equations(cell: &Cell, out: &mut String) {
    let roots: Vec<NodeId> = (cell.carries.iter().map(|it| it.next))
        .chain(cell.outputs.iter().map(|it| it.node))
        .chain(cell.losses.iter().map(|it| it.node))
        .collect();
    let mut used: Vec<NodeId> = cell.values.iter().map(|it| it.node).chain(roots).collect();
    // Being a root twice, as a state that is an output, is no use of an unnamed value.
    used.sort();
    used.dedup();
    let formulas = formulas(cell, &cell.step, Coin::Shared(&used), "t");
    let mut lines: Vec<(NodeId, String, String)> = Vec::new();
    let keyword = |name: &str| {
        let kind = cell.values.iter().find(|it| &*it.name == name).map(|it| it.kind);
        match kind {
            Some(ValueKind::Gate) => "gate ",
            Some(ValueKind::State) => "",
            Some(ValueKind::Output) if cell.carry(name).is_none() => "",
            Some(ValueKind::Let | ValueKind::Input | ValueKind::Output) | None => "let  ",
        }
    };
    for id in cell.step.ids() {
        if let Some(name) = formulas.name(id) {
            lines.push((id, format!("{}{name}", keyword(name)), formulas.formula(id).text));
        }
    }
    // Names for values that have another one already, and for leaves.
    for value in &cell.values {
        let own = formulas.name(value.node) == Some(&*value.name);
        if value.kind != ValueKind::Input && !own {
            let text = formulas.operand(value.node).text;
            if text != *value.name {
                lines.push((value.node, format!("{}{}", keyword(&value.name), value.name), text));
            }
        }
    }
    for output in &cell.outputs {
        let known = formulas.name(output.node) == Some(&*output.name)
            || cell.values.iter().any(|it| it.name == output.name);
        if !known {
            let text = formulas.operand(output.node).text;
            lines.push((output.node, output.name.to_string(), text));
        }
    }
    for loss in &cell.losses {
        if formulas.name(loss.node) != Some(LOSS) {
            let text = formulas.operand(loss.node).text;
            lines.push((loss.node, LOSS.to_string(), text));
        }
    }
    // States whose new value bears another name.
    for carry in cell.carries.iter().filter(|it| it.is_state) {
        let known = formulas.name(carry.next) == Some(&*carry.name)
            || cell.values.iter().any(|it| it.name == carry.name);
        if !known {
            let text = formulas.operand(carry.next).text;
            lines.push((carry.next, carry.name.to_string(), text));
        }
    }
    lines.sort_by_key(|it| it.0);
    let mut table = Table::default();
    for (id, name, text) in lines {
        table.row(name, cell.step.shape(id), "=", text);
    }
    table.write(out);
}
