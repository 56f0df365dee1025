use super::{Key, Sleeper, Wait};
use crate::sync::{self, const_unless_loom, lock, Mutex};
use std::fmt;

/// A mutex and a condition variable: the default slow path.
///
/// The parkers of crossbeam and `parking` sleep like this. The mutex holds the number of sleepers. It is locked only by a thread that really goes to sleep and by a wake
/// that found one.
///
/// It does not tell [keys](Key) apart. Parkers may share one, and then all wake up for each other's tokens: see "Several parkers" in
/// [`Wait`].
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
    /// The number of sleepers, and [`SHARED`].
    asleep: Mutex<u32>,
    look_again: sync::Condvar,
}

/// Set for good by the first sleeper whose parker does not contain the slow path: from then on there may be sleepers of several parkers.
const SHARED: u32 = 1 << 31;

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
        if !sleeper.key().contains(self) {
            *asleep |= SHARED;
        }
        while sleeper.still_parked() {
            let timeout = sleeper.timeout();
            if timeout.is_some_and(|left| left.is_zero()) {
                break;
            }
            asleep = self.look_again.wait_for(&self.asleep, asleep, timeout);
        }
        *asleep -= 1;
        // Not if it may be shared: sleepers of other parkers would count as sleepers of this one.
        if *asleep & SHARED == 0 {
            sleeper.leave(*asleep > 0);
        }
    }

    #[inline]
    fn wake(&self, _: Key<'_>) {
        // A sleeper is now either before its check of the state, or inside the condition variable. Unlocked before the
        // notification, so that the woken thread does not block on the lock.
        let asleep = *lock(&self.asleep);
        if asleep & SHARED != 0 {
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
