//! The idle set of an executor: puts workers to sleep, and decides which one to wake when work is announced.
//!
//! ```
//! use atomic_parker::idle::Idle;
//! use std::sync::{Arc, Mutex};
//! use std::thread;
//!
//! let queue = Arc::new(Mutex::new(Vec::<Box<dyn FnOnce() + Send>>::new()));
//! let (idle, workers) = Idle::new(4);
//! let mut threads = Vec::new();
//! for worker in workers {
//!     let queue = queue.clone();
//!     threads.push(thread::spawn(move || {
//!         while let Some(task) = worker.next(|| queue.lock().unwrap().pop()) {
//!             task();
//!         }
//!     }));
//! }
//!
//! queue.lock().unwrap().push(Box::new(|| println!("a task"))); // first make the work visible,
//! idle.wake_one(); // then say so
//!
//! idle.close(); // `next` returns `None` once there is nothing left to find
//! for thread in threads {
//!     thread.join().unwrap();
//! }
//! ```
//!
//! # The guarantee
//!
//! **No worker sleeps while work waits.** Precisely: some work is made visible, and then [`wake_one`](Idle::wake_one)
//! is called. From the return of that call until a worker takes the work, if a worker sleeps, another one is on its way
//! to a call of `find` that will see the work, and wakes the next one if there may be more; or another call is about to
//! wake one. So tasks that wait for each other never hang if there are as many workers as tasks, even if other workers
//! fall asleep, time out, panic in `find`, or are dropped.
//!
//! **Few workers wake for nothing.** A task that comes alone wakes one worker; it may wake another one if the first was just
//! falling asleep, or if its deadline passes at that moment. While a woken worker searches, that is, in its first `find` after the
//! wake, further `wake_one`s wake no worker: when it has found work, it wakes the next one. A worker that was woken and has not
//! started yet was woken for other work, so further `wake_one`s wake further workers, up to a limit. Each such chain of wakes ends
//! with a worker that finds nothing.
//!
//! Wakes are not fair: the worker with the highest index may sleep for ever, and that is intended.
//!
//! [`docs::idle`](crate::docs::idle) has the protocol and its proof.
//!
//! # What `find` must do
//!
//! - Look at *every* queue that work can come from, and try again if a queue asks for it, as `crossbeam-deque` does
//!   with `Steal::Retry`. If `find` skips a queue, work in it can wait while workers sleep.
//! - Announce the work that it moves or creates. If it moves a batch from a shared queue into the worker's own queue,
//!   it calls [`wake`](Idle::wake) for the rest of the batch, after the rest is visible and before it returns. The events
//!   of a poll and the timers that are due are new work: it announces all of them, also the one that it returns.
//! - Return soon, and run no task: the caller runs it after `next` has returned it. During this call, `wake_one` may wake no
//!   other worker, as it relies on this one.
//!
//! `find` may return work that is not announced yet. It may panic: the panic reaches the caller, and a wake that was
//! meant for this worker goes to another one, if one sleeps.
//!
//! # Every piece of work is announced
//!
//! Call [`wake_one`](Idle::wake_one) or [`wake`](Idle::wake) for shared work, and [`wake_worker`](Idle::wake_worker)
//! for work that only one particular worker can do. Any thread may call them, also within `find`. Work that is not
//! announced waits until a worker looks for another reason. If a worker that was woken for work A takes work B, and B is not
//! announced, then A may wait as long.
//!
//! A task's [`Waker`](std::task::Waker) must announce too: it pushes the task into a queue, and then calls
//! [`wake_one`](Idle::wake_one). With `async-task`, that is the `schedule` function; see `examples/executor`.
//!
//! # How to grow a pool
//!
//! The number of workers at the start is the most that a pool can grow to. A [`Worker`] needs no thread until its first
//! `next`. A pool that can grow starts a thread, with a [`Worker`] that has no thread yet or one from [`enter`](Idle::enter), in
//! two cases:
//!
//! - Work was pushed, and [`wake_one`](Idle::wake_one) returned false. Also if a worker is searching, as that one may take
//!   other work.
//! - `next` has returned work, there is more in the shared queues, and a `wake_one` for that returns false. This worker may have
//!   been woken for it, and if no other one sleeps, nobody else knows of it.
//!
//! ```
//! use atomic_parker::idle::Idle;
//! use std::sync::{Arc, Barrier, Mutex};
//! use std::thread;
//!
//! struct Pool {
//!     idle: Idle,
//!     queue: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
//! }
//!
//! /// Wakes a worker, or starts one.
//! fn announce(pool: &Arc<Pool>) {
//!     if pool.idle.wake_one() {
//!         return;
//!     }
//!     if let Some(worker) = pool.idle.enter() {
//!         let pool = pool.clone();
//!         thread::spawn(move || {
//!             while let Some(task) = worker.next(|| pool.queue.lock().unwrap().pop()) {
//!                 if !pool.queue.lock().unwrap().is_empty() {
//!                     announce(&pool);
//!                 }
//!                 task();
//!             }
//!         });
//!     }
//! }
//!
//! let (idle, workers) = Idle::new(2);
//! drop(workers); // all places are free
//! let pool = Arc::new(Pool { idle, queue: Mutex::default() });
//! let barrier = Arc::new(Barrier::new(3)); // two tasks that wait for each other, and this thread
//! for _ in 0..2 {
//!     let barrier = barrier.clone();
//!     pool.queue.lock().unwrap().push(Box::new(move || _ = barrier.wait()));
//!     announce(&pool);
//! }
//! barrier.wait();
//! pool.idle.close();
//! ```
//!
//! To end a worker that was idle for long, use [`next_timeout`](Worker::next_timeout), and drop the worker: its place is then
//! free for `enter`. After that, the thread must look at the queues once more, and call `enter` again if there is work: before
//! the drop, a pusher could neither wake this worker nor enter its place. The same holds for a thread that ends by a panic.
//!
//! # How to pin a task to a worker
//!
//! Put the task where only that worker looks, and call [`wake_worker`](Idle::wake_worker) with its
//! [`index`](Worker::index). An `unpark` of its parker is not enough: if the worker was woken for shared work and finds
//! its pinned task first, the wake for the shared work must go on to another worker. `wake_worker` sees to that.
//!
//! # How to build a `join`
//!
//! A task that waits for a second task runs other tasks meanwhile, with [`wait_for`](Worker::wait_for). The thread that
//! completes the second task sets a latch, and then calls [`wake_worker`](Idle::wake_worker) for the waiting worker. It
//! must read that worker's index *before* it sets the latch, as the memory of the waiting task may be freed right
//! after.
//!
//! ```
//! use atomic_parker::idle::{Idle, Worker};
//! use std::sync::atomic::{AtomicBool, Ordering};
//!
//! enum Found<T> {
//!     Done,
//!     Task(T),
//! }
//!
//! /// Runs tasks until the latch is set.
//! fn wait_until_set(worker: &Worker, latch: &AtomicBool, find_task: impl Fn() -> Option<fn()>) {
//!     let find = || match latch.load(Ordering::Acquire) {
//!         true => Some(Found::Done),
//!         false => find_task().map(Found::Task),
//!     };
//!     while let Found::Task(task) = worker.wait_for(find) {
//!         task();
//!     }
//! }
//!
//! let (_idle, workers) = Idle::new(1);
//! wait_until_set(&workers[0], &AtomicBool::new(true), || None);
//! ```
//!
//! The `find` of a `wait_for` must look at *all* shared queues too. Otherwise a wake for shared work could go to a
//! worker that does not find it.
//!
//! # How to drive timers and I/O
//!
//! One idle worker at a time is the *driver*: it sleeps until the next timer, or in the event loop. The others sleep in
//! their parkers; if all slept until the same timer, all would wake for it. `wake_one` wakes the sleeping worker with
//! the lowest index, so the worker with the highest index is woken last and is a good driver. The `deadline` closure
//! that the driver passes to [`next_deadline`](Worker::next_deadline) returns the time of the next timer; that of the
//! other workers returns `None`.
//!
//! A driver that is woken for a task gives up its role and wakes another sleeping worker before it runs the task; that
//! worker finds no work, and takes the role. Otherwise timers and I/O would wait for as long as the task runs. This
//! hand-over costs processor time if there is a single busy client. A thread that adds an earlier timer makes it
//! visible, and then calls [`wake_worker`](Idle::wake_worker) for the driver, whose `deadline` is called again before
//! it sleeps again. `examples/reactor` is an executor with such a driver; there, the role is part of a slow path of its own.
//!
//! # Closing
//!
//! Call [`close`](Idle::close) when no running task can make more work: when a count of unfinished tasks is zero, for
//! example. Workers still find the work that was visible before it. Later, `wake_one` does nothing; `wake` and `wake_worker` wake
//! workers in `wait_for`. An
//! executor that ends while tasks still run drops what is left in its queues after its threads have ended, as
//! `examples/executor` does.
//!
//! # Orderings
//!
//! Here, only the flag of `close`: Release when it is set, Acquire when it is read. A worker that reads it before its last
//! look finds in that look what was visible before `close`.

