//! A worker of the idle set: looks, signs the word, looks once more, and sleeps.

use super::word::Word;
use super::Idle;
use crate::pair::Parker;
use crate::sync::{deadline_after, has_passed, lock, model_unwinds};
use crate::wait::{self, Wait};
use std::cell::Cell;
use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe, RefUnwindSafe, UnwindSafe};
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
pub enum Next<T> {
    /// `find` found this.
    Work(T),
    /// `find` found nothing until the deadline.
    TimedOut,
    /// The set is closed, and `find` finds nothing.
    Closed,
}

/// A worker of an [`Idle`] set: finds work, and sleeps while there is none.
///
/// It belongs to one thread at a time, and owns its parker. A worker that is dropped leaves the set: no wake is sent to
/// it any more, and its place is free for [`Idle::enter`]. The drop takes a lock for a moment.
///
/// # Memory ordering
///
/// What came before an announcement is visible to the `find` of the worker that it wakes.
///
/// # Cost
///
/// If the first call of `find` returns work, the shared memory of the set is not touched. Otherwise the worker
/// registers that it is about to sleep, calls `find` once more, and parks; see [`Parker::park`].
///
/// # Panics
///
/// If `find` or `deadline` calls one of these methods on the same worker, that call panics. The set stays usable. A
/// panic in `find` or `deadline` reaches the caller; then a wake that was meant for this worker goes to another one.
///
/// # Examples
///
/// See the [module](super).
pub struct Worker<W = wait::Condvar> {
    idle: Idle<W>,
    index: usize,
    /// `None` only while it is dropped.
    parker: Option<Parker<W>>,
    looking: Cell<bool>,
}

impl<W> Worker<W> {
    pub(super) fn new(idle: Idle<W>, index: usize, parker: Parker<W>) -> Self {
        Self { idle, index, parker: Some(parker), looking: Cell::new(false) }
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

    fn word(&self) -> &Word {
        &self.idle.shared.word
    }

    /// Calls a closure of the user, in which this worker must not be asked for work.
    fn call<T>(&self, closure: impl FnOnce() -> T) -> T {
        struct Called<'a>(&'a Cell<bool>);
        impl Drop for Called<'_> {
            fn drop(&mut self) {
                self.0.set(false);
            }
        }
        assert!(!self.looking.replace(true), "a worker was asked for work within its own `find` or `deadline`");
        let _called = Called(&self.looking);
        closure()
    }
}

