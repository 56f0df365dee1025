//! The machine: one atomic byte, three states, one method per edge.
//!
//! This is the only file that names an atomic ordering.
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
//! # The orderings
//!
//! The only thing to order is what happened before an `unpark` against what comes after the park that consumed its
//! token. `notify` releases and consuming acquires. Every edge is a read-modify-write, so all edges after an `unpark`
//! belong to the release sequence that it heads: the park that consumes the token synchronizes with every `unpark`
//! since the last consumption, coalesced ones included (rust-lang/rust#53366, #99587). Nothing depends on a total
//! order of this byte and any *other* atomic, which is the only thing that `SeqCst` could add: a lost wake-up is
//! excluded by the modification order of the byte together with what orders a wake against a sleeper's look in the slow
//! path (see `Wait`): its lock or, for a futex, the two pairs of release and acquire in `EventCount`.

#[cfg(all(feature = "futex", any(target_os = "linux", target_os = "android")))]
use crate::sync::atomic::AtomicU32;
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

/// What the sleepers on a futex and those who wake them agree on: an event count.
///
/// A sleeper enters, looks whether there still is a reason to sleep, and sleeps for as long as the number of events is
/// the one that it was told. Whoever wakes takes the reason away, and then signals.
///
/// Two numbers and not one, so that neither can overflow into the other, and so that the number of events takes 2³²
/// wakes to come back to what a sleeper saw.
#[cfg(all(feature = "futex", any(target_os = "linux", target_os = "android")))]
pub(crate) struct EventCount {
    events: AtomicU32,
    sleepers: AtomicU32,
}

#[cfg(all(feature = "futex", any(target_os = "linux", target_os = "android")))]
impl EventCount {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self { events: AtomicU32::new(0), sleepers: AtomicU32::new(0) }
        }
    }

    /// Counts this thread among the sleepers, and returns the number of events so far.
    #[inline]
    pub(crate) fn enter(&self) -> u32 {
        // Acquire: pairs with the second Release of `signal`. Who comes after a signal that did not count it sees what
        // the signal is about, and the new number of events.
        self.sleepers.fetch_add(1, Ordering::Acquire);
        // Acquire: pairs with the first Release of `signal`. Who gets the new number sees what the signal is about.
        self.events.load(Ordering::Acquire)
    }

    /// Counts this thread among the sleepers no longer.
    #[inline]
    pub(crate) fn exit(&self) {
        // Relaxed: publishes nothing. Whoever still counts this thread sends a needless wake.
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts an event; returns whether there may be sleepers who have not heard of it.
    #[inline]
    pub(crate) fn signal(&self) -> bool {
        // Release: pairs with the second Acquire of `enter`.
        self.events.fetch_add(1, Ordering::Release);
        // Release: pairs with the first Acquire of `enter`. It adds nothing, and yet it is a write: so it comes before
        // or after each `enter` in the order of modifications, and no sleeper and its waker both miss each other.
        self.sleepers.fetch_add(0, Ordering::Release) > 0
    }

    /// The word to sleep on.
    #[inline]
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.events
    }
}

/// What the parkers of the process leave for new ones as a hint, and a counter to tell those apart.
///
/// Not of the model checkers' types: nothing that is promised depends on it.
pub(crate) struct Hint {
    levels: std::sync::atomic::AtomicU32,
    wake_up: std::sync::atomic::AtomicU16,
    askers: std::sync::atomic::AtomicU32,
}

impl Hint {
    pub(crate) const fn new(wake_up: u16) -> Self {
        Self {
            levels: std::sync::atomic::AtomicU32::new(0),
            wake_up: std::sync::atomic::AtomicU16::new(wake_up),
            askers: std::sync::atomic::AtomicU32::new(0),
        }
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
pub(crate) struct Lookers(std::sync::atomic::AtomicU32);

/// One of them, until it is dropped.
pub(crate) struct Looker<'a>(&'a Lookers);

impl Lookers {
    pub(crate) const fn new() -> Self {
        Self(std::sync::atomic::AtomicU32::new(0))
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

/// Where a sleeper asks for the time of its wake, and whoever wakes it leaves that, or that it is on the same CPU.
///
/// Not of the model checkers' types: nothing that is promised depends on it. An answer that comes too late may be taken
/// for one to the next question.
pub(crate) struct WakeTime(std::sync::atomic::AtomicU32);

/// What a sleeper is told of its wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    Unknown,
    /// It came at this time.
    At(u32),
    /// It came from the CPU that the sleeper had asked on.
    SameCpu,
}

impl WakeTime {
    const NO_QUESTION: u32 = 0;
    /// Set in each question; the rest of it is the CPU.
    const QUESTION: u32 = 1;
    /// Set in each answer that is a time, in place of its two lowest bits: it is wrong by 3 ns at most.
    const TIME: u32 = 2;
    const SAME_CPU: u32 = 4;
    /// For those who don't know theirs: no waker is on it.
    const NO_CPU: u32 = u32::MAX / 2;

