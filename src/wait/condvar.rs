use super::{Key, Sleeper, Wait};
use crate::sync::{self, const_unless_loom, lock, Mutex};
use std::fmt;

/// A mutex and a condition variable: the default slow path.
///
/// The parkers of crossbeam and `parking` sleep like this. The mutex holds the number of sleepers. It is locked only by a thread that really goes to sleep and by a wake
/// that found one.
///
/// It does not tell [keys](Key) apart. Parkers may share one in an `Arc`, and then all wake up for each other's tokens. Shared in
/// another way, through a `Wait` that calls a static one for example, it may wake the wrong parker, and the right one sleeps on.
///
/// Not for signal handlers: `unpark` may lock the mutex, which the interrupted thread may hold.
///
/// # Examples
///
/// ```
/// use atomic_parker::{wait::Condvar, AtomicParker};
///
/// static PARKER: AtomicParker<Condvar> = AtomicParker::with_wait(Condvar::new());
/// assert!(!PARKER.try_park());
/// ```
pub struct Condvar {
    asleep: Mutex<u32>,
    look_again: sync::Condvar,
}

impl Condvar {
    const_unless_loom! {
        /// Creates the slow path, without allocating.
        ///
        /// # Examples
        ///
        /// ```
        /// use atomic_parker::{wait::Condvar, Parker};
        ///
        /// let parker = Parker::with_wait(Condvar::new());
        /// assert!(parker.unpark());
        /// ```
        pub fn new() -> Self {
            Self { asleep: Mutex::new(0), look_again: sync::Condvar::new() }
        }
    }
}

impl Wait for Condvar {
    // Inlined although it is long: see `AtomicParker::sleep`.
    #[inline(always)]
    fn wait(&self, sleeper: &Sleeper<'_>) {
        let mut asleep = lock(&self.asleep);
        *asleep += 1;
        while sleeper.still_parked() {
            let timeout = sleeper.timeout();
            if timeout.is_some_and(|left| left.is_zero()) {
                break;
            }
            asleep = self.look_again.wait_for(&self.asleep, asleep, timeout);
        }
        *asleep -= 1;
        // Not if the slow path may be shared: sleepers of other parkers would count as sleepers of this one.
        if !sleeper.may_be_shared() {
            sleeper.leave(*asleep > 0);
        }
    }

    #[inline]
    fn wake(&self, key: Key<'_>) {
        // A sleeper is now either before its check of the state, or inside the condition variable. Unlocked before the
        // notification, so that the woken thread does not block on the lock.
        drop(lock(&self.asleep));
        if key.may_be_shared() {
            self.look_again.notify_all();
        } else {
            self.look_again.notify_one();
        }
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Condvar { .. }")
    }
}