impl<W: Wait> Worker<W> {
    /// Returns what `find` finds; sleeps while it finds nothing. `None` once the set is closed and `find` finds nothing.
    ///
    /// For what `find` must do, see the [module's docs](super#what-find-must-do). It is called once if the first call
    /// returns something, and otherwise at least twice before the worker first sleeps.
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
        match self.run(Ends::AtClose, || None, find) {
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
    #[must_use = "the work that was found would be lost"]
    pub fn next_timeout<T>(&self, timeout: Duration, find: impl FnMut() -> Option<T>) -> Next<T> {
        let mut deadline = None;
        self.run(Ends::AtClose, || *deadline.get_or_insert_with(|| deadline_after(timeout)), find)
    }

    /// As [`next`](Worker::next), but gives up at a deadline: `deadline` is called before each sleep, and before a worker that was
    /// woken and has found nothing searches on.
    ///
    /// For executors with timers: if a wake announces an earlier timer, the worker calls `find`, which finds nothing,
    /// and then `deadline` again. `None` means no deadline. A deadline in the past does not sleep. Otherwise as
    /// [`next_timeout`](Worker::next_timeout).
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
    #[must_use = "the work that was found would be lost"]
    pub fn next_deadline<T>(
        &self,
        deadline: impl FnMut() -> Option<Instant>,
        find: impl FnMut() -> Option<T>,
    ) -> Next<T> {
        self.run(Ends::AtClose, deadline, find)
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
    pub fn wait_for<T>(&self, mut find: impl FnMut() -> Option<T>) -> T {
        loop {
            if let Next::Work(work) = self.run(Ends::WithWork, || None, &mut find) {
                return work;
            }
        }
    }

    #[inline]
    fn run<T>(
        &self,
        ends: Ends,
        deadline: impl FnMut() -> Option<Instant>,
        mut find: impl FnMut() -> Option<T>,
    ) -> Next<T> {
        match self.call(&mut find) {
            Some(work) => Next::Work(work),
            None => self.sleep(ends, deadline, find),
        }
    }

    #[cold]
    fn sleep<T>(
        &self,
        ends: Ends,
        mut deadline: impl FnMut() -> Option<Instant>,
        mut find: impl FnMut() -> Option<T>,
    ) -> Next<T> {
        let mut stay = Stay { worker: self, standing: Standing::Busy };
        let mut expired = false;
        loop {
            // A worker may search again and again and not sleep. Before a look, which then finds what was there before `close`.
            let mut end = match stay.standing {
                Standing::Searching { .. } if self.is_over(ends) => Some(Next::Closed),
                Standing::Searching { .. } => has_passed(self.call(&mut deadline)).then_some(Next::TimedOut),
                Standing::Busy | Standing::Signed => None,
            };
            if end.is_none() && stay.sign() {
                end = loop {
                    let closed = self.is_over(ends); // before the look
                    if let Some(work) = self.call(&mut find) {
                        stay.end_early();
                        return Next::Work(work);
                    }
                    if closed {
                        break Some(Next::Closed);
                    } else if expired {
                        break Some(Next::TimedOut);
                    }
                    expired = !self.park(self.call(&mut deadline));
                    if self.word().looks_if_claimed(self.index) {
                        break None;
                    }
                };
                if end.is_some() && !stay.retract() {
                    return end.unwrap_or(Next::TimedOut);
                }
                stay.standing = Standing::Searching { owes: false };
            }
            if let Some(work) = self.call(&mut find) {
                stay.leave();
                return Next::Work(work);
            }
            if let Some(end) = end.or(expired.then_some(Next::TimedOut)) {
                stay.end_early();
                return end;
            }
        }
    }

    /// Whether the worker ends when it finds nothing.
    fn is_over(&self, ends: Ends) -> bool {
        ends == Ends::AtClose && self.idle.is_closed()
    }

    /// Sleeps; returns false if the deadline has passed.
    fn park(&self, deadline: Option<Instant>) -> bool {
        match (&self.parker, deadline) {
            (Some(parker), Some(deadline)) => parker.park_deadline(deadline),
            (Some(parker), None) => {
                parker.park();
                true
            }
            (None, _) => true,
        }
    }
}

/// When a worker stops looking.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    AtClose,
    WithWork,
}

/// What the word says of this worker.
enum Standing {
    Busy,
    /// Its bit is set, or it was claimed since.
    Signed,
    /// It owes a search to others if it looks again, for an unknown number of pieces of work.
    Searching {
        owes: bool,
    },
}

/// Leaves the word whole, however the worker stops looking.
struct Stay<'a, W: Wait> {
    worker: &'a Worker<W>,
    standing: Standing,
}

impl<W: Wait> Stay<'_, W> {
    /// Before a last look; returns false if the worker has to go on searching.
    fn sign(&mut self) -> bool {
        let searching = matches!(self.standing, Standing::Searching { .. });
        let signed = self.worker.word().sign(self.worker.index, searching);
        self.standing = if signed { Standing::Signed } else { Standing::Searching { owes: true } };
        signed
    }

    /// Takes the bit back; returns whether the worker was claimed instead.
    fn retract(&mut self) -> bool {
        let claimed = self.worker.word().retract(self.worker.index);
        self.standing = if claimed { Standing::Searching { owes: false } } else { Standing::Busy };
        claimed
    }

    fn owes(&self) -> bool {
        matches!(self.standing, Standing::Searching { owes: true })
    }

    /// The look that the worker was claimed for has found work.
    fn leave(&mut self) {
        let owes = self.owes();
        self.standing = Standing::Busy;
        self.worker.idle.unpark(self.worker.word().leave(owes));
    }

    /// The worker stops, and a wake that was meant for it goes to another one.
    fn end_early(&mut self) {
        let owes = self.owes();
        let claimed = match self.standing {
            Standing::Busy => return,
            Standing::Signed => self.retract(),
            Standing::Searching { .. } => true,
        };
        self.standing = Standing::Busy;
        if claimed {
            self.worker.idle.unpark(self.worker.word().pass_on(owes));
        }
    }
}

impl<W: Wait> Drop for Stay<'_, W> {
    fn drop(&mut self) {
        // A second panic, while the first one unwinds, would abort the process. In a model that has deadlocked, each step panics.
        let _ = catch_unwind(AssertUnwindSafe(|| self.end_early()));
    }
}

/// Makes the worker's place vacant, for [`Idle::enter`].
impl<W> Drop for Worker<W> {
    fn drop(&mut self) {
        if let Some(parker) = self.parker.take().filter(|_| !model_unwinds()) {
            lock(&self.idle.shared.vacant).push((self.index, parker));
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
