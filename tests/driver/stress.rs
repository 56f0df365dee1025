//! Random datagrams, timers and tasks that block, on threads that end and begin again.

use crate::events::{self, home, until};
use crate::watchdog::watch;
use crate::workers::{announce, Queue};
use atomic_parker::idle::{Idle, Next};
use atomic_parker::wait::Condvar;
use atomic_parker::{Parker, Spin};
use std::collections::VecDeque;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Numbers without a pattern (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A token for the thread that sleeps now, if one does.
type Target = Arc<Mutex<Box<dyn Fn() + Send>>>;

const THREADS: usize = 4;
const EVENTS: usize = 400;

/// Each thread causes an event for itself, by a datagram or a timer, and sleeps until it has come. Then it may block until an event of
/// another thread has come: so events must come although the thread that polled last is blocked.
#[test]
fn events_come_while_tasks_block() {
    for hand_over_after in [Duration::ZERO, Duration::from_micros(100), Duration::from_millis(1)] {
        let (driver, sources) = events::new();
        let driver = driver.hand_over_after(hand_over_after);
        let (come, blocked, ended) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let threads = (0..THREADS).map(|number| {
            let (driver, sources) = (driver.clone(), sources.clone());
            let (come, blocked, ended) = (come.clone(), blocked.clone(), ended.clone());
            let target = Target::new(Mutex::new(Box::new(|| ())));
            let fired = Arc::new(AtomicUsize::new(0));
            // The number of the poll that has found the last event.
            let fired_in = Arc::new(AtomicUsize::new(0));
            let call = {
                let (fired, fired_in, target) = (fired.clone(), fired_in.clone(), target.clone());
                let sources = Arc::downgrade(&sources);
                move || {
                    fired_in.store(sources.upgrade().unwrap().polls.load(SeqCst), SeqCst);
                    fired.fetch_add(1, SeqCst);
                    target.lock().unwrap()();
                }
            };
            let socket: UdpSocket = sources.socket(call.clone());
            let at_end = ended.clone();
            let mut random = Random(0x9e37_79b9 + number as u64);
            let mut event = 0;
            let mut live = move || {
                let parker = Parker::with_wait(driver.or(Condvar::new())).with_spin(Spin::off());
                let unparker = parker.unparker();
                *target.lock().unwrap() = Box::new(move || _ = unparker.unpark());
                // The thread ends after some events, or after the last.
                for _ in 0..=random.below(50) {
                    if event == EVENTS {
                        return false;
                    }
                    event += 1;
                    let is_timer = random.below(2) == 0;
                    if is_timer {
                        sources.timer(Instant::now() + Duration::from_micros(random.below(1_000)), call.clone());
                        driver.interrupt();
                    } else {
                        socket.send(&[0]).unwrap();
                    }
                    let polls = sources.polls.load(SeqCst);
                    while fired.load(SeqCst) < event {
                        if random.below(4) == 0 {
                            let _ = parker.park_timeout(Duration::from_micros(random.below(500)));
                        } else {
                            parker.park();
                        }
                    }
                    // The poll that had begun may have come too early, the next one sees the datagram.
                    let is_late = !is_timer && fired_in.load(SeqCst) > polls + 1;
                    assert!(!is_late || !cfg!(target_os = "linux"), "{} polls", fired_in.load(SeqCst) - polls);
                    let before = come.fetch_add(1, SeqCst);
                    // At least one thread must stay that is neither blocked nor at its end.
                    if random.below(3) == 0 {
                        if blocked.fetch_add(1, SeqCst) + ended.load(SeqCst) < THREADS - 1 {
                            until(|| come.load(SeqCst) > before + 1 || ended.load(SeqCst) > 0);
                        }
                        blocked.fetch_sub(1, SeqCst);
                    } else if random.below(4) == 0 {
                        driver.poll_now();
                    }
                }
                true
            };
            thread::spawn(move || {
                while live() {}
                at_end.fetch_add(1, SeqCst);
            })
        });
        home(threads.collect::<Vec<_>>());
        assert_eq!(come.load(SeqCst), THREADS * EVENTS);
        assert!(!driver.is_polled());
    }
}

#[derive(Default)]
struct Event {
    is_timer: bool,
    /// The number of the last poll that had begun when the event was known to be there.
    there_in: AtomicUsize,
    /// The number of the poll that has delivered it.
    came_in: AtomicUsize,
}

/// The test's own measure of `how late`: the poll that had begun may have come too early, the next one must deliver the event.
#[test]
fn workers_block_and_end_at_random() {
    const WORKERS: usize = 4;
    for hand_over_after in [Duration::ZERO, Duration::from_micros(100), Duration::from_millis(1)] {
        let (driver, sources) = events::new();
        let driver = driver.hand_over_after(hand_over_after);
        let (idle, workers) = Idle::with_driver(WORKERS, &driver);
        watch(idle.clone());
        let queue = Queue::<Arc<Event>>::new();
        let (come, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let blocked = Arc::new(AtomicUsize::new(0));
        let threads = workers.into_iter().map(|mut worker| {
            let (queue, come, ends, blocked) = (queue.clone(), come.clone(), ends.clone(), blocked.clone());
            let mut random = Random(0x2545_f491 + worker.index() as u64);
            thread::spawn(move || loop {
                match worker.next_timeout(Duration::from_micros(random.below(3_000)), || queue.pop()) {
                    Next::Work(_) => {
                        let before = come.fetch_add(1, SeqCst);
                        match random.below(4) {
                            0 => thread::sleep(Duration::from_micros(random.below(2_000))),
                            // Until the next event has come: at least one worker must be free for it.
                            1 if blocked.fetch_add(1, SeqCst) < WORKERS - 1 => {
                                until(|| come.load(SeqCst) > before + 1 || ends.load(SeqCst));
                                blocked.fetch_sub(1, SeqCst);
                            }
                            1 => _ = blocked.fetch_sub(1, SeqCst),
                            _ => {}
                        }
                    }
                    Next::TimedOut => {
                        let idle = worker.idle().clone();
                        drop(worker);
                        worker = idle.enter().expect("a place is vacant");
                    }
                    Next::Closed => return,
                }
            })
        });
        let threads: Vec<_> = threads.collect();
        let deliver = {
            let (queue, idle, sources) = (queue.clone(), idle.downgrade(), Arc::downgrade(&sources));
            move |event: Arc<Event>| {
                event.came_in.store(sources.upgrade().unwrap().polls.load(SeqCst), SeqCst);
                queue.push(event);
                announce(&idle);
            }
        };
        let sent = Arc::new(Mutex::new(VecDeque::<Arc<Event>>::new()));
        let socket = sources.socket({
            let (sent, deliver) = (sent.clone(), deliver.clone());
            move || {
                let event = sent.lock().unwrap().pop_front();
                deliver(event.unwrap());
            }
        });
        let mut random = Random(0x9e37_79b9);
        let mut events = Vec::new();
        for number in 0..EVENTS {
            let event = Arc::new(Event { is_timer: random.below(2) == 0, ..Event::default() });
            let is_there = || event.there_in.store(sources.polls.load(SeqCst), SeqCst);
            if event.is_timer {
                let at = Instant::now() + Duration::from_micros(random.below(1_000));
                let (event, deliver) = (event.clone(), deliver.clone());
                sources.timer(at, move || deliver(event.clone()));
                driver.interrupt();
                thread::sleep(at.saturating_duration_since(Instant::now()));
            } else {
                sent.lock().unwrap().push_back(event.clone());
                socket.send(&[0]).unwrap();
            }
            is_there();
            events.push(event.clone());
            // In bursts, and one by one.
            if random.below(3) == 0 {
                until(|| come.load(SeqCst) > number);
            }
        }
        until(|| come.load(SeqCst) == EVENTS);
        ends.store(true, SeqCst);
        idle.close();
        home(threads);
        for event in events {
            let [there_in, came_in] = [&event.there_in, &event.came_in].map(|poll| poll.load(SeqCst));
            // Elsewhere, a datagram takes its time.
            let is_exact = event.is_timer || cfg!(target_os = "linux");
            assert!(came_in <= there_in + 1 || !is_exact, "poll {came_in} in place of {there_in} or the next");
        }
        assert!(!driver.is_polled());
    }
}
