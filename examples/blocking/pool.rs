//! A pool of threads for calls that block: none at rest, one more if none is free. Without any, `push` runs the jobs.
use atomic_parker::idle::{Announced, Idle, Metrics, Worker};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{mpsc, Arc, Mutex};
use std::{collections::VecDeque, thread, time::Duration};

type Jobs = Arc<Mutex<VecDeque<Box<dyn FnOnce() + Send>>>>;
pub struct Pool(Idle, Jobs, mpsc::Receiver<()>);

impl Pool {
    /// At most `most` threads. Each ends when it was idle for `keep_alive`.
    pub fn new(most: usize, keep_alive: Duration) -> Self {
        let (jobs, (alive, ended)) = (Jobs::default(), mpsc::channel());
        let queue = jobs.clone();
        let start = move |worker: Worker| {
            let (queue, alive) = (queue.clone(), alive.clone());
            let run = move || {
                while let Some(job) = worker.next(|| queue.lock().unwrap().pop_front()) {
                    let _ = catch_unwind(AssertUnwindSafe(job)); // a panic would end the thread
                }
                drop((worker, alive)); // in this order: see `end`
            };
            thread::Builder::new().spawn(run).map(drop)
        };
        Self(Idle::builder(most).start(start).keep_alive(keep_alive).build().0, jobs, ended)
    }

    pub fn push(&self, job: impl FnOnce() + Send + 'static) {
        self.1.lock().unwrap().push_back(Box::new(job));
        if self.0.wake_one() == Announced::StartFailed {
            std::iter::from_fn(|| self.1.lock().unwrap().pop_front()).for_each(|job| job());
        }
    }

    /// Waits until all jobs have run and all threads have ended.
    pub fn end(self) -> Metrics {
        let waiting = self.1.lock().unwrap().len();
        if waiting > 0 {
            self.0.wake(waiting + 1); // a job may wait for one that has no thread; with 1, a thread that searches would do
        }
        self.0.close(); // drops `start`: no thread is started any more
        let _ = self.2.recv(); // fails when the last thread has dropped its sender
        self.0.metrics()
    }
}
