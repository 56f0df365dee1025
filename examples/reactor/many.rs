//! The second form: several workers on [`atomic_parker::idle`]. One idle worker sleeps in the poller, the others on
//! condition variables.
//!
//! The worker that polls is the *driver*. I/O never waits while a worker is idle:
//!
//! 1. A worker without work becomes the driver if there is none. If there is one, it sleeps on its own `Condvar`.
//! 2. While it polls, the driver is a sleeping worker like the others. For the tasks that its events and timers wake,
//!    `wake_one` wakes the sleeping worker with the lowest index: the driver itself only if no lower worker sleeps.
//! 3. A driver that is woken for a task hands over before it runs it: it wakes the sleeping worker with the highest
//!    index, which becomes the driver. So there is a driver whenever a worker is idle.
//!
//! `wake_one` wakes the highest sleeping worker last. So hand-overs are rare: a driver with a low index is soon woken for
//! a task, and its successor is the highest sleeping worker.

use crate::net::{Handle, Run};
use crate::reactor::Reactor;
use async_task::Runnable;
use atomic_parker::idle::{Idle, Worker};
use atomic_parker::wait::{Key, Sleeper, Wait};
use atomic_parker::{block_on, Parker, Spin};
use crossbeam_deque::{Injector, Steal};
use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::AcqRel, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// After this many tasks in a row, a worker polls for I/O even if more tasks are ready.
const TASKS_PER_TURN: u64 = 64;

/// The idle workers of one executor sleep here.
struct Dormitory {
    reactor: Arc<Reactor>,
    beds: Mutex<Beds>,
    /// One for each worker, all with the same mutex.
    wake_ups: Vec<Condvar>,
    hand_overs: AtomicU64,
}

#[derive(Default)]
struct Beds {
    /// The worker that polls, or wakes the tasks of its last poll.
    driver: Option<usize>,
    /// Whether the driver is in the poller, and has to be notified.
    polls: bool,
    /// The other sleeping workers.
    asleep: BTreeSet<usize>,
}

/// The slow path of one worker's parker.
struct PollOrSleep {
    worker: usize,
    dormitory: Arc<Dormitory>,
}

impl Wait for PollOrSleep {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        let Self { worker, dormitory } = self;
        let mut beds = dormitory.beds();
        // This check is under the lock that `wake` takes, so no `wake` is missed.
        while sleeper.still_parked() && sleeper.timeout() != Some(Duration::ZERO) {
            if *beds.driver.get_or_insert(*worker) == *worker {
                beds.polls = true;
                drop(beds);
                // No longer in the poller, before any task is woken: the driver may be woken for one of them, and a
                // notification would be a needless system call.
                dormitory.reactor.turn(sleeper.deadline(), || dormitory.beds().polls = false);
                beds = dormitory.beds();
            } else {
                beds.asleep.insert(*worker);
                let limit = sleeper.timeout().unwrap_or(Duration::from_secs(3600));
                beds = dormitory.wake_ups[*worker].wait_timeout(beds, limit).unwrap().0;
                beds.asleep.remove(worker);
            }
        }
        dormitory.hand_over(*worker, &mut beds);
    }

    fn wake(&self, _: Key<'_>) {
        let beds = self.dormitory.beds();
        let drives = beds.driver == Some(self.worker);
        let polls = drives && beds.polls;
        drop(beds);
        if polls {
            self.dormitory.reactor.notify();
        } else if !drives {
            self.dormitory.wake_ups[self.worker].notify_one();
        }
    }
}

