//! Weights through a layout: stored tensors are taken apart into params and put together from them.
//!
//! Both directions only move elements, so they take any type, and nothing is rounded. Only a sum
//! computes: it adds on the way that it goes, and gives the whole and zeros on the way back.

use ndarray::{ArrayD, Axis, IxDyn, Slice, concatenate, stack};

use crate::ir::{Arrangement, Cell, Env, Real, Row, Shape};

/// Why a stored tensor cannot be taken apart.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum LayoutError {
    /// The shape is not that of the row.
    #[error("the shape {found:?} is not {expected:?}")]
    Shape {
        /// The shape that was given.
        found: Vec<usize>,
        /// The shape that the sizes ask for.
        expected: Vec<usize>,
    },
    /// Something stands where the layout has zeros.
    #[error("{value:?} stands at {place:?}, where the layout has zeros")]
    NotZero {
        /// The first value that is not 0.
        value: f64,
        /// Where it stands in the stored tensor.
        place: Vec<usize>,
    },
    /// The arrangement is none, or a size is not known.
    #[error("the layout does not fit these sizes")]
    NoArrangement,
}

/// The sizes of a shape.
pub fn concrete(shape: &Shape, env: &Env) -> Result<Vec<usize>, LayoutError> {
    let size = |it| env.size(it).and_then(|size| usize::try_from(size).ok());
    let sizes: Option<Vec<usize>> = shape.axes().iter().map(size).collect();
    sizes.ok_or(LayoutError::NoArrangement)
}

/// Takes a stored tensor apart: gives each of the row's params its elements.
pub fn take_apart<F: Real>(
    cell: &Cell,
    env: &Env,
    row: &Row,
    stored: ArrayD<F>,
    give: &mut dyn FnMut(usize, ArrayD<F>),
) -> Result<(), LayoutError> {
    let expected = concrete(&row.shape, env)?;
    if stored.shape() != expected {
        return Err(LayoutError::Shape { found: stored.shape().to_vec(), expected });
    }
    let sizes = Sizes { cell, env };
    let mut wrong = None;
    sizes.leaves(&row.value, stored, &mut |leaf, part| match leaf {
        Leaf::Param(param) => give(param, part),
        Leaf::Zeros(number) => {
            let found = part.iter().enumerate().find(|it| *it.1 != F::zero());
            if let (None, Some((at, value))) = (wrong, found) {
                wrong = Some((number, at, Real::to_f64(*value)));
            }
        }
        Leaf::Rest(param) => give(param, ArrayD::zeros(part.raw_dim())),
    })?;
    let Some((number, at, value)) = wrong else { return Ok(()) };
    // The same way is gone once more with the number of each element, which tells where it came from.
    let count = expected.iter().product();
    let numbers = ArrayD::from_shape_vec(IxDyn(&expected), (0..count).collect::<Vec<usize>>());
    let mut place = Vec::new();
    sizes.leaves(
        &row.value,
        numbers.map_err(|_| LayoutError::NoArrangement)?,
        &mut |leaf, part| {
            if leaf == Leaf::Zeros(number) {
                let mut rest = part.iter().nth(at).copied().unwrap_or(0);
                place.clone_from(&expected);
                for (index, size) in place.iter_mut().zip(&expected).rev() {
                    *index = rest % size;
                    rest /= size;
                }
            }
        },
    )?;
    Err(LayoutError::NotZero { value, place })
}

/// What has no parts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaf {
    Param(usize),
    /// Which of the row's zeros.
    Zeros(usize),
    /// A param that was added to the one before.
    Rest(usize),
}

struct Sizes<'a> {
    cell: &'a Cell,
    env: &'a Env,
}

