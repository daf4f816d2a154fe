//! The built-in functions: their names, parameters and defaults.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::args::Form;
use crate::ir::pointwise::Constant;
use crate::ir::{Family, Pointwise, Reduction};

/// The built-in functions.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Builtin {
    /// A row of the table of elementwise operators.
    Map(Pointwise),
    /// `max` or `min`: elementwise with two arguments, along axes with one.
    Extreme(Pointwise, Reduction),
    /// `where(cond, a, b)`
    Where,
    /// `clamp(v, lo, hi)`
    Clamp,
    /// Along axes of the first argument.
    Along(Along),
    /// `matmul`
    MatMul,
    /// `transpose`
    Transpose,
    /// `outer`
    Outer,
    /// `dot`
    Dot,
    /// `concat`
    Concat,
    /// `stack`
    Stack,
    /// `slice`
    Slice,
    /// `reshape`
    Reshape,
    /// `rename`
    Rename,
    /// `eye`
    Eye,
    /// `zeros`
    Zeros,
    /// `ones`
    Ones,
    /// `iota`
    Iota,
    /// `stop_grad`
    StopGrad,
    /// `clip_grad`
    ClipGrad,
    /// The step number.
    Time,
    /// The law of a mask; it occurs nowhere else.
    Bernoulli,
    /// A function that only models use.
    OfModel(ModelFunction),
}

/// A function of models.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each is the function of that name")]
pub enum ModelFunction {
    Sample,
    ArgMax,
    Mse,
    Mae,
    Huber,
    CrossEntropy,
    BinaryCrossEntropy,
}

/// A function along axes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each is the function of that name")]
pub enum Along {
    /// A sum, a product and the like.
    Reduce(Reduction),
    Mean,
    Var,
    Std,
    Softmax,
    CumSum,
    LayerNorm,
    RmsNorm,
    L2Normalize,
}

impl Along {
    /// Returns whether the axes disappear.
    pub fn reduces(self) -> bool {
        match self {
            Along::Reduce(_) | Along::Mean | Along::Var | Along::Std => true,
            Along::Softmax
            | Along::CumSum
            | Along::LayerNorm
            | Along::RmsNorm
            | Along::L2Normalize => false,
        }
    }
}

/// The kind of value that an argument must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Any value.
    Value,
    /// A constant.
    Constant,
    /// A shape in brackets.
    Shape,
    /// A size.
    Size,
}

/// A parameter of a function.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// The kind that it must be.
    pub kind: Kind,
    /// Its value where it is not given.
    pub default: Option<f64>,
    /// True if it may be left out.
    pub optional: bool,
    /// True if a constant must be above 0.
    pub is_positive: bool,
}

/// The form of a function's calls.
#[derive(Clone, Debug)]
pub struct Signature {
    /// Its name.
    pub name: &'static str,
    /// The function.
    pub what: Builtin,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Takes more values after the last parameter.
    pub variadic: bool,
    /// Takes `over ..`.
    pub over: bool,
}

impl Signature {
    /// Returns how it is called.
    pub(crate) fn form(&self) -> Form<'static> {
        let params = self.params.iter().map(|it| (it.name, it.optional)).collect();
        Form { name: self.name, params, variadic: self.variadic, over: self.over }
    }

    /// Returns the parameter of a name.
    pub fn param(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|it| it.name == name)
    }

    /// Returns the elementwise operator that it is with all its arguments.
    pub fn pointwise(&self) -> Option<Pointwise> {
        match self.what {
            // With two arguments; a call with one is reported.
            Builtin::Map(op) | Builtin::Extreme(op, _) => Some(op),
            Builtin::Where => Some(Pointwise::Where),
            Builtin::Clamp => Some(Pointwise::Clamp),
            Builtin::Along(_)
            | Builtin::MatMul
            | Builtin::Transpose
            | Builtin::Outer
            | Builtin::Dot
            | Builtin::Concat
            | Builtin::Stack
            | Builtin::Slice
            | Builtin::Reshape
            | Builtin::Rename
            | Builtin::Eye
            | Builtin::Zeros
            | Builtin::Ones
            | Builtin::Iota
            | Builtin::StopGrad
            | Builtin::ClipGrad
            | Builtin::Time
            | Builtin::Bernoulli
            | Builtin::OfModel(_) => None,
        }
    }

    /// Returns whether each element of the result depends on the same element of the arguments only.
    pub fn is_elementwise(&self) -> bool {
        // No function may read the step number, which is reported.
        let passes = matches!(self.what, Builtin::StopGrad | Builtin::ClipGrad | Builtin::Time);
        passes || self.pointwise().is_some()
    }
}

