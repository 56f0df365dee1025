use super::shared::Shared;
use crate::state::ParkState;
use crate::wait::{self, Wait};
use crate::waker;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::task::Waker;

/// The side that wakes: a handle of one pointer that sets the token of a [`Parker`](crate::Parker).
///
/// Any thread may use it. It stays valid after the `Parker` is dropped: an `unpark` then wakes no thread. It can be
/// turned into a [`Waker`] without a further allocation.
///
/// For memory ordering, cost and panics see [`AtomicParker`](crate::AtomicParker).
///
/// # Examples
///
/// ```
/// use atomic_parker::{pair, ParkState};
/// use std::task::Waker;
///
/// let (parker, unparker) = pair();
/// assert_eq!(unparker.notify(), ParkState::Empty); // a new token, and no wake was needed
/// parker.park();
///
/// let waker = Waker::from(unparker);
/// waker.wake_by_ref();
/// parker.park();
/// ```
pub struct Unparker<W = wait::Condvar> {
    shared: Arc<Shared<W>>,
}

impl<W> Unparker<W> {
    pub(super) fn of(shared: Arc<Shared<W>>) -> Self {
        Self { shared }
    }

    pub(super) fn shared(&self) -> &Arc<Shared<W>> {
        &self.shared
    }

    pub(crate) fn slow_path(&self) -> &W {
        self.shared.parker().slow_path()
    }

    /// Returns whether both handles unpark the same parker. Wait-free.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_parker, unparker) = atomic_parker::pair();
    /// assert!(unparker.same_parker(&unparker.clone()));
    /// ```
    #[must_use]
    pub fn same_parker(&self, other: &Unparker<W>) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Turns an unparker into a raw pointer, to be given to [`from_raw`](Unparker::from_raw).
    ///
    /// Until then, the pointer owns what the unparker owned. Call it as `Unparker::into_raw(unparker)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::{pair, Unparker};
    ///
    /// let (parker, unparker) = pair();
    /// let raw = Unparker::into_raw(unparker);
    /// // The type is written out, as the pointer does not tell the slow path.
    /// // SAFETY: The pointer comes from `into_raw` of the same type, and is used once.
    /// let unparker: Unparker = unsafe { Unparker::from_raw(raw) };
    /// assert!(unparker.will_unpark(&parker));
    /// ```
    #[must_use = "the unparker leaks unless the pointer goes back into `from_raw`"]
    pub fn into_raw(this: Self) -> *const () {
        Arc::into_raw(this.shared).cast()
    }

    /// Turns a raw pointer from [`into_raw`](Unparker::into_raw) back into the unparker.
    ///
    /// # Safety
    ///
    /// `raw` must come from [`Unparker::into_raw`] with the same `W`, and must be used for this only once. If `W` is
    /// not `Send` and `Sync`, it must still be on the thread that it came from.
    ///
    /// # Examples
    ///
    /// See [`into_raw`](Unparker::into_raw).
    #[allow(unsafe_code)]
    #[must_use]
    pub unsafe fn from_raw(raw: *const ()) -> Self {
        // SAFETY: The caller says that this is the pointer that `Arc::into_raw` gave for this type, and gives up the
        // one reference that it owns.
        Self::of(unsafe { Arc::from_raw(raw.cast()) })
    }
}

impl<W: Wait> Unparker<W> {
    /// Sets the token and wakes the parker if it sleeps; returns whether the token is new.
    ///
    /// False means that it was there already. What came before this call happens-before the return of the park that
    /// takes the token, in both cases. Lock-free and without a system call, unless the thread sleeps: then it wakes the
    /// thread, after a look at the clock if the parker has asked for the time. See
    /// [`AtomicParker::unpark`](crate::AtomicParker::unpark).
    ///
    /// # Signal handlers
    ///
    /// On the slow path `Futex` it may be called in a signal handler, also in one that interrupts the sleeping thread itself.
    /// On `Condvar` and `ParkingLot` it may not: the interrupted thread may hold the lock that it takes.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_parker, unparker) = atomic_parker::pair();
    /// assert!(unparker.unpark());
    /// assert!(!unparker.unpark());
    /// ```
    #[inline]
    pub fn unpark(&self) -> bool {
        self.notify() != ParkState::Notified
    }

    /// Sets the token and wakes the parker if it sleeps; returns the state that it replaced.
    ///
    /// [`ParkState::Parked`] means that it sent a wake. See [`AtomicParker::notify`](crate::AtomicParker::notify).
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::{pair, ParkState};
    ///
    /// let (_parker, unparker) = pair();
    /// assert_eq!(unparker.notify(), ParkState::Empty);
    /// assert_eq!(unparker.notify(), ParkState::Notified);
    /// ```
    #[inline]
    pub fn notify(&self) -> ParkState {
        self.shared.notify()
    }
}

impl<W> Clone for Unparker<W> {
    fn clone(&self) -> Self {
        Self::of(self.shared.clone())
    }
}

/// Two handles are equal if they unpark the same parker: [`same_parker`](Unparker::same_parker).
impl<W> PartialEq for Unparker<W> {
    fn eq(&self, other: &Self) -> bool {
        self.same_parker(other)
    }
}

impl<W> Eq for Unparker<W> {}

/// Consistent with `Eq`: by the parker that the handle unparks.
impl<W> Hash for Unparker<W> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        Arc::as_ptr(&self.shared).hash(hasher);
    }
}

impl<W> fmt::Debug for Unparker<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unparker").field("state", &self.shared.parker().state()).finish_non_exhaustive()
    }
}

/// A waker that unparks. It takes over the handle's reference, without a further allocation.
///
/// [`will_wake`](Waker::will_wake) returns true for any two wakers of one parker, wherever they were made.
impl<W: Wait + Send + Sync + 'static> From<Unparker<W>> for Waker {
    fn from(unparker: Unparker<W>) -> Self {
        waker::from_arc(unparker.shared)
    }
}
