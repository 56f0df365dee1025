//! An event count: what the sleepers on a futex and their wakers agree on.
//!
//! # Orderings
//!
//! | step | ordering | pairs with |
//! | --- | --- | --- |
//! | `enter`: note that it is shared | Relaxed | nothing: a `signal` that finds the sleeper counted finds this too, in the same atomic |
//! | `enter`: count the sleeper | Acquire | the second Release of `signal` |
//! | `enter`: read the number of events | Acquire | the first Release of `signal` |
//! | `signal`: count an event | Release | the second Acquire of `enter` |
//! | `signal`: read the sleepers by a write | Release | the first Acquire of `enter` |
//! | `exit` | Relaxed | nothing: a stale count costs one needless wake |
//!
//! `signal` and `enter` each write `sleepers`, so one of them comes first in its modification order. If `enter` comes
//! first, `signal` counts the sleeper and wakes it. If `signal` comes first, `enter` synchronizes with it, so the sleeper
//! sees what the signal is about and the new number of events, and does not sleep.

use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::const_unless_loom;

/// A sleeper enters, looks whether there still is a reason to sleep, and sleeps for as long as the number of events is
/// the one that `enter` returned. A waker takes the reason away first, and then signals.
///
/// There are two numbers, so that neither can overflow into the other, and so that the number of events takes 2³² wakes
/// to come back to what a sleeper saw.
pub(crate) struct EventCount {
    events: AtomicU32,
    /// Their number, and [`SHARED`].
    sleepers: AtomicU32,
}

/// Set for good by the first sleeper that says so: from then on there may be sleepers of several parkers.
const SHARED: u32 = 1 << 31;

/// What a signal found: threads that may be asleep and not know of the event.
#[derive(Debug, PartialEq)]
pub(crate) enum Asleep {
    None,
    /// All of one parker, so it is enough to wake one.
    Some,
    OfSeveralParkers,
}

impl EventCount {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self { events: AtomicU32::new(0), sleepers: AtomicU32::new(0) }
        }
    }

    /// Counts this thread among the sleepers, and returns the number of events so far.
    ///
    /// `shared`: whether there may be sleepers of other parkers.
    #[inline]
    pub(crate) fn enter(&self, shared: bool) -> u32 {
        if shared {
            // Relaxed: comes before the addition in the modification order of this atomic, so a signal that finds this thread counted
            // finds this too.
            self.sleepers.fetch_or(SHARED, Ordering::Relaxed);
        }
        // Acquire: pairs with the second Release of `signal`. A sleeper that comes after a signal which did not
        // count it sees the change that was signalled, and the new number of events.
        self.sleepers.fetch_add(1, Ordering::Acquire);
        // Acquire: pairs with the first Release of `signal`. A sleeper that reads the new number
        // sees the change that was signalled.
        self.events.load(Ordering::Acquire)
    }

    /// Counts this thread among the sleepers no longer.
    #[inline]
    pub(crate) fn exit(&self) {
        // Relaxed: publishes nothing. A signal that still counts this thread sends a needless wake.
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts an event, and returns which threads may be asleep that do not know of it.
    #[inline]
    pub(crate) fn signal(&self) -> Asleep {
        // Release: pairs with the second Acquire of `enter`.
        self.events.fetch_add(1, Ordering::Release);
        // Release: pairs with the first Acquire of `enter`. It adds nothing, and must still be a write: then it comes
        // before or after each `enter` in the modification order, so the sleeper and its waker cannot both miss each
        // other. A plain load could miss an `enter` of a sleeper that has not seen this event. Weaker than
        // Release, an `enter` that comes after it might not see the new number of events, and sleep.
        match self.sleepers.fetch_add(0, Ordering::Release) {
            0 | SHARED => Asleep::None,
            number if number & SHARED == 0 => Asleep::Some,
            _ => Asleep::OfSeveralParkers,
        }
    }

    /// The word to sleep on.
    #[inline]
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.events
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn signal_tells_whether_a_thread_has_entered() {
        let count = EventCount::new();
        assert_eq!(count.signal(), Asleep::None);
        let [first, second] = [(); 2].map(|()| count.enter(false));
        assert_eq!(first, second);
        assert_eq!(count.signal(), Asleep::Some);
        count.exit();
        assert_eq!(count.signal(), Asleep::Some);
        assert_eq!(count.enter(true), first + 2);
        assert_eq!(count.signal(), Asleep::OfSeveralParkers);
        count.exit();
        count.exit();
        assert_eq!(count.signal(), Asleep::None);
        assert_eq!(count.enter(false), first + 4);
        assert_eq!(count.signal(), Asleep::OfSeveralParkers, "for good");
    }
}
