//! A multi-threaded executor on [`atomic_parker::idle`], to copy from.
//!
//! | step | where |
//! | --- | --- |
//! | A woken task goes into a queue, and then one worker is woken. | [`Shared::schedule`] |
//! | A worker looks at every queue that a task can be in. | [`Shared::find`] |
//! | A worker runs what it finds, and sleeps while it finds nothing. | [`Shared::work`] |
//! | After the end, a woken task is cancelled. | [`Shared::cancel`] |
//!
//! [`Idle`] chooses the worker that a push wakes, and loses no wake-up. The tasks are from `async-task`, and the queues from
//! `crossbeam-deque`.

use async_task::{Runnable, Task};
use atomic_parker::idle::{self, Finding, Idle, Metrics};
use crossbeam_deque::{Injector, Steal, Stealer, Worker};
use std::future::Future;
use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::AcqRel, Ordering::Relaxed};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub struct Executor {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// Shared by the workers and the wakers of their tasks.
struct Shared {
    idle: Idle,
    injector: Injector<Runnable>,
    stealers: Vec<Stealer<Runnable>>,
    /// No worker is left.
    ended: AtomicBool,
    pushes: AtomicU64,
    pushes_that_woke: AtomicU64,
    woken_for_batches: AtomicU64,
}

/// Counts of the executor's work so far.
pub struct Figures {
    /// Tasks that were spawned or woken.
    pub pushes: u64,
    /// The number of them that woke a worker; most make a system call.
    pub pushes_that_woke: u64,
    /// Workers that were woken for the rest of a batch that another worker took.
    pub woken_for_batches: u64,
    /// What the workers did.
    pub workers: Metrics,
}

impl Shared {
    fn schedule(&self, task: Runnable) {
        // In this order, so that a worker that is about to sleep sees either the task or the wake-up.
        self.injector.push(task);
        let woke = self.idle.wake_one().woke();
        self.pushes.fetch_add(1, Relaxed);
        self.pushes_that_woke.fetch_add(woke.into(), Relaxed);
        // Read by a read-modify-write, as the drop of the executor sets it: if this one comes first, that one sees the task.
        if self.ended.fetch_or(false, AcqRel) {
            self.cancel();
        }
    }

    /// Drops the tasks that no worker will run. This breaks a cycle too: the waker of a queued task owns the queue.
    fn cancel(&self) {
        while !self.injector.is_empty() {
            drop(self.injector.steal());
        }
    }

    /// Returns the next task for a worker: from its own queue, then from the new tasks, then from another worker.
    fn find(&self, own: &Worker<Runnable>) -> Option<Runnable> {
        if let Some(task) = own.pop() {
            return Some(task);
        }
        loop {
            let batch = self.injector.steal_batch_and_pop(own);
            match batch.or_else(|| self.stealers.iter().map(Stealer::steal).collect()) {
                Steal::Success(task) => {
                    // While the rest of a batch moves, it is in no queue. A worker that looked meanwhile may
                    // sleep now, so the rest is announced again.
                    let woken = self.idle.wake(own.len());
                    self.woken_for_batches.fetch_add(woken as u64, Relaxed);
                    return Some(task);
                }
                // Another worker was faster, and the queue may have more tasks.
                Steal::Retry => {}
                Steal::Empty => return None,
            }
        }
    }

    fn work(&self, worker: &idle::Worker, own: &Worker<Runnable>) {
        while let Some(task) = worker.next(|| self.find(own)) {
            // `async-task` drops a task that panics, and its handle reports it. The worker goes on.
            let _ = catch_unwind(AssertUnwindSafe(|| task.run()));
        }
    }
}

impl Executor {
    /// Starts the threads.
    pub fn new(workers: usize) -> io::Result<Self> {
        let mut set = Idle::builder(workers);
        if cfg!(debug_assertions) {
            set = set.audit(Duration::from_millis(100), |finding| match finding {
                Finding::AfterClose => {} // `cancel` drops that task
                mistake => eprintln!("executor: {mistake}"),
            });
        }
        let (idle, workers) = set.build();
        // First in, first out, so that a task that yields runs after the others.
        let queues: Vec<Worker<Runnable>> = workers.iter().map(|_| Worker::new_fifo()).collect();
        let shared = Arc::new(Shared {
            idle,
            injector: Injector::new(),
            stealers: queues.iter().map(Worker::stealer).collect(),
            ended: AtomicBool::new(false),
            pushes: AtomicU64::new(0),
            pushes_that_woke: AtomicU64::new(0),
            woken_for_batches: AtomicU64::new(0),
        });
        // If a thread can't be started, the drop of `executor` ends the threads before it.
        let mut executor = Self { shared, threads: Vec::new() };
        for (worker, own) in workers.into_iter().zip(queues) {
            let shared = executor.shared.clone();
            let thread = thread::Builder::new().name(format!("worker {}", worker.index()));
            executor.threads.push(thread.spawn(move || shared.work(&worker, &own))?);
        }
        Ok(executor)
    }

    /// Runs a future on the workers. The returned task resolves to its output. Dropping the task cancels the future.
    pub fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        let shared = self.shared.clone();
        let (runnable, task) = async_task::spawn(future, move |runnable| shared.schedule(runnable));
        runnable.schedule();
        task
    }

    pub fn figures(&self) -> Figures {
        let [pushes, pushes_that_woke, woken_for_batches] =
            [&self.shared.pushes, &self.shared.pushes_that_woke, &self.shared.woken_for_batches]
                .map(|figure| figure.load(Relaxed));
        Figures { pushes, pushes_that_woke, woken_for_batches, workers: self.shared.idle.metrics() }
    }
}

