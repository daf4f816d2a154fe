//! Sizes by name: polynomials over dims with whole coefficients, and shapes made of them.
//!
//! Dims are nominal: `I` and `H` are never the same, whatever their sizes. Two expressions are the
//! same when their polynomials are, so `I + H` is `H + I` and `2 * H - H` is `H`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::text::Name;

/// A product of powers of dims, names in order, powers at least 1. The empty product is 1.
type Monomial = Vec<(Name, u32)>;

/// A polynomial over dim names. Always in its normal form: terms in order, none with factor 0. Graphs hold
/// the same few again and again, so a copy shares the terms.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Dim(Arc<[(Monomial, i64)]>);

/// A polynomial whose coefficients or powers left the range of the machine's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the size expression is too large")]
pub struct DimOverflow;

impl Dim {
    /// Returns the dim of this name.
    pub fn symbol(name: impl Into<Name>) -> Dim {
        Dim([(vec![(name.into(), 1)], 1)].into())
    }

    /// Returns a whole number.
    pub fn number(value: i64) -> Dim {
        if value == 0 { Dim::default() } else { Dim([(Vec::new(), value)].into()) }
    }

    /// Returns the value, if no dim is left in it.
    pub fn as_number(&self) -> Option<i64> {
        match &*self.0 {
            [] => Some(0),
            [(monomial, factor)] if monomial.is_empty() => Some(*factor),
            _ => None,
        }
    }

