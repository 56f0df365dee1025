//! A worker of the idle set: takes the steps of `docs/idle_protocol.md` in their order.

use super::head::Debt;
use super::metrics::Counters;
use super::roster::{Announcer, Roster};
use super::{looking, Finding, Idle};
use crate::pair::{Parker, Unparker};
use crate::sync::{deadline_after, has_passed, lock, model_unwinds};
use crate::wait::{self, Wait};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe, RefUnwindSafe, UnwindSafe};
use std::thread::panicking;
use std::time::{Duration, Instant};

/// What [`Worker::next_timeout`] and [`Worker::next_deadline`] return.
///
/// # Examples
///
/// ```
/// use atomic_parker::idle::{Idle, Next};
/// use std::time::Duration;
///
/// let (_idle, workers) = Idle::new(1);
/// assert_eq!(workers[0].next_timeout(Duration::ZERO, || Some(1)), Next::Work(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "the work that was found would be lost"]
pub enum Next<T> {
    /// `find` found this.
    Work(T),
    /// `find` found nothing until the deadline.
    TimedOut,
    /// The set is closed, and `find` finds nothing.
    Closed,
}

const ALWAYS: u8 = u8::MAX;

/// After so many tasks without a sleep, a worker looks for events. As tokio's default.
const TASKS_PER_POLL: u8 = 61;

/// A worker of an [`Idle`] set: finds work, and sleeps while there is none.
///
/// It belongs to one thread at a time, and owns its parker. A worker that is dropped leaves the set: no wake is sent to
/// it any more, and its place is vacant: for [`Idle::enter`], or for a new worker in a set that [grows](super::Builder::start). The
/// drop takes a lock for a moment.
///
/// # Memory ordering
///
/// What came before an announcement is visible to the `find` of the worker that it wakes.
///
/// # Cost
///
/// If the first call of `find` returns work, the shared memory of the set is not touched (but with an [audit](super::Builder::audit),
/// and at each 61st call with a [driver](super::Builder::with_driver)). Otherwise the worker
/// registers that it is about to sleep, by two read-modify-writes and a fence, calls `find` once more, and parks; see
/// [`Parker::park`]. From its wake to the end of its search it makes three read-modify-writes.
///
/// # Panics
///
/// If `find`, `deadline` or the slow path, for example an event loop's `deliver`, calls one of these methods on the same worker, that
/// call panics. The set stays usable. A panic in `find` or `deadline` reaches the caller; then a wake that was meant for this worker
/// goes to another one. But if the first look of a worker that was [started](super::Builder::start) panics, and the worker is
/// dropped, this counts as a start that has failed.
///
/// # Examples
///
/// See the [module](super).
pub struct Worker<W = wait::Condvar> {
    idle: Idle<W>,
    index: usize,
    /// `None` once the place was given up.
    parker: RefCell<Option<Parker<W>>>,
    standing: Cell<Standing>,
    /// Whether it was started, and has taken no step since: if it is dropped, the start has failed.
    fresh: Cell<bool>,
    /// In how many calls a first look that finds work is all that `next` does: [`ALWAYS`], or until the worker polls its event
    /// loop again. Zero: it is not active, or an audit watches its looks.
    quick: Cell<u8>,
    looking: Cell<bool>,
    /// How many looks in a row have announced, and found nothing.
    announced: Cell<u8>,
    /// Whether the sleep was ended for an audit.
    audits: Cell<bool>,
}

/// What a worker knows of its state. Outside of a call it is active, unless it has not run yet, is spent, or runs in
/// [`Steps`](super::Steps).
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Standing {
    Active,
    /// Its bit is set, or it was claimed since.
    Signed,
    /// It was claimed, and holds this debt.
    Searching(Debt),
    /// It has given up its place.
    Spent,
}

impl<W> Idle<W> {
    /// See [`Worker::quick`].
    fn quick_calls(&self) -> u8 {
        match (&self.shared.audit, self.shared.roster.polled()) {
            (Some(_), _) => 0,
            (None, Some(_)) => TASKS_PER_POLL - 1,
            (None, None) => ALWAYS,
        }
    }
}

impl<W> Worker<W> {
    /// `started`: the place was claimed, so the worker begins with a search.
    pub(super) fn new(idle: Idle<W>, index: usize, parker: Parker<W>, started: bool) -> Self {
        let standing = if started { Standing::Searching(Debt::None) } else { Standing::Active };
        Self {
            quick: Cell::new(if started { 0 } else { idle.quick_calls() }),
            idle,
            index,
            parker: RefCell::new(Some(parker)),
            standing: Cell::new(standing),
            fresh: Cell::new(started),
            looking: Cell::new(false),
            announced: Cell::new(0),
            audits: Cell::new(false),
        }
    }

