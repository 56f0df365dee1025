use super::audit::{Audit, Finding};
use super::{Growth, Idle, Worker};
use crate::driver::{Driver, DriverOr, EventLoop, Polled};
use crate::pair::Parker;
use crate::spin::Spin;
use crate::wait::{self, Wait};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Builds an [`Idle`] set that starts its workers itself, or that tells mistakes.
///
/// For memory ordering and cost see [`Idle`] and [`Worker`].
///
/// # Panics
///
/// If there are more places than [`Idle::MAX_WORKERS`]: [`Idle::builder`] or [`build`](Builder::build). A panic of
/// [`start`](Builder::start) is caught. One of the report of [`audit`](Builder::audit) reaches the thread that it is called on.
///
/// # Examples
///
/// A pool that has no thread at first, four at most, and none again a second after the last task:
///
/// ```
/// use atomic_parker::idle::Idle;
/// use std::sync::{mpsc, Arc, Mutex};
/// use std::{thread, time::Duration};
///
/// let queue = Arc::new(Mutex::new(Vec::<Box<dyn FnOnce() + Send>>::new()));
/// let tasks = queue.clone();
/// let (idle, _) = Idle::builder(4)
///     .start(move |worker| {
///         let tasks = tasks.clone();
///         let run = move || while let Some(task) = worker.next(|| tasks.lock().unwrap().pop()) { task() };
///         thread::Builder::new().spawn(run).map(drop)
///     })
///     .keep_alive(Duration::from_secs(1))
///     .build();
///
/// let (sender, done) = mpsc::channel();
/// queue.lock().unwrap().push(Box::new(move || sender.send("done").unwrap()));
/// idle.wake_one();
/// assert_eq!(done.recv().unwrap(), "done");
/// ```
#[must_use = "it does nothing until `build` is called"]
pub struct Builder<W = wait::Condvar> {
    parkers: Vec<Parker<W>>,
    growth: Option<Growth<W>>,
    keep_alive: Option<Duration>,
    audit: Option<Audit>,
    polled: Option<Arc<Polled>>,
}

impl<W> Builder<W> {
    /// Begins a set with a place for each of these parkers, on any slow path and with any [`Spin`](crate::Spin).
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::{idle::Builder, Parker, Spin};
    ///
    /// let (_idle, workers) = Builder::with_parkers([Parker::new().with_spin(Spin::off())]).build();
    /// assert_eq!(workers.len(), 1);
    /// ```
    pub fn with_parkers(parkers: impl IntoIterator<Item = Parker<W>>) -> Self {
        Self { parkers: parkers.into_iter().collect(), growth: None, keep_alive: None, audit: None, polled: None }
    }

    /// Ends a started worker that was idle for so long: its [`next`](Worker::next) returns `None`, and its place is vacant.
    ///
    /// The place stays claimable throughout, so no announcement is lost. Acts only in a set with [`start`](Builder::start), and
    /// only in `next`. Afterwards the worker is spent: `next` calls `find` once, and returns `None` if that finds nothing.
    /// The time counts from the first sleep of a call. `Duration::MAX` is for ever.
    ///
    /// # Examples
    ///
    /// See [`Builder`].
    pub fn keep_alive(self, keep_alive: Duration) -> Self {
        Self { keep_alive: Some(keep_alive), ..self }
    }

    /// Tells mistakes in the use of the set: for debug builds.
    ///
    /// A sleeping worker looks by itself after the time `every`. If it finds work although no search goes on, and no announcement
    /// follows within another half of `every` (at least 5 ms), then that work was not announced. The other mistakes are listed at
    /// [`Finding`]. Each is reported within twice that time, if it is at least 5 ms, on the thread that notices it; a panic of
    /// `report` reaches that thread's call. If `report` asks the worker that calls it for work, that panics. It may announce
    /// work; what is found within a report is not reported.
    ///
    /// It cannot tell a `find` that never returns, an announcement that is missing where others come all the time, work that a worker
    /// finds once its own deadline has passed, as it may be a timer's, and a mistake in a set in which no worker sleeps. With it, each look takes a lock and reads the clock, and each
    /// announcement takes a lock. Without it, only the slow paths ask whether there is an audit.
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::idle::Idle;
    /// use std::time::Duration;
    ///
    /// let report = |finding: &_| eprintln!("idle set: {finding}");
    /// let (_idle, _workers) = Idle::builder(4).audit(Duration::from_millis(100), report).build();
    /// ```
    pub fn audit(self, every: Duration, report: impl Fn(&Finding) + Send + Sync + 'static) -> Self {
        Self { audit: Some(Audit::new(every, Box::new(report))), ..self }
    }

