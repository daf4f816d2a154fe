//! Threads that work on parts of one piece of work.
//!
//! Engines that share a team have it one at a time. Between two pieces of work the helpers look
//! for the next one in a loop for a while, since what a call does may be shorter than what it takes
//! to wake a thread, and then sleep. Within a piece all parts meet at barriers, which are loops for a while as
//! well: a step of a cell takes microseconds. Whoever waits longer sleeps until told: where others work on the machine too, a thread
//! that only let them go first would get its processor back when they are done with theirs.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// The work of which each thread does a part.
type Work<'w> = &'w (dyn Fn(&Part<'_>) + Sync);

/// Threads that wait for work; they end with it.
#[derive(Debug)]
pub struct Team {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
    /// Whether somebody hands out work: one at a time.
    busy: AtomicBool,
}

#[derive(Default)]
struct Shared {
    /// The piece of work that is done now. It lives as long as `run` waits.
    work: Mutex<Option<Work<'static>>>,
    /// Wakes helpers that sleep.
    wake: Condvar,
    /// How many pieces were handed out.
    round: AtomicUsize,
    /// How many parts this piece has.
    parts: AtomicUsize,
    /// How many helpers are not done with this piece.
    open: AtomicUsize,
    /// Whether a part of this piece panicked.
    failed: AtomicBool,
    over: AtomicBool,
    barrier: Barrier,
    bell: Bell,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// A place where all parts wait for each other.
#[derive(Debug, Default)]
struct Barrier {
    arrived: AtomicUsize,
    round: AtomicUsize,
}

/// Wakes those who waited for others so long that they sleep.
#[derive(Debug, Default)]
struct Bell {
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Bell {
    /// Waits until something holds. Whoever makes it hold rings afterwards.
    fn wait(&self, holds: impl Fn() -> bool) {
        for _ in 0..LOOKS {
            if holds() {
                return;
            }
            std::hint::spin_loop();
        }
        // Either this number is seen by who rings, or what was done before is seen here.
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while !holds() {
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        drop(guard);
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.wake.notify_all();
        }
    }
}

/// One part of a piece of work.
pub struct Part<'b> {
    /// Its number.
    pub part: usize,
    /// How many there are.
    pub parts: usize,
    shared: Option<&'b Shared>,
}

/// The number of looks of a thread before it sleeps, and the time that a helper looks for work before it does.
const LOOKS: u32 = 4000;
const AWAKE: Duration = Duration::from_micros(300);

impl Part<'_> {
    /// A piece of work that one thread does.
    pub fn whole() -> Part<'static> {
        Part { part: 0, parts: 1, shared: None }
    }

    /// Waits until all parts are here. What they wrote before is seen by all afterwards.
    pub fn wait(&self) {
        let Some(Shared { barrier, failed, bell, .. }) = self.shared else { return };
        let round = barrier.round.load(Ordering::Acquire);
        if barrier.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.parts {
            barrier.arrived.store(0, Ordering::Relaxed);
            barrier.round.store(round.wrapping_add(1), Ordering::Release);
            bell.ring();
            return;
        }
        bell.wait(|| {
            barrier.round.load(Ordering::SeqCst) != round || failed.load(Ordering::SeqCst)
        });
        if failed.load(Ordering::Relaxed) {
            // A part that panicked does not come any more, and what it should have written is not
            // there: no other goes on.
            std::panic::resume_unwind(Box::new("another part of the work panicked"));
        }
    }
}

impl Team {
    /// The threads that a number asks for: 0 for as many as the processor runs at once. More than
    /// four times as many would only wait for each other.
    pub fn threads(asked: usize) -> usize {
        let own = thread::available_parallelism().map_or(1, NonZero::get);
        if asked > 0 { asked.min(4 * own.max(2)) } else { own }
    }

    /// A team of so many threads, the caller's own among them. Where the system gives no more
    /// threads there are fewer: results do not depend on how many there are.
    pub fn new(threads: usize) -> Team {
        let shared = Arc::new(Shared::default());
        let mut helpers = Vec::new();
        for part in 1..threads {
            let shared = Arc::clone(&shared);
            match thread::Builder::new().name("rnnc".to_owned()).spawn(move || shared.help(part)) {
                Ok(helper) => helpers.push(helper),
                Err(_) => break,
            }
        }
        Team { shared, helpers, busy: AtomicBool::new(false) }
    }

    /// How many parts a piece of work has.
    pub fn parts(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Does all parts of a piece of work, each in a thread. While another call has the team, one
    /// thread does all of it as a single part.
    pub fn run(&self, work: Work<'_>) {
        if self.helpers.is_empty() || self.busy.swap(true, Ordering::Acquire) {
            work(&Part::whole());
            return;
        }
        let shared = &*self.shared;
        // SAFETY: helpers call it only between here and the end of `Wait`, which is in this function,
        // also when `work` panics.
        let lasting = unsafe { std::mem::transmute::<Work<'_>, Work<'static>>(work) };
        shared.failed.store(false, Ordering::Relaxed);
        shared.open.store(self.helpers.len(), Ordering::Relaxed);
        shared.parts.store(self.parts(), Ordering::Relaxed);
        {
            let mut slot = shared.work.lock().unwrap_or_else(PoisonError::into_inner);
            *slot = Some(lasting);
            shared.round.fetch_add(1, Ordering::Release);
        }
        shared.wake.notify_all();
        let wait = Wait(self);
        shared.part(0, self.parts(), work);
        drop(wait);
        assert!(!shared.failed.swap(false, Ordering::Relaxed), "a part of the work panicked");
    }
}

impl Team {
    /// Does something with each of some pieces, which have nothing to do with each other.
    pub fn each<T: Send>(&self, pieces: Vec<T>, work: &(dyn Fn(&mut T) + Sync)) {
        let pieces: Vec<Mutex<T>> = pieces.into_iter().map(Mutex::new).collect();
        self.run(&|share: &Part<'_>| {
            for piece in pieces.iter().skip(share.part).step_by(share.parts) {
                work(&mut piece.lock().unwrap_or_else(PoisonError::into_inner));
            }
        });
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        {
            // Under the lock, so that no helper misses it between its look and its sleep.
            let _guard = self.shared.work.lock().unwrap_or_else(PoisonError::into_inner);
            self.shared.over.store(true, Ordering::Release);
        }
        self.shared.wake.notify_all();
        for helper in self.helpers.drain(..) {
            // A helper that panicked said so to the call whose work it did.
            let _ = helper.join();
        }
    }
}

impl Shared {
    fn part(&self, part: usize, parts: usize, work: Work<'_>) {
        let mark = Mark(self);
        work(&Part { part, parts, shared: Some(self) });
        // Only a panic drops it.
        std::mem::forget(mark);
    }

    /// The life of a helper.
    fn help(&self, part: usize) {
        let mut done = 0;
        loop {
            let Some((work, parts)) = self.next(done) else { return };
            done += 1;
            let _end = Done(self);
            // A panic is told to the caller; the helper lives on.
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                self.part(part, parts, work);
            }));
            drop(result);
        }
    }

    /// The next piece of work, or nothing at the end.
    fn next(&self, done: usize) -> Option<(Work<'static>, usize)> {
        let is_there =
            || self.round.load(Ordering::Acquire) != done || self.over.load(Ordering::Acquire);
        let begin = Instant::now();
        let mut looks = 0u32;
        while !is_there() && (!looks.is_multiple_of(64) || begin.elapsed() < AWAKE) {
            looks = looks.wrapping_add(1);
            std::hint::spin_loop();
        }
        let mut slot = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        while !is_there() {
            slot = self.wake.wait(slot).unwrap_or_else(PoisonError::into_inner);
        }
        if self.round.load(Ordering::Acquire) == done {
            return None;
        }
        (*slot).map(|work| (work, self.parts.load(Ordering::Relaxed)))
    }
}

/// Says when a part panics, so that no other waits for it.
struct Mark<'s>(&'s Shared);

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        self.0.failed.store(true, Ordering::SeqCst);
        self.0.bell.ring();
    }
}

/// Says at its end that a helper is done.
struct Done<'s>(&'s Shared);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
        self.0.bell.ring();
    }
}

/// Waits at its end until all helpers are done.
struct Wait<'t>(&'t Team);

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let shared = &*self.0.shared;
        shared.bell.wait(|| shared.open.load(Ordering::SeqCst) == 0);
        // A part that panicked may have left others behind at a barrier.
        shared.barrier.arrived.store(0, Ordering::Relaxed);
        self.0.busy.store(false, Ordering::Release);
    }
}
