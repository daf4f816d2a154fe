//! `rnnc compile`: what a cell compiles to.

use serde::Serialize;

use super::args::{CompileArgs, Emit};
use super::columns::{self, section};
use super::context::Context;
use super::error::CliError;
use super::load;
use crate::api::Artifact;
use crate::exec::known;
use crate::ir::dependence::{self, Phase, ProductCount};
use crate::ir::{self, Env, Feedback, Gives, HyperKind, InputRole, Mode};
use crate::plan::pipeline::{self, Graphs, Part};
use crate::{plan, syntax};

/// Prints a summary or one stage, and writes the artifact if asked.
pub fn compile(ctx: &mut Context, args: &CompileArgs) -> Result<(), CliError> {
    if let Some(path) = &args.output {
        if path.extension().is_none_or(|it| it != "ron") {
            let shown = path.display();
            let message =
                format!("-o {shown}: an artifact is known by its name, which ends in .ron");
            return Err(CliError::Usage(message));
        }
        ctx.will_write("-o", path)?;
    }
    let loaded = load::load(ctx, &args.cell)?;
    ctx.check_outputs()?;
    // A tree is printed as a whole, also of a file of several cells or of none.
    if args.emit == Some(Emit::Ast) {
        ctx.out(&syntax::print(loaded.spec.tree()))?;
    }
    let emits_tree_only = args.emit == Some(Emit::Ast) && args.output.is_none();
    if emits_tree_only {
        return Ok(());
    }
    let cell = load::choose(ctx, &loaded)?;
    let feedback = args.feedback.of(cell.ir())?;
    if let Some(path) = &args.output {
        let artifact = Artifact::new(&loaded.spec, loaded.cell.as_deref(), &loaded.set())?;
        ctx.write(path, artifact.to_ron().as_bytes())?;
    }
    match args.emit {
        Some(stage) => {
            // Without settings the graphs are those for all sizes and hypers.
            let known = if loaded.set.is_empty() { Env::default() } else { known(cell.ir()) };
            let mode = Mode::new(feedback, Gives::Both);
            let graphs = Graphs::new(cell.ir(), &known, &[]).with_mode(mode);
            emit(ctx, graphs, &known, stage)?;
        }
        None if args.json => ctx.json(&Summary::of(cell.ir()))?,
        None => ctx.out(&Summary::of(cell.ir()).text())?,
    }
    ctx.lap("compile");
    if args.timings {
        ctx.show_timings();
    }
    Ok(())
}

fn emit(ctx: &mut Context, start: Graphs, env: &Env, stage: Emit) -> Result<(), CliError> {
    let after = |name: &str| {
        let mut graphs = start.clone();
        let mut part = Part::Step;
        for pass in pipeline::up_to(name).unwrap_or_default() {
            (graphs, part) = (graphs.pass(pass), pass.part);
        }
        graphs.print(part)
    };
    let text = match stage {
        Emit::Ast => return Ok(()),
        Emit::Plan => {
            let plan =
                plan::Plan::from_graphs(start).map_err(|it| CliError::Usage(it.to_string()))?;
            plan::print(&plan.sized(env))
        }
        Emit::Ir => start.print(Part::Step),
        Emit::Forward => after("simplify"),
        Emit::Backward => after("simplify-adjoint"),
        Emit::Tangent => after("simplify-tangent"),
        Emit::Passes => passes(&start),
        Emit::After(name) => after(name),
    };
    ctx.out(&text)
}

/// Returns a line for each pass: the graph that it makes or changes, its nodes before and after, and what it does.
fn passes(start: &Graphs) -> String {
    let mut text = String::new();
    let mut row = |name: &str, graph: &str, nodes: &str, what: &str| {
        text.push_str(&format!("{name:19}  {graph:8}  {nodes:10}  {what}\n"));
    };
    row("pass", "graph", "nodes", "what it does");
    for (list, skips_step) in [(pipeline::FAST, false), (pipeline::FORWARD_MODE, true)] {
        let mut graphs = start.clone();
        for pass in list {
            let before = graphs.nodes(pass.part);
            graphs = graphs.pass(pass);
            // Forward mode begins with passes that are in the table already.
            if pass.part != Part::Step || !skips_step {
                let nodes = format!("{before} -> {}", graphs.nodes(pass.part));
                row(pass.name, pass.part.name(), &nodes, pass.what);
            }
        }
    }
    text
}

