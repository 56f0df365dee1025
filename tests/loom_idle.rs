#![cfg(all(loom, feature = "loom"))]
//! Every interleaving of small scenarios of the idle set, with few preemptions, on three slow paths.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release --features loom,futex,parking_lot --test loom_idle
//! ```
//!
//! Each model runs with one row of places for all workers, and with one row for each. A worker that sleeps while work waits is a
//! deadlock here. The queues are Relaxed, so that only the set can make work visible. `tests/weaken.sh` shows that the
//! models can fail. `tests/loom.rs` lists the limits of loom.

#[macro_use]
#[path = "models/explore.rs"]
mod explore;
#[path = "models/slow.rs"]
mod slow;

use atomic_parker::idle::model::{assert_at_rest, set_places_in_row};
use atomic_parker::idle::{Announced, Builder, Idle, Next, Steps, Worker};
use atomic_parker::model::{advance_clock, now};
use atomic_parker::wait::{Condvar, Futex, ParkingLot};
use atomic_parker::{Parker, Spin};
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread::{self, JoinHandle};
use slow::Slow;
use std::mem::forget; // The drop of a worker takes a lock, which only adds interleavings.
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Runs a model with one row of places for all workers, and with one for each.
fn explore(name: &str, preemptions: Option<usize>, model: fn()) {
    for places in [1, 3] {
        set_places_in_row(places);
        explore::explore(&format!("{name}, rows of {places}"), preemptions, model);
    }
}

check! {
    one_task on Condvar <= 3, Futex <= 3, ParkingLot <= 3;
    two_tasks_each_announced on Condvar <= 2, Futex <= 2, ParkingLot <= 2;
    two_tasks_announced_at_once on Condvar <= 2, ParkingLot <= 2;
    two_tasks_of_two_callers on Condvar <= 2;
    announced_during_a_search on Condvar <= 1, ParkingLot <= 1;
    announced_when_many_are_owed on Condvar <= 1, ParkingLot <= 1;
    announced_for_nothing on Condvar <= 1, Futex <= 1, ParkingLot <= 1;
    claimed_while_searching on Condvar <= 3, Futex <= 3, ParkingLot <= 3;
    claimed_while_it_takes_the_debt on Condvar <= 2;
    debt_of_a_thread_that_chooses_a_worker on Condvar <= 2;
    three_tasks on Condvar <= 0, Futex <= 0, ParkingLot <= 0;
    two_tasks_of_workers_in_steps on Condvar <= 2, Futex <= 2, ParkingLot <= 2;
    steps_dropped_after_a_look on Condvar <= 2, ParkingLot <= 2;
    thief on Condvar <= 1, ParkingLot <= 2;
    pinned_and_shared on Condvar <= 2;
    pool_of_two_grows on Condvar <= 2, ParkingLot <= 2;
    pool_grows_for_a_pinned_task on Condvar <= 2, ParkingLot <= 2;
    batch on Condvar <= 2, ParkingLot <= 2;
    announced_beside_looks_that_announce on Condvar <= 2;
    deadline_against_wake on Condvar <= 2, ParkingLot <= 2;
    deadline_of_the_only_worker on Condvar <= 3, Futex <= 3, ParkingLot <= 3;
    earlier_timer on Condvar <= 3, ParkingLot <= 3;
    panic_in_first_look on Condvar <= 2, ParkingLot <= 2;
    panic_in_last_look on Condvar <= 2, ParkingLot <= 2;
    panic_in_searching_look on Condvar <= 2;
    dropped_worker_and_enter on Condvar <= 2, ParkingLot <= 2;
    close_against_push on Condvar <= 3, ParkingLot <= 3;
    future_of_a_worker on Condvar <= 2, ParkingLot <= 2;
    future_with_two_wakers on Condvar <= 2, ParkingLot <= 2;
    two_vacant_places on Condvar <= 2, ParkingLot <= 2;
    one_vacant_place on Condvar <= 1, ParkingLot <= 1;
    no_vacant_place on Condvar <= 1, ParkingLot <= 1;
    place_given_up_against_a_task on Condvar <= 3, ParkingLot <= 3;
    start_that_fails_once on Condvar <= 2, ParkingLot <= 2;
    dropped_worker_is_replaced on Condvar <= 2, ParkingLot <= 2;
    join_after_close on Condvar <= 2, ParkingLot <= 2;
}

