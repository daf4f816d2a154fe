//! Weights through a layout: stored tensors are taken apart into params and put together from them.
//!
//! Both directions only move elements, so they take any type, and nothing is rounded. Only a sum
//! computes: it adds on the way that it goes, and gives the whole and zeros on the way back. Views are cut and
//! filled, so that an element is copied once.

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Axis, IxDyn, Slice};

use crate::ir::{Arrangement, Cell, Env, Real, Row, Shape};

/// The reasons for which a stored tensor cannot be taken apart.
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
    /// Something is where the layout has zeros.
    #[error("{value:?} stands at {place:?}, where the layout has zeros")]
    NotZero {
        /// The first value that is not 0.
        value: f64,
        /// The position in the stored tensor.
        place: Vec<usize>,
    },
    /// The arrangement is none, or a size is not known.
    #[error("the layout does not fit these sizes")]
    NoArrangement,
}

/// Returns the sizes of a shape.
pub fn concrete(shape: &Shape, env: &Env) -> Result<Vec<usize>, LayoutError> {
    let size = |it| env.size(it).and_then(|size| usize::try_from(size).ok());
    let sizes: Option<Vec<usize>> = shape.axes().iter().map(size).collect();
    sizes.ok_or(LayoutError::NoArrangement)
}

/// Takes a stored tensor apart: gives each of the row's params its elements, where they are.
///
/// # Errors
///
/// Fails where the tensor has another shape than the row, or something is where the layout has zeros.
pub fn take_apart<F: Real>(
    cell: &Cell,
    env: &Env,
    row: &Row,
    stored: ArrayViewD<'_, F>,
    give: &mut dyn FnMut(usize, ArrayViewD<'_, F>),
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
        Leaf::Rest(param) => give(param, ArrayD::zeros(part.raw_dim()).view()),
    })?;
    let Some((number, at, value)) = wrong else { return Ok(()) };
    // The same way is gone once more with the number of each element, which tells where it came from.
    let count = expected.iter().product();
    let numbers = ArrayD::from_shape_vec(IxDyn(&expected), (0..count).collect::<Vec<usize>>());
    let numbers = numbers.map_err(|_| LayoutError::NoArrangement)?;
    let mut place = Vec::new();
    sizes.leaves(&row.value, numbers.view(), &mut |leaf, part| {
        if leaf == Leaf::Zeros(number) {
            let mut rest = part.iter().nth(at).copied().unwrap_or(0);
            place.clone_from(&expected);
            for (index, size) in place.iter_mut().zip(&expected).rev() {
                *index = rest % size;
                rest /= size;
            }
        }
    })?;
    Err(LayoutError::NotZero { value, place })
}

/// A tensor without parts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaf {
    Param(usize),
    /// One of the row's blocks of zeros.
    Zeros(usize),
    /// A param that was added to the one before.
    Rest(usize),
}

struct Sizes<'a> {
    cell: &'a Cell,
    env: &'a Env,
}

/// Takes a leaf and its part of an array.
type See<'s, T> = dyn FnMut(Leaf, ArrayViewD<'_, T>) + 's;

impl Sizes<'_> {
    /// Cuts an array into the leaves of an arrangement that it has the shape of.
    fn leaves<T: Clone>(
        &self,
        value: &Arrangement,
        array: ArrayViewD<'_, T>,
        see: &mut See<'_, T>,
    ) -> Result<(), LayoutError> {
        let mut zeros = 0;
        self.cut(value, array, &mut zeros, see)
    }

    fn cut<T: Clone>(
        &self,
        value: &Arrangement,
        array: ArrayViewD<'_, T>,
        zeros: &mut usize,
        see: &mut See<'_, T>,
    ) -> Result<(), LayoutError> {
        match value {
            Arrangement::Param(param) => see(Leaf::Param(*param), array),
            Arrangement::Zeros(_) => {
                see(Leaf::Zeros(*zeros), array);
                *zeros += 1;
            }
            Arrangement::Sum(params) => {
                for param in params.iter().skip(1) {
                    see(Leaf::Rest(*param), array.view());
                }
                let first = params.first().ok_or(LayoutError::NoArrangement)?;
                see(Leaf::Param(*first), array);
            }
            Arrangement::Join(axis, parts) => {
                let mut from = 0;
                for part in parts {
                    let size = *self.sizes(part)?.get(*axis).ok_or(LayoutError::NoArrangement)?;
                    let to = from + size;
                    let cut = array.slice_axis(Axis(*axis), Slice::from(from..to));
                    self.cut(part, cut, zeros, see)?;
                    from = to;
                }
            }
            Arrangement::Stack(parts) => {
                for (part, array) in parts.iter().zip(array.outer_iter()) {
                    self.cut(part, array, zeros, see)?;
                }
            }
            Arrangement::Reshape(_, inner) => {
                let sizes = self.sizes(inner)?;
                let whole =
                    array.to_shape(IxDyn(&sizes)).map_err(|_| LayoutError::NoArrangement)?;
                self.cut(inner, whole.view(), zeros, see)?;
            }
            Arrangement::Permute(order, inner) => {
                self.cut(inner, array.permuted_axes(IxDyn(&back(order)?)), zeros, see)?;
            }
        }
        Ok(())
    }

    fn sizes(&self, value: &Arrangement) -> Result<Vec<usize>, LayoutError> {
        concrete(&value.shape(self.cell).ok_or(LayoutError::NoArrangement)?, self.env)
    }
}

/// Returns the order that undoes one: axis `order[k]` of the operand is axis `k` of the result.
fn back(order: &[usize]) -> Result<Vec<usize>, LayoutError> {
    let mut back = vec![0; order.len()];
    for (to, from) in order.iter().enumerate() {
        *back.get_mut(*from).ok_or(LayoutError::NoArrangement)? = to;
    }
    Ok(back)
}