fn of(kind: Kind, name: &'static str) -> Param {
    Param { name, kind, default: None, optional: false, is_positive: false }
}

fn value(name: &'static str) -> Param {
    of(Kind::Value, name)
}

/// Returns a constant with a default.
fn tuned(name: &'static str, default: f64) -> Param {
    Param { default: Some(default), optional: true, ..of(Kind::Constant, name) }
}

/// Returns a constant above 0.
fn positive(name: &'static str) -> Param {
    Param { is_positive: true, ..of(Kind::Constant, name) }
}

static TABLE: LazyLock<BTreeMap<&'static str, Signature>> = LazyLock::new(table);

fn table() -> BTreeMap<&'static str, Signature> {
    let mut table = BTreeMap::new();
    for op in Pointwise::ALL.iter().copied().filter(|it| Pointwise::function(it.name()).is_some()) {
        let params = op.params().iter().enumerate().map(|(at, name)| match op.constant(at) {
            Some(Constant { default: Some(default), .. }) => tuned(name, default),
            Some(Constant { default: None, is_positive }) => {
                Param { is_positive, ..of(Kind::Constant, name) }
            }
            None => value(name),
        });
        let what = if op == Pointwise::Where {
            Builtin::Where
        } else if op == Pointwise::Clamp {
            Builtin::Clamp
        } else if op == Pointwise::Max {
            Builtin::Extreme(op, Reduction::Max)
        } else if op == Pointwise::Min {
            Builtin::Extreme(op, Reduction::Min)
        } else {
            Builtin::Map(op)
        };
        let mut params: Vec<Param> = params.collect();
        let over = matches!(what, Builtin::Extreme(..));
        if over {
            params[1].optional = true;
        }
        let name = op.name();
        table.insert(name, Signature { name, what, params, variadic: false, over });
    }
    let mut add = |name: &'static str, what, params: &[Param], variadic, over| {
        table.insert(name, Signature { name, what, params: params.to_vec(), variadic, over });
    };
    let v = value("v");
    for (name, what) in [
        (Reduction::Sum.name(), Along::Reduce(Reduction::Sum)),
        (Reduction::Product.name(), Along::Reduce(Reduction::Product)),
        (Reduction::Norm.name(), Along::Reduce(Reduction::Norm)),
        (Reduction::LogSumExp.name(), Along::Reduce(Reduction::LogSumExp)),
        ("mean", Along::Mean),
        ("var", Along::Var),
        ("std", Along::Std),
        ("softmax", Along::Softmax),
        ("cumsum", Along::CumSum),
    ] {
        add(name, Builtin::Along(what), &[v], false, true);
    }
    for (name, what, eps) in [
        ("layer_norm", Along::LayerNorm, 1e-5),
        ("rms_norm", Along::RmsNorm, 1e-5),
        ("l2_normalize", Along::L2Normalize, 1e-12),
    ] {
        add(name, Builtin::Along(what), &[v, tuned("eps", eps)], false, true);
    }
    add("matmul", Builtin::MatMul, &[value("a"), value("b")], false, false);
    add("transpose", Builtin::Transpose, &[value("m")], false, false);
    add("outer", Builtin::Outer, &[value("a"), value("b")], false, false);
    add("dot", Builtin::Dot, &[value("a"), value("b")], false, false);
    add("concat", Builtin::Concat, &[value("a"), value("b")], true, false);
    add("stack", Builtin::Stack, &[value("a"), value("b")], true, false);
    let bounds = [v, of(Kind::Constant, "from"), of(Kind::Constant, "to")];
    add("slice", Builtin::Slice, &bounds, false, true);
    add("reshape", Builtin::Reshape, &[v, of(Kind::Shape, "shape")], false, false);
    add("rename", Builtin::Rename, &[v, of(Kind::Shape, "shape")], false, false);
    add("eye", Builtin::Eye, &[of(Kind::Size, "n")], false, false);
    add("zeros", Builtin::Zeros, &[of(Kind::Shape, "shape")], false, false);
    add("ones", Builtin::Ones, &[of(Kind::Shape, "shape")], false, false);
    add("iota", Builtin::Iota, &[of(Kind::Size, "n")], false, false);
    add("time", Builtin::Time, &[], false, false);
    add("stop_grad", Builtin::StopGrad, &[v], false, false);
    add("clip_grad", Builtin::ClipGrad, &[v, positive("limit")], false, false);
    add("bernoulli", Builtin::Bernoulli, &[of(Kind::Constant, "probability")], false, false);
    use ModelFunction as Model;
    let mut add = |name, what, params: &[Param]| {
        add(name, Builtin::OfModel(what), params, false, false);
    };
    let (p, t, logits) = (value("p"), value("t"), value("logits"));
    add("sample", Model::Sample, &[logits]);
    add("argmax", Model::ArgMax, &[logits]);
    add("mse", Model::Mse, &[p, t]);
    add("mae", Model::Mae, &[p, t]);
    add("huber", Model::Huber, &[p, t, tuned("delta", 1.0)]);
    add("cross_entropy", Model::CrossEntropy, &[logits, value("label")]);
    add("binary_cross_entropy", Model::BinaryCrossEntropy, &[logits, value("target")]);
    table
}

