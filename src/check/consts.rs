//! Constants and hypers: folding, values that are known now, and constants as sizes.

use std::collections::{BTreeMap, BTreeSet};

use crate::hir::{ActivationOf, Tree};
use crate::ir::{self, Const, Dim, Env, Pointwise};
use crate::syntax::ast::BinaryOp;
use crate::text::Name;

/// A constant made of more parts is computed in the graph instead, whose nodes do not nest.
pub(super) const MOST_PARTS: usize = 256;

/// The numeric hypers of a cell: what they are, and their values as far as no size is needed for them.
#[derive(Default)]
pub(super) struct Numbers {
    pub constants: BTreeMap<Name, Const>,
    /// Those that the cell defines itself, each after those that it is made of.
    pub order: Vec<Name>,
    pub env: Env,
    /// The consts that have no value yet and are polynomials of sizes.
    sizes: BTreeMap<Name, Dim>,
}

/// A hyper that is an activation.
#[derive(Clone, Debug)]
pub(super) struct Activation {
    pub of: ActivationOf,
    /// The constants after the value, in the order of the parameters.
    pub constants: Vec<Const>,
    /// The text in the source.
    pub text: String,
}

impl Activation {
    /// Returns its name, whatever its constants are.
    pub fn name(&self, tree: &Tree<'_>) -> String {
        match self.of {
            ActivationOf::Builtin(op, _) => format!("{op:?}"),
            ActivationOf::Function(id) => tree.functions[id].name().name.to_string(),
        }
    }
}

/// All hypers of a cell.
#[derive(Default)]
pub(super) struct Hypers {
    pub list: Vec<ir::Hyper>,
    pub numbers: Numbers,
    pub activations: BTreeMap<Box<str>, Activation>,
}

impl Numbers {
    pub fn insert(&mut self, name: Name, value: Const) {
        if let Some(number) = value.eval(&self.env) {
            self.env.hypers.insert(name.clone(), number);
        }
        if !self.env.hypers.contains_key(&name)
            && let Some(dim) = self.polynomial(&value)
        {
            self.sizes.insert(name.clone(), dim);
        }
        self.order.push(name.clone());
        self.constants.insert(name, value);
    }

    /// A hyper that a layer gives: its value, unless that depends on a size of the outer cell.
    pub fn give(&mut self, name: Name, value: Option<f64>) {
        if let Some(value) = value {
            self.env.hypers.insert(name.clone(), value);
        }
        self.constants.insert(name.clone(), Const::Hyper(name));
    }

    /// Returns the value of a constant, if no size is needed for it.
    pub fn value(&self, constant: &Const) -> Option<f64> {
        constant.eval(&self.env)
    }

    /// Returns the dims whose sizes a constant rests on, through hypers too.
    pub fn sizes_in(&self, constant: &Const) -> BTreeSet<Name> {
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut open = vec![constant];
        while let Some(constant) = open.pop() {
            match constant {
                Const::Number(_) => {}
                Const::Size(dim) => found.extend(dim.names()),
                // A chain of hypers doubles at each of them where it names the one before twice.
                Const::Hyper(name) if seen.insert(name) => open.extend(self.constants.get(name)),
                Const::Hyper(_) => {}
                Const::Apply(_, args) => open.extend(args),
            }
        }
        found
    }

    /// Returns true if the outer cell gives a hyper whose value depends on a size.
    pub fn waits_for_sizes(&self) -> bool {
        let waits = |name: &Name| !self.env.hypers.contains_key(name);
        self.constants.iter().any(|(name, value)| is_given(name, value) && waits(name))
    }

    /// Returns the value of a constant where dims have these sizes.
    pub fn value_with(&self, constant: &Const, sizes: BTreeMap<Name, i64>) -> Option<f64> {
        let mut env = Env { sizes, ..self.env.clone() };
        for name in &self.order {
            if !env.hypers.contains_key(name)
                && let Some(number) = self.constants.get(name).and_then(|it| it.eval(&env))
            {
                env.hypers.insert(name.clone(), number);
            }
        }
        constant.eval(&env)
    }

    /// Returns a constant as a size or index: `Err` with its value, if known, when it is not whole.
    pub fn whole(&self, constant: &Const) -> Result<Dim, Option<f64>> {
        if let Some(dim) = self.polynomial(constant) {
            return Ok(dim);
        }
        match self.value(constant) {
            Some(value) => whole(value).map(Dim::number).ok_or(Some(value)),
            None => Err(None),
        }
    }

    fn polynomial(&self, constant: &Const) -> Option<Dim> {
        match constant {
            Const::Number(value) => whole(*value).map(Dim::number),
            Const::Size(dim) => Some(dim.clone()),
            Const::Hyper(name) => match self.env.hypers.get(name) {
                Some(value) => whole(*value).map(Dim::number),
                // Nothing where only the outer cell knows.
                None => self.sizes.get(name).cloned(),
            },
            Const::Apply(op, args) => {
                let args: Option<Vec<Dim>> = args.iter().map(|it| self.polynomial(it)).collect();
                apply(*op, &args?)
            }
        }
    }
}

