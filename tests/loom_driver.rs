#![cfg(all(loom, feature = "loom"))]
//! Every interleaving of small scenarios of the driver, with few preemptions, on three slow paths.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release --features loom,futex,parking_lot --test loom_driver
//! ```
//!
//! A thread that sleeps while nobody will take its event is a deadlock here. The events are Relaxed flags, so that only the
//! driver and the source of the events order them. `tests/weaken.sh` shows that the models can fail.

#[macro_use]
#[path = "models/explore.rs"]
mod explore;
#[path = "models/slow.rs"]
mod slow;

use atomic_parker::driver::{Driver, DriverOr, EventLoop};
use atomic_parker::idle::model::{assert_at_rest, set_places_in_row};
use atomic_parker::idle::{Builder, Idle, Worker};
use atomic_parker::model::advance_clock;
use atomic_parker::wait::{Condvar, Futex, ParkingLot, Wait};
use atomic_parker::{AtomicParker, Parker, Spin, Unparker};
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread::{self, JoinHandle};
use slow::Slow;
use std::mem::forget;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn explore(name: &str, preemptions: Option<usize>, model: fn()) {
    // Workers share a row of places, or not.
    for places in if name.starts_with("worker") { 1..=2 } else { 2..=2 } {
        set_places_in_row(places);
        explore::explore(name, preemptions, model);
    }
}

check! {
    one_event on Condvar <= 3, Futex <= 3, ParkingLot <= 3;
    token_without_event on Condvar <= 3, ParkingLot <= 3;
    earlier_timer on Condvar <= 3;
    two_events on Condvar <= 3, Futex <= 2, ParkingLot <= 2;
    a_task_that_blocks on Condvar <= 2, Futex <= 2, ParkingLot <= 2;
    standby_leaves on Condvar <= 2;
    standby_counts_down on Condvar <= 1;
    standby_comes_too_late on Condvar <= 1;
    standby_is_not_woken on Condvar <= 1;
    always_at_once on Condvar <= 2;
    first_time_at_once on Condvar <= 2;
    deadline_of_the_polling_thread on Condvar <= 2;
    panic_in_wait on Condvar <= 2;
    panic_in_deliver on Condvar <= 2;
    two_threads_on_one_parker on Condvar <= 2, Futex <= 1, ParkingLot <= 1;
    parkers_on_one_slow_path on Condvar <= 1, ParkingLot <= 1;
    polled_by_a_busy_thread on Condvar <= 2;
    busy_thread_polls_once on Condvar <= 2;
    workers_and_events on Condvar <= 1, Futex <= 1, ParkingLot <= 1;
    workers_event_and_caller on Condvar <= 1, ParkingLot <= 1;
    worker_beside_a_bare_thread on Condvar <= 2, ParkingLot <= 1;
}

const LONG: Duration = Duration::from_secs(1);

/// The sources of the events: one flag for each.
struct Sources {
    /// Ends a `wait` of the event loop; its token stays.
    signal: AtomicParker,
    fired: [AtomicUsize; 3],
    panics_in: Option<&'static str>,
}

impl Sources {
    fn fire(&self, event: usize) {
        self.fired[event].store(1, Relaxed);
        self.signal.unpark();
    }
}

/// Wakes the target of each event. A target is called at most once for each time its event is fired.
struct Events {
    sources: Arc<Sources>,
    targets: Arc<std::sync::Mutex<Vec<Target>>>,
}

type Target = Box<dyn Fn() + Send>;

impl Events {
    fn panic_once(&mut self, place: &str) {
        if self.sources.panics_in == Some(place) && self.sources.fired[2].swap(0, Relaxed) == 1 {
            resume_unwind(Box::new(())); // without a message: these are no failures
        }
    }
}

impl EventLoop for Events {
    fn wait(&mut self, until: Option<Instant>) {
        // As timers, and as events that a poll before has found and not delivered.
        if self.sources.fired.iter().any(|fired| fired.load(Relaxed) == 1) {
            self.panic_once("wait");
            return;
        }
        match until {
            None => self.sources.signal.park(),
            Some(until) => _ = self.sources.signal.park_deadline(until),
        }
        self.panic_once("wait");
    }

