#![doc = include_str!("../../docs/idle.md")]

mod announced;
mod audit;
mod builder;
mod future;
mod head;
mod looking;
mod metrics;
#[cfg(not(all(loom, feature = "loom")))]
mod model;
#[cfg(all(loom, feature = "loom"))]
#[doc(hidden)]
pub mod model;
mod roster;
mod steps;
mod worker;

pub use announced::Announced;
pub use audit::Finding;
pub use builder::Builder;
pub use metrics::Metrics;
pub use steps::Steps;
pub use worker::{Next, Worker};

use crate::driver::{Driver, DriverOr, EventLoop, Polled};
use crate::pair::{Parker, Unparker};
use crate::sync::{lock, Mutex};
use crate::wait::{self, Wait};
use audit::{Announcing, Audit};
use crossbeam_utils::CachePadded;
use metrics::Counters;
use roster::{Announcer, Claimed, Request, Roster};
use std::fmt;
use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe, RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A handle to an idle set: announces work, and wakes a worker for it if one sleeps.
///
/// A clone is a handle to the same set.
///
/// # Memory ordering
///
/// What came before an announcement is visible to the `find` of the worker that it wakes, and to the last `find` of
/// each worker that falls asleep after the announcement. An announcement orders nothing for busy workers: the queues do
/// that.
///
/// # Cost
///
/// While no worker sleeps or searches, [`wake_one`](Idle::wake_one) and [`wake`](Idle::wake) are one `SeqCst` fence and
/// one load; while a search goes on, one exchange more at most, and one for the worker that delivers events. An announcement that wakes a worker makes two exchanges, and
/// calls [`Unparker::unpark`], which may make a system call, and on some slow paths takes a lock. Apart from that, announcements are lock-free; so a signal handler may call them where it may
/// call `unpark`, in a set without [`start`](Builder::start) and [`audit`](Builder::audit), on a thread that has announced
/// before. Besides the parkers, a set on 64-bit systems has one cache line of words for up to 224 workers, two bits for
/// each further worker, and for each worker its parker and 256 bytes (on x86-64).
///
/// # Panics
///
/// No method panics by itself, except those that create a set: with more workers than [`MAX_WORKERS`](Idle::MAX_WORKERS). A panic of
/// a user's [`Wait::wake`] reaches the caller, perhaps a worker that has just found work and passes a wake on: that work is dropped,
/// and the woken worker may sleep on.
///
/// # Examples
///
/// See the [module](self).
pub struct Idle<W = wait::Condvar> {
    shared: Arc<Shared<W>>,
}

/// A handle that does not keep its set alive: for a slow path or a task that the set itself holds.
///
/// # Examples
///
/// ```
/// let (idle, workers) = atomic_parker::idle::Idle::new(1);
/// let weak = idle.downgrade();
/// assert_eq!(weak.upgrade().unwrap().workers(), 1);
/// drop((idle, workers));
/// assert!(weak.upgrade().is_none());
/// ```
pub struct WeakIdle<W = wait::Condvar> {
    shared: Weak<Shared<W>>,
}

struct Shared<W> {
    roster: Roster,
    places: Box<[Place<W>]>,
    /// The parkers of vacant places.
    vacant: Mutex<Box<[Vacant<W>]>>,
    growth: Option<Growth<W>>,
    audit: Option<Audit>,
}

struct Place<W> {
    unparker: Unparker<W>,
    counters: CachePadded<Counters>,
}

struct Vacant<W> {
    parker: Option<Parker<W>>,
    /// The last start there has failed.
    failed: bool,
}

type Start<W> = dyn Fn(Worker<W>) -> io::Result<()> + Send + Sync;

/// How a set starts workers.
struct Growth<W> {
    /// Until the set is closed.
    start: Mutex<Option<Arc<Start<W>>>>,
    keep_alive: Option<Duration>,
    // The drop of a worker calls these. There, the type of its slow path is not known to be one.
    announce: fn(&Idle<W>),
    act: fn(&Idle<W>, Option<Claimed>),
}

