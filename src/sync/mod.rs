//! The facade: std's primitives, or those of loom or shuttle. Nothing else in the crate knows which.

use std::cell::Cell;
use std::sync::OnceLock;
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

pub(crate) use imp::{atomic, clock, cpu, now, Condvar};
pub(crate) use imp::{local, Mutex, MutexGuard};

#[cfg(not(any(all(loom, feature = "loom"), all(shuttle, feature = "shuttle"))))]
mod imp {
    use super::Instant;
    use std::sync::PoisonError;
    pub(crate) use std::sync::{atomic, Mutex, MutexGuard};
    pub(crate) use std::thread_local as local;

    #[inline]
    pub(crate) fn now() -> Instant {
        Instant::now()
    }

    pub(crate) use now as start_of_timeout;

    /// A clock of 32 bits, in nanoseconds, that starts anew every 4.3 s: what fits into an atomic everywhere.
    pub(crate) fn clock() -> u32 {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        START.get_or_init(now).elapsed().as_nanos() as u32
    }

    /// The CPU that the calling thread runs on at this moment, where that can be known without a system call.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[allow(unsafe_code)]
    pub(crate) fn cpu() -> Option<u32> {
        // SAFETY: It takes no argument, and touches nothing of ours.
        let cpu = unsafe { libc::sched_getcpu() };
        u32::try_from(cpu).ok()
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn cpu() -> Option<u32> {
        None
    }

    pub(crate) fn ask_for_other_cpus() -> u32 {
        match std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32) {
            0 | 1 => other_cpus_of_threads(),
            cpus => cpus - 1,
        }
    }

    /// Counts the sets of CPUs that the threads of this process may run on, less one: more than none when some are
    /// pinned. Then `available_parallelism`, which knows the calling thread only, is no answer for the process.
    pub(super) fn other_cpus_of_threads() -> u32 {
        let cpus_of = |task: std::fs::DirEntry| {
            let status = std::fs::read_to_string(task.path().join("status")).ok()?;
            status.lines().find(|line| line.starts_with("Cpus_allowed_list")).map(String::from)
        };
        // There is such a folder on Linux only. Elsewhere there are none.
        let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let sets: std::collections::HashSet<String> = tasks.filter_map(cpus_of).collect();
        sets.len().saturating_sub(1) as u32
    }

    /// A condition variable that takes a deadline. It may return early; its callers wait in a loop.
    pub(crate) struct Condvar(std::sync::Condvar);

    impl Condvar {
        pub(crate) const fn new() -> Self {
            Self(std::sync::Condvar::new())
        }

        #[inline]
        pub(crate) fn wait_until<'a, T>(
            &self,
            _mutex: &'a Mutex<T>,
            guard: MutexGuard<'a, T>,
            deadline: Option<Instant>,
        ) -> MutexGuard<'a, T> {
            match deadline {
                None => self.0.wait(guard).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => self.wait_timed(guard, deadline),
            }
        }

        #[cold]
        fn wait_timed<'a, T>(&self, guard: MutexGuard<'a, T>, deadline: Instant) -> MutexGuard<'a, T> {
            let timeout = super::time_until(deadline);
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

/// Whether [`cpu`] says anything.
pub(crate) const KNOWS_CPUS: bool = cfg!(any(target_os = "linux", target_os = "android"));

// How many there are for the first thread that has any: that holds for the process.
static OTHER_CPUS: OnceLock<u32> = OnceLock::new();

/// Says how many other threads of this process can run while this one looks at something; none in models.
pub(crate) fn other_cpus() -> u32 {
    // A no holds for one thread, which may have been pinned: the question costs many system calls, so each thread asks
    // at most once.
    thread_local!(static ASKED: Cell<bool> = const { Cell::new(false) });

    let may_ask = || ASKED.try_with(|asked| !asked.replace(true)).unwrap_or(false);
    let mut others = known_other_cpus();
    if others == 0 && may_ask() {
        others = imp::ask_for_other_cpus();
        if others > 0 {
            // Another thread may have been faster.
            let _ = OTHER_CPUS.set(others);
        }
    }
    others
}

/// As [`other_cpus`], as far as it is known without asking.
#[inline]
fn known_other_cpus() -> u32 {
    OTHER_CPUS.get().copied().unwrap_or(0)
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
/// Time, for those who model-check code that is built on this crate (`cfg(loom)` or `cfg(shuttle)` only).
pub mod model {
    /// Returns the present of this execution, as `Instant::now` does outside of models.
    ///
    /// A model takes its deadlines from here: `park_deadline(model::now())` does not sleep. `Instant::now` goes with the
    /// real clock, which a model must not depend on.
    pub fn now() -> super::Instant {
        super::imp::now()
    }

    /// Lets every deadline of this execution pass, for good, those of parks that begin later included.
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
    fn other_cpus_are_those_of_the_process() {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from) as u32;
        if cpus > 1 {
            assert_eq!(imp::ask_for_other_cpus(), cpus - 1);
            assert_eq!(other_cpus(), cpus - 1);
            assert_eq!(known_other_cpus(), cpus - 1);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_pinned_thread_knows_its_cpu() {
        for core in core_affinity::get_core_ids().unwrap_or_default() {
            let cpu = std::thread::spawn(move || core_affinity::set_for_current(core).then(cpu)).join().unwrap();
            assert!(cpu.is_none() || cpu == Some(Some(core.id as u32)), "{cpu:?}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn threads_that_are_pinned_apart_have_other_cpus() {
        use std::sync::mpsc;

        let cores = core_affinity::get_core_ids().unwrap_or_default();
        let [first, second, ..] = cores[..] else {
            return;
        };
        let pinned = |core| {
            let (ready, is_ready) = mpsc::channel();
            let (end, ends) = mpsc::channel::<()>();
            std::thread::spawn(move || {
                ready.send(core_affinity::set_for_current(core)).unwrap();
                let _ = ends.recv();
            });
            assert!(is_ready.recv().unwrap());
            end
        };
        let _both_live = [first, second].map(pinned);
        // There is this thread as well, which is not pinned.
        assert!(imp::other_cpus_of_threads() >= 2);
    }
}
