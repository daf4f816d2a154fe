//! Answers that would be told before they are asked for.

use super::error::Error;
use crate::ir::Cell;
use crate::text::Name;

/// Refuses a column that is input and target of the same row, unless `ahead` was given: then it is meant.
pub fn check_columns(inputs: &[Name], targets: &[Name], ahead: Option<usize>) -> Result<(), Error> {
    match inputs.iter().find(|it| targets.contains(it)) {
        Some(column) if ahead.is_none() => Err(Error::Leak(format!(
            "column `{column}` is input and target of the same row, so the model is told the answer: `--ahead 1` for the next row, \
             `--ahead 0` if this is meant"
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Refuses a teacher that would be a row which is not known at its step.
pub fn check_teachers(cell: &Cell, ahead: usize) -> Result<(), Error> {
    match cell.carries.iter().find(|it| it.teacher.is_some()) {
        Some(taught) if ahead >= 2 => Err(Error::Leak(format!(
            "with `--ahead {ahead}` the teacher of `{}` would be a row that is not known yet",
            taught.name
        ))),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_on_both_sides_is_refused_unless_ahead_was_said() {
        let of = |names: &[&str]| names.iter().map(|it| Name::from(*it)).collect::<Vec<_>>();
        let (inputs, targets) = (of(&["time", "temp"]), of(&["temp"]));
        let fault = check_columns(&inputs, &targets, None).unwrap_err().to_string();
        assert!(
            fault.contains("`temp`") && fault.contains("--ahead 1") && fault.contains("--ahead 0")
        );
        assert_eq!(check_columns(&inputs, &targets, Some(0)), Ok(()));
        assert_eq!(check_columns(&of(&["time"]), &targets, None), Ok(()));
    }
}
