//! The plan of a cell as text, from which a person sees why the cell is fast or not.

use std::collections::BTreeSet;

use super::alias;
use super::cost::Flops;
use super::linear::LinearSum;
use super::pass::{Pass, Stage};
use super::sums::Sum;
use super::tasks::Task;
use super::told::Told;
use super::whole::Plan;
use crate::ir::dim::DimOverflow;
use crate::ir::print::{prev, wrap};
use crate::ir::{Dim, Graph, Move, NodeId, Op, Order, Recurrence, recurrence};

/// Prints the plan: the class of the recurrence, the stages of both passes, how gradients are found,
/// what is kept and what it costs.
pub fn print(plan: &Plan) -> String {
    let step = Told::step(&plan.cell);
    let back = Told::adjoint(plan, &step);
    let names: Vec<String> = plan.cell.carries.iter().map(|it| it.name.to_string()).collect();
    let forward = Printer {
        graph: &plan.cell.step,
        pass: &plan.forward,
        told: &step,
        carries: &names,
        order: Order::Ascending,
    };
    let adjoints: Vec<String> = names.iter().map(|it| format!("d_{it}")).collect();
    let backward = Printer {
        graph: &plan.adjoint.graph,
        pass: &plan.backward,
        told: &back,
        carries: &adjoints,
        order: Order::Descending,
    };
    let mut out = format!("plan of {}\n\n", plan.cell.name);
    let class = recurrence(&plan.cell);
    wrap(&mut out, "recurrence  ", &format!("{class}: {}", meaning(class)));
    out.push_str("\nforward\n");
    forward.write(&mut out);
    let past = plan.cell.carries.iter().zip(&plan.forward.held);
    let past: Vec<String> = past.filter(|it| *it.1).map(|(it, _)| prev(it)).collect();
    if !past.is_empty() {
        wrap(&mut out, "  read from the rows before, outside of any loop: ", &past.join(", "));
    }
    out.push_str("\nbackward, from the last step\n");
    backward.write(&mut out);
    gradients(plan, &back, &mut out);
    kept(plan, &step, &mut out);
    out.push_str("\nfloating-point operations per step and sequence\n");
    cost(plan.forward_flops(), "  forward   ", &mut out);
    cost(plan.backward_flops(), "  backward  ", &mut out);
    out
}

fn meaning(class: Recurrence) -> String {
    match class {
        Recurrence::None => "no step waits for another".to_owned(),
        Recurrence::LinearElementwise => {
            "a new state is a * old + b, element by element; a loop without products".to_owned()
        }
        Recurrence::Linear => "affine in the states, whose elements meet".to_owned(),
        Recurrence::Elementwise => {
            "nonlinear, each element from its own past; a loop without products".to_owned()
        }
        Recurrence::Mixed => "elements of the states meet, otherwise than in products".to_owned(),
        Recurrence::Dense(1) => "products with the states, none of which waits for another".into(),
        Recurrence::Dense(depth) => {
            format!("{depth} products with the states wait for each other in every step")
        }
    }
}

/// One of the two passes.
struct Printer<'p> {
    graph: &'p Graph,
    pass: &'p Pass,
    told: &'p Told<'p>,
    /// What is carried from step to step is called.
    carries: &'p [String],
    /// Which way the pass goes but for loops that go the other way.
    order: Order,
}

