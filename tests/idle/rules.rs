//! One promise a test.

use crate::support::{serve, set, until_asleep, Queue};
use atomic_parker::idle::{Idle, Next, Worker};
use std::sync::{Arc, Barrier};
use std::time::Duration;

#[test]
fn handles_are_send_and_sync_as_documented() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    fn clone<T: Clone>() {}
    send::<Idle>();
    sync::<Idle>();
    clone::<Idle>();
    send::<Worker>();
    trait NotSync<A> {
        fn holds() {}
    }
    impl<T: ?Sized> NotSync<()> for T {}
    struct IsSync;
    impl<T: ?Sized + Sync> NotSync<IsSync> for T {}
    // Ambiguous, and so an error, if a worker is `Sync`.
    <Worker as NotSync<_>>::holds();
}

#[test]
fn work_that_is_there_needs_no_wake() {
    let (idle, workers) = Idle::new(1);
    assert_eq!(workers[0].next(|| Some(1)), Some(1));
    assert_eq!(workers[0].next_timeout(Duration::ZERO, || Some(2)), Next::Work(2));
    assert_eq!(workers[0].next_deadline(|| unreachable!("asked before a sleep only"), || Some(3)), Next::Work(3));
    assert_eq!(workers[0].wait_for(|| Some(4)), 4);
    assert!(!idle.wake_one());
    assert_eq!((idle.asleep(), idle.workers()), (0, 1));
}

#[test]
fn a_set_without_workers_wakes_nobody() {
    let (idle, workers) = Idle::new(0);
    assert!(workers.is_empty());
    assert!(!idle.wake_one());
    assert!(!idle.wake_worker(0));
    assert_eq!(idle.wake(3), 0);
    assert!(idle.enter().is_none());
    idle.close();
    assert!(idle.is_closed());
}

#[test]
fn a_lone_task_wakes_exactly_the_lowest_sleeper() {
    let (idle, workers, sleeps) = set(3);
    let queue = Queue::new();
    let found = serve(workers, &queue, |task| task);
    for task in 0..100 {
        until_asleep(&sleeps, 3 + task);
        queue.push(task);
        assert!(idle.wake_one());
        assert_eq!(found.recv().unwrap(), (0, task));
    }
    until_asleep(&sleeps, 103);
    assert_eq!(idle.asleep(), 3);
    idle.close();
    assert!(found.recv().is_err());
}

#[test]
fn tasks_that_wait_for_each_other_all_run() {
    for workers in [1, 2, 3, 8, 65, 130] {
        let (idle, all) = Idle::new(workers);
        let queue = Queue::new();
        let found = serve(all, &queue, |barrier: Arc<Barrier>| barrier.wait());
        for round in 0..20 {
            let barrier = Arc::new(Barrier::new(workers));
            (0..workers).for_each(|_| {
                queue.push(barrier.clone());
                if round % 2 == 0 {
                    idle.wake_one();
                }
            });
            if round % 2 == 1 {
                assert!(idle.wake(workers) <= workers);
            }
            (0..workers).for_each(|_| assert!(found.recv().is_ok()));
        }
        idle.close();
        assert!(found.recv().is_err());
    }
}
