//! A toy executor with one worker, on a `Parker` and its `Unparker`s, that runs on std and on loom alike.

use atomic_parker::{Parker, Unparker};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// All that a downstream crate has to do itself: its own locks and atomics have two homes.
pub mod sync {
    #[cfg(not(all(loom, feature = "loom")))]
    pub use std::{sync::Mutex, thread};

    #[cfg(all(loom, feature = "loom"))]
    pub use loom::{sync::Mutex, thread};
}

use sync::Mutex;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Queue {
    ready: Mutex<VecDeque<Arc<Task>>>,
    unparker: Unparker,
}

struct Task {
    /// Gone when it is done.
    job: Mutex<Option<Job>>,
    queue: Arc<Queue>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let queue = self.queue.clone();
        queue.ready.lock().unwrap().push_back(self);
        queue.unparker.unpark();
    }
}

/// Gives work to a [`Worker`].
#[derive(Clone)]
pub struct Spawner(Arc<Queue>);

impl Spawner {
    pub fn spawn(&self, job: impl Future<Output = ()> + Send + 'static) {
        Arc::new(Task { job: Mutex::new(Some(Box::pin(job))), queue: self.0.clone() }).wake();
    }

    pub fn backlog(&self) -> usize {
        self.0.ready.lock().unwrap().len()
    }
}

/// Runs what is spawned, on the thread that calls it.
pub struct Worker {
    queue: Arc<Queue>,
    parker: Parker,
}

impl Worker {
    pub fn new() -> Self {
        let parker = Parker::new();
        Worker { queue: Arc::new(Queue { ready: Mutex::default(), unparker: parker.unparker() }), parker }
    }

    pub fn spawner(&self) -> Spawner {
        Spawner(self.queue.clone())
    }

    /// Polls until so many jobs are done.
    pub fn run(&self, jobs: usize) {
        let mut done = 0;
        while done < jobs {
            match self.poll_one() {
                Some(finished) => done += usize::from(finished),
                None => self.parker.park(),
            }
        }
    }

    /// Polls until there was nothing to do for so long; returns how many jobs are done.
    pub fn run_until_idle(&self, patience: Duration) -> usize {
        let mut done = 0;
        loop {
            match self.poll_one() {
                Some(finished) => done += usize::from(finished),
                None if self.parker.park_timeout(patience) => {}
                None => return done,
            }
        }
    }

    /// Polls the next task, if there is one, and returns whether it is done.
    fn poll_one(&self) -> Option<bool> {
        let task = self.queue.ready.lock().unwrap().pop_front()?;
        let waker = Waker::from(task.clone());
        let mut job = task.job.lock().unwrap();
        let Some(future) = job.as_mut() else {
            return Some(false);
        };
        let finished = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        if finished {
            *job = None;
        }
        Some(finished)
    }
}

impl Default for Worker {
    fn default() -> Self {
        Worker::new()
    }
}

/// Something that happens once, for jobs to wait for.
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
