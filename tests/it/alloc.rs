//! Counts allocations, for each thread separately, as tests run in parallel.

use crate::support::Sticky;
use atomic_parker::{AtomicParker, Parker, Unparker};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::task::Waker;
use std::time::Duration;

struct CountingAllocator;

thread_local!(static ALLOCATIONS: Cell<[usize; 2]> = const { Cell::new([0; 2]) });

// SAFETY: It is the system's allocator. The counter neither allocates nor has a destructor.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|all| {
            let [count, bytes] = all.get();
            all.set([count + 1, bytes + layout.size()]);
        });
        // SAFETY: The caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: The caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The number of allocations of `run` on this thread and their bytes, and its result.
fn allocations<T>(run: impl FnOnce() -> T) -> ([usize; 2], T) {
    let [count, bytes] = ALLOCATIONS.with(Cell::get);
    let result = run();
    let [new_count, new_bytes] = ALLOCATIONS.with(Cell::get);
    ([new_count - count, new_bytes - bytes], result)
}

/// 24 bytes, and the 280 that the docs of `Parker` name.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn a_parker_takes_304_bytes() {
    let ([count, bytes], parker) = allocations(Parker::new);
    assert_eq!((count, size_of_val(&parker) + bytes), (1, 304));
}

#[test]
fn a_pair_is_one_allocation_and_its_wakers_are_none() {
    let ([count, _], parker) = allocations(|| Parker::with_wait(Sticky::default()));
    assert_eq!(count, 1);
    let (count, _) = allocations(|| {
        let unparker = parker.unparker();
        let waker = Waker::from(unparker.clone());
        let clone = waker.clone();
        clone.wake();
        waker.wake_by_ref();
        unparker.unpark();
        parker.park();
        // SAFETY: The pointer comes from `into_raw` of the same type, and is used once.
        unsafe { Unparker::<Sticky>::from_raw(Unparker::into_raw(unparker)) }
    });
    assert_eq!(count, [0, 0]);
}

#[test]
fn an_atomic_parker_and_its_waker_allocate_nothing() {
    static PARKER: AtomicParker = AtomicParker::new();
    let (count, ()) = allocations(|| {
        let waker = PARKER.waker();
        let clone = waker.clone();
        clone.wake();
        drop(waker);
        PARKER.park();
        assert!(!PARKER.park_timeout(Duration::from_millis(1)));
        AtomicParker::new().unpark();
    });
    assert_eq!(count, [0, 0]);
}
