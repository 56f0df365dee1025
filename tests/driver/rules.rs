//! What the documentation promises, rule by rule.

use crate::counted::Counted;
use crate::events::{self, home, until, Loop, Sources};
use crate::watchdog::watch;
use atomic_parker::driver::{Driver, DriverOr, EventLoop};
use atomic_parker::wait::Condvar;
use atomic_parker::{AtomicParker, Parker, Spin};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{mpsc, Arc, Mutex};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const NEVER: Duration = Duration::MAX;

fn parker(driver: &Driver<Loop>) -> Parker<DriverOr<Loop, Condvar>> {
    Parker::with_wait(driver.or(Condvar::new())).with_spin(Spin::off())
}

fn until_polled(sources: &Sources) {
    until(|| sources.polls.load(SeqCst) > 0);
}

#[test]
fn a_datagram_wakes_its_parker() {
    let (driver, sources) = events::new();
    let parker = parker(&driver);
    let unparker = parker.unparker();
    let socket = sources.socket(move || _ = unparker.unpark());
    socket.send(&[0]).unwrap();
    parker.park();
    assert!(!driver.is_polled());
    assert_eq!(sources.interrupts.load(SeqCst), 0, "the thread was in `deliver`");
}

#[test]
fn an_unpark_ends_the_wait_in_the_event_loop() {
    let (driver, sources) = events::new();
    let parker = parker(&driver);
    let unparker = parker.unparker();
    let thread = thread::spawn(move || parker.park());
    until_polled(&sources);
    assert!(driver.is_polled());
    unparker.unpark();
    home([thread]);
    assert_eq!(sources.interrupts.load(SeqCst), 1);
}

#[test]
fn a_future_runs_with_timers_on_one_thread() {
    let (driver, sources) = events::new();
    let parker = parker(&driver);
    let at = Instant::now() + Duration::from_millis(2);
    let mut set = false;
    let timer = std::future::poll_fn(|cx| {
        if !std::mem::replace(&mut set, true) {
            let waker = cx.waker().clone();
            sources.timer(at, move || waker.wake_by_ref());
        }
        if Instant::now() >= at {
            Poll::Ready(1)
        } else {
            Poll::Pending
        }
    });
    assert_eq!(parker.block_on(timer), 1);
    let pending = parker.block_on_timeout(std::future::pending::<()>(), Duration::from_millis(2));
    assert_eq!(pending, Err(atomic_parker::TimedOut));
}

#[test]
fn a_timed_park_is_never_early() {
    let (driver, _sources) = events::new();
    let parker = parker(&driver);
    for micros in [0, 1, 300, 2_500] {
        let timeout = Duration::from_micros(micros);
        let start = Instant::now();
        assert!(!parker.park_timeout(timeout));
        assert!(start.elapsed() >= timeout);
    }
}

#[test]
fn an_earlier_timer_needs_an_interrupt_and_no_token() {
    let (driver, sources) = events::new();
    assert!(!driver.interrupt(), "no thread polls");
    let parker = parker(&driver);
    let unparker = parker.unparker();
    let thread = thread::spawn(move || parker.park());
    until_polled(&sources);
    sources.timer(Instant::now(), move || _ = unparker.unpark());
    driver.interrupt();
    home([thread]);
    assert!(!driver.interrupt());
}

#[test]
fn a_busy_thread_polls_if_no_other_does() {
    let (driver, sources) = events::new();
    let called = Arc::new(AtomicUsize::new(0));
    let count = called.clone();
    sources.timer(Instant::now(), move || _ = count.fetch_add(1, SeqCst));
    assert!(driver.poll_now());
    assert_eq!(called.load(SeqCst), 1);

    let parker = parker(&driver);
    let unparker = parker.unparker();
    let thread = thread::spawn(move || parker.park());
    until(|| sources.polls.load(SeqCst) > 1);
    assert!(!driver.poll_now());
    unparker.unpark();
    home([thread]);
    assert!(driver.poll_now());
}

