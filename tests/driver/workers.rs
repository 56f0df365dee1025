//! What the documentation promises for the workers of a set with a driver.

use crate::events::{self, home, until, Loop, Sources};
use crate::watchdog::watch;
use atomic_parker::driver::{Driver, DriverOr, EventLoop};
use atomic_parker::idle::{Announced, Idle, Next, WeakIdle, Worker};
use atomic_parker::wait::{Condvar, Wait};
use atomic_parker::{Parker, Spin};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{mpsc, Arc, Barrier, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

type Pool = Idle<DriverOr<Loop>>;

/// A queue that all workers share.
pub struct Queue<T>(Mutex<VecDeque<T>>);

impl<T: Send + 'static> Queue<T> {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    pub fn pop(&self) -> Option<T> {
        self.0.lock().unwrap().pop_front()
    }

    pub fn push(&self, task: T) {
        self.0.lock().unwrap().push_back(task);
    }
}

pub fn announce<W: Wait + Send + Sync + 'static>(idle: &WeakIdle<DriverOr<Loop, W>>) {
    if let Some(idle) = idle.upgrade() {
        idle.wake_one();
    }
}

/// Starts a thread that sends the index of the worker and each task that it finds.
pub fn serve<T: Send + 'static, W: Wait + Send + Sync + 'static>(
    worker: Worker<DriverOr<Loop, W>>,
    queue: &Arc<Queue<T>>,
    sender: &mpsc::Sender<(usize, T)>,
) -> JoinHandle<()> {
    let (queue, sender) = (queue.clone(), sender.clone());
    thread::spawn(move || {
        while let Some(task) = worker.next(|| queue.pop()) {
            sender.send((worker.index(), task)).unwrap();
        }
    })
}

/// A set of two workers, of which the first to sleep polls, and then the other one sleeps.
struct Two {
    driver: Driver<Loop>,
    sources: Arc<Sources>,
    idle: Pool,
    queue: Arc<Queue<()>>,
    done: mpsc::Receiver<(usize, ())>,
    threads: Vec<JoinHandle<()>>,
}

impl Two {
    fn new(polls: usize) -> Self {
        let (driver, sources) = events::new();
        // No clock: only what the test does moves the role.
        let driver = driver.hand_over_after(Duration::from_secs(1_000));
        let (idle, mut workers) = Idle::with_driver(2, &driver);
        watch(idle.clone());
        let (queue, (sender, done)) = (Queue::new(), mpsc::channel());
        let mut threads = vec![serve(workers.remove(polls), &queue, &sender)];
        until(|| driver.is_polled());
        threads.push(serve(workers.remove(0), &queue, &sender));
        until(|| idle.asleep() == 2 && idle.metrics().park_count == 2);
        Self { driver, sources, idle, queue, done, threads }
    }

    fn close(self) {
        self.idle.close();
        home(self.threads);
        assert!(!self.driver.is_polled());
    }
}

#[test]
fn an_event_wakes_no_other_worker() {
    for polls in [0, 1] {
        let two = Two::new(polls);
        let (queue, idle) = (two.queue.clone(), two.idle.downgrade());
        let socket = two.sources.socket(move || {
            queue.push(());
            announce(&idle);
        });
        socket.send(&[0]).unwrap();
        assert_eq!(two.done.recv().unwrap().0, polls);
        let metrics = two.idle.metrics();
        assert_eq!((metrics.wake_count, two.sources.interrupts.load(SeqCst)), (1, 0));
        // The first time, the other one takes its place at once.
        assert_eq!(two.idle.worker_metrics(polls).hand_over_count, 1);
        two.close();
    }
}

#[test]
fn an_announcement_from_elsewhere_leaves_the_polling_worker_asleep() {
    for polls in [0, 1] {
        let two = Two::new(polls);
        two.queue.push(());
        assert!(two.idle.wake_one().woke());
        assert_eq!(two.done.recv().unwrap().0, 1 - polls);
        assert_eq!(two.sources.interrupts.load(SeqCst), 0);
        two.close();
    }
}

