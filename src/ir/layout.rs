//! Layouts: the arrangement of the params of a cell in the files of another framework.
//!
//! A layout is a list of stored tensors and of what each holds: params, turned, cut out and joined.
//! It only moves elements, so it can be read in both directions. Where several tensors or several
//! params are added, it is not one-to-one: the sum is known, its parts are not.

use serde::{Deserialize, Serialize};

use super::{Cell, Dim, Shape};
use crate::text::{Name, Span};

/// The arrangement of the params of a cell in the files of one framework.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Layout {
    /// The framework.
    pub name: Name,
    /// The stored tensors, in the order of the source.
    pub rows: Vec<Row>,
    /// The place of the declaration.
    pub span: Span,
}

/// One stored tensor, or several that are added, and what they hold.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The names in the file. Of several tensors the sum is read; it is written to the first, and
    /// zeros to the others.
    pub stored: Vec<String>,
    /// True if a file may lack these tensors; they then are zeros.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// The shape of each of these tensors.
    pub shape: Shape,
    /// The params that they hold, and in which order.
    pub value: Arrangement,
    /// The place of the row in the source.
    pub span: Span,
}

/// Elements of params in another order. Every variant can be undone, except for sums.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Arrangement {
    /// A param or stored const, by its position in the cell.
    Param(usize),
    /// Zeros that mean nothing.
    Zeros(Shape),
    /// Params that the cell only ever adds. Their sum is written; it is read into the first, and the
    /// others become 0.
    Sum(Vec<usize>),
    /// Parts joined along an axis that all have.
    Join(usize, Vec<Arrangement>),
    /// Parts of one shape along a new first axis.
    Stack(Vec<Arrangement>),
    /// The same elements, row-major, in another shape.
    Reshape(Shape, Box<Arrangement>),
    /// Axis `k` of the result is axis `order[k]` of the operand.
    Permute(Vec<usize>, Box<Arrangement>),
}

impl Layout {
    /// Returns the layout of the cell's own names: each tensor is a param.
    pub fn own(cell: &Cell) -> Layout {
        let rows = cell.params.iter().enumerate().map(|(idx, param)| Row {
            stored: vec![param.name.to_string()],
            optional: false,
            shape: param.shape.clone(),
            value: Arrangement::Param(idx),
            span: param.span,
        });
        Layout { name: Name::from(OWN), rows: rows.collect(), span: Span::default() }
    }

    /// Returns true if a layout of files determines the params, and the other way round.
    pub fn is_one_to_one(&self) -> bool {
        self.rows.iter().all(|it| !it.is_folded())
    }
}

/// The name of the layout of the cell's own names.
pub const OWN: &str = "own";

impl Row {
    /// Returns true if it holds a sum whose parts are lost.
    pub fn is_folded(&self) -> bool {
        self.stored.len() > 1 || !self.value.sums().is_empty()
    }

    /// Returns the params in it, in their order.
    pub fn params(&self) -> Vec<usize> {
        let mut params = Vec::new();
        self.value.each_leaf(&mut |it| match it {
            Arrangement::Param(param) => params.push(*param),
            Arrangement::Sum(all) => params.extend(all),
            Arrangement::Zeros(_)
            | Arrangement::Join(..)
            | Arrangement::Stack(_)
            | Arrangement::Reshape(..)
            | Arrangement::Permute(..) => {}
        });
        params
    }
}

impl Arrangement {
    /// Returns the shape; `None` for an arrangement that checking would have refused, which only a damaged artifact can hold.
    pub fn shape(&self, cell: &Cell) -> Option<Shape> {
        match self {
            Arrangement::Param(param) => Some(cell.params.get(*param)?.shape.clone()),
            Arrangement::Zeros(shape) | Arrangement::Reshape(shape, _) => Some(shape.clone()),
            Arrangement::Sum(params) => Some(cell.params.get(*params.first()?)?.shape.clone()),
            Arrangement::Join(axis, parts) => {
                let shapes: Option<Vec<Shape>> = parts.iter().map(|it| it.shape(cell)).collect();
                joined(*axis, &shapes?)
            }
            Arrangement::Stack(parts) => {
                let mut axes = vec![Dim::number(parts.len() as i64)];
                axes.extend(parts.first()?.shape(cell)?.0);
                Some(Shape(axes))
            }
            Arrangement::Permute(order, value) => {
                let shape = value.shape(cell)?;
                let axes = order.iter().map(|it| shape.axes().get(*it).cloned());
                Some(Shape(axes.collect::<Option<_>>()?))
            }
        }
    }

    /// Returns the sums in it.
    pub fn sums(&self) -> Vec<&[usize]> {
        let mut sums = Vec::new();
        self.each_leaf(&mut |it| {
            if let Arrangement::Sum(params) = it {
                sums.push(params.as_slice());
            }
        });
        sums
    }

    /// Everything in it that has no parts, in order.
    fn each_leaf<'a>(&'a self, see: &mut dyn FnMut(&'a Arrangement)) {
        match self {
            Arrangement::Param(_) | Arrangement::Zeros(_) | Arrangement::Sum(_) => see(self),
            Arrangement::Join(_, parts) | Arrangement::Stack(parts) => {
                parts.iter().for_each(|it| it.each_leaf(see));
            }
            Arrangement::Reshape(_, value) | Arrangement::Permute(_, value) => {
                value.each_leaf(see);
            }
        }
    }
}

/// Returns the shape of parts that are joined along an axis; the other axes are those of the first one. `None` where there is no
/// such axis or a size overflows.
pub fn joined(axis: usize, parts: &[Shape]) -> Option<Shape> {
    let mut shape = parts.first()?.clone();
    let mut along = Dim::number(0);
    for part in parts {
        along = along.add(part.axes().get(axis)?).ok()?;
    }
    *shape.0.get_mut(axis)? = along;
    Some(shape)
}
