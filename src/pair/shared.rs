//! What a [`Parker`](crate::Parker) and its [`Unparker`](crate::Unparker)s share.

use crate::atomic_parker::AtomicParker;
use crate::spin::WakeTime;
use crate::state::ParkState;
use crate::sync;
use crate::wait::Wait;
use crate::waker::{Counted, Header};
use std::mem::MaybeUninit;
use std::sync::Arc;

/// What the two sides of a pair share: one allocation.
///
/// In front stands what wakers of all types have in common. It is only read.
///
/// The margins keep what others write away from its cache line and the ones beside that. An aligned allocation would do so
/// as well, but takes twice as long as a plain one.
#[repr(C)]
pub(crate) struct Shared<W> {
    header: Header,
    _before: MaybeUninit<[u8; size_of::<Margin>() - size_of::<Header>()]>,
    parker: AtomicParker<W>,
    /// Next to the parker's state: it costs unparkers no further cache line.
    wake_time: WakeTime,
    _after: Margin,
}

pub(super) type Margin = MaybeUninit<[u8; 120]>;

impl<W> Shared<W> {
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
    pub(crate) fn new(wait: W) -> Arc<Self> {
        Arc::new(Self {
            header: Header::new::<Self>(),
            _before: MaybeUninit::uninit(),
            parker: AtomicParker::with_wait(wait),
            wake_time: WakeTime::new(),
            _after: Margin::uninit(),
        })
    }

    /// As [`AtomicParker::notify`]. If it finds a sleeper that has asked for the time, it tells the time.
    #[inline]
    pub(super) fn notify(&self) -> ParkState {
        self.parker().notify_or_wake(|| self.wake_time().answer(sync::cpu, sync::clock))
    }
}

// SAFETY: It is `repr(C)`, its first field is the header, and `new` is the only place that makes one.
#[allow(unsafe_code)]
unsafe impl<W: Wait> Counted for Shared<W> {
    fn wake(&self) {
        self.notify();
    }
}
