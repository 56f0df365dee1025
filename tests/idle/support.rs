//! Shared by the tests of the idle set.

use crate::watchdog::watch;
use atomic_parker::idle::{Idle, Worker};
use atomic_parker::wait::{Condvar, Key, Sleeper, Wait};
use atomic_parker::{Parker, Spin};
use std::collections::VecDeque;
use std::sync::{mpsc, Arc, Mutex, MutexGuard};
use std::thread;

/// A queue that all workers share.
pub struct Queue<T>(Mutex<VecDeque<T>>);

impl<T> Queue<T> {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(VecDeque::new())))
    }

    pub fn push(&self, task: T) {
        self.0.lock().unwrap().push_back(task);
    }

    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }

    pub fn pop(&self) -> Option<T> {
        self.0.lock().unwrap().pop_front()
    }
}

/// Counts the sleeps. A worker that sleeps has made its last look. While the count is locked, no worker wakes up.
pub struct Counted(Condvar, Sleeps);

pub type Sleeps = Arc<Mutex<usize>>;

impl Wait for Counted {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        *self.1.lock().unwrap() += 1;
        self.0.wait(sleeper);
        drop(self.1.lock());
    }

    fn wake(&self, key: Key<'_>) {
        self.0.wake(key);
    }
}

/// A set of workers that never spin, and the count of their sleeps.
pub fn set(workers: usize) -> (Idle<Counted>, Vec<Worker<Counted>>, Sleeps) {
    let sleeps = Sleeps::default();
    let parker = |_| Parker::with_wait(Counted(Condvar::new(), sleeps.clone())).with_spin(Spin::off());
    let (idle, workers) = Idle::with_parkers((0..workers).map(parker));
    watch(idle.clone());
    (idle, workers, sleeps)
}

/// Waits until the workers of a set have begun `count` sleeps.
pub fn until_asleep(sleeps: &Mutex<usize>, count: usize) {
    drop(keep_asleep(sleeps, count));
}

/// The same, and then lets no worker wake up, until the guard is dropped.
pub fn keep_asleep(sleeps: &Mutex<usize>, count: usize) -> MutexGuard<'_, usize> {
    loop {
        let locked = sleeps.lock().unwrap();
        if *locked >= count {
            return locked;
        }
        drop(locked);
        thread::yield_now();
    }
}

/// Starts a thread for each worker. It runs tasks and sends its index and the result of each, until `close`.
pub fn serve<W, T, R>(
    workers: Vec<Worker<W>>,
    queue: &Arc<Queue<T>>,
    run: impl Fn(T) -> R + Clone + Send + 'static,
) -> mpsc::Receiver<(usize, R)>
where
    W: Wait + Send + Sync + 'static,
    T: Send + 'static,
    R: Send + 'static,
{
    let (sender, done) = mpsc::channel();
    if let Some(worker) = workers.first() {
        watch(worker.idle().clone());
    }
    for worker in workers {
        let (queue, sender, run) = (queue.clone(), sender.clone(), run.clone());
        thread::spawn(move || {
            while let Some(task) = worker.next(|| queue.pop()) {
                // The receiver is gone only if the test has failed.
                let _ = sender.send((worker.index(), run(task)));
            }
        });
    }
    done
}
