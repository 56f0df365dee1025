//! The spin policy: for how long a parker spins before it sleeps. A pure state machine: no clock, no atomics, only
//! durations in nanoseconds.
//!
//! `docs/spinning.md` has the rules, what each of them is worth, and what spinning costs at most.

/// A far spin, which is longer than the price of a sleep, lasts up to here.
const FAR: u32 = 60_000;
/// The most that can be saved for spins beyond the price of a sleep.
const FULL: u32 = 300_000;
/// A sleep saves this part of its price.
const SAVED_PART: u32 = 32;
/// A spin that finds the token saves this part of the time that it spared.
const SPARED_PART: u32 = 8;
/// So many spins may fail after a short wait. With one, short and long waits in turn would each find the parker wrong.
const TRIES: u8 = 2;
const MOST_BACKOFF: u8 = 30;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// The spin found the token.
    Found,
    /// It slept, and the token came so long after that began.
    Came(u32),
    /// The token came from the CPU that this thread had left: a spin would have kept the waker from running.
    SameCpu,
    /// The token came before it slept, after an unknown time: it may have been off the processor. Or the waker's answer was late.
    Unknown,
    TimedOut,
}

/// What one parker knows. Small: on a thread that sleeps long, all of it is cold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Policy {
    Off,
    Fixed(Fixed),
    Adaptive(Adaptive),
}

impl Policy {
    /// Whether to sleep through the wait that begins now, without a report of it.
    #[inline]
    pub(crate) fn skips(&mut self) -> bool {
        match self {
            Self::Off => true,
            Self::Fixed(_) => false,
            Self::Adaptive(adaptive) => adaptive.skips(),
        }
    }

    /// Whether the parker spins in the wait that begins now.
    #[inline]
    pub(crate) fn spins(&self) -> bool {
        match self {
            Self::Off => false,
            Self::Fixed(fixed) => fixed.wakers != Wakers::OnSameCpu,
            Self::Adaptive(adaptive) => adaptive.tries > 0,
        }
    }

    /// For how long to spin in the wait that begins now.
    pub(crate) fn spins_for(&self) -> u32 {
        match self {
            _ if !self.spins() => 0,
            Self::Off => 0,
            Self::Fixed(fixed) => fixed.limit,
            Self::Adaptive(adaptive) => adaptive.spins_for(),
        }
    }

    /// Learns from a wait that was not skipped, and that began with a spin of this length.
    ///
    /// Inlined, as `spun` is the constant 0 in each hand-over.
    #[inline(always)]
    pub(crate) fn learn(&mut self, spun: u32, end: End) {
        match self {
            Self::Off => {}
            Self::Fixed(fixed) => fixed.learn(end),
            Self::Adaptive(adaptive) => adaptive.learn(spun, end),
        }
    }

    /// Whether the wakers of this parker run on another CPU, as far as it knows.
    pub(super) fn knows_another_cpu(&self) -> bool {
        match self {
            Self::Off => false,
            Self::Fixed(fixed) => fixed.wakers == Wakers::OnOtherCpu,
            // It spins only where it has learned to.
            Self::Adaptive(_) => true,
        }
    }

    pub(super) fn is_adaptive(&self) -> bool {
        matches!(self, Self::Adaptive(_))
    }
}

/// Spins at each wait, unless the last wake-up came from the same CPU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixed {
    pub(super) limit: u32,
    wakers: Wakers,
}

/// Where the last waker ran.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wakers {
    Unknown,
    OnOtherCpu,
    OnSameCpu,
}

impl Fixed {
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, wakers: Wakers::Unknown }
    }

    fn learn(&mut self, end: End) {
        match end {
            End::Found | End::Came(_) => self.wakers = Wakers::OnOtherCpu,
            End::SameCpu => self.wakers = Wakers::OnSameCpu,
            End::Unknown | End::TimedOut => {}
        }
    }
}

/// Spins where the last waits show that this is worth it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adaptive {
    /// The price of a sleep. A wait is short if its token comes within that time.
    pub(super) price: u32,
    /// How many spins may still fail before it sleeps at once: up to [`TRIES`].
    tries: u8,
    /// What spins may still take beyond the price: up to [`FULL`].
    savings: u32,
    /// How many waits to sleep through without learning.
    skip: u8,
    /// The next value of `skip`.
    backoff: u8,
}

impl Adaptive {
    pub(crate) fn new(price: u32) -> Self {
        Self { price, tries: 0, savings: FULL, skip: 0, backoff: 0 }
    }

    #[inline]
    fn skips(&mut self) -> bool {
        let skips = self.skip > 0;
        self.skip -= u8::from(skips);
        skips
    }

    fn spins_for(&self) -> u32 {
        // Far, if the savings last for that.
        if self.savings >= FAR {
            self.price.max(FAR)
        } else {
            self.price
        }
    }

    #[inline(always)]
    fn learn(&mut self, spun: u32, end: End) {
        match end {
            // A short wait.
            End::Found if spun <= self.price => {
                self.tries = TRIES;
                self.save((self.price - spun) / SPARED_PART);
            }
            End::Found => self.spend(spun),
            // The spin failed.
            _ if self.tries > 0 => {
                self.tries -= 1;
                self.spend(spun);
            }
            // A spin would have found the token.
            End::Came(after) if after <= self.price || after <= FAR && self.savings == FULL => {
                self.tries = TRIES;
                self.backoff = 0;
                self.save(self.price / SAVED_PART);
            }
            _ => {
                self.skip = self.backoff;
                self.backoff = MOST_BACKOFF.min(2 * self.backoff + 2);
                self.save((1 + u32::from(self.skip)) * (self.price / SAVED_PART));
            }
        }
    }

    fn save(&mut self, time: u32) {
        self.savings = FULL.min(self.savings + time);
    }

    /// The first part of a spin, up to the price, is not paid from savings.
    fn spend(&mut self, spun: u32) {
        self.savings = self.savings.saturating_sub(spun.saturating_sub(self.price));
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "policy_tests.rs"]
mod tests;
