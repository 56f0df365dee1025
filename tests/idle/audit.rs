//! Mistakes that the audit tells. The right use is in the last test.

use crate::support::Queue;
use crate::watchdog::watch;
use atomic_parker::idle::{Announced, Builder, Finding, Idle, Next, Worker};
use atomic_parker::wait::{Condvar, Key, Sleeper, Wait};
use atomic_parker::{Parker, Spin};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::{mpsc, OnceLock};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(20);

/// Workers that don't spin, with an audit and a watchdog. It does not tell a `find` that takes long, as the system may stop any.
fn audited(workers: usize) -> (Idle, Vec<Worker>, mpsc::Receiver<Finding>) {
    audited_with(workers, |finding| !matches!(finding, Finding::LongFind { .. }))
}

fn audited_with(workers: usize, tells: fn(&Finding) -> bool) -> (Idle, Vec<Worker>, mpsc::Receiver<Finding>) {
    let (sender, findings) = mpsc::channel();
    let parkers = (0..workers).map(|_| Parker::new().with_spin(Spin::off()));
    let report = move |&finding: &_| {
        if tells(&finding) {
            let _ = sender.send(finding);
        }
    };
    let (idle, workers) = Builder::with_parkers(parkers).audit(EVERY, report).build();
    watch(idle.clone());
    (idle, workers, findings)
}

/// Runs tasks on threads of their own, until `close`.
fn serve(
    workers: Vec<Worker>,
    find: impl Fn(&Worker) -> Option<fn()> + Send + Clone + 'static,
) -> Vec<thread::JoinHandle<()>> {
    let serve = |worker: Worker| {
        let find = find.clone();
        thread::spawn(move || {
            while let Some(task) = worker.next(|| find(&worker)) {
                task();
            }
        })
    };
    workers.into_iter().map(serve).collect()
}

/// Waits until each worker has gone to sleep once more, so that none is in its last look.
fn until_asleep(idle: &Idle, workers: usize) {
    for worker in 0..workers {
        let parks = idle.worker_metrics(worker).park_count;
        while idle.worker_metrics(worker).park_count == parks {
            thread::yield_now();
        }
    }
}

#[test]
fn work_that_was_not_announced() {
    let (idle, workers, findings) = audited(2);
    let queue = Queue::new();
    let looks = queue.clone();
    serve(workers, move |_| looks.pop());
    until_asleep(&idle, 2);
    queue.push(|| {});
    assert!(matches!(findings.recv().unwrap(), Finding::Unannounced { .. }));
    // Announced before the push.
    let _ = idle.wake_one();
    while idle.metrics().noop_count == 0 {
        thread::yield_now();
    }
    until_asleep(&idle, 2);
    queue.push(|| {});
    let finding = findings.recv().unwrap();
    assert!(matches!(finding, Finding::Unannounced { .. }));
    assert!(finding.to_string().contains("before its push"), "{finding}");
    idle.close();
}

/// In a set with an audit, no sleep is longer than a period.
struct InPeriods(Condvar);

impl Wait for InPeriods {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        assert!(sleeper.timeout().is_some_and(|timeout| timeout <= EVERY));
        self.0.wait(sleeper);
    }

    fn wake(&self, key: Key<'_>) {
        self.0.wake(key);
    }
}

/// Two sleeps are two periods at most.
#[test]
fn it_is_reported_within_two_periods() {
    for announced_before in [false, true] {
        let (sender, findings) = mpsc::channel();
        let parker = Parker::with_wait(InPeriods(Condvar::new())).with_spin(Spin::off());
        let audit = move |&finding: &Finding| _ = sender.send(finding);
        let (idle, workers) = Builder::with_parkers([parker]).audit(EVERY, audit).build();
        watch(idle.clone());
        let mut looks = 0;
        let find = || {
            looks += 1;
            // The second look is the last one before the sleep.
            if announced_before && looks == 2 {
                assert_eq!(idle.wake_one(), Announced::Woke);
            }
            (looks == if announced_before { 5 } else { 3 }).then_some(())
        };
        assert_eq!(workers[0].next(find), Some(()));
        let slept = idle.metrics().park_count;
        // The work came after the look before the last one, so the worker has slept once since then.
        assert!(findings.try_recv().is_err());
        assert_eq!(workers[0].next(|| findings.try_recv().ok()), Some(Finding::Unannounced { worker: 0 }));
        assert_eq!(idle.metrics().park_count, slept + 1);
    }
}