impl<W: Wait> Growth<W> {
    fn new(start: Arc<Start<W>>) -> Self {
        Self {
            start: Mutex::new(Some(start)),
            keep_alive: None,
            announce: |idle| _ = idle.wake_one(),
            act: |idle, claimed| _ = idle.act(claimed),
        }
    }
}

impl Idle {
    /// The most workers that a set can count: 2^28 - 1 on 64-bit systems, 2^12 - 1 on 32-bit systems.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(atomic_parker::idle::Idle::MAX_WORKERS >= 4095);
    /// ```
    pub const MAX_WORKERS: usize = head::MAX_WORKERS;

    /// Creates a set of `workers` workers, on the default slow path and with the default [`Spin`](crate::Spin).
    ///
    /// # Panics
    ///
    /// If there are more workers than [`MAX_WORKERS`](Idle::MAX_WORKERS).
    ///
    /// # Examples
    ///
    /// ```
    /// let (idle, workers) = atomic_parker::idle::Idle::new(4);
    /// assert_eq!((idle.workers(), workers.len()), (4, 4));
    /// ```
    #[must_use]
    pub fn new(workers: usize) -> (Self, Vec<Worker>) {
        Self::builder(workers).build()
    }

    /// Begins a set of `workers` workers, or places for them, on the default slow path.
    ///
    /// # Panics
    ///
    /// If there are more workers than [`MAX_WORKERS`](Idle::MAX_WORKERS).
    ///
    /// # Examples
    ///
    /// See [`Builder`].
    pub fn builder(workers: usize) -> Builder {
        assert!(workers <= Self::MAX_WORKERS, "an idle set holds {} workers at most", Self::MAX_WORKERS);
        Builder::with_parkers((0..workers).map(|_| Parker::new()))
    }
}

impl<E: EventLoop + Send + 'static> Idle<DriverOr<E>> {
    /// Creates a set of `workers` workers that share an event loop: one idle worker sleeps in it, the others on the default slow path.
    ///
    /// The workers never spin, as a worker that spins does not poll. For other slow paths, and for a set that grows, there is
    /// [`Builder::with_driver`], where the rules are described.
    ///
    /// # Panics
    ///
    /// If there are more workers than [`MAX_WORKERS`](Idle::MAX_WORKERS).
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::driver::{Driver, EventLoop};
    /// use atomic_parker::idle::Idle;
    ///
    /// # struct NoEvents;
    /// # impl EventLoop for NoEvents {
    /// #     fn wait(&mut self, _: Option<std::time::Instant>) {}
    /// #     fn deliver(&mut self) {}
    /// # }
    /// let driver = Driver::new(NoEvents, || ());
    /// let (idle, workers) = Idle::with_driver(4, &driver);
    /// assert_eq!((idle.workers(), workers.len()), (4, 4));
    /// ```
    #[must_use]
    pub fn with_driver(workers: usize, driver: &Driver<E>) -> (Self, Vec<Worker<DriverOr<E>>>) {
        assert!(workers <= head::MAX_WORKERS, "an idle set holds {} workers at most", head::MAX_WORKERS);
        Builder::with_driver(driver, (0..workers).map(|_| wait::Condvar::new())).build()
    }
}

impl<W> Idle<W> {
    /// Creates a set with a worker for each of these parkers, on any slow path and with any [`Spin`](crate::Spin).
    ///
    /// A token that a parker holds already costs one needless call of `find`.
    ///
    /// # Panics
    ///
    /// If there are more workers than [`MAX_WORKERS`](Idle::MAX_WORKERS).
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::{idle::Idle, Parker, Spin};
    ///
    /// let parkers = (0..4).map(|_| Parker::new().with_spin(Spin::off()));
    /// let (_idle, workers) = Idle::with_parkers(parkers);
    /// assert_eq!(workers.len(), 4);
    /// ```
    #[must_use]
    pub fn with_parkers(parkers: impl IntoIterator<Item = Parker<W>>) -> (Self, Vec<Worker<W>>) {
        Builder::with_parkers(parkers).build()
    }

