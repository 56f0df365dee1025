//! The spin policy: for how long a parker spins before it sleeps. No clock, no atomics, only durations in nanoseconds.
//!
//! `S`, the limit of [`Spin`], stands for the processor time of one sleep and its wake-up. A spin of at most `S` costs no
//! more than the sleep that it may spare (competitive spinning: Karlin, Li, Manasse, Owicki, SOSP 1991). The rules below
//! keep the parker from spinning where the token comes later. A wait is *short* if its token comes within `S`, and *long* otherwise.
//!
//! - **Credit.** While there is credit, the parker spins for up to `S` in each wait. A spin that finds the token after `t` raises
//!   the credit to `S` at least, and adds `S - t`, up to `3 S`. A spin that fails subtracts its length.
//! - **Short sleeps.** The parker slept in a short wait, and the token came from another CPU. So a spin would have found it.
//!   This gives `S` of credit.
//! - **History.** There is one credit for waits that follow a short wait, and one for the others.
//! - **Misses.** If the credit was spent `m` times in a row and no spin found the token, a short sleep gives credit only with
//!   probability `2^-m`.
//! - **Exploring.** Two threads that put each other to sleep each wait for the other's wake-up, longer than `S`, although
//!   neither would wait if both spun. Each sleep saves a 32nd of `S`, a spin that finds the token an eighth of `S - t`, up to 300
//!   µs; a new parker has all of it. If the savings are full, the thread had woken a sleeper before this wait, and the token came
//!   within 60 µs, the parker spins that far in the next waits, until a token comes later, or until long waits have spent the
//!   savings. So two threads that have found each other do not lose each other by an interruption.
//! - **Skipping.** After the k-th long sleep in a row, the parker sleeps through a random number of waits without a look at the
//!   clock: less than `4^(k-1)`, and less than 64.
//!
//! # What it costs at most
//!
//! For every sequence of waits, at most twice the processor time of sleeping at once, and a constant, if a sleep takes 0.7
//! `S` or more, not counting by how much a spin overruns its length, up to a round of looks. A wait costs a sleep, here `S`,
//! and the time of its spin. A short sleep gives `S` of credit, and one spin that fails spends it: `3 S` in two waits. A
//! spin that finds the token costs no more than a sleep, and the credit that it adds is at most `S` more than it saved;
//! spins that fail spend that: at worst, one that finds it after `S` and one that fails take turns, `3 S` in two waits.
//! Exploring adds a 29th, as its last spin may spend more than is left, and an eighth of what spins have saved. So it is 1.55
//! and a constant if a sleep takes `S` or more, and 1.9 if it takes three quarters of `S`. Where all waits are longer than
//! 60 µs there is no credit, so no spin. The constant is what the first exploration takes, 0.35 ms.

use super::Spin;

/// The parker explores waits of up to this length.
const FAR: u32 = 60_000;
/// All spins of one exploration together.
const EXPLORATION: u32 = 300_000;
/// Each sleep saves this part of `S` for the next exploration.
const SAVED_PART: u32 = 32;
/// A spin that finds the token saves this part of the time that it spared.
const SPARED_PART: u32 = 8;
/// The highest number of misses, and of quiet.
const MOST: u8 = 6;

/// What one parker knows. Small: on a thread that sleeps long, all of it is cold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) spin: Spin,
    /// What spins saved, less what they spent, up to `3 S`: in waits that begin as the next one, after a short wait
    /// or after a long one.
    credit: u32,
    /// The same in the other waits. Not an array: with an index, `step` would work on a copy in memory.
    other_credit: u32,
    /// For how long to spin in the next exploration, or in what is left of this one.
    savings: u32,
    /// So many waits to sleep through without learning.
    skip: u8,
    /// The draws: a linear congruential generator.
    random: u16,
    after_short: bool,
    explores: bool,
    /// Whether the wakers of this parker run on another CPU, as far as it knows.
    pub(super) other_cpu: bool,
    misses: u8,
    /// Twice the number of long waits in a row that it learned from, at most [`MOST`].
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
    /// The token came before it slept, after an unknown time: it may have been off the processor. Or the waker's answer was late.
    Unknown,
    TimedOut,
}

impl Policy {
    /// `seed` should differ from parker to parker.
    pub(crate) fn new(spin: Spin, seed: u16) -> Self {
        Self {
            spin,
            // A fixed spin never spends it.
            credit: u32::from(!spin.is_adaptive()),
            other_credit: 0,
            savings: EXPLORATION,
            skip: 0,
            random: seed,
            after_short: false,
            explores: false,
            other_cpu: spin.is_adaptive(),
            misses: 0,
            quiet: 0,
        }
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

    /// Whether the parker spins in this wait, if it does not explore.
    #[inline]
    pub(crate) fn has_credit(&self) -> bool {
        self.credit > 0
    }

    /// For how long to spin in the wait that begins now.
    pub(crate) fn spins_for(&self) -> u32 {
        match self.explores {
            true => FAR.max(self.spin.limit()),
            false if self.has_credit() => self.spin.limit(),
            false => 0,
        }
    }

    /// Learns from a wait that was not skipped, and that began with a spin of this length. `has_woken`: the thread has woken
    /// a sleeper since its last wait.
    ///
    /// Inlined, as `spun` is the constant 0 in each hand-over.
    #[inline(always)]
    pub(crate) fn step(&mut self, spun: u32, end: End, has_woken: bool) {
        let limit = self.spin.limit();
        if !self.spin.is_adaptive() {
            self.other_cpu |= !matches!(end, End::Unknown | End::TimedOut);
            self.credit = match end {
                End::SameCpu => 0,
                End::Came(_) => 1,
                End::Found | End::Unknown | End::TimedOut => self.credit,
            };
            return;
        }
        let came = match end {
            End::Found => spun,
            End::Came(after) => spun.saturating_add(after),
            End::SameCpu | End::Unknown | End::TimedOut => u32::MAX,
        };
        let (found, short) = (end == End::Found, came <= limit);
        if self.explores && !(found && short) {
            self.savings = self.savings.saturating_sub(spun);
        } else {
            let saved = if found { limit.saturating_sub(spun) / SPARED_PART } else { limit / SAVED_PART };
            self.savings = (self.savings + saved).min(EXPLORATION);
        }
        let slept_through = !self.has_credit() && !self.explores;
        if found && short {
            let credit = limit.max(self.credit).saturating_add(limit - spun);
            self.credit = credit.min(limit.saturating_mul(3));
            self.misses = 0;
        } else if slept_through && short && self.draw(1 << self.misses) == 0 {
            self.credit = limit;
        } else if !slept_through && !self.explores {
            self.credit = self.credit.saturating_sub(spun);
            self.misses = (self.misses + u8::from(self.credit == 0)).min(MOST);
        }
        let begins = slept_through && !short && has_woken && self.savings == EXPLORATION;
        self.explores = (begins || self.explores && self.savings > 0) && came <= FAR;
        if short != self.after_short {
            std::mem::swap(&mut self.credit, &mut self.other_credit);
            self.after_short = short;
        }
        if short {
            self.quiet = 0;
        } else if slept_through && !self.explores {
            self.skip = self.draw(1 << self.quiet) as u8;
            self.savings = (self.savings + u32::from(self.skip) * (limit / SAVED_PART)).min(EXPLORATION);
            self.quiet = (self.quiet + 2).min(MOST);
        }
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