impl Dormitory {
    fn beds(&self) -> MutexGuard<'_, Beds> {
        self.beds.lock().unwrap()
    }

    /// This worker leaves. If there is no driver without it, the highest sleeping worker is woken to become one.
    ///
    /// A worker that was woken for this, and for a task at the same time, comes here too, and wakes the next.
    fn hand_over(&self, worker: usize, beds: &mut Beds) {
        if beds.driver == Some(worker) {
            beds.driver = None;
        }
        if let (None, Some(next)) = (beds.driver, beds.asleep.last()) {
            self.wake_ups[*next].notify_one();
            self.hand_overs.fetch_add(1, Relaxed);
        }
    }

    /// Polls without waiting, unless another worker polls anyway.
    fn poll_now(&self, worker: usize) {
        let mut beds = self.beds();
        if beds.driver.is_none() {
            beds.driver = Some(worker);
            drop(beds);
            self.reactor.turn(Some(Instant::now()), || {});
            self.hand_over(worker, &mut self.beds());
        }
    }
}

struct Shared {
    idle: Idle<PollOrSleep>,
    tasks: Injector<Runnable>,
    /// No worker is left.
    ended: AtomicBool,
    dormitory: Arc<Dormitory>,
    pushes: AtomicU64,
    pushes_that_woke: AtomicU64,
}

impl Shared {
    fn schedule(&self, task: Runnable) {
        // In this order, so that a worker that is about to sleep sees either the task or the wake-up.
        self.tasks.push(task);
        let woke = self.idle.wake_one().woke();
        self.pushes.fetch_add(1, Relaxed);
        self.pushes_that_woke.fetch_add(woke.into(), Relaxed);
        // Read by a read-modify-write, as `end` sets it: if this one comes first, that one sees the task.
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
        loop {
            match self.tasks.steal() {
                Steal::Success(task) => return Some(task),
                // Another worker was faster, and the queue may have more tasks.
                Steal::Retry => {}
                Steal::Empty => return None,
            }
        }
    }

    /// Runs tasks until the end, and returns their number.
    fn work(&self, worker: &Worker<PollOrSleep>) -> u64 {
        let mut ran = 0;
        while let Some(task) = worker.next(|| self.find()) {
            task.run();
            ran += 1;
            if ran % TASKS_PER_TURN == 0 {
                self.dormitory.poll_now(worker.index());
            }
        }
        ran
    }
}

pub struct Executor {
    shared: Arc<Shared>,
    handle: Handle,
    threads: Vec<JoinHandle<u64>>,
}

impl Executor {
    pub fn new(workers: usize) -> io::Result<Self> {
        let reactor = Arc::new(Reactor::new()?);
        let dormitory = Arc::new(Dormitory {
            reactor: reactor.clone(),
            beds: Mutex::default(),
            wake_ups: (0..workers).map(|_| Condvar::new()).collect(),
            hand_overs: AtomicU64::new(0),
        });
        let (idle, workers) = Idle::with_parkers((0..workers).map(|worker| {
            let wait = PollOrSleep { worker, dormitory: dormitory.clone() };
            // A worker that spins does not poll. Each worker may have to poll.
            Parker::with_wait(wait).with_spin(Spin::off())
        }));
        let shared = Arc::new(Shared {
            idle,
            tasks: Injector::new(),
            ended: AtomicBool::new(false),
            dormitory,
            pushes: AtomicU64::new(0),
            pushes_that_woke: AtomicU64::new(0),
        });
        let handle = Handle::new(reactor, {
            let shared = shared.clone();
            move |task| shared.schedule(task)
        });
        // If a thread can't be started, the drop of `executor` ends the threads before it.
        let mut executor = Self { shared, handle, threads: Vec::new() };
        for worker in workers {
            let shared = executor.shared.clone();
            let thread = thread::Builder::new().name(format!("worker {}", worker.index()));
            executor.threads.push(thread.spawn(move || shared.work(&worker))?);
        }
        Ok(executor)
    }

    /// A task that is woken later is cancelled.
    fn end(&mut self) -> Vec<u64> {
        self.shared.idle.close();
        let ran = self.threads.drain(..).map(|thread| thread.join().unwrap_or_default()).collect();
        self.shared.ended.fetch_or(true, AcqRel);
        self.shared.cancel();
        ran
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.end();
    }
}

