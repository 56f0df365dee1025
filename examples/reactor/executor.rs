//! An executor whose idle workers sleep in an event loop. Without one, it would be that of `examples/executor`, on one queue.

use crate::reactor::{Io, Reactor};
use async_task::{Runnable, Task};
use atomic_parker::driver::DriverOr;
use atomic_parker::idle::{Idle, Worker};
use crossbeam_deque::Injector;
use std::future::Future;
use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering::AcqRel};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

struct Shared {
    idle: Idle<DriverOr<Reactor>>,
    tasks: Injector<Runnable>,
    /// No worker is left.
    ended: AtomicBool,
}

impl Shared {
    fn schedule(&self, task: Runnable) {
        // In this order, so that a worker that is about to sleep sees either the task or the wake-up.
        self.tasks.push(task);
        self.idle.wake_one();
        // Read by a read-modify-write, as the drop of the executor sets it: if this one comes first, that one sees the task.
        if self.ended.fetch_or(false, AcqRel) {
            self.cancel();
        }
    }

    /// Drops the tasks that no worker will run.
    fn cancel(&self) {
        while !self.tasks.is_empty() {
            drop(self.tasks.steal());
        }
    }

    fn find(&self) -> Option<Runnable> {
        std::iter::repeat_with(|| self.tasks.steal()).find(|stolen| !stolen.is_retry())?.success()
    }

    /// `next` polls the event loop: while no other thread does and there is no task, and after each 61 tasks.
    fn work(&self, worker: &Worker<DriverOr<Reactor>>) {
        while let Some(task) = worker.next(|| self.find()) {
            let _ = catch_unwind(AssertUnwindSafe(|| task.run()));
        }
    }
}

/// Runs tasks on its workers until it is dropped.
pub struct Executor {
    pub handle: Handle,
    threads: Vec<JoinHandle<()>>,
}

/// Spawns tasks.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    pub io: Io,
}

impl Executor {
    pub fn new(workers: usize, hand_over_after: Duration) -> io::Result<Self> {
        let io = Io::new(hand_over_after)?;
        let (idle, workers) = Idle::with_driver(workers, &io.driver);
        let shared = Arc::new(Shared { idle, tasks: Injector::new(), ended: AtomicBool::new(false) });
        // If a thread can't be started, the drop of `executor` ends the threads before it.
        let mut executor = Self { handle: Handle { shared: shared.clone(), io }, threads: Vec::new() };
        for worker in workers {
            let shared = shared.clone();
            executor.threads.push(thread::Builder::new().spawn(move || shared.work(&worker))?);
        }
        Ok(executor)
    }

    pub fn hand_overs(&self) -> usize {
        self.handle.shared.idle.metrics().hand_over_count
    }
}

impl Handle {
    pub fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        let shared = self.shared.clone();
        let (runnable, task) = async_task::spawn(future, move |runnable| shared.schedule(runnable));
        runnable.schedule();
        task
    }
}

impl Drop for Executor {
    /// The workers run the tasks that are scheduled, and end. Other tasks are cancelled when they are woken.
    fn drop(&mut self) {
        let Handle { shared, io } = &self.handle;
        shared.idle.close();
        for thread in self.threads.drain(..) {
            // A task may drop the last handle. Its own worker ends after that task.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
        shared.ended.fetch_or(true, AcqRel);
        // Wakes those that wait for timers and sockets: they own what owns their wakers, and would never be freed.
        io.wake_all();
        shared.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::Registered;
    use atomic_parker::block_on;
    use std::future::poll_fn;
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
    use std::sync::{mpsc, Barrier};
    use std::task::Poll;
    use std::time::Instant;

    const HAND_OVER: Duration = Duration::from_millis(1);
    const ANY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

    #[test]
    fn a_task_that_is_woken_after_the_end_is_cancelled() {
        let (send, receive) = mpsc::channel();
        let executor = Executor::new(2, HAND_OVER).unwrap();
        let task = executor.handle.spawn(poll_fn(move |cx| {
            send.send(cx.waker().clone()).unwrap();
            Poll::<()>::Pending
        }));
        let waker = receive.recv().unwrap();
        drop(executor);
        waker.wake();
        assert_eq!(block_on(task.fallible()), None);
    }

    #[test]
    fn tasks_that_wait_at_the_end_are_cancelled_and_freed() {
        let executor = Executor::new(2, HAND_OVER).unwrap();
        let handle = executor.handle.clone();
        let (listener, _) = handle.io.listen(ANY).unwrap();
        let timer = handle.io.sleep_until(Instant::now() + Duration::from_secs(1_000));
        let (timer, accept) = (handle.spawn(timer), handle.spawn(async move { listener.accept().await.map(drop) }));
        let shared = Arc::downgrade(&handle.shared);
        drop((handle, executor));
        assert!(block_on(timer.fallible()).is_none() && block_on(accept.fallible()).is_none());
        assert_eq!(shared.strong_count(), 0);
    }

    #[test]
    fn an_earlier_timer_interrupts_the_thread_that_polls() {
        let executor = Executor::new(2, Duration::MAX).unwrap();
        let io = &executor.handle.io;
        let timers = (1..200).rev().map(|micros| io.sleep_until(Instant::now() + Duration::from_micros(100 * micros)));
        // Each is set by this thread, which does not poll.
        let tasks: Vec<_> = timers.map(|timer| executor.handle.spawn(timer)).collect();
        for timer in (1..20).map(|millis| io.sleep_until(Instant::now() + Duration::from_millis(millis))) {
            block_on(timer);
        }
        tasks.into_iter().for_each(block_on);
    }

    async fn echo(stream: Registered, block: impl Fn()) {
        let mut byte = [0];
        while stream.read(&mut byte).await.is_ok() {
            block();
            stream.write(&byte).await.unwrap();
        }
    }

    /// A connection is answered while each of the others blocks the worker that has polled for it, down to the last idle one.
    #[test]
    fn io_goes_on_while_a_worker_is_idle() {
        for (workers, hand_over_after) in (2..5).flat_map(|workers| [(workers, Duration::ZERO), (workers, HAND_OVER)]) {
            let executor = Executor::new(workers, hand_over_after).unwrap();
            let handle = &executor.handle;
            let (listener, address) = handle.io.listen(ANY).unwrap();
            let connect = || {
                let client = TcpStream::connect(address).unwrap();
                client.set_nodelay(true).unwrap();
                (client, block_on(listener.accept()).unwrap())
            };
            let (mut free, server) = connect();
            handle.spawn(echo(server, || ())).detach();
            let (send, blocked) = mpsc::channel();
            let release = Arc::new(Barrier::new(workers));
            let mut blocking = Vec::new();
            for _ in 1..workers {
                let (client, server) = connect();
                let (send, release) = (send.clone(), release.clone());
                handle.spawn(echo(server, move || _ = (send.send(()).unwrap(), release.wait()))).detach();
                blocking.push(client);
            }
            for _ in 0..50 {
                for client in &mut blocking {
                    client.write_all(&[1]).unwrap();
                    blocked.recv().unwrap();
                    free.write_all(&[1]).unwrap();
                    free.read_exact(&mut [0]).unwrap();
                }
                release.wait();
                blocking.iter_mut().for_each(|client| client.read_exact(&mut [0]).unwrap());
            }
        }
    }
}
