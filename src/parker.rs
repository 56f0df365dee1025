use crate::atomic_parker::{AtomicParker, Sleepers};
use crate::state::ParkState;
use crate::sync;
use crate::unparker::{Shared, Unparker};
use crate::wait::{self, Wait};
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Creates a parker and an unparker for it, on the default slow path.
///
/// # Examples
///
/// ```
/// let (parker, unparker) = atomic_parker::pair();
/// let thread = std::thread::spawn(move || unparker.unpark());
/// parker.park();
/// # thread.join().unwrap();
/// ```
#[must_use]
pub fn pair() -> (Parker, Unparker) {
    let parker = Parker::new();
    let unparker = parker.unparker();
    (parker, unparker)
}

/// The side that sleeps: the one owner of an [`AtomicParker`] that its [`Unparker`]s share.
///
/// It can be sent to another thread, but not shared, so that only one thread parks. Both sides keep the one
/// allocation alive, which is padded to cache lines.
///
/// The names and meanings are those of crossbeam's `Parker` and of `parking`; for memory ordering, cost and panics see
/// [`AtomicParker`], of which this is a handle.
///
/// # Examples
///
/// ```
/// use atomic_parker::Parker;
///
/// let parker = Parker::new();
/// let unparker = parker.unparker();
/// let thread = std::thread::spawn(move || unparker.unpark());
/// parker.park();
/// # thread.join().unwrap();
/// ```
pub struct Parker<W = wait::Condvar> {
    shared: Arc<Shared<W>>,
    not_sync: PhantomData<Cell<()>>,
}

impl Parker {
    /// Creates a parker without a token, on the default slow path.
    ///
    /// Allocates once.
    ///
    /// # Examples
    ///
    /// ```
    /// let parker = atomic_parker::Parker::new();
    /// assert!(!parker.try_park());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<W> Parker<W> {
    /// Creates a parker without a token, on a slow path of your choice.
    ///
    /// Allocates once.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::{wait, Parker};
    ///
    /// let parker = Parker::with_wait(wait::Condvar::new());
    /// assert!(parker.unpark());
    /// ```
    #[must_use]
    pub fn with_wait(wait: W) -> Self {
        Self::of(Shared::new(wait))
    }

    fn of(shared: Arc<Shared<W>>) -> Self {
        Self { shared, not_sync: PhantomData }
    }

