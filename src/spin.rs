//! The spin policy: for how long a parker looks at its token before it goes to sleep.
//!
//! A pure state machine over durations. It reads no clock and no atomic; [`Parker`](crate::Parker) does both, and tells it
//! what came of each look.
//!
//! # The idea
//!
//! Let `S` be what one block-and-wake costs. Looking for at most `S` before sleeping never costs more than twice what the
//! sleep alone costs, and for a wait shorter than `S` it costs the wait alone (competitive spinning: Karlin, Li,
//! Manasse, Owicki, SOSP 1991). What is left to do is not to look where it does not pay.
//!
//! - Each look that finds the token earns `S` less its length as *credit*; each one that fails spends its own length. With
//!   credit, the parker looks at every wait, for about twice as long as the looks that paid.
//! - Without credit, it backs off: after `k` failures in a row it sleeps at once for a number of waits that is drawn
//!   evenly from 1 to `2^(k+1) - 1`, with `k` at most 10, and then tries one look of length `S`.
//! - A new parker starts where the process as a whole stands ([`prior`](Learner::prior)), so that parkers that live for
//!   a few waits do not pay for the lesson again and again.
//!
//! A look that was preempted, and so took much longer than it was meant to, counts as failed, even if it found
//! the token: that is how threads on one core hand each other the token.
//!
//! # What it costs at most
//!
//! Count `S` for a sleep, and the time of looking for a look. Let a wait be *short* if it ends within `S`, else *long*.
//!
//! 1. **Against always sleeping: at most 2, for every sequence of waits.** A wait costs at most a look of `S` and a
//!    sleep of `S`.
//! 2. **Long waits only: at most `1 + 2^-10` once warmed up.** Every look fails. The warm-up is 11 looks, `11 S` in all.
//!    After it there is one look in `2^10` waits on average, and it costs `S`.
//! 3. **Against always looking: credit.** While there is credit, every wait is looked at, so short waits cost what always
//!    looking pays, and a long one at most `2 S`, which it pays too. While there is none, a *slept* short wait costs up to `S`
//!    more. Let a share `q` of the waits be long, in an order that does not depend on the draws. A back-off of level `k`
//!    sleeps through `2^k` waits on average, and ends with a look that fails with probability `q`, so the expected
//!    number of waits slept through before a look pays is at most `1 + 2q + (2q)^2 + ... + (2q)^10`. For `q >= 1/2`
//!    this does not matter: both choices pay at least `q S` a wait, and we, by sleeping, `S`: a factor of 2. For `q < 1/2` the sum is a constant, at
//!    most 11, and it is paid only once credit is exhausted: a look that pays soon after refills it.
//!
//! The draws matter. Against an adversary that sees the parker's state, no policy could have 2 and 3 together: it would
//! answer each look with a long wait, and each sleep with a short one.
//!
//! # Units
//!
//! All times in here are in nanoseconds, as `u32`.

use std::time::Duration;

/// `S`: what one block-and-wake costs, in nanoseconds.
///
/// Measured hand-offs between sleeping threads on two cores take 20 to 60 µs, most of which is the wake-up of an idle
/// core; the processor time in it is 4 to 10 µs.
const SLEEP_COST: u32 = 20_000;

/// How much credit can be saved up: what a change for the worse can cost before the parker begins to back off.
const MAX_CREDIT: u32 = 4 * SLEEP_COST;

/// The highest level of back-off.
pub(crate) const MAX_BACKOFF: u8 = 10;

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
pub struct Spin(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
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

    /// Looks for at most this long, at every park, whether it pays or not.
    ///
    /// Limited to 4 seconds. For those who know their waits; everybody else is better off with
    /// [`adaptive`](Spin::adaptive).
    #[must_use]
    pub const fn bounded(limit: Duration) -> Self {
        let nanos = limit.as_nanos();
        Self(Kind::Fixed(if nanos > u32::MAX as u128 { u32::MAX } else { nanos as u32 }))
    }

    /// Learns whether looking pays, and for how long: at most 20 µs at a time, and rarely where it does not pay.
    ///
    /// Costs at most twice what sleeping at once would; for long waits, about a thousandth more.
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

/// What one parker has learned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Learner {
    spin: Spin,
    /// False until the first wait: then it takes over what the process has learned.
    grown: bool,
    /// How many looks in a row have failed without credit.
    backoff: u8,
    /// For how many more waits to sleep at once.
    skip: u32,
    /// What looks have earned and not yet spent.
    credit: u32,
    /// For how long to look while there is credit.
    reach: u32,
    /// The draws: a linear congruential generator.
    random: u32,
}

impl Learner {
    pub(crate) const fn new(spin: Spin) -> Self {
        Self { spin, grown: false, backoff: 0, skip: 0, credit: 0, reach: SLEEP_COST, random: 0 }
    }

    /// Says that this wait can begin only after [`prior`](Learner::prior).
    pub(crate) fn is_young(&self) -> bool {
        !self.grown && self.spin.0 == Kind::Adaptive
    }

    /// Starts at the level of back-off that the process has reached, somewhere within its pause.
    pub(crate) fn prior(&mut self, backoff: u8, seed: u32) {
        self.grown = true;
        self.random = seed;
        self.back_off(backoff);
        // A parker comes into the pause at any point of it.
        self.skip = self.draw(self.skip.wrapping_add(1));
    }

    /// The level of back-off, for the process-wide prior.
    pub(crate) fn backoff(&self) -> u8 {
        self.backoff
    }

    /// Says for how long to look in the wait that begins now; zero is to sleep at once.
    pub(crate) fn next_look(&mut self) -> u32 {
        if let Kind::Fixed(nanos) = self.spin.0 {
            return nanos;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return 0;
        }
        self.reach
    }

    /// Learns from a look that took this long, and whether it found the token.
    pub(crate) fn looked(&mut self, took: u32, found: bool) {
        if self.spin.0 != Kind::Adaptive {
            return;
        }
        // Preempted, by the thread that gave the token perhaps: that was luck, not looking.
        if found && took <= SLEEP_COST {
            self.backoff = 0;
            self.credit = (self.credit + (SLEEP_COST - took)).min(MAX_CREDIT);
            let wanted = 2 * took + SLEEP_COST / 16;
            self.reach = wanted.max(self.reach - self.reach / 8).min(SLEEP_COST);
        } else if self.credit > took {
            self.credit -= took;
        } else {
            self.credit = 0;
            self.reach = SLEEP_COST;
            self.back_off((self.backoff + 1).min(MAX_BACKOFF));
        }
    }

    fn back_off(&mut self, level: u8) {
        self.backoff = level;
        self.skip = if level == 0 { 0 } else { 1 + self.draw((2 << level) - 1) };
    }

    /// A number below `bound`.
    fn draw(&mut self, bound: u32) -> u32 {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (u64::from(self.random) * u64::from(bound) >> 32) as u32
    }
}