/// The thread that polls meanwhile never goes to sleep, so it would never poll again.
#[test]
fn a_thread_that_goes_to_sleep_beside_a_busy_one_polls_after_it() {
    for hand_over_after in [Duration::from_secs(3600), NEVER] {
        let (driver, sources) = events::new();
        let driver = driver.hand_over_after(hand_over_after);
        let (end, ends) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        let ends = Mutex::new(ends);
        sources.timer(Instant::now(), move || {
            begin.send(()).unwrap();
            ends.lock().unwrap().recv().unwrap();
        });
        let busy = driver.clone();
        let busy = thread::spawn(move || assert!(busy.poll_now()));
        begun.recv().unwrap();
        let counted = Counted::default();
        let sleeper = Parker::with_wait(driver.or(counted.clone())).with_spin(Spin::off());
        let unparker = sleeper.unparker();
        let sleeper = thread::spawn(move || sleeper.park());
        until(|| counted.sleeps.load(SeqCst) > 0);
        end.send(()).unwrap();
        home([busy]);
        until(|| *sources.polled_by.lock().unwrap() == sleeper.thread().id());
        unparker.unpark();
        home([sleeper]);
    }
}

/// A thread is the standby by itself while the event loop is often left. Not without hand-over, where it would count down for ever.
#[test]
fn there_is_no_standby_without_hand_over() {
    let (driver, sources) = events::new();
    let driver = driver.hand_over_after(Duration::from_secs(3600));
    let counted = Counted::default();
    let parkers = [(); 2].map(|()| Parker::with_wait(driver.or(counted.clone())).with_spin(Spin::off()));
    let [one, two] = parkers.each_ref().map(Parker::unparker);
    let [(go, goes), (go_on, goes_on)] = [(); 2].map(|()| mpsc::channel::<()>());
    let [first, second] = parkers;
    let first = thread::spawn(move || {
        first.park();
        for () in goes {
            first.park();
        }
    });
    let polls = |thread: &JoinHandle<()>| until(|| *sources.polled_by.lock().unwrap() == thread.thread().id());
    let sleeps = |count| until(|| counted.sleeps.load(SeqCst) >= count);
    polls(&first);
    let second = thread::spawn(move || {
        second.park();
        goes_on.recv().unwrap();
        second.park();
    });
    sleeps(1);
    // The first time, the other thread takes over at once. The second time, it becomes the standby.
    one.unpark();
    polls(&second);
    go.send(()).unwrap();
    sleeps(2);
    two.unpark();
    until(|| !driver.is_polled());
    let driver = driver.hand_over_after(NEVER);
    polls(&first);
    let slept = counted.sleeps.load(SeqCst);
    go_on.send(()).unwrap();
    sleeps(slept + 1);
    one.unpark();
    until(|| !driver.is_polled());
    // A thread that goes to sleep beside a busy one is asked to poll, or the other one.
    let (begin, begun) = mpsc::channel();
    let (end, ends) = mpsc::channel::<()>();
    let ends = Mutex::new(ends);
    sources.timer(Instant::now(), move || {
        begin.send(()).unwrap();
        ends.lock().unwrap().recv().unwrap();
    });
    let busy = driver.clone();
    let busy = thread::spawn(move || assert!(busy.poll_now()));
    begun.recv().unwrap();
    let slept = counted.sleeps.load(SeqCst);
    go.send(()).unwrap();
    sleeps(slept + 1);
    end.send(()).unwrap();
    home([busy]);
    until(|| driver.is_polled());
    drop(go);
    one.unpark();
    two.unpark();
    home([first, second]);
}

#[test]
fn poll_now_within_deliver_does_nothing() {
    let (driver, sources) = events::new();
    let (inner, (sender, polled)) = (driver.clone(), mpsc::channel());
    sources.timer(Instant::now(), move || sender.send((inner.poll_now(), inner.interrupt())).unwrap());
    assert!(driver.poll_now());
    assert_eq!(polled.recv().unwrap(), (false, false));
}

#[test]
fn a_task_that_blocks_delays_no_events() {
    for hand_over_after in [Duration::ZERO, Duration::from_micros(200), Duration::from_millis(1)] {
        let (driver, sources) = events::new();
        let driver = driver.hand_over_after(hand_over_after);
        let (sender, is_done) = mpsc::channel();
        let (ready, is_ready) = mpsc::channel();
        let parkers = [parker(&driver), parker(&driver)];
        let [one, two] = parkers.each_ref().map(|parker| parker.unparker());
        let sockets = [sources.socket(move || _ = one.unpark()), sources.socket(move || _ = two.unpark())];
        let [one, two] = parkers;
        let threads = [
            thread::spawn(move || {
                for _ in 0..100 {
                    one.park();
                    is_done.recv().unwrap();
                    ready.send(()).unwrap();
                }
            }),
            thread::spawn(move || {
                for _ in 0..100 {
                    two.park();
                    sender.send(()).unwrap();
                }
            }),
        ];
        for _ in 0..100 {
            sockets.iter().for_each(|socket| assert_eq!(socket.send(&[0]).unwrap(), 1));
            is_ready.recv().unwrap();
        }
        home(threads);
    }
}

