//! The layouts of inner cells, for the params that their layers have in the outer cell.

use super::splice::{Element, Fit, Splice, TooLarge};
use super::{Inner, Ready};
use crate::ir::{Arrangement, Layout, Row};
use crate::text::{Name, Span};

/// Adds the tensors of layers to the layouts of a cell, under the names of the layers. A cell without params of its own has
/// each layout that one of its layers has; what a layer has no layout for is stored under its own names.
pub(in crate::check) fn extend<'e>(
    layouts: &mut Vec<Layout>,
    has_own: bool,
    elements: impl Iterator<Item = (&'e Ready<'e>, &'e Element)>,
    span: Span,
) -> Result<(), TooLarge> {
    let elements: Vec<_> = elements.collect();
    if !has_own {
        for (ready, _) in &elements {
            for layout in &ready.inner.cell.layouts {
                if !layouts.iter().any(|it| it.name == layout.name) {
                    let (name, rows) = (layout.name.clone(), Vec::new());
                    layouts.push(Layout { name, rows, span });
                }
            }
        }
    }
    for layout in layouts {
        for (ready, element) in &elements {
            layout.rows.extend(rows(&layout.name, &ready.inner, element)?);
        }
    }
    Ok(())
}

fn rows(layout: &Name, inner: &Inner, element: &Element) -> Fit<Vec<Row>> {
    let splice = Splice { element };
    let layout = inner.cell.layout(layout).unwrap_or_else(|| Layout::own(&inner.cell));
    let rows = layout.rows.iter().map(|row| {
        let stored = row.stored.iter().map(|it| element.name(it).to_string());
        Ok(Row {
            stored: stored.collect(),
            optional: row.optional,
            shape: splice.shape(&row.shape)?,
            value: arrangement(&row.value, &splice)?,
            span: row.span,
        })
    });
    rows.collect()
}

/// Nesting is bounded by the parser.
fn arrangement(value: &Arrangement, splice: &Splice<'_>) -> Fit<Arrangement> {
    let params = &splice.element.params;
    let all = |parts: &[Arrangement]| -> Fit<Vec<Arrangement>> {
        parts.iter().map(|it| arrangement(it, splice)).collect()
    };
    Ok(match value {
        Arrangement::Param(param) => Arrangement::Param(params[*param]),
        Arrangement::Zeros(shape) => Arrangement::Zeros(splice.shape(shape)?),
        Arrangement::Sum(list) => Arrangement::Sum(list.iter().map(|it| params[*it]).collect()),
        Arrangement::Join(axis, parts) => Arrangement::Join(*axis, all(parts)?),
        Arrangement::Stack(parts) => Arrangement::Stack(all(parts)?),
        Arrangement::Reshape(shape, of) => {
            Arrangement::Reshape(splice.shape(shape)?, Box::new(arrangement(of, splice)?))
        }
        Arrangement::Permute(order, of) => {
            Arrangement::Permute(order.clone(), Box::new(arrangement(of, splice)?))
        }
    })
}
