//! An allocator that counts the allocations of each thread separately, as tests run in parallel.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local!(static ALLOCATIONS: Cell<[usize; 2]> = const { Cell::new([0; 2]) });

/// The number of allocations of this thread, and their bytes.
pub fn allocations() -> [usize; 2] {
    ALLOCATIONS.with(Cell::get)
}

// SAFETY: It is the system's allocator. The counter neither allocates nor has a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let [count, bytes] = allocations();
        ALLOCATIONS.with(|all| all.set([count + 1, bytes + layout.size()]));
        // SAFETY: The caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: The caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}
