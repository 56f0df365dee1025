use super::{Key, Sleeper, Wait};
use crate::state::EventCount;
use crate::sync::const_unless_loom;
use crate::sync::futex::{self, Flags, Timespec};
use std::fmt;

/// A futex: the kernel puts the thread to sleep on a word, without a lock (feature `futex`, Linux and Android).
///
/// The shortest way to sleep and to wake, in code, in memory that is touched, and in time. The word is an event count
/// (as described by Dmitry Vyukov): who wakes counts one up, and the kernel refuses to put a thread to sleep that has
/// seen an older number. A count of the sleepers spares the system call where nobody sleeps.
///
/// A wake wakes one sleeper. Sleepers do not say whether others stay behind, so with several of them on one
/// [`AtomicParker`](crate::AtomicParker), each one that leaves wakes another, which looks and sleeps on.
///
/// # Examples
///
/// ```
/// use atomic_parker::{wait::Futex, AtomicParker};
///
/// static PARKER: AtomicParker<Futex> = AtomicParker::with_wait(Futex::new());
/// assert!(!PARKER.try_park());
/// ```
pub struct Futex {
    count: EventCount,
}

impl Futex {
    const_unless_loom! {
        /// Creates the slow path, without allocating.
        ///
        /// # Examples
        ///
        /// ```
        /// use atomic_parker::{wait::Futex, Parker};
        ///
        /// let parker = Parker::with_wait(Futex::new());
        /// assert!(parker.unpark());
        /// ```
        pub fn new() -> Self {
            Self { count: EventCount::new() }
        }
    }
}

impl Wait for Futex {
    #[inline]
    fn wait(&self, sleeper: &Sleeper<'_>) {
        let seen = self.count.enter();
        if sleeper.still_parked() {
            // One that the kernel could not express would be for ever.
            let timeout = sleeper.timeout().and_then(|timeout| Timespec::try_from(timeout).ok());
            // All that it can come back with, a wake, an event, a signal, the end of time, is a reason to look again.
            let _ = futex::wait(self.count.word(), Flags::PRIVATE, seen, timeout.as_ref());
        }
        self.count.exit();
    }

    #[inline]
    fn wake(&self, _key: Key<'_>) {
        if self.count.signal() {
            // It fails for bad arguments only.
            let _ = futex::wake(self.count.word(), Flags::PRIVATE, 1);
        }
    }
}

impl Default for Futex {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Futex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Futex { .. }")
    }
}
