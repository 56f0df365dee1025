//! The slow path: how a thread sleeps, and how it is woken.
//!
//! A parker uses its slow path only when a thread goes to sleep, and when an `unpark` finds one asleep. The parker
//! handles the token and its memory ordering, and checks the deadlines. [`Wait`] only puts threads to sleep and wakes
//! them.
//!
//! | slow path | size of `AtomicParker` on 64-bit Linux | `unpark` in a signal handler | in a child of `fork` | for |
//! | --- | --- | --- | --- | --- |
//! | [`Condvar`] | 20 bytes | no: it may take a lock | yes | the default: no dependency, everywhere |
//! | `Futex` (feature `futex`, Linux and Android) | 12 bytes | yes | yes | the shortest sleep and wake-up |
//! | `ParkingLot` (feature `parking_lot`) | 1 byte | no: it may take a lock | no: its queues belong to the process | very many parkers |
//! | your own [`Wait`] | 1 byte and yours | if your `wake` may run there | if it works there | a thread that sleeps in an event loop |
//!
//! A [`Parker`](crate::Parker) may spin before it sleeps. Meanwhile, an event loop that is its slow path is not polled.
//! Use [`Spin::off`](crate::Spin::off) for such a parker.

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
/// Any crate can implement it, and it is safe: a wrong implementation can hang its own users or use CPU time, but it
/// cannot set a token, and memory safety holds. With it, an executor's event loop can be a slow path: `wait` polls for
/// I/O, and `wake` notifies the poller.
///
/// # The contract
///
/// - **(a)** `wait` may return early, for any reason, at any time. The parker then checks the token and the clock, and
///   calls `wait` again if necessary.
/// - **(b)** A [`wake`](Wait::wake) that comes between the check of [`Sleeper::still_parked`] and the sleep must not be
///   lost. Either check `still_parked` under a mutex that `wake` locks too, and unlock it only by going to sleep, as a
///   condition variable does. Or make `wake` sticky: if it comes before the sleep, the next sleep returns at once, as
///   with the notifier of an event loop. With a sticky `wake`, `wait` need not check `still_parked`.
/// - **(c)** Apart from (b), `wait` and `wake` need no memory ordering: the parker orders an `unpark` before the park that takes
///   its token.
///
/// One `wake` may wake more than one sleeper, but must wake at least one that sleeps, if there is one.
///
/// # Several sleepers
///
/// Several threads may park on one [`AtomicParker`](crate::AtomicParker) at once. A slow path that counts its sleepers
/// reports with [`Sleeper::leave`] whether others are still asleep. If it does not, each thread that stops sleeping on
/// an `AtomicParker` calls `wake` once more, so that another sleeper, if there is one, checks the token. This is
/// correct, and costs a `wake`. A [`Parker`](crate::Parker) never has more than one sleeper, and does not need this.
///
/// # Several parkers
///
/// The slow paths of this crate may be shared by several parkers, by reference, in an `Arc`, or through a `Wait` that calls a static
/// one. [`Condvar`] and `Futex` notice it if a parker does not contain them. A wake of such a parker wakes all sleepers of such parkers,
/// and each of them checks its own parker, as these two do not distinguish [keys](Key). On `Futex`, each wake wakes all sleepers
/// once there was one of such a parker. `ParkingLot` wakes a sleeper of the key. A `Wait` of your own that may be shared must wake a sleeper of *this* key, or all.
/// A parker within the slow path of another one must not share its own slow path with that one.
///
/// # Parks within `wait`
///
/// `wait` and what it calls must not park on the parker that it sleeps for, not even with a timeout of zero. Such a park may take the token
/// or clear the state, and then an `unpark` may send no wake, so that the thread sleeps on. Nothing worse happens. (A `try_park` only
/// takes the token.) Parks on other parkers, and `unpark` on any, are allowed.
///
/// # Panics
///
/// If `wait` panics, the panic reaches the caller of the park, the token is not taken, and the parker stays usable.
/// Another sleeper, if there is one, is woken, as the wake may have been meant for it. If `wake` panics, the panic
/// reaches the caller of `unpark`, or of a park that was passing a wake on to another sleeper. The token is set by then
/// (or put back, by the park), but the sleeping threads were not woken: they see the token when their sleep ends for
/// another reason.
///
/// # Examples
///
/// A slow path that sleeps for 1 ms at a time, and whose `wake` does nothing: correct, but slow. To sleep in an event loop, use a
/// [`Driver`](crate::driver::Driver).
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
    /// A slow path that several parkers share wakes a sleeper of this key, or all sleepers. A slow path of a single
    /// parker may ignore the key.
    fn wake(&self, key: Key<'_>);
}

