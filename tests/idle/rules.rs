//! One guarantee for each test.

use crate::support::{keep_asleep, serve, set, until_asleep, Queue};
use crate::watchdog::watch;
use atomic_parker::idle::{Announced, Idle, Next, Worker};
use atomic_parker::wait::{Key, Sleeper, Wait};
use atomic_parker::{Parker, Spin};
use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{mpsc, Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn work_that_is_there_needs_no_wake() {
    let (idle, workers) = Idle::new(1);
    assert_eq!(workers[0].next(|| Some(1)), Some(1));
    assert_eq!(workers[0].next_timeout(Duration::ZERO, || Some(2)), Next::Work(2));
    assert_eq!(workers[0].next_deadline(|| unreachable!("called only before a sleep"), || Some(3)), Next::Work(3));
    assert_eq!(workers[0].wait_for(|| Some(4)), 4);
    assert!(!idle.wake_one().woke());
    assert_eq!((idle.asleep(), idle.workers()), (0, 1));
    let head = "Head { idle: 0, searches: 0, debt: None, audited: false, closed: false }";
    let idle = format!("Idle {{ workers: 1, roster: Roster {{ head: {head}, asleep: [], vacant: 0 }} }}");
    assert_eq!(format!("{:?}", workers[0]), format!("Worker {{ index: 0, idle: {idle} }}"));
}

#[test]
fn a_set_without_workers_wakes_nobody() {
    let (idle, workers) = Idle::new(0);
    assert!(workers.is_empty());
    assert!(!idle.wake_one().woke());
    assert!(!idle.wake_worker(0).woke());
    assert_eq!(idle.wake(3), 0);
    assert!(idle.enter().is_none());
    idle.close();
    assert!(idle.is_closed());
    assert!(format!("{idle:?}").contains("closed: true"));
}

#[test]
fn a_lone_task_wakes_exactly_the_lowest_sleeper() {
    let (idle, workers, sleeps) = set(3);
    let queue = Queue::new();
    let found = serve(workers, &queue, |task| task);
    for task in 0..100 {
        until_asleep(&sleeps, 3 + task);
        queue.push(task);
        assert!(idle.wake_one().woke());
        assert_eq!(found.recv().unwrap(), (0, task));
    }
    until_asleep(&sleeps, 103);
    assert_eq!(idle.asleep(), 3);
    idle.close();
    assert!(found.recv().is_err());
}

#[test]
fn while_a_woken_worker_looks_no_other_is_woken() {
    let (idle, mut workers, sleeps) = set(3);
    let (started, looks) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel::<()>();
    let first = workers.remove(0);
    let thread = thread::spawn(move || {
        let mut calls = 0;
        // The third look is the one after the wake.
        first.next(|| {
            calls += 1;
            (calls == 3).then(|| (started.send(()), goes_on.recv()))
        })
    });
    let found = serve(workers, &Queue::<()>::new(), |task| task);
    until_asleep(&sleeps, 3);
    assert!(idle.wake_one().woke());
    looks.recv().unwrap();
    assert!((0..1_000).all(|_| idle.wake_one() == Announced::Searching));
    assert_eq!((idle.wake(1), idle.asleep()), (0, 2));
    // A batch does not wait for it.
    assert_eq!(idle.wake(2), 2);
    go_on.send(()).unwrap();
    assert!(thread.join().unwrap().is_some());
    idle.close();
    assert!(found.recv().is_err());
}

#[test]
fn until_a_woken_worker_has_looked_no_other_is_woken() {
    let (idle, workers, sleeps) = set(4);
    let queue = Queue::new();
    let found = serve(workers, &queue, |task| task);
    let asleep = keep_asleep(&sleeps, 4);
    let answers: Vec<Announced> = (0..5)
        .map(|task| {
            queue.push(task);
            idle.wake_one()
        })
        .collect();
    assert_eq!(answers[0], Announced::Woke);
    assert!(answers[1..].iter().all(|&answer| answer == Announced::Searching), "{answers:?}");
    drop(asleep);
    let mut tasks: Vec<usize> = (0..5).map(|_| found.recv().unwrap().1).collect();
    tasks.sort_unstable();
    assert_eq!(tasks, [0, 1, 2, 3, 4]);
    idle.close();
    assert!(found.recv().is_err());
}

/// Two tasks wake two workers, and not a third one that finds nothing.
#[test]
fn a_chain_of_two_wakes_no_third() {
    let (idle, workers, sleeps) = set(4);
    let queue = Queue::new();
    let found = serve(workers, &queue, |barrier: Arc<Barrier>| barrier.wait());
    for round in 1..=20 {
        let asleep = keep_asleep(&sleeps, 4 + 2 * (round - 1));
        let barrier = Arc::new(Barrier::new(2));
        for _ in 0..2 {
            queue.push(barrier.clone());
            let _ = idle.wake_one();
        }
        drop(asleep);
        let mut workers = [found.recv().unwrap().0, found.recv().unwrap().0];
        workers.sort_unstable();
        assert_eq!(workers, [0, 1]);
    }
    until_asleep(&sleeps, 44);
    assert_eq!((idle.metrics().wake_count, idle.metrics().noop_count), (40, 0));
    idle.close();
    assert!(found.recv().is_err());
}

#[test]
fn pinned_tasks_before_the_worker_looks_wake_no_other() {
    let (idle, workers, sleeps) = set(3);
    let found = serve(workers, &Queue::<()>::new(), |task| task);
    let asleep = keep_asleep(&sleeps, 3);
    let woken: Vec<bool> = (0..5).map(|_| idle.wake_worker(2).woke()).collect();
    assert_eq!(woken, [true, false, false, false, false]);
    assert_eq!(idle.asleep(), 2);
    drop(asleep);
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

/// The growth that the docs of the module describe. Of three workers, the third has no thread yet.
#[test]
fn a_pool_grows_for_a_task_whose_wake_went_to_a_busy_worker() {
    let (idle, mut workers, sleeps) = set(3);
    let queue = Queue::new();
    let (third, second) = (workers.pop().unwrap(), workers.pop().unwrap());
    let (begun, begins) = mpsc::channel();
    let end = Arc::new(Barrier::new(2));
    let ends = end.clone();
    let found = serve(workers, &queue, move |task| {
        begun.send(task).unwrap();
        ends.wait();
    });
    until_asleep(&sleeps, 1);

    queue.push("a");
    let (taken, takes) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel::<()>();
    let looks = queue.clone();
    let thread = thread::spawn(move || {
        let mut calls = 0;
        let find = || {
            calls += 1;
            if calls == 1 {
                return None;
            }
            let task = looks.pop();
            taken.send(()).unwrap();
            goes_on.recv().unwrap();
            task
        };
        (second.next(find), !looks.is_empty() && !second.idle().wake_one().woke())
    });
    takes.recv().unwrap();
    assert!(idle.wake_one().woke());
    until_asleep(&sleeps, 2); // the first worker has looked and found nothing
    queue.push("b");
    assert!(idle.wake_one().woke());
    assert_eq!(begins.recv(), Ok("b"));
    queue.push("c");
    assert!(idle.wake_one().woke()); // the second worker, which has a task
    go_on.send(()).unwrap();
    let (task, grows) = thread.join().unwrap();
    assert_eq!((task, grows, idle.asleep()), (Some("a"), true, 0));
    assert_eq!(third.next(|| queue.pop()), Some("c"));
    end.wait();
    idle.close();
    assert_eq!(found.iter().count(), 1);
}

#[test]
fn a_deadline_that_passes_ends_the_sleep_and_not_earlier() {
    let (idle, workers) = Idle::new(1);
    let timeout = Duration::from_millis(2);
    let start = Instant::now();
    assert_eq!(workers[0].next_timeout(timeout, || None::<()>), Next::TimedOut);
    assert!(start.elapsed() >= timeout);
    // Work wins, even after the deadline.
    let mut looks = 0;
    let find = || {
        looks += 1;
        (looks == 3).then_some(7)
    };
    assert_eq!(workers[0].next_deadline(|| Some(start), find), Next::Work(7));
    assert_eq!(idle.asleep(), 0);
}

/// Each look announces, and finds nothing.
#[test]
fn announcements_in_find_do_not_keep_their_worker_awake() {
    for worker_count in 1..3 {
        let (idle, workers, sleeps) = set(worker_count);
        let looks = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = workers
            .into_iter()
            .map(|worker| {
                let looks = looks.clone();
                thread::spawn(move || {
                    let index = worker.index();
                    let find = || {
                        looks.fetch_add(1, Relaxed);
                        if index == 0 {
                            let _ = worker.idle().wake_one();
                            let _ = worker.idle().wake_worker(index);
                            worker.idle().wake(1);
                        }
                        None::<()>
                    };
                    worker.next(find)
                })
            })
            .collect();
        for thread in 0..worker_count {
            until_asleep(&sleeps, thread + 1);
        }
        while idle.asleep() < worker_count {
            thread::yield_now();
        }
        idle.close();
        threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), None));
        assert!(looks.load(Relaxed) < 100, "{looks:?}");
    }
}

