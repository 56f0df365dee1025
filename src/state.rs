//! The machine: one atomic byte, three states, one method per transition.
//!
//! # Transitions
//!
//! | method | EMPTY | PARKED | NOTIFIED | called by |
//! | --- | --- | --- | --- | --- |
//! | [`notify`](State::notify) | NOTIFIED | NOTIFIED, then a wake | NOTIFIED | an `unpark` |
//! | [`take`](State::take) | no change | no change | EMPTY, token taken | a park, a `try_park` |
//! | [`take_alone`](State::take_alone) | no change | does not occur | EMPTY, token taken | a park of a thread that parks alone |
//! | [`take_or_park`](State::take_or_park) | PARKED | no change | EMPTY, token taken | a thread about to sleep |
//! | [`leave`](State::leave), no other sleeper | no change | EMPTY | EMPTY, token taken | a sleeper that leaves |
//! | [`leave`](State::leave), others sleep | PARKED | no change | PARKED, token taken | a sleeper that leaves |
//! | [`abandon`](State::abandon) | no change | EMPTY | no change | a sleeper whose `Wait` panicked |
//!
//! # The invariant
//!
//! **While a thread sleeps, the state is PARKED or a wake is on its way to a sleeper that will look again.**
//!
//! Two facts keep it true with any number of sleepers.
//! 1. Only `notify` turns PARKED into NOTIFIED, and a wake always follows. Behind such a NOTIFIED there is either a wake
//!    that was not sent yet, or a woken sleeper that has not looked yet. So a thread that takes this token without having
//!    been woken may leave EMPTY behind.
//! 2. A woken sleeper sleeps again, through `take_or_park`, or takes the token there and then wakes another sleeper, or goes
//!    through `leave`. `leave` puts PARKED back if others still sleep. A slow path that can count its sleepers says whether
//!    others sleep, under the lock that every sleeper passes, so no new sleeper comes between the count and the store. If the
//!    slow path cannot count them, the leaving sleeper wakes another one.
//!
//! A park within the `wait` of the same parker breaks it, so [`Wait`](crate::wait::Wait) forbids that. Otherwise `take_alone` never finds
//! PARKED: it is called by the only thread that parks, and each of its sleeps clears PARKED before it ends.
//!
//! A stale PARKED costs one needless wake. With a stale EMPTY, a thread would sleep for ever.
//!
//! # Orderings
//!
//! | method | ordering | reason |
//! | --- | --- | --- |
//! | `notify` | Release | what came before the `unpark` must be visible to the park that takes the token |
//! | `take`, `take_alone`, `leave` | Acquire | the other half of that pair |
//! | `take`, on failure | Relaxed | nothing was taken, so there is nothing to see |
//! | the exchanges in `take_or_park` and `abandon` | Relaxed | they neither take nor publish a token |
//! | `peek` | Relaxed | its result is only a hint |
//!
//! Every transition is a read-modify-write. So each one that follows an `unpark` continues the release sequence which that
//! `unpark` heads, and the park that takes the token synchronizes with *every* `unpark` since the token was last taken,
//! the coalesced ones included (rust-lang/rust#53366, #99587).
//!
//! `SeqCst` would add a total order of this byte and *other* atomics. Nothing here needs one. Two things exclude a lost
//! wake-up: the modification order of this byte, and what orders a wake against the sleeper's look in the slow path (its
//! lock or, for a futex, the event count in `wait/event_count.rs`).

use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::const_unless_loom;

const EMPTY: u8 = 0;
const PARKED: u8 = 1;
const NOTIFIED: u8 = 2;

/// What an [`AtomicParker`](crate::AtomicParker) or a [`Parker`](crate::Parker) holds at one moment.
///
/// # Examples
///
/// ```
/// use atomic_parker::{AtomicParker, ParkState};
///
/// let parker = AtomicParker::new();
/// assert_eq!(parker.notify(), ParkState::Empty); // a new token, and no wake was needed
/// assert_eq!(parker.notify(), ParkState::Notified); // it was there already
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParkState {
    /// There is no token, and no thread is asleep, except one that a wake is on its way to.
    Empty,
    /// There is no token, and at least one thread is asleep, is about to be, or was a moment ago.
    Parked,
    /// The token is there: the next park returns at once.
    Notified,
}

