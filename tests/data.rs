//! Array files: hostile ones never panic and never take more memory than they may, sound ones read
//! as what was written.

#[path = "data/allocation.rs"]
mod allocation;
#[path = "support/archives.rs"]
mod archives;
#[path = "data/csv.rs"]
mod csv;
#[path = "data/files.rs"]
mod files;
#[path = "data/hostile.rs"]
mod hostile;
#[path = "data/npy.rs"]
mod npy;
#[path = "data/safetensors.rs"]
mod safetensors;
#[path = "data/archives.rs"]
mod several;
#[path = "data/tables.rs"]
mod tables;
