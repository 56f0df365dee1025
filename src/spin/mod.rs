//! Spinning: for how long a parker spins before it sleeps.
//!
//! `policy.rs` decides, `turns.rs` spins, `wake_time.rs` has what the waker says, and `process.rs` is what all
//! parkers share.

mod policy;
mod process;
mod turns;
mod wake_time;

use policy::{Adaptive, Fixed};
pub(crate) use policy::{End, Policy};
pub(crate) use turns::{spin, spin_untimed, Spun};
pub(crate) use wake_time::{Wake, WakeTime};

use std::fmt;
use std::time::Duration;

/// For how long a [`Parker`](crate::Parker) spins, that is, checks for the token again and again, before it sleeps.
///
/// A sleep and its wake-up take 3 to 30 µs of processor time, and the thread continues 4 to 60 µs after the wake. Two threads
/// that spin on two CPUs hand over a token in about 0.1 µs. But a spin is wasted if the token comes later, and it delays
/// a waker that needs the same CPU.
///
/// | | spins |
/// | --- | --- |
/// | [`adaptive`](Spin::adaptive) | where it has learned that spinning costs less processor time than sleeping; the default |
/// | [`adaptive_up_to`](Spin::adaptive_up_to) | the same, with your own price for a sleep |
/// | [`bounded`](Spin::bounded) | at each park, for a fixed time |
/// | [`off`](Spin::off) | never |
///
/// No spin goes past the deadline of a timed park. An [`AtomicParker`](crate::AtomicParker) never spins, and nothing does on
/// `wasm32-unknown-unknown`, where `std` has no clock.
///
/// # Event loops
///
/// While a parker spins, its [`Wait`](crate::wait::Wait) is not called: a thread that sleeps in an event loop sees its
/// events later by up to the length of the spin, 60 µs at most with the default. Use `off` for such a parker.
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

    /// Spins for up to `limit` at every park.
    ///
    /// `limit` is cut to 2.1 seconds. A limit above zero spins for at least
    /// about 1 µs: until then the clock is not read. A park with a deadline reads it from the start.
    ///
    /// After a wake-up from the CPU that the parker slept on, the next parks sleep at once, as a spin could keep the waker from
    /// running. After a wake-up from another CPU, the parker spins again. Before its first wake-up, a parker spins only if
    /// its thread may run on more than one CPU.
    ///
    /// Limits: if the thread loses all CPUs but one later, only a wake-up shows it, and only on Linux and Android. If `limit` is longer
    /// than a time slice (a few milliseconds), each spin may find the token, and then the parker does not learn it.
    ///
    /// **Under real-time priorities** (`SCHED_FIFO`, `SCHED_RR`), a waker of lower priority that can run only on the same CPU waits
    /// for the whole `limit` at each park. Use [`off`](Spin::off) there.
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

    /// Spins if the last waits show that this costs less processor time than sleeping. The default.
    ///
    /// For every sequence of waits, the processor time of sleeper and waker together is at most twice that of sleeping at
    /// once, plus 0.3 ms for each parker, where a sleep and its wake-up take 3 µs or more. (Not counting by how much a spin
    /// overruns its length: by less than a microsecond.) If all waits are longer than 60 µs, the parker hardly ever
    /// spins; to learn that costs about a tenth of its first sleeps, and a few per cent later.
    ///
    /// A sleep is assumed to cost 3.5 µs. So the parker spins if it has learned that the token comes within that time, from another
    /// CPU. If the token comes within 60 µs, it sometimes spins for that long, as both sides
    /// may be waiting for each other's wake-up. This adds at most 4 % of the cost of its sleeps, and an eighth of what spins have
    /// saved. On a single CPU it hardly ever spins, as a token from the same CPU does not count.
    /// [`docs::spinning`](crate::docs::spinning) has the rules.
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
        Self::adaptive_up_to(Duration::from_nanos(3_500))
    }

    /// As [`adaptive`](Spin::adaptive), but assumes that a sleep costs `limit`: for lower latency at the cost of processor time.
    ///
    /// The parker spins if it has learned that the token comes within `limit`, for up to `limit`, and sometimes for up to 60
    /// µs. The processor time is at most twice that of sleeping at once if a sleep is counted as `limit`, from 1 µs on: a
    /// spin takes at least about 1 µs, as until then the clock is not read. `limit` is cut to 2.1 seconds; zero is
    /// [`off`](Spin::off). On up to 17 CPUs, the parkers that spin for more than 5 µs mostly leave one CPU free. With a limit
    /// of more than a time slice, what [`bounded`](Spin::bounded) says of it holds here too.
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

    /// Sets the default of this process, for parkers without [`with_spin`](crate::Parker::with_spin).
    ///
    /// New parkers use it, and so do the parkers that [`block_on`](crate::block_on) keeps for each thread, from its next call on.
    /// Other existing parkers keep their setting. So an application can turn spinning off for all its dependencies, in its
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

    /// A policy that has learned nothing yet.
    pub(crate) fn policy(self) -> Policy {
        match self.limit() {
            0 => Policy::Off,
            price if self.is_adaptive() => Policy::Adaptive(Adaptive::new(price)),
            limit => Policy::Fixed(Fixed::new(limit)),
        }
    }

    /// The setting that a policy was made from.
    pub(crate) fn of(policy: &Policy) -> Self {
        match policy {
            Policy::Off => Self::off(),
            Policy::Fixed(fixed) => Self(fixed.limit),
            Policy::Adaptive(adaptive) => Self(adaptive.price | Self::ADAPTIVE),
        }
    }

    const fn limit(self) -> u32 {
        self.0 & Self::LONGEST
    }

    const fn is_adaptive(self) -> bool {
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
    fn a_policy_knows_its_setting() {
        let of = Duration::from_micros(7);
        for spin in [Spin::off(), Spin::bounded(of), Spin::adaptive_up_to(of), Spin::adaptive()] {
            assert_eq!(Spin::of(&spin.policy()), spin);
        }
    }

    #[test]
    fn debug_names_the_constructor() {
        assert_eq!(format!("{:?}", Spin::off()), "Off");
        assert_eq!(format!("{:?}", Spin::adaptive()), "AdaptiveUpTo(3.5µs)");
        assert_eq!(format!("{:?}", Spin::bounded(Duration::from_micros(7))), "Bounded(7µs)");
    }
}
