//! PyTorch: a module that trains, runs step by step, and goes through `torch.jit.script` and `torch.compile`.

mod table;

use std::collections::BTreeMap;

use super::draws::{self, Draws};
use super::lines::{call, doc, file, indent, list};
use super::lower::Lowered;
use super::names::{Names, PYTHON, plain};
use super::numpy::{head, helpers};
use super::program::{LOCALS, Program, Style};
use super::python::Walk;
use super::{ExportError, Exported, File, weights};
use crate::ir::NodeId;
use table::{HELPERS, Torch};

/// The names that a module has already.
const MODULE: &[&str] = &[
    "T_destination",
    "add_module",
    "apply",
    "batch_first",
    "bfloat16",
    "buffers",
    "call_super_init",
    "children",
    "compile",
    "cpu",
    "cuda",
    "double",
    "dump_patches",
    "eval",
    "extra_repr",
    "float",
    "forward",
    "get_buffer",
    "get_extra_state",
    "get_parameter",
    "get_submodule",
    "half",
    "ipu",
    "load_state_dict",
    "modules",
    "mtia",
    "named_buffers",
    "named_children",
    "named_modules",
    "named_parameters",
    "parameters",
    "register_buffer",
    "register_module",
    "register_parameter",
    "requires_grad_",
    "reset_parameters",
    "set_extra_state",
    "set_submodule",
    "share_memory",
    "start",
    "state_dict",
    "step",
    "to",
    "to_empty",
    "train",
    "training",
    "type",
    "xpu",
    "zero_grad",
];

/// Returns the place of each param: the containers, and its own name.
fn places(low: &Lowered) -> Vec<(Vec<String>, String)> {
    let mut tables: BTreeMap<Vec<String>, (Names, BTreeMap<String, String>)> = BTreeMap::new();
    let fresh = || (Names::new(&[PYTHON, MODULE, &["_one"]]), BTreeMap::new());
    let all = low.cell.params.iter().map(|it| {
        let parts: Vec<&str> = it.name.split('.').collect();
        let mut path: Vec<String> = Vec::new();
        for part in &parts[..parts.len() - 1] {
            let (names, known) = tables.entry(path.clone()).or_insert_with(fresh);
            let id = known.entry((*part).to_owned()).or_insert_with(|| names.fresh(part)).clone();
            path.push(id);
        }
        let (names, _) = tables.entry(path.clone()).or_insert_with(fresh);
        (path, names.fresh(parts[parts.len() - 1]))
    });
    all.collect()
}

/// Writes the file.
pub fn export(low: &Lowered) -> Result<Exported, ExportError> {
    low.needs_input()?;
    let symbol = plain(&low.cell.name);
    let places = places(low);
    let dotted = |(path, own): &(Vec<String>, String)| {
        path.iter().chain([own]).cloned().collect::<Vec<_>>().join(".")
    };
    let keys: Vec<String> = places.iter().map(dotted).collect();
    let mut fields = Names::new(&[PYTHON, &["count", "index"]]);
    let carries: Vec<String> = low.cell.carries.iter().map(|it| fields.fresh(&it.name)).collect();
    let masks = 0..low.cell.masks.len();
    let lang = Torch {
        params: keys.iter().map(|it| format!("self.{it}")).collect(),
        carries: carries.clone(),
        probabilities: masks.map(|it| format!("{:?}", low.probability(it))).collect(),
        symbol: symbol.clone(),
    };
    let walk = Walk::new(low, lang, Names::new(&[PYTHON, LOCALS]));
    let mut program = Program::new(walk);
    let mut lines = head(low, &program.walk.names, "pytorch");
    let body = class(&mut program, &symbol, &places);
    program.walk.helpers.insert("wide");
    let helpers = helpers(HELPERS, &program.walk.helpers, &body.join("\n"));
    let all = || helpers.iter().chain(&body);
    let used = |word: &str| all().any(|it| it.contains(word));
    let typing: Vec<&str> = ["List", "NamedTuple", "Optional", "Tuple"]
        .into_iter()
        .filter(|it| *it == "NamedTuple" || used(&format!("{it}[")))
        .collect();
    let needs_tuple = !low.cell.carries.is_empty() || low.cell.outputs.len() != 1;
    let typing: Vec<&str> =
        typing.into_iter().filter(|it| needs_tuple || *it != "NamedTuple").collect();
    if !typing.is_empty() {
        lines.push(format!("from typing import {}", typing.join(", ")));
        lines.push(String::new());
    }
    lines.push("import torch".to_owned());
    if used("F.") {
        lines.push("import torch.nn.functional as F".to_owned());
    }
    lines.push("from torch import Tensor, nn".to_owned());
    lines.extend(helpers);
    let tuple = |name: &str, fields: &[String]| {
        let mut lines =
            vec![String::new(), String::new(), format!("class {symbol}{name}(NamedTuple):")];
        lines.extend(fields.iter().map(|it| format!("    {it}: Tensor")));
        lines
    };
    if !carries.is_empty() {
        lines.extend(tuple("State", &carries));
    }
    if low.cell.outputs.len() != 1 {
        lines.extend(tuple("Output", &output_fields(low)));
    }
    lines.extend(body);
    let told = program.told(&carries, &keys);
    let files = vec![File { ending: ".py", bytes: file(&lines) }, weights(low, &keys)?];
    Ok(Exported::new(low, symbol, files, told))
}