    /// Returns the name, if it is a single dim.
    pub fn as_symbol(&self) -> Option<&Name> {
        match &*self.0 {
            [(monomial, 1)] => match monomial.as_slice() {
                [(name, 1)] => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the sum.
    pub fn add(&self, other: &Dim) -> Result<Dim, DimOverflow> {
        Dim::collect(self.0.iter().chain(&*other.0).map(|it| Ok(it.clone())))
    }

    /// Returns the difference.
    pub fn sub(&self, other: &Dim) -> Result<Dim, DimOverflow> {
        self.add(&other.mul(&Dim::number(-1))?)
    }

    /// Returns the product.
    pub fn mul(&self, other: &Dim) -> Result<Dim, DimOverflow> {
        Dim::collect(self.0.iter().flat_map(|(left, a)| {
            other.0.iter().map(move |(right, b)| {
                Ok((monomial_product(left, right)?, a.checked_mul(*b).ok_or(DimOverflow)?))
            })
        }))
    }

    /// Returns a whole power.
    pub fn pow(&self, exponent: u32) -> Result<Dim, DimOverflow> {
        // A power this high cannot be the size of anything; the bound keeps the loop and the terms
        // small.
        if exponent > 64 {
            return Err(DimOverflow);
        }
        (0..exponent).try_fold(Dim::number(1), |product, _| product.mul(self))
    }

    /// Puts other polynomials in place of dims; a name that `replace` does not know stays.
    pub fn substitute(&self, replace: &dyn Fn(&str) -> Option<Dim>) -> Result<Dim, DimOverflow> {
        let mut sum = Dim::number(0);
        for (monomial, factor) in self.0.iter() {
            let mut product = Dim::number(*factor);
            for (name, power) in monomial {
                let factor = replace(name).unwrap_or_else(|| Dim::symbol(name.clone()));
                product = product.mul(&factor.pow(*power)?)?;
            }
            sum = sum.add(&product)?;
        }
        Ok(sum)
    }

    /// Returns the dim that must have one certain size for this polynomial to be `value`, if a single dim is left in it, to the
    /// first power, and a whole size at least 1 solves it.
    pub fn solve(&self, value: i64) -> Option<(Name, i64)> {
        let [name] = self.names().try_into().ok()?;
        let (mut slope, mut rest) = (0i64, 0i64);
        for (monomial, factor) in self.0.iter() {
            match monomial.as_slice() {
                [] => rest = *factor,
                [(_, 1)] => slope = *factor,
                _ => return None,
            }
        }
        let left = value.checked_sub(rest)?;
        (left.checked_rem(slope)? == 0 && left / slope >= 1).then(|| (name, left / slope))
    }

    /// Returns true if it is linear in a single dim: then there is a size for each value, though it need not be whole.
    pub fn is_linear_in_one(&self) -> bool {
        let linear = |(monomial, _): &(Monomial, i64)| match monomial.as_slice() {
            [] | [(_, 1)] => true,
            [..] => false,
        };
        self.names().len() == 1 && self.0.iter().all(linear)
    }

    /// Returns the least value when every dim is at least 1, if it is reached with all of them 1; `None` where a dim with a
    /// negative factor leaves it open.
    pub fn least(&self) -> Option<i64> {
        // With each dim written as 1 + n, a polynomial without negative factors is least where all
        // n are 0.
        let names = self.names();
        let shifted = self
            .substitute(&|name| {
                let name = names.iter().find(|it| &***it == name)?;
                Dim::symbol(name.clone()).add(&Dim::number(1)).ok()
            })
            .ok()?;
        let mut least = 0;
        for (monomial, factor) in shifted.0.iter() {
            match (monomial.is_empty(), *factor) {
                (true, constant) => least = constant,
                (false, ..=0) => return None,
                (false, _) => {}
            }
        }
        Some(least)
    }

    /// Returns the names that occur in it, in order, each once.
    pub fn names(&self) -> Vec<Name> {
        let mut names: Vec<Name> =
            self.0.iter().flat_map(|(it, _)| it.iter().map(|(name, _)| name.clone())).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Returns the value at given sizes; `None` where a size is unknown or the value leaves `i64`.
    pub fn eval(&self, size: &dyn Fn(&str) -> Option<i64>) -> Option<i64> {
        let mut sum = 0i64;
        for (monomial, factor) in self.0.iter() {
            let mut product = *factor;
            for (name, power) in monomial {
                product = product.checked_mul(size(name)?.checked_pow(*power)?)?;
            }
            sum = sum.checked_add(product)?;
        }
        Some(sum)
    }

    /// Returns true if it is in normal form, as every computed dim is; one read from a file need not be.
    pub fn is_normal(&self) -> bool {
        let monomial = |it: &Monomial| {
            it.windows(2).all(|pair| pair[0].0 < pair[1].0)
                && it.iter().all(|(_, power)| *power > 0)
        };
        self.0.windows(2).all(|pair| pair[0].0 < pair[1].0)
            && self.0.iter().all(|(it, factor)| *factor != 0 && monomial(it))
            && self.0.len() <= 1000
    }

    fn collect(
        terms: impl Iterator<Item = Result<(Monomial, i64), DimOverflow>>,
    ) -> Result<Dim, DimOverflow> {
        let mut sums: BTreeMap<Monomial, i64> = BTreeMap::new();
        for term in terms {
            let (monomial, factor) = term?;
            let sum = sums.entry(monomial).or_default();
            *sum = sum.checked_add(factor).ok_or(DimOverflow)?;
            if sums.len() > 1000 {
                return Err(DimOverflow);
            }
        }
        Ok(Dim(sums.into_iter().filter(|(_, factor)| *factor != 0).collect()))
    }
}

fn monomial_product(left: &Monomial, right: &Monomial) -> Result<Monomial, DimOverflow> {
    let mut powers: BTreeMap<Name, u32> = left.iter().cloned().collect();
    for (name, power) in right {
        let sum = powers.entry(name.clone()).or_default();
        *sum = sum.checked_add(*power).ok_or(DimOverflow)?;
    }
    Ok(powers.into_iter().collect())
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Products of dims come before plain numbers, positive terms before negative ones:
        // `2 * H + 1`.
        let mut terms: Vec<_> = self.0.iter().collect();
        terms.sort_by_key(|(monomial, factor)| (*factor < 0, monomial.is_empty()));
        if terms.is_empty() {
            return f.write_str("0");
        }
        for (idx, (monomial, factor)) in terms.into_iter().enumerate() {
            match (idx, *factor < 0) {
                (0, false) => {}
                (0, true) => f.write_str("-")?,
                (_, false) => f.write_str(" + ")?,
                (_, true) => f.write_str(" - ")?,
            }
            let mut first = true;
            if factor.unsigned_abs() != 1 || monomial.is_empty() {
                write!(f, "{}", factor.unsigned_abs())?;
                first = false;
            }
            for (name, power) in monomial {
                if !first {
                    f.write_str(" * ")?;
                }
                first = false;
                f.write_str(name)?;
                if *power != 1 {
                    write!(f, " ^ {power}")?;
                }
            }
        }
        Ok(())
    }
}

/// The axes of a value, outermost first; none for a scalar.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Shape(pub Vec<Dim>);

impl Shape {
    /// Returns the shape of a scalar.
    pub fn scalar() -> Shape {
        Shape(Vec::new())
    }

    /// Returns the axes.
    pub fn axes(&self) -> &[Dim] {
        &self.0
    }

    /// Returns the number of elements.
    pub fn size(&self) -> Result<Dim, DimOverflow> {
        self.0.iter().try_fold(Dim::number(1), |product, axis| product.mul(axis))
    }

    /// Returns the number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (idx, axis) in self.0.iter().enumerate() {
            if idx > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{axis}")?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_polynomials_are_equal_and_print_alike() {
        let (h, i) = (Dim::symbol("H"), Dim::symbol("I"));
        let one = h.add(&i).unwrap().mul(&h).unwrap();
        let two = i.mul(&h).unwrap().add(&h.pow(2).unwrap()).unwrap();
        assert_eq!(one, two);
        assert_eq!(one.to_string(), "H * I + H ^ 2");
        let odd = h.mul(&Dim::number(2)).unwrap().sub(&Dim::number(1)).unwrap();
        assert_eq!(odd.to_string(), "2 * H - 1");
        assert_eq!(odd.eval(&|name| (name == "H").then_some(5)), Some(9));
        assert_eq!(h.sub(&h).unwrap(), Dim::number(0));
    }

    #[test]
    fn a_single_unknown_is_solved_for() {
        let h = Dim::symbol("H");
        let odd = h.mul(&Dim::number(2)).unwrap().add(&Dim::number(1)).unwrap();
        assert_eq!(odd.solve(9), Some(("H".into(), 4)));
        assert_eq!(odd.solve(8), None);
        assert_eq!(odd.solve(1), None);
        assert_eq!(h.pow(2).unwrap().solve(9), None);
    }

    #[test]
    fn the_least_value_is_known_where_no_dim_makes_it_smaller() {
        let (h, i) = (Dim::symbol("H"), Dim::symbol("I"));
        let product = h.mul(&i).unwrap().add(&Dim::number(3)).unwrap();
        assert_eq!(product.least(), Some(4));
        assert_eq!(h.sub(&Dim::number(1)).unwrap().least(), Some(0));
        assert_eq!(h.sub(&i).unwrap().least(), None);
        assert_eq!(h.mul(&h).unwrap().sub(&h).unwrap().least(), Some(0));
        assert_eq!(Dim::number(-2).least(), Some(-2));
    }

    #[test]
    fn sizes_that_overflow_are_noticed() {
        let h = Dim::symbol("H");
        assert_eq!(h.pow(3).unwrap().eval(&|_| Some(i64::MAX / 2)), None);
        assert!(Dim::number(i64::MAX).add(&Dim::number(1)).is_err());
        assert!(h.pow(1000).is_err());
    }
}