#[test]
fn an_event_does_not_wait_for_the_look_of_another_worker() {
    let (driver, sources) = events::new();
    let (idle, mut workers) = Idle::with_driver(2, &driver);
    watch(idle.clone());
    let (queue, (sender, done)) = (Queue::new(), mpsc::channel());
    let polls = serve(workers.remove(1), &queue, &sender);
    until(|| driver.is_polled());
    let stuck = Arc::new(Barrier::new(2));
    let looks = {
        let (worker, queue, stuck) = (workers.remove(0), queue.clone(), stuck.clone());
        let mut look = 0;
        let find = move || {
            look += 1;
            if look == 3 {
                stuck.wait();
                stuck.wait();
            }
            queue.pop()
        };
        thread::spawn(move || assert_eq!(worker.next(find), None))
    };
    until(|| idle.metrics().park_count == 2);
    assert!(idle.wake_one().woke());
    stuck.wait();
    let (task, weak) = (queue.clone(), idle.downgrade());
    let socket = sources.socket(move || {
        task.push(());
        assert_eq!(weak.upgrade().unwrap().wake_one(), Announced::Searching);
    });
    socket.send(&[0]).unwrap();
    assert_eq!(done.recv().unwrap().0, 1);
    stuck.wait();
    idle.close();
    home([polls, looks]);
}

#[test]
fn a_busy_worker_polls_at_each_61st_task() {
    let (driver, sources) = events::new();
    let (_idle, workers) = Idle::with_driver(1, &driver);
    for tasks in 1..=1_000 {
        assert_eq!(workers[0].next(|| Some(tasks)), Some(tasks));
        assert_eq!(sources.polls.load(SeqCst), tasks / 61);
    }
}

#[test]
fn a_busy_worker_asked_for_work_while_it_polls_panics() {
    thread_local! {
        static ME: RefCell<Option<Rc<Worker<DriverOr<Asks>>>>> = const { RefCell::new(None) };
        static PANICKED: Cell<bool> = const { Cell::new(false) };
    }
    struct Asks;
    impl EventLoop for Asks {
        fn wait(&mut self, _: Option<Instant>) {}

        fn deliver(&mut self) {
            let me = ME.take().expect("it polls once");
            let next = || me.next_timeout(Duration::ZERO, || None::<()>);
            PANICKED.set(catch_unwind(AssertUnwindSafe(next)).is_err());
        }
    }
    let driver = Driver::new(Asks, || ());
    let (idle, mut workers) = Idle::with_driver(1, &driver);
    let worker = Rc::new(workers.remove(0));
    ME.set(Some(worker.clone()));
    for task in 1..=61 {
        assert_eq!(worker.next(|| Some(task)), Some(task));
    }
    assert!(PANICKED.get() && !driver.is_polled());
    assert_eq!(idle.asleep(), 0);
}

#[test]
fn a_worker_that_never_sleeps_polls_at_each_61st_call() {
    let (driver, sources) = events::new();
    let (_idle, workers) = Idle::with_driver(1, &driver);
    for call in 1..=1_000 {
        // By turns, the second look finds a task, and the time is over at once.
        if call % 2 == 0 {
            let mut looks = 0;
            let find = || {
                looks += 1;
                (looks > 1).then_some(call)
            };
            assert_eq!(workers[0].next(find), Some(call));
        } else {
            assert_eq!(workers[0].next_timeout(Duration::ZERO, || None::<()>), Next::TimedOut);
        }
        assert!(sources.polls.load(SeqCst) >= call / 61);
    }
}

#[test]
fn a_worker_polls_in_place_of_a_bare_thread() {
    let (driver, sources) = events::new();
    let bare = Parker::with_wait(driver.or(Condvar::new())).with_spin(Spin::off());
    let unparker = bare.unparker();
    let bare = thread::spawn(move || bare.park());
    until(|| sources.polls.load(SeqCst) == 1);
    let (idle, mut workers) = Idle::with_driver(1, &driver);
    let (queue, (sender, _done)) = (Queue::<()>::new(), mpsc::channel());
    let worker = serve(workers.remove(0), &queue, &sender);
    until(|| *sources.polled_by.lock().unwrap() == worker.thread().id());
    unparker.unpark();
    home([bare]);
    assert_eq!(*sources.polled_by.lock().unwrap(), worker.thread().id());
    idle.close();
    home([worker]);
}

#[test]
fn a_deadline_of_a_worker_ends_its_poll() {
    let (driver, _sources) = events::new();
    let (_idle, workers) = Idle::with_driver(1, &driver);
    let start = Instant::now();
    let timeout = Duration::from_millis(2);
    assert_eq!(workers[0].next_timeout(timeout, || None::<()>), Next::TimedOut);
    assert!(start.elapsed() >= timeout && !driver.is_polled());
}

