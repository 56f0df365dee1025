//! What a [`Parker`](crate::Parker) and its [`Unparker`](crate::Unparker)s share.

use crate::atomic_parker::AtomicParker;
use crate::spin::WakeTime;
use crate::state::ParkState;
use crate::sync;
use crate::wait::Wait;
use crate::waker::Target;
use crossbeam_utils::CachePadded;
use std::sync::Arc;

/// What the two sides of a pair share: one allocation, on cache lines of its own.
pub(crate) struct Shared<W>(CachePadded<Inner<W>>);

struct Inner<W> {
    parker: AtomicParker<W>,
    /// Next to the parker's state: it costs unparkers no further cache line.
    wake_time: WakeTime,
}

impl<W> Shared<W> {
    pub(crate) fn new(wait: W) -> Arc<Self> {
        let inner = Inner { parker: AtomicParker::with_wait(wait), wake_time: WakeTime::new() };
        Arc::new(Self(CachePadded::new(inner)))
    }

    #[inline]
    pub(crate) fn parker(&self) -> &AtomicParker<W> {
        &self.0.parker
    }

    #[inline]
    pub(crate) fn wake_time(&self) -> &WakeTime {
        &self.0.wake_time
    }
}

impl<W: Wait> Shared<W> {
    /// As [`AtomicParker::notify`], and tells a sleeper that asked when that was.
    #[inline]
    pub(super) fn notify(&self) -> ParkState {
        self.parker().notify_or_wake(|| self.wake_time().answer(sync::cpu, sync::clock))
    }
}

impl<W: Wait + Send + Sync + 'static> Target for Shared<W> {
    fn wake(&self) {
        self.notify();
    }
}