mod word;
mod worker;

pub use worker::{Next, Worker};

use crate::pair::{Parker, Unparker};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{lock, Mutex};
use crate::wait::{self, Wait};
use std::fmt;
use std::sync::Arc;
use word::Word;

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
/// one load. An announcement that wakes a worker calls [`Unparker::unpark`], which may make a system call, and on some
/// slow paths takes a lock. Apart from that, announcements are lock-free. A signal handler may call them where it may
/// call `unpark`. Besides the parkers, a set on 64-bit systems has one cache line of words for up to 384 workers, one bit for
/// each further worker, and an [`Unparker`] for each.
///
/// # Panics
///
/// No method panics by itself, except [`new`](Idle::new) and [`with_parkers`](Idle::with_parkers) with more workers
/// than the set can count. A panic of a user's [`Wait::wake`] reaches the caller, perhaps a worker that has just found work
/// and passes a wake on: that work is dropped, and the woken worker may sleep on.
///
/// # Examples
///
/// See the [module](self).
pub struct Idle<W = wait::Condvar> {
    shared: Arc<Shared<W>>,
}

struct Shared<W> {
    word: Word,
    closed: AtomicBool,
    unparkers: Box<[Unparker<W>]>,
    /// The places whose worker was dropped.
    vacant: Mutex<Vec<(usize, Parker<W>)>>,
}