    pub(crate) const fn new() -> Self {
        Self(std::sync::atomic::AtomicU32::new(Self::NO_QUESTION))
    }

    // Relaxed, in all three: no memory is reached through the time.
    pub(crate) fn ask(&self, cpu: Option<u32>) {
        self.0.store(cpu.unwrap_or(Self::NO_CPU) * 2 + Self::QUESTION, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn answer(&self, cpu: impl FnOnce() -> Option<u32>, clock: impl FnOnce() -> u32) {
        let question = self.0.load(Ordering::Relaxed);
        if question & Self::QUESTION != 0 {
            let same = cpu() == Some(question / 2);
            let answer = if same { Self::SAME_CPU } else { clock() / 4 * 4 + Self::TIME };
            self.0.store(answer, Ordering::Relaxed);
        }
    }

    /// Returns the answer, if there is one, and asks no longer.
    pub(crate) fn take(&self) -> Wake {
        let answer = self.0.load(Ordering::Relaxed);
        self.0.store(Self::NO_QUESTION, Ordering::Relaxed);
        match answer {
            Self::SAME_CPU => Wake::SameCpu,
            _ if answer & 3 == Self::TIME => Wake::At(answer),
            _ => Wake::Unknown,
        }
    }
}

/// The clock of the models: whether all deadlines have passed.
///
/// Of the model checkers' types, so that they let it go off between any two steps of the other threads.
#[cfg(any(all(loom, feature = "loom"), all(shuttle, feature = "shuttle")))]
pub(crate) struct Alarm(crate::sync::atomic::AtomicBool);

#[cfg(any(all(loom, feature = "loom"), all(shuttle, feature = "shuttle")))]
impl Alarm {
    pub(crate) fn new() -> Self {
        Self(crate::sync::atomic::AtomicBool::new(false))
    }

    // Relaxed, in both: reading a clock orders nothing.
    pub(crate) fn has_gone_off(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn go_off(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The look of a futex of the models at its word.
#[cfg(all(feature = "futex", any(target_os = "linux", target_os = "android")))]
#[cfg(any(all(loom, feature = "loom"), all(shuttle, feature = "shuttle")))]
pub(crate) fn look_at(word: &AtomicU32) -> u32 {
    // Relaxed: what comes before it is ordered by the lock of the kernel, and by that of the model.
    word.load(Ordering::Relaxed)
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_once() {
        let time = WakeTime::new();
        let (here, nobody) = (|| Some(7), || unreachable!("nobody has asked"));
        time.answer(|| unreachable!("nobody has asked"), nobody);
        assert_eq!(time.take(), Wake::Unknown);
        time.ask(Some(6));
        time.answer(here, || 0);
        time.answer(|| unreachable!("answered already"), nobody);
        assert_eq!(time.take(), Wake::At(2));
        assert_eq!(time.take(), Wake::Unknown);
        time.ask(None);
        time.answer(|| None, || 1003);
        assert_eq!(time.take(), Wake::At(1002));
        time.ask(Some(7));
        time.answer(here, || 1003);
        time.answer(|| unreachable!("answered already"), nobody);
        assert_eq!(time.take(), Wake::SameCpu);
        time.ask(Some(6));
        assert_eq!(time.take(), Wake::Unknown);
        time.answer(|| unreachable!("no longer asked"), nobody);
    }

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

    #[test]
    #[cfg(all(feature = "futex", target_os = "linux"))]
    fn an_event_count_knows_who_has_not_heard_of_an_event() {
        let count = EventCount::new();
        assert!(!count.signal());
        let [first, second] = [(); 2].map(|()| count.enter());
        assert_eq!(first, second);
        assert!(count.signal());
        count.exit();
        assert!(count.signal());
        assert_eq!(count.enter(), first + 2);
        count.exit();
        count.exit();
        assert!(!count.signal());
    }
}
