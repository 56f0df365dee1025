#![cfg(all(shuttle, feature = "shuttle"))]
//! Random and PCT schedules over scenarios of the idle set that are too long for `tests/loom_idle.rs`.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test --release --features shuttle,futex,parking_lot --test shuttle_idle
//! ```
//!
//! The number of schedules is fixed, and each run draws new ones.
//! A worker that sleeps while work waits is a deadlock, and fails.

use atomic_parker::idle::{Idle, Next, Worker};
use atomic_parker::model::advance_clock;
use atomic_parker::wait::{Condvar, Futex, ParkingLot, Wait};
use atomic_parker::Parker;
use shuttle::rand::{thread_rng, Rng};
use shuttle::sync::{Barrier, Mutex};
use shuttle::thread;
use std::sync::Arc;
use std::time::Duration;

const SCHEDULES: usize = 2_000;
/// How many preemptions PCT places.
const DEPTH: usize = 4;
const WORKERS: usize = 3;
const GROUPS: usize = 4;

type Queue = Arc<Mutex<Vec<Arc<Barrier>>>>;

fn explore(scenario: fn()) {
    shuttle::check_random(scenario, SCHEDULES);
    shuttle::check_pct(scenario, SCHEDULES, DEPTH);
}

/// Runs tasks until the set is closed. A worker that times out is dropped, and its place is taken again.
///
/// No thread panics: when one unwinds, shuttle reports all threads as panicking.
fn work<W: Wait>(mut worker: Worker<W>, queue: &Queue) {
    loop {
        let find = || queue.lock().unwrap().pop();
        let next = match thread_rng().gen_range(0..3) {
            0 => worker.next_timeout(Duration::from_secs(1), find),
            _ => worker.next(find).map_or(Next::Closed, Next::Work),
        };
        match next {
            Next::Work(barrier) => drop(barrier.wait()),
            Next::Closed => return,
            Next::TimedOut => {
                let idle = worker.idle().clone();
                drop(worker);
                worker = idle.enter().expect("a place is vacant");
            }
        }
    }
}

/// Groups of tasks that wait for each other.
fn groups<W: Wait + Send + Sync + 'static>(new: fn() -> W) {
    let (idle, workers) = Idle::with_parkers((0..WORKERS).map(|_| Parker::with_wait(new())));
    let queue = Queue::default();
    let start = |worker| {
        let queue = queue.clone();
        thread::spawn(move || work(worker, &queue))
    };
    let threads: Vec<_> = workers.into_iter().map(start).collect();
    let late = thread_rng().gen_range(0..GROUPS * 2);
    for group in 0..GROUPS {
        if group == late {
            advance_clock();
        }
        let tasks = thread_rng().gen_range(1..=WORKERS);
        // The caller waits at the barrier too.
        let barrier = Arc::new(Barrier::new(tasks + 1));
        let announcement = thread_rng().gen_range(0..3);
        for _ in 0..tasks {
            queue.lock().unwrap().push(barrier.clone());
            match announcement {
                0 => _ = idle.wake_one(),
                1 => _ = idle.wake_worker(thread_rng().gen_range(0..WORKERS)),
                _ => {}
            }
        }
        if announcement == 2 {
            idle.wake(tasks);
        }
        barrier.wait();
    }
    idle.close();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(queue.lock().unwrap().is_empty());
}

#[test]
fn groups_on_condvar() {
    explore(|| groups(Condvar::new));
}

#[test]
fn groups_on_futex() {
    explore(|| groups(Futex::new));
}

#[test]
fn groups_on_parking_lot() {
    explore(|| groups(|| ParkingLot));
}
