//! The threads of engines.
//!
//! A forked process has none of the threads of its parent: what they were is forgotten there, and made anew when
//! somebody computes. Engines of Python live in such processes, where workers of a data loader are forked.

use std::process;
use std::sync::{Arc, OnceLock};

use super::kernels::Team as Threads;

/// Threads that several engines may have in common: one engine at a time computes with all of them, others meanwhile
/// with the thread of their caller alone. Results do not depend on it.
///
/// ```
/// use rnnc::{EngineOptions, exec::Team};
///
/// let team = Team::new(2);
/// let mut options = EngineOptions::default();
/// options.team = Some(team.clone());
/// assert_eq!(team.parts(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct Team(Arc<Own>);

#[derive(Debug)]
struct Own {
    asked: usize,
    /// Those of the process that made them, and behind them those of its children.
    first: OnceLock<Box<Made>>,
}

#[derive(Debug)]
struct Made {
    process: u32,
    /// Left as it is in another process, where its threads are not.
    threads: Option<Threads>,
    next: OnceLock<Box<Made>>,
}

impl Team {
    /// Returns a team of `threads` threads, that of the caller among them; 0 is for as many as the processor runs at once. They
    /// begin when something is first computed.
    pub fn new(threads: usize) -> Team {
        Team(Arc::new(Own { asked: Threads::threads(threads), first: OnceLock::new() }))
    }

    /// Returns how many threads share a piece of work; fewer than were asked for where the system gives no more.
    pub fn parts(&self) -> usize {
        self.threads().parts()
    }

    /// Returns the threads of this process.
    pub(super) fn threads(&self) -> &Threads {
        let process = process::id();
        let make = || {
            let threads = Some(Threads::new(self.0.asked));
            Box::new(Made { process, threads, next: OnceLock::new() })
        };
        let mut made = self.0.first.get_or_init(make);
        loop {
            match &made.threads {
                Some(threads) if made.process == process => return threads,
                Some(_) | None => made = made.next.get_or_init(make),
            }
        }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.process != process::id() {
            std::mem::forget(self.threads.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A child process has threads that another process made.
    #[test]
    fn threads_of_another_process_are_neither_used_nor_joined() {
        let team = Team::new(2);
        let others = Box::new(Made {
            process: process::id().wrapping_add(1),
            threads: Some(Threads::new(2)),
            next: OnceLock::new(),
        });
        let theirs: *const Threads = others.threads.as_ref().unwrap();
        team.0.first.set(others).unwrap();
        let own: *const Threads = team.threads();
        assert_ne!(own, theirs);
        assert_eq!(own, std::ptr::from_ref(team.threads()));
        assert_eq!(team.parts(), 2);
        drop(team);
    }
}
