//! Spinning: for how long a parker looks at its token before it sleeps.

mod policy;
mod process;
mod wake_time;

pub(crate) use policy::{Learner, Sleep, LONGEST_LOOK};
#[cfg(all(test, not(any(loom, shuttle))))]
pub(crate) use policy::{Levels, FIRST_WAKE_UP};
pub(crate) use process::{learner, share, share_wake_up, LOOKERS};
pub(crate) use wake_time::{Wake, WakeTime};

use std::time::Duration;

/// For how long a [`Parker`](crate::Parker) looks at the token before it sleeps.
///
/// A sleep and a wake-up cost 4 to 60 µs, while two cores that look at the same cache line hand over a token in about
/// 0.1 µs. Looking is ruinous if it goes on for too long, or keeps the thread that would give the token off
/// the processor. So a parker never looks on one available CPU, nor past the deadline of a timed park, and
/// [`adaptive`](Spin::adaptive) learns where looking pays.
///
/// # Examples
///
/// ```
/// use atomic_parker::{Parker, Spin};
/// use std::time::Duration;
///
/// let asleep_at_once = Parker::new().with_spin(Spin::off());
/// let at_most_5_us = Parker::new().with_spin(Spin::bounded(Duration::from_micros(5)));
/// let learning = Parker::new().with_spin(Spin::adaptive());
/// # let _ = (asleep_at_once, at_most_5_us, learning);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spin(pub(super) Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A look of so many nanoseconds at each wait.
    Fixed(u32),
    Adaptive,
}

impl Spin {
    /// Never looks: sleeps at once if the token is not there.
    #[must_use]
    pub const fn off() -> Self {
        Self(Kind::Fixed(0))
    }

    /// Looks for at most this long, and a microsecond or two, at every park, whether it pays or not.
    ///
    /// Limited to 4 seconds. For those who know their waits; everybody else is better off with
    /// [`adaptive`](Spin::adaptive).
    #[must_use]
    pub const fn bounded(limit: Duration) -> Self {
        let nanos = limit.as_nanos();
        Self(Kind::Fixed(if nanos > u32::MAX as u128 { u32::MAX } else { nanos as u32 }))
    }

    /// Learns whether looking pays, and for how long, and rarely looks where it does not.
    ///
    /// A look takes at most what a sleep costs, which is taken for twice the time from a wake to the woken thread, and
    /// for 12 µs at least and 60 at most. Only where many looks have just missed the token, one in many lasts for up to
    /// half a millisecond. So, counted like that, waits cost at most twice what sleeping at once would. It begins where
    /// a sleep was over within that time, by a token from another CPU, and where all waits are longer, it does not look.
    /// However many parkers there are, those that look for more than a moment leave one CPU free. The default.
    #[must_use]
    pub const fn adaptive() -> Self {
        Self(Kind::Adaptive)
    }
}

impl Default for Spin {
    /// The policy of [`Parker::new`](crate::Parker::new): [`adaptive`](Spin::adaptive).
    fn default() -> Self {
        Self::adaptive()
    }
}