    /// Returns the index of this worker in its set, from 0.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_idle, workers) = atomic_parker::idle::Idle::new(4);
    /// assert_eq!(workers[2].index(), 2);
    /// ```
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the set of this worker.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_idle, workers) = atomic_parker::idle::Idle::new(4);
    /// assert_eq!(workers[2].idle().workers(), 4);
    /// ```
    #[must_use]
    pub fn idle(&self) -> &Idle<W> {
        &self.idle
    }

    /// Returns the slow path that this worker sleeps on.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::{idle::Idle, wait};
    ///
    /// let (_idle, workers) = Idle::new(1);
    /// let _slow_path: &wait::Condvar = workers[0].slow_path();
    /// ```
    #[must_use]
    pub fn slow_path(&self) -> &W {
        self.unparker().slow_path()
    }

    pub(super) fn unparker(&self) -> &Unparker<W> {
        &self.idle.shared.places[self.index].unparker
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.idle.shared.places[self.index].counters
    }

    fn roster(&self) -> &Roster {
        &self.idle.shared.roster
    }

    /// The worker is active from now on.
    fn activate(&self) {
        self.standing.set(Standing::Active);
        self.fresh.set(false);
        self.announced.set(0);
        if self.quick.get() == 0 {
            self.quick.set(self.idle.quick_calls());
        }
    }

    /// Calls a closure of the user, in which this worker must not be asked for work.
    fn call<T>(&self, closure: impl FnOnce() -> T) -> T {
        self.must_not_look();
        struct Called<'a>(&'a Cell<bool>);
        impl Drop for Called<'_> {
            fn drop(&mut self) {
                self.0.set(false);
            }
        }
        self.looking.set(true);
        let _called = Called(&self.looking);
        closure()
    }

    #[inline]
    pub(super) fn must_not_look(&self) {
        assert!(!self.looking.get(), "a worker was asked for work within its own `find`, `deadline` or slow path");
    }

    /// One look of a worker that is not quick. `is_own`: no announcement is due for what it finds.
    fn look<T>(&self, find: impl FnOnce() -> Option<T>, is_own: impl Fn(&T) -> bool) -> Option<T> {
        let by = Announcer { index: self.index, searches: matches!(self.standing.get(), Standing::Searching(_)) };
        let audited = self.idle.shared.audit.as_ref().map(|audit| (audit, audit.begin_look()));
        // The head is read after `begin_look`, which comes after each announcement that has ended.
        let by_itself = self.audits.replace(false) && self.roster().head().is_settled();
        let before = self.announced.get();
        let look = || looking::look(self.idle.address(), by, before, find);
        let (found, announced) = self.call(look);
        self.announced.set(if announced && found.is_none() { before.saturating_add(1) } else { 0 });
        if let Some((audit, look)) = audited {
            let by_itself = by_itself && !found.as_ref().is_some_and(is_own);
            // It may report.
            self.call(|| audit.end_look(look, self.index, found.is_some(), by_itself));
        }
        found
    }

    /// Gives up the place of a signed worker; false if it was claimed instead.
    fn give_up(&self) -> bool {
        let mut vacant = lock(&self.idle.shared.vacant);
        // First the parker: a thread that claims the place takes it.
        vacant[self.index].parker = self.parker.take();
        let gave_up = self.roster().give_up(self.index);
        if gave_up {
            self.standing.set(Standing::Spent);
            self.quick.set(0);
            self.counters().ends.count();
        } else {
            self.parker.replace(vacant[self.index].parker.take());
        }
        gave_up
    }
}