/// The initialisers with names of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DrawKind {
    /// `uniform(a)` or `uniform(lo, hi)`
    Uniform,
    /// `normal(std)` or `normal(mean, std)`
    Normal,
    /// `truncated_normal(std)`
    TruncatedNormal,
    /// `log_uniform(lo, hi)`
    LogUniform,
    /// `linspace(lo, hi)`
    Linspace,
    /// With a variance that the sizes of the matrix decide.
    Scaled {
        /// The authors of the scale.
        family: Family,
        /// True for a uniform distribution, false for a normal one.
        uniform: bool,
    },
    /// `orthogonal(gain)`
    Orthogonal,
    /// `identity(scale)`
    Identity,
    /// `iota(n)`
    Iota,
}

/// The initialisers with names of their own.
const DRAWS: &[(&str, DrawKind)] = &[
    ("uniform", DrawKind::Uniform),
    ("normal", DrawKind::Normal),
    ("truncated_normal", DrawKind::TruncatedNormal),
    ("log_uniform", DrawKind::LogUniform),
    ("linspace", DrawKind::Linspace),
    ("glorot_uniform", DrawKind::Scaled { family: Family::Glorot, uniform: true }),
    ("glorot_normal", DrawKind::Scaled { family: Family::Glorot, uniform: false }),
    ("he_uniform", DrawKind::Scaled { family: Family::He, uniform: true }),
    ("he_normal", DrawKind::Scaled { family: Family::He, uniform: false }),
    ("lecun_normal", DrawKind::Scaled { family: Family::LeCun, uniform: false }),
    ("orthogonal", DrawKind::Orthogonal),
    ("identity", DrawKind::Identity),
    ("iota", DrawKind::Iota),
];

/// Returns the initialiser of this name.
pub(crate) fn draw(name: &str) -> Option<(&'static str, DrawKind)> {
    DRAWS.iter().find(|it| it.0 == name).copied()
}

/// Returns the names that have a meaning only after `init`.
pub(crate) fn draws<'n>() -> impl Iterator<Item = &'n str> {
    DRAWS.iter().map(|it| it.0).filter(|it| find(it).is_none())
}

/// Returns true if a name has a meaning only after `init`.
pub(crate) fn is_draw(name: &str) -> bool {
    draws().any(|it| it == name)
}

/// Returns the function of this name.
pub(crate) fn find(name: &str) -> Option<&'static Signature> {
    TABLE.get(name)
}

/// Returns all names of functions, in order.
pub(crate) fn names<'n>() -> impl Iterator<Item = &'n str> {
    TABLE.keys().copied()
}

/// Returns true if no `fn`, activation or cell may have this name.
pub(crate) fn is_taken(name: &str) -> bool {
    find(name).is_some() || is_draw(name)
}

/// Returns the function that a hyper may be: it maps a value, and all its other parameters have a default or are given by name.
pub(crate) fn activation(name: &str) -> Option<(Pointwise, &'static Signature)> {
    let signature = find(name)?;
    let op = match signature.what {
        Builtin::Clamp => Pointwise::Clamp,
        what => Pointwise::function(name).filter(|it| what == Builtin::Map(*it))?,
    };
    (op.params()[0] == "v").then_some((op, signature))
}

impl DrawKind {
    /// Returns the parameters, and whether each may be left out; `single` when there is one argument alone.
    pub(crate) fn params(self, single: bool) -> &'static [(&'static str, bool)] {
        match self {
            DrawKind::Uniform if single => &[("a", false)],
            DrawKind::Uniform | DrawKind::LogUniform | DrawKind::Linspace => {
                &[("lo", false), ("hi", false)]
            }
            // One number by position is the deviation.
            DrawKind::Normal if single => &[("std", true)],
            DrawKind::Normal => &[("mean", true), ("std", true)],
            DrawKind::TruncatedNormal => &[("std", false)],
            DrawKind::Orthogonal => &[("gain", true)],
            DrawKind::Identity => &[("scale", true)],
            DrawKind::Iota => &[("n", false)],
            DrawKind::Scaled { .. } => &[("fan_in", true), ("fan_out", true)],
        }
    }
}