#[test]
fn without_hand_over_no_thread_is_woken() {
    let (driver, sources) = events::new();
    let driver = driver.hand_over_after(NEVER);
    let counted = Counted::default();
    let sleeps = counted.sleeps.clone();
    let polls = parker(&driver);
    let polling = polls.unparker();
    let polls = thread::spawn(move || (0..100).for_each(|_| polls.park()));
    until_polled(&sources);
    let sleeper = Parker::with_wait(driver.or(counted)).with_spin(Spin::off());
    let unparker = sleeper.unparker();
    let sleeper = thread::spawn(move || sleeper.park());
    until(|| sleeps.load(SeqCst) > 0);
    for _ in 0..100 {
        until(|| polling.unpark());
    }
    home([polls]);
    assert_eq!(sleeps.load(SeqCst), 1, "it was woken");
    unparker.unpark();
    home([sleeper]);
}

#[test]
fn a_standby_does_not_count_by_a_former_time() {
    let (driver, sources) = events::new();
    let driver = driver.hand_over_after(Duration::from_secs(3600));
    let counted = Counted::default();
    let [counts, blocks] = [(); 2].map(|()| Parker::with_wait(driver.or(counted.clone())).with_spin(Spin::off()));
    let [one, two] = [&counts, &blocks].map(|parker| parker.unparker());
    let socket = sources.socket(move || _ = one.unpark());
    let (go, goes) = mpsc::channel();
    let counts = thread::spawn(move || {
        counts.park();
        goes.recv().unwrap();
        counts.park();
    });
    until_polled(&sources);
    let (end, ends) = mpsc::channel();
    let blocks = thread::spawn(move || {
        blocks.park();
        ends.recv().unwrap();
    });
    let sleeps = |count| until(|| counted.sleeps.load(SeqCst) >= count);
    sleeps(1);
    // The first time, the other thread takes over at once.
    socket.send(&[0]).unwrap();
    until(|| *sources.polled_by.lock().unwrap() == blocks.thread().id());
    go.send(()).unwrap();
    sleeps(2);
    // The second time, this thread counts down, for an hour.
    two.unpark();
    sleeps(3);
    let driver = driver.hand_over_after(Duration::from_millis(1));
    driver.poll_now();
    socket.send(&[0]).unwrap();
    home([counts]);
    end.send(()).unwrap();
    home([blocks]);
}

#[test]
fn a_vacant_role_is_taken_as_soon_as_it_is_handed_over_at_all() {
    let (driver, sources) = events::new();
    let driver = driver.hand_over_after(Duration::MAX);
    let counted = Counted::default();
    let [polls, sleeps] = [(); 2].map(|()| Parker::with_wait(driver.or(counted.clone())).with_spin(Spin::off()));
    let [one, two] = [&polls, &sleeps].map(|parker| parker.unparker());
    let socket = sources.socket(move || _ = one.unpark());
    let (end, ends) = mpsc::channel::<()>();
    let polls = thread::spawn(move || {
        polls.park();
        ends.recv().unwrap();
    });
    until_polled(&sources);
    let sleeps = thread::spawn(move || sleeps.park());
    until(|| counted.sleeps.load(SeqCst) >= 1);
    socket.send(&[0]).unwrap();
    until(|| !driver.is_polled());
    let driver = driver.hand_over_after(Duration::from_millis(1));
    until(|| *sources.polled_by.lock().unwrap() == sleeps.thread().id());
    drop(driver);
    two.unpark();
    end.send(()).unwrap();
    home([polls, sleeps]);
}

#[test]
fn an_idle_group_does_not_wake_up() {
    let (driver, sources) = events::new();
    let counted = Counted::default();
    let parkers: Vec<_> =
        (0..4).map(|_| Parker::with_wait(driver.or(counted.clone())).with_spin(Spin::off())).collect();
    let unparkers: Vec<_> = parkers.iter().map(Parker::unparker).collect();
    let threads: Vec<_> = parkers.into_iter().map(|parker| thread::spawn(move || parker.park())).collect();
    until(|| counted.sleeps.load(SeqCst) >= 3 && driver.is_polled());
    // Once a thread has left the event loop, there is a standby, which stops to count after a while.
    let interrupted = unparkers[0].unpark();
    assert!(interrupted);
    until(|| threads[0].is_finished() && driver.is_polled());
    let figures = || (sources.polls.load(SeqCst), counted.sleeps.load(SeqCst));
    let mut last = figures();
    until(|| {
        thread::sleep(Duration::from_millis(50));
        std::mem::replace(&mut last, figures()) == last
    });
    unparkers.iter().for_each(|unparker| _ = unparker.unpark());
    home(threads);
}