impl<W: Wait> Worker<W> {
    /// Returns what `find` finds; sleeps while it finds nothing. `None` once the set is closed and `find` finds nothing.
    ///
    /// For what `find` must do, see the [module's docs](super#what-find-must-do). It is called once if the first call
    /// returns something, and otherwise at least twice before the worker first sleeps. In a set that grows it also returns
    /// `None` after [`keep_alive`](super::Builder::keep_alive).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Mutex;
    ///
    /// let queue = Mutex::new(vec![1, 2]);
    /// let (idle, workers) = atomic_parker::idle::Idle::new(1);
    /// idle.close();
    /// let found: Vec<i32> = std::iter::from_fn(|| workers[0].next(|| queue.lock().unwrap().pop())).collect();
    /// assert_eq!(found, [2, 1]);
    /// ```
    #[must_use = "the work that was found would be lost"]
    pub fn next<T>(&self, find: impl FnMut() -> Option<T>) -> Option<T> {
        let keep_alive = self.idle.shared.growth.as_ref().and_then(|growth| growth.keep_alive);
        let found = match keep_alive {
            None => self.run(Ends::AtClose, || None, find, |_| false),
            Some(keep_alive) => self.run(Ends::GivesUp, Self::deadline(keep_alive), find, |_| false),
        };
        match found {
            Next::Work(work) => Some(work),
            Next::TimedOut | Next::Closed => None,
        }
    }

    /// As [`next`](Worker::next), but gives up when `timeout` is over.
    ///
    /// The time counts from the first sleep, after `find` has returned nothing twice, and the clock is not read before.
    /// It returns [`Next::TimedOut`] at or after the deadline, never earlier, and only if a last call of `find` returns
    /// nothing. `Duration::MAX` never times out, zero does not sleep. A wake that comes together with the deadline is
    /// not lost: the worker calls `find` once more for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::idle::{Idle, Next};
    /// use std::time::Duration;
    ///
    /// let (_idle, workers) = Idle::new(1);
    /// let next: Next<i32> = workers[0].next_timeout(Duration::from_millis(1), || None);
    /// assert_eq!(next, Next::TimedOut);
    /// ```
    pub fn next_timeout<T>(&self, timeout: Duration, find: impl FnMut() -> Option<T>) -> Next<T> {
        self.run(Ends::AtClose, Self::deadline(timeout), find, |_| false)
    }

    /// A deadline that counts from its first call.
    fn deadline(timeout: Duration) -> impl FnMut() -> Option<Instant> {
        let mut deadline = None;
        move || *deadline.get_or_insert_with(|| deadline_after(timeout))
    }

    /// As [`next`](Worker::next), but gives up at a deadline: `deadline` is called before each sleep, and before a worker that was
    /// woken and has found nothing searches on.
    ///
    /// For executors with timers: if a wake announces an earlier timer, the worker calls `find`, which finds nothing,
    /// and then `deadline` again. `deadline` is called after the worker has registered that it is about to sleep, and after its
    /// last `find`: so a timer that is announced later wakes the worker, and `deadline` sees one that was announced before.
    /// `None` means no deadline. A deadline in the past does not sleep. Otherwise as [`next_timeout`](Worker::next_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::idle::{Idle, Next};
    /// use std::time::Instant;
    ///
    /// let (_idle, workers) = Idle::new(1);
    /// let next: Next<i32> = workers[0].next_deadline(|| Some(Instant::now()), || None);
    /// assert_eq!(next, Next::TimedOut);
    /// ```
    pub fn next_deadline<T>(
        &self,
        deadline: impl FnMut() -> Option<Instant>,
        find: impl FnMut() -> Option<T>,
    ) -> Next<T> {
        self.run(Ends::AtClose, deadline, find, |_| false)
    }

    /// As [`next`](Worker::next), for a task that waits for a result or a latch: it does not end when the set is
    /// closed.
    ///
    /// `find` returns the result if it is there, or else other work to run meanwhile. After [`close`](Idle::close), the
    /// worker sleeps until [`Idle::wake_worker`] announces the result. The module's docs show
    /// [a `join`](super#how-to-build-a-join).
    ///
    /// # Examples
    ///
    /// ```
    /// let (_idle, workers) = atomic_parker::idle::Idle::new(1);
    /// assert_eq!(workers[0].wait_for(|| Some("the result")), "the result");
    /// ```
    pub fn wait_for<T>(&self, find: impl FnMut() -> Option<T>) -> T {
        self.wait(find, |_| false)
    }

    /// As [`wait_for`](Worker::wait_for); `None` is the result that only this call waits for, so no announcement was for it.
    pub(super) fn wait_for_own<T>(&self, find: impl FnMut() -> Option<Option<T>>) -> Option<T> {
        self.wait(find, Option::is_none)
    }