#[test]
fn pinned_work_that_was_announced_for_any_worker() {
    let (idle, workers, findings) = audited(2);
    let pinned = Queue::new();
    let looks = pinned.clone();
    serve(workers, move |worker| if worker.index() == 1 { looks.pop() } else { None });
    // If worker 1 looks by itself before the other one has found nothing, that is no finding.
    let finding = std::iter::repeat_with(|| {
        until_asleep(&idle, 2);
        pinned.push(|| {});
        let _ = idle.wake_one();
        until_asleep(&idle, 2);
        until_asleep(&idle, 2);
        findings.try_recv().ok()
    });
    assert_eq!(finding.flatten().next(), Some(Finding::Unannounced { worker: 1 }));
    idle.close();
}

/// The first task waits for the second one, which its worker has moved to a queue of its own.
#[test]
fn the_rest_of_a_batch_that_was_not_announced() {
    let (idle, workers, findings) = audited(2);
    type Task = Box<dyn FnOnce() + Send>;
    let (queue, moved) = (Queue::<[Task; 2]>::new(), Queue::<Task>::new());
    for worker in workers {
        let (queue, moved) = (queue.clone(), moved.clone());
        let find = move || {
            moved.pop().or_else(|| {
                let [first, second] = queue.pop()?;
                moved.push(second);
                Some(first)
            })
        };
        thread::spawn(move || {
            while let Some(task) = worker.next(&find) {
                task();
            }
        });
    }
    // If a worker looks by itself before the one that was woken, that is no finding.
    let finding = std::iter::repeat_with(|| {
        until_asleep(&idle, 2);
        let (ends, end) = mpsc::channel();
        queue.push([Box::new(move || end.recv().unwrap()), Box::new(move || ends.send(()).unwrap())]);
        let _ = idle.wake_one();
        until_asleep(&idle, 2);
        until_asleep(&idle, 2);
        findings.try_recv().ok()
    });
    assert!(matches!(finding.flatten().next(), Some(Finding::Unannounced { .. })));
    idle.close();
}

