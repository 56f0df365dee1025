//! A toy executor on [`atomic_parker::idle`], with any number of workers, that runs on std and on loom alike.

use atomic_parker::idle::{self, Idle, Next};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// A downstream crate only has to select its own locks and atomics.
pub mod sync {
    #[cfg(not(all(loom, feature = "loom")))]
    pub use std::{sync::Mutex, thread};

    #[cfg(all(loom, feature = "loom"))]
    pub use loom::{sync::Mutex, thread};
}

use sync::Mutex;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Shared {
    ready: Mutex<VecDeque<Arc<Task>>>,
    idle: Idle,
}

struct Task {
    /// `None` when the job is done.
    job: Mutex<Option<Job>>,
    shared: Arc<Shared>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let shared = self.shared.clone();
        shared.ready.lock().unwrap().push_back(self);
        shared.idle.wake_one();
    }
}

impl Task {
    /// Returns whether this poll finished the job.
    fn poll(self: Arc<Self>) -> bool {
        let waker = Waker::from(self.clone());
        let mut job = self.job.lock().unwrap();
        let done = job.as_mut().is_some_and(|job| job.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
        if done {
            *job = None;
        }
        done
    }
}

/// Spawns jobs.
#[derive(Clone)]
pub struct Spawner(Arc<Shared>);

impl Spawner {
    pub fn spawn(&self, job: impl Future<Output = ()> + Send + 'static) {
        Arc::new(Task { job: Mutex::new(Some(Box::pin(job))), shared: self.0.clone() }).wake();
    }

    pub fn backlog(&self) -> usize {
        self.0.ready.lock().unwrap().len()
    }

    /// Ends the workers when no job is left to poll.
    pub fn close(&self) {
        self.0.idle.close();
    }
}

/// Runs jobs on the calling thread.
pub struct Worker {
    worker: idle::Worker,
    shared: Arc<Shared>,
}

pub fn executor(workers: usize) -> (Spawner, Vec<Worker>) {
    let (idle, workers) = Idle::new(workers);
    let shared = Arc::new(Shared { ready: Mutex::default(), idle });
    let workers = workers.into_iter().map(|worker| Worker { worker, shared: shared.clone() }).collect();
    (Spawner(shared), workers)
}

impl Worker {
    fn find(&self) -> Option<Arc<Task>> {
        self.shared.ready.lock().unwrap().pop_front()
    }

    /// Polls until the spawner is closed. Returns the number of jobs that this worker finished.
    pub fn run(&self) -> usize {
        let mut done = 0;
        while let Some(task) = self.worker.next(|| self.find()) {
            done += usize::from(task.poll());
        }
        done
    }

    /// Polls until it was idle for `patience`. Returns the number of jobs that this worker finished.
    pub fn run_until_idle(&self, patience: Duration) -> usize {
        let mut done = 0;
        while let Next::Work(task) = self.worker.next_timeout(patience, || self.find()) {
            done += usize::from(task.poll());
        }
        done
    }
}

/// An event that happens once, and that jobs can wait for.
#[derive(Clone, Default)]
pub struct Event(Arc<Mutex<(bool, Option<Waker>)>>);

impl Event {
    pub fn happen(&self) {
        let mut event = self.0.lock().unwrap();
        event.0 = true;
        let waker = event.1.take();
        drop(event);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Future for Event {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut event = self.0.lock().unwrap();
        if event.0 {
            return Poll::Ready(());
        }
        event.1 = Some(context.waker().clone());
        Poll::Pending
    }
}