impl Printer<'_> {
    fn write(&self, out: &mut String) {
        self.once(out);
        for stage in &self.pass.stages {
            let mut lines = String::new();
            stage.tasks.iter().for_each(|it| self.task(it, &mut lines));
            if !lines.is_empty() {
                wrap(out, "  ", &self.title(stage));
                out.push_str(&lines);
            }
        }
    }

    fn title(&self, stage: &Stage) -> String {
        if stage.per_sequence {
            return "once for each sequence".to_owned();
        }
        if !stage.is_loop() {
            return "for all rows at once".to_owned();
        }
        let names: Vec<&str> = stage.carries.iter().map(|it| &*self.carries[*it]).collect();
        let products = stage.tasks.iter().any(|it| match it {
            Task::Products(_) => true,
            Task::Single(id) => {
                let op = &self.graph.node(*id).op;
                !matches!(op, Op::Move(_)) && alias(self.graph, *id).is_none()
            }
            Task::Elementwise(_) | Task::Hold(_) => false,
        });
        // A loop in which every element goes its own way is one sweep over the rows.
        let how = if products { "every step" } else { "a sweep over the steps" };
        let way = match stage.order {
            Some(it) if it != self.order => match it {
                Order::Ascending => " from the first",
                Order::Descending => " from the last",
            },
            Some(_) | None => "",
        };
        format!("{how}{way}, for {}", names.join(", "))
    }

    /// What is computed from params alone; a matrix that is only turned is packed as it is.
    fn once(&self, out: &mut String) {
        let computed = |id: &NodeId| {
            let op = &self.graph.node(*id).op;
            let moves = matches!(op, Op::Literal(_) | Op::Move(Move::Expand(_) | Move::Permute(_)));
            !op.is_leaf() && !moves && alias(self.graph, *id).is_none()
        };
        let once = |it: &NodeId| self.pass.needed[it.idx()] && self.pass.once[it.idx()];
        let all: Vec<NodeId> = self.graph.ids().filter(once).filter(computed).collect();
        // What has no name and is only part of what comes after it is not told.
        let inner: BTreeSet<NodeId> =
            all.iter().flat_map(|it| self.graph.node(*it).args.iter().copied()).collect();
        let shown = all.iter().filter(|it| self.told.own(**it).is_some() || !inner.contains(*it));
        let names: Vec<String> = shown.map(|it| self.told.name(*it)).collect();
        if !names.is_empty() {
            wrap(out, "  once: ", &unique(names).join(", "));
        }
    }

    fn task(&self, task: &Task, out: &mut String) {
        match task {
            Task::Products(sums) => self.products(sums, out),
            Task::Elementwise(nodes) => self.run(nodes, out),
            Task::Single(id) => {
                let (op, shape) = (&self.graph.node(*id).op, self.graph.shape(*id));
                // What repeats or picks numbers is mostly read where it stands.
                if alias(self.graph, *id).is_some()
                    || matches!(op, Op::Move(Move::Expand(_) | Move::Pick(_)))
                {
                    return;
                }
                let what = op.word();
                let of = match self.told.own(*id) {
                    Some(name) => format!("{what}, {name}"),
                    None => self.told.name(*id),
                };
                wrap(out, &format!("    each row {shape}: "), &of);
            }
            Task::Hold(_) => {}
        }
    }

    /// One product, of one value or of several side by side, with matrices side by side.
    fn products(&self, sums: &[LinearSum], out: &mut String) {
        let total = |nodes: &[NodeId]| {
            let mut sizes = nodes.iter().map(|it| self.graph.shape(*it).size());
            size(sizes.try_fold(Dim::number(0), |sum, it| sum.add(&it?)))
        };
        let nodes: Vec<NodeId> = sums.iter().map(|it| it.node).collect();
        let mut values: Vec<NodeId> = sums[0].values().collect();
        let (width, depth) = (total(&nodes), total(&values));
        values.dedup();
        let matrices = sums.iter().flat_map(|it| &it.terms);
        let matrices = unique(matrices.map(|it| self.told.name(it.matrix)).collect());
        let values = unique(values.iter().map(|it| self.told.name(*it)).collect());
        let start = format!("    [{depth}] x [{depth}, {width}]: ");
        let mut text = format!("{} with {}", matrices.join(", "), values.join(", "));
        if sums.iter().any(|it| it.added.is_some()) {
            text.push_str(", added to what is there");
        }
        wrap(out, &start, &text);
    }

    /// A run of elementwise operators: the names in it, then what other results are parts of.
    fn run(&self, nodes: &[NodeId], out: &mut String) {
        let within: BTreeSet<NodeId> = nodes.iter().copied().collect();
        let mut leaves: BTreeSet<NodeId> = within.clone();
        for node in nodes {
            for arg in &self.graph.node(*node).args {
                leaves.remove(arg);
            }
        }
        let named = nodes.iter().filter_map(|it| self.told.own(*it)).map(str::to_owned);
        let named = unique(named.collect());
        let rest = leaves.iter().filter(|it| self.told.own(**it).is_none());
        let rest = unique(rest.filter_map(|it| self.told.near(*it)).map(str::to_owned).collect());
        let rest: Vec<String> = rest.into_iter().filter(|it| !named.contains(it)).collect();
        let mut text = named.join(", ");
        if !rest.is_empty() {
            let before = if text.is_empty() { "" } else { ", and " };
            text.push_str(&format!("{before}part of {}", rest.join(", ")));
        }
        let count = nodes.len();
        let operators = if count == 1 { "operator" } else { "operators" };
        let shape = self.graph.shape(nodes[0]);
        wrap(out, &format!("    elementwise {shape}, {count} {operators}: "), &text);
    }
}

/// Names in order, each once.
fn unique(names: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.into_iter().filter(|it| seen.insert(it.clone())).collect()
}

fn size(dim: Result<Dim, DimOverflow>) -> String {
    dim.map_or_else(|fault| fault.to_string(), |it| it.to_string())
}