fn set<W: Slow>(workers: usize) -> (Idle<W>, Vec<Worker<W>>) {
    Idle::with_parkers((0..workers).map(|_| Parker::with_wait(W::default()).with_spin(Spin::off())))
}

/// One flag for each task. It orders nothing.
#[derive(Clone)]
struct Queue(Arc<[AtomicUsize]>);

impl Queue {
    fn new(tasks: usize) -> Self {
        Self((0..tasks).map(|_| AtomicUsize::new(0)).collect())
    }

    fn push(&self, task: usize) {
        self.0[task].store(1, Relaxed);
    }

    fn take(&self, task: usize) -> bool {
        // The load may read an old value. A read-modify-write of loom cannot.
        self.0[task].load(Relaxed) == 1 && self.0[task].swap(0, Relaxed) == 1
    }

    fn is_left(&self) -> bool {
        self.0.iter().any(|task| task.load(Relaxed) == 1)
    }

    fn pop(&self) -> Option<usize> {
        (0..self.0.len()).find(|&task| self.take(task))
    }
}

/// The number of tasks that are not taken yet. The taker of the last task closes the set.
#[derive(Clone)]
struct Left(Arc<AtomicUsize>);

impl Left {
    fn new(tasks: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(tasks)))
    }

    fn taken<W: Slow>(&self, idle: &Idle<W>) {
        if self.0.fetch_sub(1, Relaxed) == 1 {
            idle.close();
        }
    }
}

/// Each worker takes one task and ends, as if the task never ended.
fn one_each<W: Slow>(workers: Vec<Worker<W>>, queue: &Queue) -> Vec<JoinHandle<()>> {
    let start = |worker: Worker<W>| {
        let queue = queue.clone();
        thread::spawn(move || {
            worker.next(|| queue.pop()).expect("the set is not closed");
            forget(worker);
        })
    };
    workers.into_iter().map(start).collect()
}

/// The same, but other threads may take tasks too: a worker ends without a task only once all are taken.
fn one_or_none<W: Slow>(workers: Vec<Worker<W>>, queue: &Queue, left: &Left) -> Vec<JoinHandle<()>> {
    let start = |worker: Worker<W>| {
        let (queue, left) = (queue.clone(), left.clone());
        thread::spawn(move || {
            if worker.next(|| queue.pop()).is_some() {
                left.taken(worker.idle());
            }
            forget(worker);
        })
    };
    workers.into_iter().map(start).collect()
}

fn announce<W: Slow>(idle: &Idle<W>, queue: &Queue, task: usize) -> Announced {
    queue.push(task);
    idle.wake_one()
}

/// A thread that announces a task; returns what `wake_one` returns.
fn caller<W: Slow>(idle: &Idle<W>, queue: &Queue, task: usize) -> JoinHandle<bool> {
    let (idle, queue) = (idle.clone(), queue.clone());
    thread::spawn(move || announce(&idle, &queue, task).woke())
}

/// After the last worker, no worker and no search is counted.
fn join<W: Slow>(idle: &Idle<W>, threads: Vec<JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_at_rest(idle);
}

fn one_task<W: Slow>() {
    let (idle, workers) = set::<W>(1);
    let queue = Queue::new(1);
    let threads = one_each(workers, &queue);
    announce(&idle, &queue, 0);
    join(&idle, threads);
}

fn two_tasks_each_announced<W: Slow>() {
    let (idle, workers) = set::<W>(2);
    let queue = Queue::new(2);
    let threads = one_each(workers, &queue);
    (0..2).for_each(|task| _ = announce(&idle, &queue, task));
    join(&idle, threads);
}

/// As `next` of a worker that is never closed, in steps; takes one task and ends, as if the task never ended.
fn next_in_steps<W: Slow>(steps: &Steps<W>, queue: &Queue) {
    while queue.pop().or_else(|| steps.about_to_sleep().then(|| queue.pop()).flatten()).is_none() {
        assert!(steps.sleep(None));
    }
    steps.found_work();
}

