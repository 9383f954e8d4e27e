//! How much memory something holds, at most, while it runs.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts for each thread what is held, and what was held at most.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "an allocator is that")]
// SAFETY: the system's allocator does everything.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Nothing is counted while a thread ends.
        let _counted = HELD.try_with(|held| {
            held.set(held.get().wrapping_add(layout.size()));
            MOST.with(|most| most.set(most.get().max(held.get())));
        });
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let _counted = HELD.try_with(|held| held.set(held.get().wrapping_sub(layout.size())));
        // SAFETY: as the caller says.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Runs `work`; gives also how many more bytes than before this thread held, at most.
pub fn held<T>(work: impl FnOnce() -> T) -> (T, usize) {
    // From the middle on: what was taken before may be given back meanwhile, or elsewhere.
    let zero = usize::MAX / 2;
    HELD.set(zero);
    MOST.set(zero);
    let done = work();
    (done, MOST.get() - zero)
}
