//! An allocator that counts, thread by thread, so that tests beside each other do not disturb each
//! other.

#![allow(
    unsafe_code,
    reason = "an allocator can be written in no other way; it only counts and passes on"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn add(size: usize) {
    // A thread that ends has no counters any more, and nobody measures it.
    let _ = NOW.try_with(|now| {
        now.set(now.get() + size as isize);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now.get())));
    });
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

// SAFETY: every call goes to the allocator of the system as it came. `realloc` is the default one,
// which takes the new block before it gives back the old one: so both count, as they may in the
// worst case.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the promises of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let _ = NOW.try_with(|now| now.set(now.get() - layout.size() as isize));
        // SAFETY: the caller keeps the promises of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

/// What a call took.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// The most that was taken at a time, above what was taken before.
    pub peak: usize,
    /// The largest single request.
    pub largest: usize,
}

/// Calls a function and says what memory it took. What it returns counts, as long as it lives.
pub fn measured<T>(call: impl FnOnce() -> T) -> (T, Memory) {
    let before = NOW.get();
    PEAK.set(before);
    LARGEST.set(0);
    let result = call();
    let peak = usize::try_from(PEAK.get() - before).expect("a peak is never below the start");
    (result, Memory { peak, largest: LARGEST.get() })
}

/// Calls a function that reads a file of this length, and fails if it takes more than twice the
/// file and 1 MiB.
pub fn bounded<T>(length: usize, what: &str, call: impl FnOnce() -> T) -> T {
    let (result, memory) = measured(call);
    let bound = 2 * length + (1 << 20);
    assert!(
        memory.peak <= bound && memory.largest <= bound,
        "{what}: a file of {length} bytes took {memory:?}, the bound is {bound}"
    );
    result
}

#[test]
fn the_counter_sees_what_is_taken() {
    let (kept, memory) = measured(|| {
        drop(vec![1u8; 5_000]);
        vec![0u8; 3_000]
    });
    assert_eq!((memory.peak, memory.largest), (5_000, 5_000));
    let (_, memory) = measured(|| (kept.clone(), kept.clone()));
    assert_eq!((memory.peak, memory.largest), (6_000, 3_000));
}