fn two_tasks_of_workers_in_steps<W: Slow>() {
    let (idle, workers) = set::<W>(2);
    let queue = Queue::new(2);
    let start = |worker: Worker<W>| {
        let queue = queue.clone();
        thread::spawn(move || {
            let steps = worker.into_steps();
            next_in_steps(&steps, &queue);
            forget(steps);
        })
    };
    let threads = workers.into_iter().map(start).collect();
    (0..2).for_each(|task| _ = announce(&idle, &queue, task));
    join(&idle, threads);
}

/// The first worker ends after it has registered, or was woken, and the wake goes on to the second one.
fn steps_dropped_after_a_look<W: Slow>() {
    let (idle, mut workers) = set::<W>(2);
    let queue = Queue::new(1);
    let second = one_each(vec![workers.remove(1)], &queue);
    let steps = workers.remove(0).into_steps();
    let first = thread::spawn(move || {
        assert!(steps.about_to_sleep());
        drop(steps);
    });
    announce(&idle, &queue, 0);
    first.join().unwrap();
    join(&idle, second);
}

fn two_tasks_announced_at_once<W: Slow>() {
    let (idle, workers) = set::<W>(2);
    let queue = Queue::new(2);
    let threads = one_each(workers, &queue);
    (0..2).for_each(|task| queue.push(task));
    idle.wake(2);
    join(&idle, threads);
}

fn two_tasks_of_two_callers<W: Slow>() {
    let (idle, workers) = set::<W>(2);
    let queue = Queue::new(2);
    let threads = one_each(workers, &queue);
    let caller = caller(&idle, &queue, 1);
    announce(&idle, &queue, 0);
    caller.join().unwrap();
    join(&idle, threads);
}

/// The search of a caller finds no bit and ends, while the second worker signs, and announces a task from within its last look.
fn announced_during_a_search<W: Slow>() {
    let (idle, mut workers) = set::<W>(2);
    let (queue, left) = (Queue::new(2), Left::new(2));
    let second = workers.remove(1);
    // It looks at the tasks in reverse order.
    let (worker, looks, taken) = (workers.remove(0), queue.clone(), left.clone());
    let first = thread::spawn(move || {
        if worker.next(|| (0..2).rev().find(|&task| looks.take(task))).is_some() {
            taken.taken(worker.idle());
        }
        forget(worker);
    });
    thread::yield_now(); // so that it sleeps, without a preemption
    let looks = queue.clone();
    let second = thread::spawn(move || {
        let mut calls = 0;
        let find = || {
            calls += 1;
            if looks.take(0) {
                return Some(());
            } else if calls == 2 {
                looks.push(0);
                second.idle().wake_one();
                thread::yield_now();
            }
            looks.take(1).then_some(())
        };
        if second.next(find).is_some() {
            left.taken(second.idle());
        }
        if calls < 2 {
            left.taken(second.idle()); // the task that it did not push
        }
        forget(second);
    });
    // In a thread of its own: a thread of loom that has yielded reads no old values any more.
    caller(&idle, &queue, 1).join().unwrap();
    join(&idle, vec![first, second]);
}

/// The last announcement may see a debt of many in the head, and then makes no exchange, although the worker has taken that debt.
fn announced_when_many_are_owed<W: Slow>() {
    let (idle, workers) = set::<W>(1);
    let queue = Queue::new(1);
    let threads = one_each(workers, &queue);
    thread::yield_now(); // so that it sleeps, without a preemption
                         // In a thread of its own: a thread of loom that has yielded reads no old values any more.
    let (handle, tasks) = (idle.clone(), queue.clone());
    let caller = thread::spawn(move || {
        for _ in 0..3 {
            handle.wake_one();
        }
        tasks.push(0);
        handle.wake_one();
    });
    caller.join().unwrap();
    join(&idle, threads);
}