#[test]
fn a_future_that_is_woken_when_its_worker_looks_by_itself_is_no_finding() {
    let (_idle, workers, findings) = audited(1);
    let waker = Cell::new(None::<Waker>);
    let mut polls = 0;
    let future = poll_fn(|context| {
        polls += 1;
        waker.set(Some(context.waker().clone()));
        if polls == 2 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    let mut looks = 0;
    workers[0].block_on(future, || {
        looks += 1;
        if looks == 3 {
            waker.take().unwrap().wake();
        }
        None::<fn()>
    });
    assert_eq!(looks, 3); // the first two are before the sleep
    assert_eq!(workers[0].next_timeout(EVERY, || None::<()>), Next::TimedOut);
    assert!(findings.try_recv().is_err());
}

#[test]
fn a_find_that_runs_a_task() {
    let (idle, workers, findings) = audited_with(1, |finding| matches!(finding, Finding::LongFind { .. }));
    let queue = Queue::new();
    let looks = queue.clone();
    serve(workers, move |_| {
        if let Some(task) = looks.pop() {
            let task: fn() = task;
            task();
        }
        None
    });
    queue.push(|| thread::sleep(EVERY + EVERY / 2));
    let _ = idle.wake_one();
    assert!(matches!(findings.recv().unwrap(), Finding::LongFind { worker: 0, took } if took > EVERY));
    idle.close();
}

#[test]
fn tasks_that_panic_until_no_worker_is_left() {
    let (idle, workers, findings) = audited(2);
    let queue = Queue::new();
    let looks = queue.clone();
    let threads = serve(workers, move |_| looks.pop());
    until_asleep(&idle, 2);
    for _ in 0..3 {
        queue.push(|| std::panic::resume_unwind(Box::new("the task panics")));
        let _ = idle.wake_one();
    }
    assert_eq!(findings.recv(), Ok(Finding::NoWorkers));
    threads.into_iter().for_each(|thread| assert!(thread.join().is_err()));
    let _ = idle.wake_one();
    assert_eq!(findings.try_recv(), Ok(Finding::NoWorkers)); // at once
}

#[test]
fn a_report_that_panics_while_a_task_panics() {
    let builder = Idle::builder(1).audit(Duration::from_secs(3_600), |finding| panic!("{finding}"));
    let (idle, mut workers) = builder.build();
    let worker = workers.remove(0);
    assert_eq!(idle.wake_one(), Announced::NoneAsleep);
    let task = catch_unwind(AssertUnwindSafe(move || {
        let _worker = worker; // the last one, beside work that may wait
        std::panic::resume_unwind(Box::new("the task panics"));
    }));
    assert_eq!(task.unwrap_err().downcast_ref(), Some(&"the task panics"));
}

#[test]
fn a_report_that_asks_its_worker_for_work_panics() {
    thread_local!(static ME: RefCell<Option<Rc<Worker>>> = const { RefCell::new(None) });
    let (sender, panicked) = mpsc::channel();
    let report = move |_: &Finding| {
        let Some(me) = ME.take() else { return }; // the drop of the worker is a finding too
        let next = || me.next_timeout(Duration::ZERO, || None::<()>);
        sender.send(catch_unwind(AssertUnwindSafe(next)).is_err()).unwrap();
    };
    let (idle, mut workers) = Idle::builder(1).audit(EVERY, report).build();
    let worker = Rc::new(workers.remove(0));
    ME.set(Some(worker.clone()));
    let too_long = || {
        thread::sleep(2 * EVERY);
        Some(1)
    };
    assert_eq!(worker.next(too_long), Some(1));
    assert_eq!(panicked.try_recv(), Ok(true));
    assert_eq!((idle.asleep(), idle.wake_one()), (0, Announced::NoneAsleep));
}

#[test]
fn a_report_may_announce() {
    static IDLE: OnceLock<Idle> = OnceLock::new();
    let (sender, findings) = mpsc::channel();
    let report = move |&finding: &_| {
        sender.send(finding).unwrap();
        assert_eq!(IDLE.get().unwrap().wake_one(), Announced::NoneAsleep); // the same mistake
    };
    let (idle, workers) = Idle::builder(1).audit(EVERY, report).build();
    let idle = IDLE.get_or_init(|| idle);
    drop(workers);
    for _ in 0..2 {
        assert_eq!(idle.wake_one(), Announced::NoneAsleep);
    }
    assert_eq!(findings.try_iter().collect::<Vec<_>>(), [Finding::NoWorkers; 2]);
}

#[test]
fn announcements_that_lead_nowhere() {
    let (idle, workers, findings) = audited(1);
    let _ = idle.wake_worker(1);
    assert_eq!(findings.try_recv(), Ok(Finding::NoSuchWorker { index: 1 }));
    idle.close();
    let _ = idle.wake_one();
    assert_eq!(findings.try_recv(), Ok(Finding::AfterClose));
    let moves_a_batch = || {
        let _ = idle.wake_one();
        Some("first")
    };
    assert_eq!(workers[0].next(moves_a_batch), Some("first"));
    let late = workers[0].waker();
    drop(workers);
    late.wake();
    assert!(findings.try_recv().is_err());
}

/// In 100,000 rounds, announcements come up to a millisecond after the work.
#[test]
fn right_use_is_no_finding() {
    const SETS: usize = 40;
    const ROUNDS: u64 = 2500;
    let sets: Vec<_> = (0..SETS)
        .map(|_| {
            thread::spawn(|| {
                let (idle, workers, findings) = audited(2);
                let queue = Queue::<fn()>::new();
                let looks = queue.clone();
                let threads = serve(workers, move |_| looks.pop());
                let mut late = 0;
                for round in 0..ROUNDS {
                    if round % 500 == 0 {
                        watch(idle.clone());
                    }
                    let pushed = Instant::now();
                    queue.push(|| {});
                    thread::sleep(Duration::from_micros(round % 100 * 10));
                    let _ = idle.wake_one();
                    // A thread that the system stops for so long is no right use.
                    late += usize::from(pushed.elapsed() >= EVERY / 2);
                }
                idle.close();
                threads.into_iter().for_each(|thread| thread.join().unwrap());
                assert!(queue.is_empty());
                let found: Vec<_> = findings.try_iter().collect();
                assert!(found.len() <= late, "{late} were late: {found:?}");
            })
        })
        .collect();
    sets.into_iter().for_each(|set| set.join().unwrap());
}
