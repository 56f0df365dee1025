//! The steps of a worker, for schedulers whose loop cannot be a closure.

use super::worker::{Standing, Stay, Worker};
use super::Idle;
use crate::sync::has_passed;
use crate::wait::{self, Wait};
use std::fmt;
use std::time::{Duration, Instant};

/// A worker whose owner runs the loop of [`Worker::next`] itself: what [`Worker::into_steps`] returns.
///
/// For schedulers that cannot look for work within a closure, for example because their state is passed on by value from one thread
/// to another. Prefer [`next`](Worker::next), which cannot leave out a step. The owner does this, again and again:
///
/// 1. Look for work, as `find` does. See [what `find` must do](super#what-find-must-do).
/// 2. If there is none, call [`about_to_sleep`](Steps::about_to_sleep). If that returns true, look once more, at all queues.
/// 3. If a look has found work, call [`found_work`](Steps::found_work), before the work runs.
/// 4. If no look has found work, call [`sleep`](Steps::sleep).
///
/// If step 2 or 3 is left out, work can wait while workers sleep. In a look, an announcement of this worker counts as any other one: it
/// may be what ends the sleep that follows. [`Builder::audit`](super::Builder::audit) does not watch these looks, and
/// [`Builder::keep_alive`](super::Builder::keep_alive) does not end them. With a [driver](super::Builder::with_driver), a busy owner calls
/// [`poll_now`](crate::driver::Driver::poll_now) itself from time to time. A worker that is dropped leaves the set, as every
/// [`Worker`] does; a wake that was meant for it goes to another one.
///
/// # Memory ordering
///
/// As for [`Worker`]: what came before an announcement is visible to the look that follows the sleep which the announcement ends, or to the look
/// that follows [`about_to_sleep`](Steps::about_to_sleep).
///
/// # Cost
///
/// A worker that finds work at the first look touches no shared memory of the set.
///
/// In a set that [starts](super::Builder::start) its workers, the drop of one starts another, also if no work waits.
///
/// # Panics
///
/// A call from within [`sleep`](Steps::sleep), by the slow path, panics. A panic of a look needs no care, if the worker is dropped or
/// goes on with the next look. But if the first look of a worker that was [started](super::Builder::start) panics, this counts as a
/// start that has failed.
///
/// # Examples
///
/// ```
/// use atomic_parker::idle::Idle;
/// use std::sync::{Arc, Mutex};
///
/// let queue = Arc::new(Mutex::new(vec![1, 2]));
/// let (idle, mut workers) = Idle::new(1);
/// let steps = workers.remove(0).into_steps();
/// let look = queue.clone();
/// let thread = std::thread::spawn(move || {
///     let mut sum = 0;
///     loop {
///         let closed = steps.idle().is_closed(); // before the looks
///         let find = || look.lock().unwrap().pop();
///         if let Some(task) = find().or_else(|| steps.about_to_sleep().then(find).flatten()) {
///             steps.found_work();
///             sum += task;
///         } else if closed {
///             return sum;
///         } else {
///             steps.sleep(None);
///         }
///     }
/// });
/// queue.lock().unwrap().push(3);
/// idle.wake_one();
/// idle.close();
/// assert_eq!(thread.join().unwrap(), 6);
/// ```
pub struct Steps<W: Wait = wait::Condvar> {
    worker: Worker<W>,
}

impl<W: Wait> Worker<W> {
    /// Turns the worker into one whose owner runs its loop itself.
    ///
    /// # Examples
    ///
    /// See [`Steps`].
    #[must_use]
    pub fn into_steps(self) -> Steps<W> {
        Steps { worker: self }
    }
}

impl<W: Wait> Steps<W> {
    /// Returns the set of this worker.
    ///
    /// # Examples
    ///
    /// See [`Steps`].
    #[must_use]
    pub fn idle(&self) -> &Idle<W> {
        self.worker.idle()
    }

    /// After a look that has found nothing: registers that the worker is about to sleep. Returns whether it may, after one more look.
    ///
    /// False if it has to search on, as other announcements rely on its search. If it is registered already, it does nothing and returns true.
    ///
    /// # Examples
    ///
    /// See [`Steps`].
    pub fn about_to_sleep(&self) -> bool {
        self.worker.must_not_look();
        match self.worker.standing() {
            Standing::Signed | Standing::Spent => return true,
            Standing::Searching(_) => self.worker.counters().noops.count(),
            Standing::Active => {}
        }
        self.worker.sign()
    }

    /// After a second look that has found nothing: sleeps until an announcement claims this worker, or until the deadline; returns
    /// false if the deadline has passed.
    ///
    /// Afterwards, look again. It returns at once if the worker is not registered, and if the set is closed. It may also
    /// return early. After false the worker is still registered: until then, an announcement may claim it, and its owner must look or call
    /// [`found_work`](Steps::found_work).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// let (_idle, mut workers) = atomic_parker::idle::Idle::new(1);
    /// let steps = workers.remove(0).into_steps();
    /// assert!(steps.about_to_sleep());
    /// assert!(!steps.sleep(Some(Instant::now())));
    /// ```
    pub fn sleep(&self, deadline: Option<Instant>) -> bool {
        if self.worker.standing() == Standing::Spent {
            std::thread::sleep(Duration::from_millis(1)); // it has no place to sleep in
            return !has_passed(deadline);
        }
        if self.worker.standing() != Standing::Signed || self.idle().is_closed() {
            return true;
        }
        let woken = self.worker.park(deadline);
        self.worker.was_claimed() || woken
    }

    /// Before the owner runs what a look has found, or does something else than to look: the worker is active. If it was woken, it
    /// may wake the next one.
    ///
    /// For an active worker this reads one variable of its own.
    ///
    /// # Examples
    ///
    /// See [`Steps`].
    #[inline]
    pub fn found_work(&self) {
        if self.worker.standing() != Standing::Active {
            self.activate();
        }
    }

    #[cold]
    fn activate(&self) {
        self.worker.must_not_look();
        match self.worker.standing() {
            Standing::Searching(debt) => self.worker.leave(debt),
            _ => self.worker.stop(),
        }
    }
}

impl<W: Wait> Drop for Steps<W> {
    fn drop(&mut self) {
        if !self.worker.is_fresh() {
            drop(Stay(&self.worker));
        }
    }
}

impl<W: Wait> fmt::Debug for Steps<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Steps").field(&self.worker).finish()
    }
}
