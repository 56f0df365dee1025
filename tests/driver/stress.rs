//! Random datagrams, timers and tasks that block, on threads that end and begin again.

use crate::events::{self, home, until};
use atomic_parker::wait::Condvar;
use atomic_parker::{Parker, Spin};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
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