/// Returns true if a hyper is its own value: a layer gives it, and only the outer cell knows the value.
fn is_given(name: &Name, value: &Const) -> bool {
    matches!(value, Const::Hyper(own) if own == name)
}

/// Returns the whole number that a value is.
pub(super) fn whole(value: f64) -> Option<i64> {
    // Beyond 2^53 not every whole number is an f64, so none of them was surely meant.
    (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(value as i64)
}

/// Arithmetic of sizes that stays exact.
fn apply(op: Pointwise, args: &[Dim]) -> Option<Dim> {
    let result = match args {
        [a] if op == Pointwise::Neg => a.mul(&Dim::number(-1)),
        [a] if op == Pointwise::Square => a.mul(a),
        [a, b] if op == Pointwise::Add => a.add(b),
        [a, b] if op == Pointwise::Sub => a.sub(b),
        [a, b] if op == Pointwise::Mul => a.mul(b),
        [a, b] if op == Pointwise::Pow => a.pow(u32::try_from(b.as_number()?).ok()?),
        _ => return None,
    };
    result.ok()
}

/// Returns the operator of the elementwise table that a sign is.
pub(super) fn pointwise(op: BinaryOp) -> Option<Pointwise> {
    Some(match op {
        BinaryOp::Add => Pointwise::Add,
        BinaryOp::Sub => Pointwise::Sub,
        BinaryOp::Mul => Pointwise::Mul,
        BinaryOp::Div => Pointwise::Div,
        BinaryOp::Pow => Pointwise::Pow,
        BinaryOp::Less => Pointwise::Less,
        BinaryOp::LessEqual => Pointwise::LessEqual,
        BinaryOp::Greater => Pointwise::Greater,
        BinaryOp::GreaterEqual => Pointwise::GreaterEqual,
        BinaryOp::Equal => Pointwise::Equal,
        BinaryOp::NotEqual => Pointwise::NotEqual,
        BinaryOp::MatMul => return None,
    })
}

/// Returns an elementwise operator of constants: numbers are computed, sizes stay polynomials.
pub(super) fn fold(op: Pointwise, args: Vec<Const>) -> Const {
    let numbers: Option<Vec<f64>> = args
        .iter()
        .map(|it| match it {
            Const::Number(value) => Some(*value),
            Const::Size(_) | Const::Hyper(_) | Const::Apply(..) => None,
        })
        .collect();
    if let Some(numbers) = numbers {
        return Const::Number(op.eval(&numbers));
    }
    let dims: Option<Vec<Dim>> = args
        .iter()
        .map(|it| match it {
            Const::Number(value) => whole(*value).map(Dim::number),
            Const::Size(dim) => Some(dim.clone()),
            Const::Hyper(_) | Const::Apply(..) => None,
        })
        .collect();
    match dims.and_then(|it| apply(op, &it)) {
        Some(dim) => Const::Size(dim),
        None => Const::Apply(op, args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fold_and_sizes_stay_exact() {
        let h = || Const::Size(Dim::symbol("H"));
        assert_eq!(
            fold(Pointwise::Div, vec![Const::Number(1.0), Const::Number(4.0)]),
            Const::Number(0.25)
        );
        let twice = fold(Pointwise::Mul, vec![Const::Number(2.0), h()]);
        assert_eq!(twice, Const::Size(Dim::symbol("H").mul(&Dim::number(2)).unwrap()));
        let root = fold(Pointwise::Sqrt, vec![h()]);
        assert_eq!(root, Const::Apply(Pointwise::Sqrt, vec![h()]));
        let numbers = Numbers::default();
        assert_eq!(numbers.whole(&root), Err(None));
        assert_eq!(numbers.whole(&Const::Number(2.5)), Err(Some(2.5)));
    }

    /// Whoever follows each of the two names finds 2^60 of them.
    #[test]
    fn hypers_that_name_the_one_before_twice_are_followed_once() {
        let hyper = |it: usize| Const::Hyper(format!("k{it}").into());
        let mut numbers = Numbers::default();
        numbers.insert("k0".into(), Const::Size(Dim::symbol("H")));
        for it in 1..=60 {
            let twice = fold(Pointwise::Add, vec![hyper(it - 1), hyper(it - 1)]);
            numbers.insert(format!("k{it}").into(), twice);
        }
        let all = Dim::symbol("H").mul(&Dim::number(1 << 60)).unwrap();
        assert_eq!(numbers.whole(&hyper(60)), Ok(all));
        assert_eq!(numbers.sizes_in(&hyper(60)), BTreeSet::from(["H".into()]));
        let sizes = BTreeMap::from([("H".into(), 3)]);
        assert_eq!(numbers.value_with(&hyper(60), sizes), Some((3_u64 << 60) as f64));
    }
}