impl Drop for Executor {
    /// The workers run the tasks that are scheduled, and end. A task that is woken later is cancelled.
    fn drop(&mut self) {
        self.shared.idle.close();
        for thread in self.threads.drain(..) {
            // A task may drop the last handle. Its own worker ends after that task.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
        self.shared.ended.fetch_or(true, AcqRel);
        self.shared.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atomic_parker::block_on;
    use futures_lite::future::yield_now;
    use std::sync::Barrier;

    #[test]
    fn a_panic_ends_its_task_and_nothing_else() {
        let executor = Executor::new(2).unwrap();
        for round in 0..1_000 {
            let panics = executor.spawn(async { panic!("on purpose") });
            let fine = executor.spawn(async move { round });
            assert_eq!(block_on(panics.fallible()), None::<()>);
            assert_eq!(block_on(fine), round);
        }
    }

    #[test]
    fn no_wake_up_is_lost() {
        let executor = Executor::new(4).unwrap();
        for _ in 0..20_000 {
            let tasks: Vec<_> = (0..3).map(|_| executor.spawn(yield_now())).collect();
            tasks.into_iter().for_each(block_on);
        }
    }

    #[test]
    fn tasks_that_wait_for_each_other_all_run() {
        let executor = Executor::new(4).unwrap();
        for _ in 0..2_000 {
            let all_run = Arc::new(Barrier::new(4));
            let wait = |_| {
                let all_run = all_run.clone();
                executor.spawn(async move { drop(all_run.wait()) })
            };
            (0..4).map(wait).collect::<Vec<_>>().into_iter().for_each(block_on);
        }
    }

    #[test]
    fn a_task_that_is_woken_after_the_end_is_cancelled() {
        let (send, receive) = std::sync::mpsc::channel();
        let executor = Executor::new(2).unwrap();
        let task = executor.spawn(std::future::poll_fn(move |cx| {
            send.send(cx.waker().clone()).unwrap();
            std::task::Poll::<()>::Pending
        }));
        let waker = receive.recv().unwrap();
        drop(executor);
        waker.wake();
        assert_eq!(block_on(task.fallible()), None);
    }

    /// Each task wakes itself again and again, also while the executor ends. None may stay behind.
    #[test]
    fn tasks_that_are_woken_at_the_end_are_run_or_cancelled() {
        for _ in 0..500 {
            let executor = Executor::new(2).unwrap();
            let tasks: Vec<_> = (0..4)
                .map(|_| {
                    let (send, receive) = std::sync::mpsc::channel::<std::task::Waker>();
                    let thread = thread::spawn(move || receive.iter().for_each(std::task::Waker::wake));
                    let task = executor.spawn(std::future::poll_fn(move |cx| {
                        send.send(cx.waker().clone()).unwrap();
                        std::task::Poll::<()>::Pending
                    }));
                    (task, thread)
                })
                .collect();
            drop(executor);
            for (task, thread) in tasks {
                assert_eq!(block_on(task.fallible()), None);
                thread.join().unwrap();
            }
        }
    }

    #[test]
    fn what_is_scheduled_before_the_end_is_run() {
        for _ in 0..1_000 {
            let executor = Executor::new(2).unwrap();
            let tasks: Vec<_> = (0..5).map(|number| executor.spawn(async move { number })).collect();
            drop(executor);
            assert_eq!(tasks.into_iter().map(block_on).sum::<i32>(), 10);
        }
    }
}