    fn inner(&self) -> &AtomicParker<W> {
        self.shared.parker()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<W>> {
        &self.shared
    }

    /// Takes the token if it is there, and returns whether it was; see [`AtomicParker::try_park`].
    ///
    /// Wait-free, never sleeps, no system call. If it returns true, it synchronizes with every `unpark` up to then.
    ///
    /// # Examples
    ///
    /// ```
    /// let (parker, unparker) = atomic_parker::pair();
    /// unparker.unpark();
    /// assert!(parker.try_park());
    /// assert!(!parker.try_park());
    /// ```
    #[inline]
    pub fn try_park(&self) -> bool {
        self.inner().try_park()
    }

    /// Returns what the parker holds at this moment; see [`AtomicParker::state`].
    ///
    /// A hint that orders nothing. Wait-free, no system call.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::ParkState;
    ///
    /// let (parker, unparker) = atomic_parker::pair();
    /// unparker.unpark();
    /// assert_eq!(parker.state(), ParkState::Notified);
    /// ```
    #[inline]
    pub fn state(&self) -> ParkState {
        self.inner().state()
    }

    /// Returns a new handle that unparks this parker.
    ///
    /// Owned, as in `parking`; code written for crossbeam, `parker.unparker().clone()`, compiles too. Wait-free: counts
    /// one reference.
    ///
    /// # Examples
    ///
    /// ```
    /// let parker = atomic_parker::Parker::new();
    /// let unparker = parker.unparker();
    /// assert!(unparker.will_unpark(&parker));
    /// ```
    #[must_use]
    pub fn unparker(&self) -> Unparker<W> {
        Unparker::of(self.shared.clone())
    }

    /// Turns a parker into a raw pointer, to be given to [`from_raw`](Parker::from_raw).
    ///
    /// Until then, the pointer owns what the parker owned. An associated function: `Parker::into_raw(parker)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::Parker;
    ///
    /// let raw = Parker::into_raw(Parker::new());
    /// // SAFETY: The pointer comes from `into_raw` of the same type, and is used once.
    /// let parker: Parker = unsafe { Parker::from_raw(raw) };
    /// assert!(!parker.try_park());
    /// ```
    #[must_use = "the parker leaks unless the pointer goes back into `from_raw`"]
    pub fn into_raw(this: Self) -> *const () {
        Arc::into_raw(this.shared).cast()
    }

    /// Turns a raw pointer from [`into_raw`](Parker::into_raw) back into the parker.
    ///
    /// # Safety
    ///
    /// `raw` must come from [`Parker::into_raw`] with the same `W`, and must be used for this only once. If `W` is not `Send` and `Sync`, it
    /// must still be on the thread that it came from.
    ///
    /// # Examples
    ///
    /// See [`into_raw`](Parker::into_raw).
    #[allow(unsafe_code)]
    #[must_use]
    pub unsafe fn from_raw(raw: *const ()) -> Self {
        // SAFETY: The caller says that this is the pointer that `Arc::into_raw` gave for this type, and gives up the
        // one reference that it owns.
        Self::of(unsafe { Arc::from_raw(raw.cast()) })
    }
}

impl<W: Wait> Parker<W> {
    /// Sleeps until the token is there, and takes it; see [`AtomicParker::park`].
    ///
    /// Returns only with the token, never spuriously. If the token is there already, this is one atomic operation
    /// and no system call. It synchronizes with every `unpark` up to then.
    ///
    /// # Examples
    ///
    /// ```
    /// let (parker, unparker) = atomic_parker::pair();
    /// unparker.unpark();
    /// parker.park(); // the token is there: returns at once
    /// ```
    #[inline]
    pub fn park(&self) {
        if !self.inner().take() {
            self.sleep(None);
        }
    }

    /// Sleeps until the token is there, but no longer than `timeout`; returns whether it took the token.
    ///
    /// Returns false only at or after the end of that time, and a token that arrives together with it wins. Zero does
    /// not sleep; `Duration::MAX` is for ever. See [`AtomicParker::park_timeout`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (parker, unparker) = atomic_parker::pair();
    /// assert!(!parker.park_timeout(Duration::from_millis(1)));
    /// unparker.unpark();
    /// assert!(parker.park_timeout(Duration::MAX));
    /// ```
    #[inline]
    pub fn park_timeout(&self, timeout: Duration) -> bool {
        self.inner().take() || self.sleep(sync::deadline_after(timeout))
    }

    /// Sleeps until the token is there, but not past `deadline`; returns whether it took the token.
    ///
    /// As [`park_timeout`](Parker::park_timeout), with a point in time. A deadline in the past does not sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// let parker = atomic_parker::Parker::new();
    /// assert!(!parker.park_deadline(Instant::now()));
    /// ```
    #[inline]
    pub fn park_deadline(&self, deadline: Instant) -> bool {
        self.inner().take() || self.sleep(Some(deadline))
    }

    #[cold]
    fn sleep(&self, deadline: Option<Instant>) -> bool {
        self.inner().sleep(deadline, Sleepers::One)
    }

    /// Sets the token from the owner's side; returns whether it is new. See [`AtomicParker::unpark`].
    ///
    /// Lock-free and without a system call: the owner is awake.
    ///
    /// # Examples
    ///
    /// ```
    /// let parker = atomic_parker::Parker::new();
    /// assert!(parker.unpark());
    /// assert!(!parker.unpark());
    /// ```
    #[inline]
    pub fn unpark(&self) -> bool {
        self.inner().unpark()
    }
}

impl<W: Default> Default for Parker<W> {
    fn default() -> Self {
        Self::with_wait(W::default())
    }
}

impl<W> fmt::Debug for Parker<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parker").field("state", &self.state()).finish_non_exhaustive()
    }
}

// The marker that takes `Sync` away takes these too, without a reason: a panic leaves nothing half-done.
impl<W: RefUnwindSafe> UnwindSafe for Parker<W> {}
impl<W: RefUnwindSafe> RefUnwindSafe for Parker<W> {}
