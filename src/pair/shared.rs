//! What a [`Parker`](crate::Parker) and its [`Unparker`](crate::Unparker)s share.

use crate::atomic_parker::AtomicParker;
use crate::spin::WakeTime;
use crate::state::ParkState;
use crate::sync;
use crate::wait::Wait;
use crate::waker::Target;
use std::mem::MaybeUninit;
use std::sync::Arc;

/// What the two sides of a pair share: one allocation.
///
/// The margins keep what others write away from its cache line and the ones beside that. An aligned allocation would do so
/// as well, but takes twice as long as a plain one.
#[repr(C)]
pub(crate) struct Shared<W> {
    _before: Margin,
    parker: AtomicParker<W>,
    /// Next to the parker's state: it costs unparkers no further cache line.
    wake_time: WakeTime,
    _after: Margin,
}

pub(super) type Margin = MaybeUninit<[u8; 120]>;

impl<W> Shared<W> {
    pub(crate) fn new(wait: W) -> Arc<Self> {
        Arc::new(Self {
            _before: Margin::uninit(),
            parker: AtomicParker::with_wait(wait),
            wake_time: WakeTime::new(),
            _after: Margin::uninit(),
        })
    }

    #[inline]
    pub(crate) fn parker(&self) -> &AtomicParker<W> {
        &self.parker
    }

    #[inline]
    pub(crate) fn wake_time(&self) -> &WakeTime {
        &self.wake_time
    }
}

impl<W: Wait> Shared<W> {
    /// As [`AtomicParker::notify`]. If it finds a sleeper that has asked for the time, it tells the time.
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