#[test]
fn announcements_without_end_do_not_keep_a_worker_from_its_deadline() {
    let (idle, workers) = Idle::new(1);
    let find = || {
        let _ = idle.wake_one();
        let _ = idle.wake_worker(0);
        None::<()>
    };
    assert_eq!(workers[0].next_deadline(|| Some(Instant::now()), find), Next::TimedOut);
    assert_eq!(workers[0].next_timeout(Duration::from_millis(1), find), Next::TimedOut);
    assert_eq!(idle.asleep(), 0);
}

/// It is no look before a sleep, and may find work.
#[test]
fn a_first_look_announces_to_the_only_sleeper() {
    // With an audit, a first look is as the others.
    let (idle, mut workers) = Idle::builder(2).audit(Duration::from_secs(3600), |_| ()).build();
    watch(idle.clone());
    let sleeper = workers.remove(1);
    let queue = Queue::new();
    let left = queue.clone();
    let thread = thread::spawn(move || sleeper.next(|| left.pop()));
    for _ in 0..8 {
        let announces = || {
            let _ = idle.wake_one();
            None::<&str>
        };
        assert_eq!(workers[0].next_timeout(Duration::ZERO, announces), Next::TimedOut);
    }
    while idle.worker_metrics(1).park_count <= idle.worker_metrics(1).wake_count {
        thread::yield_now();
    }
    let batch = || {
        queue.push("rest");
        let _ = idle.wake_one();
        Some("first")
    };
    assert_eq!(workers[0].next(batch), Some("first"));
    assert_eq!(thread.join().unwrap(), Some("rest"));
}