impl Idle {
    /// Creates a set of `workers` workers, on the default slow path and with the default [`Spin`](crate::Spin).
    ///
    /// # Examples
    ///
    /// ```
    /// let (idle, workers) = atomic_parker::idle::Idle::new(4);
    /// assert_eq!((idle.workers(), workers.len()), (4, 4));
    /// ```
    #[must_use]
    pub fn new(workers: usize) -> (Self, Vec<Worker>) {
        Self::with_parkers((0..workers).map(|_| Parker::new()))
    }
}

impl<W> Idle<W> {
    /// Creates a set with a worker for each of these parkers, on any slow path and with any [`Spin`](crate::Spin).
    ///
    /// A token that a parker holds already costs one needless call of `find`.
    ///
    /// # Panics
    ///
    /// If there are more workers than the set can count: 2^28 - 1 on 64-bit systems, 2^12 - 1 on 32-bit systems.
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
        let parkers: Vec<_> = parkers.into_iter().collect();
        assert!(parkers.len() <= word::MAX_WORKERS, "an idle set holds {} workers at most", word::MAX_WORKERS);
        let shared = Arc::new(Shared {
            word: Word::new(parkers.len(), bits()),
            closed: AtomicBool::new(false),
            unparkers: parkers.iter().map(Parker::unparker).collect(),
            vacant: Mutex::new(Vec::new()),
        });
        let idle = Self { shared };
        let workers = parkers.into_iter().enumerate();
        let workers = workers.map(|(index, parker)| Worker::new(idle.clone(), index, parker)).collect();
        (idle, workers)
    }

    /// Returns a worker for the place of one that was dropped, the lowest index first; `None` if no place is free.
    ///
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
        let lowest = (0..vacant.len()).min_by_key(|&place| vacant[place].0)?;
        let (index, parker) = vacant.swap_remove(lowest);
        Some(Worker::new(self.clone(), index, parker))
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
        // Acquire: a worker that ends by it must see, in its last look, the work from before `close`.
        self.shared.closed.load(Ordering::Acquire)
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
        self.shared.word.asleep()
    }

    /// Returns how many workers the set has at this moment, without the dropped ones, for metrics.
    ///
    /// Takes a lock for a moment.
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
        self.shared.unparkers.len() - lock(&self.shared.vacant).len()
    }
}

impl<W: Wait> Idle<W> {
    /// Announces one piece of shared work, which must be visible by now; returns whether a sleeping worker was woken.
    ///
    /// It wakes the sleeping worker with the lowest index, so that few workers get most of the work. A worker in its last `find`
    /// before it sleeps counts as asleep. It returns false if
    ///
    /// - no worker sleeps, or each is about to be woken; or
    /// - a woken worker is in its first `find`: that one takes the work, or wakes another one; or
    /// - some workers are active, and at least three more than those are woken already: one of them takes the work, or wakes
    ///   another one. A place whose worker has not called `next` yet, or was dropped, counts as active; or
    /// - the set is [closed](Idle::close).
    ///
    /// One `SeqCst` fence and one load while no worker sleeps or searches, for any number of workers. No system call
    /// unless it wakes a worker.
    ///
    /// # Examples
    ///
    /// ```
    /// let (idle, _workers) = atomic_parker::idle::Idle::new(4);
    /// // The workers are busy: none of them has gone to sleep yet.
    /// assert!(!idle.wake_one());
    /// ```
    #[inline]
    pub fn wake_one(&self) -> bool {
        !self.shared.word.nobody_idle() && self.search()
    }

    #[cold]
    fn search(&self) -> bool {
        !self.is_closed() && self.unpark(self.shared.word.request())
    }