    fn deliver(&mut self) {
        self.panic_once("deliver");
        let targets = self.targets.lock().unwrap();
        for (fired, target) in self.sources.fired.iter().zip(&*targets) {
            if fired.load(Relaxed) == 1 && fired.swap(0, Relaxed) == 1 {
                target();
            }
        }
    }
}

struct Group {
    driver: Driver<Events>,
    sources: Arc<Sources>,
    targets: Arc<std::sync::Mutex<Vec<Target>>>,
    /// What a task blocks on. loom does not see the counts of `Arc`, so this one outlives the threads.
    latch: Arc<AtomicParker>,
    latches: Arc<[AtomicParker; 2]>,
}

impl Group {
    fn new(hand_over_after: Duration) -> Self {
        Self::that_panics(hand_over_after, None)
    }

    fn that_panics(hand_over_after: Duration, panics_in: Option<&'static str>) -> Self {
        let fired = [(); 3].map(|()| AtomicUsize::new(0));
        let sources = Arc::new(Sources { signal: AtomicParker::new(), fired, panics_in });
        let targets = Arc::default();
        let interrupted = sources.clone();
        let events = Events { sources: sources.clone(), targets: Arc::clone(&targets) };
        let driver = Driver::new(events, move || _ = interrupted.signal.unpark()).hand_over_after(hand_over_after);
        Self { driver, sources, targets, latch: Arc::default(), latches: Arc::default() }
    }

    /// A parker that the next event wakes.
    fn parker<W: Slow>(&self) -> Parker<DriverOr<Events, W>> {
        let parker = self.bare();
        self.target(parker.unparker());
        parker
    }

    fn bare<W: Slow>(&self) -> Parker<DriverOr<Events, W>> {
        Parker::with_wait(self.driver.or(W::default())).with_spin(Spin::off())
    }

    /// Workers, and the queue of their tasks. An event is a task for them.
    fn workers<W: Slow, const WORKERS: usize>(&self, events: usize, tasks: usize) -> (Pool<W>, [Set<W>; WORKERS]) {
        let (idle, workers) = Builder::with_driver(&self.driver, (0..WORKERS).map(|_| W::default())).build();
        let tasks: Arc<[AtomicUsize]> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
        let pool = Pool { idle, left: Arc::new(AtomicUsize::new(tasks.len())), tasks };
        for event in 0..events {
            let pool = pool.clone();
            self.targets.lock().unwrap().push(Box::new(move || pool.push(event)));
        }
        let sets: Vec<_> = workers.into_iter().map(|worker| Set { worker, pool: pool.clone() }).collect();
        (pool, sets.try_into().ok().unwrap())
    }

    fn target<W: Wait + Send + Sync + 'static>(&self, unparker: Unparker<W>) {
        self.targets.lock().unwrap().push(Box::new(move || _ = unparker.unpark()));
    }
}

struct Pool<W> {
    idle: Idle<DriverOr<Events, W>>,
    tasks: Arc<[AtomicUsize]>,
    /// The taker of the last task closes the set.
    left: Arc<AtomicUsize>,
}

impl<W> Clone for Pool<W> {
    fn clone(&self) -> Self {
        Self { idle: self.idle.clone(), tasks: self.tasks.clone(), left: self.left.clone() }
    }
}

impl<W: Slow> Pool<W> {
    fn push(&self, task: usize) {
        self.tasks[task].store(1, Relaxed);
        let _ = self.idle.wake_one();
    }

    fn pop(&self) -> Option<usize> {
        // The load may read an old value. A read-modify-write of loom cannot.
        (0..self.tasks.len())
            .find(|&task| self.tasks[task].load(Relaxed) == 1 && self.tasks[task].swap(0, Relaxed) == 1)
    }
}

struct Set<W> {
    worker: Worker<DriverOr<Events, W>>,
    pool: Pool<W>,
}

