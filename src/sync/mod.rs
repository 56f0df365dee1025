//! The facade: the primitives of std, of loom or of shuttle. No other file depends on which.

use std::time::Instant;

#[cfg(any(feature = "parking_lot", feature = "futex"))]
#[cfg(any(all(loom, feature = "loom"), all(shuttle, feature = "shuttle")))]
#[cfg_attr(not(feature = "parking_lot"), allow(dead_code))]
#[path = "parking_lot_model.rs"]
pub(crate) mod parking_lot_core;
#[cfg(all(feature = "parking_lot", not(any(all(loom, feature = "loom"), all(shuttle, feature = "shuttle")))))]
pub(crate) use ::parking_lot_core;

#[cfg(all(feature = "futex", any(target_os = "linux", target_os = "android")))]
#[cfg(any(all(loom, feature = "loom"), all(shuttle, feature = "shuttle")))]
#[path = "futex_model.rs"]
pub(crate) mod futex;
#[cfg(all(feature = "futex", any(target_os = "linux", target_os = "android")))]
#[cfg(not(any(all(loom, feature = "loom"), all(shuttle, feature = "shuttle"))))]
pub(crate) use rustix::thread::futex;

#[cfg(all(test, not(any(loom, shuttle))))]
pub(crate) use imp::CLOCK_READS;
pub(crate) use imp::{atomic, cpu, cpus_of_thread, now, Condvar, SPINS};
pub(crate) use imp::{local, Mutex, MutexGuard};

#[cfg(not(any(all(loom, feature = "loom"), all(shuttle, feature = "shuttle"))))]
mod imp {
    use super::Instant;
    use std::sync::PoisonError;
    pub(crate) use std::sync::{atomic, Mutex, MutexGuard};
    use std::time::{Duration, SystemTime};

    /// A `thread_local!` whose variables need no initialization at run time. The models' macros have no such form.
    macro_rules! local {
        ($($(#[$meta:meta])* static $name:ident: $type:ty = $value:expr;)*) => {
            std::thread_local! {$(
                $(#[$meta])* static $name: $type = const { $value };
            )*}
        };
    }
    pub(crate) use local;

    /// Whether parkers spin: not in models, and not where `std` has no clock.
    pub(crate) const SPINS: bool = !cfg!(all(target_family = "wasm", target_os = "unknown"));

    #[cfg(test)]
    std::thread_local!(pub(crate) static CLOCK_READS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) });

    /// Counts the readings of the clock for tests.
    #[inline]
    fn count_clock_read() {
        #[cfg(test)]
        CLOCK_READS.set(CLOCK_READS.get() + 1);
    }

    #[inline]
    pub(crate) fn now() -> Instant {
        count_clock_read();
        Instant::now()
    }

    pub(crate) use now as start_of_timeout;

    /// The time since a fixed moment. An [`Instant`] needs an earlier one for that, in a lock that a child of `fork` may find
    /// locked. A step of the system's time only spoils what a parker learns from one wait.
    pub(crate) fn system_time() -> Duration {
        count_clock_read();
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    /// The CPU that the calling thread runs on at this moment, where the system tells it. It may take a system call, and fail.
    #[cfg(all(any(target_os = "linux", target_os = "android"), not(any(atomic_parker_no_cpu, miri))))]
    #[allow(unsafe_code)]
    pub(crate) fn cpu() -> Option<u32> {
        // SAFETY: It takes no argument and accesses no memory of this program.
        let cpu = unsafe { libc::sched_getcpu() };
        u32::try_from(cpu).ok()
    }

    /// On how many CPUs this thread may run. `available_parallelism` also reads files, which takes 0.1 ms.
    #[cfg(all(any(target_os = "linux", target_os = "android"), not(atomic_parker_no_cpu)))]
    #[allow(unsafe_code)]
    pub(crate) fn cpus_of_thread() -> Option<u32> {
        // SAFETY: A set of CPUs is an array of integers, so all zeros is a value of it.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: `set` is valid for a write of its size.
        let error = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) };
        // SAFETY: It only counts the bits of `set`.
        (error == 0).then(|| unsafe { libc::CPU_COUNT(&set) } as u32)
    }

    // `--cfg atomic_parker_no_cpu` tests this case on Linux.
    #[cfg(any(not(any(target_os = "linux", target_os = "android")), atomic_parker_no_cpu, miri))]
    pub(crate) fn cpu() -> Option<u32> {
        None
    }

    #[cfg(any(not(any(target_os = "linux", target_os = "android")), atomic_parker_no_cpu))]
    pub(crate) use cpu as cpus_of_thread;

