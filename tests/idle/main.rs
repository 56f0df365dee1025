//! The idle set on real threads.

use atomic_parker::idle::Idle;
use std::collections::VecDeque;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

type Task = Box<dyn FnOnce() + Send>;

/// As many tasks as workers, and each waits for all: they end only if no worker sleeps while a task waits.
#[test]
fn tasks_that_wait_for_each_other_all_run() {
    for workers in [1, 2, 3, 8, 60, 130] {
        let queue = Arc::new(Mutex::new(VecDeque::<Task>::new()));
        let (idle, set) = Idle::new(workers);
        let threads: Vec<_> = set
            .into_iter()
            .map(|worker| {
                let queue = queue.clone();
                thread::spawn(move || {
                    while let Some(task) = worker.next(|| queue.lock().unwrap().pop_front()) {
                        task();
                    }
                })
            })
            .collect();
        for round in 0..300 {
            let barrier = Arc::new(Barrier::new(workers + 1));
            for _ in 0..workers {
                let barrier = barrier.clone();
                queue.lock().unwrap().push_back(Box::new(move || drop(barrier.wait())));
                if round % 2 == 0 {
                    idle.wake_one();
                }
            }
            if round % 2 == 1 {
                idle.wake(workers);
            }
            barrier.wait();
        }
        idle.close();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(!idle.wake_one());
    }
}
