//! Counting work, for tests that ask whether it grows as what it is done for.
//!
//! Nodes that are looked at and ids that are compared count in unit tests, and cost nothing elsewhere.

#[cfg(test)]
thread_local! {
    static DONE: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Counts one step of work of this thread.
#[inline(always)]
pub(crate) fn count() {
    #[cfg(test)]
    DONE.set(DONE.get() + 1);
}

/// Returns how much work this thread has done.
#[cfg(test)]
pub(crate) fn done() -> u64 {
    DONE.get()
}
