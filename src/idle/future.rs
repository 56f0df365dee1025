//! How a worker waits for a future: it runs other tasks meanwhile.
//!
//! # Orderings
//!
//! The flag `woken` is set with Release, and cleared with Acquire before a poll: what came before a wake happens-before the poll that
//! follows. Both are read-modify-writes. So the one that clears the flag acquires all wakes that have set it, not the last one only,
//! and a wake that it does not see sets the flag again. An `unpark` follows the flag, so a worker that has read it unset does not sleep past
//! it.

use super::worker::Worker;
use super::WeakIdle;
use crate::pair::Unparker;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::wait::Wait;
use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// Wakes one call of `block_on`. It needs no announcement, as only that call can do the work, and knows it.
struct Signal<W> {
    woken: AtomicBool,
    unparker: Unparker<W>,
}

impl<W> Signal<W> {
    fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Relaxed) // the poll acquires
    }
}

impl<W: Wait + Send + Sync> Wake for Signal<W> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.swap(true, Ordering::Release);
        self.unparker.unpark();
    }
}

/// Announces work for one worker.
struct Announcement<W> {
    idle: WeakIdle<W>,
    index: usize,
}

impl<W: Wait + Send + Sync> Wake for Announcement<W> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(idle) = self.idle.upgrade() {
            idle.wake_worker(self.index);
        }
    }
}

impl<W: Wait + Send + Sync + 'static> Worker<W> {
    /// Returns a waker that announces work for this worker, by [`Idle::wake_worker`](super::Idle::wake_worker).
    ///
    /// For a future that this worker's `find` polls, or knows to be ready. It allocates; a clone does not. It does not keep the
    /// set alive: then a wake does nothing. What came before a wake is visible to the `find` that follows from it.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_idle, workers) = atomic_parker::idle::Idle::new(1);
    /// workers[0].waker().wake();
    /// ```
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker::from(Arc::new(Announcement { idle: self.idle().downgrade(), index: self.index() }))
    }

    /// Runs other tasks until the future is ready, and returns what it gives; sleeps while there are none.
    ///
    /// For a task that waits for a future. `find` finds other tasks, as in [`next`](Worker::next), and each is run here, between two
    /// polls. A wake of the future wakes this worker, and no other one. Like [`wait_for`](Worker::wait_for) it does not end at
    /// [`close`](super::Idle::close). It may be called within a task that it runs: then the outer call goes on after the
    /// inner one. It allocates one waker.
    ///
    /// What came before a wake of the future happens-before the poll that follows from it.
    ///
    /// # Panics
    ///
    /// If the future, `find` or a task does, and within this worker's own `find`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Mutex;
    ///
    /// let queue = Mutex::new(Vec::<Box<dyn FnOnce() + Send>>::new());
    /// let (_idle, workers) = atomic_parker::idle::Idle::new(1);
    /// assert_eq!(workers[0].block_on(async { 1 + 2 }, || queue.lock().unwrap().pop()), 3);
    /// ```
    pub fn block_on<F: IntoFuture, T: FnOnce()>(&self, future: F, mut find: impl FnMut() -> Option<T>) -> F::Output {
        let signal = Arc::new(Signal { woken: AtomicBool::new(false), unparker: self.unparker().clone() });
        let waker = Waker::from(signal.clone());
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future.into_future());
        loop {
            signal.woken.swap(false, Ordering::Acquire); // what has set it is polled for now
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            // One task between two polls, so that a future that wakes itself does not keep the worker from its tasks.
            let mut polled = true;
            while let Some(task) = self.wait_for_own(|| match () {
                () if !polled && signal.is_woken() => Some(None),
                () => find().map(Some).or_else(|| signal.is_woken().then_some(None)),
            }) {
                task();
                polled = false;
            }
        }
    }
}