    /// A condition variable that takes a timeout. It may return early; its callers wait in a loop.
    pub(crate) struct Condvar(std::sync::Condvar);

    impl Condvar {
        pub(crate) const fn new() -> Self {
            Self(std::sync::Condvar::new())
        }

        #[inline]
        pub(crate) fn wait_for<'a, T>(
            &self,
            _mutex: &'a Mutex<T>,
            guard: MutexGuard<'a, T>,
            timeout: Option<Duration>,
        ) -> MutexGuard<'a, T> {
            match timeout {
                None => self.0.wait(guard).unwrap_or_else(PoisonError::into_inner),
                Some(timeout) => self.wait_timed(guard, timeout),
            }
        }

        #[cold]
        fn wait_timed<'a, T>(&self, guard: MutexGuard<'a, T>, timeout: Duration) -> MutexGuard<'a, T> {
            self.0.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner).0
        }

        #[inline]
        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        #[inline]
        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}

#[cfg(any(all(loom, feature = "loom"), all(shuttle, feature = "shuttle")))]
#[path = "model.rs"]
mod imp;

/// Whether a model unwinds. One that has deadlocked panics at each step, and a second panic would abort the process.
#[inline]
pub(crate) fn model_unwinds() -> bool {
    cfg!(any(all(loom, feature = "loom"), all(shuttle, feature = "shuttle"))) && std::thread::panicking()
}

/// A clock in nanoseconds that begins anew every 4.3 s: what fits into an atomic everywhere.
pub(crate) fn clock() -> u32 {
    imp::system_time().as_nanos() as u32
}

/// A clock in microseconds that begins anew every 71 minutes.
pub(crate) fn clock_micros() -> u32 {
    imp::system_time().as_micros() as u32
}

/// Locks a mutex whose data cannot be left half-changed, so that poison means nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Says that a deadline has passed; `None` is never.
#[inline]
pub(crate) fn has_passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| time_until(deadline).is_zero())
}

/// How much time is left; zero if the instant has come.
///
/// Out of line, so that a sleep without a deadline does not run through it: see `AtomicParker::sleep`.
#[cold]
#[inline(never)]
pub(crate) fn time_until(instant: Instant) -> std::time::Duration {
    instant.saturating_duration_since(now())
}

/// The deadline that lies `timeout` from now; `None`, for ever, if the clock cannot express it.
#[inline]
pub(crate) fn deadline_after(timeout: std::time::Duration) -> Option<Instant> {
    imp::start_of_timeout().checked_add(timeout)
}

#[cfg(any(all(loom, feature = "loom"), all(shuttle, feature = "shuttle")))]
/// The time in a model, for model-checking code that is built on this crate (`cfg(loom)` or `cfg(shuttle)` only).
pub mod model {
    /// Returns the present of this execution, as `Instant::now` does outside of models.
    ///
    /// A model takes its deadlines from here: `park_deadline(model::now())` does not sleep. `Instant::now` goes with the
    /// real clock, which a model must not depend on.
    pub fn now() -> super::Instant {
        super::imp::now()
    }

    /// Lets every deadline of this execution pass, for good, also of parks that begin later.
    ///
    /// In a model the clock stands still, so that a timed park ends only with the token. Call this from a thread of the
    /// model to let the deadline race with the rest. It orders nothing, and cannot be taken back within an execution.
    pub fn advance_clock() {
        super::imp::advance_clock();
    }
}

/// Makes functions `const`, but for loom, whose types have no constant constructor.
macro_rules! const_unless_loom {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty $body:block)*) => {$(
        $(#[$meta])*
        #[cfg(not(all(loom, feature = "loom")))]
        $vis const fn $name($($arg: $ty),*) -> $ret $body

        $(#[$meta])*
        #[cfg(all(loom, feature = "loom"))]
        $vis fn $name($($arg: $ty),*) -> $ret $body
    )*};
}
pub(crate) use const_unless_loom;

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_go_on() {
        let (nanos, micros) = (clock(), clock_micros());
        while clock() == nanos || clock_micros() == micros {}
    }

    #[cfg(all(target_os = "linux", not(atomic_parker_no_cpu)))]
    #[test]
    fn a_pinned_thread_knows_its_cpu() {
        for core in core_affinity::get_core_ids().unwrap_or_default() {
            let cpu = std::thread::spawn(move || core_affinity::set_for_current(core).then(cpu)).join().unwrap();
            assert!(cpu.is_none() || cpu == Some(Some(core.id as u32)), "{cpu:?}");
        }
    }
}