fn decode(byte: u8) -> ParkState {
    match byte {
        EMPTY => ParkState::Empty,
        PARKED => ParkState::Parked,
        _ => ParkState::Notified,
    }
}

pub(crate) struct State(AtomicU8);

impl State {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self(AtomicU8::new(EMPTY))
        }
    }

    /// Sets the token and returns the state it replaced; after `Parked` the caller must send a wake.
    ///
    /// It writes even if the token is there. Otherwise a coalesced `unpark` would publish nothing.
    #[inline]
    pub(crate) fn notify(&self) -> ParkState {
        // Release: pairs with the Acquire of `take`, `take_alone` and `leave`.
        decode(self.0.swap(NOTIFIED, Ordering::Release))
    }

    /// Takes the token if it is there.
    #[inline]
    pub(crate) fn take(&self) -> bool {
        // Models only: stands for an exchange that fails on a stale value, which loom does not try.
        if cfg!(atomic_parker_stale) && self.0.load(Ordering::Relaxed) != NOTIFIED {
            return false;
        }
        self.0
            // Acquire: pairs with the Release of `notify`. Relaxed on failure: nothing was taken.
            .compare_exchange(NOTIFIED, EMPTY, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// As [`take`](State::take), where no other thread parks.
    ///
    /// A swap, as an exchange takes longer on some processors.
    #[inline]
    pub(crate) fn take_alone(&self) -> bool {
        // Acquire: pairs with the Release of `notify`.
        self.0.swap(EMPTY, Ordering::Acquire) == NOTIFIED
    }

    /// Takes the token and returns false, or makes sure that the state is PARKED and returns true.
    ///
    /// The caller has just seen that there is no token, so EMPTY is the expected state.
    #[inline]
    pub(crate) fn take_or_park(&self) -> bool {
        loop {
            // Models only: as in `take`.
            if cfg!(atomic_parker_stale) && self.0.load(Ordering::Relaxed) == PARKED {
                return true;
            }
            let parked = self
                .0
                // Relaxed: publishes nothing. An `unpark` that does not see PARKED comes earlier in the modification
                // order, so this exchange fails on its NOTIFIED. An `unpark` that sees PARKED sends a wake.
                .compare_exchange(EMPTY, PARKED, Ordering::Relaxed, Ordering::Relaxed);
            // A failed exchange is only a load, and C11 allows it to read a stale PARKED. That is harmless: this thread is
            // about to look at the state once more in the slow path. What replaced that PARKED either sends a wake
            // afterwards, which the slow path orders with that look, or is a `leave` under the lock of the slow path, which
            // this thread passes before that look.
            if parked != Err(NOTIFIED) {
                return true;
            }
            if self.take() {
                return false;
            }
        }
    }

    /// Takes the token if it is there, and leaves PARKED behind if others still sleep, else EMPTY.
    ///
    /// The caller has slept, and holds what keeps new sleepers out between its count of the others and this call.
    #[inline]
    pub(crate) fn leave(&self, others: bool) -> bool {
        let left_behind = if others { PARKED } else { EMPTY };
        // Acquire: pairs with the Release of `notify`.
        self.0.swap(left_behind, Ordering::Acquire) == NOTIFIED
    }

    /// Clears PARKED and touches no token.
    #[inline]
    pub(crate) fn abandon(&self) {
        // Relaxed: takes and publishes nothing.
        let _ = self.0.compare_exchange(PARKED, EMPTY, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The state at this moment; orders nothing.
    #[inline]
    pub(crate) fn peek(&self) -> ParkState {
        // Relaxed: a hint. The caller acts on it only by one of the transitions above.
        decode(self.0.load(Ordering::Relaxed))
    }
}
