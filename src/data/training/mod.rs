//! The files of a training: checkpoints that survive a kill at any moment, the log, the lock, events for TensorBoard.
//!
//! A checkpoint is written under a temporary name, forced to the disk and renamed; only then older ones go. So at any moment the
//! newest file whose length and checksum are right is a checkpoint, and the log is at least as long as it says. What a kill
//! leaves behind is a temporary file, which the next start removes, and lines of the log beyond the checkpoint, which it cuts.

mod checkpoint;
mod events;
mod files;
mod log;

pub use checkpoint::{
    FOLDER, Found, checksum_of, list, newest, read, save, save_best, seal, sweep,
};
pub use events::Events;
pub use files::{Disk, Files, Lock};
pub use log::{Log, cut_log};

#[cfg(test)]
mod tests;
