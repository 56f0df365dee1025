//! The pool of threads: in the place of blocking's own. Each thread that it needs is started by the idle set.

use async_task::Runnable;
use atomic_parker::idle::{Announced, Idle, Worker};
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{panic, thread};

/// The highest limit, as the memory of a set grows with it: the one that blocking has for its environment variable.
const MAX_THREADS: usize = if Idle::MAX_WORKERS < 10_000 { Idle::MAX_WORKERS } else { 10_000 };

/// A thread without a task ends after this time.
const KEEP_ALIVE: Duration = Duration::from_millis(500);

pub(crate) struct Executor {
    queue: Mutex<VecDeque<Runnable>>,
    /// From the first task on, with its limit.
    idle: Mutex<Option<(Idle, NonZeroUsize)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Executor {
    pub(crate) fn get() -> &'static Self {
        static EXECUTOR: Executor = Executor { queue: Mutex::new(VecDeque::new()), idle: Mutex::new(None) };
        &EXECUTOR
    }

    pub(crate) fn schedule(&'static self, task: Runnable) {
        lock(&self.queue).push_back(task);
        loop {
            let idle = self.idle();
            match idle.wake_one() {
                Announced::Closed => {} // another limit has replaced the set
                // No thread would make up for it.
                Announced::StartFailed if idle.workers() == 0 => thread::yield_now(),
                _ => return,
            }
        }
    }

    fn idle(&'static self) -> Idle {
        lock(&self.idle).get_or_insert_with(|| self.with_limit(Self::max_threads())).0.clone()
    }

    /// Threads of the old set end when they find no task. A task that was announced to that set only is announced again, as
    /// all its threads may be busy.
    pub(crate) fn set_limit(&'static self, limit: NonZeroUsize) {
        let mut idle = lock(&self.idle);
        if idle.as_ref().is_some_and(|(_, before)| *before == limit) {
            return;
        }
        let new = self.with_limit(limit);
        let old = idle.replace(new.clone());
        drop(idle);
        if let Some((old, _)) = old {
            old.close();
        }
        let waiting = lock(&self.queue).len();
        new.0.wake(waiting);
    }

    fn with_limit(&'static self, limit: NonZeroUsize) -> (Idle, NonZeroUsize) {
        let start = move |worker| {
            static NUMBER: AtomicUsize = AtomicUsize::new(1);
            let name = format!("blocking-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
            thread::Builder::new().name(name).spawn(move || self.run(&worker)).map(drop)
        };
        (Idle::builder(limit.get().min(MAX_THREADS)).start(start).keep_alive(KEEP_ALIVE).build().0, limit)
    }

    fn run(&self, worker: &Worker) {
        while let Some(task) = worker.next(|| lock(&self.queue).pop_front()) {
            // The panic of a task goes to whoever awaits it.
            let _ = panic::catch_unwind(|| task.run());
        }
    }
}
