//! Pools that start their workers themselves.

use crate::support::Queue;
use crate::watchdog::watch;
use atomic_parker::idle::{Announced, Builder, Idle, Worker};
use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{mpsc, Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

type Task = Box<dyn FnOnce() + Send>;

/// Each worker runs tasks until `next` returns `None`. A task that panics ends its thread.
fn pool(most: usize, queue: &Arc<Queue<Task>>) -> Builder {
    let queue = queue.clone();
    Idle::builder(most).start(move |worker| spawn(worker, &queue))
}

fn spawn(worker: Worker, queue: &Arc<Queue<Task>>) -> io::Result<()> {
    let queue = queue.clone();
    let run = move || {
        while let Some(task) = worker.next(|| queue.pop()) {
            task();
        }
    };
    thread::Builder::new().spawn(run).map(drop)
}

fn no_thread() -> io::Result<()> {
    Err(io::Error::other("no thread"))
}

/// Pushes a task that says when it runs.
fn push_one(queue: &Queue<Task>) -> mpsc::Receiver<()> {
    let (sender, done) = mpsc::channel();
    queue.push(Box::new(move || sender.send(()).unwrap()));
    done
}

/// Pushes a task that waits at a barrier.
fn push_waiting(queue: &Queue<Task>, barrier: &Arc<Barrier>) {
    let barrier = barrier.clone();
    queue.push(Box::new(move || _ = barrier.wait()));
}

/// The test gets the workers that the set starts. They give up their places at once.
fn handed_over(places: usize) -> (Idle, mpsc::Receiver<Worker>) {
    let (sender, workers) = mpsc::channel();
    let sender = Mutex::new(sender);
    let (idle, _) = Idle::builder(places)
        .start(move |worker| sender.lock().unwrap().send(worker).map_err(|_| io::ErrorKind::Other.into()))
        .keep_alive(Duration::ZERO)
        .build();
    watch(idle.clone());
    (idle, workers)
}

fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

#[test]
fn a_pool_begins_without_threads_and_starts_one_for_a_task() {
    let queue = Queue::new();
    let (idle, workers) = pool(4, &queue).build();
    watch(idle.clone());
    assert!(workers.is_empty());
    // A worker's bit is set before its search has ended, which a task might still rely on. It parks after that.
    let until_asleep = |parks| {
        until(|| idle.metrics().park_count == parks);
        assert_eq!(idle.asleep(), 1);
    };
    assert_eq!((idle.workers(), idle.asleep()), (0, 0));
    let done = push_one(&queue);
    assert_eq!(idle.wake_one(), Announced::Started);
    done.recv().unwrap();
    until_asleep(1);
    assert_eq!(idle.workers(), 1);
    // No growth beside a sleeper.
    for parks in 2..102 {
        let done = push_one(&queue);
        assert_eq!(idle.wake_one(), Announced::Woke);
        done.recv().unwrap();
        until_asleep(parks);
    }
    assert_eq!(idle.metrics().thread_start_count, 1);
    idle.close();
    until(|| idle.workers() == 0);
    assert_eq!(idle.wake_one(), Announced::Closed);
}

#[test]
fn tasks_that_wait_for_each_other_never_hang_while_threads_end_and_panic() {
    const MOST: usize = 64;
    let queue = Queue::new();
    let (idle, _) = pool(MOST, &queue).keep_alive(Duration::from_micros(50)).build();
    let (sender, done) = mpsc::channel();
    for round in 0..300 {
        if round % 50 == 0 {
            watch(idle.clone());
        }
        let tasks = 1 + round * 7 % MOST;
        let barrier = Arc::new(Barrier::new(tasks));
        for task in 0..tasks {
            let (barrier, sender) = (barrier.clone(), sender.clone());
            queue.push(Box::new(move || {
                barrier.wait();
                sender.send(()).unwrap();
                if (task + round) % 5 == 0 {
                    std::panic::resume_unwind(Box::new("the task panics"));
                }
            }));
            if round % 2 == 0 {
                let _ = idle.wake_one();
            }
        }
        if round % 2 == 1 {
            assert!(idle.wake(tasks) <= tasks);
        }
        (0..tasks).for_each(|_| done.recv().unwrap());
    }
    until(|| idle.workers() == 0);
    let metrics = idle.metrics();
    until(|| idle.metrics().thread_start_count == idle.metrics().thread_end_count);
    assert!(metrics.thread_start_count >= MOST, "{metrics:?}");
    idle.close();
}

#[test]
fn a_task_that_panics_in_the_only_place_does_not_leave_the_next_one() {
    let queue = Queue::new();
    let (idle, _) = pool(1, &queue).build();
    watch(idle.clone());
    for _ in 0..50 {
        queue.push(Box::new(|| std::panic::resume_unwind(Box::new("the task panics"))));
        let done = push_one(&queue);
        idle.wake(2);
        done.recv().unwrap();
    }
    idle.close();
}

#[test]
fn small_bursts_start_few_threads() {
    let queue = Queue::new();
    let (idle, _) = pool(64, &queue).build();
    watch(idle.clone());
    for _ in 0..50 {
        let announced = [(); 2].map(|()| {
            let done = push_one(&queue);
            let _ = idle.wake_one();
            done
        });
        announced.iter().for_each(|done| done.recv().unwrap());
        until(|| idle.asleep() == idle.workers());
    }
    assert!(idle.workers() <= 3, "{idle:?}");
    idle.close();
}

#[test]
fn a_start_that_fails_leaves_the_task_to_the_next_announcement() {
    type Fails = fn(Worker) -> io::Result<()>;
    let fails: [Fails; 3] = [
        |_worker| no_thread(),
        |_worker| std::panic::resume_unwind(Box::new("start panics")),
        |worker| {
            drop(worker);
            Ok(())
        },
    ];
    for fail in fails {
        let queue = Queue::<Task>::new();
        let (tasks, calls) = (queue.clone(), Arc::new(AtomicUsize::new(0)));
        let called = calls.clone();
        let (idle, _) = Idle::builder(2)
            .start(move |worker| {
                if called.fetch_add(1, SeqCst) == 0 {
                    return fail(worker);
                }
                spawn(worker, &tasks)
            })
            .build();
        watch(idle.clone());
        // Both tasks wait for each other.
        let barrier = Arc::new(Barrier::new(3));
        let push = || {
            push_waiting(&queue, &barrier);
            idle.wake_one()
        };
        assert_eq!(push(), Announced::StartFailed);
        assert_eq!(idle.workers(), 0);
        assert_eq!(push(), Announced::Started);
        barrier.wait();
        assert!(idle.metrics().thread_start_count >= 2);
        idle.close();
    }
}

#[test]
fn a_start_that_fails_leaves_all_that_was_announced_during_it() {
    let queue = Queue::<Task>::new();
    // All tasks wait for each other.
    let barrier = Arc::new(Barrier::new(4));
    let (tasks, waits, calls) = (queue.clone(), barrier.clone(), AtomicUsize::new(0));
    let (idle, _) = Idle::builder(3)
        .start(move |worker| {
            if calls.fetch_add(1, SeqCst) == 0 {
                push_waiting(&tasks, &waits);
                assert_eq!(worker.idle().wake_one(), Announced::Searching);
                return no_thread();
            }
            spawn(worker, &tasks)
        })
        .build();
    watch(idle.clone());
    push_waiting(&queue, &barrier);
    assert_eq!(idle.wake_one(), Announced::StartFailed);
    push_waiting(&queue, &barrier);
    assert_eq!(idle.wake_one(), Announced::Started);
    barrier.wait();
    idle.close();
}

/// The start is for nothing. The task comes while it runs, and the only worker sleeps.
#[test]
fn a_start_that_fails_passes_its_search_to_a_sleeper() {
    let queue = Queue::<Task>::new();
    let (sender, done) = mpsc::channel();
    let (may_end, ends) = mpsc::channel::<()>();
    let (tasks, calls, may_end) = (queue.clone(), AtomicUsize::new(0), Mutex::new(may_end));
    let sends = sender.clone();
    let (idle, _) = Idle::builder(2)
        .start(move |worker| {
            if calls.fetch_add(1, SeqCst) == 1 {
                may_end.lock().unwrap().send(()).unwrap();
                until(|| worker.idle().metrics().park_count == 1);
                let sends = sends.clone();
                tasks.push(Box::new(move || sends.send(2).unwrap()));
                assert_eq!(worker.idle().wake_one(), Announced::Searching);
                return no_thread();
            }
            spawn(worker, &tasks)
        })
        .build();
    watch(idle.clone());
    queue.push(Box::new(move || {
        sender.send(1).unwrap();
        ends.recv().unwrap();
    }));
    assert_eq!(idle.wake_one(), Announced::Started);
    assert_eq!(done.recv(), Ok(1));
    let _ = idle.wake_one();
    assert_eq!(done.recv(), Ok(2));
    idle.close();
}

#[test]
fn start_may_announce_and_be_called_within_find() {
    let queue = Queue::<Task>::new();
    let tasks = queue.clone();
    let (idle, _) = Idle::builder(4)
        .start(move |worker| {
            let _ = worker.idle().wake_one();
            worker.idle().wake(2);
            let tasks = tasks.clone();
            // Each look announces, and may start a worker.
            let find = move |worker: &Worker| {
                let _ = worker.idle().wake_one();
                tasks.pop()
            };
            let run = move || {
                while let Some(task) = worker.next(|| find(&worker)) {
                    task()
                }
            };
            thread::Builder::new().spawn(run).map(drop)
        })
        .build();
    watch(idle.clone());
    let barrier = Arc::new(Barrier::new(5));
    for _ in 0..4 {
        push_waiting(&queue, &barrier);
        let _ = idle.wake_one();
    }
    barrier.wait();
    idle.close();
}

#[test]
fn a_pinned_task_starts_the_worker_of_its_place() {
    let queue = Queue::new();
    let (idle, _) = pool(3, &queue).build();
    watch(idle.clone());
    let done = push_one(&queue);
    assert_eq!(idle.wake_worker(2), Announced::Started);
    done.recv().unwrap();
    until(|| idle.asleep() == 1);
    assert_eq!(idle.worker_metrics(2).thread_start_count, 1);
    assert_eq!(idle.wake_worker(3), Announced::NoSuchWorker);
    idle.close();
}

#[test]
fn a_find_that_always_panics_starts_one_thread_for_each_announcement() {
    let threads = Arc::new(Mutex::new(Vec::new()));
    let started = threads.clone();
    let start = move |worker: Worker| {
        let find = || -> Option<()> { std::panic::resume_unwind(Box::new("find panics")) };
        let thread = thread::Builder::new().spawn(move || worker.next(find))?;
        started.lock().unwrap().push(thread);
        Ok(())
    };
    let (idle, _) = Idle::builder(4).start(start).build();
    watch(idle.clone());
    for announcements in 1..=3 {
        idle.wake_one();
        // A thread that starts another one does so before it ends.
        while let Some(thread) = { threads.lock().unwrap().pop() } {
            assert!(thread.join().is_err());
        }
        assert_eq!(idle.metrics().thread_start_count, announcements);
    }
}

#[test]
fn a_spent_worker_looks_once_more() {
    let (idle, workers) = handed_over(1);
    assert_eq!(idle.wake_one(), Announced::Started);
    let worker = workers.recv().unwrap();
    assert_eq!(worker.next(|| None::<u32>), None);
    let mut looks = 0;
    let mut find = || {
        looks += 1;
        None::<u32>
    };
    assert_eq!(worker.next(&mut find), None);
    assert_eq!(looks, 1);
    // Another one has its place.
    assert_eq!(idle.wake_one(), Announced::Started);
    let second = workers.recv().unwrap();
    assert_eq!((second.index(), idle.workers()), (0, 1));
    assert_eq!(worker.next(|| Some(3)), Some(3));
    idle.close();
}

/// Else threads that end at once would start each other for ever.
#[test]
fn a_worker_that_gives_up_its_place_leaves_no_search_for_nothing() {
    let (idle, workers) = handed_over(2);
    assert_eq!(idle.wake_one(), Announced::Started);
    for _ in 0..3 {
        assert_eq!(idle.wake_one(), Announced::Searching); // the debt is many
    }
    assert_eq!(workers.recv().unwrap().next(|| None::<u32>), None);
    assert_eq!((idle.workers(), idle.metrics().thread_start_count), (0, 1));
    idle.close();
}

#[test]
fn a_set_that_is_dropped_ends_with_its_threads() {
    let queue = Queue::new();
    let (idle, _) = pool(2, &queue).keep_alive(Duration::from_millis(1)).build();
    watch("a set that was dropped is still alive");
    let weak = idle.downgrade();
    let _ = idle.wake_one();
    drop(idle);
    until(|| weak.upgrade().is_none());
}

#[test]
fn a_closed_set_starts_none() {
    let (idle, _) = pool(2, &Queue::new()).build();
    idle.close();
    for _ in 0..2 {
        assert_eq!(idle.wake_one(), Announced::Closed);
        assert_eq!(idle.wake_worker(1), Announced::Closed);
        assert_eq!(idle.wake(2), 0);
        assert_eq!((idle.workers(), idle.metrics().thread_start_count), (0, 0));
    }
}

#[test]
fn a_set_that_is_closed_while_a_thread_starts_runs_the_task_and_ends() {
    for by_another_thread in [false, true] {
        let queue = Queue::<Task>::new();
        let tasks = queue.clone();
        let (idle, _) = Idle::builder(2)
            .start(move |worker| {
                let idle = worker.idle().clone();
                match by_another_thread {
                    false => idle.close(),
                    true => thread::spawn(move || idle.close()).join().unwrap(),
                }
                spawn(worker, &tasks)
            })
            .build();
        watch(idle.clone());
        let done = push_one(&queue);
        assert_eq!(idle.wake_one(), Announced::Started);
        done.recv().unwrap();
        until(|| idle.workers() == 0);
        assert_eq!(idle.wake_one(), Announced::Closed);
        let metrics = idle.metrics();
        assert_eq!((metrics.thread_start_count, metrics.thread_end_count), (1, 1));
    }
}

#[test]
fn a_set_that_is_dropped_while_a_thread_starts_runs_the_task_and_ends() {
    for fails in [false, true] {
        let queue = Queue::<Task>::new();
        let tasks = queue.clone();
        let (entered, starts) = mpsc::channel();
        let (go_on, dropped) = mpsc::channel::<()>();
        let (entered, dropped) = (Mutex::new(entered), Mutex::new(dropped));
        let (idle, _) = Idle::builder(1)
            .start(move |worker| {
                entered.lock().unwrap().send(()).unwrap();
                dropped.lock().unwrap().recv().unwrap();
                match fails {
                    true => no_thread(),
                    false => spawn(worker, &tasks),
                }
            })
            .keep_alive(Duration::from_millis(1))
            .build();
        watch("a set that was dropped while a thread started is still alive");
        let done = push_one(&queue);
        let (weak, handle) = (idle.downgrade(), idle.clone());
        let announcer = thread::spawn(move || handle.wake_one());
        starts.recv().unwrap();
        drop(idle);
        go_on.send(()).unwrap();
        let expected = if fails { Announced::StartFailed } else { Announced::Started };
        assert_eq!(announcer.join().unwrap(), expected);
        if !fails {
            done.recv().unwrap();
        }
        until(|| weak.upgrade().is_none());
    }
}

#[test]
fn a_start_in_steps_that_fails_is_tried_once() {
    let starts = Arc::new(AtomicUsize::new(0));
    let counts = starts.clone();
    let failing = move |worker: Worker| {
        let _never_run = worker.into_steps();
        counts.fetch_add(1, SeqCst);
        no_thread()
    };
    let (idle, _) = Idle::builder(1).start(failing).build();
    assert_eq!(idle.wake_one(), Announced::StartFailed);
    assert_eq!((starts.load(SeqCst), idle.workers()), (1, 0));
}

#[test]
fn a_find_that_catches_the_panic_of_a_next_within_it_keeps_its_search() {
    let (idle, workers) = handed_over(1);
    assert_eq!(idle.wake_one(), Announced::Started);
    let worker = workers.recv().unwrap();
    let within = || catch_unwind(AssertUnwindSafe(|| worker.next(|| None::<()>)));
    assert_eq!(worker.next(|| within().err().map(|_| "work")), Some("work"));
    assert_eq!(idle.wake_one(), Announced::NoneAsleep);
    drop(worker);
    assert!(workers.try_recv().is_ok()); // replaces it
}

#[test]
fn a_start_in_steps_that_panics_is_tried_once() {
    let panics = |worker: Worker| {
        let _never_run = worker.into_steps();
        std::panic::resume_unwind(Box::new("no thread"))
    };
    let (idle, _) = Idle::builder(2).start(panics).build();
    assert_eq!(idle.wake_one(), Announced::StartFailed);
    assert_eq!((idle.metrics().thread_start_count, idle.workers()), (1, 0));
}

#[test]
fn a_worker_that_gave_up_its_place_takes_no_steps_in_it() {
    let (idle, workers) = handed_over(1);
    assert_eq!(idle.wake_one(), Announced::Started);
    let worker = workers.recv().unwrap();
    assert!(worker.next(|| None::<Task>).is_none());
    let steps = worker.into_steps();
    assert!(steps.about_to_sleep());
    assert!(steps.sleep(None));
    assert_eq!(idle.asleep(), 0);
    assert_eq!(idle.wake_one(), Announced::Started);
    assert_eq!(idle.wake_one(), Announced::Searching); // there is one place, and its new worker has it
}

#[test]
fn each_piece_of_a_wake_has_its_start_also_after_one_that_fails() {
    let queue = Queue::<Task>::new();
    let starts = Arc::new(AtomicUsize::new(0));
    let (counts, tasks) = (starts.clone(), queue.clone());
    let first_fails = move |worker: Worker| {
        if counts.fetch_add(1, SeqCst) == 0 {
            return no_thread();
        }
        spawn(worker, &tasks)
    };
    let (idle, _) = Idle::builder(3).start(first_fails).build();
    watch(idle.clone());
    let meet = Arc::new(Barrier::new(3));
    (0..3).for_each(|_| push_waiting(&queue, &meet));
    assert_eq!(idle.wake(3), 2);
    until(|| queue.is_empty()); // the piece of the start that failed is a debt, which a search pays
    idle.close();
    until(|| idle.workers() == 0);
    assert_eq!(starts.load(SeqCst), 4);
}
