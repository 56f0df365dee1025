//! What the parkers of a process share about spinning.
//!
//! # Orderings
//!
//! All Relaxed: no memory is reached through these numbers, and each stands for itself.

use super::policy::{Learner, Levels, FIRST_WAKE_UP};
use super::Spin;
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

/// Those that look at this moment. Padded: it changes all the time, and what lies next to it does not.
pub(crate) static LOOKERS: CachePadded<Lookers> = CachePadded::new(Lookers::new());

/// What the looks and the sleeps of all parkers have come to. Padded as well.
pub(crate) static PRIOR: CachePadded<Hint> = CachePadded::new(Hint::new(FIRST_WAKE_UP));

/// A learner that starts where the process stands.
pub(crate) fn learner(spin: Spin) -> Learner {
    Learner::new(spin, Levels::from_bits(PRIOR.levels()), PRIOR.wake_up(), PRIOR.seed())
}

/// Tells the process of one more wake-up: when the token came, and how long after that.
pub(crate) fn share_wake_up(learner: &Learner, came: u32, delay: u32) {
    if let Some(news) = learner.woke_up(PRIOR.wake_up(), came, delay) {
        PRIOR.set_wake_up(news);
    }
}

/// Moves the prior one step in the direction of what this parker knows.
pub(crate) fn share(learner: &Learner) {
    if !learner.learns() {
        return;
    }
    let prior = Levels::from_bits(PRIOR.levels());
    let moved = learner.teach(prior);
    // Mostly it does not move: then its cache line stays shared.
    if moved != prior {
        PRIOR.set_levels(moved.to_bits());
    }
}

/// What the parkers of the process leave for new ones as a hint, and a counter to tell those apart.
///
/// Not of the model checkers' types: nothing that is promised depends on it.
pub(crate) struct Hint {
    levels: AtomicU32,
    wake_up: AtomicU16,
    askers: AtomicU32,
}

impl Hint {
    pub(crate) const fn new(wake_up: u16) -> Self {
        Self { levels: AtomicU32::new(0), wake_up: AtomicU16::new(wake_up), askers: AtomicU32::new(0) }
    }

    // Relaxed, in all of them: no memory is reached through these numbers, and each stands for itself.
    pub(crate) fn levels(&self) -> u32 {
        self.levels.load(Ordering::Relaxed)
    }

    pub(crate) fn wake_up(&self) -> u16 {
        self.wake_up.load(Ordering::Relaxed)
    }

    pub(crate) fn set_levels(&self, levels: u32) {
        self.levels.store(levels, Ordering::Relaxed);
    }

    pub(crate) fn set_wake_up(&self, wake_up: u16) {
        self.wake_up.store(wake_up, Ordering::Relaxed);
    }

    /// A number that no other asker got recently.
    pub(crate) fn seed(&self) -> u32 {
        self.askers.fetch_add(0x9E37_79B9, Ordering::Relaxed)
    }
}

/// How many threads of the process look at their tokens for more than a moment.
///
/// Not of the model checkers' types: nothing that is promised depends on it.
pub(crate) struct Lookers(AtomicU32);

/// One of them, until it is dropped.
pub(crate) struct Looker<'a>(&'a Lookers);

impl Lookers {
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Counts this thread among them, unless there are as many already.
    pub(crate) fn join(&self, most: u32) -> Option<Looker<'_>> {
        let one_more = |lookers| (lookers < most).then_some(lookers + 1);
        // Relaxed, here and in `drop`: no memory is reached through the count.
        let joined = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        joined.is_ok().then(|| Looker(self))
    }
}

impl Drop for Looker<'_> {
    fn drop(&mut self) {
        self.0 .0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn no_more_look_than_may() {
        let lookers = Lookers::new();
        assert!(lookers.join(0).is_none());
        let first = lookers.join(2);
        let second = lookers.join(2);
        assert!(first.is_some() && second.is_some() && lookers.join(2).is_none());
        drop(first);
        assert!(lookers.join(2).is_some());
    }
}