impl Run for Executor {
    fn handle(&self) -> &Handle {
        &self.handle
    }

    fn run<T: Send + 'static>(mut self, main: impl Future<Output = T> + Send + 'static) -> (T, String) {
        let result = block_on(self.handle.spawn(main));
        let ran = self.end();
        let Shared { dormitory, pushes, pushes_that_woke, .. } = &*self.shared;
        let notifications = &dormitory.reactor.notifications;
        let [pushes, woke, notifications, hand_overs] =
            [pushes, pushes_that_woke, notifications, &dormitory.hand_overs].map(|count| count.load(Relaxed));
        let figures = format!(
            "pushes         {pushes}, of which {woke} woke a worker\n\
             notifications  {notifications}\n\
             hand-overs     {hand_overs}\n\
             tasks run      {ran:?}, by worker"
        );
        (result, figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Listener;
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpStream};
    use std::sync::mpsc::{channel, Sender};

    async fn echo(handle: Handle, listener: Listener) {
        let stream = listener.accept().await.unwrap();
        let mut byte = [0];
        while stream.read(&mut byte).await.unwrap() == 1 {
            handle.sleep(Duration::from_micros(100)).await;
            stream.write(&byte).await.unwrap();
        }
    }

    fn round_trip(client: &mut TcpStream) {
        client.write_all(&[1]).unwrap();
        client.read_exact(&mut [0]).unwrap();
    }

    /// Blocks a worker until the sender is dropped. Returns the sender and the worker's name.
    fn block_a_worker(executor: &Executor) -> (String, Sender<()>) {
        let (release, released) = channel::<()>();
        let (say, name) = channel();
        let task = executor.handle().spawn(async move {
            say.send(thread::current().name().unwrap().to_owned()).unwrap();
            let _ = released.recv();
        });
        task.detach();
        (name.recv().unwrap(), release)
    }

    fn until(executor: &Executor, condition: impl Fn(&Beds) -> bool) {
        while !condition(&executor.shared.dormitory.beds()) {
            thread::yield_now();
        }
    }

    #[test]
    fn a_task_that_is_woken_after_the_end_is_cancelled() {
        let (send, receive) = channel();
        let executor = Executor::new(2).unwrap();
        let task = executor.handle().spawn(std::future::poll_fn(move |cx| {
            send.send(cx.waker().clone()).unwrap();
            std::task::Poll::<()>::Pending
        }));
        let waker = receive.recv().unwrap();
        drop(executor);
        waker.wake();
        assert_eq!(block_on(task.fallible()), None);
    }

    /// A server answers while more and more workers are blocked, beginning with the driver, down to the last idle one.
    #[test]
    fn io_goes_on_while_a_worker_is_idle() {
        for workers in 2..5 {
            let executor = Executor::new(workers).unwrap();
            let listener = executor.handle().listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            let mut client = TcpStream::connect(listener.address).unwrap();
            client.set_nodelay(true).unwrap();
            let server = executor.handle().spawn(echo(executor.handle().clone(), listener));

            for _ in 0..50 {
                // The first worker that sleeps is the driver. It must be the one that `wake_one` wakes first.
                let mut blocked: Vec<_> = (0..workers).map(|_| block_a_worker(&executor)).collect();
                blocked.retain(|(name, _)| name != "worker 0");
                until(&executor, |beds| beds.driver == Some(0) && beds.polls);
                drop(blocked);
                until(&executor, |beds| beds.asleep.len() == workers - 1);

                let mut blocked = Vec::new();
                while blocked.len() < workers - 1 {
                    blocked.push(block_a_worker(&executor));
                    round_trip(&mut client);
                }
                drop(blocked);
                // Now the driver is not the worker that sets the timer.
                (0..3).for_each(|_| round_trip(&mut client));
            }
            drop(client);
            block_on(server);
        }
    }
}