impl<W: Slow> Set<W> {
    fn work(self, run: impl Fn(usize) + 'static) -> JoinHandle<()> {
        start(move || {
            while let Some(task) = self.worker.next(|| self.pool.pop()) {
                if self.pool.left.fetch_sub(1, Relaxed) == 1 {
                    self.pool.idle.close();
                }
                run(task);
            }
            forget(self.worker); // Its drop takes a lock, which only adds interleavings.
        })
    }
}

/// Task 0 waits until task 1 runs.
fn wait_for_each_other(group: &Group) -> impl Fn(usize) + Clone + 'static {
    let latch = group.latch.clone();
    move |task| match task {
        0 => latch.park(),
        _ => _ = latch.unpark(),
    }
}

/// The targets hold the event loop that holds them.
impl Drop for Group {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.targets.lock().unwrap().clear();
        }
    }
}

fn start(thread: impl FnOnce() + 'static) -> JoinHandle<()> {
    thread::spawn(thread)
}

fn join<const THREADS: usize>(threads: [JoinHandle<()>; THREADS]) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// A thread that ends when its event has come.
fn one_event<W: Slow>() {
    let group = Group::new(LONG);
    let parker = group.parker::<W>();
    let sleeper = start(move || parker.park());
    group.sources.fire(0);
    sleeper.join().unwrap();
    assert!(!group.driver.is_polled());
}

/// The token comes from another thread, and the event loop must be interrupted.
fn token_without_event<W: Slow>() {
    let group = Group::new(LONG);
    let parker = group.bare::<W>();
    let unparker = parker.unparker();
    let sleeper = start(move || {
        parker.park();
        parker.park();
    });
    unparker.unpark();
    while !unparker.unpark() {
        thread::yield_now();
    }
    sleeper.join().unwrap();
}

/// A timer that only `interrupt` announces: the flag is set, and nothing is signalled.
fn earlier_timer<W: Slow>() {
    let group = Group::new(LONG);
    let parker = group.parker::<W>();
    let sleeper = start(move || parker.park());
    group.sources.fired[0].store(1, Relaxed);
    group.driver.interrupt();
    sleeper.join().unwrap();
}

/// Two threads, each with an event of its own. The one that polls leaves with the first event.
fn two_events<W: Slow>() {
    let group = Group::new(LONG);
    let sleepers = [group.parker::<W>(), group.parker::<W>()].map(|parker| start(move || parker.park()));
    group.sources.fire(0);
    group.sources.fire(1);
    advance_clock();
    join(sleepers);
    assert!(!group.driver.is_polled());
}

/// Each of two threads gets an event, and then blocks until the other one has got its second event. The first time that the role is
/// given up, the other thread takes it at once. The second time it counts down.
fn a_task_that_blocks<W: Slow>() {
    let group = Group::new(LONG);
    let parkers = [group.parker::<W>(), group.parker::<W>()];
    let (done, tell) = (group.latch.clone(), group.latch.clone());
    let [one, two] = parkers;
    let sources = group.sources.clone();
    let first = start(move || {
        one.park();
        sources.fire(1);
        one.park();
        tell.unpark();
    });
    let sources = group.sources.clone();
    let second = start(move || {
        two.park();
        sources.fire(0);
        done.park();
    });
    group.sources.fire(0);
    advance_clock();
    join([first, second]);
}

/// One thread after the other polls and then blocks, until the last one has had its event. The last but one counts down.
fn standby_counts_down<W: Slow>() {
    let group = Group::new(LONG);
    let parkers = [(); 3].map(|()| group.parker::<W>());
    let [one, two, three] = parkers;
    let (blocked, sources) = (group.latch.clone(), group.sources.clone());
    let ends = group.latches.clone();
    let first = start(move || {
        one.park();
        sources.fire(1);
        ends[0].park();
    });
    let ends = group.latches.clone();
    let second = start(move || {
        two.park();
        blocked.unpark();
        ends[1].park();
    });
    let ends = group.latches.clone();
    let third = start(move || {
        three.park();
        ends.iter().for_each(|end| _ = end.unpark());
    });
    thread::yield_now(); // until all sleep
    group.sources.fire(0);
    group.latch.park();
    group.sources.fire(2);
    advance_clock();
    join([first, second, third]);
}

