use super::words::Words;
use crate::pair::{Parker, Unparker};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{lock, Mutex};
use crate::wait::{self, Wait};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What the handles and the workers of one set share.
pub(super) struct Shared<W> {
    pub(super) words: Words,
    unparkers: Box<[Unparker<W>]>,
    closed: AtomicBool,
    /// The slots without a worker, with what it slept on.
    pub(super) vacant: Mutex<BTreeMap<usize, Parker<W>>>,
}

impl<W> Shared<W> {
    pub(super) fn is_closed(&self) -> bool {
        // Acquire: pairs with the Release of `close`. The look that comes next sees what was there before it.
        self.closed.load(Ordering::Acquire)
    }
}

impl<W: Wait> Shared<W> {
    /// As [`Idle::wake_one`]; `owed`: on behalf of work that was announced while another worker searched.
    pub(super) fn wake_one(&self, owed: bool) -> bool {
        let Some(worker) = self.words.wake_one(owed, || self.is_closed()) else {
            return false;
        };
        self.unparkers[worker].unpark();
        true
    }
}

/// The idle workers of a pool: says which of them to wake.
pub struct Idle<W = wait::Condvar> {
    pub(super) shared: Arc<Shared<W>>,
}

impl<W: Wait> Idle<W> {
    pub(super) fn of(unparkers: Box<[Unparker<W>]>) -> Self {
        let words = Words::new(unparkers.len());
        let (closed, vacant) = (AtomicBool::new(false), Mutex::new(BTreeMap::new()));
        Self { shared: Arc::new(Shared { words, unparkers, closed, vacant }) }
    }

    /// Wakes the sleeping worker with the lowest index, unless a worker searches already; returns whether it woke one.
    #[inline]
    pub fn wake_one(&self) -> bool {
        self.shared.wake_one(false)
    }

    /// Has this very worker look; returns whether it slept.
    pub fn wake_worker(&self, index: usize) -> bool {
        let Some(unparker) = self.shared.unparkers.get(index) else {
            return false;
        };
        let claimed = self.shared.words.claim_worker(index);
        unparker.unpark();
        if !claimed {
            // It may have been claimed for shared work, and have found this task before it was announced.
            self.shared.wake_one(false);
        }
        claimed
    }

    /// Wakes up to so many workers, less those that search already; returns how many it woke.
    pub fn wake(&self, work: usize) -> usize {
        if self.is_closed() {
            return 0;
        }
        self.shared.words.wake(work, |worker| {
            self.shared.unparkers[worker].unpark();
        })
    }

    /// Wakes all workers, for good.
    pub fn close(&self) {
        // Release: pairs with the Acquire of `is_closed`.
        self.shared.closed.store(true, Ordering::Release);
        self.shared.words.wake_all(|worker| {
            self.shared.unparkers[worker].unpark();
        });
    }
}

impl<W> Idle<W> {
    /// Returns whether the set was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Returns how many workers sleep at this moment; a hint.
    #[must_use]
    pub fn asleep(&self) -> usize {
        self.shared.words.asleep()
    }

    /// Returns how many workers the set has at this moment; a hint.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.shared.unparkers.len() - lock(&self.shared.vacant).len()
    }
}

impl<W> Clone for Idle<W> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<W> fmt::Debug for Idle<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle")
            .field("asleep", &self.asleep())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