/// The first announcement is for nothing. A worker that searches for it may end that search while the others rely on it.
fn announced_for_nothing<W: Slow>() {
    let (idle, workers) = set::<W>(2);
    let queue = Queue::new(2);
    let threads = one_each(workers, &queue);
    thread::yield_now(); // so that both sleep, without a preemption
    idle.wake_one();
    (0..2).for_each(|task| _ = announce(&idle, &queue, task));
    join(&idle, threads);
}

/// The worker may be claimed by its index while it decides to look again.
fn claimed_while_searching<W: Slow>() {
    let (idle, workers) = set::<W>(1);
    let queue = Queue::new(1);
    let threads = one_each(workers, &queue);
    thread::yield_now(); // so that it sleeps, without a preemption
    idle.wake_one();
    announce(&idle, &queue, 0);
    idle.wake_worker(0);
    join(&idle, threads);
}

/// The second worker has found task 0, so the first one must look again. Meanwhile it is claimed for a task that it does not find,
/// as it finds task 1.
fn claimed_while_it_takes_the_debt<W: Slow>() {
    let (idle, mut workers) = set::<W>(3);
    let (queue, last) = (Queue::new(2), Queue::new(1));
    let threads = one_each(workers.split_off(2), &last);
    let (second, first) = (workers.remove(1).into_steps(), workers.remove(0).into_steps());
    thread::yield_now(); // so that the third one sleeps, without a preemption
    assert!(first.about_to_sleep() && second.about_to_sleep());
    for (task, steps) in [&first, &second].into_iter().enumerate() {
        queue.push(task);
        assert_eq!(idle.wake_worker(task), Announced::Woke);
        assert!(steps.sleep(None));
    }
    assert!(queue.take(0));
    second.found_work();
    let (handle, tasks) = (idle.clone(), last.clone());
    let caller = thread::spawn(move || {
        tasks.push(0);
        handle.wake_worker(0);
    });
    first.about_to_sleep(); // It has looked for task 1 before that came.
    assert!(queue.take(1));
    first.found_work();
    caller.join().unwrap();
    join(&idle, threads);
    forget((first, second));
}

/// The first worker passes its search on, and finds no other. Then two sign, and two tasks rely on that search.
fn debt_of_a_thread_that_chooses_a_worker<W: Slow>() {
    let (idle, workers) = set::<W>(3);
    let queue = Queue::new(2);
    let mut steps = workers.into_iter().map(Worker::into_steps);
    let first = steps.next().unwrap();
    assert!(first.about_to_sleep());
    assert_eq!(idle.wake_one(), Announced::Woke);
    assert_eq!(idle.wake_one(), Announced::Searching);
    assert!(first.sleep(None));
    let (others, tasks) = (steps.collect::<Vec<_>>(), queue.clone());
    let thread = thread::spawn(move || {
        assert!(others.iter().all(Steps::about_to_sleep));
        for task in 0..2 {
            tasks.push(task);
            others[0].idle().wake_one();
        }
        others
    });
    first.found_work();
    let mut others = thread.join().unwrap();
    for _ in 0..2 {
        let woken = others.iter().position(|steps| steps.sleep(Some(now())));
        let steps = others.remove(woken.expect("a worker sleeps while a task waits"));
        queue.pop().expect("each search finds a task");
        steps.found_work();
        forget(steps);
    }
    assert_at_rest(&idle);
    forget(first);
}

/// Only a chain of two wakes reaches the third worker.
fn three_tasks<W: Slow>() {
    let (idle, workers) = set::<W>(3);
    let queue = Queue::new(3);
    let threads = one_each(workers, &queue);
    thread::yield_now(); // so that all of them sleep, without a preemption
    (0..3).for_each(|task| _ = announce(&idle, &queue, task));
    join(&idle, threads);
}

/// A thread that is no worker takes a task.
fn thief<W: Slow>() {
    let (idle, workers) = set::<W>(2);
    let (queue, left) = (Queue::new(2), Left::new(2));
    let threads = one_or_none(workers, &queue, &left);
    (0..2).for_each(|task| _ = announce(&idle, &queue, task));
    if queue.pop().is_some() {
        left.taken(&idle);
    }
    join(&idle, threads);
}

