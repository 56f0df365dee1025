//! What a set of workers sees of the driver that its workers share, without the type of the event loop.
//!
//! # Orderings
//!
//! Relaxed: which worker polls is a hint for the choice of a worker, and a counter orders nothing.

use crate::sync::atomic::{AtomicUsize, Ordering};
use std::sync::atomic;

const NONE: usize = 0;
/// The worker is between `wait` and the end of `deliver`.
const DELIVERS: usize = 1;
/// The first worker.
const FIRST: usize = 2;

pub(crate) struct Polled {
    /// NONE, or FIRST, and two more for each later worker, and perhaps DELIVERS.
    worker: AtomicUsize,
    poll_now: Box<dyn Fn() -> bool + Send + Sync>,
    /// How often each worker made another thread the standby. Of std, also in models: it is no step of the protocol.
    hand_overs: Box<[atomic::AtomicUsize]>,
}

/// The worker of the set that polls.
pub(crate) struct Polling {
    pub(crate) index: usize,
    /// It is awake, and about to look for its token.
    pub(crate) delivers: bool,
}

impl Polled {
    pub(super) fn new(workers: usize, poll_now: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let hand_overs = (0..workers).map(|_| atomic::AtomicUsize::new(0)).collect();
        Self { worker: AtomicUsize::new(NONE), poll_now: Box::new(poll_now), hand_overs }
    }

    /// As [`Driver::poll_now`](super::Driver::poll_now).
    pub(crate) fn poll_now(&self) -> bool {
        (self.poll_now)()
    }

    /// The worker that polls: a hint.
    pub(crate) fn polling(&self) -> Option<Polling> {
        let worker = self.worker.load(Ordering::Relaxed);
        let index = (worker / FIRST).checked_sub(1)?;
        Some(Polling { index, delivers: worker & DELIVERS != 0 })
    }

    pub(super) fn set(&self, polling: Option<Polling>) {
        let worker = polling.map_or(NONE, |polling| (polling.index + 1) * FIRST + usize::from(polling.delivers));
        self.worker.store(worker, Ordering::Relaxed);
    }

    pub(super) fn count_hand_over(&self, index: usize) {
        self.hand_overs[index].fetch_add(1, atomic::Ordering::Relaxed);
    }

    pub(crate) fn hand_overs(&self, index: usize) -> usize {
        self.hand_overs.get(index).map_or(0, |count| count.load(atomic::Ordering::Relaxed))
    }
}