/// Two threads leave the event loop in turn, and the standby ends with an event of its own. So the third thread counts down as soon as it
/// is in its bed, and no thread wakes it for that.
fn standby_is_not_woken<W: Slow>() {
    let group = Group::new(LONG);
    let parkers = [(); 3].map(|()| group.parker::<W>());
    let [one, two, three] = parkers;
    let (left, ends) = (group.latch.clone(), group.latches.clone());
    let first = start(move || {
        for _ in 0..2 {
            one.park();
            thread::yield_now(); // until the other one polls
            left.unpark();
        }
        ends[0].park();
    });
    let (left, ends, sources) = (group.latch.clone(), group.latches.clone(), group.sources.clone());
    let second = start(move || {
        two.park();
        left.unpark();
        two.park();
        sources.fire(2);
        advance_clock();
        ends[1].park();
    });
    for event in [0, 1, 0] {
        thread::yield_now(); // until they sleep
        group.sources.fire(event);
        group.latch.park();
    }
    thread::yield_now();
    group.sources.fire(1);
    three.park();
    group.latches.iter().for_each(|end| _ = end.unpark());
    join([first, second]);
}

/// The first thread comes back before the standby looks, and takes the role again. Then it leaves once more, and blocks.
fn standby_comes_too_late<W: Slow>() {
    let group = Group::new(LONG);
    let (one, two) = (group.parker::<W>(), group.parker::<W>());
    let (left, end) = (group.latch.clone(), group.latches.clone());
    let first = start(move || {
        for _ in 0..2 {
            one.park();
            left.unpark();
        }
        end[0].park();
    });
    let end = group.latches.clone();
    let second = start(move || {
        two.park();
        end[0].unpark();
    });
    for _ in 0..2 {
        thread::yield_now(); // until both sleep
        group.sources.fire(0);
        group.latch.park();
    }
    group.sources.fire(1);
    advance_clock();
    join([first, second]);
}

/// Three threads: one blocks with a task, and the standby gets a token of its own and leaves.
fn standby_leaves<W: Slow>() {
    let group = Group::new(LONG);
    let (done, tell) = (group.latch.clone(), group.latch.clone());
    let (blocked, last, leaves) = (group.parker::<W>(), group.parker::<W>(), group.bare::<W>());
    let unparker = leaves.unparker();
    let blocked = start(move || {
        blocked.park();
        done.park();
    });
    let leaves = start(move || leaves.park());
    let last = start(move || {
        last.park();
        tell.unpark();
    });
    group.sources.fire(0);
    unparker.unpark();
    group.sources.fire(1);
    advance_clock();
    join([blocked, leaves, last]);
}

fn always_at_once<W: Slow>() {
    at_once::<W>(Duration::ZERO);
}

fn first_time_at_once<W: Slow>() {
    at_once::<W>(LONG);
}

/// Without a count-down: the clock stands still.
fn at_once<W: Slow>(hand_over_after: Duration) {
    let group = Group::new(hand_over_after);
    let (one, two) = (group.parker::<W>(), group.parker::<W>());
    let (done, tell) = (group.latch.clone(), group.latch.clone());
    let first = start(move || {
        one.park();
        done.park();
    });
    let second = start(move || {
        two.park();
        tell.unpark();
    });
    group.sources.fire(0);
    group.sources.fire(1);
    join([first, second]);
}

/// The thread that polls times out, perhaps, while the other one sleeps.
fn deadline_of_the_polling_thread<W: Slow>() {
    let group = Group::new(LONG);
    let (timed, untimed) = (group.bare::<W>(), group.parker::<W>());
    let timed = start(move || assert!(!timed.park_timeout(LONG)));
    let untimed = start(move || untimed.park());
    advance_clock();
    join([timed]);
    group.sources.fire(0);
    join([untimed]);
}

fn panics_in<W: Slow>(place: &'static str) {
    let group = Group::that_panics(LONG, Some(place));
    let parkers = [group.parker::<W>(), group.parker::<W>()];
    let sleepers = parkers.map(|parker| {
        start(move || {
            // At most one of them panics, once.
            if catch_unwind(AssertUnwindSafe(|| parker.park())).is_err() {
                parker.park();
            }
        })
    });
    group.sources.fire(2);
    group.sources.fire(0);
    group.sources.fire(1);
    advance_clock();
    join(sleepers);
}

