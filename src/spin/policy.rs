//! The spin policy: for how long a parker spins before it sleeps. No clock, no atomics, only durations in nanoseconds.
//!
//! `S`, the limit of [`Spin`], stands for the processor time that one sleep and its wake-up take. A spin of at most `S`
//! costs no more than the sleep that it may spare (competitive spinning: Karlin, Li, Manasse, Owicki, SOSP 1991). What is
//! left is not to spin where the token comes later.
//!
//! At each wait the policy is in one of four phases.
//!
//! | phase | spins for | begins | ends |
//! | --- | --- | --- | --- |
//! | skipping | nothing, and learns nothing | after a long wait, for up to `2^quiet` waits | after those waits |
//! | sleeping | nothing, and learns when the token came | at first; when credit ends | a hint leads to one spin |
//! | spinning | `budget` while there is credit, `S` on a hint | with a hint, or a spin that found the token | when the credit is spent |
//! | exploring | up to 60 µs | after a near miss, once enough is saved | when what was saved is spent; at a long wait |
//!
//! - **Hint.** The parker slept, and the token came within `S` from another CPU. So a spin would have found it. The parker
//!   spins at the next wait or at the one after: which of them, is drawn at random, so that no pattern of waits leads
//!   every such spin to a long wait.
//! - **Misses.** Spins on a hint, or runs of credit, that ended without the token. After `m` in a row, a hint counts with
//!   probability `2^-m`. A spin that finds the token clears them.
//! - **Credit.** A spin that finds the token after `t` earns `S - t`, what it saved against a sleep, and tops the credit up
//!   to `S` before. A spin that fails spends its own length. At most `3 S`.
//! - **Budget.** A spin that fails in a long wait shortens the next one by a quarter. One that finds the token, or fails but
//!   would have found it within `S`, lengthens it.
//! - **Exploring.** Two threads that put each other to sleep each wait for the other's wake-up, longer than `S`, although
//!   neither would wait if both spun. So when the token came within 60 µs, the parker spins that far, for 300 µs all
//!   together. Each sleep saves a sixteenth of `S` for that, and a new parker has the whole of it.
//! - **Skipping.** Where all waits are long, there is nothing to learn, and reading the clock on cold caches costs a
//!   microsecond.
//!
//! # What it costs at most
//!
//! For every sequence of waits, at most twice the processor time of sleeping at once, and a constant. A wait costs `S` for
//! a sleep and the time of its spin. Without credit, each spin needs a wait before that was slept through: at most `3 S` in
//! two waits. With credit, a spin that fails spends what earlier ones saved, and at most `S` more for each spin that pays:
//! a hint, a spin that finds the token after `S`, and one that fails take turns, `4 S` in three waits. Exploring adds a
//! sixteenth. So it is 1.6 and a constant, if `S` is right, and 2 if a sleep takes only half of `S`. Where all waits are
//! long there is no hint, so no spin.

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
    next: Next,
    misses: u8,
    /// So many long waits in a row were learned from.
    quiet: u8,
}

/// What to do at the next wait, without credit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Sleep,
    SleepThenSpin,
    Spin,
    /// As `Spin`, if the process has another CPU: the first waits of a fixed spin.
    SpinUnlessAlone,
    Explore,
}

/// How a wait went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Waited {
    /// For how long it spun.
    pub(crate) spun: u32,
    pub(crate) end: End,
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
        let next = if spin.is_adaptive() { Next::Sleep } else { Next::SpinUnlessAlone };
        let budget = spin.limit();
        Self { spin, credit: 0, budget, savings: EXPLORATION, skip: 0, random: seed, next, misses: 0, quiet: 0 }
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

    /// Whether it was a wake-up from another CPU that has this parker spin.
    pub(crate) fn knows_another_cpu(&self) -> bool {
        self.next != Next::SpinUnlessAlone
    }

    /// For how long to spin in the wait that begins now.
    pub(crate) fn spins_for(&self) -> u32 {
        match self.next {
            Next::Explore => FAR.max(self.spin.limit()),
            _ if self.credit > 0 => self.budget,
            Next::Spin | Next::SpinUnlessAlone => self.spin.limit(),
            Next::Sleep | Next::SleepThenSpin => 0,
        }
    }

    /// Learns from a wait that was not skipped.
    pub(crate) fn step(&mut self, Waited { spun, end }: Waited) {
        let limit = self.spin.limit();
        if !self.spin.is_adaptive() {
            match end {
                End::SameCpu => self.next = Next::Sleep,
                End::Came(_) => self.next = Next::Spin,
                End::Found | End::TimedOut => {}
            }
            return;
        }
        let came = match end {
            End::Found => spun,
            End::Came(after) => spun.saturating_add(after),
            End::SameCpu | End::TimedOut => u32::MAX,
        };
        let short = came <= limit;
        let explores = self.next == Next::Explore;
        if explores {
            self.savings = self.savings.saturating_sub(spun);
        } else if end != End::Found {
            self.savings = (self.savings + limit / SAVED_PART).min(EXPLORATION);
        }
        if short {
            self.quiet = 0;
        }
        if short && end == End::Found {
            self.credit = (self.credit.max(limit) + limit - spun).min(MOST_CREDIT * limit);
            self.budget = self.budget.max(2 * spun + SHORTEST).min(limit);
            self.misses = 0;
        } else if explores {
            // Credit pays for this spin.
        } else if self.credit > 0 {
            self.credit = self.credit.saturating_sub(spun);
            let budget = if short { 2 * self.budget } else { self.budget - self.budget / 4 };
            self.budget = budget.max(SHORTEST).min(limit);
            self.misses = (self.misses + u8::from(self.credit == 0)).min(MOST);
        } else if spun > 0 {
            self.misses = (self.misses + 1).min(MOST);
        }
        let learns = spun == 0 && self.credit == 0;
        let hinted = learns && short && self.next == Next::Sleep && self.draw(1 << self.misses) == 0;
        self.next = match self.next {
            Next::Explore if self.savings > 0 && came <= FAR => Next::Explore,
            Next::SleepThenSpin => Next::Spin,
            _ if hinted => [Next::Spin, Next::SleepThenSpin][usize::from(self.draw(2))],
            _ if learns && !short && came <= FAR && self.savings == EXPLORATION => Next::Explore,
            _ => Next::Sleep,
        };
        if came > FAR && spun == 0 {
            self.skip = self.draw(1 << self.quiet);
            self.quiet = (self.quiet + 1).min(MOST);
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
