//! `parking_lot_core` as the model checkers see it: its queue, under one lock, with its callbacks where it runs them.
//! The stand-in for futexes uses the same queue.

use super::{has_passed, lock, time_until, Condvar, Mutex};
use std::time::Instant;

#[cfg(all(loom, feature = "loom"))]
use loom as model;
#[cfg(not(all(loom, feature = "loom")))]
use shuttle as model;

pub(crate) struct ParkToken;
pub(crate) struct UnparkToken;
pub(crate) const DEFAULT_PARK_TOKEN: ParkToken = ParkToken;
pub(crate) const DEFAULT_UNPARK_TOKEN: UnparkToken = UnparkToken;

pub(crate) enum ParkResult {
    Unparked,
    Invalid,
    TimedOut,
}

pub(crate) enum FilterOp {
    Stop,
}

pub(crate) struct UnparkResult {
    pub(crate) have_more_threads: bool,
}

struct Waiter {
    key: usize,
    ticket: usize,
}

struct Queue {
    waiting: Vec<Waiter>,
    tickets: usize,
}

impl Queue {
    fn has(&self, key: usize) -> bool {
        self.waiting.iter().any(|waiter| waiter.key == key)
    }
}

model::lazy_static! {
    static ref QUEUE: Mutex<Queue> = Mutex::new(Queue { waiting: Vec::new(), tickets: 0 });
    static ref DEQUEUED: Condvar = Condvar::new();
}

pub(crate) fn park(
    key: usize,
    validate: impl FnOnce() -> bool,
    before_sleep: impl FnOnce(),
    timed_out: impl FnOnce(usize, bool),
    _: ParkToken,
    deadline: Option<Instant>,
) -> ParkResult {
    let mut queue = lock(&QUEUE);
    if !validate() {
        return ParkResult::Invalid;
    }
    let ticket = queue.tickets;
    queue.tickets += 1;
    queue.waiting.push(Waiter { key, ticket });
    drop(queue);
    before_sleep();
    let mut queue = lock(&QUEUE);
    while let Some(place) = queue.waiting.iter().position(|waiter| waiter.ticket == ticket) {
        if has_passed(deadline) {
            queue.waiting.remove(place);
            timed_out(key, !queue.has(key));
            return ParkResult::TimedOut;
        }
        queue = DEQUEUED.wait_for(&QUEUE, queue, deadline.map(time_until));
    }
    ParkResult::Unparked
}

pub(crate) fn unpark_one(key: usize, callback: impl FnOnce(UnparkResult) -> UnparkToken) {
    let mut queue = lock(&QUEUE);
    if let Some(place) = queue.waiting.iter().position(|waiter| waiter.key == key) {
        queue.waiting.remove(place);
    }
    callback(UnparkResult { have_more_threads: queue.has(key) });
    drop(queue);
    DEQUEUED.notify_all();
}

/// For the stand-in of the futex only.
#[cfg(all(feature = "futex", any(target_os = "linux", target_os = "android")))]
pub(crate) fn unpark_all(key: usize) {
    lock(&QUEUE).waiting.retain(|waiter| waiter.key != key);
    DEQUEUED.notify_all();
}

/// With a filter that stops at the first thread, which is how this crate calls it.
pub(crate) fn unpark_filter(
    key: usize,
    _: impl FnMut(ParkToken) -> FilterOp,
    callback: impl FnOnce(UnparkResult) -> UnparkToken,
) {
    let queue = lock(&QUEUE);
    callback(UnparkResult { have_more_threads: queue.has(key) });
}
