use super::event_count::{Asleep, EventCount};
use super::{Key, Sleeper, Wait};
use crate::sync::const_unless_loom;
use crate::sync::futex::{self, Flags, Timespec};
use std::fmt;
use std::time::Duration;

/// A futex: the kernel puts the thread to sleep on a word, without a lock (feature `futex`, Linux and Android).
///
/// The shortest of the slow paths here: one system call to sleep, one to wake, and no lock. The word is the number of
/// events of an event count (as described by Dmitry Vyukov). A waker counts one event more, and the kernel puts no thread to
/// sleep that expects another number. (A sleeper would miss 2³² wakes that all come after it has read the number, and before
/// the kernel compares it.) A count of the sleepers saves the system call while no thread sleeps.
///
/// A wake wakes one sleeper. This slow path does not say whether others still sleep. So if several threads sleep on one
/// [`AtomicParker`](crate::AtomicParker), each one that leaves wakes another, which looks at the token and sleeps on.
///
/// It does not tell [keys](Key) apart. Parkers may share one, and then all wake up for each other's tokens: see "Several parkers" in
/// [`Wait`].
///
/// # Signal handlers
///
/// `unpark` may be called in a signal handler, also in one that interrupts the sleeping thread itself. Each step of it is
/// async-signal-safe: a swap of the parker's state; with a `Parker`, a load and a store for the answer to the sleeper, the
/// number of the CPU (a read of memory, or the system call `getcpu`) and the clock (`clock_gettime`); two additions to the event
/// count; and the system call `futex`. None of them takes a lock or allocates.
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
        let seen = self.count.enter(!sleeper.key().contains(self));
        if sleeper.still_parked() {
            // The limit of some 32-bit systems. The parker calls again.
            let most = Duration::from_secs(i32::MAX as u64);
            let timeout = sleeper.timeout().and_then(|timeout| Timespec::try_from(timeout.min(most)).ok());
            // After a wake, a changed number, a signal or a timeout alike, the parker checks the state again.
            let _ = futex::wait(self.count.word(), Flags::PRIVATE, seen, timeout.as_ref());
        }
        self.count.exit();
    }

    #[inline]
    fn wake(&self, _: Key<'_>) {
        let sleepers = match self.count.signal() {
            Asleep::None => return,
            Asleep::Some => 1,
            Asleep::OfSeveralParkers => i32::MAX as u32,
        };
        // Fails only for invalid arguments.
        let _ = futex::wake(self.count.word(), Flags::PRIVATE, sleepers);
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