#[test]
fn nothing_keeps_itself_alive() {
    let (driver, sources) = events::new();
    let (idle, workers) = Idle::with_driver(2, &driver);
    let weak = idle.downgrade();
    let socket = sources.socket(move || announce(&weak));
    socket.send(&[0]).unwrap();
    assert_eq!(workers[1].next_timeout(Duration::from_micros(100), || None::<()>), Next::TimedOut);
    drop((idle, workers, driver));
    watch("the driver is still alive"); // In place of the watch that holds the driver.
    until(|| Arc::strong_count(&sources) == 1);
}

const GROUPS: usize = 300;
const WORKERS: usize = 4;

/// Runs tasks until the set is closed, on workers that time out, panic, are dropped and enter again.
fn work(mut worker: Worker<DriverOr<Loop>>, queue: &Queue<Arc<Barrier>>) {
    let mut random = worker.index();
    loop {
        random = random.wrapping_mul(5).wrapping_add(3);
        let mut look = 0;
        let find = || {
            look += 1;
            if random % 7 == look {
                resume_unwind(Box::new("find panics"));
            }
            queue.pop()
        };
        let timeout = Duration::from_micros((random % 300) as u64);
        let next = catch_unwind(AssertUnwindSafe(|| match random % 3 {
            0 => worker.next_timeout(timeout, find),
            _ => worker.next(find).map_or(Next::Closed, Next::Work),
        }));
        match next {
            Ok(Next::Work(barrier)) => _ = barrier.wait(),
            Ok(Next::Closed) => return,
            Ok(Next::TimedOut) => {
                let idle = worker.idle().clone();
                drop(worker);
                worker = idle.enter().expect("a place is vacant");
            }
            Err(_) => {}
        }
    }
}

/// Groups of tasks that wait for each other. Some come with a datagram, some with a timer, and some from a thread. A bare thread
/// has an event of its own in each group.
#[test]
fn tasks_of_events_that_wait_for_each_other() {
    for hand_over_after in [Duration::ZERO, Duration::from_micros(100), Duration::from_millis(1)] {
        let (driver, sources) = events::new();
        let driver = driver.hand_over_after(hand_over_after);
        let (idle, workers) = Idle::with_driver(WORKERS, &driver);
        let queue = Queue::<Arc<Barrier>>::new();
        let threads: Vec<_> = workers
            .into_iter()
            .map(|worker| {
                let queue = queue.clone();
                thread::spawn(move || work(worker, &queue))
            })
            .collect();
        let come = {
            let (queue, idle) = (queue.clone(), idle.downgrade());
            move |barrier: &Arc<Barrier>| {
                queue.push(barrier.clone());
                announce(&idle);
            }
        };
        // What the next datagrams bring.
        let brought = Arc::new(Mutex::new(VecDeque::<Arc<Barrier>>::new()));
        let socket = sources.socket({
            let (come, brought) = (come.clone(), brought.clone());
            move || {
                let barrier = brought.lock().unwrap().pop_front().unwrap();
                come(&barrier);
            }
        });
        let rounds = Arc::new(AtomicUsize::new(0));
        let bare = Parker::with_wait(driver.or(Condvar::new())).with_spin(Spin::off());
        let (unparker, counted) = (bare.unparker(), rounds.clone());
        let bare_socket = sources.socket(move || _ = unparker.unpark());
        let bare = thread::spawn(move || {
            for _ in 0..GROUPS {
                bare.park();
                counted.fetch_add(1, SeqCst);
            }
        });
        for group in 0..GROUPS {
            if group % 100 == 0 {
                watch(idle.clone());
            }
            let tasks = 1 + group % WORKERS;
            // This thread waits at the barrier too.
            let barrier = Arc::new(Barrier::new(tasks + 1));
            bare_socket.send(&[0]).unwrap();
            for task in 0..tasks {
                match (group + task) % 3 {
                    0 => {
                        brought.lock().unwrap().push_back(barrier.clone());
                        socket.send(&[0]).unwrap();
                    }
                    1 => {
                        let (come, barrier) = (come.clone(), barrier.clone());
                        let at = Instant::now() + Duration::from_micros((group * 7 % 500) as u64);
                        sources.timer(at, move || come(&barrier));
                        driver.interrupt();
                    }
                    _ => come(&barrier),
                }
            }
            let waits = thread::spawn(move || _ = barrier.wait());
            home([waits]);
            until(|| rounds.load(SeqCst) > group);
        }
        idle.close();
        home(threads.into_iter().chain([bare]));
        assert!(!driver.is_polled());
    }
}
