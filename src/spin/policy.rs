//! The spin policy: for how long a parker spins before it sleeps. No clock, no atomics, only durations in nanoseconds.
//!
//! `S`, the limit of [`Spin`], stands for the processor time of one sleep and its wake-up. A spin of at most `S` costs no
//! more than the sleep that it may spare (competitive spinning: Karlin, Li, Manasse, Owicki, SOSP 1991). The rest is not to
//! spin where the token comes later. A wait is *short* if its token comes within `S`, and *long* otherwise.
//!
//! - **Short sleeps.** The parker slept in a short wait, and the token came from another CPU. So a spin would have found it.
//!   This gives `S` of credit.
//! - **Credit.** While there is credit, the parker spins for `budget` in each wait. A spin that fails spends its length. A
//!   spin that finds the token after `t` earns `S - t`, and raises the credit to `S` before. At most `3 S`.
//! - **Budget.** A little more than the longest wait that a spin has found. A spin that fails in a long wait shortens it
//!   by a quarter; one that fails in a short wait doubles it.
//! - **Misses.** How often in a row the credit was spent without success. After `m` of them, a short sleep gives credit with
//!   probability `2^-m`.
//! - **Exploring.** Two threads that put each other to sleep each wait for the other's wake-up, longer than `S`, although
//!   neither would wait if both spun. So when the token came within 60 µs, the parker spins that far, for 300 µs all
//!   together. Each sleep saves a sixteenth of `S` for that, and a new parker has the whole of it.
//! - **Skipping.** After the k-th long sleep in a row, the parker sleeps through up to `2^k` waits without a look at the
//!   clock, 64 at most.
//!
//! # What it costs at most
//!
//! For every sequence of waits, at most twice the processor time of sleeping at once, and a constant. A wait costs `S` for
//! a sleep and the time of its spin. Credit comes from a short sleep, which has no spin, or from a spin that was cheaper
//! than a sleep, and spins that fail spend it. The last of them may spend more than is left: so less than `2 S` for a short
//! sleep, in two spins or more, as each is shorter than the one before. The worst is a short sleep and two spins that fail:
//! 4.75 `S` in three waits. Exploring adds a sixteenth. So it is 1.65 and a constant, if `S` is right, and 2.2 if a sleep takes
//! only half of `S`. Where all waits are longer than 60 µs there is no credit, so no spin.

use super::Spin;

/// The parker explores waits of up to this length.
const FAR: u32 = 60_000;
/// All spins of one exploration together.
const EXPLORATION: u32 = 300_000;
/// Each sleep saves this part of `S` for the next exploration.
const SAVED_PART: u32 = 16;
/// Credit is at most this many times `S`.
const MOST_CREDIT: u32 = 3;
/// The shortest budget.
const SHORTEST: u32 = 1_000;
/// The highest number of misses, and of quiet.
const MOST: u8 = 6;

/// What one parker knows. Small: on a thread that sleeps long, all of it is cold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    spin: Spin,
    /// What spins saved, less what they spent, in nanoseconds.
    credit: u32,
    /// For how long to spin while there is credit.
    budget: u32,
    /// For how long to spin in the next exploration, or in what is left of this one.
    savings: u32,
    /// So many waits to sleep through without learning.
    skip: u16,
    /// The draws: a linear congruential generator.
    random: u16,
    explores: bool,
    /// Whether the wakers of this parker run on another CPU, as far as it knows.
    pub(super) other_cpu: bool,
    misses: u8,
    /// So many long waits in a row were learned from.
    quiet: u8,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// The spin found the token.
    Found,
    /// It slept, and the token came so long after that began.
    Came(u32),
    /// The token came from the CPU that this thread had left: a spin would have kept the waker from running.
    SameCpu,
    TimedOut,
}

impl Policy {
    /// `seed` should differ from parker to parker.
    pub(crate) fn new(spin: Spin, seed: u16) -> Self {
        Self {
            spin,
            // A fixed spin never spends it.
            credit: u32::from(!spin.is_adaptive()),
            budget: spin.limit(),
            savings: EXPLORATION,
            skip: 0,
            random: seed,
            explores: false,
            other_cpu: spin.is_adaptive(),
            misses: 0,
            quiet: 0,
        }
    }

    pub(crate) fn spin(&self) -> Spin {
        self.spin
    }

    /// Whether to sleep through the wait that begins now, without a report of it.
    #[inline]
    pub(crate) fn skips(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return true;
        }
        self.spin.limit() == 0
    }

    /// Whether the last spins found the token.
    #[inline]
    pub(crate) fn has_credit(&self) -> bool {
        self.credit > 0
    }

    /// For how long to spin in the wait that begins now.
    pub(crate) fn spins_for(&self) -> u32 {
        match self.explores {
            true => FAR.max(self.spin.limit()),
            false if self.credit > 0 => self.budget,
            false => 0,
        }
    }

    /// Learns from a wait that was not skipped, and that began with a spin of this length.
    pub(crate) fn step(&mut self, spun: u32, end: End) {
        let limit = self.spin.limit();
        if !self.spin.is_adaptive() {
            self.other_cpu |= end != End::TimedOut;
            self.credit = match end {
                End::SameCpu => 0,
                End::Came(_) => 1,
                End::Found | End::TimedOut => self.credit,
            };
            return;
        }
        let came = match end {
            End::Found => spun,
            End::Came(after) => spun.saturating_add(after),
            End::SameCpu | End::TimedOut => u32::MAX,
        };
        let (found, short) = (end == End::Found, came <= limit);
        if self.explores {
            self.savings = self.savings.saturating_sub(spun);
        } else if !found {
            self.savings = (self.savings + limit / SAVED_PART).min(EXPLORATION);
        }
        let slept_through = self.credit == 0 && !self.explores;
        if found && short {
            self.credit = (self.credit.max(limit) + limit - spun).min(MOST_CREDIT * limit);
            self.lengthen(came);
            self.misses = 0;
        } else if slept_through && short && self.draw(1 << self.misses) == 0 {
            self.credit = limit;
            self.lengthen(came);
        } else if !slept_through && !self.explores {
            self.credit = self.credit.saturating_sub(spun);
            let budget = if short { 2 * self.budget } else { self.budget - self.budget / 4 };
            self.budget = budget.max(SHORTEST).min(limit);
            self.misses = (self.misses + u8::from(self.credit == 0)).min(MOST);
        }
        let begins = slept_through && !short && self.savings == EXPLORATION;
        self.explores = (begins || self.explores && self.savings > 0) && came <= FAR;
        if short {
            self.quiet = 0;
        } else if came > FAR && spun == 0 {
            self.skip = self.draw(1 << self.quiet);
            self.quiet = (self.quiet + 1).min(MOST);
        }
    }

    /// Makes the budget long enough for waits like this one.
    fn lengthen(&mut self, came: u32) {
        self.budget = self.budget.max(came + came / 4 + SHORTEST).min(self.spin.limit());
    }

    /// A number below `bound`.
    fn draw(&mut self, bound: u16) -> u16 {
        self.random = self.random.wrapping_mul(25_173).wrapping_add(13_849);
        ((u32::from(self.random) * u32::from(bound)) >> 16) as u16
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "policy_tests.rs"]
mod tests;
