//! The trait of a pool, and the pools that are in use today.

use futures_lite::future::{block_on, or, pending};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

pub type Task = Box<dyn FnOnce() + Send>;

/// A pool that runs tasks on its own threads. Its drop ends them.
pub trait Pool {
    fn push(&self, task: Task);

    /// Pushes each task, unless the pool can push them together.
    fn push_all(&self, tasks: Vec<Task>) {
        tasks.into_iter().for_each(|task| self.push(task));
    }
}

pub struct Tokio(tokio::runtime::Runtime);

impl Tokio {
    pub fn new(workers: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build();
        Self(runtime.expect("threads can be started"))
    }
}

impl Pool for Tokio {
    fn push(&self, task: Task) {
        self.0.spawn(async move { task() });
    }
}

pub struct AsyncExecutor {
    executor: Arc<async_executor::Executor<'static>>,
    end: async_channel::Sender<()>,
    threads: Vec<JoinHandle<()>>,
}

impl AsyncExecutor {
    pub fn new(workers: usize) -> Self {
        let executor = Arc::new(async_executor::Executor::new());
        let (end, ends) = async_channel::bounded::<()>(1);
        let threads = (0..workers).map(|_| {
            let (executor, ends) = (executor.clone(), ends.clone());
            let until_end = async move { _ = ends.recv().await };
            thread::spawn(move || block_on(or(until_end, executor.run(pending()))))
        });
        let threads = threads.collect();
        Self { executor, end, threads }
    }
}

impl Pool for AsyncExecutor {
    fn push(&self, task: Task) {
        self.executor.spawn(async move { task() }).detach();
    }
}

impl Drop for AsyncExecutor {
    fn drop(&mut self) {
        self.end.close();
        self.threads.drain(..).for_each(|thread| thread.join().expect("no task panics"));
    }
}

pub struct Rayon(rayon_core::ThreadPool);

impl Rayon {
    pub fn new(workers: usize) -> Self {
        Self(rayon_core::ThreadPoolBuilder::new().num_threads(workers).build().expect("threads can be started"))
    }
}

impl Pool for Rayon {
    fn push(&self, task: Task) {
        self.0.spawn(task);
    }
}
