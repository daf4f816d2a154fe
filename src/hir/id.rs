//! Ids of what the resolved tree holds.

use crate::text::id::ids;

ids! {
    /// A cell or model of the program.
    CellId,
    /// An `fn` or `activation` of the program.
    FunctionId,
    /// A name that a cell defines.
    DefId,
    /// A parameter, or what a loop binds.
    LocalId,
    /// A group of a cell: names with one type.
    GroupId,
    /// An equation of a cell.
    EquationId,
    /// A layer of a cell.
    LayerId,
    /// An expression of the program.
    ExprId,
}
