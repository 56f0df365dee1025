//! One word of the idle set: which workers sleep, how many search, and whether a wake is owed.
//!
//! # Transitions
//!
//! A worker is *active*, *asleep* (its bit is set) or *searching* (it was woken, and has not yet said what came of it).
//!
//! | method | called by | asleep | searching | OWED |
//! | --- | --- | --- | --- | --- |
//! | [`sign`](Word::sign), active | a worker whose look failed | + this worker | | |
//! | [`sign`](Word::sign), searching | the same, after a wake | + this worker | − 1 | the last searcher takes it along |
//! | [`withdraw`](Word::withdraw) | a worker that stays awake after all | − this worker, if its bit is still set | | |
//! | [`stop_searching`](Word::stop_searching) | a woken worker that found work, or ends | | − 1 | the last searcher takes it along |
//! | [`claim`](Word::claim) | a waker, if no worker searches | − one worker | + 1 | set, if the caller passes on an owed wake |
//! | [`owe`](Word::owe) | a waker, if a worker searches | | | set |
//! | [`claim_worker`](Word::claim_worker), [`claim_many`](Word::claim_many) | a waker of certain, or of several workers | − these workers | + as many | |
//!
//! A worker that takes OWED along wakes another one, unless its next look finds nothing.
//!
//! # The invariant
//!
//! OWED is set only while the number of searchers is not zero. A bit is set by its own worker only, and each bit that
//! another thread clears adds one to the searchers.
//!
//! # Orderings
//!
//! The protocol rests on two `SeqCst` fences, which stand in the callers: one between the work and a waker's look at the
//! words, one between a worker's `sign` and its second look at the queues (`docs/idle.md` has the proof). What a
//! fence orders needs no ordering here, so the transitions are Relaxed, with one exception: a worker that sees its bit
//! gone must see the work that it was claimed for, without a fence of its own in between. So
//! [`is_asleep`](Word::is_asleep) and [`withdraw`](Word::withdraw) acquire. They pair with the waker's fence, which comes
//! before its claim.

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::const_unless_loom;

/// How many workers one word serves. Models set it to one, so that two workers need two words.
pub(super) const BITS: usize = if cfg!(atomic_parker_narrow_words) {
    1
} else if usize::BITS >= 64 {
    56
} else {
    24
};

/// All bits of workers.
const ASLEEP: usize = (1 << BITS) - 1;
/// One searcher. There are at most as many as workers, and the bits above hold more than that.
const SEARCHER: usize = 1 << BITS;
const OWED: usize = 1 << (usize::BITS - 1);

/// What a word held at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen(usize);

impl Seen {
    pub(super) fn asleep(self) -> usize {
        self.0 & ASLEEP
    }

    pub(super) fn searchers(self) -> usize {
        (self.0 & !OWED) / SEARCHER
    }

    fn owed(self) -> bool {
        self.0 & OWED != 0
    }

    /// One searcher less; the last one takes OWED along.
    fn without_a_searcher(self) -> (Self, bool) {
        let left = Self(self.0 - SEARCHER);
        let takes = left.owed() && left.searchers() == 0;
        (if takes { Self(left.0 & !OWED) } else { left }, takes)
    }
}

pub(super) struct Word(AtomicUsize);

impl Word {
    const_unless_loom! {
        pub(super) fn new() -> Self {
            Self(AtomicUsize::new(0))
        }
    }

    #[inline]
    pub(super) fn look(&self) -> Seen {
        // Relaxed: the caller's fence comes before it.
        Seen(self.0.load(Ordering::Relaxed))
    }

    /// Sets the bit of a worker; returns whether it has taken OWED along. The caller's fence comes next.
    pub(super) fn sign(&self, bit: usize, searching: bool) -> bool {
        if !searching {
            // Relaxed, here and below: the caller's fence comes next.
            self.0.fetch_or(1 << bit, Ordering::Relaxed);
            return false;
        }
        self.change(|seen| {
            let (left, takes) = seen.without_a_searcher();
            (Seen(left.0 | 1 << bit), takes)
        })
    }

    /// Takes the bit of a worker back; returns false if it is gone, as the worker was claimed.
    pub(super) fn withdraw(&self, bit: usize) -> bool {
        // Acquire: pairs with the fence before the claim. The next look of a claimed worker sees the work.
        self.0.fetch_and(!(1 << bit), Ordering::Acquire) & 1 << bit != 0
    }

    /// Whether the bit of a worker is set; false if it was claimed.
    pub(super) fn is_asleep(&self, bit: usize) -> bool {
        // Acquire: as in `withdraw`.
        self.0.load(Ordering::Acquire) & 1 << bit != 0
    }

    /// Counts this worker among the searchers no longer; returns whether it has taken OWED along.
    pub(super) fn stop_searching(&self) -> bool {
        self.change(Seen::without_a_searcher)
    }

    fn change(&self, step: impl Fn(Seen) -> (Seen, bool)) -> bool {
        let mut seen = self.look();
        loop {
            let (new, result) = step(seen);
            // Relaxed: a fence follows, in `sign` and before a wake is passed on.
            match self.0.compare_exchange_weak(seen.0, new.0, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return result,
                Err(now) => seen = Seen(now),
            }
        }
    }

    /// Makes the lowest sleeper a searcher, if the word is still as it was seen; returns its bit.
    pub(super) fn claim(&self, seen: Seen, owed: bool) -> Option<usize> {
        let lowest = seen.asleep() & seen.asleep().wrapping_neg();
        let owed = if owed { OWED } else { 0 };
        self.replace(seen, Seen((seen.0 - lowest + SEARCHER) | owed)).then(|| lowest.trailing_zeros() as usize)
    }

    /// Makes up to `most` sleepers searchers, the lowest first; returns their bits.
    pub(super) fn claim_many(&self, most: usize) -> usize {
        loop {
            let seen = self.look();
            let mut rest = seen.asleep();
            let mut claimed = 0;
            while rest != 0 && claimed < most {
                rest &= rest - 1;
                claimed += 1;
            }
            let bits = seen.asleep() - rest;
            if bits == 0 || self.replace(seen, Seen(seen.0 - bits + claimed * SEARCHER)) {
                return bits;
            }
        }
    }

    /// Makes this sleeper a searcher; returns false if it does not sleep.
    pub(super) fn claim_worker(&self, bit: usize) -> bool {
        loop {
            let seen = self.look();
            if seen.asleep() & 1 << bit == 0 {
                return false;
            }
            if self.replace(seen, Seen(seen.0 - (1 << bit) + SEARCHER)) {
                return true;
            }
        }
    }

    /// Sets OWED, if the word is still as it was seen; returns false if it is not.
    ///
    /// It need not write if OWED is set: the worker that takes it along does so after that load.
    pub(super) fn owe(&self, seen: Seen) -> bool {
        seen.owed() || self.replace(seen, Seen(seen.0 | OWED))
    }

    fn replace(&self, seen: Seen, new: Seen) -> bool {
        // Relaxed: the caller's fence comes before it.
        self.0.compare_exchange(seen.0, new.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
