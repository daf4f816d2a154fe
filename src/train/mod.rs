//! Learning: what models are trained on. No files, no printing, no clock, no threads of its own.

pub mod tasks;