    fn with_parts(
        parkers: Vec<Parker<W>>,
        growth: Option<Growth<W>>,
        audit: Option<Audit>,
        polled: Option<Arc<Polled>>,
    ) -> (Self, Vec<Worker<W>>) {
        assert!(parkers.len() <= head::MAX_WORKERS, "an idle set holds {} workers at most", head::MAX_WORKERS);
        let grows = growth.is_some();
        let place = |parker: &Parker<W>| Place { unparker: parker.unparker(), counters: CachePadded::default() };
        let places = parkers.iter().map(place).collect();
        let (vacant, running): (Vec<_>, Vec<_>) =
            parkers.into_iter().map(|parker| if grows { (Some(parker), None) } else { (None, Some(parker)) }).unzip();
        let vacant = vacant.into_iter().map(|parker| Vacant { parker, failed: false }).collect();
        let roster = Roster::new(running.len(), grows, audit.is_some(), polled);
        let idle = Self { shared: Arc::new(Shared { roster, places, vacant: Mutex::new(vacant), growth, audit }) };
        let running = running.into_iter().enumerate();
        let workers = running.filter_map(|(index, parker)| Some(Worker::new(idle.clone(), index, parker?, false)));
        let workers = workers.collect();
        (idle, workers)
    }

    /// Returns a worker for a vacant place, such as that of a worker that was dropped, the lowest index first; `None` if no place
    /// is vacant.
    ///
    /// For threads that the set cannot start: one that works for the set for a while, or takes the place of a dropped worker in a set
    /// without [`Builder::start`]. In a set with it, it takes a place away from the workers that the set starts.
    /// Takes a lock for a moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let (idle, mut workers) = atomic_parker::idle::Idle::new(2);
    /// assert!(idle.enter().is_none());
    /// workers.pop();
    /// assert_eq!(idle.enter().unwrap().index(), 1);
    /// ```
    #[must_use]
    pub fn enter(&self) -> Option<Worker<W>> {
        let mut vacant = lock(&self.shared.vacant);
        let mut places = vacant.iter_mut().enumerate();
        // A place whose parker is there may be claimed already, by a thread that starts a worker.
        let (index, place) =
            places.find(|(index, place)| place.parker.is_some() && self.shared.roster.enter(*index))?;
        let parker = place.parker.take()?;
        drop(vacant);
        Some(Worker::new(self.clone(), index, parker, false))
    }

    /// Returns a handle that does not keep the set alive.
    ///
    /// # Examples
    ///
    /// See [`WeakIdle`].
    #[must_use]
    pub fn downgrade(&self) -> WeakIdle<W> {
        WeakIdle { shared: Arc::downgrade(&self.shared) }
    }

    /// Returns whether the set is closed. Wait-free.
    ///
    /// # Examples
    ///
    /// ```
    /// let (idle, _workers) = atomic_parker::idle::Idle::new(1);
    /// assert!(!idle.is_closed());
    /// idle.close();
    /// assert!(idle.is_closed());
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.roster.is_closed()
    }

    /// Returns how many workers sleep, or are about to, at this moment, for metrics. It orders nothing, and may be out
    /// of date.
    ///
    /// # Examples
    ///
    /// ```
    /// let (idle, _workers) = atomic_parker::idle::Idle::new(4);
    /// assert_eq!(idle.asleep(), 0);
    /// ```
    #[must_use]
    pub fn asleep(&self) -> usize {
        self.shared.roster.asleep()
    }

    /// Returns how many workers the set has at this moment, without vacant places, for metrics. It orders nothing, and may be out
    /// of date.
    ///
    /// # Examples
    ///
    /// ```
    /// let (idle, mut workers) = atomic_parker::idle::Idle::new(4);
    /// workers.pop();
    /// assert_eq!(idle.workers(), 3);
    /// ```
    #[must_use]
    pub fn workers(&self) -> usize {
        self.shared.places.len() - self.shared.roster.vacant()
    }

    /// Returns what all workers together have done so far. It orders nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let (idle, _workers) = atomic_parker::idle::Idle::new(2);
    /// assert_eq!(idle.metrics().wake_count, 0);
    /// ```
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::default();
        (0..self.shared.places.len()).for_each(|index| self.add_metrics(index, &mut metrics));
        metrics
    }

    /// Returns what the worker with this index has done so far, and the workers before it in its place. It orders nothing.
    ///
    /// All zeros for an index that is not in the set.
    ///
    /// # Examples
    ///
    /// ```
    /// let (idle, _workers) = atomic_parker::idle::Idle::new(2);
    /// assert_eq!(idle.worker_metrics(1).park_count, 0);
    /// ```
    #[must_use]
    pub fn worker_metrics(&self, index: usize) -> Metrics {
        let mut metrics = Metrics::default();
        self.add_metrics(index, &mut metrics);
        metrics
    }

    fn add_metrics(&self, index: usize, metrics: &mut Metrics) {
        let Some(place) = self.shared.places.get(index) else { return };
        place.counters.add_to(metrics);
        let hand_overs = self.shared.roster.polled().map_or(0, |polled| polled.hand_overs(index));
        metrics.hand_over_count = metrics.hand_over_count.wrapping_add(hand_overs);
    }

    /// A number that tells sets apart.
    fn address(&self) -> usize {
        Arc::as_ptr(&self.shared) as usize
    }

    /// The worker that announces from within its own look, if its last looks have done so too.
    fn announcer(&self) -> Option<Announcer> {
        looking::announcer(self.address())
    }

    fn has_no_worker(&self) -> bool {
        self.shared.growth.is_none() && self.workers() == 0
    }
}

