//! The table of elementwise operators in C, and the functions that a file has for them.

use crate::ir::Pointwise;

/// The notation of an elementwise operator.
pub enum Form {
    /// Between its operands.
    Infix(&'static str, u8),
    /// Between its operands, as 1 or 0.
    Compare(&'static str),
    /// A function of `math.h`.
    Call(&'static str),
    /// A function of this file.
    Own(&'static str),
    /// The sign.
    Minus,
    /// A choice.
    Where,
    /// The operand itself.
    Same,
}

/// A comparison or choice.
pub const CHOICE: u8 = 0;
/// A sum.
pub const SUM: u8 = 1;
/// A product.
pub const PRODUCT: u8 = 2;
/// A sign or a conversion.
pub const SIGN: u8 = 3;
/// A name, an element, a call.
pub const ATOM: u8 = 4;

/// Returns the table.
pub fn form(op: Pointwise) -> Form {
    match op {
        Pointwise::Add => Form::Infix("+", SUM),
        Pointwise::Sub => Form::Infix("-", SUM),
        Pointwise::Mul => Form::Infix("*", PRODUCT),
        Pointwise::Div => Form::Infix("/", PRODUCT),
        Pointwise::Pow => Form::Call("powf"),
        Pointwise::Neg => Form::Minus,
        Pointwise::Less => Form::Compare("<"),
        Pointwise::LessEqual => Form::Compare("<="),
        Pointwise::Greater => Form::Compare(">"),
        Pointwise::GreaterEqual => Form::Compare(">="),
        Pointwise::Equal => Form::Compare("=="),
        Pointwise::NotEqual => Form::Compare("!="),
        Pointwise::Where => Form::Where,
        Pointwise::Exp => Form::Call("expf"),
        Pointwise::Log => Form::Call("logf"),
        Pointwise::Log1p => Form::Call("log1pf"),
        Pointwise::Expm1 => Form::Call("expm1f"),
        Pointwise::Sqrt => Form::Call("sqrtf"),
        Pointwise::Rsqrt => Form::Own("rsqrt"),
        Pointwise::Abs => Form::Call("fabsf"),
        Pointwise::Sign => Form::Own("sign"),
        Pointwise::Floor => Form::Call("floorf"),
        Pointwise::Ceil => Form::Call("ceilf"),
        Pointwise::Round => Form::Call("rintf"),
        Pointwise::Sin => Form::Call("sinf"),
        Pointwise::Cos => Form::Call("cosf"),
        Pointwise::Erf => Form::Call("erff"),
        Pointwise::Square => Form::Own("square"),
        Pointwise::Mod => Form::Own("mod"),
        Pointwise::Max => Form::Own("max"),
        Pointwise::Min => Form::Own("min"),
        Pointwise::Clamp => Form::Own("clamp"),
        Pointwise::LogAddExp => Form::Own("logaddexp"),
        Pointwise::Sigmoid => Form::Own("sigmoid"),
        Pointwise::Tanh => Form::Call("tanhf"),
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
        Pointwise::Step => Form::Own("positive"),
        Pointwise::LecunTanh => Form::Own("lecun_tanh"),
        Pointwise::Softcap => Form::Own("softcap"),
        Pointwise::LeakyRelu => Form::Own("leaky_relu"),
        Pointwise::Elu => Form::Own("elu"),
        Pointwise::Isru => Form::Own("isru"),
        Pointwise::Isrlu => Form::Own("isrlu"),
        Pointwise::HardSigmoid => Form::Own("hard_sigmoid"),
    }
}

/// The functions of a file: name, parameters, what is computed. `@` is before the name of another one of them.
pub const OWN: &[(&str, &str, &str)] = &[
    ("rsqrt", "float v", "return 1.0f / sqrtf(v);"),
    ("sign", "float v", "return v > 0.0f ? 1.0f : v < 0.0f ? -1.0f : v;"),
    ("square", "float v", "return v * v;"),
    ("mod", "float a, float b", "return a - floorf(a / b) * b;"),
    ("max", "float a, float b", "/* A NaN passes. */\nreturn a != a || a >= b ? a : b;"),
    ("min", "float a, float b", "/* A NaN passes. */\nreturn a != a || a <= b ? a : b;"),
    ("clamp", "float v, float low, float high", "return v < low ? low : v > high ? high : v;"),
    (
        "logaddexp",
        "float a, float b",
        "if (a == b)\n    return a + 0.693147181f;\nreturn @max(a, b) + log1pf(expf(-fabsf(a - b)));",
    ),
    (
        "sigmoid",
        "float v",
        "/* Each side uses the exponential that cannot overflow. */\nconst float e = expf(-fabsf(v));\nreturn v >= 0.0f ? 1.0f / (1.0f + e) : e / (1.0f + e);",
    ),
    ("relu", "float v", "return v < 0.0f ? 0.0f : v;"),
    ("selu", "float v", "return v > 0.0f ? 1.05070099f * v : 1.75809934f * expm1f(v);"),
    ("gelu", "float v", "return 0.5f * v * (1.0f + erff(v * 0.707106781f));"),
    (
        "gelu_tanh",
        "float v",
        "return 0.5f * v * (1.0f + tanhf(0.797884561f * (v + 0.044715f * v * v * v)));",
    ),
    ("silu", "float v", "return v * @sigmoid(v);"),
    ("softplus", "float v", "return (v < 0.0f ? 0.0f : v) + log1pf(expf(-fabsf(v)));"),
    ("softsign", "float v", "return v / (1.0f + fabsf(v));"),
    ("log_sigmoid", "float v", "return (v > 0.0f ? 0.0f : v) - log1pf(expf(-fabsf(v)));"),
    ("hard_tanh", "float v", "return v < -1.0f ? -1.0f : v > 1.0f ? 1.0f : v;"),
    ("positive", "float v", "return v > 0.0f ? 1.0f : 0.0f;"),
    ("lecun_tanh", "float v", "return 1.7159f * tanhf(0.666666667f * v);"),
    ("softcap", "float v, float limit", "return limit * tanhf(v / limit);"),
    ("leaky_relu", "float v, float slope", "return v > 0.0f ? v : slope * v;"),
    ("elu", "float v, float alpha", "return v > 0.0f ? v : alpha * expm1f(v);"),
    ("isru", "float v, float alpha", "return v / sqrtf(1.0f + alpha * v * v);"),
    ("isrlu", "float v, float alpha", "return v < 0.0f ? v / sqrtf(1.0f + alpha * v * v) : v;"),
    (
        "hard_sigmoid",
        "float v, float slope, float offset",
        "const float line = slope * v + offset;\nreturn line < 0.0f ? 0.0f : line > 1.0f ? 1.0f : line;",
    ),
];

/// The functions that `--math own` has in the place of those of `math.h`: name, parameters, body. Those that others call come
/// first.
pub const LIBRARY: &[(&str, &str, &str)] = &[
    ("floorf", "float v", "\
if (!(fabsf(v) < 8388608.0f))
    return v;
{
    const float whole = (float)(int32_t)v;
    return whole > v ? whole - 1.0f : whole;
}"),
    ("ceilf", "float v", "return -@floorf(-v);"),
    ("rintf", "float v", "\
/* The even one of two that are as near. */
const float low = @floorf(v), rest = v - low;
if (!(fabsf(v) < 8388608.0f))
    return v;
if (rest != 0.5f)
    return rest < 0.5f ? low : low + 1.0f;
return low - 2.0f * @floorf(0.5f * low) == 0.0f ? low : low + 1.0f;"),
    ("power_of_two", "int32_t n", "\
float r = 1.0f;
float by = n < 0 ? 0.5f : 2.0f;
int32_t left = n < 0 ? -n : n;
for (; left > 0; left /= 2) {
    if (left % 2 == 1)
        r *= by;
    by *= by;
}
return r;"),
    ("expf", "float v", "\
/* exp(v) = 2^n exp(r) with |r| <= log(2) / 2. */
float n, r, p;
int32_t half;
if (v != v)
    return v;
if (v > 88.7228394f)
    return INFINITY;
if (v < -104.0f)
    return 0.0f;
n = @floorf(v * 1.44269504f + 0.5f);
r = (v - n * 0.693359375f) + n * 2.12194440e-4f;
p = ((((1.9875691500e-4f * r + 1.3981999507e-3f) * r + 8.3334519073e-3f) * r + 4.1665795894e-2f) * r
     + 1.6666665459e-1f) * r + 5.0000001201e-1f;
p = p * r * r + r + 1.0f;
half = (int32_t)n / 2;
return p * @power_of_two(half) * @power_of_two((int32_t)n - half);"),
    ("logf", "float v", "\
/* v = 2^n m with m near 1. */
float n = 0.0f, m = v, z, p;
if (!(v > 0.0f))
    return v == 0.0f ? -INFINITY : NAN;
if (v == INFINITY)
    return v;
while (m > 1.41421356f) {
    m *= 0.5f;
    n += 1.0f;
}
while (m < 0.707106781f) {
    m *= 2.0f;
    n -= 1.0f;
}
m -= 1.0f;
z = m * m;
p = (((((((7.0376836292e-2f * m - 1.1514610310e-1f) * m + 1.1676998740e-1f) * m - 1.2420140846e-1f) * m
       + 1.4249322787e-1f) * m - 1.6668057665e-1f) * m + 2.0000714765e-1f) * m - 2.4999993993e-1f) * m
    + 3.3333331174e-1f;
p = p * m * z - 2.12194440e-4f * n - 0.5f * z;
return m + p + 0.693359375f * n;"),
    ("expm1f", "float v", "\
/* A series where exp(v) - 1 would lose digits. */
if (fabsf(v) > 0.35f)
    return @expf(v) - 1.0f;
return v * (1.0f + v * (0.5f + v * (0.166666667f + v * (0.0416666667f + v * (0.00833333333f
     + v * (0.00138888889f + v * 0.000198412698f))))));"),
    ("log1pf", "float v", "\
/* What rounding 1 + v loses is made good. */
const float u = 1.0f + v;
if (u == 1.0f)
    return v;
if (!(u > 0.0f) || u == INFINITY)
    return @logf(u);
return @logf(u) * (v / (u - 1.0f));"),
    ("tanhf", "float v", "\
const float a = fabsf(v);
float t;
if (a > 9.1f)
    return v > 0.0f ? 1.0f : -1.0f;
t = @expm1f(2.0f * a);
t = t / (t + 2.0f);
return v < 0.0f ? -t : v != v ? v : t;"),
    ("sine", "float v, int32_t quarter", "\
/* The angle less a multiple of pi / 2, in three parts. */
const float n = @floorf(v * 0.636619772f + 0.5f);
const float r = ((v - n * 1.5703125f) - n * 4.83751297e-4f) - n * 7.54978997e-8f;
const float z = r * r;
const int32_t at = (int32_t)(n - 4.0f * @floorf(0.25f * n)) + quarter;
const float sine = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
const float cosine = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z
                     - 0.5f * z + 1.0f;
const float it = at % 2 == 0 ? sine : cosine;
return at % 4 >= 2 ? -it : it;"),
    ("sinf", "float v", "return @sine(v, 0);"),
    ("cosf", "float v", "return @sine(v, 1);"),
    ("erff", "float v", "\
/* A series near 0, and a fraction in exp(-v v) beyond (Abramowitz and Stegun 7.1.5, 7.1.14). */
const float a = fabsf(v);
float r;
if (a < 2.0f) {
    float term = a, n;
    r = a;
    for (n = 1.0f; n < 24.0f; n += 1.0f) {
        term *= -a * a / n;
        r += term / (2.0f * n + 1.0f);
    }
    r *= 1.12837917f;
} else {
    float f = a, n;
    for (n = 24.0f; n > 0.0f; n -= 1.0f)
        f = a + 0.5f * n / f;
    r = 1.0f - 0.564189584f * @expf(-a * a) / f;
}
return v < 0.0f ? -r : v != v ? v : r;"),
    ("powf", "float a, float b", "\
/* A negative base has whole exponents only. */
const int is_whole = @floorf(b) == b;
const float size = fabsf(a);
float r;
if (b == 0.0f || a == 1.0f)
    return 1.0f;
if (a < 0.0f && !is_whole)
    return NAN;
if (size == 0.0f)
    r = b > 0.0f ? 0.0f : INFINITY;
else if (is_whole && fabsf(b) <= 16.0f) {
    int32_t left = (int32_t)fabsf(b);
    r = 1.0f;
    for (; left > 0; left--)
        r *= size;
    r = b < 0.0f ? 1.0f / r : r;
} else
    r = @expf(b * @logf(size));
return a < 0.0f && b - 2.0f * @floorf(0.5f * b) != 0.0f ? -r : r;"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_there() {
        for op in Pointwise::ALL {
            if let Form::Own(name) = form(*op) {
                assert!(OWN.iter().any(|it| it.0 == name), "{name}");
            }
            if let Form::Call(name) = form(*op) {
                let stays = ["sqrtf", "fabsf"].contains(&name);
                assert!(stays || LIBRARY.iter().any(|it| it.0 == name), "{name}");
            }
        }
    }
}