#[test]
fn next_within_find_panics_and_leaves_the_set_whole() {
    let (idle, workers) = Idle::new(1);
    let nested = catch_unwind(|| workers[0].next(|| workers[0].next(|| Some(1))));
    let message = *nested.unwrap_err().downcast::<&str>().unwrap();
    assert!(message.contains("within its own `find`"), "{message}");
    assert_eq!(idle.asleep(), 0);
    assert!(!idle.wake_one().woke());
    assert_eq!(workers[0].next(|| Some(2)), Some(2));
}

/// An event loop may run any code, also some that reaches the worker which polls.
#[test]
fn a_worker_asked_for_work_while_it_sleeps_panics_and_leaves_the_set_whole() {
    type Within = Option<Box<dyn FnOnce()>>;
    thread_local!(static WITHIN: Cell<Within> = const { Cell::new(None) });

    struct Runs;
    impl Wait for Runs {
        fn wait(&self, _: &Sleeper<'_>) {
            WITHIN.take().into_iter().for_each(|within| within());
        }

        fn wake(&self, _: Key<'_>) {}
    }

    let (idle, mut workers) = Idle::with_parkers([Parker::with_wait(Runs).with_spin(Spin::off())]);
    watch(idle.clone());
    let worker = Rc::new(workers.remove(0));
    let (nested, work) = (worker.clone(), Rc::new(Cell::new(None)));
    let pushed = work.clone();
    WITHIN.set(Some(Box::new(move || {
        let next = || nested.next_timeout(Duration::ZERO, || None::<i32>);
        assert!(catch_unwind(AssertUnwindSafe(next)).is_err());
        pushed.set(Some(1));
        assert_eq!(nested.idle().wake_one(), Announced::Woke);
    })));
    assert_eq!(worker.next(|| work.take()), Some(1));

    let steps = Rc::new(Rc::into_inner(worker).unwrap().into_steps());
    let nested = steps.clone();
    WITHIN.set(Some(Box::new(move || {
        assert!(catch_unwind(AssertUnwindSafe(|| nested.about_to_sleep())).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| nested.found_work())).is_err());
        assert_eq!(nested.idle().wake_one(), Announced::Woke);
    })));
    assert!(steps.about_to_sleep() && steps.sleep(None));
    steps.found_work();
    assert_eq!((idle.asleep(), idle.wake_one()), (0, Announced::NoneAsleep));
}