    /// Builds the set. With [`start`](Builder::start) there are no workers yet: all places are vacant.
    ///
    /// # Panics
    ///
    /// If there are more places than [`Idle::MAX_WORKERS`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (idle, workers) = atomic_parker::idle::Idle::builder(4).build();
    /// assert_eq!((idle.workers(), workers.len()), (4, 4));
    /// ```
    #[must_use]
    pub fn build(self) -> (Idle<W>, Vec<Worker<W>>) {
        let keep_alive = self.keep_alive;
        Idle::with_parts(
            self.parkers,
            self.growth.map(|growth| Growth { keep_alive, ..growth }),
            self.audit,
            self.polled,
        )
    }
}

impl<E, W> Builder<DriverOr<E, W>>
where
    E: EventLoop + Send + 'static,
    W: Wait + Send + Sync + 'static,
{
    /// Begins a set whose workers share an event loop: one idle worker sleeps in it, the others each in one of `waits`.
    ///
    /// The workers never spin, as a worker that spins does not poll. Of the rules of the [driver](crate::driver), those for workers are:
    ///
    /// - The event loop's `deliver` announces the work of its events by [`wake_one`](Idle::wake_one) or [`wake`](Idle::wake), through a
    ///   [`WeakIdle`](super::WeakIdle), as the set keeps the event loop alive. The first announcement goes to the polling worker
    ///   itself. So for a single event no other worker is woken. After each of them that worker looks before it polls again, whichever
    ///   worker was woken. If another thread announces at that moment, it may look for nothing.
    /// - While a worker waits in the event loop, it is woken last of those that sleep. (This, and that it comes first while it
    ///   delivers, counts within each 32 consecutive indices only, or 16 on 32-bit systems.)
    /// - A busy worker polls without waiting at each 61st call since its last sleep. With an [audit](Builder::audit), it does so at each
    ///   call. [`Steps`](super::Steps) do not: see [`Driver::poll_now`].
    /// - The set polls only with workers that sleep. So in a set that [grows](Builder::start), events wait for the first announcement, and
    ///   again once [`keep_alive`](Builder::keep_alive) has ended the last worker, unless another thread of the group sleeps.
    /// - A thread in [`block_on`](crate::Parker::block_on), or on another parker of the driver's group, polls only while no worker
    ///   sleeps, or as the [standby](crate::driver).
    ///
    /// # Examples
    ///
    /// ```
    /// use atomic_parker::driver::{Driver, EventLoop};
    /// use atomic_parker::{idle::Builder, wait};
    ///
    /// # struct NoEvents;
    /// # impl EventLoop for NoEvents {
    /// #     fn wait(&mut self, _: Option<std::time::Instant>) {}
    /// #     fn deliver(&mut self) {}
    /// # }
    /// let driver = Driver::new(NoEvents, || ());
    /// let (_idle, workers) = Builder::with_driver(&driver, [wait::Condvar::new()]).build();
    /// assert_eq!(workers.len(), 1);
    /// ```
    pub fn with_driver(driver: &Driver<E>, waits: impl IntoIterator<Item = W>) -> Self {
        let (polled, waits) = driver.or_each(waits);
        let parkers = waits.map(|wait| Parker::with_wait(wait).with_spin(Spin::off()));
        Self { polled: Some(polled), ..Self::with_parkers(parkers) }
    }
}

impl<W: Wait> Builder<W> {
    /// Starts workers when they are needed: the set is a pool that grows.
    ///
    /// A vacant place is a sleeper of last resort. If an announcement, or a search that goes on, finds no sleeping worker, it calls
    /// `start` with the worker of a vacant place, whose thread calls [`next`](Worker::next) soon, as others rely on it. `wake_one`
    /// starts at most one itself.
    ///
    /// `start` is called on the thread that announces, passes a search on, or drops a worker: hold no lock there that it
    /// takes. It may announce itself. It captures no [`Idle`] but uses [`Worker::idle`]; [`close`](Idle::close) drops it, and
    /// starts none. A start has failed if it returns an error, panics (the panic is caught), or drops the worker: the
    /// place is vacant again, and the next announcement makes up for it, or any worker that looks.
    ///
    /// A set may be closed while a worker starts: that worker still runs what is there, and ends. Workers keep their set alive. So
    /// if all handles are dropped, its threads end by `keep_alive`, or not at all.
    ///
    /// In such a set a worker that is dropped is replaced, also if no work waits, and also one that a panic of its task drops: so
    /// end workers by [`keep_alive`](Builder::keep_alive), not by `next_timeout`.
    ///
    /// # Examples
    ///
    /// See [`Builder`].
    pub fn start(self, start: impl Fn(Worker<W>) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { growth: Some(Growth::new(Arc::new(start))), ..self }
    }
}

impl<W> fmt::Debug for Builder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("places", &self.parkers.len())
            .field("starts", &self.growth.is_some())
            .field("keep_alive", &self.keep_alive)
            .field("audit", &self.audit.as_ref().map(|audit| audit.every))
            .finish()
    }
}
