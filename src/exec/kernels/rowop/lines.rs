//! A value as lines of elements along some axes, one for each position of the other axes.

use super::{strides, table};

/// Groups the elements of a row into lines. Either the lines are contiguous, at least in parts, or neighbouring lines lie side by
/// side, and as many of them as a vector holds are taken at once.
#[derive(Clone, Debug)]
pub(in crate::exec::kernels) struct Lines {
    pub form: Form,
    /// The number of contiguous elements: along a line, or of neighbouring lines.
    pub n: usize,
    /// The offsets of lines, or of groups of neighbouring lines. Their results have the same order.
    pub starts: Vec<usize>,
    /// The offsets of its elements, or its contiguous parts, along a line.
    pub along: Vec<usize>,
}

/// Says which elements are contiguous.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::exec::kernels) enum Form {
    /// The elements of a line.
    Along,
    /// The lines.
    Across,
}

impl Lines {
    pub fn new(shape: &[usize], axes: &[usize]) -> Lines {
        let mut starts: Vec<(usize, [usize; 1])> = Vec::new();
        let mut along = Vec::new();
        let mut form = Form::Along;
        for (axis, (n, stride)) in shape.iter().zip(strides(shape)).enumerate() {
            // An axis of size 1 changes nothing, but for which axis is contiguous.
            if *n == 1 {
                continue;
            }
            let is_along = axes.contains(&axis);
            let loops = if is_along { &mut along } else { &mut starts };
            form = if is_along { Form::Along } else { Form::Across };
            match loops.last_mut() {
                Some((outer, [step])) if *step == n * stride => {
                    *outer *= n;
                    *step = stride;
                }
                Some(_) | None => loops.push((*n, [stride])),
            }
        }
        let contiguous = match form {
            Form::Along => along.pop(),
            Form::Across => starts.pop(),
        };
        let flat =
            |loops: &[(usize, [usize; 1])]| table(loops).into_iter().map(|[it]| it).collect();
        let n = contiguous.map_or(1, |it| it.0);
        Lines { form, n, starts: flat(&starts), along: flat(&along) }
    }

    /// Returns true if a line has no elements.
    pub fn is_empty_along(&self) -> bool {
        self.along.is_empty() || (self.form == Form::Along && self.n == 0)
    }

    /// Returns the number of lines.
    pub fn count(&self) -> usize {
        match self.form {
            Form::Along => self.starts.len(),
            Form::Across => self.starts.len() * self.n,
        }
    }
}