impl<W: Wait> Idle<W> {
    /// Announces one piece of shared work, which must be visible by now; returns what that has done.
    ///
    /// If no search goes on, it wakes the sleeping worker with the lowest index, so that few workers get most of the work, or
    /// starts one in a vacant place of a set that [grows](Builder::start). A worker in its last `find` before it sleeps counts as
    /// asleep. While a woken worker has not finished its `find`, this call wakes no other: the woken worker does, if it finds
    /// work. For work that is worth several workers at once, see [`wake`](Idle::wake).
    ///
    /// One `SeqCst` fence and one load while no worker sleeps or searches, for any number of workers. No system call
    /// unless it wakes or starts a worker.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::idle::{Announced, Idle};
    ///
    /// let (idle, _workers) = Idle::new(4);
    /// // The workers are busy: none of them has gone to sleep yet.
    /// assert_eq!(idle.wake_one(), Announced::NoneAsleep);
    /// ```
    #[inline]
    pub fn wake_one(&self) -> Announced {
        if self.shared.roster.is_quiet() {
            return Announced::NoneAsleep;
        }
        self.announce()
    }

    #[inline(never)]
    fn announce(&self) -> Announced {
        let by = self.announcer();
        if self.shared.roster.owes_enough(by) {
            return Announced::Searching;
        }
        self.announce_by(by)
    }

    // Not inlined: it needs registers that each call of `announce` would have to save.
    #[cold]
    fn announce_by(&self, by: Option<Announcer>) -> Announced {
        let _announcing = self.audit_announcement();
        if self.is_closed() {
            // A worker that moves a batch announces the rest, which was pushed before.
            let audit = self.shared.audit.iter().filter(|_| !looking::is_looking(self.address()));
            audit.for_each(|audit| audit.report(&Finding::AfterClose));
            return Announced::Closed;
        }
        self.have_deliverer_look(); // before a claim, as an interrupter may panic
        self.answer(self.shared.roster.announce(by))
    }

    /// The worker that delivers events is awake. So it looks before it polls again, whichever worker was asked for a search. It may
    /// have to wait for events otherwise, beside a task that waits for a worker which the system has not run yet.
    fn have_deliverer_look(&self) {
        let polling = self.shared.roster.polled().and_then(Polled::polling).filter(|polling| polling.delivers);
        if let Some(polling) = polling {
            self.shared.places[polling.index].unparker.unpark();
        }
    }