/// The first worker searches for its pinned task first, even if it was claimed for the shared one.
fn pinned_and_shared<W: Slow>() {
    let (idle, mut workers) = set::<W>(2);
    let (pinned, shared, left) = (Queue::new(1), Queue::new(1), Left::new(2));
    let mut threads = one_or_none(workers.split_off(1), &shared, &left);
    let worker = workers.remove(0);
    let (own, all, taken) = (pinned.clone(), shared.clone(), left.clone());
    threads.push(thread::spawn(move || {
        let find = || own.pop().map(|_| "pinned").or_else(|| all.pop().map(|_| "shared"));
        // The pinned task waits for the shared task.
        if worker.next(find) == Some("shared") {
            taken.taken(worker.idle());
            assert_eq!(worker.next(find), Some("pinned"));
        }
        taken.taken(worker.idle());
        forget(worker);
    }));
    announce(&idle, &shared, 0);
    pinned.push(0);
    idle.wake_worker(0);
    join(&idle, threads);
}

/// A pool that starts a worker if an announcement wakes none, as the docs of the module say.
struct Pool<W: Slow> {
    idle: Idle<W>,
    shared: Queue,
    /// The last task of the first worker, if it has one. All other tasks never end.
    pinned: Option<Queue>,
    left: Left,
    spare: Mutex<Option<Worker<W>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl<W: Slow> Pool<W> {
    fn start(self: &Arc<Self>, worker: Worker<W>) {
        let pool = self.clone();
        let thread = thread::spawn(move || {
            let pinned = pool.pinned.as_ref().filter(|_| worker.index() == 0);
            let is_pinned = || pinned.is_some_and(|pinned| pinned.take(0));
            let find = || if is_pinned() { Some(true) } else { pool.shared.pop().map(|_| false) };
            while let Some(is_pinned) = worker.next(find) {
                if pool.shared.is_left() {
                    pool.announce();
                }
                pool.left.taken(&pool.idle);
                if is_pinned || pinned.is_none() {
                    break;
                }
            }
            forget(worker);
        });
        self.threads.lock().unwrap().push(thread);
    }

    fn announce(self: &Arc<Self>) {
        if !self.idle.wake_one().woke() {
            let spare = self.spare.lock().unwrap().take();
            spare.into_iter().for_each(|worker| self.start(worker));
        }
    }
}

/// Two tasks run at the same time, although the pool has started one worker. The pinned task comes last.
fn grows<W: Slow>(pinned: Option<Queue>) {
    let (idle, mut workers) = set::<W>(2);
    let spare = Mutex::new(workers.pop());
    let tasks = 2 - pinned.iter().count();
    let pool = Arc::new(Pool {
        idle,
        shared: Queue::new(tasks),
        pinned,
        left: Left::new(2),
        spare,
        threads: Mutex::default(),
    });
    workers.into_iter().for_each(|worker| pool.start(worker));
    for task in 0..tasks {
        pool.shared.push(task);
        pool.announce();
    }
    if let Some(pinned) = &pool.pinned {
        pinned.push(0);
        pool.idle.wake_worker(0);
    }
    let next = || pool.threads.lock().unwrap().pop();
    std::iter::from_fn(next).for_each(|thread| thread.join().unwrap());
    assert!(!pool.shared.is_left(), "a task waits, and the pool has not grown");
    assert_at_rest(&pool.idle);
    pool.spare.lock().unwrap().take().into_iter().for_each(forget);
}

fn pool_of_two_grows<W: Slow>() {
    grows::<W>(None);
}

fn pool_grows_for_a_pinned_task<W: Slow>() {
    grows::<W>(Some(Queue::new(1)));
}

/// `find` takes both tasks, keeps one and announces the other.
fn batch<W: Slow>() {
    let (idle, workers) = set::<W>(2);
    let (batch, queue) = (Queue::new(1), Queue::new(2));
    let start = |worker: Worker<W>| {
        let (batch, queue) = (batch.clone(), queue.clone());
        thread::spawn(move || {
            let find = || {
                if batch.take(0) {
                    queue.push(1);
                    worker.idle().wake_one();
                    return Some(0);
                }
                queue.pop()
            };
            worker.next(find).expect("the set is not closed");
            forget(worker);
        })
    };
    let threads = workers.into_iter().map(start).collect();
    batch.push(0);
    idle.wake_one();
    join(&idle, threads);
}

/// Each look that finds nothing announces, after a few looks for other workers only. The caller relies on such a search.
fn announced_beside_looks_that_announce<W: Slow>() {
    let (idle, mut workers) = set::<W>(1);
    let queue = Queue::new(1);
    let (worker, looks) = (workers.remove(0), queue.clone());
    let thread = thread::spawn(move || {
        let find = || {
            let task = looks.pop();
            if task.is_none() {
                worker.idle().wake(2);
            }
            task
        };
        worker.next(find).expect("the set is not closed");
        forget(worker);
    });
    announce(&idle, &queue, 0);
    join(&idle, vec![thread]);
}

/// One worker stops at its deadline, and may have been woken for the task.
fn deadline_against_wake<W: Slow>() {
    let (idle, mut workers) = set::<W>(2);
    let (queue, left) = (Queue::new(1), Left::new(1));
    let mut threads = one_or_none(workers.split_off(1), &queue, &left);
    let worker = workers.remove(0);
    let looks = queue.clone();
    threads.push(thread::spawn(move || {
        if let Next::Work(_) = worker.next_timeout(Duration::from_secs(1), || looks.pop()) {
            left.taken(worker.idle());
        }
        forget(worker);
    }));
    announce(&idle, &queue, 0);
    advance_clock();
    join(&idle, threads);
}

/// A worker that was woken for the task does not stop at its deadline without it.
fn deadline_of_the_only_worker<W: Slow>() {
    let (idle, mut workers) = set::<W>(1);
    let queue = Queue::new(1);
    let (worker, looks) = (workers.remove(0), queue.clone());
    let thread = thread::spawn(move || {
        let next = worker.next_timeout(Duration::from_secs(1), || looks.pop());
        forget(worker);
        next
    });
    let caller = caller(&idle, &queue, 0);
    advance_clock(); // perhaps between the claim of the worker and its unpark
    let (woken, next) = (caller.join().unwrap(), thread.join().unwrap());
    assert!(next == Next::Work(0) || !woken);
    assert_at_rest(&idle);
}

/// Another thread sets a deadline for a worker that sleeps without one.
fn earlier_timer<W: Slow>() {
    let (idle, mut workers) = set::<W>(1);
    let timer = Arc::new(AtomicUsize::new(0));
    let worker = workers.remove(0);
    let asked = timer.clone();
    let thread = thread::spawn(move || {
        let deadline = || (asked.load(Relaxed) == 1).then(|| Instant::now() + Duration::from_secs(1));
        assert_eq!(worker.next_deadline(deadline, || None::<()>), Next::TimedOut);
    });
    timer.store(1, Relaxed);
    idle.wake_one();
    advance_clock();
    thread.join().unwrap();
}

/// `find` of one worker panics in call number `fatal`. The other worker runs the task.
fn panic_in_look<W: Slow>(fatal: usize) {
    let (idle, mut workers) = set::<W>(2);
    let (queue, left) = (Queue::new(1), Left::new(1));
    let mut threads = one_or_none(workers.split_off(1), &queue, &left);
    let worker = workers.remove(0);
    let looks = queue.clone();
    threads.push(thread::spawn(move || {
        let mut look = 0;
        let find = || {
            look += 1;
            if look == fatal {
                resume_unwind(Box::new("find panics"));
            }
            looks.pop()
        };
        if let Ok(Some(_)) = catch_unwind(AssertUnwindSafe(|| worker.next(find))) {
            left.taken(worker.idle());
        }
    }));
    announce(&idle, &queue, 0);
    join(&idle, threads);
}

fn panic_in_first_look<W: Slow>() {
    panic_in_look::<W>(1);
}

fn panic_in_last_look<W: Slow>() {
    panic_in_look::<W>(2);
}

fn panic_in_searching_look<W: Slow>() {
    panic_in_look::<W>(3);
}

/// A worker is dropped after its first task. The thread enters the set again for the second task.
fn dropped_worker_and_enter<W: Slow>() {
    let (idle, mut workers) = set::<W>(1);
    let queue = Queue::new(2);
    let worker = workers.remove(0);
    let looks = queue.clone();
    let thread = thread::spawn(move || {
        worker.next(|| looks.pop()).expect("the set is not closed");
        let idle = worker.idle().clone();
        drop(worker);
        let worker = idle.enter().expect("a place is vacant");
        worker.next(|| looks.pop()).expect("the set is not closed");
    });
    (0..2).for_each(|task| _ = announce(&idle, &queue, task));
    thread.join().unwrap();
    assert_eq!(idle.asleep(), 0);
}

/// A task that was pushed before `close` runs, and the worker ends.
fn close_against_push<W: Slow>() {
    let (idle, mut workers) = set::<W>(1);
    let queue = Queue::new(1);
    let (worker, looks) = (workers.remove(0), queue.clone());
    let thread = thread::spawn(move || {
        assert_eq!(worker.next(|| looks.pop()), Some(0));
        assert_eq!(worker.next(|| looks.pop()), None);
        forget(worker);
    });
    queue.push(0);
    idle.close();
    assert_eq!(idle.wake_one(), Announced::Closed);
    thread.join().unwrap();
}

/// A worker waits within a task for a latch, while the set is closed. The other worker sets the latch.
fn join_after_close<W: Slow>() {
    let (idle, mut workers) = set::<W>(2);
    let (latch, queue) = (Queue::new(1), Queue::new(1));
    let (second, first) = (workers.remove(1), workers.remove(0));
    let (looks, waits) = (queue.clone(), latch.clone());
    let waiter = thread::spawn(move || {
        first.wait_for(|| waits.pop());
        forget(first);
    });
    let setter = thread::spawn(move || {
        second.next(|| looks.pop()).expect("the task was there before the end");
        latch.push(0);
        second.idle().wake_worker(0);
        forget(second);
    });
    announce(&idle, &queue, 0);
    idle.close();
    join(&idle, vec![waiter, setter]);
}

/// What came before the wake of a future is visible to its next poll.
fn future_of_a_worker<W: Slow>() {
    let (_idle, mut workers) = set::<W>(1);
    let worker = workers.remove(0);
    let data = Arc::new(AtomicUsize::new(0));
    let mut waking = None;
    let future = std::future::poll_fn(|context| {
        if waking.is_some() {
            assert_eq!(data.load(Relaxed), 1, "the poll does not see what came before the wake");
            return std::task::Poll::Ready(());
        }
        let (data, waker) = (data.clone(), context.waker().clone());
        waking = Some(thread::spawn(move || {
            data.store(1, Relaxed);
            waker.wake();
        }));
        std::task::Poll::Pending
    });
    worker.block_on(future, || None::<fn()>);
    waking.into_iter().for_each(|thread| thread.join().unwrap());
    forget(worker);
}

/// A poll sees what came before each wake that it follows from, and a wake that it misses has it polled again.
fn future_with_two_wakers<W: Slow>() {
    let (_idle, mut workers) = set::<W>(1);
    let worker = workers.remove(0);
    let data = Queue::new(2);
    let mut waking = Vec::new();
    let future = std::future::poll_fn(|context| {
        for piece in waking.len()..2 {
            let (data, waker) = (data.clone(), context.waker().clone());
            waking.push(thread::spawn(move || {
                data.push(piece);
                waker.wake();
            }));
        }
        match data.0.iter().all(|piece| piece.load(Relaxed) == 1) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    });
    worker.block_on(future, || None::<fn()>);
    waking.into_iter().for_each(|thread| thread.join().unwrap());
    forget(worker);
}

/// A set that starts its workers itself.
struct Growing<W: Slow> {
    idle: Idle<W>,
    queue: Queue,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl<W: Slow> Growing<W> {
    /// The first `failing` starts fail. `run` is a worker's thread.
    fn new(builder: Builder<W>, tasks: usize, failing: usize, run: fn(Worker<W>, &Queue)) -> Self {
        let (queue, threads) = (Queue::new(tasks), Arc::new(Mutex::<Vec<JoinHandle<()>>>::default()));
        let (looks, started) = (queue.clone(), threads.clone());
        let calls = std::sync::atomic::AtomicUsize::new(0);
        let start = move |worker: Worker<W>| {
            if calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < failing {
                return Err(std::io::ErrorKind::Other.into());
            }
            let looks = looks.clone();
            let thread = thread::spawn(move || run(worker, &looks));
            started.lock().unwrap().push(thread);
            Ok(())
        };
        Self { idle: builder.start(start).build().0, queue, threads }
    }

    fn announce(&self, task: usize) -> Announced {
        announce(&self.idle, &self.queue, task)
    }

    fn join(&self) {
        let next = || self.threads.lock().unwrap().pop();
        std::iter::from_fn(next).for_each(|thread| thread.join().unwrap());
        assert!(!self.queue.is_left(), "a task waits, and no worker was started");
        assert_at_rest(&self.idle);
    }
}

fn places<W: Slow>(places: usize) -> Builder<W> {
    Builder::with_parkers((0..places).map(|_| Parker::with_wait(W::default()).with_spin(Spin::off())))
}

/// The worker of each place takes so many tasks, of which the last one never ends.
fn take<W: Slow>(worker: Worker<W>, queue: &Queue, tasks: [usize; 2]) {
    (0..tasks[worker.index()]).for_each(|_| _ = worker.next(|| queue.pop()).expect("the set is not closed"));
    forget(worker);
}

/// Two tasks that wait for each other, in two places without a thread.
fn two_vacant_places<W: Slow>() {
    let pool = Growing::<W>::new(places(2), 2, 0, |worker, queue| take(worker, queue, [1, 1]));
    (0..2).for_each(|task| _ = pool.announce(task));
    pool.join();
}

/// The same in two places of which the first one has a thread, which runs another task before.
fn one_vacant_place<W: Slow>() {
    let pool = Growing::<W>::new(places(2), 3, 0, |worker, queue| take(worker, queue, [2, 1]));
    assert_eq!(pool.announce(0), Announced::Started);
    thread::yield_now(); // so that it sleeps, without a preemption
    (1..3).for_each(|task| _ = pool.announce(task));
    pool.join();
}

/// The same in two places that both have a thread.
fn no_vacant_place<W: Slow>() {
    let pool = Growing::<W>::new(places(2), 4, 0, |worker, queue| take(worker, queue, [2, 2]));
    (0..2).for_each(|task| _ = pool.announce(task));
    thread::yield_now(); // so that they sleep, without a preemption
    (2..4).for_each(|task| _ = pool.announce(task));
    pool.join();
}

/// The worker gives up its place at once when it finds nothing, and the second task is announced meanwhile.
fn place_given_up_against_a_task<W: Slow>() {
    let pool = Growing::<W>::new(places(1).keep_alive(Duration::ZERO), 2, 0, |worker, queue| {
        while worker.next(|| queue.pop()).is_some() {}
        forget(worker);
    });
    (0..2).for_each(|task| _ = pool.announce(task));
    pool.join();
}

/// Two callers announce tasks that wait for each other, and the first start fails. The next announcement makes up for it.
fn start_that_fails_once<W: Slow>() {
    let pool = Growing::<W>::new(places(2), 2, 1, |worker, queue| take(worker, queue, [1, 1]));
    let caller = caller(&pool.idle, &pool.queue, 1);
    pool.announce(0);
    caller.join().unwrap();
    pool.idle.wake_one();
    pool.join();
}

/// A worker that ends after its task, as by a panic, does not leave the second task.
fn dropped_worker_is_replaced<W: Slow>() {
    // One that was started for nothing ends.
    let builder = places(1).keep_alive(Duration::ZERO);
    let pool = Growing::<W>::new(builder, 2, 0, |worker, queue| _ = worker.next(|| queue.pop()));
    (0..2).for_each(|task| _ = pool.announce(task));
    pool.join();
}
