//! The counting allocator, alone in a process: the one test leaves nobody else to allocate.

#[path = "../src/allocator.rs"]
mod allocator;

use allocator::{Counting, allocated, exempt_this_thread};
use std::alloc::System;
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: Counting<System> = Counting(System);

/// A thousand boxes, a thousand zeroed vectors, and one that grows once.
fn allocate() {
    for _ in 0..1000 {
        black_box(Box::new([1u8; 64]));
        black_box(vec![0u8; 100]);
    }
    let mut grows: Vec<u8> = black_box(Vec::with_capacity(1000));
    grows.reserve_exact(2000);
    black_box(grows);
}

#[test]
fn all_is_counted_but_what_exempt_threads_ask_for() {
    exempt_this_thread();
    let before = allocated();
    allocate();
    assert_eq!(allocated(), before);
    // The thread itself asks for a little, before and after.
    std::thread::spawn(allocate).join().unwrap();
    let counted = allocated();
    let (allocations, bytes) = (counted.allocations - before.allocations, counted.bytes - before.bytes);
    assert!((2002..2050).contains(&allocations), "{allocations}");
    assert!((167_000..175_000).contains(&bytes), "{bytes}");
}
