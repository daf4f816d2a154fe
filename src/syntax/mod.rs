//! Text to tree and back: the pest grammar, the messages for what does not parse, the printer.

pub mod ast;
