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
    /// The number of sleepers of the parker that contains the slow path, if one does. It stays at the highest value once it was there.
    asleep: Mutex<u16>,
    look_again: sync::Condvar,
    /// For sleepers of all other parkers. Apart, so that none of them takes a wake that is for one thread.
    others_look_again: sync::Condvar,
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
            Self { asleep: Mutex::new(0), look_again: sync::Condvar::new(), others_look_again: sync::Condvar::new() }
        }
    }
}

impl Wait for Condvar {
    // Inlined although it is long: see `AtomicParker::sleep`.
    #[inline(always)]
    fn wait(&self, sleeper: &Sleeper<'_>) {
        let is_own = sleeper.key().contains(self);
        let look_again = if is_own { &self.look_again } else { &self.others_look_again };
        let mut asleep = lock(&self.asleep);
        *asleep = asleep.saturating_add(u16::from(is_own));
        while sleeper.still_parked() {
            let timeout = sleeper.timeout();
            if timeout.is_some_and(|left| left.is_zero()) {
                break;
            }
            asleep = look_again.wait_for(&self.asleep, asleep, timeout);
        }
        // The others may be of several parkers, so their number says nothing of this one's.
        if is_own {
            *asleep -= u16::from(*asleep < u16::MAX);
            sleeper.leave(*asleep > 0);
        }
    }

    #[inline]
    fn wake(&self, key: Key<'_>) {
        // A sleeper is now either before its check of the state, or inside the condition variable. Unlocked before the
        // notification, so that the woken thread does not block on the lock.
        drop(lock(&self.asleep));
        if key.contains(self) {
            self.look_again.notify_one();
        } else {
            self.others_look_again.notify_all();
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
