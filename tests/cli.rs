//! The built binary, as people and scripts call it: what it prints, which files it writes, with
//! which code it ends.

#[path = "support/archives.rs"]
mod archives;
#[path = "cli/artifacts.rs"]
mod artifacts;
#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/exports.rs"]
mod exports;
#[path = "cli/failures.rs"]
mod failures;
#[path = "cli/help.rs"]
mod help;
#[path = "cli/memory.rs"]
mod memory;
#[path = "cli/models.rs"]
mod models;
#[path = "cli/numbers.rs"]
mod numbers;
#[path = "cli/outputs.rs"]
mod outputs;
#[path = "cli/readings.rs"]
mod readings;
#[path = "cli/scratch.rs"]
mod scratch;
#[path = "cli/sessions.rs"]
mod sessions;
#[path = "cli/tasks.rs"]
mod tasks;
#[path = "cli/training.rs"]
mod training;
#[path = "cli/training_data.rs"]
mod training_data;
#[path = "cli/weights.rs"]
mod weights;
