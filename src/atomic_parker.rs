use crate::state::{ParkState, State};
use crate::sync::{self, const_unless_loom};
use crate::wait::{self, Key, Left, Sleeper, Wait};
use crate::waker::{self, Borrowed, Table};
use std::any::Any;
use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

/// A token that threads can sleep for: one atomic byte and a slow path `W`.
///
/// The primitive of this crate. It allocates nothing itself, can be placed in a `static`, a struct or an `Arc`, and every
/// method takes `&self`. Any thread may park, also several at once: each token releases exactly one of them. If only
/// one thread parks, see [`Parker`](crate::Parker) with its [`Unparker`](crate::Unparker)s.
///
/// # Memory ordering
///
/// *Every* `unpark` before the token is taken, also one that found the token set, happens-before the return of the park
/// that takes it. Nothing else is ordered: not a later `unpark`, not a park that times out, not
/// [`state`](AtomicParker::state).
///
/// # Cost
///
/// A park that finds the token, and an `unpark` that finds no sleeper, are one atomic read-modify-write each. They are
/// lock-free, make no system call and do not read the clock.
///
/// # Sharing by raw pointer
///
/// `unpark` uses the parker after it has set the token: it may still have to wake the sleeper. With references, `Arc`
/// and `static` the parker lives long enough, as all methods borrow `self`. With a raw pointer it may not: the thread
/// that takes the token must not free the parker before that `unpark` has *returned*, and its park may return earlier
/// than that. Share the parker by `Arc`, or use [`Parker`](crate::Parker) and [`Unparker`](crate::Unparker), which use
/// one.
///
/// # Panics
///
/// No method panics by itself. A panic of a user's [`Wait`] reaches the caller; see [`Wait`].
///
/// # Examples
///
/// ```
/// use atomic_parker::AtomicParker;
/// use std::sync::Arc;
///
/// let parker = Arc::new(AtomicParker::new());
/// let unparker = parker.clone();
/// let thread = std::thread::spawn(move || unparker.unpark());
/// parker.park(); // returns when the other thread has called `unpark`, in whatever order they come
/// # thread.join().unwrap();
/// ```
pub struct AtomicParker<W = wait::Condvar> {
    state: State,
    wait: W,
}

impl AtomicParker {
    const_unless_loom! {
        /// Creates a parker without a token, on the default slow path.
        ///
        /// # Examples
        ///
        /// ```
        /// use atomic_parker::AtomicParker;
        ///
        /// static PARKER: AtomicParker = AtomicParker::new();
        /// assert!(!PARKER.try_park());
        /// ```
        pub fn new() -> Self {
            Self { state: State::new(), wait: wait::Condvar::new() }
        }
    }
}

impl<W> AtomicParker<W> {
    const_unless_loom! {
        /// Creates a parker without a token, on a slow path of your choice.
        ///
        /// # Examples
        ///
        /// ```
        /// use atomic_parker::{wait, AtomicParker};
        ///
        /// static PARKER: AtomicParker = AtomicParker::with_wait(wait::Condvar::new());
        /// assert!(PARKER.unpark());
        /// ```
        pub fn with_wait(wait: W) -> Self {
            Self { state: State::new(), wait }
        }
    }

    /// Takes the token if it is there, and returns whether it was; never sleeps.
    ///
    /// Wait-free, no system call. If it returns true, it synchronizes with every `unpark` up to then.
    ///
    /// # Examples
    ///
    /// ```
    /// # let parker = atomic_parker::AtomicParker::new();
    /// parker.unpark();
    /// assert!(parker.try_park());
    /// assert!(!parker.try_park());
    /// ```
    #[inline]
    pub fn try_park(&self) -> bool {
        // A load first, so that polling an empty parker does not take the cache line from the unparkers.
        self.state.peek() == ParkState::Notified && self.state.take()
    }

    /// Returns what the parker holds at this moment.
    ///
    /// It orders nothing, and the result may be out of date when it returns. Wait-free, no system call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use atomic_parker::{AtomicParker, ParkState};
    /// let parker = AtomicParker::new();
    /// assert_eq!(parker.state(), ParkState::Empty);
    /// parker.unpark();
    /// assert_eq!(parker.state(), ParkState::Notified);
    /// ```
    #[inline]
    #[must_use]
    pub fn state(&self) -> ParkState {
        self.state.peek()
    }

    /// Returns the slow path, for instance the event loop that a parked thread sleeps in.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::{wait, AtomicParker};
    ///
    /// let parker = AtomicParker::new();
    /// let _slow_path: &wait::Condvar = parker.slow_path();
    /// ```
    #[inline]
    #[must_use]
    pub fn slow_path(&self) -> &W {
        &self.wait
    }

    /// As `try_park`, where no other thread parks. The caller expects the token to be there, so this goes without the first load.
    #[inline]
    pub(crate) fn take_alone(&self) -> bool {
        self.state.take_alone()
    }
}