#[test]
fn a_panic_reaches_the_park_and_hands_over() {
    struct Panics(mpsc::Receiver<bool>);
    impl EventLoop for Panics {
        fn wait(&mut self, _: Option<Instant>) {
            assert!(!self.0.recv().unwrap(), "as told");
        }
        fn deliver(&mut self) {}
    }
    let (sender, receiver) = mpsc::channel();
    let interrupter = sender.clone();
    let driver = Driver::new(Panics(receiver), move || interrupter.send(false).unwrap());
    watch(driver.clone());
    let (told, panicked) = mpsc::channel();
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let parker = Parker::with_wait(driver.or(Condvar::new())).with_spin(Spin::off());
            let (unparker, told) = (parker.unparker(), told.clone());
            let thread = thread::spawn(move || {
                let result = catch_unwind(AssertUnwindSafe(|| parker.park()));
                told.send(result.is_err()).unwrap();
            });
            (thread, unparker)
        })
        .collect();
    // One after the other takes the role, and panics.
    for _ in 0..2 {
        sender.send(true).unwrap();
        assert!(panicked.recv().unwrap());
    }
    threads.iter().for_each(|(_, unparker)| _ = unparker.unpark());
    assert!(!panicked.recv().unwrap());
    home(threads.into_iter().map(|(thread, _)| thread));
}

/// One thread waits in the event loop, and the other one in its bed takes the token.
#[test]
fn a_panic_of_the_interrupter_loses_no_wake() {
    struct Waits(mpsc::Receiver<()>, mpsc::Sender<()>);
    impl EventLoop for Waits {
        fn wait(&mut self, _: Option<Instant>) {
            self.1.send(()).unwrap();
            self.0.recv().unwrap();
        }
        fn deliver(&mut self) {}
    }
    let (sender, receiver) = mpsc::channel();
    let (polls, polled) = mpsc::channel();
    let this = thread::current().id();
    let driver = Driver::new(Waits(receiver, polls), move || {
        if thread::current().id() == this {
            resume_unwind(Box::new("the interrupter panics"));
        }
        sender.send(()).unwrap();
    });
    watch(driver.clone());
    let counted = Counted::default();
    let parker = Arc::new(AtomicParker::with_wait(driver.or(counted.clone())));
    let threads = [(); 2].map(|()| {
        let parker = parker.clone();
        thread::spawn(move || parker.park())
    });
    polled.recv().unwrap();
    until(|| counted.sleeps.load(SeqCst) > 0);
    let _panics = catch_unwind(AssertUnwindSafe(|| parker.unpark()));
    until(|| threads.iter().any(|thread| thread.is_finished()));
    let last = thread::spawn(move || _ = parker.unpark());
    home(threads.into_iter().chain([last]));
}

#[test]
fn several_threads_park_on_one_parker() {
    let (driver, sources) = events::new();
    let parker = Arc::new(AtomicParker::with_wait(driver.or(Condvar::new())));
    let released = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (parker, released) = (parker.clone(), released.clone());
            thread::spawn(move || {
                for _ in 0..100 {
                    parker.park();
                    released.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    let target = parker.clone();
    let socket = sources.socket(move || _ = target.unpark());
    for round in 1..=300 {
        if round % 2 == 0 {
            socket.send(&[0]).unwrap();
        } else {
            parker.unpark();
        }
        until(|| released.load(SeqCst) == round);
    }
    home(threads);
}

#[test]
fn parkers_that_share_a_slow_path_wake_their_own_threads() {
    let (driver, _sources) = events::new();
    let slow = Arc::new(driver.or(Condvar::new()));
    let parkers: Vec<_> = (0..3).map(|_| Parker::with_wait(slow.clone()).with_spin(Spin::off())).collect();
    let unparkers: Vec<_> = parkers.iter().map(Parker::unparker).collect();
    let (sender, woken) = mpsc::channel();
    let threads: Vec<_> = (0..3)
        .zip(parkers)
        .map(|(number, parker)| {
            let sender = sender.clone();
            thread::spawn(move || {
                for _ in 0..100 {
                    parker.park();
                    sender.send(number).unwrap();
                }
            })
        })
        .collect();
    for round in 0..300 {
        unparkers[round % 3].unpark();
        assert_eq!(woken.recv().unwrap(), round % 3);
    }
    home(threads);
}
