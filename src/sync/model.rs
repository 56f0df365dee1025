//! The facade over loom or shuttle: their types, and a clock that the model lets run.
//!
//! # Orderings
//!
//! Relaxed: reading a clock orders nothing.

use super::{const_unless_loom, lock, Instant};
#[cfg(all(loom, feature = "loom"))]
use loom as model;
#[cfg(not(all(loom, feature = "loom")))]
use shuttle as model;
use std::sync::{OnceLock, PoisonError};
use std::time::Duration;

pub(crate) use model::sync::{atomic, Mutex, MutexGuard};
pub(crate) use model::thread_local as local;

/// One instant for the whole process: model executions must not depend on the real clock.
static START: OnceLock<Instant> = OnceLock::new();

model::lazy_static! {
    static ref ALL_DEADLINES_PASSED: Alarm = Alarm::new();
}

/// The clock of the models: whether all deadlines have passed.
///
/// Of the model checkers' types, so that they let it go off between any two steps of the other threads.
struct Alarm(atomic::AtomicBool);

impl Alarm {
    fn new() -> Self {
        Self(atomic::AtomicBool::new(false))
    }

    // Relaxed, in both: reading a clock orders nothing.
    fn has_gone_off(&self) -> bool {
        self.0.load(atomic::Ordering::Relaxed)
    }

    fn go_off(&self) {
        self.0.store(true, atomic::Ordering::Relaxed);
    }
}

/// Stands still, and is no step of the model, as no model shall depend on how long something takes.
pub(crate) fn system_time() -> Duration {
    Duration::ZERO
}

/// A thread that spins is of no use to a model checker.
pub(crate) const SPINS: bool = false;

pub(crate) fn now() -> Instant {
    if ALL_DEADLINES_PASSED.has_gone_off() {
        start_of_timeout() + Duration::from_secs(1 << 32)
    } else {
        start_of_timeout()
    }
}

/// Not `now`: a park that begins after `advance_clock` has a deadline too, and that has passed.
pub(crate) fn start_of_timeout() -> Instant {
    *START.get_or_init(Instant::now)
}

pub(crate) fn cpu() -> Option<u32> {
    None
}

pub(crate) use cpu as cpus_of_thread;

pub(crate) fn advance_clock() {
    ALL_DEADLINES_PASSED.go_off();
    lock(&TIMED).over = true;
    TIMED_CHANGED.notify_all();
}

/// The waits with a deadline, of all condition variables. They sleep until the clock is advanced: a
/// model checker would follow a thread that polls the clock for ever.
struct Timed {
    /// The address of the condition variable, and a number of their own.
    waits: Vec<(usize, usize)>,
    begun: usize,
    over: bool,
}

model::lazy_static! {
    static ref TIMED: Mutex<Timed> = Mutex::new(Timed { waits: Vec::new(), begun: 0, over: false });
    static ref TIMED_CHANGED: model::sync::Condvar = model::sync::Condvar::new();
}

/// As the one over std. The first wait with a deadline comes back for no reason.
pub(crate) struct Condvar(model::sync::Condvar);

impl Condvar {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self(model::sync::Condvar::new())
        }
    }

    fn address(&self) -> usize {
        self as *const Self as usize
    }

    pub(crate) fn wait_for<'a, T>(
        &self,
        mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, T> {
        if timeout.is_none() {
            return self.0.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        let mut timed = lock(&TIMED);
        let this = (self.address(), timed.begun);
        timed.begun += 1;
        timed.waits.push(this);
        drop(guard);
        if this.1 == 0 {
            drop(timed);
            timed = lock(&TIMED);
        } else {
            while !timed.over && timed.waits.contains(&this) {
                timed = TIMED_CHANGED.wait(timed).unwrap_or_else(PoisonError::into_inner);
            }
        }
        timed.waits.retain(|wait| *wait != this);
        drop(timed);
        lock(mutex)
    }

    pub(crate) fn notify_one(&self) {
        // A waiter with a deadline comes first, as it may be about to leave. std does not specify the order.
        let mut timed = lock(&TIMED);
        let first = timed.waits.iter().position(|wait| wait.0 == self.address());
        let taken = first.map(|place| timed.waits.remove(place));
        drop(timed);
        match taken {
            Some(_) => TIMED_CHANGED.notify_all(),
            None => self.0.notify_one(),
        }
    }

    pub(crate) fn notify_all(&self) {
        lock(&TIMED).waits.retain(|wait| wait.0 != self.address());
        TIMED_CHANGED.notify_all();
        self.0.notify_all();
    }
}
