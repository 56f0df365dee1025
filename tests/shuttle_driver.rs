#![cfg(all(shuttle, feature = "shuttle"))]
//! Random and PCT schedules over scenarios of the driver that are too long for `tests/loom_driver.rs`.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test --release --features shuttle,futex,parking_lot --test shuttle_driver
//! ```
//!
//! The number of schedules is fixed, and each run draws new ones.
//! A thread that sleeps while nobody will take its event is a deadlock, and fails.

#[path = "models/slow.rs"]
mod slow;

use atomic_parker::driver::{Driver, EventLoop};
use atomic_parker::model::advance_clock;
use atomic_parker::wait::{Condvar, Futex, ParkingLot};
use atomic_parker::{AtomicParker, Parker, Spin};
use shuttle::rand::{thread_rng, Rng};
use shuttle::sync::{Barrier, Mutex};
use shuttle::thread;
use slow::Slow;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SCHEDULES: usize = 2_000;
/// How many preemptions PCT places.
const DEPTH: usize = 4;
const THREADS: usize = 4;
const EVENTS: usize = 3;

fn explore(scenario: fn()) {
    shuttle::check_random(scenario, SCHEDULES);
    shuttle::check_pct(scenario, SCHEDULES, DEPTH);
}

#[derive(Default)]
struct Sources {
    signal: AtomicParker,
    fired: Mutex<Vec<usize>>,
    targets: Mutex<Vec<Box<dyn Fn() + Send>>>,
}

struct Events(Arc<Sources>);

impl EventLoop for Events {
    fn wait(&mut self, until: Option<Instant>) {
        if !self.0.fired.lock().unwrap().is_empty() {
            return;
        }
        match until {
            None => self.0.signal.park(),
            Some(until) => _ = self.0.signal.park_deadline(until),
        }
    }

    fn deliver(&mut self) {
        let fired = std::mem::take(&mut *self.0.fired.lock().unwrap());
        let targets = self.0.targets.lock().unwrap();
        fired.into_iter().for_each(|event| targets[event]());
    }
}

/// In each round, all threads get an event, by a signal or as a timer, and wait for each other.
fn rounds<W: Slow>() {
    let sources = Arc::new(Sources::default());
    let interrupted = sources.clone();
    let after = [Duration::ZERO, Duration::from_secs(1)][thread_rng().gen_range(0..2)];
    let driver = Driver::new(Events(sources.clone()), move || _ = interrupted.signal.unpark()).hand_over_after(after);
    let parkers: Vec<_> = (0..THREADS)
        .map(|_| {
            let parker = Parker::with_wait(driver.or(W::default())).with_spin(Spin::off());
            let unparker = parker.unparker();
            sources.targets.lock().unwrap().push(Box::new(move || _ = unparker.unpark()));
            parker
        })
        .collect();
    // The source of the events waits too.
    let barrier = Arc::new(Barrier::new(THREADS + 1));
    let threads: Vec<_> = parkers
        .into_iter()
        .map(|parker| {
            let (barrier, driver) = (barrier.clone(), driver.clone());
            thread::spawn(move || {
                for _ in 0..EVENTS {
                    match thread_rng().gen_range(0..3) {
                        0 if parker.park_timeout(Duration::from_secs(1)) => {}
                        1 => {
                            driver.poll_now();
                            parker.park();
                        }
                        _ => parker.park(),
                    }
                    barrier.wait();
                }
            })
        })
        .collect();
    for round in 0..EVENTS {
        for event in 0..THREADS {
            sources.fired.lock().unwrap().push(event);
            if thread_rng().gen() {
                sources.signal.unpark();
            } else {
                driver.interrupt();
            }
        }
        if round == 0 {
            // Without the clock, a standby counts down for ever.
            advance_clock();
        }
        barrier.wait();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(!driver.is_polled());
    sources.targets.lock().unwrap().clear();
}

#[test]
fn rounds_on_condvar() {
    explore(rounds::<Condvar>);
}

#[test]
fn rounds_on_futex() {
    explore(rounds::<Futex>);
}

#[test]
fn rounds_on_parking_lot() {
    explore(rounds::<ParkingLot>);
}
