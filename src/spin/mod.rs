//! Spinning: for how long a parker spins before it sleeps.
//!
//! `policy.rs` decides, `turns.rs` spins, `wake_time.rs` has the waker say when the token came, and `process.rs` is what
//! all parkers share.

mod policy;
mod process;
mod turns;
mod wake_time;

pub(crate) use policy::{End, Policy};
pub(crate) use turns::{spin, spin_untimed, Spun};
pub(crate) use wake_time::{Wake, WakeTime};

use std::fmt;
use std::time::Duration;

/// For how long a [`Parker`](crate::Parker) spins, that is, looks at the token again and again, before it sleeps.
///
/// A sleep and its wake-up take 3 to 8 µs of processor time, and the thread runs on 5 to 60 µs after the wake. Two threads
/// that spin on two CPUs hand over a token in about 0.1 µs. But a spin is wasted if the token comes later, and it is in the
/// way if the waker needs the same CPU.
///
/// | | spins |
/// | --- | --- |
/// | [`adaptive`](Spin::adaptive) | where it has learned that spinning costs less processor time than sleeping; the default |
/// | [`adaptive_up_to`](Spin::adaptive_up_to) | the same, with your own price for a sleep |
/// | [`bounded`](Spin::bounded) | at each park, for a fixed time |
/// | [`off`](Spin::off) | never |
///
/// No spin goes past the deadline of a timed park. An [`AtomicParker`](crate::AtomicParker) never spins.
///
/// # Event loops
///
/// While a parker spins, its [`Wait`](crate::wait::Wait) is not called: a thread that sleeps in an event loop sees its
/// events later by up to the length of the spin, 5 µs with the default. Where that is too much, use `off` for this parker.
///
/// # Examples
///
/// ```
/// use atomic_parker::{Parker, Spin};
/// use std::time::Duration;
///
/// let learning = Parker::new().with_spin(Spin::adaptive());
/// let low_latency = Parker::new().with_spin(Spin::adaptive_up_to(Duration::from_micros(50)));
/// let fixed = Parker::new().with_spin(Spin::bounded(Duration::from_micros(5)));
/// let asleep_at_once = Parker::new().with_spin(Spin::off());
/// # let _ = (learning, low_latency, fixed, asleep_at_once);
/// ```
// The limit in nanoseconds, and the bit ADAPTIVE, in one number, so that the default fits into an atomic.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spin(u32);

impl Spin {
    const ADAPTIVE: u32 = 1 << 31;

    /// The highest limit, in nanoseconds.
    const LONGEST: u32 = Self::ADAPTIVE - 1;

    /// Never spins: sleeps at once if the token is not there.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::{Parker, Spin};
    ///
    /// let parker = Parker::new().with_spin(Spin::off());
    /// assert!(!parker.try_park());
    /// ```
    #[must_use]
    pub const fn off() -> Self {
        Self(0)
    }

    /// Spins for `limit` at every park, whether it pays or not.
    ///
    /// The unit is processor time of the parking thread. `limit` is cut to 2.1 seconds. A limit above zero spins for at least
    /// about 1 µs: until then the clock is not read. A park with a deadline reads it from the start.
    ///
    /// Where a wake-up came from the CPU that the parker slept on, the next park sleeps at once, as a spin might keep the
    /// waker from running; it spins again after a wake-up from another CPU. So a thread that is moved to a single CPU, or
    /// back, spins once too often, or sleeps once. Before its first wake-up, the parker goes by the number of CPUs that the
    /// process had when one of its threads first asked; with one CPU it does not spin. Later changes of that number are
    /// noticed by wake-ups only: not on systems other than Linux and Android, and not while each spin finds the token, as one
    /// does on a single CPU that is longer than the time slice of the thread, a few milliseconds.
    ///
    /// **Under real-time priorities** (`SCHED_FIFO`, `SCHED_RR`) a spinning thread is not preempted by one of lower priority.
    /// If the waker is one and has no other CPU, each park delays it by the whole `limit`. Use [`off`](Spin::off) there.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::{Parker, Spin};
    /// use std::time::Duration;
    ///
    /// let parker = Parker::new().with_spin(Spin::bounded(Duration::from_micros(5)));
    /// parker.unpark();
    /// parker.park();
    /// ```
    #[must_use]
    pub const fn bounded(limit: Duration) -> Self {
        Self(Self::nanos(limit))
    }