    fn audit_announcement(&self) -> Option<Announcing<'_>> {
        let audit = self.shared.audit.as_ref()?;
        let announcing = audit.announces();
        if self.has_no_worker() && !self.is_closed() {
            audit.report(&Finding::NoWorkers);
        }
        Some(announcing)
    }

    fn answer(&self, request: Request) -> Announced {
        match request {
            Request::Claimed(claimed) => self.act(Some(claimed)),
            Request::Searching => Announced::Searching,
            Request::NoneAsleep => Announced::NoneAsleep,
        }
    }

    /// Unparks or starts the worker that was claimed.
    fn act(&self, claimed: Option<Claimed>) -> Announced {
        match claimed {
            None => Announced::NoneAsleep,
            Some(Claimed::Sleeper(index)) => {
                let place = &self.shared.places[index];
                place.counters.wakes.count();
                place.unparker.unpark();
                Announced::Woke
            }
            Some(Claimed::Vacant(index)) => self.start(index),
        }
    }

    /// Starts a worker in a vacant place that was claimed.
    #[cold]
    fn start(&self, index: usize) -> Announced {
        let start = self.shared.growth.as_ref().and_then(|growth| lock(&growth.start).clone());
        let Some(parker) = self.shared.take_vacant(index) else { return Announced::StartFailed };
        let worker = Worker::new(self.clone(), index, parker, true);
        let Some(start) = start else {
            drop(worker); // its search goes to a sleeper, if there is one
            return Announced::Closed;
        };
        let counters = &self.shared.places[index].counters;
        counters.wakes.count();
        counters.starts.count();
        let started = catch_unwind(AssertUnwindSafe(|| start(worker)));
        let failed = lock(&self.shared.vacant)[index].failed;
        if matches!(started, Ok(Ok(()))) && !failed {
            Announced::Started
        } else {
            Announced::StartFailed
        }
    }

    /// Announces work that only the worker with this index can do.
    ///
    /// The work, a pinned task or a latch, must be visible by now. [`Announced::Woke`] says that it woke this very worker. A busy
    /// worker sees the work in its next `find`. If the worker was woken for shared work and finds this work first, the wake for the
    /// shared work goes on to another worker. Therefore a call that finds the worker awake, or its place vacant, may wake a
    /// different one. It starts the worker of a vacant place in a set that [grows](Builder::start). The call also works after
    /// [`close`](Idle::close), for workers in [`wait_for`](Worker::wait_for).
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::idle::{Announced, Idle};
    ///
    /// let (idle, workers) = Idle::new(4);
    /// assert_eq!(idle.wake_worker(workers[2].index()), Announced::Awake);
    /// assert_eq!(idle.wake_worker(1000), Announced::NoSuchWorker);
    /// ```
    pub fn wake_worker(&self, index: usize) -> Announced {
        if index >= self.shared.places.len() {
            self.shared.audit.iter().for_each(|audit| audit.report(&Finding::NoSuchWorker { index }));
            return Announced::NoSuchWorker;
        }
        let answer = if self.shared.roster.is_quiet() { Announced::Awake } else { self.announce_to(index) };
        if answer == Announced::Awake && self.shared.growth.is_none() && self.shared.roster.is_vacant(index) {
            return Announced::NoSuchWorker; // a waker may be late, and its worker gone
        }
        answer
    }

    #[cold]
    fn announce_to(&self, index: usize) -> Announced {
        let _announcing = self.shared.audit.as_ref().map(Audit::announces);
        let (claimed, request) = self.shared.roster.claim(index, self.announcer());
        let answer = self.answer(request);
        if claimed {
            answer
        } else {
            Announced::Awake
        }
    }

    /// Announces `work` pieces of shared work, which must be visible by now; returns how many workers it woke or started.
    ///
    /// It wakes up to `work` sleeping workers itself, the lowest indices first, also while others search. Use it for tasks that
    /// wait for each other, and for a batch that is worth several workers: the rest of what `find` moved, or the timers that are
    /// due. For many short tasks, [`wake_one`](Idle::wake_one) for each wakes fewer workers.
    ///
    /// `wake(1)` is `wake_one`, and zero does nothing. A worker that sleeps again meanwhile may be woken twice, and is counted
    /// twice then. With more than one piece, it also works after [`close`](Idle::close), as a `find` may move a batch then: it
    /// wakes workers in [`wait_for`](Worker::wait_for).
    ///
    /// # Examples
    ///
    /// ```
    /// let (idle, _workers) = atomic_parker::idle::Idle::new(4);
    /// assert_eq!(idle.wake(3), 0); // no worker sleeps
    /// ```
    pub fn wake(&self, work: usize) -> usize {
        if work <= 1 {
            return usize::from(work == 1 && self.wake_one().woke());
        }
        if self.shared.roster.is_quiet() {
            return 0;
        }
        let _announcing = self.audit_announcement();
        self.have_deliverer_look();
        // At most one wake for each worker: a worker that sleeps again meanwhile could be woken twice.
        // A start that fails leaves a debt for its piece, so the others have their turn.
        (0..work.min(self.shared.places.len()))
            .take_while(|_| self.shared.roster.head().idle() > 0)
            .map(|_| self.act(self.shared.roster.add_search(self.announcer())))
            .take_while(|answer| answer.woke() || *answer == Announced::StartFailed)
            .filter(|answer| answer.woke())
            .count()
    }

    /// Closes the set for ever: wakes all workers, and from then on `next` returns `None` if `find` finds nothing.
    ///
    /// Workers still find work that was visible before this call. Call it when no running task can make more work, as
    /// `wake_one` does nothing from now on, and when no task waits for one that has not started: a worker that finds nothing
    /// ends, also if another one is just moving a batch. Workers in [`wait_for`](Worker::wait_for) look again, and sleep.
    ///
    /// What came before this call is visible to the last `find` of each worker. It calls [`Unparker::unpark`] for each sleeper.
    ///
    /// # Examples
    ///
    /// ```
    /// let (idle, workers) = atomic_parker::idle::Idle::new(1);
    /// idle.close();
    /// assert_eq!(workers[0].next(|| None::<u32>), None);
    /// ```
    ///
    /// A push after it:
    ///
    /// ```
    /// use atomic_parker::idle::{Announced, Idle};
    /// use std::sync::Mutex;
    ///
    /// fn push<T>(queue: &Mutex<Vec<T>>, idle: &Idle, task: T) {
    ///     queue.lock().unwrap().push(task);
    ///     if idle.wake_one() == Announced::Closed {
    ///         let left = std::mem::take(&mut *queue.lock().unwrap());
    ///         drop(left); // outside of the lock: the drop of a task may push another one
    ///     }
    /// }
    ///
    /// let (idle, _workers) = Idle::new(1);
    /// idle.close();
    /// push(&Mutex::default(), &idle, "too late");
    /// ```
    pub fn close(&self) {
        self.shared.roster.close();
        let start = self.shared.growth.as_ref().and_then(|growth| lock(&growth.start).take());
        drop(start); // not under the lock
        for index in 0..self.shared.places.len() {
            if self.shared.roster.is_asleep(index) {
                let (_, request) = self.shared.roster.claim(index, None);
                self.answer(request);
            }
        }
    }
}

impl<W> Shared<W> {
    /// The parker of a vacant place, which belongs to the caller from now on.
    fn take_vacant(&self, index: usize) -> Option<Parker<W>> {
        let mut vacant = lock(&self.vacant);
        vacant[index].failed = false;
        vacant[index].parker.take()
    }
}

impl<W> WeakIdle<W> {
    /// Returns a handle to the set, if it still exists: as long as there is an [`Idle`] or a [`Worker`] of it. Lock-free.
    ///
    /// # Examples
    ///
    /// See [`WeakIdle`].
    #[must_use]
    pub fn upgrade(&self) -> Option<Idle<W>> {
        self.shared.upgrade().map(|shared| Idle { shared })
    }
}

impl<W> Clone for Idle<W> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<W> Clone for WeakIdle<W> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<W> fmt::Debug for Idle<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle").field("workers", &self.workers()).field("roster", &self.shared.roster).finish()
    }
}

impl<W> fmt::Debug for WeakIdle<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakIdle { .. }")
    }
}

// A panic leaves the set consistent.
impl<W: RefUnwindSafe> UnwindSafe for Idle<W> {}
impl<W: RefUnwindSafe> RefUnwindSafe for Idle<W> {}
