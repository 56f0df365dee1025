//! The idle set of an executor: decides which worker to wake, so that none sleeps while work waits.
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
//! Let work be made visible before a [`wake_one`](Idle::wake_one). From the return of that call on, until a worker takes
//! that work: if a worker sleeps, another one is on its way to a look at the queues that will see it, and goes on to
//! wake the next one if there may be more. So k tasks that wait for each other on k workers never hang, whatever the
//! other workers do: fall asleep, time out, panic in `find`, or are dropped.
//!
//! No more workers wake than have work: while one worker searches, further `wake_one`s wake nobody, and a task that comes
//! alone wakes exactly one worker. [`docs::idle_workers`](crate::docs::idle_workers) has the protocol and its proof.
//!
//! # What `find` must do
//!
//! - Look at *every* queue that work can come from, and repeat where a queue says so, as `Steal::Retry` of
//!   `crossbeam-deque`. A queue that `find` skips can hold work beside sleeping workers.
//! - Announce what it brings. If it moves a batch from a shared queue into the worker's own queue, it calls
//!   [`wake`](Idle::wake) for the rest of the batch, after that is visible and before it returns. The same holds for the
//!   events of a poll and for timers that are due.
//! - Return. Run the task after `next` has returned it: within `find`, others may rely on this worker's look.
//!
//! `find` may find work that nobody has announced. It may panic: the panic reaches the caller, and a wake that was meant
//! for this worker goes to another one.
//!
//! # Every piece of work is announced
//!
//! By [`wake_one`](Idle::wake_one) or [`wake`](Idle::wake) for shared work, by [`wake_worker`](Idle::wake_worker) for work
//! that one certain worker must do. All of them may be called from any thread, also within `find`. If a caller forgets
//! the announcement, the work waits until a worker looks for another reason. And if a worker that was woken for other work
//! takes it, that other work waits in its place.
//!
//! # How to grow a pool
//!
//! [`wake_one`](Idle::wake_one) returns false if it woke no worker, as all are busy or as one that searches will look again.
//! A pool that may grow starts a thread then, with a [`Worker`] that was not started yet or one from
//! [`enter`](Idle::enter). It does so also while a worker searches, as that one may take other work. A worker that shall end
//! when it was idle for long uses [`next_timeout`](Worker::next_timeout); its place is free for `enter` once it is
//! dropped.
//!
//! # How to pin a task to a worker
//!
//! Put the task where only that worker looks, and call [`wake_worker`](Idle::wake_worker) with its
//! [`index`](Worker::index). A bare `unpark` would not do: if the worker was woken for shared work and finds its pinned task
//! first, that wake must go on to another worker.
//!
//! # How to build a `join`
//!
//! A task that waits for another one runs other tasks meanwhile, with [`wait_for`](Worker::wait_for). What completes the
//! other task sets a latch, and then calls [`wake_worker`](Idle::wake_worker) for the waiter. It must read the waiter's index
//! *before* it sets the latch, as the waiter may be gone right after.
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
//! Each `find` of a nested `wait_for` looks at *all* shared queues. Otherwise a wake for shared work could end at a worker that
//! does not look for it.
//!
//! # How to drive timers and I/O
//!
//! One idle worker at a time is the *driver*: it sleeps until the next timer, or in the event loop, and the others sleep in
//! their parkers. If all slept until the same timer, all would wake for it. `wake_one` claims the sleeping worker with the
//! lowest index, so the highest one is claimed last, and is the natural driver. In
//! [`next_deadline`](Worker::next_deadline), the driver returns the time of the next timer as its deadline, and the other
//! workers return `None`.
//!
//! A driver that is claimed for a task hands over: before it runs the task, it gives up its role and wakes another worker,
//! which takes the role when it finds no work. Without a hand-over, timers and I/O wait for as long as that task runs. With
//! it, a single busy client costs more processor time. A thread that adds an earlier timer makes it visible, and then calls
//! [`wake_worker`](Idle::wake_worker) for the driver, which is asked for its deadline anew before it sleeps again.
//! `examples/reactor` is an executor that does all this.
//!
//! # Closing
//!
//! [`close`](Idle::close) is for when no running task can make more work. What was visible before it is still found.
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
/// What came before an announcement is visible to the look of the worker that it wakes, and to that of a worker that has
/// not begun to sleep. An announcement orders nothing for workers that were busy: the queues do that.
///
/// # Cost
///
/// The methods that announce work are lock-free while no worker sleeps: one `SeqCst` fence and one load for
/// [`wake_one`](Idle::wake_one) and [`wake`](Idle::wake). If one wakes a worker, it calls [`Unparker::unpark`], which may
/// make a system call, and takes a lock on some slow paths. In a signal handler they may be called where `unpark` may.
///
/// # Panics
///
/// No method panics on its own account, but for [`with_parkers`](Idle::with_parkers) with more workers than can be counted.
/// A panic of a user's [`Wait`] reaches the caller.
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
    /// Creates a set of so many workers, on the default slow path and with the default [`Spin`](crate::Spin).
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
    /// A token that a parker holds already costs one needless look.
    ///
    /// # Panics
    ///
    /// If there are more workers than the set can count: 2^30 on 64-bit systems, 2^14 on 32-bit systems.
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

    /// Takes the free place with the lowest index, of a worker that was dropped; `None` if no place is free.
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

    /// Returns how many workers sleep, or are about to, at this moment: a hint, for metrics. It orders nothing.
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

    /// Returns how many workers the set has at this moment, without the dropped ones: a hint, for metrics.
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
    /// It wakes the sleeping worker with the lowest index, so that load gathers on few workers. False: it woke none, as all
    /// are busy, or as one that searches will look again. It always returns false after [`close`](Idle::close).
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

    /// Has the worker with this index look, for work that only it can do; returns whether it slept.
    ///
    /// The work, a pinned task or a latch, must be visible by now. A busy worker sees it in its next look. If the worker was
    /// woken for shared work and finds this work first, the wake goes on to another worker. For that, a call that finds the
    /// worker awake may wake another one. An index that is not in the set does nothing. It works after
    /// [`close`](Idle::close), for workers in [`wait_for`](Worker::wait_for).
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

    /// Announces so many pieces of shared work, which must be visible by now; returns how many workers it woke.
    ///
    /// It wakes up to that many sleeping workers, the lowest indices first, without waiting for one to wake the next: faster
    /// than [`wake_one`](Idle::wake_one) for each of them, if the work is worth several workers. Use it for a batch, the events
    /// of a poll, or the timers that are due. Zero does nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let (idle, _workers) = atomic_parker::idle::Idle::new(4);
    /// assert_eq!(idle.wake(3), 0); // no worker sleeps
    /// ```
    pub fn wake(&self, work: usize) -> usize {
        if work <= 1 {
            return usize::from(work == 1 && self.wake_one());
        }
        let wakes = || !self.shared.word.nobody_idle() && !self.is_closed();
        // At most one wake for each worker: a worker that sleeps again meanwhile could be woken twice.
        (0..work.min(self.shared.unparkers.len()))
            .take_while(|_| wakes() && self.unpark(self.shared.word.request_more()))
            .count()
    }

    /// Closes the set, for good: wakes all workers, and `next` returns `None` where `find` finds nothing.
    ///
    /// What was visible before this call is still found. For when no running task can make more work: `wake_one` does nothing
    /// from now on. Workers in [`wait_for`](Worker::wait_for) look once, and sleep again.
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
