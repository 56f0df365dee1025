//! A pool of a shared queue and a protocol for sleeping and waking.

use crate::pools::{Pool, Task};
use crossbeam_deque::Injector;
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
        let start = |worker| {
            let injector = Arc::clone(&injector);
            thread::spawn(move || {
                while let Some(task) = P::next(&worker, || find(&injector)) {
                    task();
                }
            })
        };
        let threads = workers.into_iter().map(start).collect();
        Self { injector, protocol, together, threads }
    }
}

/// Takes one task at a time. A worker that takes a batch must announce the rest before it runs the first task. With
/// tasks of 5 µs, that wake-up costs as much as a task.
fn find(injector: &Injector<Task>) -> Option<Task> {
    std::iter::repeat_with(|| injector.steal()).find(|steal| !steal.is_retry())?.success()
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