fn panic_in_wait<W: Slow>() {
    panics_in::<W>("wait");
}

fn panic_in_deliver<W: Slow>() {
    panics_in::<W>("deliver");
}

/// Each event sets the token of one parker, which releases one of two threads.
fn two_threads_on_one_parker<W: Slow>() {
    let group = Group::new(LONG);
    let parker = Arc::new(AtomicParker::with_wait(group.driver.or(W::default())));
    let target = parker.clone();
    group.targets.lock().unwrap().push(Box::new(move || _ = target.unpark()));
    let sleepers = [(); 2].map(|()| {
        let parker = parker.clone();
        start(move || parker.park())
    });
    group.sources.fire(0);
    // A token that is new says that the one before was taken. The event's may be one with another.
    for _ in 0..2 {
        while !parker.unpark() {
            thread::yield_now();
        }
    }
    join(sleepers);
}

/// Three parkers share a slow path in an `Arc`. One of them polls.
fn parkers_on_one_slow_path<W: Slow>() {
    let group = Group::new(LONG);
    let slow = Arc::new(group.driver.or(W::default()));
    let parkers = [slow.clone(), slow.clone(), slow].map(|slow| Parker::with_wait(slow).with_spin(Spin::off()));
    let unparkers = parkers.each_ref().map(|parker| parker.unparker());
    let threads = parkers.map(|parker| start(move || parker.park()));
    thread::yield_now();
    for (unparker, thread) in unparkers.iter().zip(threads).rev() {
        unparker.unpark();
        join([thread]);
    }
}

/// A busy thread polls while the other one goes to sleep, or polls.
fn polled_by_a_busy_thread<W: Slow>() {
    let group = Group::new(LONG);
    let parker = group.parker::<W>();
    let sleeper = start(move || parker.park());
    group.driver.poll_now();
    group.sources.fire(0);
    group.driver.poll_now();
    join([sleeper]);
    assert!(!group.driver.is_polled());
}

/// A busy thread polls while the other one goes to sleep, and then never again. The role is not handed over.
fn busy_thread_polls_once<W: Slow>() {
    let group = Group::new(Duration::MAX);
    let parker = group.parker::<W>();
    let sleeper = start(move || parker.park());
    group.driver.poll_now();
    group.sources.fire(0);
    join([sleeper]);
}

/// Two workers, and two events whose tasks wait for each other.
fn workers_and_events<W: Slow>() {
    let group = Group::new(LONG);
    let (pool, workers) = group.workers::<W, 2>(2, 2);
    let threads = workers.map(|worker| worker.work(wait_for_each_other(&group)));
    group.sources.fire(0);
    group.sources.fire(1);
    advance_clock();
    join(threads);
    assert_at_rest(&pool.idle);
    assert!(!group.driver.is_polled());
}

/// The same with one event, and one task that the caller announces.
fn workers_event_and_caller<W: Slow>() {
    let group = Group::new(LONG);
    let (pool, workers) = group.workers::<W, 2>(1, 2);
    let threads = workers.map(|worker| worker.work(wait_for_each_other(&group)));
    pool.push(1);
    group.sources.fire(0);
    advance_clock();
    join(threads);
    assert_at_rest(&pool.idle);
}

/// One worker, with an event for its task, and one bare thread with an event of its own.
fn worker_beside_a_bare_thread<W: Slow>() {
    let group = Group::new(LONG);
    let (_pool, [worker]) = group.workers::<W, 1>(1, 1);
    let bare = group.parker::<W>();
    let (done, tell) = (group.latch.clone(), group.latch.clone());
    let worker = worker.work(move |_| done.park());
    let bare = start(move || {
        bare.park();
        tell.unpark();
    });
    group.sources.fire(0);
    group.sources.fire(1);
    advance_clock();
    join([worker, bare]);
    assert!(!group.driver.is_polled());
}