/// Puts the stored tensor of a row together from the params of a cell.
///
/// # Errors
///
/// Fails where the params have not the shapes of the cell's.
pub fn put_together<F: Real>(
    env: &Env,
    row: &Row,
    params: &[ArrayViewD<'_, F>],
) -> Result<ArrayD<F>, LayoutError> {
    let shapes = params.iter().map(|it| it.shape().to_vec()).collect();
    let arrays = params.iter().map(|it| Some(it.view())).collect();
    Put { env, shapes, arrays, adds: true }.whole(row)
}

/// Puts the gradient of the stored tensor of a row together from those of params; one that is none is 0. What was read
/// into a param has its gradient: of a sum that is the first param, for the others became 0.
///
/// # Errors
///
/// Fails where the gradients have not the shapes of the cell's params.
pub fn gradient<F: Real>(
    cell: &Cell,
    env: &Env,
    row: &Row,
    gradients: &[Option<ArrayViewD<'_, F>>],
) -> Result<ArrayD<F>, LayoutError> {
    let shapes = cell.params.iter().map(|it| concrete(&it.shape, env));
    let shapes = shapes.collect::<Result<_, _>>()?;
    let arrays = gradients.iter().map(|it| it.as_ref().map(|it| it.view())).collect();
    Put { env, shapes, arrays, adds: false }.whole(row)
}

/// The parts of a tensor.
struct Put<'a, F> {
    env: &'a Env,
    /// The shape of each param.
    shapes: Vec<Vec<usize>>,
    /// The elements of each; none is 0.
    arrays: Vec<Option<ArrayViewD<'a, F>>>,
    /// True if a sum is that of its params; else it is the first one.
    adds: bool,
}

impl<F: Real> Put<'_, F> {
    fn whole(&self, row: &Row) -> Result<ArrayD<F>, LayoutError> {
        let mut whole = ArrayD::zeros(concrete(&row.shape, self.env)?);
        self.put(&row.value, whole.view_mut())?;
        Ok(whole)
    }

    /// Writes an arrangement to zeros.
    fn put(&self, value: &Arrangement, mut to: ArrayViewMutD<'_, F>) -> Result<(), LayoutError> {
        match value {
            Arrangement::Param(param) => self.add(*param, &mut to),
            Arrangement::Zeros(_) => Ok(()),
            Arrangement::Sum(all) => {
                let taken = if self.adds { all.len() } else { 1 };
                all.iter().take(taken).try_for_each(|it| self.add(*it, &mut to))
            }
            Arrangement::Join(axis, parts) => {
                let mut from = 0;
                for part in parts {
                    let size = *self.shape(part)?.get(*axis).ok_or(LayoutError::NoArrangement)?;
                    if to.shape().get(*axis).is_none_or(|it| from + size > *it) {
                        return Err(LayoutError::NoArrangement);
                    }
                    let slice = Slice::from(from..from + size);
                    self.put(part, to.slice_axis_mut(Axis(*axis), slice))?;
                    from += size;
                }
                Ok(())
            }
            Arrangement::Stack(parts) => {
                parts.iter().zip(to.outer_iter_mut()).try_for_each(|(it, to)| self.put(it, to))
            }
            Arrangement::Reshape(_, inner) => {
                let mut own = ArrayD::zeros(self.shape(inner)?);
                self.put(inner, own.view_mut())?;
                let own = own.into_shape_with_order(to.raw_dim());
                to.assign(&own.map_err(|_| LayoutError::NoArrangement)?);
                Ok(())
            }
            Arrangement::Permute(order, inner) => {
                let order = back(order)?;
                if order.len() != to.ndim() {
                    return Err(LayoutError::NoArrangement);
                }
                self.put(inner, to.permuted_axes(IxDyn(&order)))
            }
        }
    }

    fn add(&self, param: usize, to: &mut ArrayViewMutD<'_, F>) -> Result<(), LayoutError> {
        match self.arrays.get(param) {
            None => Err(LayoutError::NoArrangement),
            Some(Some(array)) if array.shape() != to.shape() => Err(LayoutError::NoArrangement),
            Some(Some(array)) => {
                to.zip_mut_with(array, |to, from| *to += *from);
                Ok(())
            }
            Some(None) => Ok(()),
        }
    }

    fn shape(&self, value: &Arrangement) -> Result<Vec<usize>, LayoutError> {
        let none = LayoutError::NoArrangement;
        match value {
            Arrangement::Param(param) => self.shapes.get(*param).cloned().ok_or(none),
            Arrangement::Zeros(shape) | Arrangement::Reshape(shape, _) => concrete(shape, self.env),
            Arrangement::Sum(all) => {
                let first = all.first().and_then(|it| self.shapes.get(*it));
                first.cloned().ok_or(none)
            }
            Arrangement::Join(axis, parts) => {
                let mut shapes = parts.iter().map(|it| self.shape(it));
                let mut whole = shapes.next().ok_or(none)??;
                for part in shapes {
                    let size = part?.get(*axis).copied().ok_or(LayoutError::NoArrangement)?;
                    *whole.get_mut(*axis).ok_or(LayoutError::NoArrangement)? += size;
                }
                Ok(whole)
            }
            Arrangement::Stack(parts) => {
                let first = self.shape(parts.first().ok_or(none)?)?;
                Ok([&[parts.len()], &first[..]].concat())
            }
            Arrangement::Permute(order, inner) => {
                let inner = self.shape(inner)?;
                let axes = order.iter().map(|it| inner.get(*it).copied());
                axes.collect::<Option<_>>().ok_or(none)
            }
        }
    }
}