    /// Unparks the worker that was claimed; returns whether there is one.
    fn unpark(&self, claimed: Option<usize>) -> bool {
        claimed.map(|index| self.shared.unparkers[index].unpark()).is_some()
    }

    /// Announces work that only the worker with this index can do; returns whether it woke that worker.
    ///
    /// The work, a pinned task or a latch, must be visible by now. A busy worker sees it in its next `find`. If the
    /// worker was woken for shared work and finds this work first, the wake for the shared work goes on to another
    /// worker. Therefore a call that finds the worker awake may wake a different one. An index that is not in the set
    /// does nothing. The call also works after [`close`](Idle::close), for workers in [`wait_for`](Worker::wait_for).
    ///
    /// # Examples
    ///
    /// ```
    /// let (idle, workers) = atomic_parker::idle::Idle::new(4);
    /// assert!(!idle.wake_worker(workers[2].index())); // it does not sleep
    /// assert!(!idle.wake_worker(1000)); // there is none
    /// ```
    pub fn wake_worker(&self, index: usize) -> bool {
        if index >= self.shared.unparkers.len() || self.shared.word.nobody_idle() {
            return false;
        }
        let (claimed, other) = self.shared.word.claim(index);
        self.unpark(claimed.then_some(index).or(other));
        claimed
    }

    /// Announces `work` pieces of shared work, which must be visible by now; returns how many workers it woke.
    ///
    /// It wakes up to `work` sleeping workers itself, the lowest indices first. If the work is worth several workers,
    /// that is faster than [`wake_one`](Idle::wake_one) for each piece, which wakes no worker while one searches. Use it
    /// for a batch, the events of a poll, or the timers that are due. Before `close`, `wake(1)` is `wake_one`. Zero does nothing. A
    /// worker that sleeps again meanwhile may be woken twice, and is counted twice then. After [`close`](Idle::close) it still
    /// wakes workers in [`wait_for`](Worker::wait_for), as a `find` may move a batch then.
    ///
    /// # Examples
    ///
    /// ```
    /// let (idle, _workers) = atomic_parker::idle::Idle::new(4);
    /// assert_eq!(idle.wake(3), 0); // no worker sleeps
    /// ```
    pub fn wake(&self, work: usize) -> usize {
        let wakes = || !self.shared.word.nobody_idle();
        if work <= 1 {
            return usize::from(work == 1 && wakes() && self.unpark(self.shared.word.request()));
        }
        // At most one wake for each worker: a worker that sleeps again meanwhile could be woken twice.
        (0..work.min(self.shared.unparkers.len()))
            .take_while(|_| wakes() && self.unpark(self.shared.word.request_more()))
            .count()
    }

    /// Closes the set for ever: wakes all workers, and from then on `next` returns `None` if `find` finds nothing.
    ///
    /// Workers still find work that was visible before this call. Call it when no running task can make more work, as
    /// `wake_one` does nothing from now on, and when no task waits for one that has not started: a worker that finds nothing
    /// ends, also if another one is just moving a batch. Workers in [`wait_for`](Worker::wait_for) look again, and sleep.
    ///
    /// A push after the workers have ended must be told that nobody comes for it, for example by a queue that is taken away:
    ///
    /// ```
    /// # use std::sync::Mutex;
    /// # let (idle, workers) = atomic_parker::idle::Idle::new(1);
    /// let queue = Mutex::new(Some(vec!["a task"]));
    /// idle.close();
    /// while let Some(_task) = workers[0].next(|| queue.lock().unwrap().as_mut()?.pop()) {}
    /// drop(queue.lock().unwrap().take()); // after the threads of the workers have been joined
    /// let pushed = queue.lock().unwrap().as_mut().map(|tasks| tasks.push("a late task"));
    /// assert_eq!(pushed, None); // so the caller cancels it
    /// ```
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
    pub fn close(&self) {
        // Release: see `is_closed`.
        self.shared.closed.store(true, Ordering::Release);
        if !self.shared.word.nobody_idle() {
            self.shared.word.claim_all(|index| {
                self.unpark(Some(index));
            });
        }
    }
}

#[cfg(all(loom, feature = "loom"))]
impl<W> Idle<W> {
    /// For models whose workers have all ended.
    #[doc(hidden)]
    pub fn assert_at_rest(&self) {
        assert!(self.shared.word.is_at_rest(), "a worker or a search is still counted");
    }
}

fn bits() -> usize {
    #[cfg(all(loom, feature = "loom"))]
    return crate::sync::word_bits();
    #[cfg(not(all(loom, feature = "loom")))]
    return word::BITS;
}

impl<W> Clone for Idle<W> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<W> fmt::Debug for Idle<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle")
            .field("workers", &self.workers())
            .field("asleep", &self.asleep())
            .field("closed", &self.is_closed())
            .finish()
    }
}