/// The summary of a cell, for people and machines.
#[derive(Serialize)]
struct Summary {
    version: u32,
    cell: String,
    dims: Vec<Entry>,
    hypers: Vec<Entry>,
    inputs: Vec<Entry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    targets: Vec<Entry>,
    states: Vec<Entry>,
    past: Vec<Entry>,
    masks: Vec<Entry>,
    params: Vec<Entry>,
    /// The number of trained numbers, as a formula.
    parameters: String,
    /// Params that are used more than once within a step.
    shared: Vec<String>,
    outputs: Vec<Entry>,
    /// The arrangements of the params in the files of other frameworks.
    layouts: Vec<LayoutEntry>,
    /// The values that recur in each mode of a model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    architectures: Vec<Architecture>,
    time_loop: Loop,
}

/// The values that recur in a mode of a model.
#[derive(Serialize)]
struct Architecture {
    /// None where there is one alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    feedback: Option<&'static str>,
    recurs: Vec<String>,
    /// The feedbacks that do not.
    known: Vec<String>,
}

impl Architecture {
    fn all(cell: &ir::Cell) -> Vec<Architecture> {
        if !cell.is_model {
            return Vec::new();
        }
        let modes = super::gradcheck::modes(cell).into_iter();
        modes.map(|it| Architecture::of(cell, it)).collect()
    }

    fn of(model: &ir::Cell, feedback: Feedback) -> Architecture {
        let cell = pipeline::plain(model, &Mode::new(feedback, Gives::Both));
        let pass = plan::forward(&cell, &plan::Fixed::default(), &[]);
        let mut recurs: Vec<String> = Vec::new();
        let mut known = Vec::new();
        for (idx, carry) in cell.carries.iter().enumerate() {
            let taught = model.carries[idx].teacher.is_some();
            // The past of a value recurs under the name of the value.
            let name = carry.name.strip_suffix(".1").unwrap_or(&carry.name).to_owned();
            match pass.held[idx] {
                false => recurs.push(name),
                true if taught => known.push(name),
                true => {}
            }
        }
        // What goes through states is told before what is fed back.
        let taught = |name: &String| {
            let own = |it: &&ir::Carry| *it.name == **name;
            model.carries.iter().find(own).is_some_and(|it| it.teacher.is_some())
        };
        recurs.sort_by_key(taught);
        recurs.dedup();
        let feedback = model.has_teacher().then_some(feedback.name());
        Architecture { feedback, recurs, known }
    }

    fn text(&self) -> String {
        let several = |names: &[String], one, many| if names.len() == 1 { one } else { many };
        if self.recurs.is_empty() {
            return "nothing recurs: all steps at once".to_owned();
        }
        let recur = several(&self.recurs, "recurs", "recur");
        let mut text = format!("{} {recur}", self.recurs.join(", "));
        if !self.known.is_empty() {
            let does = several(&self.known, "does", "do");
            text.push_str(&format!(", {} {does} not", self.known.join(", ")));
        }
        text
    }
}

#[derive(Serialize)]
struct LayoutEntry {
    name: String,
    /// True if nothing is lost on the way through it.
    one_to_one: bool,
    tensors: Vec<TensorEntry>,
}

/// A stored tensor.
#[derive(Serialize)]
struct TensorEntry {
    name: String,
    shape: String,
    /// The params whose elements are in it.
    holds: Vec<String>,
}

impl LayoutEntry {
    fn of(cell: &ir::Cell, layout: &ir::Layout) -> LayoutEntry {
        let tensors = layout.rows.iter().flat_map(|row| {
            row.stored.iter().map(|name| TensorEntry {
                name: name.clone(),
                shape: row.shape.to_string(),
                holds: row.params().iter().map(|it| cell.params[*it].name.to_string()).collect(),
            })
        });
        LayoutEntry {
            name: layout.name.to_string(),
            one_to_one: layout.is_one_to_one(),
            tensors: tensors.collect(),
        }
    }