/// Has `wait` and `wake` call those of what a pointer points to.
macro_rules! delegate {
    ($($(#[$meta:meta])* $pointer:ty;)*) => {$(
        $(#[$meta])*
        impl<W: Wait + ?Sized> Wait for $pointer {
            fn wait(&self, sleeper: &Sleeper<'_>) {
                (**self).wait(sleeper);
            }

            fn wake(&self, key: Key<'_>) {
                (**self).wake(key);
            }
        }
    )*};
}

delegate! {
    /// A slow path by reference, for example a static one. See "Several parkers" in [`Wait`].
    &W;
    /// A slow path in a `Box`, for example a `Box<dyn Wait>` that is chosen at run time.
    Box<W>;
    /// A slow path in an `Arc`, so that other code can keep a handle to the event loop that a parker sleeps in. See "Several parkers"
    /// in [`Wait`].
    Arc<W>;
}

/// One sleep of one thread: the argument of [`Wait::wait`], which also reports with it whether others still sleep.
///
/// The parker makes it. It belongs to the thread that sleeps.
///
/// # Examples
///
/// A slow path with a mutex and a condition variable, which counts the sleepers of its parker:
///
/// ```
/// use atomic_parker::wait::{Key, Sleeper, Wait};
/// use atomic_parker::AtomicParker;
/// use std::sync::{Condvar, Mutex};
///
/// #[derive(Default)]
/// struct Counting {
///     asleep: Mutex<usize>,
///     woken: Condvar,
/// }
///
/// impl Wait for Counting {
///     fn wait(&self, sleeper: &Sleeper<'_>) {
///         let mut asleep = self.asleep.lock().unwrap();
///         *asleep += 1;
///         if sleeper.still_parked() {
///             asleep = match sleeper.timeout() {
///                 Some(left) => self.woken.wait_timeout(asleep, left).unwrap().0,
///                 None => self.woken.wait(asleep).unwrap(),
///             };
///         }
///         *asleep -= 1;
///         sleeper.leave(*asleep > 0);
///     }
///
///     fn wake(&self, _: Key<'_>) {
///         // With the lock, no sleeper is between its look and its sleep.
///         let _asleep = self.asleep.lock().unwrap();
///         self.woken.notify_one();
///     }
/// }
///
/// let parker = AtomicParker::with_wait(Counting::default());
/// std::thread::scope(|scope| {
///     let threads = [(); 2].map(|()| scope.spawn(|| parker.park()));
///     while !threads.iter().all(|thread| thread.is_finished()) {
///         parker.unpark();
///     }
/// });
/// ```
pub struct Sleeper<'a> {
    state: &'a State,
    key: Key<'a>,
    deadline: Option<Instant>,
    alone: bool,
    left: Cell<Left>,
}

/// Whether a sleeper went through `State::leave`, and what it found there.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Left {
    Not,
    WithoutToken,
    WithToken,
}

impl Left {
    fn with(token: bool) -> Self {
        if token {
            Self::WithToken
        } else {
            Self::WithoutToken
        }
    }
}

impl<'a> Sleeper<'a> {
    #[inline]
    pub(crate) fn new(state: &'a State, key: Key<'a>, deadline: Option<Instant>, alone: bool) -> Self {
        Self { state, key, deadline, alone, left: Cell::new(Left::Not) }
    }

