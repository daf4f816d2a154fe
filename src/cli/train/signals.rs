//! Signals that ask a training to end: the first one is seen after the update, the second one ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The signals that came so far.
pub struct Signals(Arc<AtomicUsize>);

impl Signals {
    /// Listens from now on. Where a system gives no such signals, none comes.
    pub fn new() -> Signals {
        let seen = Arc::new(AtomicUsize::new(0));
        let again = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The order is the order in which they are done: the first signal arms the end that the second one makes.
            let _ = flag::register_conditional_shutdown(signal, 128 + signal, again.clone());
            let _ = flag::register(signal, again.clone());
            let _ = flag::register_usize(signal, seen.clone(), signal as usize);
        }
        Signals(seen)
    }

    /// Returns the exit code of the signal that came.
    pub fn code(&self) -> Option<u8> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(128 + signal as u8),
        }
    }
}
