//! A pool of lock-free queues, and a protocol for sleeping and waking: the protocol is all in which two such pools differ.
//!
//! Tasks are pushed to a shared queue. A worker takes them in batches into a queue of its own, from which others steal.

use crate::pools::{Pool, Task};
use crossbeam_deque::{Injector, Steal, Stealer, Worker};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// A protocol that wakes workers, and lets a worker fall asleep without losing a wake-up.
pub trait Protocol: Clone + Send + Sync + 'static {
    type Worker: Send + 'static;

    fn new(workers: usize) -> (Self, Vec<Self::Worker>);

    /// A task was made visible.
    fn wake_one(&self);

    /// `tasks` tasks were made visible.
    fn wake(&self, tasks: usize);

    /// Returns the task that `find` finds. Sleeps while there is none. `None` after `close`.
    fn next(worker: &Self::Worker, find: impl FnMut() -> Option<Task>) -> Option<Task>;

    fn close(&self);
}

pub struct OwnPool<P: Protocol> {
    injector: Arc<Injector<Task>>,
    protocol: P,
    /// Whether tasks that are pushed together are announced together.
    together: bool,
    threads: Vec<JoinHandle<()>>,
}

impl<P: Protocol> OwnPool<P> {
    pub fn new(workers: usize, together: bool) -> Self {
        let injector = Arc::new(Injector::new());
        let (protocol, workers) = P::new(workers);
        let queues: Vec<Worker<Task>> = workers.iter().map(|_| Worker::new_fifo()).collect();
        let all: Arc<[Stealer<Task>]> = queues.iter().map(Worker::stealer).collect();
        let start = |(index, (worker, own))| {
            let queues = Queues { own, injector: Arc::clone(&injector), all: Arc::clone(&all), index };
            let protocol = protocol.clone();
            thread::spawn(move || {
                while let Some(task) = P::next(&worker, || queues.find(&protocol)) {
                    task();
                }
            })
        };
        let threads = workers.into_iter().zip(queues).enumerate().map(start).collect();
        Self { injector, protocol, together, threads }
    }
}

/// The queues as a worker sees them.
struct Queues {
    own: Worker<Task>,
    injector: Arc<Injector<Task>>,
    all: Arc<[Stealer<Task>]>,
    index: usize,
}

impl Queues {
    fn find(&self, protocol: &impl Protocol) -> Option<Task> {
        self.own.pop().or_else(|| self.batch(protocol)).or_else(|| self.steal())
    }

    fn batch(&self, protocol: &impl Protocol) -> Option<Task> {
        let task = until_known(|| self.injector.steal_batch_and_pop(&self.own))?;
        // The rest of the batch was out of sight while it moved.
        match self.own.len() {
            0 => {}
            rest => protocol.wake(rest),
        }
        Some(task)
    }

    fn steal(&self) -> Option<Task> {
        let (before, from) = self.all.split_at(self.index);
        from[1..].iter().chain(before).find_map(|other| until_known(|| other.steal()))
    }
}

fn until_known(steal: impl FnMut() -> Steal<Task>) -> Option<Task> {
    std::iter::repeat_with(steal).find(|steal| !steal.is_retry())?.success()
}

impl<P: Protocol> Pool for OwnPool<P> {
    fn push(&self, task: Task) {
        self.injector.push(task);
        self.protocol.wake_one();
    }

    fn push_all(&self, tasks: Vec<Task>) {
        if !self.together {
            return tasks.into_iter().for_each(|task| self.push(task));
        }
        let count = tasks.len();
        tasks.into_iter().for_each(|task| self.injector.push(task));
        self.protocol.wake(count);
    }
}

impl<P: Protocol> Drop for OwnPool<P> {
    fn drop(&mut self) {
        self.protocol.close();
        self.threads.drain(..).for_each(|thread| thread.join().expect("no task panics"));
    }
}