impl Sizes<'_> {
    /// Cuts an array into the leaves of an arrangement that it has the shape of.
    fn leaves<T: Clone>(
        &self,
        value: &Arrangement,
        array: ArrayD<T>,
        see: &mut dyn FnMut(Leaf, ArrayD<T>),
    ) -> Result<(), LayoutError> {
        let mut zeros = 0;
        self.cut(value, array, &mut zeros, see)
    }

    fn cut<T: Clone>(
        &self,
        value: &Arrangement,
        array: ArrayD<T>,
        zeros: &mut usize,
        see: &mut dyn FnMut(Leaf, ArrayD<T>),
    ) -> Result<(), LayoutError> {
        match value {
            Arrangement::Param(param) => see(Leaf::Param(*param), array),
            Arrangement::Zeros(_) => {
                see(Leaf::Zeros(*zeros), array);
                *zeros += 1;
            }
            Arrangement::Sum(params) => {
                for param in params.iter().skip(1) {
                    see(Leaf::Rest(*param), array.clone());
                }
                let first = params.first().ok_or(LayoutError::NoArrangement)?;
                see(Leaf::Param(*first), array);
            }
            Arrangement::Join(axis, parts) => {
                let mut from = 0;
                for part in parts {
                    let size = *self.sizes(part)?.get(*axis).ok_or(LayoutError::NoArrangement)?;
                    let to = from + size;
                    let cut = array.slice_axis(Axis(*axis), Slice::from(from..to)).to_owned();
                    self.cut(part, cut, zeros, see)?;
                    from = to;
                }
            }
            Arrangement::Stack(parts) => {
                for (part, array) in parts.iter().zip(array.outer_iter()) {
                    self.cut(part, array.to_owned(), zeros, see)?;
                }
            }
            Arrangement::Reshape(_, inner) => {
                self.cut(inner, reshaped(array, &self.sizes(inner)?)?, zeros, see)?;
            }
            Arrangement::Permute(order, inner) => {
                // Axis `order[k]` of the operand is axis `k` here.
                let mut back = vec![0; order.len()];
                for (to, from) in order.iter().enumerate() {
                    *back.get_mut(*from).ok_or(LayoutError::NoArrangement)? = to;
                }
                let array = array.permuted_axes(IxDyn(&back));
                self.cut(inner, array.as_standard_layout().into_owned(), zeros, see)?;
            }
        }
        Ok(())
    }

    fn sizes(&self, value: &Arrangement) -> Result<Vec<usize>, LayoutError> {
        concrete(&value.shape(self.cell).ok_or(LayoutError::NoArrangement)?, self.env)
    }
}

/// Puts a stored tensor together from the params of a cell.
pub fn put_together<F: Real>(
    env: &Env,
    value: &Arrangement,
    params: &[ArrayD<F>],
) -> Result<ArrayD<F>, LayoutError> {
    let parts = |parts: &[Arrangement]| -> Result<Vec<ArrayD<F>>, LayoutError> {
        parts.iter().map(|it| put_together(env, it, params)).collect()
    };
    let param = |it: &usize| params.get(*it).ok_or(LayoutError::NoArrangement);
    match value {
        Arrangement::Param(it) => param(it).cloned(),
        Arrangement::Zeros(shape) => Ok(ArrayD::zeros(concrete(shape, env)?)),
        Arrangement::Sum(all) => {
            let mut sum = param(all.first().ok_or(LayoutError::NoArrangement)?)?.clone();
            for it in &all[1..] {
                let other = param(it)?;
                if other.shape() != sum.shape() {
                    return Err(LayoutError::NoArrangement);
                }
                sum.zip_mut_with(other, |a, b| *a += *b);
            }
            Ok(sum)
        }
        Arrangement::Join(axis, all) => {
            let parts = parts(all)?;
            let views: Vec<_> = parts.iter().map(|it| it.view()).collect();
            concatenate(Axis(*axis), &views).map_err(|_| LayoutError::NoArrangement)
        }
        Arrangement::Stack(all) => {
            let parts = parts(all)?;
            let views: Vec<_> = parts.iter().map(|it| it.view()).collect();
            stack(Axis(0), &views).map_err(|_| LayoutError::NoArrangement)
        }
        Arrangement::Reshape(shape, inner) => {
            reshaped(put_together(env, inner, params)?, &concrete(shape, env)?)
        }
        Arrangement::Permute(order, inner) => {
            let array = put_together(env, inner, params)?.permuted_axes(IxDyn(order));
            Ok(array.as_standard_layout().into_owned())
        }
    }
}

fn reshaped<T: Clone>(array: ArrayD<T>, shape: &[usize]) -> Result<ArrayD<T>, LayoutError> {
    let array = array.as_standard_layout().into_owned();
    array.into_shape_with_order(IxDyn(shape)).map_err(|_| LayoutError::NoArrangement)
}
