//! The same tests on std, and under loom with every interleaving of up to two preemptions.

use atomic_parker::AtomicParker;
use downstream::sync::thread;
use downstream::{pool, Worker};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Duration;

#[cfg(all(loom, feature = "loom"))]
fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

#[cfg(not(all(loom, feature = "loom")))]
fn explore(model: impl Fn() + Send + Sync + 'static) {
    (0..100).for_each(|_| model());
}

/// Advances loom's clock. On std, time passes by itself.
fn let_deadlines_pass() {
    #[cfg(all(loom, feature = "loom"))]
    atomic_parker::model::advance_clock();
}

/// Runs the first worker here and each other worker on a new thread. Returns the number of jobs that they finished.
fn run(workers: Vec<Worker>) -> usize {
    let mut workers = workers.into_iter();
    let here = workers.next().unwrap();
    let others: Vec<_> = workers.map(|worker| thread::spawn(move || worker.run())).collect();
    here.run() + others.into_iter().map(|worker| worker.join().unwrap()).sum::<usize>()
}

/// Each job blocks its worker until the other job runs. So no worker may sleep while a job is left.
#[test]
fn jobs_that_wait_for_each_other_both_run() {
    explore(|| {
        let (spawner, workers) = pool(2);
        let parkers = Arc::new([AtomicParker::new(), AtomicParker::new()]);
        let left = Arc::new(AtomicUsize::new(2));
        let outside = thread::spawn(move || {
            for me in 0..2 {
                let (parkers, left, end) = (parkers.clone(), left.clone(), spawner.clone());
                spawner.spawn(move || {
                    parkers[1 - me].unpark();
                    parkers[me].park();
                    if left.fetch_sub(1, Relaxed) == 1 {
                        end.close();
                    }
                });
            }
        });
        assert_eq!(run(workers), 2);
        outside.join().unwrap();
    });
}

/// A job that was spawned before `close` runs.
#[test]
fn close_loses_no_job() {
    explore(|| {
        let (spawner, workers) = pool(2);
        let outside = thread::spawn(move || {
            spawner.spawn(|| ());
            spawner.close();
        });
        assert_eq!(run(workers), 1);
        outside.join().unwrap();
    });
}

/// After a timeout, the job is either done or still in the queue.
#[test]
fn a_timeout_loses_no_job() {
    explore(|| {
        let (spawner, workers) = pool(1);
        let outside = thread::spawn({
            let spawner = spawner.clone();
            move || {
                spawner.spawn(|| ());
                let_deadlines_pass();
            }
        });
        let done = workers[0].run_until_idle(Duration::from_micros(100));
        outside.join().unwrap();
        assert_eq!(done + spawner.backlog(), 1);
        // The next call runs a job that came too late.
        assert_eq!(workers[0].run_until_idle(Duration::ZERO) + done, 1);
    });
}

/// A negative control of a user's own: a lost wake-up in a model is a panic, not an abort of all tests.
#[cfg(all(loom, feature = "loom"))]
mod a_lost_wake_up_panics {
    use atomic_parker::{block_on, idle::Idle, AtomicParker, Parker};

    #[test]
    #[should_panic = "deadlock"]
    fn in_a_parker() {
        loom::model(|| Parker::new().park());
    }

    #[test]
    #[should_panic = "deadlock"]
    fn in_an_atomic_parker() {
        loom::model(|| AtomicParker::new().park());
    }

    #[test]
    #[should_panic = "deadlock"]
    fn in_block_on() {
        loom::model(|| block_on(std::future::pending()));
    }

    #[test]
    #[should_panic = "deadlock"]
    fn in_an_idle_set() {
        loom::model(|| {
            let (_idle, workers) = Idle::new(1);
            assert_eq!(workers[0].next(|| None::<()>), None);
        });
    }
}
