//! Threads that work on parts of one piece of work, for as long as a call runs.
//!
//! They wait in a loop for the next piece, since what is done in a step of a cell is shorter than
//! what it takes to wake a thread, and give way to others when none comes.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The work of which each thread does a part, by its number.
type Work<'w> = &'w (dyn Fn(usize) + Sync);

/// Threads that wait for work, and the one that hands it out.
#[derive(Default)]
pub struct Team {
    /// How many there are beside the one that hands out work.
    helpers: usize,
    /// Whether somebody hands out work: one at a time.
    busy: AtomicBool,
    /// The piece of work that is done now. It lives as long as `run` waits.
    work: Mutex<Option<Work<'static>>>,
    /// How many pieces were handed out.
    round: AtomicUsize,
    /// How many parts of this piece are not done.
    open: AtomicUsize,
    /// Whether a part of this piece panicked.
    failed: AtomicBool,
    over: AtomicBool,
}

/// How often a thread looks for work before it lets others run.
const LOOKS: u32 = 2000;

impl Team {
    /// The threads that a number asks for: 0 for as many as the processor runs at once.
    pub fn threads(asked: usize) -> usize {
        if asked > 0 { asked } else { thread::available_parallelism().map_or(1, NonZero::get) }
    }

    /// Runs `call` with a team of so many threads, which end with it. Where the system gives no more
    /// threads there are fewer: results do not depend on how many there are.
    pub fn with<T>(threads: usize, call: impl FnOnce(&Team) -> T) -> T {
        let mut team = Team::default();
        if threads <= 1 {
            return call(&team);
        }
        // Helpers are counted before they start; one that did not start does its part here.
        team.helpers = threads - 1;
        let team = team;
        thread::scope(|scope| {
            let over = Over(&team);
            let start = |part: usize| {
                let team = &team;
                thread::Builder::new().spawn_scoped(scope, move || team.help(part)).is_ok()
            };
            let result = if (1..threads).all(start) { call(&team) } else { call(&Team::default()) };
            drop(over);
            result
        })
    }

    /// How many parts a piece of work has at most.
    pub fn parts(&self) -> usize {
        self.helpers + 1
    }

    /// Does all parts of a piece of work, `work(0)` to `work(parts - 1)`, each in a thread.
    pub fn run(&self, work: Work<'_>) {
        let alone = self.helpers == 0 || self.busy.swap(true, Ordering::Acquire);
        if alone {
            (0..self.parts()).for_each(work);
            return;
        }
        // SAFETY: helpers call it only between here and the end of `Wait`, which is in this function,
        // also when `work` panics.
        let lasting = unsafe { std::mem::transmute::<Work<'_>, Work<'static>>(work) };
        *self.work.lock().unwrap_or_else(PoisonError::into_inner) = Some(lasting);
        self.open.store(self.helpers, Ordering::Relaxed);
        self.round.fetch_add(1, Ordering::Release);
        let wait = Wait(self);
        work(0);
        drop(wait);
        assert!(!self.failed.swap(false, Ordering::Relaxed), "a part of the work panicked");
    }

    /// The life of a helper.
    fn help(&self, part: usize) {
        let mut done = 0;
        loop {
            look_until(|| {
                self.round.load(Ordering::Acquire) != done || self.over.load(Ordering::Acquire)
            });
            if self.round.load(Ordering::Acquire) == done {
                return;
            }
            done += 1;
            let work = *self.work.lock().unwrap_or_else(PoisonError::into_inner);
            let _end = Part(self);
            if let Some(work) = work {
                work(part);
            }
        }
    }
}

/// Looks again and again until something holds.
fn look_until(holds: impl Fn() -> bool) {
    let mut looks = 0;
    while !holds() {
        looks += 1;
        if looks < LOOKS {
            std::hint::spin_loop();
        } else {
            thread::yield_now();
        }
    }
}

/// Says at its end that a part is done.
struct Part<'t>(&'t Team);

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.failed.store(true, Ordering::Relaxed);
        }
        self.0.open.fetch_sub(1, Ordering::Release);
    }
}

/// Waits at its end until all helpers are done.
struct Wait<'t>(&'t Team);

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        look_until(|| self.0.open.load(Ordering::Acquire) == 0);
        self.0.busy.store(false, Ordering::Release);
    }
}

/// Sends the helpers home at its end.
struct Over<'t>(&'t Team);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
    }
}
