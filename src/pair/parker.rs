use super::shared::{Margin, Shared};
use super::unparker::Unparker;
use crate::atomic_parker::{AtomicParker, Sleepers};
use crate::spin::{spin, spin_untimed, End, Policy, Spin, Spun, Wake};
use crate::state::ParkState;
use crate::sync;
use crate::wait::{self, Wait};
use std::cell::Cell;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The side that sleeps: the only handle that parks on an [`AtomicParker`], which it shares with its [`Unparker`]s.
///
/// It can be sent to another thread, but not shared, so that only one thread parks. Parker and unparkers keep one
/// allocation alive: on 64-bit Linux, 280 bytes with the default slow path. Margins in it keep parkers off each other's
/// cache lines.
///
/// Names and meanings are as in crossbeam's `Parker` and `parking`. For memory ordering, cost and panics see
/// [`AtomicParker`]. Unlike that one, a `Parker` spins before it sleeps if the last tokens came soon: see [`Spin`].
///
/// After `fork`, a parker that the child creates works, except on `ParkingLot`: see [Fork](crate#fork).
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
    /// On the owner's side, where it costs unparkers no cache line. The cell is also what makes a parker `!Sync`.
    policy: Cell<Policy>,
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
        Self::with_wait(wait::Condvar::new())
    }
}

impl<W> Parker<W> {
    fn of(shared: Arc<Shared<W>>) -> Self {
        Self { shared, policy: Cell::new(Self::policy(Spin::default())) }
    }

    fn policy(spin: Spin) -> Policy {
        if sync::SPINS { spin } else { Spin::off() }.policy()
    }

    /// A number that tells parkers apart, as each is longer than one margin.
    fn number(&self) -> usize {
        Arc::as_ptr(&self.shared) as usize / size_of::<Margin>()
    }

    /// Sets for how long this parker spins before it sleeps.
    ///
    /// Without this call, a parker uses the [`Spin::default`] at the time of its creation. The call discards what the
    /// parker has learned so far.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::{Parker, Spin};
    ///
    /// let parker = Parker::new().with_spin(Spin::off());
    /// assert!(!parker.try_park());
    /// ```
    #[must_use]
    pub fn with_spin(self, spin: Spin) -> Self {
        self.set_spin(spin);
        self
    }

    /// As [`with_spin`](Parker::with_spin), but keeps what was learned if the choice stays the same.
    pub(crate) fn set_spin(&self, spin: Spin) {
        if Spin::of(&self.policy.get()) != spin {
            self.policy.set(Self::policy(spin));
        }
    }

    fn inner(&self) -> &AtomicParker<W> {
        self.shared.parker()
    }

    pub(super) fn shared(&self) -> &Arc<Shared<W>> {
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
    /// It orders nothing, and the result may be out of date. Wait-free, no system call.
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
    #[must_use]
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

    /// Returns the slow path, for instance the event loop that the parked thread sleeps in.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::{wait, Parker};
    ///
    /// let parker = Parker::new();
    /// let _slow_path: &wait::Condvar = parker.slow_path();
    /// ```
    #[inline]
    #[must_use]
    pub fn slow_path(&self) -> &W {
        self.inner().slow_path()
    }

    /// Turns a parker into a raw pointer, to be given to [`from_raw`](Parker::from_raw).
    ///
    /// Until then, the pointer owns what the parker owned. What the parker has learned about spinning, and the setting
    /// of [`with_spin`](Parker::with_spin), are lost. Call it as `Parker::into_raw(parker)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::Parker;
    ///
    /// let raw = Parker::into_raw(Parker::new());
    /// // The type is written out, as the pointer does not tell the slow path.
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
    /// `raw` must come from [`Parker::into_raw`] with the same `W`, and must be used for this only once. If `W` is not
    /// `Send` and `Sync`, it must still be on the thread that it came from.
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

    /// Sleeps until the token is there, and takes it; see [`AtomicParker::park`].
    ///
    /// Returns only with the token, never spuriously. If the token is there already, this is one atomic operation and
    /// no system call. If not, it may spin before it sleeps: with the default for up to 3.5 µs, and at times for up to
    /// 60 µs; see [`Spin::adaptive`]. It synchronizes with every `unpark` up to then.
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
        if !self.inner().take_alone() {
            self.sleep_untimed();
        }
    }