    fn wait<T>(&self, mut find: impl FnMut() -> Option<T>, is_own: impl Fn(&T) -> bool) -> T {
        loop {
            if let Next::Work(work) = self.run(Ends::WithWork, || None, &mut find, &is_own) {
                return work;
            }
            // Only a spent worker comes here: it has no place to sleep in.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The first look, and if it finds nothing, all other steps. `is_own`: whether a result is not the work of any announcement.
    #[inline]
    fn run<T>(
        &self,
        ends: Ends,
        deadline: impl FnMut() -> Option<Instant>,
        mut find: impl FnMut() -> Option<T>,
        is_own: impl Fn(&T) -> bool,
    ) -> Next<T> {
        let quick = self.quick.get();
        if quick > 0 {
            if quick < ALWAYS {
                self.quick.set(quick - 1);
            }
            if let Some(work) = self.call(&mut find) {
                return Next::Work(work);
            }
        }
        self.fall_asleep(ends, deadline, find, is_own)
    }

    #[cold]
    fn fall_asleep<T>(
        &self,
        ends: Ends,
        mut deadline: impl FnMut() -> Option<Instant>,
        mut find: impl FnMut() -> Option<T>,
        is_own: impl Fn(&T) -> bool,
    ) -> Next<T> {
        // Before `Stay`, which would end the search of the call that looks.
        self.must_not_look();
        // The first look of a worker that is not quick. One that was just started begins with its search.
        if self.quick.get() == 0 && !matches!(self.standing.get(), Standing::Searching(_)) {
            if let Some(polled) = self.roster().polled().filter(|_| self.standing.get() == Standing::Active) {
                self.quick.set(self.idle.quick_calls());
                self.call(|| polled.poll_now());
            }
            if let Some(work) = self.look(&mut find, &is_own) {
                return Next::Work(work);
            } else if self.standing.get() == Standing::Spent {
                return Next::Closed;
            }
        }
        let _stay = Stay(self);
        let mut expired = false;
        // Why the worker ends if its search finds nothing.
        let mut end: Option<Reason> = None;
        loop {
            // A searching worker looks.
            if let Standing::Searching(debt) = self.standing.get() {
                if let Some(work) = self.look(&mut find, &is_own) {
                    if is_own(&work) {
                        self.stop();
                    } else {
                        self.leave(debt);
                    }
                    return Next::Work(work);
                }
                self.counters().noops.count();
                if let Some(end) = end {
                    self.stop();
                    return end.next();
                }
            }
            if !self.sign() {
                // It searches on, perhaps many times, so it must not miss its end. This comes before the look, which finds what was
                // visible before `close`.
                end = if self.is_over(ends) {
                    Some(Reason::Closed)
                } else if ends == Ends::GivesUp {
                    None // to give up its place, it must have no search: passed on for nothing, that would start the next thread
                } else {
                    has_passed(self.call(&mut deadline)).then_some(Reason::TimedOut)
                };
                continue;
            }
            // A signed worker looks, and sleeps.
            end = loop {
                let closed = self.is_over(ends); // before the look
                if let Some(work) = self.look(&mut find, &is_own) {
                    self.stop();
                    return Next::Work(work);
                }
                if closed {
                    break Some(Reason::Closed);
                } else if expired && ends != Ends::GivesUp {
                    break Some(Reason::TimedOut);
                } else if expired && self.give_up() {
                    return Next::TimedOut;
                } else if !expired {
                    expired = !self.park(self.call(&mut deadline));
                }
                if self.was_claimed() {
                    break None;
                }
            };
            if let Some(end) = end {
                if !self.retract() {
                    return end.next();
                }
            }
        }
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing.get()
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.fresh.get()
    }

    /// Before a last look; returns false if the worker has to search on.
    pub(super) fn sign(&self) -> bool {
        let search = match self.standing.get() {
            Standing::Searching(debt) => Some(debt),
            _ => None,
        };
        self.fresh.set(false);
        let held = self.roster().sign(self.index, search);
        self.standing.set(held.map_or(Standing::Signed, Standing::Searching));
        held.is_none()
    }

    /// Whether the signed worker was claimed; then it searches.
    pub(super) fn was_claimed(&self) -> bool {
        let claimed = self.roster().was_claimed(self.index);
        if claimed {
            self.standing.set(Standing::Searching(Debt::None));
        }
        claimed
    }

    /// Takes the bit of the signed worker back. Returns whether it was claimed instead; then it searches.
    fn retract(&self) -> bool {
        let claimed = self.roster().retract(self.index);
        if claimed {
            self.standing.set(Standing::Searching(Debt::None));
        } else {
            self.activate();
        }
        claimed
    }

    /// The search has found work.
    pub(super) fn leave(&self, debt: Debt) {
        self.activate();
        self.idle.act(self.roster().leave(debt));
    }

    /// The worker is active, and a search that it has goes to another one.
    pub(super) fn stop(&self) {
        if self.standing.get() == Standing::Signed {
            self.retract();
        }
        if let Standing::Searching(debt) = self.standing.get() {
            self.activate();
            self.idle.act(self.roster().stop(debt));
        }
    }

    /// Whether the worker ends when it finds nothing.
    fn is_over(&self, ends: Ends) -> bool {
        ends != Ends::WithWork && self.idle.is_closed()
    }

    /// Sleeps; returns false if the deadline has passed.
    pub(super) fn park(&self, deadline: Option<Instant>) -> bool {
        let parker = self.parker.borrow();
        let Some(parker) = &*parker else { return true };
        self.counters().parks.count();
        let audit = self.idle.shared.audit.as_ref();
        let until = deadline.into_iter().chain(audit.and_then(|audit| audit.until())).min();
        // A slow path of the user may run here: an event loop's `deliver`, for example.
        let woken = self.call(|| match until {
            Some(until) => parker.park_deadline(until),
            None => {
                parker.park();
                true
            }
        });
        if woken {
            // Not after a timeout: a worker whose time is always over has not polled.
            self.quick.set(self.idle.quick_calls());
        }
        if woken || until == deadline {
            return woken;
        }
        self.audits.set(true);
        if let Some(audit) = audit {
            self.call(|| audit.check());
        }
        true
    }
}

/// When a worker stops looking.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    AtClose,
    WithWork,
    /// At `close`; and at its deadline it gives up its place.
    GivesUp,
}

/// Why a worker ends without work.
#[derive(Clone, Copy)]
enum Reason {
    Closed,
    TimedOut,
}

impl Reason {
    fn next<T>(self) -> Next<T> {
        match self {
            Reason::Closed => Next::Closed,
            Reason::TimedOut => Next::TimedOut,
        }
    }
}

/// Leaves the roster whole, however the worker stops looking.
pub(super) struct Stay<'a, W: Wait>(pub(super) &'a Worker<W>);