#[test]
fn steps_sleep_only_after_they_have_registered_and_not_after_close() {
    let (idle, mut workers) = Idle::new(2);
    let steps = workers.remove(0).into_steps();
    assert!(steps.sleep(None)); // not registered: returns at once
    assert!(steps.about_to_sleep() && steps.about_to_sleep());
    assert_eq!(idle.asleep(), 1);
    assert!(!steps.sleep(Some(Instant::now())));
    steps.found_work();
    assert_eq!(idle.asleep(), 0);
    assert!(steps.about_to_sleep());
    assert_eq!(idle.wake_one(), Announced::Woke);
    assert!(steps.sleep(None));
    assert_eq!(idle.wake_one(), Announced::Searching);
    assert!(!steps.about_to_sleep()); // its search owes a look
    assert!(steps.about_to_sleep());
    idle.close();
    assert!(steps.sleep(None));
    assert_eq!(idle.workers(), 2);
    drop(steps);
    assert_eq!((idle.workers(), idle.asleep()), (1, 0));
}

#[test]
fn a_worker_in_steps_that_finds_its_own_task_first_passes_the_wake_on() {
    let (idle, mut workers, sleeps) = set(2);
    let queue = Queue::new();
    let steps = workers.remove(0).into_steps();
    assert!(steps.about_to_sleep());
    let done = serve(workers, &queue, |task: i32| task);
    until_asleep(&sleeps, 1);
    queue.push(1);
    assert_eq!(idle.wake_one(), Announced::Woke); // this worker, as its index is the lowest
    idle.wake_worker(0); // for a task of its own
    assert!(steps.sleep(None));
    steps.found_work();
    assert_eq!(done.recv(), Ok((1, 1)));
    idle.close();
}

#[test]
fn a_dropped_worker_leaves_a_place_that_another_one_enters() {
    let (idle, mut workers) = Idle::new(3);
    assert!(idle.enter().is_none());
    drop(workers.remove(2));
    drop(workers.remove(0));
    assert_eq!(idle.workers(), 1);
    assert_eq!(idle.enter().map(|worker| worker.index()), Some(0));
    let kept: Vec<_> = std::iter::from_fn(|| idle.enter()).collect();
    assert_eq!(kept.iter().map(Worker::index).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(idle.workers(), 3);

    // Also if a task panics through its worker.
    let (idle, workers) = Idle::new(1);
    let panic = catch_unwind(|| {
        let _workers = workers;
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(panic.is_err());
    assert!(idle.enter().is_some());
}

#[test]
fn wake_worker_knows_that_a_worker_was_dropped() {
    let (idle, mut workers) = Idle::new(2);
    drop(workers.pop());
    assert_eq!(idle.wake_worker(1), Announced::NoSuchWorker);
    let _worker = idle.enter().unwrap();
    assert_eq!(idle.wake_worker(1), Announced::Awake);
}

#[test]
fn wake_worker_wakes_the_named_worker() {
    let (idle, workers, sleeps) = set(3);
    let queue = Queue::new();
    let found = serve(workers, &queue, |task| task);
    until_asleep(&sleeps, 3);
    queue.push(5);
    assert!(idle.wake_worker(2).woke());
    assert_eq!(found.recv().unwrap(), (2, 5));
    assert!(!idle.wake_worker(3).woke());
    assert!(!idle.wake_worker(usize::MAX).woke());
    idle.close();
}

#[test]
fn a_waiter_within_a_task_sleeps_after_close() {
    let (idle, mut workers, sleeps) = set(1);
    let worker = workers.remove(0);
    let latch = Queue::new();
    let looks = latch.clone();
    idle.close();
    let thread = thread::spawn(move || worker.wait_for(|| looks.pop()));
    until_asleep(&sleeps, 1);
    latch.push(9);
    assert!(!idle.wake_one().woke());
    assert!(idle.wake_worker(0).woke());
    assert_eq!(thread.join().unwrap(), 9);
}

#[test]
fn many_workers_all_sleep_and_all_wake() {
    let (idle, workers, sleeps) = set(600);
    let queue = Queue::new();
    let found = serve(workers, &queue, |barrier: Arc<Barrier>| barrier.wait());
    until_asleep(&sleeps, 600);
    assert_eq!(idle.asleep(), 600);
    let barrier = Arc::new(Barrier::new(600));
    (0..600).for_each(|_| queue.push(barrier.clone()));
    assert_eq!(idle.wake(600), 600);
    for _ in 0..600 {
        found.recv().unwrap();
    }
    idle.close();
    assert!(found.recv().is_err());
}
