//! An allocator that counts what threads ask for, but for those that are exempt.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    // Constant and without a destructor: an allocator may look at it at any time of a thread's life.
    static EXEMPT: Cell<bool> = const { Cell::new(false) };
}

/// What the threads of this process have asked for until now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Allocated {
    /// How often; a change of size counts once.
    pub(crate) allocations: u64,
    /// Bytes, whether they were given back or not.
    pub(crate) bytes: u64,
}

/// Reads the counters.
pub(crate) fn allocated() -> Allocated {
    Allocated { allocations: ALLOCATIONS.load(Ordering::Relaxed), bytes: BYTES.load(Ordering::Relaxed) }
}

/// What this thread asks for no longer counts.
pub(crate) fn exempt_this_thread() {
    EXEMPT.set(true);
}

fn count(bytes: usize) {
    if !EXEMPT.get() {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Counts what another allocator is asked for.
pub(crate) struct Counting<A>(pub(crate) A);

#[expect(unsafe_code, reason = "an allocator cannot be written without; this one only counts")]
// SAFETY: every call is handed on as it is; counting touches nothing but two atomic numbers and a flag of the thread.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are handed on.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are handed on.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are handed on.
        unsafe { self.0.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promises are handed on.
        unsafe { self.0.realloc(pointer, layout, size) }
    }
}
