//! The table of expressions of PyTorch, and the functions that its files have.

use crate::export::expr::{ATOM, Dialect, Form, Kind, POWER, PRODUCT, SUM, Value};
use crate::export::lines::call;
use crate::export::program::Style;
use crate::ir::{Along, Choice, Gradient, Literal, Pointwise, Reduction};

/// The functions that a file may have, in the order in which they are in it.
pub const HELPERS: &[(&str, &str)] = &[
    (
        "gelu_tanh",
        "\
def _gelu_tanh(v: Tensor) -> Tensor:
    return F.gelu(v, approximate=\"tanh\")",
    ),
    (
        "lecun_tanh",
        "\
def _lecun_tanh(v: Tensor) -> Tensor:
    return 1.7159 * torch.tanh(2 / 3 * v)",
    ),
    (
        "softcap",
        "\
def _softcap(v: Tensor, limit: float) -> Tensor:
    return limit * torch.tanh(v / limit)",
    ),
    (
        "isru",
        "\
def _isru(v: Tensor, alpha: float) -> Tensor:
    return v / torch.sqrt(1 + alpha * v * v)",
    ),
    (
        "isrlu",
        "\
def _isrlu(v: Tensor, alpha: float) -> Tensor:
    low = torch.where(v < 0, v, 0.0)
    return torch.where(v < 0, low / torch.sqrt(1 + alpha * low * low), v)",
    ),
    (
        "hard_sigmoid",
        "\
def _hard_sigmoid(v: Tensor, slope: float, offset: float) -> Tensor:
    return F.hardtanh(slope * v + offset, 0.0, 1.0)",
    ),
    (
        "clamp",
        "\
def _clamp(v: Tensor, low: float, high: float) -> Tensor:
    return torch.where(v < low, low, torch.where(v > high, high, v))",
    ),
    (
        "mod",
        "\
def _mod(a: Tensor, b: Tensor) -> Tensor:
    return a - torch.floor(a / b) * b",
    ),
    (
        "softmax",
        "\
def _softmax(v: Tensor, dim: List[int]) -> Tensor:
    return torch.exp(v - torch.logsumexp(v, dim=dim, keepdim=True))",
    ),
    (
        "declared",
        "\
class _Slope(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y, v, slope):
        ctx.save_for_backward(slope)
        return y.clone()

    @staticmethod
    def backward(ctx, d):
        (slope,) = ctx.saved_tensors
        return None, d * slope, None


def _declared(y: Tensor, v: Tensor, slope: Tensor) -> Tensor:
    \"\"\"y, with this slope by v in place of its own.\"\"\"
    if not torch.jit.is_scripting():
        return _Slope.apply(*torch.broadcast_tensors(y.detach(), v, slope.detach()))
    return y",
    ),
    (
        "clip_grad",
        "\
class _Clip(torch.autograd.Function):
    @staticmethod
    def forward(ctx, v, limit):
        ctx.limit = limit
        return v.clone()

    @staticmethod
    def backward(ctx, d):
        return torch.clamp(d, -ctx.limit, ctx.limit), None


def _clip_grad(v: Tensor, limit: float) -> Tensor:
    \"\"\"v, with its gradient cut to this limit.\"\"\"
    if not torch.jit.is_scripting():
        return _Clip.apply(v, limit)
    return v",
    ),
    (
        "sample",
        "\
def _sample(logits: Tensor, draw: Tensor) -> Tensor:
    \"\"\"The first element up to which the probabilities sum to more than the draw.\"\"\"
    sums = torch.cumsum(torch.softmax(logits, dim=-1), dim=-1)
    return torch.clamp((sums <= draw[..., None]).sum(-1), max=logits.shape[-1] - 1)",
    ),
    (
        "row",
        "\
def _row(v: Tensor, index: Tensor, rank: int) -> Tensor:
    \"\"\"The row of v, which has so many axes of its own, that index names.\"\"\"
    index = index.reshape(list(index.shape) + [1] * rank)
    return torch.take_along_dim(v, index, dim=v.dim() - rank).squeeze(v.dim() - rank)",
    ),
    (
        "wide",
        "\
def _wide(valid: Tensor, v: Tensor) -> Tensor:
    \"\"\"valid, with axes of size 1 up to those of v.\"\"\"
    return valid.reshape(list(valid.shape) + [1] * (v.dim() - valid.dim()))",
    ),
    (
        "cut",
        "\
def _cut(v: Tensor, valid: Optional[Tensor]) -> Tensor:
    \"\"\"Zeros beyond the end of a sequence.\"\"\"
    if valid is None:
        return v
    return torch.where(_wide(valid, v), v, torch.zeros_like(v))",
    ),
    (
        "keep",
        "\
def _keep(valid: Optional[Tensor], t: int, new: Tensor, old: Tensor) -> Tensor:
    \"\"\"The new value, or the old one beyond the end of a sequence.\"\"\"
    if valid is None:
        return new
    return torch.where(_wide(valid[t], new), new, old)",
    ),
    (
        "shift",
        "\
def _shift(start: Tensor, v: Tensor) -> Tensor:
    \"\"\"The value of the step before, at each step.\"\"\"
    return torch.cat([start[None], v])[:-1]",
    ),
    (
        "shift_back",
        "\
def _shift_back(start: Tensor, v: Tensor, valid: Optional[Tensor]) -> Tensor:
    \"\"\"The value of the step after, at each step; beyond the last one it is the start.\"\"\"
    after = torch.cat([v, start[None]])[1:]
    if valid is None:
        return after
    goes_on = torch.cat([valid, torch.zeros_like(valid[:1])])[1:]
    return torch.where(_wide(goes_on, v), after, start)",
    ),
    (
        "last",
        "\
def _last(start: Tensor, v: Tensor, lengths: Optional[Tensor]) -> Tensor:
    \"\"\"The value of the last step, or the start where there is none.\"\"\"
    rows = torch.cat([start[None], v])
    if lengths is None:
        return rows[-1]
    return rows[lengths, torch.arange(rows.shape[1], device=rows.device)]",
    ),
    (
        "first",
        "\
def _first(start: Tensor, v: Tensor, lengths: Optional[Tensor]) -> Tensor:
    \"\"\"The value of the first step, or the start where there is none.\"\"\"
    rows = torch.cat([v, start[None]])
    if lengths is None:
        return rows[0]
    return torch.where(_wide(lengths > 0, start), rows[0], start)",
    ),
];

/// The table.
pub struct Torch {
    /// The expressions that read params.
    pub params: Vec<String>,
    /// The fields of the state.
    pub carries: Vec<String>,
    /// The probability of each mask.
    pub probabilities: Vec<String>,
    /// The class.
    pub symbol: String,
}

/// Returns the text of an operand that must be a tensor.
fn tensor(value: &Value) -> String {
    match value.kind {
        Kind::Number(_) => format!("{} * self._one", value.text),
        Kind::Truth => format!("({}).to(self._one.dtype)", value.text),
        Kind::Index | Kind::Real => value.text.clone(),
    }
}

/// Returns a list for a tuple.
fn brackets(shape: &str) -> String {
    match shape.strip_prefix('(').and_then(|it| it.strip_suffix(')')) {
        Some(inner) if !inner.contains('(') => format!("[{}]", inner.trim_end_matches(',')),
        _ => shape.to_owned(),
    }
}

impl Dialect for Torch {
    fn module(&self) -> &'static str {
        "torch"
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
            Pointwise::Exp => Form::Call("torch.exp"),
            Pointwise::Log => Form::Call("torch.log"),
            Pointwise::Log1p => Form::Call("torch.log1p"),
            Pointwise::Expm1 => Form::Call("torch.expm1"),
            Pointwise::Sqrt => Form::Call("torch.sqrt"),
            Pointwise::Rsqrt => Form::Call("torch.rsqrt"),
            Pointwise::Abs => Form::Call("torch.abs"),
            Pointwise::Sign => Form::Call("torch.sign"),
            Pointwise::Floor => Form::Call("torch.floor"),
            Pointwise::Ceil => Form::Call("torch.ceil"),
            Pointwise::Round => Form::Call("torch.round"),
            Pointwise::Sin => Form::Call("torch.sin"),
            Pointwise::Cos => Form::Call("torch.cos"),
            Pointwise::Erf => Form::Call("torch.erf"),
            Pointwise::Square => Form::Call("torch.square"),
            Pointwise::Mod => Form::ArraysOwn("mod"),
            Pointwise::Max => Form::Arrays("torch.maximum"),
            Pointwise::Min => Form::Arrays("torch.minimum"),
            Pointwise::Clamp => Form::Own("clamp"),
            Pointwise::LogAddExp => Form::Arrays("torch.logaddexp"),
            Pointwise::Sigmoid => Form::Call("torch.sigmoid"),
            Pointwise::Tanh => Form::Call("torch.tanh"),
            Pointwise::Relu => Form::Call("torch.relu"),
            Pointwise::Selu => Form::Call("F.selu"),
            Pointwise::Gelu => Form::Call("F.gelu"),
            Pointwise::GeluTanh => Form::Own("gelu_tanh"),
            Pointwise::Silu => Form::Call("F.silu"),
            Pointwise::Softplus => Form::Call("F.softplus"),
            Pointwise::Softsign => Form::Call("F.softsign"),
            Pointwise::LogSigmoid => Form::Call("F.logsigmoid"),
            Pointwise::HardTanh => Form::Call("F.hardtanh"),
            Pointwise::Identity => Form::Same,
            Pointwise::Step => Form::Positive,
            Pointwise::LecunTanh => Form::Own("lecun_tanh"),
            Pointwise::Softcap => Form::Own("softcap"),
            Pointwise::LeakyRelu => Form::Call("F.leaky_relu"),
            Pointwise::Elu => Form::Call("F.elu"),
            Pointwise::Isru => Form::Own("isru"),
            Pointwise::Isrlu => Form::Own("isrlu"),
            Pointwise::HardSigmoid => Form::Own("hard_sigmoid"),
        }
    }

    fn truth(&self, text: &str) -> (String, u8) {
        (format!("({text}).to(self._one.dtype)"), ATOM)
    }

    fn scalar(&self, number: &str) -> String {
        format!("{number} * self._one")
    }

    fn odd_number(&self, value: f64) -> String {
        match value {
            f64::INFINITY => "float(\"inf\")".to_owned(),
            f64::NEG_INFINITY => "-float(\"inf\")".to_owned(),
            _ => "float(\"nan\")".to_owned(),
        }
    }

    fn param(&self, idx: usize) -> String {
        self.params[idx].clone()
    }

    fn literal(&self, literal: &Literal, shape: &[usize], numbers: &[String]) -> String {
        let size = shape.first().copied().unwrap_or(1);
        let like = "dtype=self._one.dtype, device=self._one.device";
        match literal {
            Literal::Scalar(_) => "self._one".to_owned(),
            Literal::Array(_) => format!("torch.tensor([{}], {like})", numbers.join(", ")),
            Literal::Eye => format!("torch.eye({size}, {like})"),
            Literal::Iota => format!("torch.arange({size}, {like})"),
        }
    }

    fn along(&self, along: &Along, value: &Value, axes: &[i64]) -> String {
        let v = &value.text;
        let all: Vec<String> = axes.iter().map(i64::to_string).collect();
        let dim = format!("[{}]", all.join(", "));
        let one = if axes.len() == 1 { all[0].clone() } else { dim.clone() };
        let last = axes.last().copied().unwrap_or(-1);
        match along {
            Along::Reduce(Reduction::Sum, _) => format!("torch.sum({v}, dim={one})"),
            Along::Reduce(Reduction::Max, _) => format!("torch.amax({v}, dim={one})"),
            Along::Reduce(Reduction::Min, _) => format!("torch.amin({v}, dim={one})"),
            Along::Reduce(Reduction::Product, _) => {
                // One axis at a time, the last one first: those before it then count from one axis less.
                axes.iter().rev().enumerate().fold(v.clone(), |v, (gone, axis)| {
                    format!("torch.prod({v}, dim={})", axis + gone as i64)
                })
            }
            Along::Reduce(Reduction::Norm, _) => {
                format!("torch.linalg.vector_norm({v}, dim={dim})")
            }
            Along::Reduce(Reduction::LogSumExp, _) => format!("torch.logsumexp({v}, dim={dim})"),
            Along::Softmax(_) if axes.len() == 1 => format!("torch.softmax({v}, dim={one})"),
            Along::Softmax(_) => format!("_softmax({v}, {dim})"),
            Along::CumSum { reverse: false, .. } => format!("torch.cumsum({v}, dim={last})"),
            Along::CumSum { reverse: true, .. } => {
                format!("torch.cumsum(({v}).flip([{last}]), dim={last}).flip([{last}])")
            }
            Along::ProductOfOthers(_) => unreachable!("only an adjoint has it"),
        }
    }

    fn join(&self, function: &str, parts: &[String], axis: i64) -> String {
        let function = if function == "concat" { "cat" } else { function };
        format!("torch.{function}([{}], dim={axis})", parts.join(", "))
    }

    fn swap(&self, value: &Value) -> String {
        format!("{}.transpose(-2, -1)", value.at(ATOM))
    }

    fn shape(&self, shape: &[usize]) -> String {
        format!("[{}]", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", "))
    }

    fn leading(&self, value: &str, rank: usize) -> String {
        if rank == 0 {
            format!("list({value}.shape)")
        } else {
            format!("list({value}.shape[:-{rank}])")
        }
    }

    fn repeat(&self, value: &Value, shape: &str) -> String {
        format!("{}.expand({shape})", value.at(ATOM))
    }

    fn reshape(&self, value: &Value, shape: &str) -> String {
        format!("{}.reshape({shape})", value.at(ATOM))
    }

    fn linear(&self, vector: &Value, matrix: &Value, transposed: bool) -> (String, u8) {
        match transposed {
            true => (format!("F.linear({}, {})", vector.text, matrix.text), ATOM),
            false => (format!("torch.matmul({}, {})", vector.text, matrix.text), ATOM),
        }
    }

    fn einsum(&self, labels: &str, parts: &[String]) -> String {
        format!("torch.einsum(\"{labels}\", [{}])", parts.join(", "))
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
                format!("torch.where({cond}, {}, {}.detach())", value.text, value.at(ATOM))
            }
            Gradient::Declared => {
                let all: Vec<String> = args.iter().map(tensor).collect();
                format!("_declared({})", all.join(", "))
            }
            Gradient::StopGrad => format!("{}.detach()", value.at(ATOM)),
            Gradient::ClipGrad(_) => format!("_clip_grad({}, {limit})", value.text),
        };
        Value { text, prec: ATOM, ..value.clone() }
    }

    fn choice(&self, choice: Choice, args: &[Value], _: usize) -> String {
        match choice {
            Choice::ArgMax => format!("torch.argmax({}, dim=-1)", args[0].text),
            Choice::Sample => format!("_sample({}, {})", args[0].text, tensor(&args[1])),
        }
    }
}

