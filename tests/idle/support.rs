//! Shared by the tests of the idle set.

use atomic_parker::idle::{Idle, Worker};
use atomic_parker::wait::{Condvar, Key, Sleeper, Wait};
use atomic_parker::{Parker, Spin};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{mpsc, Arc, Mutex};
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

    pub fn pop(&self) -> Option<T> {
        self.0.lock().unwrap().pop_front()
    }
}

/// Counts the sleeps. A worker that sleeps has made its last look.
pub struct Counted(Condvar, Arc<AtomicUsize>);

impl Wait for Counted {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        self.1.fetch_add(1, SeqCst);
        self.0.wait(sleeper);
    }

    fn wake(&self, key: Key<'_>) {
        self.0.wake(key);
    }
}

/// A set of workers that never spin, and the count of their sleeps.
pub fn set(workers: usize) -> (Idle<Counted>, Vec<Worker<Counted>>, Arc<AtomicUsize>) {
    let sleeps = Arc::new(AtomicUsize::new(0));
    let parker = |_| Parker::with_wait(Counted(Condvar::new(), sleeps.clone())).with_spin(Spin::off());
    let (idle, workers) = Idle::with_parkers((0..workers).map(parker));
    (idle, workers, sleeps)
}

/// Waits until the workers of a set have begun `count` sleeps.
pub fn until_asleep(sleeps: &AtomicUsize, count: usize) {
    while sleeps.load(SeqCst) < count {
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
