use super::shared::Shared;
use super::unparker::Unparker;
use crate::atomic_parker::{AtomicParker, Sleepers};
use crate::spin::{learner, share, share_wake_up, Learner, Sleep, Spin, Wake, LONGEST_LOOK, LOOKERS};
use crate::state::ParkState;
use crate::sync;
use crate::wait::{self, Wait};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The side that sleeps: the one owner of an [`AtomicParker`] that its [`Unparker`]s share.
///
/// It can be sent to another thread, but not shared, so that only one thread parks. Both sides keep the one
/// allocation alive, which is padded to cache lines.
///
/// The names and meanings are those of crossbeam's `Parker` and of `parking`; for memory ordering, cost and panics see
/// [`AtomicParker`], of which this is a handle. What this one does besides is to look at the token for a moment before
/// it sleeps, where that pays: see [`Spin`].
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
// In this order: what a calm park needs is in the first 24 bytes.
#[repr(C)]
pub struct Parker<W = wait::Condvar> {
    shared: Arc<Shared<W>>,
    /// On the owner's side, where it costs unparkers no cache line. Its cells are also what makes a parker `!Sync`.
    learner: Learner,
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
        Self { shared, learner: learner(Spin::default()) }
    }

    /// Sets for how long this parker looks at the token before it sleeps.
    ///
    /// [`Spin::adaptive`], unless you choose another. What it has learned so far is forgotten.
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
    pub fn with_spin(mut self, spin: Spin) -> Self {
        self.learner = learner(spin);
        self
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

    /// Returns the slow path, for instance the event loop that the parked thread sleeps in.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::{wait, Parker};
    ///
    /// let parker = Parker::new();
    /// let _slow_path: &wait::Condvar = parker.wait();
    /// ```
    #[inline]
    pub fn wait(&self) -> &W {
        self.inner().wait()
    }

    /// Turns a parker into a raw pointer, to be given to [`from_raw`](Parker::from_raw).
    ///
    /// Until then, the pointer owns what the parker owned; only what it has learned about spinning, and a choice by
    /// [`with_spin`](Parker::with_spin), are lost. An associated function: `Parker::into_raw(parker)`.
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
    /// Sleeps until the token is there, and takes it; see [`AtomicParker::park`].
    ///
    /// Returns only with the token, never spuriously. If the token is there already, this is one atomic operation
    /// and no system call. If not, and where this parker has learned that it pays, it looks at the token for as long as
    /// a sleep would cost, before it sleeps; see [`Spin::adaptive`]. It synchronizes with every `unpark` up to then.
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
            self.sleep_untimed();
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
        self.inner().take() || self.sleep_until(sync::deadline_after(timeout))
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
        self.inner().take() || self.sleep_until(Some(deadline))
    }

    #[cold]
    fn sleep_untimed(&self) {
        self.sleep(None);
    }

    #[cold]
    fn sleep_until(&self, deadline: Option<Instant>) -> bool {
        self.sleep(deadline)
    }

    /// The slow path of every park.
    #[inline(always)]
    fn sleep(&self, deadline: Option<Instant>) -> bool {
        let no_time = deadline.is_some_and(|deadline| sync::time_until(deadline) < SHORTEST_TIMED);
        // Without time there is no wait: nothing to look for, and nothing to learn.
        if no_time || self.learner.is_calm() {
            return self.inner().sleep(deadline, Sleepers::One);
        }
        // A timed park must not look past its deadline, so it has to know the time from the start.
        let glances = deadline.is_none() && self.learner.is_eager();
        (glances && self.glance()) || self.look_then_sleep(deadline, glances)
    }

    /// Looks for as long as the policy says, then sleeps.
    #[cold]
    fn look_then_sleep(&self, deadline: Option<Instant>, glanced: bool) -> bool {
        let learner = &self.learner;
        let budget = learner.next_look();
        let mut looked = None;
        if budget > 0 {
            match self.look(budget, deadline, glanced) {
                Look::Found(start) => {
                    if learner.learns_from_success() {
                        // The clock is read again: the look may have been preempted since the last time.
                        let took = start.map_or(0, nanos_since);
                        learner.looked(took, true);
                        share(learner);
                        learner.waited(Some(took), Sleep::Spared);
                    }
                    return true;
                }
                Look::Failed(took) => {
                    looked = Some(took);
                    if took >= budget {
                        learner.looked(took, false);
                        share(learner);
                    } else {
                        learner.was_cut_short(took);
                    }
                }
                Look::Refused => learner.was_refused(),
                Look::Alone => learner.rest(),
            }
        }
        // A fixed policy learns nothing from the time.
        let start = learner.learns().then(|| {
            self.shared.wake_time().ask(sync::cpu());
            sync::clock()
        });
        let found = self.inner().sleep(deadline, Sleepers::One);
        if let Some(start) = start {
            if learner.waited(looked, self.slept_since(start, found)) {
                share(learner);
            }
        }
        found
    }

    /// What a sleep that has just ended was like.
    #[inline]
    fn slept_since(&self, start: u32, found: bool) -> Sleep {
        let until = |time: u32| time.wrapping_sub(start);
        match self.shared.wake_time().take() {
            _ if !found => Sleep::TimedOut(until(sync::clock())),
            Wake::SameCpu => Sleep::GaveWay,
            Wake::Unknown => Sleep::Took(until(sync::clock())),
            Wake::At(time) => {
                let came = until(time);
                // Of other wake-ups it is of no interest how long they took: they are spared the clock.
                if came <= LONGEST_LOOK {
                    share_wake_up(&self.learner, came, until(sync::clock()).saturating_sub(came));
                }
                Sleep::Took(came)
            }
        }
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

/// How often a look without a deadline looks before it reads the clock for the first time: a hand-off between two cores
/// that run is over by then, and is spared the clock. 1 to 2 µs on most processors, 3 µs where the pause is the
/// longest.
const UNTIMED_TURNS: u32 = 32;

/// How often it looks between two readings of the clock after that.
const TIMED_TURNS: u32 = 8;

/// How many hints it pauses for between two looks, from then on.
const MAX_PAUSE: u32 = 2;

/// How a look ended.
enum Look {
    /// It took the token; since when it had looked, if it knows.
    Found(Option<Instant>),
    /// It found none for so many nanoseconds.
    Failed(u32),
    /// As many look already as may.
    Refused,
    /// There is no other CPU, from which a token could come meanwhile.
    Alone,
}

impl<W> Parker<W> {
    /// Looks at the token for a microsecond or two; returns whether it took it.
    ///
    /// Out of line: unrolled, it would lie in the way of those who only sleep.
    #[inline(never)]
    fn glance(&self) -> bool {
        (0..UNTIMED_TURNS).any(|_| self.turn(1))
    }

    /// One look at the token and, if it is not there, a pause of so many hints to the processor.
    #[inline]
    fn turn(&self, pause: u32) -> bool {
        self.inner().try_park() || {
            (0..pause).for_each(|_| std::hint::spin_loop());
            false
        }
    }

    /// Looks at the token for up to `budget` nanoseconds.
    ///
    /// The first microsecond or two are not counted, and not looked through again after a [`glance`](Parker::glance).
    fn look(&self, budget: u32, deadline: Option<Instant>, glanced: bool) -> Look {
        // Not asked before there is reason to look: the first answer takes a process longer than many sleeps.
        let other_cpus = sync::other_cpus();
        if other_cpus == 0 {
            return Look::Alone;
        }
        if deadline.is_none() && !glanced && self.glance() {
            return Look::Found(None);
        }
        // One who learns leaves a CPU to those that it may be waiting for.
        let most = if self.learner.learns() { other_cpus } else { u32::MAX };
        let Some(_looker) = LOOKERS.join(most) else {
            return Look::Refused;
        };
        let start = sync::now();
        let left = deadline.map_or(u32::MAX, |deadline| nanos(deadline.saturating_duration_since(start)));
        let budget = budget.min(left);
        let mut pause = 1;
        loop {
            if (0..TIMED_TURNS).any(|_| self.turn(pause)) {
                return Look::Found(Some(start));
            }
            let took = nanos_since(start);
            if took >= budget {
                return Look::Failed(took);
            }
            pause = MAX_PAUSE;
        }
    }
}

/// A timed park with less time left than this sleeps at once.
const SHORTEST_TIMED: Duration = Duration::from_micros(1);

fn nanos_since(start: Instant) -> u32 {
    nanos(sync::now() - start)
}

fn nanos(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos()).unwrap_or(u32::MAX)
}

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