/// How the gradient of each param is found; params of which it is the same way are one line.
fn gradients(plan: &Plan, told: &Told<'_>, out: &mut String) {
    let mut rows: Vec<(Vec<&str>, String)> = Vec::new();
    for (param, root) in plan.cell.params.iter().zip(&plan.adjoint.params) {
        let Some(root) = root else { continue };
        let how = Ways::of(plan, told, *root);
        match rows.iter_mut().find(|it| it.1 == how) {
            Some(row) => row.0.push(&param.name),
            None => rows.push((vec![&param.name], how)),
        }
    }
    if rows.is_empty() {
        return;
    }
    out.push_str("\ngradients of params, over all steps and sequences\n");
    let names = rows.iter().map(|it| it.0.join(", ").len()).filter(|it| *it <= 24).max();
    let width = names.unwrap_or(0);
    for (names, how) in rows {
        wrap(out, &format!("  {:width$} : ", names.join(", ")), &how);
    }
}

/// What a sum over all rows is made of.
#[derive(Default)]
struct Ways {
    products: Vec<String>,
    scattered: Vec<String>,
    rows: Vec<String>,
    through: Vec<String>,
    constant: bool,
}

impl Ways {
    fn of(plan: &Plan, told: &Told<'_>, root: NodeId) -> String {
        let graph = &plan.adjoint.graph;
        let mut ways = Ways::default();
        let mut open = vec![root];
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let node = graph.node(id);
            match plan.sums[id.idx()] {
                Some(Sum::Product) => {
                    let names: Vec<String> = node.args.iter().map(|it| told.name(*it)).collect();
                    ways.products.push(names.join(" with "));
                }
                Some(Sum::Scatter) => {
                    let names: Vec<String> = node.args.iter().map(|it| told.name(*it)).collect();
                    ways.scattered.push(names.join(" by "));
                }
                Some(Sum::Rows) => ways.rows.push(told.name(id)),
                Some(Sum::Linear) => {
                    if !matches!(node.op, Op::Map(_)) && alias(graph, id).is_none() {
                        ways.through.push(node.op.word().to_owned());
                    }
                    open.extend(node.args.iter().rev());
                }
                Some(Sum::Once) => ways.constant = true,
                // An operand that is the same for all rows.
                None => {}
            }
        }
        ways.text()
    }

    fn text(self) -> String {
        let mut parts = Vec::new();
        if !self.products.is_empty() {
            parts.push(format!("product over all rows of {}", unique(self.products).join(" + ")));
        }
        if !self.scattered.is_empty() {
            parts.push(format!("sum over all rows of {}", unique(self.scattered).join(" + ")));
        }
        if !self.rows.is_empty() {
            parts.push(format!("sum of the rows of {}", unique(self.rows).join(" + ")));
        }
        if self.constant {
            parts.push("the same for every row".to_owned());
        }
        let through = unique(self.through);
        let through = if through.is_empty() {
            String::new()
        } else {
            format!("; then {}", through.join(", "))
        };
        format!("{}{through}", parts.join(" + "))
    }
}

/// What forward keeps.
fn kept(plan: &Plan, told: &Told<'_>, out: &mut String) {
    out.push_str("\nkept for backward\n");
    let carries: Vec<String> =
        plan.cell.carries.iter().map(|it| format!("{} {}", it.name, it.shape)).collect();
    if !carries.is_empty() {
        wrap(out, "  carried   ", &carries.join(", "));
    }
    let values = plan.kept_values();
    let values: Vec<String> = values
        .iter()
        .map(|it| format!("{} {}", told.name(*it), plan.cell.step.shape(*it)))
        .collect();
    if !values.is_empty() {
        wrap(out, "  values    ", &values.join(", "));
    }
    let numbers = plan.kept_numbers();
    let (kept, carried) = (size(numbers.clone()), size(plan.carried_numbers()));
    let bytes = numbers.clone().and_then(|it| it.mul(&Dim::number(4)));
    let text = format!("4 * ({}) = {} bytes per step and sequence", size(numbers), size(bytes));
    wrap(out, "  memory    ", &text);
    // Forward keeps what is carried to each segment; backward runs one segment after the other again.
    let text = format!("4 * (n * ({kept}) + T / n * ({carried})) bytes per sequence");
    wrap(out, "  segments  ", &format!("of n steps: {text}"));
}

fn cost(flops: Result<Flops, DimOverflow>, start: &str, out: &mut String) {
    let text = match flops {
        Ok(Flops { products, elementwise }) => {
            format!("{products} in products, {elementwise} elementwise")
        }
        Err(fault) => fault.to_string(),
    };
    wrap(out, start, &text);
}