    fn text(&self) -> String {
        let LayoutEntry { name, one_to_one, tensors: _ } = self;
        format!("{name}{}", if *one_to_one { "" } else { " (not one-to-one)" })
    }
}

#[derive(Serialize, Default)]
struct Entry {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    shape: Option<String>,
    /// The default of a dim, the definition of a derived one, the value of a hyper.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// The dim that this one is always as large as.
    #[serde(skip_serializing_if = "Option::is_none")]
    like: Option<String>,
    /// True if a stored tensor is a param; else it is a const.
    #[serde(skip_serializing_if = "Option::is_none")]
    trained: Option<bool>,
    /// True if an input is given once for each sequence.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    per_sequence: bool,
    /// True if a carried value goes from the last step of a sequence to the first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    backward: bool,
}

impl Entry {
    fn shaped(name: &str, shape: impl ToString) -> Entry {
        Entry { name: name.to_owned(), shape: Some(shape.to_string()), ..Entry::default() }
    }

    fn valued(name: &str, value: Option<String>) -> Entry {
        Entry { name: name.to_owned(), value, ..Entry::default() }
    }

    fn text(&self) -> String {
        let Entry { name, shape, value, like, trained, per_sequence, backward } = self;
        let mut text = name.clone();
        text.extend(shape.as_ref().map(|it| format!(" {it}")));
        text.extend(value.as_ref().map(|it| format!(" = {it}")));
        text.extend(like.as_ref().map(|it| format!(" like {it}")));
        if *per_sequence {
            text.push_str(" per sequence");
        }
        if *trained == Some(false) {
            text.push_str(" (const)");
        }
        if *backward {
            text.push_str(" backward");
        }
        text
    }
}

/// The parts of the time loop.
#[derive(Serialize)]
struct Loop {
    once: Vec<String>,
    per_sequence: Vec<String>,
    before_loop: Vec<String>,
    in_loop: Vec<String>,
    /// In loops that go from the last step to the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    in_loop_backward: Vec<String>,
    after_loop: Vec<String>,
    products: ProductCount,
}

impl Summary {
    fn of(cell: &ir::Cell) -> Summary {
        let dims = cell.dims.iter().map(|it| Entry {
            like: it.like.as_ref().map(ToString::to_string),
            ..Entry::valued(&it.name, it.default.map(|it| it.to_string()))
        });
        let derived =
            cell.derived.iter().map(|(name, dim)| Entry::valued(name, Some(dim.to_string())));
        let hypers = cell.hypers.iter().map(|it| {
            let value = match &it.kind {
                HyperKind::Number(value) => ir::print::constant(value),
                HyperKind::Activation(text) => text.clone(),
            };
            Entry::valued(&it.name, Some(value))
        });
        let of_role = |role| cell.inputs.iter().filter(move |it| it.role == role);
        let given = |role| {
            of_role(role).map(|it| Entry {
                per_sequence: it.per_sequence,
                ..match &it.index {
                    Some(dim) => Entry::shaped(&it.name, format!("index[{dim}]")),
                    None => Entry::shaped(&it.name, &it.shape),
                }
            })
        };
        let params = cell
            .params
            .iter()
            .map(|it| Entry { trained: Some(it.trained), ..Entry::shaped(&it.name, &it.shape) });
        let masks = cell.masks.iter().map(|it| Entry {
            value: Some(ir::print::draw(it)),
            ..Entry::shaped(&it.name, &it.shape)
        });
        let carries = |states: bool| {
            let chosen = cell.carries.iter().filter(move |it| it.is_state == states);
            let entry = |it: &ir::Carry| Entry {
                backward: !it.order.is_ascending(),
                ..Entry::shaped(&it.name, &it.shape)
            };
            chosen.map(entry).collect()
        };
        Summary {
            version: 1,
            cell: cell.name.to_string(),
            dims: dims.chain(derived).collect(),
            hypers: hypers.collect(),
            inputs: given(InputRole::Input).collect(),
            targets: given(InputRole::Target).collect(),
            states: carries(true),
            past: carries(false),
            masks: masks.collect(),
            params: params.collect(),
            parameters: cell.parameter_formula().to_string(),
            shared: cell.shared.iter().map(|it| it.to_string()).collect(),
            outputs: (cell.outputs.iter())
                .map(|it| Entry::shaped(&it.name, cell.step.shape(it.node)))
                .collect(),
            layouts: cell.layouts.iter().map(|it| LayoutEntry::of(cell, it)).collect(),
            architectures: Architecture::all(cell),
            time_loop: Loop::of(&pipeline::plain(cell, &Mode::new(Feedback::Teacher, Gives::Both))),
        }
    }