impl<W: Wait> AtomicParker<W> {
    /// Sleeps until the token is there, and takes it.
    ///
    /// Returns only with the token, never spuriously. If the token is there already, this is one atomic operation
    /// and no system call. It synchronizes with every `unpark` up to then.
    ///
    /// # Examples
    ///
    /// ```
    /// # let parker = atomic_parker::AtomicParker::new();
    /// parker.unpark();
    /// parker.park(); // the token is there: returns at once
    /// ```
    #[inline]
    pub fn park(&self) {
        if !self.state.take() {
            self.sleep_untimed();
        }
    }

    /// Sleeps until the token is there, but no longer than `timeout`; returns whether it took the token.
    ///
    /// Returns false only at or after the end of that time; if the token is there by then, it returns true. A zero
    /// `timeout` does not sleep. One that is too large for the clock, such as `Duration::MAX`, never ends. If the token
    /// is there at the call, this is one atomic operation: no system call, and the clock is not read. If it returns
    /// true, it synchronizes with every `unpark` up to then.
    ///
    /// # Examples
    ///
    /// ```
    /// # let parker = atomic_parker::AtomicParker::new();
    /// use std::time::Duration;
    ///
    /// assert!(!parker.park_timeout(Duration::from_millis(1)));
    /// parker.unpark();
    /// assert!(parker.park_timeout(Duration::MAX));
    /// ```
    #[inline]
    pub fn park_timeout(&self, timeout: Duration) -> bool {
        self.state.take() || self.sleep_until(sync::deadline_after(timeout), timeout.is_zero())
    }

    /// Sleeps until the token is there, but not past `deadline`; returns whether it took the token.
    ///
    /// As [`park_timeout`](AtomicParker::park_timeout), with a point in time. A deadline in the past does not sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// # let parker = atomic_parker::AtomicParker::new();
    /// use std::time::Instant;
    ///
    /// assert!(!parker.park_deadline(Instant::now()));
    /// ```
    #[inline]
    pub fn park_deadline(&self, deadline: Instant) -> bool {
        self.state.take() || self.sleep_until(Some(deadline), sync::has_passed(Some(deadline)))
    }

    /// Sets the token and wakes a sleeper, if there is one; returns whether the token is new.
    ///
    /// False means that it was there already: any number of `unpark`s before a park make one token. Even then, what
    /// came before this call happens-before the return of the park that takes the token.
    ///
    /// Lock-free and without a system call, unless it finds a sleeper.
    ///
    /// # Signal handlers
    ///
    /// On the slow path `Futex` it may be called in a signal handler, also in one that interrupts the sleeping thread itself.
    /// On `Condvar` and `ParkingLot` it may not: the interrupted thread may hold the lock that it takes.
    ///
    /// # Examples
    ///
    /// ```
    /// # let parker = atomic_parker::AtomicParker::new();
    /// assert!(parker.unpark());
    /// assert!(!parker.unpark());
    /// ```
    #[inline]
    pub fn unpark(&self) -> bool {
        self.notify() != ParkState::Notified
    }

    /// Sets the token and wakes a sleeper, if there is one; returns the state that it replaced.
    ///
    /// As [`unpark`](AtomicParker::unpark), but tells whether it sent a wake: it did if it returns
    /// [`ParkState::Parked`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use atomic_parker::{AtomicParker, ParkState};
    /// let parker = AtomicParker::new();
    /// assert_eq!(parker.notify(), ParkState::Empty);
    /// assert_eq!(parker.notify(), ParkState::Notified);
    /// ```
    #[inline]
    pub fn notify(&self) -> ParkState {
        self.notify_or_wake(|| {})
    }

    /// As [`notify`](AtomicParker::notify), and does something before it wakes a sleeper.
    #[inline]
    pub(crate) fn notify_or_wake(&self, before_wake: impl FnOnce()) -> ParkState {
        let replaced = self.state.notify();
        if replaced == ParkState::Parked {
            self.wake_after(before_wake);
        }
        replaced
    }

    #[cold]
    fn wake_after(&self, before_wake: impl FnOnce()) {
        before_wake();
        self.wake_sleeper();
    }

    #[inline]
    fn wake_sleeper(&self) {
        self.wait.wake(Key::new(&self.state, &self.wait));
    }

    #[cold]
    fn sleep_untimed(&self) {
        self.sleep(None, false, Sleepers::Any);
    }

    #[cold]
    fn sleep_until(&self, deadline: Option<Instant>, expired: bool) -> bool {
        self.sleep(deadline, expired, Sleepers::Any)
    }