    /// Spins where that costs less processor time than sleeping, as far as this parker can tell. The default.
    ///
    /// For every sequence of waits, the processor time of sleeper and waker together is at most twice that of sleeping at
    /// once, plus a constant; where all waits are long, it is the same. The price of a sleep is taken for 5 µs, so the
    /// parker spins where the token comes within that time, from another CPU. Where the token comes within 60 µs, it tries
    /// longer spins for a sixteenth of its time, as both sides may be waiting for each other's wake-up. On a single CPU it
    /// never spins.
    ///
    /// Competitive spinning: Karlin, Li, Manasse, Owicki, SOSP 1991.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::{Parker, Spin};
    ///
    /// let parker = Parker::new().with_spin(Spin::adaptive());
    /// assert!(!parker.try_park());
    /// ```
    #[must_use]
    pub const fn adaptive() -> Self {
        Self::adaptive_up_to(Duration::from_micros(5))
    }

    /// As [`adaptive`](Spin::adaptive), with a price for a sleep of your own: where latency is worth processor time.
    ///
    /// The parker spins where it has learned that the token comes within `limit`, and for no longer than that. The processor
    /// time is at most twice that of sleeping at once if a sleep is counted as `limit`. `limit` is cut to 2.1 seconds; zero is
    /// [`off`](Spin::off). However many parkers there are, those that spin for more than 5 µs leave one CPU free.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::{Parker, Spin};
    /// use std::time::Duration;
    ///
    /// let parker = Parker::new().with_spin(Spin::adaptive_up_to(Duration::from_micros(50)));
    /// assert!(!parker.try_park());
    /// ```
    #[must_use]
    pub const fn adaptive_up_to(limit: Duration) -> Self {
        match Self::nanos(limit) {
            0 => Self::off(),
            nanos => Self(nanos | Self::ADAPTIVE),
        }
    }

    /// Sets what the parkers of this process use from now on that are given no other.
    ///
    /// These are new parkers of every constructor, and those that [`block_on`](crate::block_on) keeps for each thread, at its
    /// next call. Parkers that exist keep theirs. An application can so turn spinning off for all its dependencies, in its
    /// first line. Lock-free, no system call. It orders no other memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::Spin;
    ///
    /// Spin::set_default(Spin::off());
    /// assert_eq!(Spin::default(), Spin::off());
    /// ```
    pub fn set_default(spin: Spin) {
        process::set_default(spin);
    }

    const fn nanos(limit: Duration) -> u32 {
        let nanos = limit.as_nanos();
        if nanos > Self::LONGEST as u128 {
            Self::LONGEST
        } else {
            nanos as u32
        }
    }

    pub(crate) const fn limit(self) -> u32 {
        self.0 & Self::LONGEST
    }

    pub(crate) const fn is_adaptive(self) -> bool {
        self.0 & Self::ADAPTIVE != 0
    }
}

impl Default for Spin {
    /// What a new parker uses: the last [`set_default`](Spin::set_default), or else [`adaptive`](Spin::adaptive).
    fn default() -> Self {
        process::default()
    }
}

impl fmt::Debug for Spin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = Duration::from_nanos(self.limit().into());
        match *self {
            spin if spin == Self::off() => f.write_str("Off"),
            spin if spin.is_adaptive() => f.debug_tuple("AdaptiveUpTo").field(&limit).finish(),
            _ => f.debug_tuple("Bounded").field(&limit).finish(),
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn limits_are_cut_to_what_fits() {
        assert_eq!(Spin::bounded(Duration::MAX).limit(), Spin::LONGEST);
        assert_eq!(Spin::bounded(Duration::from_nanos(Spin::LONGEST.into())).limit(), Spin::LONGEST);
        assert_eq!(Spin::adaptive_up_to(Duration::MAX).limit(), Spin::LONGEST);
        assert_eq!(Spin::bounded(Duration::from_nanos(7)).limit(), 7);
        assert_eq!(Spin::adaptive_up_to(Duration::ZERO), Spin::off());
        assert_eq!(Spin::bounded(Duration::ZERO), Spin::off());
        assert!(Spin::adaptive().is_adaptive() && !Spin::bounded(Duration::MAX).is_adaptive());
    }

    #[test]
    fn debug_names_the_constructor() {
        assert_eq!(format!("{:?}", Spin::off()), "Off");
        assert_eq!(format!("{:?}", Spin::adaptive()), "AdaptiveUpTo(5µs)");
        assert_eq!(format!("{:?}", Spin::bounded(Duration::from_micros(7))), "Bounded(7µs)");
    }
}