    fn text(&self) -> String {
        let word = if self.architectures.is_empty() { "cell" } else { "model" };
        let mut text = format!("{word} {}\n", self.cell);
        let mut row = |title: &str, entries: &[Entry]| {
            let entries: Vec<String> = entries.iter().map(Entry::text).collect();
            text.push_str(&section(title, &entries));
        };
        row("dims", &self.dims);
        row("hypers", &self.hypers);
        row("inputs", &self.inputs);
        row("targets", &self.targets);
        row("states", &self.states);
        row("past", &self.past);
        row("masks", &self.masks);
        row("params", &self.params);
        row("outputs", &self.outputs);
        text.push_str(&columns::formula("parameters", &self.parameters));
        text.push_str(&section("shared", &self.shared));
        let layouts: Vec<String> = self.layouts.iter().map(LayoutEntry::text).collect();
        text.push_str(&section("layouts", &layouts));
        match &self.architectures[..] {
            [] => {}
            [only] => text.push_str(&section("architecture", &[only.text()])),
            several => {
                text.push_str("architectures\n");
                for it in several {
                    let name = match it.feedback {
                        Some("teacher") => "teacher forcing",
                        _ => "running free",
                    };
                    text.push_str(&format!("    {name:16}  {}\n", it.text()));
                }
            }
        }
        text.push_str("time loop\n");
        let it = &self.time_loop;
        for (title, names, products) in [
            ("once", &it.once, it.products.once),
            ("sequence", &it.per_sequence, it.products.per_sequence),
            ("before", &it.before_loop, it.products.before_loop),
            ("every step", &it.in_loop, it.products.in_loop),
            ("backward", &it.in_loop_backward, 0),
            ("after", &it.after_loop, it.products.after_loop),
        ] {
            let mut words = names.clone();
            match products {
                0 => {}
                1 => words.push("1 product".to_owned()),
                n => words.push(format!("{n} products")),
            }
            if title == "every step" && it.products.depth > 1 {
                words.push(format!("{} of them wait for each other", it.products.depth));
            }
            text.push_str(&section(&format!("  {title}"), &words));
        }
        text
    }
}

impl Loop {
    fn of(cell: &ir::Cell) -> Loop {
        let phases = dependence::phases(cell);
        let whens = plan::when(cell);
        let backward = |it: ir::NodeId| {
            phases[it.idx()] == Phase::Loop && !whens[it.idx()].order.is_ascending()
        };
        let named = |phase: Phase, back: bool| -> Vec<String> {
            let equations = cell.values.iter().filter(|it| it.kind != ir::ValueKind::Input);
            let mut names: Vec<String> = equations
                .filter(|it| phases[it.node.idx()] == phase && backward(it.node) == back)
                .map(|it| it.name.to_string())
                .collect();
            // An output that is a state has two entries.
            names.dedup();
            names
        };
        Loop {
            once: named(Phase::Once, false),
            per_sequence: named(Phase::PerSequence, false),
            before_loop: named(Phase::BeforeLoop, false),
            in_loop: named(Phase::Loop, false),
            in_loop_backward: named(Phase::Loop, true),
            after_loop: named(Phase::AfterLoop, false),
            products: dependence::products(cell),
        }
    }
}
