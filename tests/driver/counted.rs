//! What a driver costs: counts of sleeps and wakes.

use crate::events::{self, home, until};
use crate::watchdog::watch;
use crate::workers::{announce, serve, Queue};
use atomic_parker::idle::Builder;
use atomic_parker::wait::{Condvar, Key, Sleeper, Wait};
use atomic_parker::{Parker, Spin};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::Duration;

/// Counts the sleeps of the threads that are not in the event loop, and the wakes of these threads.
#[derive(Clone, Default)]
pub struct Counted {
    condvar: Arc<Condvar>,
    pub sleeps: Arc<AtomicUsize>,
    pub wakes: Arc<AtomicUsize>,
}

impl Wait for Counted {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        self.sleeps.fetch_add(1, SeqCst);
        self.condvar.wait(sleeper);
    }

    fn wake(&self, key: Key<'_>) {
        self.wakes.fetch_add(1, SeqCst);
        self.condvar.wake(key);
    }
}

#[test]
fn eight_idle_workers_do_not_wake_up_in_two_seconds() {
    let (driver, sources) = events::new();
    let counted = Counted::default();
    let (idle, workers) = Builder::with_driver(&driver, (0..8).map(|_| counted.clone())).build();
    watch(idle.clone());
    let (queue, (sender, done)) = (Queue::new(), mpsc::channel());
    let threads: Vec<_> = workers.into_iter().map(|worker| serve(worker, &queue, &sender)).collect();
    // First they are busy, so that there is a standby.
    let (tasks, weak) = (queue.clone(), idle.downgrade());
    let socket = sources.socket(move || {
        tasks.push(());
        announce(&weak);
    });
    for _ in 0..100 {
        socket.send(&[0]).unwrap();
        done.recv().unwrap();
    }
    let figures = || {
        let [polls, sleeps, wakes] = [&sources.polls, &counted.sleeps, &counted.wakes].map(|count| count.load(SeqCst));
        (polls, sleeps, wakes, idle.metrics().park_count)
    };
    let mut last = figures();
    // Not in the first two seconds if the machine has stopped meanwhile.
    until(|| {
        thread::sleep(Duration::from_secs(2));
        std::mem::replace(&mut last, figures()) == last
    });
    assert!(idle.asleep() == 8 && driver.is_polled());
    idle.close();
    home(threads);
}

/// The thread that polled runs the task of the event, and no other one is woken.
#[test]
fn a_single_client_wakes_no_other_thread() {
    const TRIPS: usize = 10_000;
    let (driver, sources) = events::new();
    // So that a thread which does not run for a moment is no reason to hand over.
    let driver = driver.hand_over_after(Duration::from_millis(100));
    let counted = Counted::default();
    let (idle, workers) = Builder::with_driver(&driver, (0..4).map(|_| counted.clone())).build();
    watch(idle.clone());
    let (queue, (sender, done)) = (Queue::new(), mpsc::channel());
    let threads: Vec<_> = workers.into_iter().map(|worker| serve(worker, &queue, &sender)).collect();
    until(|| idle.asleep() == 4 && driver.is_polled());
    let (tasks, weak) = (queue.clone(), idle.downgrade());
    let socket = sources.socket(move || {
        tasks.push(());
        announce(&weak);
    });
    let before = (counted.wakes.load(SeqCst), sources.interrupts.load(SeqCst));
    for _ in 0..TRIPS {
        socket.send(&[0]).unwrap();
        done.recv().unwrap();
    }
    let wakes = counted.wakes.load(SeqCst) - before.0;
    assert!(wakes <= TRIPS / 50, "{wakes} wakes of other threads in {TRIPS} round trips");
    assert_eq!(sources.interrupts.load(SeqCst), before.1);
    idle.close();
    home(threads);
}

/// The event loop is often left. So a thread that goes to its bed is the standby there, and the next one that leaves wakes none.
#[test]
fn a_standby_need_not_be_woken() {
    let (driver, sources) = events::new();
    let driver = driver.hand_over_after(Duration::from_secs(1_000)); // only what the test does moves the role
    let counted = Counted::default();
    let (done, returned) = mpsc::channel();
    let threads = [0, 1, 2].map(|index| {
        let parker = Parker::with_wait(driver.or(counted.clone())).with_spin(Spin::off());
        let unparker = parker.unparker();
        let socket = sources.socket(move || _ = unparker.unpark());
        let (done, (park, parks)) = (done.clone(), mpsc::channel());
        let thread = thread::spawn(move || {
            for () in parks {
                parker.park();
                done.send(index).unwrap();
            }
        });
        (park, socket, thread)
    });
    let park = |index: usize| threads[index].0.send(()).unwrap();
    let event = |index: usize| {
        threads[index].1.send(&[0]).unwrap();
        assert_eq!(returned.recv().unwrap(), index);
    };
    let asleep = |sleeps| until(|| counted.sleeps.load(SeqCst) == sleeps);
    let polled_by = |index: usize| until(|| *sources.polled_by.lock().unwrap() == threads[index].2.thread().id());
    park(0);
    polled_by(0);
    park(1);
    asleep(1);
    event(0);
    polled_by(1); // at once, as this was the first time
    park(0);
    asleep(2);
    event(1); // wakes the standby, which counts down
    asleep(3);
    let polls = sources.polls.load(SeqCst);
    park(1);
    until(|| sources.polls.load(SeqCst) > polls);
    event(0); // no standby is left
    park(2);
    asleep(4);
    let wakes = counted.wakes.load(SeqCst);
    event(1);
    assert_eq!(counted.wakes.load(SeqCst), wakes);
    park(1);
    event(2);
    event(1);
    for (park, _, thread) in threads {
        drop(park);
        home([thread]);
    }
}
