//! A toy pool on [`atomic_parker::idle`], with any number of workers, that runs on std and on loom alike.

use atomic_parker::idle::{self, Idle, Next};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// A downstream crate only has to select its own locks and atomics.
pub mod sync {
    #[cfg(not(all(loom, feature = "loom")))]
    pub use std::{sync::Mutex, thread};

    #[cfg(all(loom, feature = "loom"))]
    pub use loom::{sync::Mutex, thread};
}

type Job = Box<dyn FnOnce() + Send>;

/// Spawns jobs.
#[derive(Clone)]
pub struct Spawner {
    jobs: Arc<sync::Mutex<VecDeque<Job>>>,
    idle: Idle,
}

impl Spawner {
    pub fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.jobs.lock().unwrap().push_back(Box::new(job));
        self.idle.wake_one();
    }

    pub fn backlog(&self) -> usize {
        self.jobs.lock().unwrap().len()
    }

    /// Ends the workers when no job is left.
    pub fn close(&self) {
        self.idle.close();
    }
}

/// Runs jobs on the calling thread.
pub struct Worker {
    worker: idle::Worker,
    spawner: Spawner,
}

pub fn pool(workers: usize) -> (Spawner, Vec<Worker>) {
    let (idle, workers) = Idle::new(workers);
    let spawner = Spawner { jobs: Arc::default(), idle };
    let workers = workers.into_iter().map(|worker| Worker { worker, spawner: spawner.clone() }).collect();
    (spawner, workers)
}

impl Worker {
    fn find(&self) -> Option<Job> {
        self.spawner.jobs.lock().unwrap().pop_front()
    }

    /// Runs jobs until the spawner is closed. Returns their number.
    pub fn run(&self) -> usize {
        std::iter::from_fn(|| self.worker.next(|| self.find())).map(|job| job()).count()
    }

    /// Runs jobs until it was idle for `patience`. Returns their number.
    pub fn run_until_idle(&self, patience: Duration) -> usize {
        let mut done = 0;
        while let Next::Work(job) = self.worker.next_timeout(patience, || self.find()) {
            job();
            done += 1;
        }
        done
    }
}
