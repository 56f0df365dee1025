//! The slow path: how a thread sleeps, and how it is woken.
//!
//! A parker touches its slow path only when a thread really goes to sleep, and when an `unpark` finds one asleep. The
//! token, its memory ordering and the deadlines are the parker's own business; [`Wait`] only puts to sleep and wakes.
//!
//! | slow path | size of `AtomicParker` on 64-bit Linux | `unpark` in a signal handler | for |
//! | --- | --- | --- | --- |
//! | [`Condvar`] | 20 bytes | no: it may take a lock | the default: no dependency, everywhere |
//! | `Futex` (feature `futex`, Linux and Android) | 12 bytes | yes | the shortest sleep and wake-up |
//! | `ParkingLot` (feature `parking_lot`) | 1 byte | no: it may take a lock | very many parkers |
//! | your own [`Wait`] | 1 byte and yours | if your `wake` may run there | a thread that sleeps in an event loop |
//!
//! A [`Parker`](crate::Parker) spins before it sleeps, where that pays. An event loop sees its events later by as much. Use
//! [`Spin::off`](crate::Spin::off) for a parker that sleeps in one.

mod condvar;
#[cfg(all(feature = "futex", any(target_os = "linux", target_os = "android")))]
mod event_count;
#[cfg(all(feature = "futex", any(target_os = "linux", target_os = "android")))]
mod futex;
#[cfg(feature = "parking_lot")]
mod parking_lot;

pub use condvar::Condvar;
#[cfg(all(feature = "futex", any(target_os = "linux", target_os = "android")))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "futex", any(target_os = "linux", target_os = "android")))))]
pub use futex::Futex;
#[cfg(feature = "parking_lot")]
#[cfg_attr(docsrs, doc(cfg(feature = "parking_lot")))]
pub use parking_lot::ParkingLot;

use crate::state::{ParkState, State};
use crate::sync;
use std::cell::Cell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A way to put a thread to sleep and to wake it again.
///
/// The trait is open and safe: a wrong implementation can hang its own users or burn CPU, but it can neither forge a
/// token nor break memory safety. It is what makes an executor's own event loop a slow path: `wait` polls for
/// I/O, and `wake` notifies the poller.
///
/// # The contract
///
/// - **(a)** Returning from `wait` is only a hint. The parker looks at the token again, and at the clock, and calls
///   `wait` once more if need be. So `wait` may return early, for any reason, at any time.
/// - **(b)** A [`wake`](Wait::wake) that comes after [`Sleeper::still_parked`] turned false must not be missed: look at
///   `still_parked` in a way that is atomic with respect to your own `wake`. Either look under a mutex that `wake`
///   locks too, or have a `wake` that is sticky: one that comes too early makes the next sleep return at once, as the
///   notifier of an event loop does. With a sticky `wake` you need not look at all.
/// - **(c)** No memory ordering is promised here. The parker orders an `unpark` before the park that consumes its
///   token.
///
/// One `wake` may wake more than one sleeper, but must wake at least one that sleeps, if there is one.
///
/// # Several sleepers
///
/// An [`AtomicParker`](crate::AtomicParker) may be parked on by several threads at once. A slow path that knows whether
/// others are still asleep says so with [`Sleeper::leave`]. For one that does not know, a sleeper that leaves an
/// `AtomicParker` wakes another one to have it look, if there is one; that costs a `wake` and is correct. A
/// [`Parker`](crate::Parker) has never more than one sleeper, and pays nothing.
///
/// # Panics
///
/// If `wait` panics, the panic reaches the caller of the park, the token is not consumed, and the parker stays usable;
/// another sleeper is woken, if there is one, in case that the wake was meant for it. If `wake` panics, the panic
/// reaches the caller of `unpark`, or of a park that sends a wake on to another sleeper. The token of that `unpark` is
/// set by then, and that of the park is put back, but those asleep were not told: they see it when their sleep ends for
/// another reason.
///
/// # Examples
///
/// A thread that naps for as long as nobody takes the trouble to wake it:
///
/// ```
/// use atomic_parker::wait::{Key, Sleeper, Wait};
/// use atomic_parker::Parker;
/// use std::time::Duration;
///
/// struct Nap;
///
/// impl Wait for Nap {
///     fn wait(&self, sleeper: &Sleeper<'_>) {
///         let nap = Duration::from_millis(1);
///         std::thread::sleep(sleeper.timeout().map_or(nap, |left| left.min(nap)));
///     }
///
///     fn wake(&self, _: Key<'_>) {
///         // A nap ends by itself, so no wake is ever missed.
///     }
/// }
///
/// let parker = Parker::with_wait(Nap);
/// let unparker = parker.unparker();
/// let thread = std::thread::spawn(move || unparker.unpark());
/// parker.park();
/// # thread.join().unwrap();
/// assert!(!parker.park_timeout(Duration::from_millis(2)));
/// ```
pub trait Wait {
    /// Puts this thread to sleep until a [`wake`](Wait::wake), until the sleeper's deadline, or for a shorter time.
    fn wait(&self, sleeper: &Sleeper<'_>);

    /// Wakes at least one of the sleepers under this key, if there is one; called after the state has changed.
    ///
    /// A slow path that serves several parkers wakes one of this key, or all. One that only ever serves a single parker
    /// need not look at the key.
    fn wake(&self, key: Key<'_>);
}

/// Sleeps as what it points to does: so that the caller can keep hold of an event loop that a parker sleeps in.
///
/// Several parkers may share one `Arc`. [`Condvar`], `Futex` and `ParkingLot` lose no wake then: the first two do not
/// tell [keys](Key) apart, so a wake that comes through an `Arc` wakes all of their sleepers, and each of them looks at
/// its own parker. A slow path of the caller's own must do as `wake` says: wake a sleeper of *this* key, or all.
impl<W: Wait + ?Sized> Wait for Arc<W> {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        sleeper.may_be_shared.set(true);
        (**self).wait(sleeper);
    }

    fn wake(&self, key: Key<'_>) {
        (**self).wake(Key { may_be_shared: true, ..key });
    }
}

/// One sleep of one thread: what [`Wait::wait`] is told, and where it says what it knows.
///
/// The parker makes it; see [`Wait`] for an example.
pub struct Sleeper<'a> {
    state: &'a State,
    deadline: Option<Instant>,
    alone: bool,
    /// Whether this sleeper went through `State::leave`, and whether it took the token then.
    left: Cell<Option<bool>>,
    /// Whether sleepers of other parkers may be in the same slow path.
    may_be_shared: Cell<bool>,
}

