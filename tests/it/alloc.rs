//! What is allocated, and what is not.

use crate::allocations::allocations;
use crate::support::Sticky;
use atomic_parker::{AtomicParker, Parker, Unparker};
use std::task::Waker;
use std::time::Duration;

/// The number of allocations of `run` on this thread and their bytes, and its result.
fn allocated<T>(run: impl FnOnce() -> T) -> ([usize; 2], T) {
    let [count, bytes] = allocations();
    let result = run();
    let [new_count, new_bytes] = allocations();
    ([new_count - count, new_bytes - bytes], result)
}

/// 24 bytes, and the 280 that the docs of `Parker` name.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn a_parker_takes_304_bytes() {
    let ([count, bytes], parker) = allocated(Parker::new);
    assert_eq!((count, size_of_val(&parker) + bytes), (1, 304));
}

#[test]
fn a_pair_is_one_allocation_and_its_wakers_are_none() {
    let ([count, _], parker) = allocated(|| Parker::with_wait(Sticky::default()));
    assert_eq!(count, 1);
    let (count, _) = allocated(|| {
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
    let (count, ()) = allocated(|| {
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
