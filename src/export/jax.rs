//! JAX: pure functions, which can be compiled and differentiated.

use super::draws::{self, Draws};
use super::expr::{ATOM, Dialect, Form, Kind, POWER, PRODUCT, SUM, Value};
use super::lines::{call, doc, file, indent, quoted};
use super::lower::Lowered;
use super::names::{Names, PYTHON, snake};
use super::numpy::{functions, head, helpers, shapes};
use super::program::{LOCALS, Program, Style};
use super::python::Walk;
use super::{ExportError, Exported, File, weights};
use crate::ir::{Along, Choice, Gradient, Pointwise, Reduction};

/// The functions that a file may have, in the order in which they are in it. Slopes at kinks are those of the spec.
const HELPERS: &[(&str, &str)] = &[
    ("elu", "\
def _elu(v, alpha):
    return jnp.where(v > 0, v, alpha * jnp.expm1(jnp.where(v > 0, 0, v)))"),
    ("leaky_relu", "\
def _leaky_relu(v, slope):
    return jnp.where(v > 0, v, slope * v)"),
    ("gelu", "\
def _gelu(v):
    return jax.nn.gelu(v, approximate=False)"),
    ("gelu_tanh", "\
def _gelu_tanh(v):
    return jax.nn.gelu(v, approximate=True)"),
    ("lecun_tanh", "\
def _lecun_tanh(v):
    return 1.7159 * jnp.tanh(2 / 3 * v)"),
    ("softcap", "\
def _softcap(v, limit):
    return limit * jnp.tanh(v / limit)"),
    ("isru", "\
def _isru(v, alpha):
    return v / jnp.sqrt(1 + alpha * v * v)"),
    ("isrlu", "\
def _isrlu(v, alpha):
    low = jnp.where(v < 0, v, 0)
    return jnp.where(v < 0, low / jnp.sqrt(1 + alpha * low * low), v)"),
    ("hard_sigmoid", "\
def _hard_sigmoid(v, slope, offset):
    line = slope * v + offset
    return jnp.where(line <= 0, 0 * line, jnp.where(line >= 1, 0 * line + 1, line))"),
    ("hard_tanh", "\
def _hard_tanh(v):
    # At the ends the slope is 0.
    return jnp.where(v <= -1, -1.0, jnp.where(v >= 1, 1.0, v))"),
    ("clamp", "\
def _clamp(v, low, high):
    # At the bounds the slope is 1.
    return jnp.where(v < low, low, jnp.where(v > high, high, v))"),
    ("mod", "\
def _mod(a, b):
    return a - jnp.floor(a / b) * b"),
    ("norm", "\
def _norm(v, axis):
    # At 0 the slope is 0.
    square = jnp.sum(v * v, axis=axis)
    return jnp.where(square == 0, 0, jnp.sqrt(jnp.where(square == 0, 1, square)))"),
    ("declared", "\
@jax.custom_vjp
def _with_slope(y, v, slope):
    return y


_with_slope.defvjp(lambda y, v, slope: (y, slope), lambda slope, d: (0 * d, d * slope, 0 * slope))


def _declared(y, v, slope):
    \"\"\"y, with this slope by v in place of its own.\"\"\"
    return _with_slope(*jnp.broadcast_arrays(lax.stop_gradient(y), v, slope))"),
    ("clip_grad", "\
@jax.custom_vjp
def _clip_grad(v, limit):
    \"\"\"v, with its gradient cut to this limit.\"\"\"
    return v


_clip_grad.defvjp(lambda v, limit: (v, limit), lambda limit, d: (jnp.clip(d, -limit, limit), None))"),
    ("sample", "\
def _sample(logits, draw):
    \"\"\"The first element up to which the probabilities sum to more than the draw.\"\"\"
    sums = jnp.cumsum(jax.nn.softmax(logits, axis=-1), axis=-1)
    return jnp.minimum(jnp.sum(sums <= draw[..., None], axis=-1), logits.shape[-1] - 1)"),
    ("row", "\
def _row(v, index, rank):
    \"\"\"The row of v, which has so many axes of its own, that index names.\"\"\"
    index = index.reshape(index.shape + (1,) * rank).astype(int)
    return jnp.squeeze(jnp.take_along_axis(v, index, axis=-rank), axis=-rank)"),
    ("cut", "\
def _cut(v, valid):
    \"\"\"Zeros beyond the end of a sequence.\"\"\"
    if valid is None:
        return v
    return jnp.where(valid.reshape(valid.shape + (1,) * (v.ndim - 2)), v, jnp.zeros_like(v))"),
    ("keep", "\
def _keep(valid_t, new, old):
    \"\"\"The new value, or the old one beyond the end of a sequence.\"\"\"
    new = new.astype(old.dtype)
    if valid_t is None:
        return new
    return jnp.where(valid_t.reshape((-1,) + (1,) * (new.ndim - 1)), new, old)"),
    ("shift", "\
def _shift(start, v):
    \"\"\"The value of the step before, at each step.\"\"\"
    return jnp.concatenate([start[None], v])[:-1]"),
    ("shift_back", "\
def _shift_back(start, v, valid):
    \"\"\"The value of the step after, at each step; beyond the last one it is the start.\"\"\"
    after = jnp.concatenate([v, start[None]])[1:]
    if valid is None:
        return after
    goes_on = jnp.concatenate([valid, jnp.zeros_like(valid[:1])])[1:]
    return jnp.where(goes_on.reshape(valid.shape + (1,) * (v.ndim - 2)), after, start)"),
    ("last", "\
def _last(start, v, lengths):
    \"\"\"The value of the last step, or the start where there is none.\"\"\"
    rows = jnp.concatenate([start[None], v])
    return rows[-1] if lengths is None else rows[jnp.asarray(lengths), jnp.arange(rows.shape[1])]"),
    ("first", "\
def _first(start, v, lengths):
    \"\"\"The value of the first step, or the start where there is none.\"\"\"
    rows = jnp.concatenate([v, start[None]])
    if lengths is None:
        return rows[0]
    return jnp.where((jnp.asarray(lengths) > 0).reshape((-1,) + (1,) * (start.ndim - 1)), rows[0], start)"),
    ("dtype", "\
def _dtype(params):
    return next((v.dtype for v in params.values()), jnp.dtype(\"float32\"))"),
    ("mask", "\
def _mask(key, probability, shape, dtype):
    \"\"\"Bits, or their probability where no key is given.\"\"\"
    if key is None:
        return jnp.full(shape, probability, dtype)
    return jax.random.bernoulli(key, probability, shape).astype(dtype)"),
    ("draw_orthogonal", "\
def _draw_orthogonal(key, shape):
    return jax.random.orthogonal(key, max(shape[-2:]), shape[:-2])[..., : shape[-2], : shape[-1]]"),
];

/// The table.
pub struct Jax {
    params: Vec<String>,
    carries: Vec<String>,
    probabilities: Vec<String>,
}

impl Dialect for Jax {
    fn module(&self) -> &'static str {
        "jnp"
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
            Pointwise::Exp => Form::Call("jnp.exp"),
            Pointwise::Log => Form::Call("jnp.log"),
            Pointwise::Log1p => Form::Call("jnp.log1p"),
            Pointwise::Expm1 => Form::Call("jnp.expm1"),
            Pointwise::Sqrt => Form::Call("jnp.sqrt"),
            Pointwise::Rsqrt => Form::Call("lax.rsqrt"),
            Pointwise::Abs => Form::Call("jnp.abs"),
            Pointwise::Sign => Form::Call("jnp.sign"),
            Pointwise::Floor => Form::Call("jnp.floor"),
            Pointwise::Ceil => Form::Call("jnp.ceil"),
            Pointwise::Round => Form::Call("jnp.round"),
            Pointwise::Sin => Form::Call("jnp.sin"),
            Pointwise::Cos => Form::Call("jnp.cos"),
            Pointwise::Erf => Form::Call("lax.erf"),
            Pointwise::Square => Form::Call("jnp.square"),
            Pointwise::Mod => Form::Own("mod"),
            Pointwise::Max => Form::Call("jnp.maximum"),
            Pointwise::Min => Form::Call("jnp.minimum"),
            Pointwise::Clamp => Form::Own("clamp"),
            Pointwise::LogAddExp => Form::Call("jnp.logaddexp"),
            Pointwise::Sigmoid => Form::Call("jax.nn.sigmoid"),
            Pointwise::Tanh => Form::Call("jnp.tanh"),
            Pointwise::Relu => Form::Call("jax.nn.relu"),
            Pointwise::Selu => Form::Call("jax.nn.selu"),
            Pointwise::Gelu => Form::Own("gelu"),
            Pointwise::GeluTanh => Form::Own("gelu_tanh"),
            Pointwise::Silu => Form::Call("jax.nn.silu"),
            Pointwise::Softplus => Form::Call("jax.nn.softplus"),
            Pointwise::Softsign => Form::Call("jax.nn.soft_sign"),
            Pointwise::LogSigmoid => Form::Call("jax.nn.log_sigmoid"),
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
        (format!("({text}) * 1.0"), PRODUCT)
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
            Along::Reduce(Reduction::Sum, _) => format!("jnp.sum({v}, axis={axis})"),
            Along::Reduce(Reduction::Max, _) => format!("jnp.max({v}, axis={axis})"),
            Along::Reduce(Reduction::Min, _) => format!("jnp.min({v}, axis={axis})"),
            Along::Reduce(Reduction::Product, _) => format!("jnp.prod({v}, axis={axis})"),
            Along::Reduce(Reduction::Norm, _) => format!("_norm({v}, {axis})"),
            Along::Reduce(Reduction::LogSumExp, _) => format!("jax.nn.logsumexp({v}, axis={axis})"),
            Along::Softmax(_) => format!("jax.nn.softmax({v}, axis={axis})"),
            Along::CumSum { reverse: false, .. } => format!("jnp.cumsum({v}, axis={axis})"),
            Along::CumSum { reverse: true, .. } => {
                format!("jnp.flip(jnp.cumsum(jnp.flip({v}, {axis}), axis={axis}), {axis})")
            }
            Along::ProductOfOthers(_) => unreachable!("only an adjoint has it"),
        }
    }

    fn row(&self, table: &Value, index: &Value, rank: usize) -> String {
        format!("_row({}, {}, {rank})", table.text, index.text)
    }

    fn gradient(&self, gradient: &Gradient, args: &[Value], limit: &str) -> Value {
        let value = &args[gradient.operand()];
        let text = match gradient {
            Gradient::Guard => {
                let cond = match args[0].kind {
                    Kind::Truth => args[0].text.clone(),
                    Kind::Number(_) | Kind::Index | Kind::Real => {
                        format!("{} != 0", args[0].at(SUM))
                    }
                };
                format!("jnp.where({cond}, {0}, lax.stop_gradient({0}))", value.text)
            }
            Gradient::Declared => {
                format!("_declared({}, {}, {})", value.text, args[1].text, args[2].text)
            }
            Gradient::StopGrad => format!("lax.stop_gradient({})", value.text),
            Gradient::ClipGrad(_) => format!("_clip_grad({}, {limit})", value.text),
        };
        Value { text, prec: ATOM, ..value.clone() }
    }

    fn choice(&self, choice: Choice, args: &[Value], _: usize) -> String {
        match choice {
            Choice::ArgMax => format!("jnp.argmax({}, axis=-1)", args[0].text),
            Choice::Sample => format!("_sample({}, {})", args[0].text, args[1].text),
        }
    }
}

impl Style for Jax {
    const SCANS: bool = true;

    fn call(&self, function: &str, args: &[String]) -> String {
        let all: Vec<String> =
            std::iter::once("params".to_owned()).chain(args.iter().cloned()).collect();
        format!("{function}({})", all.join(", "))
    }

    fn filled(&self, shape: &str, value: &str, is_index: bool) -> String {
        let dtype = if is_index { "int" } else { "_dtype(params)" };
        match value {
            "0.0" | "0" => format!("jnp.zeros({shape}, {dtype})"),
            value => format!("jnp.full({shape}, {value}, {dtype})"),
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
    valid = jnp.arange(steps)[:, None] < jnp.asarray(lengths)";
        text.lines().map(str::to_owned).collect()
    }

    fn stacked(&self, rows: &str) -> String {
        format!("jnp.stack({rows})")
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

    fn mask(&self, mask: usize, at: usize, shape: &str) -> String {
        format!("_mask(keys[{at}], {}, {shape}, _dtype(params))", self.probabilities[mask])
    }
}

/// Writes the file.
pub fn export(low: &Lowered) -> Result<Exported, ExportError> {
    low.needs_input()?;
    let params = low.cell.params.iter().map(|it| format!("params[{}]", quoted(&it.name)));
    let carries = low.cell.carries.iter().map(|it| quoted(&it.name));
    let masks = 0..low.cell.masks.len();
    let lang = Jax {
        params: params.collect(),
        carries: carries.collect(),
        probabilities: masks.map(|it| format!("{:?}", low.probability(it))).collect(),
    };
    let walk = Walk::new(low, lang, Names::new(&[PYTHON, LOCALS]));
    let mut program = Program::new(walk);
    let symbol = snake(&low.cell.name);
    let mut lines = head(low, &program.walk.names, "jax");
    let mut body = init(low);
    body.extend(functions(&mut program));
    let helpers = helpers(HELPERS, &program.walk.helpers, &body.join("\n"));
    let uses = |word: &str| helpers.iter().chain(&body).any(|it| it.contains(word));
    lines.push("import jax".to_owned());
    lines.push("import jax.numpy as jnp".to_owned());
    if uses("lax.") {
        lines.push("from jax import lax".to_owned());
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

/// Returns the function that draws the params.
fn init(low: &Lowered) -> Vec<String> {
    let mut body = doc(&["Draws the params.".to_owned()]);
    let all = low.cell.params.iter().enumerate().map(|(at, it)| {
        let shape = low.params[at].shape();
        let text = draws::python(&it.init, shape, low, &mut Jnp { param: at, draws: 0 });
        format!("{}: {text}", quoted(&it.name))
    });
    let all: Vec<String> = all.collect();
    if low.cell.params.is_empty() {
        body.push("return {}".to_owned());
    } else {
        body.push(format!("keys = jax.random.split(key, {})", low.cell.params.len()));
        body.push("return {".to_owned());
        body.extend(all.into_iter().map(|it| format!("    {it},")));
        body.push("}".to_owned());
    }
    let mut lines = vec![String::new(), String::new(), "def init(key):".to_owned()];
    lines.extend(indent(&body, 1));
    lines
}

/// The key of each draw.
struct Jnp {
    param: usize,
    draws: usize,
}

impl Jnp {
    fn key(&mut self) -> String {
        let own = format!("keys[{}]", self.param);
        self.draws += 1;
        if self.draws == 1 { own } else { format!("jax.random.fold_in({own}, {})", self.draws) }
    }
}

impl Draws for Jnp {
    fn module(&self) -> &'static str {
        "jnp"
    }

    fn full(&mut self, shape: &str, value: &str) -> String {
        format!("jnp.full({shape}, {value}, jnp.float32)")
    }

    fn arange(&mut self, size: usize) -> String {
        format!("jnp.arange({size}, dtype=jnp.float32)")
    }

    fn linspace(&mut self, lo: &str, hi: &str, size: usize) -> String {
        format!("jnp.linspace({lo}, {hi}, {size}, dtype=jnp.float32)")
    }

    fn repeat(&mut self, value: &str, shape: &str) -> String {
        format!("jnp.broadcast_to({value}, {shape})")
    }

    fn uniform(&mut self, shape: &str) -> String {
        format!("jax.random.uniform({}, {shape})", self.key())
    }

    fn normal(&mut self, shape: &str) -> String {
        format!("jax.random.normal({}, {shape})", self.key())
    }

    fn truncated(&mut self, shape: &str) -> String {
        format!("jax.random.truncated_normal({}, -2, 2, {shape})", self.key())
    }

    fn orthogonal(&mut self, shape: &str) -> String {
        format!("_draw_orthogonal({}, {shape})", self.key())
    }

    fn eye(&mut self, rows: usize, columns: usize) -> String {
        format!("jnp.eye({rows}, {columns})")
    }
}