/// Returns the fields of several outputs.
fn output_fields(low: &Lowered) -> Vec<String> {
    let mut names = Names::new(&[PYTHON, &["count", "index"]]);
    low.cell.outputs.iter().map(|it| names.fresh(&it.name)).collect()
}

fn class(
    program: &mut Program<'_, Torch>,
    symbol: &str,
    places: &[(Vec<String>, String)],
) -> Vec<String> {
    let low = program.low();
    let mut lines = vec![String::new(), String::new(), format!("class {symbol}(nn.Module):")];
    let summary = low.cell.doc.first().cloned().unwrap_or_else(|| format!("The cell {symbol}."));
    lines.extend(indent(&doc(&[summary]), 1));
    lines.push(String::new());
    lines.push("    def __init__(self, batch_first: bool = False) -> None:".to_owned());
    let mut body =
        vec!["super().__init__()".to_owned(), "self.batch_first = batch_first".to_owned()];
    let mut containers: Vec<Vec<String>> = Vec::new();
    for (at, (path, own)) in places.iter().enumerate() {
        for depth in 1..=path.len() {
            let container = path[..depth].to_vec();
            if !containers.contains(&container) {
                body.push(format!("self.{} = nn.Module()", container.join(".")));
                containers.push(container);
            }
        }
        let shape: Vec<String> = low.params[at].shape().iter().map(usize::to_string).collect();
        let shape = if shape.is_empty() { "()".to_owned() } else { list(&shape) };
        let holder: String = std::iter::once("self")
            .chain(path.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(".");
        body.push(match low.cell.params[at].trained {
            true => format!("{holder}.{own} = nn.Parameter(torch.empty({shape}))"),
            false => format!("{holder}.register_buffer(\"{own}\", torch.empty({shape}))"),
        });
    }
    body.push("self.register_buffer(\"_one\", torch.ones(()), persistent=False)".to_owned());
    if !low.cell.params.is_empty() {
        body.push("self.reset_parameters()".to_owned());
    }
    lines.extend(indent(&body, 2));
    let method = |lines: &mut Vec<String>, head: String, body: &[String]| {
        lines.push(String::new());
        lines.push(format!("    {head}"));
        lines.extend(indent(body, 2));
    };
    if !low.cell.params.is_empty() {
        let mut body = doc(&["Draws the params.".to_owned()]);
        body.push("with torch.no_grad():".to_owned());
        for (at, param) in low.cell.params.iter().enumerate() {
            let drawn = draws::python(&param.init, low.params[at].shape(), low, &mut Drawn);
            body.push(format!("    {}.copy_({drawn})", program.walk.lang.params[at]));
        }
        method(&mut lines, "def reset_parameters(self) -> None:".to_owned(), &body);
    }
    if low.cell.masks.iter().enumerate().any(|it| program.uses_mask(it.0)) {
        let body = "\
\"\"\"Bits in training, else their probability.\"\"\"
mask = self._one.new_full(shape, probability)
return torch.bernoulli(mask) if self.training else mask";
        let body: Vec<String> = body.lines().map(str::to_owned).collect();
        let head = "def _mask(self, probability: float, shape: List[int]) -> Tensor:";
        method(&mut lines, head.to_owned(), &body);
    }
    let types = |count: usize| match count {
        1 => "Tensor".to_owned(),
        count => format!("Tuple[{}]", vec!["Tensor"; count].join(", ")),
    };
    let mut all = Vec::new();
    if let Some(it) = &program.fixed {
        all.push(("_fixed".to_owned(), it, "What is the same for all steps and sequences."));
    }
    for (at, (name, it)) in program.stages.iter().enumerate() {
        let what = match low.stages[at].order {
            Some(_) => "One step of what waits for the step before.",
            None => "What waits for no step: for all steps at once, or for one.",
        };
        all.push((name.clone(), it, what));
    }
    for (name, it, what) in all.into_iter().filter(|it| !it.1.gives.is_empty()) {
        let id = |it: &NodeId| program.walk.id(*it).to_owned();
        let args: Vec<String> = std::iter::once("self".to_owned())
            .chain(it.reads.iter().map(|it| format!("{}: Tensor", id(it))))
            .collect();
        let mut body = doc(&[what.to_owned()]);
        body.extend(it.lines.clone());
        let gives: Vec<String> = it.gives.iter().map(id).collect();
        body.push(format!("return {}", list(&gives)));
        let mut head =
            call(&format!("def {name}("), &args, &format!(" -> {}:", types(gives.len())));
        let first = head.remove(0);
        lines.push(String::new());
        lines.push(format!("    {first}"));
        lines.extend(indent(&head, 1));
        lines.extend(indent(&body, 2));
    }
    let has_state = !low.cell.carries.is_empty();
    if has_state {
        let starts = program.starts();
        let mut body = doc(&["The state before the first step.".to_owned()]);
        let mut state = program.walk.lang.state(&starts);
        state[0].insert_str(0, "return ");
        body.extend(state);
        method(&mut lines, format!("def start(self, batch: int) -> {symbol}State:"), &body);
    }
    for is_step in [false, true] {
        lines.extend(runner(program, symbol, is_step, has_state));
    }
    lines
}

/// Returns the method for a sequence, or for a step.
fn runner(
    program: &mut Program<'_, Torch>,
    symbol: &str,
    is_step: bool,
    has_state: bool,
) -> Vec<String> {
    let low = program.low();
    let (own, outputs, states) = if is_step { program.step() } else { program.sequence() };
    let tell = program.input(program.telling());
    let mut args = vec!["self".to_owned()];
    let (mut shapes, mut turned) = (Vec::new(), Vec::new());
    for input in &program.inputs {
        let it = &low.cell.inputs[*input];
        let id = program.input(*input);
        let is_rows = !is_step && !it.per_sequence;
        let mut shape: Vec<String> =
            if is_rows { vec!["T".to_owned(), "B".to_owned()] } else { vec!["B".to_owned()] };
        shape.extend(low.input_shape(*input).iter().map(usize::to_string));
        shapes.push(format!("{id} [{}]", shape.join(", ")));
        if it.default.is_some() {
            args.push(format!("{id}: Optional[Tensor] = None"));
        } else {
            args.push(format!("{id}: Tensor"));
        }
        if is_rows {
            turned.push((id, it.default.is_some()));
        }
    }
    if has_state {
        args.push(format!("state: Optional[{symbol}State] = None"));
    }
    if !is_step {
        args.push("lengths: Optional[Tensor] = None".to_owned());
    }
    let output = if outputs.len() == 1 { "Tensor".to_owned() } else { format!("{symbol}Output") };
    let result = if has_state { format!("Tuple[{output}, {symbol}State]") } else { output.clone() };
    let words = match is_step {
        true => vec![format!("One step: {}.", shapes.join(", "))],
        false => vec![
            format!("A sequence: {}, or [B, T, ..] with batch_first.", shapes.join(", ")),
            String::new(),
            "To compile it, compile `_loop`: a compiled forward is unrolled over all steps."
                .to_owned(),
        ],
    };
    let mut body = doc(&words);
    if !is_step {
        body.push("if self.batch_first:".to_owned());
        for (id, is_optional) in turned.iter() {
            if *is_optional {
                body.push(format!("    if {id} is not None:"));
                body.push(format!("        {id} = {id}.transpose(0, 1)"));
            } else {
                body.push(format!("    {id} = {id}.transpose(0, 1)"));
            }
        }
    }
    if low.cell.inputs[program.telling()].default.is_some() {
        body.push(format!("assert {tell} is not None, \"{tell} tells the number of steps\""));
    }
    body.push(match is_step {
        true => format!("batch = {tell}.shape[0]"),
        false => format!("steps, batch = {tell}.shape[0], {tell}.shape[1]"),
    });
    body.extend(own);
    let turn = |it: &String| match is_step {
        true => it.clone(),
        false => format!("{it}.transpose(0, 1) if self.batch_first else {it}"),
    };
    match &outputs[..] {
        [one] if is_step => body.push(format!("y = {one}")),
        [one] => {
            body.push(format!("y = {one}"));
            body.push("if self.batch_first:".to_owned());
            body.push("    y = y.transpose(0, 1)".to_owned());
        }
        all => {
            let mut names = Vec::new();
            for (at, it) in all.iter().enumerate() {
                let name = format!("y_{at}");
                body.push(format!("{name} = {it}"));
                names.push(turn(&name));
            }
            body.extend(call(&format!("y = {symbol}Output("), &names, ""));
        }
    }
    if has_state {
        let mut state = program.walk.lang.state(&states);
        state[0].insert_str(0, "return y, ");
        body.extend(state);
    } else {
        body.push("return y".to_owned());
    }
    let name = if is_step { "step" } else { "forward" };
    let mut head = call(&format!("def {name}("), &args, &format!(" -> {result}:"));
    let first = head.remove(0);
    let mut lines = vec![String::new()];
    if is_step {
        lines.push("    @torch.jit.export".to_owned());
    }
    lines.push(format!("    {first}"));
    lines.extend(indent(&head, 1));
    lines.extend(indent(&body, 2));
    lines
}

/// Draws of PyTorch.
struct Drawn;

impl Draws for Drawn {
    fn module(&self) -> &'static str {
        "torch"
    }

    fn full(&mut self, shape: &str, value: &str) -> String {
        match value {
            "0.0" => format!("torch.zeros({shape})"),
            "1.0" => format!("torch.ones({shape})"),
            value => format!("torch.full({shape}, {value})"),
        }
    }

    fn arange(&mut self, size: usize) -> String {
        format!("torch.arange({size}.0)")
    }

    fn linspace(&mut self, lo: &str, hi: &str, size: usize) -> String {
        format!("torch.linspace({lo}, {hi}, {size})")
    }

    fn repeat(&mut self, value: &str, shape: &str) -> String {
        format!("({value}).expand({shape})")
    }

    fn uniform(&mut self, shape: &str) -> String {
        format!("torch.rand({shape})")
    }

    fn normal(&mut self, shape: &str) -> String {
        format!("torch.randn({shape})")
    }

    fn truncated(&mut self, shape: &str) -> String {
        format!("nn.init.trunc_normal_(torch.empty({shape}), 0.0, 1.0, -2.0, 2.0)")
    }

    fn orthogonal(&mut self, shape: &str) -> String {
        format!("nn.init.orthogonal_(torch.empty({shape}))")
    }

    fn eye(&mut self, rows: usize, columns: usize) -> String {
        format!("torch.eye({rows}, {columns})")
    }
}
