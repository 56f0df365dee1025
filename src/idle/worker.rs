use super::handle::Idle;
use crate::pair::Parker;
use crate::sync;
use crate::wait::{self, Wait};
use std::cell::Cell;
use std::fmt;
use std::time::{Duration, Instant};

/// How a timed wait for work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Next<T> {
    /// What `find` found.
    Work(T),
    /// The deadline came, and `find` found nothing.
    TimedOut,
    /// The set is closed, and `find` found nothing.
    Closed,
}

/// One worker of a pool: looks for work, and sleeps while there is none.
pub struct Worker<W = wait::Condvar> {
    idle: Idle<W>,
    index: usize,
    /// `None` only once it is dropped.
    parker: Option<Parker<W>>,
    in_find: Cell<bool>,
}

/// What this worker is to the others.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    /// Nobody relies on its looks.
    Active,
    /// Its bit was set, and it may have been claimed since.
    Signed { owes: bool },
    /// It was claimed.
    Searching,
}

impl<W: Wait> Worker<W> {
    pub(super) fn new(idle: Idle<W>, index: usize, parker: Parker<W>) -> Self {
        Self { idle, index, parker: Some(parker), in_find: Cell::new(false) }
    }

    /// Returns what `find` finds; sleeps while it finds nothing; `None` once the set is closed and it finds nothing.
    pub fn next<T>(&self, find: impl FnMut() -> Option<T>) -> Option<T> {
        match self.search(true, || None, find) {
            Next::Work(work) => Some(work),
            Next::TimedOut | Next::Closed => None,
        }
    }

    /// As [`next`](Worker::next), for no longer than `timeout`.
    pub fn next_timeout<T>(&self, timeout: Duration, find: impl FnMut() -> Option<T>) -> Next<T> {
        let mut end = None;
        self.search(true, || *end.get_or_insert_with(|| sync::deadline_after(timeout)), find)
    }

    /// As [`next`](Worker::next), until a deadline that is asked anew before each sleep.
    pub fn next_deadline<T>(
        &self,
        deadline: impl FnMut() -> Option<Instant>,
        find: impl FnMut() -> Option<T>,
    ) -> Next<T> {
        self.search(true, deadline, find)
    }

    /// As [`next`](Worker::next), within a task; does not end when the set is closed.
    pub fn wait_for<T>(&self, mut find: impl FnMut() -> Option<T>) -> T {
        loop {
            if let Next::Work(work) = self.search(false, || None, &mut find) {
                return work;
            }
        }
    }

    /// Returns the index of this worker.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the set of this worker.
    #[must_use]
    pub fn idle(&self) -> &Idle<W> {
        &self.idle
    }

    #[inline]
    fn search<T>(
        &self,
        closes: bool,
        deadline: impl FnMut() -> Option<Instant>,
        mut find: impl FnMut() -> Option<T>,
    ) -> Next<T> {
        match self.call(&mut find) {
            Some(work) => Next::Work(work),
            None => self.sleep(closes, deadline, find),
        }
    }

    #[cold]
    fn sleep<T>(
        &self,
        closes: bool,
        mut deadline: impl FnMut() -> Option<Instant>,
        mut find: impl FnMut() -> Option<T>,
    ) -> Next<T> {
        let search = Search { worker: self, role: Cell::new(Role::Active) };
        loop {
            search.sign();
            // In this order: a look after the end sees all that came before it.
            let closed = closes && self.idle.is_closed();
            if let Some(work) = self.call(&mut find) {
                search.found();
                return Next::Work(work);
            }
            if closed {
                return Next::Closed;
            }
            let woken = match self.call(&mut deadline) {
                Some(deadline) => self.parker().park_deadline(deadline),
                None => {
                    self.parker().park();
                    true
                }
            };
            if !woken {
                search.end_of_time();
                return match self.call(&mut find) {
                    Some(work) => {
                        search.found();
                        Next::Work(work)
                    }
                    None => Next::TimedOut,
                };
            }
            if search.is_claimed() {
                if let Some(work) = self.call(&mut find) {
                    search.found();
                    return Next::Work(work);
                }
            }
        }
    }

    fn parker(&self) -> &Parker<W> {
        self.parker.as_ref().expect("a worker has its parker until it is dropped")
    }

    /// Calls into the user's code, which must not come back here.
    fn call<R>(&self, user: &mut impl FnMut() -> R) -> R {
        struct Leave<'a>(&'a Cell<bool>);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.set(false);
            }
        }
        assert!(!self.in_find.get(), "`Worker::next` and its kin must not be called within `find` of the same worker");
        self.in_find.set(true);
        let _leave = Leave(&self.in_find);
        user()
    }
}

/// A worker that has found nothing at first. On its drop, however it comes, the worker leaves the set's words as an
/// active one, and passes on a wake that it may have had.
struct Search<'a, W: Wait> {
    worker: &'a Worker<W>,
    role: Cell<Role>,
}

impl<W: Wait> Search<'_, W> {
    fn words(&self) -> &super::words::Words {
        &self.worker.idle.shared.words
    }

    /// The worker is about to sleep; it must look once more.
    fn sign(&self) {
        match self.role.get() {
            // Not claimed since: its bit is still there.
            Role::Signed { .. } => {
                self.role.set(Role::Signed { owes: false });
            }
            role => {
                let owes = self.words().sign(self.worker.index, role == Role::Searching);
                self.role.set(Role::Signed { owes });
            }
        }
    }

    /// After a token: whether it came with a claim. If not, it was left from before.
    fn is_claimed(&self) -> bool {
        let claimed = !self.words().is_asleep(self.worker.index);
        if claimed {
            self.role.set(Role::Searching);
        }
        claimed
    }

    /// The deadline has come: a worker that was not claimed is active again.
    fn end_of_time(&self) {
        let role = if self.words().withdraw(self.worker.index) { Role::Active } else { Role::Searching };
        self.role.set(role);
    }

    fn found(&self) {
        let (owed, pass_on) = match self.role.replace(Role::Active) {
            Role::Active => return,
            Role::Searching => {
                let owed = self.words().stop_searching(self.worker.index);
                (owed, owed)
            }
            Role::Signed { owes } => {
                let claimed = !self.words().withdraw(self.worker.index);
                let owed = owes | (claimed && self.words().stop_searching(self.worker.index));
                // The wake was for other work than what this look found.
                (owed, owed || claimed)
            }
        };
        if pass_on {
            self.worker.idle.shared.wake_one(owed);
        }
    }
}

impl<W: Wait> Drop for Search<'_, W> {
    fn drop(&mut self) {
        let panics = std::thread::panicking();
        if panics && self.role.get() == Role::Searching {
            // The look that the wake was for did not end.
            let owed = self.words().stop_searching(self.worker.index);
            self.role.set(Role::Active);
            self.worker.idle.shared.wake_one(owed);
        }
        self.found();
    }
}

impl<W> Drop for Worker<W> {
    fn drop(&mut self) {
        if let Some(parker) = self.parker.take() {
            sync::lock(&self.idle.shared.vacant).insert(self.index, parker);
        }
    }
}

impl<W> fmt::Debug for Worker<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("index", &self.index).finish_non_exhaustive()
    }
}