impl Style for Torch {
    const SCANS: bool = false;

    fn call(&self, function: &str, args: &[String]) -> String {
        format!("self.{function}({})", args.join(", "))
    }

    fn filled(&self, shape: &str, value: &str, is_index: bool) -> String {
        let shape = brackets(shape);
        match (is_index, value) {
            (true, value) => {
                format!("torch.full({shape}, {value}, dtype=torch.long, device=self._one.device)")
            }
            (false, "0.0") => format!("self._one.new_zeros({shape})"),
            (false, value) => format!("self._one.new_full({shape}, {value})"),
        }
    }

    fn field(&self, carry: usize) -> String {
        format!("state.{}", self.carries[carry])
    }

    fn state(&self, values: &[String]) -> Vec<String> {
        call(&format!("{}State(", self.symbol), values, "")
    }

    fn valid(&self) -> Vec<String> {
        let text = "\
valid: Optional[Tensor] = None
if lengths is not None:
    valid = torch.arange(steps, device=lengths.device)[:, None] < lengths";
        text.lines().map(str::to_owned).collect()
    }

    fn stacked(&self, rows: &str) -> String {
        match rows.strip_suffix("[::-1]") {
            Some(rows) => format!("torch.stack({rows}).flip([0])"),
            None => format!("torch.stack({rows})"),
        }
    }

    fn no_rows(&self, name: &str) -> String {
        format!("{name}: List[Tensor] = []")
    }

    fn shape_of_batch(&self) -> String {
        "[batch]".to_owned()
    }

    fn leading_of_rows(&self) -> String {
        "[steps, batch]".to_owned()
    }

    fn mask(&self, mask: usize, _: usize, shape: &str) -> String {
        format!("self._mask({}, {})", self.probabilities[mask], brackets(shape))
    }
}
