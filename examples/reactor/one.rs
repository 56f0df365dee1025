//! The first form: an executor of one thread, which sleeps in the poller.
//!
//! Every task is woken by a push into its queue and an `unpark`. While the thread runs tasks, that `unpark` is one swap.
//! Only an `unpark` that finds the thread asleep notifies the poller, which is a system call.

use crate::net::{Handle, Run};
use crate::reactor::Reactor;
use async_task::Runnable;
use atomic_parker::wait::{Key, Sleeper, Wait};
use atomic_parker::{block_on, Parker, Spin};
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::Instant;

/// After this many tasks in a row, the executor polls for I/O even if more tasks are ready.
const TASKS_PER_TURN: usize = 64;

/// The slow path of the executor's parker.
struct SleepInPoller(Arc<Reactor>);

impl Wait for SleepInPoller {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        // No check of `still_parked` is needed, because `Poller::notify` is sticky: a notification before the poller
        // sleeps makes it return at once. When the poller has returned, this thread no longer sleeps. It calls `leave`
        // before any task is woken, so that the `unpark`s of these tasks are a swap each and do not notify.
        self.0.turn(sleeper.deadline(), || sleeper.leave(false));
    }

    fn wake(&self, _: Key<'_>) {
        self.0.notify();
    }
}

/// Runs tasks on the thread that calls `run`, in the order in which they are woken.
pub struct Executor {
    parker: Parker<SleepInPoller>,
    runnable: mpsc::Receiver<Runnable>,
    handle: Handle,
    unparks: Arc<Unparks>,
}

#[derive(Default)]
struct Unparks {
    all: AtomicU64,
    by_other_threads: AtomicU64,
}

impl Executor {
    pub fn new() -> io::Result<Self> {
        let reactor = Arc::new(Reactor::new()?);
        // A parker that spins does not poll, so this parker does not spin.
        let parker = Parker::with_wait(SleepInPoller(reactor.clone())).with_spin(Spin::off());
        let (queue, runnable) = mpsc::channel();
        let (unparker, unparks) = (parker.unparker(), Arc::<Unparks>::default());
        let (this_thread, counted) = (thread::current().id(), unparks.clone());
        let handle = Handle::new(reactor, move |task| {
            counted.all.fetch_add(1, Relaxed);
            counted.by_other_threads.fetch_add((thread::current().id() != this_thread).into(), Relaxed);
            // Fails if the executor was dropped. Then the task can't run any more, and its drop cancels it.
            let _ = queue.send(task);
            unparker.unpark();
        });
        Ok(Self { parker, runnable, handle, unparks })
    }
}

impl Run for Executor {
    fn handle(&self) -> &Handle {
        &self.handle
    }

    fn run<T: Send + 'static>(self, main: impl Future<Output = T> + Send + 'static) -> (T, String) {
        let main = self.handle.spawn(main);
        let reactor = self.handle.reactor();
        while !main.is_finished() {
            // A task is queued before its `unpark`. So a task that this loop misses has set the token, and the park
            // returns at once.
            for (ran, task) in self.runnable.try_iter().enumerate() {
                task.run();
                if ran % TASKS_PER_TURN == TASKS_PER_TURN - 1 {
                    reactor.turn(Some(Instant::now()), || {});
                }
            }
            if !main.is_finished() {
                self.parker.park();
            }
        }

        let [all, by_others] = [&self.unparks.all, &self.unparks.by_other_threads].map(|count| count.load(Relaxed));
        let notifications = reactor.notifications.load(Relaxed);
        let saved = |unparks: u64| 100.0 * (1.0 - notifications as f64 / unparks.max(1) as f64);
        let figures = format!(
            "unparks        {all}, of which {by_others} by other threads\n\
             notifications  {notifications}; saved against one for each unpark: {:.1} %, for each by another thread: {:.1} %",
            saved(all),
            saved(by_others),
        );
        (block_on(main), figures)
    }
}
