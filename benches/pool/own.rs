//! A pool of a shared queue, a queue for each worker, and a protocol that says who sleeps and who wakes whom.

use crate::pools::{Pool, Task};
use crossbeam_deque::{Injector, Steal, Stealer, Worker as Queue};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// Which worker to wake, and how a worker falls asleep without losing a wake-up.
pub trait Protocol: Clone + Send + Sync + 'static {
    type Worker: Send + 'static;

    fn new(workers: usize) -> (Self, Vec<Self::Worker>);

    /// A task was made visible.
    fn wake_one(&self);

    /// So many tasks were made visible.
    fn wake(&self, tasks: usize);

    /// What `find` finds; sleeps while it finds nothing. `None` after `close`.
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
        let queues: Vec<Queue<Task>> = workers.iter().map(|_| Queue::new_fifo()).collect();
        let stealers: Arc<[Stealer<Task>]> = queues.iter().map(Queue::stealer).collect();
        let start = |((index, worker), queue)| {
            let (injector, stealers, protocol) = (Arc::clone(&injector), Arc::clone(&stealers), protocol.clone());
            thread::spawn(move || {
                let find = || find(index, &queue, &injector, &stealers, &protocol);
                while let Some(task) = P::next(&worker, find) {
                    task();
                }
            })
        };
        let threads = workers.into_iter().enumerate().zip(queues).map(start).collect();
        Self { injector, protocol, together, threads }
    }
}

/// The worker's own queue, the shared one, those of the others.
fn find<P: Protocol>(
    index: usize,
    queue: &Queue<Task>,
    injector: &Injector<Task>,
    stealers: &[Stealer<Task>],
    protocol: &P,
) -> Option<Task> {
    queue.pop().or_else(|| {
        let others = || stealers[index + 1..].iter().chain(&stealers[..index]);
        let steal = || -> Steal<Task> {
            injector.steal_batch_and_pop(queue).or_else(|| others().map(Stealer::steal).collect())
        };
        let task = std::iter::repeat_with(steal).find(|steal| !steal.is_retry())?.success();
        // The rest of a batch is visible to the others now. Those that looked for it meanwhile may be asleep again.
        if !queue.is_empty() {
            protocol.wake(queue.len());
        }
        task
    })
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
