//! The same tests on std, and under loom in every interleaving with up to three preemptions.

use downstream::sync::thread;
use downstream::{Event, Worker};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Duration;

#[cfg(all(loom, feature = "loom"))]
fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[cfg(not(all(loom, feature = "loom")))]
fn explore(model: impl Fn() + Send + Sync + 'static) {
    (0..100).for_each(|_| model());
}

/// On std, time passes by itself.
fn let_deadlines_pass() {
    #[cfg(all(loom, feature = "loom"))]
    atomic_parker::model::advance_clock();
}

/// Jobs that are spawned while the worker goes to sleep are run.
#[test]
fn no_job_is_forgotten() {
    explore(|| {
        let worker = Worker::new();
        let spawners =
            [worker.spawner(), worker.spawner()].map(|spawner| thread::spawn(move || spawner.spawn(async {})));
        worker.run(2);
        spawners.into_iter().for_each(|spawner| spawner.join().unwrap());
    });
}

/// A job that waits is woken by the thread that it waits for.
#[test]
fn no_wake_up_is_lost() {
    explore(|| {
        let worker = Worker::new();
        let event = Event::default();
        worker.spawner().spawn(event.clone());
        let other = thread::spawn(move || event.happen());
        worker.run(1);
        other.join().unwrap();
    });
}

/// A worker that has lost its patience leaves nothing half-done: the job is done or still in the queue.
#[test]
fn patience_ends() {
    explore(|| {
        let worker = Worker::new();
        let done = Arc::new(AtomicUsize::new(0));
        let spawner = {
            let (spawner, done) = (worker.spawner(), done.clone());
            thread::spawn(move || {
                spawner.spawn(async move {
                    done.fetch_add(1, Relaxed);
                });
                let_deadlines_pass();
            })
        };
        let finished = worker.run_until_idle(Duration::from_micros(100));
        spawner.join().unwrap();
        assert_eq!(finished + worker.spawner().backlog(), 1);
        assert_eq!(done.load(Relaxed), finished);
        // What came too late is run by the next call.
        assert_eq!(worker.run_until_idle(Duration::ZERO) + finished, 1);
    });
}