    /// Sleeps until the token is there, but no longer than `timeout`; returns whether it took the token.
    ///
    /// Returns false only at or after the end of that time, and if the token is there by then, it returns true. Zero
    /// does not sleep; `Duration::MAX` never times out. See [`AtomicParker::park_timeout`].
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
        self.inner().take_alone() || self.sleep_until(sync::deadline_after(timeout), timeout)
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
        self.inner().take_alone() || self.sleep_until(Some(deadline), sync::time_until(deadline))
    }

    /// As [`park`](Parker::park), with the [`Spin::default`] of now if it has to sleep.
    #[inline]
    pub(crate) fn park_by_default(&self) {
        if !self.inner().take_alone() {
            self.sleep_by_default();
        }
    }

    #[cold]
    fn sleep_by_default(&self) {
        self.set_spin(Spin::default());
        self.sleep_untimed();
    }

    #[cold]
    fn sleep_untimed(&self) {
        self.sleep(None, Duration::MAX);
    }

    #[cold]
    fn sleep_until(&self, deadline: Option<Instant>, left: Duration) -> bool {
        self.sleep(deadline, left)
    }

    /// The slow path of every park. `left`: how much time there was until the deadline when the caller read the clock.
    #[inline(always)]
    fn sleep(&self, deadline: Option<Instant>, left: Duration) -> bool {
        // With too little time left, the parker neither spins nor learns.
        if left < SHORTEST_TIMED || self.skips() {
            return self.inner().sleep(deadline, left.is_zero(), Sleepers::One);
        }
        // A timed park must not spin past its deadline, so it reads the clock first.
        if deadline.is_none() && self.policy.get().spins() && spin_untimed(|| self.try_park()) {
            self.learn(0, End::Found);
            return true;
        }
        self.spin_then_sleep(deadline)
    }

    #[inline]
    fn skips(&self) -> bool {
        let mut policy = self.policy.get();
        let skips = policy.skips();
        self.policy.set(policy);
        skips
    }

    #[inline(always)]
    fn learn(&self, spun: u32, end: End) {
        let mut policy = self.policy.get();
        policy.learn(spun, end);
        self.policy.set(policy);
    }

    /// Spins for as long as the policy says, then sleeps.
    #[cold]
    fn spin_then_sleep(&self, deadline: Option<Instant>) -> bool {
        let (spun, end) = match spin(&self.policy.get(), self.number(), deadline, || self.try_park()) {
            Spun::Found(spun) => (spun, End::Found),
            Spun::Failed(spun) => (spun, self.sleep_and_ask(deadline, spun > 0 && sync::has_passed(deadline))),
        };
        self.learn(spun, end);
        end != End::TimedOut
    }

    /// Sleeps, and has the waker say when the token came.
    #[inline]
    fn sleep_and_ask(&self, deadline: Option<Instant>, expired: bool) -> End {
        self.shared.wake_time().ask(sync::cpu());
        let start = sync::clock();
        let found = self.inner().sleep(deadline, expired, Sleepers::One);
        match self.shared.wake_time().take() {
            _ if !found => End::TimedOut,
            Wake::SameCpu => End::SameCpu,
            Wake::Unknown => End::Unknown,
            Wake::At(time) => End::Came(time.wrapping_sub(start)),
        }
    }

    /// Sets the token from the owner's side; returns whether it is new. See [`AtomicParker::unpark`].
    ///
    /// Lock-free and without a system call, as the owner is awake; but within [`Wait::wait`], and in a signal handler that interrupts
    /// a park, it may call [`Wait::wake`]. In such a handler, only on the slow path `Futex`.
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
        self.notify() != ParkState::Notified
    }

    /// Sets the token from the owner's side; returns the state that it replaced. See [`AtomicParker::notify`].
    ///
    /// As [`unpark`](Parker::unpark), in cost and in signal handlers.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::{ParkState, Parker};
    ///
    /// let parker = Parker::new();
    /// assert_eq!(parker.notify(), ParkState::Empty);
    /// assert_eq!(parker.notify(), ParkState::Notified);
    /// ```
    #[inline]
    pub fn notify(&self) -> ParkState {
        self.inner().notify()
    }
}

/// A timed park with less time left than this sleeps at once.
const SHORTEST_TIMED: Duration = Duration::from_micros(1);

/// On the default slow path, as [`Parker::new`]. For another one, there is [`with_wait`](Parker::with_wait).
impl Default for Parker {
    fn default() -> Self {
        Self::new()
    }
}

impl<W> fmt::Debug for Parker<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parker").field("state", &self.state()).finish_non_exhaustive()
    }
}

// The marker that removes `Sync` removes these too. They hold: a panic leaves the parker consistent.
impl<W: RefUnwindSafe> UnwindSafe for Parker<W> {}
impl<W: RefUnwindSafe> RefUnwindSafe for Parker<W> {}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "parker_tests.rs"]
mod tests;
