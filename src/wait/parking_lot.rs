#![allow(unsafe_code)]
// The stand-in for `parking_lot_core` in models is safe.
#![cfg_attr(any(loom, shuttle), allow(unused_unsafe))]

use super::{Key, Sleeper, Wait};
use crate::sync::parking_lot_core::{self, FilterOp, ParkResult, UnparkResult};
use crate::sync::parking_lot_core::{DEFAULT_PARK_TOKEN, DEFAULT_UNPARK_TOKEN};

/// The queues of `parking_lot_core`: a slow path of no size, for a parker of one byte (feature `parking_lot`).
///
/// Its sleepers queue under the address of the parker's state. The queue says whether others are still asleep: a sleeper
/// that times out learns it from the callback that `parking_lot_core` runs then, and a woken one asks the queue again.
///
/// Not for signal handlers: `unpark` may lock a queue, which the interrupted thread may hold.
///
/// Not in a child of `fork`: the queues belong to the process. Entries of threads that slept in the parent stay in them, also for
/// parkers that the child creates, so a park or an `unpark` there can crash or hang. Use [`Condvar`](super::Condvar) or `Futex`.
///
/// # Examples
///
/// ```
/// use atomic_parker::{wait::ParkingLot, AtomicParker};
///
/// static PARKER: AtomicParker<ParkingLot> = AtomicParker::with_wait(ParkingLot);
/// assert_eq!(std::mem::size_of_val(&PARKER), 1);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ParkingLot;

impl Wait for ParkingLot {
    // Inlined although it is long: see `AtomicParker::sleep`.
    #[inline(always)]
    fn wait(&self, sleeper: &Sleeper<'_>) {
        let key = sleeper.key().address();
        // SAFETY: The key is the address of a state byte that `sleeper` borrows, so nothing else can queue threads
        // under it. The callbacks neither panic nor call into `parking_lot_core`: they access one atomic and a cell.
        let result = unsafe {
            parking_lot_core::park(
                key,
                || sleeper.still_parked(),
                || {},
                |_, was_last| sleeper.leave(!was_last),
                DEFAULT_PARK_TOKEN,
                sleeper.deadline(),
            )
        };
        if !matches!(result, ParkResult::TimedOut) && !sleeper.is_alone() {
            let leave = |queue: UnparkResult| {
                sleeper.leave(queue.have_more_threads);
                DEFAULT_UNPARK_TOKEN
            };
            // SAFETY: As above. The filter stops at the first thread, so this wakes nobody.
            unsafe { parking_lot_core::unpark_filter(key, |_| FilterOp::Stop, leave) };
        }
    }

    #[inline]
    fn wake(&self, key: Key<'_>) {
        // SAFETY: Only this crate can make a `Key`, which borrows the state byte at its address. So only threads
        // that queued in `wait` above are under it. The callback does not call into `parking_lot_core`, nor panic.
        unsafe { parking_lot_core::unpark_one(key.address(), |_| DEFAULT_UNPARK_TOKEN) };
    }
}
