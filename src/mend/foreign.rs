//! Names of PyTorch, Keras, JAX and NumPy, and the notation here for each.
//!
//! A name that is near by its letters may mean something else altogether: `sinh` is no slip of `sin`. So what other
//! libraries have is looked up before anything is guessed.

use crate::check;

/// The notation here for a function of another library.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// The same function under another name.
    Called(&'static str),
    /// Another expression.
    Written(&'static str),
    /// It is not there, and what to do.
    Missing(&'static str),
}

use Way::{Called, Missing, Written};

const DEPENDS_ON_DATA: &str = "shapes cannot depend on values, so nothing is selected by them; weigh with `where(cond, v, 0)`";
const NOT_IN_A_CELL: &str =
    "a cell computes values of one step; this belongs to the program around it";
const LOOP_OF_THE_TOOL: &str = "a cell says what one step does, and the tool repeats it over the sequence; older steps are read with `prev`";

/// The names, by what they are about.
const NAMES: &[(&[&str], Way)] = &[
    // Elementwise.
    (&["sinh"], Written("(exp(v) - exp(-v)) / 2")),
    (&["cosh"], Written("(exp(v) + exp(-v)) / 2")),
    (&["tan"], Written("sin(v) / cos(v)")),
    (&["asinh", "arcsinh"], Written("log(v + sqrt(v ^ 2 + 1))")),
    (&["acosh", "arccosh"], Written("log(v + sqrt(v ^ 2 - 1))")),
    (&["atanh", "arctanh"], Written("0.5 * log((1 + v) / (1 - v))")),
    (
        &["asin", "acos", "atan", "arcsin", "arccos", "arctan", "atan2", "arctan2"],
        Missing(
            "there are no inverse trigonometric functions; give the angle as an input, or its sine and cosine",
        ),
    ),
    (&["exp2"], Written("2 ^ v")),
    (&["log2"], Written("log(v) / log(2)")),
    (&["log10"], Written("log(v) / log(10)")),
    (&["ln"], Called("log")),
    (&["pow", "power"], Written("a ^ b")),
    (&["reciprocal"], Written("1 / v")),
    (&["cbrt"], Written("sign(v) * abs(v) ^ (1 / 3)")),
    (&["trunc", "fix"], Written("sign(v) * floor(abs(v))")),
    (&["frac"], Written("v - floor(v)")),
    (&["floor_divide", "floordiv"], Written("floor(a / b)")),
    (&["remainder", "fmod"], Called("mod")),
    (&["hypot"], Written("sqrt(a ^ 2 + b ^ 2)")),
    (&["absolute", "fabs"], Called("abs")),
    (&["negative", "neg"], Written("-v")),
    (&["erfc"], Written("1 - erf(v)")),
    (
        &["erfinv", "lgamma", "digamma", "gammaln"],
        Missing("there is no such special function; its values can be given as a const"),
    ),
    (&["sigm", "sig", "logistic", "sigmoid_v2"], Called("sigmoid")),
    (&["logit"], Written("log(v / (1 - v))")),
    (&["relu6"], Written("clamp(v, 0, 6)")),
    (&["relu_n"], Written("clamp(v, 0, n)")),
    (&["swish"], Called("silu")),
    (&["hardswish", "hard_swish"], Written("v * hard_sigmoid(v)")),
    (&["hardsigmoid"], Called("hard_sigmoid")),
    (&["hardtanh"], Called("hard_tanh")),
    (&["hardshrink"], Written("where(abs(v) > 0.5, v, 0)")),
    (&["softshrink"], Written("sign(v) * relu(abs(v) - 0.5)")),
    (&["tanhshrink"], Written("v - tanh(v)")),
    (&["logsigmoid"], Called("log_sigmoid")),
    (&["leakyrelu", "lrelu"], Called("leaky_relu")),
    (&["prelu"], Written("max(v, 0) + a * min(v, 0)")),
    (&["celu"], Written("max(v, 0) + min(0, alpha * expm1(v / alpha))")),
    (&["mish"], Written("v * tanh(softplus(v))")),
    (&["threshold"], Written("where(v > t, v, value)")),
    (&["heaviside"], Called("step")),
    (&["glu"], Written("a * sigmoid(b)")),
    (&["clip", "clip_by_value"], Called("clamp")),
    (&["maximum", "fmax", "amax"], Called("max")),
    (&["minimum", "fmin", "amin"], Called("min")),
    (&["lerp"], Written("a + t * (b - a)")),
    (&["addcmul"], Written("a + value * b * c")),
    (&["isnan"], Written("v != v")),
    (&["isinf"], Written("abs(v) == inf")),
    (&["isfinite"], Written("abs(v) < inf")),
    (&["nan_to_num"], Written("where(v != v, 0, v)")),
    (&["logical_and", "bitwise_and"], Written("a * b")),
    (&["logical_or", "bitwise_or"], Written("max(a, b)")),
    (&["logical_not", "bitwise_not"], Written("1 - a")),
    (&["logical_xor"], Written("a != b")),
    (&["greater", "gt"], Written("a > b")),
    (&["less", "lt"], Written("a < b")),
    (&["greater_equal", "ge"], Written("a >= b")),
    (&["less_equal", "le"], Written("a <= b")),
    (&["equal", "eq"], Written("a == b")),
    (&["not_equal", "ne"], Written("a != b")),
    (&["add"], Written("a + b")),
    (&["sub", "subtract"], Written("a - b")),
    (&["mul", "multiply"], Written("a * b")),
    (&["div", "divide", "true_divide"], Written("a / b")),
    // Along axes.
    (&["var", "variance"], Written("mean(square(v)) - square(mean(v))")),
    (&["std", "stddev"], Written("sqrt(mean(square(v)) - square(mean(v)))")),
    (&["softcap"], Written("c * tanh(v / c)")),
    (&["reduce_sum"], Called("sum")),
    (&["reduce_mean", "average"], Called("mean")),
    (&["reduce_max"], Called("max")),
    (&["reduce_min"], Called("min")),
    (&["product", "reduce_prod"], Called("prod")),
    (&["log_softmax"], Written("v - logsumexp(v)")),
    (&["log_sum_exp", "reduce_logsumexp"], Called("logsumexp")),
    (&["softmin"], Written("softmax(-v)")),
    (&["cumprod"], Written("exp(cumsum(log(v)))")),
    (&["normalize", "unit_norm"], Called("l2_normalize")),
    (&["layernorm", "layer_normalization"], Called("layer_norm")),
    (&["rmsnorm", "rms_normalization"], Called("rms_norm")),
    (
        &["batch_norm", "batchnorm", "batch_normalization", "group_norm", "instance_norm"],
        Missing(
            "a cell sees one sequence, not the batch; `layer_norm` and `rms_norm` normalise within it",
        ),
    ),
    (
        &["sort", "argsort", "topk", "median", "quantile", "unique", "searchsorted"],
        Missing("there is no sorting: which element is where depends on values"),
    ),
    (
        &[
            "argmin",
            "nonzero",
            "count_nonzero",
            "masked_select",
            "gather",
            "scatter",
            "scatter_add",
            "take",
        ],
        Missing(DEPENDS_ON_DATA),
    ),
    (&["any"], Written("max(v)")),
    (&["all"], Written("min(v)")),
    // Products.
    (&["mm", "bmm", "matvec", "mv"], Written("W @ x")),
    (
        &["einsum", "tensordot"],
        Missing(
            "products are written out: `W @ x`, `matmul(a, b)`, `outer(a, b)`, `dot(a, b)`, and `sum(a * b, over D)`",
        ),
    ),
    (&["inner", "vdot"], Called("dot")),
    (
        &["kron"],
        Missing(
            "there is no Kronecker product; `reshape(outer(a, b), [A * B])` is that of two vectors",
        ),
    ),
    (&["linear", "dense", "addmm", "fully_connected"], Written("W @ x + b")),
    (&["bilinear"], Written("dot(x, W @ y)")),
    (
        &["inv", "inverse", "solve", "det", "svd", "qr", "cholesky", "eig"],
        Missing(
            "there is no linear algebra beyond products; compute it outside and give it as an input or a const",
        ),
    ),
    (
        &["conv1d", "conv2d", "convolution", "conv"],
        Missing("a convolution over time reads older steps: `K[0] * prev(u, 1) + K[1] * u`"),
    ),
    (
        &["embedding"],
        Missing("declare `input x: index[V]` and `param E: [V, D]`; `E[x]` is the row"),
    ),
    (
        &["one_hot", "onehot"],
        Missing("declare `input x: index[V]`; `eye(V)[x]` is the one-hot row"),
    ),
    // Forms.
    (&["cat", "concatenate", "hstack", "append"], Called("concat")),
    (&["vstack"], Called("stack")),
    (&["split", "chunk", "unbind", "narrow", "index_select"], Written("slice(v, from, to)")),
    (&["view", "resize"], Called("reshape")),
    (&["flatten", "ravel"], Written("reshape(v, [A * B])")),
    (
        &["squeeze", "unsqueeze", "expand_dims", "newaxis"],
        Missing("`reshape(v, [H, 1])` adds an axis and `reshape(v, [H])` takes it away"),
    ),
    (
        &["expand", "broadcast_to", "tile", "repeat", "broadcast"],
        Missing(
            "values of fewer axes are repeated by themselves; `outer(ones([N]), v)` is N rows of v",
        ),
    ),
    (&["permute", "swapaxes", "moveaxis", "swapdims", "t"], Called("transpose")),
    (
        &["flip", "reverse", "fliplr", "flipud"],
        Missing("there is no reversal; a const matrix that permutes does it: `P @ v`"),
    ),
    (&["roll"], Written("concat(slice(v, H - k, H), slice(v, 0, H - k))")),
    (&["pad"], Written("concat(v, zeros([N]))")),
    (&["tril", "triu"], Written("v * (outer(iota(N), ones([N])) >= outer(ones([N]), iota(N)))")),
    (&["diag", "diagonal", "diag_embed"], Written("eye(N) * v")),
    (&["trace"], Written("sum(eye(N) * m)")),
    (&["zeros_like"], Written("0 * v")),
    (&["ones_like"], Written("0 * v + 1")),
    (&["full", "full_like", "fill"], Written("c * ones([H])")),
    (&["identity_matrix"], Called("eye")),
    (&["arange", "range"], Called("iota")),
    (&["linspace"], Written("a + (b - a) * iota(N) / (N - 1)")),
    (
        &["constant", "tensor", "array", "asarray"],
        Missing("a number stands as it is; a table is `const C: [N] = [1, 2, 3]`"),
    ),
    (
        &["astype", "float", "int", "cast", "to"],
        Missing("there is one type of number; `floor` and `round` give whole ones"),
    ),
    (&["len", "size", "shape", "dim"], Missing("sizes are dims: write their names, such as `H`")),
    // Training and randomness.
    (
        &["dropout", "Dropout"],
        Missing("declare `mask d: [H] = bernoulli(1 - p) per step` and write `v * d / (1 - p)`"),
    ),
    (
        &["zoneout"],
        Missing(
            "declare `mask d: [H] = bernoulli(p) per step` and write `d * prev h + (1 - d) * new`",
        ),
    ),
    (
        &["rand", "randn", "random", "random_normal", "randint", "multinomial", "gumbel_softmax"],
        Missing(
            "the only randomness within a step is a mask: `mask d: [H] = bernoulli(p) per step`; noise can be an input",
        ),
    ),
    (&["detach", "stop_gradient"], Called("stop_grad")),
    (&["cond", "ifelse", "select", "switch"], Called("where")),
    (&["scan", "while_loop", "fori_loop", "for_loop"], Missing(LOOP_OF_THE_TOOL)),
    (&["vmap", "pmap", "map", "jit", "grad", "vjp", "checkpoint"], Missing(NOT_IN_A_CELL)),
    (&["print", "assert", "log_prob", "save"], Missing(NOT_IN_A_CELL)),
    (
        &["lstm", "gru", "rnn", "LSTM", "GRU", "RNN", "LSTMCell", "GRUCell"],
        Missing(
            "a cell within a cell is a layer: `use std/lstm` and `layer a = Lstm(x = x, H = H)`",
        ),
    ),
    (
        &["Linear", "Dense", "Embedding", "Conv1d", "LayerNorm", "BatchNorm1d"],
        Missing(
            "weights are declared: `param W: [H, I], b: [H]`, and read in an equation: `W @ x + b`",
        ),
    ),
    (&["lambda"], Missing("a function is an item of the file: `fn f(a) = expr`")),
];

/// Returns the notation for a name of another library; `None` for one that this version has itself.
pub(super) fn way(name: &str) -> Option<Way> {
    let known = NAMES.iter().find(|(names, _)| names.contains(&name)).map(|it| it.1)?;
    (!check::functions().any(|it| it == name)).then_some(known)
}

/// Advice for a function of another library that is no function of another name here.
pub(super) fn advice(name: &str) -> Option<String> {
    match way(name)? {
        Called(_) => None,
        Written(text) => Some(format!("it is written `{text}` here")),
        Missing(text) => Some(text.to_owned()),
    }
}

/// Advice for a function of another library.
pub(super) fn called_or_advice(name: &str) -> Option<String> {
    match way(name)? {
        Called(other) => Some(format!("it is called `{other}` here")),
        Written(_) | Missing(_) => advice(name),
    }
}

#[cfg(test)]
mod tests {
    use super::{NAMES, Way, way};
    use crate::text::{FileId, SourceFile};
    use crate::{check, syntax};

    #[test]
    fn names_stand_once_and_what_they_are_called_is_there() {
        let mut all: Vec<&str> = NAMES.iter().flat_map(|it| it.0).copied().collect();
        assert!(all.len() > 150, "{}", all.len());
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        for (names, way) in NAMES {
            if let Way::Called(other) = way {
                assert!(check::functions().any(|it| it == *other), "{names:?}: {other}");
            }
        }
    }

    #[test]
    fn what_is_written_for_a_name_can_be_read_and_calls_what_is_there() {
        for (names, way) in NAMES {
            let Way::Written(text) = way else { continue };
            let source = SourceFile::new("", format!("x = {text}"));
            let read = syntax::parse_setting(&source, FileId(0));
            assert!(read.is_ok(), "{names:?}: {text}");
            let lexemes = syntax::lexemes(&source.text);
            for pair in lexemes.windows(2) {
                let word = &source.text[pair[0].start..pair[0].end];
                let calls = pair[0].kind == syntax::LexemeKind::Word
                    && &source.text[pair[1].start..pair[1].end] == "("
                    && pair[0].end == pair[1].start;
                assert!(!calls || check::functions().any(|it| it == word), "{names:?}: {word}");
            }
        }
    }

    #[test]
    fn a_function_that_this_version_has_is_no_foreign_one() {
        assert_eq!(way("tanh"), None);
        assert_eq!(way("sinh"), Some(Way::Written("(exp(v) - exp(-v)) / 2")));
    }
}
