//! Trainings of models: against PyTorch, by hand, resumed, and what others got wrong.

#[path = "training/by_hand.rs"]
mod by_hand;
#[path = "training/curves.rs"]
mod curves;
#[path = "training/losses.rs"]
mod losses;
#[path = "training/models.rs"]
mod models;
#[path = "training/resume.rs"]
mod resume;
#[path = "training/traps.rs"]
mod traps;