    /// The slow path of every park: sleeps for the token, after the fast path found none.
    ///
    /// `expired`: whether the deadline has passed, as the caller has read the clock.
    ///
    /// Inlined into each kind of park, and the slow paths of this crate into it. After a long sleep all code is cold, so a
    /// park without a deadline should run through little of it, in one place.
    #[inline(always)]
    pub(crate) fn sleep(&self, deadline: Option<Instant>, mut expired: bool, sleepers: Sleepers) -> bool {
        // Whether this thread may have received a wake that another sleeper needs: it slept without a `leave`.
        let mut owes_a_wake = false;
        while !expired {
            if !self.state.take_or_park() {
                if owes_a_wake {
                    let on_panic = PassOn { parker: self, sleeper: None, sleepers };
                    self.wake_sleeper();
                    std::mem::forget(on_panic);
                }
                return true;
            }
            let sleeper =
                Sleeper::new(&self.state, Key::new(&self.state, &self.wait), deadline, sleepers == Sleepers::One);
            let on_panic = PassOn { parker: self, sleeper: Some(&sleeper), sleepers };
            self.wait.wait(&sleeper);

            let came = match sleeper.left() {
                Left::Not => self.state.peek() == ParkState::Notified,
                left => left == Left::WithToken,
            };
            // A park that was woken need not read the clock.
            expired = !came && sync::has_passed(deadline);
            if sleeper.left() == Left::Not && (expired || came) {
                sleeper.leave(false);
                if sleepers == Sleepers::Any {
                    // The slow path does not know who else sleeps: another sleeper must look, and put PARKED back.
                    self.wake_sleeper();
                }
            }
            std::mem::forget(on_panic);
            if sleeper.left() == Left::WithToken {
                return true;
            }
            owes_a_wake = sleepers == Sleepers::Any && sleeper.left() == Left::Not;
        }
        // A token that arrives at the deadline wins.
        self.state.take()
    }
}

/// How many threads can be asleep on one parker.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Sleepers {
    One,
    Any,
}

/// On unwinding out of a `Wait`: puts back a token that was taken before the panic, and has another sleeper look, as the
/// wake may have been for that one.
struct PassOn<'a, W: Wait> {
    parker: &'a AtomicParker<W>,
    /// `None` once the token is taken and the sleep is over.
    sleeper: Option<&'a Sleeper<'a>>,
    sleepers: Sleepers,
}

impl<W: Wait> Drop for PassOn<'_, W> {
    fn drop(&mut self) {
        // A second panic, while the first one unwinds, would abort the process. In a model that has deadlocked, each step panics.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            if self.sleeper.is_none_or(|sleeper| sleeper.left() == Left::WithToken) {
                // Another sleeper, if there is one, gets the wake below.
                self.parker.state.notify();
            } else {
                self.parker.state.abandon();
            }
            if self.sleepers == Sleepers::Any {
                self.parker.wake_sleeper();
            }
        }));
    }
}

impl<W: Wait + Sync + 'static> AtomicParker<W> {
    /// Returns a waker that unparks this parker, and neither allocates nor counts references.
    ///
    /// Cloning and dropping it is free. Waking is [`unpark`](AtomicParker::unpark). On the slow paths of this crate, `will_wake` returns
    /// true for any two of them that this method returns for one parker. On another one it may return false for two that were made or cloned
    /// in different places, as the compiler may repeat their table of functions: an executor that compares wakers then clones one more.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::AtomicParker;
    ///
    /// static PARKER: AtomicParker = AtomicParker::new();
    /// PARKER.waker().wake();
    /// PARKER.park();
    /// ```
    #[must_use]
    pub fn waker(&'static self) -> Waker {
        waker::from_static(self)
    }
}

impl<W: Wait + Sync + 'static> Borrowed for AtomicParker<W> {
    fn wake(&self) {
        self.unpark();
    }

    #[inline]
    fn table() -> &'static Table<Self> {
        macro_rules! table_of {
            ($wait:ty) => {{
                static TABLE: Table<AtomicParker<$wait>> = Table::new();
                &TABLE as &dyn Any
            }};
        }
        let known = [
            table_of!(wait::Condvar),
            #[cfg(all(feature = "futex", any(target_os = "linux", target_os = "android")))]
            table_of!(wait::Futex),
            #[cfg(feature = "parking_lot")]
            table_of!(wait::ParkingLot),
        ];
        known.into_iter().find_map(<dyn Any>::downcast_ref).unwrap_or(const { &Table::new() })
    }
}

/// `Waker::from(arc)`, for a parker in an `Arc`: waking is [`unpark`](AtomicParker::unpark).
///
/// It allocates nothing more. To get another waker, clone this one: `will_wake` returns true for its clones. For a
/// second waker made from the `Arc` it may return false, as `std` does not promise one vtable address.
///
/// # Examples
///
/// ```
/// use atomic_parker::AtomicParker;
/// use std::sync::Arc;
/// use std::task::Waker;
///
/// let parker = Arc::new(AtomicParker::new());
/// Waker::from(parker.clone()).wake();
/// parker.park();
/// ```
impl<W: Wait + Send + Sync + 'static> Wake for AtomicParker<W> {
    fn wake(self: Arc<Self>) {
        self.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.unpark();
    }
}

/// On the default slow path. For another one, there is [`with_wait`](AtomicParker::with_wait).
impl Default for AtomicParker {
    fn default() -> Self {
        Self::new()
    }
}

impl<W> fmt::Debug for AtomicParker<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtomicParker").field("state", &self.state()).finish_non_exhaustive()
    }
}
