//! NumPy: pure functions, for wherever there is nothing else.

use super::expr::{ATOM, Dialect, Form, POWER, PRODUCT, SUM, Value};
use super::lines::{call, doc, file, indent, list, quoted, tuple};
use super::lower::Lowered;
use super::names::{Names, PYTHON, snake};
use super::program::{LOCALS, Program, Style};
use super::python::Walk;
use super::{ExportError, Exported, File, weights};
use crate::ir::{Along, Choice, Gradient, Pointwise, Reduction};

/// The functions that a file may have, in the order in which they are in it.
const HELPERS: &[(&str, &str)] = &[
    ("sigmoid", "\
def _sigmoid(v):
    # Each side uses the exponential that cannot overflow.
    e = np.exp(-np.abs(v))
    return np.where(v >= 0, 1 / (1 + e), e / (1 + e))"),
    ("softplus", "\
def _softplus(v):
    return np.maximum(v, 0) + np.log1p(np.exp(-np.abs(v)))"),
    ("log_sigmoid", "\
def _log_sigmoid(v):
    return np.minimum(v, 0) - np.log1p(np.exp(-np.abs(v)))"),
    ("erf", "\
def _erf(v):
    return np.vectorize(math.erf, otypes=[np.asarray(v).dtype])(v)"),
    ("gelu", "\
def _gelu(v):
    return 0.5 * v * (1 + np.vectorize(math.erf, otypes=[v.dtype])(v * 0.7071067811865476))"),
    ("gelu_tanh", "\
def _gelu_tanh(v):
    return 0.5 * v * (1 + np.tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)))"),
    ("silu", "\
def _silu(v):
    e = np.exp(-np.abs(v))
    return v * np.where(v >= 0, 1 / (1 + e), e / (1 + e))"),
    ("relu", "\
def _relu(v):
    return np.maximum(v, 0)"),
    ("selu", "\
def _selu(v):
    return 1.0507009873554805 * np.where(v > 0, v, 1.6732632423543772 * np.expm1(np.minimum(v, 0)))"),
    ("elu", "\
def _elu(v, alpha):
    return np.where(v > 0, v, alpha * np.expm1(np.minimum(v, 0)))"),
    ("leaky_relu", "\
def _leaky_relu(v, slope):
    return np.where(v > 0, v, slope * v)"),
    ("softsign", "\
def _softsign(v):
    return v / (1 + np.abs(v))"),
    ("lecun_tanh", "\
def _lecun_tanh(v):
    return 1.7159 * np.tanh(2 / 3 * v)"),
    ("softcap", "\
def _softcap(v, limit):
    return limit * np.tanh(v / limit)"),
    ("isru", "\
def _isru(v, alpha):
    return v / np.sqrt(1 + alpha * v * v)"),
    ("isrlu", "\
def _isrlu(v, alpha):
    return np.where(v < 0, v / np.sqrt(1 + alpha * np.minimum(v, 0) ** 2), v)"),
    ("hard_sigmoid", "\
def _hard_sigmoid(v, slope, offset):
    return np.clip(slope * v + offset, 0, 1)"),
    ("hard_tanh", "\
def _hard_tanh(v):
    return np.clip(v, -1, 1)"),
    ("clamp", "\
def _clamp(v, low, high):
    return np.where(v < low, low, np.where(v > high, high, v))"),
    ("mod", "\
def _mod(a, b):
    return a - np.floor(a / b) * b"),
    ("rsqrt", "\
def _rsqrt(v):
    return 1 / np.sqrt(v)"),
    ("softmax", "\
def _softmax(v, axis):
    e = np.exp(v - np.max(v, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)"),
    ("logsumexp", "\
def _logsumexp(v, axis):
    high = np.max(v, axis=axis, keepdims=True)
    # An infinite maximum is the result; subtracting it would give a NaN.
    shift = np.where(np.isinf(high), 0, high)
    total = np.log(np.sum(np.exp(v - shift), axis=axis, keepdims=True)) + shift
    return np.squeeze(np.where(np.isinf(high), high, total), axis=axis)"),
    ("row", "\
def _row(v, index, rank):
    \"\"\"The row of v, which has so many axes of its own, that index names.\"\"\"
    index = index.reshape(index.shape + (1,) * rank)
    return np.squeeze(np.take_along_axis(v, index, axis=-rank), axis=-rank)"),
    ("cut", "\
def _cut(v, valid):
    \"\"\"Zeros beyond the end of a sequence.\"\"\"
    if valid is None:
        return v
    return np.where(valid.reshape(valid.shape + (1,) * (v.ndim - 2)), v, np.zeros_like(v))"),
    ("keep", "\
def _keep(valid, t, new, old):
    \"\"\"The new value, or the old one beyond the end of a sequence.\"\"\"
    if valid is None:
        return new
    return np.where(valid[t].reshape((-1,) + (1,) * (new.ndim - 1)), new, old)"),
    ("shift", "\
def _shift(start, v):
    \"\"\"The value of the step before, at each step.\"\"\"
    return np.concatenate([start[None], v])[:-1]"),
    ("shift_back", "\
def _shift_back(start, v, valid):
    \"\"\"The value of the step after, at each step; beyond the last one it is the start.\"\"\"
    after = np.concatenate([v, start[None]])[1:]
    if valid is None:
        return after
    goes_on = np.concatenate([valid, np.zeros_like(valid[:1])])[1:]
    return np.where(goes_on.reshape(valid.shape + (1,) * (v.ndim - 2)), after, start)"),
    ("last", "\
def _last(start, v, lengths):
    \"\"\"The value of the last step, or the start where there is none.\"\"\"
    rows = np.concatenate([start[None], v])
    return rows[-1] if lengths is None else rows[np.asarray(lengths), np.arange(rows.shape[1])]"),
    ("first", "\
def _first(start, v, lengths):
    \"\"\"The value of the first step, or the start where there is none.\"\"\"
    rows = np.concatenate([v, start[None]])
    if lengths is None:
        return rows[0]
    return np.where((np.asarray(lengths) > 0).reshape((-1,) + (1,) * (start.ndim - 1)), rows[0], start)"),
];

/// The table.
pub struct Numpy {
    params: Vec<String>,
    carries: Vec<String>,
}

impl Dialect for Numpy {
    fn module(&self) -> &'static str {
        "np"
    }

    fn form(&self, op: Pointwise) -> Form {
        match op {
            Pointwise::Add => Form::Infix("+", SUM),
            Pointwise::Sub => Form::Infix("-", SUM),
            Pointwise::Mul => Form::Infix("*", PRODUCT),
            Pointwise::Div => Form::Infix("/", PRODUCT),
            Pointwise::Pow => Form::Infix("**", POWER),
            Pointwise::Neg => Form::Minus,
            Pointwise::Less => Form::Compare("<"),
            Pointwise::LessEqual => Form::Compare("<="),
            Pointwise::Greater => Form::Compare(">"),
            Pointwise::GreaterEqual => Form::Compare(">="),
            Pointwise::Equal => Form::Compare("=="),
            Pointwise::NotEqual => Form::Compare("!="),
            Pointwise::Where => Form::Where,
            Pointwise::Exp => Form::Call("np.exp"),
            Pointwise::Log => Form::Call("np.log"),
            Pointwise::Log1p => Form::Call("np.log1p"),
            Pointwise::Expm1 => Form::Call("np.expm1"),
            Pointwise::Sqrt => Form::Call("np.sqrt"),
            Pointwise::Rsqrt => Form::Own("rsqrt"),
            Pointwise::Abs => Form::Call("np.abs"),
            Pointwise::Sign => Form::Call("np.sign"),
            Pointwise::Floor => Form::Call("np.floor"),
            Pointwise::Ceil => Form::Call("np.ceil"),
            Pointwise::Round => Form::Call("np.rint"),
            Pointwise::Sin => Form::Call("np.sin"),
            Pointwise::Cos => Form::Call("np.cos"),
            Pointwise::Erf => Form::Own("erf"),
            Pointwise::Square => Form::Call("np.square"),
            Pointwise::Mod => Form::Own("mod"),
            Pointwise::Max => Form::Call("np.maximum"),
            Pointwise::Min => Form::Call("np.minimum"),
            Pointwise::Clamp => Form::Own("clamp"),
            Pointwise::LogAddExp => Form::Call("np.logaddexp"),
            Pointwise::Sigmoid => Form::Own("sigmoid"),
            Pointwise::Tanh => Form::Call("np.tanh"),
            Pointwise::Relu => Form::Own("relu"),
            Pointwise::Selu => Form::Own("selu"),
            Pointwise::Gelu => Form::Own("gelu"),
            Pointwise::GeluTanh => Form::Own("gelu_tanh"),
            Pointwise::Silu => Form::Own("silu"),
            Pointwise::Softplus => Form::Own("softplus"),
            Pointwise::Softsign => Form::Own("softsign"),
            Pointwise::LogSigmoid => Form::Own("log_sigmoid"),
            Pointwise::HardTanh => Form::Own("hard_tanh"),
            Pointwise::Identity => Form::Same,
            Pointwise::Step => Form::Positive,
            Pointwise::LecunTanh => Form::Own("lecun_tanh"),
            Pointwise::Softcap => Form::Own("softcap"),
            Pointwise::LeakyRelu => Form::Own("leaky_relu"),
            Pointwise::Elu => Form::Own("elu"),
            Pointwise::Isru => Form::Own("isru"),
            Pointwise::Isrlu => Form::Own("isrlu"),
            Pointwise::HardSigmoid => Form::Own("hard_sigmoid"),
        }
    }

    fn truth(&self, text: &str) -> (String, u8) {
        (format!("np.float32({text})"), ATOM)
    }

    fn param(&self, idx: usize) -> String {
        self.params[idx].clone()
    }

    fn along(&self, along: &Along, value: &Value, axes: &[i64]) -> String {
        let v = &value.text;
        let axis = match axes {
            [one] => one.to_string(),
            all => format!("({})", all.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")),
        };
        match along {
            Along::Reduce(Reduction::Sum, _) => format!("np.sum({v}, axis={axis})"),
            Along::Reduce(Reduction::Max, _) => format!("np.max({v}, axis={axis})"),
            Along::Reduce(Reduction::Min, _) => format!("np.min({v}, axis={axis})"),
            Along::Reduce(Reduction::Product, _) => format!("np.prod({v}, axis={axis})"),
            Along::Reduce(Reduction::Norm, _) => {
                format!("np.sqrt(np.sum(np.square({v}), axis={axis}))")
            }
            Along::Reduce(Reduction::LogSumExp, _) => format!("_logsumexp({v}, {axis})"),
            Along::Softmax(_) => format!("_softmax({v}, {axis})"),
            Along::CumSum { reverse: false, .. } => format!("np.cumsum({v}, axis={axis})"),
            Along::CumSum { reverse: true, .. } => {
                format!("np.flip(np.cumsum(np.flip({v}, {axis}), axis={axis}), {axis})")
            }
            Along::ProductOfOthers(_) => unreachable!("only an adjoint has it"),
        }
    }

    fn row(&self, table: &Value, index: &Value, rank: usize) -> String {
        format!("_row({}, {}, {rank})", table.text, index.text)
    }

    fn gradient(&self, gradient: &Gradient, args: &[Value], _: &str) -> Value {
        args[gradient.operand()].clone()
    }

    fn choice(&self, choice: Choice, args: &[Value], _: usize) -> String {
        match choice {
            Choice::ArgMax => format!("np.argmax({}, axis=-1)", args[0].text),
            Choice::Sample => unreachable!("refused before"),
        }
    }
}

impl Style for Numpy {
    const SCANS: bool = false;

    fn call(&self, function: &str, args: &[String]) -> String {
        let all: Vec<String> =
            std::iter::once("params".to_owned()).chain(args.iter().cloned()).collect();
        format!("{function}({})", all.join(", "))
    }

    fn filled(&self, shape: &str, value: &str, is_index: bool) -> String {
        let dtype = if is_index { "np.int64" } else { "np.float32" };
        match value {
            "0.0" | "0" => format!("np.zeros({shape}, {dtype})"),
            value => format!("np.full({shape}, {value}, {dtype})"),
        }
    }

    fn field(&self, carry: usize) -> String {
        format!("state[{}]", self.carries[carry])
    }

    fn state(&self, values: &[String]) -> Vec<String> {
        let fields = self.carries.iter().zip(values).map(|(name, it)| format!("{name}: {it}"));
        call("{", &fields.collect::<Vec<_>>(), "")
    }

    fn valid(&self) -> Vec<String> {
        let text = "\
valid = None
if lengths is not None:
    valid = np.arange(steps)[:, None] < np.asarray(lengths)";
        text.lines().map(str::to_owned).collect()
    }

    fn stacked(&self, rows: &str) -> String {
        format!("np.stack({rows})")
    }

    fn no_rows(&self, name: &str) -> String {
        format!("{name} = []")
    }

    fn shape_of_batch(&self) -> String {
        "(batch,)".to_owned()
    }

    fn leading_of_rows(&self) -> String {
        "(steps, batch)".to_owned()
    }

    fn mask(&self, _: usize, _: usize, _: &str) -> String {
        unreachable!("a mask is its probability")
    }
}

/// Writes the file.
pub fn export(low: &Lowered) -> Result<Exported, ExportError> {
    low.needs_input()?;
    let params = low.cell.params.iter().map(|it| format!("params[{}]", quoted(&it.name)));
    let carries = low.cell.carries.iter().map(|it| quoted(&it.name));
    let lang = Numpy { params: params.collect(), carries: carries.collect() };
    let walk = Walk::new(low, lang, Names::new(&[PYTHON, LOCALS]));
    let mut program = Program::new(walk);
    let symbol = snake(&low.cell.name);
    let mut lines = head(low, &program.walk.names, "numpy");
    let body = functions(&mut program);
    lines.push("import numpy as np".to_owned());
    let text = body.join("\n");
    let helpers = helpers(HELPERS, &program.walk.helpers, &text);
    if helpers.iter().any(|it| it.contains("math.")) {
        lines.insert(lines.len() - 1, "import math".to_owned());
        lines.insert(lines.len() - 1, String::new());
    }
    lines.extend(shapes(low));
    lines.extend(helpers);
    lines.extend(body);
    let names: Vec<String> = low.cell.params.iter().map(|it| it.name.to_string()).collect();
    let states: Vec<String> = low.cell.carries.iter().map(|it| it.name.to_string()).collect();
    let told = program.told(&states, &names);
    let files = vec![File { ending: ".py", bytes: file(&lines) }, weights(low, &names)?];
    Ok(Exported::new(low, symbol, files, told))
}

/// Returns the documentation of the cell, with the names that are written in another way.
pub fn head(low: &Lowered, names: &Names, target: &str) -> Vec<String> {
    let mut text: Vec<String> = low.cell.doc.clone();
    if text.is_empty() {
        text.push(format!("The cell {}.", low.cell.name));
    }
    text.push(String::new());
    text.push(format!("Written by rnnc {} for {target}.", env!("CARGO_PKG_VERSION")));
    for (id, name) in names.renamed() {
        text.push(format!("{id} is {name}."));
    }
    let mut lines = doc(&text);
    lines.push(String::new());
    lines
}

/// Returns the table of shapes.
pub fn shapes(low: &Lowered) -> Vec<String> {
    let rows = low.cell.params.iter().zip(&low.params).map(|(it, array)| {
        let shape: Vec<String> = array.shape().iter().map(usize::to_string).collect();
        let shape = if shape.is_empty() { "()".to_owned() } else { tuple(&shape) };
        format!("    {}: {shape},", quoted(&it.name))
    });
    let mut lines = vec![String::new(), "SHAPES = {".to_owned()];
    lines.extend(rows);
    lines.push("}".to_owned());
    if lines.len() == 3 {
        lines = vec![String::new(), "SHAPES = {}".to_owned()];
    }
    lines
}

/// Returns the functions that are used, by the rest of the file or by each other.
pub fn helpers(
    all: &[(&'static str, &'static str)],
    asked: &std::collections::BTreeSet<&'static str>,
    text: &str,
) -> Vec<String> {
    let mut lines = Vec::new();
    let is_used = |name: &str| asked.contains(name) || text.contains(&format!("_{name}("));
    for (_, source) in all.iter().filter(|it| is_used(it.0)) {
        lines.extend([String::new(), String::new()]);
        lines.extend(source.lines().map(str::to_owned));
    }
    lines
}

/// Returns all functions of a file of pure functions.
pub fn functions<D: Style>(program: &mut Program<'_, D>) -> Vec<String> {
    let low = program.low();
    let mut lines: Vec<String> = Vec::new();
    let define = |lines: &mut Vec<String>, head: String, body: Vec<String>| {
        lines.extend([String::new(), String::new(), head]);
        lines.extend(indent(&body, 1));
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
        let id = |it: &crate::ir::NodeId| program.walk.id(*it).to_owned();
        let args: Vec<String> = it.reads.iter().map(id).collect();
        let mut body = doc(&[what.to_owned()]);
        body.extend(it.lines.clone());
        let gives: Vec<String> = it.gives.iter().map(id).collect();
        body.push(format!("return {}", list(&gives)));
        let head = program.walk.lang.call(&name, &args);
        define(&mut lines, format!("def {head}:"), body);
    }
    let starts = program.starts();
    let mut body = doc(&["The state before the first step.".to_owned()]);
    let mut state = program.walk.lang.state(&starts);
    state[0].insert_str(0, "return ");
    body.extend(state);
    define(&mut lines, "def start(params, batch):".to_owned(), body);

    let telling = program.telling();
    let draws = D::SCANS && !low.cell.masks.is_empty();
    let tell = program.input(telling);
    for is_step in [false, true] {
        let (own, outputs, states) = if is_step { program.step() } else { program.sequence() };
        let mut args = vec!["params".to_owned()];
        let mut shapes = Vec::new();
        for input in &program.inputs {
            let it = &low.cell.inputs[*input];
            let id = program.input(*input);
            let mut shape: Vec<String> = match is_step || it.per_sequence {
                true => vec!["B".to_owned()],
                false => vec!["T".to_owned(), "B".to_owned()],
            };
            shape.extend(low.input_shape(*input).iter().map(usize::to_string));
            shapes.push(format!("{id} [{}]", shape.join(", ")));
            args.push(if it.default.is_some() { format!("{id}=None") } else { id });
        }
        args.push("state=None".to_owned());
        if !is_step {
            args.push("lengths=None".to_owned());
        }
        if D::SCANS {
            args.push("key=None".to_owned());
        }
        let words = match is_step {
            true => format!("One step: {}. Gives the output and the new state.", shapes.join(", ")),
            false => {
                format!("A sequence: {}. Gives the output and the final state.", shapes.join(", "))
            }
        };
        let mut body = doc(&[words]);
        let has_axes = if is_step { "batch" } else { "steps, batch" };
        let count = if is_step { "0]" } else { ":2]" };
        body.push(format!("{has_axes} = {tell}.shape[{count}"));
        if draws {
            let many = low.cell.masks.len();
            body.push(format!(
                "keys = [None] * {many} if key is None else jax.random.split(key, {many})"
            ));
        }
        body.extend(own);
        let names: Vec<String> = low.cell.outputs.iter().map(|it| quoted(&it.name)).collect();
        match &outputs[..] {
            [one] => body.push(format!("y = {one}")),
            all => {
                let fields: Vec<String> =
                    names.iter().zip(all).map(|(name, it)| format!("{name}: {it}")).collect();
                body.extend(call("y = {", &fields, ""));
            }
        }
        let mut state = program.walk.lang.state(&states);
        state[0].insert_str(0, "return y, ");
        body.extend(state);
        let name = if is_step { "step" } else { "apply" };
        let mut head = call(&format!("def {name}("), &args, ":");
        let first = head.remove(0);
        lines.extend([String::new(), String::new(), first]);
        lines.extend(head);
        lines.extend(indent(&body, 1));
    }
    lines
}