    /// Returns whether the state is still [`Parked`](ParkState::Parked), and [`leave`](Sleeper::leave) was not called since. If not, do
    /// not sleep, but return from `wait`.
    ///
    /// Lock-free; orders nothing.
    ///
    /// # Examples
    ///
    /// See [`Sleeper`].
    #[inline]
    pub fn still_parked(&self) -> bool {
        self.left.get() == Left::Not && self.state.peek() == ParkState::Parked
    }

    /// Returns when this sleep must end at the latest, or `None` if it has no deadline. It does not read the clock.
    ///
    /// # Examples
    ///
    /// See [`EventLoop`](crate::driver::EventLoop), whose `wait` gets this time.
    #[inline]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns how much time is left until the deadline, zero if it has passed, or `None` if there is none.
    ///
    /// Reads the clock, if there is a deadline.
    ///
    /// # Examples
    ///
    /// See [`Sleeper`].
    #[inline]
    pub fn timeout(&self) -> Option<Duration> {
        self.deadline.map(sync::time_until)
    }

    /// Returns the key that identifies this parker, for a slow path that several parkers share.
    ///
    /// # Examples
    ///
    /// See [`Key::address`].
    #[inline]
    pub fn key(&self) -> Key<'a> {
        self.key
    }

    /// Ends this sleep, and reports whether other threads still sleep on the same parker.
    ///
    /// Optional (see "Several sleepers" in [`Wait`]). Call it at the end of `wait`, under the mutex that a new sleeper
    /// of the same parker locks before it checks [`still_parked`](Sleeper::still_parked), so that no sleeper can come
    /// between your count and this call. `others_asleep` is whether other threads are in `wait` and have not called
    /// `leave`. If it is false although there are some, they may never wake; if it is true although there are none,
    /// that costs one needless wake. A second call in the same sleep does nothing.
    ///
    /// Lock-free; if it takes the token, that synchronizes with every `unpark` before.
    ///
    /// # Examples
    ///
    /// See [`Sleeper`].
    #[inline]
    pub fn leave(&self, others_asleep: bool) {
        if self.left.get() == Left::Not {
            self.left.set(Left::with(self.state.leave(others_asleep && !self.alone)));
        }
    }

    /// After [`leave`](Sleeper::leave), in a `wait` that goes on: parks again, or takes the token; returns whether it is parked.
    /// Without a `leave`, returns whether it still is.
    pub(crate) fn parks_again(&self) -> bool {
        match self.left.get() {
            Left::Not => self.still_parked(),
            Left::WithToken => false,
            Left::WithoutToken => {
                let parked = self.state.take_or_park();
                self.left.set(if parked { Left::Not } else { Left::WithToken });
                parked
            }
        }
    }

    /// Returns whether no other thread can be asleep on this parker.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    #[inline]
    pub(crate) fn left(&self) -> Left {
        self.left.get()
    }
}

impl fmt::Debug for Sleeper<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleeper").field("state", &self.state.peek()).field("deadline", &self.deadline).finish()
    }
}

/// Identifies one parker, for a slow path that several parkers share.
///
/// It borrows the parker, so while it exists no other object can have the same address. Two keys are equal if they
/// identify the same parker.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    address: usize,
    /// Where the parker's slow path is, and its size.
    slow_path: (usize, usize),
    parker: PhantomData<&'a ()>,
}

impl<'a> Key<'a> {
    #[inline]
    pub(crate) fn new<W>(state: &'a State, slow_path: &'a W) -> Self {
        let slow_path = (slow_path as *const W as usize, size_of::<W>());
        Self { address: state as *const State as usize, slow_path, parker: PhantomData }
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

    /// Returns whether the parker contains this part of a slow path.
    ///
    /// If not, other parkers may use it too. If so, they may as well, by a reference to it, but they do not contain it.
    #[inline]
    pub(crate) fn contains<T>(&self, part: &T) -> bool {
        // The address of a part without a size could be that of something beside the parker.
        const { assert!(size_of::<T>() > 0) };
        let (start, size) = self.slow_path;
        (part as *const T as usize).wrapping_sub(start) < size
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