impl<'a> Sleeper<'a> {
    pub(crate) fn new(state: &'a State, deadline: Option<Instant>, alone: bool) -> Self {
        Self { state, deadline, alone, left: Cell::new(None), may_be_shared: Cell::new(false) }
    }

    /// Returns whether there is still a reason to sleep: no `unpark` has come since the parker decided to sleep.
    ///
    /// Lock-free; orders nothing.
    #[inline]
    pub fn still_parked(&self) -> bool {
        self.state.peek() == ParkState::Parked
    }

    /// Returns when this sleep shall end, or `None` for never.
    #[inline]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns how much time is left until the deadline, zero if it has passed, or `None` for ever.
    ///
    /// Reads the clock, if there is a deadline.
    #[inline]
    pub fn timeout(&self) -> Option<Duration> {
        self.deadline.map(sync::time_until)
    }

    #[inline]
    pub(crate) fn deadline_passed(&self) -> bool {
        sync::has_passed(self.deadline)
    }

    /// Returns what stands for this parker, for a slow path that serves many of them.
    #[inline]
    pub fn key(&self) -> Key<'a> {
        Key::new(self.state)
    }

    /// Says that this thread will not sleep any more in this call of [`Wait::wait`], and whether others still do.
    ///
    /// Optional (see "Several sleepers" in [`Wait`]). Call it at the end of `wait`, in a place that a new sleeper of
    /// the same parker must pass too before it looks at [`still_parked`](Sleeper::still_parked), so that the answer
    /// is true when it is acted on: under your mutex, say. `others_asleep` counts the threads that are in `wait` and
    /// have not yet left. A false `false` can lose those threads, a false `true` costs a needless wake. A further call
    /// in the same sleep does nothing.
    ///
    /// Lock-free; if it consumes the token, that synchronizes with every `unpark` before.
    #[inline]
    pub fn leave(&self, others_asleep: bool) {
        if self.left.get().is_none() {
            self.left.set(Some(self.state.leave(others_asleep && !self.alone)));
        }
    }

    /// Returns whether no other thread can be asleep on this parker.
    #[cfg(feature = "parking_lot")]
    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    /// Returns whether sleepers of other parkers may be in the same slow path.
    #[inline]
    pub(crate) fn may_be_shared(&self) -> bool {
        self.may_be_shared.get()
    }

    #[inline]
    pub(crate) fn left(&self) -> Option<bool> {
        self.left.get()
    }
}

impl fmt::Debug for Sleeper<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleeper").field("state", &self.state.peek()).field("deadline", &self.deadline).finish()
    }
}

/// What stands for one parker at a slow path that serves many of them.
///
/// It borrows the parker, so while it exists no other object can have the same address. Two keys are equal if they stand
/// for the same parker.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    address: usize,
    parker: PhantomData<&'a ()>,
    /// Whether sleepers of other parkers may be in the same slow path.
    may_be_shared: bool,
}

impl<'a> Key<'a> {
    pub(crate) fn new(state: &'a State) -> Self {
        Self { address: state as *const State as usize, parker: PhantomData, may_be_shared: false }
    }

    /// Returns the address of the parker's state.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::wait::Key;
    /// use std::collections::HashMap;
    /// use std::thread::Thread;
    ///
    /// fn find<'a>(asleep: &'a HashMap<usize, Thread>, key: Key<'_>) -> Option<&'a Thread> {
    ///     asleep.get(&key.address())
    /// }
    /// ```
    #[inline]
    pub fn address(&self) -> usize {
        self.address
    }

    #[inline]
    pub(crate) fn may_be_shared(&self) -> bool {
        self.may_be_shared
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address()
    }
}

impl Eq for Key<'_> {}

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.address().hash(hasher);
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:#x})", self.address())
    }
}