impl<W: Wait> Drop for Stay<'_, W> {
    fn drop(&mut self) {
        if panicking() && self.0.is_fresh() {
            return; // a start that has failed: if it started another worker, a `find` that always panics would do so without end
        }
        // A second panic, while the first one unwinds, would abort the process. In a model that has deadlocked, each step panics.
        let _ = catch_unwind(AssertUnwindSafe(|| self.0.stop()));
    }
}

/// Makes the worker's place vacant.
impl<W> Drop for Worker<W> {
    fn drop(&mut self) {
        let Some(parker) = self.parker.get_mut().take().filter(|_| !model_unwinds()) else { return };
        if panicking() {
            // A second panic, while the first one unwinds, would abort the process.
            let _ = catch_unwind(AssertUnwindSafe(|| self.leave_place(parker)));
        } else {
            self.leave_place(parker);
        }
    }
}

impl<W> Worker<W> {
    fn leave_place(&self, parker: Parker<W>) {
        let shared = &self.idle.shared;
        if let Some(growth) = shared.growth.as_ref().filter(|_| self.fresh.get()) {
            let mut vacant = lock(&shared.vacant);
            vacant[self.index].parker = Some(parker);
            vacant[self.index].failed = true;
            drop(vacant);
            (growth.act)(&self.idle, shared.roster.fail_start(self.index));
            return;
        }
        let mut vacant = lock(&shared.vacant);
        vacant[self.index].parker = Some(parker);
        shared.roster.vacate(self.index); // under the lock, for `enter`
        drop(vacant);
        if shared.growth.is_some() {
            self.counters().ends.count();
        }
        if self.idle.is_closed() {
            return;
        }
        if let Some(growth) = &shared.growth {
            (growth.announce)(&self.idle);
        } else if let Some(audit) =
            shared.audit.as_ref().filter(|audit| self.idle.has_no_worker() && audit.work_may_wait())
        {
            audit.report(&Finding::NoWorkers);
        }
    }
}

// A panic leaves the worker and the set consistent.
impl<W: RefUnwindSafe> UnwindSafe for Worker<W> {}
impl<W: RefUnwindSafe> RefUnwindSafe for Worker<W> {}

impl<W> fmt::Debug for Worker<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("index", &self.index).field("idle", &self.idle).finish()
    }
}