// The marker that takes `Sync` away takes these too, without a reason: a panic leaves nothing half-done.
impl<W: RefUnwindSafe> UnwindSafe for Parker<W> {}
impl<W: RefUnwindSafe> RefUnwindSafe for Parker<W> {}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::spin::{Levels, FIRST_WAKE_UP};
    use crate::wait::{Key, Sleeper};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Waker;

    /// Each sleep says that it has begun, and is slow to wake up.
    ///
    /// The flags are the test's own, and no part of the protocol, whose orderings are in `state`. Acquire and Release, as
    /// each says that what its side did before is done.
    #[derive(Default)]
    struct SaysWhenAsleep {
        asleep: AtomicBool,
        woken: AtomicBool,
    }

    impl Wait for SaysWhenAsleep {
        fn wait(&self, _: &Sleeper<'_>) {
            self.asleep.store(true, Ordering::Release);
            while !self.woken.swap(false, Ordering::Acquire) {
                std::thread::yield_now();
            }
            let woken = Instant::now();
            while woken.elapsed() < Duration::from_millis(1) {
                std::hint::spin_loop();
            }
        }

        fn wake(&self, _: Key<'_>) {
            self.woken.store(true, Ordering::Release);
        }
    }

    #[test]
    fn a_sleeper_is_told_when_the_token_came() {
        if sync::other_cpus() == 0 {
            return;
        }
        type Wake = Box<dyn Fn() + Send + Sync>;
        type Unpark = fn(Unparker<Arc<SaysWhenAsleep>>) -> Wake;
        let ways: [Unpark; 3] = [
            |unparker| Box::new(move || assert!(unparker.unpark())),
            |unparker| Box::new(move || assert_eq!(unparker.notify(), ParkState::Parked)),
            |unparker| {
                let waker = Waker::from(unparker);
                Box::new(move || waker.wake_by_ref())
            },
        ];
        for way in ways {
            let wait = Arc::<SaysWhenAsleep>::default();
            let parker = Parker::with_wait(wait.clone());
            let wake = way(parker.unparker());
            let is_over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Acquire) {
                        if wait.asleep.swap(false, Ordering::Acquire) {
                            wake();
                        }
                        std::thread::yield_now();
                    }
                });
                // A stall can make it late, and both may be on one CPU, but not each time.
                while {
                    parker.park();
                    !parker.learner.has_seen_a_short_wait()
                } {}
                is_over.store(true, Ordering::Release);
            });
        }
    }

    #[test]
    fn a_sleep_is_described_as_it_was() {
        // One that knows nothing from other tests in this process.
        let learner = Learner::new(Spin::adaptive(), Levels::default(), FIRST_WAKE_UP, 0);
        let mut parker = Parker { learner, ..Parker::new() };
        // So that an answer, which is rounded, is exact for what comes a multiple of 4 ns later.
        let start = (sync::clock() / 4 * 4).wrapping_sub(2);
        let told = |parker: &Parker, time: u32| {
            let wake_time = parker.shared.wake_time();
            wake_time.ask(None);
            wake_time.answer(|| None, || time);
        };
        told(&parker, start.wrapping_sub(1_000_000));
        assert!(
            matches!(parker.slept_since(start, true), Sleep::Took(LONGEST_LOOK..)),
            "an answer to another question"
        );
        told(&parker, start.wrapping_add(70_000));
        assert!(matches!(parker.slept_since(start, true), Sleep::Took(70_000)));
        told(&parker, start.wrapping_add(LONGEST_LOOK + 4));
        assert!(matches!(parker.slept_since(start, true), Sleep::Took(60_004)));
        assert!(!parker.learner.has_seen_a_wake_up());
        told(&parker, start.wrapping_add(LONGEST_LOOK));
        assert!(matches!(parker.slept_since(start, true), Sleep::Took(60_000)));
        assert!(parker.learner.has_seen_a_wake_up());
        parker.learner = Learner::new(Spin::adaptive(), Levels::default(), FIRST_WAKE_UP, 0);
        told(&parker, start.wrapping_add(10_000));
        assert!(matches!(parker.slept_since(start, true), Sleep::Took(10_000)));
        assert!(parker.learner.has_seen_a_wake_up());
        while sync::clock().wrapping_sub(start) < 100_000 {}
        assert!(matches!(parker.slept_since(start, true), Sleep::Took(100_000..)), "no answer");
        told(&parker, start.wrapping_add(100));
        assert!(matches!(parker.slept_since(start, false), Sleep::TimedOut(100_000..)));
        parker.shared.wake_time().ask(Some(7));
        parker.shared.wake_time().answer(|| Some(7), sync::clock);
        assert_eq!(parker.slept_since(start, true), Sleep::GaveWay);
    }
}
