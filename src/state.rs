//! The machine: one atomic byte, three states, one method per edge.
//!
//! # Transitions
//!
//! | edge | EMPTY | PARKED | NOTIFIED | who |
//! | --- | --- | --- | --- | --- |
//! | [`notify`](State::notify) | NOTIFIED | NOTIFIED, then a wake | NOTIFIED | an unparker |
//! | [`take`](State::take) | no change | no change | EMPTY, token taken | whoever parks or tries |
//! | [`take_or_park`](State::take_or_park) | PARKED | no change | EMPTY, token taken | a thread about to sleep |
//! | [`leave`](State::leave), alone | no change | EMPTY | EMPTY, token taken | a sleeper on its way out |
//! | [`leave`](State::leave), others asleep | PARKED | no change | PARKED, token taken | a sleeper on its way out |
//! | [`abandon`](State::abandon) | no change | EMPTY | no change | a sleeper whose `Wait` panicked |
//!
//! # The invariant
//!
//! While a thread sleeps, the state is PARKED or a wake is on its way to a sleeper that will look again.
//!
//! Two facts keep it true with any number of sleepers.
//! 1. The only edge from PARKED to NOTIFIED is `notify`, and each time it is followed by a wake. So behind a NOTIFIED
//!    that was made out of PARKED there is a wake that was not sent yet, or a sleeper that it reached and that has not
//!    looked yet. Whoever takes such a token and had no wake may therefore leave EMPTY behind.
//! 2. A sleeper that had a wake either sleeps again, through `take_or_park`, or goes through `leave`, which puts PARKED
//!    back if others still sleep. A slow path that knows says whether they do, under the lock that every sleeper
//!    passes, so no new sleeper slips in between the count and the store. If the slow path does not say, the sleeper
//!    sends the wake on.
//!
//! A stale PARKED would cost one needless wake; a stale EMPTY would lose a thread.
//!
//! # Orderings
//!
//! The only thing to order is what happened before an `unpark` against what comes after the park that consumed its
//! token. `notify` releases and consuming acquires. Every edge is a read-modify-write, so all edges after an `unpark`
//! belong to the release sequence that it heads: the park that consumes the token synchronizes with every `unpark`
//! since the last consumption, coalesced ones included (rust-lang/rust#53366, #99587). Nothing depends on a total
//! order of this byte and any *other* atomic, which is the only thing that `SeqCst` could add: a lost wake-up is
//! excluded by the modification order of the byte together with what orders a wake against a sleeper's look in the slow
//! path (see `Wait`): its lock or, for a futex, the two pairs of release and acquire in `EventCount`.

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
/// assert_eq!(parker.notify(), ParkState::Empty); // a new token, and nobody had to be woken
/// assert_eq!(parker.notify(), ParkState::Notified); // it was there already
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParkState {
    /// There is no token, and nobody is asleep.
    Empty,
    /// There is no token, and at least one thread is asleep or about to be.
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

    /// Publishes the token and returns the state it replaced; after `Parked` the caller owes a wake.
    ///
    /// It writes even if the token is there, or a coalesced `unpark` would publish nothing.
    #[inline]
    pub(crate) fn notify(&self) -> ParkState {
        // Release: pairs with the Acquire of `take`, `take_or_park` and `leave`.
        decode(self.0.swap(NOTIFIED, Ordering::Release))
    }

    /// Takes the token if it is there.
    #[inline]
    pub(crate) fn take(&self) -> bool {
        self.0
            // Acquire: pairs with the Release of `notify`. Relaxed on failure: nothing was taken, nothing to see.
            .compare_exchange(NOTIFIED, EMPTY, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Takes the token and returns false, or makes sure that the state is PARKED and returns true.
    ///
    /// For one who has just seen that there is no token, so that is what it expects.
    #[inline]
    pub(crate) fn take_or_park(&self) -> bool {
        loop {
            let parked = self
                .0
                // Relaxed: publishes nothing. An unparker that misses PARKED comes earlier in the modification
                // order, so this exchange fails on its NOTIFIED; one that sees PARKED sends a wake.
                .compare_exchange(EMPTY, PARKED, Ordering::Relaxed, Ordering::Relaxed);
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
    /// The caller has slept, and knows about the others where no new sleeper can slip in.
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
        // Relaxed: a hint. Whoever acts on it goes through one of the edges above.
        decode(self.0.load(Ordering::Relaxed))
    }
}
