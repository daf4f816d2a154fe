//! From names to positions.

use crate::api::Error;
use crate::diag::Code;
use crate::ir::Cell;
use crate::text::Name;

/// The kinds of names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Of {
    Input,
    State,
    Param,
    Output,
}

impl Of {
    fn word(self) -> &'static str {
        match self {
            Of::Input => "input",
            Of::State => "state",
            Of::Param => "param",
            Of::Output => "output",
        }
    }

    pub fn names(self, cell: &Cell) -> Vec<&Name> {
        match self {
            Of::Input => cell.inputs.iter().map(|it| &it.name).collect(),
            Of::State => cell.carries.iter().map(|it| &it.name).collect(),
            Of::Param => cell.params.iter().map(|it| &it.name).collect(),
            Of::Output => cell.outputs.iter().map(|it| &it.name).collect(),
        }
    }

    /// The place of a name. Without one it is the main output, or the only one of its kind.
    pub fn place(self, cell: &Cell, name: Option<&str>) -> Result<usize, Error> {
        let names = self.names(cell);
        let found = match name {
            Some(name) => names.iter().position(|it| &***it == name),
            None => (names.len() == 1 || self == Of::Output && !names.is_empty()).then_some(0),
        };
        found.ok_or_else(|| unknown(cell, self.word(), name, names.into_iter()))
    }
}

/// There is no such thing in a cell.
pub(super) fn unknown<'n>(
    cell: &Cell,
    what: &str,
    name: Option<&str>,
    known: impl Iterator<Item = &'n Name>,
) -> Error {
    let known: Vec<String> = known.map(|it| format!("`{it}`")).collect();
    let has = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let cell = &cell.name;
    let message = match name {
        Some(name) => format!("cell `{cell}` has no {what} `{name}`; it has {has}"),
        None => format!("which {what} of cell `{cell}`? It has {has}"),
    };
    Error::fit(Code::BadSetting, message)
}
